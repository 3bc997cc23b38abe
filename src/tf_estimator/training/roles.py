"""What each role of a cluster does in `train_and_evaluate`: a function for each."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import tensorflow as tf

from tf_estimator import _checks, checkpoint
from tf_estimator._tf import logger, v1
from tf_estimator.cluster import job_end
from tf_estimator.cluster.multi_worker import joins_workers
from tf_estimator.cluster.server import start_server
from tf_estimator.cluster.serving import serve
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.spec.train_spec import TrainSpec
from tf_estimator.training import rules
from tf_estimator.training.evaluation import CheckpointEvaluator, EvaluatingListener

_SECS_PER_WORKER: Final = 5
_MAX_WORKER_DELAY_SECS: Final = 60

# What a worker may get whose parameter servers are gone.
_LOST: Final = (
    ConnectionError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnavailableError,
)


class Job(NamedTuple):
    """What a role works on, and its sense of time.

    Attributes:
        estimator: the Estimator to train and evaluate.
        train_spec: how to train it.
        eval_specs: how to evaluate it, once by each.
        clock: tells the time in seconds, and never goes back.
        sleep: waits a number of seconds, or until a function that it may get with that says true.
    """

    estimator: Estimator
    train_spec: TrainSpec
    eval_specs: Sequence[EvalSpec]
    clock: Callable[[], float]
    sleep: Callable[..., None]

    @property
    def config(self) -> RunConfig:
        """The estimator's RunConfig."""
        return self.estimator.config

    def checkpoint_evaluators(self) -> list[CheckpointEvaluator]:
        """What evaluates and exports, one for each of the eval_specs."""
        max_steps = self.train_spec.max_steps
        return [CheckpointEvaluator(self.estimator, spec, max_steps) for spec in self.eval_specs]

    def sleep_until(self, time: float, is_over: Callable[[], Any]) -> None:
        """Waits for a time of the clock, unless it is past, or something is over before."""
        rest = time - self.clock()
        if rest > 0:
            self.sleep(rest, is_over)

    def train(
        self,
        saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener] = (),
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] = (),
    ) -> None:
        """Trains by the train_spec, with these listeners in place of its own, and further hooks."""
        self.estimator.train(
            input_fn=self.train_spec.input_fn,
            max_steps=self.train_spec.max_steps,
            hooks=(*self.train_spec.hooks, *hooks),
            saving_listeners=tuple(saving_listeners),
        )

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """A context in which the chief trains: notes in model_dir that it does, and that it did."""
        model_dir = self.estimator.model_dir
        max_steps = self.train_spec.max_steps
        noted = job_end.begin(model_dir, max_steps)
        yield
        step = checkpoint.step_of_latest(model_dir)
        job_end.end(model_dir, noted, rules.training_end(step, max_steps))

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
    start_server(job.config)
    with job.noted():
        job.train(job.train_spec.saving_listeners)


def master(job: Job) -> None:
    """Is the chief of a cluster that has no evaluator: trains, saves and evaluates."""
    start_server(job.config)
    with job.noted():
        job.train_and_evaluate_at_saves()


def worker(job: Job) -> None:
    """Trains, after a delay, on what the chief initialized; the chief's listeners are not its.

    Where the connection breaks because the job is done, that is no error. Nor is it if the job was
    done before this worker came, and nobody begins another.

    Raises:
        UnreachableError: another task is not there.
    """
    config = job.config
    start_server(config)
    if joins_workers(config):
        _worker_in_step(job)
        return
    delay = worker_delay_secs(config)
    end = job_end.JobEnd.of_task(config, job.train_spec.max_steps, job.clock, delay)
    if delay > 0:
        logger.info("Worker %d waits %d s before it starts.", config.task_id, delay)
        job.sleep(delay, end.why)
    try:
        job.train(hooks=[job_end.StopWithJob(end, job.clock)])
    except _LOST as error:
        if end.may_be_this:
            job.sleep_until(end.patient_until, lambda: end.why() or not end.may_be_over)
        if (why := end.why()) is None:
            raise
        end.check()
        logger.info("The job is done (%s), so this is none: %s", why, error)


def _worker_in_step(job: Job) -> None:
    """Trains together with the others, which end when it does."""
    begun = _BegunJob(job)
    try:
        job.train(hooks=[begun])
    except _LOST as error:
        if begun.its_end is None or (why := begun.its_end.why()) is None:
            raise
        logger.info("The job is done (%s), so this is none: %s", why, error)


class _BegunJob(v1.train.SessionRunHook):
    """Knows the job once all train: by then the chief has noted it, and no longer a former one.

    Attributes:
        its_end: tells when the job is done; None before it has begun.
    """

    its_end: job_end.JobEnd | None = None

    def __init__(self, job: Job) -> None:
        self._job = job

    def after_create_session(self, session: Any, coord: Any) -> None:
        """It has begun."""
        self.its_end = job_end.JobEnd(self._job.estimator.model_dir, self._job.clock)

    def next_look(self, global_step: int) -> int | None:
        """It looks at no step."""


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
    """Holds variables for the others, until the job is done and the last of them is gone.

    A worker that is in the middle of its last step gets some seconds for it.
    """
    start_server(job.config)
    serve(job.config, job.train_spec.max_steps, job.clock, job.sleep)


def evaluator(job: Job) -> None:
    """Evaluates and exports each new checkpoint that the others save in model_dir.

    for each of the eval_specs, in the order in which their times come:
        wait start_delay_secs
        until the evaluated step has reached max_steps, or the job is done:
            evaluate the newest checkpoint and export, if it is new
            wait what is left of throttle_secs
        (when the job is done, wait no more, and evaluate the last checkpoint as the final one)

    Where every_n_steps or at_every_checkpoint is given, the next checkpoint that is due takes the
    place of the newest, and there is no wait as long as there is one.

    Raises:
        ValueError: there is another evaluator.
        UnreachableError: the job that is done is another one, see JobEnd.check.
    """
    if job.config.task_id > 0:
        raise _checks.wrong_value(
            '"index" of the evaluator in TF_CONFIG',
            "must be 0, as there can be only one",
            job.config.task_id,
        )
    begin = job.clock()
    evaluators = job.checkpoint_evaluators()
    delays = [each.spec.start_delay_secs for each in evaluators]
    turns = [_Turn(each, begin + delay) for each, delay in zip(evaluators, delays, strict=True)]
    end = job_end.JobEnd.of_task(job.config, job.train_spec.max_steps, job.clock, max(delays))
    if min(delays) > 0:
        logger.info("The evaluator waits %s s before it starts.", min(delays))
    ended: str | None = None
    while turns:
        turn = min(turns, key=lambda each: each.time)
        job.sleep_until(turn.time, end.why)
        ended = end.why()
        if ended is not None:
            turn.evaluator.training_has_ended()
        turn.take(job)
        if turn.evaluator.done or (ended is not None and turn.idle):
            logger.info("The evaluator is done: %s.", ended or turn.evaluator.done.reason)
            turns.remove(turn)
    if ended is not None:
        end.check()


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
