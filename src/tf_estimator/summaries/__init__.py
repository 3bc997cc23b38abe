"""Event files: what `evaluate` writes for TensorBoard, and the curves of a whole run read back."""

from tf_estimator.summaries.evaluations import (
    evaluations_in_files,
    read_evaluations,
    write_evaluation,
)
from tf_estimator.summaries.history import TRAIN, Curve, History, read_history

__all__ = [
    "TRAIN",
    "Curve",
    "History",
    "evaluations_in_files",
    "read_evaluations",
    "read_history",
    "write_evaluation",
]
