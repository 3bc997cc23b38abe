"""tf.contrib.framework: arguments by scope, variables by name, values from checkpoints."""

import threading

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import framework

v1 = tf.compat.v1
pytestmark = pytest.mark.usefixtures("graph")


def op_names(variables):
    return [one.op.name for one in variables]


@framework.add_arg_scope
def first(a, b=1, c=2):
    return a, b, c


@framework.add_arg_scope
def second(a, b=1):
    return a, b


def test_a_scope_gives_arguments():
    with framework.arg_scope([first, second], b=10):
        assert first(0) == (0, 10, 2)
        assert second(0) == (0, 10)
        assert first(0, b=5) == (0, 5, 2)
        with framework.arg_scope([first], c=20):
            assert first(0) == (0, 10, 20)
            assert second(0) == (0, 10)
        assert first(0) == (0, 10, 2)
    assert first(0) == (0, 1, 2)


def test_a_scope_can_be_entered_elsewhere():
    with framework.arg_scope([first], b=10) as scope:
        pass
    with framework.arg_scope([second], b=3), framework.arg_scope(scope):
        assert first(0) == (0, 10, 2)
        assert second(0) == (0, 1)
        assert framework.current_arg_scope() == scope
    with framework.arg_scope([second], b=3):
        with pytest.raises(RuntimeError), framework.arg_scope([second], b=4):
            raise RuntimeError
        assert second(0) == (0, 3)


def test_threads_have_scopes_of_their_own():
    found = []
    with framework.arg_scope([second], b=3):
        thread = threading.Thread(target=lambda: found.append(second(0)))
        thread.start()
        thread.join()
    assert found == [(0, 1)]


def test_which_functions_take_arguments_from_scopes():
    assert framework.has_arg_scope(first)
    assert not framework.has_arg_scope(len)
    assert framework.arg_scoped_arguments(first) == ("b", "c")
    assert first.__name__ == "first"


@pytest.mark.parametrize(
    ("given", "kwargs", "error"),
    [([len], {}, ValueError), (first, {}, TypeError), ({}, {"b": 1}, ValueError)],
)
def test_wrong_scopes(given, kwargs, error):
    with pytest.raises(error, match="must be"), framework.arg_scope(given, **kwargs):
        pass


def test_variables_and_their_collections():
    plain = framework.variable("plain", [2], collections=["mine"])
    of_model = framework.model_variable(
        "model", [2], regularizer=tf.nn.l2_loss, device="/cpu:0", trainable=False
    )
    local = framework.local_variable(3.0, name="local")
    assert v1.get_collection("mine") == [plain]
    assert v1.global_variables() == [of_model]
    assert framework.get_model_variables() == [of_model]
    assert framework.get_local_variables() == [local]
    assert framework.get_trainable_variables() == [plain]
    assert of_model.device.endswith("CPU:0")
    assert len(v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)) == 1
    framework.add_model_variable(plain)
    framework.add_model_variable(plain)
    assert framework.get_model_variables() == [of_model, plain]


def test_a_getter_of_the_user():
    def getter(name, **kwargs):
        reuse = kwargs.pop("reuse")
        assert reuse is False or not reuse
        return v1.get_variable(f"{name}_mine", **kwargs)

    assert framework.variable("v", [1], custom_getter=getter).op.name == "v_mine"


def test_variables_by_name():
    for name in ("a/weights", "a/biases", "b/a/weights", "c"):
        framework.model_variable(name, [1])
    assert op_names(framework.get_variables("a")) == ["a/weights", "a/biases"]
    assert op_names(framework.get_variables(suffix="weights")) == ["a/weights", "b/a/weights"]
    assert op_names(framework.get_variables("b", "weights")) == ["b/a/weights"]
    assert op_names(framework.get_variables_by_suffix("biases")) == ["a/biases"]
    assert op_names(framework.get_variables_by_name("weights")) == ["a/weights", "b/a/weights"]
    assert op_names(framework.get_variables_by_name("c")) == ["c"]
    assert framework.get_unique_variable("a/weights").op.name == "a/weights"
    with v1.variable_scope("a") as scope:
        assert op_names(framework.get_variables(scope)) == ["a/weights", "a/biases"]
    with pytest.raises(ValueError, match="must be the name of one variable"):
        framework.get_unique_variable("a")


