"""How the tasks of a cluster learn that their job is done: by a note in model_dir.

Only the chief knows that training has ended: it saves the last checkpoint. A parameter server
serves until then, and an evaluator evaluates until then. The chief begins a job with a note that it
runs, and ends it with a note that it is done.
"""

import dataclasses
import json
import os
import uuid
from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._tf import logger
from tf_estimator.cluster.away import PATIENCE
from tf_estimator.cluster.waiting import UnreachableError
from tf_estimator.config import RunConfig

_FILE: Final = "cluster_job.json"


@dataclasses.dataclass(frozen=True)
class Note:
    """What the chief has noted.

    Attributes:
        id: of the job, which tells it from others in the same model_dir.
        end: why and where training has ended, as a sentence without its full stop; None while it
            goes on.
        max_steps: the global step that it is to end at; None if something else ends it.
    """

    id: str
    end: str | None = None
    max_steps: int | None = None

    @classmethod
    def read(cls, model_dir: str) -> "Note | None":
        """The note in a folder; None if there is none, or none that can be read.

        Args:
            model_dir: the folder.
        """
        try:
            with tf.io.gfile.GFile(os.path.join(model_dir, _FILE)) as file:
                said = json.loads(file.read())
            end, max_steps = said["end"], said["max_steps"]
            return cls(
                str(said["job"]),
                None if end is None else str(end),
                None if max_steps is None else int(max_steps),
            )
        # It is read again and again, and may be on a file system that has its moments.
        except (tf.errors.OpError, ValueError, KeyError, TypeError):
            return None

    def write(self, model_dir: str) -> None:
        """Makes this the note in a folder.

        Args:
            model_dir: the folder, which exists.
        """
        said = {"job": self.id, "end": self.end, "max_steps": self.max_steps}
        with checkpoint.whole_file(os.path.join(model_dir, _FILE)) as file:
            file.write(f"{json.dumps(said)}\n".encode())


def begin(model_dir: str, max_steps: int | None = None) -> Note:
    """Notes that the job has begun; a chief that was restarted goes on with the one that it was at.

    Args:
        model_dir: the folder, which is made if need be.
        max_steps: the global step that it is to end at; None if something else ends it.

    Returns:
        The note, for `end`.
    """
    checkpoint.prepare_folder(model_dir)
    found = Note.read(model_dir)
    goes_on = found is not None and found.end is None
    note = Note(found.id if found and goes_on else uuid.uuid4().hex, max_steps=max_steps)
    if note != found:
        note.write(model_dir)
    return note


def end(model_dir: str, note: Note, why: str) -> None:
    """Notes that the job is done.

    Args:
        model_dir: the folder.
        note: as `begin` gave it.
        why: why and where training has ended, as a sentence without its full stop.
    """
    dataclasses.replace(note, end=why).write(model_dir)
    logger.info("The job is done: %s.", why)


class JobEnd:
    """Tells a task that does not train, or only helps to, whether its job is done.

    The note that is there when the task starts may be that of a former job, whose chief is gone,
    while the chief of this one is still to come; or the task was restarted after the end. So what
    it says counts only once it changes, or if it stays as it is for too long.

    Args:
        model_dir: the folder that the chief writes to.
        clock: tells the time in seconds, and never goes back.
        patience_secs: how long a note that a job is done, which was there at the start, may stay
            before it is taken to be of this job; None for ever.
        max_steps: the global step that this job is to end at; None if something else ends it.

    Attributes:
        patient_until: the time at which that patience is over.
    """

    def __init__(
        self,
        model_dir: str,
        clock: Callable[[], float],
        patience_secs: float | None = None,
        max_steps: int | None = None,
    ) -> None:
        self._model_dir, self._clock, self._max_steps = model_dir, clock, max_steps
        # The first one that is of this job, as far as is known.
        self._at_start = self._first = Note.read(model_dir)
        self._begin = clock()
        self.patient_until = self._begin + (patience_secs or float("inf"))

    @classmethod
    def of_task(
        cls,
        config: RunConfig,
        max_steps: int | None,
        clock: Callable[[], float],
        delay_secs: float = 0.0,
    ) -> "JobEnd":
        """For a task whose chief may come as much later as a peer may be frozen.

        Args:
            config: of the task.
            max_steps: the global step that its job is to end at; None if something else ends it.
            clock: tells the time in seconds, and never goes back.
            delay_secs: how much later it may come.
        """
        patience_secs = delay_secs + PATIENCE * config.tf_config.timeout_secs
        return cls(config.model_dir, clock, patience_secs, max_steps)

    @property
    def may_be_over(self) -> bool:
        """Whether the note has said all the time that a job is done, be it this or a former one."""
        first = self._at_start
        return first is not None and first.end is not None and self._first is first

    @property
    def may_be_this(self) -> bool:
        """Whether that job has the max_steps of this one."""
        first = self._at_start
        return self.may_be_over and first is not None and first.max_steps == self._max_steps

    def why(self) -> str | None:
        """Why the job is done, as a sentence without its full stop; None while it is not."""
        note = Note.read(self._model_dir)
        if note is None:
            return None
        if self._first is None or (self._first.end is not None and note != self._first):
            self._first = note
        if note.id != self._first.id:
            return "its chief has ended it, and has begun another job since"
        if note == self._at_start and self._clock() < self.patient_until:
            return None
        return note.end

    def check(self) -> None:
        """Raises if it is only presumed that the job is done, and the one that is was to end later.

        The same max_steps mean that the job is the same: this task was started again after its end,
        by whoever starts tasks that were lost, and once more would change nothing.

        Raises:
            UnreachableError: the note, which has not changed since the task was started, is of a
                job with other max_steps.
        """
        first = self._at_start
        if first is None or not self.may_be_over:
            return
        said = (
            f"{self._model_dir} tells of a job that is done, as it did when this task was started, "
            f"and nobody has begun another one for {self._clock() - self._begin:.0f} s"
        )
        if self.may_be_this:
            logger.info("%s. So it was this job, and there is nothing left to do.", said)
            return
        raise UnreachableError(
            f"{said}. Its max_steps was {first.max_steps}, and that of this task is "
            f"{self._max_steps}, whose chief is not there yet: start this task again."
        )


class StopWithJob(tf.compat.v1.train.SessionRunHook):
    """Ends the training of a worker once the chief has ended the job: nobody will save its steps.

    Args:
        job_end: tells when.
        clock: tells the time in seconds.
        every_secs: how often it is asked.

    Attributes:
        job_end: as given.
    """

    def __init__(
        self, job_end: JobEnd, clock: Callable[[], float], every_secs: float = 1.0
    ) -> None:
        self.job_end = job_end
        self._clock, self._every_secs = clock, every_secs
        self._next = clock() + every_secs

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Asks, if it is time."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + self._every_secs
        if why := self.job_end.why():
            logger.info("This worker stops, for the job is done: %s.", why)
            run_context.request_stop()

    def next_look(self, global_step: int) -> int | None:
        """The next step, if it is time by then."""
        return global_step + 1 if self._clock() >= self._next else None
