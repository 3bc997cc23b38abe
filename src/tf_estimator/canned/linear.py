"""Linear models on feature columns."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1
from tf_estimator.canned import sdca
from tf_estimator.canned.feature_layers import (
    FeatureTensors,
    checked_columns,
    linear_sum,
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
from tf_estimator.spec import EstimatorSpec

SLICE = 64 << 20
"""The smallest part of a variable that is cut for parameter servers, in bytes."""

_COMBINERS = ("sum", "mean", "sqrtn")


@dataclasses.dataclass(frozen=True)
class LinearModel:
    """A weight for each value of each column, and a bias.

    `LinearModel.of` makes one from what users give.
    """

    columns: tuple[Any, ...]
    sparse_combiner: str

    @classmethod
    def of(
        cls, feature_columns: Iterable[Any], sparse_combiner: str, *, surface: str, prefix: str = ""
    ) -> "LinearModel":
        """Checks the arguments of an estimator.

        Args:
            feature_columns: of any kind.
            sparse_combiner: "sum", "mean" or "sqrtn".
            surface: "v1" allows the columns of `tf.compat.v1` that "v2" does not.
            prefix: of the arguments' names, for errors.

        Returns:
            The LinearModel.

        Raises:
            TypeError: these are no columns. It is a ValueError as well.
            ValueError: an argument has a wrong value.
        """
        columns = checked_columns(
            f"{prefix}feature_columns", feature_columns, deep=False, old=surface == "v1"
        )
        if sparse_combiner not in _COMBINERS:
            rule = f"must be one of {', '.join(map(repr, _COMBINERS))}"
            raise _checks.wrong_value(f"{prefix}sparse_combiner", rule, sparse_combiner)
        return cls(columns, sparse_combiner)

    def logits(
        self, features: FeatureTensors, units: int, *, scope: str | None = None
    ) -> tf.Tensor:
        """Builds the model in the default graph, with summaries of its weights.

        Args:
            features: the batch.
            units: the width of the logits.
            scope: where the variables go, while summaries and shared embeddings stay outside: the
                names of version 2. None: the current scope, for all.

        Returns:
            Logits, a float32 Tensor of shape [batch, units].
        """
        shared_weights(self.columns)
        with v1.variable_scope(scope) if scope else contextlib.nullcontext():
            logits, bias, weights = linear_sum(features, self.columns, units, self.sparse_combiner)
        summarize = v1.summary.scalar if units == 1 else v1.summary.histogram
        bias = tf.convert_to_tensor(bias)
        summarize("bias", bias[0] if units == 1 else bias)
        v1.summary.scalar("fraction_of_zero_weights", _zero_fraction(weights))
        return logits

    def learning_rate(self, highest: float) -> float:
        """`1 / sqrt(number of columns)`, and no more than `highest`."""
        return min(highest, 1.0 / math.sqrt(len(self.columns)))


def _zero_fraction(weights: Iterable[tf.Variable]) -> tf.Tensor:
    elements = sum(each.shape.num_elements() for each in weights)
    nonzero = tf.add_n([tf.math.count_nonzero(each) for each in weights])
    return 1.0 - tf.cast(nonzero, tf.float32) / elements


def linear_logit_fn_builder(
    units: int, feature_columns: Iterable[Any], sparse_combiner: str = "sum"
) -> Callable[[Any], tf.Tensor]:
    """A function that builds a linear model, for a model_fn of one's own.

    Args:
        units: the width of the logits.
        feature_columns: feature columns of any kind.
        sparse_combiner: "sum", "mean" or "sqrtn": what becomes of several values of one example in
            a categorical column.

    Returns:
        A function of `features`, a dict of tensors. It returns logits, a float32 Tensor of shape
        [batch, units], and makes its variables in the current scope.

    Raises:
        TypeError: these are no columns. It is a ValueError as well.
        ValueError: an argument has a wrong value.

    Example:
        >>> age = tf.feature_column.numeric_column("age")
        >>> logit_fn = linear_logit_fn_builder(1, [age])
        >>> with tf.Graph().as_default():
        ...     logits = logit_fn({"age": tf.constant([[30.0], [41.0]])})
        >>> logits.shape.as_list()
        [2, 1]
    """
    model = LinearModel.of(feature_columns, sparse_combiner, surface="v1")

    def linear_logit_fn(features: Any) -> tf.Tensor:
        return model.logits(FeatureTensors(features), units)

    return linear_logit_fn


def model_fn(
    head: Head,
    model: LinearModel,
    optimizer: Any,
    surface: str = "v2",
    partitioner: Callable[..., Any] | None = None,
) -> Callable[..., EstimatorSpec]:
    """The model_fn of a linear model, in version 1 or 2.

    Args:
        head: what comes behind the logits.
        model: what comes before.
        optimizer: as users give it, or a LinearSDCA; None for Ftrl with a learning rate by the
            number of columns.
        surface: "v1" or "v2".
        partitioner: of version 1: cuts the variables. None: by servers.

    Returns:
        A model_fn.
    """
    rate = 0.2 if optimizer else model.learning_rate(0.2)
    dual = optimizer if isinstance(optimizer, sdca.LinearSDCA) else None
    choice = OptimizerChoice("Ftrl" if dual else optimizer or "Ftrl", rate, surface)

    def linear_model_fn(features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
        cut = variable_partitioner(surface, partitioner, config, SLICE)
        with model_scope("linear", surface, cut) as scope:
            logits = model.logits(FeatureTensors(features), head.logits_dimension, scope=scope)
            if dual:
                return sdca.estimator_spec(
                    head, features, labels, mode, logits, dual, model.columns
                )
            return estimator_spec(
                head, features, labels, mode, logits, choice, model.columns, config
            )

    return linear_model_fn


class LinearClassifier(Estimator):
    """A linear model that classifies: logistic regression.

    Args:
        feature_columns: what the model reads of the features; columns of any kind.
        model_dir: the folder of checkpoints and event files; None for the config's or a temporary
            one.
        n_classes: how many classes there are. Labels are integers below it, of shape [batch] or
            [batch, 1], unless there is a vocabulary.
        weight_column: the name of a feature, or a numeric column, with the weight of each example.
        label_vocabulary: the classes in order, if labels are strings.
        optimizer: "Adagrad", "Adam", "Ftrl", "RMSProp" or "SGD", with a learning rate of 0.2; an
            optimizer of tf.compat.v1.train, tf_keras or Keras 3; a callable without arguments that
            returns one; or None for Ftrl with a learning rate of `1 / sqrt(number of columns)`, and
            no more than 0.2.
        config: a RunConfig.
        warm_start_from: the path of a model_dir, checkpoint or SavedModel, or WarmStartSettings.
        loss_reduction: a `tf.losses.Reduction`: how the losses of a batch become one.
        sparse_combiner: "sum", "mean" or "sqrtn": what becomes of several values of one example in
            a categorical column.

    Raises:
        TypeError: an argument has a wrong type. For columns it is a ValueError as well.
        ValueError: an argument has a wrong value, or there are no columns.

    Example:
        >>> import tempfile
        >>> job = tf.feature_column.categorical_column_with_hash_bucket("job", 10)
        >>> def input_fn():
        ...     batch = {"job": [["cook"], ["pilot"], ["clerk"]]}, [0, 1, 0]
        ...     return tf.data.Dataset.from_tensors(batch).repeat(50)
        >>> estimator = LinearClassifier([job], tempfile.mkdtemp()).train(input_fn)
        >>> float(estimator.evaluate(input_fn, steps=1)["accuracy"])
        1.0
    """

    def __init__(
        self,
        feature_columns: Iterable[Any],
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "sum_over_batch_size",
        sparse_combiner: str = "sum",
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model = LinearModel.of(feature_columns, sparse_combiner, surface="v2")
        super().__init__(
            model_fn(head, model, optimizer), model_dir, config, warm_start_from=warm_start_from
        )


class LinearRegressor(Estimator):
    """A linear model that predicts numbers.

    Args:
        feature_columns: see `LinearClassifier`.
        model_dir: see `LinearClassifier`.
        label_dimension: how many numbers are predicted for an example. Labels are of shape [batch,
            label_dimension]; [batch] will do for one.
        weight_column: see `LinearClassifier`.
        optimizer: see `LinearClassifier`.
        config: see `LinearClassifier`.
        warm_start_from: see `LinearClassifier`.
        loss_reduction: see `LinearClassifier`.
        sparse_combiner: see `LinearClassifier`.

    Raises:
        TypeError: see `LinearClassifier`.
        ValueError: see `LinearClassifier`.
    """

    def __init__(
        self,
        feature_columns: Iterable[Any],
        model_dir: str | os.PathLike[str] | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = "sum_over_batch_size",
        sparse_combiner: str = "sum",
    ) -> None:
        head = regression_head(label_dimension, weight_column, loss_reduction)
        model = LinearModel.of(feature_columns, sparse_combiner, surface="v2")
        super().__init__(
            model_fn(head, model, optimizer), model_dir, config, warm_start_from=warm_start_from
        )


class LinearEstimator(Estimator):
    """A linear model with a head of the user's choice.

    Args:
        head: a `Head`: it makes loss, predictions and metrics from the logits.
        feature_columns: see `LinearClassifier`.
        model_dir: see `LinearClassifier`.
        optimizer: see `LinearClassifier`.
        config: see `LinearClassifier`.
        sparse_combiner: see `LinearClassifier`.
        warm_start_from: see `LinearClassifier`.

    Raises:
        TypeError: see `LinearClassifier`.
        ValueError: see `LinearClassifier`.
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Iterable[Any],
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ) -> None:
        model = LinearModel.of(feature_columns, sparse_combiner, surface="v2")
        super().__init__(
            model_fn(checked_head(head), model, optimizer),
            model_dir,
            config,
            warm_start_from=warm_start_from,
        )
