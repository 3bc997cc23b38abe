"""Recurrent networks: their numbers, names, sequences of different lengths, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.canned.rnn import RNNClassifier, RNNEstimator
from tf_estimator.heads import MultiClassHead, RegressionHead, SequentialHead

v1 = tf.compat.v1
column = tf.feature_column

LENGTHS = [3, 1, 2]
IS_THERE = np.arange(3) < np.array(LENGTHS)[:, None]
NUMBERS = np.array([[0.5, -1.0, 2.0], [1.5, 0.0, 0.0], [-0.5, 1.0, 0.0]])
WORDS = np.array([["a", "b", "c"], ["c", "", ""], ["b", "b", ""]], object)
AGES = np.array([[0.1], [0.2], [0.3]], np.float32)


def sparse(values, dtype):
    indices = np.argwhere(IS_THERE)
    return tf.SparseTensor(indices, tf.constant(values[IS_THERE].tolist(), dtype), [3, 3])


def batch():
    features = {
        "n": sparse(NUMBERS, tf.float32),
        "w": sparse(WORDS, tf.string),
        "age": tf.constant(AGES),
        "weight": tf.constant([[1.0], [2.0], [0.0]]),
        "step_weight": sparse(1.0 + np.arange(9.0).reshape(3, 3), tf.float32),
    }
    labels = {"of_example": tf.constant([[1], [0], [1]])}
    labels["of_step"] = sparse(np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0]]), tf.int64)
    return features, labels


def inputs(label="of_example", epochs=1, change=None):
    def with_label(features, labels):
        features = dict(features)
        return (change(features) if change else features), labels[label]

    return lambda: tf.data.Dataset.from_tensors(batch()).map(with_label).repeat(epochs)


def columns():
    words = column.sequence_categorical_column_with_vocabulary_list("w", ["a", "b", "c"])
    return [column.indicator_column(words), column.sequence_numeric_column("n")]


def embedded():
    words = column.sequence_categorical_column_with_hash_bucket("w", 5)
    return [column.embedding_column(words, 2)]


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def simple_rnn(x, states, weights):
    (h,) = states
    h = np.tanh(x @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"])
    return h, (h,)


def lstm(x, states, weights):
    h, c = states
    gates = x @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"]
    i, f, g, o = np.split(gates, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, (h, c)


def gru(x, states, weights):
    (h,) = states
    of_x = np.split(x @ weights["kernel"] + weights["bias"][0], 3, axis=-1)
    of_h = np.split(h @ weights["recurrent_kernel"] + weights["bias"][1], 3, axis=-1)
    z, r = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
    new = np.tanh(of_x[2] + r * of_h[2])
    h = z * h + (1.0 - z) * new
    return h, (h,)


CELLS = {"simple_rnn": (simple_rnn, 1), "lstm": (lstm, 2), "gru": (gru, 1)}


def network(estimator, cell_type, scopes):
    """Logits of every step that there is, in numpy, from the weights of a checkpoint."""
    step, states = CELLS[cell_type]
    value = estimator.get_variable_value
    layers = [
        {
            name: value(f"rnn_model/rnn/{scope}/{name}").astype(np.float64)
            for name in ("kernel", "recurrent_kernel", "bias")
        }
        for scope in scopes
    ]
    logits = []
    for example, length in enumerate(LENGTHS):
        states_of = [(np.zeros(len(one["recurrent_kernel"])),) * states for one in layers]
        of_example = []
        for time in range(length):
            word = np.eye(3)["abc".index(WORDS[example, time])]
            x = np.concatenate([[NUMBERS[example, time]], word, AGES[example]])
            for layer, weights in enumerate(layers):
                x, states_of[layer] = step(x, states_of[layer], weights)
            kernel, bias = (value(f"rnn_model/logits/{name}") for name in ("kernel", "bias"))
            of_example.append(x @ kernel + bias)
        logits.append(of_example)
    return logits


@pytest.mark.exhaustive
@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("units", [[4], [4, 3]])
def test_predictions_are_those_of_the_textbook(cell_type, units):
    estimator = RNNClassifier(
        columns(), [column.numeric_column("age")], units, cell_type, optimizer="SGD"
    )
    estimator.train(inputs(epochs=3))
    name = f"{cell_type}_cell"
    scopes = [name]
    if len(units) == 2:
        scopes = [f"stacked_rnn_cells/{name}", f"stacked_rnn_cells/{name}_1"]
    found = [each["logits"] for each in estimator.predict(inputs())]
    expected = [logits[-1] for logits in network(estimator, cell_type, scopes)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_each_step_has_a_prediction_if_sequences_are_returned():
    estimator = RNNClassifier(
        columns(), [column.numeric_column("age")], [4], "lstm", None, True, n_classes=3
    )
    estimator.train(inputs("of_step", epochs=2))
    predictions = list(estimator.predict(inputs("of_step")))
    assert [each["sequence_mask"].tolist() for each in predictions] == IS_THERE.tolist()
    assert predictions[0]["probabilities"].shape == (3, 3)
    expected = network(estimator, "lstm", ["lstm_cell"])
    for each, logits, length in zip(predictions, expected, LENGTHS, strict=True):
        np.testing.assert_allclose(each["logits"][:length], logits, atol=1e-5)


def test_only_steps_that_there_are_count_in_the_loss():
    estimator = RNNClassifier(
        columns(), units=[4], return_sequences=True, weight_column="step_weight"
    )
    estimator.train(inputs("of_step"))
    metrics = estimator.evaluate(inputs("of_step"))
    p = np.array([each["logistic"][:, 0] for each in estimator.predict(inputs("of_step"))])
    labels = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0]])
    losses = -np.log(np.where(labels, p, 1 - p))[IS_THERE]
    weights = (1.0 + np.arange(9.0).reshape(3, 3))[IS_THERE]
    assert metrics["average_loss"] == pytest.approx(np.average(losses, weights=weights), rel=1e-5)
    assert metrics["loss"] == pytest.approx((losses * weights).sum() / 6, rel=1e-5)


def test_variables_have_the_names_of_the_original():
    context = column.embedding_column(column.categorical_column_with_hash_bucket("job", 3), 2)
    job = {"job": tf.constant(["x", "y", "x"])}
    estimator = RNNClassifier(embedded(), [context], [4, 4], "gru", optimizer="SGD")
    estimator.train(inputs(change=lambda features: {**features, "job": tf.constant(["x"] * 3)}))
    del job
    cells = [
        "rnn_model/rnn/stacked_rnn_cells/gru_cell",
        "rnn_model/rnn/stacked_rnn_cells/gru_cell_1",
    ]
    of_cells = [
        f"{cell}/{name}" for cell in cells for name in ("bias", "kernel", "recurrent_kernel")
    ]
    assert [name for name in estimator.get_variable_names() if "training/" not in name] == [
        "dense_features/job_embedding/embedding_weights",
        "global_step",
        "rnn_model/logits/bias",
        "rnn_model/logits/kernel",
        *of_cells,
        "sequence_features/w_embedding/embedding_weights",
    ]


def test_the_forget_gate_starts_open_and_the_optimizer_at_a_rate_of_its_own():
    estimator = RNNClassifier(columns(), units=[2], cell_type="lstm")
    estimator.train(inputs())
    path = f"{estimator.model_dir}/model.ckpt-0"
    bias = tf.train.load_variable(path, "rnn_model/rnn/lstm_cell/bias")
    assert bias.tolist() == [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert tf.train.load_variable(path, "training/Adagrad/learning_rate") == np.float32(0.05)


@pytest.mark.parametrize("cell_type", CELLS)
def test_it_learns_what_only_the_first_step_tells(cell_type):
    def input_fn():
        first = np.random.default_rng(0).choice([-1.0, 1.0], [64, 1])
        rest = np.zeros([64, 4])
        values = np.concatenate([first, rest], axis=1).astype(np.float32)
        ragged = tf.RaggedTensor.from_tensor(tf.constant(values), lengths=[3, 4, 5, 5] * 16)
        return tf.data.Dataset.from_tensors(({"n": ragged}, first > 0)).repeat(60)

    estimator = RNNClassifier(
        [column.sequence_numeric_column("n")], units=[8], cell_type=cell_type, optimizer="Adam"
    )
    estimator.train(input_fn)
    assert estimator.evaluate(input_fn, steps=1)["accuracy"] == 1.0


def test_a_head_of_ones_own():
    estimator = RNNEstimator(RegressionHead(), columns(), units=[3], optimizer="SGD")
    estimator.train(inputs())
    assert set(estimator.evaluate(inputs())) >= {"average_loss", "label/mean"}


def test_a_sequential_head_of_ones_own():
    head = SequentialHead(MultiClassHead(3), sequence_length_mask="mask")
    estimator = RNNEstimator(head, embedded(), units=[3], return_sequences=True)
    estimator.train(inputs("of_step"))
    assert next(estimator.predict(inputs("of_step")))["mask"].tolist() == [True] * 3


class Counter:
    """A cell without variables: counts the steps."""

    state_size = 2

    def __call__(self, inputs, states):
        states = states + 1.0
        return states, states


def test_a_cell_of_ones_own_sees_each_step_that_there_is():
    estimator = RNNEstimator(RegressionHead(), columns(), rnn_cell_fn=Counter, optimizer="SGD")
    estimator.train(inputs())
    kernel, bias = (
        estimator.get_variable_value(f"rnn_model/logits/{x}") for x in ("kernel", "bias")
    )
    found = [each["predictions"] for each in estimator.predict(inputs())]
    expected = [[length, length] @ kernel + bias for length in LENGTHS]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def tf_keras_cells():
    tf_keras = pytest.importorskip("tf_keras")
    return [tf_keras.layers.LSTMCell(3), tf_keras.layers.GRUCell(2)]


def test_cells_of_tf_keras_have_the_names_of_the_original(tmp_path):
    made = RNNClassifier(columns(), rnn_cell_fn=tf_keras_cells, optimizer="SGD", model_dir=tmp_path)
    made.train(inputs())
    made.train(inputs()).evaluate(inputs())
    scope = "rnn_model/rnn/stacked_rnn_cells"
    assert {f"{scope}/lstm_cell/kernel", f"{scope}/gru_cell/bias"} <= set(made.get_variable_names())


def test_a_cell_of_tf_keras_computes_what_the_named_one_does(tmp_path):
    tf_keras = pytest.importorskip("tf_keras")
    named = RNNClassifier(columns(), units=[3], cell_type="gru", model_dir=tmp_path)
    named.train(inputs())
    given = RNNClassifier(
        columns(), units=[3], cell_type=tf_keras.layers.GRUCell, model_dir=tmp_path
    )
    found = [each["logits"] for each in given.predict(inputs())]
    np.testing.assert_allclose(found, [e["logits"] for e in named.predict(inputs())], rtol=1e-5)


def test_cells_of_keras_3_are_refused_with_a_way_out():
    keras = pytest.importorskip("keras")
    estimator = RNNClassifier(columns(), rnn_cell_fn=lambda: keras.layers.LSTMCell(3))
    with pytest.raises(NotImplementedError, match=r"Keras 3.*cell_type"):
        estimator.train(inputs())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"units": None}, TypeError, "units must be a list of positive integers"),
        ({"units": 4}, TypeError, "units must be a list of positive integers"),
        ({"units": []}, ValueError, "units must be a list of positive integers"),
        ({"units": [4, 0]}, ValueError, "must be a positive integer; received 0"),
        (
            {"cell_type": "elman"},
            ValueError,
            "cell_type must be one of 'simple_rnn', 'lstm', 'gru'",
        ),
        ({"cell_type": None}, ValueError, "cell_type must be one of"),
        ({"rnn_cell_fn": Counter}, ValueError, "must not be given with rnn_cell_fn"),
        ({"units": None, "rnn_cell_fn": "lstm"}, TypeError, "rnn_cell_fn must be callable"),
        (
            {"units": None, "cell_type": None, "rnn_cell_fn": Counter},
            ValueError,
            "must not be given with rnn_cell_fn",
        ),
        ({"sequence_feature_columns": []}, ValueError, "must not be empty"),
        ({"sequence_feature_columns": None}, TypeError, "must be a non-empty iterable"),
        (
            {"sequence_feature_columns": [column.numeric_column("age")]},
            ValueError,
            "must be a dense sequence column.*sequence_numeric_column",
        ),
        (
            {"context_feature_columns": [column.sequence_numeric_column("n")]},
            ValueError,
            "Put it into sequence_feature_columns",
        ),
        ({"n_classes": 1}, ValueError, "n_classes must be at least 2"),
        ({"optimizer": "Best"}, ValueError, "optimizer must be one of"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments, error, message):
    defaults = {"sequence_feature_columns": columns(), "units": [4]}
    with pytest.raises(error, match=message):
        RNNClassifier(**{**defaults, **arguments})


@pytest.mark.parametrize(
    ("head", "return_sequences"),
    [(RegressionHead(), True), (SequentialHead(RegressionHead()), False)],
)
def test_a_head_must_go_with_what_is_returned(head, return_sequences):
    with pytest.raises(ValueError, match="must be a SequentialHead if return_sequences"):
        RNNEstimator(head, columns(), units=[3], return_sequences=return_sequences)


def test_what_is_no_head_is_refused():
    with pytest.raises(TypeError, match="head must be an instance of"):
        RNNEstimator("head", columns(), units=[3])


def test_a_function_must_return_cells():
    with pytest.raises(TypeError, match="What rnn_cell_fn returns must be a cell"):
        RNNClassifier(columns(), rnn_cell_fn=lambda: 3).train(inputs())


def test_a_missing_feature_is_named():
    def without(features):
        del features["n"]
        return features

    with pytest.raises(ValueError, match="needs the feature 'n'"):
        RNNClassifier(columns(), units=[3]).train(inputs(change=without))


def test_sequences_of_different_lengths_are_refused():
    def shortened(features):
        return {**features, "n": tf.sparse.slice(features["n"], [0, 0], [3, 2])}

    with pytest.raises(tf.errors.InvalidArgumentError, match="must have sequences of the same len"):
        RNNClassifier(columns(), units=[3]).train(inputs(change=shortened))
