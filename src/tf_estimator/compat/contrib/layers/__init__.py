"""What `tf.contrib.layers` was: layers as functions, with the names and numbers of then."""

from tf_estimator.compat.contrib.layers.convolutions import (
    avg_pool2d,
    conv1d,
    conv2d,
    conv2d_transpose,
    conv3d,
    convolution,
    convolution1d,
    convolution2d,
    convolution2d_transpose,
    convolution3d,
    max_pool2d,
)
from tf_estimator.compat.contrib.layers.dense import (
    bias_add,
    dropout,
    flatten,
    fully_connected,
    linear,
    relu,
    repeat,
    softmax,
    stack,
)
from tf_estimator.compat.contrib.layers.embedding import embed_sequence, one_hot_encoding
from tf_estimator.compat.contrib.layers.initializers import (
    variance_scaling_initializer,
    xavier_initializer,
    xavier_initializer_conv2d,
)
from tf_estimator.compat.contrib.layers.normalization import batch_norm, instance_norm, layer_norm
from tf_estimator.compat.contrib.layers.optimization import optimize_loss
from tf_estimator.compat.contrib.layers.regularizers import (
    apply_regularization,
    l1_l2_regularizer,
    l1_regularizer,
    l2_regularizer,
    sum_regularizer,
)

__all__ = [
    "apply_regularization",
    "avg_pool2d",
    "batch_norm",
    "bias_add",
    "conv1d",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "convolution",
    "convolution1d",
    "convolution2d",
    "convolution2d_transpose",
    "convolution3d",
    "dropout",
    "embed_sequence",
    "flatten",
    "fully_connected",
    "instance_norm",
    "l1_l2_regularizer",
    "l1_regularizer",
    "l2_regularizer",
    "layer_norm",
    "linear",
    "max_pool2d",
    "one_hot_encoding",
    "optimize_loss",
    "relu",
    "repeat",
    "softmax",
    "stack",
    "sum_regularizer",
    "variance_scaling_initializer",
    "xavier_initializer",
    "xavier_initializer_conv2d",
]
