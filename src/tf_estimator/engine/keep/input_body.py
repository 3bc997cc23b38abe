"""The operations of an input that come after its iterators: which they are, and what they do."""

from collections.abc import Hashable, Iterator
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine.keep.dataset_value import (
    LARGEST,
    CannotBring,
    constant_bytes,
    reads_variable,
)
from tf_estimator.engine.stateful import called_functions

ITERATORS: Final = frozenset({"Iterator", "IteratorV2", "OneShotIterator"})

_GET_NEXT: Final = frozenset({"IteratorGetNext", "IteratorGetNextSync"})
# Control flow of the first kind: in its middle nothing can be fed.
_FRAMES: Final = ("Enter", "Exit", "NextIteration", "Merge", "Switch", "LoopCond")
_PLAIN: Final = (type(None), bool, int, float, complex, str, bytes)


class Body:
    """What makes features and labels of what iterators and other operations with a state give.

    Args:
        graph: the graph.
        returned: nested tensors that input_fn returned.

    Attributes:
        iterators: the operations that give its iterators.
        datasets: of each iterator the Dataset: its tensor, or the name of a function that makes it.
        fed: if it has operations that keep state of their own, their outputs, and all that
            iterators give: what has to come from the graph of a call. The iterators are not
            brought then.
        description: equal to that of another body if both do the same, name by name.

    Raises:
        CannotBring: it cannot be told what it does, or its state is not its own.
    """

    def __init__(self, graph: tf.Graph, returned: Any) -> None:
        leaves = tf.nest.flatten(returned, expand_composites=True)
        ops = _body([leaf for leaf in leaves if tf.is_tensor(leaf)])
        for op in ops:
            _check(op)
        if sum(map(constant_bytes, ops)) > LARGEST:
            raise CannotBring(f"its constants are larger than {LARGEST >> 20} MB")
        live = [op for op in ops if _is_live(op)]
        iterators = [op for op in ops if op.type in ITERATORS]
        made = dict(zip((op.name for op in iterators), _datasets(graph, iterators), strict=True))
        if live:
            live += [op for op in ops if op.type in _GET_NEXT]
            iterators = []
        self.iterators = iterators
        self.datasets = [made[op.name] for op in iterators]
        self.fed = [out for op in live for out in op.outputs]
        for out in self.fed:
            if out.dtype in (tf.resource, tf.variant):
                raise CannotBring(f"{out.name!r} has a value that only its own session knows")
        self.description = _description(graph, ops, {op.name for op in live})


def described(returned: Any) -> Hashable:
    """The structure of what input_fn returned, and what in it is no tensor.

    Raises:
        CannotBring: there is something of which it cannot be told whether it is the same.
    """
    leaves = tf.nest.flatten(returned)
    order = repr(tf.nest.map_structure(lambda leaf: None, returned))
    return order, tuple(map(_described_leaf, leaves))


def _described_leaf(leaf: Any) -> Hashable:
    if isinstance(leaf, _PLAIN):
        return type(leaf).__name__, repr(leaf)
    if isinstance(leaf, np.ndarray | np.generic):
        array = np.asarray(leaf)
        if array.dtype.hasobject or array.nbytes > LARGEST:
            raise CannotBring("there is an array in it that is large or of objects")
        return type(leaf).__name__, array.dtype.str, array.shape, array.tobytes()
    if isinstance(leaf, tf.Variable):
        raise CannotBring("there is a variable in it")
    if isinstance(leaf, tf.Tensor):
        return leaf.name, leaf.dtype, str(leaf.shape)
    try:
        parts = tf.nest.flatten(leaf, expand_composites=True)
        return tf.type_spec_from_value(leaf), tuple(part.name for part in parts)
    except (AttributeError, TypeError):
        raise CannotBring(f"there is a {type(leaf).__name__} in it") from None


def _body(tensors: list[tf.Tensor]) -> list[tf.Operation]:
    """The operations that give `tensors`, by name; those behind an iterator or a state are not."""
    waiting = [tensor.op for tensor in tensors]
    found: dict[str, tf.Operation] = {}
    while waiting:
        op = waiting.pop()
        if op.name in found:
            continue
        found[op.name] = op
        if not _is_live(op):
            waiting.extend(op.control_inputs)
            waiting.extend(tensor.op for tensor in op.inputs)
    return [found[name] for name in sorted(found)]


def _is_live(op: tf.Operation) -> bool:
    """Whether what `op` gives depends on more than its inputs, and not on an iterator."""
    is_source = op.type in ITERATORS or op.type in _GET_NEXT
    is_python = op.type == "PyFuncStateless"
    return bool(op.outputs) and not is_source and (op.op_def.is_stateful or is_python)


def _check(op: tf.Operation) -> None:
    if op.type.startswith("Placeholder"):
        raise CannotBring(f"{op.name!r} has to be fed")
    if reads_variable(op) or op.type == "ReadVariableOp":
        raise CannotBring(f"it reads the variable {op.name!r}")
    if op.type in _FRAMES or op.type.removeprefix("Ref") in _FRAMES:
        raise CannotBring(f"{op.name!r} is a part of control flow of version 1")


def _datasets(graph: tf.Graph, iterators: list[tf.Operation]) -> Iterator[tf.Tensor | str]:
    initializers = {op.name for op in graph.get_collection(v1.GraphKeys.TABLE_INITIALIZERS)}
    for iterator in iterators:
        if iterator.type == "OneShotIterator":
            yield iterator.get_attr("dataset_factory").name
            continue
        makers = [one for one in iterator.outputs[0].consumers() if one.type == "MakeIterator"]
        if len(makers) != 1 or makers[0].name not in initializers:
            raise CannotBring(f"the iterator {iterator.name!r} is not initialized with the tables")
        yield makers[0].inputs[0]


def _description(graph: tf.Graph, ops: list[tf.Operation], fed: set[str]) -> Hashable:
    if called_functions([op for op in ops if op.name not in fed and op.type not in ITERATORS]):
        # Their names are others in every graph, and so are names in them.
        raise CannotBring("its features come from control flow or functions")
    return tuple(_described_op(op, op.name in fed) for op in ops)


def _described_op(op: tf.Operation, is_fed: bool) -> Hashable:
    if is_fed:
        return op.name, tuple((out.dtype, str(out.shape)) for out in op.outputs)
    if op.type == "OneShotIterator":
        # What it gives comes from elsewhere.
        types, shapes = op.get_attr("output_types"), op.get_attr("output_shapes")
        return op.name, tuple(types), tuple(map(str, shapes))
    return op.node_def.SerializeToString(deterministic=True)
