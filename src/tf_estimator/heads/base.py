"""What a head is: the part of a model behind the logits."""

import abc
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import optimizers
from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator._tf import v1
from tf_estimator.heads import keys as names
from tf_estimator.heads import losses
from tf_estimator.spec import EstimatorSpec, ExportOutput, ModeKeys, PredictOutput


class Head(abc.ABC):
    """The part of a model behind the logits: loss, predictions, metrics, and what is exported.

    A model_fn computes logits of shape `[D0, D1, ... DN, logits_dimension]` and lets
    `create_estimator_spec` do the rest. To write a head of one's own, subclass this and implement
    what is abstract.

    Example:
        >>> import tf_estimator
        >>> def model_fn(features, labels, mode):
        ...     head = tf_estimator.RegressionHead()
        ...     kernel = tf.compat.v1.get_variable("kernel", [1, 1])
        ...     return head.create_estimator_spec(
        ...         features, mode, logits=features["x"] @ kernel, labels=labels,
        ...         optimizer=tf.compat.v1.train.GradientDescentOptimizer(0.1),
        ...         trainable_variables=[kernel])
        >>> estimator = tf_estimator.Estimator(model_fn)
    """

    @property
    @abc.abstractmethod
    def name(self) -> str | None:
        """The name behind the keys of metrics, such as `accuracy/name`; None for none."""

    @property
    @abc.abstractmethod
    def logits_dimension(self) -> int:
        """The size of the last dimension of logits."""

    @property
    @abc.abstractmethod
    def loss_reduction(self) -> str:
        """How the losses of a batch become one: a `tf.losses.Reduction`, or one of v1."""

    @abc.abstractmethod
    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Any = None,
        mode: str | None = None,
        regularization_losses: Any = None,
    ) -> tf.Tensor:
        """The loss of a batch.

        Args:
            labels: a Tensor, or a dict or SparseTensor where the head takes one.
            logits: a float Tensor of shape `[D0, D1, ... DN, logits_dimension]`.
            features: a dict of Tensors by name, read for weights and by a loss_fn.
            mode: a `ModeKeys` value, for heads that need it.
            regularization_losses: a list of scalar Tensors to add, or None.

        Returns:
            A scalar float Tensor.
        """

    @abc.abstractmethod
    def predictions(self, logits: Any, keys: Any = None) -> dict[Any, tf.Tensor]:
        """The predictions for logits.

        Args:
            logits: a float Tensor of shape `[D0, D1, ... DN, logits_dimension]`.
            keys: the names of the predictions that are wanted; all by default.

        Returns:
            Tensors by name.
        """

    @abc.abstractmethod
    def metrics(self, regularization_losses: Any = None) -> dict[str, Any]:
        """New Keras metrics by name; one for regularization losses if there are any."""

    @abc.abstractmethod
    def update_metrics(
        self,
        eval_metrics: dict[str, Any],
        features: Any,
        logits: Any,
        labels: Any,
        mode: str | None = None,
        regularization_losses: Any = None,
    ) -> dict[str, Any]:
        """Takes one batch into the metrics.

        Args:
            eval_metrics: what `metrics` gave.
            features: as for `loss`.
            logits: as for `loss`.
            labels: as for `loss`.
            mode: as for `loss`.
            regularization_losses: as for `loss`.

        Returns:
            The metrics by name, which may be more than there were.
        """

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        trainable_variables: Any = None,
        train_op_fn: Callable[[tf.Tensor], Any] | None = None,
        update_ops: Iterable[Any] | None = None,
        regularization_losses: Any = None,
    ) -> EstimatorSpec:
        """What a model_fn returns, from its logits.

        Args:
            features: a dict of Tensors by name.
            mode: a `ModeKeys` value.
            logits: a float Tensor of shape `[D0, D1, ... DN, logits_dimension]`.
            labels: as for `loss`; needed in TRAIN and EVAL.
            optimizer: trains the model; of tf.compat.v1.train, Keras 3 or tf_keras.
            trainable_variables: a list of the variables that the optimizer trains. It may be left
                out for an optimizer of tf.compat.v1.train, which then trains all of the graph.
            train_op_fn: called with the loss in TRAIN, instead of `optimizer`; returns the
                train_op.
            update_ops: operations to run with each training step, such as those of batch
                normalization.
            regularization_losses: a list of scalar Tensors to add to the loss.

        Returns:
            The EstimatorSpec of the mode.

        Raises:
            ValueError: for another mode, or in TRAIN unless exactly one of `optimizer` and
                `train_op_fn` is given.
        """
        with tf.name_scope(self.name or "head"):
            predictions = self.predictions(logits)
            if mode == ModeKeys.PREDICT:
                outputs = self._export_outputs(features, logits, predictions)
                return EstimatorSpec(mode, predictions, export_outputs=outputs)
            loss = self.loss(labels, logits, features, mode, regularization_losses)
            if mode == ModeKeys.EVAL:
                metrics = self.update_metrics(
                    self.metrics(regularization_losses=regularization_losses),
                    features,
                    logits,
                    labels,
                    regularization_losses=regularization_losses,
                )
                return EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)
            if mode != ModeKeys.TRAIN:
                raise wrong_value("mode", "must be one of ModeKeys", mode)
            with self._training_scope():
                train_op = _train_op(loss, optimizer, trainable_variables, train_op_fn, update_ops)
            self._summarize(loss, labels, logits, features, regularization_losses)
        return EstimatorSpec(mode, predictions, loss, train_op)

    def _training_scope(self) -> contextlib.AbstractContextManager[Any]:
        """The name scope of the training operations, which is in the names of v1 optimizers' slots.

        Checkpoints have names such as `training/beta1_power`, wherever the head is called; those
        of the v1 estimators have the scope of the head there.
        """
        if losses.is_of_v1(self.loss_reduction):
            return contextlib.nullcontext()
        with v1.name_scope(None):
            name = v1.get_default_graph().unique_name("training", mark_as_used=False)
            # By its slash the scope is entered as it is and not taken from the optimizers, which
            # open one of the same name.
            return v1.name_scope(f"{name}/")

    def _export_outputs(
        self, features: Any, logits: Any, predictions: dict[Any, tf.Tensor]
    ) -> dict[str, ExportOutput]:
        """The signatures that a model with these predictions is served under."""
        del features, logits
        return {names.SERVING_DEFAULT: PredictOutput(predictions)}

    def _summarize(
        self, loss: Any, labels: Any, logits: Any, features: Any, regularization_losses: Any
    ) -> None:
        """Adds the scalar summaries of a training step."""
        del labels, logits, features, regularization_losses
        summarize({names.of_head(names.LOSS, self.name): loss})


