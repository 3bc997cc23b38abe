"""Checkpoints: where they are, whether they fit a graph, what a new model takes from an old one."""

from tf_estimator.checkpoint.compare import check_restorable
from tf_estimator.checkpoint.find import check_path, exists, step_of_latest
from tf_estimator.checkpoint.folder import check_room, prepare_folder
from tf_estimator.checkpoint.warm_start import (
    VocabInfo,
    WarmStartSettings,
    warm_start,
    warm_start_checkpoint,
    warm_start_settings,
)

__all__ = [
    "VocabInfo",
    "WarmStartSettings",
    "check_path",
    "check_restorable",
    "check_room",
    "exists",
    "prepare_folder",
    "step_of_latest",
    "warm_start",
    "warm_start_checkpoint",
    "warm_start_settings",
]
