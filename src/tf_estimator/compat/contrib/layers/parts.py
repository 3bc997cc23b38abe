"""What the layers have in common: variables in collections, and what follows the weights."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator.compat.contrib.framework.variables import model_variable

v1 = tf.compat.v1

Function = Callable[..., Any]


def made(name: str, collections: Any, **arguments: Any) -> Any:
    """A `model_variable`, which is added to more collections.

    Args:
        name: of the variable.
        collections: names of collections, or a dict of such lists by the names of variables.
        **arguments: of `model_variable`.
    """
    found = model_variable(name, **arguments)
    for key in (collections.get(name) if isinstance(collections, Mapping) else collections) or ():
        if not any(one is found for one in v1.get_collection(key)):
            v1.add_to_collection(key, found)
    return found


def given_out(outputs: tf.Tensor, collections: str | Iterable[str] | None) -> tf.Tensor:
    """The outputs, added to collections."""
    names = [collections] if isinstance(collections, str) else collections
    for key in names or ():
        v1.add_to_collection(key, outputs)
    return outputs


def with_bias_or_norm(
    outputs: tf.Tensor,
    bias: Callable[[tf.Tensor], tf.Tensor] | None,
    normalizer_fn: Function | None,
    normalizer_params: Mapping[str, Any] | None,
    activation_fn: Function | None,
) -> tf.Tensor:
    """What follows the weights of a layer: a normalizer or a bias, then the activation."""
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    elif bias is not None:
        outputs = bias(outputs)
    return outputs if activation_fn is None else activation_fn(outputs)


def checked_rank(inputs: tf.Tensor, layer: str, rule: str, holds: Callable[[int], bool]) -> int:
    """The rank of the inputs of a layer; ValueError if it is unknown or does not fit."""
    rank: int | None = inputs.shape.rank
    if rank is None or not holds(rank):
        raise wrong_value(f"The rank of the inputs of {layer}", rule, rank)
    return rank


def checked_size(inputs: tf.Tensor, axis: int, layer: str) -> int:
    """The size of one dimension of the inputs of a layer; ValueError if it is unknown."""
    # As a list: of TensorFlow 1 it is a Dimension otherwise.
    size: int | None = inputs.shape.as_list()[axis]
    if size is None:
        rule = f"must be known for the variables of {layer}"
        raise wrong_value(f"The dimension {axis} of the inputs", rule, inputs.shape)
    return size


@contextlib.contextmanager
def unpartitioned() -> Iterator[None]:
    """Keeps the partitioner of the variable scope from cutting variables."""
    scope = v1.get_variable_scope()
    partitioner = scope.partitioner
    scope.set_partitioner(None)
    try:
        yield
    finally:
        scope.set_partitioner(partitioner)


def constant_truth(value: Any) -> bool | None:
    """A bool, or what a Tensor is known to be; None for one that is fed or computed."""
    if isinstance(value, tf.Variable):
        return None
    if tf.is_tensor(value):
        known = tf.get_static_value(value)
        return None if known is None else bool(known)
    return bool(value)


def either(truth: Any, if_true: Function, if_false: Function) -> Any:
    """The result of one of two functions, by a bool or a scalar bool Tensor."""
    known = constant_truth(truth)
    if known is not None:
        return if_true() if known else if_false()
    return v1.cond(tf.cast(truth, tf.bool), if_true, if_false)
