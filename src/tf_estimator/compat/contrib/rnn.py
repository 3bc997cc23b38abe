"""What `tf.contrib.rnn` was, of which `tf.compat.v1.nn` has no equal.

The cells are of Keras 2, and are imported when they are asked for.
"""

import abc
import importlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tf_estimator._checks import wrong_value

if TYPE_CHECKING:
    from tf_estimator.compat.contrib.rnn_cells import (
        LayerNormBasicLSTMCell,
        LSTMBlockCell,
        LSTMBlockFusedCell,
    )

v1 = tf.compat.v1

_CELLS = ("LSTMBlockCell", "LSTMBlockFusedCell", "LayerNormBasicLSTMCell")

__all__ = [
    "FusedRNNCell",
    "LSTMBlockCell",
    "LSTMBlockFusedCell",
    "LayerNormBasicLSTMCell",
    "TimeReversedFusedRNN",
    "stack_bidirectional_dynamic_rnn",
]


def __getattr__(name: str) -> Any:
    """Imports the cells, and so tf-keras, at the first."""
    if name in _CELLS:
        return getattr(importlib.import_module("tf_estimator.compat.contrib.rnn_cells"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class FusedRNNCell(abc.ABC):
    """A recurrent layer that is called once for all steps of a sequence."""

    @abc.abstractmethod
    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        """Runs the layer over sequences.

        Args:
            inputs: of shape [time, batch, features], or a list of [batch, features] by time.
            initial_state: the state before the first step; zeros by default.
            dtype: of that state, needed without one.
            sequence_length: integers of shape [batch], or None.
            scope: a variable scope or its name.

        Returns:
            The outputs, of shape [time, batch, units] or a list like the inputs, and the state
            after the last step.
        """


class TimeReversedFusedRNN(FusedRNNCell):
    """A layer that reads sequences from their ends.

    Args:
        cell: a FusedRNNCell, or what is called like one.
    """

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        """See `FusedRNNCell`; outputs are at the steps of their inputs."""
        named = {} if scope is None else {"scope": scope}
        outputs, state = self._cell(
            _reversed(inputs, sequence_length),
            initial_state=initial_state,
            dtype=dtype,
            sequence_length=sequence_length,
            **named,
        )
        return _reversed(outputs, sequence_length), state


def _reversed(sequences: Any, lengths: Any) -> Any:
    """Sequences by time, from their ends; what is beyond the lengths stays."""
    if isinstance(sequences, list):
        return tf.unstack(_reversed(tf.stack(sequences), lengths))
    if lengths is None:
        return tf.reverse(sequences, [0])
    return tf.reverse_sequence(sequences, lengths, seq_axis=0, batch_axis=1)


def stack_bidirectional_dynamic_rnn(
    cells_fw: Sequence[Any],
    cells_bw: Sequence[Any],
    inputs: Any,
    initial_states_fw: Iterable[Any] | None = None,
    initial_states_bw: Iterable[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> tuple[tf.Tensor, tuple[Any, ...], tuple[Any, ...]]:
    """Bidirectional layers, each of which reads the outputs of both directions of the one before.

    Args:
        cells_fw: the cells that read forward, one for each layer.
        cells_bw: those that read backward.
        inputs: of shape [batch, time, features].
        initial_states_fw: a state for each of cells_fw, or None for zeros.
        initial_states_bw: a state for each of cells_bw, or None for zeros.
        dtype: of the states; needed without initial states.
        sequence_length: integers of shape [batch], or None.
        parallel_iterations: see `tf.compat.v1.nn.dynamic_rnn`.
        time_major: whether inputs and outputs have time in front of batch.
        scope: a variable scope or its name, `stack_bidirectional_rnn` by default.
        swap_memory: see `tf.compat.v1.nn.dynamic_rnn`.

    Returns:
        The outputs, of shape [batch, time, units of both], and tuples of the last states of the
        layers, forward and backward.

    Raises:
        ValueError: there are no cells, or the lists differ in length.
    """
    n_layers = len(cells_fw)
    states_fw = [None] * n_layers if initial_states_fw is None else list(initial_states_fw)
    states_bw = [None] * n_layers if initial_states_bw is None else list(initial_states_bw)
    lists = (cells_fw, cells_bw, states_fw, states_bw)
    if not n_layers or any(len(one) != n_layers for one in lists):
        rule = "must have one element for each layer, and there must be one"
        raise wrong_value("The lists of cells and states", rule, [len(one) for one in lists])
    last_fw, last_bw = [], []
    with v1.variable_scope(scope or "stack_bidirectional_rnn"):
        for n, (cell_fw, cell_bw, state_fw, state_bw) in enumerate(zip(*lists, strict=True)):
            with v1.variable_scope(f"cell_{n}"):
                outputs, last = v1.nn.bidirectional_dynamic_rnn(
                    cell_fw,
                    cell_bw,
                    inputs,
                    initial_state_fw=state_fw,
                    initial_state_bw=state_bw,
                    sequence_length=sequence_length,
                    parallel_iterations=parallel_iterations,
                    dtype=dtype,
                    swap_memory=swap_memory,
                    time_major=time_major,
                )
                inputs = tf.concat(outputs, 2)
            last_fw.append(last[0])
            last_bw.append(last[1])
    return inputs, tuple(last_fw), tuple(last_bw)
