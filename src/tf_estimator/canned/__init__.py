"""Whole models: linear, deep, wide and deep, and the baseline to compare them with."""

from tf_estimator.canned.baseline import BaselineClassifier, BaselineEstimator, BaselineRegressor
from tf_estimator.canned.dnn import (
    DNNClassifier,
    DNNEstimator,
    DNNRegressor,
    dnn_logit_fn_builder,
)
from tf_estimator.canned.dnn_linear_combined import (
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
)
from tf_estimator.canned.linear import (
    LinearClassifier,
    LinearEstimator,
    LinearRegressor,
    linear_logit_fn_builder,
)
from tf_estimator.canned.parsing import classifier_parse_example_spec, regressor_parse_example_spec

__all__ = [
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
    "classifier_parse_example_spec",
    "dnn_logit_fn_builder",
    "linear_logit_fn_builder",
    "regressor_parse_example_spec",
]
