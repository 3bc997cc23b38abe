import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.canned import layers

v1 = tf.compat.v1
X = np.array([[1.0, 10.0], [3.0, 30.0]], np.float32)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def run(*fetches):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return [session.run(each) for each in fetches]


def test_dense():
    made = layers.dense(tf.constant(X), 3)
    kernel, bias = v1.trainable_variables()
    assert (kernel.op.name, bias.op.name) == ("kernel", "bias")
    found, weights, zeros = run(made, kernel, bias)
    np.testing.assert_allclose(found, X @ weights, rtol=1e-6)
    assert not zeros.any()
    assert np.abs(weights).max() <= np.sqrt(6 / (2 + 3))  # Glorot and Bengio (2010), uniform.


def test_batch_norm_in_training_uses_the_batch():
    made = layers.batch_norm(tf.constant(X), training=True)
    expected = (X - X.mean(0)) / np.sqrt(X.var(0) + 0.001)
    np.testing.assert_allclose(run(made)[0], expected, rtol=1e-5)


def test_batch_norm_follows_the_batches():
    made = layers.batch_norm(tf.constant(X), training=True)
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    assert len(updates) == 2
    mean, variance = (each for each in v1.global_variables() if not each.trainable)
    _, _, found_mean, found_variance = run(made, updates, mean, variance)
    np.testing.assert_allclose(found_mean, 0.001 * X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found_variance, 0.999 + 0.001 * X.var(0), rtol=1e-5)


def test_batch_norm_otherwise_uses_the_moving_averages():
    made = layers.batch_norm(tf.constant(X), training=False)
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    np.testing.assert_allclose(run(made)[0], X / np.sqrt(1.001), rtol=1e-6)


def test_moving_averages_are_never_cut():
    with v1.variable_scope("m", partitioner=v1.fixed_size_partitioner(2)) as scope:
        layers.batch_norm(tf.constant(X), training=False)
        assert scope.partitioner is not None
    assert [each.op.name for each in v1.global_variables()] == [
        "m/gamma/part_0",
        "m/gamma/part_1",
        "m/beta/part_0",
        "m/beta/part_1",
        "m/moving_mean",
        "m/moving_variance",
    ]


@pytest.mark.parametrize("given", [tf.nn.tanh, tf.tanh, "tanh"])
def test_activations(given):
    assert run(layers.activation(given)(tf.constant(1.0))) == [pytest.approx(np.tanh(1.0))]


@pytest.mark.parametrize("given", [None, "linear"])
def test_no_activation(given):
    assert run(layers.activation(given)(tf.constant(-3.0))) == [-3.0]


def test_what_is_no_activation():
    with pytest.raises(ValueError, match="activation_fn must be a function, or the name of one"):
        layers.activation("rellu")
    with pytest.raises(TypeError, match="activation_fn must be callable; received 3"):
        layers.activation(3)
