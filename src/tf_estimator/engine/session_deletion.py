"""Sessions that are no longer used are deleted in a thread of their own.

To delete one, TensorFlow waits for the thread that tunes its input pipeline. Where that misses its
call, which is often on a machine that is busy, it sleeps on: as long as the input has been there, a
minute at most. It is the garbage collector that deletes sessions, and so the program would stand
still, at any line of it.
"""

import atexit
import queue
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._tf import taken_deletion, v1

# Each deletes a session; None ends the thread.
_deletions: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
_lock = threading.Lock()
_thread: threading.Thread | None = None


class _DeletedAside(v1.Session):
    """A session that leaves to another thread what takes long."""

    # Defaults, for at the end of a process there are no globals.
    def __del__(
        self,
        put: Callable[[Any], None] = _deletions.put,
        take: Callable[[Any], Any] = taken_deletion,
    ) -> None:
        deletion = take(self)
        if deletion is not None:
            put(deletion)


def delete_aside(session: tf.compat.v1.Session) -> tf.compat.v1.Session:
    """Has a session be deleted by another thread, when nobody refers to it any longer.

    Args:
        session: any; one of a class of the user's is left as it is.

    Returns:
        The session.
    """
    if type(session) is v1.Session:
        session.__class__ = _DeletedAside
        _start()
    return session


def _start() -> None:
    """Starts the thread, also in a process that was forked from one that had it."""
    global _thread  # noqa: PLW0603 - it is one for the process
    with _lock:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_delete, name="delete sessions", daemon=True)
            _thread.start()
            atexit.register(_end, _thread)


def _delete() -> None:
    while (deletion := _deletions.get()) is not None:
        deletion()


def _end(thread: threading.Thread) -> None:
    """Waits for the deletion that is going on, which must not return to a Python that has ended.

    What is left to do ends with the process.
    """
    while not _deletions.empty():
        _deletions.get()
    _deletions.put(None)
    thread.join()
