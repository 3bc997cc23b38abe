"""The processes of one setup, and all setups side by side."""

import contextlib
import ctypes
import json
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from contest.contestants import CONTESTANTS
from contest.programs import Program
from contest.race import Result, take_turns

from .setups import PACKAGES, SETUPS, SIZES

_START_SECS = 240.0  # twenty processes import TensorFlow at once
_TURN_SECS = 120.0


class Group:
    """The processes of one setup.

    Args:
        python: their interpreter.
        result: what they are to do, and where their turns are added: its `task` is the name of the
            setup, its `model` that of the size, its `contestant` that of the package.
        seconds: of a turn, at least.
        folder: their own, empty.
    """

    def __init__(self, python: str, result: Result, seconds: float, folder: str) -> None:
        self._result = result
        tasks = SETUPS[result.task].tasks()
        addresses = _free_addresses(len(tasks))
        cluster: dict[str, list[str]] = {}
        for (job, _), address in zip(tasks, addresses, strict=True):
            cluster.setdefault(job, []).append(address)
        self._programs: list[Program] = []
        for job, index in tasks:
            own = Path(folder, f"{job}-{index}")
            own.mkdir()
            self._programs.append(
                Program(
                    python,
                    [
                        *["contest.cluster.task", result.contestant, result.task, result.model],
                        *[str(seconds), str(Path(folder, "model"))],
                    ],
                    str(own),
                    {"TF_CONFIG": _tf_config(cluster, job, index, result.contestant)},
                )
            )
        workers = SETUPS[result.task].workers
        self._chief, self._others = self._programs[0], self._programs[1:workers]
        self._processes = [psutil.Process(program.pid) for program in self._programs]

    def _hear(self, program: Program, seconds: float) -> dict[str, Any]:
        """What it says; where it says nothing, all have failed."""
        said = program.hear(seconds)
        if not said:
            ended = [each for each in self._programs if each.has_ended]
            why = ended[0].why() if ended else f"said nothing for {seconds:.0f} s; {program.why()}"
            self._result.failed, self._result.missing = True, f"failed: {why}"
            self.kill()
        return said

    def ready(self) -> bool:
        """Waits until all have prepared; whether they can take part."""
        for program in self._programs:
            said = self._hear(program, _START_SECS)
            if not said:
                return False
            self._result.versions = said["versions"]
        if not self._hear(self._chief, _START_SECS):
            return False
        for program in self._others:
            program.tell("start")
            if not self._hear(program, _START_SECS):
                return False
        return True

    def turn(self, counts: bool) -> None:
        """Lets them work; `counts` is False for a turn that warms up."""
        if self._result.missing:
            return
        before = self._cpu()
        for program in [*self._others, self._chief]:
            program.tell("go")
        said = self._hear(self._chief, _TURN_SECS)
        if not said:
            return
        used = self._cpu() - before
        for program in self._others:
            program.tell("stop")
            if not self._hear(program, _TURN_SECS):
                return
        if counts:
            self._result.wall.append(said["count"] / said["wall"])
            self._result.cpu.append(said["count"] / max(used, 1e-9))

    def _cpu(self) -> float:
        """The processor time of all of them so far, in seconds."""
        times = []
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                times.append(process.cpu_times())
        return sum(each.user + each.system for each in times)

    def kill(self) -> None:
        """Ends them: a parameter server of the original ends in no other way."""
        for program in self._programs:
            program.kill()


def _tf_config(cluster: dict[str, list[str]], job: str, index: int, package: str) -> str:
    if len(cluster) == 1:
        return "{}"
    whole = {"cluster": cluster, "task": {"type": job, "index": index}}
    if package == "ours":
        # While others have their turns, no step is taken, and nobody has to say so.
        whole["timeout_secs"] = 3600
    return json.dumps(whole)


def _free_addresses(count: int) -> list[str]:
    """Of ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def go_apart() -> bool:
    """Gives this process, and those it starts, a network of its own with nothing but loopback.

    TensorFlow's servers listen on all interfaces and let in everybody. It needs Linux and root;
    whether it was done.
    """
    if not sys.platform.startswith("linux"):
        return False
    new_network, bring_up, is_up = 0x40000000, 0x8914, 1
    if ctypes.CDLL(None).unshare(new_network) != 0:
        return False
    import fcntl  # noqa: PLC0415 - not everywhere

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, bring_up, struct.pack("16sH14x", b"lo", is_up))
    return True


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        pythons: the interpreter of each environment; "" if there is none.
        processes: groups of each setup, one after the other.
        turns: of each group; one more warms up.
        at_most: seconds of a turn.
        only: names of setups, sizes and packages; a kind that is not named is taken whole.
    """

    pythons: dict[str, str]
    processes: int = 1
    turns: int = 3
    at_most: float = 60.0
    only: frozenset[str] = frozenset()

    def _wants(self, names: Any) -> list[str]:
        return [name for name in names if name in self.only] or list(names)

    def events(self) -> Iterator[list[Result]]:
        """Those that run side by side."""
        for size in self._wants(SIZES):
            yield [
                Result(setup, size, package)
                for setup in self._wants(SETUPS)
                for package in self._wants(PACKAGES)
                if package == "ours" or not SETUPS[setup].only_ours
            ]


def run(plan: Plan, progress: Callable[[str], None]) -> list[Result]:
    """Measures all; what is said to `progress` is one line on where it is."""
    results = []
    for event in plan.events():
        for number in range(plan.processes):
            _round(plan, event, number, progress)
        results += event
    return results


def _round(plan: Plan, event: list[Result], number: int, progress: Callable[[str], None]) -> None:
    """One group of each setup; they take turns."""
    where = f"{event[0].model} parameters, processes {number + 1} of {plan.processes}"
    groups: list[Group] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            progress(f"{where}: starting")
            for result in event:
                python = plan.pythons[CONTESTANTS[result.contestant].environment]
                if not python:
                    result.missing = "its environment is not installed"
                if not result.missing:
                    own = Path(folder, f"{result.task}-{result.contestant}")
                    own.mkdir()
                    seconds = min(SIZES[result.model][1], plan.at_most)
                    groups.append(Group(python, result, seconds, str(own)))
            present = [group for group in groups if group.ready()]
            take_turns(present, plan.turns, where, progress)
        finally:
            for group in groups:
                group.kill()
