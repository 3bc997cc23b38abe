"""What all workers do that take their steps together, so that none of them waits for the others."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator._tf import logger, v1
from tf_estimator.cluster.waiting import UnreachableError
from tf_estimator.engine.gang.collectives import collectives
from tf_estimator.engine.gang.sessions import OutOfStepError
from tf_estimator.engine.gang.votes import Outcome, Votes, heard
from tf_estimator.engine.graph import global_step_read
from tf_estimator.engine.saving import Schedule
from tf_estimator.engine.sessions import SAVES
from tf_estimator.engine.stateful import ancestors

# How long a worker that is done waits to hear that the others are, in seconds.
_TO_LEAVE_SECS: Final = 2.0


class Agreement(v1.train.SessionRunHook):
    """Puts to the vote what this worker wants, and does what all have agreed on, in the same step.

    It is the first hook but for one that reads, so that the others find the outcome.

    Args:
        votes: of the graph.

    Attributes:
        outcome: of the step that was run last.
    """

    def __init__(self, votes: Votes) -> None:
        self._votes = votes
        self._wants_stop = self._wants_save = False
        self.outcome = Outcome(stop=False, save=False, last=False)

    def want_stop(self) -> None:
        """Lets training end after the next step, on all workers."""
        self._wants_stop = True

    def want_save(self) -> None:
        """Lets all workers save after the next step."""
        self._wants_save = True

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        """Votes."""
        given = self._votes.given(stop=self._wants_stop, save=self._wants_save)
        self._wants_save = False
        return v1.train.SessionRunArgs(self._votes.outcome, given)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Hears the outcome, and stops if that is it."""
        self.outcome = heard(run_values.results)
        if self.outcome.last:
            logger.info("Training ends here: the input of one of the workers has no more batches.")
        if self.outcome.stop or self.outcome.last:
            run_context.request_stop()

    def of_all(
        self, hooks: Sequence[tf.compat.v1.train.SessionRunHook]
    ) -> list[tf.compat.v1.train.SessionRunHook]:
        """The hooks of a session, with this one among them, each asking all to stop if it asks.

        A StopAtStepHook asks in the same step everywhere, by itself.

        Args:
            hooks: of this worker; the first reads the loss.

        Raises:
            ValueError: one of them saves checkpoints by itself.
        """
        for hook in hooks:
            if isinstance(hook, v1.train.CheckpointSaverHook):
                raise wrong_value(
                    "hooks",
                    "must have no CheckpointSaverHook where workers train by a "
                    "MultiWorkerMirroredStrategy: each of them would save to the same folder",
                    hook,
                    "Set save_checkpoints_steps or save_checkpoints_secs in RunConfig.",
                )
        asking = [
            hook if type(hook) is v1.train.StopAtStepHook else _Asking(hook, self) for hook in hooks
        ]
        return [asking[0], self, *asking[1:]]


class _Asking(v1.train.SessionRunHook):
    """A hook whose wish to stop is put to the vote."""

    def __init__(self, hook: tf.compat.v1.train.SessionRunHook, agreement: Agreement) -> None:
        self._hook, self._agreement = hook, agreement

    def begin(self) -> None:
        self._hook.begin()

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        self._hook.after_create_session(session, coord)

    def before_run(self, run_context: Any) -> Any:
        return self._asked(self._hook.before_run, run_context)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._asked(lambda context: self._hook.after_run(context, run_values), run_context)

    def end(self, session: tf.compat.v1.Session) -> None:
        self._hook.end(session)

    def _asked(self, call: Callable[[Any], Any], run_context: Any) -> Any:
        context = v1.train.SessionRunContext(run_context.original_args, run_context.session)
        result = call(context)
        if context.stop_requested:
            self._agreement.want_stop()
        return result


