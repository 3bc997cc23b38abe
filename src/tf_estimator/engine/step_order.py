"""The global step is read before it is written, unless the program says otherwise.

A graph has no order of its own. Where a model_fn reads the step for a learning rate, and moves it
by a plain assignment beside what trains, as the programs that came with BERT do, either may come
first, and the rate may be that of the next step. It seldom is where a step runs by itself, but
often enough where steps run in a loop that numbers differ from one process to the next.
"""

from typing import Any

import tensorflow as tf

from tf_estimator import _tf
from tf_estimator.engine.stateful import ancestors
from tf_estimator.spec.program_order import ProgramOrder


def read_before_write(global_step: Any, train_op: Any, loss: Any) -> None:
    """Has each write of the step wait for the reads that do not wait for it.

    It orders what runs for train_op and loss, and nothing if the step is no resource variable.

    Args:
        global_step: the step variable of the graph.
        train_op: takes a step, an operation or tensor.
        loss: of the step, a tensor.
    """
    handle = getattr(global_step, "handle", None)
    if handle is None or handle.dtype != tf.resource:
        return
    run = {op.name for op in ancestors([train_op, loss])}  # not what initializes it
    consumers = [op for op in handle.consumers() if op.name in run]
    reads = [op for op in consumers if op.type == "ReadVariableOp"]
    writes = [op for op in consumers if _tf.writes_variable(op, handle)]
    if not reads or not writes:
        return
    order = ProgramOrder(handle.graph)
    for write in writes:
        order.wait(write, reads)
