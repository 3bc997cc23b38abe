"""Keras Metrics, of Keras 3 and of tf_keras, in `eval_metric_ops`.

A Metric is written for eager execution: its `update_state` reads and writes variables and counts on
program order. In a graph nothing runs those writes and nothing orders them. Here they are found,
put in order, and made the update of a `(value, update_op)` pair, as those of `tf.compat.v1.metrics`
are::

    for every metric:
        writes  = the operations that write its variables, as update_state left them
        order   = reads and writes of a variable run in the order they were made in
        guard   = every write waits for all that any of its siblings is computed from
        value   = result()
        update  = result() again, after all writes

The guard is for the end of the input. The step that finds no more data fails, but whatever does not
depend on the data may have run by then: the `count += 1` of a mean would count one batch too many.

Keras is never imported here: who has a Metric has imported it.
"""

import sys
from collections.abc import Mapping
from typing import Any, Final

import tensorflow as tf

from tf_estimator import _keras, _tf
from tf_estimator._checks import wrong_value
from tf_estimator.spec import in_replica
from tf_estimator.spec.program_order import (
    ProgramOrder,
    accesses,
    inputs_of,
    may_not_run,
    tf_variable,
)

v1 = tf.compat.v1

_KERAS = ("keras", "tf_keras")

GIVE_ITSELF: Final = (
    "Call metric.update_state(...) on a line of its own and give the Metric itself, "
    "{'name': metric}, instead of (metric.result(), metric.update_state(...))."
)


def keras_classes(*path: str) -> tuple[type, ...]:
    """The classes at `path` of the Keras generations that are loaded in this process.

    Args:
        *path: attribute names below the package, such as `"metrics", "Metric"`.
    """
    found = []
    for package in _KERAS:
        part: Any = sys.modules.get(package)
        for name in path:
            part = getattr(part, name, None)
        if isinstance(part, type):
            found.append(part)
    return tuple(found)


def is_metric(value: Any) -> bool:
    """Whether `value` is a Metric of Keras 3 or tf_keras."""
    return isinstance(value, keras_classes("metrics", "Metric"))


def metric_ops(metrics: Mapping[Any, Any], loss: Any = None) -> dict[Any, tuple[Any, Any]]:
    """The `(value, update_op)` pairs of Keras Metrics that were updated in this graph.

    Every call of `update_state` counts. The variables of the metrics become local variables and
    metric variables, and no longer are global or trainable: they start at zero in every evaluation
    and in no checkpoint. Metrics that occur twice are converted once.

    Args:
        metrics: Metric instances by key.
        loss: a Tensor of the graph or None. The updates wait for it as well, so that a metric which
            is updated with constants stops with the data too.

    Returns:
        By key, the value (what `result()` gives: a Tensor or a structure of them) and the
        update_op, which is the value after this step's updates where that is one Tensor, else an
        Operation.

    Raises:
        ValueError: in eager execution, for a Metric that was made in another graph, was never
            updated, or was updated inside a `tf.cond` or `tf.while_loop`.

    Example:
        >>> import keras
        >>> with tf.Graph().as_default(), v1.Session() as session:
        ...     mean = keras.metrics.Mean()
        ...     mean.update_state([1.0, 2.0])
        ...     value, update_op = metric_ops({"mean": mean})["mean"]
        ...     session.run(v1.local_variables_initializer())
        ...     print(session.run(update_op), session.run(value))
        1.5 1.5
    """
    distinct = {id(metric): metric for metric in metrics.values()}
    for metric in distinct.values():
        require_update(metric)
    order = ProgramOrder(v1.get_default_graph())
    writes = {}
    for key, metric in distinct.items():
        variables = _variables(metric)
        _require_this_graph(metric, variables)
        uses = [_accesses(metric, v) for v in variables]
        # A call may write several of the variables.
        writes[key] = list(dict.fromkeys(op for one in uses for op, write in one.items() if write))
        _put_in_order(order, writes[key], uses, loss)
        _make_local(variables)
    pairs = {key: _value_and_update(metric, writes[key]) for key, metric in distinct.items()}
    return {key: pairs[id(metric)] for key, metric in metrics.items()}


def refuse_parts(eval_metric_ops: Mapping[Any, Any]) -> None:
    """Raises ValueError for what a tf_keras Metric gives where the Metric itself is wanted.

    Its `result()` and `update_state()` give a Tensor and an Operation, as a pair needs them. But
    its variables are in no collection until the Metric is given, and so nothing starts them.

    Args:
        eval_metric_ops: `(value, update_op)` pairs by key, Metrics converted.
    """
    if "tf_keras" not in sys.modules or tf.executing_eagerly():
        return
    started = {
        copy.op.name
        for one in (*v1.global_variables(), *v1.local_variables())
        for copy in _tf.copies_of(one)
    }
    left = {
        op
        for op in v1.get_default_graph().get_operations()
        if op.type == "VarHandleOp"
        and op.name not in started
        and any(call.startswith("metrics/") for call in _keras.calls(op))
    }
    for key, pair in eval_metric_ops.items() if left else ():
        todo = [getattr(one, "op", one) for one in tf.nest.flatten(tuple(pair))]
        before = set(todo)
        while todo:
            new = inputs_of(todo.pop()) - before
            before |= new
            todo.extend(new)
        if before & left:
            raise ValueError(
                f"eval_metric_ops[{key!r}] must not be made of result() and update_state() of a "
                f"tf_keras Metric: nothing would start its variables. {GIVE_ITSELF}"
            )


