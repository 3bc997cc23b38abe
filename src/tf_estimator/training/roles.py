"""What each role of a cluster does in `train_and_evaluate`: a function for each."""

import dataclasses
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

# A longer sleep than the system allows, or one without end, is made of several.
_LONGEST_SLEEP_SECS: Final = 86400.0


class Job(NamedTuple):
    """What a role works on, and its sense of time.

    Attributes:
        estimator: the Estimator to train and evaluate.
        train_spec: how to train it.
        eval_specs: how to evaluate it, once by each.
        clock: tells the time in seconds, and never goes back.
        sleep: waits a number of seconds.
    """

    estimator: Estimator
    train_spec: TrainSpec
    eval_specs: Sequence[EvalSpec]
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    @property
    def config(self) -> RunConfig:
        """The estimator's RunConfig."""
        return self.estimator.config

    def checkpoint_evaluators(self) -> list[CheckpointEvaluator]:
        """What evaluates and exports, one for each of the eval_specs."""
        max_steps = self.train_spec.max_steps
        return [CheckpointEvaluator(self.estimator, spec, max_steps) for spec in self.eval_specs]

    def sleep_until(self, time: float) -> None:
        """Waits for a time of the clock, unless it is over."""
        rest = time - self.clock()
        while rest > 0:
            self.sleep(min(rest, _LONGEST_SLEEP_SECS))
            rest -= _LONGEST_SLEEP_SECS

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

    def train_and_evaluate_at_saves(self) -> list[CheckpointEvaluator]:
        """Trains, and evaluates after the train_spec's own listeners heard of a save."""
        evaluators = self.checkpoint_evaluators()
        listeners = [EvaluatingListener(each, self.clock) for each in evaluators]
        self.train([*self.train_spec.saving_listeners, *listeners])
        return evaluators


def local(job: Job) -> list[tuple[dict[str, Any] | None, list[Any] | None]]:
    """Without a cluster: trains once, evaluates in between and at the end.

    Returns:
        The last metrics and export results by each of the eval_specs; (None, None) if max_steps was
        reached before.
    """
    found = [each.last for each in job.train_and_evaluate_at_saves()]
    if found[0] is None:
        logger.info("Nothing was trained, so nothing was evaluated.")
    else:
        end = rules.training_end(found[0].step, job.train_spec.max_steps)
        logger.info("Training ended: %s.", end)
    return [(last.metrics, last.exports) if last else (None, None) for last in found]


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

    for each of the eval_specs, in the order in which their times come:
        wait start_delay_secs
        until the evaluated step has reached max_steps (without max_steps: until it is killed):
            evaluate the newest checkpoint and export, if it is new
            wait what is left of throttle_secs

    Where every_n_steps or at_every_checkpoint is given, the next checkpoint that is due takes the
    place of the newest, and there is no wait as long as there is one.

    Raises:
        ValueError: there is another evaluator.
    """
    if job.config.task_id > 0:
        raise _checks.wrong_value(
            '"index" of the evaluator in TF_CONFIG',
            "must be 0, as there can be only one",
            job.config.task_id,
        )
    begin = job.clock()
    evaluators = job.checkpoint_evaluators()
    turns = [_Turn(each, begin + each.spec.start_delay_secs) for each in evaluators]
    delay = min(each.spec.start_delay_secs for each in evaluators)
    if delay > 0:
        logger.info("The evaluator waits %s s before it starts.", delay)
    while turns:
        turn = min(turns, key=lambda each: each.time)
        job.sleep_until(turn.time)
        turn.take(job)
        if turn.evaluator.done:
            logger.info("The evaluator is done: %s.", turn.evaluator.done.reason)
            turns.remove(turn)


@dataclasses.dataclass(eq=False)
class _Turn:
    """When the evaluator looks again for what one EvalSpec asks for."""

    evaluator: CheckpointEvaluator
    time: float
    idle: bool = False

    def take(self, job: Job) -> None:
        """Looks, evaluates what there is, and sets the time of the next look."""
        start = job.clock()
        if self.evaluator.is_timed:
            throttle_secs = self.evaluator.spec.throttle_secs
            found = self.evaluator.evaluate_newest() is not None
        else:
            throttle_secs = 0
            found = self.evaluator.evaluate_next() is not None
        if not found and not self.idle:  # Said once, and not at every look.
            logger.info("There is no new checkpoint in %s.", job.estimator.model_dir)
        self.idle = not found
        self.time = rules.next_look(start, job.clock(), throttle_secs, found=found)


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
