"""The names of Keras variables, and so the keys of checkpoints, are those of the program alone."""

import json
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig
from tf_estimator.export import build_raw_serving_input_receiver_fn

v1 = tf.compat.v1
X = np.ones([8, 4], np.float32)

both = pytest.mark.parametrize("lib", [keras, tf_keras], ids=["keras 3", "tf_keras"])


def input_fn():
    return tf.data.Dataset.from_tensor_slices((X, X[:, :1])).batch(4)


def model(lib):
    class OfUser(lib.Model):
        def __init__(self):
            super().__init__()
            self.first, self.side = lib.layers.Dense(3), lib.layers.Dense(3)
            self.norm, self.last = lib.layers.BatchNormalization(), lib.layers.Dense(3)

        def call(self, inputs, training=False):
            x = self.first(inputs)
            if training:
                x += self.side(inputs)
            return self.last(self.norm(x, training=training))

    inputs = lib.Input([3])
    middle = lib.Model(inputs, lib.layers.Dropout(0.5)(lib.layers.Dense(3)(inputs)))
    return OfUser(), middle, lib.layers.Dense(1)


class Program:
    """A model_fn with layers of Keras, one of which is called in training only."""

    def __init__(self, lib):
        self.lib, self.names = lib, []

    def model_fn(self, features, labels, mode):
        training = mode == ModeKeys.TRAIN
        if isinstance(features, dict):  # as they are served
            features = features["x"]
        with tf.name_scope("tower"):
            first, middle, last = model(self.lib)
            x = middle(first(features, training=training), training=training)
        y = last(x)
        self.names.append({one.op.name for one in v1.global_variables()})
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, y)
        loss = tf.reduce_mean((y - labels) ** 2)
        optimizer = v1.train.GradientDescentOptimizer(0.01)
        step = v1.train.get_global_step()
        return EstimatorSpec(mode, y, loss, optimizer.minimize(loss, step) if training else None)


@pytest.mark.filterwarnings("ignore:`build:UserWarning")  # of the layer that is not called
@both
def test_they_are_the_same_in_all_graphs(lib, tmp_path):
    program = Program(lib)
    model(lib)  # eagerly, with other numbers
    for n in range(2):
        config = RunConfig(str(tmp_path / str(n)), keep_graphs=False)
        estimator = Estimator(program.model_fn, config=config)
        estimator.train(input_fn)
        lib.layers.Dense(3)
        estimator.train(input_fn)
        estimator.evaluate(input_fn)
        predictions = list(estimator.predict(lambda: input_fn().map(lambda x, y: x)))
        serving = build_raw_serving_input_receiver_fn({"x": tf.zeros([1, 4])})
        exported = tf.saved_model.load(estimator.export_saved_model(str(tmp_path), serving))
        serve = exported.signatures["serving_default"]
        (served,) = serve(x=tf.constant(X)).values()
        np.testing.assert_allclose(served, predictions, rtol=1e-5)
    train, again, evaluated, predicted, served = program.names[:5]
    assert program.names[5:] == program.names[:5]
    assert train == again
    assert evaluated == predicted == served
    assert len(train - evaluated) == 2  # of the layer that only training calls


def test_they_are_the_paths_of_keras_in_the_scope_of_the_user(tmp_path):
    program = Program(keras)
    Estimator(program.model_fn, str(tmp_path)).train(input_fn)
    (names,) = program.names
    assert names == {
        "global_step",
        *(f"tower/of_user/dense_{n}/{one}" for n in (1, 2, 3) for one in ("bias", "kernel")),
        *(
            f"tower/of_user/batch_normalization/{one}"
            for one in ("beta", "gamma", "moving_mean", "moving_variance")
        ),
        "tower/dense/bias",
        "tower/dense/kernel",
        "tower/seed_generator/seed_generator_state",
        "dense_4/bias",
        "dense_4/kernel",
    }


@both
def test_what_keras_makes_elsewhere_is_not_disturbed(lib, tmp_path):
    before = lib.layers.Dense(1).name

    def fails(features, labels, mode):
        model(lib)
        raise KeyError("mine")

    Estimator(Program(lib).model_fn, str(tmp_path / "1")).train(input_fn)
    with pytest.raises(KeyError, match="mine"):
        Estimator(fails, str(tmp_path / "2")).train(input_fn)
    number = int(before.partition("_")[2] or 0)
    assert lib.layers.Dense(1).name == f"dense_{number + 1}"
    np.testing.assert_array_equal(lib.layers.Dropout(0.5)(X, training=False), X)
    assert keras.random.uniform([2]).shape == (2,)


def test_two_threads_do_not_disturb_each_other(tmp_path):
    programs = [Program(keras) for _ in range(2)]
    meet = threading.Barrier(2)

    def train(n):
        estimator = Estimator(programs[n].model_fn, str(tmp_path / str(n)))
        meet.wait()
        estimator.train(input_fn)

    threads = [threading.Thread(target=train, args=[n]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert programs[0].names == programs[1].names != []


PROCESS = """
import json, sys
for name in [one for one in sys.modules if one.partition(".")[0] == "keras"]:
    del sys.modules[name]
import numpy as np, tensorflow as tf
for name in [one for one in sys.modules if one.partition(".")[0] == "keras"]:
    del sys.modules[name]
import tf_estimator
assert "keras" not in sys.modules

def model_fn(features, labels, mode):
    import keras
    y = keras.layers.Dense(1)(keras.layers.Dropout(0.5)(features, training=mode == "train"))
    loss = tf.reduce_mean((y - labels) ** 2)
    step = tf.compat.v1.train.get_global_step()
    train_op = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss, step)
    return tf_estimator.EstimatorSpec(mode, y, loss, train_op)

def input_fn():
    x = np.ones([8, 4], np.float32)
    return tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(4)

estimator = tf_estimator.Estimator(model_fn, sys.argv[1])
estimator.train(input_fn)
loss = estimator.evaluate(input_fn)["loss"]
value = estimator.get_variable_value
names = {name: value(name).tolist() for name in estimator.get_variable_names()}
import keras
print(json.dumps([names, keras.layers.Dense(1).name]))
"""


@pytest.mark.slow
def test_keras_may_be_imported_first_in_a_model_fn(tmp_path):
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names, later = json.loads(done.stdout.splitlines()[-1])
    assert set(names) == {
        "global_step",
        "dense/kernel",
        "dense/bias",
        "seed_generator/seed_generator_state",
    }
    assert names["seed_generator/seed_generator_state"][1] == 2  # twice drawn
    assert later == "dense"
