"""Input receiver functions ready made: of parsed tf.Examples, and of the features as they are.

Each `build_` function returns a function without arguments, which is called in the graph that is
exported.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import callable_, wrong_type, wrong_value
from tf_estimator._tf import v1
from tf_estimator.export.receivers import (
    SINGLE_LABEL,
    SINGLE_RECEIVER,
    ServingInputReceiver,
    SupervisedInputReceiver,
)

# The kinds of value that have a static shape and dtype; a Variable is one to copy those from as
# well.
_Shaped = tf.Tensor | tf.SparseTensor | tf.RaggedTensor | tf.Variable


def build_parsing_serving_input_receiver_fn(
    feature_spec: dict[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """Builds a function that receives serialized `tf.train.Example`s and parses them into features.

    The request's tensor is called `examples`; classify and regress signatures need exactly this
    kind.

    Args:
        feature_spec: a dict from feature name to `tf.io.FixedLenFeature`, `VarLenFeature`,
            `RaggedFeature`, `SparseFeature` or `FixedLenSequenceFeature`, as for
            `tf.io.parse_example`.
        default_batch_size: how many examples a request holds; None for any number.

    Returns:
        A function that returns a `ServingInputReceiver` whose receiver tensor is a string Tensor of
        shape `[default_batch_size]`.

    Raises:
        TypeError: feature_spec is no dict, or default_batch_size no integer.
        ValueError: feature_spec is None or empty, or default_batch_size negative.

    Example:
        >>> receiver_fn = build_parsing_serving_input_receiver_fn(
        ...     {"age": tf.io.FixedLenFeature([], tf.float32)}
        ... )
        >>> with tf.Graph().as_default():
        ...     receiver_fn().receiver_tensors["examples"].name
        'input_example_tensor:0'
    """
    subject, rule = "feature_spec", "must be a dict with at least one feature"
    if not isinstance(feature_spec, dict | None):
        raise wrong_type(subject, rule, feature_spec)
    if not feature_spec:
        raise wrong_value(subject, rule, feature_spec)
    _check_batch_size(default_batch_size)

    def serving_input_receiver_fn() -> ServingInputReceiver:
        examples = v1.placeholder(tf.string, [default_batch_size], name="input_example_tensor")
        features = tf.io.parse_example(examples, feature_spec)
        return ServingInputReceiver(features, {"examples": examples})

    return serving_input_receiver_fn


def build_raw_serving_input_receiver_fn(
    features: dict[str, tf.Tensor], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """Builds a function that receives the features themselves.

    Only the dtype, the shape and, in a graph, the name of each tensor are used. The first dimension
    becomes `default_batch_size`; a scalar becomes a vector; a sparse or ragged tensor is received
    dense.

    Args:
        features: a dict of tensors by str key, of any graph, or eager.
        default_batch_size: the first dimension of what is received; None for any.

    Returns:
        A function that returns a `ServingInputReceiver` whose receiver tensors are its features.

    Raises:
        TypeError: features is no dict of tensors, or default_batch_size no integer.
        ValueError: default_batch_size is negative; at the call: a key is no string.

    Example:
        >>> receiver_fn = build_raw_serving_input_receiver_fn({"pixels": tf.zeros([1, 64])})
        >>> with tf.Graph().as_default():
        ...     receiver_fn().features["pixels"].shape
        TensorShape([None, 64])
    """
    if not isinstance(features, dict):
        raise wrong_type("features", "must be a dict of tensors", features)
    _check_shaped("features", features)
    _check_batch_size(default_batch_size)

    def serving_input_receiver_fn() -> ServingInputReceiver:
        placeholders = _placeholders(features, default_batch_size)
        return ServingInputReceiver(placeholders, placeholders)

    return serving_input_receiver_fn


def build_raw_supervised_input_receiver_fn(
    features: Any, labels: Any, default_batch_size: int | None = None
) -> Callable[[], SupervisedInputReceiver]:
    """Builds a function that receives features and labels, to train or evaluate further with.

    A tensor that is given alone is received as `input` if it is the features, and as `label` if it
    is the labels. See `build_raw_serving_input_receiver_fn` for what is used of the tensors.

    Args:
        features: a tensor, or a dict of tensors by str key, of any graph, or eager.
        labels: the same for the labels.
        default_batch_size: the first dimension of what is received; None for any.

    Returns:
        A function that returns a `SupervisedInputReceiver`.

    Raises:
        TypeError: features or labels are neither tensor nor dict of tensors, or default_batch_size
            is no integer.
        ValueError: features and labels share a key, or default_batch_size is negative; at the call:
            a key is no string.

    Example:
        >>> receiver_fn = build_raw_supervised_input_receiver_fn(
        ...     {"pixels": tf.zeros([1, 64])}, tf.zeros([1], tf.int64)
        ... )
        >>> with tf.Graph().as_default():
        ...     sorted(receiver_fn().receiver_tensors)
        ['label', 'pixels']
    """
    for subject, value in (("features", features), ("labels", labels)):
        _check_shaped(subject, value)
    _check_batch_size(default_batch_size)
    shared = _named(features, SINGLE_RECEIVER).keys() & _named(labels, SINGLE_LABEL).keys()
    if shared:
        raise wrong_value(
            "features and labels", "must have distinct keys", sorted(shared, key=str), "Rename one."
        )

    def supervised_input_receiver_fn() -> SupervisedInputReceiver:
        x = _placeholders(features, default_batch_size)
        y = _placeholders(labels, default_batch_size)
        received = {**_named(x, SINGLE_RECEIVER), **_named(y, SINGLE_LABEL)}
        return SupervisedInputReceiver(x, y, received)

    return supervised_input_receiver_fn


def build_supervised_input_receiver_fn_from_input_fn(
    input_fn: Callable[..., Any], **input_fn_args: Any
) -> Callable[[], SupervisedInputReceiver]:
    """Builds a function that receives what an input_fn would give; `input_fn` is called once, here.

    Args:
        input_fn: returns (features, labels), or a tf.data.Dataset of such pairs.
        **input_fn_args: the arguments it is called with.

    Returns:
        A function that returns a `SupervisedInputReceiver`.

    Raises:
        TypeError: input_fn is not callable, or the features or labels are no tensors.
        ValueError: input_fn returns no pair of features and labels, or these share a key.

    Example:
        >>> def input_fn():
        ...     return tf.data.Dataset.from_tensors(({"age": [20.0, 30.0]}, [0, 1]))
        >>> receiver_fn = build_supervised_input_receiver_fn_from_input_fn(input_fn)
        >>> with tf.Graph().as_default():
        ...     receiver_fn().labels.dtype.name
        'int32'
    """
    callable_("input_fn", input_fn)
    # The data is not wanted, only its shapes and names, so its graph is dropped.
    with tf.Graph().as_default():
        result = input_fn(**input_fn_args)
        if isinstance(result, tf.data.Dataset):
            result = v1.data.make_initializable_iterator(result).get_next()
    if not isinstance(result, list | tuple) or len(result) != 2 or result[1] is None:
        raise wrong_value(
            "What input_fn returns",
            "must be a pair (features, labels), or a Dataset of such pairs",
            result,
            "A model that takes no labels can be exported for prediction only.",
        )
    return build_raw_supervised_input_receiver_fn(*result)


def _named(value: Any, single: str) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {single: value}


def _check_shaped(subject: str, value: Any) -> None:
    for key, tensor in _named(value, "").items():
        if not isinstance(tensor, _Shaped):
            where = f"{subject}[{key!r}]" if isinstance(value, dict) else subject
            raise wrong_type(
                where, "must be a tensor", tensor, "Make one with tf.constant or tf.zeros."
            )


def _check_batch_size(size: Any) -> None:
    try:
        tf.TensorShape([size])
    except (TypeError, ValueError) as error:
        wrong = wrong_type if isinstance(error, TypeError) else wrong_value
        rule = "must be an integer of at least 0, or None for any size"
        raise wrong("default_batch_size", rule, size) from None


def _placeholders(value: Any, batch_size: int | None) -> Any:
    """A placeholder for each tensor, in the current graph, in the same structure."""
    if isinstance(value, dict):
        return {key: _placeholder(tensor, batch_size) for key, tensor in value.items()}
    return _placeholder(value, batch_size)


def _placeholder(tensor: Any, batch_size: int | None) -> tf.Tensor:
    shape = tensor.shape
    if shape.rank is not None:
        shape = tf.TensorShape([batch_size]).concatenate(shape[1:])
    return v1.placeholder(tensor.dtype, shape, name=_graph_name(tensor))


def _graph_name(tensor: Any) -> str | None:
    """The name of the op that made `tensor`; None for one that is eager or ragged."""
    try:
        return tensor.op.name
    except AttributeError:  # eager tensors and variables have no op, and say so in this way
        return None
