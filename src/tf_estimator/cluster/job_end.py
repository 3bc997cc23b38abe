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
    """

    id: str
    end: str | None = None

    @classmethod
    def read(cls, model_dir: str) -> "Note | None":
        """The note in a folder; None if there is none, or none that can be read.

        Args:
            model_dir: the folder.
        """
        try:
            with tf.io.gfile.GFile(os.path.join(model_dir, _FILE)) as file:
                said = json.loads(file.read())
            return cls(str(said["job"]), None if said["end"] is None else str(said["end"]))
        # It is read again and again, and may be on a file system that has its moments.
        except (tf.errors.OpError, ValueError, KeyError, TypeError):
            return None

    def write(self, model_dir: str) -> None:
        """Makes this the note in a folder.

        Args:
            model_dir: the folder, which exists.
        """
        with checkpoint.whole_file(os.path.join(model_dir, _FILE)) as file:
            file.write(f"{json.dumps({'job': self.id, 'end': self.end})}\n".encode())


def begin(model_dir: str) -> Note:
    """Notes that the job has begun; a chief that was restarted goes on with the one that it was at.

    Args:
        model_dir: the folder, which is made if need be.

    Returns:
        The note, for `end`.
    """
    checkpoint.prepare_folder(model_dir)
    note = Note.read(model_dir)
    if note is None or note.end is not None:
        note = Note(uuid.uuid4().hex)
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
    """

    def __init__(
        self, model_dir: str, clock: Callable[[], float], patience_secs: float | None = None
    ) -> None:
        self._model_dir, self._clock = model_dir, clock
        # The first one that is of this job, as far as is known.
        self._at_start = self._first = Note.read(model_dir)
        self._begin, self._patience_secs = clock(), patience_secs or float("inf")

    @classmethod
    def of_task(
        cls, config: RunConfig, clock: Callable[[], float], delay_secs: float = 0.0
    ) -> "JobEnd":
        """For a task whose chief may come as much later as a peer may be frozen.

        Args:
            config: of the task.
            clock: tells the time in seconds, and never goes back.
            delay_secs: how much later it may come.
        """
        return cls(config.model_dir, clock, delay_secs + 6 * config.tf_config.timeout_secs)

    @property
    def may_be_over(self) -> bool:
        """Whether the note has said all the time that a job is done, be it this or a former one."""
        first = self._at_start
        return first is not None and first.end is not None and self._first is first

    def why(self) -> str | None:
        """Why the job is done, as a sentence without its full stop; None while it is not."""
        note = Note.read(self._model_dir)
        if note is None:
            return None
        if self._first is None or (self._first.end is not None and note != self._first):
            self._first = note
        if note.id != self._first.id:
            return "its chief has ended it, and has begun another job since"
        if note == self._at_start and self._clock() < self._begin + self._patience_secs:
            return None
        return note.end

    def check(self) -> None:
        """Raises if it is only presumed that the job is done.

        Raises:
            UnreachableError: the note has not changed since the task was started.
        """
        if self.may_be_over:
            raise UnreachableError(
                f"{self._model_dir} tells of a job that is done, as it did when this task was "
                "started, and nobody has begun another one for "
                f"{self._clock() - self._begin:.0f} s. If that was this job, there is nothing left "
                "to do. Else its chief is not there yet: start this task again."
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
