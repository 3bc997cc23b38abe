"""Deep neural networks on feature columns."""

import contextlib
import dataclasses
import numbers
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1
from tf_estimator.canned import layers
from tf_estimator.canned.feature_layers import (
    FeatureTensors,
    checked_columns,
    dense_input,
    shared_weights,
)
from tf_estimator.canned.model_fns import (
    OptimizerChoice,
    checked_head,
    class_head,
    estimator_spec,
    model_scope,
    regression_head,
    variable_partitioner,
)
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.heads import Head
from tf_estimator.spec import EstimatorSpec, ModeKeys

# The smallest part of a variable that is cut for parameter servers, in bytes.
INPUT_SLICE = 64 << 20
HIDDEN_SLICE = 256 << 10


@dataclasses.dataclass(frozen=True)
class Network:
    """The layers of a deep network: input layer, hidden layers, logits.

    `Network.of` makes one from what users give.
    """

    hidden_units: tuple[int, ...]
    columns: tuple[Any, ...]
    activation: Callable[[tf.Tensor], tf.Tensor]
    dropout: float | None
    batch_norm: bool

    @classmethod
    def of(
        cls,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        activation_fn: Any,
        dropout: float | None,
        batch_norm: bool,
        *,
        surface: str,
        prefix: str = "",
    ) -> "Network":
        """Checks the arguments of an estimator.

        Args:
            hidden_units: the widths of the hidden layers, from the input up.
            feature_columns: dense ones.
            activation_fn: of the hidden layers: a function, its name, or None for none.
            dropout: the fraction of each hidden layer that is dropped in training, or None.
            batch_norm: whether each hidden layer is normalized after activation and dropout.
            surface: "v1" allows the columns of `tf.compat.v1` that "v2" does not.
            prefix: of the arguments' names, for errors.

        Returns:
            The Network.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: an argument has a wrong value.
        """
        return cls(
            _hidden_units(f"{prefix}hidden_units", hidden_units),
            checked_columns(
                f"{prefix}feature_columns", feature_columns, deep=True, old=surface == "v1"
            ),
            layers.activation(activation_fn),
            _dropout(f"{prefix}dropout", dropout),
            bool(batch_norm),
        )

    def logits(
        self,
        features: FeatureTensors,
        mode: str,
        units: int,
        *,
        scope: str | None = None,
        input_layer_partitioner: Callable[..., Any] | None = None,
    ) -> tf.Tensor:
        """Builds the network in the default graph, with summaries of its layers.

        Args:
            features: the batch.
            mode: one of ModeKeys.
            units: the width of the logits.
            scope: where the variables go, while summaries and shared embeddings stay outside: the
                names of version 2. None: the current scope, for all.
            input_layer_partitioner: cuts the variables of the columns.

        Returns:
            Logits, a float32 Tensor of shape [batch, units].
        """
        with contextlib.ExitStack() as scopes:
            if scope:
                shared_weights(self.columns)
                scopes.enter_context(v1.variable_scope(scope))
            made = self._layers(features, mode, units, input_layer_partitioner)
        prefix = v1.get_variable_scope().name or "dnn"
        for name, value in made.items():
            layers.summarize_activation(f"{prefix}/{name}", value)
        return made["logits"]

    def _layers(
        self,
        features: FeatureTensors,
        mode: str,
        units: int,
        input_layer_partitioner: Callable[..., Any] | None,
    ) -> dict[str, tf.Tensor]:
        training = mode == ModeKeys.TRAIN
        with v1.variable_scope("input_from_feature_columns", partitioner=input_layer_partitioner):
            shared_weights(self.columns)
            net = dense_input(features, self.columns)
        made = {}
        for index, width in enumerate(self.hidden_units):
            name = f"hiddenlayer_{index}"
            with v1.variable_scope(name):
                net = self.activation(layers.dense(net, width))
                if training and self.dropout is not None:
                    net = tf.nn.dropout(net, rate=self.dropout)
                if self.batch_norm:
                    with v1.variable_scope(f"batchnorm_{index}"):
                        net = layers.batch_norm(net, training)
            made[name] = net
        with v1.variable_scope("logits"):
            made["logits"] = layers.dense(net, units)
        return made


