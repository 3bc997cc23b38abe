"""What a model offers to those who serve it: one signature of the SavedModel each.

The names of inputs, outputs and methods are TensorFlow's signature conventions, see
https://www.tensorflow.org/tfx/serving/signature_defs.
"""

import abc
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import instance, shown, wrong_type, wrong_value
from tf_estimator.spec import metrics as keras_metrics

v1 = tf.compat.v1

_SEPARATOR = "/"


class ExportOutput(abc.ABC):
    """A kind of model output that can be written as a signature of a SavedModel.

    Subclass it to serve a kind of signature that this package does not know.
    """

    @abc.abstractmethod
    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The signature that maps what is received to this output.

        Args:
            receiver_tensors: the tensors that a request fills, by their names in the request.

        Returns:
            A `SignatureDef` protocol buffer.
        """


class _TensorOutput(ExportOutput):
    """A set of named tensors, equal to another of its kind with the same tensors."""

    @abc.abstractmethod
    def _tensors(self) -> dict[str, Any]:
        """All tensors of this output by name."""

    def _identities(self) -> frozenset[tuple[str, int]]:
        # `==` of two eager tensors compares numbers, so sameness is asked of the objects.
        return frozenset((name, id(tensor)) for name, tensor in self._tensors().items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _TensorOutput) or type(other) is not type(self):
            return NotImplemented
        return self._identities() == other._identities()

    def __hash__(self) -> int:
        return hash((type(self), self._identities()))

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{name}={tensor.dtype.name}{tensor.shape}" for name, tensor in self._tensors().items()
        )
        return f"{type(self).__name__}({parts})"


class ClassificationOutput(_TensorOutput):
    """The output of a classifier, served under the "classify" method.

    Classes and scores are aligned: column i of one belongs to column i of the other. Without
    classes the client takes the index of a score for its class.

    Args:
        scores: a floating Tensor of shape [batch, classes], or None.
        classes: a string Tensor of shape [batch, classes], or None.

    Raises:
        ValueError: if both are None, scores are not floating, or classes are not strings.

    Example:
        >>> with tf.Graph().as_default():
        ...     output = ClassificationOutput(scores=tf.constant([[0.1, 0.9]]))
        ...     request = tf.compat.v1.placeholder(tf.string, [None])
        ...     signature = output.as_signature_def({"examples": request})
        >>> signature.method_name
        'tensorflow/serving/classify'
    """

    def __init__(self, scores: Any = None, classes: Any = None) -> None:
        if scores is None and classes is None:
            raise ValueError(
                "ClassificationOutput needs scores, classes, or both; received None for both."
            )
        if scores is not None and not (_is_tensor(scores) and scores.dtype.is_floating):
            raise wrong_value("scores of ClassificationOutput", "must be a floating Tensor", scores)
        if classes is not None and not (_is_tensor(classes) and classes.dtype == tf.string):
            raise wrong_value("classes of ClassificationOutput", "must be a string Tensor", classes)
        self._scores = scores
        self._classes = classes

    @property
    def scores(self) -> Any:
        """The floating Tensor of scores, or None."""
        return self._scores

    @property
    def classes(self) -> Any:
        """The string Tensor of class names, or None."""
        return self._classes

    def _tensors(self) -> dict[str, Any]:
        parts = {"scores": self._scores, "classes": self._classes}
        return {name: tensor for name, tensor in parts.items() if tensor is not None}

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The "classify" signature; see `ExportOutput.as_signature_def`.

        Raises:
            ValueError: unless exactly one string Tensor, the serialized examples, is received.
        """
        examples = _only_string_tensor("A classification signature", receiver_tensors)
        return v1.saved_model.classification_signature_def(examples, self._classes, self._scores)


