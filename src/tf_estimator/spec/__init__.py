"""The value objects that a `model_fn` deals in."""

from tf_estimator.spec.estimator_spec import EstimatorSpec
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.spec.export_outputs import (
    ClassificationOutput,
    EvalOutput,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
    TrainOutput,
)
from tf_estimator.spec.exporter import Exporter
from tf_estimator.spec.modes import ModeKeys
from tf_estimator.spec.train_spec import TrainSpec

__all__ = [
    "ClassificationOutput",
    "EstimatorSpec",
    "EvalOutput",
    "EvalSpec",
    "ExportOutput",
    "Exporter",
    "ModeKeys",
    "PredictOutput",
    "RegressionOutput",
    "TrainOutput",
    "TrainSpec",
]
