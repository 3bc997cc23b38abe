"""Layers of matrices, and what has no variables."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator.compat.contrib.framework.arg_scopes import add_arg_scope
from tf_estimator.compat.contrib.layers import parts
from tf_estimator.compat.contrib.layers.initializers import xavier_initializer

v1 = tf.compat.v1


@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
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
) -> tf.Tensor:
    """Multiplies the last dimension with a matrix, adds a bias, and applies an activation.

    Variables: `weights`, of shape [inputs, num_outputs], and `biases`, in the scope
    `fully_connected`.

    Args:
        inputs: a Tensor of rank 2 at least, whose last dimension is known.
        num_outputs: how many units.
        activation_fn: ReLU by default; None for none.
        normalizer_fn: a function such as `batch_norm`, in place of the bias.
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

    Returns:
        A Tensor of the shape of `inputs`, but for num_outputs at the end.

    Raises:
        TypeError: num_outputs is no integer.
        ValueError: the inputs have no last dimension that is known.
    """
    if not hasattr(num_outputs, "__index__"):
        raise wrong_type("num_outputs", "must be an integer", num_outputs, was=ValueError)
    with v1.variable_scope(scope, "fully_connected", [inputs], reuse=reuse):
        inputs = tf.convert_to_tensor(inputs)
        rank = parts.checked_rank(
            inputs, "fully_connected", "must be known and at least 2", lambda rank: rank > 1
        )
        size = parts.checked_size(inputs, -1, "fully_connected")
        common = {"dtype": inputs.dtype.base_dtype, "trainable": trainable}
        weights = parts.made(
            "weights",
            variables_collections,
            shape=[size, int(num_outputs)],
            initializer=weights_initializer,
            regularizer=weights_regularizer,
            **common,
        )
        if rank == 2:
            outputs = tf.matmul(inputs, tf.convert_to_tensor(weights))
        else:
            outputs = tf.tensordot(inputs, tf.convert_to_tensor(weights), [[rank - 1], [0]])
            outputs.set_shape([*inputs.shape.as_list()[:-1], int(num_outputs)])
        bias = _bias(
            num_outputs, biases_initializer, biases_regularizer, variables_collections, common
        )
        outputs = parts.with_bias_or_norm(
            outputs, bias, normalizer_fn, normalizer_params, activation_fn
        )
        return parts.given_out(outputs, outputs_collections)


def _bias(
    size: int, initializer: Any, regularizer: Any, collections: Any, common: dict[str, Any]
) -> Callable[[tf.Tensor], tf.Tensor] | None:
    """The function that makes the bias and adds it, None if there is none to be."""
    if initializer is None:
        return None

    def add(outputs: tf.Tensor) -> tf.Tensor:
        bias = parts.made(
            "biases",
            collections,
            shape=[int(size)],
            initializer=initializer,
            regularizer=regularizer,
            **common,
        )
        return tf.nn.bias_add(outputs, tf.convert_to_tensor(bias))

    return add


linear = functools.partial(fully_connected, activation_fn=None)
relu = functools.partial(fully_connected, activation_fn=tf.nn.relu)


@add_arg_scope
def bias_add(
    inputs: Any,
    activation_fn: Callable[..., Any] | None = None,
    initializer: Any = v1.zeros_initializer(),  # noqa: B008
    regularizer: Callable[..., Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> tf.Tensor:
    """Adds the variable `biases` of the scope `BiasAdd` to the last dimension."""
    with v1.variable_scope(scope, "BiasAdd", [inputs], reuse=reuse):
        inputs = tf.convert_to_tensor(inputs)
        common = {"dtype": inputs.dtype.base_dtype, "trainable": trainable}
        size = parts.checked_size(inputs, -1, "bias_add")
        bias = _bias(size, initializer, regularizer, variables_collections, common)
        outputs = parts.with_bias_or_norm(inputs, bias, None, None, activation_fn)
        return parts.given_out(outputs, outputs_collections)


@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> tf.Tensor:
    """Sets elements to 0 by chance and scales the others up, while training.

    Args:
        inputs: a floating Tensor.
        keep_prob: the probability of an element to stay, a float or a scalar Tensor.
        noise_shape: see `tf.nn.dropout`.
        is_training: a bool or a scalar bool Tensor; if false, the inputs are the outputs.
        outputs_collections: a collection for the outputs, or several.
        scope: a variable scope or its name.
        seed: of the random numbers.
    """
    with v1.variable_scope(scope, "Dropout", [inputs]):
        inputs = tf.convert_to_tensor(inputs)
        outputs = parts.either(
            is_training,
            lambda: tf.nn.dropout(inputs, 1 - keep_prob, noise_shape, seed=seed),
            lambda: tf.identity(inputs),
        )
        return parts.given_out(outputs, outputs_collections)


@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: Any = None) -> tf.Tensor:
    """All dimensions but the first in one.

    Args:
        inputs: a Tensor of shape [batch, ...].
        outputs_collections: a collection for the outputs, or several.
        scope: the name of the operations.

    Returns:
        A Tensor of shape [batch, k].

    Raises:
        ValueError: the inputs have a rank below 2.
    """
    with v1.name_scope(scope, "Flatten", [inputs]), v1.name_scope("flatten"):
        inputs = tf.convert_to_tensor(inputs)
        parts.checked_rank(inputs, "flatten", "must be known and at least 2", lambda rank: rank > 1)
        size = inputs.shape[1:].num_elements()
        if size is not None:
            outputs = tf.reshape(inputs, [-1, size])
        else:
            outputs = tf.reshape(inputs, [tf.shape(inputs)[0], -1])
        outputs.set_shape([inputs.shape.as_list()[0], size])
        return parts.given_out(outputs, outputs_collections)


@add_arg_scope
def softmax(logits: Any, scope: Any = None) -> tf.Tensor:
    """The softmax over the last dimension."""
    with v1.name_scope(scope, "softmax", [logits]):
        return tf.nn.softmax(logits)


def repeat(
    inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Applies a layer several times, each time with variables of its own.

    Args:
        inputs: of the first one.
        repetitions: how many.
        layer: a function; its argument `scope` is set to `NAME/NAME_1`, and so on.
        *args: its arguments behind the inputs.
        **kwargs: its arguments by name; `scope` is the NAME.
    """
    scope = kwargs.pop("scope", None)
    with v1.variable_scope(scope, "Repeat", [inputs]):
        inputs = tf.convert_to_tensor(inputs)
        name = scope or _name_of(layer, "repeat")
        for n in range(repetitions):
            inputs = layer(inputs, *args, **{**kwargs, "scope": f"{name}_{n + 1}"})
        return inputs


