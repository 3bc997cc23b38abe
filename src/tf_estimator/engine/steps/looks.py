"""When the hooks of a training next have to look; the steps until then can be taken without them.

A hook says so itself, by a method that Estimator asks between two steps::

    def next_look(self, global_step: int) -> int | None:

With `global_step` steps done, it returns the number of the first step that the hook has to be run
around, at least `global_step + 1`, which is the next one (step s takes the global step from s - 1
to s); or None for none that it knows of now. It is asked again after every look, and at least ten
times a second, so a hook that goes by the clock returns the next step once its time has come. To be
asked changes nothing: it may be asked once, twice, or not at all, and it may be run around more
steps than it wants. A hook that counts its runs also has `after_skipped_steps(self, steps: int)`,
which tells it how many steps were taken without it.

The hooks of `tf.compat.v1.train` have no such method, and are known here. One that nothing is known
of looks at every step.
"""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _tf
from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator._tf import logger, v1

# From the global step to the step of the next look.
Look = Callable[[int], int | None]

# A step that no training reaches.
_FAR = 2**62


class Looks:
    """The next look of any of the hooks, and what they are told of the steps in between.

    The first step is always looked at: it shows how training moves the global step. Where that is
    by other than one a step, no look can be foretold, and all steps are looked at. Not so where
    other processes move it as well: who takes the steps then sees where it is after each.

    Args:
        hooks: those of a session that is open: some know only then when they look.
        loss: the loss that training watches for NaN itself; a NanTensorHook need not.
        alone: whether no other process moves the global step.

    Attributes:
        at_every_step: the hooks that look at every step.
        takes_single_steps: whether all steps are looked at from now on: there is no need to ask.
    """

    def __init__(
        self,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook],
        loss: tf.Tensor,
        *,
        alone: bool = True,
    ) -> None:
        self._alone = alone
        looks = [look_of(hook, loss) for hook in hooks]
        self.at_every_step = [
            hook for hook, look in zip(hooks, looks, strict=True) if look is every_step
        ]
        self.takes_single_steps = bool(self.at_every_step)
        self._looks = [look for look in looks if look is not never]
        self._counting = [hook for hook in hooks if isinstance(hook, _COUNTING)]
        own = (_method(hook, "after_skipped_steps") for hook in hooks)
        self._tell = [tell for tell in own if tell is not None]
        self._asked: int | None = None
        self._answer: int | None = None
        self._skipped = 0

    def next(self, global_step: int) -> int | None:
        """The first step that a hook has to be run around; None for none known now.

        Args:
            global_step: of the steps that are done. Something has to have run since the last call.

        Raises:
            TypeError: a `next_look` returned neither an integer nor None.
            ValueError: a `next_look` returned a step that is done.
        """
        if self.takes_single_steps:
            return global_step + 1
        if self._is_first(global_step) or not self._moved_by_one(global_step):
            self._answer = global_step + 1
        else:
            self._answer = self._nearest(global_step)
        self._asked, self._skipped = global_step, 0
        return self._answer

    def skipped(self, steps: int, global_step: int | None = None) -> None:
        """Tells the hooks that so many steps were taken without them since the last `next`.

        Args:
            steps: by this process.
            global_step: that after them; None if nobody else took any.
        """
        if self._asked is None or not steps:
            return
        self._skipped += steps
        if global_step is None:
            global_step = self._asked + self._skipped
        for hook in self._counting:
            _tf.skip_steps_of_hook(hook, steps, global_step)
        for tell in self._tell:
            tell(steps)

    def _is_first(self, global_step: int) -> bool:
        # It goes back when a session was lost, and training begins anew from a checkpoint.
        return self._asked is None or global_step < self._asked

    def _moved_by_one(self, global_step: int) -> bool:
        assert self._asked is not None
        if not self._alone:
            return True
        moved = global_step - self._asked - self._skipped
        if moved == 1 or (moved == 0 and self._answer != self._asked + 1):
            return True
        self.takes_single_steps = True
        logger.info(
            "Hooks look at every step: the global step went from %d to %d, and not by one a step.",
            self._asked,
            global_step,
        )
        return False

    def _nearest(self, global_step: int) -> int | None:
        nearest: int | None = None
        for look in self._looks:
            step = look(global_step)
            if step is not None and (nearest is None or step < nearest):
                nearest = step
                if step == global_step + 1:
                    break
        return nearest


class LooksAsItsBase:
    """Of a hook here that overrides a method of one of TensorFlow's, and looks when that does."""


def look_of(hook: tf.compat.v1.train.SessionRunHook, loss: tf.Tensor) -> Look:
    """When a hook looks: from the global step to the next step it has to be run around, or None.

    Args:
        hook: one of a session that is open.
        loss: see `Looks`.

    Returns:
        `every_step` or `never` themselves where it is one of these, whatever the step.
    """
    own = _method(hook, "next_look")
    if own is not None:
        return _checked(type(hook).__name__, own)
    if _runs_as(hook, v1.train.SessionRunHook):
        return never
    for kind, known in _KNOWN.items():
        if _runs_as(hook, kind):
            try:
                return known(hook, loss)
            except AttributeError:  # This TensorFlow's hook is of another make.
                return every_step
    return every_step


