"""How far training is: one live line on a terminal, plain lines everywhere else."""

import logging
import os
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

    A terminal gets one line that is redrawn; log records appear above it. Anything else, such as a file,
    gets a line every ten seconds. Either ends with a line for the whole of the training.

    Args:
        max_steps: the global step that training ends at, as for `Estimator.train`.
        steps: how many steps are added, as for `Estimator.train`. Without either of them there is no
            bar and no time left.
        loss: the scalar tensor to show, or its name. Default: the last one in the collection LOSSES,
            where Estimator puts the loss it trains on.
        every_secs: seconds between lines. Default: 0.2 on a terminal, else 10.
        stream: where to write. Default: `sys.stderr`.
        clock: gives the time in seconds.

    Raises:
        ValueError: both of max_steps and steps are given, or one is not positive.

    Example:
        `estimator.train(input_fn, hooks=[ProgressHook(max_steps=1000)], max_steps=1000)` shows
        `step 400/1000 [########............]  40%  312 steps/s  loss 0.1234  ETA 0:02`
    """

    def __init__(
        self,
        max_steps: int | None = None,
        *,
        steps: int | None = None,
        loss: tf.Tensor | str | None = None,
        every_secs: float | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if steps is not None and max_steps is not None:
            raise ValueError(
                f"steps and max_steps must not both be given; received {steps} and {max_steps}."
            )
        self._max_steps = _checks.positive_or_none("max_steps", max_steps)
        self._steps = _checks.positive_or_none("steps", steps)
        self._given_loss, self._given_secs, self._given_stream = loss, every_secs, stream
        self._clock = clock

    def begin(self) -> None:
        """Finds the global step and the loss in the graph, and looks what the stream is."""
        self._step_tensor = v1.train.get_global_step()
        if self._step_tensor is None:
            raise RuntimeError("There must be a global step to show progress; this graph has none.")
        loss = self._given_loss
        if isinstance(loss, str):
            loss = v1.get_default_graph().get_tensor_by_name(loss if ":" in loss else f"{loss}:0")
        self._loss_tensor = next(reversed(v1.losses_in_graph()), None) if loss is None else loss
        self._loss: Any = None
        self._line = _Line(sys.stderr if self._given_stream is None else self._given_stream)
        usual_secs = 0.2 if self._line.is_live else 10.0
        self._every = usual_secs if self._given_secs is None else self._given_secs
        self._total = self._max_steps

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Notes where training goes on from, and has the line end with the session."""
        if self._total is None and self._steps is not None:
            self._total = int(session.run(self._step_tensor)) + self._steps
        self._start = self._clock()
        # The first step is left out of the rate: it waits for the graph to be set up.
        self._first: tuple[int, float] | None = None
        self._line.end_with(coord)

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs | None:
        """Asks for the loss. Estimator does so anyway, so that it costs nothing."""
        del run_context
        return None if self._loss_tensor is None else v1.train.SessionRunArgs(self._loss_tensor)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Keeps the loss and, when it is time, writes a line."""
        self._loss, now = run_values.results, self._clock()
        if self._first is None:
            self._first = self._last = int(run_context.session.run(self._step_tensor)), now
            self._rate = 0.0
            self._due = now if self._line.is_live else now + self._every
        if now >= self._due:
            self._due = now + self._every
            step, (last_step, last) = int(run_context.session.run(self._step_tensor)), self._last
            if now > last:
                rate = (step - last_step) / (now - last)
                self._rate = 0.7 * self._rate + 0.3 * rate if self._rate else rate
                self._last = step, now
            self._line.write(self._describe(step, self._rate, self._time_left(step)))

    def end(self, session: tf.compat.v1.Session) -> None:
        """Writes the last line: the mean rate, and how long it all took."""
        if self._first is not None:
            step, now = int(session.run(self._step_tensor)), self._clock()
            first_step, first = self._first
            rate = (step - first_step) / (now - first) if now > first else 0.0
            self._line.write(self._describe(step, rate, f"took {_minutes(now - self._start)}"))
        self._line.end()
