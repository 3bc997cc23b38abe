"""What `tf.estimator.experimental` was, and what is an experiment of ours."""

from tf_estimator.canned.logit_fns import call_logit_fn
from tf_estimator.canned.rnn import RNNClassifier, RNNEstimator
from tf_estimator.canned.sdca import LinearSDCA
from tf_estimator.cluster.multi_worker import multi_worker_mirrored_strategy
from tf_estimator.export.receiver_fns import build_raw_supervised_input_receiver_fn
from tf_estimator.hooks import (
    InMemoryEvaluatorHook,
    make_early_stopping_hook,
    make_stop_at_checkpoint_step_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)

__all__ = [
    "InMemoryEvaluatorHook",
    "LinearSDCA",
    "RNNClassifier",
    "RNNEstimator",
    "build_raw_supervised_input_receiver_fn",
    "call_logit_fn",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "multi_worker_mirrored_strategy",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]
