"""The position of the input, saved beside the checkpoints, so that a next run reads on from there.

TensorFlow had this hook as `tf.data.experimental.CheckpointInputPipelineHook` up to 2.15. The files
are the same: `input.ckpt-<step>`, listed in `checkpoint_input`.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, checkpoint
from tf_estimator._tf import logger, v1, without_deprecation_notes
from tf_estimator.engine.input_state import POLICIES, iterator_states, set_iterator_states
from tf_estimator.estimator import Estimator
from tf_estimator.hooks.stop_signal import Due


class CheckpointInputPipelineHook(tf.compat.v1.train.SessionRunHook):
    """Saves where the input is, as often as the model is saved, and has the next run read on there.

    Without it a run that goes on from a checkpoint starts its input anew.
    `RunConfig(save_input_state=True)` does the same within the checkpoints, where it cannot get
    apart from the model; this hook also serves a cluster. The input must be a
    tf.data.Dataset, and is of the task that trains: every worker saves its own.

    Args:
        estimator: the Estimator that is trained; its RunConfig says how often, and how many to
            keep.
        external_state_policy: what to do if the pipeline has state that cannot be saved, as a
            `py_function` may: 'warn', 'ignore' or 'fail' (the default).
        clock: gives the time in seconds. Ours.

    Raises:
        TypeError: estimator is no Estimator.
        ValueError: there is no such policy, or the RunConfig saves no checkpoints.

    Example:
        `estimator.train(input_fn, hooks=[CheckpointInputPipelineHook(estimator)])`
    """

    # What keeps Estimator from warning that the input starts over.
    saves_input_state = True

    def __init__(
        self,
        estimator: Estimator,
        external_state_policy: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _checks.instance("estimator", estimator, Estimator)
        policy = "fail" if external_state_policy is None else external_state_policy
        if policy not in POLICIES:
            raise _checks.wrong_value(
                "external_state_policy", f"must be None or one of {list(POLICIES)}", policy
            )
        config = estimator.config
        if not (config.save_checkpoints_secs or config.save_checkpoints_steps):
            raise ValueError(
                "CheckpointInputPipelineHook must be told how often to save; the Estimator's "
                "RunConfig saves no checkpoints. Set save_checkpoints_steps or "
                "save_checkpoints_secs."
            )
        self._policy = policy
        self._due = Due(
            config.save_checkpoints_secs or None, config.save_checkpoints_steps or None, clock
        )
        task = "" if config.is_chief else f"_{config.task_type}_{config.task_id}"
        self._folder, self._list = estimator.model_dir, f"checkpoint_input{task}"
        self._prefix = os.path.join(estimator.model_dir, f"input{task}.ckpt")
        self._keep = config.keep_checkpoint_max

    def begin(self) -> None:
        """Adds to the graph what saves and restores the input."""
        self._step = v1.train.get_global_step()
        states = iterator_states(self._policy)
        if self._step is None or not states:
            raise ValueError(
                "There must be a global step and a tf.data.Dataset to save the position of the "
                "input; input_fn gives plain tensors, or this is no training graph."
            )
        names = [f"{iterator}_STATE" for iterator in states]
        slices = [""] * len(names)
        self._path = v1.placeholder(tf.string, [])
        self._save_op = tf.raw_ops.SaveV2(
            prefix=self._path,
            tensor_names=names,
            shape_and_slices=slices,
            tensors=[*states.values()],
        )
        read = tf.raw_ops.RestoreV2(
            prefix=self._path,
            tensor_names=names,
            shape_and_slices=slices,
            dtypes=[tf.variant] * len(names),
        )
        self._restore_op = set_iterator_states(read)

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Goes on where the input was; the first time it saves its start."""
        del coord
        step = int(session.run(self._step))
        self._saved = -1
        latest = tf.train.latest_checkpoint(self._folder, self._list)
        if latest is None:
            self._save(session, step)
            return
        self._saved = int(latest.rpartition("-")[2])
        if self._saved != step:
            logger.warning(
                "The model goes on from step %d, and its input from where it was at step %d: the "
                "newest that is saved is %s.",
                step,
                self._saved,
                latest,
            )
        session.run(self._restore_op, {self._path: latest})
        self._due.looked(step)

    def next_look(self, global_step: int) -> int | None:
        """The step to save after."""
        return self._due.next_look(global_step)

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        """Asks for the step."""
        del run_context
        return v1.train.SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Saves if it is time."""
        if self._due.at(int(run_values.results) + 1):
            step = int(run_context.session.run(self._step))
            if self._due.at(step):
                self._save(run_context.session, step)

    def end(self, session: tf.compat.v1.Session) -> None:
        """Saves where the input ended up."""
        step = int(session.run(self._step))
        if step != self._saved:
            self._save(session, step)

    def _save(self, session: tf.compat.v1.Session, step: int) -> None:
        path = f"{self._prefix}-{step}"
        session.run(self._save_op, {self._path: path})
        self._saved = step
        self._due.looked(step)
        state = tf.train.get_checkpoint_state(self._folder, self._list)
        known = [one for one in state.all_model_checkpoint_paths if one != path] if state else []
        paths = [*known, path]
        kept = paths[-self._keep :] if self._keep else paths
        checkpoint.write_state(self._folder, kept, self._list)
        with without_deprecation_notes():
            for old in paths[: -len(kept)]:
                v1.train.remove_checkpoint(old)
