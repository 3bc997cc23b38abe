"""Models that look at no feature: a bias that learns the mean of the labels."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1
from tf_estimator.canned.model_fns import (
    OptimizerChoice,
    checked_head,
    class_head,
    estimator_spec,
    regression_head,
)
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.heads import Head
from tf_estimator.spec import EstimatorSpec


def model_fn(head: Head, optimizer: Any, surface: str = "v2") -> Callable[..., EstimatorSpec]:
    """The model_fn of both versions; they differ in what the name of an optimizer stands for."""
    choice = OptimizerChoice(optimizer, 0.3, surface)

    def baseline_model_fn(
        features: Any, labels: Any, mode: str, config: RunConfig
    ) -> EstimatorSpec:
        with v1.variable_scope("baseline"):
            initializer = v1.zeros_initializer()
            bias = v1.get_variable("bias", [head.logits_dimension], initializer=initializer)
            logits = tf.tile(bias[None], [_batch_size(features), 1])
        return estimator_spec(head, features, labels, mode, logits, choice, (), config)

    return baseline_model_fn


def _batch_size(features: Any) -> tf.Tensor:
    if not isinstance(features, Mapping) or not features:
        rule = "must be a dict from feature name to tensor, with at least one, for the batch's size"
        raise _checks.wrong_type("features", rule, features, was=ValueError)
    first = features[min(features, key=str)]
    if isinstance(first, tf.RaggedTensor):
        size = first.nrows(out_type=tf.int32)
    elif isinstance(first, tf.SparseTensor):
        size = tf.cast(first.dense_shape[0], tf.int32)
    else:
        size = tf.shape(first)[0]
    # A size that is known is a constant, and what does not read the input never sees its end.
    with tf.control_dependencies(tf.nest.flatten(first, expand_composites=True)):
        return tf.identity(size)


class BaselineClassifier(Estimator):
    """Predicts each class with the frequency it has in the labels, whatever the features.

    What a model has learned shows against it.

    Args:
        model_dir: the folder of checkpoints and event files; None for the config's or a temporary
            one.
        n_classes: how many classes there are. Labels are integers below it, of shape [batch] or
            [batch, 1], unless there is a vocabulary.
        weight_column: the name of a feature, or a numeric column, with the weight of each example.
        label_vocabulary: the classes in order, if labels are strings.
        optimizer: "Adagrad", "Adam", "Ftrl", "RMSProp" or "SGD", with a learning rate of 0.3; an
            optimizer of tf.compat.v1.train, tf_keras or Keras 3; or a callable without arguments
            that returns one.
        config: a RunConfig.
        loss_reduction: a `tf.losses.Reduction`: how the losses of a batch become one.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument has a wrong value.

    Example:
        >>> import tempfile
        >>> def input_fn():
        ...     batch = {"id": [7, 8, 9, 10]}, [1, 1, 1, 0]
        ...     return tf.data.Dataset.from_tensors(batch).repeat(100)
        >>> estimator = BaselineClassifier(tempfile.mkdtemp()).train(input_fn)
        >>> round(float(next(estimator.predict(input_fn))["probabilities"][1]), 2)
        0.75
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = "sum_over_batch_size",
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(model_fn(head, optimizer), model_dir, config)


class BaselineRegressor(Estimator):
    """Predicts the mean of the labels, whatever the features.

    Args:
        model_dir: see `BaselineClassifier`.
        label_dimension: how many numbers are predicted for an example. Labels are of shape [batch,
            label_dimension]; [batch] will do for one.
        weight_column: see `BaselineClassifier`.
        optimizer: see `BaselineClassifier`.
        config: see `BaselineClassifier`.
        loss_reduction: see `BaselineClassifier`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument has a wrong value.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = "sum_over_batch_size",
    ) -> None:
        head = regression_head(label_dimension, weight_column, loss_reduction)
        super().__init__(model_fn(head, optimizer), model_dir, config)


class BaselineEstimator(Estimator):
    """The best that a head of the user's choice can do without features.

    Args:
        head: a `Head`: it makes loss, predictions and metrics from the logits.
        model_dir: see `BaselineClassifier`.
        optimizer: see `BaselineClassifier`.
        config: see `BaselineClassifier`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument has a wrong value.
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
    ) -> None:
        super().__init__(model_fn(checked_head(head), optimizer), model_dir, config)
