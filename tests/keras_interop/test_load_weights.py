"""Trained weights back in a Keras model."""

import importlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator as tfe
from tf_estimator.keras.model_to_estimator import model_to_estimator
from tf_estimator.keras.weights import load_weights

v1 = tf.compat.v1
# Of tf_keras 2.16 on new Pythons.
pytestmark = pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")
X = np.random.default_rng(0).normal(size=(6, 3)).astype("f4")
Y = X[:, :1]


@pytest.fixture(params=["keras", "tf_keras"])
def keras(request: pytest.FixtureRequest) -> Any:
    found = importlib.import_module(request.param)
    found.utils.set_random_seed(1)
    return found


def layers(keras: Any, units: int = 2) -> Any:
    a = keras.Input((3,), name="a")
    h = keras.layers.Dense(units, activation="tanh")(a)
    return keras.Model(a, keras.layers.Dense(1)(keras.layers.BatchNormalization()(h)))


def compiled(keras: Any, optimizer: Any = None) -> Any:
    model = layers(keras)
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors((X, Y)).repeat(3)


def optimizers(keras: Any) -> list[Any]:
    found = [keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.01, momentum=0.9)]
    if keras.__name__ == "tf_keras":
        found.append(keras.optimizers.legacy.Adam(0.01))
    return found


def test_the_model_evaluates_and_trains_on_as_the_estimator(keras: Any, tmp_path: Any) -> None:
    for n, optimizer in enumerate(optimizers(keras)):
        folder = tmp_path / str(n)
        estimator = model_to_estimator(compiled(keras, optimizer), model_dir=folder)
        estimator.train(input_fn)
        model = compiled(keras, type(optimizer).from_config(optimizer.get_config()))
        load_weights(model, str(folder))
        for _ in range(2):
            found = model.evaluate(X, Y, return_dict=True, verbose=0)
            wanted = estimator.evaluate(input_fn, steps=1)
            np.testing.assert_allclose(found["mae"], wanted["mae"], rtol=1e-6)
            estimator.train(input_fn)
            for _ in range(3):
                model.train_on_batch(X, Y)


def test_from_a_model_fn_that_makes_the_same_model(keras: Any, tmp_path: Any) -> None:
    def model_fn(features: Any, labels: Any, mode: str) -> tfe.EstimatorSpec:
        model = layers(keras)
        outputs = model(features, training=mode == tfe.ModeKeys.TRAIN)
        if mode == tfe.ModeKeys.PREDICT:
            return tfe.EstimatorSpec(mode, predictions=outputs)
        loss = tf.reduce_mean((outputs - labels) ** 2)
        optimizer = v1.train.GradientDescentOptimizer(0.1)
        train_op = optimizer.minimize(loss, v1.train.get_global_step())
        return tfe.EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = tfe.Estimator(model_fn, str(tmp_path))
    estimator.train(input_fn)
    predicted = list(estimator.predict(lambda: tf.data.Dataset.from_tensors((X, Y))))
    model = layers(keras)  # last: one that tf_keras makes in a graph spoils those made before
    load_weights(model, estimator)
    np.testing.assert_allclose(model.predict(X, verbose=0), predicted, atol=1e-6)


def test_all_or_nothing(keras: Any, tmp_path: Any) -> None:
    estimator = model_to_estimator(compiled(keras), model_dir=tmp_path)
    estimator.train(input_fn)
    with pytest.raises(ValueError, match=r"other shapes.*dense/kernel is \(3, 2\) there"):
        load_weights(layers(keras, units=4), estimator)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="else")])
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"lacks 2 of 2 weights.*else/kernel.*Nothing was loaded"):
        load_weights(model, estimator)
    np.testing.assert_equal(model.get_weights(), before)


def test_wrong_arguments(keras: Any, tmp_path: Any) -> None:
    estimator = model_to_estimator(compiled(keras), model_dir=tmp_path)
    with pytest.raises(ValueError, match="must have a checkpoint"):
        load_weights(layers(keras), estimator)
    with pytest.raises(TypeError, match="must be a Model of Keras"):
        load_weights(3, estimator)
    with pytest.raises(TypeError, match="must be an Estimator or the path"):
        load_weights(layers(keras), 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must name a checkpoint"):
        load_weights(layers(keras), str(tmp_path))
    estimator.train(input_fn)
    with pytest.raises(ValueError, match="must be built"):
        load_weights(keras.Sequential([keras.layers.Dense(1)]), estimator)
