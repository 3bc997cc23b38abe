"""Training: what it adds to the graph, and the loop."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._checks import wrong_value
from tf_estimator._tf import logger, v1
from tf_estimator.config import RunConfig
from tf_estimator.engine import input_state
from tf_estimator.engine.gang.hooks import Agreement, EndsTogether
from tf_estimator.engine.graph import BuiltGraph, global_step_after
from tf_estimator.engine.keep.live import LiveSession
from tf_estimator.engine.saving import SaverHook
from tf_estimator.engine.sessions import monitored_session
from tf_estimator.engine.steps.shared import SharedSteps
from tf_estimator.engine.steps.single import Steps
from tf_estimator.engine.steps.take_steps import StepReader, Taken, take_steps
from tf_estimator.engine.steps.unwatched import unwatched_steps
from tf_estimator.engine.training_hooks import training_hooks
from tf_estimator.engine.training_session import failure_told, session_creator, watched

# Of TensorFlow's hooks those that change nothing in a session.
_HARMLESS = (
    v1.train.StopAtStepHook,
    v1.train.StepCounterHook,
    v1.train.SummarySaverHook,
    v1.train.LoggingTensorHook,
)


def train(
    built: BuiltGraph,
    config: RunConfig,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener],
) -> None:
    """Runs training steps until a hook stops them or the input ends.

    check that the checkpoint in model_dir fits, and that there is room for another
    add the loss summary, the saver and the loop of steps to the graph
    open a session: restored from model_dir, else initialized
    until a hook asks to stop or the input ends:
        run train_op in a loop of the graph up to where a hook next looks
        run train_op once; every hook looks
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
    taken = Taken()
    reader = StepReader(built.spec.loss, built.global_step)
    agreement = None if built.votes is None else Agreement(built.votes)
    # The variables that hooks add when they begin belong to the model's own.
    with built.graph.as_default(), v1.device(built.device_function):
        creator = session_creator(built, config)
        all_hooks = training_hooks(
            built, config, hooks, saving_listeners, creator, reader, agreement
        )
        _check_model_dir(built, config)
        unwatched, reader.step_after = _prepared(built, config, all_hooks)
        reader.alone = config.num_worker_replicas <= 1 and not any(map(_is_of_user, all_hooks))
        if unwatched is not None:
            all_hooks.extend(unwatched.hooks)
        run_hooks = all_hooks if agreement is None else agreement.of_all(all_hooks)
        if agreement is not None:
            run_hooks.append(EndsTogether(is_chief=config.is_chief))
        try:
            with (
                failure_told(creator),
                watched(config, all_hooks, run_hooks, creator) as watch,
                monitored_session(creator, run_hooks) as session,
            ):
                if watch is not None:
                    reader.times = watch.hook
                    if isinstance(unwatched, SharedSteps):
                        unwatched.times = watch.hook
                at_most = None if config.steps_per_loop == "auto" else config.steps_per_loop
                with _ends_by_vote(agreement, taken):
                    take_steps(session, built, reader, all_hooks, unwatched, at_most, taken)
        finally:
            for hook in all_hooks:
                if isinstance(hook, SaverHook):
                    hook.close()
    if built.live is not None and not any(map(_is_of_user, saving_listeners)):
        _keep_weights(built.live, all_hooks)
    if taken.ended and not taken.steps:
        raise _no_batch()
    logger.info("Training stopped after %d steps; the last loss was %s.", taken.steps, taken.loss)


def _prepared(
    built: BuiltGraph, config: RunConfig, hooks: Sequence[tf.compat.v1.train.SessionRunHook]
) -> tuple[Steps | None, tf.Tensor]:
    """Adds to the graph what training needs besides the step.

    Returns:
        What takes unwatched steps, and a tensor with the global step after a step.
    """

    def prepare() -> tuple[Steps | None, tf.Tensor]:
        _add_training_ops(built, config)
        with v1.device(None):  # The loop's ops are copies of such that have their place.
            unwatched = unwatched_steps(
                built, config, saves_input_state=input_state.saves_input_state(hooks)
            )
        return unwatched, global_step_after(built.spec.train_op, built.global_step)

    live, spec = built.live, built.spec
    if live is None:
        return prepare()
    unwatched, step_after = live.once(prepare)
    if unwatched is not None and unwatched.feed is not None:
        live.problem = "its steps are compiled, and read the input that it was built with"
    targets = [spec.train_op, spec.loss, v1.get_collection(v1.GraphKeys.SUMMARIES)]
    of_model = [*spec.training_hooks, *spec.training_chief_hooks]
    of_user = [hook for hook in hooks if _is_of_user(hook) and hook not in of_model]
    live.expects(built.graph, targets, built.inputs, of_user, of_model)
    return unwatched, step_after


def _keep_weights(live: LiveSession, hooks: Sequence[tf.compat.v1.train.SessionRunHook]) -> None:
    """Where the last thing done to a kept session was to save it, the next call need not restore.

    Not where a hook of the user's may have come after.
    """
    if not any(map(_is_of_user, hooks)):
        for hook in hooks:
            if isinstance(hook, SaverHook) and hook.saved_path is not None:
                live.saved(hook.saved_path)


@contextlib.contextmanager
def _ends_by_vote(agreement: Agreement | None, taken: Taken) -> Iterator[None]:
    """A context for the steps: workers that vote end together, and not where one has no batch."""
    try:
        yield
    except (tf.errors.OutOfRangeError, StopIteration) as error:
        if agreement is None:
            raise
        if not taken.steps:
            raise _no_batch() from None
        raise RuntimeError(
            "Where workers take their steps together, nothing but the input may end; this has "
            f"ended after {taken.steps} steps: {error}"
        ) from error


def _no_batch() -> ValueError:
    return wrong_value("input_fn", "must yield at least one batch to train on", "no batch at all")


def _is_of_user(hook: Any) -> bool:
    """Whether a hook or listener may do anything at all in the session."""
    package = __name__.partition(".")[0]
    known = (f"{package}.engine.", f"{package}.training.")
    return not type(hook).__module__.startswith(known) and type(hook) not in _HARMLESS


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
