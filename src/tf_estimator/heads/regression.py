"""The heads for numbers: any, counts, and shares."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import callable_, wrong_type, wrong_value
from tf_estimator.heads import keys as names
from tf_estimator.heads import labels as label_checks
from tf_estimator.heads import losses, metrics
from tf_estimator.heads.shapes import logits_of
from tf_estimator.heads.single import SingleHead
from tf_estimator.spec import ExportOutput, PredictOutput, RegressionOutput


class RegressionHead(SingleHead):
    """Regression: the squared error.

    Labels are numbers of shape `[D0, D1, ... DN, label_dimension]`; with one dimension also
    `[D0, D1, ... DN]`. The losses have a number for each dimension of the label.

    Predictions: `predictions`, and `logits` if there is an inverse_link_fn.
    Metrics: average_loss, prediction/mean, label/mean.

    Args:
        label_dimension: the numbers in a label, and the size of the last dimension of logits.
        weight_column: the key of the feature with a weight for each example, or for each number of
            its label, or a numeric column. It multiplies the loss and counts in the metrics.
        loss_reduction: a `tf.losses.Reduction` or `tf.compat.v1.losses.Reduction`, how the losses
            of a batch become one; not NONE.
        loss_fn: a function of `(labels, logits)`, and `features` and `loss_reduction` if it takes
            them, that returns the losses, of shape `[D0, D1, ... DN, label_dimension]`.
        inverse_link_fn: a function from logits to predictions; the identity by default.
        name: is put behind the keys of metrics, as in `average_loss/name`.

    Raises:
        ValueError: for label_dimension below 1, a loss_fn with other arguments, or another
            reduction.
        TypeError: for a weight_column of another type.

    Example:
        >>> head = RegressionHead()
        >>> float(head.loss(labels=tf.constant([1.0, 2.0]), logits=tf.constant([[1.0], [5.0]])))
        4.5
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: Any = losses.SUM_OVER_BATCH_SIZE,
        loss_fn: Any = None,
        inverse_link_fn: Callable[[tf.Tensor], tf.Tensor] | None = None,
        name: str | None = None,
    ) -> None:
        rule = "must be a positive integer"
        if not hasattr(label_dimension, "__index__"):
            raise wrong_type("label_dimension", rule, label_dimension)
        if label_dimension < 1:
            raise wrong_value("label_dimension", rule, label_dimension)
        super().__init__(int(label_dimension), weight_column, loss_reduction, loss_fn, name)
        self._losses_dimension = self._logits_dimension
        self._weights_dimensions = tuple(sorted({1, self._logits_dimension}))
        if inverse_link_fn is not None:
            callable_("inverse_link_fn", inverse_link_fn)
        self._inverse_link_fn = inverse_link_fn

    def _checked_labels(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        return label_checks.numbers(label_checks.dense(labels, logits, self._logits_dimension))

    def _own_losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.math.squared_difference(labels, logits)

    def predictions(self, logits: Any) -> dict[Any, tf.Tensor]:  # type: ignore[override]
        """The predictions for logits, and the logits if they are something else.

        Args:
            logits: a float Tensor of shape `[D0, D1, ... DN, logits_dimension]`.
        """
        with tf.name_scope("predictions"):
            logits = logits_of(logits, self._logits_dimension)
            if self._inverse_link_fn is None:
                return {names.PREDICTIONS: logits}
            return {names.PREDICTIONS: self._inverse_link_fn(logits), names.LOGITS: logits}

    def _own_metrics(self) -> dict[str, Any]:
        keys = (names.PREDICTION_MEAN, names.LABEL_MEAN)
        return {key: metrics.mean(key) for key in keys}

    def _update_own(
        self, own: dict[str, Any], labels: Any, logits: Any, example_weights: Any
    ) -> None:
        predicted = self.predictions(logits)[names.PREDICTIONS]
        metrics.update(own[names.PREDICTION_MEAN], predicted, weights=example_weights)
        metrics.update(own[names.LABEL_MEAN], labels, weights=example_weights)

    def _export_outputs(
        self, features: Any, logits: Any, predictions: dict[Any, tf.Tensor]
    ) -> dict[str, ExportOutput]:
        del features, logits
        output = RegressionOutput(predictions[names.PREDICTIONS])
        return {
            names.SERVING_DEFAULT: output,
            names.REGRESS: output,
            names.PREDICT: PredictOutput(predictions),
        }


class PoissonRegressionHead(RegressionHead):
    """Regression of counts: the negative log likelihood of a Poisson distribution.

    The logits are the logarithm of the expected count, and predictions the count itself.

    Args:
        label_dimension: as in `RegressionHead`.
        weight_column: as in `RegressionHead`.
        loss_reduction: as in `RegressionHead`.
        compute_full_loss: whether the loss has the term of the label alone, log(label!), by
            Stirling's approximation (see `tf.nn.log_poisson_loss`).
        name: as in `RegressionHead`.

    Raises:
        ValueError: as for `RegressionHead`.
        TypeError: as for `RegressionHead`.

    Example:
        >>> head = PoissonRegressionHead(compute_full_loss=False)
        >>> float(head.loss(labels=tf.constant([3.0]), logits=tf.constant([[0.0]])))
        1.0
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: Any = losses.SUM_OVER_BATCH_SIZE,
        compute_full_loss: bool = True,
        name: str | None = None,
    ) -> None:
        self._compute_full_loss = compute_full_loss
        super().__init__(
            label_dimension, weight_column, loss_reduction, inverse_link_fn=tf.exp, name=name
        )

    def _own_losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.log_poisson_loss(labels, logits, compute_full_loss=self._compute_full_loss)


class LogisticRegressionHead(RegressionHead):
    """Regression of shares, numbers from 0 to 1: the sigmoid cross entropy.

    The logits are the log odds, and predictions the share itself.

    Args:
        weight_column: as in `RegressionHead`.
        loss_reduction: as in `RegressionHead`.
        name: as in `RegressionHead`.

    Raises:
        ValueError: as for `RegressionHead`.
        TypeError: as for `RegressionHead`.

    Example:
        >>> head = LogisticRegressionHead()
        >>> round(float(head.loss(labels=tf.constant([0.5]), logits=tf.constant([[0.0]]))), 4)
        0.6931
    """

    def __init__(
        self,
        weight_column: Any = None,
        loss_reduction: Any = losses.SUM_OVER_BATCH_SIZE,
        name: str | None = None,
    ) -> None:
        super().__init__(
            weight_column=weight_column,
            loss_reduction=loss_reduction,
            inverse_link_fn=tf.sigmoid,
            name=name,
        )

    def _checked_labels(self, labels: Any, logits: tf.Tensor) -> tf.Tensor:
        return label_checks.in_range(super()._checked_labels(labels, logits), 0, 1)

    def _own_losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
