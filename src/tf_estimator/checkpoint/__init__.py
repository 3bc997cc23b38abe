"""Checkpoints: which is taken, whether it is whole and fits a graph, what a new model takes."""

from tf_estimator.checkpoint.compare import RestoreReport, check_restorable, saved_names
from tf_estimator.checkpoint.find import (
    check_path,
    check_whole,
    exists,
    latest_whole,
    step_of_latest,
)
from tf_estimator.checkpoint.folder import check_room, prepare_folder, whole_file, write_state
from tf_estimator.checkpoint.names import chosen, resolve
from tf_estimator.checkpoint.repair import remove_leftovers, repair_state
from tf_estimator.checkpoint.verify import files_of, identity, problem_of, stamp
from tf_estimator.checkpoint.warm_start import (
    VocabInfo,
    WarmStartSettings,
    warm_start,
    warm_start_checkpoint,
    warm_start_settings,
)

__all__ = [
    "RestoreReport",
    "VocabInfo",
    "WarmStartSettings",
    "check_path",
    "check_restorable",
    "check_room",
    "check_whole",
    "chosen",
    "exists",
    "files_of",
    "identity",
    "latest_whole",
    "prepare_folder",
    "problem_of",
    "remove_leftovers",
    "repair_state",
    "resolve",
    "saved_names",
    "stamp",
    "step_of_latest",
    "warm_start",
    "warm_start_checkpoint",
    "warm_start_settings",
    "whole_file",
    "write_state",
]
