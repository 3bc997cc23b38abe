"""From a loss to the operation that trains."""

import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_type, wrong_value

v1 = tf.compat.v1

_OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "Adagrad": v1.train.AdagradOptimizer,
    "Adam": v1.train.AdamOptimizer,
    "Ftrl": v1.train.FtrlOptimizer,
    "Momentum": lambda learning_rate: v1.train.MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": v1.train.RMSPropOptimizer,
    "SGD": v1.train.GradientDescentOptimizer,
}
_SUMMARIES = ("learning_rate", "loss", "gradients", "gradient_norm", "global_gradient_norm")
_DEFAULT_SUMMARIES = ("learning_rate", "loss", "global_gradient_norm")

Pair = tuple[Any, Any]


def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: Mapping[Any, Any] | None = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[[Any, Any], Any] | None = None,
    update_ops: Iterable[Any] | None = None,
    variables: Sequence[Any] | None = None,
    name: str | None = None,
    summaries: Sequence[str] | None = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> tf.Tensor:
    """The operation that takes one step of training.

    All of it is in the variable scope `OptimizeLoss`: the optimizer's variables, and
    `learning_rate`, which keeps a learning rate that is a number in checkpoints.

    Args:
        loss: a scalar Tensor.
        global_step: the variable that grows by one; None for that of the graph.
        learning_rate: a number of at least 0, a scalar Tensor, or None if the optimizer has its
            own.
        optimizer: "Adagrad", "Adam", "Ftrl", "Momentum", "RMSProp" or "SGD"; a class, an instance
            of one, of `tf.compat.v1.train.Optimizer`; or a function that gives such an instance
            for the learning rate.
        gradient_noise_scale: of normal noise that is added to gradients, or None.
        gradient_multipliers: factors by variable, or by its name, as "weights:0".
        clip_gradients: the greatest global norm; or a function from pairs of gradient and variable
            to such pairs.
        learning_rate_decay_fn: a function of the learning rate and the global step that gives the
            learning rate.
        update_ops: run before the gradients are computed; those in UPDATE_OPS by default.
        variables: to train; the trainable ones by default.
        name: of the variable scope.
        summaries: which of learning_rate, loss, gradients, gradient_norm and global_gradient_norm;
            by default learning_rate, loss and global_gradient_norm. That of the learning
            rate is made if there is a learning_rate_decay_fn.
        colocate_gradients_with_ops: see `tf.compat.v1.gradients`.
        increment_global_step: whether the global step grows; not if this is called several times.

    Returns:
        The loss, as a Tensor that takes the step when it is computed.

    Raises:
        TypeError, ValueError: an argument is of another kind.
    """
    loss = tf.convert_to_tensor(loss)
    if loss.shape.rank not in (None, 0):
        raise wrong_value("loss", "must be a scalar", loss)
    wanted = _checked_summaries(summaries)
    global_step = v1.train.get_global_step() if global_step is None else global_step
    if global_step is not None:
        v1.train.assert_global_step(global_step)
    with v1.variable_scope(name, "OptimizeLoss", [loss, global_step]):
        if update_ops is None:
            update_ops = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        loss = _after(list(dict.fromkeys(update_ops)), loss)
        rate = _rate(learning_rate, learning_rate_decay_fn, global_step)
        decays = rate is not None and learning_rate_decay_fn is not None
        if decays and "learning_rate" in wanted:
            v1.summary.scalar("learning_rate", rate)
        chosen = _optimizer(optimizer, rate)
        pairs = chosen.compute_gradients(
            loss,
            v1.trainable_variables() if variables is None else variables,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gradient_noise_scale is not None:
            pairs = _with_noise(pairs, gradient_noise_scale)
        if gradient_multipliers is not None:
            pairs = _multiplied(pairs, gradient_multipliers)
        if "global_gradient_norm" in wanted:
            v1.summary.scalar("global_norm/gradient_norm", _norm(pairs))
        if clip_gradients is not None:
            pairs = _clipped(pairs, clip_gradients)
        _summarize(loss, pairs, wanted, clipped=clip_gradients is not None)
        train_op = chosen.apply_gradients(
            pairs, global_step=global_step if increment_global_step else None, name="train"
        )
        return _after([train_op], loss)


def _after(operations: list[Any], value: tf.Tensor) -> tf.Tensor:
    if not operations:
        return value
    with tf.control_dependencies(operations):
        return tf.identity(value, "control_dependency")


def _checked_summaries(summaries: Sequence[str] | None) -> Sequence[str]:
    found = _DEFAULT_SUMMARIES if summaries is None else summaries
    for one in found:
        if one not in _SUMMARIES:
            raise wrong_value("Every one of summaries", f"must be one of {_SUMMARIES}", one)
    return found


def _rate(given: Any, decay: Callable[[Any, Any], Any] | None, global_step: Any) -> Any:
    """The learning rate as a Tensor or a variable, None if it is the optimizer's."""
    if given is None:
        return None
    rate = given
    if isinstance(given, numbers.Real) and not isinstance(given, bool):
        if given < 0.0:
            raise wrong_value("learning_rate", "must be at least 0", given)
        initializer = v1.constant_initializer(float(given))
        rate = v1.get_variable("learning_rate", [], trainable=False, initializer=initializer)
    elif not tf.is_tensor(given) or given.shape.rank not in (None, 0):
        rule = "must be a number, a scalar Tensor or None"
        raise wrong_type("learning_rate", rule, given, was=ValueError)
    if decay is None:
        return rate
    if global_step is None:
        raise ValueError("learning_rate_decay_fn needs a global_step, and the graph has none.")
    return decay(rate, global_step)


def _optimizer(given: Any, rate: Any) -> Any:
    kind = v1.train.Optimizer
    if isinstance(given, kind):
        return given
    if isinstance(given, str):
        if given not in _OPTIMIZERS:
            raise wrong_value("optimizer", f"must be one of {sorted(_OPTIMIZERS)}", given)
        if rate is None:
            raise ValueError("learning_rate must be given where optimizer is a name.")
        return _OPTIMIZERS[given](rate)
    if isinstance(given, type) and issubclass(given, kind):
        if rate is None:
            raise ValueError("learning_rate must be given where optimizer is a class.")
        return given(learning_rate=rate)
    if not callable(given):
        rule = "must be a name, an Optimizer of tf.compat.v1.train, or a function that gives one"
        raise wrong_type("optimizer", rule, given, was=ValueError)
    made = given() if rate is None else given(rate)
    if not isinstance(made, kind):
        rule = "must be an Optimizer of tf.compat.v1.train"
        raise wrong_type("What optimizer gives", rule, made, was=ValueError)
    return made


def _values(gradient: Any) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def _times(gradient: Any, factor: Any) -> Any:
    factor = tf.cast(factor, gradient.dtype)
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * factor


def _with_noise(pairs: Iterable[Pair], scale: float) -> list[Pair]:
    def noisy(gradient: Any) -> Any:
        dense = tf.convert_to_tensor(gradient)
        return dense + v1.truncated_normal(tf.shape(dense), dtype=dense.dtype) * scale

    return [(None if one is None else noisy(one), variable) for one, variable in pairs]


def _multiplied(pairs: Iterable[Pair], factors: Mapping[Any, Any]) -> list[Pair]:
    by_name = {one if isinstance(one, str) else one.name: by for one, by in factors.items()}
    found = []
    for gradient, variable in pairs:
        by = by_name.get(variable.name)
        is_changed = gradient is not None and by is not None
        found.append((_times(gradient, by) if is_changed else gradient, variable))
    return found


def _clipped(pairs: Sequence[Pair], clip: Any) -> Sequence[Pair]:
    if callable(clip):
        return clip(pairs)
    if not isinstance(clip, numbers.Real) and not tf.is_tensor(clip):
        rule = "must be a number, a function or None"
        raise wrong_type("clip_gradients", rule, clip, was=ValueError)
    gradients, variables = zip(*pairs, strict=True)
    clipped, _ = tf.clip_by_global_norm(gradients, clip)
    return list(zip(clipped, variables, strict=True))


def _norm(pairs: Iterable[Pair]) -> tf.Tensor:
    return tf.linalg.global_norm([gradient for gradient, _ in pairs])


def _summarize(
    loss: tf.Tensor, pairs: Sequence[Pair], wanted: Sequence[str], *, clipped: bool
) -> None:
    if "loss" in wanted:
        v1.summary.scalar("loss", loss)
    for gradient, variable in pairs:
        if gradient is None:
            continue
        name, values = variable.name.replace(":", "_"), _values(gradient)
        if "gradients" in wanted:
            v1.summary.histogram(f"gradients/{name}", values)
        if "gradient_norm" in wanted:
            v1.summary.scalar(f"gradient_norm/{name}", tf.linalg.global_norm([values]))
    if clipped and "global_gradient_norm" in wanted:
        v1.summary.scalar("global_norm/clipped_gradient_norm", _norm(pairs))
