"""What a `model_fn` returns: loss, training operation, predictions, metrics and hooks."""

import copy
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator._checks import hooks, instance, wrong_type, wrong_value
from tf_estimator.spec import bare_optimizers
from tf_estimator.spec import metrics as keras_metrics
from tf_estimator.spec.export_outputs import ExportOutput, PredictOutput
from tf_estimator.spec.modes import ModeKeys

v1 = tf.compat.v1

_SERVING_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class _Fields(NamedTuple):
    mode: Any
    predictions: Any
    loss: Any
    train_op: Any
    eval_metric_ops: Any
    export_outputs: Any
    training_chief_hooks: Any
    training_hooks: Any
    scaffold: Any
    evaluation_hooks: Any
    prediction_hooks: Any


class EstimatorSpec(_Fields):
    """The operations and objects that define a model in one mode, checked when it is made.

    A `model_fn` returns one at each call. TRAIN needs `loss` and `train_op`, EVAL needs `loss`,
    PREDICT needs `predictions`; a `model_fn` may fill in everything in every mode, and what the
    mode does not use is ignored. It is a named tuple: it unpacks, compares and copies as one.
    Tensors must be of the default graph.

    Args:
        mode: a `ModeKeys` value.
        predictions: a Tensor, or a dict of Tensors with the batch as first dimension.
        loss: a Tensor with one element, the loss of the batch. It is reshaped to a scalar.
        train_op: an Operation or Tensor that runs one training step and increments the global step.
        eval_metric_ops: a dict, by name, of `(value, update_op)` tuples as `tf.compat.v1.metrics`
            makes them, or of Metric instances of Keras 3 or tf_keras whose `update_state` was
            called in `model_fn`.
        export_outputs: in PREDICT, a dict of `ExportOutput` by signature name. Without it there is
            one, `serving_default`, that puts out `predictions`. Of several one must be called
            `serving_default`; a single one gets that name as well.
        training_chief_hooks: SessionRunHooks to run on the chief worker during training.
        training_hooks: SessionRunHooks to run on all workers during training.
        scaffold: a `tf.compat.v1.train.Scaffold`, for initialization and saving of one's own.
        evaluation_hooks: SessionRunHooks to run during evaluation.
        prediction_hooks: SessionRunHooks to run during prediction.

    Raises:
        ValueError: if the mode's field is missing, the loss is not a scalar, something is of
            another graph, or a Metric was not updated.
        TypeError: if a field has a wrong type.

    Example:
        >>> with tf.Graph().as_default():
        ...     spec = EstimatorSpec(ModeKeys.PREDICT, predictions={"x": tf.constant([1.0])})
        >>> spec.export_outputs
        {'serving_default': PredictOutput(x=float32(1,))}
    """

    # No __slots__: the spec always took further attributes, and programs may rely on it.

    def __new__(  # noqa: D102 - documented by the class
        cls,
        mode: Any,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: Mapping[Any, Any] | None = None,
        export_outputs: Mapping[Any, ExportOutput] | None = None,
        training_chief_hooks: Iterable[Any] | None = None,
        training_hooks: Iterable[Any] | None = None,
        scaffold: Any = None,
        evaluation_hooks: Iterable[Any] | None = None,
        prediction_hooks: Iterable[Any] | None = None,
    ) -> "EstimatorSpec":
        # The order of these lines decides which of several errors is raised.
        train_op = _train_op(mode, train_op)
        loss = _loss(mode, loss)
        predictions = _predictions(mode, predictions)
        export_outputs = _export_outputs(mode, predictions, export_outputs)
        training_hooks = hooks("training_hooks", training_hooks)
        evaluation_hooks = hooks("evaluation_hooks", evaluation_hooks)
        prediction_hooks = hooks("prediction_hooks", prediction_hooks)
        training_chief_hooks = hooks("training_chief_hooks", training_chief_hooks)
        eval_metric_ops = _eval_metric_ops(eval_metric_ops, loss)
        scaffold = instance("scaffold", scaffold or v1.train.Scaffold(), v1.train.Scaffold)
        return super().__new__(
            cls,
            mode=mode,
            predictions=predictions,
            loss=loss,
            train_op=train_op,
            eval_metric_ops=eval_metric_ops,
            export_outputs=export_outputs,
            training_chief_hooks=training_chief_hooks,
            training_hooks=training_hooks,
            scaffold=scaffold,
            evaluation_hooks=evaluation_hooks,
            prediction_hooks=prediction_hooks,
        )

    def _replace(self, **fields: Any) -> "EstimatorSpec":
        """A new spec with some fields replaced and everything checked again.

        Raises:
            ValueError: for another mode, or for a name that is no field.
        """
        unknown = [name for name in fields if name not in self._fields]
        if unknown:
            raise wrong_value("Field names", f"must be among {', '.join(self._fields)}", unknown)
        if "mode" in fields and fields["mode"] != self.mode:
            raise wrong_value("mode of EstimatorSpec", "cannot be changed", fields["mode"])
        return type(self)(**{**self._asdict(), **fields})

    __replace__ = _replace

    def __repr__(self) -> str:
        given = (
            f"{name}={_repr.repr(value)}"
            for name, value in zip(self._fields, self, strict=True)
            if name == "mode" or not _is_empty(value)
        )
        return f"{type(self).__name__}({', '.join(given)})"


