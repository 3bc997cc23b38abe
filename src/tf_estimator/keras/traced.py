"""A Python function that uses a Keras model, traced in eager execution and placed into a graph.

A graph cannot use variables of eager execution. A trace names each that it uses as an input, so it
can be called with the handles of others::

    in eager execution: trace the function, for the kinds of tensors that the graph has
    in the graph:       one call of it, with a variable or table of the graph for each captured one

The call is one operation: it runs when all of its inputs are there, so a step that finds no more
data changes nothing, and inside it everything has the order of the program.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _tf
from tf_estimator._tf import v1

_CALL = "call"
# Operations that take a variable's or table's handle and leave it as it is.
_READING = (
    "ReadVariableOp",
    "ResourceGather",
    "ResourceGatherNd",
    "VarIsInitializedOp",
    "VariableShape",
    "LookupTableFindV2",
    "LookupTableSizeV2",
    "LookupTableExportV2",
)
_CALLING = ("PartitionedCall", "If", "While", "Case")
_FINDS = "LookupTableFindV2"


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """A traced function.

    Attributes:
        function: the tf.types.experimental.ConcreteFunction.
        variables: those of eager execution that it uses.
        written: those of them that it may write.
    """

    function: Any
    variables: Sequence[tf.Variable]
    written: Sequence[tf.Variable]

    def place(
        self, name: str, given: Any, variable_of: Callable[[tf.Variable], tf.Variable]
    ) -> Any:
        """Calls it in the default graph.

        Args:
            name: of the call.
            given: the arguments, tensors of the graph in the structure that it was traced for.
            variable_of: gives the variable of the graph for one of eager execution.

        Returns:
            What the function returned, as tensors of the graph.

        Raises:
            NotImplementedError: it uses a resource that is neither a variable nor a table.
        """
        function = self.function
        handles = {id(one.handle): one for one in self.variables}
        inputs = [one for one in tf.nest.flatten(given, expand_composites=True) if one is not None]
        inner = function.inputs[len(inputs) :]
        for captured, placeholder in zip(function.captured_inputs, inner, strict=True):
            variable = handles.get(id(captured))
            if variable is not None:
                inputs.append(variable_of(variable).handle)
            elif captured.dtype == tf.resource:
                inputs.append(_table(captured, placeholder))
            elif captured.dtype == tf.variant:
                raise _cannot_use(placeholder)
            else:
                inputs.append(tf.constant(captured.numpy()))
        outputs = _call(name, function, inputs)
        return tf.nest.pack_sequence_as(
            function.structured_outputs, outputs, expand_composites=True
        )


def trace(
    fn: Callable[..., Any],
    given: Any,
    variables_of_model: Callable[[], Iterable[tf.Variable]],
    *,
    autograph: bool,
) -> Traced:
    """Traces `fn` in eager execution.

    Args:
        fn: gives a dict, also nested, of tensors.
        given: its arguments, of which the shapes and types count.
        variables_of_model: gives the variables that it may use, once it was traced.
        autograph: whether Python's `if` and `for` become those of the graph.
    """
    specs = tf.nest.map_structure(tf.type_spec_from_value, given)
    with _tf.eagerly():
        function = tf.function(fn, autograph=autograph).get_concrete_function(*specs)
        # Of those that are only written the function tells nothing.
        known = [*variables_of_model(), *function.variables]
        captures = {id(one) for one in function.captured_inputs}
        handles = {id(one.handle): one for one in known if id(one.handle) in captures}
        first = len(function.inputs) - len(function.captured_inputs)
        written = [
            handles[id(captured)]
            for captured, inner in zip(
                function.captured_inputs, function.inputs[first:], strict=True
            )
            if id(captured) in handles and not _only_reads(inner)
        ]
    return Traced(function, list(handles.values()), written)


def _only_reads(handle: tf.Tensor) -> bool:
    return all(
        op.type in _READING or (op.type.endswith(_CALLING) and not _tf.writes_variable(op, handle))
        for op in handle.consumers()
    )


def _call(name: str, function: Any, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """One operation of the default graph that calls `function`."""
    results = function.outputs
    with tf.Graph().as_default() as alone:
        args = [v1.placeholder(one.dtype, name=f"arg_{n}") for n, one in enumerate(inputs)]
        types = [one.dtype for one in results]
        tf.raw_ops.StatefulPartitionedCall(args=args, Tout=types, f=function, name=_CALL)
    graph_def = alone.as_graph_def()
    [node] = [one for one in graph_def.node if one.op == "StatefulPartitionedCall"]
    # Else it counts as one that writes all variables it is given.
    read = [n for n, one in enumerate(function.inputs) if _is_read(one)]
    node.attr["_read_only_resource_inputs"].list.i.extend(read)
    del graph_def.node[:]
    graph_def.node.append(node)
    outputs = tf.graph_util.import_graph_def(
        graph_def,
        {arg.name: one for arg, one in zip(args, inputs, strict=True)},
        [f"{node.name}:{n}" for n in range(len(results))],
        name,
    )
    for output, result in zip(outputs, results, strict=True):
        output.set_shape(result.shape)
    return outputs


def _is_read(inner: tf.Tensor) -> bool:
    return inner.dtype == tf.resource and _only_reads(inner)


def _table(captured: Any, inner: tf.Tensor) -> tf.Tensor:
    """A lookup table of the default graph with what a table of eager execution has."""
    uses = list(inner.consumers())
    types = {(op.get_attr("Tin"), op.get_attr("Tout")) for op in uses if op.type == _FINDS}
    if len(types) != 1 or not _only_reads(inner):
        raise _cannot_use(inner)
    [(of_keys, of_values)] = types
    with _tf.eagerly():
        keys, values = tf.raw_ops.LookupTableExportV2(
            table_handle=captured, Tkeys=of_keys, Tvalues=of_values
        )
        keys, values = keys.numpy(), values.numpy()
    content = tf.lookup.KeyValueTensorInitializer(
        tf.constant(keys, of_keys), tf.constant(values, of_values)
    )
    # What is looked up and not there gets the value that the call brings along.
    unused = "" if of_values == tf.string else 0
    return tf.lookup.StaticHashTable(content, unused).resource_handle


def _cannot_use(inner: tf.Tensor) -> NotImplementedError:
    uses = ", ".join(sorted({op.type for op in inner.consumers()})) or "nothing"
    return NotImplementedError(
        "The Keras model uses a resource that cannot be brought into the graph of an Estimator: it "
        f"is neither a variable nor a lookup table that is only read; it is used by {uses}. Move "
        "what uses it into input_fn, as preprocessing."
    )
