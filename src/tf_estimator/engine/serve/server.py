"""Answers request by request: a prediction graph that is fed, on one set of weights at a time.

build the graph once: the features are placeholders, or what a receiver function makes of some
at the start, and when asked to look again and the checkpoint changed:
    open a session: restored from the checkpoint, else initialized
    prepare one call of it, from all feeds to all outputs
at each request:
    check the values, feed them, fetch the outputs

Each set of weights has a session of its own, ready before it takes over. So no request waits for
another or sees two sets, and a session goes when the last request that uses it is answered.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, checkpoint
from tf_estimator._tf import logger, v1, without_deprecation_notes
from tf_estimator.checkpoint import RestoreReport, WarmStartSettings
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import BuiltGraph, build
from tf_estimator.engine.inputs import GraphInput
from tf_estimator.engine.model import Model
from tf_estimator.engine.predict import chosen_predictions
from tf_estimator.engine.restore import require_given_weights, restoring_session_creator
from tf_estimator.engine.serve.endpoint import Endpoint, Ready, chosen, tensors_of
from tf_estimator.engine.serve.placeholders import placeholders
from tf_estimator.engine.sessions import TheInputGoesOn
from tf_estimator.export import signatures
from tf_estimator.spec import ModeKeys

# A checkpoint that goes while it is restored is one that training has replaced.
_TRIES = 10


def server(
    model: Model,
    config: RunConfig,
    features: Any,
    find_checkpoint: Callable[[], str | None],
    *,
    predict_keys: Sequence[str] | str | None = None,
    output_key: str | None = None,
    warm_start: WarmStartSettings | None = None,
    on_restore: Callable[[RestoreReport | None], None] = lambda report: None,
) -> Callable[[Ready | None], Ready | None]:
    """Builds the graph, and gives what makes it ready, again and again.

    Args:
        model: the checked model_fn.
        config: the session's configuration, and what model_fn sees.
        features: what describes the features, see `placeholders`; or a function without arguments
            that makes a receiver.
        find_checkpoint: gives the path of what to restore, or None if there is none.
        predict_keys: names of predictions to keep; None for all.
        output_key: the name of one of export_outputs, whose tensors answer then; None for the
            predictions.
        warm_start: where the first weights come from while there is no checkpoint.
        on_restore: told of every restore.

    Returns:
        A function of what was ready before, or None, to what is now; None if that is the same.

    Raises:
        ValueError: there are no trained weights, or a key names nothing.
    """
    fed: list[Any] = []

    def read_input() -> GraphInput:
        given = _receiver(features) if callable(features) else None
        if given is not None:
            fed.append(given.receiver_tensors)
            return GraphInput(given.features, None, ())
        fed.append(placeholders("features", features))
        return GraphInput(fed[0], None, ())

    path = find_checkpoint()
    built = build(model, ModeKeys.PREDICT, read_input, config, on_restore)
    if path is None and warm_start is not None:
        with built.graph.as_default():
            checkpoint.warm_start(warm_start)
    elif path is None:
        require_given_weights(built, config.model_dir)
    if built.spec.prediction_hooks:
        logger.warning(
            "A predictor runs no prediction_hooks; model_fn gave %s.", built.spec.prediction_hooks
        )
    if output_key is None:
        outputs = chosen_predictions(built.spec.predictions, predict_keys)
    else:
        outputs = chosen_predictions(_exported(built, output_key), predict_keys)
    endpoint = Endpoint("features", built.graph, fed[0], outputs)
    return _Opener(built, endpoint, config, find_checkpoint).newer_than


def _receiver(receiver_fn: Callable[[], Any]) -> Any:
    receiver = receiver_fn()
    if not hasattr(receiver, "features") or not hasattr(receiver, "receiver_tensors"):
        raise _checks.wrong_type(
            "What a serving_input_receiver_fn returns",
            "must be a ServingInputReceiver or TensorServingInputReceiver",
            receiver,
        )
    return receiver


def _exported(built: BuiltGraph, output_key: str) -> dict[str, Any]:
    """The tensors of one of export_outputs, by the names that its signature would have."""
    with built.graph.as_default(), without_deprecation_notes():
        outputs = signatures.export_outputs(built.spec, built.mode)
        output = chosen("output_key", outputs, output_key)
        # Only its outputs are asked for; as an input, every kind of signature takes this one.
        signature = output.as_signature_def({"examples": v1.placeholder(tf.string, [None])})
        return tensors_of("output", signature.outputs)


class _Opener:
    """Opens sessions of one graph, each restored from the checkpoint that is to be taken then."""

    def __init__(
        self,
        built: BuiltGraph,
        endpoint: Endpoint,
        config: RunConfig,
        find_checkpoint: Callable[[], str | None],
    ) -> None:
        self._built, self._endpoint, self._config = built, endpoint, config
        self._find = find_checkpoint

    def newer_than(self, previous: Ready | None) -> Ready | None:
        """What is ready now; None if `previous` still is what it would be.

        Raises:
            ValueError: there was a checkpoint, and is none any more.
            tf.errors.OpError: the checkpoint cannot be restored, or is of another model.
        """
        path, version = self._look()
        for _ in range(_TRIES):
            if previous is not None and (path, version) == (previous.source, previous.version):
                return None
            if previous is not None and path is None:
                raise ValueError(
                    f"There is no checkpoint in model_dir {self._config.model_dir} any more; the "
                    f"predictor goes on with what it has from {previous.source}."
                )
            try:
                return self._open(path, version)
            except (ValueError, tf.errors.OpError):
                tried = path, version
                path, version = self._look()
                if (path, version) == tried:
                    raise
        return self._open(path, version)

    def _look(self) -> tuple[str | None, Any]:
        path = self._find()
        return path, None if path is None else checkpoint.identity(path)

    def _open(self, path: str | None, version: Any) -> Ready:
        built, config = self._built, self._config
        with built.graph.as_default(), without_deprecation_notes():
            creator = restoring_session_creator(built, path, config, config.master)
            with TheInputGoesOn("a session was restored and initialized"):
                session = creator.create_session()
            return Ready(self._endpoint, session, path, version)
