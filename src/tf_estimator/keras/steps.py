"""The steps of a Keras model, train, test and predict, as functions that can be traced."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tf_estimator.keras.names import keras_of, variables
from tf_estimator.keras.traced import Traced, trace

LOSS = "loss"


def train_step(model: Any, data: tuple[Any, ...]) -> Traced:
    """The model's train_step.

    The metrics are reset first, so what they say is of this batch alone. Gives `loss`, that of the
    batch, and `logs`, all that the step returned, by name.
    """

    def step(*data: Any) -> dict[str, Any]:
        model.reset_metrics()
        with _recorded_loss(model) as losses:
            logs = _by_name(model.train_step(data))
        return {"loss": _loss("train_step", losses, logs), "logs": logs}

    return _trace(model, step, data)


def test_step(model: Any, data: tuple[Any, ...]) -> Traced:
    """The model's test_step; gives `loss`, that of the batch, and `logs`, of all batches so far."""

    def step(*data: Any) -> dict[str, Any]:
        with _recorded_loss(model) as losses:
            logs = _by_name(model.test_step(data))
        results = model.get_metrics_result()
        # As evaluate of Keras chooses.
        if set(results) == set(logs):
            logs = _by_name(results)
        return {"loss": _loss("test_step", losses, logs), "logs": logs}

    return _trace(model, step, data)


def predict_step(model: Any, data: tuple[Any, ...]) -> Traced:
    """The model's predict_step; gives `outputs`, as the model gives them."""

    def step(*data: Any) -> dict[str, Any]:
        return {"outputs": model.predict_step(data)}

    return _trace(model, step, data[:1])


def _trace(model: Any, step: Callable[..., Any], data: tuple[Any, ...]) -> Traced:
    # As fit of each Keras does.
    autograph = keras_of(model).__name__ == "tf_keras"
    return trace(step, data, lambda: variables(model), autograph=autograph)


def _by_name(logs: Any) -> dict[str, tf.Tensor]:
    """The logs of a step as tensors, without those that have none."""
    if not isinstance(logs, dict):
        logs = {LOSS: logs}
    return {str(name): tf.convert_to_tensor(one) for name, one in logs.items() if one is not None}


def _loss(name: str, recorded: list[Any], logs: dict[str, tf.Tensor]) -> tf.Tensor:
    """The loss of a step: what it computed, else what it says."""
    if len(recorded) == 1:
        return tf.reduce_mean(tf.cast(recorded[0], tf.float32))
    if LOSS in logs:
        return tf.reduce_mean(tf.cast(logs[LOSS], tf.float32))
    said = [one for key, one in logs.items() if key.endswith(LOSS) and one.shape.rank == 0]
    if not said:
        raise ValueError(
            f"The {name} of the Keras model must tell its loss: call self.compute_loss(...) in it, "
            f"or return it by the name 'loss'; it returned {sorted(logs)}."
        )
    return tf.add_n([tf.cast(one, tf.float32) for one in said])


@contextlib.contextmanager
def _recorded_loss(model: Any) -> Iterator[list[Any]]:
    """Records what the model's compute_loss returns, which a step need not return."""
    compute = model.compute_loss
    before = vars(model).get("compute_loss")
    losses: list[Any] = []

    def record(*args: Any, **kwargs: Any) -> Any:
        loss = compute(*args, **kwargs)
        losses.append(loss)
        return loss

    # Not by setattr, of which Keras keeps account.
    vars(model)["compute_loss"] = record
    try:
        yield losses
    finally:
        if before is None:
            del vars(model)["compute_loss"]
        else:
            vars(model)["compute_loss"] = before
