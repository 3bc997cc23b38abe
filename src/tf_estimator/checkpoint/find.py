"""Which checkpoints a folder has, which one is to be taken, and the step it was saved at."""

import functools
import os
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger
from tf_estimator.checkpoint.verify import Stamp, files_of, identity, problem_of, stamp

_GLOBAL_STEP = "global_step"
_STATE_FILE = "checkpoint"
_PREFIX = "model.ckpt"

# Longer than the step of any file system's times on this machine, in nanoseconds.
_SETTLED_NS = 50_000_000

# A state that changes while it is looked at is another task's, at work.
_LOOKS = 10

_NUMBERED = re.compile(r"(.+)-(\d+)\.(?:index|data-\d{5,}-of-\d{5,})")
# Where CheckpointInputPipelineHook keeps positions of the input: they hold no model.
_OF_THE_INPUT = re.compile(r"input(_\w+)?\.ckpt")

# On Windows the backslash separates folders.
_PATTERN_CHARACTERS = "[" if os.sep == "\\" else "[\\"


class State(NamedTuple):
    """What a state file, `<model_dir>/checkpoint`, says.

    Attributes:
        newest: the path of the checkpoint that is to be restored.
        listed: the paths of those that a Saver will remove in turn, oldest first.
    """

    newest: str
    listed: tuple[str, ...]


class Found(NamedTuple):
    """The checkpoint to take, and why not another.

    Attributes:
        path: the newest that is whole, or None.
        damaged: the path of each newer one to what is wrong with it.
        state: what the state file says; None if there is none, or nobody can read it.
    """

    path: str | None
    damaged: dict[str, str]
    state: State | None


def state_of(model_dir: str) -> State | None:
    """What the state file says, or None if there is none, or it is empty or garbled."""
    now = stamp(state_file(model_dir))
    if now is None:
        return None
    # One that just changed could change once more within what its times tell apart.
    is_settled = "://" not in model_dir and time.time_ns() - now.changed > _SETTLED_NS
    said = _said(model_dir, now) if is_settled else _said.__wrapped__(model_dir, now)
    if said is None:
        return None
    here = functools.partial(_here, model_dir)
    return State(here(said.newest), tuple(map(here, said.listed)))


@functools.lru_cache(maxsize=256)
def _said(model_dir: str, now: Stamp) -> State | None:
    """The state file, with the paths as TensorFlow spells them."""
    del now  # It tells apart what was read from what has changed since.
    try:
        state = tf.train.get_checkpoint_state(model_dir)
    except ValueError:  # It is empty, or no text.
        return None
    if state is None:
        return None
    return State(state.model_checkpoint_path, tuple(state.all_model_checkpoint_paths))


def _here(model_dir: str, path: str) -> str:
    """The path as it is spelled when the folder is listed, if it is in that folder."""
    folder, name = os.path.split(path)
    if folder == model_dir or "://" in path:
        return path
    same = os.path.realpath(folder) == os.path.realpath(model_dir)
    return os.path.join(model_dir, name) if same else path


