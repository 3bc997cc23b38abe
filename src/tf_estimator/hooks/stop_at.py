"""Hooks that stop training at a checkpoint's step, or after a time."""

import operator
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, checkpoint
from tf_estimator._tf import logger, v1
from tf_estimator.cluster.multi_worker import joins_workers
from tf_estimator.estimator import Estimator


def make_stop_at_checkpoint_step_hook(
    estimator: Estimator,
    last_step: int,
    wait_after_file_check_secs: float = 30,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> tf.compat.v1.train.SessionRunHook:
    """A hook that ends training at a global step, on every worker once that step is saved.

    The chief stops at the step itself. The other workers go on until there is a checkpoint of it,
    so that the chief never saves without them, and slow down while they wait. Where a
    MultiWorkerMirroredStrategy has all take the same steps, they stop together.

    Args:
        estimator: the Estimator that is trained.
        last_step: the global step to stop at.
        wait_after_file_check_secs: seconds that a worker waits after it looked for the checkpoint
            in vain, before its next step.
        sleep: waits for so many seconds. Ours.

    Returns:
        A hook for `Estimator.train`, or for TrainSpec.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: last_step is None, or wait_after_file_check_secs is negative.

    Example:
        `estimator.train(input_fn, hooks=[make_stop_at_checkpoint_step_hook(estimator, 10_000)])`
    """
    _checks.instance("estimator", estimator, Estimator)
    if last_step is None:
        raise _checks.wrong_value("last_step", "must be an integer", last_step)
    if not hasattr(type(last_step), "__index__"):
        raise _checks.wrong_type("last_step", "must be an integer", last_step)
    _checks.not_negative("wait_after_file_check_secs", wait_after_file_check_secs)
    _checks.callable_("sleep", sleep)
    if estimator.config.is_chief or joins_workers(estimator.config):
        return v1.train.StopAtStepHook(last_step=last_step)

    def wait() -> None:
        sleep(wait_after_file_check_secs)

    return _StopOnceSaved(estimator.model_dir, operator.index(last_step), wait)


class _StopOnceSaved(v1.train.SessionRunHook):
    """Stops when the step is reached and a checkpoint has it."""

    def __init__(self, model_dir: str, last_step: int, wait: Callable[[], None]) -> None:
        self._model_dir, self._last_step, self._wait = model_dir, last_step, wait

    def begin(self) -> None:
        self._step = v1.train.get_global_step()
        if self._step is None:
            raise RuntimeError("There must be a global step to stop at; this graph has none.")

    def next_look(self, global_step: int) -> int:
        return max(global_step + 1, self._last_step)

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        del run_context
        return v1.train.SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        # What was fetched may be one behind. It is read again where that matters.
        if run_values.results + 1 < self._last_step:
            return
        if run_context.session.run(self._step) < self._last_step:
            return
        saved = checkpoint.step_of_latest(self._model_dir)
        if saved >= self._last_step:
            logger.info("Step %d is saved: stopping.", saved)
            run_context.request_stop()
        else:
            self._wait()


class StopAfterSecsHook(tf.compat.v1.train.SessionRunHook):
    """Ends training after a time. Ours.

    The time counts from the start of a call of `train`, building the graph left out, and is looked
    at after each step, or ten times a second where steps run without hooks. What was trained is
    saved, as at every end.

    Args:
        secs: seconds; 0 stops after the first step.
        clock: gives the time in seconds.

    Raises:
        TypeError: secs is no number.
        ValueError: secs is negative.

    Example:
        `estimator.train(input_fn, hooks=[StopAfterSecsHook(3600)])`
    """

    def __init__(self, secs: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._secs = _checks.not_negative("secs", secs)
        self._clock = _checks.callable_("clock", clock)

    def begin(self) -> None:
        """Starts the time."""
        # Not when the session is there: one that is lost and made anew does not start it again.
        self._start = self._clock()

    def next_look(self, global_step: int) -> int | None:
        """The next step, once the time is over."""
        return global_step + 1 if self._clock() - self._start >= self._secs else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Stops if the time is over."""
        del run_values
        if self._clock() - self._start >= self._secs:
            logger.info("Stopping: training has taken %g seconds.", self._clock() - self._start)
            run_context.request_stop()
