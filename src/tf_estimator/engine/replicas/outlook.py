"""A Dataset that tells with each batch whether there are more to come."""

from typing import Any

import tensorflow as tf


def with_outlook(dataset: tf.data.Dataset, ahead: int) -> tf.data.Dataset:
    """Pairs of an element and whether so many others come after it.

    So each element is given out when the one that is `ahead` of it has been read.

    Args:
        dataset: of elements of any structure, in the default graph.
        ahead: 1 or more.

    Returns:
        A Dataset of the same length.

    Example:
        >>> with tf.Graph().as_default():
        ...     pairs = with_outlook(tf.data.Dataset.range(3), 1)
        >>> pairs.element_spec[1]
        TensorSpec(shape=(), dtype=tf.bool, name=None)
    """
    spec = dataset.element_spec
    parts = tf.nest.flatten(spec, expand_composites=True)

    def boxed(*element: Any) -> tuple[tf.Tensor, bool]:
        # What each part of a pipeline passes on is a single tensor, of whatever is in it.
        flat = tf.nest.flatten(element, expand_composites=True)
        return tf.raw_ops.OptionalFromValue(components=flat), True

    def nothing(index: tf.Tensor) -> tuple[tf.Tensor, bool]:
        del index
        return tf.raw_ops.OptionalNone(), False

    def one_later(before: Any, now: Any) -> tuple[Any, Any]:
        box, has_others = now
        return box, (before, has_others)

    def unboxed(box: tf.Tensor, has_others: tf.Tensor) -> tuple[Any, tf.Tensor]:
        flat = tf.raw_ops.OptionalGetValue(
            optional=box,
            output_types=[part.dtype for part in parts],
            output_shapes=[part.shape for part in parts],
        )
        return tf.nest.pack_sequence_as(spec, flat, expand_composites=True), has_others

    # Ours need no translation by AutoGraph.
    plain = tf.autograph.experimental.do_not_convert
    pairs = dataset.map(plain(boxed))
    end = tf.data.Dataset.range(1).map(plain(nothing))
    for _ in range(ahead):
        # Each element gets what is said of the next one: at first that it is there.
        pairs = pairs.concatenate(end).scan(tf.raw_ops.OptionalNone(), plain(one_later)).skip(1)
    return pairs.map(plain(unboxed))
