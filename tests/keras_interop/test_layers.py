"""Keras layers and models in a model_fn: trained as by Keras in eager execution, same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig

v1 = tf.compat.v1
RATE = 0.02
BATCH = 4
_chance = np.random.default_rng(0)
X = _chance.normal(size=(22, 4)).astype(np.float32)  # the last batch is smaller
Y = np.tanh(X.sum(1, keepdims=True))


def sequential(*names_and_arguments):
    def make(lib):
        return lib.Sequential([*(_layer(lib, one) for one in names_and_arguments), _last(lib)])

    return make


def _layer(lib, name_and_arguments):
    name, *arguments = name_and_arguments
    options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    return getattr(lib.layers, name)(*arguments, **options)


def _last(lib):
    return lib.layers.Dense(1)


def bidirectional(lib):
    wrapped = lib.layers.Bidirectional(lib.layers.GRU(2))
    return lib.Sequential([lib.layers.Reshape((4, 1)), wrapped, _last(lib)])


def functional(lib):
    x = lib.Input([4])
    y = lib.layers.BatchNormalization(momentum=0.5)(lib.layers.Dense(3)(x))
    y = lib.layers.Concatenate()([y, lib.layers.Dense(2, activation="relu")(x)])
    return lib.Model(x, _last(lib)(y))


def attention(lib):
    x = lib.Input([4])
    y = lib.layers.Reshape((2, 2))(x)
    y = lib.layers.MultiHeadAttention(2, 3)(y, y)
    return lib.Model(x, _last(lib)(lib.layers.Flatten()(y)))


def nested(lib):
    inner = lib.Sequential([lib.layers.Dense(3), lib.layers.BatchNormalization(momentum=0.5)])
    return lib.Sequential([functional_without_end(lib), inner, _last(lib)])


def functional_without_end(lib):
    x = lib.Input([4])
    return lib.Model(x, lib.layers.BatchNormalization(momentum=0.9)(x))


def twice(lib):
    """A layer that is called twice, and read after it was written."""

    class Twice(lib.Model):
        def __init__(self):
            super().__init__()
            self.norm = lib.layers.BatchNormalization(momentum=0.5)
            self.last = _last(lib)

        def call(self, inputs, training=False):
            once = self.norm(inputs, training=training)
            again = self.norm(once * 2.0 + 1.0, training=training)
            return self.last(again + self.norm(inputs, training=False))

    return Twice()


def counting(lib):
    """A layer of the user's that writes what it reads afterwards."""

    class Count(lib.layers.Layer):
        def build(self, input_shape):
            self.calls = self.add_weight(
                name="calls", shape=(), initializer="zeros", trainable=False
            )

        def call(self, inputs):
            self.calls.assign_add(1.0)
            return inputs * tf.convert_to_tensor(self.calls)

    return lib.Sequential([Count(), _last(lib)])


def own_variable(lib):
    """A layer of the user's that counts in a variable of TensorFlow."""

    class Count(lib.layers.Layer):
        def __init__(self):
            super().__init__()
            self.calls = tf.Variable(0.0, trainable=False, name="calls")

        def call(self, inputs):
            self.calls.assign_add(1.0)
            return inputs * self.calls

    class Model(lib.Model):
        def __init__(self):
            super().__init__()
            self.count, self.last = Count(), _last(lib)

        def call(self, inputs, training=False):
            return self.last(self.count(inputs))

        @property
        def state(self):
            return [*self.variables, self.count.calls]

    return Model()


def spectral(lib):
    wrapped = lib.layers.SpectralNormalization(lib.layers.Dense(3))
    return lib.Sequential([lib.Input([4]), wrapped, _last(lib)])


MODELS = {
    "Dense": sequential(("Dense", 3, "relu")),
    "Conv2D": sequential(("Reshape", (2, 2, 1)), ("Conv2D", 3, 2), ("Flatten",)),
    "Embedding": sequential(("Embedding", 9, 2), ("GlobalAveragePooling1D",)),
    "LSTM": sequential(("Reshape", (4, 1)), ("LSTM", 2)),
    "Bidirectional": bidirectional,
    "MultiHeadAttention": attention,
    "LayerNormalization": sequential(("Dense", 3), ("LayerNormalization",)),
    "BatchNormalization": sequential(("Dense", 3), ("BatchNormalization", {"momentum": 0.9})),
    "functional": functional,
    "nested": nested,
    "called twice": twice,
    "counting": counting,
    "own variable": own_variable,
}
MODELS_OF_KERAS_3 = {
    "Dropout": sequential(("Dropout", 0.5, {"seed": 3}), ("Dense", 3), ("Dropout", 0.2)),
    "noise": sequential(("GaussianNoise", 0.5, {"seed": 3})),
    "LSTM with dropout": sequential(
        ("Reshape", (4, 1)), ("LSTM", 2, {"dropout": 0.5, "recurrent_dropout": 0.5, "seed": 1})
    ),
    "stateful LSTM": sequential(("Reshape", (4, 1)), ("LSTM", 2, {"stateful": True})),
    "SpectralNormalization": spectral,
}
SLOW = ("Bidirectional", "LSTM", "LSTM with dropout", "MultiHeadAttention", "stateful LSTM")


