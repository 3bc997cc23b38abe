"""A compiled Keras model as a model_fn."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import export
from tf_estimator._checks import shown, wrong_value
from tf_estimator._tf import v1
from tf_estimator.config import RunConfig
from tf_estimator.engine.evaluate import MEAN_LOSS
from tf_estimator.keras import data as keras_data
from tf_estimator.keras import steps
from tf_estimator.keras.graph_variables import GraphVariables, Start, local_variable
from tf_estimator.keras.names import build_optimizer
from tf_estimator.keras.traced import Traced
from tf_estimator.spec import EstimatorSpec, ModeKeys, in_replica

_SERVING_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class ConvertedModel:
    """A compiled Keras model whose steps run in the graphs of an Estimator.

    The model itself is not trained. Its layers and optimizer are used as they are when a graph is
    built; the values of its variables are those of when this is made, or, of variables that are
    built later, of when they are built.

    Args:
        model: the Keras model.
        metric_names_map: names of metrics to other names.
        export_outputs: names of outputs to classes of ExportOutput.
    """

    def __init__(
        self,
        model: Any,
        metric_names_map: Mapping[str, str] | None = None,
        export_outputs: Mapping[str, Any] | None = None,
    ) -> None:
        self._model = model
        self._optimizer = model.optimizer
        self._metric_names = dict(metric_names_map or {})
        self._export_outputs = None if export_outputs is None else dict(export_outputs)
        # Now, so that its variables are of the same moment as the weights.
        build_optimizer(model)
        self._start = Start(model)

    def model_fn(self, features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
        """The model_fn of the model."""
        if self._model.optimizer is not self._optimizer:
            raise ValueError(
                "The Keras model must not be compiled anew after model_to_estimator: call that "
                "again, after compile()."
            )
        if in_replica.is_one_of_several():
            raise NotImplementedError(
                "What model_to_estimator makes cannot be trained or evaluated by several replicas: "
                "the steps of a compiled Keras model are one piece each. Use the layers of the "
                "model in a model_fn, or leave the strategy out."
            )
        data = keras_data.batch(self._model, features, labels)
        if mode == ModeKeys.TRAIN:
            return self._train(data, config)
        if mode == ModeKeys.EVAL:
            return self._evaluate(data)
        return self._predict(data)

    def _train(self, data: tuple[Any, ...], config: RunConfig) -> EstimatorSpec:
        traced = steps.train_step(self._model, data)
        device = None
        if config.num_ps_replicas:
            # What workers do not share.
            device = f"/job:{config.task_type}/task:{config.task_id}"
        variables = self._variables(traced, device=device)
        variables.all()
        result = traced.place("train_step", data, variables.of)
        loss = result["loss"]
        for name, value in result["logs"].items():
            if name != steps.LOSS and value.shape.rank == 0:
                v1.summary.scalar(self._metric_names.get(name, name), value)
        with tf.control_dependencies([loss]):
            train_op = v1.train.get_or_create_global_step().assign_add(1, read_value=False)
        return EstimatorSpec(
            ModeKeys.TRAIN, loss=loss, train_op=train_op, scaffold=variables.scaffold()
        )

    def _evaluate(self, data: tuple[Any, ...]) -> EstimatorSpec:
        test = steps.test_step(self._model, data)
        predict = steps.predict_step(self._model, data)
        variables = self._variables(test, predict)
        result = test.place("test_step", data, variables.of)
        outputs = predict.place("predict_step", data[:1], variables.of)["outputs"]
        metrics = {name: _last(name, value) for name, value in result["logs"].items()}
        for one in metrics.pop(steps.LOSS, ()):
            v1.add_to_collection(MEAN_LOSS, one)
        return EstimatorSpec(
            ModeKeys.EVAL,
            loss=result["loss"],
            predictions=keras_data.predictions(self._model, outputs),
            eval_metric_ops=self._renamed(metrics),
            scaffold=variables.scaffold(),
        )

    def _predict(self, data: tuple[Any, ...]) -> EstimatorSpec:
        predict = steps.predict_step(self._model, data)
        variables = self._variables(predict)
        outputs = predict.place("predict_step", data[:1], variables.of)["outputs"]
        predictions = keras_data.predictions(self._model, outputs)
        return EstimatorSpec(
            ModeKeys.PREDICT,
            predictions=predictions,
            export_outputs=self._outputs(predictions),
            scaffold=variables.scaffold(),
        )

    def _variables(self, *traced: Traced, device: str | None = None) -> GraphVariables:
        self._start.read()  # Tracing may have built the model.
        return GraphVariables(self._model, self._start, traced, device)

    def _renamed(self, metrics: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self._metric_names) - set(metrics))
        if unknown:
            raise wrong_value(
                "metric_names_map",
                f"must have names of the model's metrics, which are {sorted(metrics)}",
                unknown,
            )
        return {self._metric_names.get(name, name): one for name, one in metrics.items()}

    def _outputs(self, predictions: dict[str, tf.Tensor]) -> dict[str, Any] | None:
        """The export outputs: one of the class that was given for each, and all as the default."""
        if self._export_outputs is None:
            return None
        made = {}
        for name, kind in self._export_outputs.items():
            if name == _SERVING_DEFAULT and name not in predictions:
                given = next(iter(predictions.values())) if len(predictions) == 1 else predictions
            elif name in predictions:
                given = predictions[name]
            else:
                raise wrong_value(
                    "export_outputs",
                    f"must have names of the model's outputs, which are {sorted(predictions)}",
                    sorted(self._export_outputs),
                )
            made[name] = _export_output(name, kind, given)
        if len(made) > 1:
            made.setdefault(_SERVING_DEFAULT, export.PredictOutput(predictions))
        return made


def _export_output(name: str, kind: Any, given: Any) -> Any:
    if isinstance(given, dict) and kind is not export.PredictOutput:
        raise wrong_value(
            f"export_outputs[{name!r}]",
            "must be PredictOutput for a model of several outputs",
            kind,
            "Name the output that it is for.",
        )
    if kind is export.ClassificationOutput:
        return kind(scores=given)
    if kind in (export.PredictOutput, export.RegressionOutput):
        return kind(given)
    raise TypeError(
        f"export_outputs[{name!r}] must be the class PredictOutput, RegressionOutput or "
        f"ClassificationOutput; received {shown(kind)}."
    )


def _last(name: str, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The value and update_op of what the step itself keeps account of: its latest value."""
    with v1.name_scope(None):
        kept = local_variable(f"latest/{name}", value.shape, value.dtype)
    return tf.identity(kept), tf.identity(kept.assign(value, read_value=True))
