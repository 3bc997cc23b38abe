"""Training steps that no hook looks at: many at a time, on the threads that take them fastest."""

import abc
import contextlib
import math
import re
import statistics
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import tensorflow as tf

from tf_estimator._tf import direct_call, v1


class Done(NamedTuple):
    """What came of some steps.

    Attributes:
        steps: how many were taken here.
        loss: of the last of them, as the session gives it; None if none was taken.
        global_step: its value after them.
    """

    steps: int
    loss: Any
    global_step: int


class Steps(abc.ABC):
    """Takes steps that no hook looks at.

    Attributes:
        feed: gives what the step in the graph has to be fed while these steps read its input; None
            if it reads that itself.
        hooks: have to be among those of the session.
        alone: whether no other process moves the global step.
    """

    alone = True
    feed: Callable[[], dict[tf.Tensor, Any]] | None = None
    hooks: Sequence[tf.compat.v1.train.SessionRunHook] = ()

    @abc.abstractmethod
    def run(self, session: tf.compat.v1.Session, steps: int, deadline: float) -> Done:
        """Takes `steps` steps, fewer if the loss becomes NaN or time is up.

        Args:
            session: a session of the step's graph. After one was lost, a new one may be given.
            steps: by how many the global step may go on at most; 0 takes none.
            deadline: no step begins after it but the first; in seconds, as `time.time()` tells.

        Returns:
            What was done.

        Raises:
            tf.errors.OutOfRangeError: the input ended. The steps before count.
            tf.errors.OpError: an operation failed, as it would in `session.run`.
        """

    @abc.abstractmethod
    def last_loss(self) -> Any:
        """The loss of the last step that `run` took before it found the end of the input."""

    def steps_before_end(self, moved: int) -> int:
        """How many steps `run` took before it found the end of the input.

        Args:
            moved: by how many the global step went on.
        """
        return moved


class SingleSteps(Steps):
    """Takes each step with a call of the session, prepared once.

    Args:
        train_op: what takes a step, an Operation or a Tensor.
        loss: of the step, a Tensor.
        global_step: a variable.
    """

    def __init__(
        self, train_op: tf.Operation | tf.Tensor, loss: tf.Tensor, global_step: tf.Variable
    ) -> None:
        # What the train_op gives is not asked for, only that it runs.
        self._train_op, self._loss = getattr(train_op, "op", train_op), loss
        self._global_step = global_step
        self._session: tf.compat.v1.Session | None = None
        self._last_loss: Any = None

    def run(self, session: tf.compat.v1.Session, steps: int, deadline: float) -> Done:
        """Takes the steps one by one; see Steps."""
        if session is not self._session:
            self._calls = {
                in_caller: direct_call(
                    session, [], [self._loss], targets=[self._train_op], in_caller=in_caller
                )
                for in_caller in (False, True)
            }
            self._read = session.make_callable(self._global_step)
            self._threads = ThreadChoice.of(session)
            self._session = session
        try:
            done, loss = in_chunks(self._chunk, self._threads, steps, deadline)
        except tf.errors.OutOfRangeError:
            raise  # It is no fault, and nobody reads where it was found.
        except tf.errors.OpError as error:
            raise retold(error, session.graph) from None
        return Done(done, loss, int(self._read()))

    def last_loss(self) -> Any:
        """See Steps."""
        return self._last_loss

    def _chunk(
        self, options: tf.compat.v1.RunOptions | None, steps: int, deadline: float
    ) -> tuple[int, Any]:
        step, now = self._calls[options is not None], time.time
        done, loss = 0, None
        try:
            while done < steps:
                (loss,) = step()
                done += 1
                # Only NaN differs from itself.
                if loss != loss or now() >= deadline:  # noqa: PLR0124
                    break
        finally:
            if done:
                self._last_loss = loss
        return done, loss


# One run of the session, or a few: (options, steps, deadline) -> (steps done, the last loss).
Chunk = Callable[[Any, int, float], tuple[int, Any]]


def in_chunks(
    chunk: Chunk, threads: "ThreadChoice", steps: int, deadline: float
) -> tuple[int, Any]:
    """Takes steps in chunks that are as long as the choice of threads wants them.

    Args:
        chunk: takes at least one step, and at most as many as it is told.
        threads: measures the chunks.
        steps: in all.
        deadline: for all; in seconds, as `time.time()` tells.

    Returns:
        How many steps were done, and the last loss, None if there was none.
    """
    done, loss = 0, None
    while done < steps:
        until = min(deadline, time.time() + threads.seconds)
        options, start = threads.options, threads.clock()
        count, loss = chunk(options, steps - done, until)
        threads.took(count, threads.clock() - start)
        done += count
        if loss != loss or time.time() >= deadline:  # noqa: PLR0124 - only NaN does
            break
    return done, loss


