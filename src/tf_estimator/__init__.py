"""The Estimator API on TensorFlow 2.16 and later: what `tf.estimator` was, under the same names."""

import importlib as _importlib
import importlib.util as _util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tf_estimator._surface import *  # noqa: F403 - for tools, what __getattr__ below finds
    from tf_estimator._surface import __all__ as __all__
    from tf_estimator.compat.install import install as install
    from tf_estimator.compat.install import uninstall as uninstall

__version__ = "0.1.0"

if not TYPE_CHECKING:  # A type checker would take a __getattr__ for every name there could be.

    def __getattr__(name: str) -> object:
        """Finds rooms of the package by import, and the names of `_surface`, all at the first.

        A room is imported alone: its own `from tf_estimator import checkpoint` comes here, too.
        """
        if name.startswith("_") and name != "__all__":  # Tools ask every module for such names.
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in ("install", "uninstall"):  # Of a layer above that of the names below.
            return getattr(_importlib.import_module(f"{__name__}.compat.install"), name)
        if _util.find_spec(f"{__name__}.{name}"):
            return _importlib.import_module(f"{__name__}.{name}")
        surface = _importlib.import_module(f"{__name__}._surface")
        for each in ("__all__", *surface.__all__):
            globals().setdefault(each, getattr(surface, each))
        if name not in globals():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[name]

    def __dir__() -> list[str]:
        __getattr__("__all__")
        return sorted({*globals(), "compat", "install", "keras", "uninstall"})
