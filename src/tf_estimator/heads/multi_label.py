"""The head for any number of classes at once."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator.heads import keys as names
from tf_estimator.heads import labels as label_checks
from tf_estimator.heads import losses, metrics
from tf_estimator.heads.classification import classification_outputs, for_every_example
from tf_estimator.heads.multi_class import checked_n_classes
from tf_estimator.heads.shapes import logits_of
from tf_estimator.heads.single import SingleHead
from tf_estimator.spec import ExportOutput, PredictOutput


class MultiLabelHead(SingleHead):
    """Classification into any number of classes at once: sigmoid cross entropy of each class.

    Labels are a Tensor of shape `[D0, D1, ... DN, n_classes]` with 1 for each class of an example
    and 0 for the others; or a SparseTensor or RaggedTensor with one row for each example, of
    integers from 0 to n_classes - 1, or of strings with a vocabulary. The loss of an example is
    the mean over the classes.

    Predictions: `logits`, `probabilities`, `classes` (the names of all classes).
    Metrics: average_loss, auc, auc_precision_recall, accuracy, precision and recall at each
    threshold, and for some classes probability_mean, auc and auc_precision_recall.

    Args:
        n_classes: the number of classes, at least 2.
        weight_column: the key of the feature with a weight for each example, or a numeric column.
            It multiplies the loss and counts in the metrics.
        thresholds: for each, accuracy, precision and recall are also reported with what exceeds it
            taken for positive; from 0 to 1, exclusive.
        label_vocabulary: a list of the labels that strings stand for, in the order of the classes.
        loss_reduction: a `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`, how the losses
            of a batch become one; not NONE.
        loss_fn: a function of `(labels, logits)`, and `features` and `loss_reduction` if it takes
            them, that returns the losses, of shape `[D0, D1, ... DN, 1]`. Its labels are floats of
            shape `[D0, D1, ... DN, n_classes]`.
        classes_for_class_based_metrics: a list of ids of classes, or of words of the vocabulary,
            that have metrics of their own.
        name: is put behind the keys of metrics, as in `auc/name`.

    Raises:
        ValueError: for n_classes below 2, a threshold that is not between 0 and 1, a vocabulary of
            another size, a class that there is not, a loss_fn with other arguments, or another
            reduction.
        TypeError: for a weight_column of another type.

    Example:
        >>> head = MultiLabelHead(n_classes=3)
        >>> logits = tf.constant([[-1.0, 1.0, 2.0]])
        >>> round(float(head.loss(labels=tf.constant([[0, 1, 1]]), logits=logits)), 4)
        0.2512
        >>> round(float(head.loss(labels=tf.ragged.constant([[1, 2]]), logits=logits)), 4)
        0.2512
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        thresholds: Iterable[float] | None = None,
        label_vocabulary: Any = None,
        loss_reduction: Any = losses.SUM_OVER_BATCH_SIZE,
        loss_fn: Any = None,
        classes_for_class_based_metrics: Any = None,
        name: str | None = None,
    ) -> None:
        n_classes = checked_n_classes(n_classes, 2)
        super().__init__(n_classes, weight_column, loss_reduction, loss_fn, name)
        self._thresholds = metrics.checked_thresholds(thresholds)
        self._vocabulary = label_checks.vocabulary(label_vocabulary, n_classes)
        self._measured = _measured(classes_for_class_based_metrics, n_classes, self._vocabulary)

    def _checked_labels(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        return label_checks.multi_hot(labels, logits, self._logits_dimension, self._vocabulary)

    def _own_losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        each = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return tf.reduce_mean(each, axis=-1, keepdims=True)

    def predictions(self, logits: Any, keys: Any = None) -> dict[Any, tf.Tensor]:
        """See `Head.predictions`."""
        wanted = self._wanted(keys, (names.LOGITS, names.PROBABILITIES, names.CLASSES))
        with tf.name_scope("predictions"):
            logits = logits_of(logits, self._logits_dimension)
            classes = label_checks.class_names(self._logits_dimension, self._vocabulary)
            make = {
                names.LOGITS: lambda: logits,
                names.PROBABILITIES: lambda: tf.sigmoid(logits, name=names.PROBABILITIES),
                names.CLASSES: lambda: for_every_example(classes, logits),
            }
            return {key: make[key]() for key in wanted}

    def _own_metrics(self) -> dict[str, Any]:
        found = metrics.areas(names.AUC, names.AUC_PRECISION_RECALL)
        found.update(metrics.at_thresholds(self._thresholds))
        for name in self._measured.values():
            mean, auc, auc_precision_recall = _class_keys(name)
            found[mean] = metrics.mean(mean)
            found.update(metrics.areas(auc, auc_precision_recall))
        return found

    def _update_own(
        self, own: dict[str, Any], labels: Any, logits: Any, example_weights: Any
    ) -> None:
        probabilities = tf.sigmoid(logits)

        def update(key: str, *values: tf.Tensor) -> None:
            metrics.update(own[key], *values, weights=example_weights)

        overall = (names.AUC, names.AUC_PRECISION_RECALL)
        for key in (*overall, *metrics.threshold_keys(self._thresholds)):
            update(key, labels, probabilities)
        for number, name in self._measured.items():
            label = labels[..., number : number + 1]
            probability = probabilities[..., number : number + 1]
            mean, auc, auc_precision_recall = _class_keys(name)
            update(mean, probability)
            update(auc, label, probability)
            update(auc_precision_recall, label, probability)

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


def _class_keys(name: str) -> tuple[str, str, str]:
    kinds = (names.PROBABILITY_MEAN, names.AUC, names.AUC_PRECISION_RECALL)
    mean, auc, auc_precision_recall = (f"{kind}/{name}" for kind in kinds)
    return mean, auc, auc_precision_recall


def _measured(classes: Any, n_classes: int, words: tuple[Any, ...] | None) -> dict[int, str]:
    """The ids of the classes with metrics of their own, and their names in the keys."""
    found = {}
    for one in () if classes is None else classes:
        number = one
        if isinstance(one, (str, bytes)):
            if words is None or one not in words:
                rule = "must be in the label_vocabulary, if it is a string"
                raise wrong_value("Every class of classes_for_class_based_metrics", rule, one)
            number = words.index(one)
        if not 0 <= number < n_classes:
            rule = f"must be from 0 to {n_classes - 1}"
            raise wrong_value("Every class of classes_for_class_based_metrics", rule, one)
        name = f"class{number}" if words is None else words[number]
        found[int(number)] = name.decode() if isinstance(name, bytes) else name
    return found
