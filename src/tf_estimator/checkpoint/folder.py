"""A model_dir as a place to write: made, checked for room, before anything is built or run."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1, without_deprecation_notes
from tf_estimator.checkpoint.find import check_path


def prepare_folder(model_dir: str) -> None:
    """Makes `model_dir` if there is none.

    Raises:
        ValueError: something else than a folder has that name, or it is a name under which
            TensorFlow would save checkpoints and never find them again.
    """
    check_path("model_dir", model_dir)
    if tf.io.gfile.exists(model_dir) and not tf.io.gfile.isdir(model_dir):
        raise _checks.wrong_value("model_dir", "must be a folder, and this is a file", model_dir)
    tf.io.gfile.makedirs(model_dir)


def write_state(folder: str, paths: Sequence[str], name: str = "checkpoint") -> None:
    """Writes, in one rename, a state file that lists `paths` and names the last of them.

    Args:
        folder: of the state file.
        paths: of checkpoints, oldest first. Those in the folder are written relative to it, so that
            it can be moved.
        name: of the state file.
    """
    # TensorFlow writes what is below an absolute folder as it gets it, and else makes it relative.
    is_below = os.path.isabs(folder)
    names = [
        os.path.basename(path) if is_below and os.path.dirname(path) == folder else path
        for path in paths
    ]
    with without_deprecation_notes():
        v1.train.update_checkpoint_state(folder, names[-1], names, latest_filename=name)


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[Any]:
    """A file to write bytes to, which takes its name when it is whole.

    Args:
        path: of the file; another one there is replaced.

    Example:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "model.ckpt-3.meta")
        >>> with whole_file(path) as file:
        ...     file.write(b"graph")
        ...     os.path.exists(path)
        False
        >>> os.path.getsize(path)
        5
    """
    # Object stores show a file only when it is closed, and would copy it to rename it. The name is
    # one that repair_state knows to be left by a process that was killed.
    temporary = path if "://" in path else f"{path}.tmp{uuid.uuid4().hex}"
    try:
        with tf.io.gfile.GFile(temporary, "wb") as file:
            yield file
        if temporary != path:
            tf.io.gfile.rename(temporary, path, overwrite=True)
    except BaseException:
        with contextlib.suppress(tf.errors.OpError):
            tf.io.gfile.remove(temporary)
        raise


def _free_bytes(folder: str) -> int:
    return shutil.disk_usage(folder).free


def check_room(
    model_dir: str,
    variables: Iterable[tf.Variable],
    free_bytes: Callable[[str], int] = _free_bytes,
) -> None:
    """Raises if the disk has no room for one checkpoint of `variables`.

    Folders on other file systems (`gs://...`) and variables of unknown shape are taken to fit.

    Args:
        model_dir: the folder that checkpoints go to.
        variables: what a checkpoint holds.
        free_bytes: tells the free bytes under a folder.

    Raises:
        tf.errors.ResourceExhaustedError: there is too little room.
    """
    if "://" in model_dir or not os.path.isdir(model_dir):
        return
    needed = sum(_bytes(variable) for variable in variables)
    free = free_bytes(model_dir)
    if free < needed:
        raise tf.errors.ResourceExhaustedError(
            None,
            None,
            f"The disk of model_dir {model_dir} has {_megabytes(free)} free, and a checkpoint of "
            f"this model needs {_megabytes(needed)}. Free some space, or use another model_dir.",
        )


def _bytes(variable: tf.Variable) -> int:
    elements = variable.shape.num_elements()
    return (elements or 0) * variable.dtype.base_dtype.size


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
