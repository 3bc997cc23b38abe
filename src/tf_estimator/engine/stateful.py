"""Which operations of a graph keep state between runs: in a resource, or in the operation itself.

The state of a resource (a variable, an iterator, a table) belongs to whoever has its handle. An
operation that keeps its own, as a seeded random one keeps where its sequence is, shares it with no
copy of it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

# They keep what they read, or what they saw, in the kernel, whatever their seeds.
_KEEP_THEIR_OWN = frozenset(
    {
        "LearnedUnigramCandidateSampler",
        "RecordInput",
        "Skipgram",
        "ThreadUnsafeUnigramCandidateSampler",
    }
)
_SEEDS = ("seed", "seed2")


def ancestors(
    targets: Iterable[tf.Operation | tf.Tensor], down_to: Iterable[tf.Tensor] = ()
) -> list[tf.Operation]:
    """All operations that run when `targets` are fetched: they, and what they wait for.

    Args:
        targets: operations and tensors of one graph.
        down_to: tensors; what their operations wait for is left out.

    Returns:
        Each operation once, in no particular order.
    """
    waiting = [getattr(target, "op", target) for target in targets]
    # Two handles of one operation need not be one object, but have one name.
    found: dict[str, tf.Operation] = {}
    last = {tensor.op.name for tensor in down_to}
    while waiting:
        op = waiting.pop()
        if op.name in found:
            continue
        found[op.name] = op
        if op.name in last:
            continue
        waiting.extend(tensor.op for tensor in op.inputs)
        waiting.extend(op.control_inputs)
    return list(found.values())


def is_source(op: tf.Operation) -> bool:
    """Whether `op` only gives the handle of a resource or variant: a variable, iterator, table.

    An anonymous resource is a new one at each run, and so no source.
    """
    return (
        not op.inputs
        and not op.type.startswith("Anonymous")
        and any(tensor.dtype in (tf.resource, tf.variant) for tensor in op.outputs)
    )


def called_functions(ops: Iterable[tf.Operation], library: Any | None = None) -> dict[str, Any]:
    """The functions that `ops` call, and those that these call.

    Args:
        ops: operations of one graph.
        library: the FunctionDefLibrary of their graph, if the caller has it at hand.

    Returns:
        FunctionDef by name. `node_def` of each has the nodes of its body.
    """
    ops = list(ops)
    waiting = [name for op in ops for name in _functions_of(op)]
    if not waiting:
        return {}
    if library is None:
        library = ops[0].graph.as_graph_def().library
    known = {function.signature.name: function for function in library.function}
    gradients = {one.function_name: one.gradient_func for one in library.gradient}
    found: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name in found or name not in known:
            continue
        found[name] = known[name]
        waiting.append(gradients.get(name, ""))
        for node in known[name].node_def:
            waiting.append(node.op)  # A function can be called by a node whose type is its name.
            for attr in node.attr.values():
                waiting.append(attr.func.name)
                waiting.extend(function.name for function in attr.list.func)
    return found


def function_nodes(ops: Iterable[tf.Operation], library: Any | None = None) -> Iterator[Any]:
    """Pairs (name of a function, NodeDef) of all nodes in the functions that `ops` call.

    Args:
        ops: operations of one graph.
        library: the FunctionDefLibrary of their graph, if the caller has it at hand.
    """
    for name, function in called_functions(ops, library).items():
        for node in function.node_def:
            yield name, node


def seeded_random_op(
    targets: Iterable[tf.Operation | tf.Tensor],
    library: Any | None = None,
    down_to: Iterable[tf.Tensor] = (),
) -> str | None:
    """The name of an operation in the step of `targets` that keeps state of its own.

    Such are random operations with a seed, which keep where their sequence is, also inside of
    functions. A copy of them begins its own sequence. Without a seed any sequence is as good.

    Args:
        targets: operations and tensors of one graph.
        library: the FunctionDefLibrary of that graph, if the caller has it at hand.
        down_to: tensors; what their operations wait for is left out.

    Returns:
        The name, with that of its function if it is in one; None if there is none.
    """
    # How a source makes its resource, such as the pipeline of an iterator, is not of the step.
    ops = [op for op in ancestors(targets, down_to) if not is_source(op)]
    for op in ops:
        seeds = [op.get_attr(name) for name in _attrs(op)[1]]
        if any(seeds) or op.type in _KEEP_THEIR_OWN:
            return op.name
    for function, node in function_nodes(ops, library):
        seeds = [node.attr[name].i for name in _SEEDS if name in node.attr]
        if any(seeds) or node.op in _KEEP_THEIR_OWN:
            return f"{node.name} in function {function}"
    return None


def is_random(op: tf.Operation) -> bool:
    """Whether `op` draws random numbers, seeded or not."""
    return bool(_attrs(op)[1])


# The names of the attributes that are functions, and of those that are seeds, by type of operation:
# to ask for an OpDef takes some microseconds.
_attrs_by_type: dict[str, tuple[list[str], list[str]]] = {}


def _attrs(op: tf.Operation) -> tuple[list[str], list[str]]:
    found = _attrs_by_type.get(op.type)
    if found is None:
        attrs = op.op_def.attr
        found = (
            [attr.name for attr in attrs if attr.type in ("func", "list(func)")],
            [attr.name for attr in attrs if attr.name in _SEEDS],
        )
        if not _may_be_function(op.type):
            _attrs_by_type[op.type] = found
    return found


def _functions_of(op: tf.Operation) -> Iterator[str]:
    """The names of the functions that `op` calls itself."""
    if _may_be_function(op.type):
        yield op.type
    for name in _attrs(op)[0]:
        value = op.get_attr(name)
        for function in value if isinstance(value, list) else [value]:
            yield function.name


def _may_be_function(op_type: str) -> bool:
    """Whether `op_type` is no operation of TensorFlow: a function by its name, or a custom one."""
    return not hasattr(tf.raw_ops, op_type)
