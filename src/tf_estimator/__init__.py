"""The Estimator API on TensorFlow 2.16 and later: what `tf.estimator` was, under the same names."""

import importlib as _importlib
from types import ModuleType as _ModuleType

from tf_estimator import experimental, export, hooks
from tf_estimator._tf import v1 as _v1
from tf_estimator.checkpoint import VocabInfo, WarmStartSettings
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.export.best_checkpoints import BestCheckpoints, best_checkpoints
from tf_estimator.export.best_exporter import BestExporter
from tf_estimator.export.exporters import FinalExporter, LatestExporter
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

__version__ = "0.1.0"

__all__ = [
    "BestCheckpoints",
    "BestExporter",
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FeedFnHook",
    "FinalExporter",
    "FinalOpsHook",
    "GlobalStepWaiterHook",
    "LatestExporter",
    "LoggingTensorHook",
    "ModeKeys",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "ProfilerHook",
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
    "best_checkpoints",
    "experimental",
    "export",
    "hooks",
    "train_and_evaluate",
]


def __getattr__(name: str) -> _ModuleType:
    """Imports `tf_estimator.compat`, which needs all of this module, when it is first asked for."""
    if name == "compat":
        return _importlib.import_module("tf_estimator.compat")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