class EndsTogether(v1.train.SessionRunHook):
    """Lets no worker end before the others: the chief has still to save. It is the last hook.

    Args:
        is_chief: whether this worker saves.
    """

    def __init__(self, *, is_chief: bool) -> None:
        self._is_chief = is_chief

    def end(self, session: Any) -> None:
        """Waits for the others."""
        try:
            session.meet("end its training")
        except UnreachableError as error:
            if not self._is_chief:
                raise
            logger.warning("Training is done here, and all is saved; but: %s", error)
            return
        # Who knows that all have come may end, while others have still to hear it, and from whom?
        # So they meet again, and it is as well if some do not: they know that all had come before.
        with contextlib.suppress(UnreachableError, OutOfStepError, tf.errors.OpError):
            session.meet("leave", timeout_secs=_TO_LEAVE_SECS)


class Unwritten:
    """In the place of a FileWriter, on workers that make summaries as the chief does: for nothing.

    A summary may be of something that all workers have to read together.
    """

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Forgets it."""

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Forgets it."""

    def flush(self) -> None:
        """There is nothing to write."""


class AgreedTime:
    """When to save by the clock: after a step that all agree on, some time after it is due.

    Args:
        schedule: by seconds, of this worker.
        agreement: of all.
        is_chief: whether it is this worker's clock that counts.
    """

    wants_step = False

    def __init__(self, schedule: Schedule, agreement: Agreement, *, is_chief: bool) -> None:
        self._schedule, self._agreement, self._is_chief = schedule, agreement, is_chief

    @property
    def started_at(self) -> int:
        """The step of the last save."""
        return self._schedule.started_at

    def start(self, step: int) -> None:
        """Counts from now on."""
        self._schedule.start(step)

    def may_be_due(self, seen: Any) -> bool:
        """Whether all save now; asks for it once the time has come."""
        agreed = self._agreement.outcome.save
        if self._is_chief and not agreed and self._schedule.may_be_due(seen):
            self._agreement.want_save()
        return agreed

    def is_due(self, step: int) -> bool:
        """Whether there is something new to save."""
        return step != self.started_at

    def next_look(self, step: int) -> int:
        """Every step has a vote."""
        return step + 1


class JoinsSaves(v1.train.SessionRunHook):
    """Reads what the chief saves, whenever it does, where that takes all workers.

    Args:
        scaffold: has the Saver once the session is there.
        schedule: as the chief has it.
        loss: gives the loss of the step that just ran.
        is_restored: whether the session came from the checkpoint of a step.
    """

    def __init__(
        self,
        scaffold: tf.compat.v1.train.Scaffold,
        schedule: Schedule,
        *,
        loss: Callable[[], Any],
        is_restored: Callable[[int], bool],
    ) -> None:
        self._scaffold, self._schedule, self._loss = scaffold, schedule, loss
        self._is_restored = is_restored
        self._reads: list[tf.Operation] = []

    def begin(self) -> None:
        """Finds the global step."""
        self._global_step = global_step_read()

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Finds what there is to read, and reads it if the chief saves at the start."""
        reads = _reads_of_save(session.graph, self._scaffold.saver)
        self._reads = reads if collectives(session.graph, reads) else []
        step = int(session.run(self._global_step))
        if not self._is_restored(step):
            session.run(self._reads)
        self._schedule.start(step)

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        """Reads the global step with the run."""
        return v1.train.SessionRunArgs(self._global_step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Reads if the chief saves."""
        if not self._schedule.may_be_due(run_values.results) or np.isnan(self._loss()):
            return
        step = int(run_context.session.run(self._global_step))
        if self._schedule.is_due(step):
            self._schedule.start(step)
            run_context.session.run(self._reads)

    def end(self, session: tf.compat.v1.Session) -> None:
        """Reads if the chief saves once more."""
        if int(session.run(self._global_step)) != self._schedule.started_at:
            session.run(self._reads)


def _reads_of_save(graph: tf.Graph, saver: tf.compat.v1.train.Saver) -> list[tf.Operation]:
    """The operations that read what a Saver, which is built, saves."""
    save = graph.as_graph_element(saver.as_saver_def().save_tensor_name)
    writers = [op for op in ancestors([save]) if op.type in SAVES]
    read = (tensor.op for op in writers for tensor in op.inputs if tensor.dtype != tf.string)
    return list({op.name: op for op in read}.values())
