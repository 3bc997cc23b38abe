"""A head for every step of a sequence."""

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import instance, wrong_type, wrong_value
from tf_estimator.heads.base import Head
from tf_estimator.heads.multi_head import MultiHead
from tf_estimator.heads.shapes import require
from tf_estimator.heads.weights import is_numeric_column
from tf_estimator.spec import EstimatorSpec, ModeKeys

SEQUENCE_LENGTH_MASK = "sequence_length_mask"


class SequentialHead(Head):
    """A head whose loss and metrics count each step of a sequence as an example.

    Logits have the shape `[batch, steps, logits_dimension]`. A mask among the features says which
    steps there are; the padding after them counts in nothing. Predictions keep the shape of the
    sequence, padding included, and have the mask beside them.

    Args:
        static_head: the head that is applied to the steps.
        sequence_length_mask: the key of the feature with the mask: booleans of shape
            `[batch, steps]`.
        feature_columns: the features that have a value for each step and go to the static head,
            such as its weight column: a key, a numeric column, or a list of them.

    Raises:
        TypeError: for another type of head, key or columns.
        ValueError: for a `MultiHead`.

    Example:
        >>> from tf_estimator.heads import RegressionHead
        >>> head = SequentialHead(RegressionHead())
        >>> features = {"sequence_length_mask": tf.constant([[True, True, False]])}
        >>> labels, logits = tf.constant([[1.0, 2.0, 0.0]]), tf.constant([[[1.0], [4.0], [9.0]]])
        >>> float(head.loss(labels, logits, features))
        2.0
    """

    def __init__(
        self,
        static_head: Head,
        sequence_length_mask: str = SEQUENCE_LENGTH_MASK,
        feature_columns: Any = None,
    ) -> None:
        self._static_head = instance("static_head", static_head, Head)
        if isinstance(static_head, MultiHead):
            rule = "must be a head of one kind of label"
            raise wrong_value(
                "static_head", rule, static_head, "Make a model for each of its heads."
            )
        self._mask_key = instance("sequence_length_mask", sequence_length_mask, str)
        self._flattened = _keys(feature_columns)

    @property
    def static_head(self) -> Head:
        """The head that is applied to the steps."""
        return self._static_head

    @property
    def input_sequence_mask_key(self) -> str:
        """The key of the feature with the mask."""
        return self._mask_key

    @property
    def name(self) -> str | None:
        """That of the static head."""
        return self._static_head.name

    @property
    def logits_dimension(self) -> int:
        """That of the static head."""
        return self._static_head.logits_dimension

    @property
    def loss_reduction(self) -> str:
        """That of the static head."""
        return self._static_head.loss_reduction

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Any = None,
        mode: str | None = None,
        regularization_losses: Any = None,
    ) -> tf.Tensor:
        """See `Head.loss`; labels have a value for each step."""
        labels, logits, features = self._flat(labels, logits, features)
        return self._static_head.loss(labels, logits, features, mode, regularization_losses)

    def predictions(self, logits: Any, keys: Any = None) -> dict[Any, tf.Tensor]:
        """See `Head.predictions`; in the shape of the sequence."""
        if keys is None:  # Not every head takes keys.
            return self._static_head.predictions(logits)
        return self._static_head.predictions(logits, keys=keys)

    def metrics(self, regularization_losses: Any = None) -> dict[str, Any]:
        """See `Head.metrics`."""
        return self._static_head.metrics(regularization_losses)

    def update_metrics(  # type: ignore[override] # The original's concrete heads take no mode.
        self,
        eval_metrics: dict[str, Any],
        features: Any,
        logits: Any,
        labels: Any,
        regularization_losses: Any = None,
    ) -> dict[str, Any]:
        """See `Head.update_metrics`."""
        labels, logits, features = self._flat(labels, logits, features)
        return self._static_head.update_metrics(
            eval_metrics, features, logits, labels, regularization_losses=regularization_losses
        )

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        trainable_variables: Any = None,
        train_op_fn: Any = None,
        update_ops: Iterable[Any] | None = None,
        regularization_losses: Any = None,
    ) -> EstimatorSpec:
        """See `Head.create_estimator_spec`."""
        if mode == ModeKeys.PREDICT:
            spec = self._static_head.create_estimator_spec(features, mode, logits)
            predictions = {**spec.predictions, self._mask_key: self._mask(features)}
            return spec._replace(predictions=predictions)
        return super().create_estimator_spec(
            features,
            mode,
            logits,
            labels,
            optimizer,
            trainable_variables,
            train_op_fn,
            update_ops,
            regularization_losses,
        )

    def _feature(self, subject: str, features: Any, key: str) -> Any:
        if not isinstance(features, Mapping) or key not in features:
            found = sorted(map(str, features)) if isinstance(features, Mapping) else features
            raise wrong_value(f"{subject} {key!r}", "must be among the features", found)
        return features[key]

    def _mask(self, features: Any) -> tf.Tensor:
        subject = "The sequence mask"
        mask = tf.cast(self._feature(subject, features, self._mask_key), tf.bool)
        if mask.shape.rank not in (None, 2):
            subject = f"{subject} {self._mask_key!r}"
            raise wrong_value(subject, "must have the shape [batch, steps]", mask.shape.as_list())
        return mask

    def _flat(self, labels: Any, logits: Any, features: Any) -> tuple[Any, Any, Any]:
        """Labels, logits and features with one row for each step that there is."""
        mask = self._mask(features)
        with tf.name_scope("flatten"):
            found = dict(features)
            for key in self._flattened:
                value = self._feature("The sequence feature", features, key)
                found[key] = _rows(f"The sequence feature {key!r}", value, mask)
            return _rows("labels", labels, mask), _rows("logits", logits, mask), found


