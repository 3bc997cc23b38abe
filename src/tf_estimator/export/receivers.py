"""What an input receiver function returns: the tensors a request fills, and what model_fn is given.

The class says what the exported graph is for: `ServingInputReceiver` and
`TensorServingInputReceiver` for prediction, `SupervisedInputReceiver` and
`UnsupervisedInputReceiver` for further training and evaluation.
"""

import collections
from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

from tf_estimator._checks import wrong_value

AnyTensor: TypeAlias = tf.Tensor | tf.SparseTensor | tf.RaggedTensor
TensorOrDict: TypeAlias = AnyTensor | dict[str, AnyTensor]

# Names of a tensor that is given alone.
SINGLE_FEATURE = "feature"
SINGLE_LABEL = "label"
SINGLE_RECEIVER = "input"


class ServingInputReceiver(
    collections.namedtuple(
        "ServingInputReceiver", ["features", "receiver_tensors", "receiver_tensors_alternatives"]
    )
):
    """What a serving input receiver function returns, for a model_fn that takes a dict of features.

    Args:
        features: what model_fn is given: a dict of Tensor, SparseTensor or RaggedTensor by str or
            int key, or one of them alone, which becomes `{"feature": tensor}`.
        receiver_tensors: what a request fills, in the same graph: a dict by str key, or one tensor
            alone, which becomes `{"input": tensor}`. Features are usually computed from these.
        receiver_tensors_alternatives: other places where a request may enter, say behind the
            parsing: a dict from the name of the alternative to what `receiver_tensors` may be. Each
            gives the model another set of signatures, called `<alternative>:<signature>`. None for
            none.

    Raises:
        ValueError: something is missing, is no tensor, or has a key of another type.

    Example:
        >>> with tf.Graph().as_default():
        ...     text = tf.compat.v1.placeholder(tf.string, [None])
        ...     receiver = ServingInputReceiver({"age": tf.strings.to_number(text)}, text)
        >>> sorted(receiver.features), sorted(receiver.receiver_tensors)
        (['age'], ['input'])
    """

    __slots__ = ()

    def __new__(
        cls,
        features: TensorOrDict | dict[int, AnyTensor],
        receiver_tensors: TensorOrDict,
        receiver_tensors_alternatives: dict[str, TensorOrDict] | None = None,
    ) -> "ServingInputReceiver":
        """Checks the arguments and names tensors that are given alone."""
        return super().__new__(
            cls,
            _features_by_name(features),
            _receivers_by_name("receiver_tensors", receiver_tensors),
            _alternatives(receiver_tensors_alternatives),
        )


class TensorServingInputReceiver(
    collections.namedtuple(
        "TensorServingInputReceiver",
        ["features", "receiver_tensors", "receiver_tensors_alternatives"],
    )
):
    """What a serving input receiver function returns, for a model_fn whose features are one tensor.

    `ServingInputReceiver` makes a dict of a feature that is given alone; here it stays as it is.

    Args:
        features: the Tensor, SparseTensor or RaggedTensor that model_fn is given.
        receiver_tensors: see `ServingInputReceiver`.
        receiver_tensors_alternatives: see `ServingInputReceiver`.

    Raises:
        ValueError: something is missing, is no tensor, or has a key of another type.

    Example:
        >>> with tf.Graph().as_default():
        ...     pixels = tf.compat.v1.placeholder(tf.float32, [None, 64], name="pixels")
        ...     TensorServingInputReceiver(pixels, pixels).features.name
        'pixels:0'
    """

    __slots__ = ()

    def __new__(
        cls,
        features: AnyTensor,
        receiver_tensors: TensorOrDict,
        receiver_tensors_alternatives: dict[str, TensorOrDict] | None = None,
    ) -> "TensorServingInputReceiver":
        """Checks the arguments and names receiver tensors that are given alone."""
        _check_defined("features", features)
        if not _is_tensor(features):
            raise wrong_value(
                "features of TensorServingInputReceiver",
                _TENSOR_RULE,
                features,
                "For a dict of features use ServingInputReceiver.",
            )
        return super().__new__(
            cls,
            features,
            _receivers_by_name("receiver_tensors", receiver_tensors),
            _alternatives(receiver_tensors_alternatives),
        )