def _hidden_units(subject: str, given: Any) -> tuple[int, ...]:
    rule = "must be a list of positive integers, the widths of the hidden layers"
    try:
        found = tuple(given)
    except TypeError:
        raise _checks.wrong_type(subject, rule, given) from None
    for width in found:
        if not isinstance(width, numbers.Integral) or isinstance(width, bool):
            raise _checks.wrong_type(subject, rule, given)
        if width < 1:
            raise _checks.wrong_value(subject, rule, given)
    return tuple(map(int, found))


def _dropout(subject: str, given: Any) -> float | None:
    if given is None or 0 <= _checks.number(subject, given) < 1:
        return given
    raise _checks.wrong_value(subject, "must be at least 0 and below 1, or None", given)


def dnn_logit_fn_builder(
    units: int,
    hidden_units: Iterable[int],
    feature_columns: Iterable[Any],
    activation_fn: Callable[[tf.Tensor], tf.Tensor] | str | None,
    dropout: float | None,
    input_layer_partitioner: Callable[..., Any] | None,
    batch_norm: bool,
) -> Callable[[Any, str], tf.Tensor]:
    """A function that builds a deep network, for a model_fn of one's own.

    Args:
        units: the width of the logits.
        hidden_units: the widths of the hidden layers, from the input up.
        feature_columns: dense feature columns.
        activation_fn: of the hidden layers; None for none.
        dropout: the fraction of each hidden layer that is dropped in training, or None.
        input_layer_partitioner: a partitioner for the columns' variables, or None.
        batch_norm: whether each hidden layer is normalized. The operations that update the moving
            averages are in the collection UPDATE_OPS: run them with the train_op.

    Returns:
        A function of `features`, a dict of tensors, and `mode`, one of ModeKeys. It returns logits,
        a float32 Tensor of shape [batch, units], and makes its variables in the current scope.

    Raises:
        TypeError: an argument has a wrong type; a ValueError as well for `units`.
        ValueError: an argument has a wrong value.

    Example:
        >>> age = tf.feature_column.numeric_column("age")
        >>> logit_fn = dnn_logit_fn_builder(3, [8], [age], tf.nn.relu, None, None, False)
        >>> with tf.Graph().as_default():
        ...     logits = logit_fn({"age": tf.constant([[30.0], [41.0]])}, "train")
        >>> logits.shape.as_list()
        [2, 3]
    """
    if not isinstance(units, numbers.Integral):
        raise _checks.wrong_type("units", "must be an integer", units, was=ValueError)
    network = Network.of(
        hidden_units, feature_columns, activation_fn, dropout, batch_norm, surface="v1"
    )

    def dnn_logit_fn(features: Any, mode: str) -> tf.Tensor:
        return network.logits(
            FeatureTensors(features),
            mode,
            int(units),
            input_layer_partitioner=input_layer_partitioner,
        )

    return dnn_logit_fn


