"""What `tf.compat.v1.estimator` was: the same code, with the defaults and extras of version 1."""

import importlib as _importlib

import tf_estimator as _v2
from tf_estimator import *  # noqa: F403 - all names of version 2; those that differ follow
from tf_estimator import inputs
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

# A "from" import would find the one of version 2, which the star brought.
experimental = _importlib.import_module(f"{__name__}.experimental")

__all__ = list(_v2.__all__)
__all__ += ["inputs"]
