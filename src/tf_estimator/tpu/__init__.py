"""TPUEstimator on CPU and GPU: programs that were written for TPUs run with use_tpu=False."""

from tf_estimator.tpu.config import InputPipelineConfig, RunConfig, TPUConfig
from tf_estimator.tpu.embedding import EmbeddingConfigSpec
from tf_estimator.tpu.estimator import ExportSavedModelApiVersion, TPUEstimator
from tf_estimator.tpu.spec import TPUEstimatorSpec

__all__ = [
    "EmbeddingConfigSpec",
    "ExportSavedModelApiVersion",
    "InputPipelineConfig",
    "RunConfig",
    "TPUConfig",
    "TPUEstimator",
    "TPUEstimatorSpec",
]
