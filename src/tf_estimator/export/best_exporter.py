"""The exporter that looks at the metrics: it exports a model that is better than all before it."""

import inspect
import numbers
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_estimator import _checks, summaries
from tf_estimator._tf import logger, v1
from tf_estimator.export import garbage
from tf_estimator.export.settings import ExportSettings
from tf_estimator.spec.exporter import Exporter

_LOSS = "loss"
_COMPARED = ("best_eval_result", "current_eval_result")


def _loss_smaller(
    best_eval_result: Mapping[str, Any] | None, current_eval_result: Mapping[str, Any] | None
) -> bool:
    """Whether the current loss is below the best; a NaN is worse than every number.

    Raises:
        ValueError: one of them has no loss.
    """
    best, current = (
        _loss(subject, result)
        for subject, result in zip(_COMPARED, (best_eval_result, current_eval_result), strict=True)
    )
    return bool(current < best or (np.isnan(best) and not np.isnan(current)))


def _loss(subject: str, eval_result: Mapping[str, Any] | None) -> Any:
    loss = (eval_result or {}).get(_LOSS)
    if loss is None:
        raise _checks.wrong_value(
            subject,
            f"must have a metric {_LOSS!r} to compare",
            eval_result,
            "Give BestExporter a compare_fn that compares by a metric that is there.",
        )
    return loss


