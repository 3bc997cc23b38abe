"""What makes a new Estimator from one there is."""

from collections.abc import Callable, Mapping
from typing import Any

from tf_estimator._checks import callable_, instance, wrong_type, wrong_value
from tf_estimator.config import RunConfig
from tf_estimator.engine.model import argument_names
from tf_estimator.estimator import Estimator
from tf_estimator.spec import EstimatorSpec, ModeKeys

_NAMES = ("features", "labels", "predictions", "config")


def add_metrics(estimator: Estimator, metric_fn: Callable[..., Mapping[str, Any]]) -> Estimator:
    """An Estimator that evaluates with more metrics.

    It is the same in all else: it has the model_dir, the config and the weights of `estimator`,
    which stays as it is.

    Args:
        estimator: any Estimator.
        metric_fn: called when an evaluation is built. Takes any of `features`, `labels`,
            `predictions` and `config`, by these names, and returns a dict by name of
            `(value, update_op)` tuples, as `tf.compat.v1.metrics` makes them, or of Keras Metrics
            that it has updated. A metric takes the place of one of the estimator with the same
            name.

    Returns:
        A new Estimator.

    Raises:
        TypeError: if `estimator` is no Estimator, or metric_fn cannot be called.
        ValueError: if metric_fn takes arguments of other names.

    Example:
        >>> import tensorflow as tf
        >>> import tf_estimator
        >>> def model_fn(features, labels, mode):
        ...     step = tf.compat.v1.train.get_global_step()
        ...     return tf_estimator.EstimatorSpec(mode, predictions=features, loss=tf.constant(1.0),
        ...                                       train_op=step.assign_add(1))
        >>> def mean_of_x(features):
        ...     return {"x": tf.compat.v1.metrics.mean(features["x"])}
        >>> estimator = add_metrics(tf_estimator.Estimator(model_fn), mean_of_x)
        >>> float(estimator.evaluate(lambda: {"x": tf.constant([1.0, 4.0])}, steps=1)["x"])
        2.5
    """
    instance("estimator", estimator, Estimator)
    names = argument_names(callable_("metric_fn", metric_fn))
    if not set(names) <= set(_NAMES):
        rule = f"must take no arguments but {', '.join(_NAMES)}"
        raise wrong_value("metric_fn", rule, metric_fn, f"Its arguments are {', '.join(names)}.")

    def model_fn(features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
        spec = estimator.model_fn(features, labels, mode, config)
        if mode != ModeKeys.EVAL:
            return spec
        given = {
            "features": features,
            "labels": labels,
            "predictions": spec.predictions,
            "config": config,
        }
        metrics = metric_fn(**{name: one for name, one in given.items() if name in names})
        if not isinstance(metrics, Mapping):
            raise wrong_type("What metric_fn returns", "must be a dict of metrics by name", metrics)
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, **metrics})

    return Estimator(
        model_fn,
        model_dir=estimator.model_dir,
        config=estimator.config,
        # The same weights while there is no checkpoint.
        warm_start_from=estimator._warm_start_settings,  # noqa: SLF001
    )
