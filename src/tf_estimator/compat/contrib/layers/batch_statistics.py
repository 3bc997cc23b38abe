"""Mean and variance of batches, their moving averages, and what is normalized by them."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator.compat.contrib.layers import parts

v1 = tf.compat.v1


def checked_axis(inputs: tf.Tensor, data_format: str) -> int:
    """The axis of the channels; ValueError if the data_format or the rank is none there is."""
    if data_format not in ("NHWC", "NCHW"):
        raise wrong_value("data_format", "must be 'NHWC' or 'NCHW'", data_format)
    rank = parts.checked_rank(inputs, "a normalizer", "must be known and at least 2", _is_batch)
    return 1 if data_format == "NCHW" else rank - 1


def _is_batch(rank: int) -> bool:
    return rank > 1


class Statistics:
    """The variables and the numbers of one call of `batch_norm`.

    Args:
        inputs: a Tensor of known rank.
        axis: of the channels.
        options: `epsilon`, `decay` and `zero_debias`.
        batch_weights: of shape [batch], or None.
    """

    def __init__(
        self, inputs: tf.Tensor, axis: int, options: Mapping[str, Any], batch_weights: Any
    ) -> None:
        self._inputs, self._axis, self._options = inputs, axis, options
        self._n_channels = parts.checked_size(inputs, axis, "batch_norm")
        # Of half precision the statistics are kept in the whole one.
        is_half = inputs.dtype in (tf.float16, tf.bfloat16)
        self._dtype = tf.float32 if is_half else inputs.dtype.base_dtype
        self._weights = None
        if batch_weights is not None:
            shape = [-1] + [1] * (inputs.shape.rank - 1)
            self._weights = tf.reshape(tf.cast(batch_weights, self._dtype), shape)

    def make_variables(
        self,
        center: bool,
        scale: bool,
        initializers: Mapping[str, Any],
        regularizers: Mapping[str, Any],
        collections: Any,
        trainable: bool,
    ) -> None:
        """Makes those that are wanted, and constants for the others."""
        zeros, ones = v1.zeros_initializer(), v1.ones_initializer()
        shape = [self._n_channels]

        def make(name: str, default: Any, is_trainable: bool) -> Any:
            return parts.made(
                name,
                collections,
                shape=shape,
                dtype=self._dtype,
                initializer=initializers.get(name, default),
                regularizer=regularizers.get(name),
                trainable=is_trainable,
            )

        self._beta = tf.zeros(shape, self._dtype)
        if center:
            self._beta = tf.convert_to_tensor(make("beta", zeros, trainable))
        self._gamma = tf.ones(shape, self._dtype)
        if scale:
            self._gamma = tf.convert_to_tensor(make("gamma", ones, trainable))
        with parts.unpartitioned():
            self._moving_mean = make("moving_mean", zeros, False)
            self._moving_variance = make("moving_variance", ones, False)

    def normalized(self, is_training: Any, fused: bool) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The outputs, and the mean and variance for the moving averages."""
        fused = fused and self._inputs.shape.rank in (2, 4)
        of_batch, of_average = (
            (self._fused_by_batch, self._fused_by_average)
            if fused
            else (self._by_batch, self._by_average)
        )
        found = parts.either(is_training, of_batch, of_average)
        return found[0], found[1], found[2]

    def updates(self, is_training: Any, mean: tf.Tensor, variance: tf.Tensor) -> list[Any]:
        """The operations that move the averages; without effect if a Tensor is_training is not."""
        mean = tf.cast(mean, self._dtype)
        variance = tf.cast(variance, self._dtype)

        def move() -> list[Any]:
            debiased = self._options["zero_debias"]
            return [
                (self._move_debiased if debiased else self._move)(self._moving_mean, mean),
                self._move(self._moving_variance, variance),
            ]

        def stay() -> list[Any]:
            kept = (self._moving_mean, self._moving_variance)
            return [tf.convert_to_tensor(one) for one in kept]

        found = parts.either(is_training, move, stay)
        return [found[0], found[1]]

    def _move(self, average: Any, value: tf.Tensor) -> tf.Tensor:
        with tf.name_scope("AssignMovingAvg"):
            change = (average - value) * self._rate()
            return v1.assign_sub(average, change)

    def _move_debiased(self, average: Any, value: tf.Tensor) -> tf.Tensor:
        """Moves an average that begins at 0 as though it began at the first value.

        See section 3 of https://arxiv.org/abs/1412.6980.
        """
        with v1.variable_scope(average.op.name), parts.unpartitioned():
            zeros = v1.zeros_initializer()
            common = {"initializer": zeros, "trainable": False, "dtype": self._dtype}
            biased = v1.get_variable("biased", average.shape, **common)
            steps = v1.get_variable("local_step", [], **common)
        moved = v1.assign_sub(biased, (biased - value) * self._rate())
        counted = v1.assign_add(steps, 1.0)
        unbiased = moved / (1.0 - tf.pow(1.0 - self._rate(), counted))
        return v1.assign(average, unbiased)

    def _rate(self) -> tf.Tensor:
        return tf.cast(1.0 - self._options["decay"], self._dtype)

    def _by_batch(self) -> list[tf.Tensor]:
        inputs = tf.cast(self._inputs, self._dtype)
        axes = [n for n in range(inputs.shape.rank) if n != self._axis]
        if self._weights is None:
            mean, variance = v1.nn.moments(inputs, axes)
        else:
            mean, variance = v1.nn.weighted_moments(inputs, axes, self._weights)
        return [self._normalized_by(mean, variance), mean, variance]

    def _by_average(self) -> list[tf.Tensor]:
        mean = tf.convert_to_tensor(self._moving_mean)
        variance = tf.convert_to_tensor(self._moving_variance)
        return [self._normalized_by(mean, variance), mean, variance]

    def _normalized_by(self, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        shape = [1] * self._inputs.shape.rank
        shape[self._axis] = self._n_channels
        channels = [tf.reshape(one, shape) for one in (mean, variance, self._beta, self._gamma)]
        inputs = tf.cast(self._inputs, self._dtype)
        outputs = tf.nn.batch_normalization(inputs, *channels, self._options["epsilon"])
        return tf.cast(outputs, self._inputs.dtype)

    def _fused_by_batch(self) -> list[tf.Tensor]:
        return self._fused(None, None, is_training=True)

    def _fused_by_average(self) -> list[tf.Tensor]:
        mean = tf.convert_to_tensor(self._moving_mean)
        variance = tf.convert_to_tensor(self._moving_variance)
        outputs, _, _ = self._fused(mean, variance, is_training=False)
        return [outputs, mean, variance]

    def _fused(self, mean: Any, variance: Any, *, is_training: bool) -> list[tf.Tensor]:
        inputs = self._inputs
        is_flat = inputs.shape.rank == 2
        if is_flat:
            inputs = tf.reshape(inputs, [-1, 1, 1, self._n_channels])
        outputs, mean, variance = v1.nn.fused_batch_norm(
            inputs,
            self._gamma,
            self._beta,
            mean=mean,
            variance=variance,
            epsilon=self._options["epsilon"],
            data_format="NHWC" if is_flat or self._axis != 1 else "NCHW",
            is_training=is_training,
        )
        return [tf.reshape(outputs, tf.shape(self._inputs)) if is_flat else outputs, mean, variance]
