"""How to parse the tf.train.Examples that a canned estimator is trained with."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1, without_deprecation_notes


def classifier_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: tf.DType = tf.int64,
    label_default: Any = None,
    weight_column: Any = None,
) -> dict[str, Any]:
    """The spec for `tf.io.parse_example` that gives a classifier features, label and weight.

    Args:
        feature_columns: the classifier's; none is allowed.
        label_key: the name of the label in the examples.
        label_dtype: tf.int64 for class ids, tf.string for a vocabulary.
        label_default: the label of an example that has none. None: that is an error when parsing.
        weight_column: the classifier's: a name or a numeric column, or None.

    Returns:
        Name to tf.io.FixedLenFeature or the like; the label is of shape [1].

    Raises:
        TypeError: an argument has a wrong type; for columns and weight, a ValueError as well.
        ValueError: the label or the weight is a feature too.

    Example:
        >>> age = tf.feature_column.numeric_column("age")
        >>> spec = classifier_parse_example_spec([age], "job", tf.string, weight_column="weight")
        >>> sorted(spec)
        ['age', 'job', 'weight']
        >>> spec["job"]
        FixedLenFeature(shape=(1,), dtype=tf.string, default_value=None)
    """
    label = tf.io.FixedLenFeature((1,), label_dtype, label_default)
    return _parse_example_spec(feature_columns, label_key, label, weight_column)


def regressor_parse_example_spec(
    feature_columns: Iterable[Any],
    label_key: str,
    label_dtype: tf.DType = tf.float32,
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> dict[str, Any]:
    """The spec for `tf.io.parse_example` that gives a regressor features, label and weight.

    Args:
        feature_columns: the regressor's; none is allowed.
        label_key: the name of the label in the examples.
        label_dtype: its type in the examples.
        label_default: the label of an example that has none, of shape [label_dimension] or a
            scalar. None: that is an error when parsing.
        label_dimension: how many numbers a label has.
        weight_column: the regressor's: a name or a numeric column, or None.

    Returns:
        Name to tf.io.FixedLenFeature or the like; the label is of shape [label_dimension].

    Raises:
        TypeError: an argument has a wrong type; for columns and weight, a ValueError as well.
        ValueError: the label or the weight is a feature too.

    Example:
        >>> age = tf.feature_column.numeric_column("age")
        >>> regressor_parse_example_spec([age], "income", label_dimension=2)["income"]
        FixedLenFeature(shape=(2,), dtype=tf.float32, default_value=None)
    """
    label = tf.io.FixedLenFeature((label_dimension,), label_dtype, label_default)
    return _parse_example_spec(feature_columns, label_key, label, weight_column)


def _parse_example_spec(
    feature_columns: Iterable[Any], label_key: str, label: Any, weight_column: Any
) -> dict[str, Any]:
    spec = _of_columns("feature_columns", feature_columns)
    features = sorted(spec)
    if label_key in spec:
        rule = f"must not be a feature as well; the features are {features}"
        raise _checks.wrong_value("label_key", rule, label_key)
    spec[label_key] = label
    if weight_column is None:
        return spec
    with without_deprecation_notes():
        weight = _weight(weight_column)
    if weight.key in spec:
        rule = f"must be neither the label {label_key!r} nor one of the features {features}"
        raise _checks.wrong_value("weight_column", rule, weight.key)
    spec.update(_of_columns("weight_column", [weight]))
    return spec


def _of_columns(subject: str, columns: Iterable[Any]) -> dict[str, Any]:
    try:
        columns = list(columns)
    except TypeError:
        rule = "must be an iterable of feature columns"
        raise _checks.wrong_type(subject, rule, columns, was=ValueError) from None
    for column in columns:
        if not hasattr(column, "parse_example_spec") and not hasattr(column, "_parse_example_spec"):
            raise _checks.wrong_type(
                f"Every element of {subject}", "must be a feature column", column, was=ValueError
            )
    with without_deprecation_notes():
        return v1.feature_column.make_parse_example_spec(columns)


def _weight(given: Any) -> Any:
    numeric = tf.feature_column.numeric_column(given if isinstance(given, str) else "weight")
    if isinstance(given, str):
        return numeric
    if not isinstance(given, type(numeric)):
        rule = "must be a feature name or a tf.feature_column.numeric_column, or None"
        raise _checks.wrong_type("weight_column", rule, given, was=ValueError)
    return given
