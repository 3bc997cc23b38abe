"""What a program for TensorFlow 1 sees as `tensorflow`, and what else it finds as it was.

`tf.compat.v1` is most of it: TensorFlow keeps nearly all public names of 1.15 there. What it has
not are `tf.contrib`, `tf.estimator`, and Keras 2 with `tf.layers` and the cells of RNNs.
"""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import Any

import tensorflow as tf

from tf_estimator._keras import v1_modules
from tf_estimator._tf import logger, v1, without_deprecation_notes
from tf_estimator.compat import contrib
from tf_estimator.compat.install import install, uninstall
from tf_estimator.compat.program_imports import TENSORFLOW_1
from tf_estimator.keras.v1_layers import enable_v1_layers

_KERAS_2 = "tf_keras.api._v1.keras"

# Modules of TensorFlow 1 that nothing stands for.
_GONE = {
    "examples": (
        "TensorFlow 2 has no tensorflow.examples. tf.keras.datasets.mnist.load_data() gives the "
        "digits of MNIST as arrays"
    ),
    "models": "It was never a part of TensorFlow: get the folder from its authors",
}


class Layered(ModuleType):
    """A module that has the names of several modules: of each, what those before it have not.

    Args:
        name: its own.
        modules: the modules, the first of which counts most.
        own: names that are none of theirs, and what makes each when it is first asked for.
    """

    _modules: Sequence[ModuleType] = ()
    _own: Mapping[str, Callable[[], Any]] = MappingProxyType({})

    def __init__(
        self, name: str, modules: Sequence[ModuleType], own: Mapping[str, Callable[[], Any]]
    ) -> None:
        super().__init__(name, modules[0].__doc__)
        self.__path__: list[str] = []  # a package for the import system
        for each in ("__version__", "__git_version__", "__compiler_version__", "__file__"):
            if hasattr(modules[0], each):
                setattr(self, each, getattr(modules[0], each))
        self._modules = modules
        self._own = own

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [each for each in dir(self) if not each.startswith("_")]
        if name in self._own:
            found = self._own[name]()
            setattr(self, name, found)
            return found
        for module in self._modules:
            with contextlib.suppress(AttributeError):
                found = getattr(module, name)
                setattr(self, name, found)
                return found
        raise AttributeError(
            f"module {self.__name__!r} has no attribute {name!r}: TensorFlow {tf.__version__} has "
            "it no more, and tf-estimator run does not bring it. `tf-estimator check` finds all "
            "such names of a program.",
            name=name,
            obj=self,
        )

    def __dir__(self) -> list[str]:
        of_modules = {each for module in self._modules for each in dir(module)}
        return sorted({*super().__dir__(), *self._own, *of_modules} - {"_modules", "_own"})


def make() -> Layered:
    """`tensorflow` for a program of version 1.

    Example:
        >>> tensorflow = make()
        >>> tensorflow.placeholder is tf.compat.v1.placeholder
        True
        >>> tensorflow.compat.v1 is tensorflow
        True
    """
    tensorflow = Layered(
        "tensorflow",
        [v1, tf],
        {
            "compat": lambda: compat,
            "contrib": lambda: contrib.Contrib(f"{TENSORFLOW_1}.contrib", tensorflow),
            "estimator": lambda: importlib.import_module("tf_estimator.compat.v1"),
            "keras": _keras,
            # Some programs take private modules from there.
            "python": lambda: sys.modules["tensorflow.python"],
        },
    )
    compat = Layered(
        "tensorflow.compat",
        [v1.compat],
        {"v1": lambda: tensorflow, "v2": lambda: tf.compat.v2},
    )
    return tensorflow


def _keras() -> ModuleType:
    """Keras as TensorFlow 1 had it, from the package tf-keras; without that, the one there is.

    Keras 3 runs in a graph, but its `fit` and its weights need eager execution.
    """
    if importlib.util.find_spec("tf_keras") is None:
        return tf.keras  # noqa: TID251 - the program asked for it
    of_version_1 = importlib.import_module(_KERAS_2)
    version = importlib.import_module("tf_keras").__version__
    return Layered(_KERAS_2, [of_version_1], {"__version__": lambda: version})


