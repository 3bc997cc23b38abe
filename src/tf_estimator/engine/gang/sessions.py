"""Sessions of workers that take their steps together."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._tf import v1
from tf_estimator.cluster.away import in_words
from tf_estimator.cluster.peers import all_peers
from tf_estimator.cluster.waiting import UnreachableError, ask, wait_for
from tf_estimator.config import RunConfig
from tf_estimator.engine.cluster_sessions import RestoringCreator
from tf_estimator.engine.gang.votes import Votes
from tf_estimator.engine.stateful import ancestors

# TensorFlow numbers the runs that have the same key, on all workers alike: these two tell the runs
# that wait for other workers from the rest, of which each worker may have as many as it likes.
_TOGETHER: Final = 1
_ALONE: Final = 2

# Operations that run a function of the graph.
_CALLS: Final = frozenset(
    {
        "Case",
        "If",
        "PartitionedCall",
        "StatefulPartitionedCall",
        "StatelessCase",
        "StatelessIf",
        "StatelessWhile",
        "While",
    }
)

# How many different runs are remembered.
_MANY: Final = 1000

# What a run fails with if another worker is gone, or is another process by now.
_LOST: Final = (tf.errors.UnavailableError, tf.errors.AbortedError)
_PERHAPS_LOST: Final = (
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)
_SIGNS_OF_LOSS: Final = ("Collective", "incarnation", "RecvBuf")


class GangSessionCreator(v1.train.SessionCreator):
    """Creates the session of a worker, once all others are there.

    There is no second one: where a worker is lost, the others cannot go on with another one in its
    place, and all have to start again.

    Args:
        votes: of the graph.
        config: tells the cluster.
        restoring: makes a session of this worker, which all workers do in the same way.
    """

    def __init__(self, votes: Votes, config: RunConfig, restoring: RestoringCreator) -> None:
        self._votes, self._config, self._restoring = votes, config, restoring
        self._has_created = False

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
        self._check_start()
        return take_into_gang(self._restoring.create_session(), self._config)

    def _check_start(self) -> None:
        """Raises if others start from another checkpoint, or one starts from none.

        Before anything is restored or initialized, for what there is to do then depends on it.
        """
        config = self._config
        found = checkpoint.latest_whole(config.model_dir)
        step = -1 if found is None else checkpoint.step_of_latest(config.model_dir)
        with v1.Session(config.master, config=config.session_config) as session:
            if self._votes.are_equal(take_into_gang(session, config), step):
                return
        at = "finds no checkpoint" if found is None else f"would go on from global step {step}"
        raise RuntimeError(
            f"All workers must start from the same checkpoint; {config.task_type} "
            f"{config.task_id} {at} in {config.model_dir}, and others do not. model_dir has to be "
            "on a file system that all of them see."
        )


class _GangSession(v1.Session):
    """A session that tells TensorFlow which of its runs the other workers have as well."""

    config: RunConfig
    together: dict[tuple[int, ...], tuple[list[Any], bool]]

    def run(
        self,
        fetches: Any,
        feed_dict: Any = None,
        options: tf.compat.v1.RunOptions | None = None,
        run_metadata: tf.compat.v1.RunMetadata | None = None,
    ) -> Any:
        """Runs operations and evaluates tensors, as the base class does."""
        together = self._is_together(fetches)
        told = v1.RunOptions()
        if options is not None:
            told.CopyFrom(options)
        told.experimental.collective_graph_key = _TOGETHER if together else _ALONE
        try:
            return super().run(fetches, feed_dict, told, run_metadata)
        except (*_LOST, *_PERHAPS_LOST) as error:
            if together and _shows_loss(error):
                # Where in the graph it was is of no interest, and takes a page to tell.
                raise _lost(self.config, error) from None
            raise

    def make_callable(
        self, fetches: Any, feed_list: Any = None, accept_options: bool = False
    ) -> Any:
        """A function that runs `fetches`, as the base class has it."""
        feeds = list(feed_list or ())

        def call(*values: Any, **options: Any) -> Any:
            return self.run(fetches, dict(zip(feeds, values, strict=True)), **options)

        del accept_options
        return call

    def _is_together(self, fetches: Any) -> bool:
        flat = list(_flat(fetches))
        key = tuple(map(id, flat))
        known = self.together.get(key)
        if known is None:
            if len(self.together) >= _MANY:
                self.together.clear()
            elements = [
                self.graph.as_graph_element(one, allow_tensor=True, allow_operation=True)
                for one in flat
            ]
            # What was fetched is kept with it, so that its id stays its own.
            known = self.together[key] = flat, has_collectives(self.graph, elements)
        return known[1]


def take_into_gang(session: tf.compat.v1.Session, config: RunConfig) -> tf.compat.v1.Session:
    """Has a session tell TensorFlow which of its runs the other workers have as well.

    Args:
        session: of this worker; it is changed.
        config: tells the cluster.

    Returns:
        The session.
    """
    session.__class__ = _GangSession
    session.config, session.together = config, {}
    return session


def has_collectives(graph: tf.Graph, fetches: Iterable[tf.Operation | tf.Tensor]) -> bool:
    """Whether a run of these waits for other workers.

    Args:
        graph: theirs.
        fetches: operations and tensors.
    """
    functions: set[str] = set()
    for op in ancestors(fetches):
        if op.type.startswith("Collective"):
            return True
        if op.type in _CALLS:
            functions.update(_called(op.node_def))
    return bool(functions) and _some_have_collectives(graph, functions)


def _some_have_collectives(graph: tf.Graph, functions: set[str]) -> bool:
    library = {one.signature.name: one for one in graph.as_graph_def().library.function}
    seen: set[str] = set()
    while functions:
        name = functions.pop()
        if name in seen or name not in library:
            continue
        seen.add(name)
        for node in library[name].node_def:
            if node.op.startswith("Collective"):
                return True
            if node.op in _CALLS:
                functions.update(_called(node))
    return False


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (one.name for one in value.list.func)


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


def _shows_loss(error: tf.errors.OpError) -> bool:
    return isinstance(error, _LOST) or any(sign in error.message for sign in _SIGNS_OF_LOSS)


def _lost(config: RunConfig, error: tf.errors.OpError | None = None) -> UnreachableError:
    said = re.search(r"^Collective .*|.*incarnation.*", error.message, re.M) if error else None
    why = f" TensorFlow says: {said[0].rstrip('.')}." if said else ""
    return UnreachableError(
        "A step could not be finished, for another worker was lost: "
        f"{in_words(ask(all_peers(config.tf_config)))}. Workers that take their steps together "
        "cannot replace one of them: all of them end now, each by itself. Start all again, and "
        f"training goes on from the last checkpoint.{why}"
    )
