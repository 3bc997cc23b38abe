"""Wide and deep: a linear model and a deep network that are trained together."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.canned import dnn, linear
from tf_estimator.canned.feature_layers import FeatureTensors
from tf_estimator.canned.layers import summarize_activation
from tf_estimator.canned.model_fns import (
    OptimizerChoice,
    checked_head,
    class_head,
    model_scope,
    regression_head,
    trained_variables,
    variable_partitioner,
)
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.heads import Head
from tf_estimator.spec import EstimatorSpec, ModeKeys, in_replica


@dataclasses.dataclass(frozen=True)
class Parts:
    """The deep and the linear part of a model, each with its optimizer; one may be missing.

    `Parts.of` makes them from what users give.
    """

    deep: tuple[dnn.Network, OptimizerChoice] | None
    wide: tuple[linear.LinearModel, OptimizerChoice] | None

    @classmethod
    def of(
        cls,
        linear_feature_columns: Iterable[Any] | None,
        linear_optimizer: Any,
        dnn_feature_columns: Iterable[Any] | None,
        dnn_optimizer: Any,
        dnn_hidden_units: Iterable[int] | None,
        dnn_activation_fn: Any,
        dnn_dropout: float | None,
        batch_norm: bool,
        linear_sparse_combiner: str,
        *,
        surface: str,
    ) -> "Parts":
        """Checks the arguments of an estimator.

        Args:
            linear_feature_columns: of the linear part; None or empty if there is none.
            linear_optimizer: trains it.
            dnn_feature_columns: of the deep part; None or empty if there is none.
            dnn_optimizer: trains it.
            dnn_hidden_units: the widths of its hidden layers.
            dnn_activation_fn: of its hidden layers.
            dnn_dropout: the fraction of each hidden layer that is dropped in training, or None.
            batch_norm: whether each hidden layer is normalized.
            linear_sparse_combiner: "sum", "mean" or "sqrtn".
            surface: "v1" or "v2".

        Returns:
            The Parts.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: both parts are missing, the deep one has no hidden units, or an argument
                has a wrong value.
        """
        linear_columns = tuple(linear_feature_columns or ())
        dnn_columns = tuple(dnn_feature_columns or ())
        if not linear_columns and not dnn_columns:
            raise ValueError(
                "There must be linear_feature_columns or dnn_feature_columns; received neither."
            )
        if dnn_columns and not dnn_hidden_units:
            raise ValueError(
                "dnn_hidden_units must be given with dnn_feature_columns; received "
                f"{dnn_hidden_units}."
            )
        deep = wide = None
        if dnn_columns:
            network = dnn.Network.of(
                dnn_hidden_units or (),
                dnn_columns,
                dnn_activation_fn,
                dnn_dropout,
                batch_norm,
                surface=surface,
                prefix="dnn_",
            )
            deep = network, OptimizerChoice(dnn_optimizer, 0.001, surface)
        if linear_columns:
            model = linear.LinearModel.of(
                linear_columns, linear_sparse_combiner, surface=surface, prefix="linear_"
            )
            wide = model, OptimizerChoice(linear_optimizer, model.learning_rate(0.005), surface)
        return cls(deep, wide)


def model_fn(
    head: Head,
    parts: Parts,
    surface: str = "v2",
    input_layer_partitioner: Callable[..., Any] | None = None,
) -> Callable[..., EstimatorSpec]:
    """The model_fn of both parts, in version 1 or 2. The logits are the sum of theirs.

    Args:
        head: what comes behind the logits.
        parts: what comes before.
        surface: "v1" or "v2".
        input_layer_partitioner: of version 1: cuts the variables of the columns of both parts.
            None: by servers.

    Returns:
        A model_fn.
    """

    def combined_model_fn(
        features: Any, labels: Any, mode: str, config: RunConfig
    ) -> EstimatorSpec:
        tensors, units = FeatureTensors(features), head.logits_dimension
        cut = variable_partitioner(surface, input_layer_partitioner, config, dnn.INPUT_SLICE)
        logits: list[tf.Tensor] = []
        trained: list[_Trained] = []
        if parts.deep:
            network, choice = parts.deep
            hidden = variable_partitioner(surface, None, config, dnn.HIDDEN_SLICE)
            with (
                in_replica.recorded_variables() as made,
                model_scope("dnn", surface, hidden) as scope,
            ):
                logits.append(
                    network.logits(tensors, mode, units, scope=scope, input_layer_partitioner=cut)
                )
            trained.append(_Trained(choice, network.columns, _trainable(made)))
        if parts.wide:
            model, choice = parts.wide
            with (
                in_replica.recorded_variables() as made,
                model_scope("linear", surface, cut) as scope,
            ):
                logits.append(model.logits(tensors, units, scope=scope))
                summarize_activation("linear", logits[-1])
            trained.append(_Trained(choice, model.columns, _trainable(made)))
        training: dict[str, Any] = {}
        if mode == ModeKeys.TRAIN:
            training["train_op_fn"] = lambda loss: _train_op(loss, trained, config)
        return head.create_estimator_spec(features, mode, tf.add_n(logits), labels, **training)

    return combined_model_fn


class _Trained(NamedTuple):
    """An optimizer, and the variables of its part of the model."""

    choice: OptimizerChoice
    columns: tuple[Any, ...]
    variables: list[tf.Variable]


def _trainable(made: Iterable[tf.Variable]) -> list[tf.Variable]:
    """The trainable ones of the variables that a part made: a shared embedding is the first's."""
    ids = {id(each) for each in made}
    return [each for each in v1.trainable_variables() if id(each) in ids]


