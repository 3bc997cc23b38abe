"""Initializers that keep the scale of what flows through a layer."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_type, wrong_value

v1 = tf.compat.v1

Initializer = Callable[..., tf.Tensor]


def xavier_initializer(
    uniform: bool = True, seed: int | None = None, dtype: tf.DType = tf.float32
) -> Initializer:
    """The initializer of Glorot and Bengio: variance 2 / (fan_in + fan_out).

    See http://proceedings.mlr.press/v9/glorot10a.html.

    Args:
        uniform: draw from a uniform distribution, or from a normal one that is cut.
        seed: of the random numbers.
        dtype: a floating one.
    """
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


xavier_initializer_conv2d = xavier_initializer


def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: tf.DType = tf.float32,
) -> Initializer:
    """An initializer of the variance factor / n.

    Args:
        factor: see above.
        mode: what n is: "FAN_IN", the number of inputs of a unit; "FAN_OUT", that of its outputs;
            "FAN_AVG", their mean.
        uniform: draw from a uniform distribution, or from a normal one that is cut at two standard
            deviations.
        seed: of the random numbers.
        dtype: a floating one.

    Returns:
        A function of a shape, and of a dtype, that gives a Tensor.

    Raises:
        TypeError: `dtype`, here or there, is not floating, or `mode` is unknown.

    Example:
        >>> initializer = variance_scaling_initializer(factor=1.0, uniform=True)
        >>> bool(tf.reduce_max(tf.abs(initializer([3, 5]))) <= 1.0)
        True
    """
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise wrong_type("mode", "must be 'FAN_IN', 'FAN_OUT' or 'FAN_AVG'", mode)
    _require_floating(dtype)

    def initializer(shape: Any, dtype: Any = dtype, partition_info: Any = None) -> tf.Tensor:
        del partition_info
        _require_floating(dtype)
        sizes = [float(one) for one in shape]
        n = {"FAN_IN": _fan_in, "FAN_OUT": _fan_out, "FAN_AVG": _fan_avg}[mode](sizes)
        if uniform:
            limit = math.sqrt(3.0 * factor / n)
            return v1.random_uniform(shape, -limit, limit, dtype, seed=seed)
        # A normal distribution that is cut at two deviations has 1 / 1.3 of the variance.
        return v1.truncated_normal(shape, 0.0, math.sqrt(1.3 * factor / n), dtype, seed=seed)

    return initializer


def _require_floating(dtype: Any) -> None:
    if not tf.as_dtype(dtype).is_floating:
        raise wrong_type("dtype", "must be floating", dtype)


def _fan_in(sizes: list[float]) -> float:
    if not sizes:
        raise wrong_value("shape", "must have a dimension for an initializer by fan", sizes)
    return math.prod(sizes[:-1]) if len(sizes) > 1 else sizes[-1]


def _fan_out(sizes: list[float]) -> float:
    if not sizes:
        raise wrong_value("shape", "must have a dimension for an initializer by fan", sizes)
    return math.prod(sizes[:-2]) * sizes[-1]


def _fan_avg(sizes: list[float]) -> float:
    return (_fan_in(sizes) + _fan_out(sizes)) / 2.0
