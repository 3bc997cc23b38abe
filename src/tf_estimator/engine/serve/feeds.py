"""What a request must look like, and how its values become the arrays that are fed.

The look is compiled once into a tree of small checks; a request whose arrays have the right types
already costs about a microsecond for each feature, and nothing is copied.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import numpy as np
import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1

_SPARSE_VALUES = (v1.SparseTensorValue, tf.SparseTensor)
_RAGGED_VALUES = (v1.ragged.RaggedTensorValue, tf.RaggedTensor)

# A number may become one of a later kind: no value changes more than a rounding does.
_BOOL, _INTEGER, _FLOAT, _COMPLEX = range(4)
_KIND_OF_NUMPY: Final = {"b": _BOOL, "i": _INTEGER, "u": _INTEGER, "f": _FLOAT, "c": _COMPLEX}


class Feeds:
    """The tensors of a graph that a request fills, and the check of what it fills them with.

    Args:
        subject: what errors call the whole, as "features".
        tensors: a Tensor, SparseTensor or RaggedTensor, or dicts, lists or tuples of them.

    Attributes:
        structure: `tensors`.
        tensors: all dense tensors that are fed, in the order of `arrays`.
    """

    def __init__(self, subject: str, tensors: Any) -> None:
        self.structure = tensors
        self._root = _part(subject, tensors)
        self.tensors: list[tf.Tensor] = []
        self._root.list_tensors(self.tensors)

    def arrays(self, values: Any) -> list[np.ndarray]:
        """The arrays to feed.

        Args:
            values: array-likes in the structure of the tensors; for sparse and ragged ones
                `tf.compat.v1.SparseTensorValue` and `RaggedTensorValue`, or eager tensors.

        Raises:
            TypeError: a value has another type, or a dtype that the tensor's cannot hold.
            ValueError: one is missing or unknown, has another shape, or is too large.
        """
        arrays: list[np.ndarray] = []
        self._root.take(values, arrays)
        return arrays


class _Part(Protocol):
    """One node of the tree."""

    def list_tensors(self, tensors: list[tf.Tensor]) -> None:
        """Appends the tensors that it fills."""

    def take(self, value: Any, arrays: list[np.ndarray]) -> None:
        """Checks a value and appends as many arrays; raises for what does not fit."""


class _Dense:
    """One tensor."""

    def __init__(self, subject: str, tensor: tf.Tensor) -> None:
        self._subject, self._tensor = subject, tensor
        dtype = tensor.dtype.base_dtype
        self._is_text = dtype == tf.string
        kind = _kind_of(dtype)
        if kind is None and not self._is_text:
            raise NotImplementedError(
                f"{subject} must be of numbers, bools or strings to be fed; received {tensor}."
            )
        self._kind = _BOOL if kind is None else kind
        self._dtype = np.dtype(dtype.as_numpy_dtype)
        rank = tensor.shape.rank
        self._rank = rank
        sizes = [] if rank is None else tensor.shape.as_list()
        self._fixed = tuple((axis, size) for axis, size in enumerate(sizes) if size is not None)

    def list_tensors(self, tensors: list[tf.Tensor]) -> None:
        tensors.append(self._tensor)

    def take(self, value: Any, arrays: list[np.ndarray]) -> None:
        if type(value) is not np.ndarray or value.dtype != self._dtype:
            value = self._text(value) if self._is_text else self._numbers(value)
        if self._is_text:
            self._check_text(value)
        if self._rank is not None:
            shape = value.shape
            if len(shape) != self._rank:
                raise self._wrong_shape(value)
            for axis, size in self._fixed:
                if shape[axis] != size:
                    raise self._wrong_shape(value)
        arrays.append(value)

    def _numbers(self, value: Any) -> np.ndarray:
        array = self._array(value, None)
        kind = _KIND_OF_NUMPY.get(array.dtype.kind)
        if array.dtype.kind == "V" and array.dtype != self._dtype:  # bfloat16 and the like
            kind = _kind_of(tf.as_dtype(array.dtype))
        if not array.size and array.ndim == 1:  # An empty list, of which NumPy makes floats.
            kind = _BOOL
        if kind is None or kind > self._kind:
            raise _checks.wrong_type(self._subject, f"must be of {self._look()}", value)
        converted = array.astype(self._dtype, copy=False)
        if kind == _INTEGER == self._kind and not np.array_equal(converted, array):
            raise _checks.wrong_value(
                self._subject, f"must hold what fits into {self._look()}", value
            )
        return converted

    def _text(self, value: Any) -> np.ndarray:
        return self._array(value, object)

    def _array(self, value: Any, dtype: Any) -> np.ndarray:
        try:
            # As objects, strings keep zero bytes at their end, which serialized protos may have.
            return np.asarray(value, dtype=dtype)
        except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
            # Rows of different lengths, or a tensor of a graph.
            raise _checks.wrong_type(
                self._subject, f"must be an array of {self._look()}", value, f"NumPy: {error}"
            ) from None

    def _check_text(self, array: np.ndarray) -> None:
        for element in array.flat:
            if not isinstance(element, bytes | str):
                raise _checks.wrong_type(self._subject, f"must be of {self._look()}", element)

    def _wrong_shape(self, value: np.ndarray) -> ValueError:
        hint = ""
        if self._rank is not None and value.ndim == self._rank - 1 and 0 not in dict(self._fixed):
            hint = "The first dimension is the batch: for one example write array[None]."
        return _checks.wrong_value(
            self._subject, f"must have the shape {self._shape()}, not {[*value.shape]}", value, hint
        )

    def _look(self) -> str:
        return f"{self._tensor.dtype.base_dtype.name}, of shape {self._shape()}"

    def _shape(self) -> str:
        return "any" if self._rank is None else str(self._tensor.shape.as_list())


class _Sparse:
    """A SparseTensor: three dense ones."""

    def __init__(self, subject: str, tensor: tf.SparseTensor) -> None:
        self._subject, self._shape = subject, tensor.shape
        self._parts = tuple(
            (name, _Dense(f"{subject}.{name}", getattr(tensor, name)))
            for name in ("indices", "values", "dense_shape")
        )

    def list_tensors(self, tensors: list[tf.Tensor]) -> None:
        for _, part in self._parts:
            part.list_tensors(tensors)

    def take(self, value: Any, arrays: list[np.ndarray]) -> None:
        if not isinstance(value, _SPARSE_VALUES):
            raise _checks.wrong_type(
                self._subject, "must be a tf.compat.v1.SparseTensorValue or tf.SparseTensor", value
            )
        for name, part in self._parts:
            part.take(getattr(value, name), arrays)
        if not self._shape.is_compatible_with(arrays[-1].tolist()):
            raise _checks.wrong_value(
                f"{self._subject}.dense_shape", f"must be {self._shape}", arrays[-1].tolist()
            )


class _Ragged:
    """A RaggedTensor: its values, and where the rows of each ragged dimension begin."""

    def __init__(self, subject: str, tensor: tf.RaggedTensor) -> None:
        self._subject = subject
        self._values = _Dense(f"{subject}.flat_values", tensor.flat_values)
        self._splits = tuple(
            _Dense(f"{subject}.nested_row_splits[{n}]", splits)
            for n, splits in enumerate(tensor.nested_row_splits)
        )

    def list_tensors(self, tensors: list[tf.Tensor]) -> None:
        for part in (self._values, *self._splits):
            part.list_tensors(tensors)

    def take(self, value: Any, arrays: list[np.ndarray]) -> None:
        if not isinstance(value, _RAGGED_VALUES):
            raise _checks.wrong_type(
                self._subject,
                "must be a tf.compat.v1.ragged.RaggedTensorValue or tf.RaggedTensor",
                value,
                "tf.compat.v1.ragged.constant_value makes one of nested lists.",
            )
        if len(value.nested_row_splits) != len(self._splits):
            raise _checks.wrong_value(
                self._subject, f"must have {len(self._splits)} ragged dimensions", value
            )
        self._values.take(value.flat_values, arrays)
        for part, splits in zip(self._splits, value.nested_row_splits, strict=True):
            part.take(splits, arrays)


class _Dict:
    """Values by key."""

    def __init__(self, subject: str, tensors: Mapping[Any, Any]) -> None:
        self._subject = subject
        self._parts = tuple(
            (key, _part(f"{subject}[{key!r}]", tensor)) for key, tensor in tensors.items()
        )
        self._keys = frozenset(tensors)

    def list_tensors(self, tensors: list[tf.Tensor]) -> None:
        for _, part in self._parts:
            part.list_tensors(tensors)

    def take(self, value: Any, arrays: list[np.ndarray]) -> None:
        if not isinstance(value, Mapping):
            raise _checks.wrong_type(self._subject, f"must be a dict with {self._listed()}", value)
        if value.keys() != self._keys:
            raise self._wrong_keys(value)
        for key, part in self._parts:
            part.take(value[key], arrays)

    def _wrong_keys(self, value: Mapping[Any, Any]) -> ValueError:
        missing = [key for key in self._keys if key not in value]
        unknown = [key for key in value if key not in self._keys]
        missed = f"Missing: {', '.join(sorted(map(repr, missing)))}. " if missing else ""
        extra = f"Unknown: {', '.join(sorted(map(repr, unknown)))}." if unknown else ""
        rule = f"must have exactly {self._listed()}"
        return _checks.wrong_value(self._subject, rule, list(value), f"{missed}{extra}".strip())

    def _listed(self) -> str:
        return f"the keys {', '.join(sorted(map(repr, self._keys)))}"


class _Sequence:
    """Values by place."""

    def __init__(self, subject: str, tensors: Iterable[Any]) -> None:
        self._subject = subject
        self._parts = tuple(_part(f"{subject}[{n}]", tensor) for n, tensor in enumerate(tensors))

    def list_tensors(self, tensors: list[tf.Tensor]) -> None:
        for part in self._parts:
            part.list_tensors(tensors)

    def take(self, value: Any, arrays: list[np.ndarray]) -> None:
        rule = f"must be a list or tuple of length {len(self._parts)}"
        if not isinstance(value, list | tuple):
            raise _checks.wrong_type(self._subject, rule, value)
        if len(value) != len(self._parts):
            raise _checks.wrong_value(self._subject, rule, value)
        for part, each in zip(self._parts, value, strict=True):
            part.take(each, arrays)


def _part(subject: str, tensors: Any) -> _Part:
    if isinstance(tensors, Mapping):
        return _Dict(subject, tensors)
    if isinstance(tensors, list | tuple):
        return _Sequence(subject, tensors)
    if isinstance(tensors, tf.SparseTensor):
        return _Sparse(subject, tensors)
    if isinstance(tensors, tf.RaggedTensor):
        return _Ragged(subject, tensors)
    return _Dense(subject, tensors)


def _kind_of(dtype: tf.DType) -> int | None:
    kinds = (dtype.is_bool, dtype.is_integer, dtype.is_floating, dtype.is_complex)
    return next((kind for kind, is_it in enumerate(kinds) if is_it), None)
