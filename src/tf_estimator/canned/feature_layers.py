"""From feature columns to tensors: the input of a deep network, and the sum of a linear model.

A feature column is called as TensorFlow documents it: it is handed a cache, from which it reads
features and what other columns made of them, and a state manager, of which it asks its variables.
`FeatureTensors` and `ColumnVariables` are these two.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1, without_deprecation_notes
from tf_estimator.spec import in_replica


class FeatureTensors:
    """The features of one batch and what columns make of them, each made once.

    Args:
        features: name to Tensor, SparseTensor or RaggedTensor; the first dimension is the batch.

    Raises:
        TypeError: `features` is no mapping. It is a ValueError as well.
    """

    def __init__(self, features: Mapping[str, Any]) -> None:
        if not isinstance(features, Mapping):
            rule = "must be a dict from feature name to tensor"
            raise _checks.wrong_type("features", rule, features, was=ValueError)
        self.features = features
        self._made: dict[Any, Any] = {}
        self._reader = ""

    @contextlib.contextmanager
    def read_by(self, column: Any) -> Iterator[None]:
        """Inside, errors name `column`."""
        self._reader = column.name
        yield
        self._reader = ""

    def get(self, key: Any, state_manager: Any, training: bool | None = None) -> Any:
        """What a column reads.

        Args:
            key: the name of a feature, or a column.
            state_manager: handed on to the column.
            training: not used; some columns pass it.

        Returns:
            The feature as a Tensor or SparseTensor of rank 2 or more, or what the column makes of
            its features.

        Raises:
            ValueError: there is no such feature, or it has no batch dimension.
        """
        if key not in self._made:
            if key in self.features:
                self._made[key] = self._feature(key)
            elif isinstance(key, str):
                raise ValueError(
                    f"Feature column {self._reader!r} needs the feature {key!r}, which the batch "
                    f"does not have; received {sorted(map(str, self.features))}."
                )
            else:
                self._made[key] = key.transform_feature(self, state_manager)
        return self._made[key]

    def _feature(self, key: Any) -> Any:
        given = self.features[key]
        if isinstance(given, tf.RaggedTensor):
            given = given.to_sparse()
        elif not isinstance(given, tf.SparseTensor):
            given = tf.convert_to_tensor(given)
        rank = given.shape.rank
        if rank == 0:
            rule = f"must have a batch dimension (column {self._reader!r})"
            raise _checks.wrong_value(f"Feature {key!r}", rule, given)
        if rank is None and isinstance(given, tf.Tensor):
            return tf.cond(tf.equal(tf.rank(given), 1), lambda: given[:, None], lambda: given)
        return _as_column(given) if rank == 1 else given


def _as_column(feature: Any) -> Any:
    if isinstance(feature, tf.SparseTensor):
        return tf.sparse.reshape(feature, [-1, 1])
    return tf.expand_dims(feature, -1)


class ColumnVariables:
    """The variables and tables that columns ask for; made in the current variable scope."""

    def __init__(self) -> None:
        self._variables: dict[tuple[Any, str], Any] = {}
        self._resources: dict[tuple[Any, str], Any] = {}

    def create_variable(
        self,
        feature_column: Any,
        name: str,
        shape: Sequence[int],
        dtype: tf.DType | None = None,
        trainable: bool = True,
        use_resource: bool = True,
        initializer: Any = None,
    ) -> Any:
        """Makes a variable, cut by the scope's partitioner if it has one."""
        made = v1.get_variable(
            name, shape, dtype, initializer, trainable=trainable, use_resource=use_resource
        )
        self.add_variable(feature_column, made, name)
        return made

    def add_variable(self, feature_column: Any, var: Any, name: str | None = None) -> None:
        """Keeps a variable that exists."""
        self._variables[feature_column, name or var.op.name] = var

    def get_variable(self, feature_column: Any, name: str) -> Any:
        """The variable that was made."""
        return self._variables[feature_column, name]

    def add_resource(self, feature_column: Any, name: str, resource: Any) -> None:
        """Keeps a resource, such as a table."""
        self._resources[feature_column, name] = resource

    def has_resource(self, feature_column: Any, name: str) -> bool:
        """Whether there is such a resource."""
        return (feature_column, name) in self._resources

    def get_resource(self, feature_column: Any, name: str) -> Any:
        """The resource that was kept."""
        return self._resources[feature_column, name]


