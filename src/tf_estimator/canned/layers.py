"""The layers of a deep network, on variables under the names that checkpoints have.

Written on `tf.compat.v1.get_variable`: the layers of Keras 3 make other names, and know neither
partitioners nor the collections of a graph.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1

# What the original's batch normalization is made with.
_MOMENTUM = 0.999
_EPSILON = 0.001


def activation(given: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function that a user means by `activation_fn`.

    Args:
        given: a function from Tensor to Tensor, its name in tf.nn or "linear", or None for none.

    Returns:
        The function.

    Raises:
        TypeError: it is neither.
        ValueError: tf.nn has no function of that name.
    """
    if given is None or given == "linear":
        return tf.identity
    if isinstance(given, str):
        found = getattr(tf.nn, given, None)
        if not callable(found):
            rule = "must be a function, or the name of one in tf.nn"
            raise _checks.wrong_value("activation_fn", rule, given)
        return found
    return _checks.callable_("activation_fn", given)


def dense(inputs: tf.Tensor, units: int) -> tf.Tensor:
    """`inputs @ kernel + bias`, with both in the current variable scope.

    Args:
        inputs: a Tensor of shape [batch, width]; the width is known.
        units: the width of what is returned.

    Returns:
        A Tensor of shape [batch, units].
    """
    shape = [inputs.shape[1], units]
    kernel = v1.get_variable("kernel", shape, initializer=v1.glorot_uniform_initializer())
    bias = v1.get_variable("bias", [units], initializer=v1.zeros_initializer())
    return tf.nn.bias_add(tf.matmul(inputs, kernel), bias)


def batch_norm(inputs: tf.Tensor, training: bool) -> tf.Tensor:
    """Batch normalization (Ioffe and Szegedy, 2015) over the rows of a batch.

    In training the batch's own mean and variance are used, and the operations that let the moving
    ones follow are put into the collection UPDATE_OPS. Otherwise the moving ones are used.

    Args:
        inputs: a Tensor of shape [batch, width].
        training: whether the batch is trained on.

    Returns:
        A Tensor of the same shape.
    """
    width = [inputs.shape[1]]
    gamma = v1.get_variable("gamma", width, initializer=v1.ones_initializer())
    beta = v1.get_variable("beta", width, initializer=v1.zeros_initializer())
    moving_mean = _moving("moving_mean", width, v1.zeros_initializer())
    moving_variance = _moving("moving_variance", width, v1.ones_initializer())
    mean, variance = moving_mean, moving_variance
    if training:
        mean, variance = tf.nn.moments(inputs, axes=[0])
        for moving, of_batch in ((moving_mean, mean), (moving_variance, variance)):
            follow = v1.assign_sub(moving, (moving - of_batch) * (1.0 - _MOMENTUM))
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, follow)
    beta, gamma = tf.convert_to_tensor(beta), tf.convert_to_tensor(gamma)
    return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, _EPSILON)


def _moving(name: str, shape: list[int], initializer: Any) -> tf.Variable:
    with v1.variable_scope(v1.get_variable_scope()) as scope:
        scope.set_partitioner(None)  # Never cut: it is written as a whole.
        return v1.get_variable(
            name,
            shape,
            initializer=initializer,
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )


def summarize_activation(name: str, value: tf.Tensor) -> None:
    """Adds the summaries of a layer: its histogram, and the fraction of it that is zero."""
    v1.summary.scalar(f"{name}/fraction_of_zero_values", tf.math.zero_fraction(value))
    v1.summary.histogram(f"{name}/activation", value)
