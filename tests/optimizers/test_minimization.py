"""minimize: one operation for one step, with any optimizer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import optimizers

v1 = tf.compat.v1

# One of each kind; those of Keras only where it is installed.
MAKERS = {
    "own": lambda: optimizers.SGD(0.5),
    "v1": lambda: v1.train.GradientDescentOptimizer(0.5),
    "tf_keras legacy": lambda: pytest.importorskip("tf_keras").optimizers.legacy.SGD(0.5),
    "tf_keras": lambda: pytest.importorskip("tf_keras").optimizers.SGD(0.5),
    "Keras 3": lambda: pytest.importorskip("keras").optimizers.SGD(0.5),
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return MAKERS[request.param]


def test_a_step_updates_counts_and_runs_what_it_is_given(make: Callable) -> None:
    optimizer = make()
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        w = v1.get_variable("w", initializer=[3.0])
        other = v1.get_variable("other", initializer=[1.0])
        copy = v1.get_variable("copy", initializer=[0.0], trainable=False)
        update = copy.assign(w + 1.0)
        train_op = optimizers.minimize(optimizer, tf.reduce_sum(w), [w], step, [update])
        assert isinstance(train_op, tf.Operation)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        session.run(train_op)
        assert session.run([step, w, other]) == [2, [2.0], [1.0]]
        # The second update came before the second step.
        np.testing.assert_allclose(session.run(copy), [3.5])


def test_there_may_be_no_global_step(make: Callable) -> None:
    optimizer = make()
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[3.0])
        train_op = optimizers.minimize(optimizer, tf.reduce_sum(w), None, None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        assert session.run(w) == [2.5]
        assert v1.train.get_global_step() is None


def test_what_has_to_run_before_does_not_hold_up_the_start(make: Callable) -> None:
    optimizer = make()
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[3.0])
        count = v1.get_variable("count", initializer=0, trainable=False)
        with tf.control_dependencies([count.assign_add(1)]):
            train_op = optimizers.minimize(optimizer, tf.reduce_sum(w), None, None)
        # One after the other: none may need another one or the update.
        for one in reversed(v1.global_variables()):
            session.run(one.initializer)
        session.run(train_op)
        assert session.run([w, count]) == [[2.5], 1]


def test_variables_without_influence_stay(make: Callable) -> None:
    optimizer = make()
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[3.0])
        idle = v1.get_variable("idle", initializer=[1.0])
        train_op = optimizers.minimize(optimizer, tf.reduce_sum(w), None, None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        assert session.run([w, idle]) == [[2.5], [1.0]]


def test_one_instance_trains_in_many_graphs(make: Callable) -> None:
    optimizer = make()
    names = []
    for _ in range(2):
        with tf.Graph().as_default(), v1.Session() as session:
            step = v1.train.get_or_create_global_step()
            w = v1.get_variable("w", initializer=[3.0])
            train_op = optimizers.minimize(optimizer, tf.reduce_sum(w), None, step)
            names.append([v.op.name for v in v1.global_variables()])
            session.run(v1.global_variables_initializer())
            session.run(train_op)
            assert session.run([w, step]) == [[2.5], 1]
    assert names[0] == names[1]


def test_a_callable_gives_the_same_names_in_every_graph(make: Callable) -> None:
    make()  # skips
    names = []
    for _ in range(2):
        with tf.Graph().as_default():
            w = v1.get_variable("w", initializer=[3.0])
            step = v1.train.get_or_create_global_step()
            optimizers.minimize(optimizers.get(make), tf.reduce_sum(w), None, step)
            names.append([v.op.name for v in v1.global_variables()])
    assert names[0] == names[1]
    assert all(one.startswith("training/SGD/") for one in names[0][2:])


def test_gradients_are_not_pinned_to_a_device(make: Callable) -> None:
    optimizer = make()
    with tf.Graph().as_default() as graph:
        with v1.device("/job:ps"):
            w = v1.get_variable("w", initializer=[[1.0], [2.0]])
        with v1.device("/job:worker"):
            loss = tf.reduce_sum(tf.gather(w, [0, 1, 1]))
            optimizers.minimize(optimizer, loss, None, None)
        found = [op for op in graph.get_operations() if "/Gather_grad/" in op.name]
    assert found
    alone = [op.colocation_groups() == [f"loc:@{op.name}".encode()] for op in found]
    assert all(alone)


def test_a_loss_that_depends_on_no_variable_is_named(make: Callable) -> None:
    optimizer = make()
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=[3.0])
        loss = tf.reduce_sum(tf.round(tf.stop_gradient(w)), name="my_loss")
        with pytest.raises(ValueError, match=r"'my_loss:0' must depend on a variable.*'w'"):
            optimizers.minimize(optimizer, loss, None, None)


def test_there_have_to_be_variables(make: Callable) -> None:
    optimizer = make()
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="variables to train; the graph has no trainable ones"):
            optimizers.minimize(optimizer, tf.constant(1.0), None, None)
        with pytest.raises(ValueError, match="variables to train; the list is empty"):
            optimizers.minimize(optimizer, tf.constant(1.0), [], None)


@pytest.mark.parametrize("wrong", [None, "Adam", 3, optimizers.Adam])
def test_an_optimizer_is_needed(wrong: object) -> None:
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=[3.0])
        with pytest.raises(TypeError, match="optimizer must be an optimizer; received"):
            optimizers.minimize(wrong, tf.reduce_sum(w), None, None)


@pytest.mark.parametrize("wrong", ["w", 3, [1.0]])
def test_variables_are_needed(wrong: object) -> None:
    with tf.Graph().as_default(), pytest.raises(TypeError, match="must be variables; received"):
        optimizers.minimize(optimizers.SGD(), tf.constant(1.0), [wrong], None)


def test_a_minimize_of_the_users_own_is_called() -> None:
    class Twice(v1.train.GradientDescentOptimizer):
        def minimize(self, loss: tf.Tensor, **arguments: Any) -> tf.Operation:
            return super().minimize(2 * loss, **arguments)

    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[3.0])
        train_op = optimizers.minimize(Twice(0.5), tf.reduce_sum(w), None, None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        assert session.run(w) == [2.0]


def test_a_keras_optimizer_needs_resource_variables() -> None:
    optimizer = MAKERS["Keras 3"]()
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=[3.0], use_resource=False)
        with pytest.raises(ValueError, match=r"must be a resource variable.*use_resource=True"):
            optimizers.minimize(optimizer, tf.reduce_sum(w), None, None)


@pytest.mark.parametrize("kind", ["own", "v1", "tf_keras", "Keras 3"])
def test_constraints_are_kept(kind: str) -> None:
    optimizer = MAKERS[kind]()
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[1.0, 1.0], constraint=lambda w: tf.maximum(w, 0.9))
        loss = tf.reduce_sum(w * [1.0, 0.1])
        train_op = optimizers.minimize(optimizer, loss, None, None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        np.testing.assert_allclose(session.run(w), [0.9, 0.95])
