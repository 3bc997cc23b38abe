"""What a model_fn reads, as a value that can be compared: is a graph that was built still true?"""

import bisect
from typing import Any

from tf_estimator.engine.keep.walk import CannotTellError, Walk, path


class Fingerprint:
    """All that was found, for `==` and `difference`.

    Attributes:
        reason: why it cannot be told what is read, else None; then it equals only itself.
    """

    __slots__ = ("_alive", "_kept", "_nodes", "_tokens", "reason")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, walk: "Walk", reason: str | None) -> None:
        self.reason = reason
        self._tokens = walk.tokens if reason is None else []
        self._nodes = walk.nodes if reason is None else []
        self._alive = walk.alive if reason is None else []
        self._kept = walk.kept if reason is None else []

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not Fingerprint:
            return False
        if self.reason is not None or other.reason is not None or self._tokens != other._tokens:
            return False
        # An object that is gone may have left its id to another.
        return not (self._has_lost_any() or other._has_lost_any())

    def _has_lost_any(self) -> bool:
        return any(ref() is None for ref in self._alive)


def fingerprint(*roots: Any, **named: Any) -> Fingerprint:
    """Looks at what functions and values read, as far as it can be told without running them.

    Two fingerprints are equal if nothing that is looked at has changed in between: the code of
    functions, their defaults and closures, the globals and the attributes of modules that the code
    names, and so on with each function and value found there. Of the object of a bound method, or
    of a callable object given as a root, the attributes that the code names are looked at; of other
    objects of the user's classes all. Code of TensorFlow, Keras, NumPy, the standard library and
    installed packages is not followed, unless a root comes from it.

    Take it after the model_fn has run: one that appends to a captured list changes what it reads.
    What changes without a trace in Python objects is not seen: files, the clock, the state of
    random generators, iterators and hooks, variables' values, and globals of installed packages.

    It never raises, holds large objects weakly, and calls no code of the user's. It may be called
    in several threads at once.

    Args:
        *roots: functions, bound methods, functools.partial, callable objects, or any value.
        **named: the same; `difference` tells of them by these names.

    Returns:
        The Fingerprint.

    Example:
        >>> def make(rates):
        ...     return lambda features: features * rates["first"]
        >>> rates = {"first": 0.1}
        >>> model_fn = make(rates)
        >>> old = fingerprint(model_fn)
        >>> old == fingerprint(model_fn)
        True
        >>> rates["first"] = 0.2
        >>> difference(old, fingerprint(model_fn))
        "item 'first' of closure variable rates of <lambda>"
    """
    walk = Walk()
    try:
        for name, value in [*((None, root) for root in roots), *named.items()]:
            walk.root(value, name)
        walk.run()
        reason = None
    except CannotTellError as error:
        reason = f"{error}: {walk.where(len(walk.nodes) - 1)}"
    except Exception as error:  # noqa: BLE001  # Whatever objects do, the answer is "cannot tell".
        reason = f"{type(error).__name__}: {walk.where(len(walk.nodes) - 1)}"
    return Fingerprint(walk, reason)


def difference(old: Fingerprint, new: Fingerprint) -> str | None:
    """Where two fingerprints first differ, such as "global RATE of model_fn"; None if they do not.

    Args:
        old: of the time when the graph was built.
        new: of now.

    Returns:
        A text for a log, or the reason why one of them cannot tell.
    """
    if old == new:
        return None
    for one in (new, old):
        if one.reason is not None:
            return one.reason
    pairs = zip(old._tokens, new._tokens)  # noqa: SLF001, B905
    first = next((n for n, (a, b) in enumerate(pairs) if a is not b and a != b), None)
    if first is None:
        if len(old._tokens) == len(new._tokens):  # noqa: SLF001
            return "an object that is compared by identity and is gone"
        first = min(len(old._tokens), len(new._tokens))  # noqa: SLF001
    longer = max(old, new, key=lambda one: len(one._tokens))  # noqa: SLF001
    nodes = longer._nodes  # noqa: SLF001
    return path(nodes, bisect.bisect_right(nodes, first, key=lambda node: node[0]) - 1)