def _train_op(loss: tf.Tensor, trained: Sequence[_Trained], config: RunConfig) -> tf.Operation:
    """One step of all parts, on the same loss, and one of the global step."""
    step = v1.train.get_global_step()
    surface = trained[0].choice.surface
    columns = [column for part in trained for column in part.columns]
    to_train = {id(each) for each in trained_variables(columns, surface, config)}
    ops: list[tf.Operation] = []
    for part in trained:
        variables = [each for each in part.variables if id(each) in to_train]
        # In version 2 the first optimizer counts by the global step, the other has a counter.
        counter = step if surface == "v2" and not ops else None
        ops.append(part.choice.minimize(loss, variables, counter))
    if surface == "v2":
        return tf.group(*ops)
    with tf.control_dependencies(ops):
        return v1.assign_add(step, 1).op


class DNNLinearCombinedClassifier(Estimator):
    """A wide and deep model that classifies (Cheng et al., 2016).

    A linear model learns by heart what few examples tell, on crossed columns above all; a deep
    network generalizes. Their logits are added and they are trained together.

    Args:
        model_dir: the folder of checkpoints and event files; None for the config's or a temporary
            one.
        linear_feature_columns: what the linear part reads of the features. None: there is no linear
            part.
        linear_optimizer: trains the linear part: "Adagrad", "Adam", "Ftrl", "RMSProp" or "SGD",
            with a learning rate of `1 / sqrt(number of its columns)`, and no more than 0.005; an
            optimizer of tf.compat.v1.train, tf_keras or Keras 3; or a callable without arguments
            that returns one.
        dnn_feature_columns: what the deep part reads of the features: dense columns. None: there is
            no deep part.
        dnn_optimizer: trains the deep part; a name stands for a learning rate of 0.001.
        dnn_hidden_units: the widths of its hidden layers, from the input up.
        dnn_activation_fn: of its hidden layers: a function of a Tensor, the name of one in tf.nn,
            or None for none.
        dnn_dropout: the fraction of each hidden layer that is dropped in training; None for 0.
        n_classes: how many classes there are. Labels are integers below it, of shape [batch] or
            [batch, 1], unless there is a vocabulary.
        weight_column: the name of a feature, or a numeric column, with the weight of each example.
        label_vocabulary: the classes in order, if labels are strings.
        config: a RunConfig.
        warm_start_from: the path of a model_dir, checkpoint or SavedModel, or WarmStartSettings.
        loss_reduction: a `tf.losses.Reduction`: how the losses of a batch become one.
        batch_norm: whether each hidden layer is normalized, after activation and dropout.
        linear_sparse_combiner: "sum", "mean" or "sqrtn": what becomes of several values of one
            example in a categorical column of the linear part.

    Raises:
        TypeError: an argument has a wrong type. For columns it is a ValueError as well.
        ValueError: an argument has a wrong value; there are no columns at all, or no
            dnn_hidden_units where there are dnn_feature_columns.

    Example:
        >>> import tempfile
        >>> job = tf.feature_column.categorical_column_with_hash_bucket("job", 10)
        >>> def input_fn():
        ...     batch = {"job": [["cook"], ["pilot"], ["clerk"]]}, [0, 1, 0]
        ...     return tf.data.Dataset.from_tensors(batch).repeat(50)
        >>> estimator = DNNLinearCombinedClassifier(
        ...     tempfile.mkdtemp(),
        ...     linear_feature_columns=[job],
        ...     dnn_feature_columns=[tf.feature_column.embedding_column(job, 2)],
        ...     dnn_hidden_units=[4],
        ... )
        >>> int(estimator.train(input_fn).evaluate(input_fn, steps=1)["global_step"])
        50
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Iterable[int] | None = None,
        dnn_activation_fn: Callable[[tf.Tensor], tf.Tensor] | str | None = tf.nn.relu,
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "sum_over_batch_size",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        parts = Parts.of(
            linear_feature_columns,
            linear_optimizer,
            dnn_feature_columns,
            dnn_optimizer,
            dnn_hidden_units,
            dnn_activation_fn,
            dnn_dropout,
            batch_norm,
            linear_sparse_combiner,
            surface="v2",
        )
        super().__init__(model_fn(head, parts), model_dir, config, warm_start_from=warm_start_from)


class DNNLinearCombinedRegressor(Estimator):
    """A wide and deep model that predicts numbers.

    Args:
        model_dir: see `DNNLinearCombinedClassifier`.
        linear_feature_columns: see `DNNLinearCombinedClassifier`.
        linear_optimizer: see `DNNLinearCombinedClassifier`.
        dnn_feature_columns: see `DNNLinearCombinedClassifier`.
        dnn_optimizer: see `DNNLinearCombinedClassifier`.
        dnn_hidden_units: see `DNNLinearCombinedClassifier`.
        dnn_activation_fn: see `DNNLinearCombinedClassifier`.
        dnn_dropout: see `DNNLinearCombinedClassifier`.
        label_dimension: how many numbers are predicted for an example. Labels are of shape [batch,
            label_dimension]; [batch] will do for one.
        weight_column: see `DNNLinearCombinedClassifier`.
        config: see `DNNLinearCombinedClassifier`.
        warm_start_from: see `DNNLinearCombinedClassifier`.
        loss_reduction: see `DNNLinearCombinedClassifier`.
        batch_norm: see `DNNLinearCombinedClassifier`.
        linear_sparse_combiner: see `DNNLinearCombinedClassifier`.

    Raises:
        TypeError: see `DNNLinearCombinedClassifier`.
        ValueError: see `DNNLinearCombinedClassifier`.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Iterable[int] | None = None,
        dnn_activation_fn: Callable[[tf.Tensor], tf.Tensor] | str | None = tf.nn.relu,
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "sum_over_batch_size",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        head = regression_head(label_dimension, weight_column, loss_reduction)
        parts = Parts.of(
            linear_feature_columns,
            linear_optimizer,
            dnn_feature_columns,
            dnn_optimizer,
            dnn_hidden_units,
            dnn_activation_fn,
            dnn_dropout,
            batch_norm,
            linear_sparse_combiner,
            surface="v2",
        )
        super().__init__(model_fn(head, parts), model_dir, config, warm_start_from=warm_start_from)