def checked_columns(subject: str, columns: Any, *, deep: bool, old: bool) -> tuple[Any, ...]:
    """The feature columns as a tuple.

    Args:
        subject: the argument's name.
        columns: what a user gave; an iterator is read.
        deep: whether they feed a network, which categorical columns cannot.
        old: whether those of `tf.compat.v1.feature_column.shared_embedding_columns` are allowed.

    Returns:
        At least one column; no two have the same name.

    Raises:
        TypeError: these are no columns. It is a ValueError as well.
        ValueError: there are none, two of the same name, or a wrong kind.
    """
    rule = "must be an iterable of feature columns"
    if columns is None or (_is_sized(columns) and not len(columns)):
        raise _checks.wrong_value(subject, "must not be empty", columns)
    if isinstance(columns, Mapping | str) or _is_column(columns):
        hint = "Put it into a list." if _is_column(columns) else ""
        raise _checks.wrong_type(subject, rule, columns, hint, was=ValueError)
    try:
        found = tuple(columns)
    except TypeError:
        raise _checks.wrong_type(subject, rule, columns, was=ValueError) from None
    if not found:
        raise _checks.wrong_value(subject, "must not be empty", columns)
    names: dict[str, Any] = {}
    for column in found:
        _check_column(subject, column, deep=deep, old=old)
        if column.name in names:
            raise ValueError(
                f"{subject} must have columns of different names; received two that are called "
                f"{column.name!r}: {names[column.name]} and {column}."
            )
        names[column.name] = column
    return found


def _is_sized(value: Any) -> bool:
    return hasattr(value, "__len__")


def _is_column(value: Any) -> bool:
    return _is_dense(value) or _is_categorical(value) or _is_old(value)


def _is_dense(column: Any) -> bool:
    return hasattr(column, "get_dense_tensor")


def _is_categorical(column: Any) -> bool:
    return hasattr(column, "get_sparse_tensors")


def _is_old(column: Any) -> bool:
    """Whether only `tf.compat.v1.feature_column.input_layer` can call it."""
    return hasattr(column, "_get_dense_tensor") and not _is_dense(column)


def _check_column(subject: str, column: Any, *, deep: bool, old: bool) -> None:
    if not _is_column(column):
        raise _checks.wrong_type(
            f"Every element of {subject}", "must be a feature column", column, was=ValueError
        )
    if deep and not (_is_dense(column) or _is_old(column)):
        raise _checks.wrong_value(
            f"Column {column.name!r} in {subject}",
            "must be a dense column",
            column,
            "Wrap it in tf.feature_column.embedding_column or indicator_column.",
        )
    if _is_old(column) and not old:
        raise _checks.wrong_value(
            f"Column {column.name!r} in {subject}",
            "must be of tf.feature_column",
            column,
            "Use tf.feature_column.shared_embeddings, or the estimator of compat.v1.",
        )


def shared_weights(columns: Iterable[Any]) -> list[tf.Variable]:
    """The weights of `tf.feature_column.shared_embeddings`, made in the current scope if need be.

    They belong to a graph, not to a column: they are made by whoever asks for them first.
    """
    creators = [getattr(each, "shared_embedding_column_creator", None) for each in columns]
    found = {id(each): each.embedding_weights for each in creators if each is not None}
    return list(found.values())


def dense_input(features: FeatureTensors, columns: Sequence[Any]) -> tf.Tensor:
    """The input layer of a network: what the columns give, side by side, ordered by column name.

    Its variables are `input_layer/<column>/embedding_weights`.

    Args:
        features: the batch.
        columns: dense columns.

    Returns:
        A float32 Tensor, shape [batch, sum of the columns' sizes].

    Raises:
        ValueError: a feature is missing, or two columns differ in batch size.
    """
    if any(map(_is_old, columns)):
        with without_deprecation_notes():
            return v1.feature_column.input_layer(features.features, columns)
    variables = ColumnVariables()
    ordered = _by_name(columns)
    tensors = []
    with v1.variable_scope("input_layer"):
        for column in ordered:
            with _column_scope(column):
                tensors.append(_flat_tensor(column, features, variables))
        _check_batch_sizes(ordered, tensors)
        return tf.concat(tensors, axis=1)


