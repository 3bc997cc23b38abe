"""Stochastic dual coordinate ascent: trains a linear model without a learning rate.

Source: Shalev-Shwartz and Zhang, "Stochastic Dual Coordinate Ascent Methods for Regularized Loss
Minimization", JMLR 14, 2013.
"""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1
from tf_estimator.canned.feature_layers import ColumnVariables, FeatureTensors
from tf_estimator.canned.model_fns import update_ops
from tf_estimator.heads import BinaryClassHead, Head, RegressionHead
from tf_estimator.spec import EstimatorSpec, ModeKeys

# What is kept for an example: the dual variable, its loss, the dual loss, its weight.
_STATE = [0.0, 0.0, 0.0, 0.0]


@dataclasses.dataclass(frozen=True)
class LinearSDCA:
    """An optimizer for LinearClassifier with two classes and LinearRegressor.

    It keeps four numbers for every example it has seen, under the example's id.

    Args:
        example_id_column: the name of a feature of strings that tells the examples apart.
        num_loss_partitions: how many workers train at once, at least 1; fewer than there are may
            keep training from converging.
        num_table_shards: has no effect; the examples are in one table.
        symmetric_l1_regularization: at least 0; makes small weights zero.
        symmetric_l2_regularization: above 0.
        adaptive: whether examples that gain most are taken more often.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument has a wrong value.

    Example:
        `LinearClassifier(columns, optimizer=LinearSDCA("example_id"))`
    """

    example_id_column: str
    num_loss_partitions: int = 1
    num_table_shards: int | None = None
    symmetric_l1_regularization: float = 0.0
    symmetric_l2_regularization: float = 1.0
    adaptive: bool = False

    def __post_init__(self) -> None:
        _checks.instance("example_id_column", self.example_id_column, str)
        _checks.positive("num_loss_partitions", self.num_loss_partitions)
        _checks.positive_or_none("num_table_shards", self.num_table_shards)
        _checks.not_negative("symmetric_l1_regularization", self.symmetric_l1_regularization)
        if not _checks.not_negative(
            "symmetric_l2_regularization", self.symmetric_l2_regularization
        ):
            raise _checks.wrong_value(
                "symmetric_l2_regularization", "must be above 0", self.symmetric_l2_regularization
            )

    def get_train_step(
        self,
        state_manager: Any,
        weight_column_name: str | None,
        loss_type: str,
        feature_columns: Iterable[Any],
        features: Any,
        targets: tf.Tensor,
        bias_var: tf.Variable | None,
        global_step: tf.Variable,
    ) -> tf.Operation:
        """The operation that takes one step of training.

        Args:
            state_manager: has the variable `weights` of each column, of shape [size, 1].
            weight_column_name: the name of the feature with the weights of examples, or None.
            loss_type: 'logistic_loss' or 'squared_loss'.
            feature_columns: of the linear model.
            features: a dict of tensors.
            targets: the labels, of shape [batch] or [batch, 1].
            bias_var: the variable of the bias, of shape [1], or None.
            global_step: the variable that counts the step.

        Returns:
            The train_op.

        Raises:
            ValueError: there is no feature of ids or weights, or ids are no strings.
        """
        read = FeatureTensors(features)
        targets = tf.reshape(tf.cast(targets, tf.float32), [-1])
        ids = tf.raw_ops.SdcaFprint(input=self._example_ids(read.features))
        groups = _Groups(read, state_manager)
        for column in feature_columns:
            groups.add(column)
        if bias_var is not None:
            groups.add_dense(tf.ones_like(targets)[:, None], bias_var)
        states = tf.lookup.experimental.DenseHashTable(
            tf.int64, tf.float32, _STATE, [0, 0], [1, 1], name="ShardedMutableHashTable-1-of-1"
        )
        made = tf.raw_ops.SdcaOptimizerV2(
            **groups.arguments(),
            example_weights=_example_weights(read.features, weight_column_name, targets),
            example_labels=targets,
            example_state_data=states.lookup(ids),
            loss_type=loss_type,
            l1=self.symmetric_l1_regularization,
            l2=self.symmetric_l2_regularization,
            num_loss_partitions=self.num_loss_partitions,
            num_inner_iterations=1,
            adaptive=self.adaptive,
        )
        updates = groups.updates(made.out_delta_sparse_weights, made.out_delta_dense_weights)
        with tf.control_dependencies([*updates, states.insert(ids, made.out_example_state_data)]):
            shrunk = [self._shrink(*pair) for pair in groups.pairs]
        with tf.control_dependencies(shrunk):
            return v1.assign_add(global_step, 1).op

    def _example_ids(self, features: Any) -> tf.Tensor:
        name = self.example_id_column
        if name not in features:
            rule = "must be among the features"
            found = sorted(map(str, features))
            raise _checks.wrong_value(f"The example id column {name!r}", rule, found)
        ids = features[name]
        ids = tf.sparse.to_dense(ids) if isinstance(ids, tf.SparseTensor) else ids
        if ids.dtype != tf.string:
            hint = "Convert integers with tf.strings.as_string."
            rule = "must be of strings"
            raise _checks.wrong_value(f"The example id column {name!r}", rule, ids.dtype, hint)
        return tf.reshape(ids, [-1])

    def _shrink(self, weights: tf.Variable, unshrunk: tf.Variable) -> tf.Operation:
        """Sets the weights to those that are trained, made smaller by l1 / l2."""
        by = self.symmetric_l1_regularization / self.symmetric_l2_regularization
        trained = unshrunk.read_value()
        return v1.assign(weights, tf.sign(trained) * tf.maximum(tf.abs(trained) - by, 0.0)).op