def stack(inputs: Any, layer: Callable[..., Any], stack_args: Iterable[Any], **kwargs: Any) -> Any:
    """Applies a layer several times, with other arguments each time.

    Args:
        inputs: of the first one.
        layer: a function; its argument `scope` is set to `NAME/NAME_1`, and so on.
        stack_args: for each time one argument behind the inputs, or a list or tuple of them.
        **kwargs: arguments by name, of all times; `scope` is the NAME.

    Raises:
        ValueError: stack_args is no list or tuple.
    """
    if not isinstance(stack_args, (list, tuple)):
        raise wrong_value("stack_args", "must be a list or a tuple", stack_args)
    scope = kwargs.pop("scope", None)
    with v1.variable_scope(scope, "Stack", [inputs]):
        inputs = tf.convert_to_tensor(inputs)
        name = scope or _name_of(layer, "stack")
        for n, one in enumerate(stack_args):
            args = one if isinstance(one, (list, tuple)) else [one]
            inputs = layer(inputs, *args, **{**kwargs, "scope": f"{name}_{n + 1}"})
        return inputs


def _name_of(layer: Any, otherwise: str) -> str:
    """The name of a function, also of one in a functools.partial."""
    found: str = getattr(layer, "__name__", "") or getattr(
        getattr(layer, "func", None), "__name__", otherwise
    )
    return found