def summarize(scalars: Mapping[str, tf.Tensor | None]) -> None:
    """Adds scalar summaries under names that no scope changes; what is None is left out."""
    with v1.name_scope(None):
        for name, value in scalars.items():
            if value is not None and not tf.executing_eagerly():
                v1.summary.scalar(name, value)


def _train_op(
    loss: tf.Tensor,
    optimizer: Any,
    trainable_variables: Any,
    train_op_fn: Callable[[tf.Tensor], Any] | None,
    update_ops: Iterable[Any] | None,
) -> Any:
    if (optimizer is None) == (train_op_fn is None):
        raise ValueError(
            "In mode 'train' a head needs exactly one of optimizer and train_op_fn; received "
            f"{'none of them' if optimizer is None else 'both'}."
        )
    if optimizer is None:
        return train_op_fn(loss)  # type: ignore[misc]
    if trainable_variables is None and not isinstance(optimizer, v1.train.Optimizer):
        raise wrong_value(
            "trainable_variables",
            "must be a list of variables if there is an optimizer",
            trainable_variables,
            "Give tf.compat.v1.trainable_variables(), or model.trainable_variables.",
        )
    if trainable_variables is not None and not isinstance(trainable_variables, (list, tuple)):
        raise wrong_type(
            "trainable_variables",
            "must be a list of variables",
            trainable_variables,
            was=ValueError,
        )
    return optimizers.minimize(
        optimizers.get(optimizer),
        loss,
        trainable_variables,
        v1.train.get_or_create_global_step(),
        update_ops=tuple(update_ops or ()),
    )
