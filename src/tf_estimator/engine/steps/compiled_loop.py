"""Steps that no hook looks at, run by one program of XLA: `RunConfig(jit_compile=True)`."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator._tf import direct_call, logger, v1
from tf_estimator.engine.input_state import reads_generator
from tf_estimator.engine.steps.batch_stack import BatchStack, Stretch
from tf_estimator.engine.steps.compilable import CompilableStep, NotCompilableError, compilable_step
from tf_estimator.engine.steps.single import Done, Steps, retold

# XLA cannot read the clock: a run is given as many steps as should take this long, in seconds.
_LONGEST_RUN: Final = 0.1
_FIRST_RUN: Final = 5  # steps, to see how long one takes
_ZERO: Final = np.zeros([], np.int32)


def compiled_steps(
    train_op: tf.Operation,
    loss: tf.Tensor,
    global_step: tf.Variable,
    dataset: tf.data.Dataset | None,
    otherwise: Steps,
) -> Steps:
    """Adds a compiled loop to the default graph, or logs what is in its way.

    Args:
        train_op: runs one step.
        loss: float, shape [].
        global_step: counts them.
        dataset: what input_fn returned, in this graph; None if it returned something else.
        otherwise: runs the steps if they cannot be compiled.

    Returns:
        A CompiledLoop, or `otherwise`.
    """
    if dataset is None:
        _log_why_not("input_fn must return a tf.data.Dataset")
        return otherwise
    if reads_generator(loss.graph):
        _log_why_not(
            "a Dataset.from_generator may be slow, and would be waited for until it has given a "
            "hundred batches"
        )
        return otherwise
    try:
        return CompiledLoop(train_op, loss, global_step, dataset, otherwise)
    except NotCompilableError as error:
        _log_why_not(error)
        return otherwise


class CompiledLoop(Steps):
    """Runs the step in a loop that is one program of XLA, over batches that are read in stacks.

    The batches come from an iterator of its own. It feeds the program and, by `feed`, the steps
    that hooks look at, so that the graph's own iterator is never read.

    when a session is made: start the iterator; compile the program by running no step of it
    run: until there are enough steps, or it is time, or the loss is NaN:
        read the next stack, if the last is used up
        run the program over as much of it as fits into the time left
        (batches of another shape, and those that an assertion is against: one by one)

    Should XLA find that it cannot compile the step, nothing has been read from the graph's own
    iterator, and `otherwise` runs all steps.

    Args:
        train_op: runs one step.
        loss: float, shape [].
        global_step: counts them.
        dataset: the batches that the step reads.
        otherwise: runs the steps if they cannot be compiled.

    Attributes:
        initializer_feed: what the start of `dataset` needs to be fed, if it is read from a
            placeholder.

    Raises:
        NotCompilableError: it is known before a session that they cannot be.
    """

    def __init__(
        self,
        train_op: tf.Operation,
        loss: tf.Tensor,
        global_step: tf.Variable,
        dataset: tf.data.Dataset,
        otherwise: Steps,
    ) -> None:
        step = compilable_step(train_op, loss)
        self._step = step
        self._otherwise = otherwise
        # Not inside of whatever the caller is: the graph's user must not find it.
        with (
            _collections_untouched(),
            v1.name_scope("compiled_loop/"),
            tf.device(None),
            tf.control_dependencies(None),
        ):
            self._stack = BatchStack(dataset, step.components)
            specs = [self._stack.specs[n] for n in step.used]
            shapes = [tf.TensorShape([self._stack.size]).concatenate(one.shape) for one in specs]
            self._fed = [
                v1.placeholder(one.dtype, shape) for one, shape in zip(specs, shapes, strict=True)
            ]
            self._start, self._stop = (v1.placeholder(tf.int32, []) for _ in range(2))
            self._results = _program(
                step, train_op, loss, global_step, self._fed, self._start, self._stop
            )
            self._single = [train_op, loss, global_step.read_value()]
        # It calls `begin` in each new session.
        self.hooks = (_Compiler(self),)
        self.initializer_feed: dict[tf.Tensor, Any] = {}
        self._shapes: list[tuple[int, ...]] | None = None
        self._seconds_a_step = 0.0

    @property
    def compiled(self) -> bool:
        """Whether there is a program; if not, `otherwise` runs the steps."""
        return self._shapes is not None

    def feed(self) -> dict[tf.Tensor, np.ndarray]:
        """Takes the next batch, to be fed to a step in the ordinary session; {} if not compiled.

        Raises:
            tf.errors.OutOfRangeError: there is none.
        """
        return self._stack.feed() if self.compiled else {}

    def begin(self, session: tf.compat.v1.Session) -> None:
        """Starts the batches in a new session, and compiles."""
        self._shapes = None
        self._stack.begin(session, self.initializer_feed)
        fed = [*self._fed, self._start, self._stop]
        run = self._run = direct_call(session, fed, self._results, in_caller=False)
        self._run_single = session.make_callable(self._single[:2], self._step.components)
        self._read_step = session.make_callable(self._single[2])
        try:
            shapes, arrays = self._first_shapes()
        except tf.errors.OutOfRangeError:
            return  # There is not one batch, and `otherwise` finds that out as well.
        except tf.errors.OpError as error:
            # It may be for another batch than the first, and `otherwise` takes the steps before it.
            _log_why_not(f"the input failed: {error.message.splitlines()[0]}")
            return
        try:
            run(*arrays, _ZERO, _ZERO)
        except (
            tf.errors.InternalError,
            tf.errors.InvalidArgumentError,
            tf.errors.NotFoundError,
            tf.errors.UnimplementedError,
        ) as error:
            _log_why_not(_reason(error))
            return
        self._shapes = shapes

    def run(self, session: tf.compat.v1.Session, steps: int, deadline: float) -> Done:
        """Runs steps.

        Args:
            session: the one of `begin`.
            steps: how many.
            deadline: when to return, in seconds since the epoch, if they are not done by then.

        Returns:
            What was done. The input may have ended if it is less than was asked for.

        Raises:
            tf.errors.OutOfRangeError: the input had ended before the first of them.
            tf.errors.OpError: an operation failed, as it would in `session.run`.
        """
        if not self.compiled:
            return self._otherwise.run(session, steps, deadline)
        try:
            return self._run_steps(steps, deadline)
        except tf.errors.OutOfRangeError:
            raise
        except tf.errors.OpError as error:
            raise retold(error, session.graph) from None

    def last_loss(self) -> Any:
        """See Steps. A run that took steps gives their loss, and finds the end at the next one."""
        return self._otherwise.last_loss()

    def _run_steps(self, steps: int, deadline: float) -> Done:
        done = 0
        loss: Any = None
        global_step: Any = None
        while done < steps:
            try:
                stretch = self._stack.stretch()
            except tf.errors.OutOfRangeError:
                if not done:
                    raise
                break
            wanted = min(steps - done, stretch.stop - stretch.start)
            count = 0
            if self._fits(stretch):
                wanted = min(wanted, self._steps_until(deadline))
                count, loss, global_step = self._run_program(stretch, wanted)
            if not count or (count < wanted and not np.isnan(loss)):
                # Another shape, or an assertion fails: as it does in the ordinary session.
                _, loss = self._run_single(*self._stack.feed().values())
                global_step = None
                count += 1
            done += count
            if np.isnan(loss) or time.time() >= deadline:
                break
        if global_step is None:
            global_step = self._read_step()
        return Done(done, loss, int(global_step))

    def _run_program(self, stretch: Stretch, wanted: int) -> tuple[int, Any, Any]:
        stretch.pad(self._stack.size)
        arrays = [stretch.arrays[n] for n in self._step.used]
        begun = time.perf_counter()
        bounds = (np.int32(stretch.start), np.int32(stretch.start + wanted))
        count, loss, global_step = self._run(*arrays, *map(np.asarray, bounds))
        taken = time.perf_counter() - begun
        if count:
            self._seconds_a_step = taken / count
            self._stack.advance(int(count))
        return int(count), loss, global_step

    def _fits(self, stretch: Stretch) -> bool:
        return stretch.shapes == self._shapes

    def _steps_until(self, deadline: float) -> int:
        """How many steps may take until `deadline`, or _LONGEST_RUN if that is sooner."""
        if not self._seconds_a_step:
            return _FIRST_RUN
        left = min(deadline - time.time(), _LONGEST_RUN)
        return max(1, int(left / self._seconds_a_step))

    def _first_shapes(self) -> tuple[list[tuple[int, ...]], list[np.ndarray]]:
        """The shapes to compile for: those of the Dataset, or of its first batch; and arrays."""
        if self._stack.is_static:
            shapes = [tuple(one.shape.as_list()) for one in self._stack.specs]
        else:
            logger.debug(
                "Batches are read faster for a compiled loop if all have one size, as after "
                "batch(..., drop_remainder=True)."
            )
            shapes = self._stack.stretch().shapes
        arrays = [
            np.zeros([self._stack.size, *shapes[n]], self._stack.specs[n].dtype.as_numpy_dtype)
            for n in self._step.used
        ]
        return shapes, arrays


@contextlib.contextmanager
def _collections_untouched() -> Iterator[None]:
    """Takes out of the default graph's collections what is put into them meanwhile."""
    graph = v1.get_default_graph()
    sizes = {key: len(graph.get_collection_ref(key)) for key in graph.get_all_collection_keys()}
    try:
        yield
    finally:
        for key in graph.get_all_collection_keys():
            if key in sizes:
                del graph.get_collection_ref(key)[sizes[key] :]
            else:
                graph.clear_collection(key)


