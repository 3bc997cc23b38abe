"""Training: the step, its hooks, and the loop."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._checks import wrong_value
from tf_estimator._tf import add_saving_listeners, logger, v1, without_deprecation_notes
from tf_estimator.config import RunConfig, default_session_config
from tf_estimator.engine import input_state
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.partial_restore import RestoringSessionCreator
from tf_estimator.engine.sessions import TheInputGoesOn, monitored_session


class _LossReader(v1.train.SessionRunHook):
    """Reads the loss once a step for all hooks of ours that want it: each fetch costs.

    It is the first hook, so that they find the loss of the step they look at.
    """

    def __init__(self, loss: tf.Tensor):
        self._args = v1.train.SessionRunArgs(loss)
        self.loss: Any = None

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        return self._args

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.loss = run_values.results


class _StopOnNan(v1.train.NanTensorHook):
    """Ends training on a NaN loss, as NanTensorHook does, without a fetch of its own."""

    def __init__(self, loss: tf.Tensor, reader: _LossReader):
        super().__init__(loss)
        self._reader = reader

    def before_run(self, run_context: Any) -> None:
        pass

    def after_run(self, run_context: Any, run_values: Any) -> None:
        super().after_run(run_context, run_values._replace(results=self._reader.loss))


class _SaveUnlessNan(v1.train.SessionRunHook):
    """A saver hook that passes over a step whose loss is NaN, and never ends the input.

    It runs before the hook that ends training on a NaN loss, and would make the ruined weights the
    newest checkpoint, from which no later run could go on. A save that fails, or an evaluation in a
    listener, can raise what also means the end of the input, and would end training as if done.
    """

    def __init__(self, saver: tf.compat.v1.train.CheckpointSaverHook, reader: _LossReader):
        self._saver = saver
        self._reader = reader
        self._saving = TheInputGoesOn("a checkpoint was saved")

    def begin(self) -> None:
        self._saver.begin()

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        with without_deprecation_notes(), self._saving:
            self._saver.after_create_session(session, coord)

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        return self._saver.before_run(run_context)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if not np.isnan(self._reader.loss):
            with self._saving:
                self._saver.after_run(run_context, run_values)

    def end(self, session: tf.compat.v1.Session) -> None:
        with self._saving:
            self._saver.end(session)


class _SaverOfChanges:
    """The scaffold's Saver as a hook sees it; the first save is left out if it changes nothing.

    The hook saves as soon as there is a session. Where that was just restored, the save would put
    the same values over the newest checkpoint, and a kill in the middle could leave that damaged.
    """

    def __init__(
        self, scaffold: tf.compat.v1.train.Scaffold, creator: tf.compat.v1.train.SessionCreator
    ) -> None:
        self._scaffold, self._creator = scaffold, creator
        self._is_first = True

    @property
    def saver_def(self) -> Any:
        return self._scaffold.saver.saver_def

    def save(
        self, session: tf.compat.v1.Session, save_path: str, *, global_step: int, **options: Any
    ) -> None:
        first, self._is_first = self._is_first, False
        if first and isinstance(self._creator, RestoringSessionCreator):
            path = f"{save_path}-{global_step}"
            if self._creator.has_all_of(path):
                logger.info("%s is what training goes on from, and is not saved again.", path)
                return
        with without_deprecation_notes():
            self._scaffold.saver.save(session, save_path, global_step=global_step, **options)


def train(
    built: BuiltGraph,
    config: RunConfig,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener],
) -> None:
    """Runs training steps until a hook stops them or the input ends.

    check that the checkpoint in model_dir fits, and that there is room for another
    add the loss summary and the saver to the graph
    open a session: restored from model_dir, else initialized
    until a hook asks to stop or the input ends:
        run train_op; every hook looks
    (the saver hook saves at the start what was not restored, by its timer, and at the end)

    Args:
        built: a graph built in mode TRAIN.
        config: where and how often to save, to log, to summarize.
        hooks: the user's, with the stop conditions.
        saving_listeners: told of every save.

    Raises:
        ValueError: the input ended before the first step, or there are saving_listeners and nothing
            saves.
    """
    with built.graph.as_default():
        creator = _session_creator(built, config)
        all_hooks = _training_hooks(built, config, hooks, saving_listeners, creator)
        _check_model_dir(built, config)
        _add_training_ops(built, config)
        steps, loss, ended = 0, None, False
        with monitored_session(creator, all_hooks) as session:
            while not session.should_stop():
                try:
                    _, loss = session.run([built.spec.train_op, built.spec.loss])
                except (tf.errors.OutOfRangeError, StopIteration):
                    ended = True
                    raise
                steps += 1
    if ended and not steps:
        raise wrong_value(
            "input_fn", "must yield at least one batch to train on", "no batch at all"
        )
    logger.info("Training stopped after %d steps; the last loss was %s.", steps, loss)


def _add_training_ops(built: BuiltGraph, config: RunConfig) -> None:
    spec = built.spec
    v1.add_to_collection(v1.GraphKeys.LOSSES, spec.loss)
    summaries = v1.get_collection(v1.GraphKeys.SUMMARIES)
    if not any(summary.op.name == "loss" for summary in summaries):
        v1.summary.scalar("loss", spec.loss)
    if not built.has_own_saver:
        saver = v1.train.Saver(
            sharded=True,
            max_to_keep=config.keep_checkpoint_max,
            keep_checkpoint_every_n_hours=config.keep_checkpoint_every_n_hours,
            # Scaffold builds it, after the hooks have had their say on the graph.
            defer_build=True,
            save_relative_paths=True,
        )
        v1.add_to_collection(v1.GraphKeys.SAVERS, saver)


def _check_model_dir(built: BuiltGraph, config: RunConfig) -> None:
    latest = checkpoint.latest_whole(config.model_dir)
    if latest and not built.has_own_saver:
        checkpoint.check_restorable(built.variables, latest, ignore_missing=config.ignore_missing)
        if config.is_chief:
            checkpoint.remove_leftovers(
                config.model_dir, config.keep_checkpoint_max, config.keep_checkpoint_every_n_hours
            )
    checkpoint.check_room(config.model_dir, built.variables)


def _session_creator(built: BuiltGraph, config: RunConfig) -> tf.compat.v1.train.SessionCreator:
    if config.is_chief:
        return RestoringSessionCreator(
            built, config, config.master, folder=config.model_dir, may_lack=[input_state.NAME]
        )
    return v1.train.WorkerSessionCreator(
        built.spec.scaffold,
        master=config.master,
        config=config.session_config or default_session_config(),
        max_wait_secs=config.session_creation_timeout_secs,
    )


def _training_hooks(
    built: BuiltGraph,
    config: RunConfig,
    user_hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener],
    creator: tf.compat.v1.train.SessionCreator,
) -> list[tf.compat.v1.train.SessionRunHook]:
    """All hooks in the order in which they run: the chief's, the input's, the user's, ours."""
    spec = built.spec
    reader = _LossReader(spec.loss)
    worker_hooks = [*built.input_hooks, *user_hooks, _StopOnNan(spec.loss, reader)]
    if config.log_step_count_steps:
        shown = {"loss": spec.loss, "step": built.global_step}
        worker_hooks.append(
            v1.train.LoggingTensorHook(shown, every_n_iter=config.log_step_count_steps)
        )
    worker_hooks.extend(spec.training_hooks)
    given = [*worker_hooks, *spec.training_chief_hooks]
    position = input_state.hook(built, config, given)
    saver_hooks = _saver_hooks(built, config, given, saving_listeners, position, creator, reader)
    if not config.is_chief:
        return [reader, *worker_hooks]
    counters = []
    if config.log_step_count_steps:
        counters.append(
            v1.train.StepCounterHook(
                every_n_steps=config.log_step_count_steps, output_dir=config.model_dir
            )
        )
    if config.save_summary_steps:
        counters.append(
            v1.train.SummarySaverHook(
                scaffold=spec.scaffold,
                save_steps=config.save_summary_steps,
                output_dir=config.model_dir,
            )
        )
    if position is not None:
        # The first save is that of a new session, and by then the input must be where it goes on.
        worker_hooks = worker_hooks[len(built.input_hooks) :]
        saver_hooks = [*built.input_hooks, position, *saver_hooks]
    return [reader, *saver_hooks, *spec.training_chief_hooks, *counters, *worker_hooks]


