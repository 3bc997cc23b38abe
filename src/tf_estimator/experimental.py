"""What `tf.estimator.experimental` was."""

from tf_estimator.export.receiver_fns import build_raw_supervised_input_receiver_fn

__all__ = ["build_raw_supervised_input_receiver_fn"]
