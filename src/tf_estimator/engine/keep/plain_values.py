"""Numbers, texts and arrays as tokens of builtin types, equal if and only if the values are."""

import array
from typing import Any

import numpy as np

_LONG = 1 << 12


def exact(value: float) -> Any:
    """A NaN that equals itself, and a zero with its sign."""
    return value if value and value == value else float.__repr__(value)  # noqa: PLR0124


def short(value: Any) -> Any:
    """A str or bytes, or length and hash of a long one, which need not be kept alive."""
    return value if len(value) <= _LONG else (len(value), hash(value))


def _complex(value: complex) -> Any:
    parts = complex.real.__get__(value), complex.imag.__get__(value)
    return tuple(map(exact, parts))


# What an object of a class that extends one of these is as such, without its class's methods.
PLAIN_VALUE: dict[type, Any] = {
    int: int.__int__,
    str: lambda value: short(str.__str__(value)),
    bytes: lambda value: short(bytes.__getitem__(value, slice(None))),
    float: lambda value: exact(float.__float__(value)),
    complex: _complex,
    bytearray: lambda value: short(bytes(bytearray.__getitem__(value, slice(None)))),
    array.array: lambda value: (array.array.typecode.__get__(value), array.array.tobytes(value)),
    np.generic: lambda value: (np.generic.dtype.__get__(value), np.generic.tobytes(value)),
    np.dtype: lambda value: value,
}

_WHOLE_BYTES = 1 << 20
_SUMMED_BYTES = 1 << 26
_LANES = 1021  # A prime: two rows that change places fall into other lanes.


def array_token(value: np.ndarray) -> tuple[Any, ...]:
    """Dtype, shape and content of an array whose elements are no Python objects.

    Up to 1 MB: the hash of all bytes. Up to 64 MB: identity, and the sums of all bytes, as 64-bit
    numbers in 1021 lanes: every single change is noticed, and two that make up for each other in
    one lane are not. Above: identity, and 4096 elements in equal distances, for a graph cannot hold
    much more; then a change in place may go unnoticed.
    """
    size = int(np.ndarray.nbytes.__get__(value))
    shape = np.ndarray.shape.__get__(value)
    dtype = np.ndarray.dtype.__get__(value)
    if size <= 64:
        return dtype, shape, np.ndarray.tobytes(value)
    if size <= _WHOLE_BYTES:
        return dtype, shape, hash(np.ndarray.tobytes(value))
    flat = np.ndarray.flat.__get__(value)
    if size > _SUMMED_BYTES:
        step = max(1, len(flat) // 4096) | 1
        return dtype, shape, id(value), hash(flat[::step].tobytes() + flat[-1:].tobytes())
    plain = np.ascontiguousarray(np.ndarray.view(value, np.ndarray)).reshape(-1).view(np.uint8)
    row = _LANES * 8
    rows = len(plain) // row
    lanes = plain[: rows * row].view(np.uint64).reshape(rows, _LANES).sum(axis=0, dtype=np.uint64)
    return dtype, shape, id(value), hash(lanes.tobytes() + plain[rows * row :].tobytes())
