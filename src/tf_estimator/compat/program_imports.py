"""What import statements lead to while `tf-estimator run` runs a program.

In the program's own files `tensorflow` is a package of another name, `TENSORFLOW_1`, and the import
system does the rest: what is imported from it, and by which form, is what the finder of
`tensorflow1` says. All other files, as those of installed packages, have the real one.

Nothing of TensorFlow is imported before somebody asks for it: a program may set what TensorFlow
reads from the environment, as TF_CPP_MIN_LOG_LEVEL, before it imports it.
"""

import builtins
import contextlib
import functools
import importlib
import inspect
import sys
import sysconfig
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tf_estimator.compat.removed_names import RemovedNames

TENSORFLOW_1 = "_tensorflow1"

_TENSORFLOW = frozenset({"tensorflow", "tensorflow_core"})  # The latter is 1.15's name for itself.
# Whoever imports one of these first wants TensorFlow, or what `install()` brings.
_PREPARED = _TENSORFLOW | {"tensorflow_estimator", "tf_estimator"}
_MAIN = ("__main__", "__mp_main__")  # The latter is the former in a process that was spawned.
_INSTALLED = frozenset({"site-packages", "dist-packages"})


class ProgramFiles:
    """Which files are the program's own: not of Python, nor installed, nor of TensorFlow.

    Args:
        packages: names of packages that are, wherever they are.
    """

    def __init__(self, packages: Collection[str] = ()) -> None:
        self._packages = frozenset(packages)
        paths = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
        folders = {Path(path) for path in paths if path}
        self._python = folders | {folder.resolve() for folder in folders}
        self._known: dict[str, bool] = {}

    def own(self, module: Mapping[str, Any], frame: FrameType | None) -> bool:
        """Whether code is the program's.

        Args:
            module: its globals.
            frame: that calls it, which tells of code that is of no file: whose it is who runs it.
        """
        package = str(module.get("__name__", "")).partition(".")[0]
        if package in self._packages or package in _MAIN:
            return True
        if package in _PREPARED or package in ("keras", "tf_keras"):
            return False
        file = module.get("__file__")
        while not isinstance(file, str) and frame is not None:
            file, frame = frame.f_globals.get("__file__"), frame.f_back
        if not isinstance(file, str):
            return False
        if file not in self._known:
            self._known[file] = self._is_own(Path(file).absolute())
        return self._known[file]

    def _is_own(self, path: Path) -> bool:
        if not _INSTALLED.isdisjoint(path.parts):
            return False
        return self._python.isdisjoint(path.parents)


class ProgramImports:
    """Leads the import statements of a program, by all their forms.

    Args:
        files: which of them are followed.
        prepare: called once, before TensorFlow is imported for the first time. Returns what is
            called whenever `tensorflow.compat` has been imported: TensorFlow makes another one.
        removed: names to supply to packages when these have been imported.
        of_version_1: whether `tensorflow` is that of version 1 in these files.
    """

    def __init__(
        self,
        files: ProgramFiles,
        prepare: Callable[[], Callable[[], object]],
        removed: RemovedNames,
        *,
        of_version_1: bool,
    ) -> None:
        self._files = files
        self._prepare = prepare
        self._is_preparing = False
        self._after_compat: Callable[[], object] | None = None
        self._lock = threading.RLock()
        self._removed = removed
        self._of_version_1 = of_version_1

    def lead(self, undo: contextlib.ExitStack) -> None:
        """Leads the statement `import` and `importlib.import_module` until it is undone."""
        names = (builtins.__import__, importlib.import_module)

        def leave() -> None:
            builtins.__import__, importlib.import_module = names

        undo.callback(leave)
        builtins.__import__ = self._statement(names[0])
        importlib.import_module = self._function(names[1])

    def _statement(self, import_: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
        @functools.wraps(import_)
        def led(
            name: str,
            globals: Mapping[str, Any] | None = None,  # noqa: A002 - as Python calls it
            locals: Mapping[str, Any] | None = None,  # noqa: A002
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            try:
                if level:
                    return import_(name, globals, locals, fromlist, level)
                actual = self._before(name, globals, _caller())
                module = import_(actual, globals, locals, fromlist, level)
                self._after(actual)
                return module
            except BaseException as error:
                _without_this_frame(error)
                raise

        return led

    def _function(self, import_module: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
        @functools.wraps(import_module)
        def led(name: str, package: str | None = None) -> ModuleType:
            try:
                actual = self._before(name, None, _caller())
                module = import_module(actual, package)
                self._after(actual)
                return module
            except BaseException as error:
                _without_this_frame(error)
                raise

        return led

    def _before(
        self, name: str, importer: Mapping[str, Any] | None, frame: FrameType | None
    ) -> str:
        """What to import in the place of `name`; all is ready for it."""
        package, dot, rest = name.partition(".")
        if package not in _PREPARED:
            return name
        if importer is None:  # A call that has no globals is by the code above it.
            importer = {} if frame is None else frame.f_globals
        if self._after_compat is None and not _is_within(importer, "tf_estimator"):
            self._prepare_once()
        if not self._of_version_1 or package not in _TENSORFLOW:
            return name
        if not self._files.own(importer, frame):
            return name
        return TENSORFLOW_1 + dot + rest

    def _prepare_once(self) -> None:
        with self._lock:  # Other threads wait; in this one TensorFlow itself is imported.
            if self._after_compat is not None or self._is_preparing:
                return
            self._is_preparing = True
            try:
                self._after_compat = self._prepare()
            finally:
                self._is_preparing = False

    def _after(self, name: str) -> None:
        """`name` has been imported."""
        if self._after_compat is not None and name.startswith("tensorflow.compat"):
            self._after_compat()
        package = name.partition(".")[0]
        if package in self._removed.waiting:
            spec = getattr(sys.modules.get(package), "__spec__", None)
            # What a package imports of itself meanwhile finds it half made.
            if not getattr(spec, "_initializing", False):
                self._removed.supply(package)


def _caller() -> FrameType | None:
    """The frame that called who calls this."""
    here = inspect.currentframe()
    above = here and here.f_back
    return above and above.f_back


def _is_within(module: Mapping[str, Any], package: str) -> bool:
    return str(module.get("__name__", "")).partition(".")[0] == package


def _without_this_frame(error: BaseException) -> None:
    """Takes the frame of the caller, which is about to raise `error` again, out of its traceback.

    A program's traceback is then as without us. Python 3.10 puts it in again.
    """
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
