"""The rules: what they answer, and the reason they give."""

import re

import pytest

from tf_estimator.training import rules


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
