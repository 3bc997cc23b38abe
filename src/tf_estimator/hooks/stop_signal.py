"""How a run stops early: the chief asks when it is due, and a variable tells the other workers."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger, v1

# As the original has it, so that either goes on from the other's checkpoints.
_SCOPE, _NAME = "signal_early_stopping", "STOP"


class Due:
    """When to look again: at first at once, then after so many seconds or steps."""

    def __init__(
        self, every_secs: float | None, every_steps: int | None, clock: Callable[[], float]
    ) -> None:
        if every_secs is not None and every_steps is not None:
            raise _checks.wrong_value(
                "run_every_secs",
                "must be None if run_every_steps is given",
                every_secs,
                "Its default is 60: pass run_every_secs=None.",
            )
        if every_secs is None and every_steps is None:
            raise _checks.wrong_value(
                "run_every_secs", "must be given if run_every_steps is not", every_secs
            )
        if every_steps is None:
            self._every = _checks.not_negative("run_every_secs", every_secs)
        else:
            self._every = _checks.not_negative("run_every_steps", every_steps)
        _checks.callable_("clock", clock)
        self._clock = clock if every_steps is None else None
        self._last: float | None = None

    def restart(self) -> None:
        """The next look is the first."""
        self._last = None

    def at(self, step: int) -> bool:
        """Whether it is time now, if the global step is `step`."""
        return self._last is None or self._now(step) >= self._last + self._every

    def looked(self, step: int) -> None:
        """Counts from now on."""
        self._last = self._now(step)

    def next_look(self, step: int) -> int | None:
        """The first step after `step` that it will be time at; None if the clock does not say."""
        if self.at(step + 1):
            return step + 1
        if self._last is None or self._clock is not None:
            return None
        return math.ceil(self._last + self._every)

    def _now(self, step: int) -> float:
        return step if self._clock is None else self._clock()


class Signal:
    """The variable that says whether training has to stop, the same one for all hooks of a graph.

    Args:
        model_dir: where training goes on from.
    """

    def __init__(self, model_dir: str) -> None:
        self._model_dir = model_dir

    def in_graph(self) -> tf.Variable:
        """The variable in the default graph: made, or found. Hooks begin where the model's are."""
        # What is not in the checkpoint could not be restored, so it must not be asked for.
        saved = self._is_in_checkpoint()
        keys = v1.GraphKeys
        collection = keys.GLOBAL_VARIABLES if saved else keys.LOCAL_VARIABLES
        with v1.variable_scope(_SCOPE, reuse=v1.AUTO_REUSE):
            return v1.get_variable(
                _NAME,
                shape=[],
                dtype=tf.bool,
                initializer=v1.constant_initializer(False),
                trainable=False,
                collections=[collection],
                use_resource=True,
            )

    def _is_in_checkpoint(self) -> bool:
        latest = tf.train.latest_checkpoint(self._model_dir)
        if latest is None:
            return True
        try:
            return tf.train.load_checkpoint(latest).has_tensor(f"{_SCOPE}/{_NAME}")
        except tf.errors.OpError:  # It is damaged: whoever restores it says so better.
            return True


class StopOnRequest(v1.train.SessionRunHook):
    """The chief's: asks whether to stop when it is due, and gives the signal."""

    def __init__(
        self,
        signal: Signal,
        should_stop_fn: Callable[[], Any],
        due: Due,
        at_end: Callable[[], None] | None,
    ) -> None:
        self._signal, self._should_stop_fn, self._due = signal, should_stop_fn, due
        self._at_end = at_end

    def begin(self) -> None:
        """Adds the signal to the graph."""
        self._step = v1.train.get_global_step()
        if self._step is None:
            raise RuntimeError("There must be a global step to stop early; this graph has none.")
        stop = self._signal.in_graph()
        self._give_signal = v1.assign(stop, True).op
        self._take_back = v1.assign(stop, False).op
        self._due.restart()

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Takes back the signal of an earlier run."""
        del coord
        # A run that stopped early saved its signal, and the next one is to train.
        session.run(self._take_back)

    def next_look(self, global_step: int) -> int | None:
        """The step to ask whether to stop after."""
        return self._due.next_look(global_step)

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        """Asks for the step."""
        del run_context
        return v1.train.SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Asks whether to stop, if it is due, and stops."""
        # What was fetched may be the step before or after this run: near the time, read it again.
        if not self._due.at(int(run_values.results) + 1):
            return
        step = int(run_context.session.run(self._step))
        if not self._due.at(step):
            return
        self._due.looked(step)
        if self._should_stop_fn():
            logger.info("Early stopping is requested at global step %d.", step)
            run_context.session.run(self._give_signal)
            run_context.request_stop()

    def end(self, session: tf.compat.v1.Session) -> None:
        """Tells who wants to know that training is over."""
        del session
        if self._at_end is not None:
            self._at_end()


class StopOnSignal(v1.train.SessionRunHook):
    """Every other worker's: stops when the chief has given the signal.

    It has no `next_look`: the signal can come at any step.
    """

    def __init__(self, signal: Signal) -> None:
        self._signal = signal

    def begin(self) -> None:
        """Finds the signal in the graph."""
        self._stop = self._signal.in_graph()

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        """Asks for the signal."""
        del run_context
        return v1.train.SessionRunArgs(self._stop)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Stops if it was given."""
        if run_values.results:
            logger.info("The chief has requested early stopping.")
            run_context.request_stop()
