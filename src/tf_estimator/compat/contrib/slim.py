"""What `tf.contrib.slim` had of `tf.contrib.layers` and `tf.contrib.framework`.

The package tf-slim has the rest, but with TensorFlow 2.16 and later its batch_norm fails.
"""

import tensorflow as tf

from tf_estimator.compat.contrib import framework, layers
from tf_estimator.compat.contrib.framework import *  # noqa: F403 - they are all
from tf_estimator.compat.contrib.layers import *  # noqa: F403

create_global_step = tf.compat.v1.train.create_global_step
get_global_step = tf.compat.v1.train.get_global_step
get_or_create_global_step = tf.compat.v1.train.get_or_create_global_step

__all__ = ["create_global_step", "get_global_step", "get_or_create_global_step"]
__all__ += framework.__all__
__all__ += layers.__all__
