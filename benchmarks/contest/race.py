"""The process that compares: starts those that take part and lets them take turns."""

import json
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .contestants import CONTESTANTS, TASKS
from .models import MODELS
from .programs import Program


@dataclass
class Result:
    """What one contestant did in one task with one model.

    Args:
        task: the task.
        model: the model.
        contestant: the contestant.
        wall: steps or calls per second of the clock, a turn each.
        cpu: the same per second of the process's own processor time.
        calls: the seconds of each call of the first process, its first turn included.
        memory: the peak of each process, in MB.
        imported: that part of it which its imports took: TensorFlow, Keras, torch.
        versions: of what it ran on.
        missing: why there is nothing else.
        failed: whether that is an error.
    """

    task: str
    model: str
    contestant: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    imported: list[float] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    failed: bool = False

    def median(self, what: str) -> float:
        """Of "wall", "cpu", "memory" or "imported"."""
        return statistics.median(getattr(self, what))


class Racer:
    """A process that takes part.

    Args:
        python: its interpreter.
        result: what it is to do, and where its turns are added.
        count: steps or calls in a turn.
        folder: its own.
        first: whether its single calls are kept.
    """

    def __init__(self, python: str, result: Result, count: int, folder: str, first: bool) -> None:
        self._result, self._first = result, first
        self._program = Program(
            python,
            ["contest.worker", result.contestant, result.task, result.model, str(count), folder],
            folder,
        )

    def _hear(self) -> dict[str, Any]:
        said = self._program.hear()
        if said:
            self._result.missing = said.get("not_available", "")
        else:
            self._result.failed = True
            self._result.missing = f"failed: {self._program.why()}"
        return said

    def ready(self) -> bool:
        """Waits until it has prepared; whether it can take part."""
        self._hear()
        return not self._result.missing

    def turn(self, counts: bool) -> None:
        """Lets it work; `counts` is False for a turn that warms up."""
        if self._result.missing:
            return
        self._program.tell("go")
        said = self._hear()
        if said and counts:
            self._result.wall.append(said["count"] / said["wall"])
            self._result.cpu.append(said["count"] / max(said["cpu"], 1e-9))
        if said and self._first:
            self._result.calls += said["calls"]

    def finish(self) -> None:
        """Lets it end, and hears how much memory it took."""
        self._program.finish()
        if not self._result.missing:
            said = self._hear()
            if said:
                self._result.memory.append(said["memory"])
                self._result.imported.append(said["imported"])
                self._result.versions = said["versions"]

    def kill(self) -> None:
        """Ends it, if it has not ended."""
        self._program.kill()


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        pythons: the interpreter of each environment; "" if there is none.
        processes: of each contestant, one after the other.
        turns: of each process, at most; one more warms up.
        steps: of a turn of training, at most.
        only: names of tasks, models and contestants; a kind that is not named is taken whole.
    """

    pythons: dict[str, str]
    processes: int = 3
    turns: int = 5
    steps: int = 1_000_000
    only: frozenset[str] = frozenset()

    def _wants(self, names: Any) -> list[str]:
        return [name for name in names if name in self.only] or list(names)

    def events(self) -> Iterator[list[Result]]:
        """Those that run side by side."""
        for task in self._wants(TASKS):
            for model in self._wants(MODELS):
                results = [
                    Result(task, model, name)
                    for name in self._wants(CONTESTANTS)
                    if model in CONTESTANTS[name].takes.get(task, ())
                ]
                if results:
                    yield results

    def count(self, result: Result) -> int:
        """Steps or calls in a turn."""
        task = TASKS[result.task]
        count = task.count or MODELS[result.model].steps
        return min(count, self.steps) if task.unit == "steps" else count


def run(plan: Plan, progress: Callable[[str], None]) -> list[Result]:
    """Measures all; what is said to `progress` is one line on where it is."""
    results = []
    for event in plan.events():
        for number in range(plan.processes):
            _round(plan, event, number, progress)
        results += event
    return results


def _round(plan: Plan, event: list[Result], number: int, progress: Callable[[str], None]) -> None:
    """One process of each contestant; they take turns."""
    where = f"{event[0].task} {event[0].model}, process {number + 1} of {plan.processes}"
    racers: list[Racer] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            progress(f"{where}: starting")
            for result in event:
                python = plan.pythons[CONTESTANTS[result.contestant].environment]
                if not python:
                    result.missing = "its environment is not installed"
                if not result.missing:
                    own = Path(folder, result.contestant)
                    own.mkdir()
                    count = plan.count(result)
                    racers.append(Racer(python, result, count, str(own), first=number == 0))
            present = [racer for racer in racers if racer.ready()]
            turns = min(plan.turns, TASKS[event[0].task].turns)
            take_turns(present, turns, where, progress)
            for racer in present:
                racer.finish()
        finally:
            for racer in racers:
                racer.kill()


class TakesTurns(Protocol):
    """One that works when it is told to."""

    def turn(self, counts: bool) -> None:
        """Lets it work; `counts` is False for a turn that warms up."""


def take_turns(
    racers: Sequence[TakesTurns], turns: int, where: str, progress: Callable[[str], None]
) -> None:
    """Lets them work one after the other, every other time in reverse order; the first warms up."""
    for turn in range(turns + 1):
        progress(f"{where}: turn {turn} of {turns}")
        for racer in racers[:: -1 if turn % 2 else 1]:
            racer.turn(counts=turn > 0)


def save(path: Path, about: dict[str, Any], results: list[Result]) -> None:
    """Writes everything that was measured."""
    whole = {"about": about, "results": [asdict(result) for result in results]}
    path.write_text(json.dumps(whole, indent=1) + "\n")


def load(path: Path) -> tuple[dict[str, Any], list[Result]]:
    """Reads what `save` wrote."""
    whole = json.loads(path.read_text())
    return whole["about"], [Result(**result) for result in whole["results"]]
