"""A tf.data.Dataset of one graph as a string, from which another graph makes the same Dataset.

`tf.raw_ops.DatasetFromGraph` takes a serialized GraphDef whose result is a Dataset. TensorFlow has
an operation that writes such a string, but it needs a session, and what a resource holds may be
lost on the way. Here the string is cut out of the GraphDef, so that what a session would do when it
initializes an iterator is what the other one does: files are looked for, random operations begin
with the same seeds, Python functions are found by their token.
"""

import functools
import re
from collections.abc import Iterable
from typing import Any, Final

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine.stateful import ancestors

LARGEST: Final = 64 << 20
"""Constants of more bytes than this are not worth to be copied."""

# The contents of a Dataset of nothing but these are there at once, with nothing to gain from
# threads or from a rewrite.
_INSTANT: Final = frozenset(
    {
        "BatchDataset",
        "BatchDatasetV2",
        "Const",
        "PrefetchDataset",
        "RebatchDataset",
        "RebatchDatasetV2",
        "RepeatDataset",
        "ShuffleDataset",
        "SkipDataset",
        "TakeDataset",
        "TensorDataset",
        "TensorSliceDataset",
        "ZipDataset",
    }
)
_INSTANT_BYTES: Final = 1 << 18

# In a function, resources of its own that outlive a call.
_RESOURCES: Final = re.compile(
    r"VarHandleOp|Variable(V2)?|IteratorV2|Iterator|OneShotIterator|MultiDeviceIterator|Stage"
    r"|.*HashTable(V2)?|.*Queue(V2)?|.*Barrier|.*MapStage|.*ConditionalAccumulator|.*Reader(V2)?"
)
_VARIABLES: Final = frozenset({"VarHandleOp", "Variable", "VariableV2"})
# A function that is called once is not worth to be rewritten first.
_AS_IT_IS: Final = v1.ConfigProto(
    graph_options=v1.GraphOptions(
        rewrite_options={"disable_meta_optimizer": True},
        optimizer_options=v1.OptimizerOptions(opt_level=v1.OptimizerOptions.L0),
    )
).SerializeToString()
_RESULT: Final = "dataset_by_value/result"


class CannotBring(Exception):  # noqa: N818 - it is no error: the graph is built anew
    """An input cannot be brought into another graph; says why, for the debug log."""


class DatasetValue:
    """One Dataset, or the function that makes it.

    Args:
        graph: has the Dataset.
        dataset: its tensor, or the name of a function of the graph that gives it.

    Raises:
        CannotBring: it uses what another graph does not have, or is too large.
    """

    def __init__(self, graph: tf.Graph, dataset: tf.Tensor | str) -> None:
        self._graph = graph
        self._dataset = dataset
        self._ops = [] if isinstance(dataset, str) else _with_tables(graph, dataset.op)
        _check(self._ops)
        size = sum(map(constant_bytes, self._ops))
        if size > LARGEST:
            raise CannotBring(f"its Dataset holds {size >> 20} MB")
        self._size = size

    @functools.cached_property
    def _whole(self) -> tf.compat.v1.GraphDef:
        return self._graph.as_graph_def()

    @property
    def is_instant(self) -> bool:
        """Whether its elements are there at once."""
        if not isinstance(self._dataset, str):
            types = [op.type for op in self._ops]
            return self._size <= _INSTANT_BYTES and _INSTANT.issuperset(types)
        library = self._whole.library.function
        (maker,) = (one for one in library if one.signature.name == self._dataset)
        types = [node.op for node in maker.node_def]
        return maker.ByteSize() <= _INSTANT_BYTES and _INSTANT.issuperset(types)

    def serialized(self) -> bytes:
        """The string to give to `tf.raw_ops.DatasetFromGraph`.

        Raises:
            CannotBring: its functions use what another graph does not have, or it is too large.
        """
        whole = self._whole
        _check_functions(whole.library)
        part = v1.GraphDef(versions=whole.versions, library=whole.library)
        names = {op.name for op in self._ops}
        part.node.extend(node for node in whole.node if node.name in names)
        nodes = {node.name: node for node in part.node}
        for node in part.node:
            # There is one device, and a name to be near to may not be among the nodes.
            node.device = ""
            node.attr.pop("_class", None)
            if node.op == "HashTableV2":
                _make_anonymous(node)
        result = part.node.add(name=_RESULT, op="_Retval")
        result.attr["T"].type = tf.variant.as_datatype_enum
        result.attr["index"].i = 0
        if isinstance(self._dataset, str):
            call = part.node.add(name="dataset_by_value/call", op="PartitionedCall")
            call.attr["f"].func.name = self._dataset
            call.attr["config_proto"].s = _AS_IT_IS
            call.attr["Tin"].list.SetInParent()
            call.attr["Tout"].list.type.append(tf.variant.as_datatype_enum)
            result.input.append(call.name)
            return part.SerializeToString()
        root = nodes[self._dataset.op.name]
        result.input.append(f"{root.name}:{self._dataset.value_index}")
        root.input.extend(f"^{op.name}" for op in _table_initializers(self._graph, self._ops))
        return part.SerializeToString()


