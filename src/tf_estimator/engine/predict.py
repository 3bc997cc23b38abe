"""Prediction: one session.run a batch, handed out as it comes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator import _checks
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.restore import restoring_session_creator
from tf_estimator.engine.sessions import monitored_session


def chosen_predictions(predictions: Any, predict_keys: Sequence[str] | str | None) -> Any:
    """The predictions that `predict_keys` leaves.

    Args:
        predictions: a Tensor or a dict of Tensors.
        predict_keys: names to keep (one alone may be a str), or None for all.

    Raises:
        TypeError: predict_keys are no names.
        ValueError: there are keys and no dict, or none of them is in the dict.
    """
    if not predict_keys:
        return predictions
    if not isinstance(predictions, dict):
        raise _checks.wrong_value(
            "predict_keys", "must be None when predictions is no dict", predict_keys
        )
    if not isinstance(predict_keys, Iterable):
        raise _checks.wrong_type(
            "predict_keys", "must be names of predictions, or None", predict_keys
        )
    wanted = {predict_keys} if isinstance(predict_keys, str) else set(predict_keys)
    chosen = {key: value for key, value in predictions.items() if key in wanted}
    if not chosen:
        raise _checks.wrong_value(
            "predict_keys", f"must name at least one of {sorted(predictions)}", predict_keys
        )
    return chosen


def predict(
    built: BuiltGraph,
    config: RunConfig,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    checkpoint_path: str | None,
    predictions: Any,
    yield_single_examples: bool,
) -> Iterator[Any]:
    """Predicts until a hook stops it, the input ends or nobody asks for more.

    open a session: restored from the checkpoint, else initialized
    until a hook asks to stop or the input ends:
        run the predictions of one batch; every hook looks
        hand them out, one by one or as a batch

    The graph is the default one only while it runs, so several generators may be open at once.

    Args:
        built: a graph built in mode PREDICT.
        config: the session's configuration.
        hooks: the user's.
        checkpoint_path: what to restore; None leaves the initial values.
        predictions: a Tensor or a dict of Tensors, first dimension the batch.
        yield_single_examples: whether to split batches into examples.

    Yields:
        Arrays, or dicts of arrays.
    """
    all_hooks = [*built.input_hooks, *hooks, *built.spec.prediction_hooks]
    with built.graph.as_default():
        creator = restoring_session_creator(built, checkpoint_path, config, config.master)
        if built.live is not None:
            # All of them: the next call may want others.
            targets = [built.spec.predictions]
            built.live.expects(
                built.graph, targets, built.inputs, hooks, built.spec.prediction_hooks
            )
        session = monitored_session(creator, all_hooks)
    try:
        while not session.should_stop():
            with built.graph.as_default():
                feed = built.feed() if built.feed is not None else None
                batch = session.run(predictions, feed)
            if built.live is not None:
                # What a session gives may be the memory of a variable, and the caller may write.
                batch = tf.nest.map_structure(_copy, batch)
            yield from _examples(batch) if yield_single_examples else (batch,)
    except BaseException as error:
        with built.graph.as_default():
            ended = session.__exit__(type(error), error, error.__traceback__)
        if not ended:
            raise
    else:
        with built.graph.as_default():
            session.__exit__(None, None, None)


def _copy(value: Any) -> Any:
    """A copy of an array; a scalar of NumPy's or bytes cannot be written."""
    return value.copy() if isinstance(value, np.ndarray) else value


def _examples(batch: Any) -> Iterator[Any]:
    """The examples of a batch, as arrays or dicts of arrays."""
    if not isinstance(batch, dict):
        _batch_size({None: batch})
        yield from batch
        return
    for row in range(_batch_size(batch)):
        yield {key: value[row] for key, value in batch.items()}


def _batch_size(batch: dict[Any, Any]) -> int:
    hint = "Pass yield_single_examples=False to get whole batches."
    sizes = {}
    for key, value in batch.items():
        shape = np.shape(value)
        if not shape:
            raise _checks.wrong_value(
                "Predictions" if key is None else f"predictions[{key!r}]",
                "must have a batch dimension to be split",
                value,
                hint,
            )
        sizes[key] = shape[0]
    if len(set(sizes.values())) > 1:
        raise _checks.wrong_value("Predictions", "must all have the same batch size", sizes, hint)
    return next(iter(sizes.values()))
