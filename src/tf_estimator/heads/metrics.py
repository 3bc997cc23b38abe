"""The Keras metrics that heads count with, and the one place that loads Keras.

They are those of `tf.keras`, Keras 3 or tf_keras. An update is given one value for each row, and
the weights in the same shape: so it means the same in both, whatever the rank of the batch.
"""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import number, wrong_value
from tf_estimator.heads import keys as names


def keras_metrics() -> Any:
    """The module `tf.keras.metrics`."""
    return tf.keras.metrics  # noqa: TID251 - loaded only when a head evaluates


def mean(name: str) -> Any:
    """The weighted mean of what it is given."""
    return keras_metrics().Mean(name=name)


def accuracy_baseline(name: str) -> Any:
    """The accuracy of the better one of two constant answers, given labels of 0 and 1."""
    base: Any = keras_metrics().Mean

    class _AccuracyBaseline(base):  # Made here: Keras is not loaded before.
        def result(self) -> Any:
            ones, all_ = tf.convert_to_tensor(self.total), tf.convert_to_tensor(self.count)
            return tf.math.divide_no_nan(tf.maximum(ones, all_ - ones), all_)

    return _AccuracyBaseline(name=name)


def update(metric: Any, *values: tf.Tensor, weights: tf.Tensor | None = None) -> None:
    """Updates a metric with values, or labels and predictions, of the same shape.

    Args:
        metric: a Keras metric.
        *values: one Tensor for a mean; labels and predictions for the others.
        weights: a Tensor that can be broadcast to the values' shape, or None.
    """
    if weights is not None:
        weights = tf.reshape(tf.broadcast_to(weights, tf.shape(values[0])), [-1, 1])
    metric.update_state(*(tf.reshape(one, [-1, 1]) for one in values), sample_weight=weights)


def areas(roc: str, precision_recall: str, *, of_v1: bool = False) -> dict[str, Any]:
    """The areas under the ROC curve and under the precision-recall curve, under these keys.

    Args:
        roc: a key.
        precision_recall: another.
        of_v1: whether they are added up as `tf.compat.v1.metrics.auc` does, the metric of the v1
            estimators: by the trapezoidal rule. Keras interpolates the second curve.
    """
    auc = _trapezoidal_auc() if of_v1 else keras_metrics().AUC
    return {roc: auc(name=roc), precision_recall: auc(name=precision_recall, curve="PR")}


def _trapezoidal_auc() -> Any:
    base: Any = keras_metrics().AUC

    class _TrapezoidalAUC(base):  # Made here: Keras is not loaded before.
        def __init__(self, name: str, curve: str = "ROC") -> None:
            super().__init__(name=name, curve=curve)
            self._of_precision = curve == "PR"

        def result(self) -> Any:
            tp, fp, tn, fn = map(
                tf.convert_to_tensor,
                (
                    self.true_positives,
                    self.false_positives,
                    self.true_negatives,
                    self.false_negatives,
                ),
            )
            small = 1e-6  # What tf.compat.v1.metrics.auc adds, so that nothing is divided by 0.
            recall = (tp + small) / (tp + fn + small)
            if self._of_precision:
                x, y = recall, (tp + small) / (tp + fp + small)
            else:
                x, y = fp / (fp + tn + small), recall
            return tf.reduce_sum((x[:-1] - x[1:]) * (y[:-1] + y[1:]) / 2)

    return _TrapezoidalAUC


def checked_thresholds(values: Iterable[float] | None) -> tuple[float, ...]:
    """The thresholds as a tuple, () for None.

    Raises:
        TypeError: if one is no number, or they cannot be iterated over.
        ValueError: if one is not between 0 and 1.
    """
    found = tuple(values) if values is not None else ()
    for one in found:
        if not 0 < number("Every threshold", one) < 1:
            raise wrong_value("Every threshold", "must be between 0 and 1, exclusive", one)
    return found


def at_thresholds(thresholds: Iterable[float]) -> dict[str, Any]:
    """Accuracy, precision and recall with what exceeds a threshold taken for positive."""
    keras = keras_metrics()
    found = {}
    for one in thresholds:
        accuracy, precision, recall = threshold_keys([one])
        found[accuracy] = keras.BinaryAccuracy(name=accuracy, threshold=one)
        found[precision] = keras.Precision(name=precision, thresholds=one)
        found[recall] = keras.Recall(name=recall, thresholds=one)
    return found


def threshold_keys(thresholds: Iterable[float]) -> list[str]:
    """The keys of `at_thresholds`."""
    kinds = (names.ACCURACY, names.PRECISION, names.RECALL)
    return [names.at_threshold(key, one) for one in thresholds for key in kinds]
