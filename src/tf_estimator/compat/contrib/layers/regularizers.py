"""Regularizers: functions from a weight to a scalar loss."""

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value

v1 = tf.compat.v1

Regularizer = Callable[[tf.Tensor], Any]


def l1_regularizer(scale: float, scope: str | None = None) -> Regularizer:
    """The sum of the absolute values of a weight, times `scale`.

    Args:
        scale: a float of at least 0; with 0.0 there is no loss.
        scope: the name of the operations.

    Raises:
        ValueError: `scale` is an integer, or below 0.
    """
    if _checked("scale", scale) == 0.0:
        return _nothing

    def l1(weights: tf.Tensor) -> tf.Tensor:
        with v1.name_scope(scope, "l1_regularizer", [weights]) as name:
            return tf.multiply(_like(weights, scale), tf.reduce_sum(tf.abs(weights)), name=name)

    return l1


def l2_regularizer(scale: float, scope: str | None = None) -> Regularizer:
    """Half of the sum of the squares of a weight, times `scale`.

    Args:
        scale: a float of at least 0; with 0.0 there is no loss.
        scope: the name of the operations.

    Raises:
        ValueError: `scale` is an integer, or below 0.
    """
    if _checked("scale", scale) == 0.0:
        return _nothing

    def l2(weights: tf.Tensor) -> tf.Tensor:
        with v1.name_scope(scope, "l2_regularizer", [weights]) as name:
            return tf.multiply(_like(weights, scale), tf.nn.l2_loss(weights), name=name)

    return l2


def l1_l2_regularizer(
    scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None
) -> Regularizer | None:
    """The sum of `l1_regularizer` and `l2_regularizer`."""
    _checked("scale_l1", scale_l1)
    _checked("scale_l2", scale_l2)
    scope = scope or "l1_l2_regularizer"
    if scale_l1 == 0.0:
        return l2_regularizer(scale_l2, scope)
    if scale_l2 == 0.0:
        return l1_regularizer(scale_l1, scope)
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope)


def sum_regularizer(
    regularizer_list: Iterable[Regularizer | None], scope: str | None = None
) -> Regularizer | None:
    """The sum of what several regularizers give; None if all of them are None."""
    found = [one for one in regularizer_list if one is not None]
    if not found:
        return None

    def total(weights: tf.Tensor) -> Any:
        with v1.name_scope(scope, "sum_regularizer", [weights]) as name:
            losses = [one(weights) for one in found]
            losses = [one for one in losses if one is not None]
            return tf.add_n(losses, name=name) if losses else None

    return total


def apply_regularization(
    regularizer: Regularizer, weights_list: Iterable[Any] | None = None
) -> tf.Tensor:
    """The sum of the losses of weights, which is added to REGULARIZATION_LOSSES.

    Args:
        regularizer: gives a scalar for a weight, or None for no loss.
        weights_list: the weights; by default those of the collection WEIGHTS.

    Returns:
        A scalar Tensor.

    Raises:
        ValueError: there are no weights, or the regularizer gives no scalar.
    """
    weights = v1.get_collection(v1.GraphKeys.WEIGHTS) if weights_list is None else [*weights_list]
    if not weights:
        raise ValueError(
            "apply_regularization needs weights; weights_list "
            f"{'is empty' if weights_list is not None else 'is None and so is the collection'}."
        )
    with v1.name_scope("get_regularization_penalty", values=weights) as name:
        losses = [regularizer(one) for one in weights]
        losses = [tf.constant(0.0) if one is None else one for one in losses]
        for one in losses:
            if one.shape.rank != 0:
                raise wrong_value("What the regularizer gives", "must be a scalar", one)
        total = tf.add_n(losses, name=name)
    v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, total)
    return total


def _nothing(weights: tf.Tensor) -> None:
    del weights


def _like(weights: tf.Tensor, scale: float) -> tf.Tensor:
    return tf.convert_to_tensor(scale, weights.dtype.base_dtype, name="scale")


def _checked(name: str, scale: Any) -> Any:
    if isinstance(scale, numbers.Integral):
        raise wrong_value(name, "must be a float", scale, f"Write {float(scale)}.")
    if isinstance(scale, numbers.Real) and (scale < 0.0 or math.isnan(scale)):
        raise wrong_value(name, "must be at least 0.0", scale)
    return scale