class _Groups:
    """The features of a batch as SdcaOptimizerV2 wants them: a group for each column."""

    def __init__(self, features: FeatureTensors, variables: Any) -> None:
        self.pairs: list[tuple[tf.Variable, tf.Variable]] = []
        self._features = features
        self._variables = variables
        self._dense: list[tuple[tf.Tensor, tf.Variable]] = []
        self._sparse: list[tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Variable]] = []

    def add(self, column: Any) -> None:
        """Adds the values of a column."""
        weights = self._variables.get_variable(column, "weights")
        if not hasattr(column, "get_sparse_tensors"):
            tensor = column.get_dense_tensor(self._features, self._variables)
            size = column.variable_shape.num_elements()
            self.add_dense(tf.reshape(tensor, [-1, size]), weights)
            return
        ids, values = column.get_sparse_tensors(self._features, self._variables)
        numbers = tf.ones_like(ids.values, tf.float32) if values is None else values.values
        known = ids.values >= 0  # What is in no vocabulary has no weight.
        found = tf.boolean_mask(tf.cast(ids.values, tf.int64), known)
        distinct, _ = tf.unique(found)
        examples = tf.boolean_mask(ids.indices[:, 0], known)
        numbers = tf.boolean_mask(numbers, known)
        self._sparse.append((examples, found, numbers, distinct, self._unshrunk(weights)))

    def add_dense(self, tensor: tf.Tensor, weights: tf.Variable) -> None:
        """Adds numbers, of shape [batch, size]."""
        self._dense.append((tensor, self._unshrunk(weights)))

    def arguments(self) -> dict[str, Any]:
        """The arguments of SdcaOptimizerV2 that are about features and weights."""
        return {
            "sparse_example_indices": [each[0] for each in self._sparse],
            "sparse_feature_indices": [each[1] for each in self._sparse],
            "sparse_feature_values": [each[2] for each in self._sparse],
            "sparse_indices": [each[3] for each in self._sparse],
            "sparse_weights": [
                tf.reshape(tf.gather(weights, distinct), [-1])
                for *_, distinct, weights in self._sparse
            ],
            "dense_features": [tensor for tensor, _ in self._dense],
            "dense_weights": [tf.reshape(weights, [-1]) for _, weights in self._dense],
        }

    def updates(self, of_sparse: Any, of_dense: Any) -> list[tf.Operation]:
        """The operations that add what SdcaOptimizerV2 gave to the weights."""
        made = []
        for (*_, distinct, weights), change in zip(self._sparse, of_sparse, strict=True):
            rows = tf.reshape(change, [-1, 1])
            made.append(weights.scatter_add(tf.IndexedSlices(rows, distinct)).op)
        for (_, weights), change in zip(self._dense, of_dense, strict=True):
            made.append(weights.assign_add(tf.reshape(change, weights.shape)).op)
        return made

    def _unshrunk(self, weights: tf.Variable) -> tf.Variable:
        """The variable that is trained in the place of `weights`, before it is made smaller."""
        # Below the current scope: in version 1 that is the model's once more, as in the original.
        with v1.variable_scope(v1.get_variable_scope()) as scope:
            scope.set_partitioner(None)
            unshrunk = v1.get_variable(
                f"{weights.op.name}_unshrunk",
                weights.shape,
                initializer=v1.zeros_initializer(),
                use_resource=True,
            )
        self.pairs.append((weights, unshrunk))
        return unshrunk