def _is_empty(value: Any) -> bool:
    # By type: an eager tensor compares with () number by number.
    return value is None or (isinstance(value, (tuple, dict)) and not value)


_repr = reprlib.Repr()
_repr.maxother = _repr.maxstring = 100


def _is_tensor(value: Any) -> bool:
    # Not tf.is_tensor, which also takes sparse and ragged tensors and Keras variables.
    return isinstance(value, (tf.Tensor, tf.Variable))


def _in_graph(subject: str, value: Any) -> Any:
    """`value` if it is of the default graph, or if there is none; else ValueError."""
    if tf.executing_eagerly():
        return value
    # The graph of an eager tensor is an AttributeError, which getattr turns into None.
    if getattr(value, "graph", None) is not v1.get_default_graph():
        raise wrong_value(
            subject,
            "must be from the default graph",
            value,
            "Make all that goes into an EstimatorSpec inside model_fn, anew at every call.",
        )
    return value


def _train_op(mode: Any, train_op: Any) -> Any:
    if train_op is not None or mode == ModeKeys.TRAIN:
        bare_optimizers.refuse(train_op)
    if train_op is None:
        if mode == ModeKeys.TRAIN:
            raise ValueError("Missing train_op: an EstimatorSpec with mode 'train' needs one.")
        return None
    if isinstance(train_op, tf.Variable):
        train_op = train_op.op
    elif not isinstance(train_op, (tf.Operation, tf.Tensor)):
        raise wrong_type("train_op", "must be an Operation or a Tensor", train_op)
    return _in_graph("train_op", train_op)


def _loss(mode: Any, loss: Any) -> Any:
    if loss is None:
        if mode in (ModeKeys.TRAIN, ModeKeys.EVAL):
            raise ValueError(f"Missing loss: an EstimatorSpec with mode {mode!r} needs one.")
        return None
    if not _is_tensor(loss):
        raise wrong_type("loss", "must be a Tensor", loss)
    shape = tf.TensorShape(loss.shape)
    if shape.rank is not None and any(size not in (None, 1) for size in shape):
        raise wrong_value("Loss", "must be scalar", loss, "Use tf.reduce_mean or tf.reduce_sum.")
    _in_graph("loss", loss)
    return tf.reshape(loss, []) if shape.rank else loss


def _predictions(mode: Any, predictions: Any) -> Any:
    if predictions is None:
        if mode == ModeKeys.PREDICT:
            raise ValueError("Missing predictions: an EstimatorSpec with mode 'infer' needs them.")
        return {}
    if isinstance(predictions, dict):
        checked = {}
        for key, value in predictions.items():
            name = f"predictions[{key}]"
            if not _is_tensor(value):
                raise wrong_type(name, "must be a Tensor", value)
            checked[key] = _in_graph(name, value)
        return checked
    if not _is_tensor(predictions):
        raise wrong_type("predictions", "must be a Tensor or a dict of Tensors", predictions)
    return _in_graph("predictions", predictions)


def _export_outputs(mode: Any, predictions: Any, export_outputs: Any) -> Any:
    if mode != ModeKeys.PREDICT:
        return export_outputs
    if export_outputs is None:
        return {_SERVING_DEFAULT: PredictOutput(predictions)}
    instance("export_outputs", export_outputs, dict)
    for key, output in export_outputs.items():
        instance(f"export_outputs[{key!r}]", output, ExportOutput)
    outputs = copy.copy(export_outputs)
    if len(outputs) == 1:
        [output] = outputs.values()
        outputs[_SERVING_DEFAULT] = output
    if len(outputs) > 1 and _SERVING_DEFAULT not in outputs:
        raise wrong_value(
            "export_outputs",
            f"must have the key {_SERVING_DEFAULT!r} if there is more than one",
            list(outputs),
        )
    return outputs


def _eval_metric_ops(eval_metric_ops: Any, loss: Any) -> Any:
    if eval_metric_ops is None:
        return {}
    instance("eval_metric_ops", eval_metric_ops, dict)
    # A copy keeps the kind of dict, and leaves the caller's as it was.
    checked = copy.copy(eval_metric_ops)
    metrics = {}
    for key, one in checked.items():
        if keras_metrics.is_metric(one):
            keras_metrics.require_update(one)
            metrics[key] = one
        elif not isinstance(one, tuple) or len(one) != 2:
            raise wrong_type(
                f"eval_metric_ops[{key!r}]",
                "must be a (value, update_op) tuple or a Metric of Keras 3 or tf_keras",
                one,
            )
    if metrics:
        # One by one: `update` of some dicts, such as Counter, adds.
        for key, pair in keras_metrics.metric_ops(metrics, loss).items():
            checked[key] = pair
    for key, pair in checked.items():
        for part in tf.nest.flatten(tuple(pair)):
            _in_metric_graph(f"eval_metric_ops[{key!r}]", part)
    keras_metrics.refuse_parts(checked)
    return checked


def _in_metric_graph(subject: str, part: Any) -> None:
    if part is None and not tf.executing_eagerly():
        hint = f"update_state of a Keras 3 Metric returns None. {keras_metrics.GIVE_ITSELF}"
        raise wrong_value(subject, "must not have None in it", part, hint)
    if keras_metrics.is_metric(part):
        rule = "must not have a Metric in a tuple"
        raise wrong_value(subject, rule, part, keras_metrics.GIVE_ITSELF)
    _in_graph(subject, part)
