"""Layers that normalize: by batch, by example, and by channel of an example."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator.compat.contrib.framework.arg_scopes import add_arg_scope
from tf_estimator.compat.contrib.layers import parts
from tf_estimator.compat.contrib.layers.batch_statistics import Statistics, checked_axis

v1 = tf.compat.v1


@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: Any = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Callable[..., Any] | None = None,
    param_initializers: Mapping[str, Any] | None = None,
    param_regularizers: Mapping[str, Any] | None = None,
    updates_collections: Any = v1.GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_decay: Any = 0.99,
    adjustment: Any = None,
) -> tf.Tensor:
    """Batch normalization, see http://arxiv.org/abs/1502.03167.

    Variables: `beta`, `gamma`, `moving_mean` and `moving_variance`, in the scope `BatchNorm`. The
    updates of the last two are in UPDATE_OPS, and have to run with each step of training.

    Args:
        inputs: a floating Tensor of shape [batch, ..., channels], or of the other data_format.
        decay: of the moving averages.
        center: whether there is a beta, which is added.
        scale: whether there is a gamma, which is multiplied with.
        epsilon: is added to the variance.
        activation_fn: applied to the result, or None.
        param_initializers: initializers by the names of variables.
        param_regularizers: regularizers of `beta` and `gamma`.
        updates_collections: a collection, or several; None: the updates run with the outputs.
        is_training: whether the mean and the variance are those of the batch; a bool or a Tensor.
        reuse: whether the scope reuses its variables.
        variables_collections: names of collections for the variables, or a dict of such lists.
        outputs_collections: a collection for the outputs, or several.
        trainable: whether beta and gamma are in TRAINABLE_VARIABLES.
        batch_weights: of the examples in the mean and the variance, of shape [batch], or None.
        fused: whether the fused operation is used where it can be, at rank 2 and 4. Its moving
            variance is that of a sample, with n - 1. None is True.
        data_format: "NHWC" for channels at the end; "NCHW" for channels behind the batch.
        zero_debias_moving_mean: whether the moving mean does not lean to the 0 it begins with.
        scope: a variable scope or its name.
        renorm: must be False.
        renorm_clipping: without effect.
        renorm_decay: without effect.
        adjustment: must be None.

    Returns:
        A Tensor of the shape of `inputs`.

    Raises:
        NotImplementedError: `renorm` or `adjustment` is asked for.
        ValueError: the rank or the number of channels is unknown, or data_format is.
    """
    del renorm_clipping, renorm_decay
    if renorm or adjustment is not None:
        raise NotImplementedError(
            "tf.contrib.layers.batch_norm has no renorm and no adjustment here: call "
            "tf.compat.v1.layers.batch_normalization, which has them."
        )
    with v1.variable_scope(scope, "BatchNorm", [inputs], reuse=reuse):
        inputs = tf.convert_to_tensor(inputs)
        axis = checked_axis(inputs, data_format)
        statistics = Statistics(
            inputs,
            axis,
            {"epsilon": epsilon, "decay": decay, "zero_debias": zero_debias_moving_mean},
            batch_weights,
        )
        statistics.make_variables(
            center,
            scale,
            param_initializers or {},
            param_regularizers or {},
            variables_collections,
            trainable,
        )
        is_fused = (fused is None or fused) and batch_weights is None
        outputs, mean, variance = statistics.normalized(is_training, is_fused)
        if parts.constant_truth(is_training) is not False:
            updates = statistics.updates(is_training, mean, variance)
            if updates_collections is None:
                with tf.control_dependencies(updates):
                    outputs = tf.identity(outputs)
            else:
                v1.add_to_collections(updates_collections, updates[0])
                v1.add_to_collections(updates_collections, updates[1])
        outputs.set_shape(inputs.shape)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return parts.given_out(outputs, outputs_collections)


@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Callable[..., Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> tf.Tensor:
    """Layer normalization, see https://arxiv.org/abs/1607.06450.

    Variables: `beta` and `gamma`, in the scope `LayerNorm`.

    Args:
        inputs: a floating Tensor.
        center: whether there is a beta, which is added.
        scale: whether there is a gamma, which is multiplied with.
        activation_fn: applied to the result, or None.
        reuse: whether the scope reuses its variables.
        variables_collections: names of collections for the variables, or a dict of such lists.
        outputs_collections: a collection for the outputs, or several.
        trainable: whether the variables are in TRAINABLE_VARIABLES.
        begin_norm_axis: the first of the dimensions whose mean and variance are taken together.
        begin_params_axis: the first of the dimensions that the variables have.
        scope: a variable scope or its name.

    Returns:
        A Tensor of the shape of `inputs`.

    Raises:
        ValueError: the rank is unknown, or too small for the axes, or the variables' dimensions
            are unknown.
    """
    with v1.variable_scope(scope, "LayerNorm", [inputs], reuse=reuse):
        inputs = tf.convert_to_tensor(inputs)
        rank = parts.checked_rank(inputs, "layer_norm", "must be known", lambda _: True)
        begin_norm = _axis("begin_norm_axis", begin_norm_axis, rank)
        begin_params = _axis("begin_params_axis", begin_params_axis, rank)
        shape = [parts.checked_size(inputs, n, "layer_norm") for n in range(begin_params, rank)]
        common = {"shape": shape, "dtype": inputs.dtype.base_dtype, "trainable": trainable}
        made = _beta_and_gamma(center, scale, variables_collections, common)
        mean, variance = v1.nn.moments(inputs, list(range(begin_norm, rank)), keepdims=True)
        # Half precision has nothing as small as the other.
        epsilon = 1e-3 if inputs.dtype == tf.float16 else 1e-12
        outputs = tf.nn.batch_normalization(inputs, mean, variance, *made, epsilon)
        outputs.set_shape(inputs.shape)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return parts.given_out(outputs, outputs_collections)


@add_arg_scope
def instance_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-06,
    activation_fn: Callable[..., Any] | None = None,
    param_initializers: Mapping[str, Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> tf.Tensor:
    """Instance normalization, see https://arxiv.org/abs/1607.08022.

    Variables: `beta` and `gamma`, in the scope `InstanceNorm`. The arguments are those of
    `batch_norm`.
    """
    with v1.variable_scope(scope, "InstanceNorm", [inputs], reuse=reuse):
        inputs = tf.convert_to_tensor(inputs)
        axis = checked_axis(inputs, data_format)
        shape = [1] * inputs.shape.rank
        shape[axis] = parts.checked_size(inputs, axis, "instance_norm")
        common = {"dtype": inputs.dtype.base_dtype, "trainable": trainable, "shape": [shape[axis]]}
        given = param_initializers or {}
        made = _beta_and_gamma(center, scale, variables_collections, common, given)
        made = [None if one is None else tf.reshape(one, shape) for one in made]
        within = [n for n in range(1, inputs.shape.rank) if n != axis]
        mean, variance = v1.nn.moments(inputs, within, keepdims=True)
        outputs = tf.nn.batch_normalization(inputs, mean, variance, *made, epsilon)
        outputs.set_shape(inputs.shape)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return parts.given_out(outputs, outputs_collections)


def _beta_and_gamma(
    center: bool,
    scale: bool,
    collections: Any,
    common: dict[str, Any],
    initializers: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Both variables, None for one that is not to be."""
    wanted = {
        "beta": (center, v1.zeros_initializer()),
        "gamma": (scale, v1.ones_initializer()),
    }
    found = []
    for name, (is_wanted, initializer) in wanted.items():
        made = None
        if is_wanted:
            chosen = (initializers or {}).get(name, initializer)
            made = tf.convert_to_tensor(parts.made(name, collections, initializer=chosen, **common))
        found.append(made)
    return found


def _axis(name: str, axis: int, rank: int) -> int:
    """An axis as a number from 0 on."""
    if not -rank <= axis < rank:
        raise wrong_value(name, f"must be an axis of inputs of rank {rank}", axis)
    return axis % rank
