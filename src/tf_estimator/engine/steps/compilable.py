"""The training step as XLA gets it: cut out of the graph, without what XLA would only seem to run.

XLA has no Assert: it leaves it out without a word. So its condition is taken out, for the loop to
look at before each step; a step whose condition does not hold is run in the ordinary way, and fails
there as it always did. What else would give other results in XLA, or none, is refused.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Final

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine import stateful

# Operations that XLA leaves out or computes in another way, by what to say of them.
_DIFFERENT: Final = {
    "CheckNumerics": "is a check that XLA leaves out",
    "CheckNumericsV2": "is a check that XLA leaves out",
    "Print": "prints, which XLA does not",
    "PrintV2": "prints, which XLA does not",
}
# Random operations whose numbers are given by a seed or a state: XLA draws others.
_REPEATABLE_RANDOM: Final = (
    "RngReadAndSkip",
    "StatefulRandom",
    "StatefulStandard",
    "StatefulTruncated",
    "StatefulUniform",
    "StatelessMultinomial",
    "StatelessParameterized",
    "StatelessRandom",
    "StatelessShuffle",
    "StatelessTruncated",
)
# Operations that XLA has not. Those that are left out here it names itself.
_PYTHON: Final = ("EagerPyFunc", "PyFunc", "PyFuncStateless")
_REF_VARIABLES: Final = ("TemporaryVariable", "Variable", "VariableV2")
_PLACEHOLDERS: Final = ("Placeholder", "PlaceholderV2")
_V1_CONTROL_FLOW: Final = ("Enter", "Merge", "RefMerge", "RefSwitch", "Switch")
# It takes the next batch, sometimes with Sync after it.
_NEXT: Final = "IteratorGetNext"


class NotCompilableError(Exception):
    """The step cannot be compiled; the message says which operation is in the way, and why."""


@dataclasses.dataclass(frozen=True, eq=False)
class CompilableStep:
    """A training step without its input and its variables.

    Attributes:
        graph_def: the operations of the step, under their own names.
        variables: the handles (resource) that it needs.
        components: the tensors of one batch, in the order of the Dataset.
        used: which of the components it needs, by index.
        conditions: the names of tensors (bool, shape []) that must be true for it to run.
        conditions_def: the operations that these need.
    """

    graph_def: Any
    variables: list[tf.Tensor]
    components: list[tf.Tensor]
    used: list[int]
    conditions: list[str]
    conditions_def: Any


def compilable_step(train_op: tf.Operation, loss: tf.Tensor) -> CompilableStep:
    """Cuts the step of `train_op` and `loss` out of their graph.

    Args:
        train_op: runs one step.
        loss: float, shape [].

    Returns:
        The step, of which XLA may still find that it lacks an operation.

    Raises:
        NotCompilableError: it is known now that XLA does not run it as TensorFlow does.
    """
    graph_def = loss.graph.as_graph_def()
    library = graph_def.library
    seeded = stateful.seeded_random_op([train_op, loss], library)
    if seeded is not None:
        raise NotCompilableError(
            f"'{seeded}' draws random numbers by a seed, and XLA draws others; set "
            "RunConfig(tf_random_seed=None) if it need not be the same ones in every training"
        )
    targets = [getattr(train_op, "op", train_op), loss.op]
    ops, sources, checks = _walk(targets, library)
    batch = _batch_op(sources)
    variables = [op for op in sources if op.name != batch.name]
    _check_sources(variables)
    _check_ops(ops, checks, library)
    conditions = [check.inputs[0] for check in checks]
    looked_at = [op for one in conditions for op in _check_condition(one)]
    names = {op.name for op in checks}
    needed = {tensor.name for op in ops for tensor in _inputs(op, op.name in names)}
    return CompilableStep(
        graph_def=_cut_out(graph_def, ops, checks),
        variables=[op.outputs[0] for op in variables],
        components=list(batch.outputs),
        used=[n for n, one in enumerate(batch.outputs) if one.name in needed],
        conditions=[one.name for one in conditions],
        conditions_def=_cut_out(graph_def, looked_at),
    )


def _batch_op(sources: Iterable[tf.Operation]) -> tf.Operation:
    """The operation that takes the next batch."""
    found = [op for op in sources if op.type.startswith(_NEXT)]
    if len(found) != 1:
        raise NotCompilableError(
            f"the step reads {len(found)} inputs, where it must read the one Dataset of input_fn"
        )
    return found[0]


def _check_sources(sources: Iterable[tf.Operation]) -> None:
    for op in sources:
        if op.type != "VarHandleOp":
            raise NotCompilableError(f"'{op.name}' ({op.type}) is a resource that is no variable")
        if "/job:" in op.device:
            raise NotCompilableError(f"the variable '{op.name}' is in another process")


def _walk(
    targets: Sequence[tf.Operation], library: Any
) -> tuple[list[tf.Operation], list[tf.Operation], list[tf.Operation]]:
    """The operations of the step; what it was cut off from; those of the former that are checks."""
    ops: dict[str, tf.Operation] = {}
    sources: dict[str, tf.Operation] = {}
    checks = []
    waiting = list(targets)
    while waiting:
        op = waiting.pop()
        if op.name in ops or op.name in sources:
            continue
        if stateful.is_source(op) or op.type.startswith(_NEXT):
            sources[op.name] = op
            continue
        ops[op.name] = op
        is_check = _is_check(op, library)
        if is_check:
            checks.append(op)
        waiting.extend(tensor.op for tensor in _inputs(op, is_check))
        waiting.extend(op.control_inputs)
    return list(ops.values()), list(sources.values()), checks


def _inputs(op: tf.Operation, is_check: bool) -> list[tf.Tensor]:
    """What `op` computes with; of a check, its condition: the rest is for its message."""
    return list(op.inputs)[: 1 if is_check else None]


def _is_check(op: tf.Operation, library: Any) -> bool:
    """Whether `op` is an Assert, or the If that `tf.debugging.Assert` puts around one."""
    if op.type == "Assert":
        return True
    if op.type not in ("If", "StatelessIf") or [one.dtype for one in op.outputs] != [tf.bool]:
        return False
    functions = {one.signature.name: one for one in library.function}
    branches = [functions.get(op.get_attr(f"{which}_branch").name) for which in ("then", "else")]
    asserts = [
        one is not None and any(node.op == "Assert" for node in one.node_def) for one in branches
    ]
    return asserts == [False, True]


def _check_ops(ops: Sequence[tf.Operation], checks: Sequence[tf.Operation], library: Any) -> None:
    """Raises for what is known to be in the way; what XLA lacks besides, it says itself."""
    names = {op.name for op in checks}
    rest = [op for op in ops if op.name not in names]
    for op in rest:
        _check_type(op.name, op.type)
        for tensor in op.outputs:
            if tensor.dtype == tf.string:
                raise NotCompilableError(f"'{op.name}' ({op.type}) gives a string")
        for tensor in op.inputs:
            if tensor.dtype == tf.string:
                raise NotCompilableError(f"'{op.name}' ({op.type}) takes a string")
    for function, node in stateful.function_nodes(rest, library):
        name = f"{node.name}' in the function '{function}"
        _check_type(name, node.op)
        if node.op == "Assert":
            raise NotCompilableError(f"'{name}' (Assert) is a check that XLA leaves out")


def _check_type(name: str, kind: str) -> None:
    """Raises for an operation that XLA cannot run, or runs in another way."""
    reason = _DIFFERENT.get(kind)
    if kind.startswith(_REPEATABLE_RANDOM):
        reason = "draws other numbers in XLA"
    elif kind in _PYTHON:
        reason = "calls Python"
    elif kind in _REF_VARIABLES:
        reason = "is a variable without a resource; leave out use_resource=False"
    elif kind in _PLACEHOLDERS:
        reason = "is a placeholder"
    if reason is not None:
        raise NotCompilableError(f"'{name}' ({kind}) {reason}")


def _check_condition(condition: tf.Tensor) -> list[tf.Operation]:
    """The operations it is computed by; raises unless by the batch alone, and without effects."""
    found: dict[str, tf.Operation] = {}
    waiting = [condition.op]
    while waiting:
        op = waiting.pop()
        if op.name in found or op.type.startswith(_NEXT):
            continue
        found[op.name] = op
        if op.op_def.is_stateful or op.type in _V1_CONTROL_FLOW:
            raise NotCompilableError(
                f"'{condition.op.name}' is the condition of an assertion, which XLA leaves out, "
                f"and it depends on '{op.name}' ({op.type}), not on the batch alone"
            )
        waiting.extend(tensor.op for tensor in op.inputs)
    return list(found.values())


def _cut_out(
    graph_def: Any, ops: Iterable[tf.Operation], checks: Iterable[tf.Operation] = ()
) -> Any:
    """A GraphDef of `ops`, in which nothing waits for what is not there, and checks do nothing."""
    kept = {op.name for op in ops}
    harmless = {op.name for op in checks}
    step = v1.GraphDef()
    step.versions.CopyFrom(graph_def.versions)
    step.library.CopyFrom(graph_def.library)
    for node in graph_def.node:
        if node.name not in kept:
            continue
        copy = step.node.add()
        copy.CopyFrom(node)
        # The whole is compiled for one device. Colocation with a variable that was cut off fails.
        copy.device = ""
        copy.attr.pop("_class", None)
        # XLA has no Switch and Merge, into which TensorFlow would make what has this.
        copy.attr.pop("_lower_using_switch_merge", None)
        inputs = [one for one in node.input if one[0] != "^" or one[1:] in kept]
        if node.name in harmless:
            inputs = _made_harmless(copy, inputs)
        del copy.input[:]
        copy.input.extend(inputs)
    return step


def _made_harmless(node: Any, inputs: Sequence[str]) -> list[str]:
    """Makes `node`, a check, an operation that only has its order; gives the inputs it keeps."""
    waits = [one for one in inputs if one[0] == "^"]
    data = [one for one in inputs if one[0] != "^"]
    node.attr.clear()
    if node.op == "Assert":
        node.op = "NoOp"
        return waits
    node.op = "Identity"  # of the condition, which is what the If around an Assert gives
    node.attr["T"].type = tf.bool.as_datatype_enum
    return [data[0], *waits]
