"""EvalSpec: what `train_and_evaluate` evaluates on, when, and what it exports then."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

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
            limit. The final one does not wait where training and evaluation share a process.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: steps is not positive, a number of seconds is negative, or an exporter has no
            name, one that is no str, or that of another.

    Example:
        >>> spec = EvalSpec(lambda: tf.data.Dataset.range(5), name="test", throttle_secs=60)
        >>> spec.steps, spec.throttle_secs, spec.exporters
        (100, 60, ())
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
    ) -> "EvalSpec":
        # The order of these lines decides which of several errors is raised.
        return super().__new__(
            cls,
            input_fn=_checks.callable_("input_fn", input_fn),
            steps=_checks.positive_or_none("steps", steps),
            name=_name(name),
            hooks=_checks.hooks("hooks", hooks),
            exporters=_exporters(exporters),
            start_delay_secs=_seconds("start_delay_secs", start_delay_secs),
            throttle_secs=_seconds("throttle_secs", throttle_secs),
        )


def _name(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _checks.wrong_type("name", "must be a str or None", value)
    return value


def _exporters(value: Any) -> tuple[Exporter, ...]:
    found = _checks.instances(
        "exporters", [value] if isinstance(value, Exporter) else value, Exporter
    )
    for one in found:
        if not isinstance(one.name, str) or not one.name:
            raise _checks.wrong_value(
                "The name of an exporter", "must be a str that is not empty", one.name
            )
    names = Counter(one.name for one in found)
    for name, count in names.items():
        if count > 1:
            raise _checks.wrong_value(
                "The names of exporters",
                "must differ from each other",
                name,
                "Each is a folder of its own.",
            )
    return found


def _seconds(subject: str, value: Any) -> float:
    rule = "must be a number of seconds, 0 or more"
    try:
        allowed = value >= 0
    except TypeError:
        raise _checks.wrong_type(subject, rule, value) from None
    if not allowed:
        raise _checks.wrong_value(subject, rule, value)
    return value
