"""The Estimator API on TensorFlow 2.16 and later: what `tf.estimator` was, under the same names."""

import importlib as _importlib
from types import ModuleType as _ModuleType

from tf_estimator import experimental, export
from tf_estimator._tf import v1 as _v1
from tf_estimator.checkpoint import VocabInfo, WarmStartSettings
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.spec import EstimatorSpec, ModeKeys

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
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "Estimator",
    "EstimatorSpec",
    "FeedFnHook",
    "FinalOpsHook",
    "GlobalStepWaiterHook",
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
    "VocabInfo",
    "WarmStartSettings",
    "experimental",
    "export",
]


def __getattr__(name: str) -> _ModuleType:
    """Imports `tf_estimator.compat` and `tf_estimator.hooks` when they are first asked for."""
    if name in {"compat", "hooks"}:
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
