"""Surfaces of earlier TensorFlow versions, and what their programs need to run unchanged."""

import importlib as _importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tf_estimator.compat import v1 as v1

__all__ = ["v1"]


def __getattr__(name: str) -> object:
    """Imports `v1` when it is asked for: the table `supplied` is read without TensorFlow."""
    if name == "v1":
        return _importlib.import_module(f"{__name__}.v1")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
