"""Sessions of the tasks of a cluster: the chief makes the model ready, and the workers wait for it.

A creator is also asked for another session in the middle of training, whenever a parameter server
was lost and has come back.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._tf import logger, v1
from tf_estimator.cluster.away import PATIENCE
from tf_estimator.cluster.peers import Peer, chief_of, parameter_servers
from tf_estimator.cluster.server import check_server
from tf_estimator.cluster.waiting import UnreachableError, wait_for
from tf_estimator.config import RunConfig, default_session_config
from tf_estimator.engine.graph import BuiltGraph

# How often a worker looks whether the chief has made the model ready.
_POLL_SECS: Final = 1.0

# What MonitoredSession takes for the loss of a task, and tries again for.
_FAILURES: Final = (tf.errors.AbortedError, tf.errors.UnavailableError)


class RestoringCreator(Protocol):
    """Creates sessions that are restored, or else initialized, as RestoringSessionCreator does."""

    def create_session(self) -> tf.compat.v1.Session:
        """A session in which every variable has its value."""

    def has_all_of(self, checkpoint_path: str) -> bool:
        """Whether the session came from this checkpoint, and the graph has just what that holds."""


class _Failures:
    """How long TensorFlow has failed to make sessions, though all that they need answers.

    MonitoredSession tries again and again. That is right for as long as a peer comes and goes; but
    where an address means one machine here and another one there, it would be for ever.
    """

    def __init__(self, config: RunConfig, clock: Callable[[], float]) -> None:
        self._patience_secs = PATIENCE * config.tf_config.timeout_secs
        self._clock = clock
        self._since: float | None = None

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """A context for a trial.

        Raises:
            UnreachableError: there were only failures for too long.
        """
        begin = self._clock()
        try:
            yield
        except _FAILURES as error:
            since = self._since = begin if self._since is None else self._since
            if self._clock() - since < self._patience_secs:
                raise
            raise UnreachableError(
                "All tasks that this one needs answer it, and yet TensorFlow could make no session "
                f"for {self._clock() - since:.0f} s. Does each address in TF_CONFIG mean the same "
                "machine for all tasks, unlike localhost, and can the others reach this one? "
                f"TensorFlow says: {error.message}"
            ) from error
        self._since = None


class ChiefSessionCreator(v1.train.SessionCreator):
    """Creates the sessions of the chief: once the parameter servers are there, it restores them.

    Args:
        built: the graph.
        config: tells the cluster, and whether the state of live parameter servers is kept.
        restoring: makes the session otherwise.
        clock: tells the time in seconds, and never goes back.
    """

    def __init__(
        self,
        built: BuiltGraph,
        config: RunConfig,
        restoring: RestoringCreator,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._built, self._config, self._restoring = built, config, restoring
        self._failures = _Failures(config, clock)
        self._is_adopted = self._had_session = False

    def has_all_of(self, checkpoint_path: str) -> bool:
        """Whether the session came from this checkpoint, and the graph has just what that holds."""
        return not self._is_adopted and self._restoring.has_all_of(checkpoint_path)

    def create_session(self) -> tf.compat.v1.Session:
        """A session in which every variable has its value.

        Raises:
            UnreachableError: a parameter server does not answer, or there was no session for long.
            RuntimeError: the server of this task does not run.
        """
        servers = parameter_servers(self._config.tf_config)
        _wait_for(servers, self._config, were_there=self._had_session)
        with self._failures.counted():
            session = self._adopted() if self._config.adopt_live_ps else None
            self._is_adopted = session is not None
            session = self._restoring.create_session() if session is None else session
        self._had_session = True
        return session

    def _adopted(self) -> tf.compat.v1.Session | None:
        """A session on the variables as the parameter servers have them, if they have all."""
        config, scaffold = self._config, self._built.spec.scaffold
        scaffold.finalize()
        session = v1.Session(
            config.master, config=config.session_config or default_session_config()
        )
        try:
            if session.run(scaffold.ready_for_local_init_op).size:
                session.close()
                return None
            session.run(scaffold.local_init_op, scaffold.local_init_feed_dict)
            step = int(session.run(self._built.global_step))
        except BaseException:
            session.close()
            raise
        logger.warning(
            "Training goes on with what the parameter servers hold, global step %d, and not from "
            "the newest checkpoint, global step %d, as RunConfig(adopt_live_ps=True) asks.",
            step,
            checkpoint.step_of_latest(config.model_dir),
        )
        return session


class WorkerSessionCreator(v1.train.SessionCreator):
    """Creates the sessions of a worker, once the chief has made the model ready.

    Args:
        built: the graph.
        config: tells the cluster, and how long to wait.
        clock: tells the time in seconds, and never goes back.
    """

    def __init__(
        self, built: BuiltGraph, config: RunConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._built, self._config, self._clock = built, config, clock
        self._failures = _Failures(config, clock)
        self._had_session = False

    def create_session(self) -> tf.compat.v1.Session:
        """A session in which every variable has its value.

        Raises:
            UnreachableError: a parameter server does not answer, or the chief does not while the
                model is not ready, or there was no session for long.
            tf.errors.DeadlineExceededError: the model is not ready in time.
            RuntimeError: the server of this task does not run.
        """
        config, cluster = self._config, self._config.tf_config
        chief, servers = chief_of(cluster), parameter_servers(cluster)
        needed = servers
        give_up = self._clock() + (config.session_creation_timeout_secs or float("inf"))
        while True:
            _wait_for(needed, config, were_there=self._had_session)
            with self._failures.counted():
                session = self._ready_session()
            if session is not None:
                self._had_session = True
                return session
            if self._clock() >= give_up:
                raise tf.errors.DeadlineExceededError(
                    None,
                    None,
                    "The chief has not made the model ready within session_creation_timeout_secs "
                    f"of RunConfig, {config.session_creation_timeout_secs} s. Its log may say why.",
                )
            # Only now, for where the model is ready this task can do without the chief.
            needed = servers if chief is None else [chief, *servers]
            logger.info("Waiting for the chief to make the model ready.")
            time.sleep(_POLL_SECS)

    def _ready_session(self) -> tf.compat.v1.Session | None:
        """A session, if the model is ready now."""
        scaffold = self._built.spec.scaffold
        scaffold.finalize()
        waiting = v1.train.SessionManager(
            local_init_op=scaffold.local_init_op,
            local_init_feed_dict=scaffold.local_init_feed_dict,
            ready_op=scaffold.ready_op,
            ready_for_local_init_op=scaffold.ready_for_local_init_op,
            graph=self._built.graph,
        )
        config = self._config
        try:
            return waiting.wait_for_session(
                config.master,
                config=config.session_config or default_session_config(),
                max_wait_secs=0,
            )
        except tf.errors.DeadlineExceededError:
            return None


def _wait_for(peers: list[Peer], config: RunConfig, *, were_there: bool) -> None:
    # In the other environment it is not known how the tasks talk to each other.
    if peers and config.tf_config.environment != "google":
        check_server(config)
        wait_for(peers, config.tf_config.timeout_secs, were_there=were_there)
