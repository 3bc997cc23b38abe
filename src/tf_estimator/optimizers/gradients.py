"""Gradients of a loss: those there are, and an error that names the loss if there are none."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

Gradient: TypeAlias = Any
"""A tf.Tensor, or tf.IndexedSlices, which has some of the rows."""

Pair: TypeAlias = tuple[Gradient, tf.Variable]

Scaled: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
"""What an optimizer makes of a loss before it wants the gradients."""

PairsOf: TypeAlias = Callable[[Scaled], list[Pair]]
"""Gives the gradients to apply, of the loss that is scaled so."""


def as_it_is(loss: tf.Tensor) -> tf.Tensor:
    """The loss: nothing is scaled."""
    return loss


def gradients(
    loss: tf.Tensor, variables: Sequence[tf.Variable], scaled_loss: tf.Tensor | None = None
) -> list[Pair]:
    """The gradients of a loss by the variables it depends on, each with its variable.

    Args:
        loss: a float Tensor, shape [].
        variables: those without influence on the loss are left out.
        scaled_loss: what to take the gradients of instead, if not `loss`.

    Raises:
        ValueError: the loss depends on none of them.
    """
    # That of version 1: the other pins gradients to the device of what they are the gradients of,
    # which a variable on a parameter server and a reader on a worker cannot agree about.
    found = tf.compat.v1.gradients(loss if scaled_loss is None else scaled_loss, variables)
    return useful(loss, zip(found, variables, strict=True))


def useful(loss: tf.Tensor, pairs: Iterable[tuple[Any, tf.Variable]]) -> list[Pair]:
    """The pairs that have a gradient; ValueError if there are none."""
    pairs = list(pairs)
    found = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
    if not found:
        raise ValueError(
            f"The loss {loss.name!r} must depend on a variable to train; none of "
            f"{[variable.op.name for _, variable in pairs]} has a gradient. Is something between "
            "them and the loss that has none, such as tf.argmax, tf.round or tf.stop_gradient?"
        )
    return found


def distinct(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """A gradient by rows with the rows of equal index added up, so that each index occurs once."""
    indices, segments = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, segments, tf.size(indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)
