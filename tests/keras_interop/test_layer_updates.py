"""What of the writes that Keras leaves in a graph a training step does, and what is told."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig
from tf_estimator._tf import logger
from tf_estimator.export import build_raw_serving_input_receiver_fn

v1 = tf.compat.v1
X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = np.tanh(X.sum(1, keepdims=True))

both = pytest.mark.parametrize("lib", [keras, tf_keras], ids=["keras 3", "tf_keras"])


def input_fn():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)


def spec(mode, outputs, labels, losses=(), before=(), gradient=True):
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, outputs)
    outputs = tf.cast(outputs, tf.float32)
    loss = tf.add_n([tf.reduce_mean((outputs - labels) ** 2), *losses])
    step = v1.train.get_global_step()
    train_op = None
    if mode == ModeKeys.TRAIN:
        with tf.control_dependencies(before):
            if gradient:
                train_op = v1.train.GradientDescentOptimizer(0.01).minimize(loss, step)
            else:
                train_op = v1.assign_add(step, 1).op
    return EstimatorSpec(mode, outputs, loss, train_op)


def of_layers(*names_and_arguments, lib=keras, **call):
    """A model_fn with the layers of these names."""

    def model_fn(features, labels, mode):
        if isinstance(features, dict):
            features = features["x"]
        layers = [getattr(lib.layers, name)(**options) for name, options in names_and_arguments]
        model = lib.Sequential([*layers, lib.layers.Dense(1, dtype="float32")])
        return spec(mode, model(features, training=mode == ModeKeys.TRAIN), labels, model.losses)

    return model_fn


@pytest.fixture
def told(caplog):
    """The warnings of tf_estimator."""
    with caplog.at_level(logging.WARNING):
        logger.addHandler(caplog.handler)
        yield lambda: list(
            dict.fromkeys(one.getMessage() for one in caplog.records if one.name == logger.name)
        )
        logger.removeHandler(caplog.handler)


def value(estimator, part):
    (name,) = (one for one in estimator.get_variable_names() if part in one)
    return estimator.get_variable_value(name)


def test_where_the_input_ends_no_seed_moves(tmp_path):
    estimator = Estimator(of_layers(("Dropout", {"rate": 0.5, "seed": 2})), str(tmp_path))
    for n in (1, 2, 3):
        estimator.train(input_fn)  # 5 steps, and one that finds no data
        np.testing.assert_array_equal(value(estimator, "seed_generator"), [2, 5 * n])


def _moved(lib, before):
    """Trains with updates that the user runs himself; gives how far the mean got in a step."""

    def model_fn(features, labels, mode):
        norm = lib.layers.BatchNormalization(momentum=0.5, center=False, scale=False)
        outputs = norm(features + 1.0, training=mode == ModeKeys.TRAIN)
        outputs = lib.layers.Dense(1)(outputs)
        return spec(mode, outputs, labels, before=before(norm))

    return model_fn


@pytest.mark.parametrize("by_user", [True, False])
def test_updates_that_the_user_runs_are_not_run_twice(by_user, tmp_path, told):
    model_fn = _moved(tf_keras, lambda norm: norm.updates if by_user else ())
    estimator = Estimator(model_fn, str(tmp_path)).train(input_fn, steps=1)
    expected = (X[:4] + 1.0).mean(0) / 2
    np.testing.assert_allclose(value(estimator, "moving_mean"), expected, rtol=1e-5)
    assert not told()


@pytest.mark.parametrize("runs", [True, False])
def test_update_ops_are_the_users_to_run(runs, tmp_path, told):
    def model_fn(features, labels, mode):
        mean = v1.get_variable("mean", initializer=0.0, trainable=False, use_resource=True)
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, mean.assign_add(1.0))
        outputs = keras.layers.Dense(1)(features)
        before = v1.get_collection(v1.GraphKeys.UPDATE_OPS) if runs else ()
        return spec(mode, outputs, labels, before=before)

    estimator = Estimator(model_fn, str(tmp_path)).train(input_fn, steps=5)
    assert value(estimator, "mean") == (5 if runs else 0)
    if runs:
        assert not told()
    else:
        (warning,) = told()
        assert "UPDATE_OPS" in warning
        assert "AssignAddVariableOp" in warning


def _own_assignments(features, labels, mode):
    """Writes that are no part of a layer: a Saver's, and one for a hook."""
    layer = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
    outputs = layer(features)
    layer.kernel.value.assign(tf.zeros([3, 1]))
    v1.train.Saver()
    return spec(mode, outputs, labels, gradient=False)


def test_other_writes_are_left_alone(tmp_path, told):
    estimator = Estimator(_own_assignments, str(tmp_path)).train(input_fn)
    np.testing.assert_array_equal(value(estimator, "kernel"), np.ones([3, 1]))
    assert not told()


