"""TPUEstimatorSpec: what a model_fn for TPUs returns."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator._checks import hooks
from tf_estimator.spec import EstimatorSpec, ModeKeys
from tf_estimator.tpu import host_calls


class _Fields(NamedTuple):
    mode: Any
    predictions: Any
    loss: Any
    train_op: Any
    eval_metrics: Any
    export_outputs: Any
    scaffold_fn: Any
    host_call: Any
    training_hooks: Any
    evaluation_hooks: Any
    prediction_hooks: Any


class TPUEstimatorSpec(_Fields):
    """What defines a model in one mode, where some of it is made by functions later.

    On a TPU these functions run on the host. Here TPUEstimator calls them at once, and makes an
    EstimatorSpec of it. It is a named tuple; the fields that an EstimatorSpec has as well are
    checked as there.

    Args:
        mode: a `ModeKeys` value.
        predictions: as for `EstimatorSpec`.
        loss: as for `EstimatorSpec`.
        train_op: as for `EstimatorSpec`.
        eval_metrics: a pair: a function that returns a dict of metrics, as `eval_metric_ops` of
            `EstimatorSpec` has it, and what it is called with: a list of tensors, or a dict of
            tensors by the names of its arguments.
        export_outputs: as for `EstimatorSpec`.
        scaffold_fn: a function that makes the `tf.compat.v1.train.Scaffold`.
        host_call: a pair as eval_metrics, of a function that returns operations and tensors. They
            run with each step. Writers of summaries that it makes are opened and flushed.
        training_hooks: SessionRunHooks to run during training.
        evaluation_hooks: SessionRunHooks to run during evaluation.
        prediction_hooks: SessionRunHooks to run during prediction.

    Raises:
        TypeError: the first of a pair cannot be called, or as `EstimatorSpec`.
        ValueError: eval_metrics or host_call is no such pair, or as `EstimatorSpec`.
        RuntimeError: their function takes another number of arguments than there are tensors.

    Example:
        >>> def metric_fn(labels, predictions):
        ...     return {"error": tf.compat.v1.metrics.mean_absolute_error(labels, predictions)}
        >>> with tf.Graph().as_default():
        ...     labels, predictions = tf.constant([1.0, 2.0]), tf.constant([1.0, 3.0])
        ...     spec = TPUEstimatorSpec(ModeKeys.EVAL, loss=tf.constant(0.5),
        ...                             eval_metrics=(metric_fn, [labels, predictions]))
        ...     sorted(spec.as_estimator_spec().eval_metric_ops)
        ['error']
    """

    # No __slots__: as for EstimatorSpec, programs may set attributes.

    def __new__(  # noqa: D102 - documented by the class
        cls,
        mode: Any,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metrics: Any = None,
        export_outputs: Mapping[Any, Any] | None = None,
        scaffold_fn: Callable[[], Any] | None = None,
        host_call: Any = None,
        training_hooks: Iterable[Any] | None = None,
        evaluation_hooks: Iterable[Any] | None = None,
        prediction_hooks: Iterable[Any] | None = None,
    ) -> "TPUEstimatorSpec":
        host_calls.check("eval_metrics", eval_metrics)
        host_calls.check("host_call", host_call)
        # These before the other fields: the order decides which of several errors is raised.
        training_hooks = hooks("training_hooks", training_hooks)
        evaluation_hooks = hooks("evaluation_hooks", evaluation_hooks)
        prediction_hooks = hooks("prediction_hooks", prediction_hooks)
        checked = EstimatorSpec(
            mode,
            predictions=predictions,
            loss=loss,
            train_op=train_op,
            export_outputs=export_outputs,
        )
        return super().__new__(
            cls,
            mode=mode,
            predictions=checked.predictions,
            loss=checked.loss,
            train_op=checked.train_op,
            eval_metrics=eval_metrics,
            export_outputs=checked.export_outputs,
            scaffold_fn=scaffold_fn,
            host_call=host_call,
            training_hooks=training_hooks,
            evaluation_hooks=evaluation_hooks,
            prediction_hooks=prediction_hooks,
        )

    def as_estimator_spec(self) -> EstimatorSpec:
        """The EstimatorSpec that this stands for on CPU and GPU.

        It calls the functions, in the default graph.

        Returns:
            The spec. What host_call makes is part of its train_op when training, and of a hook
            otherwise.

        Raises:
            TypeError, ValueError: as `EstimatorSpec`.

        Example:
            `spec.as_estimator_spec()`
        """
        metrics = host_calls.call(self.eval_metrics)
        train_op, added = self.train_op, []
        if self.host_call is not None:
            operations = host_calls.operations(self.host_call)
            if self.mode == ModeKeys.TRAIN and operations and train_op is not None:
                # There, and not in a hook, they run as well where steps are put into a loop.
                train_op, operations = tf.group(train_op, *operations), []
            added = [host_calls.HostCallHook(operations)]
        scaffold = self.scaffold_fn() if self.scaffold_fn else None
        return EstimatorSpec(
            mode=self.mode,
            predictions=self.predictions,
            loss=self.loss,
            train_op=train_op,
            eval_metric_ops=metrics,
            export_outputs=self.export_outputs,
            scaffold=scaffold,
            training_hooks=[*self.training_hooks, *added],
            evaluation_hooks=[*self.evaluation_hooks, *added],
            prediction_hooks=[*self.prediction_hooks, *added],
        )

    __repr__ = EstimatorSpec.__repr__  # of what was given, as short
