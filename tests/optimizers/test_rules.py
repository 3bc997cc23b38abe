"""The five optimizers with names: their rules, and the names of their variables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import optimizers

v1 = tf.compat.v1

NAMES = ("Adagrad", "Adam", "Ftrl", "RMSProp", "SGD")
LR = 0.1
EPSILON = 1e-7


def _minimize(name: str, learning_rate: float = LR) -> Callable[..., tf.Operation]:
    return lambda loss, step: optimizers.minimize(
        optimizers.get(name, learning_rate), loss, None, step
    )


# ---- the rules, one step from the start: value and gradient in, value out


def _sgd(w: np.ndarray, g: np.ndarray) -> np.ndarray:
    return w - LR * g


def _adagrad(w: np.ndarray, g: np.ndarray) -> np.ndarray:
    return w - LR * g / (np.sqrt(0.1 + g**2) + EPSILON)


def _adam(w: np.ndarray, g: np.ndarray) -> np.ndarray:
    m, v = 0.1 * g, 0.001 * g**2
    return w - LR * np.sqrt(1 - 0.999) / (1 - 0.9) * m / (np.sqrt(v) + EPSILON)


def _rmsprop(w: np.ndarray, g: np.ndarray) -> np.ndarray:
    return w - LR * g / (np.sqrt(0.1 * g**2) + EPSILON)


def _ftrl(w: np.ndarray, g: np.ndarray) -> np.ndarray:
    accumulator = 0.1 + g**2
    linear = g - (np.sqrt(accumulator) - np.sqrt(0.1)) / LR * w
    return -linear / (np.sqrt(accumulator) / LR)


RULES = {"Adagrad": _adagrad, "Adam": _adam, "Ftrl": _ftrl, "RMSProp": _rmsprop, "SGD": _sgd}


@pytest.mark.parametrize("use_resource", [True, False])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("name", NAMES)
def test_one_step_follows_the_rule(name: str, dtype: tf.DType, use_resource: bool) -> None:
    w = np.array([[1.0, -2.0], [0.5, 3.0], [4.0, -1.0]])
    g = np.array([[0.3, 0.2], [-0.7, 1.5], [0.0, 0.4]])
    with tf.Graph().as_default(), v1.Session() as session:
        dense = v1.get_variable("d", initializer=w.astype(dtype.name), use_resource=use_resource)
        rows = v1.get_variable("r", initializer=w.astype(dtype.name), use_resource=use_resource)
        half = tf.constant(g[[0, 1]] / 2, dtype)
        # The gradient of a row that is used twice is the sum of both.
        loss = tf.reduce_sum(dense * g) + tf.reduce_sum(
            tf.gather(rows, [0, 1, 0, 1]) * tf.concat([half, half], 0)
        )
        train_op = optimizers.minimize(optimizers.get(name, LR), loss, None, None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        new_dense, new_rows = session.run([dense, rows])
    tolerance = 1e-6 if dtype == tf.float32 else 1e-7  # hyperparameters are float32
    np.testing.assert_allclose(new_dense, RULES[name](w, g), rtol=tolerance * 10)
    np.testing.assert_allclose(new_rows[:2], RULES[name](w, g)[:2], rtol=tolerance * 10)
    np.testing.assert_array_equal(new_rows[2], w[2])


@pytest.mark.parametrize("name", NAMES)
def test_training_equals_that_with_the_keras_optimizer(name: str, train: Callable) -> None:
    keras = pytest.importorskip("tf_keras")
    kind = getattr(keras.optimizers.legacy, {"RMSProp": "RMSprop"}.get(name, name))

    def minimize(loss: tf.Tensor, step: tf.Variable) -> Any:
        optimizer = kind(LR)
        optimizer.iterations = step
        return optimizer.get_updates(loss, v1.trainable_variables())

    expected = train(minimize)
    found = train(_minimize(name))
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-5)
    assert {n.removeprefix("training/") for n in found.values} == set(expected.values)
    for full, value in found.values.items():
        np.testing.assert_allclose(
            value, expected.values[full.removeprefix("training/")], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("name", NAMES)
def test_reference_variables_are_trained_the_same(name: str, train: Callable) -> None:
    expected = train(_minimize(name))
    found = train(_minimize(name), use_resource=False)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-5)


# ---- names

HYPERPARAMETERS = {
    "Adagrad": "learning_rate decay",
    "Adam": "learning_rate decay beta_1 beta_2",
    "Ftrl": "learning_rate decay learning_rate_power l1_regularization_strength "
    "l2_regularization_strength beta",
    "RMSProp": "learning_rate decay rho momentum",
    "SGD": "learning_rate decay momentum",
}
SLOTS = {
    "Adagrad": "accumulator",
    "Adam": "m v",
    "Ftrl": "accumulator linear",
    "RMSProp": "rms",
    "SGD": "",
}


@pytest.mark.parametrize("name", NAMES)
def test_variables_are_named_as_in_checkpoints_of_the_original(
    name: str, train: Callable, start: dict[str, np.ndarray]
) -> None:
    values = train(_minimize(name, 0.5), steps=1).values
    scope = f"training/{'RMSprop' if name == 'RMSProp' else name}"
    scalars = {f"{scope}/{one}" for one in HYPERPARAMETERS[name].split()}
    slots = {f"{scope}/{v}/{slot}": v for v in start for slot in SLOTS[name].split()}
    assert set(values) == {*start, "global_step", *scalars, *slots}
    assert all(values[one].shape == () and values[one].dtype == np.float32 for one in scalars)
    assert all(values[slot].shape == start[v].shape for slot, v in slots.items())
    assert values[f"{scope}/learning_rate"] == 0.5
    assert values[f"{scope}/decay"] == 0


def _names(make: Callable[[tf.Variable], Any]) -> set[str]:
    with tf.Graph().as_default():
        make(v1.get_variable("w", initializer=[1.0]))
        return {v.op.name for v in v1.global_variables()} - {"w"}


def test_without_a_global_step_the_optimizer_counts_on_its_own(train: Callable) -> None:
    def minimize(loss: tf.Tensor, step: tf.Variable) -> tf.Operation:
        with tf.control_dependencies([step.assign_add(1)]):
            return optimizers.minimize(optimizers.Adam(LR), loss, None, None)

    found = train(minimize)
    assert found.values["training/Adam/iter"] == 20
    assert found.values["training/Adam/iter"].dtype == np.int64
    assert "training/Adam/iter" not in train(_minimize("Adam"), steps=1).values


def test_two_of_a_kind_are_told_apart() -> None:
    def make(w: tf.Variable) -> None:
        optimizers.minimize(optimizers.SGD(), w**2, [w], v1.train.get_or_create_global_step())
        optimizers.minimize(optimizers.SGD(), w**2, [w], None)

    first = {"learning_rate", "decay", "momentum"}
    expected = {f"training/SGD/{one}" for one in first}
    expected |= {f"training/SGD_1/{one}" for one in (*first, "iter")}
    assert _names(make) == {"global_step", *expected}


def test_scopes_of_the_caller_are_not_in_the_names() -> None:
    def make(w: tf.Variable) -> None:
        with v1.variable_scope("a"), v1.name_scope("b"):
            optimizers.minimize(optimizers.SGD(), w**2, [w], None)

    assert "training/SGD/learning_rate" in _names(make)


def test_a_scope_of_the_users_with_our_name_stays_theirs() -> None:
    def make(w: tf.Variable) -> None:
        with v1.name_scope("training"):
            optimizers.minimize(optimizers.SGD(), w**2, [w], None)

    assert "training_1/SGD/learning_rate" in _names(make)


def test_each_part_of_a_partitioned_variable_has_its_slots() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable(
            "w", [4, 1], initializer=v1.ones_initializer(), partitioner=v1.fixed_size_partitioner(2)
        )
        loss = tf.reduce_sum(tf.convert_to_tensor(w) * [[1.0], [2.0], [3.0], [4.0]])
        train_op = optimizers.minimize(optimizers.Adagrad(LR), loss, [w], None)
        names = {v.op.name for v in v1.global_variables()}
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        value = session.run(tf.convert_to_tensor(w))
    assert {f"training/Adagrad/w/part_{n}/accumulator" for n in (0, 1)} < names
    np.testing.assert_allclose(
        value, _adagrad(np.ones([4, 1]), np.array([[1.0], [2.0], [3.0], [4.0]])), rtol=1e-6
    )


# ---- what is saved


@pytest.mark.parametrize("name", NAMES)
def test_training_goes_on_from_a_checkpoint(name: str, train: Callable, tmp_path: Path) -> None:
    expected = train(_minimize(name), steps=10)
    train(_minimize(name), steps=4, checkpoint=str(tmp_path))
    found = train(_minimize(name), steps=6, checkpoint=str(tmp_path))
    np.testing.assert_allclose(found.losses, expected.losses[4:], rtol=1e-6)


def test_the_hyperparameters_of_a_checkpoint_hold(train: Callable, tmp_path: Path) -> None:
    expected = train(_minimize("SGD", 0.25), steps=6)
    train(_minimize("SGD", 0.25), steps=3, checkpoint=str(tmp_path))
    found = train(_minimize("SGD", 0.0), steps=3, checkpoint=str(tmp_path))
    np.testing.assert_allclose(found.losses, expected.losses[3:], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_no_variable_needs_another_to_start(name: str) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[1.0])
        count = v1.get_variable("count", initializer=0, trainable=False)
        with tf.control_dependencies([count.assign_add(1)]):
            optimizers.minimize(optimizers.get(name), tf.reduce_sum(w), [w], None)
        for one in reversed(v1.global_variables()):
            session.run(one.initializer)
        assert session.run(count) == 0


def test_slots_are_placed_with_their_variables() -> None:
    with tf.Graph().as_default():
        with v1.device("/job:ps/task:1"):
            w = v1.get_variable("w", initializer=[1.0])
        with v1.device("/job:ps/task:0"):
            optimizers.minimize(optimizers.Adam(), tf.reduce_sum(w**2), None, None)
        devices = {v.op.name: v.device for v in v1.global_variables()}
    assert "task:1" in devices["training/Adam/w/m"]
    assert "task:0" in devices["training/Adam/beta_1"]


def test_a_constraint_is_kept() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[1.0, 1.0], constraint=lambda w: tf.maximum(w, 0.9))
        loss = tf.reduce_sum(w * [1.0, 0.1])
        train_op = optimizers.minimize(optimizers.SGD(0.5), loss, None, None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        np.testing.assert_allclose(session.run(w), [0.9, 0.95])
