"""Placeholders, from a description of features or from examples of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1


def placeholders(subject: str, look: Any) -> Any:
    """Placeholders in the current graph, in the structure of what describes them.

    Args:
        subject: what errors call the whole, as "features".
        look: a TensorSpec, SparseTensorSpec or RaggedTensorSpec, or an example, of which the dtype
            and all dimensions but the first are taken (an array, a list of numbers or strings, a
            tensor); or dicts of these, or lists or tuples that hold a spec.

    Returns:
        The same structure with a Tensor, SparseTensor or RaggedTensor for each leaf.

    Raises:
        TypeError: something describes no tensor.
        ValueError: an example has no batch dimension.
        NotImplementedError: a spec is of another kind.
    """
    if isinstance(look, Mapping):
        return {key: placeholders(f"{subject}[{key!r}]", each) for key, each in look.items()}
    if isinstance(look, list | tuple) and _holds_spec(look):
        made = [placeholders(f"{subject}[{n}]", each) for n, each in enumerate(look)]
        return type(look)(*made) if hasattr(look, "_fields") else type(look)(made)
    return _of_spec(subject, look if isinstance(look, tf.TypeSpec) else _spec_of(subject, look))


def _holds_spec(look: Any) -> bool:
    if isinstance(look, Mapping):
        return any(map(_holds_spec, look.values()))
    if isinstance(look, v1.SparseTensorValue):  # which is a tuple
        return False
    if isinstance(look, list | tuple):
        return any(map(_holds_spec, look))
    return isinstance(look, tf.TypeSpec)


def _of_spec(subject: str, spec: tf.TypeSpec) -> Any:
    # Without names: those of the model's variables must not change, and they share one space.
    if isinstance(spec, tf.SparseTensorSpec):
        return v1.sparse_placeholder(spec.dtype, None if spec.shape.rank is None else spec.shape)
    if isinstance(spec, tf.RaggedTensorSpec) and spec.ragged_rank:
        shape = spec.shape[spec.ragged_rank + 1 :] if spec.shape.rank is not None else None
        values = v1.placeholder(spec.dtype, None if shape is None else [None, *shape])
        splits = [v1.placeholder(spec.row_splits_dtype, [None]) for _ in range(spec.ragged_rank)]
        return tf.RaggedTensor.from_nested_row_splits(values, splits, validate=False)
    if isinstance(spec, tf.TensorSpec | tf.RaggedTensorSpec):
        return v1.placeholder(spec.dtype, spec.shape)
    raise NotImplementedError(
        f"{subject} must be described by a TensorSpec, SparseTensorSpec or RaggedTensorSpec; "
        f"received {_checks.shown(spec)}."
    )


def _spec_of(subject: str, example: Any) -> tf.TypeSpec:
    """The spec of a batch of any size of what `example` is a batch of."""
    if isinstance(example, v1.SparseTensorValue | tf.SparseTensor):
        return tf.SparseTensorSpec([None] * len(example.dense_shape), example.values.dtype)
    if isinstance(example, v1.ragged.RaggedTensorValue | tf.RaggedTensor):
        ragged_rank = len(example.nested_row_splits)
        shape = [*[None] * (ragged_rank + 1), *example.flat_values.shape[1:]]
        splits_dtype = example.nested_row_splits[0].dtype
        return tf.RaggedTensorSpec(shape, example.flat_values.dtype, ragged_rank, splits_dtype)
    if tf.is_tensor(example):
        dtype, shape = example.dtype, example.shape
    else:
        dtype, shape = _dtype_and_shape(subject, example)
    if shape.rank == 0:
        raise _checks.wrong_value(
            subject,
            "must have a batch dimension, for it is an example of a batch",
            example,
            "Write [value], or for a scalar that is no batch tf.TensorSpec([], dtype).",
        )
    return tf.TensorSpec(None if shape.rank is None else [None, *shape[1:]], dtype)


def _dtype_and_shape(subject: str, example: Any) -> tuple[tf.DType, tf.TensorShape]:
    """Those that a tf.data.Dataset of it would have: float32 for floats in a list."""
    rule = "must be a TensorSpec, an array, or a dict of these"
    if example is None or callable(example):
        raise _checks.wrong_type(subject, rule, example)
    shape = None
    if isinstance(example, np.ndarray) and example.ndim:
        shape, example = example.shape, example[:1]  # A large one need not be copied.
    try:
        proto = v1.make_tensor_proto(example)
    except (TypeError, ValueError) as error:
        raise _checks.wrong_type(subject, rule, example, f"TensorFlow: {error}") from None
    found = proto.tensor_shape if shape is None else shape
    return tf.as_dtype(proto.dtype), tf.TensorShape(found)
