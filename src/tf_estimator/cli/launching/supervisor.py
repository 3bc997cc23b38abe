"""Starts the tasks of a cluster, shows what they write, starts some again, and ends all."""

import dataclasses
import math
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, final

from tf_estimator.cli.launching import rules, signals
from tf_estimator.cli.launching.plan import Task
from tf_estimator.cli.launching.process import Process
from tf_estimator.cli.launching.rules import Verdict
from tf_estimator.cli.launching.screen import Screen

# How often to look whether a process that was asked to end has.
_LOOK_SECS: Final = 0.1

# How long the parameter servers have to see that the job is done, in times of grace.
_PS_GRACES: Final = 3


@final
@dataclasses.dataclass(frozen=True)
class Settings:
    """How tasks are run.

    Attributes:
        command: the program and its arguments.
        environment: that of the tasks, but for TF_CONFIG.
        most_restarts: how often a task, or the gang, may start again.
        grace_secs: how long a task has to end before it is killed.
        is_gang: whether the training tasks only start together.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    most_restarts: int
    grace_secs: float
    is_gang: bool


@final
@dataclasses.dataclass(eq=False)
class Run:
    """A task over all of its lives.

    Attributes:
        task: what it is.
        process: what runs now, or still has to end.
        start_time: when it starts next, of the clock; None if it does not.
        seconds: how long it ran, all lives together.
        restarts: how often it was started again.
        code: how its last life ended, as of `subprocess`; None if it did not.
        was_stopped: whether the launcher ended its last life.
    """

    task: Task
    process: Process | None = None
    start_time: float | None = -math.inf
    seconds: float = 0.0
    restarts: int = 0
    code: int | None = None
    was_stopped: bool = False

    @property
    def trains(self) -> bool:
        """Whether it is a part of the cluster, which the evaluator is not."""
        return self.task.job != "evaluator"

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs, or will."""
        return self.process is None and self.start_time is None


