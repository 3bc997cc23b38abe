"""The rules: what they answer, and the reason they give."""

import re

import pytest

from tf_estimator.training import rules


def test_a_verdict_is_a_value():
    verdict = rules.max_steps_reached(1, 2)
    assert len({verdict, rules.max_steps_reached(1, 2)}) == 1
    with pytest.raises(AttributeError):
        verdict.holds = True


@pytest.mark.parametrize(
    ("step", "max_steps", "holds", "reason"),
    [
        (22, 22, True, "global step 22 has reached max_steps, 22"),
        (23, 22, True, "global step 23 has reached max_steps, 22"),
        (21, 22, False, "global step 21 is before max_steps, 22"),
        (0, 1, False, "global step 0 is before max_steps, 1"),
        (5, None, False, "there is no max_steps, so global step 5 may not be the last"),
        (None, 22, False, "no checkpoint was evaluated yet"),
        (None, None, False, "no checkpoint was evaluated yet"),
    ],
)
def test_max_steps_reached(step, max_steps, holds, reason):
    verdict = rules.max_steps_reached(step, max_steps)
    assert verdict == rules.Verdict(holds, reason)
    assert bool(verdict) is holds


@pytest.mark.parametrize(
    ("step", "last_step", "elapsed", "throttle", "due", "reason"),
    [
        (10, None, None, 600, True, "first"),
        (10, None, 5.0, 600, True, "first"),
        (10, 5, None, 600, True, "first"),
        (10, 10, 1000.0, 600, False, "global step 10 is evaluated already"),
        (20, 10, 599.0, 600, False, "began 599 s ago, less than throttle_secs, 600"),
        (20, 10, 600.0, 600, True, "began 600 s ago, at least"),
        (20, 10, 0.0, 0, True, "at least throttle_secs, 0"),
        (10, 20, 700.0, 600, True, "at least"),
    ],
)
def test_evaluation_due(step, last_step, elapsed, throttle, due, reason):
    verdict = rules.evaluation_due(step, last_step, elapsed, throttle)
    assert bool(verdict) is due
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("step", "max_steps", "reason"),
    [
        (22, 22, "global step 22 has reached max_steps, 22"),
        (13, 22, "the input ended, or .* at global step 13, before max_steps, 22"),
        (13, None, "the input ended, or .* at global step 13$"),
    ],
)
def test_training_end(step, max_steps, reason):
    assert re.match(reason, rules.training_end(step, max_steps))


@pytest.mark.parametrize(
    ("step", "last_step", "every", "max_steps", "due", "reason"),
    [
        # Every checkpoint.
        (0, None, None, None, True, "global step 0 is new, and every checkpoint is evaluated"),
        (20, 10, None, 22, True, "global step 20 is new"),
        (20, 20, None, None, False, "global step 20 is not after the last one, 20"),
        (10, 20, None, None, False, "global step 10 is not after the last one, 20"),
        # Every 10 steps.
        (0, None, 10, None, False, "global step 0 is before 10, the next multiple of every_n_st"),
        (9, None, 10, None, False, "before 10"),
        (10, None, 10, None, True, "has reached 10, a multiple of every_n_steps, 10"),
        (13, 3, 10, None, True, "global step 13 has reached 10"),
        (19, 10, 10, None, False, "before 20"),
        (20, 10, 10, None, True, "has reached 20"),
        (20, 19, 10, None, True, "has reached 20"),
        (45, 13, 10, None, True, "has reached 40"),
        (20, 20, 10, None, False, "not after"),
        (12, 25, 10, None, False, "not after"),
        # The end is evaluated in any case, but once.
        (22, 20, 10, 22, True, "global step 22 has reached max_steps, 22"),
        (22, 20, 10, 23, False, "before 30"),
        (22, 22, 10, 22, False, "not after"),
    ],
)
def test_checkpoint_due(step, last_step, every, max_steps, due, reason):
    verdict = rules.checkpoint_due(step, last_step, every, max_steps=max_steps)
    assert bool(verdict) is due
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("now", "throttle", "found", "next_time"),
    [
        (120, 60, True, 160),
        (170, 60, True, 170),
        (120, 60, False, 160),
        (159.5, 60, False, 160.5),
        (100, 0, True, 100),
        (100, 0, False, 101),
        (120, float("inf"), True, float("inf")),
    ],
)
def test_next_look(now, throttle, found, next_time):
    assert rules.next_look(100, now, throttle, found=found) == next_time
