"""Optimizers of Keras 3 and tf_keras in a graph of TensorFlow 1.

Keras is never imported here: who has an optimizer of it has imported it.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from tf_estimator import _keras, _tf
from tf_estimator.optimizers import recreation
from tf_estimator.optimizers.gradients import Pair, PairsOf, as_it_is
from tf_estimator.optimizers.scopes import optimizer_scope, training_scope
from tf_estimator.spec import in_replica

v1 = tf.compat.v1


def apply_legacy(
    optimizer: Any,
    variables: Sequence[tf.Variable],
    pairs: PairsOf,
    global_step: tf.Variable | None,
    update_ops: Sequence[Any],
) -> tf.Operation:
    """One step with an optimizer of `tf_keras.optimizers.legacy`, which knows graphs.

    The names of its variables are those of the original's checkpoints, `training/Adam/beta_1` and
    so on. The learning rate that is given holds at every step, whatever a checkpoint says.
    """
    if hasattr(optimizer, "inner_optimizer"):
        raise NotImplementedError(
            "A legacy LossScaleOptimizer of tf_keras cannot train in a graph: "
            "wrap an optimizer that is not of the legacy kind, or use the one of Keras 3."
        )
    if in_replica.is_one_of_several():
        raise NotImplementedError(
            f"A legacy {type(optimizer).__name__} of tf_keras cannot train several replicas: take "
            "the one that is not of the legacy kind, or an optimizer of tf.compat.v1.train."
        )
    made = recreation.recreate(optimizer).optimizer
    found = pairs(as_it_is)
    with training_scope(), tf.control_dependencies(update_ops):
        if global_step is not None:
            made.iterations = global_step
        train_op = tf.group(made.apply_gradients(found))
        _hold_rate(made)
    return train_op


def _hold_rate(optimizer: Any) -> None:
    """Sets a legacy optimizer's variable for the learning rate before every read of it."""
    variable = optimizer.learning_rate
    if not isinstance(variable, tf.Variable):
        return  # It computes its rate, and no checkpoint has it.
    reads = [op for op in variable.handle.consumers() if op.type == "ReadVariableOp"]
    with tf.control_dependencies(None):
        told = variable.assign(variable.initial_value, read_value=False)
    for op in reads:
        _tf.add_control_inputs(op, [told])


def apply_traced(
    optimizer: Any,
    variables: Sequence[tf.Variable],
    pairs: PairsOf,
    global_step: tf.Variable | None,
    update_ops: Sequence[Any],
) -> tf.Operation:
    """One step with any other Keras optimizer, which is written for eager execution.

    in the graph: make it again, with its variables under `training/<its class>/`
    in the graph: gradients
    in a tf.function: tell it its learning rate, apply the gradients
    in the graph: count the step

    The learning rate that is given holds at every step, whatever a checkpoint says.
    """
    keras_3 = recreation.generation(optimizer) == "keras"
    if keras_3:
        _require_tensorflow_backend()
    scope_of = optimizer_scope(type(optimizer).__name__)
    # No initial value depends on what the caller wants to run before.
    with tf.control_dependencies(None), scope_of as scope, _variables_under(scope):
        new = recreation.recreate(optimizer)
        made = new.optimizer
        handed = {id(one): _handed(one, keras_3) for one in variables}
        built_with = list(handed.values())
        several = in_replica.is_one_of_several()
        if several:
            built_with = [_handed(in_replica.whole(one), keras_3) for one in variables]
        starts = _build(made, built_with)
        if several:
            _keras.leave_strategy(made, list(handed.values()))
    inner = getattr(made, "inner_optimizer", made)
    if getattr(inner, "use_ema", False) and not inner.ema_overwrite_frequency:
        _tf.logger.warning(
            "The averages of use_ema are kept in checkpoints, but the model goes on with its own "
            "weights: set ema_overwrite_frequency to make it take them over."
        )
    found = pairs(lambda loss: _scaled(made, loss))
    if getattr(made, "loss_scale_factor", None) is not None:
        # It divides them, which Keras cannot do with gradients by rows.
        found = [(tf.convert_to_tensor(gradient), one) for gradient, one in found]
    tensors, again = _flat(found)

    def step(*tensors: tf.Tensor) -> tf.Tensor:
        _assign_starts(made, starts)
        if new.learning_rate is not None:
            told = new.learning_rate
            made.learning_rate = told(made.iterations) if callable(told) else told
        applied = _unscaled(made, again(tensors))
        # Not even a step is counted where the input has ended.
        with tf.control_dependencies(tensors):
            made.apply_gradients([(gradient, handed[id(one)]) for gradient, one in applied])
        return tf.constant(0)

    with tf.control_dependencies(update_ops):
        done = _tf.call_traced(step, tensors)
    with tf.control_dependencies([done]):
        if global_step is None:
            return tf.no_op()
        return v1.assign_add(global_step, tf.ones([], global_step.dtype.base_dtype)).op


def _handed(variable: tf.Variable, keras_3: bool) -> Any:
    """What Keras is given for a variable of the graph."""
    if not keras_3:
        return variable
    return _keras.variable_view(variable, in_replica.plain_name(variable.op.name))


