"""Training steps that no hook looks at, where other processes take steps of the same training."""

import time
from typing import Any

import tensorflow as tf

from tf_estimator._tf import direct_call
from tf_estimator.cluster.watch import StepTimes
from tf_estimator.engine.graph import global_step_after
from tf_estimator.engine.steps.single import Done, Steps, retold


class SharedSteps(Steps):
    """Takes each step with a call of the session, prepared once, and sees how far all are.

    Where other workers move the global step as well, nobody knows before a step what it will be
    after it. So it is read with each step, and the last of the steps is the one after which the
    next would go too far, if others take as many meanwhile as in this one. That one is then looked
    at, as it would be if hooks looked at every step.

    Args:
        train_op: what takes a step, an Operation or a Tensor.
        loss: of the step, a Tensor.
        global_step: a variable.

    Attributes:
        times: told of each step, so that one that does not end is noticed.
    """

    alone = False

    def __init__(
        self, train_op: tf.Operation | tf.Tensor, loss: tf.Tensor, global_step: tf.Variable
    ) -> None:
        self._train_op, self._loss = getattr(train_op, "op", train_op), loss
        self._global_step = global_step
        self._step_after = global_step_after(train_op, global_step)
        self._session: tf.compat.v1.Session | None = None
        self._moved = 1  # by the last step
        self._done = 0
        self._last_loss: Any = None
        self.times = StepTimes()

    def run(self, session: tf.compat.v1.Session, steps: int, deadline: float) -> Done:
        """Takes steps until the next may take the global step on by more than `steps`; see Steps.

        It may take none.
        """
        if session is not self._session:
            self._step = direct_call(
                session,
                [],
                [self._loss, self._step_after],
                targets=[self._train_op],
                in_caller=False,  # What others send comes in on TensorFlow's threads.
            )
            self._read = session.make_callable(self._global_step)
            self._session = session
        try:
            return self._steps(steps, deadline)
        except tf.errors.OutOfRangeError:
            raise
        except tf.errors.OpError as error:
            raise retold(error, session.graph) from None

    def last_loss(self) -> Any:
        """See Steps."""
        return self._last_loss

    def steps_before_end(self, moved: int) -> int:
        """See Steps."""
        return self._done

    def _steps(self, steps: int, deadline: float) -> Done:
        times = self.times
        times.begins()
        at = int(self._read())
        times.ends()
        until = at + steps
        self._done, loss = 0, None
        while at + self._moved <= until:
            before = at
            times.begins()
            loss, at = self._step()
            times.ends()
            self._moved = max(1, at - before)
            self._done += 1
            self._last_loss = loss
            # Only NaN differs from itself.
            if loss != loss or time.time() >= deadline:  # noqa: PLR0124
                break
        return Done(self._done, loss, int(at))
