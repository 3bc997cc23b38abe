"""tf.compat.v1.layers and tf.compat.v1.nn.rnn_cell through tf-keras, beside Keras 3.

The names were read from graphs that tf.layers of TensorFlow 2.15 made.
"""

import json
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator as tfe
from tf_estimator.keras.v1_layers import enable_v1_layers

v1 = tf.compat.v1
pytestmark = pytest.mark.filterwarnings("ignore:`tf\\.(layers|nn\\.rnn_cell):UserWarning")

X = np.random.default_rng(0).normal(size=(4, 6)).astype("f4")
IMAGES = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype("f4")
SERIES = np.random.default_rng(2).normal(size=(4, 5, 3)).astype("f4")

# Run in a process of its own: what is asked of the lazy parts first decides what they are.
PROGRAM = """
import importlib.abc, json, os, sys, warnings
import tensorflow as tf

warnings.simplefilter("ignore")
kept = tf.compat.v1.layers, tf.compat.v1.nn.rnn_cell
facts = {}

def asked():
    tf.compat.v1.layers.dense, tf.compat.v1.nn.rnn_cell.GRUCell

try:
    asked()
except AttributeError as error:
    facts["in TensorFlow"] = str(error)

from tf_estimator.keras.v1_layers import enable_v1_layers
facts["imported"] = "tf_keras" in sys.modules

class Refusal(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tf_keras":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refusal())
try:
    enable_v1_layers()
except ImportError as error:
    facts["without"] = str(error)
del sys.meta_path[0]

environment = dict(os.environ)
enable_v1_layers()
enable_v1_layers()
facts["environment"] = dict(os.environ) == environment
asked()
facts["module"] = tf.compat.v1.layers.dense.__module__
facts["kept"] = kept[0].dense is tf.compat.v1.layers.dense
facts["kept cells"] = kept[1].GRUCell is tf.compat.v1.nn.rnn_cell.GRUCell

import tensorflow.compat.v1 as tf1
from tensorflow.compat.v1.layers import dense
facts["reached"] = dense is tf1.layers.dense is tf.compat.v1.layers.dense

import keras, tf_keras
facts["Keras"] = [keras.__version__[0], tf.keras.__version__[0], tf_keras.__version__[0]]
facts["Dense"] = tf.keras.layers.Dense is keras.layers.Dense
json.dump(facts, sys.stdout)
"""


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What the program found out."""
    pytest.importorskip("tf_keras")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class TestProcess:
    def test_asked_before_it_is_enabled_tensorflow_has_none(self, facts):
        assert "Keras 3" in facts["in TensorFlow"]

    def test_nothing_is_imported_before_it_is_enabled(self, facts):
        assert facts["imported"] is False

    def test_without_tf_keras_the_error_says_what_to_install(self, facts):
        release = ".".join(tf.__version__.split(".")[:2])
        assert "No module named 'tf_keras'" in facts["without"]
        assert f'pip install "tf-estimator[keras]" "tf-keras=={release}.*"' in facts["without"]

    def test_works_after_it_failed_and_through_what_was_kept(self, facts):
        assert facts["module"].startswith("tf_keras.")
        assert facts["kept"]
        assert facts["kept cells"]

    def test_every_way_to_import_leads_to_the_same(self, facts):
        assert facts["reached"]

    def test_keras_and_the_environment_stay(self, facts):
        assert facts["Keras"] == ["3", "3", "2"]
        assert facts["Dense"]
        assert facts["environment"]


@pytest.fixture(scope="module")
def layers() -> Any:
    """tf.compat.v1.layers, enabled."""
    pytest.importorskip("tf_keras")
    enable_v1_layers()
    return v1.layers


@pytest.fixture
def cells(layers) -> Any:
    """tf.compat.v1.nn.rnn_cell, enabled."""
    return v1.nn.rnn_cell


def names(key: str = v1.GraphKeys.GLOBAL_VARIABLES) -> list[str]:
    return [variable.op.name for variable in v1.get_collection(key)]


class TestLayers:
    def test_names_are_those_of_tensorflow_1(self, layers):
        with tf.Graph().as_default():
            x = layers.conv2d(tf.constant(IMAGES), 4, 3, activation=tf.nn.relu)
            x = layers.batch_normalization(x, training=True)
            x = layers.max_pooling2d(layers.conv2d(x, 2, 2, name="second"), 2, 2)
            x = layers.dropout(layers.flatten(x), 0.5, training=True)
            with v1.variable_scope("top"):
                x = layers.dense(x, 3, use_bias=False)
            layers.dense(layers.dense(x, 3), 2)
            trainable = ["conv2d/kernel", "conv2d/bias"]
            trainable += ["batch_normalization/gamma", "batch_normalization/beta"]
            trainable += ["second/kernel", "second/bias", "top/dense/kernel"]
            trainable += ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
            assert names(v1.GraphKeys.TRAINABLE_VARIABLES) == trainable
            moving = ["moving_mean", "moving_variance"]
            assert sorted(set(names()) - set(trainable)) == [
                f"batch_normalization/{name}" for name in moving
            ]

    def test_dense_is_what_its_formula_says(self, layers):
        with tf.Graph().as_default(), v1.Session() as session:
            y = layers.dense(
                tf.constant(X),
                3,
                activation=tf.nn.relu,
                bias_initializer=v1.constant_initializer(0.5),
            )
            session.run(v1.global_variables_initializer())
            found, kernel = session.run([y, v1.trainable_variables()[0]])
        np.testing.assert_allclose(found, np.maximum(X @ kernel + 0.5, 0.0), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
    def test_reuse_shares_the_variables(self, layers, reuse):
        with tf.Graph().as_default(), v1.Session() as session:
            first = layers.dense(tf.constant(X), 3, name="shared")
            second = layers.dense(tf.constant(X), 3, name="shared", reuse=reuse)
            assert names() == ["shared/kernel", "shared/bias"]
            session.run(v1.global_variables_initializer())
            np.testing.assert_array_equal(*session.run([first, second]))

    def test_reuse_of_a_scope_shares_the_variables(self, layers):
        with tf.Graph().as_default():
            for _ in range(2):
                with v1.variable_scope("scope", reuse=v1.AUTO_REUSE):
                    layers.dense(tf.constant(X), 3, name="shared")
            assert names() == ["scope/shared/kernel", "scope/shared/bias"]

    def test_regularizers_of_layers_and_scopes_are_collected(self, layers):
        def half_square(weight):
            return 0.5 * tf.reduce_sum(weight**2)

        with tf.Graph().as_default(), v1.Session() as session:
            ones = v1.ones_initializer()
            layers.dense(tf.constant(X), 3, kernel_regularizer=half_square, kernel_initializer=ones)
            with v1.variable_scope("scope", regularizer=half_square, initializer=ones):
                layers.dense(tf.constant(X), 2, use_bias=False)
            assert len(v1.losses.get_regularization_losses()) == 2
            session.run(v1.global_variables_initializer())
            assert session.run(v1.losses.get_regularization_loss()) == 0.5 * (6 * 3 + 6 * 2)

    def test_a_seed_makes_dropout_the_same_again(self, layers):
        def dropped():
            with tf.Graph().as_default(), v1.Session() as session:
                v1.set_random_seed(3)
                y = layers.dropout(tf.ones([20]), 0.5, training=True)
                return session.run(y), session.run(y)

        first, second = dropped()
        assert set(first) == {0.0, 2.0}
        assert first.tolist() != second.tolist()
        np.testing.assert_array_equal(dropped(), [first, second])


KERNEL_AND_BIAS = ["kernel", "bias"]
GATES = ["gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"]
CELLS = {
    "BasicLSTMCell": (lambda cells: cells.BasicLSTMCell(4), "basic_lstm_cell", KERNEL_AND_BIAS),
    "LSTMCell": (
        lambda cells: cells.LSTMCell(4, use_peepholes=True, num_proj=3),
        "lstm_cell",
        [*KERNEL_AND_BIAS, "w_f_diag", "w_i_diag", "w_o_diag", "projection/kernel"],
    ),
    "GRUCell": (lambda cells: cells.GRUCell(4), "gru_cell", GATES),
    "MultiRNNCell": (
        lambda cells: cells.MultiRNNCell([cells.BasicRNNCell(4), cells.GRUCell(3)]),
        "multi_rnn_cell",
        [
            *(f"cell_0/basic_rnn_cell/{name}" for name in KERNEL_AND_BIAS),
            *(f"cell_1/gru_cell/{name}" for name in GATES),
        ],
    ),
    "DropoutWrapper": (
        lambda cells: cells.DropoutWrapper(cells.GRUCell(4), 0.5, 0.5, 0.9, seed=1),
        "gru_cell",
        GATES,
    ),
}


class TestCells:
    @pytest.mark.parametrize("name", CELLS)
    def test_names_are_those_of_tensorflow_1(self, cells, name):
        make, scope, expected = CELLS[name]
        with tf.Graph().as_default(), v1.Session() as session:
            outputs, state = v1.nn.dynamic_rnn(
                make(cells), tf.constant(SERIES), sequence_length=[5, 2, 0, 3], dtype=tf.float32
            )
            assert names() == [f"rnn/{scope}/{one}" for one in expected]
            session.run(v1.global_variables_initializer())
            found, _ = session.run([outputs, state])
            assert not found[2].any()  # of length 0
            assert found[0].any()

    def test_a_cell_is_what_its_formula_says(self, cells):
        with tf.Graph().as_default(), v1.Session() as session:
            _, state = v1.nn.dynamic_rnn(cells.BasicRNNCell(2), tf.constant(SERIES), dtype="float")
            session.run(v1.global_variables_initializer())
            found, kernel = session.run([state, v1.trainable_variables()[0]])
        expected = np.zeros([4, 2])
        for step in range(SERIES.shape[1]):
            expected = np.tanh(np.concatenate([SERIES[:, step], expected], axis=1) @ kernel)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


class TestEstimator:
    def test_trains_and_evaluates_with_moving_statistics(self, layers, tmp_path):
        def model_fn(features, labels, mode):
            training = mode == tfe.ModeKeys.TRAIN
            x = layers.batch_normalization(features, training=training, momentum=0.5)
            loss = v1.losses.mean_squared_error(labels, layers.dense(x, 1))
            with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
                train_op = v1.train.GradientDescentOptimizer(0.05).minimize(
                    loss, v1.train.get_global_step()
                )
            return tfe.EstimatorSpec(mode, loss=loss, train_op=train_op)

        def input_fn():
            return tf.data.Dataset.from_tensors((X + 3.0, X[:, :1])).repeat(20)

        with tfe.Estimator(model_fn, str(tmp_path)) as estimator:
            before = estimator.train(input_fn, steps=1).evaluate(input_fn, steps=1)
            after = estimator.train(input_fn, max_steps=20).evaluate(input_fn, steps=1)
            assert after["loss"] < before["loss"]
            np.testing.assert_allclose(
                estimator.get_variable_value("batch_normalization/moving_mean"),
                (X + 3.0).mean(axis=0),
                rtol=1e-3,
            )


def test_deprecation_is_said_as_ever(layers):
    with tf.Graph().as_default(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layers.dense(tf.constant(X), 3)
    # Others, of tf-keras itself, may be among them.
    assert [one.category for one in caught if one.category is UserWarning] == [UserWarning]
