"""What model_to_estimator takes and refuses, names, files and exports."""

import importlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import export
from tf_estimator.keras.model_to_estimator import model_to_estimator

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


def small(keras: Any, **compiled: Any) -> Any:
    model = keras.Sequential(
        [keras.Input((3,), name="a"), keras.layers.Dense(2), keras.layers.Dense(1, name="out")]
    )
    model.compile(keras.optimizers.Adam(0.01), keras.losses.MeanSquaredError(), **compiled)
    return model


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(({"a": X}, Y)).batch(4)


def receiver() -> Any:
    return export.build_raw_serving_input_receiver_fn(
        {"a": v1.placeholder(tf.float32, [None, 3], name="a")}
    )()


def test_before_training_the_model_answers_as_it_is(keras: Any, tmp_path: Any) -> None:
    model = small(keras, metrics=[keras.metrics.MeanAbsoluteError(name="mae")])
    estimator = model_to_estimator(model, model_dir=tmp_path)
    wanted = model.evaluate(X, Y, return_dict=True, verbose=0)
    assert estimator.evaluate(input_fn)["mae"] == pytest.approx(wanted["mae"], rel=1e-6)
    predicted = [one["out"] for one in estimator.predict(input_fn)]
    np.testing.assert_allclose(predicted, model.predict(X, verbose=0), atol=1e-6)


def test_later_training_of_the_model_itself_is_not_seen(keras: Any, tmp_path: Any) -> None:
    model = small(keras)
    before = model.predict(X, verbose=0)
    estimator = model_to_estimator(model, model_dir=tmp_path)
    model.fit(X, Y, verbose=0)
    predicted = [one["out"] for one in estimator.predict(input_fn)]
    np.testing.assert_allclose(predicted, before, atol=1e-6)


def test_compiled_anew_it_is_refused(keras: Any, tmp_path: Any) -> None:
    model = small(keras)
    estimator = model_to_estimator(model, model_dir=tmp_path)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must not be compiled anew"):
        estimator.train(input_fn)


def test_names_do_not_depend_on_what_else_was_made(keras: Any, tmp_path: Any) -> None:
    def trained(folder: str) -> list[str]:
        estimator = model_to_estimator(small(keras), model_dir=tmp_path / folder)
        return estimator.train(input_fn).get_variable_names()

    first = trained("first")
    keras.layers.Dense(1)
    assert trained("second") == first
    kernels = [name for name in first if name.endswith("out/kernel")]
    assert len(kernels) == 1
    assert any(name.startswith("training/Adam/") for name in first)
    assert not any("learning_rate" in name for name in first)


def test_another_process_goes_on_from_the_checkpoint(keras: Any, tmp_path: Any) -> None:
    one = model_to_estimator(small(keras), model_dir=tmp_path)
    one.train(input_fn)
    other = model_to_estimator(small(keras), model_dir=tmp_path)  # other weights, other numbers
    assert other.evaluate(input_fn)["loss"] == one.evaluate(input_fn)["loss"]
    assert other.train(input_fn).evaluate(input_fn)["global_step"] == 4


def test_the_learning_rate_of_the_model_holds_on_resuming(keras: Any, tmp_path: Any) -> None:
    model_to_estimator(small(keras), model_dir=tmp_path).train(input_fn)
    model = small(keras)
    model.optimizer.learning_rate = 0.0
    estimator = model_to_estimator(model, model_dir=tmp_path)
    before = estimator.evaluate(input_fn)["loss"]
    assert estimator.train(input_fn).evaluate(input_fn)["loss"] == before


def test_a_second_training_uses_the_kept_graph(keras: Any, tmp_path: Any, caplog: Any) -> None:
    estimator = model_to_estimator(small(keras), model_dir=tmp_path)
    with caplog.at_level("DEBUG", "tensorflow"):
        estimator.train(input_fn).train(input_fn)
        estimator.evaluate(input_fn)
        estimator.evaluate(input_fn)
    assert "is not kept" not in caplog.text


def test_metrics_are_renamed(keras: Any, tmp_path: Any) -> None:
    model = small(keras, metrics=[keras.metrics.MeanAbsoluteError(name="mae")])
    estimator = model_to_estimator(model, model_dir=tmp_path, metric_names_map={"mae": "error"})
    assert set(estimator.evaluate(input_fn)) == {"error", "loss", "global_step"}
    estimator = model_to_estimator(model, model_dir=tmp_path, metric_names_map={"no": "error"})
    with pytest.raises(ValueError, match="metric_names_map must have names of the model's metrics"):
        estimator.evaluate(input_fn)


def test_an_input_that_lacks_is_named(keras: Any, tmp_path: Any) -> None:
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], keras.layers.Add()([a, b]))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"'a', 'b'.*'b' is not among them"):
        model_to_estimator(model, model_dir=tmp_path).evaluate(
            lambda: tf.data.Dataset.from_tensors(({"a": X, "c": X}, X))
        )


