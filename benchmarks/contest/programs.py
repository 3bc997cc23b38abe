"""A program that runs beside this one: it says JSON, a line each, and hears lines."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Program:
    """A module of this folder, in a process of its own.

    Args:
        python: its interpreter.
        arguments: the name of the module and its arguments.
        folder: its own; what it prints as errors goes there.
        environment: variables beside those that this process has.

    Attributes:
        pid: its number.
        has_ended: whether it has nothing more to say.
    """

    def __init__(
        self,
        python: str,
        arguments: list[str],
        folder: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._errors = Path(folder, "stderr")
        paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [python, "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    "KERAS_BACKEND": "tensorflow",
                    **(environment or {}),
                },
            )
        self.pid = self._process.pid
        self.has_ended = False
        self._lines: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self.has_ended = True
        self._lines.put("")

    def hear(self, timeout: float | None = None) -> dict[str, Any]:
        """What it says next; nothing if it has ended, or not within so many seconds."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            return {}
        if not line:
            self._lines.put("")  # for whoever asks again
            return {}
        return json.loads(line)

    def tell(self, word: str) -> None:
        """Says a word to it, if it still is there."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()

    def why(self) -> str:
        """The last line of its errors, all the last ones being shown."""
        last = self._errors.read_text().strip().splitlines() or ["no message"]
        print("\n".join(["", *last[-30:]]), file=sys.stderr)
        return last[-1][:300]

    def finish(self) -> None:
        """Tells it that there is nothing more to do, and waits for its end."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def kill(self) -> None:
        """Ends it, if it has not ended."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
