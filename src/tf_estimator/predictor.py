"""Predictors: functions from features to predictions, for programs that answer request by request.

`Estimator.predict` reads an input to its end. A Predictor has its graph built and its weights in
memory, and answers one batch for one call, from as many threads as call it. It is what
`tf.contrib.predictor` was, under the same names.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator.engine.serve import saved_model
from tf_estimator.engine.serve.endpoint import Ready

_DEFAULT_OUTPUT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class Predictor:
    """Answers requests from a model that is in memory. Threads may call it at once.

    Made by `Estimator.predictor`, `from_estimator` and `from_saved_model`. What it holds is let go
    by `close`, at the end of a `with`, or with the last reference to it.

    Args:
        newer_than: gives what is ready for requests: a function of what was ready before, or None,
            that gives None if nothing changed.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from tf_estimator import Estimator, EstimatorSpec
        >>> def model_fn(features, labels, mode):
        ...     w = tf.compat.v1.get_variable("w", [], initializer=tf.ones_initializer())
        ...     loss, step = tf.square(w), tf.compat.v1.train.get_global_step()
        ...     train_op = tf.group(w.assign_add(1.0), step.assign_add(1))
        ...     predictions = {"y": features["x"] * w}
        ...     return EstimatorSpec(mode, predictions, loss, train_op)
        >>> def input_fn():
        ...     return tf.data.Dataset.from_tensors({"x": [1.0]}).repeat()
        >>> estimator = Estimator(model_fn, tempfile.mkdtemp()).train(input_fn, steps=1)
        >>> predictor = estimator.predictor({"x": tf.TensorSpec([None], tf.float32)})
        >>> predictor({"x": [1.0, 3.0]})["y"]
        array([2., 6.], dtype=float32)
        >>> estimator = estimator.train(input_fn, steps=1)
        >>> predictor.refresh(), predictor({"x": [1.0]})["y"].item()
        (True, 3.0)
    """

    def __init__(self, newer_than: Callable[[Ready | None], Ready | None]) -> None:
        self._newer_than = newer_than
        # Swapped as a whole: a call takes it once, and so never sees two sets of weights.
        self._ready: Ready | None = newer_than(None)
        self._swapping, self._refreshing = threading.Lock(), threading.Lock()

    def __call__(self, features: Any) -> Any:
        """Predicts one batch.

        Args:
            features: arrays, or what NumPy makes arrays of, in the structure that the predictor was
                made for; the first dimension is the batch, also of one example. Numbers are
                converted where the feature's dtype holds them: integers to floats and float64 to
                float32, not floats to integers. Sparse and ragged features are
                `tf.compat.v1.SparseTensorValue` and `tf.compat.v1.ragged.RaggedTensorValue`, or
                eager tensors.

        Returns:
            An array, or a dict of arrays by the names of the predictions. They are the caller's.

        Raises:
            TypeError: a feature has another type.
            ValueError: one is missing or unknown, or has another shape.
            RuntimeError: the predictor is closed.
        """
        ready = self._ready
        if ready is None:
            raise self._closed()
        return ready.answer(features)

    def refresh(self) -> bool:
        """Goes over to the checkpoint that `Estimator.predict` would take now, if it is another.

        Nothing waits for it: calls go on with the weights there are until the new ones are ready,
        and end with those that they began with. Meanwhile the memory holds both. If it fails, for
        the checkpoint is damaged or of another model, the old weights stay. Without a new
        checkpoint it only looks at the folder. A SavedModel stays as it was loaded.

        Returns:
            Whether anything changed. Of calls at the same time one does the work.

        Raises:
            ValueError: there is no checkpoint any more.
            tf.errors.NotFoundError, tf.errors.InvalidArgumentError: the checkpoint is of another
                model.
            tf.errors.DataLossError: it is damaged, or all in model_dir are. (Of several, the newest
                that is whole is taken, with a warning.)
            RuntimeError: the predictor is closed.
        """
        with self._refreshing:
            previous = self._ready
            if previous is None:
                raise self._closed()
            newer = self._newer_than(previous)
            if newer is None:
                return False
            with self._swapping:  # It may have been closed meanwhile, and then stays so.
                if self._ready is None:
                    raise self._closed()
                self._ready = newer
            return True

    def close(self) -> None:
        """Lets go of the graph and the weights, as soon as the calls under way are answered."""
        with self._swapping:
            self._ready = None
            self._newer_than = _nothing

    def __enter__(self) -> "Predictor":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @property
    def checkpoint_path(self) -> str | None:
        """The checkpoint, or the folder of the SavedModel, whose weights answer.

        None if model_fn or warm_start_from gave them.
        """
        return self._open().source

    @property
    def feed_tensors(self) -> Any:
        """What a call fills: Tensors in the structure of the features."""
        return self._open().endpoint.feeds.structure

    @property
    def fetch_tensors(self) -> Any:
        """What answers it: a Tensor, or a dict of them."""
        return self._open().endpoint.outputs

    @property
    def graph(self) -> tf.Graph:
        """The graph, which is finalized."""
        return self._open().endpoint.graph

    @property
    def session(self) -> tf.compat.v1.Session:
        """The session with the weights of now; `refresh` makes another. Do not close it."""
        return self._open().session

    def __repr__(self) -> str:
        ready = self._ready
        if ready is None:
            return "<Predictor, closed>"
        return f"<Predictor of {ready.source or 'initial weights'}: {self._names(ready)}>"

    @staticmethod
    def _names(ready: Ready) -> str:
        fed, fetched = ready.endpoint.feeds.structure, ready.endpoint.outputs
        names = [
            ", ".join(map(str, one)) if isinstance(one, Mapping) else "a tensor"
            for one in (fed, fetched)
        ]
        return " -> ".join(names)

    def _open(self) -> Ready:
        ready = self._ready
        if ready is None:
            raise self._closed()
        return ready

    @staticmethod
    def _closed() -> RuntimeError:
        return RuntimeError("The predictor is closed. Make another with Estimator.predictor.")


def from_saved_model(
    export_dir: str | bytes | os.PathLike[str],
    signature_def_key: str | None = None,
    signature_def: Any = None,
    input_names: Mapping[str, str] | None = None,
    output_names: Mapping[str, str] | None = None,
    tags: str | Iterable[str] | None = None,
    *,
    config: tf.compat.v1.ConfigProto | None = None,
) -> Predictor:
    """Makes a Predictor of a SavedModel: of `Estimator.export_saved_model`, or any other.

    Load only what you trust: a SavedModel holds no Python, but its operations may read and write
    files.

    Args:
        export_dir: the folder of the SavedModel.
        signature_def_key: the name of the signature to answer by; None for "serving_default". Its
            inputs are the features of a call, and its outputs the answer, by name.
        signature_def: a SignatureDef to answer by instead.
        input_names: with `output_names`, instead of a signature: names of inputs to the names of
            their tensors, as "x:0".
        output_names: the same for outputs.
        tags: which graph of the SavedModel; several as a list or separated by commas. None for
            "serve".
        config: the session's configuration.

    Returns:
        A Predictor; it takes and gives dicts.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: there is no SavedModel, it has no graph with these tags or no such signature,
            or there is more than one of a key, a signature and names.
        NotImplementedError: an input or output is neither dense nor sparse.

    Example:
        `from_saved_model("exports/1700000000")({"x": [[1.0, 2.0]]})["output"]`
    """
    loaded = saved_model.load(
        export_dir, signature_def_key, signature_def, input_names, output_names, tags, config
    )
    first = [loaded]
    return Predictor(lambda previous: first.pop() if previous is None else None)


def from_estimator(
    estimator: Any,
    serving_input_receiver_fn: Callable[[], Any],
    output_key: str | None = None,
) -> Predictor:
    """Makes a Predictor of an Estimator that takes and gives what its exports would.

    `Estimator.predictor` answers with the predictions, and needs no receiver function.

    Args:
        estimator: a trained Estimator, whose `config` has the session's configuration.
        serving_input_receiver_fn: makes what a call fills, see `tf_estimator.export`.
        output_key: the name of one of model_fn's export_outputs; None for "serving_default".

    Returns:
        A Predictor; it takes and gives dicts.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: there are no trained weights, or no such output.

    Example:
        `from_estimator(estimator, build_raw_serving_input_receiver_fn(features))`
    """
    if not hasattr(estimator, "predictor"):
        raise _checks.wrong_type("estimator", "must be a tf_estimator.Estimator", estimator)
    _checks.callable_("serving_input_receiver_fn", serving_input_receiver_fn)
    key = _DEFAULT_OUTPUT if output_key is None else output_key
    return estimator.predictor(serving_input_receiver_fn, output_key=key)


def _nothing(previous: Ready | None) -> Ready | None:
    """Is in place of what would make a closed predictor ready."""
    return previous