class RegressionOutput(_TensorOutput):
    """The output of a regressor, served under the "regress" method.

    Args:
        value: a floating Tensor, normally of shape [batch] or [batch, 1].

    Raises:
        ValueError: if value is not a floating Tensor.

    Example:
        >>> with tf.Graph().as_default():
        ...     print(RegressionOutput(tf.constant([0.5])))
        RegressionOutput(value=float32(1,))
    """

    def __init__(self, value: Any) -> None:
        if not (_is_tensor(value) and value.dtype.is_floating):
            raise wrong_value("value of RegressionOutput", "must be a floating Tensor", value)
        self._value = value

    @property
    def value(self) -> Any:
        """The floating Tensor."""
        return self._value

    def _tensors(self) -> dict[str, Any]:
        return {"value": self._value}

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The "regress" signature; see `ExportOutput.as_signature_def`.

        Raises:
            ValueError: unless exactly one string Tensor, the serialized examples, is received.
        """
        examples = _only_string_tensor("A regression signature", receiver_tensors)
        return v1.saved_model.regression_signature_def(examples, self._value)


class PredictOutput(_TensorOutput):
    """Any named tensors, served under the "predict" method.

    Args:
        outputs: a Tensor, which is named `output`, or a dict of Tensors. A key is a string, or a
            tuple of strings, which are joined by `/`.

    Raises:
        ValueError: if a key is no string or a value is no Tensor.
        TypeError: if an element of a tuple key is no string.

    Example:
        >>> with tf.Graph().as_default():
        ...     print(PredictOutput({("head", "logits"): tf.constant([[1.0, 2.0]])}))
        PredictOutput(head/logits=float32(1, 2))
    """

    def __init__(self, outputs: Any) -> None:
        self._outputs = _named_tensors(outputs, "output", "outputs of PredictOutput")

    @property
    def outputs(self) -> dict[str, Any]:
        """The tensors by name."""
        return self._outputs

    def _tensors(self) -> dict[str, Any]:
        return self._outputs

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The "predict" signature; see `ExportOutput.as_signature_def`.

        Raises:
            ValueError: if no tensor is received.
        """
        received = _received("A predict signature", receiver_tensors)
        return v1.saved_model.predict_signature_def(received, self._outputs)


class _SupervisedOutput(_TensorOutput):
    """The loss, predictions and metrics of a graph that is given features and labels."""

    LOSS_NAME = "loss"
    PREDICTIONS_NAME = "predictions"
    METRICS_NAME = "metrics"
    METRIC_VALUE_SUFFIX = "value"
    METRIC_UPDATE_SUFFIX = "update_op"

    def __init__(self, loss: Any = None, predictions: Any = None, metrics: Any = None) -> None:
        kind = type(self).__name__
        self._loss = self._prefixed(loss, self.LOSS_NAME, kind)
        self._predictions = self._prefixed(predictions, self.PREDICTIONS_NAME, kind)
        self._metrics = None if metrics is None else self._named_metrics(metrics, kind)

    @staticmethod
    def _prefixed(value: Any, name: str, kind: str) -> dict[str, Any] | None:
        if value is None:
            return None
        named = _named_tensors(value, name, f"{name} of {kind}")
        return {_with_prefix(name, key): tensor for key, tensor in named.items()}

    def _named_metrics(self, metrics: Any, kind: str) -> dict[str, Any]:
        """Two tensors for each metric: its value, and one that runs its update."""
        named = {}
        for key, pair in _items(metrics, self.METRICS_NAME, f"metrics of {kind}"):
            name = _with_prefix(self.METRICS_NAME, key)
            value, update_op = _metric_pair(name, pair)
            if not _is_tensor(value):
                raise wrong_value(f"The value of {name}", "must be a Tensor", value)
            if isinstance(update_op, (tf.Operation, tf.Variable)):
                # A signature can name tensors only, so an empty one stands for the operation.
                with tf.control_dependencies([update_op]):
                    update_op = tf.constant([], name="metric_op_wrapper")
            if not _is_tensor(update_op):
                raise wrong_value(
                    f"The update_op of {name}", "must be a Tensor or Operation", update_op
                )
            named[f"{name}{_SEPARATOR}{self.METRIC_VALUE_SUFFIX}"] = value
            named[f"{name}{_SEPARATOR}{self.METRIC_UPDATE_SUFFIX}"] = update_op
        return named

    @property
    def loss(self) -> dict[str, Any] | None:
        """The loss Tensor by its name in the signature, or None."""
        return self._loss

    @property
    def predictions(self) -> dict[str, Any] | None:
        """The prediction Tensors by their names in the signature, or None."""
        return self._predictions

    @property
    def metrics(self) -> dict[str, Any] | None:
        """A `value` and an `update_op` Tensor per metric, by name in the signature, or None."""
        return self._metrics

    def _tensors(self) -> dict[str, Any]:
        return {**(self._loss or {}), **(self._predictions or {}), **(self._metrics or {})}

    @property
    @abc.abstractmethod
    def _method_name(self) -> str:
        """The method name of the signature."""

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The supervised signature; see `ExportOutput.as_signature_def`.

        Raises:
            ValueError: if no tensor is received.
        """
        received = _received("A supervised signature", receiver_tensors)
        info = v1.saved_model.build_tensor_info
        return v1.saved_model.build_signature_def(
            {name: info(tensor) for name, tensor in received.items()},
            {name: info(tensor) for name, tensor in self._tensors().items()},
            self._method_name,
        )


class TrainOutput(_SupervisedOutput):
    """What a training graph puts out, for a SavedModel that is trained further.

    Args:
        loss: a Tensor, a dict of Tensors, or None.
        predictions: a Tensor, a dict of Tensors, or None.
        metrics: a dict of `(value Tensor, update Tensor or Operation)` tuples or Keras Metrics, or
            None.

    Raises:
        ValueError: if a key is no string or a value is no Tensor.
        TypeError: if a metric is neither a tuple nor a Metric.
    """

    @property
    def _method_name(self) -> str:
        return "tensorflow/supervised/training"


class EvalOutput(_SupervisedOutput):
    """What an evaluation graph puts out, for a SavedModel that is evaluated further.

    Args:
        loss: a Tensor, a dict of Tensors, or None.
        predictions: a Tensor, a dict of Tensors, or None.
        metrics: a dict of `(value Tensor, update Tensor or Operation)` tuples or Keras Metrics, or
            None.

    Raises:
        ValueError: if a key is no string or a value is no Tensor.
        TypeError: if a metric is neither a tuple nor a Metric.

    Example:
        >>> with tf.Graph().as_default():
        ...     print(EvalOutput(loss=tf.constant(1.0), predictions={"label": tf.constant([3])}))
        EvalOutput(loss=float32(), predictions/label=int32(1,))
    """

    @property
    def _method_name(self) -> str:
        return "tensorflow/supervised/eval"


def _is_tensor(value: Any) -> bool:
    return isinstance(value, tf.Tensor)


def _key(subject: str, key: Any) -> str:
    """`key` as one string: tuples of strings, as nested structures give them, are joined."""
    if isinstance(key, tuple):
        for part in key:
            instance(f"Every part of the key {shown(key)} in {subject}", part, str)
        return _SEPARATOR.join(key)
    if not isinstance(key, str):
        raise wrong_value(f"Every key of {subject}", "must be a string or a tuple of strings", key)
    return key


def _with_prefix(name: str, key: str) -> str:
    return key if key.startswith(name) else f"{name}{_SEPARATOR}{key}"


def _items(value: Any, name: str, subject: str) -> Iterator[tuple[str, Any]]:
    """The entries of a dict with joined keys; anything else is one entry called `name`."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, one in value.items():
        yield _key(subject, key), one


