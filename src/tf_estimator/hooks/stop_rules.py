"""Rules of early stopping: from the evaluations so far to the reason to stop, or None.

They are pure: no files, no sessions, no time.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tf_estimator import _checks

# Global step, in order, to the metrics of its evaluation by name.
History = Mapping[int, Mapping[str, Any]]
Rule = Callable[[History], str | None]


def above(metric: str, threshold: float, min_steps: int = 0) -> Rule:
    """The rule that stops once `metric` was above `threshold`.

    Args:
        metric: its name in the evaluations.
        threshold: a value of just this does not stop.
        min_steps: evaluations of fewer steps do not count.

    Returns:
        A function of the history.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: threshold is NaN, or min_steps is negative.

    Example:
        >>> above("accuracy", 0.9)({100: {"accuracy": 0.5}, 200: {"accuracy": 0.95}})
        'accuracy was 0.95 at step 200, above 0.9.'
        >>> above("accuracy", 0.9)({100: {"accuracy": 0.5}})
    """
    return _threshold_rule(metric, threshold, min_steps, "above", lambda value: value > threshold)


def below(metric: str, threshold: float, min_steps: int = 0) -> Rule:
    """The rule that stops once `metric` was below `threshold`.

    Args:
        metric: its name in the evaluations.
        threshold: a value of just this does not stop.
        min_steps: evaluations of fewer steps do not count.

    Returns:
        A function of the history.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: threshold is NaN, or min_steps is negative.

    Example:
        >>> below("loss", 0.1)({100: {"loss": 0.5}, 200: {"loss": 0.05}})
        'loss was 0.05 at step 200, below 0.1.'
    """
    return _threshold_rule(metric, threshold, min_steps, "below", lambda value: value < threshold)


def without_increase(
    metric: str, max_steps: int, min_steps: int = 0, *, min_delta: float = 0.0
) -> Rule:
    """The rule that stops once `metric` has not grown for `max_steps` training steps.

    Args:
        metric: its name in the evaluations.
        max_steps: steps between the best evaluation and a later one at which it stops.
        min_steps: evaluations of fewer steps do not count.
        min_delta: only a growth by more than this counts.

    Returns:
        A function of the history.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: a number is NaN or negative.

    Example:
        >>> without_increase("accuracy", 200)({100: {"accuracy": 0.7}, 300: {"accuracy": 0.6}})
        'accuracy has not increased for 200 steps since step 100, where it was 0.7.'
    """
    return _patience_rule(metric, max_steps, min_steps, min_delta, "increase")


def without_decrease(
    metric: str, max_steps: int, min_steps: int = 0, *, min_delta: float = 0.0
) -> Rule:
    """The rule that stops once `metric` has not fallen for `max_steps` training steps.

    Args:
        metric: its name in the evaluations.
        max_steps: steps between the best evaluation and a later one at which it stops.
        min_steps: evaluations of fewer steps do not count.
        min_delta: only a fall by more than this counts.

    Returns:
        A function of the history.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: a number is NaN or negative.

    Example:
        >>> without_decrease("loss", 200, min_delta=0.1)({100: {"loss": 0.7}, 300: {"loss": 0.65}})
        'loss has not decreased by more than 0.1 for 200 steps since step 100, where it was 0.7.'
    """
    return _patience_rule(metric, max_steps, min_steps, min_delta, "decrease")


def _threshold_rule(
    metric: str, threshold: float, min_steps: int, side: str, crossed: Callable[[float], bool]
) -> Rule:
    _checks.instance("metric_name", metric, str)
    _checks.number("threshold", threshold)
    _checks.not_negative("min_steps", min_steps)

    def rule(history: History) -> str | None:
        for step, value in _values(history, metric, min_steps):
            if crossed(value):
                return f"{metric} was {value:g} at step {step}, {side} {threshold:g}."
        return None

    return rule


def _patience_rule(
    metric: str, max_steps: int, min_steps: int, min_delta: float, change: str
) -> Rule:
    _checks.instance("metric_name", metric, str)
    _checks.not_negative(f"max_steps_without_{change}", max_steps)
    _checks.not_negative("min_steps", min_steps)
    _checks.not_negative("min_delta", min_delta)
    sign = 1 if change == "increase" else -1
    margin = f" by more than {min_delta:g}" if min_delta else ""

    def rule(history: History) -> str | None:
        best, best_step = math.nan, None
        for step, value in _values(history, metric, min_steps):
            # Any number is better than NaN, or one diverged evaluation would end all training.
            better = sign * (value - best) > min_delta or (math.isnan(best) > math.isnan(value))
            if best_step is None or better:
                best, best_step = value, step
            if step - best_step >= max_steps:
                return (
                    f"{metric} has not {change}d{margin} for {step - best_step} steps since step "
                    f"{best_step}, where it was {best:g}."
                )
        return None

    return rule


def _values(history: History, metric: str, min_steps: int) -> Iterator[tuple[int, float]]:
    """The metric by step, where an evaluation has it.

    Raises:
        KeyError: there are evaluations, and none has it.
        TypeError: it is no scalar.
    """
    counted = {step: metrics for step, metrics in history.items() if step >= min_steps}
    if counted and not any(metric in metrics for metrics in counted.values()):
        names = sorted(set().union(*counted.values()))
        raise KeyError(f"metric_name must be one of the evaluated {names}; received {metric!r}.")
    for step, metrics in counted.items():
        if metric in metrics:
            if np.size(metrics[metric]) != 1:
                raise _checks.wrong_type(
                    f"The metric {metric!r}", "must be a scalar", metrics[metric]
                )
            yield step, float(np.reshape(metrics[metric], []))