def test_variables_to_restore():
    for name in ("a/x", "a/y", "b/x", "c"):
        framework.model_variable(name, [1])
    assert op_names(framework.get_variables_to_restore()) == ["a/x", "a/y", "b/x", "c"]
    assert op_names(framework.get_variables_to_restore(["a", "c"], ["a/y"])) == ["a/x", "c"]
    assert op_names(framework.get_variables_to_restore(exclude=["a"])) == ["b/x", "c"]
    with pytest.raises(TypeError, match="include must be a list"):
        framework.get_variables_to_restore("a")


def test_filter_variables():
    variables = [framework.variable(name, [1]) for name in ("a/x", "b/x", "b/y")]
    assert op_names(framework.filter_variables(variables, ["x"])) == ["a/x", "b/x"]
    assert op_names(framework.filter_variables(variables, ["b"], ["y"])) == ["b/x"]
    assert op_names(framework.filter_variables(variables, ["x"], reg_search=False)) == []
    assert op_names(framework.filter_variables(variables)) == ["a/x", "b/x", "b/y"]


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint with a, [1, 2], and part, six numbers from two slices."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("a", initializer=tf.constant([1.0, 2.0]))
        v1.get_variable(
            "part",
            [6],
            initializer=v1.constant_initializer(np.arange(6)),
            partitioner=None,
        )
        session.run(v1.global_variables_initializer())
        return v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))


def run(assign):
    """All variables, after the function of a session."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assign(session)
        return {one.op.name: session.run(one).tolist() for one in v1.global_variables()}


def by_operation(*args, **kwargs):
    operation, feeds = framework.assign_from_checkpoint(*args, **kwargs)
    return lambda session: session.run(operation, feeds)


WAYS = [by_operation, framework.assign_from_checkpoint_fn]


@pytest.mark.parametrize("way", WAYS)
def test_values_of_a_checkpoint(way, checkpoint):
    a = framework.variable("a", [2])
    other = framework.variable("other", [2])
    assert run(way(checkpoint, [a]))["a"] == [1, 2]
    assert run(way(checkpoint, {"a": other}))["other"] == [1, 2]


@pytest.mark.parametrize("way", WAYS)
def test_variables_that_a_checkpoint_has_not(way, checkpoint):
    a, new = framework.variable("a", [2]), framework.variable("new", initializer=[7.0])
    with pytest.raises(ValueError, match="must be in the checkpoint"):
        way(checkpoint, [a, new])
    assert run(way(checkpoint, [a, new], ignore_missing_vars=True)) == {"a": [1, 2], "new": [7]}


def test_slices_of_a_variable(checkpoint):
    parts = v1.get_variable("part", [6], partitioner=v1.fixed_size_partitioner(2))
    assign = framework.assign_from_checkpoint_fn(checkpoint, list(parts))
    assert run(assign) == {"part/part_0": [0, 1, 2], "part/part_1": [3, 4, 5]}


def test_another_shape(checkpoint):
    part = framework.variable("part", [2, 3])
    found = run(framework.assign_from_checkpoint_fn(checkpoint, [part], reshape_variables=True))
    assert found["part"] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="must have as many elements"):
        framework.assign_from_checkpoint(checkpoint, {"a": part})


def test_nothing_to_assign(checkpoint):
    with pytest.raises(ValueError, match="must have variables"):
        framework.assign_from_checkpoint_fn(checkpoint, [])
    new = framework.variable("new", [1])
    assert framework.assign_from_checkpoint_fn(checkpoint, [new], True) is None


def test_values_of_arrays():
    framework.variable("v", [2, 1])
    assign = framework.assign_from_values_fn({"v": np.array([[3.0], [4.0]])})
    assert run(assign) == {"v": [[3], [4]]}
    with pytest.raises(ValueError, match="must be the name"):
        framework.assign_from_values({"w": 1})
