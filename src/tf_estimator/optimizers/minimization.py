"""One step of training, with whatever optimizer."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator.optimizers.gradients import gradients, useful
from tf_estimator.optimizers.keras_optimizers import minimize_legacy, minimize_traced
from tf_estimator.optimizers.optimizer import Optimizer, is_resource
from tf_estimator.optimizers.recreation import generation, is_legacy

v1 = tf.compat.v1


def is_optimizer(value: Any) -> bool:
    """Whether `minimize` takes `value` as an optimizer."""
    return isinstance(value, (v1.train.Optimizer, Optimizer)) or generation(value) is not None


def minimize(
    optimizer: Any,
    loss: tf.Tensor,
    variables: Iterable[Any] | None,
    global_step: tf.Variable | None,
    update_ops: Iterable[tf.Operation | tf.Tensor] = (),
) -> tf.Operation:
    """The operation that takes one step of training.

    Args:
        optimizer: what `get` returns. One of Keras is not used itself: one like it is made in this
            graph, so it may be given in any number of graphs.
        loss: a float Tensor, shape [].
        variables: to update. None: all trainable variables of the graph. Those without influence on
            the loss stay as they are.
        global_step: an integer scalar variable that grows by one. None: none does.
        update_ops: run with every step, before the variables change.

    Returns:
        The train_op.

    Raises:
        TypeError: `optimizer` is none, or one of `variables` is no variable.
        ValueError: there are no variables, the loss depends on none of them, or a Keras optimizer
            cannot be made from its config.

    Example:
        >>> from tf_estimator import optimizers
        >>> with tf.Graph().as_default(), v1.Session() as session:
        ...     w = v1.get_variable("w", initializer=1.0)
        ...     step = v1.train.get_or_create_global_step()
        ...     train_op = minimize(optimizers.get("SGD", 0.25), w**2, None, step)
        ...     session.run(v1.global_variables_initializer())
        ...     session.run(train_op)
        ...     print(*session.run([w, step]))
        0.5 1
    """
    if not is_optimizer(optimizer):
        raise wrong_type("optimizer", "must be an optimizer", optimizer)
    given = list(v1.trainable_variables() if variables is None else variables)
    wanted = list({id(part): part for one in given for part in _parts(one)}.values())
    if not wanted:
        where = "the graph has no trainable ones" if variables is None else "the list is empty"
        raise ValueError(f"There must be variables to train; {where}.")
    train_op = _way(optimizer)(optimizer, loss, wanted, global_step, list(update_ops))
    return _constrained(train_op, given, optimizer)


def _way(optimizer: Any) -> Callable[..., tf.Operation]:
    """The function that makes the step for this kind of optimizer."""
    if isinstance(optimizer, Optimizer):
        return _minimize_own
    if isinstance(optimizer, v1.train.Optimizer):
        return _minimize_v1
    return _minimize_keras


def _minimize_keras(
    optimizer: Any,
    loss: tf.Tensor,
    variables: Sequence[tf.Variable],
    global_step: tf.Variable | None,
    update_ops: Sequence[Any],
) -> tf.Operation:
    for one in variables:
        if not is_resource(one):
            raise wrong_value(
                "A variable that a Keras optimizer trains",
                "must be a resource variable",
                one,
                "Make it with use_resource=True, or use an optimizer of tf.compat.v1.train.",
            )
    way = minimize_legacy if is_legacy(optimizer) else minimize_traced
    return way(optimizer, loss, variables, global_step, update_ops)


def _minimize_own(
    optimizer: Optimizer,
    loss: tf.Tensor,
    variables: Sequence[tf.Variable],
    global_step: tf.Variable | None,
    update_ops: Sequence[Any],
) -> tf.Operation:
    pairs = gradients(loss, variables)
    if not all(map(is_resource, variables)):
        # A read of a reference variable is no copy: all gradients are there before any is applied.
        found, trained = zip(*pairs, strict=True)
        pairs = list(zip(tf.tuple(found), trained, strict=True))
    with tf.control_dependencies(update_ops):
        return optimizer.apply(pairs, global_step)


def _minimize_v1(
    optimizer: Any,
    loss: tf.Tensor,
    variables: Sequence[tf.Variable],
    global_step: tf.Variable | None,
    update_ops: Sequence[Any],
) -> tf.Operation:
    if type(optimizer).minimize is not v1.train.Optimizer.minimize:  # a user's own way
        with tf.control_dependencies(update_ops):
            return optimizer.minimize(loss, global_step=global_step, var_list=variables)
    pairs = useful(loss, optimizer.compute_gradients(loss, var_list=variables))
    with tf.control_dependencies(update_ops):
        return optimizer.apply_gradients(pairs, global_step=global_step)


def _parts(variable: Any) -> list[tf.Variable]:
    """The tf.Variables that a variable is made of: one, but for a partitioned one."""
    if isinstance(variable, tf.Variable):
        return [variable]
    inner = getattr(variable, "value", None)  # A Keras 3 variable holds the one of its backend.
    if isinstance(inner, tf.Variable):
        return [inner]
    try:
        parts = list(variable)
    except TypeError:
        parts = [variable]
    for one in parts:
        if not isinstance(one, tf.Variable):
            raise wrong_type("The variables to train", "must be variables", one)
    return parts


def _constrained(train_op: tf.Operation, given: Sequence[Any], optimizer: Any) -> tf.Operation:
    """`train_op`, followed by the constraints of variables that the optimizer knows nothing of."""
    knows = isinstance(optimizer, v1.train.Optimizer) or generation(optimizer) == "tf_keras"
    late = [
        (_parts(one)[0], one.constraint)
        for one in given
        if getattr(one, "constraint", None) is not None
        and not (knows and isinstance(one, tf.Variable))
    ]
    if not late:
        return train_op
    with tf.control_dependencies([train_op]):
        return tf.group(*(v1.assign(one, constraint(one)).op for one, constraint in late))
