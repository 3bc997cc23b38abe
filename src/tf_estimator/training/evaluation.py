"""Evaluating the newest checkpoint and exporting it, alone or whenever a checkpoint is saved."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger, v1
from tf_estimator.estimator import Estimator
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.training import rules

_STEP = v1.GraphKeys.GLOBAL_STEP


class Evaluation(NamedTuple):
    """One evaluated checkpoint.

    Attributes:
        checkpoint_path: which.
        metrics: what `Estimator.evaluate` returned, `global_step` among it.
        exports: what each exporter returned, in the order of the EvalSpec.
    """

    checkpoint_path: str
    metrics: dict[str, Any]
    exports: list[Any]

    @property
    def step(self) -> int:
        """The global step of the checkpoint, read from inside it."""
        return int(self.metrics[_STEP])


class CheckpointEvaluator:
    """Evaluates checkpoints by an EvalSpec, each once, and lets its exporters export.

    Args:
        estimator: whose checkpoints.
        spec: how to evaluate, and what to export.
        max_steps: the global step whose evaluation is the final one; None if there is none.
    """

    def __init__(self, estimator: Estimator, spec: EvalSpec, max_steps: int | None) -> None:
        self._estimator = estimator
        self._spec = spec
        self._max_steps = max_steps
        self.last: Evaluation | None = None

    @property
    def done(self) -> rules.Verdict:
        """Whether what was evaluated last has reached max_steps."""
        step = None if self.last is None else self.last.step
        return rules.max_steps_reached(step, self._max_steps)

    def evaluate_newest(self) -> Evaluation | None:
        """Evaluates the newest checkpoint and exports it.

        Returns:
            The evaluation, also kept as `last`; None if there is no checkpoint, or it is the one
            that was evaluated last.

        Raises:
            TypeError: `evaluate` gave no dict.
            ValueError: it gave nothing, or no `global_step`.
        """
        path = self._estimator.latest_checkpoint()
        if path is None or (self.last is not None and path == self.last.checkpoint_path):
            return None
        spec = self._spec
        metrics = self._estimator.evaluate(
            input_fn=spec.input_fn,
            steps=spec.steps,
            name=spec.name,
            checkpoint_path=path,
            hooks=spec.hooks,
        )
        _check_metrics(metrics)
        is_final = bool(rules.max_steps_reached(int(metrics[_STEP]), self._max_steps))
        self.last = Evaluation(path, metrics, self._export(path, metrics, is_final))
        return self.last

    def _export(self, checkpoint_path: str, metrics: dict[str, Any], is_final: bool) -> list[Any]:
        folder = os.path.join(self._estimator.model_dir, "export")
        return [
            exporter.export(
                estimator=self._estimator,
                export_path=os.path.join(folder, exporter.name),
                checkpoint_path=checkpoint_path,
                eval_result=metrics,
                is_the_final_export=is_final,
            )
            for exporter in self._spec.exporters
        ]


def _check_metrics(metrics: Any) -> None:
    if not metrics:
        raise _checks.wrong_value("The result of Estimator.evaluate", "must not be empty", metrics)
    if not isinstance(metrics, dict):
        raise _checks.wrong_type("The result of Estimator.evaluate", "must be a dict", metrics)
    if _STEP not in metrics:
        raise _checks.wrong_value(
            "The result of Estimator.evaluate", f"must have an entry {_STEP!r}", metrics
        )


class EvaluatingListener(v1.train.CheckpointSaverListener):
    """Evaluates inside one training loop, when checkpoints are saved and at the end.

    at the start of training: the checkpoint is what was there before; pass over it
    after each further save: evaluate it, if throttle_secs have passed since the last time
    at the end: evaluate the last checkpoint, unless that is done

    Args:
        evaluator: evaluates the newest checkpoint.
        throttle_secs: the least time between the starts of two evaluations, but for the last.
        clock: tells the time in seconds.
    """

    def __init__(
        self, evaluator: CheckpointEvaluator, throttle_secs: float, clock: Callable[[], float]
    ) -> None:
        self._evaluator = evaluator
        self._throttle_secs = throttle_secs
        self._clock = clock
        self._is_first_save = True
        self._last_step: int | None = None
        self._last_start: float | None = None

    def after_save(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        """Evaluates what was saved, if it is time."""
        del session
        if self._is_first_save:
            self._is_first_save = False
            return
        elapsed = None if self._last_start is None else self._clock() - self._last_start
        due = rules.evaluation_due(global_step_value, self._last_step, elapsed, self._throttle_secs)
        if due:
            self._evaluate(global_step_value)
        else:
            logger.info("No evaluation at global step %d: %s.", global_step_value, due.reason)

    def end(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        """Evaluates the last checkpoint, whatever the time."""
        del session
        if global_step_value != self._last_step:
            self._evaluate(global_step_value)

    def _evaluate(self, step: int) -> None:
        self._last_step, self._last_start = step, self._clock()
        if self._evaluator.evaluate_newest() is None:
            raise RuntimeError(
                f"model_dir has no new checkpoint after the save at global step {step}. "
                "A CheckpointSaverHook of your own must save in the model_dir of the Estimator."
            )

    def __repr__(self) -> str:
        # Estimator.train shows it when nothing saves checkpoints, to users who gave no listener.
        return "the evaluation at checkpoints of train_and_evaluate"
