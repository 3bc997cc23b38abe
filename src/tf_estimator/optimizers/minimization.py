"""One step of training, with whatever optimizer."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _keras
from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator.optimizers import in_replicas
from tf_estimator.optimizers.gradients import Pair, PairsOf, Scaled, as_it_is, gradients, useful
from tf_estimator.optimizers.keras_optimizers import apply_legacy, apply_traced
from tf_estimator.optimizers.optimizer import Optimizer, is_resource
from tf_estimator.optimizers.recreation import generation, is_legacy
from tf_estimator.spec import in_replica

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
        variables: to update. None: all trainable variables of the graph, but for those that a
            layer of Keras 3 has frozen. Those without influence on the loss stay as they are.
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
    _require_optimizer(optimizer)
    given = _trainable() if variables is None else _keras.owners(variables)
    wanted = list({id(part): part for one in given for part in _parts(one)}.values())
    if not wanted:
        where = "the graph has no trainable ones" if variables is None else "the list is empty"
        raise ValueError(f"There must be variables to train; {where}.")
    of_version_1 = isinstance(optimizer, v1.train.Optimizer)
    if of_version_1 and type(optimizer).minimize is not v1.train.Optimizer.minimize:
        with tf.control_dependencies(list(update_ops)):  # a user's own way
            train_op = optimizer.minimize(loss, global_step=global_step, var_list=wanted)
        return _constrained(train_op, given, optimizer)

    def pairs(scaled: Scaled) -> list[Pair]:
        if of_version_1:  # its own way to gradients is part of it
            return useful(loss, optimizer.compute_gradients(loss, var_list=wanted))
        share = in_replicas.share_of(loss)
        return in_replicas.summed(gradients(loss, wanted, scaled(share)))

    if not of_version_1:
        wanted = [in_replica.own(one) for one in wanted]
    return _applied(optimizer, given, wanted, pairs, global_step, list(update_ops))


def apply_gradients(
    optimizer: Any,
    grads_and_vars: Iterable[tuple[Any, Any]],
    global_step: tf.Variable | None,
) -> tf.Operation:
    """The operation that takes one step of training with gradients that are there.

    Args:
        optimizer: as of `minimize`.
        grads_and_vars: pairs of a gradient, which is a Tensor, tf.IndexedSlices or None, and a
            variable. Those with None stay as they are.
        global_step: as of `minimize`.

    Returns:
        The train_op.

    Raises:
        TypeError: `optimizer` is none, or these are no pairs of gradient and variable.
        ValueError: no variable has a gradient, or a Keras optimizer cannot be made from its config.
        NotImplementedError: the optimizer scales the loss by a factor that changes.

    Example:
        >>> from tf_estimator import optimizers
        >>> with tf.Graph().as_default(), v1.Session() as session:
        ...     w = v1.get_variable("w", initializer=1.0)
        ...     pairs = [(tf.constant(2.0), w)]
        ...     train_op = apply_gradients(optimizers.get("SGD", 0.25), pairs, None)
        ...     session.run(v1.global_variables_initializer())
        ...     session.run(train_op)
        ...     print(session.run(w))
        0.5
    """
    _require_optimizer(optimizer)
    found = [_pair(one) for one in grads_and_vars]
    given = _keras.owners([variable for _, variable in found])
    wanted = [_whole(one) for one in given]
    if not isinstance(optimizer, v1.train.Optimizer):
        wanted = [in_replica.own(one) for one in wanted]
    pairs = [(found[n][0], one) for n, one in enumerate(wanted) if found[n][0] is not None]
    if not pairs:
        raise ValueError(
            "grads_and_vars must have a gradient for one variable at least; there is none for "
            f"{[one.op.name for one in wanted]}."
        )
    if hasattr(optimizer, "inner_optimizer"):
        raise NotImplementedError(
            f"A {type(optimizer).__name__} cannot apply gradients in a graph: the factor that they "
            "were scaled by is in the optimizer that is made for the graph. Use minimize."
        )
    if not isinstance(optimizer, v1.train.Optimizer):
        pairs = in_replicas.summed(pairs)
    return _applied(optimizer, given, wanted, lambda _: pairs, global_step, [])


def _require_optimizer(optimizer: Any) -> None:
    if not is_optimizer(optimizer):
        raise wrong_type("optimizer", "must be an optimizer", optimizer)


def _trainable() -> list[Any]:
    """The trainable variables of the graph, but for those that a Keras 3 layer has frozen."""
    # Keras 3 tells its own Variable only, so that the collection has them as it had before.
    return [one for one in _keras.owners(v1.trainable_variables()) if one.trainable]


def _applied(
    optimizer: Any,
    given: Sequence[Any],
    variables: Sequence[tf.Variable],
    pairs: PairsOf,
    global_step: tf.Variable | None,
    update_ops: Sequence[Any],
) -> tf.Operation:
    """One step, with the optimizer's own variables for all of `variables`.

    Args:
        optimizer: of any kind.
        given: what the user named: variables of Keras 3, partitioned ones and others.
        variables: what `given` consists of.
        pairs: returns the gradients to apply.
        global_step: to count, or None.
        update_ops: to run before.
    """
    way = _way(optimizer)
    if way in (apply_legacy, apply_traced):
        for one in variables:
            if not is_resource(one):
                raise wrong_value(
                    "A variable that a Keras optimizer trains",
                    "must be a resource variable",
                    one,
                    "Make it with use_resource=True, or use an optimizer of tf.compat.v1.train.",
                )
    if way is not _apply_v1:
        if in_replicas.leaves_it_to_first(variables):
            return tf.group(*(gradient.op for gradient, _ in pairs(as_it_is)), *update_ops)
        global_step = None if global_step is None else in_replica.own(global_step)
    train_op = way(optimizer, variables, pairs, global_step, update_ops)
    return _constrained(train_op, given, optimizer)


def _way(optimizer: Any) -> Callable[..., tf.Operation]:
    """The function that makes the step for this kind of optimizer."""
    if isinstance(optimizer, Optimizer):
        return _apply_own
    if isinstance(optimizer, v1.train.Optimizer):
        return _apply_v1
    return apply_legacy if is_legacy(optimizer) else apply_traced


def _apply_own(
    optimizer: Optimizer,
    variables: Sequence[tf.Variable],
    pairs: PairsOf,
    global_step: tf.Variable | None,
    update_ops: Sequence[Any],
) -> tf.Operation:
    found = pairs(as_it_is)
    if not all(map(is_resource, variables)):
        # A read of a reference variable is no copy: all gradients are there before any is applied.
        found_gradients, trained = zip(*found, strict=True)
        found = list(zip(tf.tuple(found_gradients), trained, strict=True))
    with tf.control_dependencies(update_ops):
        return optimizer.apply(found, global_step)


def _apply_v1(
    optimizer: Any,
    variables: Sequence[tf.Variable],
    pairs: PairsOf,
    global_step: tf.Variable | None,
    update_ops: Sequence[Any],
) -> tf.Operation:
    found = pairs(as_it_is)
    with tf.control_dependencies(update_ops):
        return optimizer.apply_gradients(found, global_step=global_step)


def _pair(value: Any) -> tuple[Any, Any]:
    """`value` as gradient and variable."""
    rule = "must be pairs of a gradient and a variable"
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise wrong_type("grads_and_vars", rule, value)
    gradient, variable = value
    if gradient is None or isinstance(gradient, tf.IndexedSlices):
        return gradient, variable
    try:
        return tf.convert_to_tensor(gradient), variable
    except (TypeError, ValueError):
        raise wrong_type("grads_and_vars", rule, value) from None


def _whole(variable: Any) -> tf.Variable:
    """The one tf.Variable that a variable is."""
    parts = _parts(variable)
    if len(parts) != 1:
        raise wrong_type(
            "The variables of grads_and_vars",
            "must not be partitioned",
            variable,
            "Give a gradient for each of list(variable).",
        )
    return parts[0]


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
        (in_replica.own(_parts(one)[0]), one.constraint)
        for one in given
        if getattr(one, "constraint", None) is not None
        and not (knows and isinstance(one, tf.Variable))
    ]
    if not late:
        return train_op
    with tf.control_dependencies([train_op]):
        return tf.group(*(v1.assign(one, constraint(one)).op for one, constraint in late))
