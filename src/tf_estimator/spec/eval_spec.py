"""EvalSpec: what `train_and_evaluate` evaluates on, when, and what it exports then."""

import numbers
import operator
import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import numpy as np

from tf_estimator import _checks
from tf_estimator.spec.exporter import Exporter


class _Fields(NamedTuple):
    input_fn: Any
    steps: Any
    name: Any
    hooks: Any
    exporters: Any
    start_delay_secs: Any
    throttle_secs: Any


# Arguments that are ours, and what they are when not given. They are no fields: programs unpack the
# seven, or take them by position.
_OPTIONS: Final = {"every_n_steps": None, "at_every_checkpoint": False}


class EvalSpec(_Fields):
    """The evaluation half of `train_and_evaluate`, checked when it is made. It is a named tuple.

    Args:
        input_fn: gives the batches to evaluate on, as for `Estimator.evaluate`. Called once for
            each evaluation.
        steps: how many batches at most; None for as many as the input has.
        name: tells several evaluation sets apart; each has a folder of event files of its own.
        hooks: SessionRunHooks that run around every batch.
        exporters: Exporters to call after each evaluation, in this order; one alone need not be in
            a list. Each needs a name of its own: its exports go to `<model_dir>/export/<name>`.
        start_delay_secs: how many seconds an evaluator task of a cluster waits before its first
            evaluation. Without a cluster nobody waits.
        throttle_secs: at least so many seconds lie between the starts of two evaluations; 0 for no
            limit. The final one does not wait where training and evaluation share a process. With
            one of the arguments below it is not looked at.
        every_n_steps: Ours. Evaluate at the global steps n, 2n, ... and at the end, whatever the
            clock says. There must be checkpoints at these steps: n must be a multiple of the
            RunConfig's save_checkpoints_steps.
        at_every_checkpoint: Ours. Evaluate every checkpoint that is saved, whatever the clock says,
            in the order in which they were saved.

    The last two are attributes, but no fields of the tuple.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: steps or every_n_steps is not positive, a number of seconds is negative,
            every_n_steps and at_every_checkpoint are both given, or an exporter has no name, one
            that is no str or no folder below `<model_dir>/export`, or that of another.

    Example:
        >>> spec = EvalSpec(lambda: tf.data.Dataset.range(5), name="test", throttle_secs=60)
        >>> spec.steps, spec.throttle_secs, spec.exporters
        (100, 60, ())
        >>> spec._replace(every_n_steps=500).every_n_steps
        500
    """

    # No __slots__: the spec always took further attributes, and programs may rely on it.

    def __new__(  # noqa: D102 - documented by the class
        cls,
        input_fn: Callable[..., Any],
        steps: int | None = 100,
        name: str | None = None,
        hooks: Iterable[Any] | None = None,
        exporters: Exporter | Iterable[Exporter] | None = None,
        start_delay_secs: float = 120,
        throttle_secs: float = 600,
        *,
        every_n_steps: int | None = None,
        at_every_checkpoint: bool = False,
    ) -> "EvalSpec":
        # The order of these lines decides which of several errors is raised.
        spec = super().__new__(
            cls,
            input_fn=_checks.callable_("input_fn", input_fn),
            steps=_checks.positive_or_none("steps", steps),
            name=_name(name),
            hooks=_checks.hooks("hooks", hooks),
            exporters=_exporters(exporters),
            start_delay_secs=_seconds("start_delay_secs", start_delay_secs),
            throttle_secs=_seconds("throttle_secs", throttle_secs),
        )
        options = {
            "every_n_steps": _every_n_steps(every_n_steps),
            "at_every_checkpoint": _at_every_checkpoint(at_every_checkpoint, every_n_steps),
        }
        # In the dict of the instance they go along when it is copied or pickled.
        vars(spec).update(
            {name: value for name, value in options.items() if value != _OPTIONS[name]}
        )
        return spec

    @property
    def every_n_steps(self) -> int | None:
        """The number of steps between two evaluations; None if steps do not decide."""
        return self._option("every_n_steps")

    @property
    def at_every_checkpoint(self) -> bool:
        """Whether every checkpoint is evaluated."""
        return self._option("at_every_checkpoint")

    def _option(self, name: str) -> Any:
        return vars(self).get(name, _OPTIONS[name])

    def _replace(self, **fields: Any) -> "EvalSpec":
        """A copy with some fields or options changed, checked as by the constructor."""
        options = {name: fields.pop(name, self._option(name)) for name in _OPTIONS}
        checked = EvalSpec(*super()._replace(**fields), **options)
        replaced = type(self)._make(checked)
        vars(replaced).update(vars(checked))
        return replaced

    # What `copy.replace` calls, from Python 3.13 on.
    __replace__ = _replace

    def __eq__(self, other: object) -> bool:
        # A plain tuple of the seven fields has no options, and equals a spec without.
        same_options = all(
            self._option(name) == getattr(other, name, default)
            for name, default in _OPTIONS.items()
        )
        return super().__eq__(other) if same_options else False

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = _Fields.__hash__

    def __repr__(self) -> str:
        options = {name: self._option(name) for name in _OPTIONS}
        given = [f", {n}={value!r}" for n, value in options.items() if value != _OPTIONS[n]]
        return super().__repr__().removesuffix(")") + "".join(given) + ")"


def _name(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _checks.wrong_type("name", "must be a str or None", value)
    return value


def _exporters(value: Any) -> tuple[Exporter, ...]:
    found = _checks.instances(
        "exporters", [value] if isinstance(value, Exporter) else value, Exporter
    )
    folders = Counter(_export_folder(one.name) for one in found)
    for one in found:
        if folders[_export_folder(one.name)] > 1:
            raise _checks.wrong_value(
                "The names of exporters",
                "must differ from each other",
                one.name,
                "Each is a folder of its own.",
            )
    return found


def _export_folder(name: Any) -> str:
    """The folder of an exporter's exports, below `<model_dir>`."""
    subject = "The name of an exporter"
    if not isinstance(name, str) or not name:
        raise _checks.wrong_value(subject, "must be a str that is not empty", name)
    folder = os.path.normpath(os.path.join("export", name))
    if not folder.startswith("export" + os.sep) or "\0" in name:
        raise _checks.wrong_value(subject, "must name a folder below <model_dir>/export", name)
    return folder


def _seconds(subject: str, value: Any) -> float:
    rule = "must be a number of seconds, 0 or more"
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise _checks.wrong_type(subject, rule, value)
    if not float(value) >= 0:  # As NaN is not.
        raise _checks.wrong_value(subject, rule, value)
    return value  # type: ignore[return-value]


def _every_n_steps(value: Any) -> int | None:
    if _checks.positive_or_none("every_n_steps", value) is None:
        return None
    try:
        return operator.index(value)
    except TypeError:
        rule = "must be a positive integer or None"
        raise _checks.wrong_type("every_n_steps", rule, value) from None


def _at_every_checkpoint(value: Any, every_n_steps: int | None) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise _checks.wrong_type("at_every_checkpoint", "must be True or False", value)
    if value and every_n_steps is not None:
        raise ValueError(
            "every_n_steps and at_every_checkpoint must not both be given; "
            f"received {every_n_steps} and {value}."
        )
    return bool(value)
