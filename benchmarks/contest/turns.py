"""What a process that takes part sees: it works when a line on stdin says so, and times itself."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

import numpy as np

from .models import Model


class NotAvailableError(Exception):
    """What is asked for is not installed, or not in this version; the message says which."""


def own_stdout() -> TextIO:
    """Where results go: what a framework prints is not to mix with them, and goes to stderr."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return output


@dataclass
class Turns:
    """The turns of this process.

    A task that controls its own loop iterates: one round is one turn. One that is called back
    (`fit`, hooks) uses `begin` and `end`.

    Args:
        output: where results go, a line a turn.
        count: steps or calls in a turn.
    """

    output: TextIO
    count: int
    _calls: list[float] = field(default_factory=list)
    _ready: bool = False
    _wall: float = 0.0
    _cpu: float = 0.0

    def say(self, **what: Any) -> None:
        """Tells the process that compares."""
        print(json.dumps(what), file=self.output, flush=True)

    def begin(self) -> bool:
        """Waits for the turn; False if there is none any more."""
        if not self._ready:
            self._ready = True
            self.say(ready=True)
        if not sys.stdin.readline():
            return False
        self._calls = []
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return True

    def end(self) -> None:
        """Ends the turn."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        self.say(count=self.count, wall=wall, cpu=cpu, calls=self._calls)

    def __iter__(self) -> Iterator[None]:
        while self.begin():
            yield
            self.end()

    def call(self, function: Callable[[], Any]) -> None:
        """Takes the turns: each calls the function `count` times, and times each call."""
        for _ in self:
            for _ in range(self.count):
                start = time.perf_counter()
                function()
                self._calls.append(time.perf_counter() - start)


@dataclass(frozen=True)
class Job:
    """What a contestant is to do.

    Args:
        task: "train", "predict" and so on: one of `contestants.TASKS`.
        model: the model.
        folder: an own folder, empty.
        turns: its turns.
    """

    task: str
    model_name: str
    model: Model
    folder: str
    turns: Turns

    def epochs(self, seed: int = 0) -> Iterator[tuple[Any, Any]]:
        """Batches of shuffled rows for ever, for those that have no input of their own."""
        inputs, labels = self.model.data()
        chance = np.random.default_rng(seed)
        while True:
            order = chance.permutation(len(labels))
            for start in range(0, len(order) - self.model.batch + 1, self.model.batch):
                rows = order[start : start + self.model.batch]
                yield inputs[rows], labels[rows]


def peak_memory() -> float:
    """The most memory that this process has had resident, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
