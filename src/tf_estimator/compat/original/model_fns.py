"""The model_fns of the canned estimators of version 1, for model_fns that wrap them."""

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from tf_estimator.canned import dnn, dnn_linear_combined, linear
from tf_estimator.config import RunConfig
from tf_estimator.spec import EstimatorSpec

Activation = Callable[[tf.Tensor], tf.Tensor] | str | None
Partitioner = Callable[..., Any] | None


def dnn_model_fn(
    features: Any,
    labels: Any,
    mode: str,
    head: Any,
    hidden_units: Iterable[int],
    feature_columns: Iterable[Any],
    optimizer: Any = "Adagrad",
    activation_fn: Activation = tf.nn.relu,
    dropout: float | None = None,
    input_layer_partitioner: Partitioner = None,
    config: RunConfig | None = None,
    use_tpu: bool = False,
    batch_norm: bool = False,
) -> EstimatorSpec:
    """What `tf_estimator.compat.v1.DNNEstimator` of these arguments builds; `use_tpu` is unused."""
    del use_tpu
    network = dnn.Network.of(
        hidden_units, feature_columns, activation_fn, dropout, batch_norm, surface="v1"
    )
    model_fn = dnn.model_fn(head, network, optimizer, "v1", input_layer_partitioner)
    return model_fn(features, labels, mode, config or RunConfig())


def linear_model_fn(
    features: Any,
    labels: Any,
    mode: str,
    head: Any,
    feature_columns: Iterable[Any],
    optimizer: Any,
    partitioner: Partitioner,
    config: RunConfig | None,
    sparse_combiner: str = "sum",
) -> EstimatorSpec:
    """What `tf_estimator.compat.v1.LinearEstimator` of these arguments builds."""
    model = linear.LinearModel.of(feature_columns, sparse_combiner, surface="v1")
    model_fn = linear.model_fn(head, model, optimizer, "v1", partitioner)
    return model_fn(features, labels, mode, config or RunConfig())


def dnn_linear_combined_model_fn(
    features: Any,
    labels: Any,
    mode: str,
    head: Any,
    linear_feature_columns: Iterable[Any] | None = None,
    linear_optimizer: Any = "Ftrl",
    dnn_feature_columns: Iterable[Any] | None = None,
    dnn_optimizer: Any = "Adagrad",
    dnn_hidden_units: Iterable[int] | None = None,
    dnn_activation_fn: Activation = tf.nn.relu,
    dnn_dropout: float | None = None,
    input_layer_partitioner: Partitioner = None,
    config: RunConfig | None = None,
    batch_norm: bool = False,
    linear_sparse_combiner: str = "sum",
) -> EstimatorSpec:
    """What `compat.v1.DNNLinearCombinedEstimator` of these arguments builds."""
    parts = dnn_linear_combined.Parts.of(
        linear_feature_columns,
        linear_optimizer,
        dnn_feature_columns,
        dnn_optimizer,
        dnn_hidden_units,
        dnn_activation_fn,
        dnn_dropout,
        batch_norm,
        linear_sparse_combiner,
        surface="v1",
    )
    model_fn = dnn_linear_combined.model_fn(head, parts, "v1", input_layer_partitioner)
    return model_fn(features, labels, mode, config or RunConfig())
