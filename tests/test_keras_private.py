"""Every access to private parts of Keras still finds them, and says so where it does not."""

import sys

import pytest
import tensorflow as tf

from tf_estimator import _keras

v1 = tf.compat.v1


def test_a_variable_can_be_seen_as_one_of_keras() -> None:
    keras = pytest.importorskip("keras")
    with tf.Graph().as_default():
        variable = v1.get_variable("a/b", [2, 3])
        view = _keras.variable_view(variable)
        assert isinstance(view, keras.Variable)
        assert view.value is variable
        assert (view.path, view.name) == ("a/b", "a_b")
        assert (tuple(view.shape), view.dtype) == ((2, 3), "float32")
        assert v1.global_variables() == [variable]


def test_a_keras_that_makes_variables_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")

    class Other:
        value = None

        def __init__(self, **_: object) -> None:
            pass

    monkeypatch.setattr(keras, "Variable", Other)
    with tf.Graph().as_default(), pytest.raises(NotImplementedError, match=keras.__version__):
        _keras.variable_view(v1.get_variable("w", [1]))


@pytest.mark.parametrize("package", ["keras", "tf_keras", "tf_keras.legacy"])
def test_a_config_does_not_ask_for_the_learning_rate(package: str) -> None:
    module = pytest.importorskip(package.partition(".")[0]).optimizers
    module = module.legacy if "legacy" in package else module
    with tf.Graph().as_default():  # where Keras cannot read its variable
        optimizer = module.SGD(0.25, momentum=0.5)
        config, rate = _keras.optimizer_config(optimizer)
        rate = getattr(rate, "value", rate) if package == "keras" else rate
        if isinstance(rate, tf.Variable):
            rate = tf.get_static_value(rate.initial_value)
    assert config["momentum"] == 0.5
    assert rate == 0.25


def test_the_keras_variable_around_a_variable_is_found() -> None:
    keras = pytest.importorskip("keras")
    with tf.Graph().as_default():
        layer = keras.layers.Dense(2)
        layer(tf.zeros([1, 3]))
        other = v1.get_variable("other", [1])
        view = _keras.variable_view(layer.kernel.value)
        given = [layer.bias, layer.kernel.value, other, "w"]
        found = _keras.owners(given)
        assert found[0] is layer.bias
        assert found[1] is layer.kernel
        assert found[1] is not view
        assert found[2:] == [other, "w"]


def test_without_keras_a_variable_has_no_other_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with tf.Graph().as_default():
        variable = v1.get_variable("w", [1])
        assert _keras.owners([variable]) == [variable]


def test_what_keras_3_does_not_have_of_tensorflow_1_is_named() -> None:
    for module, name in ((v1.layers, "layers"), (v1.nn.rnn_cell, "nn.rnn_cell")):
        with pytest.raises(AttributeError) as caught:
            module.missing  # noqa: B018 - it is asked for
        assert _keras.missed_in_v1_layers(caught.value) == f"{name}.missing"


@pytest.mark.parametrize("error", [AttributeError("dense"), KeyError("dense"), None])
def test_another_error_is_not_taken_for_one_of_the_layers(error: BaseException | None) -> None:
    if error is None:
        with pytest.raises(AttributeError) as caught:
            tf.missing  # noqa: B018 - it is asked for
        error = caught.value
    assert _keras.missed_in_v1_layers(error) == ""


def test_layers_that_tf_keras_has_moved_leave_all_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("tf_keras")
    before = v1.layers
    legacy = "tf_keras.api._v1.keras.__internal__.legacy.rnn_cell"
    monkeypatch.setitem(sys.modules, legacy, None)
    with pytest.raises(NotImplementedError, match=tf.__version__):
        _keras.v1_layers_from_tf_keras()
    assert v1.layers is before