@final
class Supervisor:
    """The tasks of a cluster from the first start to the last end.

    Args:
        tasks: what to start, in this order.
        settings: how.
        screen: shows what they write.
        clock: tells the time in seconds.

    Attributes:
        runs: what became of each of the tasks.
        status: the exit status of the job.
        reason: why it failed or was ended, in words; '' if all is well.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        settings: Settings,
        screen: Screen,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runs = [Run(task) for task in tasks]
        self.status = 0
        self.reason = ""
        self._settings, self._screen, self._clock = settings, screen, clock
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._is_ending = False
        self._gang_time: float | None = None
        self._ps_time: float | None = None

    def run(self) -> int:
        """Runs until all has ended; returns the exit status.

        until all tasks are over:
            start those whose time has come
            wait for something to read, a signal, or the next time
            of each that has ended: start it again, or all, or end all
            end the parameter servers if they outlive the others
        """
        with self._selector, signals.heard(self._hear) as woken:
            self._selector.register(woken, selectors.EVENT_READ)
            try:
                while not all(run.is_over for run in self.runs):
                    self._turn()
            finally:
                self._kill()
        return self.status

    def _turn(self) -> None:
        for run in self.runs:
            if run.start_time is not None and self._clock() >= run.start_time:
                self._start(run)
        self._wait()
        if self._signals:
            self._obey()
        for run in self.runs:
            self._look_at(run)
        self._restart_gang()
        self._end_parameter_servers()

    def _hear(self, number: int) -> None:
        """Is called for a signal, in the middle of anything."""
        self._signals.append(number)
        if len(self._signals) > 1:
            self._kill()

    def _obey(self) -> None:
        number = self._signals[0]
        name = rules.signal_name(number)
        if not self._is_ending:
            self._screen.say(f"{name}: all tasks are being ended; once more kills them.")
        self._end(rules.OF_SIGNAL + number, f"It was ended by {name}.")
        if len(self._signals) > 1:  # Once more, as a process may have been about to start.
            self._kill()

    def _wait(self) -> None:
        for key, _ in self._selector.select(self._next_look()):
            if key.data is None:
                key.fileobj.recv(4096)  # type: ignore[union-attr]
                continue
            key.data.read(key.fileobj)
            if key.fileobj not in key.data.pipes:
                self._selector.unregister(key.fileobj)

    def _next_look(self) -> float | None:
        """How long to wait at most, in seconds; None if only an event needs a look."""
        if any(run.process is not None and run.process.is_ending for run in self.runs):
            return _LOOK_SECS
        times = [self._ps_time, *(run.start_time for run in self.runs)]
        soonest = min((each for each in times if each is not None), default=math.inf)
        return None if soonest == math.inf else max(soonest - self._clock(), 0.0)

    def _start(self, run: Run) -> None:
        settings, name = self._settings, run.task.name
        run.start_time, run.code, run.was_stopped = None, None, False
        process = Process(
            settings.command,
            {**settings.environment, "TF_CONFIG": run.task.tf_config},
            lambda stream, line: self._screen.show(stream, name, line),
            self._clock,
        )
        run.process = process
        for pipe in process.pipes:
            self._selector.register(pipe, selectors.EVENT_READ, process)
        place = f" at {run.task.address}" if run.task.address else ""
        self._screen.say(f"{name} is process {process.pid}{place}")

    def _look_at(self, run: Run) -> None:
        process = run.process
        if process is None or not (process.has_ended() or process.is_ending):
            return
        if process.has_ended():
            process.stop(self._settings.grace_secs)  # What it started and left behind.
        if not process.is_gone():
            return
        for pipe in process.pipes:
            self._selector.unregister(pipe)
        process.close()
        run.process, run.code = None, process.code
        run.seconds += process.seconds
        if not run.was_stopped and not self._is_ending:
            self._judge(run, process.code or 0)

    def _judge(self, run: Run, code: int) -> None:
        """Does what the end of a task asks for."""
        if run.trains and self._gang_time is not None:
            return  # It starts again with the others.
        settings, status = self._settings, rules.exit_status(code)
        found = rules.verdict(
            status,
            run.task.job,
            run.restarts,
            most_restarts=settings.most_restarts,
            is_gang=settings.is_gang,
            is_done=any(each.task.job == "chief" and each.code == 0 for each in self.runs),
        )
        what = f"{run.task.name} {rules.ended(code)}"
        if found is Verdict.TOO_LATE:
            self._screen.say(f"{what} after the chief was done.")
            if not self.status:
                self.status, self.reason = status, f"{what} after the chief was done."
        elif found is Verdict.FAILED:
            why = rules.why_not_again(status, settings.most_restarts)
            self._screen.say(f"{what}{why}: all tasks are being ended.")
            self._end(status, f"{what}{why}.")
        elif found is not Verdict.DONE:
            self._again(run, what, with_gang=found is Verdict.ALL_AGAIN)

    def _again(self, run: Run, what: str, *, with_gang: bool) -> None:
        them = [each for each in self.runs if each.trains] if with_gang else [run]
        time = self._clock() + rules.delay_secs(run.restarts + 1)
        for each in them:
            each.restarts += 1
        who = f"all {len(them)} training tasks start" if len(them) > 1 else "it starts"
        count = f"restart {run.restarts} of {self._settings.most_restarts}"
        self._screen.say(f"{what}; {who} again ({count})")
        if with_gang:
            self._gang_time = time
            for each in them:
                self._stop(each)
        else:
            run.start_time = time

    def _restart_gang(self) -> None:
        """Starts the training tasks once the last of them is gone."""
        gang = [run for run in self.runs if run.trains]
        if self._gang_time is not None and not any(run.process for run in gang):
            for run in gang:
                run.start_time = self._gang_time
            self._gang_time = None

    def _end_parameter_servers(self) -> None:
        """Ends those that outlive all others, as programs of TensorFlow's own servers do."""
        servers = [run for run in self.runs if run.task.job == "ps" and run.process]
        if self._is_ending or not all(run.is_over for run in self.runs if run.task.job != "ps"):
            return
        if self._ps_time is None:
            self._ps_time = self._clock() + _PS_GRACES * self._settings.grace_secs
        elif servers and self._clock() >= self._ps_time:
            names = ", ".join(run.task.name for run in servers)
            self._screen.say(f"All others are done, and so {names} is ended.")
            for run in servers:
                self._stop(run)
            self._ps_time = math.inf

    def _end(self, status: int, reason: str) -> None:
        """Ends all tasks; the first reason counts."""
        if self._is_ending:
            return
        self._is_ending, self._gang_time = True, None
        self.status, self.reason = status, reason
        for run in self.runs:
            self._stop(run)

    def _stop(self, run: Run) -> None:
        run.start_time = None
        if run.process is not None and not run.process.has_ended():
            run.was_stopped = True
            run.process.stop(self._settings.grace_secs)

    def _kill(self) -> None:
        for run in self.runs:
            run.start_time = None
            if run.process is not None:
                run.was_stopped = run.was_stopped or not run.process.has_ended()
                run.process.kill()
