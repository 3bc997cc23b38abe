"""What heads of libraries call, `tensorflow_estimator.python.estimator.head.base_head`."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator.heads import classification, losses, metrics, shapes, weights
from tf_estimator.heads import labels as label_checks
from tf_estimator.spec import ClassificationOutput


def all_class_ids(logits: tf.Tensor, n_classes: int) -> tf.Tensor:
    """The ids of all classes for each row of logits, of shape [batch, n_classes]."""
    return classification.for_every_example(tf.range(n_classes), logits)


def all_classes(
    logits: tf.Tensor, n_classes: int, label_vocabulary: Sequence[str] | None = None
) -> tf.Tensor:
    """The names of all classes for each row of logits, of shape [batch, n_classes]."""
    words = tuple(label_vocabulary) if label_vocabulary else None
    return classification.for_every_example(label_checks.class_names(n_classes, words), logits)


def classification_output(
    scores: tf.Tensor, n_classes: int, label_vocabulary: Sequence[str] | None = None
) -> ClassificationOutput:
    """The signature of a classifier with these scores, of shape [batch, n_classes]."""
    return ClassificationOutput(scores, all_classes(scores, n_classes, label_vocabulary))


def check_logits_final_dim(logits: Any, expected_logits_dimension: int) -> tf.Tensor:
    """Logits as floats of shape [D0, D1, ... DN, expected_logits_dimension]; else ValueError."""
    return shapes.logits_of(logits, expected_logits_dimension)


def check_dense_labels_match_logits_and_reshape(
    labels: Any, logits: tf.Tensor, expected_labels_dimension: int
) -> tf.Tensor:
    """Labels of shape [D0, D1, ... DN, expected_labels_dimension]; else ValueError."""
    return label_checks.dense(labels, logits, expected_labels_dimension)


def check_label_range(labels: tf.Tensor, n_classes: int, message: str | None = None) -> tf.Tensor:
    """Labels that are from 0 to n_classes - 1; else an error when they are computed."""
    del message
    return label_checks.in_range(labels, 0, n_classes - 1)


def get_weights_and_check_match_logits(
    features: Any, weight_column: Any, logits: tf.Tensor, allow_per_logit_weights: bool = False
) -> Any:
    """The weights of the examples, of shape [D0, D1, ... DN, 1]; 1.0 without a weight_column."""
    sizes = (1, logits.shape[-1]) if allow_per_logit_weights else (1,)
    found = weights.of_examples(features, weight_column, logits, sizes)
    return 1.0 if found is None else found


def validate_loss_reduction(loss_reduction: str) -> None:
    """ValueError for what is no reduction of losses that a head knows."""
    losses.reduction(loss_reduction)


def validate_loss_fn_args(loss_fn: Callable[..., tf.Tensor]) -> None:
    """ValueError for a loss_fn that does not take labels and logits, or takes what none gives."""
    losses.loss_fn(loss_fn)


def call_loss_fn(
    loss_fn: Callable[..., tf.Tensor],
    labels: tf.Tensor,
    logits: tf.Tensor,
    features: Any,
    expected_loss_dim: int = 1,
) -> tf.Tensor:
    """The losses of a user's function, of shape [D0, D1, ... DN, expected_loss_dim]."""
    reduction = losses.SUM_OVER_BATCH_SIZE
    return losses.call_loss_fn(loss_fn, labels, logits, features, reduction, expected_loss_dim)


def update_metric_with_broadcast_weights(eval_metric: Any, values: tf.Tensor, weights: Any) -> None:
    """Takes values into a Keras metric, each with its weight."""
    metrics.update(eval_metric, values, weights=weights)