class Finder(MetaPathFinder, Loader):
    """Finds the modules of `tensorflow` for a program of version 1.

    They are modules that there are, under a second name; only tf.contrib and Layered are made.
    """

    def __init__(self, tensorflow: Layered) -> None:
        self._tensorflow = tensorflow

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        return ModuleSpec(fullname, self) if fullname.startswith(f"{TENSORFLOW_1}.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """A module that only stands until `exec_module`, which would change one that is in use."""

    def exec_module(self, module: ModuleType) -> None:
        """Puts the module that is meant into its place.

        Raises:
            ImportError: there is none.
        """
        sys.modules[module.__name__] = self._find(module.__name__)

    def _find(self, fullname: str) -> ModuleType:
        name = fullname.removeprefix(f"{TENSORFLOW_1}.")
        if name == "_api.v1":  # TensorFlow 1.14's other name for itself
            return self._tensorflow
        above, _, last = fullname.rpartition(".")
        package = sys.modules[above]
        if isinstance(package, contrib.Contrib):
            path = package.path_of(last)
            found = package.module(last)
            if found is None:
                # Not a ModuleNotFoundError: Python would pass over that in `from x import name`.
                raise ImportError(contrib.not_there(path), name=f"tensorflow.contrib.{path}")
            return found
        found = getattr(package, last, None)
        if isinstance(found, ModuleType):
            return found
        real_name = f"{package.__name__}.{last}"
        try:
            return importlib.import_module(real_name)
        except ModuleNotFoundError as error:
            if error.name != real_name:
                raise
        why = _GONE.get(name.partition(".")[0], "TensorFlow 2 has no such module")
        raise ModuleNotFoundError(f"No module named 'tensorflow.{name}': {why}.", name=real_name)


class _OnDemand(ModuleType):
    """Stands for tf.layers or tf.nn.rnn_cell until it is asked for a name; then Keras 2 comes in.

    `enable_v1_layers` puts all names into what stood there before.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":  # Python asks modules for these.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        enable_v1_layers()
        if name in vars(self):
            return vars(self)[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name)


class LayersOnDemand:
    """Makes `tf.compat.v1.layers` and the cells of RNNs work when they are first asked for."""

    def __init__(self) -> None:
        self._layers = _OnDemand("tensorflow.layers")
        self._cells = _OnDemand("tensorflow.nn.rnn_cell")
        self._before: list[tuple[Any, Any, Any]] = []

    def cover(self) -> None:
        """Does so in all modules that are tf.compat.v1: importing it by that name makes more."""
        for module in v1_modules():
            # Anything else is what an `enable_v1_layers` before this put there.
            if type(getattr(module, "layers", None)).__name__ == "KerasLazyLoader":
                self._before.append((module, module.layers, module.nn.rnn_cell))
                module.layers, module.nn.rnn_cell = self._layers, self._cells

    def uncover(self) -> None:
        """Undoes it, where they have not been asked for."""
        while self._before:  # Backwards, for some have one `nn`.
            module, layers, cells = self._before.pop()
            if module.layers is self._layers:
                module.layers, module.nn.rnn_cell = layers, cells


def behave_as_version_1(undo: contextlib.ExitStack) -> None:
    """Has TensorFlow behave as version 1: all that `tf.compat.v1.disable_v2_behavior` switches.

    To undo it, the default graph is emptied.
    """
    was_version_2 = v1.executing_eagerly_outside_functions()
    with without_deprecation_notes():
        v1.disable_v2_behavior()

    def enable() -> None:
        v1.reset_default_graph()  # else it is too late to execute eagerly
        with without_deprecation_notes():
            v1.enable_v2_behavior()

    if was_version_2:
        undo.callback(enable)


def install_estimators(undo: contextlib.ExitStack) -> None:
    """Calls `install()`, which is undone if it was not in force before."""
    if "estimator" not in vars(tf):
        undo.callback(uninstall)
    try:
        install()
    except RuntimeError as error:
        # A leftover of an older TensorFlow, mostly: the program does not run with it.
        logger.warning("%s: tf-estimator run stands in its place.", str(error).partition(",")[0])
        install(shadow=True)


def make_importable(undo: contextlib.ExitStack, tensorflow: Layered) -> None:
    """Makes `tensorflow` the module TENSORFLOW_1, with all below it."""
    finder = Finder(tensorflow)
    sys.modules[TENSORFLOW_1] = tensorflow
    sys.meta_path.insert(0, finder)

    def forget() -> None:
        sys.meta_path.remove(finder)
        for name in list(sys.modules):
            if name.partition(".")[0] == TENSORFLOW_1:
                del sys.modules[name]

    undo.callback(forget)


def bring(undo: contextlib.ExitStack, *, of_version_1: bool) -> Callable[[], None]:
    """Brings all of TensorFlow that a program finds.

    Args:
        undo: gets what undoes it.
        of_version_1: whether TENSORFLOW_1 and the behavior of version 1 belong to it.

    Returns:
        What to call after `tensorflow.compat` was imported.
    """
    install_estimators(undo)
    layers = LayersOnDemand()
    undo.callback(layers.uncover)
    layers.cover()
    if of_version_1:
        behave_as_version_1(undo)
        make_importable(undo, make())
    return layers.cover
