"""Keras optimizers whose `apply_gradients` was called in a graph, where it does not train.

Keras 3 and tf_keras write it for eager execution. In a graph it leaves operations behind that
nothing runs and nothing orders, and returns its counter of steps, a copy of that, or None. Only the
optimizers of `tf_keras.optimizers.legacy` know graphs.

Keras is never imported here: who has an optimizer has imported it.
"""

import itertools
import re
from typing import Any

import tensorflow as tf

from tf_estimator import _tf
from tf_estimator._checks import wrong_type
from tf_estimator.spec.metrics import keras_classes

v1 = tf.compat.v1

_HINT = (
    "Write instead:\n"
    "    optimizer = keras.optimizers.Adam(learning_rate)  # yours\n"
    "    train_op = tf_estimator.keras.minimize(optimizer, loss)\n"
    "or, with gradients of your own, tf_estimator.keras.apply_gradients(optimizer, grads_and_vars)."
)


def refuse(train_op: Any) -> None:
    """Raises TypeError if a Keras optimizer was applied in the graph as if that were eager.

    Args:
        train_op: what the user gives as such. It need not be what the optimizer returned: a group
            with that, or a step counted beside it, does not train either.
    """
    if isinstance(train_op, keras_classes("Variable")):
        raise _refusal(train_op)
    if tf.executing_eagerly() or not keras_classes("optimizers", "Optimizer"):
        return
    made = v1.global_variables()
    counters = [
        one for one, after in itertools.zip_longest(made, made[1:]) if _is_counter(one, after)
    ]
    # Where the optimizer was told to count with the global step, it leaves its own counter alone.
    if counters and (_is_increment_alone(train_op) or any(map(_is_written, counters))):
        raise _refusal(train_op)


def _is_increment_alone(train_op: Any) -> bool:
    """Whether `train_op` adds to a variable and waits for nothing, such as a step of training."""
    if not isinstance(train_op, tf.Variable) or train_op.op.type != "AssignAddVariableOp":
        return False
    # Under control_dependencies, it may be the 1 that waits.
    op = train_op.op
    return not any(one.control_inputs for one in [op, *(value.op for value in op.inputs)])


def _is_counter(variable: tf.Variable, after: tf.Variable | None) -> bool:
    """Whether a variable is the counter of a Keras optimizer that is not of the legacy kind.

    Args:
        variable: any of the graph.
        after: the one that was made next.
    """
    if not _is_called(variable.op, "iteration") or variable.dtype.base_dtype != tf.int64:
        return False
    of_keras_3 = variable.aggregation == tf.VariableAggregation.ONLY_FIRST_REPLICA
    return of_keras_3 or (after is not None and _is_called(after.op, "(current_)?learning_rate"))


def _is_called(op: tf.Operation, name: str) -> bool:
    """Whether the last part of an operation's name matches, but for a number after it."""
    return re.fullmatch(rf"{name}(_\d+)?", op.name.rpartition("/")[2]) is not None


def _is_written(variable: tf.Variable) -> bool:
    """Whether the graph itself has a write of a variable; one in a tf.function is no such."""
    return any(
        op.type.startswith(("Assign", "If")) and _tf.writes_variable(op, copy.handle)
        for copy in _tf.copies_of(variable)
        for op in copy.handle.consumers()
        if op != copy.initializer
    )


def hint(error: BaseException) -> str:
    """What to write instead, for an error that a Keras optimizer gave in a model_fn; "" for others.

    Args:
        error: what model_fn raised: the optimizer has no such method, as `minimize` in Keras 3, its
            `apply_gradients` fails in a graph, or TensorFlow cannot group its counter.
    """
    kinds = keras_classes("optimizers", "Optimizer")
    if isinstance(error, AttributeError) and isinstance(getattr(error, "obj", None), kinds):
        return _HINT if error.name in _METHODS else ""
    if isinstance(error, TypeError) and "Variable path=" in str(error):
        return _HINT if "/iteration," in str(error) else ""
    seen = error.__traceback__
    found = ""
    while seen is not None:
        frame = seen.tb_frame
        if str(frame.f_globals.get("__name__")).startswith("tf_estimator.optimizers."):
            return ""  # It is applied as it should be.
        if frame.f_code.co_name in _METHODS and isinstance(frame.f_locals.get("self"), kinds):
            found = _HINT
        seen = seen.tb_next
    return found


_METHODS = ("apply", "apply_gradients", "compute_gradients", "get_updates", "minimize")


def _refusal(train_op: Any) -> TypeError:
    return wrong_type(
        "train_op",
        "must not come from a Keras optimizer's own apply_gradients or apply: in a graph that "
        "does not train, it returns the optimizer's counter or None",
        train_op,
        _HINT,
    )
