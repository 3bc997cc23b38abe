"""Whether a checkpoint is whole: every tensor is read, and what cannot be is said in words."""

import functools
import os
import re
from typing import Any

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
    files = [file for file in files_of(path) if not file.endswith(".meta")]
    if not files:
        return "it does not exist"
    if all(".data-" in file for file in files):
        return "its .index file is missing"
    return _problem(path, tuple((file, _stamp(file)) for file in files))


def _stamp(file: str) -> Any:
    """What changes when a file does: size, times, and on this machine its place on the disk."""
    try:
        if "://" not in file:
            found = os.stat(file)
            return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
        statistics = tf.io.gfile.stat(file)
        return statistics.length, statistics.mtime_nsec
    except (OSError, tf.errors.OpError):  # Somebody just removed it: reading will tell.
        return None


@functools.lru_cache(maxsize=256)
def _problem(path: str, files: tuple[tuple[str, Any], ...]) -> str | None:
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
