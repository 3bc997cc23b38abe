"""The hooks that report while training: TensorFlow's, without a run of the session of their own.

Each of them runs the session once more for the global step whenever it reports, which takes about
as long as a step of a small model. Here they are told what was read with the step.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine.graph import global_step_read
from tf_estimator.engine.steps.looks import LooksAsItsBase


class _Reports(LooksAsItsBase, v1.train.SessionRunHook):
    """Goes before one of TensorFlow's hooks among the bases of a class.

    Args:
        step: gives the global step after the step that was just run.
        **options: of that hook.
    """

    def __init__(self, step: Callable[[], int], **options: Any) -> None:
        super().__init__(**options)
        self._step = step

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Reports, if it is time."""
        told = _Told(run_context.session, self._step)
        context = v1.train.SessionRunContext(run_context.original_args, told)
        super().after_run(context, run_values)


class StepCounter(_Reports, v1.train.StepCounterHook):
    """Writes and logs how many steps there are in a second."""

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Reports, if it is time."""
        # What it read with the run may be the step before it or after it, where variables are on
        # parameter servers; and of two in a row that are the same it warns.
        super().after_run(run_context, run_values._replace(results=self._step() - 1))


class SummarySaver(_Reports, v1.train.SummarySaverHook):
    """Writes the summaries."""


class _Told:
    """Answers in the place of a session, if it is asked for the global step.

    Args:
        session: answers everything else.
        step: gives the answer.
    """

    def __init__(self, session: tf.compat.v1.Session, step: Callable[[], int]) -> None:
        self._session, self._step = session, step

    def run(self, fetches: Any, *args: Any, **options: Any) -> Any:
        if fetches is global_step_read():
            return self._step()
        return self._session.run(fetches, *args, **options)
