"""Names that Python and NumPy had when old programs were written, put back for the time of a run.

`supplied.REMOVED` is the table. A name that is there stays what it is. To ask NumPy for one that is
not gives a warning in some versions, so nothing is asked here: the module's dict tells.
"""

import builtins
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

from tf_estimator.compat import supplied


class ArgSpec(NamedTuple):
    """What `inspect.getargspec` gave."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(func: Callable[..., Any]) -> ArgSpec:
    """What `inspect.getargspec` was: four things about a function, where there are seven today.

    Example:
        >>> def f(a, b=1, *c, **d): ...
        >>> args, varargs, keywords, defaults = getargspec(f)
        >>> args, varargs, keywords, defaults
        (['a', 'b'], 'c', 'd', (1,))
    """
    return ArgSpec(*inspect.getfullargspec(func)[:4])


def asscalar(a: Any) -> Any:
    """What `numpy.asscalar` was: an array of one number, or one of NumPy's, as one of Python's.

    Example:
        >>> import numpy as np
        >>> asscalar(np.array([2.5]))
        2.5
    """
    return a.item()


def in1d(ar1: Any, ar2: Any, *args: Any, **kwargs: Any) -> Any:
    """What `numpy.in1d` was: `numpy.isin`, whose answer has one dimension.

    Example:
        >>> in1d([[1], [2]], [2, 3]).tolist()
        [False, True]
    """
    numpy = importlib.import_module("numpy")
    return numpy.isin(numpy.ravel(ar1), ar2, *args, **kwargs)


# Where what is called so today takes or gives other things.
_OWN = {"inspect.getargspec": getargspec, "numpy.asscalar": asscalar, "numpy.in1d": in1d}
# Modules, which a program may import by that name.
_MODULES = frozenset({"xml.etree.cElementTree"})


class RemovedNames(MetaPathFinder, Loader):
    """Puts the names back into modules, and takes them away again.

    Attributes:
        waiting: the packages that have lost some, and that `supply` was not called for.

    Example:
        >>> import collections
        >>> names = RemovedNames()
        >>> names.supply("collections")
        >>> collections.Mapping is collections.abc.Mapping
        True
        >>> names.withdraw()
        >>> hasattr(collections, "Mapping")
        False
    """

    def __init__(self) -> None:
        self.waiting = {name.partition(".")[0] for name in supplied.REMOVED}
        self._supplied: list[tuple[Any, str]] = []
        self._found: list[str] = []

    def supply_loaded(self) -> None:
        """Puts them into all packages that are imported already, and finds those that are modules.

        That is done once; what is imported later needs `supply`.
        """
        sys.meta_path.append(self)
        for package in self.waiting & set(sys.modules):
            self.supply(package)

    def supply(self, package: str) -> None:
        """Puts them into a package that has been imported."""
        self.waiting.discard(package)
        for old, new in supplied.REMOVED.items():
            if old.partition(".")[0] == package and old not in _MODULES:
                self._supply_one(old, new)

    def _supply_one(self, old: str, new: str) -> None:
        path, _, name = old.rpartition(".")
        try:
            owner = pkgutil.resolve_name(path)
            found = _OWN.get(old) or _now(new)
        except (ImportError, AttributeError):  # Neither is in this version, or the old one is.
            return
        if name not in vars(owner):
            setattr(owner, name, found)
            self._supplied.append((owner, name))

    def withdraw(self) -> None:
        """Undoes all that `supply` and `supply_loaded` did."""
        while self._supplied:
            delattr(*self._supplied.pop())
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in self._found:
            del sys.modules[name]
            package, _, last = name.rpartition(".")
            delattr(sys.modules[package], last)
        self._found.clear()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        return ModuleSpec(fullname, self) if fullname in _MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """See `importlib.abc.Loader`."""

    def exec_module(self, module: ModuleType) -> None:
        """Puts what the module is today into its place."""
        name = module.__name__
        sys.modules[name] = _now(supplied.REMOVED[name])
        self._found.append(name)


def _now(name: str) -> Any:
    """What a dotted name or one of Python's builtins is."""
    return getattr(builtins, name) if hasattr(builtins, name) else pkgutil.resolve_name(name)
