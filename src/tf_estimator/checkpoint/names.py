"""Checkpoints by name: what a model_dir holds, and what a path, a name or a step stands for."""

import contextlib
import numbers
import os
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger
from tf_estimator.checkpoint import find
from tf_estimator.checkpoint.verify import files_of, problem_of

_GLOBAL_STEP = "global_step"
_EXPORT = "export"
_SHOWN = 10


def all_in(model_dir: str) -> list[str]:
    """The paths of all checkpoints in a model_dir, damaged ones too, by their steps.

    Those that the state file lists, whatever they are called, and others `<prefix>-<step>`.

    Example:
        >>> all_in("/no/such/folder")
        []
    """
    state = find.state_of(model_dir)
    listed = filter(files_of, [state.newest, *state.listed] if state else ())
    return by_step([*listed, *filter(find.has_index, find.numbered(model_dir, state))])


def by_step(paths: Iterable[str]) -> list[str]:
    """The paths of checkpoints in the order of the steps they were saved at, each once."""
    return sorted(set(paths), key=lambda path: (_step(path), path))


def _step(path: str) -> int:
    """The step in a checkpoint; the one in its name if it has none, or is damaged."""
    with contextlib.suppress(tf.errors.OpError, IndexError, ValueError):
        reader = tf.train.load_checkpoint(path)
        if reader.has_tensor(_GLOBAL_STEP):
            return int(reader.get_tensor(_GLOBAL_STEP))
    number = path.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def resolve(subject: str, model_dir: str, given: Any) -> str:
    """The path of the checkpoint that `given` stands for.

    Args:
        subject: the argument, for the error.
        model_dir: where names are looked up.
        given: the path of a checkpoint; a folder, for its newest one; a name below model_dir, as
            "model.ckpt-120"; that of a folder below `<model_dir>/export`, as "best"; or a step. An
            existing path goes before a name.

    Returns:
        A path as `tf.train.latest_checkpoint` gives it. It may be damaged.

    Raises:
        ValueError: there is no such checkpoint.
        tf.errors.DataLossError: all checkpoints in the folder are damaged.
    """
    name = f"model.ckpt-{given}" if isinstance(given, numbers.Integral) else os.fsdecode(given)
    for folder in ("", model_dir, os.path.join(model_dir, _EXPORT)):
        path = os.path.join(folder, name)
        if _is_there(path):
            return path
        if tf.io.gfile.isdir(path) and (newest := find.latest_whole(path)):
            return newest
    raise _checks.wrong_value(
        subject,
        "must name a checkpoint",
        given,
        "Give it as latest_checkpoint() does: a folder, a name, and no .index, .data or .meta; or "
        f"give a name below model_dir: {model_dir} has {_shown(_names(model_dir))}.",
    )


def _is_there(path: str) -> bool:
    # What lacks its index is damaged, which is another error than a wrong name.
    return find.exists(path) or any(".data-" in file for file in files_of(path))


def _names(model_dir: str) -> list[str]:
    """The names that stand for a checkpoint of a model_dir."""
    exports = os.path.join(model_dir, _EXPORT)
    folders = tf.io.gfile.listdir(exports) if tf.io.gfile.isdir(exports) else []
    kept = (name.rstrip("/") for name in sorted(folders))
    kept = (name for name in kept if find.state_of(os.path.join(exports, name)))
    return [*map(os.path.basename, all_in(model_dir)), *kept]


def _shown(names: list[str]) -> str:
    if not names:
        return "none"
    more = f"{len(names) - _SHOWN} more and " if len(names) > _SHOWN else ""
    return more + ", ".join(names[-_SHOWN:])


def chosen(subject: str, model_dir: str, given: Iterable[Any] | None) -> Iterable[str]:
    """The paths of several checkpoints, each once, by their steps; all of them are whole.

    Args:
        subject: the argument, for the errors.
        model_dir: where names are looked up.
        given: each as for `resolve`. None for all in model_dir: of those a damaged one is left out,
            with a warning, and so is one that is removed before its turn comes.

    Raises:
        TypeError: `given` is no iterable of paths, names and steps.
        ValueError: there is no such checkpoint.
        tf.errors.DataLossError: one that was given is damaged.
    """
    if given is None:
        return filter(_is_whole, all_in(model_dir))
    rule = "must be an iterable of paths, names and steps, or None"
    if isinstance(given, str | bytes | os.PathLike) or not isinstance(given, Iterable):
        raise _checks.wrong_type(subject, rule, given)
    given = list(given)
    if not all(isinstance(one, str | bytes | os.PathLike | numbers.Integral) for one in given):
        raise _checks.wrong_type(subject, rule, given)
    paths = by_step(resolve(subject, model_dir, one) for one in given)
    for path in paths:
        find.check_whole(subject, path)
    return paths


def _is_whole(path: str) -> bool:
    problem = problem_of(path)
    if problem is not None:
        logger.warning("The checkpoint %s is left out: %s.", path, problem)
    return problem is None
