"""What `tf.compat.v1.estimator` was: the same code, with the defaults and extras of version 1."""

import importlib as _importlib
from typing import TYPE_CHECKING

from tf_estimator import *  # noqa: F403 - all names of version 2; those that differ follow
from tf_estimator import _surface, inputs
from tf_estimator.compat.v1.canned import (  # type: ignore[assignment]
    BaselineClassifier,
    BaselineEstimator,
    BaselineRegressor,
    DNNClassifier,
    DNNEstimator,
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
    DNNRegressor,
    LinearClassifier,
    LinearEstimator,
    LinearRegressor,
)
from tf_estimator.compat.v1.estimator import Estimator

if TYPE_CHECKING:
    from tf_estimator.compat.v1 import tpu

# A "from" import would find the one of version 2, which the star brought.
experimental = _importlib.import_module(f"{__name__}.experimental")

__all__ = list(_surface.__all__)
__all__ += ["inputs", "tpu"]


def __getattr__(name: str) -> object:
    """Imports `tpu` when it is asked for: few programs do."""
    if name == "tpu":
        return _importlib.import_module(f"{__name__}.tpu")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "tpu"})
