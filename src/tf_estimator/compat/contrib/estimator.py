"""What `tf.contrib.estimator` was, of which `tf.estimator` has no equal."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import heads
from tf_estimator._checks import instance, wrong_type, wrong_value
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.spec import EstimatorSpec, ModeKeys, PredictOutput

v1 = tf.compat.v1

__all__ = [
    "binary_classification_head",
    "clip_gradients_by_norm",
    "forward_features",
    "logistic_regression_head",
    "multi_class_head",
    "multi_head",
    "multi_label_head",
    "poisson_regression_head",
    "regression_head",
]

_MEAN = v1.losses.Reduction.SUM_OVER_BATCH_SIZE
_SIGNATURES = ("predict", "serving_default")


class _RunsUpdates(heads.Head):
    """A head that runs UPDATE_OPS with each step, as those of version 1 did."""

    def create_estimator_spec(self, *args: Any, **kwargs: Any) -> EstimatorSpec:
        """See `Head.create_estimator_spec`."""
        spec = super().create_estimator_spec(*args, **kwargs)
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        if spec.mode != ModeKeys.TRAIN or not updates:
            return spec
        return spec._replace(train_op=tf.group(spec.train_op, *updates))


class _BinaryClassHead(_RunsUpdates, heads.BinaryClassHead):
    pass


class _MultiClassHead(_RunsUpdates, heads.MultiClassHead):
    pass


class _MultiLabelHead(_RunsUpdates, heads.MultiLabelHead):
    pass


class _RegressionHead(_RunsUpdates, heads.RegressionHead):
    pass


class _PoissonRegressionHead(_RunsUpdates, heads.PoissonRegressionHead):
    pass


class _LogisticRegressionHead(_RunsUpdates, heads.LogisticRegressionHead):
    pass


class _MultiHead(_RunsUpdates, heads.MultiHead):
    pass


def binary_classification_head(
    weight_column: Any = None,
    thresholds: Iterable[float] | None = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _MEAN,
    loss_fn: Any = None,
    name: str | None = None,
) -> heads.Head:
    """See `tf_estimator.BinaryClassHead`."""
    return _BinaryClassHead(
        weight_column, thresholds, label_vocabulary, loss_reduction, loss_fn, name
    )


def multi_class_head(
    n_classes: int,
    weight_column: Any = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _MEAN,
    loss_fn: Any = None,
    name: str | None = None,
) -> heads.Head:
    """See `tf_estimator.MultiClassHead`."""
    return _MultiClassHead(
        n_classes, weight_column, label_vocabulary, loss_reduction, loss_fn, name
    )


def multi_label_head(
    n_classes: int,
    weight_column: Any = None,
    thresholds: Iterable[float] | None = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _MEAN,
    loss_fn: Any = None,
    classes_for_class_based_metrics: Any = None,
    name: str | None = None,
) -> heads.Head:
    """See `tf_estimator.MultiLabelHead`."""
    return _MultiLabelHead(
        n_classes,
        weight_column,
        thresholds,
        label_vocabulary,
        loss_reduction,
        loss_fn,
        classes_for_class_based_metrics,
        name,
    )


def regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _MEAN,
    loss_fn: Any = None,
    inverse_link_fn: Callable[..., Any] | None = None,
    name: str | None = None,
) -> heads.Head:
    """See `tf_estimator.RegressionHead`; here weight_column comes first."""
    return _RegressionHead(
        label_dimension, weight_column, loss_reduction, loss_fn, inverse_link_fn, name
    )


def poisson_regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _MEAN,
    compute_full_loss: bool = True,
    name: str | None = None,
) -> heads.Head:
    """See `tf_estimator.PoissonRegressionHead`; here weight_column comes first."""
    return _PoissonRegressionHead(
        label_dimension, weight_column, loss_reduction, compute_full_loss, name
    )


def logistic_regression_head(
    weight_column: Any = None, loss_reduction: str = _MEAN, name: str | None = None
) -> heads.Head:
    """See `tf_estimator.LogisticRegressionHead`."""
    return _LogisticRegressionHead(weight_column, loss_reduction, name)


def multi_head(
    heads: Iterable[heads.Head], head_weights: Iterable[float] | None = None
) -> heads.Head:
    """See `tf_estimator.MultiHead`."""
    return _MultiHead(heads, head_weights)


def forward_features(
    estimator: Estimator,
    keys: str | Iterable[str] | None = None,
    sparse_default_values: Mapping[str, Any] | None = None,
) -> Estimator:
    """An Estimator whose predictions have features beside them, as keys of examples.

    It is the same in all else: it has the model_dir and the config of `estimator`.

    Args:
        estimator: any Estimator whose features and predictions are dicts.
        keys: the names of the features; None for all.
        sparse_default_values: what stands for missing elements of sparse features, by their names;
            those that are not in it stay out, with an error.

    Returns:
        A new Estimator. Its signatures "predict" and "serving_default" have the features, too, if
        they are those of a PredictOutput.

    Raises:
        TypeError: `estimator` is no Estimator, or a key is no string.
        ValueError: when it predicts: a feature is not there, is no Tensor, or has the name of a
            prediction.
    """
    instance("estimator", estimator, Estimator)
    names = [keys] if isinstance(keys, str) else keys if keys is None else list(keys)
    for one in names or ():
        instance("Every one of keys", one, str)
    dense = dict(sparse_default_values or {})

    def model_fn(features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
        spec = estimator.model_fn(features, labels, mode, config)
        if mode != ModeKeys.PREDICT:
            return spec
        for what, found in (("features", features), ("predictions", spec.predictions)):
            if not isinstance(found, Mapping):
                raise wrong_type(
                    f"The {what} of an estimator for forward_features",
                    "must be a dict",
                    found,
                    was=ValueError,
                )
        wanted = sorted(features) if names is None else names
        forwarded = {one: _forwarded(one, features, spec.predictions, dense) for one in wanted}
        return spec._replace(
            predictions={**spec.predictions, **forwarded},
            export_outputs={
                key: PredictOutput({**output.outputs, **forwarded})
                if key in _SIGNATURES and isinstance(output, PredictOutput)
                else output
                for key, output in spec.export_outputs.items()
            },
        )

    return Estimator(
        model_fn,
        model_dir=estimator.model_dir,
        config=estimator.config,
        # The same weights while there is no checkpoint.
        warm_start_from=estimator._warm_start_settings,  # noqa: SLF001
    )


def _forwarded(
    key: str, features: Mapping[str, Any], predictions: Mapping[str, Any], dense: Mapping[str, Any]
) -> tf.Tensor:
    if key not in features:
        raise wrong_value("Every one of keys", f"must be a feature ({sorted(features)})", key)
    if key in predictions:
        raise wrong_value(
            "The name of a forwarded feature", "must not be that of a prediction", key
        )
    found = features[key]
    if isinstance(found, tf.SparseTensor) and key in dense:
        found = tf.sparse.to_dense(found, dense[key])
    if not tf.is_tensor(found) or isinstance(found, (tf.SparseTensor, tf.RaggedTensor)):
        hint = "Give sparse_default_values a value for it if it is sparse."
        raise wrong_type(
            f"The feature {key!r}", "must be a Tensor", type(found), hint, was=ValueError
        )
    return found


class _Clipped(tf.compat.v1.train.Optimizer):
    """An optimizer whose gradients are clipped before they are applied."""

    def __init__(self, optimizer: Any, clip_norm: Any) -> None:
        super().__init__(use_locking=False, name="ClipByNorm")
        self._optimizer, self._clip_norm = optimizer, clip_norm

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None
    ) -> Any:
        gradients, variables = zip(*grads_and_vars, strict=True)
        clipped, _ = tf.clip_by_global_norm(gradients, self._clip_norm)
        return self._optimizer.apply_gradients(
            list(zip(clipped, variables, strict=True)), global_step, name
        )

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        return self._optimizer.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> Any:
        return self._optimizer.get_slot_names(*args, **kwargs)

    def variables(self) -> Any:
        return self._optimizer.variables()


def clip_gradients_by_norm(optimizer: Any, clip_norm: Any) -> Any:
    """An optimizer that scales the gradients down to a global norm.

    Args:
        optimizer: one of `tf.compat.v1.train`.
        clip_norm: the greatest global norm of the gradients.

    Raises:
        TypeError: `optimizer` is another one.
    """
    instance("optimizer", optimizer, v1.train.Optimizer, "tf.compat.v1.train.Optimizer")
    return _Clipped(optimizer, clip_norm)
