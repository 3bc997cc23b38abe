"""The signals that end a launcher, and the one that says that a process has ended."""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

_OF_THE_END: Final = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def heard(end: Callable[[int], None]) -> Iterator[socket.socket]:
    """Hears of signals while the context lasts. What is ignored, as by `nohup`, stays so.

    Args:
        end: is called with the number of a signal that asks for the end.

    Yields:
        A socket that has something to read once there was a signal.
    """
    reading, writing = socket.socketpair()
    before: dict[int, Any] = {}
    with reading, writing:
        for each in (reading, writing):
            each.setblocking(False)
        old_descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        try:
            for of_end in (signal.Signals[name] for name in _OF_THE_END):
                if signal.getsignal(of_end) != signal.SIG_IGN:
                    before[of_end] = signal.signal(of_end, lambda number, _frame: end(number))
            before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
            yield reading
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_descriptor)
