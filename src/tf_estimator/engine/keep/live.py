"""The session of a kept graph: it stays open between calls, and is made ready for each."""

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, TypeVar

import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._tf import v1
from tf_estimator.checkpoint import RestoreReport
from tf_estimator.engine.keep.keepable import Traces, traces

_Made = TypeVar("_Made")


class LiveSession:
    """A session that hooks may close as often as they like, and the weights that are in it.

    at each call, before hooks begin:       expects(the graph, and what will be run in it)
    when the session is wanted:             session, or None if there is none that would do
        if so:                              has(checkpoint), else restored(checkpoint)
        else, of one that was just made:    opened(session), restored(checkpoint)
    when its variables will change:         forget_weights()

    Args:
        of_input: names of the operations that initialize the input it was built with.

    Attributes:
        problem: why the next call cannot go on with the session; None if it can.
        report: of the last restore.
    """

    def __init__(self, of_input: Collection[str] = ()) -> None:
        self._of_input = of_input
        self.problem: str | None = None
        self.report: RestoreReport | None = None
        self._session: tf.compat.v1.Session | None = None
        self._weights: Any = None
        self._version = -1
        self._hooks_write = False
        self._looked_at: tuple[int, bool] | None = None
        self._traces = Traces(None, True)
        self._local: list[tf.Operation] | None = None
        self._made: list[Any] = []
        self._process = os.getpid()

    def expects(
        self,
        graph: tf.Graph,
        targets: Iterable[Any],
        inputs: Collection[tf.Tensor],
        hooks: Collection[Any] = (),
        hooks_of_model: Collection[Any] = (),
    ) -> None:
        """Says what the next call will run; see `keepable.traces` for the arguments.

        What it runs in a graph is the same at each call, but for the user's hooks.
        """
        looked_at = (graph.version, bool(hooks))
        if self._looked_at != looked_at:
            self._traces = traces(graph, targets, inputs, hooks, hooks_of_model, self._of_input)
            self._looked_at = looked_at
        self._version = graph.version
        self._hooks_write = bool(hooks)
        self.problem = self.problem or self._traces.problem

    def once(self, make: Callable[[], _Made]) -> _Made:
        """What `make` gives; it is called for the first call only, as it adds to the graph."""
        if not self._made:
            self._made.append(make())
        return self._made[0]

    def session(self, graph: tf.Graph) -> tf.compat.v1.Session | None:
        """The open session; None if there is none, or it does not know all of the graph."""
        if graph.version != self._version:
            # Its variables have no values in a session that is open, and would be made twice.
            self.problem = self.problem or "a hook adds operations to the graph"
            self.close()
        if self._process != os.getpid():
            # A fork has no threads of its parent's; closing would wait for them.
            self.problem, self._session = "this process is a fork of that which built it", None
        return self._session

    def opened(self, session: tf.compat.v1.Session) -> None:
        """Takes a new session, which from now on only `close` closes."""
        self.close()
        session.close = _stays_open
        self._session = session

    def has(self, path: str) -> bool:
        """Whether the variables are those of the checkpoint, as its files are now."""
        has = self._weights is not None and self._weights == checkpoint.identity(path)
        if self._hooks_write:
            self.forget_weights()
        return has

    def restored(self, path: str | None, report: RestoreReport | None) -> None:
        """Says what the variables were restored from; call it before they are read from there."""
        self.report = report
        self._weights = checkpoint.identity(path) if path is not None else None
        if report is not None and report.new:
            self.problem = self.problem or f"{path} lacks {report.new[0]}"
        if self._traces.writes:
            self.forget_weights()

    def saved(self, path: str) -> None:
        """Says that the checkpoint has the variables as they are."""
        self._weights = checkpoint.identity(path)

    def each_time(self, local_init_op: tf.Operation) -> list[tf.Operation]:
        """What of the initialization is to be run for each call: all but that of the first input.

        Its tables and iterators are not read again, and its files may be gone.
        """
        if self._local is None:
            self._local = [op for op in _grouped(local_init_op) if op.name not in self._of_input]
        return self._local

    def forget_weights(self) -> None:
        """Says that the variables change, so that they have to be restored at the next call."""
        self._weights = None

    def close(self) -> None:
        """Closes the session, if there is one."""
        if self._session is not None and self._process == os.getpid():
            session, self._session = self._session, None
            with contextlib.suppress(AttributeError):
                del session.close
            v1.Session.close(session)


def _grouped(op: tf.Operation) -> Iterator[tf.Operation]:
    """The operations that a group of groups consists of."""
    if op.type == "NoOp":
        for one in op.control_inputs:
            yield from _grouped(one)
    else:
        yield op


def _stays_open() -> None:
    """Is in place of the method `close` of a session that is kept."""