@both
def test_an_optimizer_that_is_built_is_no_update(lib, tmp_path, told):
    def model_fn(features, labels, mode):
        layer = lib.layers.Dense(1)
        outputs = layer(features)
        optimizer = lib.optimizers.Adam(0.5)
        optimizer.build(layer.trainable_variables)
        return spec(mode, outputs, labels)

    Estimator(model_fn, str(tmp_path)).train(input_fn, steps=2)
    assert not told()


@pytest.mark.parametrize("v2", [True, False], ids=["control flow 2", "control flow 1"])
def test_what_is_lost_in_control_flow_is_told(v2, tmp_path, told):
    def model_fn(features, labels, mode):
        norm = keras.layers.BatchNormalization()
        norm.build([None, 3])
        training = mode == ModeKeys.TRAIN
        outputs = tf.cond(
            tf.reduce_sum(features) < 1e9,
            lambda: norm(features, training=training),
            lambda: features,
        )
        return spec(mode, keras.layers.Dense(1)(outputs), labels)

    was_v2 = v1.control_flow_v2_enabled()
    (v1.enable_control_flow_v2 if v2 else v1.disable_control_flow_v2)()
    try:
        Estimator(model_fn, str(tmp_path)).train(input_fn, steps=2)
    finally:
        (v1.enable_control_flow_v2 if was_v2 else v1.disable_control_flow_v2)()
    (warning,) = told()
    assert "batch_normalization/moving_mean" in warning
    assert "tf.function" in warning


def test_in_a_function_nothing_is_lost(tmp_path, told):
    def model_fn(features, labels, mode):
        norm = keras.layers.BatchNormalization(momentum=0.5)
        norm.build([None, 3])

        @tf.function(autograph=False)
        def call(x):
            return norm(x, training=mode == ModeKeys.TRAIN)

        outputs = call(call(features + 1.0) + 2.0)
        return spec(mode, keras.layers.Dense(1)(outputs), labels)

    estimator = Estimator(model_fn, str(tmp_path)).train(input_fn, steps=1)
    mean = (X[:4] + 1.0).mean(0)
    np.testing.assert_allclose(value(estimator, "moving_mean"), mean / 4 + 1.0, rtol=1e-4)
    assert not told()


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras and NumPy 2
def test_weights_that_keras_loads_are_where_training_starts(tmp_path, told):
    source = keras.Sequential([keras.Input([3]), keras.layers.Dense(1)])
    source.save_weights(tmp_path / "source.weights.h5")

    def model_fn(features, labels, mode):
        model = keras.Sequential([keras.Input([3]), keras.layers.Dense(1)])
        model.load_weights(tmp_path / "source.weights.h5")
        return spec(mode, model(features), labels, gradient=False)

    estimator = Estimator(model_fn, str(tmp_path / "model")).train(input_fn)
    np.testing.assert_array_equal(value(estimator, "kernel"), source.get_weights()[0])
    assert not told()


def test_weights_that_need_a_session_of_keras_are_told(tmp_path, told):
    def model_fn(features, labels, mode):
        layer = tf_keras.layers.Dense(1)
        outputs = layer(features)
        layer.set_weights([np.ones([3, 1]), np.ones([1])])
        return spec(mode, outputs, labels)

    Estimator(model_fn, str(tmp_path)).train(input_fn)
    assert "dense/kernel" in told()[0]


@pytest.mark.parametrize("kind", ["layer", "model", "dropout", "not built"])
@both
def test_what_was_made_outside_is_refused_by_name(lib, kind, tmp_path):
    outside = {
        "layer": lambda: lib.layers.Dense(1, name="mine"),
        "model": lambda: lib.Sequential([lib.Input([3]), lib.layers.Dense(1)], name="mine"),
        "dropout": lambda: lib.layers.BatchNormalization(name="mine"),
        "not built": lambda: lib.layers.Dense(1, name="mine"),
    }[kind]()
    if kind != "not built":
        outside(X)

    def model_fn(features, labels, mode):
        return spec(mode, outside(features), labels)

    estimator = Estimator(model_fn, str(tmp_path))
    if kind == "not built":  # It belongs to the first graph that calls it.
        estimator.train(input_fn, steps=1)
    with pytest.raises(ValueError, match=r"'(mine|dense\w*)' must not be made outside of model_fn"):
        (estimator.evaluate if kind == "not built" else estimator.train)(input_fn)


def test_a_metric_made_outside_is_refused_by_name(tmp_path):
    outside = keras.metrics.Mean(name="mine")

    def model_fn(features, labels, mode):
        outside.update_state(features)
        return spec(mode, keras.layers.Dense(1)(features), labels)

    with pytest.raises(ValueError, match="Mean 'mine' must not be made outside of model_fn"):
        Estimator(model_fn, str(tmp_path)).train(input_fn)


