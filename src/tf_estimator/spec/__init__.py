"""The value objects that a `model_fn` deals in."""

from tf_estimator.spec.estimator_spec import EstimatorSpec
from tf_estimator.spec.export_outputs import (
    ClassificationOutput,
    EvalOutput,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
    TrainOutput,
)
from tf_estimator.spec.modes import ModeKeys

__all__ = [
    "ClassificationOutput",
    "EstimatorSpec",
    "EvalOutput",
    "ExportOutput",
    "ModeKeys",
    "PredictOutput",
    "RegressionOutput",
    "TrainOutput",
]
