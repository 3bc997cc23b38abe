"""The graphs that an Estimator keeps, with their sessions, for its next calls."""

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from tf_estimator._tf import logger, unfinalize
from tf_estimator.checkpoint import RestoreReport, stamp
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import Begun, BuiltGraph, begin, finish, global_step_read
from tf_estimator.engine.keep import by_value
from tf_estimator.engine.keep.by_value import CalledInput
from tf_estimator.engine.keep.fingerprint import Fingerprint, difference, fingerprint
from tf_estimator.engine.keep.keepable import table_files
from tf_estimator.engine.keep.live import LiveSession
from tf_estimator.engine.model import Model
from tf_estimator.spec import ModeKeys

_OnRestore = Callable[[RestoreReport | None], None]

# How many are kept by default: one of each mode, and one more of another input.
_GRAPHS: Final = 4
# What the variables of all kept graphs may take in memory, in bytes. A model as large as this
# spends its time on its variables, not on being built.
_BYTES: Final = 1 << 30


@dataclasses.dataclass(eq=False)
class _Kept:
    """A graph between two calls.

    Attributes:
        built: the graph.
        live: its session.
        inlet: takes the inputs of later calls.
        config: what it was built with.
        reads: what model_fn read when it was called.
        files: those that its tables were filled from, as they were then.
    """

    built: BuiltGraph
    live: LiveSession
    inlet: by_value.Inlet
    model: Model
    config: RunConfig
    reads: Fingerprint
    files: tuple[tuple[str, Any], ...]

    @functools.cached_property
    def size(self) -> int:
        """The bytes of its variables."""
        variables = [v for v in self.built.variables if v.shape.is_fully_defined()]
        return sum(v.shape.num_elements() * v.dtype.base_dtype.size for v in variables)


class Keeper:
    """Lends graphs to calls: a kept one if nothing that it was built from has changed.

    begin a graph: the step, and what input_fn makes
    if there is a kept graph of the same mode, config and kind of input, and what model_fn reads is
    as it was:
        bring the input over to that one, and drop the one begun
    else:
        call model_fn in the one begun
    after the call, if it went well and the session can be used again: keep it
    let go of those that were used the longest time ago

    A graph is lent to one call at a time; a second call at the same time builds another.

    Args:
        limit: how many to keep at most; True for the default, 0 or False for none.
    """

    def __init__(self, limit: bool | int) -> None:
        self._limit = _GRAPHS if limit is True else int(limit)
        self._lock = threading.Lock()
        self._kept: list[_Kept] = []  # the one used last comes last
        # Counts the calls of `close`: what was lent before one is not taken back after it.
        self._closed = 0
        # What hooks do when they begin, of those that have done so and have added nothing.
        self._add_nothing: set[Any] = set()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Keeper":
        return Keeper(self._limit)

    def __reduce__(self) -> tuple[Any, ...]:
        return Keeper, (self._limit,)

    @contextlib.contextmanager
    def lent(
        self,
        model: Model,
        mode: str,
        read_input: Callable[[], CalledInput],
        config: RunConfig,
        on_restore: _OnRestore,
        *,
        hooks: Collection[Any] = (),
    ) -> Iterator[BuiltGraph]:
        """A graph of one mode for one call.

        Args:
            model: the checked model_fn.
            mode: one of ModeKeys.
            read_input: makes the input in the default graph.
            config: of the graph.
            on_restore: told of every restore of the graph's variables.
            hooks: the hooks and listeners of the call, which will run in the session.

        Yields:
            The BuiltGraph, whose input starts with the session of the call.
        """
        if not self._limit or (mode == ModeKeys.TRAIN and _is_shared(config)):
            yield finish(model, begin(mode, read_input, config), config, on_restore)
            return
        closed = self._closed
        with self._lock:
            is_kept = any(one.built.mode == mode for one in self._kept)
        begins = {code for hook in hooks if (code := _own_begin(hook)) is not None}
        if begins <= self._add_nothing:
            begun = begin(mode, read_input, config, to_compare=is_kept)
            kept, built, brought = self._taken(model, begun, config, on_restore, bool(hooks))
        else:
            # What they add to a graph that was used could not be initialized or saved any more.
            _say(mode, "a hook may add to the graph when it begins")
            begun = begin(mode, read_input, config)
            kept, built, brought = None, None, None
        if kept is None:
            kept, built = _new(model, begun, config, on_restore)
        if kept is None:
            yield built
            return
        try:
            yield built
        except GeneratorExit:
            # Nobody asks for more predictions; that is how most such calls end.
            self._give_back(kept, closed)
            raise
        except BaseException:
            kept.live.close()
            raise
        else:
            self._give_back(kept, closed)
            if kept.live.problem is None:
                self._add_nothing |= begins
        finally:
            if brought is not None:
                brought.close()

    def close(self) -> None:
        """Lets go of all graphs; those that are lent follow when they are given back."""
        with self._lock:
            self._closed += 1
            kept, self._kept = self._kept, []
        for one in kept:
            one.live.close()

    def _taken(
        self,
        model: Model,
        begun: Begun,
        config: RunConfig,
        on_restore: _OnRestore,
        has_hooks: bool,
    ) -> tuple[_Kept | None, Any, by_value.Brought | None]:
        kept = self._found(model, begun, config, has_hooks)
        if kept is None:
            return None, None, None
        try:
            brought = kept.inlet.bring(begun.input, briefly=begun.mode != ModeKeys.TRAIN)
        except by_value.CannotBring as reason:
            kept.live.close()
            _say(begun.mode, reason)
            return None, None, None
        # For hooks that begin; the session's creator finalizes it again.
        unfinalize(kept.built.graph)
        built = dataclasses.replace(
            kept.built, input_hooks=brought.hooks, feed=brought.feed, on_restore=on_restore
        )
        return kept, built, brought

    def _found(
        self, model: Model, begun: Begun, config: RunConfig, has_hooks: bool
    ) -> _Kept | None:
        """Takes a kept graph that fits out of the list."""
        with self._lock:
            candidates = [one for one in reversed(self._kept) if one.built.mode == begun.mode]
        reason: str | None = None
        for kept in candidates:
            if kept.model is not model or kept.config is not config:
                reason = "its params or its config are others"
            elif not kept.inlet.takes(begun.input):
                reason = "its input is of another kind"
            elif kept.inlet.is_fed and has_hooks:
                # What they run by themselves would read the input of the first call.
                reason = "its input would have to be fed to hooks as well"
            elif changed := difference(kept.reads, _what_is_read(model, config)):
                reason = f"{changed} has changed"
            elif file := next((name for name, was in kept.files if stamp(name) != was), None):
                reason = f"the file {file} has changed"
            else:
                with self._lock:
                    if kept in self._kept:
                        self._kept.remove(kept)
                        return kept
                reason = "another call uses it"
        if reason is not None:
            _say(begun.mode, reason)
        return None

    def _give_back(self, kept: _Kept, closed: int) -> None:
        if kept.live.problem is not None:
            _say(kept.built.mode, kept.live.problem)
            kept.live.close()
            return
        released: list[_Kept] = []
        with self._lock:
            if closed != self._closed:
                released = [kept]
            else:
                self._kept.append(kept)
                while self._kept and self._is_too_much():
                    released.append(self._kept.pop(0))
        for one in released:
            one.live.close()

    def _is_too_much(self) -> bool:
        return len(self._kept) > self._limit or sum(one.size for one in self._kept) > _BYTES


