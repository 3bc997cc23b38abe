"""The hooks of a training: the chief's, the input's, the user's and ours, in their order."""

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator._tf import add_saving_listeners, v1
from tf_estimator.config import RunConfig
from tf_estimator.engine import input_state
from tf_estimator.engine.counters import StepCounter, SummarySaver
from tf_estimator.engine.gang.hooks import AgreedTime, Agreement, JoinsSaves, Unwritten
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.saving import SaverHook, checkpoint_path, schedule_of
from tf_estimator.engine.steps.take_steps import StepReader


class StopOnNan(v1.train.NanTensorHook):
    """Ends training on a NaN loss, as NanTensorHook does, without a fetch of its own.

    Args:
        loss: of the step.
        reader: has its value.
    """

    def __init__(self, loss: tf.Tensor, reader: StepReader):
        super().__init__(loss)
        self._reader = reader

    def before_run(self, run_context: Any) -> None:
        """Asks for nothing."""

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Stops or raises if the loss is NaN."""
        super().after_run(run_context, run_values._replace(results=self._reader.loss))

    def next_look(self, global_step: int) -> int | None:
        """Where no hook looks, the steps end with the first NaN."""


def training_hooks(
    built: BuiltGraph,
    config: RunConfig,
    user_hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener],
    creator: tf.compat.v1.train.SessionCreator,
    reader: StepReader,
    agreement: Agreement | None,
) -> list[tf.compat.v1.train.SessionRunHook]:
    """All hooks in the order in which they run.

    Args:
        built: a graph built in mode TRAIN, the default one.
        config: where and how often to save, to log, to summarize.
        user_hooks: as they were given, with the stop conditions.
        saving_listeners: told of every save.
        creator: of the session.
        reader: the first hook.
        agreement: of workers that take their steps together; None for others.

    Raises:
        ValueError: there is something to be told of saves, or to be saved, and nothing saves.
    """
    spec = built.spec
    worker_hooks = [*built.input_hooks, *user_hooks, StopOnNan(spec.loss, reader)]
    if config.log_step_count_steps:
        shown = {"loss": spec.loss, "step": built.global_step}
        worker_hooks.append(
            v1.train.LoggingTensorHook(shown, every_n_iter=config.log_step_count_steps)
        )
    worker_hooks.extend(spec.training_hooks)
    given = [*worker_hooks, *spec.training_chief_hooks]
    position = input_state.hook(built, config, given)
    saver_hooks = _saver_hooks(
        built, config, given, saving_listeners, position, creator, reader, agreement
    )
    if not config.is_chief and agreement is None:
        return [reader, *worker_hooks]
    counters = []
    if config.log_step_count_steps and config.is_chief:
        counters.append(
            StepCounter(
                reader.step_after_look,
                every_n_steps=config.log_step_count_steps,
                output_dir=config.model_dir,
            )
        )
    if config.save_summary_steps:
        counters.append(
            SummarySaver(
                reader.step_after_look,
                scaffold=spec.scaffold,
                save_steps=config.save_summary_steps,
                output_dir=config.model_dir if config.is_chief else None,
                summary_writer=None if config.is_chief else Unwritten(),
            )
        )
    if not config.is_chief:
        return [reader, *saver_hooks, *counters, *worker_hooks]
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
    reader: StepReader,
    agreement: Agreement | None,
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
    is_restored = getattr(creator, "has_all_of", lambda path: False)
    schedule = schedule_of(config)
    if agreement is not None:
        if config.save_checkpoints_secs:
            schedule = AgreedTime(schedule, agreement, is_chief=config.is_chief)
        if not config.is_chief:
            path = functools.partial(checkpoint_path, config.model_dir)
            return [
                JoinsSaves(
                    built.spec.scaffold,
                    schedule,
                    loss=lambda: reader.loss,
                    is_restored=lambda step: is_restored(path(step)),
                )
            ]
    saver = SaverHook(
        built.spec.scaffold,
        config,
        [*saving_listeners, *([position.listener] if position is not None else [])],
        loss=lambda: reader.loss,
        is_restored=is_restored,
        schedule=schedule,
    )
    return [saver]
