"""What `tf.compat.v1.estimator.tpu.experimental` was."""

from tf_estimator.tpu import EmbeddingConfigSpec

__all__ = ["EmbeddingConfigSpec"]
