"""Votes: what one of the workers knows, all of them hear in the step in which it says so."""

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


class Votes:
    """Operations that add up what all workers say. All workers make them at the same place.

    Args:
        strategy: the one at work, with its scope entered.
        goes_on: whether there are batches for another step, a bool Tensor that is read with those
            of this one.

    Attributes:
        workers: how many replicas there are, of all workers.
        outcome: to be fetched with each step.
    """

    def __init__(self, strategy: Any, goes_on: tf.Tensor) -> None:
        self.workers: int = strategy.num_replicas_in_sync
        with v1.name_scope("votes"):
            zeros = tf.constant([0.0, 0.0], tf.float64)
            self._given = v1.placeholder_with_default(zeros, [2], name="given")
            last = tf.cast(tf.logical_not(goes_on), tf.float64)
            self.outcome = _sum(strategy, tf.concat([self._given, [last]], 0))
            self._number = v1.placeholder(tf.float64, [], name="number")
            self._numbers = _sum(strategy, self._number)

    def given(self, *, stop: bool, save: bool) -> dict[tf.Tensor, Any]:
        """What to feed to a step.

        Args:
            stop: whether a hook here wants to stop.
            save: whether it is time to save.
        """
        return {self._given: np.array([stop, save], np.float64)}

    def are_equal(self, session: tf.compat.v1.Session, number: int) -> bool:
        """Whether all workers have this number, as far as this one can tell; all have to ask.

        Where they have not, at least one of them is told.

        Args:
            session: of this worker.
            number: of this worker.
        """
        total = session.run(self._numbers, {self._number: float(number)})
        return bool(total == self.workers * float(number))


def heard(outcome: Any) -> Outcome:
    """What a value of `Votes.outcome` says."""
    return Outcome(*(bool(votes > 0) for votes in outcome))


def _sum(strategy: Any, value: tf.Tensor) -> tf.Tensor:
    # A function of ours needs no translation, and one that is made here has none.
    said = strategy.run(tf.autograph.experimental.do_not_convert(lambda: tf.identity(value)))
    return tf.identity(strategy.reduce(tf.distribute.ReduceOp.SUM, said, axis=None))
