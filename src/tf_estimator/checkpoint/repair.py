"""A model_dir made ready to train in: its state file true again, what killed saves left removed."""

import os
import re
from collections.abc import Sequence

import tensorflow as tf

from tf_estimator._tf import logger
from tf_estimator.checkpoint import find
from tf_estimator.checkpoint.folder import write_state
from tf_estimator.checkpoint.verify import files_of

_HOUR = 3600.0

# A killed save leaves at most the one that it was writing and the one that it was to remove. More
# of them are there on purpose: kept every n hours, or under another keep_checkpoint_max.
_LEFT_BY_ONE_KILL = 2

# What a save writes under another name before it renames it, and a kill leaves behind.
_UNFINISHED = re.compile(
    r"(checkpoint|graph\.pbtxt|(?P<meta>.+)-\d+\.meta)\.tmp[0-9a-f]{32}"
    r"|(?P<data>.+)-\d+\.(index|data-\d{5,}-of-\d{5,})\.tempstate\d+"
)
_TEMPORARY_FOLDER = re.compile(r"(.+)-\d+_temp")


def repair_state(model_dir: str, keep: int | None) -> None:
    """Makes the state file name the checkpoint that is restored, and removes unfinished files.

    Whatever else reads the state file, TensorFlow first, then takes the same checkpoint. The list
    in it is what a Saver removes from, in turn: damaged ones come first.

    Args:
        model_dir: the folder.
        keep: how many checkpoints a rebuilt list may have; 0 or None: only the newest, as a Saver
            that removes nothing lists no more.

    Raises:
        tf.errors.DataLossError: there are checkpoints, and all of them are damaged.
    """
    if not tf.io.gfile.isdir(model_dir):
        return
    newest = find.latest_whole(model_dir)
    found = find.look(model_dir)
    if newest is not None and (found.state is None or found.state.newest != newest):
        listed = [one for one in found.state.listed if files_of(one)] if found.state else []
        if not set(listed) - set(found.damaged):  # The file is lost, or of another folder.
            listed = _last(_numbered(model_dir, found.state), keep)
        damaged = [one for one in found.damaged if files_of(one)][::-1]
        paths = [*damaged, *(one for one in listed if one not in (*damaged, newest)), newest]
        write_state(model_dir, paths)
        logger.warning("%s was rebuilt: it names %s.", find.state_file(model_dir), newest)
    _remove_unfinished(model_dir, found.state)


def _numbered(model_dir: str, state: find.State | None) -> list[str]:
    """The checkpoints in the folder, damaged ones too, in the order of their steps."""
    steps = find.numbered(model_dir, state)
    return sorted(filter(find.has_index, steps), key=lambda path: steps[path])


def _last(paths: Sequence[str], keep: int | None) -> list[str]:
    return list(paths[-keep:]) if keep else []


def _remove_unfinished(model_dir: str, state: find.State | None) -> None:
    """Removes what saves of the chief wrote and never renamed: whoever wrote it is dead."""
    ours = {"model.ckpt", "input.ckpt"}
    ours.update(os.path.basename(p).rpartition("-")[0] for p in find.numbered(model_dir, state))
    for name in tf.io.gfile.listdir(model_dir):
        path = os.path.join(model_dir, name.rstrip("/"))
        file = _UNFINISHED.fullmatch(name)
        folder = _TEMPORARY_FOLDER.fullmatch(os.path.basename(path))
        if file and (file["meta"] or file["data"] or "model.ckpt") in ours:
            logger.info("Removing %s, left by a save that was not completed.", path)
            _remove(path)
        elif folder and folder[1] in ours and tf.io.gfile.isdir(path):
            logger.info("Removing %s, left by a save that was not completed.", path)
            tf.io.gfile.rmtree(path)


def remove_leftovers(model_dir: str, keep: int | None, every_n_hours: float | None) -> None:
    """Makes checkpoints that no Saver would ever remove, since nothing lists them, few enough.

    put those that nothing lists at the front of the list, to be removed first
    remove at once those of them that are beyond `keep`
    remove data without an index that nothing lists: it cannot be restored

    A kill between two steps of a save leaves such ones. Those that were kept on purpose are not
    listed either, and are spared: a save leaves no more than two, and those of every n hours lie
    that far apart.

    Args:
        model_dir: the folder; nothing is done where the state file names no checkpoint.
        keep: how many a Saver keeps; 0 or None for all: nothing is removed then.
        every_n_hours: a Saver keeps one more for each so many hours.
    """
    state = find.state_of(model_dir)
    if state is None or not keep or not find.exists(state.newest):
        return
    known = [path for path in state.listed if path != state.newest and files_of(path)]
    listed = [*known, state.newest]
    unlisted = [path for path in _numbered(model_dir, state) if path not in listed]
    kept = _kept(model_dir, unlisted, every_n_hours)
    left = [path for path in unlisted if path not in kept]
    if len(left) > _LEFT_BY_ONE_KILL:
        left = []
    beyond = left[: max(0, len(left) + len(listed) - keep)]
    if left:
        write_state(model_dir, [*left[len(beyond) :], *listed])
    for path in beyond:
        logger.info("Removing the checkpoint %s: it is beyond keep_checkpoint_max=%d.", path, keep)
        _remove(*files_of(path))
    for path in find.numbered(model_dir, state):
        if path not in listed and not find.has_index(path):
            logger.info("Removing the data of %s: it has no index.", path)
            _remove(*files_of(path))


def _kept(model_dir: str, paths: Sequence[str], every_n_hours: float | None) -> set[str]:
    """Those that a Saver keeps for good: the first after each `every_n_hours` of training."""
    if not every_n_hours or not paths:
        return set()
    names = [os.path.join(model_dir, name) for name in tf.io.gfile.listdir(model_dir)]
    due = min(tf.io.gfile.stat(name).mtime_nsec / 1e9 for name in names) + every_n_hours * _HOUR
    kept = set()
    for path in paths:
        saved = find.saved_at(path)
        if saved >= due:
            kept.add(path)
            due = saved + every_n_hours * _HOUR
    return kept


def _remove(*paths: str) -> None:
    for path in paths:
        if tf.io.gfile.exists(path):
            tf.io.gfile.remove(path)