def test_other_errors_are_those_of_the_user(tmp_path):
    outside = keras.Sequential([keras.Input([3]), keras.layers.Dense(1)], name="mine")

    def model_fn(features, labels, mode):
        assert outside.built
        raise ValueError("of the user")

    with pytest.raises(ValueError, match=r"^of the user$"):
        Estimator(model_fn, str(tmp_path)).train(input_fn)


@both
def test_regularization_is_in_the_losses(lib, tmp_path):
    def model_fn(features, labels, mode):
        l2 = lib.regularizers.L2(0.5)
        layer = lib.layers.Dense(
            1, use_bias=False, kernel_regularizer=l2, kernel_initializer="ones"
        )
        activity = lib.layers.ActivityRegularization(l2=1.0)
        model = lib.Sequential([activity, layer])
        model(features)
        return spec(mode, labels, labels, model.losses, gradient=False)

    estimator = Estimator(model_fn, str(tmp_path)).train(input_fn, steps=1)
    loss = estimator.evaluate(input_fn, steps=1)["loss"]
    # tf_keras and Keras 3 divide the regularization of what a layer puts out by the batch's size.
    assert loss == pytest.approx(0.5 * 3 + np.square(X[:4]).sum() / 4, rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@both
def test_mixed_precision(lib, policy, tmp_path):
    layers = (
        ("Dense", {"units": 3, "dtype": policy}),
        (
            "BatchNormalization",
            {"dtype": policy, "momentum": 0.5},
        ),
    )
    estimator = Estimator(of_layers(*layers, lib=lib), str(tmp_path)).train(input_fn)
    assert value(estimator, "dense/kernel").dtype == np.float32
    assert value(estimator, "moving_mean").any()
    assert np.isfinite(estimator.evaluate(input_fn)["loss"])


def test_dropout_in_prediction_goes_on_within_a_call(tmp_path):
    def model_fn(features, labels, mode):
        x = features["x"] if isinstance(features, dict) else features
        mask = keras.layers.Dropout(0.5, seed=1)(tf.ones([1, 40]), training=True)
        return spec(mode, x[:, :1] * mask, labels, gradient=False)

    def ones():
        return tf.data.Dataset.from_tensors(np.ones([1, 3], np.float32)).repeat(3)

    estimator = Estimator(model_fn, str(tmp_path))
    estimator.train(input_fn, steps=2)
    first, second, third = estimator.predict(ones)
    assert (first != second).any()
    assert (second != third).any()
    np.testing.assert_array_equal(next(estimator.predict(ones)), first)
    np.testing.assert_array_equal(value(estimator, "seed_generator"), [1, 2])
    eager = keras.layers.Dropout(0.5, seed=1)
    for _ in range(2):
        eager(tf.ones([1, 40]), training=True)
    for one in (first, second, third):
        np.testing.assert_array_equal(one, eager(tf.ones([1, 40]), training=True)[0])


@both
def test_an_export_gives_the_answers_of_predict(lib, tmp_path):
    layers = ("Dense", {"units": 3}), ("BatchNormalization", {}), ("Dropout", {"rate": 0.5})
    estimator = Estimator(of_layers(*layers, lib=lib), str(tmp_path)).train(input_fn)
    predictions = list(estimator.predict(lambda: input_fn().map(lambda x, y: x)))
    receiver_fn = build_raw_serving_input_receiver_fn({"x": tf.zeros([1, 3])})
    loaded = tf.saved_model.load(estimator.export_saved_model(str(tmp_path), receiver_fn))
    (served,) = loaded.signatures["serving_default"](x=tf.constant(X)).values()
    np.testing.assert_allclose(served, predictions, rtol=1e-5)


def test_parts_of_a_training_are_the_whole(tmp_path):
    layers = ("Dropout", {"rate": 0.5, "seed": 2}), ("BatchNormalization", {})

    def model_fn(features, labels, mode):
        keras.utils.set_random_seed(1)
        return of_layers(*layers)(features, labels, mode)

    def endless():
        return tf.data.Dataset.from_tensors((X[:4], Y[:4])).repeat()

    estimators = []
    for n, parts in enumerate(([6], [2, 3, 1])):
        config = RunConfig(str(tmp_path / str(n)), keep_graphs=False)
        estimators.append(Estimator(model_fn, config=config))
        for steps in parts:
            estimators[-1].train(endless, steps=steps)
    one, other = estimators
    for name in one.get_variable_names():
        expected = one.get_variable_value(name)
        np.testing.assert_array_equal(other.get_variable_value(name), expected, err_msg=name)