def _example_weights(features: Any, name: str | None, targets: tf.Tensor) -> tf.Tensor:
    if name is None:
        return tf.ones_like(targets)
    if name not in features:
        found = sorted(map(str, features))
        raise _checks.wrong_value(
            f"The weight column {name!r}", "must be among the features", found
        )
    return tf.reshape(tf.cast(features[name], tf.float32), [-1])


def loss_type(head: Head) -> str:
    """The loss of SdcaOptimizerV2 that a head has.

    Raises:
        ValueError: it has another.
    """
    if isinstance(head, BinaryClassHead):
        return "logistic_loss"
    if isinstance(head, RegressionHead) and head.logits_dimension == 1:
        return "squared_loss"
    raise _checks.wrong_value(
        "With LinearSDCA, the model", "must have two classes, or one number to predict", head
    )


def estimator_spec(
    head: Head,
    features: Any,
    labels: Any,
    mode: str,
    logits: tf.Tensor,
    optimizer: LinearSDCA,
    columns: Iterable[Any],
) -> EstimatorSpec:
    """The EstimatorSpec of a linear model that LinearSDCA trains.

    Args:
        head: a BinaryClassHead, or a RegressionHead for one number.
        features: as model_fn got them.
        labels: as model_fn got them.
        mode: one of ModeKeys.
        logits: of the linear model whose variables are in the default graph.
        optimizer: the LinearSDCA.
        columns: of the model.

    Returns:
        The EstimatorSpec.

    Raises:
        ValueError: the head is another.
    """
    kind = loss_type(head)
    if mode != ModeKeys.TRAIN:
        return head.create_estimator_spec(features, mode, logits, labels)
    columns = list(columns)
    variables, bias = _variables(columns)
    weight_column = getattr(head, "weight_column", None)
    weights = getattr(weight_column, "key", weight_column)

    def train(loss: tf.Tensor) -> tf.Operation:
        # The loss is of the weights as they were.
        with tf.control_dependencies([loss, *update_ops()]):
            now = {name: _same(value) for name, value in features.items()}
        return optimizer.get_train_step(
            variables, weights, kind, columns, now, labels, bias, v1.train.get_global_step()
        )

    return head.create_estimator_spec(features, mode, logits, labels, train_op_fn=train)


def _same(value: Any) -> Any:
    return tf.nest.map_structure(tf.identity, value, expand_composites=True)


def _variables(columns: Iterable[Any]) -> tuple[ColumnVariables, tf.Variable]:
    """The weights of the columns and the bias of the linear model in the default graph."""
    # A partitioner of version 1 makes parts, though it be one.
    by_name = {each.op.name.removesuffix("/part_0"): each for each in v1.global_variables()}
    bias = next(name for name in by_name if name.endswith("linear_model/bias_weights"))
    scope = bias.removesuffix("bias_weights")
    found = ColumnVariables()
    for column in columns:
        name = scope + re.sub(r"[^A-Za-z0-9_.\-]", "_", column.name)
        if f"{name}/weights/part_1" in by_name:
            rule = "must not be cut into parts"
            raise _checks.wrong_value("With LinearSDCA, variables", rule, f"{name}/weights")
        for part in ("weights", "embedding_weights"):
            if f"{name}/{part}" in by_name:
                found.add_variable(column, by_name[f"{name}/{part}"], part)
    return found, by_name[bias]
