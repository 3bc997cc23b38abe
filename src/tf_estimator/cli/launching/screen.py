"""What a person sees of several processes: each line with the name of the one that wrote it."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, final

# Of what ends a line, a lone return is last, so that "\r\n" is one end.
_END: Final = re.compile(rb"\r\n|\n|\r(?=[^\n])")

# A process that writes no end of line is shown in pieces of this size.
_LONGEST_LINE: Final = 65536

# A line that a progress bar writes over and over is shown once in this time.
_SECS_PER_REWRITE: Final = 1.0

# Of control characters, only tabs and colors get through: others would move the cursor, ring, or
# leave the terminal in another state.
_CONTROL: Final = re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_COLORS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


@final
class Screen:
    """Writes lines to the two streams of this process, each line in one write.

    Args:
        names: of those that write.
        environment: tells whether colors are wanted: NO_COLOR, TERM.
    """

    def __init__(self, names: Iterable[str], environment: Mapping[str, str]) -> None:
        names = list(names)
        width = max(map(len, names))
        self._prefixes = {}
        for stream in (1, 2):
            colored = os.isatty(stream) and not environment.get("NO_COLOR")
            colored = colored and environment.get("TERM") != "dumb"
            for number, name in enumerate(names):
                text = f"{name:<{width}} | "
                if colored:
                    text = f"\x1b[{_COLORS[number % len(_COLORS)]}m{text}\x1b[0m"
                self._prefixes[stream, name] = (text, "\x1b[0m" if colored else "")

    def show(self, stream: int, name: str, line: bytes) -> None:
        """Writes a line.

        Args:
            stream: 1 for the output, 2 for errors and logs.
            name: who writes it.
            line: without its end. Bytes that are no text are shown as Python does, in hexadecimal.
        """
        prefix, reset = self._prefixes[stream, name]
        text = _CONTROL.sub(_visible, line.decode("utf-8", "backslashreplace"))
        reset = reset if "\x1b" in text else ""  # What is of one task does not color the next.
        shown = f"{prefix}{text}{reset}" if text else prefix.replace(" | ", " |")
        data = f"{shown}\n".encode()
        while data:  # Almost always once; a pipe may take a long line in parts.
            data = data[os.write(stream, data) :]

    def say(self, text: str) -> None:
        """Writes a line of the launcher."""
        self.show(2, "launch", text.encode("utf-8", "backslashreplace"))


def _visible(found: re.Match[str]) -> str:
    text = found[0]
    return text if text.startswith("\x1b[") else f"\\x{ord(text):02x}"


@final
class Lines:
    """Cuts what a process writes into lines.

    Args:
        clock: tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rest = b""
        self._last_rewrite = -_SECS_PER_REWRITE

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The lines that end in `data`, with what there was before it."""
        data = self._rest + data
        start = 0
        for end in _END.finditer(data):
            line = data[start : end.start()]
            start = end.end()
            if end[0] != b"\r" or (line and self._is_due()):
                yield line
        while len(data) - start > _LONGEST_LINE:
            yield data[start : start + _LONGEST_LINE]
            start += _LONGEST_LINE
        self._rest = data[start:]

    def end(self) -> Iterator[bytes]:
        """What there is left when the process writes no more."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        if rest:
            yield rest

    def _is_due(self) -> bool:
        now = self._clock()
        if now - self._last_rewrite < _SECS_PER_REWRITE:
            return False
        self._last_rewrite = now
        return True