@pytest.mark.parametrize("outputs", [None, {"out": export.RegressionOutput}])
def test_an_export_answers_as_the_estimator(keras: Any, outputs: Any, tmp_path: Any) -> None:
    estimator = model_to_estimator(small(keras), model_dir=tmp_path, export_outputs=outputs)
    estimator.train(input_fn)
    folder = os.fsdecode(estimator.export_saved_model(tmp_path / "export", receiver))
    served = tf.saved_model.load(folder).signatures
    predicted = [one["out"] for one in estimator.predict(input_fn)]
    if outputs is None:
        answer = served["serving_default"](tf.constant(X))["out"]
        np.testing.assert_allclose(answer, predicted, atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # of what Keras calls to save
@pytest.mark.parametrize("file", ["model.keras", "model.h5", "folder"])
def test_a_saved_model_is_loaded_by_the_keras_that_wrote_it(
    keras: Any, file: str, tmp_path: Any
) -> None:
    if file == "folder" and keras.__name__ == "keras":
        pytest.skip("Keras 3 writes no such folders")
    model = small(keras)
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / file)
    estimator = model_to_estimator(keras_model_path=tmp_path / file, model_dir=tmp_path / "dir")
    predicted = [next(iter(one.values())) for one in estimator.predict(input_fn)]
    np.testing.assert_allclose(predicted, model.predict(X, verbose=0), atol=1e-6)
    assert estimator.train(input_fn).evaluate(input_fn)["global_step"] == 2


@pytest.mark.filterwarnings("ignore")  # of what Keras calls to save
@pytest.mark.parametrize("file", ["model.keras", "model.h5", "folder"])
def test_code_in_a_file_is_not_run(keras: Any, file: str, tmp_path: Any) -> None:
    if file == "folder" and keras.__name__ == "keras":
        pytest.skip("Keras 3 writes no such folders")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: 2 * x)])
    model.compile("sgd", keras.losses.MeanSquaredError())
    model.save(tmp_path / file)
    with pytest.raises(ValueError, match="lambda"):
        model_to_estimator(keras_model_path=tmp_path / file)


@pytest.mark.filterwarnings("ignore")  # of what Keras calls to save
def test_custom_objects_are_used(keras: Any, tmp_path: Any) -> None:
    class Doubled(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    model = keras.Sequential([keras.Input((3,)), Doubled(), keras.layers.Dense(1)])
    model.compile("sgd", keras.losses.MeanSquaredError())
    model.save(tmp_path / "m.keras")
    estimator = model_to_estimator(
        keras_model_path=tmp_path / "m.keras", custom_objects={"Doubled": Doubled}
    )
    predicted = [next(iter(one.values())) for one in estimator.predict(input_fn)]
    np.testing.assert_allclose(predicted, model.predict(X, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({}, ValueError, "Exactly one .* received neither"),
        ({"keras_model": 3}, TypeError, "must be a Model of Keras 3 or tf_keras"),
        ({"keras_model": "new", "keras_model_path": "x"}, ValueError, "received both"),
        ({"keras_model_path": "/no/such"}, ValueError, "must be a file or folder that exists"),
        ({"keras_model_path": __file__}, ValueError, "must be a model saved by Keras"),
        ({"keras_model_path": os.path.dirname(__file__)}, ValueError, "saved by Keras"),
        ({"keras_model": "not compiled"}, ValueError, r"must be compiled.*compile\("),
        ({"keras_model": "new", "checkpoint_format": "x"}, ValueError, "must be 'saver' or"),
        ({"keras_model": "new", "metric_names_map": [1]}, TypeError, "must be a dict or None"),
    ],
)
def test_wrong_arguments(keras: Any, given: dict[str, Any], kind: type, message: str) -> None:
    models = {"new": small, "not compiled": lambda k: k.Sequential([k.layers.Dense(1)])}
    if given.get("keras_model") in models:
        given = {**given, "keras_model": models[given["keras_model"]](keras)}
    with pytest.raises(kind, match=message):
        model_to_estimator(**given)


@pytest.mark.parametrize("checkpoint_format", [None, "saver", "checkpoint"])
def test_formats_of_old_programs(keras: Any, checkpoint_format: Any, tmp_path: Any) -> None:
    model_to_estimator(small(keras), model_dir=tmp_path, checkpoint_format=checkpoint_format)


def test_two_losses_and_no_loss(keras: Any, tmp_path: Any) -> None:
    class Steps(keras.Model):
        def __init__(self, logs: list[str]) -> None:
            super().__init__()
            self.dense, self.logs = keras.layers.Dense(1), logs

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, data: Any) -> dict[str, Any]:
            loss = tf.reduce_mean((self(data[0]) - data[1]) ** 2)
            return dict.fromkeys(self.logs, loss)

        test_step = train_step

    def evaluated(logs: list[str]) -> dict[str, Any]:
        model = Steps(logs)
        model.compile("sgd")
        estimator = model_to_estimator(model)
        return estimator.evaluate(lambda: tf.data.Dataset.from_tensors((X, Y)))

    results = evaluated(["d_loss", "g_loss"])
    assert results["loss"] == pytest.approx(2 * results["d_loss"])
    with pytest.raises(ValueError, match="must tell its loss"):
        evaluated(["accuracy"])


PROGRAM = """
import sys
import tensorflow as tf
import {keras} as keras
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile("sgd", keras.losses.MeanSquaredError())
model.save(sys.argv[1])
tf.compat.v1.disable_v2_behavior()
from tf_estimator.keras.model_to_estimator import model_to_estimator
input_fn = lambda: tf.data.Dataset.from_tensors((tf.ones([4, 3]), tf.ones([4, 1]))).repeat()
for given in ({{"keras_model": model}}, {{"keras_model_path": sys.argv[1]}}):
    try:
        estimator = model_to_estimator(**given)
    except ValueError as error:
        assert "keras_model_path" in given and "Load it before" in str(error)
        assert keras.__name__ == "tf_keras"
        break
    estimator.train(input_fn, steps=2)
    assert estimator.evaluate(input_fn, steps=1)["global_step"] == 2
"""


@pytest.mark.slow
def test_a_program_without_eager_execution(keras: Any, tmp_path: Any) -> None:
    program = PROGRAM.format(keras=keras.__name__)
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "m.keras")], check=True)
