"""The canned estimators of version 1: the models of version 2, with other defaults.

What differs from the class of the same name in `tf_estimator`:

- the losses of a batch are added up (`loss_reduction="weighted_sum"`);
- the name of an optimizer stands for one of tf.compat.v1.train, in deep networks with a learning
  rate of 0.05;
- variables are cut into parts, by default one for each parameter server if they are large; the
  names of optimizers' variables in checkpoints follow from that;
- the shared_embedding_columns of tf.compat.v1.feature_column are allowed.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator.canned import baseline, dnn, dnn_linear_combined, linear
from tf_estimator.canned.model_fns import checked_head, class_head, regression_head
from tf_estimator.compat.v1.estimator import Estimator
from tf_estimator.config import RunConfig
from tf_estimator.heads import Head

Activation = Callable[[tf.Tensor], tf.Tensor] | str | None
Partitioner = Callable[..., Any] | None
ModelDir = str | os.PathLike[str] | None


class BaselineClassifier(Estimator):
    """See `tf_estimator.BaselineClassifier`, and above."""

    def __init__(
        self,
        model_dir: ModelDir = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = "weighted_sum",
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model_fn = baseline.model_fn(head, optimizer, "v1")
        super().__init__(model_fn, model_dir, config)


class BaselineRegressor(Estimator):
    """See `tf_estimator.BaselineRegressor`, and above."""

    def __init__(
        self,
        model_dir: ModelDir = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = "weighted_sum",
    ) -> None:
        head = regression_head(label_dimension, weight_column, loss_reduction)
        model_fn = baseline.model_fn(head, optimizer, "v1")
        super().__init__(model_fn, model_dir, config)


class BaselineEstimator(Estimator):
    """See `tf_estimator.BaselineEstimator`, and above."""

    def __init__(
        self,
        head: Head,
        model_dir: ModelDir = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
    ) -> None:
        model_fn = baseline.model_fn(checked_head(head), optimizer, "v1")
        super().__init__(model_fn, model_dir, config)


class LinearClassifier(Estimator):
    """See `tf_estimator.LinearClassifier`, and above.

    Args not there:
        partitioner: a partitioner for the variables.
    """

    def __init__(
        self,
        feature_columns: Iterable[Any],
        model_dir: ModelDir = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        partitioner: Partitioner = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        sparse_combiner: str = "sum",
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model = linear.LinearModel.of(feature_columns, sparse_combiner, surface="v1")
        model_fn = linear.model_fn(head, model, optimizer, "v1", partitioner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class LinearRegressor(Estimator):
    """See `tf_estimator.LinearRegressor`, and above.

    Args not there:
        partitioner: a partitioner for the variables.
    """

    def __init__(
        self,
        feature_columns: Iterable[Any],
        model_dir: ModelDir = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        partitioner: Partitioner = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        sparse_combiner: str = "sum",
    ) -> None:
        head = regression_head(label_dimension, weight_column, loss_reduction)
        model = linear.LinearModel.of(feature_columns, sparse_combiner, surface="v1")
        model_fn = linear.model_fn(head, model, optimizer, "v1", partitioner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class LinearEstimator(Estimator):
    """See `tf_estimator.LinearEstimator`, and above.

    Args not there:
        partitioner: a partitioner for the variables.
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Iterable[Any],
        model_dir: ModelDir = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        partitioner: Partitioner = None,
        sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ) -> None:
        model = linear.LinearModel.of(feature_columns, sparse_combiner, surface="v1")
        model_fn = linear.model_fn(checked_head(head), model, optimizer, "v1", partitioner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNClassifier(Estimator):
    """See `tf_estimator.DNNClassifier`, and above.

    Args not there:
        input_layer_partitioner: a partitioner for the variables of feature columns.
    """

    def __init__(
        self,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: ModelDir = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Activation = tf.nn.relu,
        dropout: float | None = None,
        input_layer_partitioner: Partitioner = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        batch_norm: bool = False,
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        network = dnn.Network.of(
            hidden_units, feature_columns, activation_fn, dropout, batch_norm, surface="v1"
        )
        model_fn = dnn.model_fn(head, network, optimizer, "v1", input_layer_partitioner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNRegressor(Estimator):
    """See `tf_estimator.DNNRegressor`, and above.

    Args not there:
        input_layer_partitioner: a partitioner for the variables of feature columns.
    """

    def __init__(
        self,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: ModelDir = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Activation = tf.nn.relu,
        dropout: float | None = None,
        input_layer_partitioner: Partitioner = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        batch_norm: bool = False,
    ) -> None:
        head = regression_head(label_dimension, weight_column, loss_reduction)
        network = dnn.Network.of(
            hidden_units, feature_columns, activation_fn, dropout, batch_norm, surface="v1"
        )
        model_fn = dnn.model_fn(head, network, optimizer, "v1", input_layer_partitioner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNEstimator(Estimator):
    """See `tf_estimator.DNNEstimator`, and above.

    Args not there:
        input_layer_partitioner: a partitioner for the variables of feature columns.
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: ModelDir = None,
        optimizer: Any = "Adagrad",
        activation_fn: Activation = tf.nn.relu,
        dropout: float | None = None,
        input_layer_partitioner: Partitioner = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ) -> None:
        network = dnn.Network.of(
            hidden_units, feature_columns, activation_fn, dropout, batch_norm, surface="v1"
        )
        model_fn = dnn.model_fn(
            checked_head(head), network, optimizer, "v1", input_layer_partitioner
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNLinearCombinedClassifier(Estimator):
    """See `tf_estimator.DNNLinearCombinedClassifier`, and above.

    Args not there:
        input_layer_partitioner: a partitioner for the variables of feature columns.
    """

    def __init__(
        self,
        model_dir: ModelDir = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Iterable[int] | None = None,
        dnn_activation_fn: Activation = tf.nn.relu,
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        input_layer_partitioner: Partitioner = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
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
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNLinearCombinedRegressor(Estimator):
    """See `tf_estimator.DNNLinearCombinedRegressor`, and above.

    Args not there:
        input_layer_partitioner: a partitioner for the variables of feature columns.
    """

    def __init__(
        self,
        model_dir: ModelDir = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Iterable[int] | None = None,
        dnn_activation_fn: Activation = tf.nn.relu,
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        input_layer_partitioner: Partitioner = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        head = regression_head(label_dimension, weight_column, loss_reduction)
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
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNLinearCombinedEstimator(Estimator):
    """See `tf_estimator.DNNLinearCombinedEstimator`, and above.

    Args not there:
        input_layer_partitioner: a partitioner for the variables of feature columns.
    """

    def __init__(
        self,
        head: Head,
        model_dir: ModelDir = None,
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
    ) -> None:
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
        model_fn = dnn_linear_combined.model_fn(
            checked_head(head), parts, "v1", input_layer_partitioner
        )
        super().__init__(model_fn, model_dir, config)
