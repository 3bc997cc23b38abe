"""What each role of a cluster does in `train_and_evaluate`: a function for each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.spec.train_spec import TrainSpec
from tf_estimator.training import rules
from tf_estimator.training.evaluation import CheckpointEvaluator, EvaluatingListener

_SECS_PER_WORKER: Final = 5
_MAX_WORKER_DELAY_SECS: Final = 60

# How long an evaluator without a throttle waits when there is nothing new, not to load the disk.
_LEAST_POLL_SECS: Final = 1.0


class Job(NamedTuple):
    """What a role works on, and its sense of time.

    Attributes:
        estimator: the Estimator to train and evaluate.
        train_spec: how to train it.
        eval_spec: how to evaluate it.
        clock: tells the time in seconds, and never goes back.
        sleep: waits a number of seconds.
    """

    estimator: Estimator
    train_spec: TrainSpec
    eval_spec: EvalSpec
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    @property
    def config(self) -> RunConfig:
        """The estimator's RunConfig."""
        return self.estimator.config

    def checkpoint_evaluator(self) -> CheckpointEvaluator:
        """What evaluates and exports by the eval_spec."""
        return CheckpointEvaluator(self.estimator, self.eval_spec, self.train_spec.max_steps)

    def train(
        self, saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener] = ()
    ) -> None:
        """Trains by the train_spec, with these listeners in place of its own."""
        self.estimator.train(
            input_fn=self.train_spec.input_fn,
            max_steps=self.train_spec.max_steps,
            hooks=self.train_spec.hooks,
            saving_listeners=tuple(saving_listeners),
        )

    def train_and_evaluate_at_saves(self) -> CheckpointEvaluator:
        """Trains, and evaluates after the train_spec's own listeners heard of a save."""
        evaluator = self.checkpoint_evaluator()
        listener = EvaluatingListener(evaluator, self.eval_spec.throttle_secs, self.clock)
        self.train([*self.train_spec.saving_listeners, listener])
        return evaluator


def local(job: Job) -> tuple[dict[str, Any] | None, list[Any] | None]:
    """Without a cluster: trains once, evaluates in between and at the end.

    Returns:
        The last metrics and export results; (None, None) if max_steps was reached before.
    """
    last = job.train_and_evaluate_at_saves().last
    if last is None:
        logger.info("Nothing was trained, so nothing was evaluated.")
        return None, None
    logger.info("Training ended: %s.", rules.training_end(last.step, job.train_spec.max_steps))
    return last.metrics, last.exports


def chief(job: Job) -> None:
    """Trains, at once, and saves."""
    _require_no_server(job.config)
    job.train(job.train_spec.saving_listeners)


def master(job: Job) -> None:
    """Is the chief of a cluster that has no evaluator: trains, saves and evaluates."""
    _require_no_server(job.config)
    job.train_and_evaluate_at_saves()


def worker(job: Job) -> None:
    """Trains, after a delay, on what the chief initialized; the chief's listeners are not its."""
    config = job.config
    _require_no_server(config)
    delay = worker_delay_secs(config)
    if delay > 0:
        logger.info("Worker %d waits %d s before it starts.", config.task_id, delay)
        job.sleep(delay)
    job.train()


def worker_delay_secs(config: RunConfig) -> int:
    """How long a worker waits before it starts: later ones longer, so that training sets in softly.

    Args:
        config: of a worker.
    """
    limit = config.experimental_max_worker_delay_secs
    if limit is None:
        limit = _MAX_WORKER_DELAY_SECS
    return min(limit, _SECS_PER_WORKER * (config.task_id + 1))


def ps(job: Job) -> None:
    """Would hold variables for the others."""
    raise _needs_server(job.config)


def evaluator(job: Job) -> None:
    """Evaluates and exports each new checkpoint that the others save in model_dir.

    wait start_delay_secs
    until the evaluated step has reached max_steps (without max_steps: until it is killed):
        evaluate the newest checkpoint and export, if it is new
        wait what is left of throttle_secs

    Raises:
        ValueError: there is another evaluator.
    """
    spec = job.eval_spec
    if job.config.task_id > 0:
        raise _checks.wrong_value(
            '"index" of the evaluator in TF_CONFIG',
            "must be 0, as there can be only one",
            job.config.task_id,
        )
    if spec.start_delay_secs > 0:
        logger.info("The evaluator waits %s s before it starts.", spec.start_delay_secs)
        job.sleep(spec.start_delay_secs)
    evaluating = job.checkpoint_evaluator()
    while not evaluating.done:
        start = job.clock()
        found = evaluating.evaluate_newest()
        if evaluating.done:
            break
        if found is None:
            logger.info("There is no new checkpoint in %s.", job.estimator.model_dir)
        rest = spec.throttle_secs - (job.clock() - start)
        rest = max(rest, 0.0 if found else _LEAST_POLL_SECS)
        if rest > 0:
            job.sleep(rest)
    logger.info("The evaluator is done: %s.", evaluating.done.reason)


ROLES: Final[Mapping[str, Callable[[Job], Any]]] = {
    "local": local,
    "chief": chief,
    "worker": worker,
    "ps": ps,
    "master": master,
    "evaluator": evaluator,
}


def role_name(config: RunConfig) -> str:
    """The role of this process, one of ROLES.

    Args:
        config: tells the cluster and the task.

    Raises:
        ValueError: the task's type is none that this package knows.
    """
    if not config.cluster_spec and config.task_type != "evaluator":
        return "local"
    of_clusters = [name for name in ROLES if name != "local"]
    if config.task_type not in of_clusters:
        raise _checks.wrong_value(
            '"type" of "task" in TF_CONFIG',
            f"must be one of {of_clusters} with a cluster",
            config.task_type,
            'Leave "cluster" and "task" out to train and evaluate in one process.',
        )
    return config.task_type


def _require_no_server(config: RunConfig) -> None:
    # A cluster of one node has no master; in the other environment, somebody else runs the servers.
    if config.master and config.tf_config.environment != "google":
        raise _needs_server(config)


def _needs_server(config: RunConfig) -> NotImplementedError:
    return NotImplementedError(
        f"train_and_evaluate cannot start the server of {config.task_type} {config.task_id} yet: "
        'a cluster of several processes is not supported. Take "cluster" out of TF_CONFIG to '
        "train and evaluate in one process."
    )