def numbered(model_dir: str, state: State | None) -> dict[str, int]:
    """The checkpoints `<prefix>-<step>` in the folder, damaged ones too: path to step.

    They are those of the prefix that the state file has, else of model.ckpt, else of the one that
    was written to last.
    """
    names = tf.io.gfile.listdir(model_dir) if tf.io.gfile.isdir(model_dir) else []
    found: dict[str, dict[str, int]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match and not _OF_THE_INPUT.fullmatch(match[1]):
            path = os.path.join(model_dir, f"{match[1]}-{match[2]}")
            found.setdefault(match[1], {})[path] = int(match[2])
    listed = [state.newest, *state.listed] if state else []
    wanted = [os.path.basename(path).rpartition("-")[0] for path in listed] + [_PREFIX]
    for prefix in wanted:
        if prefix in found:
            return found[prefix]
    return max(found.values(), key=lambda one: max(map(saved_at, one)), default={})


def saved_at(path: str) -> float:
    """When the last file of a checkpoint was written, in seconds since 1970; 0 without files."""
    times = []
    for file in files_of(path):
        try:
            times.append(tf.io.gfile.stat(file).mtime_nsec / 1e9)
        except tf.errors.NotFoundError:
            continue
    return max(times, default=0.0)


def has_index(path: str) -> bool:
    """Whether the file is there without which no save is complete."""
    return tf.io.gfile.exists(f"{path}.index")


def look(model_dir: str) -> Found:
    """Looks for the checkpoint to take, and says what it saw; reads only.

    the one that the state file names, if it is whole: whoever edits the file to go back means it
    else the one of the highest step that is whole, of those in the list and in the folder
    """
    found = _first_whole(model_dir, state_of(model_dir))
    for _ in range(_LOOKS):
        state = state_of(model_dir)
        if not found.damaged or state == found.state:
            break
        found = _first_whole(model_dir, state)
    return found


def _first_whole(model_dir: str, state: State | None) -> Found:
    damaged: dict[str, str] = {}
    for path in _newest_first(model_dir, state):
        problem = problem_of(path)
        if problem is None:
            return Found(path, damaged, state)
        damaged[path] = problem
    return Found(None, damaged, state)


def _newest_first(model_dir: str, state: State | None) -> Iterator[str]:
    if state:
        yield state.newest
    # Data that neither an index nor the state file knows is of a save that never was completed.
    steps = {path: n for path, n in numbered(model_dir, state).items() if has_index(path)}
    for path in state.listed if state else ():
        steps.setdefault(path, _step_in(path))
    if state:
        steps.pop(state.newest, None)
    yield from sorted(steps, key=lambda path: steps[path], reverse=True)


def _step_in(path: str) -> int:
    number = path.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def latest_whole(model_dir: str) -> str | None:
    """The path of the newest checkpoint that can be restored; None if there never was one.

    A damaged one is passed over, with a warning, as is a state file that nobody can read.

    Raises:
        tf.errors.DataLossError: there are checkpoints, and all of them are damaged.
    """
    found = look(model_dir)
    if found.path is not None:
        if found.state is None:
            _warn(f"{state_file(model_dir)} is missing or garbled. {found.path} is taken.")
        for path, problem in found.damaged.items():
            _warn(f"The checkpoint {path} cannot be restored: {problem}. {found.path} is taken.")
        return found.path
    if not found.damaged and not tf.io.gfile.exists(state_file(model_dir)):
        return None
    damages = [f"{path}: {problem}." for path, problem in found.damaged.items()]
    raise tf.errors.DataLossError(
        None,
        None,
        f"No checkpoint in model_dir {model_dir} can be restored. "
        + " ".join(damages or [f"{state_file(model_dir)} is garbled, and there is nothing else."])
        + " Put back a copy of one, or use another model_dir; to start over from step 0 in this "
        "one, remove its checkpoints and the file `checkpoint`.",
    )


@functools.lru_cache(maxsize=256)
def _warn(message: str) -> None:
    """Warns once of one thing: train, evaluate and predict all ask, again and again."""
    logger.warning("%s", message)


def state_file(model_dir: str) -> str:
    """The path of the state file."""
    return os.path.join(model_dir, _STATE_FILE)


def step_of_latest(model_dir: str) -> int:
    """The global step in the newest whole checkpoint; 0 without one, or without a step.

    A checkpoint's name can lag its content when several workers train, so the name is not asked.

    Raises:
        tf.errors.DataLossError: there are checkpoints, and all of them are damaged.
    """
    latest = latest_whole(model_dir)
    if latest is None:
        return 0
    return _step_of(latest, identity(latest))


@functools.lru_cache(maxsize=256)
def _step_of(path: str, files: Any) -> int:
    del files  # They tell apart what was read from what has changed since.
    reader = tf.train.load_checkpoint(path)
    return int(reader.get_tensor(_GLOBAL_STEP)) if reader.has_tensor(_GLOBAL_STEP) else 0


def exists(path: str) -> bool:
    """Whether `path` names a checkpoint, of the present format or of the first one.

    The present format is `<path>.index` and its data; the first is a file `<path>`, or several
    that match it (`model.ckpt-?????-of-00002`). The parts of a checkpoint (`<path>.index`,
    `<path>.meta`) name none.
    """
    if has_index(path):
        return True
    if not path or tf.io.gfile.isdir(path):
        return False
    try:
        # An index opens as well, and then holds nothing.
        return bool(tf.train.load_checkpoint(path).get_variable_to_shape_map())
    except tf.errors.OpError:
        return False


def check_whole(subject: str, path: str) -> None:
    """Raises unless `path` names a checkpoint that can be restored.

    Raises:
        ValueError: there is no such checkpoint, or none that TensorFlow finds.
        tf.errors.DataLossError: it is damaged.
    """
    has_data = any(".data-" in file for file in files_of(path)) if path else False
    if not has_data and not exists(path):
        raise _checks.wrong_value(
            subject,
            "must name a checkpoint",
            path,
            "Give it as latest_checkpoint() does: a folder, a name, and no .index, .data or .meta.",
        )
    check_path(subject, path)
    if problem := problem_of(path):
        raise tf.errors.DataLossError(
            None,
            None,
            f"The checkpoint {path} cannot be restored: {problem}. Put back a copy of it, or give "
            "another one.",
        )


def check_path(subject: str, path: str) -> None:
    """Raises unless TensorFlow can find a checkpoint of this path, or in this folder, again.

    It reads the path of a checkpoint as a pattern that has to match itself; with some characters it
    does not.

    Raises:
        ValueError: the path has such a character.
    """
    if any(character in path for character in _PATTERN_CHARACTERS):
        raise _checks.wrong_value(
            subject,
            "must not contain '[' or a backslash: TensorFlow restores no checkpoint from there",
            path,
            "Rename the folder.",
        )
