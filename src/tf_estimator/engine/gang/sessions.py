"""Sessions of workers that take their steps together."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._tf import logger, v1
from tf_estimator.cluster.away import in_words
from tf_estimator.cluster.peers import all_peers
from tf_estimator.cluster.waiting import UnreachableError, ask, wait_for
from tf_estimator.config import RunConfig
from tf_estimator.engine.cluster_sessions import RestoringCreator
from tf_estimator.engine.gang.collectives import collectives
from tf_estimator.engine.gang.votes import Problem, Votes
from tf_estimator.engine.stateful import ancestors

# TensorFlow numbers the runs that have the same key, on all workers alike: these two tell the runs
# that wait for other workers from the rest, of which each worker may have as many as it likes.
_TOGETHER: Final = 1
_ALONE: Final = 2

# How many different runs are remembered.
_MANY: Final = 1000

# How long a worker that has failed tries to tell the others, in seconds.
_TO_TELL_SECS: Final = 3.0

# What a run fails with if another worker is gone, or is another process by now.
_LOST: Final = (tf.errors.UnavailableError, tf.errors.AbortedError)
_PERHAPS_LOST: Final = (
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)
_SIGNS_OF_LOSS: Final = ("Collective", "incarnation", "RecvBuf")


class OutOfStepError(RuntimeError):
    """Workers that have to do the same were about to do different things."""


class GangSessionCreator(v1.train.SessionCreator):
    """Creates the session of a worker, once all others are there.

    There is no second one: where a worker is lost, the others cannot go on with another one in its
    place, and all have to start again.

    Args:
        votes: of the graph.
        config: tells the cluster.
        restoring: makes a session of this worker, which all workers do in the same way.

    Attributes:
        waits: gives a context for what may wait for other workers; to be set.
    """

    def __init__(self, votes: Votes, config: RunConfig, restoring: RestoringCreator) -> None:
        self._votes, self._config, self._restoring = votes, config, restoring
        self._has_created = False
        self.waits: _Waits = contextlib.nullcontext

    def has_all_of(self, checkpoint_path: str) -> bool:
        """Whether the session came from this checkpoint, and the graph has just what that holds."""
        return self._restoring.has_all_of(checkpoint_path)

    def create_session(self) -> tf.compat.v1.Session:
        """A session in which every variable has its value, the same on all workers.

        Raises:
            UnreachableError: a worker does not answer, or was lost.
            RuntimeError: the workers do not start from the same step.
        """
        peers = all_peers(self._config.tf_config)
        if self._has_created:
            raise _lost(self._config)
        self._has_created = True
        wait_for(peers, self._config.tf_config.timeout_secs)
        with self.waits():
            self._check_start()
            session = self._restoring.create_session()
        return take_into_gang(session, self._votes, self._config, self.waits)

    def tell_failure(self) -> None:
        """Lets the others know, as far as that can be done, that this worker ends with an error.

        They would wait for it as long as the process lives.
        """
        if not self._has_created:
            return
        nobody_listens = contextlib.suppress(tf.errors.OpError, ConnectionError, OutOfStepError)
        with nobody_listens, self._session() as session:
            session.meet("fail", has_failed=True, timeout_secs=_TO_TELL_SECS)

    def _session(self) -> "_GangSession":
        session = v1.Session(self._config.master, config=self._config.session_config)
        return take_into_gang(session, self._votes, self._config, self.waits)

    def _check_start(self) -> None:
        """Raises if others start from another checkpoint, or one starts from none.

        Before anything is restored or initialized, for what there is to do then depends on it.
        """
        config = self._config
        found = checkpoint.latest_whole(config.model_dir)
        step = -1 if found is None else checkpoint.step_of_latest(config.model_dir)
        secs = config.session_creation_timeout_secs
        logger.info("All workers are there. Training begins when all have made their graphs.")
        try:
            with self._session() as session:
                session.meet(f"start from step {step}", timeout_secs=secs)
        except OutOfStepError:
            at = "finds no checkpoint" if found is None else f"would go on from global step {step}"
            raise RuntimeError(
                f"All workers must start from the same checkpoint; {config.task_type} "
                f"{config.task_id} {at} in {config.model_dir}, and others do not. model_dir has to "
                "be on a file system that all of them see."
            ) from None
        except tf.errors.DeadlineExceededError:
            raise UnreachableError(
                "Not all workers have come to their training within session_creation_timeout_secs "
                f"of RunConfig, {secs} s: {in_words(ask(all_peers(config.tf_config)))}."
            ) from None


_Waits = Callable[[], contextlib.AbstractContextManager[Any]]


class _Run(NamedTuple):
    """What is known of a run of a session.

    Attributes:
        fetched: what it fetches.
        together: what in it waits for other workers, in words; nothing if it does not.
        votes: whether the votes are a part of it.
    """

    fetched: list[Any]
    together: str
    votes: bool


class _GangSession(v1.Session):
    """A session that tells TensorFlow which of its runs the other workers have as well."""

    votes: Votes
    config: RunConfig
    waits: _Waits
    known: dict[tuple[int, ...], _Run]

    def run(
        self,
        fetches: Any,
        feed_dict: Any = None,
        options: tf.compat.v1.RunOptions | None = None,
        run_metadata: tf.compat.v1.RunMetadata | None = None,
    ) -> Any:
        """Runs operations and evaluates tensors, as the base class does.

        Raises:
            OutOfStepError: it waits for other workers, and these run something else.
            UnreachableError: it waits for other workers, of which one was lost or has failed.
        """
        run = self._run_of(fetches)
        told = v1.RunOptions()
        if options is not None:
            told.CopyFrom(options)
        told.experimental.collective_graph_key = _TOGETHER if run.together else _ALONE
        if not run.together:
            return super().run(fetches, feed_dict, told, run_metadata)
        feeds = dict(feed_dict or {})
        with self.waits(), self._problems_told(_in_short(run)):
            if run.votes:
                feeds = {**self.votes.about(run.together), **feeds}
            else:
                self._vote(self.votes.about(run.together))
            return super().run(fetches, feeds, told, run_metadata)

    def meet(
        self, what: str, *, has_failed: bool = False, timeout_secs: float | None = None
    ) -> None:
        """Waits until all workers do the same.

        Args:
            what: this worker does, as "take a step".
            has_failed: whether it only tells that it has failed.
            timeout_secs: how long to wait; None for ever.

        Raises:
            OutOfStepError: another worker does something else.
            UnreachableError: another worker was lost, or has failed.
            tf.errors.DeadlineExceededError: it took too long.
        """
        options = v1.RunOptions()
        if timeout_secs is not None:
            options.timeout_in_ms = max(1, int(1000 * timeout_secs))
        with self.waits(), self._problems_told(what):
            self._vote(self.votes.about(what, has_failed=has_failed), options)

    def _vote(
        self, about: dict[tf.Tensor, Any], options: tf.compat.v1.RunOptions | None = None
    ) -> None:
        told = options or v1.RunOptions()
        told.experimental.collective_graph_key = _TOGETHER
        super().run(self.votes.outcome, {**self.votes.without_batch(), **about}, told)

    def make_callable(
        self, fetches: Any, feed_list: Any = None, accept_options: bool = False
    ) -> Any:
        """A function that runs `fetches`, as the base class has it."""
        feeds = list(feed_list or ())

        def call(*values: Any, **options: Any) -> Any:
            return self.run(fetches, dict(zip(feeds, values, strict=True)), **options)

        del accept_options
        return call

    def _run_of(self, fetches: Any) -> _Run:
        flat = list(_flat(fetches))
        key = tuple(map(id, flat))
        run = self.known.get(key)
        if run is None:
            if len(self.known) >= _MANY:
                self.known.clear()
            elements = [
                self.graph.as_graph_element(one, allow_tensor=True, allow_operation=True)
                for one in flat
            ]
            together = collectives(self.graph, elements)
            votes = bool(together) and self.votes.outcome.op in ancestors(elements)
            # What was fetched is kept with it, so that its id stays its own.
            run = self.known[key] = _Run(flat, together, votes)
        return run

    @contextlib.contextmanager
    def _problems_told(self, doing: str) -> Iterator[None]:
        """A context in which the errors of a run that waits for others say what has happened."""
        try:
            yield
        except tf.errors.OpError as error:
            problem = self.votes.problem(error)
            # Where in the graph it was is of no interest, and takes a page to tell.
            if problem is Problem.NOT_THE_SAME:
                raise _out_of_step(self.config, doing) from None
            if problem is Problem.ONE_HAS_FAILED:
                raise _failed() from None
            if isinstance(error, _LOST) or (
                isinstance(error, _PERHAPS_LOST)
                and any(sign in error.message for sign in _SIGNS_OF_LOSS)
            ):
                raise _lost(self.config, error) from None
            raise


def take_into_gang(
    session: tf.compat.v1.Session,
    votes: Votes,
    config: RunConfig,
    waits: _Waits = contextlib.nullcontext,
) -> tf.compat.v1.Session:
    """Has a session tell TensorFlow which of its runs the other workers have as well.

    Args:
        session: of this worker; it is changed.
        votes: of its graph.
        config: tells the cluster.
        waits: gives a context for what may wait for other workers.

    Returns:
        The session.
    """
    session.__class__ = _GangSession
    session.votes, session.config, session.waits, session.known = votes, config, waits, {}
    return session


def _flat(fetches: Any) -> Iterator[Any]:
    if isinstance(fetches, dict):
        for one in fetches.values():
            yield from _flat(one)
    elif isinstance(fetches, list | tuple):
        for one in fetches:
            yield from _flat(one)
    elif isinstance(fetches, tf.SparseTensor | tf.IndexedSlices | tf.RaggedTensor):
        yield from tf.nest.flatten(fetches, expand_composites=True)
    elif fetches is not None:
        yield fetches


def _in_short(run: _Run) -> str:
    if run.votes:
        return "take a step"
    names = [getattr(one, "name", str(one)) for one in run.fetched]
    return f"run {', '.join(names[:3])}" + (f" and {len(names) - 3} more" * (len(names) > 3))


def _out_of_step(config: RunConfig, doing: str) -> OutOfStepError:
    return OutOfStepError(
        f"Workers that take their steps together must do the same; {config.task_type} "
        f"{config.task_id} was about to {doing}, and another one was about to do something else. "
        "Some tensors take all workers to compute: the loss of a step, a variable that each worker "
        "writes for itself (ON_READ). A hook that fetches such a one must be there on all workers "
        "and fetch it in the same steps; not on the chief alone, and not by the clock. So must a "
        "StopAtStepHook be."
    )


def _failed() -> UnreachableError:
    return UnreachableError(
        "Another worker has failed, and tells why in its log. Workers that take their steps "
        "together cannot go on without it. Start all again, and training goes on from the last "
        "checkpoint."
    )


def _lost(config: RunConfig, error: tf.errors.OpError | None = None) -> UnreachableError:
    said = (
        re.search(r"^Collective .*|.*incarnation.*", error.message, re.MULTILINE) if error else None
    )
    why = f" TensorFlow says: {said[0].rstrip('.')}." if said else ""
    return UnreachableError(
        "A step could not be finished, for another worker was lost, or has failed: "
        f"{in_words(ask(all_peers(config.tf_config)))}. Workers that take their steps together "
        "cannot replace one of them: all of them end now, each by itself. Start all again, and "
        f"training goes on from the last checkpoint.{why}"
    )
