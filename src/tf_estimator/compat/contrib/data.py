"""What `tf.contrib.data` had that `tf.data.experimental` has not: functions for `Dataset.apply`."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = [
    "batch_and_drop_remainder",
    "padded_batch_and_drop_remainder",
    "sloppy_interleave",
]

Transformation = Callable[[Any], Any]


def batch_and_drop_remainder(batch_size: Any) -> Transformation:
    """Batches of one size: what is left at the end is dropped.

    Args:
        batch_size: how many elements make a batch.

    Returns:
        A function for `tf.data.Dataset.apply`.

    Example:
        >>> batches = tf.data.Dataset.range(5).apply(batch_and_drop_remainder(2))
        >>> [one.tolist() for one in batches.as_numpy_iterator()]
        [[0, 1], [2, 3]]
    """
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(
    batch_size: Any, padded_shapes: Any, padding_values: Any = None
) -> Transformation:
    """Batches of one size, of elements of different ones: what is left at the end is dropped.

    Args:
        batch_size: how many elements make a batch.
        padded_shapes: see `tf.data.Dataset.padded_batch`.
        padding_values: see `tf.data.Dataset.padded_batch`.

    Returns:
        A function for `tf.data.Dataset.apply`.
    """
    return lambda dataset: dataset.padded_batch(
        batch_size, padded_shapes, padding_values, drop_remainder=True
    )


def sloppy_interleave(
    map_func: Callable[..., Any], cycle_length: Any, block_length: Any = 1
) -> Transformation:
    """Elements of several datasets, in whatever order they come.

    Args:
        map_func: gives a Dataset for each element.
        cycle_length: of how many datasets elements are read at a time.
        block_length: how many elements of one are read before the next one's turn.

    Returns:
        A function for `tf.data.Dataset.apply`.
    """

    def interleave(dataset: Any) -> Any:
        return dataset.interleave(
            map_func,
            cycle_length=cycle_length,
            block_length=block_length,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=False,
        )

    return interleave
