"""tf.contrib.layers: batch_norm, layer_norm and instance_norm, by NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import layers

v1 = tf.compat.v1
pytestmark = pytest.mark.usefixtures("graph")

X = np.random.default_rng(0).normal(2.0, 3.0, size=(6, 3)).astype("f4")
SERIES = np.random.default_rng(1).normal(2.0, 3.0, size=(4, 5, 3)).astype("f4")
IMAGES = np.random.default_rng(2).normal(2.0, 3.0, size=(4, 2, 5, 3)).astype("f4")


def run(outputs, steps=1, feeds=None):
    """The outputs at the last step, each step with the updates, and the variables after it."""
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for one in v1.trainable_variables():
            random = np.random.default_rng(len(one.op.name))
            one.load(random.normal(size=one.shape).astype("f4"), session)
        for _ in range(steps):
            found, _ = session.run([outputs, updates], feeds)
        return found, {one.op.name: session.run(one) for one in v1.global_variables()}


def normalized(x, mean, variance, epsilon, beta=0.0, gamma=1.0):
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


@pytest.mark.parametrize("inputs", [X, SERIES, IMAGES], ids=["2", "3", "4"])
@pytest.mark.parametrize("fused", [None, False])
def test_batch_norm_by_batch(inputs, fused):
    outputs = layers.batch_norm(inputs, decay=0.9, scale=True, fused=fused)
    found, v = run(outputs, steps=2)
    axes = tuple(range(inputs.ndim - 1))
    mean, variance = inputs.mean(axes), inputs.var(axes)
    wanted = normalized(inputs, mean, variance, 0.001, v["BatchNorm/beta"], v["BatchNorm/gamma"])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(v["BatchNorm/moving_mean"], mean * 0.19, rtol=1e-4)
    if fused is None and inputs.ndim != 3:  # The fused operation gives the variance of a sample.
        n = inputs.size // 3
        variance = variance * n / (n - 1)
    np.testing.assert_allclose(v["BatchNorm/moving_variance"], 0.81 + 0.19 * variance, rtol=1e-4)
    assert outputs.shape == inputs.shape


@pytest.mark.parametrize("inputs", [X, SERIES, IMAGES], ids=["2", "3", "4"])
def test_batch_norm_by_moving_averages(inputs):
    given = {
        "moving_mean": v1.constant_initializer(2.0),
        "moving_variance": v1.constant_initializer(4.0),
    }
    outputs = layers.batch_norm(inputs, is_training=False, param_initializers=given)
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    found, v = run(outputs)
    wanted = normalized(inputs, 2.0, 4.0, 0.001, v["BatchNorm/beta"])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert sorted(v) == [f"BatchNorm/{one}" for one in ("beta", "moving_mean", "moving_variance")]


@pytest.mark.parametrize("inputs", [X, SERIES, IMAGES], ids=["2", "3", "4"])
def test_batch_norm_by_a_fed_mode(inputs):
    is_training = v1.placeholder(tf.bool, [])
    outputs = layers.batch_norm(inputs, is_training=is_training, center=False)
    found, v = run(outputs, feeds={is_training: False})
    np.testing.assert_allclose(found, normalized(inputs, 0.0, 1.0, 0.001), rtol=1e-4)
    assert np.all(v["BatchNorm/moving_mean"] == 0)
    found, v = run(outputs, feeds={is_training: True})
    axes = tuple(range(inputs.ndim - 1))
    wanted = normalized(inputs, inputs.mean(axes), inputs.var(axes), 0.001)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(v["BatchNorm/moving_mean"], 0.001 * inputs.mean(axes), rtol=1e-3)


def test_batch_norm_without_a_collection_updates_with_the_outputs():
    outputs = layers.batch_norm(X, decay=0.5, updates_collections=None)
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    _, v = run(outputs)
    np.testing.assert_allclose(v["BatchNorm/moving_mean"], X.mean(0) / 2, rtol=1e-4)


def test_batch_norm_with_weights_of_examples():
    outputs = layers.batch_norm(X, batch_weights=tf.constant([1.0, 1, 0, 0, 0, 0]), center=False)
    found, _ = run(outputs)
    wanted = normalized(X, X[:2].mean(0), X[:2].var(0), 0.001)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("inputs", [X, SERIES], ids=["2", "3"])
def test_a_debiased_mean_is_the_mean_at_once(inputs):
    outputs = layers.batch_norm(inputs, zero_debias_moving_mean=True)
    _, v = run(outputs, steps=3)
    axes = tuple(range(inputs.ndim - 1))
    np.testing.assert_allclose(v["BatchNorm/moving_mean"], inputs.mean(axes), rtol=1e-4)
    assert v["BatchNorm/BatchNorm/moving_mean/local_step"] == 3


def test_channels_in_front():
    turned = np.moveaxis(IMAGES, -1, 1)
    outputs = layers.batch_norm(turned, data_format="NCHW", fused=False)
    instance = layers.instance_norm(turned, data_format="NCHW", center=False, scale=False)
    (found, of_instance), v = run([outputs, instance])
    axes = (0, 1, 2)
    wanted = normalized(IMAGES, IMAGES.mean(axes), IMAGES.var(axes), 0.001, v["BatchNorm/beta"])
    np.testing.assert_allclose(np.moveaxis(found, 1, -1), wanted, rtol=1e-4, atol=1e-5)
    mean, variance = (f((1, 2), keepdims=True) for f in (IMAGES.mean, IMAGES.var))
    wanted = normalized(IMAGES, mean, variance, 1e-6)
    np.testing.assert_allclose(np.moveaxis(of_instance, 1, -1), wanted, rtol=1e-4, atol=1e-5)


def test_half_precision_keeps_whole_statistics():
    outputs = layers.batch_norm(X.astype("f2"), activation_fn=tf.nn.relu)
    assert outputs.dtype == tf.float16
    found, v = run(outputs)
    assert {one.dtype for one in v.values()} == {np.dtype("f4")}
    wanted = normalized(X, X.mean(0), X.var(0), 0.001, v["BatchNorm/beta"])
    np.testing.assert_allclose(found, np.maximum(wanted, 0), atol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"renorm": True}, NotImplementedError),
        ({"adjustment": lambda shape: shape}, NotImplementedError),
        ({"data_format": "NWC"}, ValueError),
    ],
)
def test_what_batch_norm_has_not(arguments, error):
    with pytest.raises(error, match=r"batch_norm|data_format"):
        layers.batch_norm(X, **arguments)


def test_layer_norm_as_in_bert():
    outputs = layers.layer_norm(
        inputs=tf.constant(SERIES), begin_norm_axis=-1, begin_params_axis=-1, scope="LayerNorm"
    )
    found, v = run(outputs)
    assert list(v) == ["LayerNorm/beta", "LayerNorm/gamma"]
    mean, variance = SERIES.mean(-1, keepdims=True), SERIES.var(-1, keepdims=True)
    wanted = normalized(SERIES, mean, variance, 1e-12, v["LayerNorm/beta"], v["LayerNorm/gamma"])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    layers.layer_norm(outputs)
    assert v1.global_variables()[-1].op.name == "LayerNorm_1/gamma"


def test_layer_norm_of_all_but_the_batch():
    outputs = layers.layer_norm(IMAGES, begin_params_axis=2, center=False)
    found, v = run(outputs)
    assert {name: one.shape for name, one in v.items()} == {"LayerNorm/gamma": (5, 3)}
    mean, variance = (f((1, 2, 3), keepdims=True) for f in (IMAGES.mean, IMAGES.var))
    wanted = normalized(IMAGES, mean, variance, 1e-12, 0.0, v["LayerNorm/gamma"])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_layer_norm_of_tiny_variance_keeps_its_epsilon():
    tiny = (np.array([[1.0, 2.0, 4.0]]) * 1e-6).astype("f4")
    found, _ = run(layers.layer_norm(tiny, center=False, scale=False))
    wanted = normalized(tiny, tiny.mean(), tiny.var(), 1e-12)
    np.testing.assert_allclose(found, wanted, rtol=1e-3)


@pytest.mark.parametrize("arguments", [{"begin_norm_axis": 2}, {"begin_params_axis": -3}])
def test_wrong_axes_of_layer_norm(arguments):
    with pytest.raises(ValueError, match="must be an axis of inputs of rank 2"):
        layers.layer_norm(X, **arguments)


def test_instance_norm():
    outputs = layers.instance_norm(IMAGES)
    found, v = run(outputs)
    assert list(v) == ["InstanceNorm/beta", "InstanceNorm/gamma"]
    mean, variance = (f((1, 2), keepdims=True) for f in (IMAGES.mean, IMAGES.var))
    wanted = normalized(
        IMAGES, mean, variance, 1e-6, v["InstanceNorm/beta"], v["InstanceNorm/gamma"]
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
