"""The names of `tf_estimator`, which takes them from here when it is first asked for one.

This module imports TensorFlow, and `import tf_estimator` alone does not: so `tf-estimator check`
starts in a tenth of a second, and also where no TensorFlow is installed.
"""

from tf_estimator import experimental, export, hooks, predictor
from tf_estimator._tf import v1 as _v1
from tf_estimator.canned import (
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
    classifier_parse_example_spec,
    regressor_parse_example_spec,
)
from tf_estimator.checkpoint import VocabInfo, WarmStartSettings
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.export.best_checkpoints import BestCheckpoints, best_checkpoints
from tf_estimator.export.best_exporter import BestExporter
from tf_estimator.export.exporters import FinalExporter, LatestExporter
from tf_estimator.extenders import add_metrics
from tf_estimator.heads import (
    BinaryClassHead,
    Head,
    LogisticRegressionHead,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    PoissonRegressionHead,
    RegressionHead,
)
from tf_estimator.spec import EstimatorSpec, EvalSpec, Exporter, ModeKeys, TrainSpec
from tf_estimator.training import train_and_evaluate

CheckpointSaverHook = _v1.train.CheckpointSaverHook
CheckpointSaverListener = _v1.train.CheckpointSaverListener
FeedFnHook = _v1.train.FeedFnHook
FinalOpsHook = _v1.train.FinalOpsHook
GlobalStepWaiterHook = _v1.train.GlobalStepWaiterHook
LoggingTensorHook = _v1.train.LoggingTensorHook
NanLossDuringTrainingError = _v1.train.NanLossDuringTrainingError
NanTensorHook = _v1.train.NanTensorHook
ProfilerHook = _v1.train.ProfilerHook
SecondOrStepTimer = _v1.train.SecondOrStepTimer
SessionRunArgs = _v1.train.SessionRunArgs
SessionRunContext = _v1.train.SessionRunContext
SessionRunHook = _v1.train.SessionRunHook
SessionRunValues = _v1.train.SessionRunValues
StepCounterHook = _v1.train.StepCounterHook
StopAtStepHook = _v1.train.StopAtStepHook
SummarySaverHook = _v1.train.SummarySaverHook

__all__ = [
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "BestCheckpoints",
    "BestExporter",
    "BinaryClassHead",
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FeedFnHook",
    "FinalExporter",
    "FinalOpsHook",
    "GlobalStepWaiterHook",
    "Head",
    "LatestExporter",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
    "LoggingTensorHook",
    "LogisticRegressionHead",
    "ModeKeys",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "PoissonRegressionHead",
    "ProfilerHook",
    "RegressionHead",
    "RunConfig",
    "SecondOrStepTimer",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "TrainSpec",
    "VocabInfo",
    "WarmStartSettings",
    "add_metrics",
    "best_checkpoints",
    "classifier_parse_example_spec",
    "experimental",
    "export",
    "hooks",
    "predictor",
    "regressor_parse_example_spec",
    "train_and_evaluate",
]
