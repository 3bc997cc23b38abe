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


class StepCounter(LooksAsItsBase, v1.train.StepCounterHook):
    """Writes and logs how many steps there are in a second.

    Args:
        step: gives the global step after the step that was just run.
        **options: of a StepCounterHook.
    """

    def __init__(self, step: Callable[[], int], **options: Any) -> None:
        super().__init__(**options)
        self._step = step

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Reports, if it is time."""
        super().after_run(_told(run_context, self._step), run_values)


class SummarySaver(LooksAsItsBase, v1.train.SummarySaverHook):
    """Writes the summaries.

    Args:
        step: gives the global step after the step that was just run.
        **options: of a SummarySaverHook.
    """

    def __init__(self, step: Callable[[], int], **options: Any) -> None:
        super().__init__(**options)
        self._step = step

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Writes, if they were asked for."""
        super().after_run(_told(run_context, self._step), run_values)


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


def _told(run_context: Any, step: Callable[[], int]) -> tf.compat.v1.train.SessionRunContext:
    return v1.train.SessionRunContext(run_context.original_args, _Told(run_context.session, step))
