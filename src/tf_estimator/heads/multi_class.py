"""The head for one of several classes."""

from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_type, wrong_value
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
from tf_estimator.spec import ExportOutput, PredictOutput


class MultiClassHead(SingleHead):
    """Classification into one of more than two classes: softmax cross entropy.

    Labels have the shape `[D0, D1, ... DN]` or `[D0, D1, ... DN, 1]`: integers from 0 to
    n_classes - 1, or strings with a vocabulary.

    Predictions: `logits`, `probabilities`, `class_ids`, `classes` (as strings), `all_class_ids`,
    `all_classes`. Metrics: average_loss, accuracy.

    Args:
        n_classes: the number of classes, at least 3.
        weight_column: the key of the feature with a weight for each example, or a numeric column.
            It multiplies the loss and counts in the metrics.
        label_vocabulary: a list of the labels that strings stand for, in the order of the classes.
            Without it labels are integers.
        loss_reduction: a `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`, how the losses
            of a batch become one; not NONE.
        loss_fn: a function of `(labels, logits)`, and `features` and `loss_reduction` if it takes
            them, that returns the losses, of shape `[D0, D1, ... DN, 1]`.
        name: is put behind the keys of metrics, as in `accuracy/name`.

    Raises:
        ValueError: for n_classes below 3, a vocabulary of another size, a loss_fn with other
            arguments, or another reduction.
        TypeError: for a weight_column of another type.

    Example:
        >>> head = MultiClassHead(n_classes=3, label_vocabulary=["cat", "dog", "cow"])
        >>> logits = tf.constant([[1.0, 4.0, 0.0]])
        >>> head.predictions(logits, keys=["classes"])["classes"].numpy().tolist()
        [[b'dog']]
        >>> round(float(head.loss(labels=tf.constant([["dog"]]), logits=logits)), 4)
        0.0659
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: Any = losses.SUM_OVER_BATCH_SIZE,
        loss_fn: Any = None,
        name: str | None = None,
    ) -> None:
        n_classes = checked_n_classes(n_classes, 3)
        super().__init__(n_classes, weight_column, loss_reduction, loss_fn, name)
        self._vocabulary = label_checks.vocabulary(label_vocabulary, n_classes)

    def _checked_labels(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        found = label_checks.class_ids(label_checks.dense(labels, logits, 1), self._vocabulary)
        if self._vocabulary is not None:
            return found  # What the vocabulary gives is in range.
        return label_checks.in_range(found, 0, self._logits_dimension - 1)

    def _own_losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.squeeze(labels, -1), logits)
        return tf.expand_dims(each, -1)

    def predictions(self, logits: Any, keys: Any = None) -> dict[Any, tf.Tensor]:
        """See `Head.predictions`."""
        wanted = self._wanted(keys, _PREDICTIONS)
        with tf.name_scope("predictions"):
            logits = logits_of(logits, self._logits_dimension)
            make = {
                names.LOGITS: lambda: logits,
                names.PROBABILITIES: lambda: tf.nn.softmax(logits, name=names.PROBABILITIES),
                **class_predictions(
                    lambda: _class_ids(logits), logits, self._logits_dimension, self._vocabulary
                ),
            }
            return {key: make[key]() for key in wanted}

    def _own_metrics(self) -> dict[str, Any]:
        return {names.ACCURACY: metrics.keras_metrics().Accuracy(name=names.ACCURACY)}

    def _update_own(
        self, own: dict[str, Any], labels: Any, logits: Any, example_weights: Any
    ) -> None:
        labels = tf.cast(labels, tf.int64)
        metrics.update(own[names.ACCURACY], labels, _class_ids(logits), weights=example_weights)

    def _export_outputs(
        self, features: Any, logits: Any, predictions: dict[Any, tf.Tensor]
    ) -> dict[str, ExportOutput]:
        del features, logits
        return {
            **classification_outputs(
                predictions[names.PROBABILITIES], self._logits_dimension, self._vocabulary
            ),
            names.PREDICT: PredictOutput(predictions),
        }


_PREDICTIONS = (names.LOGITS, names.PROBABILITIES, *CLASS_PREDICTIONS)


def _class_ids(logits: tf.Tensor) -> tf.Tensor:
    return tf.expand_dims(tf.argmax(logits, -1, name=names.CLASS_IDS), -1)


def checked_n_classes(value: Any, least: int) -> int:
    """A number of classes of at least `least`.

    Raises:
        ValueError: for anything else.
    """
    rule = f"must be an integer of at least {least}"
    if not hasattr(value, "__index__"):
        raise wrong_type("n_classes", rule, value, was=ValueError)
    if int(value) < least:
        raise wrong_value("n_classes", rule, value)
    return int(value)
