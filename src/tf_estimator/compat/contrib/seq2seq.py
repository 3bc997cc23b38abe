"""What taggers and language models took from `tf.contrib.seq2seq`: the loss of sequences."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value

v1 = tf.compat.v1

__all__ = ["sequence_loss"]


def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: Callable[..., tf.Tensor] | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """The weighted cross entropy of sequences of classes.

    An average is the sum divided by the sum of the weights; a sum is divided by the number of
    weights that are not zero.

    Args:
        logits: floats of shape [batch, time, classes].
        targets: integers of shape [batch, time].
        weights: floats of this shape, 0 for what is padding.
        average_across_timesteps: whether there is one number for all steps.
        average_across_batch: whether there is one number for all sequences.
        sum_over_timesteps: as average_across_timesteps, for a sum.
        sum_over_batch: as average_across_batch, for a sum.
        softmax_loss_function: a function of `labels` and `logits`, both flat, that takes the place
            of the sparse softmax cross entropy.
        name: of the operations.

    Returns:
        A Tensor of shape [], or of [batch], [time] or both where it is not reduced over.

    Raises:
        ValueError: a rank is another one, or both an average and a sum are asked for.
    """
    logits, targets = tf.convert_to_tensor(logits), tf.convert_to_tensor(targets)
    weights = tf.convert_to_tensor(weights)
    for what, one, rank in (
        ("logits", logits, 3),
        ("targets", targets, 2),
        ("weights", weights, 2),
    ):
        if one.shape.rank not in (None, rank):
            raise wrong_value(f"The rank of {what}", f"must be {rank}", one.shape.rank)
    averages = (average_across_batch, average_across_timesteps)
    sums = (sum_over_batch, sum_over_timesteps)
    for axis, over in enumerate(("batch", "timesteps")):
        if averages[axis] and sums[axis]:
            rule = f"must be false where average_across_{over} is true"
            raise wrong_value(f"sum_over_{over}", rule, sums[axis])
    with v1.name_scope(name, "sequence_loss", [logits, targets, weights]):
        loss_of = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
        flat = tf.reshape(logits, [-1, tf.shape(logits)[2]])
        losses = loss_of(labels=tf.reshape(targets, [-1]), logits=flat)
        losses = tf.reshape(losses, tf.shape(logits)[:2]) * weights
        # Averages come first: where one is asked for, a sum over the other axis is not taken.
        if any(averages):
            axes = [axis for axis in (0, 1) if averages[axis]]
            return _divided(losses, tf.reduce_sum(weights, axes), axes)
        axes = [axis for axis in (0, 1) if sums[axis]]
        if not axes:
            return losses
        return _divided(losses, tf.math.count_nonzero(weights, axes, dtype=losses.dtype), axes)


def _divided(losses: tf.Tensor, by: tf.Tensor, axes: list[int]) -> tf.Tensor:
    return tf.math.divide_no_nan(tf.reduce_sum(losses, axes), by)
