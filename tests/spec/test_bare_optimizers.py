"""A Keras optimizer's own apply_gradients does not train in a graph, and says what does."""

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from tf_estimator import optimizers
from tf_estimator.spec import EstimatorSpec, bare_optimizers

v1 = tf.compat.v1

KERAS = ["keras", "tf_keras"]


@pytest.fixture(autouse=True)
def _graph() -> Any:
    with tf.Graph().as_default():
        v1.train.get_or_create_global_step()
        yield


@pytest.fixture
def w() -> tf.Variable:
    return v1.get_variable("w", initializer=1.0)


def made_in(package: str, *path: str) -> Any:
    part: Any = pytest.importorskip(package)
    for name in path:
        part = getattr(part, name)
    return part


def spec(w: tf.Variable, train_op: Any, mode: str = "train") -> EstimatorSpec:
    return EstimatorSpec(mode, loss=w**2, train_op=train_op)


def bare(optimizer: Any, w: tf.Variable) -> Any:
    return optimizer.apply_gradients([(tf.gradients(w**2, w)[0], w)])


def counted_after(result: Any) -> Any:
    with tf.control_dependencies([result]):
        return v1.train.get_global_step().assign_add(1)


def counted_beside(_: Any) -> Any:
    return v1.assign_add(v1.train.get_global_step(), 1)


def refused(w: tf.Variable, train_op: Any) -> None:
    with pytest.raises(TypeError, match=r"train_op.*apply_gradients(.*\n)+.*keras\.minimize\(opti"):
        spec(w, train_op)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("package", KERAS)
def test_what_it_returns_is_refused(package: str, name: str, w: tf.Variable) -> None:
    refused(w, bare(made_in(package, "optimizers", name)(0.1), w))


@pytest.mark.parametrize("wrap", [counted_beside, tf.identity])
@pytest.mark.parametrize("package", KERAS)
def test_what_is_made_of_it_is_refused(package: str, wrap: Callable, w: tf.Variable) -> None:
    refused(w, wrap(bare(made_in(package, "optimizers", "Adam")(0.1), w)))


@pytest.mark.parametrize("wrap", [counted_after, tf.group])  # Keras 3 fails by itself.
def test_what_is_made_of_it_is_refused_for_tf_keras(wrap: Callable, w: tf.Variable) -> None:
    refused(w, wrap(bare(made_in("tf_keras", "optimizers", "Adam")(0.1), w)))


def test_a_schedule_changes_nothing(w: tf.Variable) -> None:
    decay = made_in("tf_keras", "optimizers", "schedules", "ExponentialDecay")(0.1, 5, 0.5)
    refused(w, tf.group(bare(made_in("tf_keras", "optimizers", "SGD")(decay), w)))


def test_apply_returns_none_and_is_refused(w: tf.Variable) -> None:
    refused(w, made_in("keras", "optimizers", "SGD")(0.1).apply([tf.ones([])], [w]))


@pytest.mark.parametrize(
    ("package", "where"), [("keras", "optimizers"), ("tf_keras", "mixed_precision")]
)
def test_a_loss_scale_changes_nothing(package: str, where: str, w: tf.Variable) -> None:
    inner = made_in(package, "optimizers", "SGD")(0.1)
    refused(w, bare(made_in(package, where, "LossScaleOptimizer")(inner), w))


def test_the_global_step_as_counter_changes_nothing(w: tf.Variable) -> None:
    optimizer = made_in("tf_keras", "optimizers", "SGD")(0.1)
    optimizer.iterations = v1.train.get_global_step()
    refused(w, bare(optimizer, w))


def test_minimize_with_a_function_is_refused(w: tf.Variable) -> None:
    optimizer = made_in("tf_keras", "optimizers", "SGD")(0.1)
    refused(w, optimizer.minimize(lambda: w**2, [w]))


def test_every_mode_refuses(w: tf.Variable) -> None:
    result = bare(made_in("keras", "optimizers", "SGD")(0.1), w)
    with pytest.raises(TypeError, match="train_op"):
        spec(w, result, "eval")


