"""From the loss of every example to the one loss of a batch."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import callable_, wrong_value
from tf_estimator._tf import note_loss_reduction, v1
from tf_estimator.engine.model import argument_names
from tf_estimator.heads.shapes import align

# `tf.losses.Reduction`, whose names are written here because reading them would load Keras.
SUM = "sum"
SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
_AUTO = "auto"

_V1 = v1.losses.Reduction
_SUMS = (SUM, _V1.SUM)
_MEANS_OVER_ALL = (SUM_OVER_BATCH_SIZE, _AUTO, _V1.SUM_OVER_BATCH_SIZE)
_OF_V1 = (_V1.SUM, _V1.SUM_OVER_BATCH_SIZE, _V1.MEAN, _V1.SUM_BY_NONZERO_WEIGHTS)
_REDUCTIONS = (SUM, SUM_OVER_BATCH_SIZE, _AUTO, *_OF_V1)


def reduction(value: Any) -> str:
    """A loss reduction, checked: of `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`.

    Raises:
        ValueError: for anything else, `NONE` included.
    """
    if value not in _REDUCTIONS:
        rule = f"must be one of {', '.join(map(repr, _REDUCTIONS))}"
        raise wrong_value("loss_reduction", rule, value)
    return value


def is_of_v1(loss_reduction: str) -> bool:
    """Whether it is of `tf.compat.v1.losses.Reduction`, as only the v1 estimators' are."""
    return loss_reduction in _OF_V1


def is_v1_sum(loss_reduction: str) -> bool:
    """Whether it is the v1 estimators' default, with which they report the mean loss as well."""
    return loss_reduction == _V1.SUM


def reduce(losses: tf.Tensor, weights: tf.Tensor | None, loss_reduction: str) -> tf.Tensor:
    """The loss of a batch, 0 where there is nothing to divide by.

    Args:
        losses: floats of shape [D0, D1, ... DN, k].
        weights: floats of shape [D0, D1, ... DN, 1 or k], or None for 1.
        loss_reduction: a checked reduction.

    Returns:
        The sum of the weighted losses. The reductions other than sums divide it: by the number of
        losses, by the sum of the weights (MEAN), or by the number of weights that are not zero.
    """
    with tf.name_scope("weighted_loss"):  # Programs log by name what is called so in here.
        note_loss_reduction(SUM if loss_reduction in _SUMS else SUM_OVER_BATCH_SIZE)
        total = tf.reduce_sum(losses if weights is None else losses * weights, name="Sum")
        if loss_reduction in _SUMS:
            return total
        if weights is None or loss_reduction in _MEANS_OVER_ALL:
            number = tf.cast(tf.size(losses), losses.dtype)
        elif loss_reduction == _V1.MEAN:
            number = tf.reduce_sum(tf.broadcast_to(weights, tf.shape(losses)))
        else:
            weights = tf.broadcast_to(weights, tf.shape(losses))
            number = tf.math.count_nonzero(weights, dtype=losses.dtype)
        return tf.math.divide_no_nan(total, number, "value")


def with_regularization(loss: tf.Tensor, regularization_losses: Any) -> tf.Tensor:
    """The loss plus the sum of the regularization losses, a list of Tensors or None."""
    extra = sum_of(regularization_losses)
    return loss if extra is None else loss + extra


def sum_of(losses: Any) -> tf.Tensor | None:
    """The sum of a list of Tensors, or None without any."""
    if losses is None or (isinstance(losses, (list, tuple)) and not losses):
        return None
    return tf.add_n(losses) if isinstance(losses, (list, tuple)) else losses


_NEEDED = ("labels", "logits")
_OPTIONAL = ("features", "loss_reduction")


def loss_fn(value: Any) -> Callable[..., Any] | None:
    """A user's loss function, checked: it takes `labels` and `logits`, and may take more.

    Raises:
        TypeError: if it cannot be called.
        ValueError: if it does not take these two, or takes what no head gives.
    """
    if value is None:
        return None
    names = argument_names(callable_("loss_fn", value))
    rule = "must take labels and logits, and nothing else but features and loss_reduction"
    if not set(_NEEDED) <= set(names) <= {*_NEEDED, *_OPTIONAL}:
        raise wrong_value("loss_fn", rule, value, f"Its arguments are {', '.join(names) or None}.")
    return value


def call_loss_fn(
    fn: Callable[..., Any],
    labels: tf.Tensor,
    logits: tf.Tensor,
    features: Mapping[str, Any] | None,
    loss_reduction: str,
    dimension: int = 1,
) -> tf.Tensor:
    """The losses of a user's function, checked to be of shape [D0, D1, ... DN, dimension]."""
    given = {
        "labels": labels,
        "logits": logits,
        "features": features,
        "loss_reduction": loss_reduction,
    }
    names = argument_names(fn)
    losses = tf.convert_to_tensor(fn(**{name: one for name, one in given.items() if name in names}))
    losses = tf.cast(losses, tf.float32)
    if None not in (losses.shape.rank, logits.shape.rank) and losses.shape.rank < logits.shape.rank:
        # `align` takes a missing last dimension of 1 for granted; here it must be there.
        shape = f"[D0, D1, ... DN, {dimension}]"
        raise ValueError(
            f"What loss_fn returns must have the shape {shape}; received the shape {losses.shape}."
        )
    return align("What loss_fn returns", losses, logits, (dimension,))
