"""Optimizers of Keras 3 and tf_keras train in a graph as they do in `fit`."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import optimizers

v1 = tf.compat.v1

keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")

KERAS_3 = keras.optimizers
KERAS_2 = tf_keras.optimizers


def _decay(package: Any) -> Any:
    return package.schedules.ExponentialDecay(0.1, 5, 0.5)


# Those that are made in another way each. tests/keras_interop has all there are.
OF_3: dict[str, Callable[[], Any]] = {
    "Adam": lambda: KERAS_3.Adam(0.05, amsgrad=True),
    "a schedule": lambda: KERAS_3.SGD(_decay(KERAS_3)),
    "a callable": lambda: KERAS_3.SGD(lambda *_: 0.1),
    "LossScaleOptimizer": lambda: KERAS_3.LossScaleOptimizer(
        KERAS_3.Adam(0.05), initial_scale=8.0, dynamic_growth_steps=3
    ),
}
OF_2: dict[str, Callable[[], Any]] = {
    "Adam": lambda: KERAS_2.Adam(0.05, amsgrad=True),
    "a schedule": lambda: KERAS_2.SGD(_decay(KERAS_2)),
    "LossScaleOptimizer": lambda: tf_keras.mixed_precision.LossScaleOptimizer(
        KERAS_2.Adam(0.05), initial_scale=8.0, dynamic_growth_steps=3
    ),
}


def _minimize(optimizer: Any) -> Callable[..., tf.Operation]:
    return lambda loss, step: optimizers.minimize(optimizers.get(optimizer), loss, None, step)


def _same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", OF_3)
def test_keras_3(
    kind: str, train: Callable, train_eagerly: Callable, start: dict[str, np.ndarray]
) -> None:
    make = OF_3[kind]
    variables = [keras.Variable(v, name=n.replace("/", "_")) for n, v in start.items()]
    expected = train_eagerly(make(), variables, steps=7)
    _same(train(_minimize(make()), steps=7).model, expected)
    _same(train(_minimize(make), steps=7).model, expected)


@pytest.mark.parametrize("kind", OF_2)
def test_tf_keras(
    kind: str, train: Callable, train_eagerly: Callable, start: dict[str, np.ndarray]
) -> None:
    make = OF_2[kind]
    variables = [tf.Variable(v, name=n) for n, v in start.items()]
    expected = train_eagerly(make(), variables, steps=7)
    _same(train(_minimize(make()), steps=7).model, expected)
    _same(train(_minimize(make), steps=7).model, expected)


@pytest.mark.parametrize(
    "kind", ["SGD", "Adam", "Adagrad", "Adadelta", "Adamax", "Ftrl", "RMSprop"]
)
def test_legacy_optimizers_of_tf_keras(kind: str, train: Callable) -> None:
    def expected(loss: tf.Tensor, step: tf.Variable) -> Any:
        optimizer = getattr(KERAS_2.legacy, kind)(0.1)
        optimizer.iterations = step
        return optimizer.get_updates(loss, v1.trainable_variables())

    found = train(_minimize(getattr(KERAS_2.legacy, kind)(0.1)))
    reference = train(expected)
    _same(found.model, reference.model)
    assert found.names == {f"training/{one}" for one in reference.names}


@pytest.mark.parametrize(
    "make",
    [
        lambda: KERAS_2.legacy.SGD(_decay(KERAS_2)),
        lambda: KERAS_2.SGD(_decay(KERAS_2)),
        lambda: KERAS_3.SGD(_decay(KERAS_3)),
    ],
)
def test_a_schedule_goes_by_the_steps(make: Callable, train: Callable, tmp_path: Path) -> None:
    def decayed() -> Any:
        step = v1.train.get_global_step()
        return v1.train.GradientDescentOptimizer(v1.train.exponential_decay(0.1, step, 5, 0.5))

    expected = train(_minimize(decayed))
    first = train(_minimize(make()), steps=8, checkpoint=str(tmp_path))
    second = train(_minimize(make()), steps=12, checkpoint=str(tmp_path))
    np.testing.assert_allclose(first.losses + second.losses, expected.losses, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: KERAS_2.legacy.SGD(rate()),
        KERAS_2.legacy.SGD,
        lambda rate: KERAS_2.SGD(rate()),
        KERAS_3.SGD,
        lambda rate: v1.train.GradientDescentOptimizer(rate()),
    ],
)
def test_a_decay_of_tensorflow_1_goes_by_the_steps(make: Callable, train: Callable) -> None:
    def rate() -> tf.Tensor:
        return v1.train.exponential_decay(0.1, v1.train.get_global_step(), 5, 0.5)

    expected = train(_minimize(lambda: KERAS_2.legacy.SGD(_decay(KERAS_2))))
    found = train(_minimize(lambda: make(rate)))
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-5)


def test_variables_of_keras_3_have_names_that_tell(train: Callable) -> None:
    assert train(_minimize(KERAS_3.SGD(0.1, momentum=0.9)), steps=1).names == {
        "training/SGD/iteration",
        "training/SGD/model_embedding_momentum",
        "training/SGD/model_kernel_momentum",
        "training/SGD/model_bias_momentum",
    }


def test_a_loss_scale_goes_down_for_gradients_that_are_not_finite() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        w = v1.get_variable("w", initializer=[1.0])
        factor = v1.placeholder(tf.float32, [])
        optimizer = KERAS_3.LossScaleOptimizer(KERAS_3.SGD(0.5), initial_scale=8.0)
        train_op = optimizers.minimize(optimizer, tf.reduce_sum(w * factor), None, step)
        session.run(v1.global_variables_initializer())
        session.run(train_op, {factor: np.inf})
        (scale,) = [v for v in v1.global_variables() if v.op.name.endswith("/dynamic_scale")]
        assert session.run([w, step, scale]) == [[1.0], 1, 4.0]
        session.run(train_op, {factor: 1.0})
        assert session.run([w, step]) == [[0.5], 2]


def test_constraints_of_keras_variables_are_kept() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w = keras.Variable(np.array([1.0, -1.0], np.float32), name="w")
        w.constraint = keras.constraints.NonNeg()
        loss = tf.reduce_sum(w.value * [1.0, 1.0])
        train_op = optimizers.minimize(optimizers.SGD(0.5), loss, [w], None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        np.testing.assert_allclose(session.run(w.value), [0.5, 0.0])


@pytest.mark.parametrize("package", [KERAS_3, KERAS_2])
def test_what_is_excluded_from_weight_decay_stays_so(package: Any) -> None:
    optimizer = package.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    with tf.Graph().as_default(), v1.Session() as session:
        kernel = v1.get_variable("kernel", initializer=[1.0])
        bias = v1.get_variable("bias", initializer=[1.0])
        loss = tf.reduce_sum(0.0 * kernel + 0.0 * bias)
        train_op = optimizers.minimize(optimizer, loss, None, None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        np.testing.assert_allclose(session.run([kernel, bias]), [[0.95], [1.0]])


def test_averages_that_nobody_uses_are_noted(
    train: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    tf.get_logger().addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING):
            train(_minimize(KERAS_3.SGD(0.1, use_ema=True)), steps=1)
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert "set ema_overwrite_frequency" in caplog.text


# ---- what cannot work says so


class NoConfig(KERAS_3.SGD):
    def __init__(self, factor: float) -> None:
        super().__init__(factor)


class WritesInBuild(KERAS_3.SGD):
    def build(self, variables: list[Any]) -> None:
        super().build(variables)
        self.add_variable((), name="extra").assign(1.0)


def _refuse(optimizer: Any, error: type[Exception], match: str) -> None:
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=[1.0])
        with pytest.raises(error, match=match):
            optimizers.minimize(optimizers.get(optimizer), tf.reduce_sum(w), None, None)


def test_an_optimizer_without_config_is_refused() -> None:
    _refuse(NoConfig(0.1), ValueError, "from_config.*received.*NoConfig.*Define its get_config")


def test_an_optimizer_that_writes_when_it_is_built_is_refused() -> None:
    _refuse(WritesInBuild(0.1), NotImplementedError, "WritesInBuild.*build.*extra.*initial value")


def test_a_learning_rate_of_another_graph_is_refused() -> None:
    with tf.Graph().as_default():
        optimizer = KERAS_2.legacy.SGD(tf.constant(0.1))
    _refuse(optimizer, ValueError, "learning rate.*another graph.*Give a callable")


def test_a_legacy_loss_scale_is_refused() -> None:
    optimizer = tf_keras.mixed_precision.LossScaleOptimizer(KERAS_2.legacy.SGD(0.1))
    _refuse(optimizer, NotImplementedError, "legacy LossScaleOptimizer")


@pytest.mark.skipif(not hasattr(KERAS_3, "MultiOptimizer"), reason="a Keras without it")
def test_several_optimizers_in_one_are_refused() -> None:
    optimizer = KERAS_3.MultiOptimizer(KERAS_3.OptimizerMap(KERAS_3.SGD(0.1)))
    _refuse(optimizer, NotImplementedError, "MultiOptimizer.*each of its optimizers")
