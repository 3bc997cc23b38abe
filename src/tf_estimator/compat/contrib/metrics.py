"""What `tf.contrib.metrics` was: metrics of `tf.compat.v1.metrics` that take predictions first."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

__all__ = [
    "accuracy",
    "aggregate_metric_map",
    "aggregate_metrics",
    "f1_score",
    "streaming_accuracy",
    "streaming_auc",
    "streaming_covariance",
    "streaming_false_negatives",
    "streaming_false_positives",
    "streaming_mean_absolute_error",
    "streaming_mean_cosine_distance",
    "streaming_mean_iou",
    "streaming_mean_relative_error",
    "streaming_mean_squared_error",
    "streaming_pearson_correlation",
    "streaming_precision",
    "streaming_precision_at_thresholds",
    "streaming_recall",
    "streaming_recall_at_thresholds",
    "streaming_root_mean_squared_error",
    "streaming_sensitivity_at_specificity",
    "streaming_specificity_at_sensitivity",
    "streaming_true_negatives",
    "streaming_true_positives",
]

Metric = Callable[..., tuple[Any, Any]]


def _predictions_first(name: str) -> Metric:
    """The metric of `tf.compat.v1.metrics`, with its first two arguments the other way round."""
    metric = getattr(v1.metrics, name)

    def streaming(predictions: Any, labels: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        return metric(labels, predictions, *args, **kwargs)

    streaming.__name__ = streaming.__qualname__ = f"streaming_{name}"
    streaming.__doc__ = f"See `tf.compat.v1.metrics.{name}`; here predictions come before labels."
    return streaming


streaming_accuracy = _predictions_first("accuracy")
streaming_auc = _predictions_first("auc")
streaming_false_negatives = _predictions_first("false_negatives")
streaming_false_positives = _predictions_first("false_positives")
streaming_mean_absolute_error = _predictions_first("mean_absolute_error")
streaming_mean_cosine_distance = _predictions_first("mean_cosine_distance")
streaming_mean_iou = _predictions_first("mean_iou")
streaming_mean_relative_error = _predictions_first("mean_relative_error")
streaming_mean_squared_error = _predictions_first("mean_squared_error")
streaming_precision = _predictions_first("precision")
streaming_precision_at_thresholds = _predictions_first("precision_at_thresholds")
streaming_recall = _predictions_first("recall")
streaming_recall_at_thresholds = _predictions_first("recall_at_thresholds")
streaming_root_mean_squared_error = _predictions_first("root_mean_squared_error")
streaming_sensitivity_at_specificity = _predictions_first("sensitivity_at_specificity")
streaming_specificity_at_sensitivity = _predictions_first("specificity_at_sensitivity")
streaming_true_negatives = _predictions_first("true_negatives")
streaming_true_positives = _predictions_first("true_positives")


def accuracy(predictions: Any, labels: Any, weights: Any = None, name: str | None = None) -> Any:
    """The part of predictions that are the labels, in this batch.

    Args:
        predictions: integers, bools or strings.
        labels: of the same dtype and shape.
        weights: of the same shape, or None.
        name: of the operations.

    Returns:
        A scalar float32 Tensor.

    Raises:
        ValueError: the dtypes or the shapes differ, or they are floating.
    """
    predictions, labels = tf.convert_to_tensor(predictions), tf.convert_to_tensor(labels)
    if predictions.dtype != labels.dtype or predictions.dtype.is_floating:
        raise ValueError(
            "predictions and labels must have the same dtype, and not a floating one; received "
            f"{predictions.dtype.name} and {labels.dtype.name}."
        )
    predictions.shape.assert_is_compatible_with(labels.shape)
    with v1.name_scope(name, "accuracy", [predictions, labels]):
        is_right = tf.cast(tf.equal(predictions, labels), tf.float32)
        if weights is None:
            return tf.reduce_mean(is_right)
        weights = tf.cast(weights, tf.float32)
        total = tf.reduce_sum(is_right * weights)
        return total / tf.reduce_sum(tf.ones_like(is_right) * weights)


def f1_score(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The highest F1 score over thresholds from 0 to 1.

    Args:
        labels: bools, or what can be cast to them.
        predictions: floats from 0 to 1, of the same shape.
        weights: that can be broadcast to this shape, or None.
        num_thresholds: how many.
        metrics_collections: collections for the value.
        updates_collections: collections for the update.
        name: of the variable scope.

    Returns:
        The value, and the operation that takes a batch into it.
    """
    small = 1e-7
    within = [(n + 1) / (num_thresholds - 1) for n in range(num_thresholds - 2)]
    thresholds = [0.0 - small, *within, 1.0 + small]

    def best(tp: tf.Tensor, fp: tf.Tensor, fn: tf.Tensor) -> tf.Tensor:
        precision, recall = tp / (tp + fp + small), tp / (tp + fn + small)
        return tf.reduce_max(2.0 * precision * recall / (precision + recall + small))

    with v1.variable_scope(name, "f1", [labels, predictions, weights]):
        counts = [
            metric(labels, predictions, thresholds, weights)
            for metric in (
                v1.metrics.true_positives_at_thresholds,
                v1.metrics.false_positives_at_thresholds,
                v1.metrics.false_negatives_at_thresholds,
            )
        ]
        value = best(*(count for count, _ in counts))
        update = best(*(updated for _, updated in counts))
    return _collected(value, update, metrics_collections, updates_collections)


