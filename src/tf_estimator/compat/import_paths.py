"""The import paths of the original: what each of them leads to while `install()` is in force.

A `Finder` stands first in `sys.meta_path`, and makes a module when it is imported:

- `tensorflow.estimator`, `tensorflow.compat.v1.estimator` and what is below them are the modules
  of this package themselves, so that a class is the same by every path.
- `tensorflow_estimator.python.estimator.*`, `tensorflow.python.estimator.*` and the like are
  modules of names by the table `original_names`. A name is looked up when it is asked for.
- Modules of TensorFlow that have moved are the modules that they are now.
- TensorFlow has itself in itself, and executes parts of it anew under another name, as for `import
  tensorflow.compat.v1`. What it makes so is handed to `complete`.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from tf_estimator.compat import original_names, supplied

Complete = Callable[[str, ModuleType], None]

# TensorFlow and its other names for itself; `tensorflow._api.v2` alone is an empty package.
_TENSORFLOW = r"tensorflow(?:(?:\._api\.v2)?(?:\.compat\.v[12])+)?"
_IS_TENSORFLOW = re.compile(_TENSORFLOW)
_IS_KERAS = re.compile(rf"(?:{_TENSORFLOW}|keras\._tf_keras)\.keras")
_SURFACE = re.compile(
    rf"(?P<tensorflow>{_TENSORFLOW}|tensorflow_estimator(?:\.python\.estimator\.api\._|\._api\.)v[12])"
    r"\.estimator(?:\.(?P<rest>.+))?"
)
_PACKAGES = {
    "tensorflow_estimator",
    "tensorflow_estimator._api",
    "tensorflow_estimator._api.v1",
    "tensorflow_estimator._api.v2",
    "tensorflow_estimator.python",
    "tensorflow_estimator.python.estimator.api",
    "tensorflow_estimator.python.estimator.api._v1",
    "tensorflow_estimator.python.estimator.api._v2",
}
# The modules of names that do not stand below a root of the original.
_BESIDE = {
    "tensorflow.python.tpu.tpu_config": original_names.NAMES["tpu.tpu_config"],
    "tensorflow.python.tpu.tpu_estimator": original_names.NAMES["tpu.tpu_estimator"],
}
KERAS_NAMES = {"model_to_estimator": "tf_estimator.keras.model_to_estimator"}


def is_tensorflow(name: str) -> bool:
    """Whether a module of this name is TensorFlow, as `tensorflow` or by another name of it."""
    return _IS_TENSORFLOW.fullmatch(name) is not None


def is_keras(name: str) -> bool:
    """Whether a module of this name is what `tf.keras` is."""
    return _IS_KERAS.fullmatch(name) is not None


def surface(tensorflow: str) -> ModuleType:
    """What `estimator` is in TensorFlow by this name."""
    of_version_1 = tensorflow.endswith(".v1")
    return importlib.import_module("tf_estimator.compat.v1" if of_version_1 else "tf_estimator")


class Names(ModuleType):
    """A module whose names are somewhere else, and looked up there.

    Args:
        name: its own.
        homes: its names to dotted names.
        is_package: whether there may be modules below it.
    """

    def __init__(self, name: str, homes: Mapping[str, str], *, is_package: bool = False) -> None:
        super().__init__(name, "Made by tf_estimator.install().")
        self.__dict__["_homes"] = dict(homes)
        self.__all__ = [each for each in homes if not each.startswith("_")]
        if is_package:
            self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        home = self.__dict__["_homes"].get(name)
        if home is not None:
            module, _, attribute = home.rpartition(".")
            found = getattr(importlib.import_module(module), attribute)
            setattr(self, name, found)
            return found
        if "__path__" in vars(self) and not name.startswith("__"):
            below = f"{self.__name__}.{name}"
            try:
                return importlib.import_module(below)
            except ModuleNotFoundError as error:
                if error.name != below:
                    raise
        raise AttributeError(
            f"tf_estimator.install() does not bring {self.__name__}.{name}, which was private to "
            "the original, or module of it. tf_estimator and tf_estimator.compat.v1 have what was "
            "public.",
            name=name,
            obj=self,
        )

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__dict__["_homes"]})


class Finder(MetaPathFinder):
    """Finds the modules above.

    Args:
        complete: called with the name of a module of TensorFlow or Keras, and with the module, when
            it has been loaded.
    """

    def __init__(self, complete: Complete) -> None:
        self._complete = complete
        self.made: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        package = fullname.partition(".")[0]
        if package not in ("tensorflow", "tensorflow_estimator", "keras"):
            return None
        if is_tensorflow(fullname) or is_keras(fullname):
            return self._completed(fullname, path, target)
        if fullname in supplied.MOVED and PathFinder.find_spec(fullname, path):
            return None  # In an older TensorFlow some are in their place.
        make = _maker(fullname)
        if make is None:
            return None
        self.made.add(fullname)
        return ModuleSpec(fullname, _Maker(make))

    def _completed(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    if spec.loader is not None:
                        spec.loader = _Completing(spec.loader, self._complete)
                    return spec
        return None


def _maker(fullname: str) -> Callable[[], ModuleType] | None:
    """What makes the module of this name; None if it is not one of ours.

    Raises:
        ModuleNotFoundError: it is of the original, and not brought.
    """
    for find in (_of_names, _of_surface, _of_original, _of_moved):
        make = find(fullname)
        if make is not None:
            return make
    return None


def _of_names(fullname: str) -> Callable[[], ModuleType] | None:
    if fullname in _PACKAGES:
        # `tensorflow_estimator.estimator` was the one of version 1.
        names = {"estimator": "tf_estimator.compat.v1"} if "." not in fullname else {}
        return lambda: Names(fullname, names, is_package=True)
    if fullname in _BESIDE:
        return lambda: Names(fullname, _BESIDE[fullname])
    if fullname.endswith(".estimator") and is_keras(fullname.removesuffix(".estimator")):
        return lambda: Names(fullname, KERAS_NAMES)
    return None


def _of_surface(fullname: str) -> Callable[[], ModuleType] | None:
    found = _SURFACE.fullmatch(fullname)
    if not found:
        return None
    module: Any = surface(found["tensorflow"])
    for part in (found["rest"] or "").split("."):
        module = getattr(module, part, None) if part else module
        if not isinstance(module, ModuleType):
            raise _not_brought(fullname)
    return lambda: module


def _of_original(fullname: str) -> Callable[[], ModuleType] | None:
    for root in supplied.INSTALLED_ROOTS:
        if fullname == root or fullname.startswith(f"{root}."):
            names = original_names.NAMES.get(fullname[len(root) + 1 :])
            if names is None:
                raise _not_brought(fullname)
            return lambda: Names(fullname, names, is_package=not names)
    if fullname.startswith("tensorflow_estimator."):
        raise _not_brought(fullname)
    return None


def _of_moved(fullname: str) -> Callable[[], ModuleType] | None:
    for old, new in sorted(supplied.MOVED.items(), reverse=True):
        if fullname == old or fullname.startswith(f"{old}."):
            now = new + fullname[len(old) :]
            spec = importlib.util.find_spec(now)
            if spec is None:
                message = f"{fullname} would be {now} now, which is not there."
                raise ModuleNotFoundError(message, name=fullname)
            if spec.submodule_search_locations is None:
                return lambda: importlib.import_module(now)
            # A package of its own: what is imported into it becomes an attribute of it.
            return lambda: Names(fullname, {}, is_package=True)
    return None


def _not_brought(fullname: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(
        f"tf_estimator.install() does not bring the module {fullname}. tf_estimator and "
        "tf_estimator.compat.v1 have what was public.",
        name=fullname,
    )


class _Maker(Loader):
    """Puts a module into `sys.modules`; it may be there under another name as well."""

    def __init__(self, make: Callable[[], ModuleType]) -> None:
        self._make = make

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """A module that only stands until `exec_module`, which would change one that is in use."""

    def exec_module(self, module: ModuleType) -> None:
        made = self._make()
        if isinstance(made, Names) and module.__spec__ is not None:
            made.__spec__, made.__loader__ = module.__spec__, self
            made.__spec__.submodule_search_locations = vars(made).get("__path__")
            made.__package__ = made.__spec__.parent
        sys.modules[module.__name__] = made


class _Completing(Loader):
    """Loads a module as another loader does, and then completes it."""

    def __init__(self, loader: Any, complete: Complete) -> None:
        self._loader = loader
        self._complete = complete

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        if module.__spec__ is not None:
            module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        # TensorFlow puts a wrapper in the place of some of its modules.
        self._complete(name, sys.modules.get(name, module))


def forget(names: Iterable[str]) -> None:
    """Takes modules out of `sys.modules`, and out of the packages that they were imported into."""
    for name in sorted(names, reverse=True):
        module = sys.modules.pop(name, None)
        package, _, last = name.rpartition(".")
        parent = sys.modules.get(package)
        # What is below a module of this package is its own.
        if module is None or parent is None or parent.__name__ != package:
            continue
        if vars(parent).get(last) is module:
            delattr(parent, last)