def _saver_hooks(
    built: BuiltGraph,
    config: RunConfig,
    given: Sequence[tf.compat.v1.train.SessionRunHook],
    saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener],
    position: input_state.InputState | None,
    creator: tf.compat.v1.train.SessionCreator,
    reader: _LossReader,
) -> list[tf.compat.v1.train.SessionRunHook]:
    """Our saver hook, unless the user has one or saving is off; listeners go to whichever saves."""
    users = [hook for hook in given if isinstance(hook, v1.train.CheckpointSaverHook)]
    if users:
        add_saving_listeners(users[0], saving_listeners)
        if position is not None:
            for hook in users:
                add_saving_listeners(hook, [position.listener])
        return []
    if not (config.save_checkpoints_secs or config.save_checkpoints_steps):
        if saving_listeners:
            raise wrong_value(
                "saving_listeners",
                "must be empty when no checkpoints are saved",
                list(saving_listeners),
                "Set save_checkpoints_steps or save_checkpoints_secs in RunConfig.",
            )
        if position is not None:
            raise wrong_value(
                "save_input_state",
                "must be False when no checkpoints are saved",
                config.save_input_state,
                "Set save_checkpoints_steps or save_checkpoints_secs in RunConfig.",
            )
        return []
    saver = v1.train.CheckpointSaverHook(
        config.model_dir,
        save_secs=config.save_checkpoints_secs,
        save_steps=config.save_checkpoints_steps,
        saver=_SaverOfChanges(built.spec.scaffold, creator),
        listeners=[*saving_listeners, *([position.listener] if position is not None else [])],
        save_graph_def=config.checkpoint_save_graph_def,
    )
    return [_SaveUnlessNan(saver, reader)]
