"""From sequence feature columns to tensors: the input of a recurrent network."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1
from tf_estimator.canned.feature_layers import (
    ColumnVariables,
    FeatureTensors,
    checked_columns,
    shared_weights,
)


def sequence_columns(subject: str, given: Any) -> tuple[Any, ...]:
    """The sequence feature columns that a user gave, as a tuple.

    Raises:
        TypeError: these are no columns. It is a ValueError as well.
        ValueError: there are none, or one is for no sequences or categorical.
    """
    rule = "must be a non-empty iterable of sequence feature columns"
    if given is None or isinstance(given, str | dict):
        raise _checks.wrong_type(subject, rule, given, was=ValueError)
    try:
        found = tuple(given)
    except TypeError:
        raise _checks.wrong_type(subject, rule, given, was=ValueError) from None
    if not found:
        raise _checks.wrong_value(subject, "must not be empty", found)
    for column in found:
        if not hasattr(column, "get_sequence_dense_tensor"):
            raise _checks.wrong_value(
                f"Every element of {subject}",
                "must be a dense sequence column",
                column,
                "Take tf.feature_column.sequence_numeric_column, or an embedding_column or "
                "indicator_column of a sequence_categorical_column.",
            )
    return found


def context_columns(subject: str, given: Any) -> tuple[Any, ...]:
    """The columns for what is the same at all steps, as a tuple; () for none."""
    if given is None or (isinstance(given, Sequence) and not given):
        return ()
    found = tuple(given) if not isinstance(given, str | dict) else given
    for column in found:
        if hasattr(column, "get_sequence_dense_tensor") and not hasattr(column, "get_dense_tensor"):
            hint = "Put it into sequence_feature_columns."
            raise _checks.wrong_value(
                f"Every element of {subject}", "must be for one value", column, hint
            )
    return checked_columns(subject, found, deep=True, old=False)


def sequence_input(
    features: FeatureTensors, columns: Sequence[Any], context: Sequence[Any]
) -> tuple[tf.Tensor, tf.Tensor]:
    """What the columns give at each step, side by side, each kind ordered by column name.

    Its variables are `sequence_features/<column>/embedding_weights` and
    `dense_features/<column>/embedding_weights`.

    Args:
        features: the batch.
        columns: sequence columns.
        context: columns whose values are repeated at each step, behind those of `columns`.

    Returns:
        A float32 Tensor of shape [batch, steps, sum of the columns' sizes], and the number of
        steps of each example, int64 of shape [batch].

    Raises:
        ValueError: a feature is missing. When run: two sequences of one example differ in length.
    """
    shared_weights([*columns, *context])
    pairs = _each(columns, features, "sequence_features", _sequence)
    (first, (_, lengths)), *others = pairs.items()
    checks = [
        tf.debugging.assert_equal(
            lengths,
            other,
            f"Sequence columns {first!r} and {name!r} must have sequences of the same lengths.",
        )
        for name, (_, other) in others
    ]
    with tf.control_dependencies(checks):
        inputs = tf.concat([tensor for tensor, _ in pairs.values()], axis=2)
    if context:
        repeated = tf.concat(
            list(_each(context, features, "dense_features", _one).values()), axis=1
        )
        steps = tf.stack([1, tf.shape(inputs)[1], 1])
        inputs = tf.concat([inputs, tf.tile(repeated[:, None], steps)], axis=2)
    return inputs, lengths


def _each(
    columns: Iterable[Any], features: FeatureTensors, scope: str, make: Callable[..., Any]
) -> dict[str, Any]:
    variables = ColumnVariables()
    made = {}
    with v1.variable_scope(scope):
        for column in sorted(columns, key=lambda column: column.name):
            name = re.sub(r"[^A-Za-z0-9_.\-]", "_", column.name)
            with v1.variable_scope(None, default_name=name), features.read_by(column):
                column.create_state(variables)
                made[column.name] = make(column, features, variables)
    return made


def _sequence(
    column: Any, features: FeatureTensors, variables: ColumnVariables
) -> tuple[tf.Tensor, tf.Tensor]:
    tensor, lengths = column.get_sequence_dense_tensor(features, variables)
    shape = tf.shape(tensor)
    size = column.variable_shape.num_elements()
    flat = tf.reshape(tensor, tf.stack([shape[0], shape[1], size]))
    return tf.ensure_shape(flat, [None, None, size]), tf.cast(lengths, tf.int64)


def _one(column: Any, features: FeatureTensors, variables: ColumnVariables) -> tf.Tensor:
    tensor = column.get_dense_tensor(features, variables)
    return tf.reshape(tensor, [-1, column.variable_shape.num_elements()])
