"""A process with all that it starts: one group, so that nothing of it stays."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, final

from tf_estimator.cli.launching.screen import Lines

_SET_PARENT_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of prctl(2)
_MOST_BYTES: Final = 65536
_MOST_READS_AT_END: Final = 256

# How long a group may be there after SIGKILL. What is left then are dead processes that nobody
# fetches, as in a container without an init process.
_KILLED_SECS: Final = 1.0


@final
class Process:
    """A process in a session of its own, with pipes for what it writes.

    Ctrl-C in a terminal does not reach it. Where the system can do so, it dies with this process.

    Args:
        command: the program and its arguments.
        environment: its environment.
        show: takes a stream, 1 or 2, and a line.
        clock: tells the time in seconds.

    Attributes:
        pid: its number, that of its group too.
        code: its exit status as of `subprocess`, below 0 for a signal; None while it runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        show: Callable[[int, bytes], None],
        clock: Callable[[], float],
    ) -> None:
        self._popen = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            preexec_fn=_dies_with(os.getpid()),  # noqa: PLW1509 - this process has no threads
        )
        self.pid = self._popen.pid
        self.code: int | None = None
        self._show, self._clock = show, clock
        self._began, self._end_time = clock(), 0.0
        self._pipes: dict[Any, tuple[int, Lines]] = {}
        for stream, pipe in ((1, self._popen.stdout), (2, self._popen.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._pipes[pipe] = (stream, Lines(clock))
        self._kill_time: float | None = None
        self._was_killed = False

    @property
    def pipes(self) -> Iterable[Any]:
        """What can be read from."""
        return tuple(self._pipes)

    @property
    def seconds(self) -> float:
        """How long it ran, or runs by now."""
        return (self._end_time if self.has_ended() else self._clock()) - self._began

    @property
    def is_ending(self) -> bool:
        """Whether `is_gone` has to be asked."""
        return self._kill_time is not None

    def read(self, pipe: Any) -> bool:
        """Shows what there is to read; returns whether it was anything."""
        stream, lines = self._pipes[pipe]
        data = pipe.read(_MOST_BYTES)
        if data is None:  # Nothing now.
            return False
        for line in lines.cut(data) if data else lines.end():
            self._show(stream, line)
        if not data:
            del self._pipes[pipe]
            pipe.close()
        return bool(data)

    def stop(self, grace_secs: float) -> None:
        """Asks the group to end, and sees to it that it does: `is_gone` has to be asked then."""
        if self._kill_time is None:
            self._kill_time = self._clock() + grace_secs
            self._send(signal.SIGTERM)
            self._send(signal.SIGCONT)  # One that is frozen hears it only then.

    def kill(self) -> None:
        """Ends the group at once."""
        self._was_killed = True
        self._kill_time = self._clock() + _KILLED_SECS
        self._send(signal.SIGKILL)

    def has_ended(self) -> bool:
        """Whether the process itself has ended; what it started may still be there."""
        if self.code is None:
            self.code = self._popen.poll()
            self._end_time = self._clock()
        return self.code is not None

    def is_gone(self) -> bool:
        """Whether all of the group has ended; kills what had its time to do so."""
        late = self._kill_time is not None and self._clock() >= self._kill_time
        gone = self.has_ended() and (not self._send(0) or (late and self._was_killed))
        if late and not gone and not self._was_killed:
            self.kill()
        return gone

    def close(self) -> None:
        """Shows what was written last, and closes the pipes."""
        for pipe in self.pipes:
            for _ in range(_MOST_READS_AT_END):
                if not self.read(pipe):
                    break
        for pipe, (stream, lines) in self._pipes.items():  # A process that left the group has it.
            for line in lines.end():
                self._show(stream, line)
            pipe.close()
        self._pipes.clear()

    def _send(self, number: int) -> bool:
        """Sends a signal to the group; returns whether it is there."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # The latter on macOS: all are dead.
            return False
        return True


def _dies_with(parent: int) -> Callable[[], None] | None:
    """What a new process calls so that it ends if this one does; None if that cannot be."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if prctl is None:
        return None

    def ask() -> None:
        prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # It was too late to ask.
            os._exit(1)

    return ask
