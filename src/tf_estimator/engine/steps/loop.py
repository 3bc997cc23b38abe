"""The loop in the graph: the step of a finished graph, taken many times in one run."""

import re
from collections.abc import Sequence
from typing import Any, Final

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine.stateful import ancestors, called_functions, is_source, seeded_random_op
from tf_estimator.engine.steps.single import Done, Steps, ThreadChoice, in_chunks, retold

_SCOPE: Final = "steps_per_loop"
_LAST_LOSS: Final = "last_loss"
_V1_CONTROL_FLOW: Final = frozenset(
    prefix + name
    for prefix in ("", "Ref")
    for name in ("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond")
)
# A larger constant is not copied into the loop.
_LARGE_BYTES: Final = 2**16


class CannotLoopError(Exception):
    """A step cannot be cut out of its graph; the message says which operation is why."""


class GraphLoop(Steps):
    """Takes many steps in one run of the session, in a `tf.while_loop`.

    All that runs for train_op and loss is copied from the graph into the body of the loop. What
    gives the handle of a variable, an iterator or a table is not: the loop works on the same ones
    as the step in the graph, and the two can take turns.

    Made by `GraphLoop.of`.
    """

    def __init__(
        self,
        limits: Sequence[tf.Tensor],
        results: Sequence[tf.Tensor],
        global_step: tf.Tensor,
        last_loss: tf.Tensor,
    ) -> None:
        self._limits = limits
        self._fetches = [*results, global_step]
        self._last_loss = last_loss
        self._session: Any = None
        self._global_step = 0

    @classmethod
    def of(
        cls,
        graph: tf.Graph,
        train_op: tf.Operation | tf.Tensor,
        loss: tf.Tensor,
        global_step: tf.Variable,
        *,
        allow_seeded: bool = False,
    ) -> "GraphLoop":
        """Adds the loop to a graph that is otherwise finished.

        It adds operations in a name scope of its own, and nothing to any collection.

        Args:
            graph: has all of the following, and is not finalized.
            train_op: takes a step.
            loss: of the step. At NaN the loop ends.
            global_step: a variable of integers.
            allow_seeded: whether random operations with a seed may start a sequence of their own.

        Raises:
            CannotLoopError: the step cannot be cut out.
        """
        step = _Step(graph, train_op, loss, allow_seeded)
        _check_global_step(global_step)
        with (
            graph.as_default(),
            graph.device(None),
            tf.control_dependencies(None),
            v1.name_scope(None),
            v1.name_scope(_SCOPE),
        ):
            steps = v1.placeholder(tf.int64, [], "steps")
            deadline = v1.placeholder(tf.float64, [], "deadline")
            try:
                # What a run gives is lost if it ends with the input; this is not.
                last = tf.raw_ops.VarHandleOp(
                    dtype=loss.dtype,
                    shape=loss.shape,
                    shared_name=f"{tf.get_current_name_scope()}/{_LAST_LOSS}",
                    name=_LAST_LOSS,
                )
                results = _loop(step, loss, last, steps, deadline)
            except (NotImplementedError, TypeError, ValueError, tf.errors.OpError) as error:
                # The user did not ask for a loop, and shall not have to do without the steps.
                raise CannotLoopError(f"TensorFlow cannot copy the step: {error}") from error
            with tf.control_dependencies(results):
                after = tf.identity(global_step.read_value(), "global_step")
            last_loss = tf.raw_ops.ReadVariableOp(resource=last, dtype=loss.dtype)
        return cls([steps, deadline], results, after, last_loss)

    def run(self, session: tf.compat.v1.Session, steps: int, deadline: float) -> Done:
        """Takes the steps in the loop; see Steps."""
        if session is not self._session:
            self._session, self._threads = session, ThreadChoice.of(session)
        try:
            if steps < 1:
                self._chunk(None, 0, deadline)
            done, loss = in_chunks(self._chunk, self._threads, steps, deadline)
        except tf.errors.OutOfRangeError:
            raise  # It is no fault, and nobody reads where it was found.
        except tf.errors.OpError as error:
            raise retold(error, session.graph) from None
        return Done(done, loss, self._global_step)

    def last_loss(self) -> Any:
        """See Steps."""
        return self._session.run(self._last_loss)

    def _chunk(
        self, options: tf.compat.v1.RunOptions | None, steps: int, deadline: float
    ) -> tuple[int, Any]:
        limits = dict(zip(self._limits, (steps, deadline), strict=True))
        done, loss, self._global_step = self._session.run(self._fetches, limits, options)
        self._global_step = int(self._global_step)
        return int(done), loss


def is_last_loss(op: tf.Operation) -> bool:
    """Whether `op` is the variable of a GraphLoop; a run writes it before anything reads it."""
    return re.fullmatch(rf"{_SCOPE}(_\d+)?/{_LAST_LOSS}", op.name) is not None


