"""Operations that wait for other workers: which of them a run of a session has."""

from collections.abc import Iterable
from typing import Final

import tensorflow as tf

from tf_estimator.engine.stateful import ancestors, function_nodes, is_source

_COLLECTIVE: Final = "Collective"


def collectives(graph: tf.Graph, fetches: Iterable[tf.Operation | tf.Tensor]) -> str:
    """What in a run of these waits for other workers, in words that are the same on all of them.

    Args:
        graph: theirs.
        fetches: operations and tensors.

    Returns:
        The kinds of the operations and the keys by which the workers tell them apart, not the
        names: those may differ. Nothing if none waits.
    """
    ops = ancestors(fetches)
    found = [_in_words(op) for op in ops if op.type.startswith(_COLLECTIVE)]
    # How an iterator makes its batches is not of the step.
    nodes = function_nodes(op for op in ops if not is_source(op))
    found.extend(_kind(node.op) for _, node in nodes if node.op.startswith(_COLLECTIVE))
    return " ".join(sorted(found))


def _in_words(op: tf.Operation) -> str:
    names = [arg.name for arg in op.op_def.input_arg]
    if "instance_key" in names:
        key = tf.get_static_value(op.inputs[names.index("instance_key")])
    else:
        key = op.get_attr("instance_key") if "instance_key" in op.node_def.attr else None
    return f"{_kind(op.type)}:{'' if key is None else int(key)}"


def _kind(op_type: str) -> str:
    """One worker sends what the others receive."""
    return op_type.removeprefix(_COLLECTIVE).replace("Send", "").replace("Recv", "")