def test_keras_names_what_it_makes_as_if_nothing_had_been_made() -> None:
    keras = pytest.importorskip("keras")
    before = keras.layers.Dense(1).name
    with _keras.names_afresh():
        assert not _keras.has_named()
        assert keras.layers.Dense(1).name == "dense"
        assert _keras.has_named()
    after = keras.layers.Dense(1).name
    assert int(after.rpartition("_")[2]) == int("0" + before.partition("_")[2]) + 1


def test_names_are_left_alone_where_keras_keeps_them_elsewhere(monkeypatch) -> None:
    pytest.importorskip("keras")
    monkeypatch.delitem(sys.modules, "keras.src.backend.common.global_state")
    with _keras.names_afresh():
        assert not _keras.has_named()


def test_the_path_of_a_new_keras_variable_is_known_to_a_creator() -> None:
    keras = pytest.importorskip("keras")
    paths = []

    def create(next_creator, **arguments):
        paths.append(_keras.path_of_new_variable())
        return next_creator(**arguments)

    with tf.Graph().as_default(), tf.variable_creator_scope(create):
        keras.layers.Dense(1, name="mine").build([None, 2])
        v1.get_variable("v", [])
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build([])
    assert paths == ["mine/kernel", "mine/bias", None, *[None] * len(optimizer.variables)]


def test_a_new_variable_of_tf_keras_is_known_to_a_creator() -> None:
    tf_keras = pytest.importorskip("tf_keras")
    made = []

    def create(next_creator, **arguments):
        made.append(_keras.tf_keras_makes_new_variable())
        return next_creator(**arguments)

    with tf.Graph().as_default(), tf.variable_creator_scope(create):
        v1.get_variable("v", [])
        tf_keras.layers.Dense(1)(tf.ones([1, 2]))
    assert made == [False, True, True]


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_what_keras_called_when_it_made_an_operation_is_known(name) -> None:
    lib = pytest.importorskip(name)
    with tf.Graph().as_default() as graph:
        own = tf.constant(1.0)
        norm = lib.layers.BatchNormalization()
        norm(tf.ones([2, 2]), training=True)
        handle = next(one.handle for one in v1.global_variables() if "moving_mean" in one.name)
        calls = [_keras.calls(op) for op in handle.consumers() if "Assign" in op.type]
    assert _keras.calls(own.op) == []
    assert any("layers/normalization/batch_normalization:call" in one for one in calls)
    assert any(call.endswith(":__call__") for one in calls for call in one)
    assert graph.get_operations()


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_what_a_keras_model_is_made_of(package: str) -> None:
    keras = pytest.importorskip(package)
    a = keras.Input((3,), name="a")
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model = keras.Model({"a": a}, keras.layers.Dense(1, name="out")(inner(a)))
    assert _keras.package(model) is keras
    kinds = [type(one).__name__ for one in _keras.layers_of(model)]
    assert kinds.count("Dense") == 2
    assert list(_keras.inputs_of(model)) == ["a"]
    assert _keras.input_names_of(model, [a]) == ["a"]
    assert _keras.output_names_of(model) == ["out"]
    assert not _keras.is_compiled(model)
    model.compile("sgd", "mse")
    assert _keras.is_compiled(model)
    optimizer = keras.optimizers.Adam(0.5)
    _keras.build_optimizer(optimizer, model.trainable_variables)
    found = optimizer.variables
    assert len(found() if callable(found) else found) > 8
    rates = [float(one.numpy()) for one in _keras.rates_of_optimizer(optimizer)]
    assert rates == ([0.5] if package == "tf_keras" else [])


def test_a_legacy_optimizer_has_slots_and_rates() -> None:
    keras = pytest.importorskip("tf_keras")
    optimizer = keras.optimizers.legacy.Adam(0.5)
    weight = tf.Variable([1.0, 2.0])
    _keras.build_optimizer(optimizer, [weight])
    assert len(optimizer.variables()) == 3  # iter, m, v
    assert 0.5 in [float(one.numpy()) for one in _keras.rates_of_optimizer(optimizer)]