class ThreadChoice:
    """Chooses the threads that run the operations of a step, by measuring real steps.

    TensorFlow's pool of threads is best for large operations that can run at the same time; the
    caller's own thread for many small ones, up to twice as fast. The numbers are the same. Each has
    a few chunks of steps in turns. The one with the lower median of seconds a step gets all others,
    until they are measured again in case the load has changed.

    Args:
        measured: False to leave all to the pool.
        clock: tells seconds.
    """

    _OPTIONS: Final = {
        "pool": None,
        # It saves handing each operation over to another thread; but no two run at the same time.
        "caller": v1.RunOptions(inter_op_thread_pool=-1),
    }
    # The first turn of each warms up: what it builds, and fetches into caches, is not counted.
    _TURNS: Final = ("pool", "pool", "caller", "caller", *("caller", "pool", "pool", "caller") * 2)
    # To hand an operation over takes microseconds: they are not felt in a step that takes longer.
    _TURN_SECONDS: Final = 0.02
    # From this ratio on one is faster, and not just by chance.
    _FASTER: Final = 1.05
    # When to measure again: the greater of this time, and so many times what measuring took.
    _AGAIN_SECONDS: Final = 10.0
    _AGAIN_TIMES: Final = 50

    def __init__(
        self, *, measured: bool = True, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.clock = clock
        self._best = "pool"
        self._again = math.inf
        self._turns: list[str] = []
        if measured:
            self._measure()

    @classmethod
    def of(cls, session: tf.compat.v1.Session) -> "ThreadChoice":
        """The choice for a session; none where the threads of this process do not do the work."""
        kinds = {device.device_type for device in session.list_devices()}
        return cls(measured=not session.sess_str and kinds <= {"CPU", "XLA_CPU"})

    @property
    def options(self) -> tf.compat.v1.RunOptions | None:
        """How to run the next chunk."""
        return self._OPTIONS[self._turns[0] if self._turns else self._best]

    @property
    def seconds(self) -> float:
        """How long the next chunk may be; infinite where it does not matter."""
        return self._TURN_SECONDS if self._turns else math.inf

    def took(self, steps: int, seconds: float) -> None:
        """Hears how long the chunk was, and chooses for the next one.

        Args:
            steps: of the chunk, at least 1.
            seconds: how long it took.
        """
        if self._turns:
            self._taken[self._turns.pop(0)].append(seconds / steps)
            self._spent += seconds
            if self._is_decided():
                self._turns = []
                wait = max(self._AGAIN_SECONDS, self._AGAIN_TIMES * self._spent)
                self._again = self.clock() + wait
        elif self.clock() >= self._again:
            self._measure()

    def _measure(self) -> None:
        self._turns = list(self._TURNS)
        self._taken: dict[str, list[float]] = {"pool": [], "caller": []}
        self._spent = 0.0

    def _is_decided(self) -> bool:
        """Whether the turns so far tell which is best, which is then set."""
        pool, caller = (self._taken[name][1:] for name in ("pool", "caller"))
        if not pool:
            return False
        in_pool = statistics.median(pool)
        if in_pool > self._TURN_SECONDS:
            self._best = "pool"
        elif self._turns:
            return False
        else:
            in_caller = statistics.median(caller)
            self._best = "caller" if in_caller * self._FASTER < in_pool else "pool"
        return True


def retold(error: tf.errors.OpError, graph: tf.Graph) -> tf.errors.OpError:
    """An error of a step as `session.run` would tell it: with the operation, and where it was made.

    A prepared call does not say where, and in a loop the operation has another name.

    Args:
        error: of a call of the session.
        graph: of the session.

    Returns:
        An error of the same type.
    """
    if type(error) is tf.errors.OpError:  # It takes other arguments.
        return error
    message = _FUNCTION.sub("", _LOOP.sub("", error.message))
    for named in _NODE.finditer(message):
        # What is in a function is not found.
        with contextlib.suppress(KeyError, ValueError):
            op = graph.get_operation_by_name(named["name"])
            made = "".join(traceback.format_list(op.traceback))
            message = f"{message}\nOperation {op.name!r} was made at:\n{made}"
            return type(error)(op.node_def, op, message)
    return type(error)(error.node_def, error.op, message)


# How TensorFlow names, in a message, an operation, one in a function, and one in our loop.
_NODE: Final = re.compile(r"(\{\{node |\[\[)(?P<name>[^][{} ]+)")
_FUNCTION: Final = re.compile(r"\{\{function_node [^ }]+\}\} ?")
_LOOP: Final = re.compile(r"steps_per_loop(_\d+)?/while/body/_\d+/")
