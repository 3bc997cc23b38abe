"""Convolutions and pooling."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator.compat.contrib.framework.arg_scopes import add_arg_scope
from tf_estimator.compat.contrib.layers import parts
from tf_estimator.compat.contrib.layers.initializers import xavier_initializer

v1 = tf.compat.v1

# By the number of spatial dimensions: channels at the end, and behind the batch.
_FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


@add_arg_scope
def convolution(
    inputs: Any,
    num_outputs: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: int | Sequence[int] = 1,
    activation_fn: Callable[..., Any] | None = tf.nn.relu,
    normalizer_fn: Callable[..., Any] | None = None,
    normalizer_params: Mapping[str, Any] | None = None,
    weights_initializer: Any = xavier_initializer(),  # noqa: B008 - shared, as it has no state
    weights_regularizer: Callable[..., Any] | None = None,
    biases_initializer: Any = v1.zeros_initializer(),  # noqa: B008
    biases_regularizer: Callable[..., Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    conv_dims: int | None = None,
) -> tf.Tensor:
    """A convolution, a bias, and an activation.

    Variables: `weights`, of shape [*kernel_size, channels, num_outputs], and `biases`, in the scope
    `Conv`.

    Args:
        inputs: a Tensor of rank 3, 4 or 5.
        num_outputs: how many filters.
        kernel_size: of the filters: an integer, or one for each spatial dimension.
        stride: as kernel_size.
        padding: "SAME" or "VALID".
        data_format: "NHWC", "NCHW", or the like of another rank; None for channels at the end.
        rate: of dilation, as kernel_size.
        activation_fn: ReLU by default; None for none.
        normalizer_fn: see `fully_connected`, as all that follow.
        normalizer_params: its arguments by name.
        weights_initializer: of the weights.
        weights_regularizer: of the weights, or None.
        biases_initializer: of the bias; None for no bias.
        biases_regularizer: of the bias, or None.
        reuse: whether the scope reuses its variables.
        variables_collections: names of collections for the variables, or a dict of such lists.
        outputs_collections: a collection for the outputs, or several.
        trainable: whether the variables are in TRAINABLE_VARIABLES.
        scope: a variable scope or its name.
        conv_dims: how many spatial dimensions the inputs must have; None for any.

    Raises:
        ValueError: the rank or the number of channels is unknown, or data_format does not fit.
    """
    with v1.variable_scope(scope, "Conv", [inputs], reuse=reuse):
        inputs = tf.convert_to_tensor(inputs)
        n = _spatial_dims(inputs, conv_dims)
        axis = _channels_axis(n, data_format)
        common = {"dtype": inputs.dtype.base_dtype, "trainable": trainable}
        weights = parts.made(
            "weights",
            variables_collections,
            shape=[
                *_each(kernel_size, n),
                parts.checked_size(inputs, axis, "convolution"),
                int(num_outputs),
            ],
            initializer=weights_initializer,
            regularizer=weights_regularizer,
            **common,
        )
        outputs = tf.nn.convolution(
            inputs,
            tf.convert_to_tensor(weights),
            strides=_each(stride, n),
            padding=padding.upper(),
            data_format=data_format or _FORMATS[n][0],
            dilations=_each(rate, n),
        )
        bias = _bias(num_outputs, biases_initializer, biases_regularizer, axis)
        outputs = parts.with_bias_or_norm(
            outputs,
            bias and functools.partial(bias, variables_collections, common),
            normalizer_fn,
            normalizer_params,
            activation_fn,
        )
        return parts.given_out(outputs, outputs_collections)


def _bias(
    size: int, initializer: Any, regularizer: Any, axis: int
) -> Callable[..., tf.Tensor] | None:
    """The function that makes the bias and adds it, None if there is none to be."""
    if initializer is None:
        return None

    def add(collections: Any, common: dict[str, Any], outputs: tf.Tensor) -> tf.Tensor:
        shape = {"shape": [int(size)]}
        both = {"initializer": initializer, "regularizer": regularizer}
        bias = parts.made("biases", collections, **shape, **both, **common)
        data_format = "NC..." if axis == 1 else "N...C"
        return tf.nn.bias_add(outputs, tf.convert_to_tensor(bias), data_format)

    return add


@add_arg_scope
def conv2d_transpose(
    inputs: Any,
    num_outputs: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    activation_fn: Callable[..., Any] | None = tf.nn.relu,
    normalizer_fn: Callable[..., Any] | None = None,
    normalizer_params: Mapping[str, Any] | None = None,
    weights_initializer: Any = xavier_initializer(),  # noqa: B008
    weights_regularizer: Callable[..., Any] | None = None,
    biases_initializer: Any = v1.zeros_initializer(),  # noqa: B008
    biases_regularizer: Callable[..., Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> tf.Tensor:
    """The transpose of a convolution, a bias, and an activation.

    Variables: `weights`, of shape [*kernel_size, num_outputs, channels], and `biases`, in the scope
    `Conv2d_transpose`. The arguments are those of `convolution`.
    """
    with v1.variable_scope(scope, "Conv2d_transpose", [inputs], reuse=reuse):
        inputs = tf.convert_to_tensor(inputs)
        _spatial_dims(inputs, 2)
        axis = _channels_axis(2, data_format)
        kernel, strides = _each(kernel_size, 2), _each(stride, 2)
        common = {"dtype": inputs.dtype.base_dtype, "trainable": trainable}
        weights = parts.made(
            "weights",
            variables_collections,
            shape=[
                *kernel,
                int(num_outputs),
                parts.checked_size(inputs, axis, "conv2d_transpose"),
            ],
            initializer=weights_initializer,
            regularizer=weights_regularizer,
            **common,
        )
        known, sizes = _transposed(inputs, axis, int(num_outputs), kernel, strides, padding)
        outputs = tf.nn.conv2d_transpose(
            inputs,
            tf.convert_to_tensor(weights),
            tf.stack(sizes),
            strides,
            padding=padding.upper(),
            data_format=data_format,
        )
        outputs.set_shape(known)
        bias = _bias(num_outputs, biases_initializer, biases_regularizer, axis)
        outputs = parts.with_bias_or_norm(
            outputs,
            bias and functools.partial(bias, variables_collections, common),
            normalizer_fn,
            normalizer_params,
            activation_fn,
        )
        return parts.given_out(outputs, outputs_collections)


def _transposed(
    inputs: tf.Tensor,
    axis: int,
    num_outputs: int,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: str,
) -> tuple[list[int | None], list[Any]]:
    """The shape of a transposed convolution: what of it is known, and all of it by Tensors."""
    known: list[int | None] = inputs.shape.as_list()
    dynamic = tf.shape(inputs)
    sizes: list[Any] = [dynamic[0] if known[0] is None else known[0], None, None, None]
    known[axis] = sizes[axis] = num_outputs
    for n, at in enumerate([2, 3] if axis == 1 else [1, 2]):
        more = max(kernel[n] - strides[n], 0) if padding.upper() == "VALID" else 0
        size = known[at]
        if size is not None:
            known[at] = sizes[at] = size * strides[n] + more
        else:
            sizes[at] = dynamic[at] * strides[n] + more
    return known, sizes


@add_arg_scope
def max_pool2d(
    inputs: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 2,
    padding: str = "VALID",
    data_format: str = "NHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> tf.Tensor:
    """The greatest value of each window.

    Args:
        inputs: a Tensor of rank 4.
        kernel_size: of the windows: an integer or two.
        stride: as kernel_size.
        padding: "SAME" or "VALID".
        data_format: "NHWC" or "NCHW".
        outputs_collections: a collection for the outputs, or several.
        scope: the name of the operations.
    """
    with v1.name_scope(scope, "MaxPool2D", [inputs]):
        outputs = _pooled(
            tf.nn.max_pool2d, inputs, kernel_size, stride, padding, data_format, "MaxPool"
        )
        return parts.given_out(outputs, outputs_collections)


@add_arg_scope
def avg_pool2d(
    inputs: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 2,
    padding: str = "VALID",
    data_format: str = "NHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> tf.Tensor:
    """The mean of each window; the arguments are those of `max_pool2d`."""
    with v1.name_scope(scope, "AvgPool2D", [inputs]):
        outputs = _pooled(
            tf.nn.avg_pool2d, inputs, kernel_size, stride, padding, data_format, "AvgPool"
        )
        return parts.given_out(outputs, outputs_collections)


def _pooled(
    pool: Callable[..., tf.Tensor],
    inputs: Any,
    kernel_size: Any,
    stride: Any,
    padding: str,
    data_format: str,
    name: str,
) -> tf.Tensor:
    inputs = tf.convert_to_tensor(inputs)
    _channels_axis(_spatial_dims(inputs, 2), data_format)
    sizes = _each(kernel_size, 2), _each(stride, 2)
    return pool(inputs, *sizes, padding.upper(), data_format, name=name)


def _spatial_dims(inputs: tf.Tensor, wanted: int | None) -> int:
    ranks = [n + 2 for n in _FORMATS if wanted in (None, n)]
    rule = f"must be {' or '.join(map(str, ranks))}"
    return parts.checked_rank(inputs, "a convolution", rule, lambda rank: rank in ranks) - 2


def _channels_axis(n: int, data_format: str | None) -> int:
    last, first = _FORMATS[n]
    if data_format not in (None, last, first):
        raise wrong_value("data_format", f"must be {last!r} or {first!r}", data_format)
    return 1 if data_format == first else n + 1


def _each(value: int | Sequence[int], n: int) -> list[int]:
    """One integer for each spatial dimension."""
    found = [value] * n if hasattr(value, "__index__") else list(value)
    if len(found) != n:
        raise wrong_value("kernel_size, stride or rate", f"must be an integer or {n}", value)
    return [int(one) for one in found]


def _of_rank(name: str, dims: int) -> Callable[..., Any]:
    """`convolution` for inputs of one rank, with default arguments of its own in `arg_scope`."""

    @functools.wraps(convolution)
    def convolution_of_rank(*args: Any, **kwargs: Any) -> tf.Tensor:
        return _convolution(*args, **{"conv_dims": dims, **kwargs})

    convolution_of_rank.__name__ = convolution_of_rank.__qualname__ = name
    return add_arg_scope(convolution_of_rank)


# Without the defaults that an arg_scope has for `convolution` itself.
_convolution = inspect.unwrap(convolution)

conv1d = convolution1d = _of_rank("convolution1d", 1)
conv2d = convolution2d = _of_rank("convolution2d", 2)
conv3d = convolution3d = _of_rank("convolution3d", 3)
convolution2d_transpose = conv2d_transpose