class BestExporter(Exporter):
    """Exports after an evaluation that is better than all before it, and keeps the newest exports.

    The first evaluation is exported as it is. So is the first one after a restart, unless there
    are exports in the folder already and an evaluation in the event files was better. An
    evaluation that only equals the best is no better; with the default compare_fn a NaN is worse
    than every number.

    Args:
        name: the name of the exports' folder below `<model_dir>/export`.
        serving_input_receiver_fn: makes the inputs of the exported graph, see
            `tf_estimator.export`. It must be given.
        event_file_pattern: which event files have the evaluations of earlier runs, as a glob
            relative to model_dir; `eval_<name>/*.tfevents.*` for an EvalSpec with a name. None or
            empty: earlier runs do not count.
        compare_fn: takes `best_eval_result` and `current_eval_result`, by these names, and returns
            whether the current one is better. Both are what `Estimator.evaluate` returned, or the
            scalars of it that an event file kept. Default: whether `loss` is smaller.
        assets_extra: a path below `assets.extra` to a file that is copied there.
        as_text: whether to write the graph as text.
        exports_to_keep: how many exports stay, the newest, which are the best; None for all. Only
            folders named by a time in seconds count, and are ever deleted.

    Raises:
        TypeError: an argument has a wrong type. For a serving_input_receiver_fn that cannot be
            called the error is a ValueError as well.
        ValueError: compare_fn is None or takes other arguments, exports_to_keep is not positive, or
            a key of assets_extra leads out of `assets.extra`.

    Example:
        >>> import tensorflow as tf
        >>> from tf_estimator.export import build_raw_serving_input_receiver_fn
        >>> receiver_fn = build_raw_serving_input_receiver_fn({"x": tf.zeros([1])})
        >>> def more_accurate(best_eval_result, current_eval_result):
        ...     return current_eval_result["accuracy"] > best_eval_result["accuracy"]
        >>> BestExporter("best_exporter", receiver_fn, compare_fn=more_accurate).name
        'best_exporter'
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: Callable[[], Any] | None = None,
        event_file_pattern: str | os.PathLike[str] | None = "eval/*.tfevents.*",
        compare_fn: Callable[..., Any] = _loss_smaller,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        self._name = name
        self._compare_fn = _check_compare_fn(compare_fn)
        # None stands for "not given", and is refused like everything else that cannot be called.
        receiver_fn: Any = serving_input_receiver_fn
        self._settings = ExportSettings(receiver_fn, assets_extra, as_text)
        if not isinstance(event_file_pattern, str | os.PathLike | None):
            raise _checks.wrong_type(
                "event_file_pattern", "must be a glob pattern or None", event_file_pattern
            )
        self._event_file_pattern = event_file_pattern
        self._exports_to_keep = garbage.check_exports_to_keep(exports_to_keep)
        # The best result so far, and of which model_dir; None before the first.
        self._best: Mapping[str, Any] | None = None
        self._model_dir: str | None = None

    @property
    def name(self) -> str:
        """The name of the exports' folder below `<model_dir>/export`."""
        return self._name

    def export(
        self,
        estimator: Any,
        export_path: str | os.PathLike[str],
        checkpoint_path: str | None,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Exports the checkpoint if it is the best so far, then deletes the oldest exports.

        Args:
            estimator: the Estimator that was evaluated.
            export_path: the folder of this exporter's exports.
            checkpoint_path: the checkpoint that was evaluated; None for the newest.
            eval_result: what `Estimator.evaluate` returned for it.
            is_the_final_export: is not looked at.

        Returns:
            The folder of the export, as bytes; None if the best so far is no worse.

        Raises:
            ValueError: the default compare_fn finds no loss in a result.
        """
        del is_the_final_export
        if estimator.model_dir != self._model_dir:
            self._best = self._best_of_earlier_runs(estimator.model_dir, export_path, eval_result)
            self._model_dir = estimator.model_dir
        if self._best is not None and not self._is_better(self._best, eval_result):
            logger.info("Exporter %r: %s is no better than %s", self.name, eval_result, self._best)
            return None
        made = self._settings.export(estimator, export_path, checkpoint_path)
        # Only now: if the export failed, the next call may try again.
        self._best = eval_result
        garbage.delete_old_exports(export_path, self._exports_to_keep, made)
        return made

    def _is_better(self, best: Mapping[str, Any], current: Mapping[str, Any]) -> bool:
        return bool(self._compare_fn(best_eval_result=best, current_eval_result=current))

    def _best_of_earlier_runs(
        self, model_dir: str, export_path: str | os.PathLike[str], eval_result: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """The best evaluation in the event files; None if nothing was ever exported.

        Without an export the first evaluation is to give one, however good another was.
        """
        if not self._event_file_pattern or not garbage.exports(export_path):
            return None
        pattern = os.path.join(model_dir, self._event_file_pattern)
        best: Mapping[str, Any] | None = None
        unreadable, why = 0, None
        for one in _without(eval_result, list(_evaluations(pattern))):
            try:
                # The first one is compared with itself, only to see that it can be.
                if self._is_better(one if best is None else best, one) or best is None:
                    best = one
            except (LookupError, TypeError, ValueError) as error:
                unreadable, why = unreadable + 1, error
        if unreadable:
            logger.warning(
                "Exporter %r passes over %d evaluations in %s which compare_fn cannot compare: %r",
                self.name,
                unreadable,
                pattern,
                why,
            )
        logger.info("Exporter %r: the best evaluation in %s is %s", self.name, pattern, best)
        return best


def _evaluations(pattern: str) -> list[dict[str, Any]]:
    step_name = v1.GraphKeys.GLOBAL_STEP
    return [
        {**metrics, step_name: step} for step, metrics in summaries.evaluations_in_files(pattern)
    ]


def _without(
    eval_result: Mapping[str, Any], recorded: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """`recorded` without `eval_result` itself, which `evaluate` has written already.

    Only one entry is left out: the same again is an earlier evaluation of that checkpoint.
    """
    for number, one in enumerate(recorded):
        if _is_record_of(eval_result, one):
            return recorded[:number] + recorded[number + 1 :]
    return recorded


def _is_record_of(eval_result: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Whether all scalars are the same after the rounding to float32 in event files."""
    given = eval_result or {}
    scalars = {name: value for name, value in recorded.items() if isinstance(value, numbers.Real)}
    if not all(isinstance(given.get(name), numbers.Real) for name in scalars):
        return False
    with np.errstate(over="ignore"):
        return np.array_equal(
            np.array([given[name] for name in scalars], np.float32),
            np.array(list(scalars.values()), np.float32),
            equal_nan=True,
        )


def _check_compare_fn(compare_fn: Any) -> Callable[..., Any]:
    """`compare_fn` if it can be called with both results by name.

    Raises:
        TypeError: it cannot be called, or does not say what it takes.
        ValueError: it is None, or takes other arguments.
    """
    subject = "compare_fn"
    rule = f"must take exactly the arguments {' and '.join(_COMPARED)}"
    if compare_fn is None:
        raise _checks.wrong_value(subject, rule, compare_fn)
    _checks.callable_(subject, compare_fn)
    try:
        parameters = inspect.signature(compare_fn).parameters.values()
    except ValueError:  # Functions written in C may have no signature.
        raise _checks.wrong_type(subject, rule, compare_fn) from None
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    taken = {each.name for each in parameters if each.kind in by_name}
    if missing := [name for name in _COMPARED if name not in taken]:
        raise _checks.wrong_value(subject, rule, compare_fn, f"It lacks {missing}.")
    others = [
        each.name for each in parameters if each.name not in _COMPARED and not _is_filled(each)
    ]
    if others:
        raise _checks.wrong_value(
            subject, rule, compare_fn, f"It also takes {others}: bind them with functools.partial."
        )
    return compare_fn


def _is_filled(parameter: inspect.Parameter) -> bool:
    """Whether nobody has to give it: `*args`, or what functools.partial has bound by name.

    The latter shows as a keyword-only argument with a default.
    """
    if parameter.kind is parameter.KEYWORD_ONLY:
        return parameter.default is not parameter.empty
    return parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
