"""tf.contrib.slim: a network as they were written."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import framework, layers, slim

v1 = tf.compat.v1
pytestmark = pytest.mark.usefixtures("graph")

IMAGES = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("f4")


def network(images, is_training):
    norm = {"is_training": is_training, "decay": 0.9}
    with (
        slim.arg_scope(
            [slim.conv2d, slim.fully_connected],
            weights_regularizer=slim.l2_regularizer(0.1),
            normalizer_fn=slim.batch_norm,
        ),
        slim.arg_scope([slim.batch_norm], **norm),
        v1.variable_scope("net", values=[images]),
    ):
        net = slim.repeat(images, 2, slim.conv2d, 4, [3, 3], scope="conv1")
        net = slim.max_pool2d(net, [2, 2], scope="pool1")
        net = slim.conv2d(net, 4, [8, 8], padding="VALID", scope="fc2")
        net = slim.dropout(slim.flatten(net), 0.5, is_training=is_training)
        return slim.fully_connected(net, 2, activation_fn=None, normalizer_fn=None, scope="fc3")


def test_a_network():
    logits = network(IMAGES, is_training=True)
    assert logits.shape == (2, 2)
    names = [one.op.name for one in slim.get_model_variables()]
    assert [name for name in names if not name.startswith("net/conv1/conv1_2")] == [
        "net/conv1/conv1_1/weights",
        "net/conv1/conv1_1/BatchNorm/beta",
        "net/conv1/conv1_1/BatchNorm/moving_mean",
        "net/conv1/conv1_1/BatchNorm/moving_variance",
        "net/fc2/weights",
        "net/fc2/BatchNorm/beta",
        "net/fc2/BatchNorm/moving_mean",
        "net/fc2/BatchNorm/moving_variance",
        "net/fc3/weights",
        "net/fc3/biases",
    ]
    assert len(v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)) == 4
    assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 6


def test_without_training_nothing_is_updated():
    network(IMAGES, is_training=False)
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)


def test_they_are_the_same_functions():
    assert slim.conv2d is layers.conv2d
    assert slim.arg_scope is framework.arg_scope
    assert set(layers.__all__) | set(framework.__all__) < set(slim.__all__)
