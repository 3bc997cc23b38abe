"""Cells of recurrent networks, of the classes that `tf.compat.v1.nn.rnn_cell` has from tf-keras."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator.compat.contrib.layers.normalization import layer_norm
from tf_estimator.compat.contrib.rnn import FusedRNNCell
from tf_estimator.keras.v1_layers import enable_v1_layers

enable_v1_layers()  # The bases of the classes below are of tf-keras.

v1 = tf.compat.v1
_State = v1.nn.rnn_cell.LSTMStateTuple
_DIAGONALS = ("w_i_diag", "w_f_diag", "w_o_diag")


class LSTMBlockCell(tf.compat.v1.nn.rnn_cell.RNNCell):
    """The LSTM cell of http://arxiv.org/abs/1409.2329, with the variables of a BasicLSTMCell.

    Args:
        num_units: the size of the state.
        forget_bias: is added to the bias of the forget gate.
        cell_clip: the greatest absolute value of a cell's state; None or below 0 for any.
        use_peephole: whether the gates see the cell's state, each by a vector of weights.
        dtype: of the variables.
        reuse: whether the variables are reused.
        name: of the layer.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: bool | None = None,
        name: str = "lstm_cell",
    ) -> None:
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self._num_units, self._forget_bias = num_units, forget_bias
        self._cell_clip = -1.0 if cell_clip is None else cell_clip
        self._use_peephole = use_peephole

    @property
    def state_size(self) -> Any:
        """The sizes of both parts of the state."""
        return _State(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        """The size of the outputs."""
        return self._num_units

    def build(self, inputs_shape: Any) -> None:
        """Makes the variables."""
        _make_variables(self, tf.TensorShape(inputs_shape), self._num_units)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step.

        Args:
            inputs: of shape [batch, features].
            state: a tuple of the cell's state and the outputs before, each [batch, num_units].

        Returns:
            The outputs, and the new state.
        """
        cell, outputs = _pair(state)
        values = tf.matmul(tf.concat([inputs, outputs], 1), self._kernel)
        i, j, f, o = tf.split(tf.nn.bias_add(values, self._bias), 4, axis=1)
        if self._use_peephole:
            i += cell * self._diagonals[0]
            f += cell * self._diagonals[1]
        cell = cell * tf.sigmoid(f + self._forget_bias) + tf.sigmoid(i) * tf.tanh(j)
        if self._cell_clip > 0:
            cell = tf.clip_by_value(cell, -self._cell_clip, self._cell_clip)
        if self._use_peephole:
            o += cell * self._diagonals[2]
        outputs = tf.tanh(cell) * tf.sigmoid(o)
        return outputs, _State(cell, outputs)


class LSTMBlockFusedCell(tf.compat.v1.layers.Layer, FusedRNNCell):
    """An LSTM layer that is one operation for all steps, with the numbers of LSTMBlockCell.

    Args:
        num_units: the size of the state.
        forget_bias: is added to the bias of the forget gate.
        cell_clip: the greatest absolute value of a cell's state; None or below 0 for any.
        use_peephole: whether the gates see the cell's state, each by a vector of weights.
        reuse: whether the variables are reused.
        dtype: of the variables.
        name: of the layer.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str = "lstm_fused_cell",
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype)
        self._num_units, self._forget_bias = num_units, forget_bias
        self._cell_clip = -1.0 if cell_clip is None else cell_clip
        self._use_peephole = use_peephole

    @property
    def num_units(self) -> int:
        """The size of the state."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        of_step = input_shape[0] if isinstance(input_shape, list) else input_shape
        _make_variables(self, tf.TensorShape(of_step), self._num_units)
        self.built = True

    def call(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
    ) -> Any:
        """See `FusedRNNCell`; outputs beyond the length of a sequence are 0."""
        by_step = tf.stack(inputs) if isinstance(inputs, list) else tf.convert_to_tensor(inputs)
        n_steps, batch = (tf.shape(by_step)[n] for n in (0, 1))
        if initial_state is None:
            if dtype is None:
                raise ValueError("The call needs either initial_state or dtype.")
            zeros = tf.zeros([batch, self._num_units], dtype)
            initial_state = (zeros, zeros)
        before = _pair(initial_state)
        lengths = None if sequence_length is None else tf.cast(sequence_length, tf.int64)
        n_taken = tf.cast(n_steps, tf.int64) if lengths is None else tf.reduce_max(lengths)
        cells, outputs = self._steps(by_step, before, n_taken)
        if lengths is None:
            last = _State(cells[-1], outputs[-1])
        else:
            there = tf.transpose(tf.sequence_mask(lengths, n_steps, outputs.dtype))
            outputs *= there[:, :, tf.newaxis]
            last = _State(
                *(
                    _at_end(tf.concat([first[tf.newaxis], later], 0), lengths)
                    for first, later in zip(before, (cells, outputs), strict=True)
                )
            )
        outputs.set_shape([*by_step.shape.as_list()[:2], self._num_units])
        return (tf.unstack(outputs) if isinstance(inputs, list) else outputs), last

    def _steps(self, inputs: Any, before: Any, n_taken: Any) -> tuple[tf.Tensor, tf.Tensor]:
        cell, outputs = before
        nothing = tf.zeros([self._num_units], inputs.dtype)
        diagonals = self._diagonals if self._use_peephole else [nothing] * 3
        steps = tf.raw_ops.BlockLSTM(
            seq_len_max=n_taken,
            x=inputs,
            cs_prev=cell,
            h_prev=outputs,
            w=self._kernel,
            wci=diagonals[0],
            wcf=diagonals[1],
            wco=diagonals[2],
            b=self._bias,
            forget_bias=self._forget_bias,
            cell_clip=self._cell_clip,
            use_peephole=self._use_peephole,
        )
        return steps.cs, steps.h


class LayerNormBasicLSTMCell(tf.compat.v1.nn.rnn_cell.RNNCell):
    """An LSTM cell with layer normalization and dropout of the candidate values.

    See https://arxiv.org/abs/1607.06450 and https://arxiv.org/abs/1603.05118.

    Args:
        num_units: the size of the state.
        forget_bias: is added to the bias of the forget gate.
        input_size: without effect.
        activation: of the candidate values and the outputs.
        layer_norm: whether there is layer normalization.
        norm_gain: what its `gamma` begins with.
        norm_shift: what its `beta` begins with.
        dropout_keep_prob: a float or a scalar Tensor; 1.0 for no dropout.
        dropout_prob_seed: of the random numbers.
        reuse: whether the variables are reused.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Callable[..., Any] = tf.tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | None = None,
    ) -> None:
        del input_size
        super().__init__(_reuse=reuse)
        self._num_units, self._forget_bias = num_units, forget_bias
        self._activation, self._layer_norm = activation, layer_norm
        self._norm = {
            "gamma": v1.constant_initializer(norm_gain),
            "beta": v1.constant_initializer(norm_shift),
        }
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> Any:
        """The sizes of both parts of the state."""
        return _State(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        """The size of the outputs."""
        return self._num_units

    def call(self, inputs: Any, state: Any) -> Any:
        """See `LSTMBlockCell.call`."""
        cell, outputs = _pair(state)
        both = tf.concat([inputs, outputs], 1)
        shape = [both.shape.as_list()[1], 4 * self._num_units]
        values = tf.matmul(both, v1.get_variable("kernel", shape, both.dtype))
        if not self._layer_norm:
            zeros = v1.zeros_initializer()
            bias = v1.get_variable("bias", shape[1:], both.dtype, initializer=zeros)
            values = tf.nn.bias_add(values, bias)
        i, j, f, o = (
            self._normalized(part, scope)
            for part, scope in zip(
                tf.split(values, 4, axis=1), ("input", "transform", "forget", "output"), strict=True
            )
        )
        candidate = self._activation(j)
        if not isinstance(self._keep_prob, float) or self._keep_prob < 1:
            candidate = tf.nn.dropout(candidate, 1 - self._keep_prob, seed=self._seed)
        cell = cell * tf.sigmoid(f + self._forget_bias) + tf.sigmoid(i) * candidate
        cell = self._normalized(cell, "state")
        outputs = self._activation(cell) * tf.sigmoid(o)
        return outputs, _State(cell, outputs)

    def _normalized(self, values: tf.Tensor, scope: str) -> tf.Tensor:
        if not self._layer_norm:
            return values
        with v1.variable_scope(scope):
            for name, initializer in self._norm.items():
                v1.get_variable(name, values.shape[-1:], values.dtype, initializer=initializer)
        return layer_norm(values, reuse=True, scope=scope)


def _make_variables(layer: Any, input_shape: tf.TensorShape, num_units: int) -> None:
    """The kernel, the bias, and the diagonals of an LSTM layer."""
    input_size = input_shape.as_list()[-1]
    if input_size is None:
        raise wrong_value("The last dimension of the inputs", "must be known", input_size)
    shape = [input_size + num_units, 4 * num_units]
    zeros = v1.zeros_initializer()
    layer._kernel = layer.add_weight("kernel", shape)  # noqa: SLF001 - one of the classes above
    layer._bias = layer.add_weight("bias", shape[1:], initializer=zeros)  # noqa: SLF001
    if layer._use_peephole:  # noqa: SLF001
        diagonals = [layer.add_weight(name, [num_units]) for name in _DIAGONALS]
        layer._diagonals = diagonals  # noqa: SLF001


def _pair(state: Any) -> tuple[Any, Any]:
    if not isinstance(state, (list, tuple)) or len(state) != 2:
        raise wrong_value("The state", "must be a tuple of the cell's state and the outputs", state)
    return tuple(state)


def _at_end(steps: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Of values by step, beginning with those before the first, the one after each sequence."""
    places = tf.stack([lengths, tf.range(tf.size(lengths, tf.int64))], axis=1)
    return tf.gather_nd(steps, places)
