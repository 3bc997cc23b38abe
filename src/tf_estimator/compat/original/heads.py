"""The heads of TensorFlow 1, `tensorflow.python.estimator.canned.head`: with the heads of today."""

import abc
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import heads
from tf_estimator._tf import v1
from tf_estimator.canned import model_fns
from tf_estimator.heads import losses
from tf_estimator.heads.single import SingleHead
from tf_estimator.spec import EstimatorSpec, ModeKeys


class LossSpec(NamedTuple):
    """The loss of a batch, and what it is made of.

    Attributes:
        training_loss: a scalar.
        unreduced_loss: the loss of each row of logits, without weights.
        weights: the weights, which have the shape of the losses or are 1.0.
        processed_labels: the labels as the loss takes them.
    """

    training_loss: tf.Tensor
    unreduced_loss: tf.Tensor
    weights: Any
    processed_labels: tf.Tensor


class Head(abc.ABC):
    """What a head was before `tf.estimator.Head`; libraries have subclasses of it.

    One that has `logits_dimension` and `create_estimator_spec` is a head for the estimators of
    version 1 as well.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str | None:
        """The name behind the keys of metrics; None for none."""

    @property
    @abc.abstractmethod
    def logits_dimension(self) -> int:
        """The size of the last dimension of logits."""

    @abc.abstractmethod
    def create_loss(self, features: Any, mode: str, logits: tf.Tensor, labels: Any) -> LossSpec:
        """The loss of a batch."""

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: tf.Tensor,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Callable[[tf.Tensor], Any] | None = None,
        regularization_losses: Any = None,
    ) -> EstimatorSpec:
        """What a model_fn returns: the EstimatorSpec of `_create_tpu_estimator_spec`."""
        spec = self._create_tpu_estimator_spec(
            features, mode, logits, labels, optimizer, train_op_fn, regularization_losses
        )
        return spec.as_estimator_spec()

    def _create_tpu_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: tf.Tensor,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Callable[[tf.Tensor], Any] | None = None,
        regularization_losses: Any = None,
    ) -> Any:
        del features, mode, logits, labels, optimizer, train_op_fn, regularization_losses
        raise NotImplementedError(
            f"{type(self).__name__} has no TPUEstimatorSpec. Override create_estimator_spec."
        )


# `isinstance` says so: what takes a head takes these, too.
heads.Head.register(Head)  # type: ignore[type-abstract]


class _HeadOfToday(Head):
    """A head of today, called as those of TensorFlow 1 were."""

    def __init__(self, head: SingleHead) -> None:
        self._head = head

    @property
    def name(self) -> str | None:
        return self._head.name

    @property
    def logits_dimension(self) -> int:
        return self._head.logits_dimension

    def create_loss(self, features: Any, mode: str, logits: tf.Tensor, labels: Any) -> LossSpec:
        del mode
        labels, _, each, weights = self._head._batch(labels, logits, features)  # noqa: SLF001
        loss = losses.reduce(each, weights, self._head.loss_reduction)
        return LossSpec(loss, each, 1.0 if weights is None else weights, labels)

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: tf.Tensor,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Callable[[tf.Tensor], Any] | None = None,
        regularization_losses: Any = None,
    ) -> EstimatorSpec:
        """See `tf_estimator.Head.create_estimator_spec`.

        Each step of training also runs what is in the collection UPDATE_OPS.
        """
        if mode == ModeKeys.TRAIN and optimizer is None and train_op_fn is not None:
            train_op_fn = _with_update_ops(train_op_fn)
        return self._head.create_estimator_spec(
            features,
            mode,
            logits,
            labels,
            optimizer=optimizer,
            trainable_variables=v1.trainable_variables() if optimizer is not None else None,
            train_op_fn=train_op_fn,
            update_ops=model_fns.update_ops(),
            regularization_losses=regularization_losses,
        )


def _with_update_ops(train_op_fn: Callable[[tf.Tensor], Any]) -> Callable[[tf.Tensor], Any]:
    def with_updates(loss: tf.Tensor) -> Any:
        train_op, updates = train_op_fn(loss), model_fns.update_ops()
        return tf.group(train_op, *updates) if updates else train_op

    return with_updates


_SUM = v1.losses.Reduction.SUM


def binary_head(
    weight_column: Any = None,
    thresholds: Iterable[float] | None = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _SUM,
    loss_fn: Callable[..., tf.Tensor] | None = None,
    name: str | None = None,
) -> Head:
    """A `tf_estimator.BinaryClassHead`, whose losses are added up, called as in TensorFlow 1."""
    head = heads.BinaryClassHead(
        weight_column, thresholds, label_vocabulary, loss_reduction, loss_fn, name
    )
    return _HeadOfToday(head)


def multi_class_head(
    n_classes: int,
    weight_column: Any = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _SUM,
    loss_fn: Callable[..., tf.Tensor] | None = None,
    name: str | None = None,
) -> Head:
    """A `tf_estimator.MultiClassHead`, whose losses are added up, called as in TensorFlow 1."""
    head = heads.MultiClassHead(
        n_classes, weight_column, label_vocabulary, loss_reduction, loss_fn, name
    )
    return _HeadOfToday(head)


def regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _SUM,
    loss_fn: Callable[..., tf.Tensor] | None = None,
    inverse_link_fn: Callable[[tf.Tensor], tf.Tensor] | None = None,
    name: str | None = None,
) -> Head:
    """A `tf_estimator.RegressionHead`, whose losses are added up, called as in TensorFlow 1."""
    head = heads.RegressionHead(
        label_dimension, weight_column, loss_reduction, loss_fn, inverse_link_fn, name
    )
    return _HeadOfToday(head)


def class_head(
    n_classes: int, weight_column: Any, label_vocabulary: Any, loss_reduction: str
) -> Head:
    """The head for two classes, or for more."""
    head = model_fns.class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
    assert isinstance(head, SingleHead)
    return _HeadOfToday(head)