def streaming_covariance(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The unbiased covariance of predictions and labels.

    Args:
        predictions: floats.
        labels: floats of the same shape.
        weights: that can be broadcast to this shape, or None.
        metrics_collections: collections for the value.
        updates_collections: collections for the update.
        name: of the variable scope.

    Returns:
        The value, and the operation that takes a batch into it.
    """
    with v1.variable_scope(name, "covariance", [predictions, labels, weights]):
        before, after = _moments(predictions, labels, weights)
        value, update = _divided(before, "xy"), _divided(after, "xy")
    return _collected(value, update, metrics_collections, updates_collections)


def streaming_pearson_correlation(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The correlation of predictions and labels; the arguments are those of the covariance."""
    with v1.variable_scope(name, "pearson_r", [predictions, labels, weights]):
        value, update = (
            _divided(one, "xy") / (tf.sqrt(_divided(one, "xx")) * tf.sqrt(_divided(one, "yy")))
            for one in _moments(predictions, labels, weights)
        )
    return _collected(value, update, metrics_collections, updates_collections)


def _moments(predictions: Any, labels: Any, weights: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The weight, the means and the sums of squares and products around them: before and after.

    A batch is joined with what there is by the formulas of Chan, Golub and LeVeque, see
    https://doi.org/10.1007/978-3-642-51461-6_3: sums of squares would lose all digits.
    """
    x, y = tf.cast(predictions, tf.float32), tf.cast(labels, tf.float32)
    x.shape.assert_is_compatible_with(y.shape)
    w = tf.ones_like(x) if weights is None else tf.ones_like(x) * tf.cast(weights, tf.float32)
    names = ("n", "x", "y", "xx", "yy", "xy")
    kept = {name: _local(f"{name}_total") for name in names}
    old = {name: tf.identity(one) for name, one in kept.items()}
    n = tf.reduce_sum(w)
    mean_x, mean_y = (tf.math.divide_no_nan(tf.reduce_sum(one * w), n) for one in (x, y))
    total = old["n"] + n
    share = tf.math.divide_no_nan(n, total)
    by_x, by_y, joint = mean_x - old["x"], mean_y - old["y"], old["n"] * share
    new = {
        "n": total,
        "x": old["x"] + by_x * share,
        "y": old["y"] + by_y * share,
        "xx": old["xx"] + tf.reduce_sum(w * (x - mean_x) ** 2) + by_x**2 * joint,
        "yy": old["yy"] + tf.reduce_sum(w * (y - mean_y) ** 2) + by_y**2 * joint,
        "xy": old["xy"] + tf.reduce_sum(w * (x - mean_x) * (y - mean_y)) + by_x * by_y * joint,
    }
    with tf.control_dependencies([*new.values(), *old.values()]):
        kept_now = tf.group(*(v1.assign(one, new[name]) for name, one in kept.items()))
    with tf.control_dependencies([kept_now]):
        return old, {name: tf.identity(one) for name, one in new.items()}


def _divided(moments: Mapping[str, Any], name: str) -> tf.Tensor:
    """A sum by the weight less one: unbiased."""
    return moments[name] / tf.maximum(moments["n"] - 1.0, 1.0)


def _local(name: str) -> Any:
    keys = [v1.GraphKeys.LOCAL_VARIABLES, v1.GraphKeys.METRIC_VARIABLES]
    zeros = v1.zeros_initializer()
    return v1.get_variable(name, [], initializer=zeros, trainable=False, collections=keys)


def _collected(value: Any, update: Any, values: Any, updates: Any) -> tuple[Any, Any]:
    if values:
        v1.add_to_collections(values, value)
    if updates:
        v1.add_to_collections(updates, update)
    return value, update


def aggregate_metrics(*value_update_tuples: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
    """A list of the values and one of the updates.

    Raises:
        ValueError: there are none.
    """
    if not value_update_tuples:
        raise ValueError("aggregate_metrics needs one pair of value and update at least.")
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)


def aggregate_metric_map(
    names_to_tuples: Mapping[str, tuple[Any, Any]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values and the updates, each by the names of the metrics."""
    return (
        {name: value for name, (value, _) in names_to_tuples.items()},
        {name: update for name, (_, update) in names_to_tuples.items()},
    )
