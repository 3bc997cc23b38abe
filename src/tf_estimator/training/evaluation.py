"""Evaluating the newest checkpoint and exporting it, alone or whenever a checkpoint is saved."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks, checkpoint
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

    Attributes:
        spec: as given.
        last: the last evaluation; None before the first.
    """

    def __init__(self, estimator: Estimator, spec: EvalSpec, max_steps: int | None) -> None:
        self.spec = spec
        self.last: Evaluation | None = None
        self._estimator = estimator
        self._max_steps = max_steps
        # Each is mentioned in the log once.
        self._passed_over: set[str] = set()

    @property
    def is_timed(self) -> bool:
        """Whether the clock decides what is evaluated, by throttle_secs."""
        return self.spec.every_n_steps is None and not self.spec.at_every_checkpoint

    @property
    def done(self) -> rules.Verdict:
        """Whether what was evaluated last has reached max_steps."""
        return rules.max_steps_reached(self._last_step, self._max_steps)

    def training_has_ended(self) -> None:
        """Takes note that there will be no further checkpoint: the newest is the final one.

        If that is evaluated already, it is exported once more, for exporters that wait for the end.
        """
        was_done = self.done
        final_step = checkpoint.step_of_latest(self._estimator.model_dir)
        self._max_steps = min(final_step, self._max_steps or final_step)
        if self.last is not None and self.done and not was_done:
            path, metrics, _ = self.last
            self.last = Evaluation(path, metrics, self._export(path, metrics, is_final=True))

    @property
    def _last_step(self) -> int | None:
        return None if self.last is None else self.last.step

    def evaluate_newest(self) -> Evaluation | None:
        """Evaluates the newest checkpoint and exports it.

        Returns:
            The evaluation, also kept as `last`; None if there is no checkpoint, or it is the one
            that was evaluated last, or it is deleted before it is read.

        Raises:
            TypeError: `evaluate` gave no dict.
            ValueError: it gave nothing, or no `global_step`.
        """
        path = self._estimator.latest_checkpoint()
        if path is None or (self.last is not None and path == self.last.checkpoint_path):
            return None
        return self._evaluated(path)

    def evaluate_next(self) -> Evaluation | None:
        """Evaluates the first of the saved checkpoints that is due, and exports it.

        Which are due is for every_n_steps or at_every_checkpoint to say. One that is gone or
        damaged is passed over.

        Returns:
            The evaluation, also kept as `last`; None if there is none to evaluate.

        Raises:
            TypeError: `evaluate` gave no dict.
            ValueError: it gave nothing, or no `global_step`.
        """
        state = tf.train.get_checkpoint_state(self._estimator.model_dir)
        for path in state.all_model_checkpoint_paths if state else ():
            if self._is_due(path) and (evaluation := self._evaluated(path)) is not None:
                return evaluation
        return None

    def _evaluated(self, path: str) -> Evaluation | None:
        """The evaluation of a checkpoint; None if it was deleted meanwhile."""
        try:
            return self._evaluate(path)
        except (tf.errors.OpError, ValueError) as error:
            if checkpoint.exists(path):
                raise
            self._pass_over(path, error)
            return None

    def _is_due(self, path: str) -> bool:
        """Whether a checkpoint is due and whole; the log says which is not whole."""
        last_step, every = self._last_step, self.spec.every_n_steps
        try:
            step = int(tf.train.load_variable(path, _STEP))
        except (tf.errors.OpError, IndexError, ValueError) as error:
            self._pass_over(path, error)
            return False
        if not rules.checkpoint_due(step, last_step, every, max_steps=self._max_steps):
            return False
        if problem := checkpoint.problem_of(path):
            self._pass_over(path, problem)
            return False
        return True

    def _pass_over(self, path: str, problem: object) -> None:
        if path in self._passed_over:
            return
        self._passed_over.add(path)
        if checkpoint.exists(path):
            problem = checkpoint.problem_of(path) or problem
            logger.warning("Checkpoint %s is not evaluated: %s.", path, problem)
        else:
            # Training goes on meanwhile, and deletes the oldest.
            logger.info("Checkpoint %s is not evaluated: it is deleted already.", path)

    def _evaluate(self, path: str) -> Evaluation:
        spec = self.spec
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
        results: list[Any] = []
        for exporter in self.spec.exporters:
            try:
                result = exporter.export(
                    estimator=self._estimator,
                    export_path=os.path.join(self._estimator.model_dir, "export", exporter.name),
                    checkpoint_path=checkpoint_path,
                    eval_result=metrics,
                    is_the_final_export=is_final,
                )
            except (tf.errors.OpError, ValueError):
                if checkpoint.exists(checkpoint_path):
                    raise
                # Where evaluations are slow, training has saved many others meanwhile.
                logger.warning(
                    "Checkpoint %s is not exported by %s: it is deleted already. Save less often, "
                    "or keep more: RunConfig(keep_checkpoint_max=).",
                    checkpoint_path,
                    exporter.name,
                )
                result = None
            results.append(result)
        return results


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
    after each further save: evaluate it, if it is due
    at the end: evaluate the last checkpoint, unless that is done

    Args:
        evaluator: evaluates the newest checkpoint; its EvalSpec says when that is due.
        clock: tells the time in seconds.
    """

    def __init__(self, evaluator: CheckpointEvaluator, clock: Callable[[], float]) -> None:
        self._evaluator = evaluator
        self._clock = clock
        self._first_step: int | None = None
        self._last_step: int | None = None
        self._last_start: float | None = None

    def after_save(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        """Evaluates what was saved, if it is time."""
        del session
        if self._first_step is None:
            self._first_step = global_step_value
            return
        due = self._due(global_step_value)
        if due:
            self._evaluate(global_step_value)
        else:
            logger.info("No evaluation at global step %d: %s.", global_step_value, due.reason)

    def end(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        """Evaluates the last checkpoint, whatever the time."""
        del session
        if global_step_value != self._last_step:
            self._evaluate(global_step_value)

    def _due(self, step: int) -> rules.Verdict:
        spec = self._evaluator.spec
        if self._evaluator.is_timed:
            elapsed = None if self._last_start is None else self._clock() - self._last_start
            return rules.evaluation_due(step, self._last_step, elapsed, spec.throttle_secs)
        since = self._first_step if self._last_step is None else self._last_step
        return rules.checkpoint_due(step, since, spec.every_n_steps)

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