def _build(optimizer: Any, variables: Sequence[Any]) -> list[tuple[Any, tf.Tensor]]:
    """Makes the optimizer's variables. Returns those that it assigned a value to, with the value.

    The assignment would never run in a graph: it has to be part of the first step.
    """
    starts: list[tuple[Any, tf.Tensor]] = []
    with_own_assign = hasattr(optimizer, "assign")  # Keras 3
    if with_own_assign:
        vars(optimizer)["assign"] = lambda variable, value: starts.append((variable, value))
    try:
        optimizer.build(variables)
    finally:
        if with_own_assign:
            del vars(optimizer)["assign"]
    for one in recreation.variables_of(optimizer):
        for op in one.handle.consumers():
            if op != one.initializer and _tf.writes_variable(op, one.handle):
                raise NotImplementedError(
                    f"A {type(optimizer).__name__} cannot train in a graph: its build() changes "
                    f"the variable {one.op.name!r}, and no session would run that. Make it the "
                    "variable's initial value, or call self.assign(variable, value)."
                )
    return starts


def _assign_starts(optimizer: Any, starts: Sequence[tuple[Any, tf.Tensor]]) -> None:
    """Before the first step, makes the assignments that `build` wanted."""

    def assign() -> tf.Tensor:
        for variable, value in starts:
            variable.assign(value)
        return tf.constant(0)

    if starts:
        tf.cond(tf.equal(optimizer.iterations, 0), assign, lambda: tf.constant(0))


def _require_tensorflow_backend() -> None:
    backend = sys.modules["keras"].backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"An optimizer of Keras 3 must have TensorFlow as its backend; it is {backend!r}. "
            "Set KERAS_BACKEND=tensorflow before Keras is imported."
        )


_LEARNING_RATES = ("learning_rate", "current_learning_rate")  # Keras 3, tf_keras


@contextmanager
def _variables_under(scope: str) -> Iterator[None]:
    """Gives the variables made inside names under `scope`, whatever the scopes that Keras enters.

    Those have numbers that count through the process: the second graph would look for other names
    in the checkpoint than the first has saved.

    A learning rate becomes a local variable. In a checkpoint it would serve nothing, and one of a
    run with a schedule has none.
    """

    def create(next_creator: Callable[..., tf.Variable], **arguments: Any) -> tf.Variable:
        start = arguments["initial_value"]
        if isinstance(start, tf.Variable):
            # A copy of a variable that may not have its own initial value yet.
            arguments["initial_value"] = lambda: tf.cond(
                v1.is_variable_initialized(start), start.read_value, lambda: start.initial_value
            )
        if arguments.get("name"):
            arguments["name"] = in_replica.plain_name(arguments["name"])
        if in_replica.is_one_of_several():
            arguments["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        with v1.name_scope(None), v1.name_scope(scope):
            made = next_creator(**arguments)
        if str(arguments.get("name")).rpartition("/")[2] in _LEARNING_RATES:
            collection = v1.get_collection_ref(v1.GraphKeys.GLOBAL_VARIABLES)
            collection[:] = [one for one in collection if one is not made]
            if in_replica.index() == 0:
                v1.add_to_collection(v1.GraphKeys.LOCAL_VARIABLES, made)
        return in_replica.own(made)

    with tf.variable_creator_scope(create):
        yield


def _scaled(optimizer: Any, loss: tf.Tensor) -> tf.Tensor:
    """The loss that the optimizer wants the gradients of: one that scales it also unscales them."""
    for name in ("scale_loss", "get_scaled_loss"):  # of Keras 3 and tf_keras
        if hasattr(optimizer, name):
            return getattr(optimizer, name)(loss)
    return loss


def _unscaled(optimizer: Any, pairs: list[Pair]) -> list[Pair]:
    """Gradients for `apply_gradients`: an optimizer of Keras 3 does it there."""
    if not hasattr(optimizer, "get_unscaled_gradients"):
        return pairs
    found, variables = zip(*pairs, strict=True)
    return list(zip(optimizer.get_unscaled_gradients(found), variables, strict=True))


def _flat(
    pairs: Sequence[Pair],
) -> tuple[list[tf.Tensor], Callable[[Sequence[tf.Tensor]], list[Pair]]]:
    """The tensors that gradients consist of, and what makes the pairs of such tensors again."""
    tensors: list[tf.Tensor] = []
    places = []
    for gradient, variable in pairs:
        by_rows = isinstance(gradient, tf.IndexedSlices)
        places.append((len(tensors), by_rows, variable))
        if by_rows:
            # As they are: rows of equal index are for the optimizer to add up, as in eager Keras.
            tensors += [gradient.values, gradient.indices]
        else:
            tensors.append(gradient)

    def again(tensors: Sequence[tf.Tensor]) -> list[Pair]:
        found: list[Pair] = []
        for n, by_rows, variable in places:
            gradient = tensors[n]
            if by_rows:
                # A shape that is known when tracing.
                shape = tf.constant(variable.shape.as_list(), tf.int64)
                gradient = tf.IndexedSlices(gradient, tensors[n + 1], shape)
            found.append((gradient, variable))
        return found

    return tensors, again
