"""The exports in a folder, and which of them are deleted when there are too many.

Only a folder whose name is a time in seconds is an export. Whatever else is there, `temp-*` folders
of exports that are being written among it, belongs to someone else and stays.
"""

import operator
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger

# Ten digits are the seconds since the epoch from 2001 to 2286. Fewer may be a version number that
# someone chose.
_TIMESTAMP = re.compile(r"[0-9]{10}")


def check_exports_to_keep(value: int | None) -> int | None:
    """`exports_to_keep` if it is None or an integer above zero.

    Raises:
        TypeError: it is no integer.
        ValueError: it is zero or less.

    Example:
        >>> check_exports_to_keep(5)
        5
    """
    subject = "exports_to_keep"
    if _checks.positive_or_none(subject, value) is None:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise _checks.wrong_type(subject, "must be a positive integer or None", value) from None


def timestamps(listing: Iterable[str | bytes]) -> list[str]:
    """The names of exports in the listing of a folder, oldest first.

    Args:
        listing: names as a file system gives them: str or bytes, with a `/` at the end of folders
            (as of `gs://`) or without.

    Example:
        >>> timestamps(["temp-1700000002", b"1700000001/", "1700000000", "notes.txt"])
        ['1700000000', '1700000001']
    """
    names = {os.fsdecode(name).rstrip("/") for name in listing}
    return sorted(filter(_TIMESTAMP.fullmatch, names))


def exports(export_path: str | bytes | os.PathLike[str]) -> list[str]:
    """The paths of the exports in a folder, oldest first; [] if there is no such folder.

    Example:
        >>> exports("/no/such/folder")
        []
    """
    parent = os.fsdecode(export_path)
    if not tf.io.gfile.isdir(parent):
        return []
    names = timestamps(tf.io.gfile.listdir(parent))
    return list(filter(tf.io.gfile.isdir, (tf.io.gfile.join(parent, name) for name in names)))


def _delete(path: str) -> None:
    tf.io.gfile.rmtree(path)


def delete_old_exports(
    export_path: str | bytes | os.PathLike[str],
    keep: int | None,
    made: Any = None,
    delete: Callable[[str], None] = _delete,
) -> None:
    """Deletes the oldest exports of a folder until `keep` are left.

    What cannot be deleted stays, with a warning: the export that was just made is not to fail for
    that.

    Args:
        export_path: the folder of exports.
        keep: how many may stay; None for all.
        made: the path, as bytes, of the export that was just made. It counts as the newest whatever
            its name says, for clocks may be set back.
        delete: deletes a folder; a `tf.errors.OpError` says that it could not.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> for second in range(1700000000, 1700000004):
        ...     os.mkdir(os.path.join(folder, str(second)))
        >>> delete_old_exports(folder, 2)
        >>> [os.path.basename(path) for path in exports(folder)]
        ['1700000002', '1700000003']
    """
    if keep is None:
        return
    oldest_first = sorted(exports(export_path), key=lambda path: (os.fsencode(path) == made, path))
    for path in oldest_first[:-keep]:
        try:
            delete(path)
        except tf.errors.OpError as error:
            logger.warning("Old export %s stays: it cannot be deleted (%s).", path, error.message)
