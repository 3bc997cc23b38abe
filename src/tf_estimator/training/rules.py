"""When an evaluation is due and when a job is done: pure predicates that say why."""

import dataclasses
from typing import Final

# How long an evaluator that does not wait for its throttle waits when there is nothing new, not to
# load the disk.
_LEAST_POLL_SECS: Final = 1.0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer of a rule, which is true or false, and its reason.

    Attributes:
        holds: the answer; `bool(verdict)` is the same.
        reason: why, as a sentence without its full stop.

    Example:
        >>> verdict = max_steps_reached(22, 22)
        >>> bool(verdict), verdict.reason
        (True, 'global step 22 has reached max_steps, 22')
    """

    holds: bool
    reason: str

    def __bool__(self) -> bool:
        return self.holds


def max_steps_reached(step: int | None, max_steps: int | None) -> Verdict:
    """Whether the job is done with the checkpoint of this step.

    Args:
        step: the global step that was evaluated; None if none was yet.
        max_steps: where training ends; None if only its input ends it.

    Example:
        >>> max_steps_reached(13, 22).reason
        'global step 13 is before max_steps, 22'
    """
    if step is None:
        return Verdict(False, "no checkpoint was evaluated yet")
    if max_steps is None:
        return Verdict(False, f"there is no max_steps, so global step {step} may not be the last")
    if step < max_steps:
        return Verdict(False, f"global step {step} is before max_steps, {max_steps}")
    return Verdict(True, f"global step {step} has reached max_steps, {max_steps}")


def evaluation_due(
    step: int, last_step: int | None, elapsed_secs: float | None, throttle_secs: float
) -> Verdict:
    """Whether the checkpoint of this step is to be evaluated while training goes on.

    Args:
        step: the global step that was saved.
        last_step: the one that was evaluated last; None before the first evaluation.
        elapsed_secs: the seconds since that evaluation began; None before the first.
        throttle_secs: the least time between the starts of two evaluations.

    Example:
        >>> evaluation_due(20, 10, 30.0, throttle_secs=600).reason
        'the last evaluation began 30 s ago, less than throttle_secs, 600'
    """
    if last_step is None or elapsed_secs is None:
        return Verdict(True, "it is the first evaluation")
    if step == last_step:
        return Verdict(False, f"global step {step} is evaluated already")
    began = f"the last evaluation began {elapsed_secs:.0f} s ago"
    if elapsed_secs < throttle_secs:
        return Verdict(False, f"{began}, less than throttle_secs, {throttle_secs}")
    return Verdict(True, f"{began}, at least throttle_secs, {throttle_secs}")


def checkpoint_due(
    step: int,
    last_step: int | None,
    every_n_steps: int | None = None,
    *,
    max_steps: int | None = None,
) -> Verdict:
    """Whether the checkpoint of this step is to be evaluated, whatever the clock says.

    Args:
        step: the global step of the checkpoint.
        last_step: the one that was evaluated last, or that training began at; None for neither.
        every_n_steps: evaluations belong to the multiples of it; None for every checkpoint.
        max_steps: where training ends, which is evaluated in any case; None if only its input ends
            it.

    Example:
        >>> checkpoint_due(1003, 501, every_n_steps=500).reason
        'global step 1003 has reached 1000, a multiple of every_n_steps, 500'
        >>> checkpoint_due(1003, 1001, every_n_steps=500).reason
        'global step 1003 is before 1500, the next multiple of every_n_steps, 500'
    """
    if last_step is not None and step <= last_step:
        return Verdict(False, f"global step {step} is not after the last one, {last_step}")
    if final := max_steps_reached(step, max_steps):
        return final
    if every_n_steps is None:
        return Verdict(True, f"global step {step} is new, and every checkpoint is evaluated")
    # A multiple counts once it is crossed: where several workers train, a save may be a step late.
    multiple = step // every_n_steps * every_n_steps
    of = f"multiple of every_n_steps, {every_n_steps}"
    if multiple > (last_step or 0):
        return Verdict(True, f"global step {step} has reached {multiple}, a {of}")
    following = multiple + every_n_steps
    return Verdict(False, f"global step {step} is before {following}, the next {of}")


def next_look(start: float, now: float, throttle_secs: float, *, found: bool) -> float:
    """When an evaluator looks for a checkpoint again, by its clock.

    Args:
        start: when it looked last.
        now: when it was done with that, the evaluation included.
        throttle_secs: the least time between two looks.
        found: whether there was something to evaluate.

    Example:
        >>> next_look(100.0, 120.0, throttle_secs=60, found=True)
        160.0
        >>> next_look(100.0, 120.0, throttle_secs=0, found=False)
        121.0
    """
    return max(start + throttle_secs, now if found else now + _LEAST_POLL_SECS)


def training_end(step: int, max_steps: int | None) -> str:
    """Why training ended at this step, as far as that can be told from the step.

    Args:
        step: the global step that training ended at.
        max_steps: where it would have ended by itself, or None.

    Example:
        >>> training_end(22, 22)
        'global step 22 has reached max_steps, 22'
    """
    verdict = max_steps_reached(step, max_steps)
    if verdict:
        return verdict.reason
    limit = "" if max_steps is None else f", before max_steps, {max_steps}"
    return f"the input ended, or a hook or listener asked to stop, at global step {step}{limit}"