def _cases(lib, names):
    for name in names:
        marks = [pytest.mark.slow] if name in SLOW else []
        yield pytest.param(lib, name, id=f"{lib.__name__}-{name}", marks=marks)


CASES = [*_cases(keras, [*MODELS, *MODELS_OF_KERAS_3]), *_cases(tf_keras, MODELS)]


def state(model):
    return [
        getattr(one, "value", one) if isinstance(one, keras.Variable) else one
        for one in getattr(model, "state", model.variables)
    ]


class Program:
    """A model_fn that trains what `make` makes by gradient descent; knows its variables' names."""

    def __init__(self, lib, make, **call):
        self._lib, self._make, self._call = lib, make, call
        self.names = {}

    def model_fn(self, features, labels, mode):
        model = self._make(self._lib)
        outputs = model(features, training=mode == ModeKeys.TRAIN, **self._call)
        self.names[mode] = [one.op.name for one in state(model)]
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, outputs)
        loss = tf.reduce_mean((outputs - labels) ** 2)
        if model.losses:
            loss += tf.add_n(model.losses)
        train_op = None
        if mode == ModeKeys.TRAIN:
            optimizer = v1.train.GradientDescentOptimizer(RATE)
            train_op = optimizer.minimize(loss, v1.train.get_global_step())
        return EstimatorSpec(mode, outputs, loss, train_op)

    def estimator(self, folder, **options):
        config = RunConfig(str(folder), save_checkpoints_steps=4, save_summary_steps=3, **options)
        return Estimator(self.model_fn, config=config)


def values_at(folder, step, names):
    reader = tf.train.load_checkpoint(f"{folder}/model.ckpt-{step}")
    return [reader.get_tensor(name) for name in names]


def trained_eagerly(model, start, data):
    """The losses of eager training from the values `start`; leaves the model trained."""
    model(data[0][0])
    for layer in getattr(model, "layers", ()):
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
            layer.reset_states()  # which are none of the variables
    for variable, value in zip(state(model), start, strict=True):
        variable.assign(value)
    losses = []
    for x, y in data:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
            if model.losses:
                loss += tf.add_n(model.losses)
        trained = model.trainable_variables
        for variable, gradient in zip(trained, tape.gradient(loss, trained), strict=True):
            if gradient is not None:
                variable.assign(variable - RATE * tf.convert_to_tensor(gradient))
        losses.append(float(loss))
    return losses


def _data(name):
    features = (np.abs(X) * 3).astype(np.int32) if name == "Embedding" else X
    data = tf.data.Dataset.from_tensor_slices((features, Y))
    return data.batch(BATCH, drop_remainder=name == "stateful LSTM")


@pytest.mark.parametrize(("lib", "name"), CASES)
def test_numbers_are_those_of_eager_training(lib, name, tmp_path):
    make = {**MODELS, **MODELS_OF_KERAS_3}[name]
    program = Program(lib, make)
    estimator = program.estimator(tmp_path)
    estimator.train(lambda: _data(name).repeat(2), steps=9)
    names = program.names[ModeKeys.TRAIN]
    predictions = list(estimator.predict(lambda: _data(name).take(1).map(lambda x, y: x)))
    assert program.names[ModeKeys.PREDICT] == names

    with tf.Graph().as_default():  # which has other numbers for its names
        make(lib)
    model = make(lib)
    batches = list(_data(name).repeat(2).take(9))
    trained_eagerly(model, values_at(tmp_path, 0, names), batches)
    for one, expected in zip(values_at(tmp_path, 9, names), state(model), strict=True):
        np.testing.assert_allclose(one, expected, rtol=2e-4, atol=2e-6, err_msg=expected.name)
    if name not in ("counting", "own variable"):  # in eager execution a prediction counts as well
        expected = model(batches[0][0], training=False)
        np.testing.assert_allclose(predictions, expected, rtol=2e-4, atol=1e-5)