def linear_sum(
    features: FeatureTensors, columns: Sequence[Any], units: int, sparse_combiner: str
) -> tuple[tf.Tensor, Any, list[Any]]:
    """The weighted sum of a linear model. All weights start at zero.

    Its variables are `linear_model/<column>/weights` and `linear_model/bias_weights`. A column that
    is both dense and categorical, as a bucketized one is, counts as categorical.

    Args:
        features: the batch.
        columns: of any kind.
        units: how many sums.
        sparse_combiner: "sum", "mean" or "sqrtn": what becomes of several values of one row in a
            categorical column.

    Returns:
        The sums with the bias added, a float32 Tensor of shape [batch, units]; the bias variable;
        the other variables. A variable may be a partitioned one.

    Raises:
        ValueError: a feature is missing, or two columns differ in batch size.
    """
    if any(map(_is_old, columns)):
        return _old_linear_sum(features, columns, units, sparse_combiner)
    variables = ColumnVariables()
    ordered = _by_name(columns)
    with v1.variable_scope("linear_model"):
        sums = []
        with in_replica.recorded_variables() as weights:
            for column in ordered:
                with _column_scope(column):
                    sums.append(_weighted_sum(column, features, variables, units, sparse_combiner))
        _check_batch_sizes(ordered, sums)
        bias = _zeros("bias_weights", [units])
        return tf.nn.bias_add(tf.add_n(sums), bias), bias, weights


def _old_linear_sum(
    features: FeatureTensors, columns: Sequence[Any], units: int, sparse_combiner: str
) -> tuple[tf.Tensor, Any, list[Any]]:
    made: dict[Any, list[Any]] = {}
    with without_deprecation_notes():
        total = v1.feature_column.linear_model(
            features.features, columns, units, sparse_combiner, cols_to_vars=made
        )
    (bias,) = made.pop("bias")
    return total, bias, [each for variables in made.values() for each in variables]


def _by_name(columns: Iterable[Any]) -> list[Any]:
    return sorted(columns, key=lambda column: column.name)


def _column_scope(column: Any) -> Any:
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", column.name)
    return v1.variable_scope(None, default_name=name)


def _flat_tensor(column: Any, features: FeatureTensors, variables: ColumnVariables) -> tf.Tensor:
    with features.read_by(column):
        column.create_state(variables)
        tensor = column.get_dense_tensor(features, variables)
        return tf.reshape(tensor, [-1, column.variable_shape.num_elements()])


def _weighted_sum(
    column: Any,
    features: FeatureTensors,
    variables: ColumnVariables,
    units: int,
    sparse_combiner: str,
) -> tf.Tensor:
    if not _is_categorical(column):
        tensor = _flat_tensor(column, features, variables)
        return tf.matmul(tensor, _zeros("weights", [tensor.shape[1], units]))
    with features.read_by(column):
        column.create_state(variables)
        found = column.get_sparse_tensors(features, variables)
    rows = found.id_tensor.dense_shape[0]
    of_values = found.weight_tensor
    return v1.nn.safe_embedding_lookup_sparse(
        _zeros("weights", [column.num_buckets, units]),
        tf.sparse.reshape(found.id_tensor, [rows, -1]),
        None if of_values is None else tf.sparse.reshape(of_values, [rows, -1]),
        combiner=sparse_combiner,
    )


def _zeros(name: str, shape: Sequence[int]) -> Any:
    return v1.get_variable(name, shape, initializer=v1.zeros_initializer())


def _check_batch_sizes(columns: Sequence[Any], tensors: Sequence[tf.Tensor]) -> None:
    # A number or None, also where TensorFlow 1's shapes are switched on.
    sizes = {
        column.name: tf.compat.dimension_value(tensor.shape[0])
        for column, tensor in zip(columns, tensors, strict=True)
    }
    known = {name: size for name, size in sizes.items() if size is not None}
    if len(set(known.values())) > 1:
        raise ValueError(
            "All features must have the same first dimension, the size of the batch; by column it "
            f"is {known}."
        )
