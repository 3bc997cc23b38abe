"""`install()`: old programs find the Estimator API where it was, and `uninstall()` undoes it."""

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

from tf_estimator.compat import import_paths
from tf_estimator.compat.removed_names import RemovedNames

_ORIGINAL = "tensorflow_estimator"
_MISSING = object()
_lock = threading.RLock()


class _Installation:
    """What one `install()` has changed."""

    def __init__(self, aside: dict[str, ModuleType]) -> None:
        self._aside = aside
        self._finder = import_paths.Finder(self._complete)
        self._removed_names = RemovedNames()
        # Modules, each with the `estimator` that it had before.
        self._completed: list[tuple[ModuleType, Any]] = []

    def begin(self) -> None:
        for name in self._aside:
            del sys.modules[name]
        sys.meta_path.insert(0, self._finder)
        self._removed_names.supply("inspect")
        for name, module in list(sys.modules.items()):
            if import_paths.is_tensorflow(name) or import_paths.is_keras(name):
                self._complete(name, module)

    def end(self) -> None:
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        self._removed_names.withdraw()
        import_paths.forget(self._finder.made)
        for module, before in reversed(self._completed):
            if before is not _MISSING:
                module.estimator = before
            elif "estimator" in vars(module):
                delattr(module, "estimator")
            # TensorFlow's lazy loader of Keras keeps a copy of what Keras has.
            copy = vars(vars(module).get("keras", object))
            if isinstance(copy.get("estimator"), import_paths.Names):
                copy.pop("estimator")
        sys.modules.update(self._aside)

    def _complete(self, name: str, module: ModuleType) -> None:
        if import_paths.is_tensorflow(name):
            # One module may have several names, as `tf.compat.v1` has.
            if all(module is not done for done, _ in self._completed):
                self._completed.append((module, vars(module).get("estimator", _MISSING)))
                module.estimator = import_paths.surface(name)  # type: ignore[attr-defined]
        # tf_keras has its own, which calls what is found at `tensorflow_estimator`.
        elif "estimator" not in vars(module):
            self._completed.append((module, _MISSING))
            module.estimator = import_paths.Names(  # type: ignore[attr-defined]
                f"{name}.estimator", import_paths.KERAS_NAMES
            )


_installed: list[_Installation] = []


def install(*, shadow: bool = False) -> None:
    """Puts the Estimator API where programs of TensorFlow 1 and 2 look for it.

    From then on, and for the whole process, also for TensorFlow modules that are imported later:

    - `tf.estimator` is `tf_estimator`, and `tf.compat.v1.estimator` is `tf_estimator.compat.v1`, by
      each of TensorFlow's names for itself. So `from tensorflow import estimator`, `import
      tensorflow.compat.v1.estimator` and the like work.
    - `tf.keras.estimator.model_to_estimator` is `tf_estimator.keras.model_to_estimator`. Keras is
      not imported for that.
    - Modules that libraries import, `tensorflow_estimator.python.estimator.*`,
      `tensorflow.python.estimator.*` and `tensorflow.python.tpu.tpu_estimator`, have the names that
      libraries take from them. A name or a module that is not there is an error that names it.
    - `tensorflow.python.training.tracking`, which has moved, is found, and `inspect.getargspec`,
      which Python 3.11 removed.

    Call it before the program's own imports. It imports TensorFlow, so what that reads from the
    environment, such as `TF_USE_LEGACY_KERAS`, has to be set before. A second call changes nothing.
    `tf.layers` and RNN cells are left alone: see `tf_estimator.keras.enable_v1_layers`, which
    `tf-estimator run` calls.

    Args:
        shadow: what to do if the package tensorflow-estimator, the original, is installed. It does
            not work with this TensorFlow, but its import paths would no longer lead to it. By
            default that is an error; True takes its place until `uninstall()`.

    Raises:
        RuntimeError: tensorflow-estimator is installed, and not `shadow`.

    Example:
        >>> import tensorflow as tf
        >>> import tf_estimator
        >>> tf_estimator.install()
        >>> tf.estimator.Estimator is tf_estimator.Estimator
        True
        >>> from tensorflow_estimator.python.estimator.canned.dnn import DNNClassifierV2
        >>> DNNClassifierV2 is tf_estimator.DNNClassifier
        True
        >>> tf_estimator.uninstall()
        >>> hasattr(tf, "estimator")
        False
    """
    with _lock:
        if _installed:
            return
        place = _place_of_original()
        if place and not shadow:
            raise RuntimeError(
                f"The package tensorflow-estimator is installed ({place}), and install() would "
                "stand in its place. It does not work with this TensorFlow: run `pip uninstall "
                "tensorflow-estimator`, or call install(shadow=True) to leave it where it is."
            )
        importlib.import_module("tensorflow")
        aside = {
            name: module
            for name, module in sys.modules.items()
            if name == _ORIGINAL or name.startswith(f"{_ORIGINAL}.")
        }
        installation = _Installation(aside)
        _installed.append(installation)
        try:
            installation.begin()
        except BaseException:
            uninstall()
            raise


def uninstall() -> None:
    """Undoes `install()`, as though it had not been called; without one it does nothing.

    What a program has imported meanwhile keeps working.

    Example:
        >>> uninstall()
    """
    with _lock:
        if _installed:
            _installed.pop().end()


def _place_of_original() -> str:
    """Where the original package is; "" if it is not installed.

    A folder that was left over from it, without files, counts for nothing.
    """
    if _ORIGINAL in sys.modules:
        module = sys.modules[_ORIGINAL]
        return str(getattr(module, "__file__", None) or module)
    spec = importlib.util.find_spec(_ORIGINAL)
    return (spec.origin or "") if spec else ""
