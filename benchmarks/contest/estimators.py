"""Estimators, ours and the original: the same calls, in the two packages."""

import itertools
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from .tensorflow_graph import dataset, estimator, one_example, ten_batches
from .turns import Job, NotAvailableError, Turns


def ours(job: Job, **options: Any) -> None:
    """tf_estimator, with these options of its RunConfig."""
    import tf_estimator  # noqa: PLC0415 - the original's environment has none

    for option in options:
        if not hasattr(tf_estimator.RunConfig(), option):
            raise NotAvailableError(f"RunConfig has no {option} in this version")
    _TASKS[job.task](job, tf_estimator, options)


def original(job: Job) -> None:
    """tensorflow-estimator, which TensorFlow had until 2.15."""
    if not hasattr(tf, "estimator"):
        raise NotAvailableError(f"TensorFlow {tf.__version__} has no tf.estimator")
    _TASKS[job.task](job, tf.estimator, {})


class _EndsOfTurns(tf.compat.v1.train.CheckpointSaverListener):
    """A turn is from one checkpoint to the next, writing left out.

    It is told of a step without having to look at each one, so it leaves the estimator free to run
    many steps in one go.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._begun = False

    def before_save(self, session: Any, global_step_value: int) -> None:
        if self._begun:
            self._turns.end()
            self._begun = False

    def after_save(self, session: Any, global_step_value: int) -> bool:
        self._begun = self._turns.begin()
        return not self._begun  # True ends the training


def _train(job: Job, api: Any, options: dict[str, Any]) -> None:
    options = {"save_checkpoints_steps": job.turns.count, **options}
    ready = job.task == "train_ready"
    estimator(api, job.model_name, job.model, job.folder, **options).train(
        lambda: dataset(job.model, ready), saving_listeners=[_EndsOfTurns(job.turns)]
    )


def _trained(job: Job, api: Any, options: dict[str, Any]) -> Any:
    result = estimator(api, job.model_name, job.model, job.folder, **options)
    return result.train(lambda: dataset(job.model), steps=10)


def _predict(job: Job, api: Any, options: dict[str, Any]) -> None:
    trained, example = _trained(job, api, options), one_example(job.model)
    job.turns.call(lambda: list(trained.predict(lambda: _one(example))))


def _one(example: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(example)


def _predictor(job: Job, api: Any, options: dict[str, Any]) -> None:
    trained, example = _trained(job, api, options), one_example(job.model)
    if not hasattr(trained, "predictor"):
        raise NotAvailableError("Estimator has no predictor in this version")
    predictor = trained.predictor(example)
    job.turns.call(lambda: predictor(example))


def _evaluate(job: Job, api: Any, options: dict[str, Any]) -> None:
    trained = _trained(job, api, options)
    job.turns.call(lambda: trained.evaluate(lambda: ten_batches(job.model)))


def _train_and_evaluate(job: Job, api: Any, options: dict[str, Any]) -> None:
    numbers = itertools.count()
    options = {"save_checkpoints_steps": 20, **options}

    def once() -> None:
        folder = os.path.join(job.folder, str(next(numbers)))
        fresh = estimator(api, job.model_name, job.model, folder, **options)
        api.train_and_evaluate(
            fresh,
            api.TrainSpec(lambda: dataset(job.model), max_steps=200),
            api.EvalSpec(
                lambda: ten_batches(job.model), steps=None, start_delay_secs=0, throttle_secs=0
            ),
        )

    job.turns.call(once)


_TASKS: dict[str, Callable[[Job, Any, dict[str, Any]], None]] = {
    "train": _train,
    "train_ready": _train,
    "predict": _predict,
    "predictor": _predictor,
    "evaluate": _evaluate,
    "train_and_evaluate": _train_and_evaluate,
}
