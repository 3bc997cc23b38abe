"""Votes: what one of the workers knows, all of them hear in the step in which it says so."""

import enum
import zlib
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_estimator._tf import v1


class Outcome(NamedTuple):
    """What a step has shown.

    Attributes:
        stop: whether a hook of any worker wants to stop.
        save: whether it is time to save.
        last: whether the input of any worker has no further batches.
    """

    stop: bool
    save: bool
    last: bool


class Problem(enum.Enum):
    """What keeps workers from going on together, as far as they can tell each other."""

    ONE_HAS_FAILED = "one has failed"
    NOT_THE_SAME = "not all do the same"


class Votes:
    """Operations that add up what all workers say. All workers make them at the same place.

    They are in every step. Whoever runs something else that waits for other workers, or ends, runs
    them before that: so workers that do not do the same find it out, in place of waiting.

    Args:
        strategy: the one at work, with its scope entered.
        goes_on: whether there are batches for another step, a bool Tensor that is read with those
            of this one.

    Attributes:
        outcome: to be fetched with each step.
    """

    def __init__(self, strategy: Any, goes_on: tf.Tensor) -> None:
        with v1.name_scope("votes"):
            self._given = v1.placeholder_with_default(tf.zeros([2], tf.float64), [2], name="given")
            self._about = v1.placeholder_with_default(tf.zeros([2], tf.float64), [2], name="about")
            # It is fed where no batch is to be read.
            self._last = tf.cast(tf.logical_not(goes_on), tf.float64, name="last")
            said = tf.concat([self._given, [self._last], self._about], 0)
            total = tf.identity(_sum(strategy, said), name="total")
            workers = tf.constant(strategy.num_replicas_in_sync, tf.float64)
            failed = tf.raw_ops.Assert(
                condition=tf.equal(total[3], 0.0), data=[total], name="none_has_failed"
            )
            with tf.control_dependencies([failed]):
                same = tf.raw_ops.Assert(
                    condition=tf.equal(total[4], workers * self._about[1]),
                    data=[total],
                    name="all_do_the_same",
                )
            with tf.control_dependencies([same]):
                self.outcome = tf.identity(total[:3], name="outcome")
        self._failed, self._same = failed.name, same.name

    def given(self, *, stop: bool, save: bool) -> dict[tf.Tensor, Any]:
        """What to feed to a step.

        Args:
            stop: whether a hook here wants to stop.
            save: whether it is time to save.
        """
        return {self._given: np.array([stop, save], np.float64)}

    def about(self, what: str, *, has_failed: bool = False) -> dict[tf.Tensor, Any]:
        """What to feed in order to do the same as all others, or to find out that it is not so.

        Args:
            what: names what is about to be done.
            has_failed: whether this worker can do nothing any more.
        """
        number = zlib.crc32(what.encode())  # The sum of these is exact.
        return {self._about: np.array([has_failed, number], np.float64)}

    def without_batch(self) -> dict[tf.Tensor, Any]:
        """What to feed in order to vote without a step."""
        return {self._last: 0.0}

    def problem(self, error: tf.errors.OpError) -> Problem | None:
        """What the workers have found out in a run that failed; None if it failed otherwise.

        Args:
            error: of the run.
        """
        if not isinstance(error, tf.errors.InvalidArgumentError):
            return None
        name = error.op.name if error.op is not None else error.message
        if self._failed in name:
            return Problem.ONE_HAS_FAILED
        return Problem.NOT_THE_SAME if self._same in name else None


def heard(outcome: Any) -> Outcome:
    """What a value of `Votes.outcome` says."""
    return Outcome(*(bool(votes > 0) for votes in outcome))


def _sum(strategy: Any, value: tf.Tensor) -> tf.Tensor:
    # A function of ours needs no translation, and one that is made here has none.
    said = strategy.run(tf.autograph.experimental.do_not_convert(lambda: tf.identity(value)))
    return tf.identity(strategy.reduce(tf.distribute.ReduceOp.SUM, said, axis=None))
