"""What `tf.compat.v1.estimator.tpu` was, and of `tf.contrib.tpu` what belongs to Estimators."""

from tf_estimator.compat.v1.estimator import Estimator as _Estimator
from tf_estimator.compat.v1.tpu import experimental
from tf_estimator.tpu import InputPipelineConfig, RunConfig, TPUConfig, TPUEstimatorSpec
from tf_estimator.tpu import TPUEstimator as _TPUEstimator

__all__ = [
    "InputPipelineConfig",
    "RunConfig",
    "TPUConfig",
    "TPUEstimator",
    "TPUEstimatorSpec",
    "experimental",
]


class TPUEstimator(_TPUEstimator, _Estimator):
    """See `tf_estimator.tpu.TPUEstimator`; it has what all estimators of version 1 have."""
