"""The weight of each example, from the features."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator.heads.shapes import align


def column(value: Any) -> Any:
    """A weight column, checked: a feature's key, a numeric column, or None.

    Raises:
        TypeError: for anything else.
    """
    if value is None or isinstance(value, str) or is_numeric_column(value):
        return value
    raise wrong_type("weight_column", "must be a string or a numeric column", value)


def is_numeric_column(value: Any) -> bool:
    """Whether `value` is a numeric column of `tf.feature_column`."""
    # Asked by what it has: the class of numeric columns has no public name.
    return hasattr(value, "normalizer_fn") and isinstance(getattr(value, "key", None), str)


def of_examples(
    features: Any, weight_column: Any, logits: tf.Tensor, dimensions: tuple[int, ...] = (1,)
) -> tf.Tensor | None:
    """The weights as floats of shape [D0, D1, ... DN, 1], or None without a weight column.

    Args:
        features: a dict of Tensors; read only if there is a weight column.
        weight_column: the key of a feature, a numeric column, or None.
        logits: a Tensor of shape [D0, D1, ... DN, logits_dimension].
        dimensions: the sizes that the last dimension may have.

    Raises:
        ValueError: if the feature is missing, sparse, of strings or of another shape.
    """
    if weight_column is None:
        return None
    key = weight_column if isinstance(weight_column, str) else weight_column.key
    subject = f"The weight column {key!r}"
    if not isinstance(features, Mapping) or key not in features:
        names = sorted(map(str, features)) if isinstance(features, Mapping) else features
        raise wrong_value(subject, "must be among the features", names)
    weights = features[key]
    if isinstance(weights, (tf.SparseTensor, tf.RaggedTensor)):
        raise wrong_type(subject, "must be a dense Tensor", type(weights), was=ValueError)
    weights = tf.convert_to_tensor(weights)
    if weights.dtype == tf.string:
        raise wrong_type(subject, "must be numbers", weights.dtype, was=ValueError)
    if weights.shape.rank == 0:
        raise wrong_value(subject, "must have one weight for each example", weights.shape.as_list())
    normalizer_fn = getattr(weight_column, "normalizer_fn", None)
    if normalizer_fn is not None:
        weights = normalizer_fn(weights)
    return align(subject, tf.cast(weights, tf.float32), logits, dimensions)
