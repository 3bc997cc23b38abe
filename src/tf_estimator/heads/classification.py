"""What heads that choose one class share: ids and names of classes, and the classify signature."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator.heads import keys as names
from tf_estimator.heads.labels import class_names
from tf_estimator.spec import ClassificationOutput, ExportOutput

CLASS_PREDICTIONS = (names.CLASS_IDS, names.CLASSES, names.ALL_CLASS_IDS, names.ALL_CLASSES)


def class_predictions(
    class_ids: Callable[[], tf.Tensor],
    logits: tf.Tensor,
    n_classes: int,
    words: tuple[Any, ...] | None,
) -> dict[str, Callable[[], tf.Tensor]]:
    """How to make each of `CLASS_PREDICTIONS`.

    Args:
        class_ids: makes the ids of the chosen classes, int64, of shape [D0, D1, ... DN, 1].
        logits: floats, of any shape with the batch first.
        n_classes: the number of classes.
        words: the label vocabulary, or None: then an id is its own name.
    """

    def classes() -> tf.Tensor:
        ids = class_ids()
        if words is None:
            return tf.as_string(ids, name="str_classes")
        return tf.gather(class_names(n_classes, words), ids)

    return {
        names.CLASS_IDS: class_ids,
        names.CLASSES: classes,
        names.ALL_CLASS_IDS: lambda: for_every_example(tf.range(n_classes), logits),
        names.ALL_CLASSES: lambda: for_every_example(class_names(n_classes, words), logits),
    }


def classification_outputs(
    probabilities: tf.Tensor, n_classes: int, words: tuple[Any, ...] | None
) -> dict[str, ExportOutput]:
    """The signatures of a classifier: the default one and the one under its own name."""
    classes = for_every_example(class_names(n_classes, words), probabilities)
    output = ClassificationOutput(scores=probabilities, classes=classes)
    return {names.SERVING_DEFAULT: output, names.CLASSIFY: output}


def for_every_example(row: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """The same row for each example of a batch: shape [D0, size of row]."""
    return tf.tile(tf.expand_dims(row, 0), [tf.shape(batch)[0], 1])
