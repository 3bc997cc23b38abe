"""Whether a graph and its session can be used again, and if not, which operation is why.

A call must answer as though its graph had just been built. Between two calls in one session the
variables can be restored, local variables and tables initialized, and the input started anew. What
an operation keeps for itself cannot be put back, and rules the session out.
"""

import dataclasses
import os
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

import tensorflow as tf

from tf_estimator._tf import v1, writes_variable
from tf_estimator.engine.stateful import ancestors, function_nodes, is_random, seeded_random_op
from tf_estimator.engine.steps.loop import is_last_loss

# Hooks of TensorFlow that start over when they begin: model_fn makes them once for all calls.
_START_OVER: Final = (
    v1.train.FeedFnHook,
    v1.train.FinalOpsHook,
    v1.train.LoggingTensorHook,
    v1.train.NanTensorHook,
    v1.train.SummarySaverHook,
)

# Stateful operations that keep nothing which the next call could notice: what they hold is restored
# or initialized, or lives for one run only.
_HARMLESS: Final = re.compile(
    r"""
    VarHandleOp|Variable(V2)?|TemporaryVariable|DestroyTemporaryVariable|VarIsInitializedOp
    |IsVariableInitialized|ReadVariableOp|_ReadVariablesOp|VariableShape|(Assign|Resource).*
    |HashTable(V2)?|LookupTable.*|InitializeTable.*
    |Iterator(V2)?|IteratorGetNext(Sync|AsOptional)?|MakeIterator|IteratorToStringHandle
    |Placeholder.*|Assert|Print(V2)?|CheckNumericsV2?
    |(Stateful)?PartitionedCall|(Stateless)?(While|If|Case)|SymbolicGradient
    |TensorArray.*|Stack(V2|Push|PushV2|Pop|PopV2|Close|CloseV2)?|Timestamp|NoOp
    |.*Summary|.*Dataset(V\d)?|DatasetFromGraph|DatasetToGraph(V2)?|AnonymousIterator.*
    |SdcaOptimizer.*|FusedBatchNorm.*|CollectiveGather.*
    |Save.*|Restore.*|MergeV2Checkpoints|ShardedFilename
    """,
    re.VERBOSE,
)
# In the body of a function only the name of an operation is known, not whether it is stateful.
_HARMFUL: Final = re.compile(
    r"PyFunc|EagerPyFunc|.*Queue(V2)?|.*Reader(V2)?|(Anonymous)?Mutable(Dense)?HashTable.*"
    r"|.*Barrier|Stage|.*MapStage|.*ConditionalAccumulator|SummaryWriter|RecordInput"
    r"|OneShotIterator|MultiDeviceIterator|BoostedTrees.*Resource.*"
)
_CALLS: Final = ("PartitionedCall", "While", "If", "Case")
_FROM_FILE: Final = ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2")
# They count as operations without a state.
_READ_OUTSIDE: Final = ("ReadFile", "MatchingFiles", "PyFuncStateless")
_VARIABLES: Final = ("VarHandleOp", "Variable", "VariableV2")
_READS: Final = ("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "Shape")


@dataclasses.dataclass(frozen=True)
class Traces:
    """What a call leaves behind in a session.

    Attributes:
        problem: why the session cannot be used again, or None.
        writes: whether the call may change variables that a checkpoint has, so that they have to be
            restored even if the checkpoint is the same.
    """

    problem: str | None
    writes: bool


def traces(
    graph: tf.Graph,
    targets: Iterable[Any],
    inputs: Collection[tf.Tensor],
    hooks: Collection[Any],
    hooks_of_model: Collection[Any],
    of_input: Collection[str] = (),
) -> Traces:
    """Looks at a graph for what the next call of the same session could notice.

    Args:
        graph: all of it, before its session begins.
        targets: nested operations and tensors that a call runs.
        inputs: the tensors of its input; what is before them is started anew by other means.
        hooks: the user's of this call: they may run anything.
        hooks_of_model: those that model_fn made.
        of_input: names of operations that initialize the input, which are run for one call only.

    Returns:
        The Traces.
    """
    for hook in hooks_of_model:
        if type(hook) not in _START_OVER:
            return Traces(f"model_fn makes a {type(hook).__name__}, once for each graph", True)
    if graph.get_collection(v1.GraphKeys.QUEUE_RUNNERS):
        return Traces("there are queue runners", True)
    every_time = [*tf.nest.flatten(list(targets), True), *_initializers(graph, "LOCAL_VARIABLES")]
    every_time = [one for one in every_time if isinstance(one, tf.Operation | tf.Tensor)]
    ops = ancestors(every_time, inputs)
    if hooks:
        # Who draws a variable's first value is not run again.
        initial = {op.name for op in ancestors(_initializers(graph, "GLOBAL_VARIABLES"))}
        run = {op.name for op in ops}
        all_ops = graph.get_operations()
        ops = [op for op in all_ops if op.name in run or op.name not in initial]
    problem = next(_problems(graph, ops, inputs, of_input), None)
    handles = _handles(graph, "GLOBAL_VARIABLES")
    return Traces(problem, bool(hooks) or _written(handles, {op.name for op in ops}) is not None)


def _problems(
    graph: tf.Graph,
    ops: list[tf.Operation],
    inputs: Collection[tf.Tensor],
    of_input: Collection[str],
) -> Iterator[str]:
    if seeded := seeded_random_op(ops, down_to=inputs):
        yield f"{seeded} goes on with its sequence of random numbers"
    given = {tensor.op.name for tensor in inputs}
    for op in ops:
        if op.name in given:
            continue
        if op.op_def.is_stateful and not _HARMLESS.fullmatch(op.type) and not is_random(op):
            yield f"{op.name} ({op.type}) keeps state"
    for function, node in function_nodes(ops):
        if _HARMFUL.fullmatch(node.op):
            yield f"{node.name} ({node.op}) in function {function} keeps state"
    collected = _handles(graph, "GLOBAL_VARIABLES") + _handles(graph, "LOCAL_VARIABLES")
    names = {handle.op.name for handle in collected}
    names.update(op.name for op in ops if is_last_loss(op))
    others = [op.outputs[0] for op in ops if op.type in _VARIABLES and op.name not in names]
    if written := _written(others, {op.name for op in ops}):
        yield f"{written} is in no collection of variables, so nothing puts it back"
    for op in graph.get_collection(v1.GraphKeys.TABLE_INITIALIZERS):
        if op.name not in of_input and (reason := _varies(op)):
            yield f"{op.name} fills a table {reason}"


def table_files(graph: tf.Graph, of_input: Collection[str]) -> Iterator[str]:
    """The files that tables of model_fn are filled from: a table that is filled stays as it is."""
    for op in graph.get_collection(v1.GraphKeys.TABLE_INITIALIZERS):
        if op.name not in of_input and op.type in _FROM_FILE:
            name = tf.get_static_value(op.inputs[1])
            if name is not None:
                yield os.fsdecode(name.item())


def _varies(initializer: tf.Operation) -> str | None:
    """Why a table may have other contents the next time; then it would keep the first ones."""
    if not initializer.type.startswith(("InitializeTable", "LookupTableImport")):
        return None
    if initializer.type in _FROM_FILE and tf.get_static_value(initializer.inputs[1]) is None:
        return "from a file whose name is not constant"
    if initializer.type == "InitializeTableFromDataset":
        return "from a Dataset"
    for op in ancestors([initializer]):
        if op.name == initializer.name or "HashTable" in op.type:
            continue
        if op.op_def.is_stateful or op.type in _READ_OUTSIDE:
            return f"with what {op.name} ({op.type}) gives"
    return None


def _handles(graph: tf.Graph, collection: str) -> list[tf.Tensor]:
    variables = graph.get_collection(getattr(v1.GraphKeys, collection))
    return [v.handle if hasattr(v, "handle") else v.op.outputs[0] for v in variables]


def _written(handles: list[tf.Tensor], run: Collection[str]) -> str | None:
    """The name of a variable that one of the operations that are run may write."""
    for handle in handles:
        for op in handle.consumers():
            if op.name not in run or op.type in _READS:
                continue
            if op.type == "Identity" and handle.dtype != tf.resource:
                continue
            if not op.type.endswith(_CALLS) or writes_variable(op, handle):
                return handle.op.name
    return None


def _initializers(graph: tf.Graph, collection: str) -> list[tf.Operation]:
    variables = graph.get_collection(getattr(v1.GraphKeys, collection))
    return [variable.initializer for variable in variables]