def constant_bytes(op: tf.Operation) -> int:
    """The bytes of a constant; 0 for any other operation."""
    if op.type != "Const":
        return 0
    (tensor,) = op.outputs
    if tensor.dtype == tf.string:
        return op.get_attr("value").ByteSize()
    return tensor.shape.num_elements() * tensor.dtype.size


def reads_variable(op: tf.Operation) -> bool:
    """Whether `op` is the handle of a variable, or gives a reference to one."""
    return op.type in _VARIABLES or any(out.dtype != out.dtype.base_dtype for out in op.outputs)


def _check(ops: Iterable[tf.Operation]) -> None:
    for op in ops:
        if op.type.startswith("Placeholder"):
            raise CannotBring(f"its Dataset needs {op.name!r} to be fed")
        if reads_variable(op):
            raise CannotBring(f"its Dataset reads the variable {op.name!r}")
        if op.type == "HashTableV2" or op.type.startswith(("Anonymous", "Dummy")):
            continue
        if any(out.dtype == tf.resource for out in op.outputs):
            raise CannotBring(f"its Dataset uses {op.name!r}, of type {op.type}")


def _check_functions(library: Any) -> None:
    for function in library.function:
        for node in function.node_def:
            if _RESOURCES.fullmatch(node.op):
                raise CannotBring(f"a function of its Dataset has {node.name!r}, a {node.op}")
    size = library.ByteSize()
    if size > LARGEST:
        raise CannotBring(f"the functions of its Dataset hold {size >> 20} MB")


def _with_tables(graph: tf.Graph, root: tf.Operation) -> list[tf.Operation]:
    """What a Dataset is made of: its ancestors, and the operations that fill its tables."""
    ops = ancestors([root])
    while True:
        more = ancestors([root, *_table_initializers(graph, ops)])
        if len(more) == len(ops):
            return ops
        ops = more


def _table_initializers(graph: tf.Graph, ops: Iterable[tf.Operation]) -> list[tf.Operation]:
    tables = {op.name for op in ops if op.type == "HashTableV2"}
    if not tables:
        return []
    initializers = graph.get_collection(v1.GraphKeys.TABLE_INITIALIZERS)
    return [one for one in initializers if any(op.name in tables for op in ancestors([one]))]


def _make_anonymous(table: tf.compat.v1.NodeDef) -> None:
    """Makes a table that lives as long as the Dataset, under no name that another one could have.

    By its name it would be found again with the contents of an earlier call.
    """
    table.op = "AnonymousHashTable"
    for name in set(table.attr) - {"key_dtype", "value_dtype"}:
        del table.attr[name]
