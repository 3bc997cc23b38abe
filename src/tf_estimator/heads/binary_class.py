"""The head for two classes."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_estimator.heads import keys as names
from tf_estimator.heads import labels as label_checks
from tf_estimator.heads import losses, metrics
from tf_estimator.heads.classification import (
    CLASS_PREDICTIONS,
    class_predictions,
    classification_outputs,
)
from tf_estimator.heads.shapes import logits_of
from tf_estimator.heads.single import SingleHead
from tf_estimator.spec import ExportOutput, PredictOutput, RegressionOutput


class BinaryClassHead(SingleHead):
    """Classification into two classes with one logit: sigmoid cross entropy.

    The logit is the log odds of class 1. Labels have the shape `[D0, D1, ... DN]` or
    `[D0, D1, ... DN, 1]`: numbers from 0 to 1, or strings with a vocabulary.

    Predictions: `logits`, `logistic` (the probability of class 1), `probabilities` of both,
    `class_ids`, `classes` (as strings), `all_class_ids`, `all_classes`.
    Metrics: average_loss, accuracy, precision, recall, prediction/mean, label/mean,
    accuracy_baseline, auc, auc_precision_recall, and accuracy, precision and recall at each
    threshold.

    Args:
        weight_column: the key of the feature with a weight for each example, or a numeric column.
            It multiplies the loss and counts in the metrics.
        thresholds: for each, accuracy, precision and recall are also reported with what exceeds it
            taken for class 1; from 0 to 1, exclusive.
        label_vocabulary: a list of the two labels that strings stand for, in the order of the
            classes. Without it labels are numbers.
        loss_reduction: a `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`, how the losses
            of a batch become one; not NONE.
        loss_fn: a function of `(labels, logits)`, and `features` and `loss_reduction` if it takes
            them, that returns the losses, of shape `[D0, D1, ... DN, 1]`.
        name: is put behind the keys of metrics, as in `accuracy/name`.

    Raises:
        ValueError: for a threshold that is not between 0 and 1, a vocabulary that is no list or
            tuple, a loss_fn with other arguments, or another reduction.
        TypeError: for a weight_column of another type.

    Example:
        >>> head = BinaryClassHead()
        >>> logits = tf.constant([[2.0], [-1.0]])
        >>> round(float(head.loss(labels=tf.constant([[1], [1]]), logits=logits)), 4)
        0.7201
        >>> head.predictions(logits, keys=["class_ids"])["class_ids"].numpy().tolist()
        [[1], [0]]
    """

    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Iterable[float] | None = None,
        label_vocabulary: Any = None,
        loss_reduction: Any = losses.SUM_OVER_BATCH_SIZE,
        loss_fn: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(1, weight_column, loss_reduction, loss_fn, name)
        self._thresholds = metrics.checked_thresholds(thresholds)
        self._vocabulary = label_checks.vocabulary(label_vocabulary, 2)

    def _checked_labels(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        found = label_checks.dense(labels, logits, 1)
        if self._vocabulary is not None:
            return tf.cast(label_checks.class_ids(found, self._vocabulary), tf.float32)
        return label_checks.in_range(label_checks.numbers(found), 0, 1)

    def _own_losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)

    def predictions(self, logits: Any, keys: Any = None) -> dict[Any, tf.Tensor]:
        """See `Head.predictions`."""
        wanted = self._wanted(keys, _PREDICTIONS)
        with tf.name_scope("predictions"):
            logits = logits_of(logits, 1)
            make = {
                names.LOGITS: lambda: logits,
                names.LOGISTIC: lambda: tf.sigmoid(logits, name=names.LOGISTIC),
                names.PROBABILITIES: lambda: _probabilities(logits),
                **class_predictions(lambda: _class_ids(logits), logits, 2, self._vocabulary),
            }
            return {key: make[key]() for key in wanted}

    def _own_metrics(self) -> dict[str, Any]:
        keras = metrics.keras_metrics()
        return {
            names.ACCURACY: keras.Accuracy(name=names.ACCURACY),
            names.PRECISION: keras.Precision(name=names.PRECISION),
            names.RECALL: keras.Recall(name=names.RECALL),
            names.PREDICTION_MEAN: metrics.mean(names.PREDICTION_MEAN),
            names.LABEL_MEAN: metrics.mean(names.LABEL_MEAN),
            names.ACCURACY_BASELINE: metrics.accuracy_baseline(names.ACCURACY_BASELINE),
            **metrics.areas(
                names.AUC,
                names.AUC_PRECISION_RECALL,
                of_v1=losses.is_of_v1(self._loss_reduction),
            ),
            **metrics.at_thresholds(self._thresholds),
        }

    def _update_own(
        self, own: dict[str, Any], labels: Any, logits: Any, example_weights: Any
    ) -> None:
        probability = tf.sigmoid(logits)
        ids = tf.cast(_class_ids(logits), tf.float32)

        def update(key: str, *values: tf.Tensor) -> None:
            metrics.update(own[key], *values, weights=example_weights)

        for key in (names.ACCURACY, names.PRECISION, names.RECALL):
            update(key, labels, ids)
        update(names.PREDICTION_MEAN, probability)
        update(names.LABEL_MEAN, labels)
        update(names.ACCURACY_BASELINE, labels)
        update(names.AUC, labels, probability)
        update(names.AUC_PRECISION_RECALL, labels, probability)
        for key in metrics.threshold_keys(self._thresholds):
            update(key, labels, probability)

    def _export_outputs(
        self, features: Any, logits: Any, predictions: dict[Any, tf.Tensor]
    ) -> dict[str, ExportOutput]:
        del features, logits
        return {
            **classification_outputs(predictions[names.PROBABILITIES], 2, self._vocabulary),
            names.REGRESS: RegressionOutput(predictions[names.LOGISTIC]),
            names.PREDICT: PredictOutput(predictions),
        }


_PREDICTIONS = (names.LOGITS, names.LOGISTIC, names.PROBABILITIES, *CLASS_PREDICTIONS)


def _two(logits: tf.Tensor) -> tf.Tensor:
    """The one logit as the logits of two classes."""
    return tf.concat([tf.zeros_like(logits), logits], -1)


def _probabilities(logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.softmax(_two(logits), name=names.PROBABILITIES)


def _class_ids(logits: tf.Tensor) -> tf.Tensor:
    return tf.expand_dims(tf.argmax(_two(logits), -1, name=names.CLASS_IDS), -1)
