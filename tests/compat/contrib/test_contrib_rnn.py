"""tf.contrib.rnn: names, and numbers by NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import rnn

v1 = tf.compat.v1
pytest.importorskip("tf_keras")
pytestmark = [
    pytest.mark.usefixtures("graph"),
    pytest.mark.filterwarnings("ignore:`tf\\.(layers|nn\\.rnn_cell):UserWarning"),
]

UNITS = 2
LENGTHS = np.array([5, 2, 0])
X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("f4")


def values(fetches):
    """The values of tensors, and of all variables by name, which are random."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        random = np.random.default_rng(3)
        for one in v1.trainable_variables():
            one.load(random.normal(size=one.shape).astype("f4"), session)
        found = session.run(fetches)
        return found, {one.op.name: session.run(one) for one in v1.global_variables()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(inputs, kernel, bias, diagonals=(0, 0, 0), clip=np.inf, forget_bias=1.0):
    """The outputs of one sequence, of shape [time, units], and the last state."""
    c = h = np.zeros(kernel.shape[1] // 4)
    found = []
    for x in inputs:
        i, j, f, o = np.split(np.concatenate([x, h]) @ kernel + bias, 4)
        i, f = i + c * diagonals[0], f + c * diagonals[1]
        c = np.clip(c * sigmoid(f + forget_bias) + sigmoid(i) * np.tanh(j), -clip, clip)
        h = np.tanh(c) * sigmoid(o + c * diagonals[2])
        found.append(h)
    return np.array(found).reshape(-1, len(h)), c, h


def in_rows(kernel, bias, *more, **options):
    """The outputs of all sequences up to their lengths, 0 beyond, and the last states."""
    outputs, cells, last = np.zeros((3, 5, UNITS)), [], []
    for n, length in enumerate(LENGTHS):
        outputs[n, :length], c, h = lstm(X[n, :length], kernel, bias, *more, **options)
        cells.append(c)
        last.append(h)
    return outputs, cells, last


@pytest.mark.parametrize("peephole", [False, True])
def test_lstm_block_cell(peephole):
    cell = rnn.LSTMBlockCell(UNITS, use_peephole=peephole, cell_clip=0.5, forget_bias=0.8)
    outputs, state = v1.nn.dynamic_rnn(cell, X, LENGTHS, dtype=tf.float32)
    (outputs, state), v = values([outputs, state])
    names = ["kernel", "bias", "w_i_diag", "w_f_diag", "w_o_diag"][: 5 if peephole else 2]
    assert list(v) == [f"rnn/lstm_cell/{one}" for one in names]
    kernel, bias, *diagonals = v.values()
    more = [diagonals] if peephole else []
    wanted = in_rows(kernel, bias, *more, clip=0.5, forget_bias=0.8)
    np.testing.assert_allclose(outputs, wanted[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state.c, wanted[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state.h, wanted[2], rtol=1e-4, atol=1e-6)


def test_its_variables_are_those_of_a_basic_cell():
    cell = v1.nn.rnn_cell.LSTMCell(UNITS, name="basic_lstm_cell")
    wanted, _ = v1.nn.dynamic_rnn(cell, X, dtype=tf.float32)
    kernel, bias = v1.global_variables()
    block = rnn.LSTMBlockCell(UNITS, name="block")
    outputs, _ = v1.nn.dynamic_rnn(block, X, dtype=tf.float32)
    copies = [
        one.assign(other)
        for one, other in zip(v1.global_variables()[2:], (kernel, bias), strict=True)
    ]
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(copies)
        one, other = session.run([wanted, outputs])
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("peephole", [False, True])
def test_a_fused_layer_in_both_directions(peephole):
    forward = rnn.LSTMBlockFusedCell(UNITS, use_peephole=peephole)
    backward = rnn.TimeReversedFusedRNN(rnn.LSTMBlockFusedCell(UNITS))
    by_time = tf.transpose(X, [1, 0, 2])
    outputs, state = forward(by_time, dtype=tf.float32, sequence_length=LENGTHS)
    back, _ = backward(by_time, dtype=tf.float32, sequence_length=tf.constant(LENGTHS))
    assert outputs.shape == (5, 3, UNITS)
    gradients = tf.gradients(tf.reduce_sum(outputs) + tf.reduce_sum(back), v1.trainable_variables())
    (outputs, state, back, gradients), v = values([outputs, state, back, gradients])
    names = ["kernel", "bias", "w_i_diag", "w_f_diag", "w_o_diag"][: 5 if peephole else 2]
    assert list(v) == [
        *(f"lstm_fused_cell/{one}" for one in names),
        "lstm_fused_cell_1/kernel",
        "lstm_fused_cell_1/bias",
    ]
    kernel, bias, *diagonals = [one for name, one in v.items() if "_1/" not in name]
    wanted = in_rows(kernel, bias, *([diagonals] if peephole else []))
    np.testing.assert_allclose(outputs.transpose(1, 0, 2), wanted[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state.c, wanted[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state.h, wanted[2], rtol=1e-4, atol=1e-6)
    kernel, bias = v["lstm_fused_cell_1/kernel"], v["lstm_fused_cell_1/bias"]
    wanted_back, _, _ = lstm(X[1, :2][::-1], kernel, bias)
    np.testing.assert_allclose(back[:2, 1], wanted_back[::-1], rtol=1e-4, atol=1e-6)
    assert all(np.any(one) for one in gradients)


def test_a_fused_layer_of_a_list_with_a_state():
    layer = rnn.LSTMBlockFusedCell(UNITS)
    steps = [tf.constant(X[:, n]) for n in range(5)]
    first, state = layer(steps[:2], dtype=tf.float32)
    rest, last = layer(steps[2:], initial_state=state)
    again = rnn.TimeReversedFusedRNN(layer)
    whole, state = layer(tf.stack(steps), dtype=tf.float32)
    turned, _ = again(steps[::-1], dtype=tf.float32)
    found, _ = values([first + rest, whole, last, state, turned[::-1]])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    np.testing.assert_allclose(found[2], found[3], rtol=1e-5)
    np.testing.assert_allclose(found[4], found[1], rtol=1e-5)
    with pytest.raises(ValueError, match="either initial_state or dtype"):
        layer(steps)
    with pytest.raises(ValueError, match="tuple of the cell's state"):
        layer(steps, initial_state=steps)


def norm(x, v, name):
    gamma, beta = (v[f"rnn/layer_norm_basic_lstm_cell/{name}/{one}"] for one in ("gamma", "beta"))
    return (x - x.mean()) / np.sqrt(x.var() + 1e-12) * gamma + beta


def test_layer_norm_cell():
    cell = rnn.LayerNormBasicLSTMCell(UNITS, norm_gain=0.5, norm_shift=0.25)
    outputs, state = v1.nn.dynamic_rnn(cell, X, dtype=tf.float32)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        (gamma,) = [one for one in v1.global_variables() if "state/gamma" in one.op.name]
        (beta,) = [one for one in v1.global_variables() if "input/beta" in one.op.name]
        assert np.all(session.run(gamma) == 0.5)
        assert np.all(session.run(beta) == 0.25)
    (outputs, state), v = values([outputs, state])
    assert len(v) == 11
    kernel = v["rnn/layer_norm_basic_lstm_cell/kernel"]
    c = h = np.zeros(UNITS)
    for n in range(5):
        parts = np.split(np.concatenate([X[0, n], h]) @ kernel, 4)
        scopes = ("input", "transform", "forget", "output")
        i, j, f, o = (norm(one, v, name) for one, name in zip(parts, scopes, strict=True))
        c = norm(c * sigmoid(f + 1) + sigmoid(i) * np.tanh(j), v, "state")
        h = np.tanh(c) * sigmoid(o)
        np.testing.assert_allclose(outputs[0, n], h, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(state.c[0], c, rtol=1e-2, atol=1e-3)


def test_layer_norm_cell_without_it_is_a_basic_cell():
    cell = rnn.LayerNormBasicLSTMCell(UNITS, layer_norm=False)
    outputs, v = values(v1.nn.dynamic_rnn(cell, X, LENGTHS, dtype=tf.float32)[0])
    assert list(v) == [f"rnn/layer_norm_basic_lstm_cell/{one}" for one in ("kernel", "bias")]
    np.testing.assert_allclose(outputs, in_rows(*v.values())[0], rtol=1e-4, atol=1e-6)


def test_layer_norm_cell_with_dropout():
    cell = rnn.LayerNormBasicLSTMCell(40, layer_norm=False, dropout_keep_prob=tf.constant(0.5))
    _, state = v1.nn.dynamic_rnn(cell, X[:, :1], dtype=tf.float32)
    found, _ = values(state.c)
    assert 0.3 < np.mean(found == 0) < 0.7


def test_cells_go_into_those_of_tensorflow():
    cells = [rnn.LSTMBlockCell(3), rnn.LayerNormBasicLSTMCell(UNITS)]
    dropped = v1.nn.rnn_cell.DropoutWrapper(cells[0], 0.5)
    cell = v1.nn.rnn_cell.MultiRNNCell([dropped, cells[1]])
    outputs, _ = v1.nn.dynamic_rnn(cell, X, dtype=tf.float32)
    assert outputs.shape == (3, 5, UNITS)
    assert {one.op.name.split("/")[2] for one in v1.global_variables()} == {"cell_0", "cell_1"}
    assert v1.global_variables()[0].op.name == "rnn/multi_rnn_cell/cell_0/lstm_cell/kernel"


def test_stacked_bidirectional_layers():
    def cells():
        return [rnn.LSTMBlockCell(UNITS), rnn.LSTMBlockCell(3)]

    outputs, forward, backward = rnn.stack_bidirectional_dynamic_rnn(
        cells(), cells(), tf.constant(X), dtype=tf.float32, sequence_length=LENGTHS
    )
    assert outputs.shape == (3, 5, 6)
    (outputs, forward, backward), v = values([outputs, forward, backward])
    assert list(v) == [
        f"stack_bidirectional_rnn/cell_{n}/bidirectional_rnn/{way}/lstm_cell/{one}"
        for n in (0, 1)
        for way in ("fw", "bw")
        for one in ("kernel", "bias")
    ]
    weights = list(v.values())
    ahead, _, _ = lstm(X[1, :2], *weights[:2])
    back, _, _ = lstm(X[1, :2][::-1], *weights[2:4])
    first = np.concatenate([ahead, back[::-1]], 1)
    ahead, _, last = lstm(first, *weights[4:6])
    back, _, last_back = lstm(first[::-1], *weights[6:8])
    wanted = np.concatenate([ahead, back[::-1]], 1)
    np.testing.assert_allclose(outputs[1, :2], wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(forward[1].h[1], last, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(backward[1].h[1], last_back, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("forward", "backward", "states"), [([], [], None), ([1], [1, 2], None), ([1], [1], [1, 2])]
)
def test_wrong_lists_of_layers(forward, backward, states):
    with pytest.raises(ValueError, match="one element for each layer"):
        rnn.stack_bidirectional_dynamic_rnn(forward, backward, X, states)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="GridLSTMCell"):
        rnn.GridLSTMCell  # noqa: B018
