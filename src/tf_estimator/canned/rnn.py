"""Recurrent neural networks on sequence feature columns."""

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1, without_deprecation_notes
from tf_estimator.canned import layers, recurrent
from tf_estimator.canned.feature_layers import FeatureTensors
from tf_estimator.canned.model_fns import (
    OptimizerChoice,
    checked_head,
    class_head,
    estimator_spec,
)
from tf_estimator.canned.sequence_layers import context_columns, sequence_columns, sequence_input
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.heads import Head, SequentialHead
from tf_estimator.spec import EstimatorSpec

_NOT_GIVEN = object()

_LEARNING_RATE = 0.05


class RNNEstimator(Estimator):
    """A recurrent network with a head of the user's choice.

    The input_fn gives features as a dict. Those of the sequence columns are SparseTensors of shape
    [batch, steps] (or ragged); all of one example have the same number of steps.

    Args:
        head: a `tf_estimator.Head`; with `return_sequences` a
            `tf_estimator.heads.SequentialHead`.
        sequence_feature_columns: dense sequence columns: `tf.feature_column.
            sequence_numeric_column`, or embedding and indicator columns of
            `sequence_categorical_column_with_*`.
        context_feature_columns: dense columns whose values are the same at each step.
        units: the widths of the recurrent layers, from the input up; for the cells by name or type.
        cell_type: 'simple_rnn' (the default), 'lstm' or 'gru', or a type that is called with
            `units` and makes a cell.
        rnn_cell_fn: instead of units and cell_type: a function without arguments that returns a
            cell, or a list of cells, from the input up. A cell has a `state_size` and is called
            with inputs and states, such as those of Keras.
        return_sequences: whether each step has a prediction, or only each example, from the
            output at its last step.
        model_dir: see `Estimator`.
        optimizer: a name ('Adagrad' with a learning rate of 0.05), an optimizer, or a function
            without arguments that returns one.
        config: see `Estimator`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument has a wrong value, or does not go with another.

    Example:
        >>> from tf_estimator.heads import RegressionHead
        >>> column = tf.feature_column.sequence_numeric_column("price")
        >>> def input_fn():
        ...     prices = tf.sparse.from_dense([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
        ...     return tf.data.Dataset.from_tensors(({"price": prices}, [[4.0], [5.0]]))
        >>> estimator = RNNEstimator(RegressionHead(), [column], units=[4], cell_type="gru")
        >>> int(estimator.train(input_fn).get_variable_value("global_step"))
        1
    """

    def __init__(
        self,
        head: Head,
        sequence_feature_columns: Iterable[Any],
        context_feature_columns: Iterable[Any] | None = None,
        units: Iterable[int] | None = None,
        cell_type: Any = _NOT_GIVEN,
        rnn_cell_fn: Callable[[], Any] | None = None,
        return_sequences: bool = False,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: Any = "Adagrad",
        config: RunConfig | None = None,
    ) -> None:
        is_sequential = isinstance(checked_head(head), SequentialHead)
        if bool(return_sequences) != is_sequential:
            raise _checks.wrong_value(
                "head",
                "must be a SequentialHead if return_sequences is True, and only then",
                head,
                "SequentialHead(head) makes one of any other head.",
            )
        columns = sequence_columns("sequence_feature_columns", sequence_feature_columns)
        context = context_columns("context_feature_columns", context_feature_columns)
        make_cells = _cells(units, cell_type, rnn_cell_fn)
        choice = OptimizerChoice(optimizer, _LEARNING_RATE, "v2")

        def model_fn(features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
            with without_deprecation_notes():
                inputs, lengths = sequence_input(FeatureTensors(features), columns, context)
            mask = tf.sequence_mask(lengths, tf.shape(inputs)[1])
            with v1.variable_scope("rnn_model"):
                outputs = _outputs(make_cells(), inputs, mask)
                if not is_sequential:
                    outputs = outputs[:, -1]  # Behind the last step it stays what it was.
                logits = _logits(outputs, head.logits_dimension)
            if isinstance(head, SequentialHead):
                features = {**features, head.input_sequence_mask_key: mask}
            of_both = [*columns, *context]
            return estimator_spec(head, features, labels, mode, logits, choice, of_both, config)

        super().__init__(model_fn, model_dir, config)


class RNNClassifier(RNNEstimator):
    """A recurrent network that tells classes apart: of whole examples, or of each step.

    Args:
        sequence_feature_columns: see `RNNEstimator`.
        context_feature_columns: see `RNNEstimator`.
        units: see `RNNEstimator`.
        cell_type: see `RNNEstimator`.
        rnn_cell_fn: see `RNNEstimator`.
        return_sequences: whether each step has a class. Labels then have one for each, as a
            SparseTensor of shape [batch, steps].
        model_dir: see `Estimator`.
        n_classes: how many, at least 2.
        weight_column: the name of a feature with a weight for each example (or step), or a numeric
            column of it; None for no weights.
        label_vocabulary: the labels, if they are strings; otherwise they are integers below
            n_classes.
        optimizer: see `RNNEstimator`.
        loss_reduction: how the losses of a batch become one, see `tf.losses.Reduction`.
        sequence_mask: with `return_sequences`, the name under which predictions have the mask that
            says which steps there are.
        config: see `Estimator`.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument has a wrong value, or does not go with another.

    Example:
        >>> words = tf.feature_column.sequence_categorical_column_with_hash_bucket("words", 10)
        >>> column = tf.feature_column.embedding_column(words, dimension=2)
        >>> def input_fn():
        ...     words = tf.ragged.constant([["so", "good"], ["no"]])
        ...     return tf.data.Dataset.from_tensors(({"words": words}, [[1], [0]]))
        >>> classifier = RNNClassifier([column], units=[4], cell_type="lstm")
        >>> sorted(classifier.train(input_fn).evaluate(input_fn))[:2]
        ['accuracy', 'accuracy_baseline']
    """

    def __init__(
        self,
        sequence_feature_columns: Iterable[Any],
        context_feature_columns: Iterable[Any] | None = None,
        units: Iterable[int] | None = None,
        cell_type: Any = _NOT_GIVEN,
        rnn_cell_fn: Callable[[], Any] | None = None,
        return_sequences: bool = False,
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Iterable[str] | None = None,
        optimizer: Any = "Adagrad",
        loss_reduction: str = "sum_over_batch_size",
        sequence_mask: str = "sequence_mask",
        config: RunConfig | None = None,
    ) -> None:
        head = class_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        if return_sequences:
            head = SequentialHead(head, sequence_mask, weight_column)
        super().__init__(
            head,
            sequence_feature_columns,
            context_feature_columns,
            units,
            cell_type,
            rnn_cell_fn,
            return_sequences,
            model_dir,
            optimizer,
            config,
        )


def _cells(units: Any, cell_type: Any, rnn_cell_fn: Any) -> Callable[[], list[recurrent.Cell]]:
    """A function that makes the cells of a graph."""
    if rnn_cell_fn is not None:
        if units is not None or cell_type is not _NOT_GIVEN:
            raise ValueError(
                "units and cell_type must not be given with rnn_cell_fn, which makes the cells; "
                f"received units={_checks.shown(units)}."
            )
        _checks.callable_("rnn_cell_fn", rnn_cell_fn)
        return functools.partial(_given_cells, rnn_cell_fn)
    rule = "must be a list of positive integers, the widths of the recurrent layers"
    if isinstance(units, str | Mapping) or not isinstance(units, Iterable):
        raise _checks.wrong_type("units", rule, units)
    widths = [_checks.positive("Every element of units", width) for width in units]
    if not widths:
        raise _checks.wrong_value("units", rule, units)
    if cell_type is _NOT_GIVEN:
        cell_type = "simple_rnn"
    if isinstance(cell_type, str) and cell_type in recurrent.CELLS:
        make = recurrent.CELLS[cell_type]
        return lambda: [make(width) for width in widths]
    if not isinstance(cell_type, type):
        names = ", ".join(map(repr, recurrent.CELLS))
        rule = f"must be one of {names}, or a type of cells"
        raise _checks.wrong_value("cell_type", rule, cell_type)
    return functools.partial(_given_cells, lambda: [cell_type(units=width) for width in widths])


def _given_cells(make: Callable[[], Any]) -> list[recurrent.Cell]:
    made = make()
    return [recurrent.GivenCell(cell) for cell in (made if isinstance(made, list) else [made])]


def _outputs(cells: list[recurrent.Cell], inputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    with v1.variable_scope("rnn"):
        if len(cells) == 1:
            return recurrent.stacked(cells, inputs, mask)
        with v1.variable_scope("stacked_rnn_cells"):
            return recurrent.stacked(cells, inputs, mask)


def _logits(outputs: tf.Tensor, units: int) -> tf.Tensor:
    """A dense layer for each step, or for each example."""
    shape = tf.shape(outputs)
    flat = tf.reshape(outputs, [-1, outputs.shape[-1]])
    with v1.variable_scope("logits"):
        logits = layers.dense(flat, units)
    reshaped = tf.reshape(logits, tf.concat([shape[:-1], [units]], axis=0))
    return tf.ensure_shape(reshaped, [None] * (outputs.shape.rank - 1) + [units])