def hint_of(call: Callable[[], Any]) -> str:
    with pytest.raises((AttributeError, TypeError, ValueError)) as caught:
        call()
    return bare_optimizers.hint(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda k, w: k.SGD(0.1).minimize(w**2, [w]),
        lambda k, w: k.SGD(0.1).get_updates(w**2, [w]),
        lambda k, w: k.SGD(0.1).apply_gradients([1]),
    ],
)
@pytest.mark.parametrize("package", KERAS)
def test_an_error_of_an_optimizer_has_a_hint(package: str, call: Callable, w: tf.Variable) -> None:
    assert "keras.minimize(optimizer" in hint_of(lambda: call(made_in(package, "optimizers"), w))


@pytest.mark.parametrize("wrap", [tf.group, lambda result: tf.group(tf.no_op(), result)])
def test_a_group_with_the_counter_has_a_hint(wrap: Callable, w: tf.Variable) -> None:
    result = bare(made_in("keras", "optimizers", "SGD")(0.1), w)
    assert "keras.minimize(optimizer" in hint_of(lambda: wrap(result))


def test_a_branch_that_is_no_tensor_has_a_hint(w: tf.Variable) -> None:
    optimizer = made_in("tf_keras", "optimizers", "Nadam")(0.1)
    assert "keras.minimize(optimizer" in hint_of(lambda: bare(optimizer, w))


def test_other_errors_have_none(w: tf.Variable) -> None:
    class Failing(made_in("keras", "optimizers", "SGD")):  # type: ignore[misc]
        def update_step(self, *_: Any) -> None:
            raise ValueError("mine")

    optimizer = Failing(0.1)
    assert hint_of(lambda: optimizer.unknown) == ""
    assert hint_of(lambda: tf.group("a")) == ""
    assert hint_of(lambda: optimizers.minimize(Failing(0.1), w**2, [w], None)) == ""


# ---- what is right stays so


def _updates(w: tf.Variable) -> tf.Operation:
    optimizer = made_in("tf_keras", "optimizers", "legacy", "SGD")(0.1)
    optimizer.iterations = v1.train.get_global_step()
    return tf.group(*optimizer.get_updates(w**2, [w]))


def _in_a_function(w: tf.Variable) -> tf.Tensor:
    optimizer = made_in("keras", "optimizers", "SGD")(0.1)
    optimizer.build([w])

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        optimizer.apply_gradients([(tf.ones([]), w)])
        return tf.constant(0)

    return counted_after(step())


@pytest.mark.parametrize(
    "make",
    [
        _updates,
        _in_a_function,
        lambda w: bare(made_in("tf_keras", "optimizers", "legacy", "SGD")(0.1), w),
        lambda w: optimizers.minimize(made_in("keras", "optimizers", "SGD")(0.1), w**2, [w], None),
        lambda w: optimizers.minimize(made_in("tf_keras", "optimizers", "SGD")(), w**2, [w], None),
        lambda _: counted_beside(None),
    ],
)
def test_what_trains_is_taken(make: Callable, w: tf.Variable) -> None:
    assert spec(w, make(w)).train_op is not None


@pytest.mark.parametrize("package", KERAS)
def test_an_optimizer_that_is_not_applied_is_no_reason(package: str, w: tf.Variable) -> None:
    optimizer = made_in(package, "optimizers", "SGD")(0.1)
    optimizer.build([w])
    assert spec(w, v1.train.GradientDescentOptimizer(0.1).minimize(w**2)).train_op is not None


def test_ones_own_counter_may_be_called_iteration(w: tf.Variable) -> None:
    made_in("keras")
    zero = tf.constant(0, tf.int64)
    own = v1.get_variable("iteration", initializer=zero, trainable=False)
    assert spec(w, v1.assign_add(own, 1)).train_op is not None
    assert spec(w, tf.group(v1.assign_add(own, 1))).train_op is not None
