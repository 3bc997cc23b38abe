"""What the heads with one kind of label have in common."""

import abc
import contextlib
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator._tf import v1
from tf_estimator.heads import keys as names
from tf_estimator.heads import losses, metrics, weights
from tf_estimator.heads.base import Head, summarize
from tf_estimator.heads.shapes import logits_of


class SingleHead(Head):
    """A head whose loss is one number for each row of logits, weighted and reduced.

    Args:
        logits_dimension: the size of the last dimension of logits.
        weight_column: the key of the feature with the weights, a numeric column, or None.
        loss_reduction: how the losses of a batch become one.
        loss_fn: a user's function of labels and logits instead of the head's loss, or None.
        name: the name behind the keys of metrics, or None.
    """

    # The sizes that the last dimension of losses has, and of weights may have.
    _losses_dimension: int = 1
    _weights_dimensions: tuple[int, ...] = (1,)

    def __init__(
        self,
        logits_dimension: int,
        weight_column: Any,
        loss_reduction: Any,
        loss_fn: Any,
        name: str | None,
    ) -> None:
        self._logits_dimension = logits_dimension
        self._weight_column = weights.column(weight_column)
        self._loss_reduction = losses.reduction(loss_reduction)
        self._loss_fn = losses.loss_fn(loss_fn)
        self._name = name

    @property
    def weight_column(self) -> Any:
        """The feature with the weight of each example: its key, a numeric column, or None. Ours."""
        return self._weight_column

    @property
    def name(self) -> str | None:
        """See `Head.name`."""
        return self._name

    @property
    def logits_dimension(self) -> int:
        """See `Head.logits_dimension`."""
        return self._logits_dimension

    @property
    def loss_reduction(self) -> str:
        """See `Head.loss_reduction`."""
        return self._loss_reduction

    @abc.abstractmethod
    def _checked_labels(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        """The labels as the loss needs them."""

    @abc.abstractmethod
    def _own_losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """The loss of each row, without weights, of shape [D0, D1, ... DN, k]."""

    @abc.abstractmethod
    def _own_metrics(self) -> dict[str, Any]:
        """New metrics beside those of losses, by key without the head's name."""

    @abc.abstractmethod
    def _update_own(
        self,
        own: dict[str, Any],
        labels: tf.Tensor,
        logits: tf.Tensor,
        example_weights: tf.Tensor | None,
    ) -> None:
        """Takes a batch into what `_own_metrics` gave."""

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Any = None,
        mode: str | None = None,
        regularization_losses: Any = None,
    ) -> tf.Tensor:
        """See `Head.loss`."""
        del mode
        with tf.name_scope("losses") as scope:
            _, _, each, example_weights = self._batch(labels, logits, features)
        # Programs log the loss by its name, which is in the scope of the head with version 1.
        of_v1 = losses.is_of_v1(self._loss_reduction)
        with contextlib.nullcontext() if of_v1 else tf.name_scope(scope):
            loss = losses.reduce(each, example_weights, self._loss_reduction)
            return losses.with_regularization(loss, regularization_losses)

    def metrics(self, regularization_losses: Any = None) -> dict[str, Any]:
        """See `Head.metrics`."""
        with tf.name_scope("metrics"):
            found = {names.AVERAGE_LOSS: metrics.mean(names.AVERAGE_LOSS), **self._own_metrics()}
            if losses.sum_of(regularization_losses) is not None:
                found[names.REGULARIZATION_LOSS] = metrics.mean(names.REGULARIZATION_LOSS)
        return {names.of_head(key, self._name): one for key, one in found.items()}

    def update_metrics(  # type: ignore[override] # The original's concrete heads take no mode.
        self,
        eval_metrics: dict[str, Any],
        features: Any,
        logits: Any,
        labels: Any,
        regularization_losses: Any = None,
    ) -> dict[str, Any]:
        """See `Head.update_metrics`."""
        with tf.name_scope("metrics"):
            labels, logits, each, example_weights = self._batch(labels, logits, features)
            suffix = f"/{self._name}" if self._name else ""
            own = {
                key.removesuffix(suffix): one
                for key, one in eval_metrics.items()
                if key.endswith(suffix)
            }
            metrics.update(own[names.AVERAGE_LOSS], each, weights=example_weights)
            regularization = losses.sum_of(regularization_losses)
            if regularization is not None:
                own[names.REGULARIZATION_LOSS].update_state(regularization)
            self._update_own(own, labels, logits, example_weights)
        return eval_metrics

    def _batch(
        self, labels: Any, logits: Any, features: Any
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Labels, logits, losses and weights of a batch, checked."""
        logits = logits_of(logits, self._logits_dimension)
        labels = self._checked_labels(labels, logits)
        if self._loss_fn is None:
            each = self._own_losses(labels, logits)
        else:
            each = losses.call_loss_fn(
                self._loss_fn,
                labels,
                logits,
                features,
                self._loss_reduction,
                self._losses_dimension,
            )
        example_weights = weights.of_examples(
            features, self._weight_column, logits, self._weights_dimensions
        )
        return labels, logits, each, example_weights

    def _wanted(self, keys: Any, valid: tuple[str, ...]) -> tuple[str, ...]:
        """The keys of predictions that are wanted: all of the valid ones if `keys` is empty."""
        wanted = tuple(keys) if keys else valid
        for key in wanted:
            if key not in valid:
                rule = f"must be among {', '.join(valid)}"
                raise wrong_value("Every key of predictions", rule, key)
        return wanted

    def _summarize(
        self, loss: Any, labels: Any, logits: Any, features: Any, regularization_losses: Any
    ) -> None:
        scalars = {names.LOSS: loss}
        if losses.is_v1_sum(self._loss_reduction):
            # The v1 estimators sum up losses, and report the mean beside that.
            with tf.name_scope("unreduced_losses"):
                _, _, each, example_weights = self._batch(labels, logits, features)
                mean = losses.reduce(each, example_weights, v1.losses.Reduction.MEAN)
            scalars[names.AVERAGE_LOSS] = tf.identity(mean, "truediv")  # Logged by that name.
        scalars[names.REGULARIZATION_LOSS] = losses.sum_of(regularization_losses)
        summarize({names.of_head(key, self._name): one for key, one in scalars.items()})
