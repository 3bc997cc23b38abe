"""Whether a checkpoint is whole: every tensor is read, and what cannot be is said in words."""

import functools
import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import tensorflow as tf

# Iterators and the like: their bytes are read and checked only where they are restored.
_OPAQUE = (tf.variant, tf.resource)

# What the files of a checkpoint add to its path; those of the first format are the path itself, or
# match it: `model.ckpt-?????-of-00002`.
_PARTS = r"(?:\.(?:index|meta|data-\d{5,}-of-\d{5,}))?"
_ANY_SHARD = "?????"


def files_of(path: str) -> list[str]:
    """The files of a checkpoint, sorted, whole or not: index, data and graph.

    The folder is listed and names are compared: in a pattern for files, other characters of the
    path, as the * of a folder "a*", would match other folders.
    """
    folder, base = os.path.split(path)
    try:
        names = tf.io.gfile.listdir(folder or ".")
    except tf.errors.OpError:
        return []
    pattern = re.compile(re.escape(base).replace(re.escape(_ANY_SHARD), r"\d{5}") + _PARTS)
    return sorted(os.path.join(folder, name) for name in names if pattern.fullmatch(name))


def problem_of(path: str) -> str | None:
    """What keeps a checkpoint from being restored, or None if it is whole.

    Every tensor is read, one at a time, and TensorFlow compares checksums. What was read is
    remembered: a checkpoint is read again only after its files changed.

    Args:
        path: of a checkpoint of either format, as `tf.train.latest_checkpoint` gives it.

    Returns:
        Words that go on after "The checkpoint ... cannot be restored: ", or None.
    """
    files = _values(path)
    if not files:
        return "it does not exist"
    if all(".data-" in file for file in files):
        return "its .index file is missing"
    return _problem(path, _stamps(files))


def identity(path: str) -> Any:
    """Something to compare: it is another when the values of a checkpoint may be others.

    Only the folder is read, and of each file its `Stamp`. A graph that is saved beside the values
    does not count.

    Args:
        path: of a checkpoint.

    Returns:
        A hashable value, equal for the same files; None if there is no complete checkpoint.

    Example:
        >>> identity("/no/such/folder/model.ckpt-3") is None
        True
    """
    files = _values(path)
    if all(".data-" in file for file in files):
        return None
    stamps = _stamps(files)
    return None if any(one is None for _, one in stamps) else stamps


class Stamp(NamedTuple):
    """What changes when a file does: size, times, and on this machine its place on the disk.

    Attributes:
        size: in bytes.
        changed: when its content or anything else of it changed, in nanoseconds since 1970.
        written: when its content was written, likewise.
        place: the number of its inode; 0 on another file system.
    """

    size: int
    changed: int
    written: int
    place: int


def stamp(file: str) -> Stamp | None:
    """The Stamp of a file now; None if there is no such file."""
    try:
        if "://" not in file:
            found = os.stat(file)
            return Stamp(found.st_size, found.st_ctime_ns, found.st_mtime_ns, found.st_ino)
        statistics = tf.io.gfile.stat(file)
        return Stamp(statistics.length, statistics.mtime_nsec, statistics.mtime_nsec, 0)
    except (OSError, tf.errors.OpError):
        return None


def _values(path: str) -> list[str]:
    """The files of a checkpoint without its graph."""
    return [file for file in files_of(path) if not file.endswith(".meta")]


def _stamps(files: Iterable[str]) -> tuple[tuple[str, Stamp | None], ...]:
    return tuple((file, stamp(file)) for file in files)


@functools.lru_cache(maxsize=256)
def _problem(path: str, files: Any) -> str | None:
    del files  # It tells apart what was read from what has changed since.
    try:
        reader = tf.train.load_checkpoint(path)
        types = reader.get_variable_to_dtype_map()
    except (tf.errors.OpError, IndexError, ValueError) as error:
        return f"its index cannot be read ({_message(error)})"
    for name in sorted(types):
        if types[name] not in _OPAQUE and (problem := _problem_of_tensor(reader, name)):
            return problem
    return None


def _problem_of_tensor(reader: Any, name: str) -> str | None:
    try:
        reader.get_tensor(name)
    except tf.errors.UnimplementedError:  # It is of a kind that this way of reading leaves out.
        return None
    except IndexError:  # So does TensorFlow's reader pass on an OutOfRangeError.
        return f"its data ends before the end of {name!r}"
    except (tf.errors.OpError, ValueError) as error:
        message = _message(error)
        if "No such file" in message:
            return f"a data file is missing ({message})"
        if "Checksum" in message:
            return f"the data of {name!r} is not what was saved ({message})"
        return f"{name!r} cannot be read ({message})"
    return None


def _message(error: Exception) -> str:
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    return text.strip().rstrip(".")