def model_fn(
    head: Head,
    network: Network,
    optimizer: Any,
    surface: str = "v2",
    input_layer_partitioner: Callable[..., Any] | None = None,
) -> Callable[..., EstimatorSpec]:
    """The model_fn of a deep network, in version 1 or 2.

    Args:
        head: what comes behind the logits.
        network: what comes before.
        optimizer: as users give it.
        surface: "v1" or "v2".
        input_layer_partitioner: of version 1: cuts the variables of the columns. None: by servers.

    Returns:
        A model_fn.
    """
    choice = OptimizerChoice(optimizer, 0.05 if surface == "v1" else None, surface)

    def dnn_model_fn(features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
        hidden = variable_partitioner(surface, None, config, HIDDEN_SLICE)
        with model_scope("dnn", surface, hidden) as scope:
            logits = network.logits(
                FeatureTensors(features),
                mode,
                head.logits_dimension,
                scope=scope,
                input_layer_partitioner=variable_partitioner(
                    surface, input_layer_partitioner, config, INPUT_SLICE
                ),
            )
            return estimator_spec(
                head, features, labels, mode, logits, choice, network.columns, config
            )

    return dnn_model_fn


class DNNClassifier(Estimator):
    """A deep neural network that classifies.

    Args:
        hidden_units: the widths of the hidden layers, from the input up, such as [64, 32].
        feature_columns: what the network reads of the features: dense columns; a categorical column
            has to be wrapped in an embedding or an indicator column.
        model_dir: the folder of checkpoints and event files; None for the config's or a temporary
            one.
        n_classes: how many classes there are. Labels are integers below it, of shape [batch] or
            [batch, 1], unless there is a vocabulary.
        weight_column: the name of a feature, or a numeric column, with the weight of each example.
        label_vocabulary: the classes in order, if labels are strings.
        optimizer: "Adagrad", "Adam", "Ftrl", "RMSProp" or "SGD", with the learning rate that is the
            optimizer's default; an optimizer of tf.compat.v1.train, tf_keras or Keras 3; or a
            callable without arguments that returns one.
        activation_fn: of the hidden layers: a function of a Tensor, the name of one in tf.nn, or
            None for none.
        dropout: the fraction of each hidden layer that is dropped in training; None for 0.
        config: a RunConfig.
        warm_start_from: the path of a model_dir, checkpoint or SavedModel, or WarmStartSettings.
        loss_reduction: a `tf.losses.Reduction`: how the losses of a batch become one.
        batch_norm: whether each hidden layer is normalized, after activation and dropout.

    Raises:
        TypeError: an argument has a wrong type. For columns it is a ValueError as well.
        ValueError: an argument has a wrong value; no columns, or a categorical one.

    Example:
        >>> import tempfile
        >>> height = tf.feature_column.numeric_column("height")
        >>> def input_fn():
        ...     batch = {"height": [[1.5], [1.9], [1.4], [2.0]]}, [0, 1, 0, 1]
        ...     return tf.data.Dataset.from_tensors(batch).repeat(200)
        >>> estimator = DNNClassifier([8], [height], tempfile.mkdtemp(), optimizer="Adam")
        >>> int(estimator.train(input_fn).evaluate(input_fn, steps=1)["global_step"])
        200
    """

    def __init__(
        self,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Callable[[tf.Tensor], tf.Tensor] | str | None = tf.nn.relu,
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "sum_over_batch_size",
        batch_norm: bool = False,
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        network = Network.of(
            hidden_units, feature_columns, activation_fn, dropout, batch_norm, surface="v2"
        )
        super().__init__(
            model_fn(head, network, optimizer), model_dir, config, warm_start_from=warm_start_from
        )


class DNNRegressor(Estimator):
    """A deep neural network that predicts numbers.

    Args:
        hidden_units: see `DNNClassifier`.
        feature_columns: see `DNNClassifier`.
        model_dir: see `DNNClassifier`.
        label_dimension: how many numbers are predicted for an example. Labels are of shape [batch,
            label_dimension]; [batch] will do for one.
        weight_column: see `DNNClassifier`.
        optimizer: see `DNNClassifier`.
        activation_fn: see `DNNClassifier`.
        dropout: see `DNNClassifier`.
        config: see `DNNClassifier`.
        warm_start_from: see `DNNClassifier`.
        loss_reduction: see `DNNClassifier`.
        batch_norm: see `DNNClassifier`.

    Raises:
        TypeError: see `DNNClassifier`.
        ValueError: see `DNNClassifier`.
    """

    def __init__(
        self,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: str | os.PathLike[str] | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Callable[[tf.Tensor], tf.Tensor] | str | None = tf.nn.relu,
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "sum_over_batch_size",
        batch_norm: bool = False,
    ) -> None:
        head = regression_head(label_dimension, weight_column, loss_reduction)
        network = Network.of(
            hidden_units, feature_columns, activation_fn, dropout, batch_norm, surface="v2"
        )
        super().__init__(
            model_fn(head, network, optimizer), model_dir, config, warm_start_from=warm_start_from
        )


class DNNEstimator(Estimator):
    """A deep neural network with a head of the user's choice.

    Args:
        head: a `Head`: it makes loss, predictions and metrics from the logits.
        hidden_units: see `DNNClassifier`.
        feature_columns: see `DNNClassifier`.
        model_dir: see `DNNClassifier`.
        optimizer: see `DNNClassifier`.
        activation_fn: see `DNNClassifier`.
        dropout: see `DNNClassifier`.
        config: see `DNNClassifier`.
        warm_start_from: see `DNNClassifier`.
        batch_norm: see `DNNClassifier`.

    Raises:
        TypeError: see `DNNClassifier`.
        ValueError: see `DNNClassifier`.
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Iterable[int],
        feature_columns: Iterable[Any],
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Callable[[tf.Tensor], tf.Tensor] | str | None = tf.nn.relu,
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ) -> None:
        network = Network.of(
            hidden_units, feature_columns, activation_fn, dropout, batch_norm, surface="v2"
        )
        super().__init__(
            model_fn(checked_head(head), network, optimizer),
            model_dir,
            config,
            warm_start_from=warm_start_from,
        )
