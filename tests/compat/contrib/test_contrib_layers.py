"""tf.contrib.layers: names, shapes and numbers, by NumPy.

The names were compared by hand with those of tf-slim, which tf.contrib.layers became.
"""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import layers
from tf_estimator.compat.contrib.framework import arg_scope

v1 = tf.compat.v1
pytestmark = pytest.mark.usefixtures("graph")

X = np.random.default_rng(0).normal(size=(4, 5)).astype("f4")
SERIES = np.random.default_rng(1).normal(size=(4, 5, 3)).astype("f4")
IMAGES = np.random.default_rng(2).normal(size=(4, 8, 7, 3)).astype("f4")


def names(key=v1.GraphKeys.GLOBAL_VARIABLES):
    return [one.op.name for one in v1.get_collection(key)]


def values(fetches):
    """The values of tensors, and of all variables by name, which are random."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        random = np.random.default_rng(3)
        for one in v1.trainable_variables():
            one.load(random.normal(size=one.shape).astype("f4"), session)
        found = session.run(fetches)
        return found, {one.op.name: session.run(one) for one in v1.global_variables()}


@pytest.mark.parametrize("inputs", [X, SERIES])
def test_fully_connected(inputs):
    outputs = layers.fully_connected(inputs, 6)
    found, v = values(outputs)
    assert outputs.shape == (*inputs.shape[:-1], 6)
    assert list(v) == ["fully_connected/weights", "fully_connected/biases"]
    wanted = inputs @ v["fully_connected/weights"] + v["fully_connected/biases"]
    np.testing.assert_allclose(found, np.maximum(wanted, 0), rtol=1e-5, atol=1e-6)
    assert names(v1.GraphKeys.MODEL_VARIABLES) == names(v1.GraphKeys.TRAINABLE_VARIABLES) == [*v]


def test_the_shape_of_a_fed_batch_is_kept():
    fed = v1.placeholder(tf.float32, [None, None, 3])
    assert layers.fully_connected(fed, 6).shape.as_list() == [None, None, 6]


def test_layers_get_names_of_their_own_and_reuse_by_scope():
    layers.fully_connected(X, 3)
    layers.fully_connected(X, 3)
    first = layers.fully_connected(X, 3, scope="head")
    again = layers.fully_connected(X, 3, scope="head", reuse=True)
    assert names()[::2] == [
        f"{one}/weights" for one in ("fully_connected", "fully_connected_1", "head")
    ]
    (one, other), _ = values([first, again])
    np.testing.assert_array_equal(one, other)


def test_a_normalizer_takes_the_place_of_the_bias():
    layers.fully_connected(X, 3, normalizer_fn=layers.batch_norm, normalizer_params={"scale": True})
    assert names() == [
        "fully_connected/weights",
        *(
            f"fully_connected/BatchNorm/{one}"
            for one in ("beta", "gamma", "moving_mean", "moving_variance")
        ),
    ]


def test_collections_and_regularizers():
    outputs = layers.fully_connected(
        X,
        3,
        activation_fn=None,
        weights_regularizer=layers.l2_regularizer(0.1),
        biases_regularizer=layers.l1_regularizer(0.2),
        variables_collections={"weights": ["w"]},
        outputs_collections="outs",
        trainable=True,
    )
    assert names("w") == ["fully_connected/weights"]
    assert v1.get_collection("outs") == [outputs]
    losses = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
    (l2, l1), v = values(losses)
    assert l2 == pytest.approx(0.05 * np.sum(v["fully_connected/weights"] ** 2), rel=1e-5)
    assert l1 == pytest.approx(0.2 * np.sum(np.abs(v["fully_connected/biases"])), rel=1e-5)
    layers.fully_connected(X, 3, variables_collections=["all"], trainable=False, scope="frozen")
    assert names("all") == ["frozen/weights", "frozen/biases"]
    assert len(v1.trainable_variables()) == 2


def test_arg_scope_gives_arguments_to_layers():
    with arg_scope([layers.fully_connected, layers.conv2d], activation_fn=None):
        layers.conv2d(IMAGES, 2, 3)
        assert layers.fully_connected(X, 3).op.type == "BiasAdd"
        assert layers.fully_connected(X, 3, activation_fn=tf.nn.relu).op.type == "Relu"
    assert layers.fully_connected(X, 3).op.type == "Relu"
    assert layers.linear(X, 3).op.type == "BiasAdd"


@pytest.mark.parametrize(
    ("inputs", "units", "error"),
    [
        (X, 2.5, "num_outputs must be an integer"),
        (X[0], 2, "at least 2; received 1"),
        (lambda: v1.placeholder(tf.float32, [3, None]), 2, "must be known"),
        (lambda: v1.placeholder(tf.float32), 2, "must be known"),
    ],
)
def test_wrong_arguments_of_fully_connected(inputs, units, error):
    with pytest.raises(ValueError, match=error):
        layers.fully_connected(inputs() if callable(inputs) else inputs, units)


def test_conv2d_is_a_sum_over_windows():
    outputs = layers.conv2d(IMAGES, 4, [3, 2], stride=2, padding="VALID", activation_fn=None)
    found, v = values(outputs)
    weights, bias = v["Conv/weights"], v["Conv/biases"]
    assert weights.shape == (3, 2, 3, 4)
    assert outputs.shape == (4, 3, 3, 4)
    window = IMAGES[:, 4:7, 2:4, :]
    wanted = np.einsum("bhwc,hwco->bo", window, weights) + bias
    np.testing.assert_allclose(found[:, 2, 1], wanted, rtol=1e-4, atol=1e-5)


def test_a_dilated_convolution_reaches_further():
    outputs = layers.conv2d(IMAGES, 1, 3, padding="VALID", rate=[2, 1], activation_fn=None)
    found, v = values(outputs)
    assert outputs.shape == (4, 4, 5, 1)
    window = IMAGES[:, 1:6:2, 2:5, :]
    wanted = np.einsum("bhwc,hwco->bo", window, v["Conv/weights"]) + v["Conv/biases"]
    np.testing.assert_allclose(found[:, 1, 2], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "inputs", "shape"),
    [
        (layers.conv1d, SERIES, (3, 3, 4)),
        (layers.conv2d, IMAGES, (3, 3, 3, 4)),
        (layers.conv3d, IMAGES[..., np.newaxis], (3, 3, 3, 1, 4)),
        (layers.convolution, SERIES, (3, 3, 4)),
    ],
)
def test_convolutions_by_rank(layer, inputs, shape):
    outputs = layer(inputs, 4, 3, rate=2)
    _, v = values(outputs)
    assert outputs.shape == (*inputs.shape[:-1], 4)
    assert {name: one.shape for name, one in v.items()} == {
        "Conv/weights": shape,
        "Conv/biases": (4,),
    }


@pytest.mark.parametrize(("padding", "size"), [("SAME", (16, 14)), ("VALID", (17, 14))])
def test_conv2d_transpose_is_the_gradient_of_conv2d(padding, size):
    outputs = layers.conv2d_transpose(
        IMAGES, 4, [3, 2], stride=2, padding=padding, biases_initializer=None, activation_fn=None
    )
    weights = v1.trainable_variables()[0]
    assert (weights.op.name, weights.shape) == ("Conv2d_transpose/weights", (3, 2, 4, 3))
    assert outputs.shape == (4, *size, 4)
    there = tf.zeros([4, *size, 4])
    forward = tf.nn.conv2d(there, weights, 2, padding)
    (found, wanted), _ = values([outputs, tf.gradients(forward, there, IMAGES)[0]])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_conv2d_transpose_of_fed_images():
    fed = v1.placeholder(tf.float32, [None, None, 7, 3])
    outputs = layers.conv2d_transpose(fed, 4, 3, stride=2, normalizer_fn=layers.batch_norm)
    assert outputs.shape.as_list() == [None, None, 14, 4]
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert session.run(outputs, {fed: IMAGES}).shape == (4, 16, 14, 4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: layers.conv2d(SERIES, 2, 3),
        lambda: layers.conv2d(IMAGES, 2, [3, 3, 3]),
        lambda: layers.conv2d(IMAGES, 2, 3, data_format="NWC"),
        lambda: layers.max_pool2d(SERIES, 2),
        lambda: layers.flatten(X[0]),
        lambda: layers.stack(X, layers.fully_connected, 3),
        lambda: layers.embed_sequence([[1]], vocab_size=3),
    ],
)
def test_wrong_arguments(call):
    with pytest.raises(ValueError, match="must"):
        call()


def test_pooling():
    greatest = layers.max_pool2d(IMAGES, 2)
    mean = layers.avg_pool2d(IMAGES, [2, 1], stride=1, padding="same")
    (one, other), _ = values([greatest, mean])
    assert one.shape == (4, 4, 3, 3)
    np.testing.assert_array_equal(one[:, 1, 2], IMAGES[:, 2:4, 4:6].max(axis=(1, 2)))
    np.testing.assert_allclose(other[:, :-1], (IMAGES[:, :-1] + IMAGES[:, 1:]) / 2, rtol=1e-5)
    assert greatest.op.name == "MaxPool2D/MaxPool"


def test_flatten():
    assert layers.flatten(IMAGES).shape == (4, 168)
    fed = v1.placeholder(tf.float32, [None, 8, None])
    assert layers.flatten(fed).shape.as_list() == [None, None]
    fed = v1.placeholder(tf.float32, [None, 8, 2])
    flat = layers.flatten(fed, outputs_collections=["outs"])
    assert flat.shape.as_list() == [None, 16]
    assert v1.get_collection("outs") == [flat]


def test_dropout():
    training = v1.placeholder(tf.bool, [])
    ones = tf.ones([100, 100])
    by_tensor = layers.dropout(ones, keep_prob=0.25, is_training=training)
    kept = layers.dropout(ones, is_training=False)
    with v1.Session() as session:
        dropped = session.run(by_tensor, {training: True})
        assert set(np.unique(dropped)) == {0.0, 4.0}
        assert 0.2 < np.mean(dropped > 0) < 0.3
        assert np.all(session.run(by_tensor, {training: False}) == 1)
        assert np.all(session.run(kept) == 1)


@pytest.mark.parametrize("unique", [False, True])
def test_embed_sequence(unique):
    ids = np.array([[1, 2, 1], [0, 3, 3]])
    outputs = layers.embed_sequence(ids, 4, 5, unique=unique)
    found, v = values(outputs)
    assert list(v) == ["EmbedSequence/embeddings"]
    assert outputs.shape == (2, 3, 5)
    np.testing.assert_array_equal(found, v["EmbedSequence/embeddings"][ids])
    layers.embed_sequence(ids, scope="EmbedSequence", reuse=True, unique=unique)
    assert len(names()) == 1


def test_one_hot_bias_and_softmax():
    (hot, biased, soft), v = values(
        [layers.one_hot_encoding([1, 2], 4), layers.bias_add(X), layers.softmax(X)]
    )
    np.testing.assert_array_equal(hot, np.eye(4)[[1, 2]])
    np.testing.assert_allclose(biased, X + v["BiasAdd/biases"], rtol=1e-6)
    np.testing.assert_allclose(soft, np.exp(X) / np.exp(X).sum(1, keepdims=True), rtol=1e-5)


def test_stack_and_repeat_number_the_scopes():
    layers.stack(X, layers.fully_connected, [4, 5], scope="a")
    layers.repeat(X, 2, layers.linear, 3, biases_initializer=None)
    assert [name for name in names() if name.endswith("weights")] == [
        "a/a_1/weights",
        "a/a_2/weights",
        "Repeat/fully_connected_1/weights",
        "Repeat/fully_connected_2/weights",
    ]
    layers.stack(SERIES, layers.conv1d, [(4, 3), (5, 1)])
    assert names()[-1] == "Stack/convolution1d_2/biases"


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize(("mode", "n"), [("FAN_IN", 4 * 50), ("FAN_OUT", 4 * 30), ("FAN_AVG", 160)])
def test_initializers_by_fan(uniform, mode, n):
    initializer = layers.variance_scaling_initializer(2.0, mode, uniform, seed=1)
    drawn, _ = values(initializer([2, 2, 50, 30]))
    assert np.var(drawn) == pytest.approx(2.0 / n, rel=0.1)
    limit = np.sqrt(3 * 2.0 / n) if uniform else 2 * np.sqrt(1.3 * 2.0 / n)
    assert limit * 0.9 < np.abs(drawn).max() <= limit


def test_xavier_is_glorot():
    drawn, _ = values(layers.xavier_initializer(seed=2)([50, 30], tf.float64))
    assert drawn.dtype == np.float64
    assert np.sqrt(6 / 80) * 0.9 < np.abs(drawn).max() <= np.sqrt(6 / 80)


def test_wrong_initializers():
    with pytest.raises(TypeError, match="dtype must be floating"):
        layers.xavier_initializer(dtype=tf.int32)
    with pytest.raises(TypeError, match="mode must be"):
        layers.variance_scaling_initializer(mode="FAN")
    with pytest.raises(ValueError, match="must have a dimension"):
        layers.xavier_initializer()([])


W = np.array([[1.0, -2.0], [3.0, 0.5]], "f4")


@pytest.mark.parametrize(
    ("regularizer", "wanted"),
    [
        (lambda: layers.l1_regularizer(0.5), 0.5 * 6.5),
        (lambda: layers.l2_regularizer(0.5), 0.25 * 14.25),
        (lambda: layers.l1_l2_regularizer(0.5, 0.5), 0.5 * 6.5 + 0.25 * 14.25),
        (lambda: layers.l1_l2_regularizer(0.0, 0.5), 0.25 * 14.25),
        (lambda: layers.l1_l2_regularizer(0.5, 0.0), 0.5 * 6.5),
        (lambda: layers.sum_regularizer([layers.l1_regularizer(1.0), None]), 6.5),
    ],
)
def test_regularizers(regularizer, wanted):
    loss = regularizer()(tf.constant(W))
    assert values(loss)[0] == pytest.approx(wanted)


def test_nothing_to_regularize():
    assert layers.l1_regularizer(0.0)(W) is None
    assert layers.l2_regularizer(0.0)(W) is None
    assert layers.sum_regularizer([None]) is None
    v1.get_variable("w", initializer=W, regularizer=layers.l2_regularizer(0.0))
    assert not v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)


@pytest.mark.parametrize("scale", [1, -1.0, float("nan")])
@pytest.mark.parametrize("kind", [layers.l1_regularizer, layers.l2_regularizer])
def test_wrong_scales(kind, scale):
    with pytest.raises(ValueError, match="scale must be"):
        kind(scale)


def test_apply_regularization():
    with pytest.raises(ValueError, match="needs weights"):
        layers.apply_regularization(layers.l2_regularizer(1.0))
    total = layers.apply_regularization(layers.l2_regularizer(1.0), [tf.constant(W)] * 2)
    assert values(total)[0] == pytest.approx(14.25)
    assert v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES) == [total]
    with pytest.raises(ValueError, match="must be a scalar"):
        layers.apply_regularization(lambda w: w, [tf.constant(W)])


def test_partitioned_weights_are_whole_to_the_layer():
    partitioner = v1.fixed_size_partitioner(2)
    with v1.variable_scope("", partitioner=partitioner):
        outputs = layers.linear(X, 4)
        layers.batch_norm(outputs)
    found, v = values(outputs)
    parts = [v[f"fully_connected/weights/part_{n}"] for n in (0, 1)]
    bias = np.concatenate([v[f"fully_connected/biases/part_{n}"] for n in (0, 1)])
    np.testing.assert_allclose(found, X @ np.concatenate(parts) + bias, rtol=1e-4, atol=1e-5)
    assert "BatchNorm/moving_mean" in v
