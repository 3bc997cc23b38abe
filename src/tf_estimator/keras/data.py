"""What an Estimator calls features, labels and predictions, as a Keras model takes and gives it."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _keras
from tf_estimator._checks import wrong_value

# The keys with which features bring weights along.
_FEATURES, _WEIGHTS = "features", "sample_weights"


def batch(model: Any, features: Any, labels: Any) -> tuple[Any, ...]:
    """The batch that the steps of a Keras model take: (x,), (x, y) or (x, y, sample_weight).

    Args:
        model: the Keras model.
        features: a tensor, a tuple of tensors or a dict by the names of the inputs; or a dict of
            such `features` and of `sample_weights`.
        labels: as `fit` takes y; or None.

    Raises:
        ValueError: an input of the model is not among the features.
    """
    weights = None
    if isinstance(features, Mapping) and set(features) == {_FEATURES, _WEIGHTS}:
        weights = features[_WEIGHTS]
        features = features[_FEATURES]
    x = _inputs(model, features)
    if weights is not None:
        return x, labels, weights
    return (x,) if labels is None else (x, labels)


def _inputs(model: Any, features: Any) -> Any:
    """The features in the structure that the model was made with, if it has one."""
    tensors = _keras.inputs_of(model)
    if tensors is None:
        return features
    if isinstance(features, Sequence) and len(features) == 1:
        [features] = features
    if not isinstance(features, Mapping):
        if isinstance(tensors, Mapping) and tf.is_tensor(features) and len(tensors) == 1:
            return dict.fromkeys(tensors, features)
        return list(features) if isinstance(features, tuple) else features
    if isinstance(tensors, Mapping):
        return {key: _feature(features, key, tensors) for key in tensors}
    inputs = list(tensors) if isinstance(tensors, list | tuple) else [tensors]
    names = _keras.input_names_of(model, inputs)
    if len(names) == 1 and len(features) == 1:
        # Keras has named it, if the user has not: then nobody knows the name.
        return next(iter(features.values()))
    found = [_feature(features, name, names) for name in names]
    return found if isinstance(tensors, list | tuple) else found[0]


def _feature(features: Mapping[str, Any], name: str, names: Any) -> Any:
    if name not in features:
        raise wrong_value(
            "features",
            f"must have the inputs of the Keras model, {', '.join(map(repr, names))}",
            sorted(features),
            f"{name!r} is not among them.",
        )
    return features[name]


def predictions(model: Any, outputs: Any) -> dict[str, tf.Tensor]:
    """The outputs of a model by name: its own names for them, else output_1 and so on.

    Args:
        model: the Keras model.
        outputs: what it gave.
    """
    if isinstance(outputs, Mapping):
        return {
            name: one for key, value in outputs.items() for name, one in _named(str(key), value)
        }
    flat = tf.nest.flatten(outputs)
    names = _keras.output_names_of(model) or []
    if len(names) != len(flat):
        names = [f"output_{n + 1}" for n in range(len(flat))]
    return dict(zip(names, flat, strict=True))


def _named(key: str, value: Any) -> list[tuple[str, Any]]:
    flat = tf.nest.flatten(value)
    if len(flat) == 1:
        return [(key, flat[0])]
    return [(f"{key}_{n + 1}", one) for n, one in enumerate(flat)]