class SupervisedInputReceiver(
    collections.namedtuple("SupervisedInputReceiver", ["features", "labels", "receiver_tensors"])
):
    """What an input receiver function returns for a graph that is trained or evaluated further.

    Args:
        features: what model_fn is given: a dict of Tensor, SparseTensor or RaggedTensor by str or
            int key, or one of them alone. Stays as it is.
        labels: the same for labels.
        receiver_tensors: what a caller fills, a dict by str key, or one tensor alone, which becomes
            `{"input": tensor}`.

    Raises:
        ValueError: something is missing, is no tensor, or has a key of another type.

    Example:
        >>> with tf.Graph().as_default():
        ...     x, y = (tf.compat.v1.placeholder(tf.float32, [None], name=name) for name in "xy")
        ...     SupervisedInputReceiver({"x": x}, y, {"x": x, "label": y}).labels.name
        'y:0'
    """

    __slots__ = ()

    def __new__(
        cls,
        features: TensorOrDict | dict[int, AnyTensor],
        labels: TensorOrDict | dict[int, AnyTensor],
        receiver_tensors: TensorOrDict,
    ) -> "SupervisedInputReceiver":
        """Checks the arguments and names receiver tensors that are given alone."""
        for subject, single, value in (
            ("features", SINGLE_FEATURE, features),
            ("labels", SINGLE_LABEL, labels),
        ):
            _by_name(subject, value, single, _check_feature_key)
        return super().__new__(
            cls, features, labels, _receivers_by_name("receiver_tensors", receiver_tensors)
        )


class UnsupervisedInputReceiver(
    collections.namedtuple(
        "UnsupervisedInputReceiver",
        ["features", "receiver_tensors", "receiver_tensors_alternatives"],
    )
):
    """What an input receiver function returns for a graph that is trained further without labels.

    Args:
        features: see `ServingInputReceiver`.
        receiver_tensors: see `ServingInputReceiver`.

    Raises:
        ValueError: something is missing, is no tensor, or has a key of another type.
    """

    __slots__ = ()

    def __new__(
        cls, features: TensorOrDict | dict[int, AnyTensor], receiver_tensors: TensorOrDict
    ) -> "UnsupervisedInputReceiver":
        """Checks the arguments and names tensors that are given alone."""
        return super().__new__(
            cls,
            _features_by_name(features),
            _receivers_by_name("receiver_tensors", receiver_tensors),
            None,
        )


_TENSOR_RULE = "must be a Tensor, SparseTensor, or RaggedTensor"


def _is_tensor(value: Any) -> bool:
    return isinstance(value, tf.Tensor | tf.SparseTensor | tf.RaggedTensor)


def _check_defined(subject: str, value: Any) -> None:
    if value is None:
        raise wrong_value(subject, "must be defined", value)


def _check_feature_key(subject: str, key: Any) -> None:
    if not isinstance(key, str | int):
        raise wrong_value(f"{subject} keys", "must be strings or ints", key)


def _check_receiver_key(subject: str, key: Any) -> None:
    if not isinstance(key, str):
        raise wrong_value(f"{subject} keys", "must be strings", key)


def _by_name(
    subject: str, value: Any, single: str, check_key: Callable[[str, Any], None]
) -> dict[Any, AnyTensor]:
    """`value` if it is a dict of tensors, `{single: value}` if it is one tensor."""
    _check_defined(subject, value)
    named = value if isinstance(value, dict) else {single: value}
    for key, tensor in named.items():
        check_key(subject, key)
        if not _is_tensor(tensor):
            raise wrong_value(f"{subject}[{key!r}]", _TENSOR_RULE, tensor)
    return named


def _features_by_name(features: Any) -> dict[Any, AnyTensor]:
    return _by_name("features", features, SINGLE_FEATURE, _check_feature_key)


def _receivers_by_name(subject: str, tensors: Any) -> dict[str, AnyTensor]:
    return _by_name(subject, tensors, SINGLE_RECEIVER, _check_receiver_key)


def _alternatives(alternatives: Any) -> dict[str, dict[str, AnyTensor]] | None:
    if alternatives is None:
        return None
    subject = "receiver_tensors_alternatives"
    if not isinstance(alternatives, dict):
        raise wrong_value(subject, "must be a dict", alternatives)
    # A new dict: naming a tensor that is given alone must not change the caller's.
    return {
        name: _receivers_by_name(f"{subject}[{name!r}]", tensors)
        for name, tensors in alternatives.items()
    }