def _rows(subject: str, value: Any, mask: tf.Tensor) -> Any:
    """The steps of a batch of sequences that the mask has, one behind the other.

    Args:
        subject: what `value` is, for messages.
        value: a Tensor of shape [batch, steps, ...], or a SparseTensor or RaggedTensor with one
            value for each step of the mask.
        mask: booleans of shape [batch, steps].
    """
    if value is None or isinstance(value, Mapping):
        raise wrong_value(subject, "must be a Tensor", value)
    rule = f"{subject} must have a value for each step of the sequence mask"
    if isinstance(value, tf.RaggedTensor):
        value = value.to_sparse()
    if isinstance(value, tf.SparseTensor):
        steps, given = tf.where(mask), value.indices[:, :2]
        message = f"{rule}, and no other; received values at [example, step]"
        fits = tf.equal(tf.shape(steps)[0], tf.shape(given)[0])
        n = tf.minimum(tf.shape(steps)[0], tf.shape(given)[0])
        fits &= tf.reduce_all(tf.equal(steps[:n], given[:n]))
        return require(fits, message, value.values, given)
    value = tf.convert_to_tensor(value)
    if not value.shape[:2].is_compatible_with(mask.shape):
        raise ValueError(f"{rule}, of shape {mask.shape}; received the shape {value.shape}.")
    if not (value.shape[:2].is_fully_defined() and mask.shape.is_fully_defined()):
        # With other shapes boolean_mask would take other steps without a word.
        shape, steps = tf.shape(value)[:2], tf.shape(mask)
        fits = tf.equal(tf.size(shape), 2) & tf.reduce_all(tf.equal(shape, steps))
        value = require(fits, f"{rule}; received the shape", value, tf.shape(value))
    if mask.shape.rank is None:
        mask = tf.ensure_shape(mask, [None, None])
    return tf.boolean_mask(value, mask)


def _keys(feature_columns: Any) -> tuple[str, ...]:
    if feature_columns is None:
        return ()
    several = isinstance(feature_columns, (list, tuple, set)) and not is_numeric_column(
        feature_columns
    )
    found = []
    for one in feature_columns if several else [feature_columns]:
        if not (isinstance(one, str) or is_numeric_column(one)):
            raise wrong_type("feature_columns", "must be keys or numeric columns", one)
        found.append(one if isinstance(one, str) else one.key)
    return tuple(found)
