"""Argument checks that several rooms share, and the one shape of their messages.

A message names the subject, the rule and the value that was received, and ends with what to do
where that is not obvious from the rule::

    steps must be a positive integer or None; received -3 (int).

The makers return the exception, so that a traceback ends at the caller's own `raise`.
"""

import inspect
import math
import numbers
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 120
_short.maxdict = _short.maxlist = _short.maxtuple = 6


def shown(value: Any) -> str:
    """A short text for a received value: its repr, cut, and its type."""
    if value is None or isinstance(value, type):
        return repr(value)
    return f"{_short.repr(value)} ({type(value).__name__})"


def _message(subject: str, rule: str, value: Any, hint: str) -> str:
    text = f"{subject} {rule}; received {shown(value)}."
    return f"{text} {hint}" if hint else text


class TypeErrorOnceValueError(TypeError, ValueError):
    """A TypeError where the original raised ValueError: programs that catch that go on doing so."""


def wrong_type(
    subject: str, rule: str, value: Any, hint: str = "", *, was: type = TypeError
) -> TypeError:
    """The TypeError that says `subject` broke `rule` with `value`, and in `hint` what to do.

    With `was=ValueError`, for checks whose ValueError old programs may catch, it is both.
    """
    kind = TypeErrorOnceValueError if was is ValueError else TypeError
    return kind(_message(subject, rule, value, hint))


def wrong_value(subject: str, rule: str, value: Any, hint: str = "") -> ValueError:
    """The ValueError that says `subject` broke `rule` with `value`, and in `hint` what to do."""
    return ValueError(_message(subject, rule, value, hint))


def callable_(subject: str, value: Any) -> Callable[..., Any]:
    """`value` if it can be called, else TypeError."""
    if not callable(value):
        raise wrong_type(subject, "must be callable", value)
    return value


def instance(subject: str, value: Any, kind: type, name: str | None = None) -> Any:
    """`value` if it is an instance of `kind`, else TypeError."""
    if not isinstance(value, kind):
        raise wrong_type(subject, f"must be an instance of {name or kind.__name__}", value)
    return value


def hooks(subject: str, value: Iterable[Any] | None) -> tuple[Any, ...]:
    """The hooks as a tuple, () for None; TypeError unless all are SessionRunHook instances."""
    return instances(subject, value, tf.compat.v1.train.SessionRunHook)


def instances(subject: str, value: Iterable[Any] | None, kind: type) -> tuple[Any, ...]:
    """`value` as a tuple, () for what is false; TypeError unless it holds instances of `kind`."""
    rule = f"must be an iterable of {kind.__name__} instances, or None"
    try:
        found = () if _is_false(value) else tuple(value)  # type: ignore[arg-type]
    except TypeError:
        raise wrong_type(subject, rule, value) from None
    for one in found:
        if not isinstance(one, kind):
            raise wrong_type(
                f"Every element of {subject}",
                f"must be {_article(kind)} {kind.__name__} instance",
                one,
            )
    return found


def _article(kind: type) -> str:
    return "an" if kind.__name__[0] in "AEIOU" else "a"


def _is_false(value: Any) -> bool:
    try:
        return not value
    except ValueError:  # The truth of an array without elements, or with several, is an error.
        return False


def positive_or_none(subject: str, value: int | None) -> int | None:
    """`value` if it is None or above zero, else ValueError; TypeError for what is no number."""
    if value is None:
        return None
    rule = "must be a positive integer or None"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise wrong_type(subject, rule, value, was=ValueError)
    if not value > 0:  # As NaN is not.
        raise wrong_value(subject, rule, value)
    return value


def positive(subject: str, value: Any) -> int:
    """`value` if it is a positive integer, else TypeError or ValueError."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise wrong_type(subject, "must be a positive integer", value)
    if value < 1:
        raise wrong_value(subject, "must be a positive integer", value)
    return int(value)


def not_negative(subject: str, value: Any) -> float:
    """`value` if it is a number of at least 0, else TypeError or ValueError."""
    if number(subject, value) < 0:
        raise wrong_value(subject, "must be at least 0", value)
    return value


def number(subject: str, value: Any) -> float:
    """`value` as a float if it is a real number, else TypeError; ValueError for NaN."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise wrong_type(subject, "must be a number", value)
    if math.isnan(value):
        raise wrong_value(subject, "must be a number other than NaN", value)
    return float(value)


def not_overridden(kind: type, base: type, free: Iterable[str] = ()) -> None:
    """Raises ValueError if a user's class overrides a public member of `base`, but for `free` ones.

    Args:
        kind: the class; new members are welcome.
        base: a class of this package that `kind` is or extends. Other classes of the package may
            override its members.
        free: names of members that anyone may override.
    """
    package = __name__.partition(".")[0]
    ours = next(each for each in kind.__mro__ if each.__module__.partition(".")[0] == package)
    members = {name for name in vars(base) if not name.startswith("_")}.difference(free)
    overridden = sorted(
        name
        for name in members
        if inspect.getattr_static(kind, name) is not inspect.getattr_static(ours, name)
    )
    if overridden:
        raise ValueError(
            f"A subclass of {base.__name__} must not override its members; {kind.__qualname__} "
            f"overrides {overridden}. Put the change into model_fn, a hook, or a member of another "
            "name."
        )
