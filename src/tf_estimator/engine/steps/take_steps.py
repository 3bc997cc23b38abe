"""The loop of training: steps that hooks look at, and between them steps that they do not."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator._tf import logger, v1
from tf_estimator.cluster.watch import StepTimes
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.steps.looks import Looks
from tf_estimator.engine.steps.single import Steps

# The longest that hooks are kept from looking, in seconds: they may go by the clock, and Ctrl-C is
# heard only between two calls of the session.
_SECONDS: Final = 0.1
# As many steps as fit into that time.
_MANY: Final = 1 << 30
# The session may be lost. The next step that hooks look at finds that out, and gets a new one.
_LOST: Final = (tf.errors.AbortedError, tf.errors.UnavailableError)


class StepReader(v1.train.SessionRunHook):
    """Reads what all hooks of ours want of a step, once: each fetch costs.

    It is the first hook, so that they find the loss of the step they look at.

    Args:
        loss: of the step.
        global_step: the step variable.

    Attributes:
        loss: the value of the last step that was looked at.
        step_after: a tensor, the global step after the step that is looked at; to be set.
        step: its value; None once other steps may have been taken.
        alone: whether nothing but the steps that training takes moves the global step; to be set.
        session: the plain session; hooks do not see what is run in it.
        coordinator: of the threads of the session, one of which may have failed.
        times: told when the global step is read, which in a cluster may not end.
    """

    def __init__(self, loss: tf.Tensor, global_step: tf.Variable) -> None:
        self._loss, self._global_step = loss, global_step
        self.loss: Any = None
        self.step_after: tf.Tensor | None = None
        self.step: int | None = None
        self.alone = False
        self.session: Any = None
        self.coordinator: Any = None
        self._read: Any = None
        self.times = StepTimes()

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Keeps the session; there is another after one was lost."""
        self.session, self.coordinator = session, coord
        self._read = session.make_callable(self._global_step)
        self._args = v1.train.SessionRunArgs([self._loss, self.step_after])
        self.step = None

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        """Asks for the loss and the step."""
        return self._args

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Keeps the loss and the step."""
        self.loss, self.step = run_values.results

    def next_look(self, global_step: int) -> int | None:
        """It reads for those that look."""

    def global_step(self) -> int:
        """The number of steps that are done."""
        self.times.begins()
        step = int(self._read())
        self.times.ends()
        return step

    def step_after_look(self) -> int:
        """What it was after the step that was just looked at."""
        assert self.step is not None
        return int(self.step)


@dataclasses.dataclass
class Taken:
    """The steps that were taken.

    Attributes:
        steps: how many, so far.
        loss: of the last one, if it is known.
        ended: whether the input has ended.
    """

    steps: int = 0
    loss: Any = None
    ended: bool = False


def take_steps(
    session: tf.compat.v1.train.MonitoredSession,
    built: BuiltGraph,
    reader: StepReader,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    unwatched: Steps | None,
    at_most: int | None,
    taken: Taken,
    clock: Callable[[], float] = time.time,
) -> None:
    """Takes steps until a hook asks to stop or the input ends.

    until a hook asks to stop:
        find the next step that a hook has to look at
        take the steps before it without the hooks, a tenth of a second at most, then ask again
        take that step with all hooks

    Args:
        session: open.
        built: its graph.
        reader: one of the hooks, the first.
        hooks: all of the session.
        unwatched: takes the steps that no hook looks at; None if hooks look at all of them.
        at_most: how many of those to take at a time; None for as many as there are.
        taken: is told of the steps.
        clock: tells the time in seconds since 1970.

    Raises:
        tf.errors.OutOfRangeError, StopIteration: the input has ended.
        tf.compat.v1.train.NanLossDuringTrainingError: the loss became NaN where no hook looked.
    """
    looks = None
    if unwatched is not None:
        looks = Looks(hooks, built.spec.loss, alone=unwatched.alone)
    feed = built.feed or (unwatched.feed if unwatched is not None else None)
    if looks is not None and looks.at_every_step:
        logger.debug("Each step is taken by itself: %s looks at it.", looks.at_every_step[0])
    while not session.should_stop():
        if looks is not None and unwatched is not None and not looks.takes_single_steps:
            _take_unwatched(session, reader, looks, unwatched, at_most, taken, clock)
            if session.should_stop():
                break
        try:
            _, taken.loss = session.run(
                [built.spec.train_op, built.spec.loss], feed() if feed is not None else None
            )
        except (tf.errors.OutOfRangeError, StopIteration):
            taken.ended = True
            raise
        taken.steps += 1


def _take_unwatched(
    session: tf.compat.v1.train.MonitoredSession,
    reader: StepReader,
    looks: Looks,
    unwatched: Steps,
    at_most: int | None,
    taken: Taken,
    clock: Callable[[], float],
) -> None:
    """Takes the steps up to one before the next look."""
    known, reader.step = reader.step, None
    try:
        step = int(known) if reader.alone and known is not None else reader.global_step()
    except _LOST:
        return
    # A thread that feeds a queue may ask to stop.
    while not session.should_stop():
        look = looks.next(step)
        steps = (math.inf if look is None else look - 1) - step
        if steps < 1 or looks.takes_single_steps:
            return
        steps = int(min(steps, at_most or _MANY))
        try:
            done = unwatched.run(reader.session, steps, clock() + _SECONDS)
        except tf.errors.OutOfRangeError:
            # It is no end if such a thread failed, and closed its queue.
            reader.coordinator.raise_requested_exception()
            _note_end(step, reader.global_step(), looks, unwatched, taken)
            raise
        except _LOST:
            return
        if not done.steps:
            return
        looks.skipped(done.steps, done.global_step)
        taken.steps += done.steps
        taken.loss = done.loss
        step = done.global_step
        if np.any(np.isnan(taken.loss)):
            logger.error("Model diverged with loss = NaN at global step %d.", step)
            raise v1.train.NanLossDuringTrainingError


def _note_end(before: int, global_step: int, looks: Looks, unwatched: Steps, taken: Taken) -> None:
    """Notes that the input ended after the steps that no hook looked at since `before`."""
    taken.ended = True
    steps = unwatched.steps_before_end(global_step - before)
    looks.skipped(steps, global_step)
    taken.steps += steps
    if steps:
        taken.loss = unwatched.last_loss()
