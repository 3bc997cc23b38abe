"""How far training is: one live line on a terminal, plain lines everywhere else."""

import datetime as dt
import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1


class ProgressHook(tf.compat.v1.train.SessionRunHook):
    """Shows the step, the steps per second, the loss and the time left while training. Ours.

    A terminal gets one line that is redrawn; log records appear above it. A file or a pipe gets a
    line every ten seconds. Both get a last line with the mean rate and the time it took.

    Args:
        max_steps: the global step that training ends at, as for `Estimator.train`.
        steps: or how many steps are added. Without either there is no bar and no time left.
        loss: the scalar tensor to show, or its name. Default: the last one in the collection
            LOSSES, where Estimator puts the loss it trains on.
        stream: where to write. Default: `sys.stderr`.
        clock: gives the time in seconds.

    Raises:
        ValueError: both of max_steps and steps are given, or one is not positive.

    Example:
        `estimator.train(input_fn, hooks=[ProgressHook(max_steps=1000)], max_steps=1000)` shows
        `step  400/1000 [########............]  40%  312 steps/s  loss 0.123  ETA 00:02`
    """

    def __init__(
        self,
        max_steps: int | None = None,
        *,
        steps: int | None = None,
        loss: tf.Tensor | str | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if steps is not None and max_steps is not None:
            raise _checks.wrong_value("steps", "must be None if max_steps is given", steps)
        self._max_steps = _checks.positive_or_none("max_steps", max_steps)
        self._steps = _checks.positive_or_none("steps", steps)
        self._given_loss, self._stream, self._clock = loss, stream, clock

    def begin(self) -> None:
        """Finds the global step and the loss in the graph."""
        self._step = v1.train.get_global_step()
        if self._step is None:
            raise RuntimeError("There must be a global step to show progress; this graph has none.")
        losses = v1.get_collection(v1.GraphKeys.LOSSES) or [None]
        loss = losses[-1] if self._given_loss is None else self._given_loss
        self._fetches = v1.train.SessionRunArgs(loss)
        self._line = _Line(sys.stderr if self._stream is None else self._stream)
        self._every_secs = 0.2 if self._line.is_live else 10.0
        self._total = self._max_steps

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Notes where training goes on from, and has the line end with the session."""
        if self._total is None and self._steps is not None:
            self._total = int(session.run(self._step)) + self._steps
        self._start = self._clock()
        self._first: tuple[int, float] | None = None
        self._loss_step: int | None = None  # None: that of the newest step
        self._line.end_with(coord)

    def next_look(self, global_step: int) -> int | None:
        """The next step, when it is time."""
        if self._loss_step is None:
            self._loss_step = global_step
        is_time = self._first is None or self._clock() >= self._due
        return global_step + 1 if is_time else None

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        """Asks for the loss. Estimator does so anyway, so that it costs nothing."""
        del run_context
        return self._fetches

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Keeps the loss and, when it is time, writes a line."""
        self._loss, self._loss_step, now = run_values.results, None, self._clock()
        if self._first is None:
            # Rates count from here: the first step takes much longer, it sets up the graph.
            self._first = self._last = int(run_context.session.run(self._step)), now
            self._rate, self._due = 0.0, now if self._line.is_live else now + self._every_secs
        if now >= self._due:
            step, (last_step, last) = int(run_context.session.run(self._step)), self._last
            if now > last:
                rate = (step - last_step) / (now - last)
                self._rate = 0.7 * self._rate + 0.3 * rate if self._rate else rate
            self._last, self._due = (step, now), now + self._every_secs
            left = (self._total - step) / self._rate if self._total and self._rate else None
            self._write(step, self._rate, "" if left is None else f"ETA {_minutes(left)}")

    def end(self, session: tf.compat.v1.Session) -> None:
        """Writes the last line."""
        if self._first is not None:
            step, now = int(session.run(self._step)), self._clock()
            rate = (step - self._first[0]) / ((now - self._first[1]) or 1.0)
            self._write(step, rate, f"took {_minutes(now - self._start)}")
        self._line.end()

    def _write(self, step: int, rate: float, duration: str) -> None:
        head, tail, done = f"step {step}", "", None
        if self._total is not None:
            head, done = f"step {step:{len(str(self._total))}}/{self._total}", step / self._total
            tail = f" {int(100 * done):3}%"
        if rate:
            tail += f"  {rate:.0f} steps/s" if rate >= 10 else f"  {rate:.2f} steps/s"
        if self._loss is not None:
            loss = f"{float(self._loss):#.3g}".rstrip(".")  # zeros stay, so the width does too
            tail += f"  loss {loss}"
            # The input may end after steps that were taken without this hook.
            if self._loss_step not in (None, step):
                tail += f" at step {self._loss_step}"
        self._line.write(head, f"{tail}  {duration}".rstrip(), done)


def _minutes(seconds: float) -> str:
    return str(dt.timedelta(seconds=max(round(seconds), 0))).removeprefix("0:")


class _Line:
    """The line: redrawn in its place on a terminal, else each time a new one."""

    def __init__(self, stream: TextIO) -> None:
        self.is_live, self._stream = stream.isatty(), stream
        self._width = 0  # of what is drawn now
        self._handlers: list[logging.Handler] = []

    def write(self, head: str, tail: str, done: float | None = None) -> None:
        """Writes head and tail; on a terminal with a bar between them if a `done` part is given."""
        if not self.is_live:
            print(head + tail, file=self._stream, flush=True)
            return
        if not self._handlers:
            self._handlers = [*tf.get_logger().handlers, *logging.getLogger().handlers]
            for handler in self._handlers:
                handler.addFilter(self._make_way)
        # A line that fills its row would wrap, and then could not be redrawn.
        room = shutil.get_terminal_size().columns - 1
        bar_width = min(room - len(head) - len(tail) - 3, 20)
        if done is not None and bar_width > 0:
            head += f" [{'#' * int(bar_width * min(done, 1)):.<{bar_width}}]"
        text = (head + tail)[:room]
        print(f"\r{text.ljust(self._width)}", end="", file=self._stream, flush=True)
        self._width = len(text)

    def end(self) -> None:
        """Leaves the line where it is, and the cursor below it."""
        for handler in self._handlers:
            handler.removeFilter(self._make_way)
        self._handlers = []
        if self._width:
            self._width = 0
            print(file=self._stream, flush=True)

    def end_with(self, coord: tf.train.Coordinator) -> None:
        """Ends the line when the session closes on an error, of which no hook is told.

        The session's coordinator stops on every way out, and waits for the threads it knows.
        """

        def wait() -> None:
            coord.wait_for_stop()
            self.end()

        if self.is_live:
            thread = threading.Thread(target=wait, name="end of the progress line", daemon=True)
            coord.register_thread(thread)
            thread.start()

    def _make_way(self, record: logging.LogRecord) -> bool:
        """A filter for log handlers, which lets all pass and erases the line before each."""
        del record
        if self._width:
            print(f"\r{' ' * self._width}\r", end="", file=self._stream, flush=True)
            self._width = 0
        return True
