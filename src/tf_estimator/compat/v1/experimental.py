"""What `tf.compat.v1.estimator.experimental` was."""

from tf_estimator.canned.dnn import dnn_logit_fn_builder
from tf_estimator.canned.kmeans import KMeansClustering
from tf_estimator.canned.linear import linear_logit_fn_builder
from tf_estimator.compat.v1.estimator import Estimator
from tf_estimator.experimental import (
    InMemoryEvaluatorHook,
    LinearSDCA,
    build_raw_supervised_input_receiver_fn,
    call_logit_fn,
    make_early_stopping_hook,
    make_stop_at_checkpoint_step_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)

__all__ = [
    "InMemoryEvaluatorHook",
    "KMeans",
    "LinearSDCA",
    "build_raw_supervised_input_receiver_fn",
    "call_logit_fn",
    "dnn_logit_fn_builder",
    "linear_logit_fn_builder",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]


class KMeans(KMeansClustering, Estimator):
    """See `tf_estimator.canned.kmeans.KMeansClustering`; it was of version 1 only."""