def _new(
    model: Model, begun: Begun, config: RunConfig, on_restore: _OnRestore
) -> tuple[_Kept | None, BuiltGraph]:
    built = finish(model, begun, config, on_restore)
    # After model_fn, which may itself change what it reads, as a list of its calls.
    reads = _what_is_read(model, config)
    try:
        inlet = by_value.Inlet(begun.input)
    except by_value.CannotBring as reason:
        _say(begun.mode, reason)
        return None, built
    has_hooks = built.spec.evaluation_hooks or built.spec.prediction_hooks
    if inlet.is_fed and (has_hooks or begun.mode == ModeKeys.TRAIN):
        # To feed each step takes longer than to build the graph.
        _say(begun.mode, "its input would have to be fed to each step, and to hooks")
        return None, built
    with built.graph.as_default():
        # Else the first hook that begins would make it, and seem to add to the graph.
        global_step_read()
    assert isinstance(begun.input, CalledInput)  # for the Inlet took it
    of_input = begun.input.initializers
    files = tuple((name, stamp(name)) for name in table_files(built.graph, of_input))
    live = LiveSession(of_input)
    built = dataclasses.replace(built, live=live)
    return _Kept(built, live, inlet, model, config, reads, files), built


def _own_begin(hook: Any) -> Any:
    """What a hook of the user's does when it begins; None if it is one of those that are known."""
    begin = getattr(type(hook).begin, "__code__", type(hook).begin)
    known = ("tensorflow.", f"{__name__.partition('.')[0]}.engine.")
    return None if str(getattr(type(hook).begin, "__module__", "")).startswith(known) else begin


def _is_shared(config: RunConfig) -> bool:
    # The values of such a training are in other processes, which may have been restarted since.
    return config.num_worker_replicas + config.num_ps_replicas > 1


def _what_is_read(model: Model, config: RunConfig) -> Fingerprint:
    return fingerprint(model.model_fn, params=model.params, config=vars(config))


def _say(mode: str, reason: object) -> None:
    logger.debug("The graph for %s is not kept, or not used again: %s.", mode, reason)
