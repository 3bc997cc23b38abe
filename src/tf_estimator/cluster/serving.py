"""What a parameter server does besides holding variables: it ends with its job."""

from collections.abc import Callable
from typing import Final

from tf_estimator import checkpoint
from tf_estimator._tf import logger
from tf_estimator.cluster.away import in_words
from tf_estimator.cluster.job_end import JobEnd
from tf_estimator.cluster.peers import Peer, all_peers
from tf_estimator.cluster.probe import Answer, probe
from tf_estimator.cluster.waiting import UnreachableError
from tf_estimator.config import RunConfig
from tf_estimator.config.entries import TaskType

# In this order they are asked: as long as the chief answers, no worker is.
_TRAINING: Final = (TaskType.CHIEF, TaskType.MASTER, TaskType.WORKER)

# How often it looks whether the job is done, and whether somebody trains.
_LOOK_SECS: Final = 1.0
_PROBE_SECS: Final = 5.0
# How long those that train may go on after the job is done.
_GRACE_SECS: Final = 10.0


def serve(
    config: RunConfig,
    max_steps: int | None,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    ask: Callable[[str], Answer] = probe,
) -> None:
    """Waits until the job is done, and then until the tasks that train are gone.

    It is done when the chief says so; and also, for a server that was restarted too late to see
    that, when the newest checkpoint has reached max_steps and no task that trains is left.

    Args:
        config: of a parameter server, whose server runs.
        max_steps: the global step that training ends at; None if something else ends it.
        clock: tells the time in seconds, and never goes back.
        sleep: waits a number of seconds.
        ask: finds out whether the server at an address answers.

    Raises:
        UnreachableError: no task that trains was there for session_creation_timeout_secs; or the
            job that is done is another one, see JobEnd.check.
    """
    trainers = Trainers(config, ask)
    why = _why_done(config, max_steps, trainers, clock, sleep)
    logger.info("The job is done: %s.", why)
    give_up = clock() + _GRACE_SECS
    while trainers.any_answers() and clock() < give_up:
        sleep(_LOOK_SECS)
    logger.info("Parameter server %d ends.", config.task_id)


class Trainers:
    """The tasks that train, as they can be reached from a parameter server.

    Args:
        config: tells the cluster.
        ask: finds out whether the server at an address answers.
    """

    def __init__(self, config: RunConfig, ask: Callable[[str], Answer]) -> None:
        peers = [peer for peer in all_peers(config.tf_config) if peer.job in _TRAINING]
        self._peers = sorted(peers, key=lambda peer: (_TRAINING.index(peer.job), peer.index))
        self._ask = ask
        self._answers: dict[Peer, Answer] = {}

    def any_answers(self) -> bool:
        """Whether any of them answers now."""
        for peer in self._peers:
            self._answers[peer] = self._ask(peer.address)
            if self._answers[peer] is Answer.ANSWERS:
                return True
        return False

    def __str__(self) -> str:
        return in_words({peer: self._answers.get(peer, Answer.NO_ANSWER) for peer in self._peers})


def _why_done(
    config: RunConfig,
    max_steps: int | None,
    trainers: Trainers,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> str:
    end = JobEnd.of_task(config, max_steps, clock)
    patience_secs = config.session_creation_timeout_secs or float("inf")
    heard = next_probe = clock()
    say_at = heard + config.tf_config.timeout_secs
    while (why := end.why()) is None:
        if clock() >= next_probe:
            if trainers.any_answers():
                heard = clock()
                say_at = heard + config.tf_config.timeout_secs
            elif max_steps is not None and checkpoint.step_of_latest(config.model_dir) >= max_steps:
                return f"max_steps, {max_steps}, is reached, and no task that trains is left"
            elif clock() - heard > patience_secs:
                raise UnreachableError(
                    f"No task that trains has answered parameter server {config.task_id} for "
                    f"{clock() - heard:.0f} s: {trainers}. Start it, or end this one."
                )
            elif clock() >= say_at:
                logger.info(
                    "No task that trains has answered for %.0f s: %s. This one waits for them.",
                    clock() - heard,
                    trainers,
                )
                say_at = clock() + (clock() - heard)  # Each time twice as late.
            next_probe = clock() + _PROBE_SECS
        sleep(_LOOK_SECS)
    end.check()
    return why