class _Step:
    """A step cut out of its graph, to be copied into another one.

    Raises:
        CannotLoopError: it cannot be.
    """

    def __init__(
        self,
        graph: tf.Graph,
        train_op: tf.Operation | tf.Tensor,
        loss: tf.Tensor,
        allow_seeded: bool,
    ) -> None:
        if not v1.control_flow_v2_enabled():
            raise CannotLoopError("tf.compat.v1.disable_control_flow_v2() was called")
        targets = [getattr(train_op, "op", train_op), loss]
        self._returns = [target.name for target in targets]
        ops = ancestors(targets)
        graph_def = _graph_def(graph)
        _check(ops)
        seeded = None if allow_seeded else seeded_random_op(targets, graph_def.library)
        if seeded:
            raise CannotLoopError(f"{seeded} keeps where its random sequence is, and has a seed")
        nodes = {node.name: node for node in graph_def.node}
        shared = [op for op in ops if is_source(op) or _is_large(op, nodes[op.name])]
        self._shared = [tensor for op in shared for tensor in op.outputs]
        copied = {op.name for op in ops}.difference(op.name for op in shared)
        self._graph_def = v1.GraphDef(versions=graph_def.versions)
        # In the order of the graph, in which they were made.
        self._graph_def.node.extend(node for node in graph_def.node if node.name in copied)
        for node in self._graph_def.node:
            _keep_within(copied, node)
        functions = called_functions(ops, graph_def.library)
        library = self._graph_def.library
        library.function.extend(functions.values())
        library.gradient.extend(
            one for one in graph_def.library.gradient if one.function_name in functions
        )

    def copy(self) -> tuple[tf.Operation, tf.Tensor]:
        """The train_op and the loss of a copy in the default graph, inside of the step's own."""
        # As identities, for what is imported has to be of this graph.
        given = {tensor.name: tf.identity(tensor) for tensor in self._shared}
        train_op, loss = tf.import_graph_def(self._graph_def, given, self._returns, name="")
        return train_op, loss


def _loop(
    step: _Step, loss: tf.Tensor, last_loss: tf.Tensor, steps: tf.Tensor, deadline: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Adds the loop to the default graph.

    Args:
        step: its body.
        loss: of the step in the graph.
        last_loss: the handle of a variable that is to have the loss of the last step.
        steps: at most so many, int64, shape [].
        deadline: float64, shape [], seconds since 1970.

    Returns:
        How many steps were taken (int64, shape []), and the loss of the last.
    """

    def goes_on(done: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
        on_time = (done < 1) | (tf.timestamp() < deadline)
        if last.dtype.is_floating:
            on_time &= ~tf.reduce_any(tf.math.is_nan(last))
        return (done < steps) & on_time

    def take(done: tf.Tensor, last: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        del last
        train_op, value = step.copy()
        value.set_shape(loss.shape)  # What a user set is not copied.
        with tf.control_dependencies([train_op]):
            kept = tf.raw_ops.AssignVariableOp(resource=last_loss, value=value)
        with tf.control_dependencies([kept]):
            return done + 1, tf.identity(value)

    dimensions = loss.shape.as_list() if loss.shape.rank is not None else []
    start = [
        tf.constant(0, tf.int64),
        tf.zeros([dimension or 0 for dimension in dimensions], loss.dtype),
    ]
    done, last = tf.while_loop(
        goes_on,
        take,
        start,
        shape_invariants=[tf.TensorShape([]), loss.shape],
        parallel_iterations=1,
    )
    return done, last


def _graph_def(graph: tf.Graph) -> tf.compat.v1.GraphDef:
    try:
        return graph.as_graph_def()
    except ValueError as error:  # It is larger than 2 GB.
        raise CannotLoopError(f"the graph cannot be copied: {error}") from error


def _check(ops: Sequence[tf.Operation]) -> None:
    """Raises CannotLoopError for an operation of which a copy would do something else."""
    for op in ops:
        problem = _problem(op)
        if problem:
            raise CannotLoopError(f"{op.name} ({op.type}) {problem}")


def _problem(op: tf.Operation) -> str | None:
    if op.type in ("Placeholder", "PlaceholderV2"):
        return "has to be fed"
    if op.type in _V1_CONTROL_FLOW:
        return "is control flow of TensorFlow 1"
    if any(tensor.dtype != tensor.dtype.base_dtype for tensor in op.outputs):
        return "gives a reference; use resource variables and queues"
    if is_source(op):
        return "gives a handle, but waits for other operations" if op.control_inputs else None
    if any(attr.name == "shared_name" for attr in op.op_def.attr) and not op.get_attr(
        "shared_name"
    ):
        return "keeps state under its own name"
    return None


def _check_global_step(global_step: Any) -> None:
    handle = getattr(global_step, "handle", None)
    if getattr(handle, "dtype", None) != tf.resource or not global_step.dtype.is_integer:
        raise CannotLoopError("the global step is not a resource variable of integers")


def _is_large(op: tf.Operation, node: Any) -> bool:
    """Whether `op` is a constant that should not be there twice."""
    if op.type != "Const" or op.control_inputs:
        return False
    return node.attr["value"].ByteSize() > _LARGE_BYTES


def _keep_within(names: set[str], node: Any) -> None:
    """Takes out of a node what it waits for or is colocated with, but for operations of `names`.

    The others are shared, and so always there. What works on a variable is placed where that is.
    """
    inputs = [one for one in node.input if one[0] != "^" or one[1:] in names]
    if len(inputs) < len(node.input):
        node.input[:] = inputs
    if "_class" in node.attr:
        together = node.attr["_class"].list.s
        together[:] = [one for one in together if one[len(b"loc:@") :].decode() in names]
        if not together:
            del node.attr["_class"]