def _named_tensors(value: Any, name: str, subject: str) -> dict[str, Any]:
    """A new dict of the Tensors in `value`, which is one, called `name`, or a dict of them."""
    named = {}
    for key, tensor in _items(value, name, subject):
        if not _is_tensor(tensor):
            raise wrong_value(f"{key} in {subject}", "must be a Tensor", tensor)
        named[key] = tensor
    return named


def _metric_pair(name: str, metric: Any) -> tuple[Any, Any]:
    if keras_metrics.is_metric(metric):
        return keras_metrics.metric_ops({name: metric})[name]
    if not isinstance(metric, tuple):
        raise wrong_type(name, "must be a (value, update_op) tuple or a Keras Metric", metric)
    if len(metric) != 2:
        raise wrong_value(name, "must have two elements, value and update_op", metric)
    return metric


def _received(subject: str, receiver_tensors: Any) -> dict[str, Any]:
    """The received tensors, checked to be a dict with string keys and something in it."""
    if receiver_tensors is None:
        raise wrong_value(subject, "needs receiver_tensors", receiver_tensors)
    instance("receiver_tensors", receiver_tensors, dict)
    if not receiver_tensors:
        raise wrong_value(subject, "needs at least one receiver tensor", receiver_tensors)
    for key in receiver_tensors:
        if not isinstance(key, (str, bytes)):
            raise wrong_type("Every key of receiver_tensors", "must be a string", key)
    return receiver_tensors


def _only_string_tensor(subject: str, receiver_tensors: Any) -> Any:
    """The one string Tensor that is received: these signatures take serialized tf.Examples only."""
    instance("receiver_tensors", receiver_tensors, dict)
    tensors = list(receiver_tensors.values())
    if len(tensors) != 1 or not _is_tensor(tensors[0]) or tensors[0].dtype != tf.string:
        raise wrong_value(
            subject,
            "must receive exactly one Tensor, of type tf.string (serialized tf.Examples)",
            receiver_tensors,
            "Use PredictOutput for other inputs.",
        )
    return tensors[0]
