"""Labels as heads need them: dense, in range, and looked up in a vocabulary if there is one."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._checks import shown, wrong_type, wrong_value
from tf_estimator.heads.shapes import align, require

_ADVICE = (
    "input_fn must return labels, and every example must have {} label value(s). For ids of "
    "several classes use MultiLabelHead, for one-hot labels take tf.argmax of them."
)


def vocabulary(value: Any, n_classes: int | None = None) -> tuple[Any, ...] | None:
    """A label vocabulary, checked: a list or tuple with one word for each class, or None.

    Raises:
        ValueError: for another type, or another number of words than `n_classes`.
    """
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        raise wrong_type("label_vocabulary", "must be a list or a tuple", value, was=ValueError)
    if n_classes is not None and len(value) != n_classes:
        raise wrong_value("label_vocabulary", f"must have n_classes={n_classes} items", value)
    for word in value:
        if not isinstance(word, (str, bytes)):
            raise wrong_type("Every word of label_vocabulary", "must be a string", word)
    return tuple(value)


def dense(labels: Any, logits: tf.Tensor, dimension: int) -> tf.Tensor:
    """Labels as a Tensor of shape [D0, D1, ... DN, dimension].

    Raises:
        ValueError: if they are None or sparse, or known to have another shape.
    """
    labels = _as_tensor(labels, dimension)
    if isinstance(labels, tf.SparseTensor):
        raise wrong_type(
            "labels",
            f"must be a Tensor of shape [D0, D1, ... DN, {dimension}]",
            type(labels),
            _ADVICE.format(dimension),
            was=ValueError,
        )
    return align("labels", labels, logits, (dimension,))


def _as_tensor(labels: Any, dimension: int) -> Any:
    if labels is None or isinstance(labels, dict):
        received = labels if labels is None else type(labels)
        raise wrong_value("labels", "must be a Tensor", received, _ADVICE.format(dimension))
    if isinstance(labels, tf.RaggedTensor):
        return labels.to_sparse()
    return labels if isinstance(labels, tf.SparseTensor) else tf.convert_to_tensor(labels)


def numbers(labels: tf.Tensor) -> tf.Tensor:
    """Labels as floats.

    Raises:
        ValueError: if they are strings.
    """
    if labels.dtype == tf.string:
        raise wrong_type(
            "labels",
            "must be numbers",
            labels.dtype,
            "For string labels give the head a label_vocabulary.",
            was=ValueError,
        )
    return tf.cast(labels, tf.float32)


def class_ids(labels: tf.Tensor, words: tuple[Any, ...] | None) -> tf.Tensor:
    """Labels as ids of classes, of an integer type.

    With a vocabulary they are strings, and the id is the place in it; a string that is not in it
    is an error. Without it they are the ids, not checked yet.

    Raises:
        ValueError: if labels have another type.
    """
    if words is None:
        if not labels.dtype.is_integer:
            hint = "For string labels give the head a label_vocabulary."
            raise wrong_type(
                "labels", "must be integers, the ids of classes", labels.dtype, hint, was=ValueError
            )
        return labels if labels.dtype == tf.int32 else tf.cast(labels, tf.int64)
    if labels.dtype != tf.string:
        raise wrong_type(
            "labels",
            "must be strings, since there is a label_vocabulary",
            labels.dtype,
            was=ValueError,
        )
    ids = _lookup(labels, words)
    message = f"labels must be in the label_vocabulary {shown(list(words))}; received"
    return require(tf.reduce_all(ids >= 0), message, ids, labels)


def _lookup(labels: tf.Tensor, words: Sequence[Any]) -> tf.Tensor:
    """The places of labels in the words, -1 for what is not among them."""
    keys = tf.constant(list(words), tf.string)
    initializer = tf.lookup.KeyValueTensorInitializer(keys, tf.range(len(words), dtype=tf.int64))
    return tf.lookup.StaticHashTable(initializer, default_value=-1).lookup(labels)


def in_range(labels: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """`labels`, all of which are at least `low` and at most `high`."""
    ok = tf.reduce_all((labels >= low) & (labels <= high))
    return require(ok, f"labels must be from {low} to {high}; received", labels)


def multi_hot(
    labels: Any, logits: tf.Tensor, n_classes: int, words: tuple[Any, ...] | None
) -> tf.Tensor:
    """Labels of several classes as floats of shape [D0, D1, ... DN, n_classes], 1 for each class.

    Args:
        labels: a dense Tensor of that shape, or a SparseTensor or RaggedTensor of the classes'
            ids, or of strings of the vocabulary.
        logits: what the shape is compared with.
        n_classes: the number of classes.
        words: the vocabulary or None.
    """
    labels = _as_tensor(labels, n_classes)
    if isinstance(labels, tf.SparseTensor):
        values = labels.values
        ids = class_ids(values, words if values.dtype == tf.string else None)
        ids = in_range(ids, 0, n_classes - 1)
        labels = tf.sparse.to_indicator(labels.with_values(tf.cast(ids, tf.int64)), n_classes)
    elif labels.dtype == tf.string:
        raise wrong_type(
            "labels",
            f"must be a SparseTensor of strings, or a Tensor of shape [D0, D1, ... DN, {n_classes}]"
            " that has 1 for each class",
            labels.dtype,
            was=ValueError,
        )
    labels = align("labels", tf.cast(labels, tf.float32), logits, (n_classes,))
    return in_range(labels, 0, 1)


def class_names(n_classes: int, words: tuple[Any, ...] | None) -> tf.Tensor:
    """The classes as a string Tensor of shape [n_classes]: the vocabulary, or the ids."""
    return tf.constant(list(words) if words else [str(n) for n in range(n_classes)], tf.string)
