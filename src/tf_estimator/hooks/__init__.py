"""Session hooks that TensorFlow does not have itself."""

from tf_estimator.hooks.early_stopping import (
    make_early_stopping_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from tf_estimator.hooks.in_memory_evaluator import InMemoryEvaluatorHook
from tf_estimator.hooks.input_pipeline import CheckpointInputPipelineHook
from tf_estimator.hooks.progress import ProgressHook
from tf_estimator.hooks.stop_at import StopAfterSecsHook, make_stop_at_checkpoint_step_hook

__all__ = [
    "CheckpointInputPipelineHook",
    "InMemoryEvaluatorHook",
    "ProgressHook",
    "StopAfterSecsHook",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]
