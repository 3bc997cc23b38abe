"""Early stopping: hooks that end training by what the evaluations so far have shown.

When to stop is said by a rule of `stop_rules`; how the workers agree on it is in `stop_signal`.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, summaries
from tf_estimator._tf import logger
from tf_estimator.estimator import Estimator
from tf_estimator.hooks import stop_rules
from tf_estimator.hooks.stop_signal import Due, Signal, StopOnRequest, StopOnSignal


def make_early_stopping_hook(
    estimator: Estimator,
    should_stop_fn: Callable[[], Any],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> tf.compat.v1.train.SessionRunHook:
    """A hook that ends training once `should_stop_fn` says so.

    The function is called after the first step and then at intervals, by the chief only. Its answer
    is kept in the variable `signal_early_stopping/STOP`, where the other workers read it after each
    of their steps. The variable is saved with the model. A checkpoint that was written without it
    can be trained on too: the variable is then not saved either.

    Args:
        estimator: the Estimator that is trained.
        should_stop_fn: takes nothing; a true value ends training.
        run_every_secs: seconds between two calls; 0 for after every step.
        run_every_steps: or the steps between two calls, with `run_every_secs=None`.
        clock: gives the time in seconds. Ours.

    Returns:
        A hook for `Estimator.train`, or for TrainSpec.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: both or neither of run_every_secs and run_every_steps are given, or one is
            negative.

    Example:
        >>> import os, tempfile
        >>> from tf_estimator import Estimator, EstimatorSpec
        >>> estimator = Estimator(lambda features, mode: EstimatorSpec(mode), tempfile.mkdtemp())
        >>> stop_file = os.path.join(estimator.model_dir, "stop")
        >>> hook = make_early_stopping_hook(estimator, lambda: os.path.exists(stop_file))
    """
    _checks.instance("estimator", estimator, Estimator)
    _checks.callable_("should_stop_fn", should_stop_fn)
    return _hook(estimator, should_stop_fn, Due(run_every_secs, run_every_steps, clock))


def stop_if_higher_hook(
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> tf.compat.v1.train.SessionRunHook:
    """A hook that ends training once a metric was above a threshold in an evaluation.

    Args:
        estimator: the Estimator that is trained.
        metric_name: a metric that `Estimator.evaluate` writes, such as "accuracy" or "loss".
        threshold: a value above it ends training.
        eval_dir: the folder of the evaluations' event files; `estimator.eval_dir()` if None.
        min_steps: evaluations of fewer training steps do not count.
        run_every_secs: see `make_early_stopping_hook`.
        run_every_steps: see `make_early_stopping_hook`.

    Returns:
        A hook for `Estimator.train`, or for TrainSpec. It warns at the end of training if it never
        found an evaluation.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: as for `make_early_stopping_hook`, or a number is NaN or negative.
        KeyError: while training: there are evaluations, and none has such a metric.

    Example:
        `estimator.train(input_fn, hooks=[stop_if_higher_hook(estimator, "accuracy", 0.9)])`
    """
    rule = stop_rules.above(metric_name, threshold, min_steps)
    return _metric_hook(estimator, rule, eval_dir, run_every_secs, run_every_steps)


def stop_if_lower_hook(
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> tf.compat.v1.train.SessionRunHook:
    """A hook that ends training once a metric was below a threshold in an evaluation.

    Args:
        estimator: the Estimator that is trained.
        metric_name: a metric that `Estimator.evaluate` writes, such as "loss".
        threshold: a value below it ends training.
        eval_dir: the folder of the evaluations' event files; `estimator.eval_dir()` if None.
        min_steps: evaluations of fewer training steps do not count.
        run_every_secs: see `make_early_stopping_hook`.
        run_every_steps: see `make_early_stopping_hook`.

    Returns:
        A hook, see `stop_if_higher_hook`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: as for `make_early_stopping_hook`, or a number is NaN or negative.
        KeyError: while training: there are evaluations, and none has such a metric.

    Example:
        `estimator.train(input_fn, hooks=[stop_if_lower_hook(estimator, "loss", 0.1)])`
    """
    rule = stop_rules.below(metric_name, threshold, min_steps)
    return _metric_hook(estimator, rule, eval_dir, run_every_secs, run_every_steps)


def stop_if_no_increase_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
    *,
    min_delta: float = 0.0,
) -> tf.compat.v1.train.SessionRunHook:
    """A hook that ends training once a metric has not grown for so many training steps.

    Args:
        estimator: the Estimator that is trained.
        metric_name: a metric that `Estimator.evaluate` writes, such as "accuracy".
        max_steps_without_increase: training steps between the best evaluation and a later one at
            which training ends.
        eval_dir: the folder of the evaluations' event files; `estimator.eval_dir()` if None.
        min_steps: evaluations of fewer training steps do not count.
        run_every_secs: see `make_early_stopping_hook`.
        run_every_steps: see `make_early_stopping_hook`.
        min_delta: only a growth by more than this counts. Ours.

    Returns:
        A hook, see `stop_if_higher_hook`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: as for `make_early_stopping_hook`, or a number is NaN or negative.
        KeyError: while training: there are evaluations, and none has such a metric.

    Example:
        `stop_if_no_increase_hook(estimator, "accuracy", 1000, min_delta=0.001)`
    """
    rule = stop_rules.without_increase(
        metric_name, max_steps_without_increase, min_steps, min_delta=min_delta
    )
    return _metric_hook(estimator, rule, eval_dir, run_every_secs, run_every_steps)


def stop_if_no_decrease_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
    *,
    min_delta: float = 0.0,
) -> tf.compat.v1.train.SessionRunHook:
    """A hook that ends training once a metric has not fallen for so many training steps.

    Args:
        estimator: the Estimator that is trained.
        metric_name: a metric that `Estimator.evaluate` writes, such as "loss".
        max_steps_without_decrease: training steps between the best evaluation and a later one at
            which training ends.
        eval_dir: the folder of the evaluations' event files; `estimator.eval_dir()` if None.
        min_steps: evaluations of fewer training steps do not count.
        run_every_secs: see `make_early_stopping_hook`.
        run_every_steps: see `make_early_stopping_hook`.
        min_delta: only a fall by more than this counts. Ours.

    Returns:
        A hook, see `stop_if_higher_hook`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: as for `make_early_stopping_hook`, or a number is NaN or negative.
        KeyError: while training: there are evaluations, and none has such a metric.

    Example:
        `stop_if_no_decrease_hook(estimator, "loss", 1000, min_delta=0.01)`
    """
    rule = stop_rules.without_decrease(
        metric_name, max_steps_without_decrease, min_steps, min_delta=min_delta
    )
    return _metric_hook(estimator, rule, eval_dir, run_every_secs, run_every_steps)


def _metric_hook(
    estimator: Estimator,
    rule: stop_rules.Rule,
    eval_dir: str | os.PathLike[str] | None,
    run_every_secs: float | None,
    run_every_steps: int | None,
) -> tf.compat.v1.train.SessionRunHook:
    _checks.instance("estimator", estimator, Estimator)
    if eval_dir is None:
        eval_dir = estimator.eval_dir()
    elif not isinstance(eval_dir, str | os.PathLike):
        raise _checks.wrong_type("eval_dir", "must be a path or None", eval_dir)
    watch = _EvaluationWatch(os.fspath(eval_dir), rule)
    due = Due(run_every_secs, run_every_steps, time.monotonic)
    return _hook(estimator, watch.should_stop, due, watch.warn_if_none)


def _hook(
    estimator: Estimator,
    should_stop_fn: Callable[[], Any],
    due: Due,
    at_end: Callable[[], None] | None = None,
) -> tf.compat.v1.train.SessionRunHook:
    config = estimator.config
    signal = Signal(estimator.model_dir)
    if config.is_chief:
        return StopOnRequest(signal, should_stop_fn, due, at_end)
    return StopOnSignal(signal)


class _EvaluationWatch:
    """Follows the evaluations in a folder with a rule."""

    def __init__(self, eval_dir: str, rule: stop_rules.Rule) -> None:
        self._eval_dir, self._rule, self._found = eval_dir, rule, False

    def should_stop(self) -> bool:
        reason = self._rule(self._history())
        if reason is not None:
            logger.info("Early stopping: %s", reason)
        return reason is not None

    def warn_if_none(self) -> None:
        if not self._found and not self._history():
            logger.warning(
                "Early stopping had nothing to go by: there is no evaluation in %s. Evaluate while "
                "training, as train_and_evaluate does, or give eval_dir.",
                self._eval_dir,
            )

    def _history(self) -> stop_rules.History:
        history = summaries.read_evaluations(self._eval_dir)
        self._found = self._found or bool(history)
        return history