class DNNLinearCombinedEstimator(Estimator):
    """A wide and deep model with a head of the user's choice.

    Args:
        head: a `Head`: it makes loss, predictions and metrics from the logits.
        model_dir: see `DNNLinearCombinedClassifier`.
        linear_feature_columns: see `DNNLinearCombinedClassifier`.
        linear_optimizer: see `DNNLinearCombinedClassifier`.
        dnn_feature_columns: see `DNNLinearCombinedClassifier`.
        dnn_optimizer: see `DNNLinearCombinedClassifier`.
        dnn_hidden_units: see `DNNLinearCombinedClassifier`.
        dnn_activation_fn: see `DNNLinearCombinedClassifier`.
        dnn_dropout: see `DNNLinearCombinedClassifier`.
        config: see `DNNLinearCombinedClassifier`.
        batch_norm: see `DNNLinearCombinedClassifier`.
        linear_sparse_combiner: see `DNNLinearCombinedClassifier`.

    Raises:
        TypeError: see `DNNLinearCombinedClassifier`.
        ValueError: see `DNNLinearCombinedClassifier`.
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike[str] | None = None,
        linear_feature_columns: Iterable[Any] | None = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Iterable[Any] | None = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Iterable[int] | None = None,
        dnn_activation_fn: Callable[[tf.Tensor], tf.Tensor] | str | None = tf.nn.relu,
        dnn_dropout: float | None = None,
        config: RunConfig | None = None,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        parts = Parts.of(
            linear_feature_columns,
            linear_optimizer,
            dnn_feature_columns,
            dnn_optimizer,
            dnn_hidden_units,
            dnn_activation_fn,
            dnn_dropout,
            batch_norm,
            linear_sparse_combiner,
            surface="v2",
        )
        super().__init__(model_fn(checked_head(head), parts), model_dir, config)
