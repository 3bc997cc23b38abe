"""Numbers of model_to_estimator against eager Keras: train_on_batch, evaluate, predict."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator as tfe
from tf_estimator.keras import names
from tf_estimator.keras.model_to_estimator import model_to_estimator

rng = np.random.default_rng(0)
X = rng.normal(size=(10, 3)).astype("f4")
B = rng.normal(size=(10, 2)).astype("f4")
Y = X.sum(1, keepdims=True)
CLASSES = (B[:, 0] > 0).astype("i8")
STEPS = 20
pytestmark = [
    # Of Keras 3, which takes a dict for a single input all the same.
    pytest.mark.filterwarnings("ignore:(.|\\n)*The structure of `inputs`"),
    # Of tf_keras 2.16 on new Pythons.
    pytest.mark.filterwarnings("ignore:non-integer arguments to randrange"),
]
GENERATIONS = ["keras", "tf_keras"]


@pytest.fixture(params=GENERATIONS)
def keras(request: pytest.FixtureRequest) -> Any:
    found = importlib.import_module(request.param)
    found.utils.set_random_seed(1)
    return found


def functional(keras: Any, optimizer: Any, dropout: float = 0.0) -> Any:
    a = keras.Input((3,), name="a")
    h = keras.layers.Dense(4, activation="relu", kernel_regularizer="l2")(a)
    h = keras.layers.BatchNormalization()(h)
    if dropout:
        h = keras.layers.Dropout(dropout, seed=3)(h)
    model = keras.Model(a, keras.layers.Dense(1, name="out")(h))
    model.compile(optimizer, "mse", metrics=["mae", keras.metrics.MeanSquaredError(name="m2")])
    return model


def two_headed(keras: Any) -> Any:
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    out = keras.layers.Dense(1, name="out")(a)
    two = keras.layers.Dense(2, name="two", activation="softmax")(b)
    model = keras.Model([a, b], [out, two])
    model.compile(
        keras.optimizers.Adam(0.01),
        loss={"out": "mse", "two": "sparse_categorical_crossentropy"},
        metrics={"out": ["mae"], "two": ["accuracy"]},
        loss_weights={"out": 1.0, "two": 2.0},
    )
    return model


def subclassed(keras: Any, *, own_steps: bool) -> Any:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = keras.layers.Dense(2)
            self.norm = keras.layers.BatchNormalization()
            self.last = keras.layers.Dense(1)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.last(self.norm(self.first(x), training=training))

    class WithSteps(Model):
        def __init__(self) -> None:
            super().__init__()
            self.mean_loss = keras.metrics.Mean(name="loss")

        @property
        def metrics(self) -> list[Any]:
            return [self.mean_loss]

        def train_step(self, data: Any) -> dict[str, Any]:
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
            variables = self.trainable_variables
            gradients = tape.gradient(loss, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            self.mean_loss.update_state(loss)
            return {"loss": self.mean_loss.result(), "twice": 2.0 * loss}

        def test_step(self, data: Any) -> dict[str, Any]:
            x, y = data
            loss = tf.reduce_mean((self(x, training=False) - y) ** 2)
            self.mean_loss.update_state(loss)
            return {"loss": self.mean_loss.result(), "twice": 2.0 * loss}

    model = (WithSteps if own_steps else Model)()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=[] if own_steps else ["mae"])
    return model


def sequential(keras: Any) -> Any:
    model = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.RMSprop(0.01), "mse", metrics=["mae"])
    return model


def decayed(keras: Any) -> Any:
    return keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)


CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "dict": (lambda k: functional(k, k.optimizers.Adam(0.01)), ({"a": X}, Y)),
    "schedule": (lambda k: functional(k, k.optimizers.SGD(decayed(k), momentum=0.9)), (X, Y)),
    "average": (
        lambda k: functional(
            k, k.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=3, clipnorm=0.5)
        ),
        (X, Y),
    ),
    "two heads": (two_headed, ({"a": X, "b": B}, {"out": Y, "two": CLASSES})),
    "tuples": (two_headed, ((X, B), (Y, CLASSES))),
    "not built": (lambda k: subclassed(k, own_steps=False), (X, Y)),
    "own steps": (lambda k: subclassed(k, own_steps=True), (X, Y)),
    "sequential": (sequential, (X, Y)),
}
OF_KERAS_3: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "accumulated": (
        lambda k: functional(k, k.optimizers.Adam(0.01, gradient_accumulation_steps=3)),
        (X, Y),
    ),
    "scaled": (
        lambda k: functional(k, k.optimizers.LossScaleOptimizer(k.optimizers.Adam(0.01))),
        (X, Y),
    ),
    "dropout": (lambda k: functional(k, k.optimizers.Adam(0.01), 0.4), (X, Y)),
}
OF_TF_KERAS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "legacy": (lambda k: functional(k, k.optimizers.legacy.Adam(0.01)), (X, Y)),
    "scaled": (
        lambda k: functional(
            k, k.mixed_precision.LossScaleOptimizer(k.optimizers.legacy.SGD(0.01))
        ),
        (X, Y),
    ),
}


def batches(data: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(data).batch(4)


def estimator_of(model: Any, folder: Any, **config: Any) -> tfe.Estimator:
    return model_to_estimator(model, config=tfe.RunConfig(str(folder), **config))


def train_eagerly(model: Any, data: Any, steps: int) -> None:
    """As fit, without what fit does once at its end."""
    for batch in batches(data).repeat().take(steps):
        model.train_on_batch(*batch)


def check(keras: Any, make: Callable[[Any], Any], data: Any, folder: Any, **config: Any) -> None:
    model = make(keras)
    before = [np.array(one.numpy()) for one in model.weights] if model.built else None
    estimator = estimator_of(model, folder, **config)
    estimator.train(lambda: batches(data).repeat(), steps=8)
    estimator.train(lambda: batches(data).repeat(), max_steps=STEPS)
    found = estimator.evaluate(lambda: batches(data))
    predicted = list(estimator.predict(lambda: batches(data)))
    if before is not None:
        np.testing.assert_equal([one.numpy() for one in model.weights], before)

    if before is not None:
        train_eagerly(model, data, 8)
        train_eagerly(model, data, STEPS - 8)
        for one in names.weights(model):
            trained = estimator.get_variable_value(one.name)
            np.testing.assert_allclose(trained, one.variable.numpy(), atol=1e-6)
    else:
        from tf_estimator.keras.weights import load_weights

        load_weights(model, estimator)
    wanted = model.evaluate(batches(data), return_dict=True, verbose=0)
    assert found.pop("global_step") == STEPS
    assert set(found) == set(wanted)
    for name in set(wanted) - {"loss"}:
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-6, err_msg=name)
    outputs = model.predict(batches(data), verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    for name, output in zip(predicted[0], outputs, strict=True):
        np.testing.assert_allclose([one[name] for one in predicted], output, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_trains_evaluates_and_predicts_as_keras_does(keras: Any, case: str, tmp_path: Any) -> None:
    check(keras, *CASES[case], tmp_path)


@pytest.mark.parametrize("case", OF_KERAS_3)
def test_what_only_keras_3_has(case: str, tmp_path: Any) -> None:
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(1)
    check(keras, *OF_KERAS_3[case], tmp_path)


@pytest.mark.parametrize("case", OF_TF_KERAS)
def test_what_only_tf_keras_has(case: str, tmp_path: Any) -> None:
    keras = importlib.import_module("tf_keras")
    keras.utils.set_random_seed(1)
    check(keras, *OF_TF_KERAS[case], tmp_path)


@pytest.mark.parametrize("steps_per_loop", ["auto", 1])
def test_steps_in_the_graph_give_the_same(keras: Any, steps_per_loop: Any, tmp_path: Any) -> None:
    check(keras, *CASES["dict"], tmp_path, steps_per_loop=steps_per_loop)


def test_the_loss_of_an_evaluation_weights_the_last_batch_as_keras_does(
    keras: Any, tmp_path: Any
) -> None:
    model = functional(keras, "sgd")
    found = estimator_of(model, tmp_path).evaluate(lambda: batches((X, Y)))
    wanted = model.evaluate(batches((X, Y)), return_dict=True, verbose=0)
    np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-6)


def test_the_loss_in_training_is_that_of_the_batch(keras: Any, tmp_path: Any) -> None:
    model = functional(keras, "sgd")
    losses: list[float] = []

    class Record(tf.compat.v1.train.SessionRunHook):
        def before_run(self, run_context: Any) -> Any:
            graph = run_context.session.graph
            [loss] = graph.get_collection(tf.compat.v1.GraphKeys.LOSSES)
            return tf.compat.v1.train.SessionRunArgs(loss)

        def after_run(self, run_context: Any, run_values: Any) -> None:
            losses.append(run_values.results)

    estimator_of(model, tmp_path).train(lambda: batches((X, Y)), hooks=[Record()])
    wanted = []
    for batch in batches((X, Y)):
        model.reset_metrics()
        wanted.append(model.train_on_batch(*batch, return_dict=True)["loss"])
    np.testing.assert_allclose(losses, wanted, rtol=1e-6)


def test_sample_weights_come_with_the_features(keras: Any, tmp_path: Any) -> None:
    weights = np.linspace(0, 1, len(X)).astype("f4")
    features = {"features": {"a": X}, "sample_weights": weights}
    model = functional(keras, "sgd")
    estimator = estimator_of(model, tmp_path).train(lambda: batches((features, Y)))
    train_eagerly(model, (X, Y, weights), 3)
    for one in names.weights(model):
        trained = estimator.get_variable_value(one.name)
        np.testing.assert_allclose(trained, one.variable.numpy(), atol=1e-6)


def test_preprocessing_layers_keep_their_tables(keras: Any, tmp_path: Any) -> None:
    words = np.array([["a"], ["b"], ["z"], ["a"]])
    s, n = keras.Input((1,), dtype="string", name="s"), keras.Input((3,), name="n")
    looked_up = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(s)
    normalization = keras.layers.Normalization()
    normalization.adapt(X)
    joined = keras.layers.Concatenate()([looked_up, normalization(n)])
    model = keras.Model({"s": s, "n": n}, keras.layers.Dense(1, name="out")(joined))
    model.compile("sgd", "mse")
    data = ({"s": words, "n": X[:4]}, Y[:4])
    estimator = estimator_of(model, tmp_path).train(lambda: batches(data))
    predicted = [one["out"] for one in estimator.predict(lambda: batches(data))]
    for batch in batches(data):
        model.train_on_batch(*batch)
    np.testing.assert_allclose(predicted, model.predict(batches(data), verbose=0), atol=1e-6)


def test_mixed_precision(tmp_path: Any) -> None:
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="mixed_float16")])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    data = (X, X[:, :2])
    estimator = estimator_of(model, tmp_path).train(lambda: batches(data))
    train_eagerly(model, data, 3)
    for one in names.weights(model):
        trained = estimator.get_variable_value(one.name)
        np.testing.assert_allclose(trained, one.variable.numpy(), atol=1e-6)
