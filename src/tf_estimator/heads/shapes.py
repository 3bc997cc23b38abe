"""Checks of logits, labels and weights against each other.

They are made on what is known when the graph is built, and the rest when it runs. A batch of
shape [D0, D1, ... DN] has logits of shape [D0, D1, ... DN, logits_dimension].
"""

from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator._tf import is_eager


def require(ok: Any, message: str, tensor: tf.Tensor, shown: Any = None) -> tf.Tensor:
    """`tensor`, which cannot be had unless the boolean tensor `ok` is true.

    Args:
        ok: a scalar boolean Tensor.
        message: a sentence that ends in what was received.
        tensor: what is returned.
        shown: a Tensor to show behind the message; `tensor` if None.

    Raises:
        ValueError: in eager execution. In a graph it is InvalidArgumentError, when it runs.
    """
    shown = tensor if shown is None else shown
    ok = tf.convert_to_tensor(ok)
    if is_eager(ok):
        if not bool(ok):
            raise ValueError(f"{message} {shown.numpy().tolist()}.")
        return tensor
    with tf.control_dependencies([tf.debugging.Assert(ok, [message, shown], summarize=20)]):
        return tf.identity(tensor)


def logits_of(logits: Any, dimension: int) -> tf.Tensor:
    """The logits as floats, checked to be of shape [D0, D1, ... DN, dimension].

    Raises:
        ValueError: if they are None, have a rank below 2 or another last dimension.
    """
    rule = f"must have the shape [D0, D1, ... DN, {dimension}]"
    if logits is None or isinstance(logits, dict):
        raise wrong_value("logits", "must be a Tensor", logits)
    logits = tf.cast(tf.convert_to_tensor(logits, name="logits"), tf.float32)
    rank = logits.shape.rank
    if rank is None:
        shape = tf.shape(logits)
        ok = tf.logical_and(tf.rank(logits) >= 2, tf.equal(shape[-1:], [dimension])[0])
        return require(ok, f"logits {rule}; received the shape", logits, shape)
    size = logits.shape.as_list()[-1] if rank else None
    if rank < 2 or size not in (None, dimension):
        raise ValueError(f"logits {rule}; received the shape {logits.shape}.")
    if size is None:
        shape = tf.shape(logits)
        logits = require(
            tf.equal(shape[-1], dimension), f"logits {rule}; received the shape", logits, shape
        )
        logits.set_shape([*logits.shape[:-1], dimension])
    return logits


def align(subject: str, tensor: tf.Tensor, logits: tf.Tensor, dimensions: tuple[int, ...]) -> Any:
    """`tensor` with one row of values for each row of logits.

    Args:
        subject: what it is, for messages: "labels", or "The weights 'w'".
        tensor: a Tensor of shape [D0, D1, ... DN, d], d one of `dimensions`. If d may be 1, the
            last dimension may be missing; it is added.
        logits: a Tensor of shape [D0, D1, ... DN, logits_dimension].
        dimensions: the values per row that are allowed.

    Raises:
        ValueError: if the shapes are known not to agree; else it is an error when the graph runs.
    """
    rows, rank = logits.shape[:-1], logits.shape.rank
    rule = _rule(subject, logits, dimensions)
    if tensor.shape.rank is None or rank is None:
        return _align_when_run(rule, tensor, logits, dimensions)
    if 1 in dimensions and tensor.shape.rank == rank - 1:
        tensor = tf.expand_dims(tensor, -1)
    expected = [tf.TensorShape([*rows, d]) for d in dimensions]
    fitting = [one for one in expected if tensor.shape.is_compatible_with(one)]
    if not fitting:
        raise ValueError(f"{rule}; received the shape {tensor.shape}.")
    if tensor.shape.is_fully_defined() and rows.is_fully_defined():
        return tensor
    shape = tf.shape(tensor)
    fits = tf.reduce_all(tf.equal(shape[:-1], tf.shape(logits)[:-1]))
    if tensor.shape.as_list()[-1] is None:
        fits &= tf.reduce_any(tf.equal(shape[-1], dimensions))
    aligned = require(fits, f"{rule}; received the shape", tensor, shape)
    if len(fitting) == 1:
        aligned.set_shape(fitting[0])
    return aligned


def _rule(subject: str, logits: tf.Tensor, dimensions: tuple[int, ...]) -> str:
    shapes = [f"[D0, D1, ... DN, {d}]" for d in dimensions]
    if 1 in dimensions:
        shapes.insert(0, "[D0, D1, ... DN]")
    return (
        f"{subject} must have the shape {' or '.join(shapes)} that fits logits of shape "
        f"{logits.shape}"
    )


def _align_when_run(rule: str, tensor: Any, logits: Any, dimensions: tuple[int, ...]) -> Any:
    """`align` where a rank is not known when the graph is built."""
    rows, received = tf.shape(logits)[:-1], tf.shape(tensor)
    allowed = [tf.concat([rows, [one]], 0) for one in dimensions]
    shape = received
    if 1 in dimensions:
        missing = tf.rank(tensor) < tf.rank(logits)
        shape = tf.concat([received, tf.ones([tf.cast(missing, tf.int32)], tf.int32)], 0)
    fits = tf.reduce_any([_same(shape, one) for one in allowed])
    aligned = tf.reshape(require(fits, f"{rule}; received the shape", tensor, received), shape)
    if len(dimensions) == 1 and logits.shape.rank is not None:
        aligned.set_shape([*logits.shape[:-1], dimensions[0]])
    return aligned


def _same(shape: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Whether two shapes, which may differ in rank, are the same."""
    # As text: lists of different length cannot be compared element by element.
    return tf.equal(
        *(tf.strings.reduce_join(tf.as_string(one), separator=",") for one in (shape, other))
    )
