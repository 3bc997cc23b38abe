"""Recurrent layers on variables under the names that checkpoints have.

Written on `tf.compat.v1.get_variable`, without Keras. A layer multiplies its inputs with the kernel
for all steps at once; only what needs the step before is in the loop.
"""

import abc
import contextlib
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1

States = Any
"""Nested Tensors of shape [batch, size]."""


class Cell(abc.ABC):
    """What a recurrent layer does at each step."""

    @property
    @abc.abstractmethod
    def scope(self) -> str:
        """The scope of its variables."""

    @abc.abstractmethod
    def begin(self, inputs: tf.Tensor) -> tuple[tf.Tensor, States, tf.Tensor]:
        """Makes the variables in the current scope, and what the loop starts with.

        Args:
            inputs: of all steps, shape [batch, steps, width].

        Returns:
            What each step gets, shape [batch, steps, ...]; the first states; zeros in the shape of
            an output.
        """

    @abc.abstractmethod
    def step(self, inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """One step: the output, shape [batch, units], and the next states."""


class _Gated(Cell):
    """What the three named cells have in common: a kernel and a recurrent kernel for each gate."""

    gates: ClassVar[int]
    states: ClassVar[int] = 1

    def __init__(self, units: int) -> None:
        self._units = units

    def begin(self, inputs: tf.Tensor) -> tuple[tf.Tensor, States, tf.Tensor]:
        """See `Cell.begin`."""
        width = self._units * self.gates
        kernel = v1.get_variable(
            "kernel", [inputs.shape[2], width], initializer=v1.glorot_uniform_initializer()
        )
        self._recurrent = tf.convert_to_tensor(
            v1.get_variable(
                "recurrent_kernel", [self._units, width], initializer=v1.orthogonal_initializer()
            )
        )
        bias = self._bias(width)
        zeros = tf.zeros(tf.stack([tf.shape(inputs)[0], self._units]))
        return tf.tensordot(inputs, kernel, 1) + bias, [zeros] * self.states, zeros

    def _bias(self, width: int) -> tf.Tensor:
        """What is added to the inputs times the kernel."""
        zeros = v1.zeros_initializer()
        return tf.convert_to_tensor(v1.get_variable("bias", [width], initializer=zeros))


class SimpleRNN(_Gated):
    """Elman's network: output = tanh(x kernel + output recurrent_kernel + bias)."""

    scope = "simple_rnn_cell"
    gates = 1

    def step(self, inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """See `Cell.step`."""
        output = tf.tanh(inputs + tf.matmul(states[0], self._recurrent))
        return output, [output]


class LSTM(_Gated):
    """Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997.

    Gates: input, forget, new, output. The forget gate's bias starts at 1 (Jozefowicz et al., 2015).
    """

    scope = "lstm_cell"
    gates = 4
    states = 2

    def _bias(self, width: int) -> tf.Tensor:
        start = [0.0] * self._units + [1.0] * self._units + [0.0] * (2 * self._units)
        initializer = v1.constant_initializer(start)
        return tf.convert_to_tensor(v1.get_variable("bias", [width], initializer=initializer))

    def step(self, inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """See `Cell.step`."""
        output, memory = states
        both = inputs + tf.matmul(output, self._recurrent)
        take, keep, new, show = tf.split(both, 4, axis=1)
        memory = tf.sigmoid(keep) * memory + tf.sigmoid(take) * tf.tanh(new)
        output = tf.sigmoid(show) * tf.tanh(memory)
        return output, [output, memory]


class GRU(_Gated):
    """Cho et al., "Learning Phrase Representations", 2014; gates: update, reset, new.

    The reset gate is applied behind the recurrent kernel, which has a bias of its own: the second
    row of the variable.
    """

    scope = "gru_cell"
    gates = 3

    def _bias(self, width: int) -> tf.Tensor:
        both = v1.get_variable("bias", [2, width], initializer=v1.zeros_initializer())
        of_inputs, self._recurrent_bias = tf.unstack(tf.convert_to_tensor(both))
        return of_inputs

    def step(self, inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """See `Cell.step`."""
        (output,) = states
        recurrent = tf.matmul(output, self._recurrent) + self._recurrent_bias
        update, reset, new = tf.split(inputs, 3, axis=1)
        of_update, of_reset, of_new = tf.split(recurrent, 3, axis=1)
        update = tf.sigmoid(update + of_update)
        new = tf.tanh(new + tf.sigmoid(reset + of_reset) * of_new)
        output = update * output + (1.0 - update) * new
        return output, [output]


class GivenCell(Cell):
    """A cell that a user made: of tf_keras, of tf.compat.v1.nn.rnn_cell, or like one of these.

    Args:
        cell: called with inputs and states, it returns the output and the next states; has a
            `state_size`.

    Raises:
        TypeError: it is no such cell.
        NotImplementedError: it is a cell of Keras 3.
    """

    def __init__(self, cell: Any) -> None:
        is_layer = hasattr(cell, "return_sequences")
        if (
            not callable(cell)
            or not hasattr(cell, "state_size")
            or isinstance(cell, type)
            or is_layer
        ):
            rule = "must be a cell: callable with inputs and states, and with a state_size"
            hint = "This is a whole layer: give its cell." if is_layer else ""
            raise _checks.wrong_type("What rnn_cell_fn returns", rule, cell, hint)
        if any(kind.__module__.startswith("keras.") for kind in type(cell).__mro__):
            # It counts its names through all graphs: no checkpoint would be found again.
            raise NotImplementedError(
                f"A cell of Keras 3 cannot be used; received {_checks.shown(cell)}. Give units and "
                "cell_type ('simple_rnn', 'lstm' or 'gru'), or a cell of tf_keras.layers."
            )
        self._cell = cell

    @property
    def scope(self) -> str:
        """None of our own: such a cell names its variables, below the current scope."""
        return ""

    def begin(self, inputs: tf.Tensor) -> tuple[tf.Tensor, States, tf.Tensor]:
        """See `Cell.begin`."""
        states = self._first_states(inputs)
        # Makes the variables, for which it is too late in the loop, and tells the output's shape.
        with tf.name_scope(f"{v1.get_variable_scope().name}/"):
            first, _ = self.step(inputs[:, 0], states)
        return inputs, states, tf.zeros_like(first)

    def _first_states(self, inputs: tf.Tensor) -> States:
        batch = tf.shape(inputs)[0]
        make = getattr(self._cell, "get_initial_state", None)
        if make is not None:
            known = {"batch_size": batch, "dtype": inputs.dtype}
            names = inspect.signature(make).parameters
            states = make(**{name: value for name, value in known.items() if name in names})
            if states is not None:
                return states
        return tf.nest.map_structure(
            lambda size: tf.zeros(tf.stack([batch, size]), inputs.dtype), self._cell.state_size
        )

    def step(self, inputs: tf.Tensor, states: States) -> tuple[tf.Tensor, States]:
        """See `Cell.step`."""
        output, new = self._cell(inputs, states)
        return output, tf.nest.pack_sequence_as(states, tf.nest.flatten(new))


CELLS: dict[str, type[_Gated]] = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
"""The cells that have names."""


def stacked(cells: Sequence[Cell], inputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Layers on top of each other. Behind the end of a sequence, outputs stay as they were.

    Args:
        cells: from the input up.
        inputs: shape [batch, steps, width].
        mask: which steps there are: booleans, shape [batch, steps]; in each row True comes first.

    Returns:
        The outputs of the last layer at each step, shape [batch, steps, units].
    """
    for number, cell in enumerate(cells):
        same = [each.scope for each in cells[:number]].count(cell.scope)
        scope = f"{cell.scope}_{same}" if same and cell.scope else cell.scope
        with v1.variable_scope(scope) if scope else contextlib.nullcontext():
            start = cell.begin(inputs)
        inputs = _unrolled(cell, *start, mask)
    return inputs


def _unrolled(
    cell: Cell, inputs: tf.Tensor, states: States, output: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    steps = tf.shape(inputs)[1]
    by_time = tf.TensorArray(inputs.dtype, steps).unstack(tf.transpose(inputs, [1, 0, 2]))
    is_there = tf.TensorArray(tf.bool, steps).unstack(tf.transpose(mask)[:, :, None])
    outputs = tf.TensorArray(output.dtype, steps, element_shape=output.shape)

    def body(time: tf.Tensor, output: tf.Tensor, states: States, outputs: Any) -> Any:
        # Behind its end a sequence stays there: the states need not be kept.
        new_output, new_states = cell.step(by_time.read(time), states)
        new_output = tf.where(is_there.read(time), new_output, output)
        return time + 1, new_output, new_states, outputs.write(time, new_output)

    _, _, _, outputs = tf.while_loop(
        lambda time, *_: time < steps, body, (0, output, states, outputs)
    )
    return tf.transpose(outputs.stack(), [1, 0, 2])