def every_step(global_step: int) -> int:
    """Looks at the next step, whichever it is."""
    return global_step + 1


def never(global_step: int) -> None:
    """Does not look."""


def _method(hook: tf.compat.v1.train.SessionRunHook, name: str) -> Callable[[int], Any] | None:
    method = getattr(hook, name, None)
    return method if callable(method) else None


def _runs_as(hook: tf.compat.v1.train.SessionRunHook, kind: type) -> bool:
    """Whether a hook is run as one of this class: it, or one that overrides neither method."""
    if isinstance(hook, LooksAsItsBase):
        return isinstance(hook, kind) and kind is not v1.train.SessionRunHook
    return all(
        getattr(getattr(hook, name), "__func__", None) is getattr(kind, name)
        for name in ("before_run", "after_run")
    )


def _checked(name: str, next_look: Callable[[int], Any]) -> Look:
    def look(global_step: int) -> int | None:
        step = next_look(global_step)
        if step is None:
            return None
        rule = f"must return the number of a step after {global_step}, or None for none it knows of"
        if not isinstance(step, numbers.Integral) or isinstance(step, bool):
            raise wrong_type(f"{name}.next_look", rule, step)
        if step <= global_step:
            raise wrong_value(f"{name}.next_look", rule, step)
        return int(step)

    return look


def _by_global_step(hook: Any, loss: tf.Tensor) -> Look:
    """A hook whose timer goes by the global step after the run."""
    del loss
    timer = _tf.state_of_hook(hook, "timer")
    if not _tf.triggers_by_distance(timer):
        return every_step
    return lambda global_step: _first_trigger(timer, global_step + 1)


def _by_own_step(hook: Any, loss: tf.Tensor) -> Look:
    """SummarySaverHook, ProfilerHook: the timer goes by a step that they keep from their last run.

    That is the step of their next run, but for the first run.
    """
    by_timer = _by_global_step(hook, loss)
    if by_timer is every_step:
        return every_step
    _tf.state_of_hook(hook, "next_step")

    def look(global_step: int) -> int | None:
        if _tf.state_of_hook(hook, "next_step") is None:
            return global_step + 1
        return by_timer(global_step)

    return look


def _by_count(hook: Any, loss: tf.Tensor) -> Look:
    """LoggingTensorHook: its timer goes by the runs so far."""
    del loss
    timer = _tf.state_of_hook(hook, "timer")
    if not _tf.triggers_by_distance(timer):
        return every_step
    _tf.state_of_hook(hook, "iter_count")

    def look(global_step: int) -> int | None:
        runs = _tf.state_of_hook(hook, "iter_count")
        first = _first_trigger(timer, runs)
        return None if first is None else global_step + 1 + first - runs

    return look


def _at_last_step(hook: Any, loss: tf.Tensor) -> Look:
    """StopAtStepHook."""
    del loss
    last = _tf.state_of_hook(hook, "last_step")
    if last is None:  # It is known once there is a session.
        return every_step
    last = math.ceil(last) if last < _FAR else _FAR
    return lambda global_step: max(last, global_step + 1)


def _on_nan(hook: Any, loss: tf.Tensor) -> Look:
    """NanTensorHook: the loop ends at a NaN of the loss with the same error."""
    watches_loss = _tf.state_of_hook(hook, "loss_tensor") is loss
    return never if watches_loss and _tf.state_of_hook(hook, "fail_on_nan_loss") else every_step


def _until_started(hook: Any, loss: tf.Tensor) -> Look:
    """GlobalStepWaiterHook: it waits before its first run, and that is all."""
    del loss
    _tf.state_of_hook(hook, "worker_is_started")

    def look(global_step: int) -> int | None:
        return None if _tf.state_of_hook(hook, "worker_is_started") else global_step + 1

    return look


def _first_trigger(timer: tf.compat.v1.train.SecondOrStepTimer, start: int) -> int | None:
    """The first number from `start` on that a timer triggers for; None if it is not time yet."""
    triggers = timer.should_trigger_for_step
    if triggers(start):
        return start
    if not triggers(_FAR):  # By the clock, or never.
        return None
    none, some = start, start + 1
    while not triggers(some):
        none, some = some, some + 2 * (some - none)
    while some - none > 1:
        middle = (none + some) // 2
        if triggers(middle):
            some = middle
        else:
            none = middle
    return some


_KNOWN: dict[type, Callable[[Any, tf.Tensor], Look]] = {
    v1.train.StopAtStepHook: _at_last_step,
    v1.train.LoggingTensorHook: _by_count,
    v1.train.StepCounterHook: _by_global_step,
    v1.train.CheckpointSaverHook: _by_global_step,
    v1.train.SummarySaverHook: _by_own_step,
    v1.train.ProfilerHook: _by_own_step,
    v1.train.NanTensorHook: _on_nan,
    v1.train.GlobalStepWaiterHook: _until_started,
}
_COUNTING = (v1.train.LoggingTensorHook, v1.train.SummarySaverHook, v1.train.ProfilerHook)
