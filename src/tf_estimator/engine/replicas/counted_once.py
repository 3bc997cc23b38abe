"""Evaluation counts each batch once, also where the last step has fewer batches than replicas.

A replica that got no batch evaluates that of the first once more, and then takes back what its
metrics have counted: only its own copies of their variables have it.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine.stateful import ancestors
from tf_estimator.spec.program_order import ProgramOrder, accesses


def undo_where_absent(
    strategy: Any, updates: Sequence[Sequence[Any]], present: Sequence[tf.Tensor]
) -> list[tf.Operation]:
    """The operations that take back what replicas without a batch have counted.

    Args:
        strategy: that the replicas run under.
        updates: the metrics' updates in each replica.
        present: of each replica whether it has a batch. The first always has one.

    Returns:
        Operations that run after the updates.
    """
    graph = v1.get_default_graph()
    copies = [strategy.experimental_local_results(one) for one in v1.local_variables()]
    undoing = []
    for n in range(1, len(updates)):
        run = {op.name for op in ancestors(updates[n])}
        written = []
        for one in copies:
            if len(one) == len(updates):
                writers = [op for op, write in accesses(one[n]).items() if write and op.name in run]
                if writers:
                    written.append((one[n], writers))
        before = [(variable, variable.read_value(), writers) for variable, writers in written]
        order = ProgramOrder(graph)
        for _, value, writers in before:
            for op in writers:
                order.wait(op, [value.op, *value.op.control_inputs])
        with tf.control_dependencies([getattr(one, "op", one) for one in updates[n]]):
            undoing.append(_undo(present[n], [(variable, value) for variable, value, _ in before]))
    return undoing


def _undo(is_present: tf.Tensor, before: Sequence[tuple[tf.Variable, tf.Tensor]]) -> tf.Operation:
    def undo() -> tf.Tensor:
        ops = [variable.assign(value, read_value=False) for variable, value in before]
        with tf.control_dependencies(ops):
            return tf.constant(False)

    return tf.cond(is_present, lambda: tf.constant(True), undo).op
