"""Sessions: who creates them, that they are closed, and that only the end of the input is one."""

import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._tf import v1, without_deprecation_notes
from tf_estimator.engine.session_deletion import delete_aside

# The operations of a Saver, of both formats of checkpoints.
SAVES = ("Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints", "ShardedFilename")
_RESTORES = ("Restore", "RestoreSlice", "RestoreV2")


class _ClosableCreator(v1.train.SessionCreator):
    """Keeps the session it handed out, to close it if a hook fails before anyone else holds it."""

    def __init__(self, creator: tf.compat.v1.train.SessionCreator):
        self._creator = creator
        self._session: tf.compat.v1.Session | None = None

    def create_session(self) -> tf.compat.v1.Session:
        # Also called in the middle of a run, to go on after a worker was lost.
        with TheInputGoesOn("a session was restored and initialized"):
            self._session = delete_aside(self._creator.create_session())
        return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


class _Session(v1.train.MonitoredSession):
    """A MonitoredSession that does not take a file that ends too early for the end of the input."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        with _checkpoints_told_apart:
            return super().run(*args, **kwargs)

    def __exit__(self, *raised: Any) -> bool:
        with _checkpoints_told_apart:
            return super().__exit__(*raised)


def monitored_session(
    creator: tf.compat.v1.train.SessionCreator,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
) -> tf.compat.v1.train.MonitoredSession:
    """A MonitoredSession for a `with`; if a hook fails while it opens, it is closed.

    The end of the input (OutOfRangeError, StopIteration) ends the `with` without an error, as
    MonitoredSession has it. TensorFlow gives the same error for a checkpoint that is cut off, and
    for a file that would get too large; those become errors of their own.

    Args:
        creator: makes the session, restored and initialized.
        hooks: run around every step, in this order.
    """
    closable = _ClosableCreator(creator)
    try:
        with without_deprecation_notes(), _checkpoints_told_apart:
            return _Session(closable, hooks)
    except BaseException:
        closable.close()
        raise


class _CheckpointsToldApart:
    """Makes an OutOfRangeError of an operation that saves or restores an error of its own kind.

    It is around every step, and so no generator.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if not isinstance(error, tf.errors.OutOfRangeError):
            return
        op_type = error.op.type if error.op is not None else None
        if op_type in SAVES:
            raise tf.errors.ResourceExhaustedError(
                error.node_def,
                error.op,
                f"A checkpoint could not be saved: {_reason(error)}. The disk or a limit (`ulimit "
                "-f`) takes no larger file. The checkpoint before it is whole.",
            ) from error
        if op_type in _RESTORES:
            raise tf.errors.DataLossError(
                error.node_def,
                error.op,
                f"A checkpoint could not be restored: {_reason(error)}. It ends too early; this is "
                "not the end of the input.",
            ) from error


_checkpoints_told_apart = _CheckpointsToldApart()


class TheInputGoesOn:
    """A context that makes what would look like the end of the input an error.

    It is for what happens around the input, and is around every step.

    Args:
        meanwhile: what is going on, as the error's message has it after "while".

    Raises:
        tf.errors.ResourceExhaustedError: a checkpoint could not be written.
        tf.errors.DataLossError: a checkpoint, or whatever else was read, ended too early.
    """

    def __init__(self, meanwhile: str) -> None:
        self._meanwhile = meanwhile

    def __enter__(self) -> None:
        """Changes nothing."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Raises another error for one that could mean the end of the input."""
        if not isinstance(error, tf.errors.OutOfRangeError | StopIteration):
            return
        _checkpoints_told_apart.__exit__(kind, error, traceback)
        raise tf.errors.DataLossError(
            None,
            None,
            f"Something ended too early while {self._meanwhile}: {type(error).__name__}: {error}. "
            "This is not the end of the input.",
        ) from error


def _reason(error: tf.errors.OpError) -> str:
    """What the operation said, without where it stands in the graph."""
    said = re.search(r"^Node: .*\n(.+)$", error.message, re.MULTILINE)
    return said[1] if said else error.message.strip()
