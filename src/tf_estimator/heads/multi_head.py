"""Several heads as one."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import instance, wrong_type, wrong_value
from tf_estimator._tf import v1
from tf_estimator.heads import keys as names
from tf_estimator.heads import losses, metrics
from tf_estimator.heads.base import Head, summarize
from tf_estimator.heads.shapes import logits_of
from tf_estimator.spec import ExportOutput, ModeKeys, PredictOutput


class MultiHead(Head):
    """Several heads with names, as one: a model with several kinds of labels.

    Labels are a dict by the names of the heads. Logits are such a dict, or one Tensor with the
    logits of the heads side by side. The loss is the weighted sum of the heads' losses. Keys of
    predictions are tuples, `(head name, key)`; those of metrics end in the name of the head, and
    there is one `loss/head name` for each. Signatures are `head name`, `head name/classification`
    and so on, `predict` with everything; that of the first head is the default one.

    Args:
        heads: a list of heads, each with a name.
        head_weights: a list of numbers, what each head's loss is multiplied by; 1 by default.

    Raises:
        ValueError: if there is no head, one has no name, two have the same name, their reductions
            differ, or there is another number of weights.

    Example:
        >>> from tf_estimator.heads import RegressionHead
        >>> head = MultiHead([RegressionHead(name="size"), RegressionHead(name="age")], [1.0, 0.5])
        >>> labels = {"size": tf.constant([1.0]), "age": tf.constant([2.0])}
        >>> float(head.loss(labels, logits=tf.constant([[2.0, 4.0]])))
        3.0
        >>> list(head.predictions(tf.constant([[2.0, 4.0]])))
        [('size', 'predictions'), ('age', 'predictions')]
    """

    def __init__(self, heads: Iterable[Head], head_weights: Iterable[float] | None = None) -> None:
        self._heads = _by_name(heads)
        weights = [None] * len(self._heads) if head_weights is None else list(head_weights)
        if len(weights) != len(self._heads):
            rule = f"must have as many items as heads, {len(self._heads)}"
            raise wrong_value("head_weights", rule, weights)
        self._weights = dict(zip(self._heads, weights, strict=True))
        reductions = [head.loss_reduction for head in self._heads.values()]
        if len(set(reductions)) > 1:
            raise wrong_value("loss_reduction", "must be the same for all heads", reductions)
        self._loss_reduction = reductions[0]

    @property
    def name(self) -> str:
        """The names of all heads, joined by `_`."""
        return "_".join(self._heads)

    @property
    def logits_dimension(self) -> int:
        """The sum of the heads' logits_dimension."""
        return sum(head.logits_dimension for head in self._heads.values())

    @property
    def loss_reduction(self) -> str:
        """The loss_reduction of all heads."""
        return self._loss_reduction

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Any = None,
        mode: str | None = None,
        regularization_losses: Any = None,
    ) -> tf.Tensor:
        """See `Head.loss`; labels are a dict by the names of the heads."""
        each = self._losses(labels, logits, features, mode)
        weighted = [
            one if self._weights[name] is None else one * self._weights[name]
            for name, one in each.items()
        ]
        return losses.with_regularization(tf.add_n(weighted), regularization_losses)

    def _losses(self, labels: Any, logits: Any, features: Any, mode: Any) -> dict[str, tf.Tensor]:
        """The loss of each head, without its weight."""
        logits, labels = self._split(logits), self._of_heads("labels", labels)
        return {
            name: head.loss(labels[name], logits[name], features, mode)
            for name, head in self._heads.items()
        }

    def predictions(self, logits: Any, keys: Any = None) -> dict[Any, tf.Tensor]:
        """See `Head.predictions`.

        Args:
            logits: a dict by the names of the heads, or a Tensor of shape
                `[D0, D1, ... DN, logits_dimension]`.
            keys: those that are wanted, `(head name, key)` or `key` for that of every head; all by
                default.
        """
        split = self._split(logits)
        found = {
            (name, key): one
            for name, head in self._heads.items()
            for key, one in head.predictions(split[name]).items()
        }
        for key in keys or ():
            if not any(key in (one, one[1]) for one in found):
                raise wrong_value("Every key of predictions", f"must be among {list(found)}", key)
        return {one: t for one, t in found.items() if not keys or one in keys or one[1] in keys}

    def metrics(self, regularization_losses: Any = None) -> dict[str, Any]:
        """See `Head.metrics`; the loss of each head, and the heads' own metrics."""
        found = {}
        if losses.sum_of(regularization_losses) is not None:
            key = names.of_head(names.REGULARIZATION_LOSS, self.name)
            found[key] = metrics.mean(names.REGULARIZATION_LOSS)
        for name in self._heads:
            key = names.of_head(names.LOSS, name)
            found[key] = metrics.mean(key)
        for name, head in self._heads.items():
            with tf.name_scope(name):
                found.update(head.metrics())
        return found

    def update_metrics(  # type: ignore[override] # The original's concrete heads take no mode.
        self,
        eval_metrics: dict[str, Any],
        features: Any,
        logits: Any,
        labels: Any,
        regularization_losses: Any = None,
    ) -> dict[str, Any]:
        """See `Head.update_metrics`."""
        regularization = losses.sum_of(regularization_losses)
        if regularization is not None:
            key = names.of_head(names.REGULARIZATION_LOSS, self.name)
            eval_metrics[key].update_state(regularization)
        split, of_heads = self._split(logits), self._of_heads("labels", labels)
        for name, loss in self._losses(labels, logits, features, ModeKeys.EVAL).items():
            eval_metrics[names.of_head(names.LOSS, name)].update_state(loss)
        for name, head in self._heads.items():
            with tf.name_scope(name):
                eval_metrics.update(
                    head.update_metrics(eval_metrics, features, split[name], of_heads[name])
                )
        return eval_metrics

    def _training_scope(self) -> contextlib.AbstractContextManager[Any]:
        # In old checkpoints each head has taken one of these names before this one comes.
        with v1.name_scope(None):
            for _ in self._heads:
                with v1.name_scope("training"):
                    pass
        return super()._training_scope()

    def _export_outputs(
        self, features: Any, logits: Any, predictions: dict[Any, tf.Tensor]
    ) -> dict[str, ExportOutput]:
        split = self._split(logits)
        found: dict[str, ExportOutput] = {}
        for name, head in self._heads.items():
            spec = head.create_estimator_spec(features, ModeKeys.PREDICT, split[name])
            for key, output in spec.export_outputs.items():
                found.setdefault(names.SERVING_DEFAULT, output)
                found[name if key == names.SERVING_DEFAULT else f"{name}/{key}"] = output
        found[names.PREDICT] = PredictOutput(predictions)
        return found

    def _summarize(
        self, loss: Any, labels: Any, logits: Any, features: Any, regularization_losses: Any
    ) -> None:
        with tf.name_scope("losses_of_heads"):
            each = self._losses(labels, logits, features, ModeKeys.TRAIN)
        summarize(
            {
                **{names.of_head(names.LOSS, name): one for name, one in each.items()},
                names.LOSS: loss,
                names.REGULARIZATION_LOSS: losses.sum_of(regularization_losses),
            }
        )

    def _of_heads(self, subject: str, values: Any) -> Mapping[str, Any]:
        if not isinstance(values, Mapping):
            rule = "must be a dict by the names of the heads"
            raise wrong_type(
                subject, rule, None if values is None else type(values), was=ValueError
            )
        missing = [name for name in self._heads if name not in values]
        if missing:
            rule = f"must have a value for each head; there is none for {missing}"
            raise wrong_value(subject, rule, list(values))
        return values

    def _split(self, logits: Any) -> Mapping[str, Any]:
        """The logits of each head by its name."""
        if isinstance(logits, Mapping):
            return self._of_heads("logits", logits)
        sizes = [head.logits_dimension for head in self._heads.values()]
        parts = tf.split(logits_of(logits, sum(sizes)), sizes, axis=-1)
        return dict(zip(self._heads, parts, strict=True))


def _by_name(heads: Any) -> dict[str, Head]:
    if not heads:
        raise wrong_value("heads", "must be a list with at least one head", heads)
    found: dict[str, Head] = {}
    for head in heads:
        name = instance("Every head of a MultiHead", head, Head).name
        if not name:
            raise wrong_value("Every head of a MultiHead", "must have a name", head)
        if name in found:
            raise wrong_value("The names of the heads of a MultiHead", "must differ", name)
        found[name] = head
    return found