def require_update(metric: Any) -> None:
    """Raises ValueError unless `update_state` of a Metric was called in a graph."""
    if tf.executing_eagerly():
        raise ValueError(
            f"The Metric {metric.name!r} cannot be used in eager execution: eval_metric_ops takes "
            "a Metric whose update_state was called in the graph of a model_fn."
        )
    if not any(write for v in _variables(metric) for write in _accesses(metric, v).values()):
        raise ValueError(
            f"The Metric {metric.name!r} was never updated: call its update_state(...) in model_fn "
            "before it goes into eval_metric_ops."
        )


def _variables(metric: Any) -> list[tf.Variable]:
    """The distinct tf.Variables of a Metric."""
    found: dict[int, tf.Variable] = {}
    for variable in metric.variables:
        raw = tf_variable(variable)
        if raw is None:
            raise wrong_value(
                f"The Metric {metric.name!r}",
                "must have TensorFlow variables",
                variable,
                'Set KERAS_BACKEND="tensorflow" before Keras is imported.',
            )
        if getattr(raw, "graph", None) is None:  # An eager variable.
            raise _made_outside(metric)
        found[id(raw)] = raw
    return list(found.values())


def _require_this_graph(metric: Any, variables: list[tf.Variable]) -> None:
    graph = v1.get_default_graph()
    if any(variable.graph is not graph for variable in variables):
        raise _made_outside(metric)


def _made_outside(metric: Any) -> ValueError:
    return ValueError(
        f"The Metric {metric.name!r} must be from the default graph, but it was made outside of "
        "it. Make the Metric and call its update_state inside model_fn, anew at every call."
    )


def _accesses(metric: Any, variable: tf.Variable) -> dict[tf.Operation, bool]:
    """The operations that use a variable, and whether each writes it."""
    found = accesses(in_replica.own(variable))
    if any(write and may_not_run(op) for op, write in found.items()):
        raise ValueError(
            f"The Metric {metric.name!r} must not have its update_state called inside a tf.cond or "
            "tf.while_loop, where it would not run. Call it outside, with a sample_weight of zero "
            "for what shall not count, or put the tf.cond into a tf.function."
        )
    return found


def _put_in_order(
    order: ProgramOrder,
    writes: list[tf.Operation],
    uses: list[dict[tf.Operation, bool]],
    loss: Any,
) -> None:
    """Chains the updates of one Metric and makes each write wait for the inputs of them all."""
    touched = order.after(op for one in uses for op in one)
    # What the writes are computed from, inside and at the border of what depends on the metric's
    # state. Reads that no write needs are left alone: a result() must not run the updates.
    inside = set(writes)
    border: dict[tf.Operation, None] = {}
    todo = list(writes)
    while todo:
        for one in inputs_of(todo.pop()):
            if one not in touched:
                border[one] = None
            elif one not in inside:
                inside.add(one)
                todo.append(one)
    if isinstance(loss, tf.Tensor):
        border[loss.op] = None

    for one in uses:
        order.chain(one, inside)
    guard = [op for op in border if op.type not in _NEVER_LATE]
    for op in writes:
        order.wait(op, guard)


# Operations that are there from the start: waiting for them guards against nothing.
_NEVER_LATE = ("Const", "VarHandleOp")


def _make_local(variables: list[tf.Variable]) -> None:
    """Moves variables from the global to the local and metric collections."""
    keys = v1.GraphKeys
    mine = {id(v) for v in variables}
    for name in (keys.GLOBAL_VARIABLES, keys.TRAINABLE_VARIABLES, keys.MODEL_VARIABLES):
        collection = v1.get_collection_ref(name)
        collection[:] = [v for v in collection if id(v) not in mine]
    for name in (keys.LOCAL_VARIABLES, keys.METRIC_VARIABLES):
        collection = v1.get_collection_ref(name)
        there = {id(v) for v in collection}
        collection.extend(v for v in variables if id(v) not in there)


def _value_and_update(metric: Any, writes: list[tf.Operation]) -> tuple[Any, Any]:
    value = _result(metric)
    with tf.control_dependencies(writes):
        latest = _result(metric)
        if isinstance(latest, tf.Tensor):
            return value, tf.identity(latest, name="update_op")
        return value, tf.group(*tf.nest.flatten(latest))


def _result(metric: Any) -> Any:
    """What `result()` gives, as Tensors: some metrics return a variable, a number or a dict.

    In one of several replicas it is that of all of them: read outside of the replicas a variable of
    a Metric is the sum of its copies.
    """

    def result(strategy: Any = None) -> Any:
        del strategy
        return tf.nest.map_structure(tf.convert_to_tensor, metric.result())

    if in_replica.is_one_of_several():
        return tf.distribute.get_replica_context().merge_call(result)
    return result()
