"""The arguments of RunConfig: how each is checked."""

import inspect
import numbers
import os
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator import _checks

Check = Callable[[str, Any], Any]

_STRATEGIES: Final = (tf.distribute.Strategy, tf.compat.v1.distribute.Strategy)


def model_dir(subject: str, value: Any) -> str | None:
    """A path as a str, or None."""
    if value is None:
        return None
    try:
        path = os.fsdecode(value)
    except TypeError:
        raise _checks.wrong_type(subject, "must be a path or None", value) from None
    if not path:
        hint = "Leave it out for a temporary folder."
        raise _checks.wrong_value(subject, "must be non-empty", value, hint)
    return path


def integer(subject: str, value: Any) -> Any:
    """An integer, or None."""
    if value is not None and not isinstance(value, numbers.Integral):
        raise _checks.wrong_type(subject, "must be an integer or None", value, was=ValueError)
    return value


def _number(rule: str, holds: Callable[[Any], bool]) -> Check:
    def check(subject: str, value: Any) -> Any:
        if value is not None and not isinstance(value, numbers.Real):
            raise _checks.wrong_type(
                subject, f"must be a number {rule}, or None", value, was=ValueError
            )
        if value is not None and not holds(value):
            raise _checks.wrong_value(subject, f"must be {rule}, or None", value)
        return value

    return check


not_negative = _number(">= 0", lambda value: value >= 0)
positive = _number("> 0", lambda value: value > 0)


def session_config(subject: str, value: Any) -> Any:
    """A ConfigProto, or None."""
    if value is not None and not isinstance(value, tf.compat.v1.ConfigProto):
        rule = "must be a tf.compat.v1.ConfigProto or None"
        raise _checks.wrong_type(subject, rule, value, was=ValueError)
    return value


def strategy(subject: str, value: Any) -> Any:
    """A strategy of either version, or None."""
    if value is not None and not isinstance(value, _STRATEGIES):
        raise _checks.wrong_type(subject, "must be a tf.distribute.Strategy or None", value)
    return value


def distribute_config(subject: str, value: Any) -> Any:
    """What has both strategies, or None."""
    if value is None:
        return None
    for part in ("train_distribute", "eval_distribute"):
        if not hasattr(value, part):
            rule = f"must have an attribute {part} (a tf.distribute.Strategy or None)"
            raise _checks.wrong_type(subject, rule, value)
        strategy(f"{subject}.{part}", getattr(value, part))
    return value


def device_fn(subject: str, value: Any) -> Any:
    """A function of one parameter, `op`, or None."""
    if value is None:
        return None
    if not callable(value):
        raise _checks.wrong_type(subject, "must be callable or None", value, was=ValueError)
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except ValueError:  # Some builtins do not tell their parameters.
        parameters = []
    # A functools.partial still shows the keywords it has bound.
    bound = getattr(value, "keywords", {})
    free = [each for each in parameters if each.name not in bound]
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if [each.name for each in free] != ["op"] or free[0].kind not in by_position:
        rule = "must take exactly one parameter, named op"
        raise _checks.wrong_value(subject, rule, value, "For example: lambda op: '/cpu:0'.")
    return value


def protocol(subject: str, value: Any) -> Any:
    """A protocol of TensorFlow's servers, or None."""
    if value not in (None, "grpc", "grpc+verbs"):
        raise _checks.wrong_value(subject, "must be 'grpc', 'grpc+verbs' or None", value)
    return value


def input_state(subject: str, value: Any) -> bool | str:
    """Whether to save the position of the input, and what to pass over."""
    if isinstance(value, str) and value not in ("warn", "ignore"):
        raise _checks.wrong_value(subject, "must be True, False, 'warn' or 'ignore'", value)
    if not isinstance(value, (bool, np.bool_, str)):
        raise _checks.wrong_type(subject, "must be True, False, 'warn' or 'ignore'", value)
    return value if isinstance(value, str) else bool(value)


def kept_graphs(subject: str, value: Any) -> bool | int:
    """Whether to keep graphs, or how many."""
    rule = "must be True, False, or how many graphs to keep at most"
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if not isinstance(value, numbers.Integral):
        raise _checks.wrong_type(subject, rule, value)
    if value < 0:
        raise _checks.wrong_value(subject, rule, value)
    return int(value)


def steps_per_loop(subject: str, value: Any) -> int | str:
    """A number of steps, or 'auto'."""
    rule = "must be 'auto' or a positive integer"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (str, numbers.Integral)):
        raise _checks.wrong_type(subject, rule, value)
    if value != "auto" and (isinstance(value, str) or value < 1):
        raise _checks.wrong_value(subject, rule, value)
    return value if isinstance(value, str) else int(value)


def boolean(subject: str, value: Any) -> bool:
    """True or False, also NumPy's."""
    if not isinstance(value, (bool, np.bool_)):
        raise _checks.wrong_type(subject, "must be True or False", value, was=ValueError)
    return bool(value)
