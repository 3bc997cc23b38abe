"""Saving while training: when, what is written beside the values, and who is told.

It takes the place of `tf.compat.v1.train.CheckpointSaverHook`, with the same files, events and
calls, and does its expensive parts once: a graph is exported once and not at every save, its text
is written in the background, and an event file gets no graph that it just got.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._checks import wrong_value
from tf_estimator._tf import logger, v1, without_deprecation_notes
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import global_step_read
from tf_estimator.engine.graph_files import GraphText, add_to_events, export_graph
from tf_estimator.engine.sessions import TheInputGoesOn

_PREFIX = "model.ckpt"


def checkpoint_path(folder: str, step: int) -> str:
    """The path of the checkpoint of a step.

    Args:
        folder: where checkpoints are saved.
        step: the global step.
    """
    return f"{os.path.join(folder, _PREFIX)}-{step}"


class Schedule(Protocol):
    """When saving is due. It is asked whether it may be first, for that costs nothing.

    Attributes:
        wants_step: whether `may_be_due` needs to be told the global step.
    """

    wants_step: bool

    @property
    def started_at(self) -> int:
        """The step from which it counts."""

    def start(self, step: int) -> None:
        """Counts from `step` and from now on."""

    def may_be_due(self, seen: Any) -> bool:
        """Whether it may be due after a run that saw the global step when it began or ended."""

    def is_due(self, step: int) -> bool:
        """Whether it is due with `step` steps done."""

    def next_look(self, step: int) -> int | None:
        """The next step after which it may be due, as far as that is known."""


class SaverHook(v1.train.SessionRunHook):
    """Saves at the start, by steps or by seconds, and at the end, and tells the listeners.

    A step whose loss is NaN is passed over: its ruined weights would be the newest checkpoint, from
    which no later run could go on. So is the save at the start if it would change nothing: a kill
    in the middle of it could damage what training goes on from.

    Close it after training, however that ended.

    Attributes:
        saved_path: of the checkpoint that has the variables as they were when this last looked.

    Args:
        scaffold: has the Saver once the session is there.
        config: the folder, how often, and whether the graph is written as well. One of
            save_checkpoints_secs and save_checkpoints_steps is set.
        listeners: told of every save, in this order.
        loss: gives the loss of the step that just ran.
        is_restored: whether the session came from the checkpoint of this path, and the graph has
            just what that holds.
        schedule: when to save; None for that of config.
        clock: the time in seconds.
    """

    def __init__(
        self,
        scaffold: tf.compat.v1.train.Scaffold,
        config: RunConfig,
        listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener] = (),
        *,
        loss: Callable[[], Any],
        is_restored: Callable[[str], bool] = lambda path: False,
        schedule: Schedule | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        logger.info("Create CheckpointSaverHook.")
        self._scaffold, self._listeners, self._loss = scaffold, tuple(listeners), loss
        self._is_restored = is_restored
        self._folder = config.model_dir
        self._path = os.path.join(config.model_dir, _PREFIX)
        self._with_graph = config.checkpoint_save_graph_def
        self._schedule = schedule or schedule_of(config, clock)
        self._text = GraphText(os.path.join(config.model_dir, "graph.pbtxt"))
        self._saving = TheInputGoesOn("a checkpoint was saved")
        self._is_first = True
        self.saved_path: str | None = None

    def begin(self) -> None:
        """Opens the event file, and finds the global step."""
        with tf.Graph().as_default():  # A new file gets the graph of now, which is to grow.
            self._events = v1.summary.FileWriterCache.get(self._folder)
        self._global_step = global_step_read()
        self._args = v1.train.SessionRunArgs(self._global_step)
        for listener in self._listeners:
            listener.begin()

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Writes the graph, and saves."""
        with without_deprecation_notes(), self._saving:
            step = int(session.run(self._global_step))
            exported = export_graph(v1.get_default_graph(), self._scaffold.saver)
            if self._with_graph:
                self._text.write(exported)
            add_to_events(self._events, exported)
            self._save(session, step)
            self._schedule.start(step)

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs | None:
        """Reads the global step with the run, where steps decide."""
        return self._args if self._schedule.wants_step else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Saves if it is time."""
        if not self._schedule.may_be_due(run_values.results) or np.isnan(self._loss()):
            return
        with self._saving:
            # What was read with the run can be the step before it or after it.
            step = int(run_context.session.run(self._global_step))
            if self._schedule.is_due(step):
                self._schedule.start(step)
                if self._save(run_context.session, step):
                    run_context.request_stop()

    def next_look(self, global_step: int) -> int | None:
        """The first step after `global_step` that may be saved, as far as it is known now."""
        return self._schedule.next_look(global_step)

    def end(self, session: tf.compat.v1.Session) -> None:
        """Saves what is not saved yet."""
        with self._saving:
            step = int(session.run(self._global_step))
            if step != self._schedule.started_at:
                self._save(session, step)
            for listener in self._listeners:
                listener.end(session, step)
        self.close()

    def close(self) -> None:
        """Waits for the text of the graph to be written."""
        self._text.close()

    def _save(self, session: tf.compat.v1.Session, step: int) -> bool:
        """Saves and tells the listeners; whether one of them wants training to stop."""
        logger.info("Calling checkpoint listeners before saving checkpoint %d...", step)
        for listener in self._listeners:
            listener.before_save(session, step)
        logger.info("Saving checkpoints for %d into %s.", step, self._path)
        first, self._is_first = self._is_first, False
        self.saved_path = path = checkpoint_path(self._folder, step)
        if first and self._is_restored(path):
            logger.info("%s is what training goes on from, and is not saved again.", path)
        else:
            with without_deprecation_notes():
                self._write(session, step)
        log = v1.SessionLog(status=v1.SessionLog.CHECKPOINT, checkpoint_path=self._path)
        self._events.add_session_log(log, step)
        logger.info("Calling checkpoint listeners after saving checkpoint %d...", step)
        wants_stop = False
        for listener in self._listeners:
            if listener.after_save(session, step):
                logger.info(
                    "A CheckpointSaverListener requested that training be stopped. listener: %s",
                    listener,
                )
                wants_stop = True
        return wants_stop

    def _write(self, session: tf.compat.v1.Session, step: int) -> None:
        """Writes the values, the list of checkpoints, and beside them the graph, in this order."""
        saver = self._scaffold.saver
        is_left_to_us = self._with_graph and _is_plain(saver)
        path = saver.save(
            session,
            self._path,
            global_step=step,
            write_meta_graph=self._with_graph and not is_left_to_us,
        )
        if is_left_to_us:
            with checkpoint.whole_file(f"{path}.meta") as file:
                file.write(export_graph(session.graph, saver).meta_graph)


def _is_plain(saver: tf.compat.v1.train.Saver) -> bool:
    """Whether it is known how a Saver names the graph that it writes: as its values.

    It is not of a user's own kind, nor of the first format, and has anything to save.
    """
    saver_def = saver.saver_def if type(saver) is v1.train.Saver else None
    return saver_def is not None and saver_def.version == v1.train.SaverDef.V2


class _BySteps:
    """Saving is due a number of steps after the last time.

    Args:
        every: the number.
    """

    wants_step = True

    def __init__(self, every: int) -> None:
        self._every = every
        self.started_at = self._seen = -1
        # The most that the global step goes up by between two looks, once that is known.
        self._stride: int | None = None

    def start(self, step: int) -> None:
        """Counts from `step` on."""
        self._note(step)
        self.started_at = step

    def may_be_due(self, seen: int) -> bool:
        """Whether it may be due after a run that saw the global step when it began or ended."""
        if self._stride is None:
            return True
        self._note(seen)
        return seen + self._stride >= self.started_at + self._every

    def is_due(self, step: int) -> bool:
        """Whether it is due with `step` steps done."""
        self._note(step)
        return step >= self.started_at + self._every

    def next_look(self, step: int) -> int:
        """The next step after which it is due."""
        return max(step + 1, self.started_at + self._every)

    def _note(self, step: int) -> None:
        if self.started_at >= 0:
            self._stride = max(self._stride or 1, step - self._seen)
        self._seen = step


class _BySeconds:
    """Saving is due a number of seconds after the last time, if a step was done since.

    Args:
        every: the number.
        clock: the time in seconds.
    """

    wants_step = False

    def __init__(self, every: float, clock: Callable[[], float]) -> None:
        self._every, self._clock = every, clock
        self.started_at = -1

    def start(self, step: int) -> None:
        """Counts from now on."""
        self.started_at = step
        self._due = self._clock() + self._every

    def may_be_due(self, seen: None) -> bool:
        """Whether the time has come."""
        del seen
        return self._clock() >= self._due

    def is_due(self, step: int) -> bool:
        """Whether it is due with `step` steps done."""
        return step != self.started_at and self._clock() >= self._due

    def next_look(self, step: int) -> int | None:
        """The next step if the time has come, or None."""
        return step + 1 if self._clock() >= self._due else None


def schedule_of(config: RunConfig, clock: Callable[[], float] = time.time) -> Schedule:
    """When to save, as a RunConfig says.

    Args:
        config: one of save_checkpoints_secs and save_checkpoints_steps is set.
        clock: the time in seconds.
    """
    steps, seconds = config.save_checkpoints_steps, config.save_checkpoints_secs
    if steps:
        return _BySteps(steps)
    if seconds:
        return _BySeconds(seconds, clock)
    raise wrong_value("config", "must have save_checkpoints_secs or save_checkpoints_steps", config)