class _Compiler(v1.train.SessionRunHook):
    """Compiles in each new session."""

    def __init__(self, loop: CompiledLoop) -> None:
        self._loop = loop

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        del coord
        self._loop.begin(session)

    def next_look(self, global_step: int) -> int | None:
        """It looks at no step."""


def _program(
    step: CompilableStep,
    train_op: tf.Operation,
    loss: tf.Tensor,
    global_step: tf.Variable,
    fed: Sequence[tf.Tensor],
    start: tf.Tensor,
    stop: tf.Tensor,
) -> list[tf.Tensor]:
    """Adds the loop over `fed`, k batches each, from `start` to `stop`, to the default graph.

    Returns:
        How many steps were done (int32), the last loss, and the global step after it.
    """
    names = [step.components[n].name for n in step.used]
    handles = {one.name: one for one in step.variables}
    # Twice the same variable would be two to XLA.
    handles.setdefault(global_step.handle.name, global_step.handle)
    targets = [getattr(train_op, "op", train_op).name, loss.name]

    def import_(graph_def: Any, tensors: Mapping[str, tf.Tensor], wanted: Sequence[str]) -> Any:
        needed = {one for node in graph_def.node for one in _full_names(node.input)}
        given = {name: tensor for name, tensor in tensors.items() if name in needed}
        return tf.import_graph_def(graph_def, given, wanted, name="step")

    @tf.function(jit_compile=True, autograph=False)
    def run(fed: Any, start: Any, stop: Any, resources: Any) -> Any:
        def batch(i: tf.Tensor) -> dict[str, tf.Tensor]:
            return {name: one[i] for name, one in zip(names, fed, strict=True)}

        def may_run(i: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
            go = i < stop
            if loss.dtype.is_floating:
                go &= ~tf.math.is_nan(last)
            if step.conditions:
                tensors = batch(i)  # Beyond the last one it is the last one to XLA.
                inner = [one for one in step.conditions if one not in tensors]
                found = import_(step.conditions_def, tensors, inner) if inner else []
                for one in [*found, *(tensors[one] for one in step.conditions if one in tensors)]:
                    go &= one
            return go

        def once(i: tf.Tensor, last: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            del last
            tensors = batch(i)
            tensors.update(
                (name, tf.identity(one)) for name, one in zip(handles, resources, strict=True)
            )
            trained, value = import_(step.graph_def, tensors, targets)
            with tf.control_dependencies([trained]):
                return i + 1, tf.reshape(value, [])

        end, last = tf.while_loop(
            may_run, once, [start, tf.zeros([], loss.dtype)], parallel_iterations=1
        )
        handle = resources[list(handles).index(global_step.handle.name)]
        with tf.control_dependencies([end]):
            counted = tf.raw_ops.ReadVariableOp(resource=handle, dtype=global_step.dtype)
        return end - start, last, counted

    return list(run(list(fed), start, stop, list(handles.values())))


def _full_names(inputs: Sequence[str]) -> list[str]:
    """The names of tensors that are meant by the data inputs of a NodeDef."""
    return [one if ":" in one else f"{one}:0" for one in inputs if one[0] != "^"]


def _reason(error: tf.errors.OpError) -> str:
    """What XLA says it lacks, by the name that the operation has in the user's graph."""
    found = re.search(
        r"(\w+) \((No registered '\w+' OpKernel)[^{]*\{\{node ([^}]+)\}\}", error.message
    )
    if found:
        name = found[3].partition("step/")[2] or found[3]
        return f"'{name}' ({found[1]}) is an operation that XLA does not have"
    return error.message.splitlines()[0]


def _log_why_not(reason: Any) -> None:
    logger.warning(
        "RunConfig(jit_compile=True) has no effect: %s. The steps run in the ordinary loop, with "
        "the same results.",
        str(reason).rstrip("."),
    )
