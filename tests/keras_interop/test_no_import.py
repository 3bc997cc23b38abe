"""Who does not use Keras does not pay for it: nothing of an Estimator's life imports it.

In a process of its own, where an import of Keras fails and is noted. TensorFlow itself imports
Keras when it is imported, if it finds one, but goes on without.
"""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import importlib.abc, json, sys, tempfile
import tensorflow as tf

KERAS = "keras", "tf_keras"
asked = []

class Refusal(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in KERAS:
            asked.append([name, doing])
            raise ModuleNotFoundError(name, name=name)

for name in [name for name in sys.modules if name.split(".")[0] in KERAS]:
    del sys.modules[name]
sys.meta_path.insert(0, Refusal())

doing = "import"
import tf_estimator as tfe
import tf_estimator.keras
import tf_estimator.keras.v1_layers

v1 = tf.compat.v1

def model_fn(features, labels, mode):
    weight = v1.get_variable("weight", [])
    predictions = weight * features["x"]
    if mode == tfe.ModeKeys.PREDICT:
        return tfe.EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean((predictions - labels) ** 2)
    optimizer = v1.train.AdamOptimizer(0.1)
    train_op = optimizer.minimize(loss, v1.train.get_global_step())
    metrics = {"error": v1.metrics.mean_absolute_error(labels, predictions)}
    return tfe.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)

def input_fn():
    return tf.data.Dataset.from_tensors(({"x": [1.0, 2.0]}, [2.0, 4.0])).repeat(3)

def receive():
    return tfe.export.ServingInputReceiver({"x": (x := v1.placeholder(tf.float32, [None]))}, x)

with tfe.Estimator(model_fn, tempfile.mkdtemp()) as estimator:
    doing = "train"
    estimator.train(input_fn)
    doing = "evaluate"
    assert estimator.evaluate(input_fn)["error"] > 0
    doing = "predict"
    assert len(list(estimator.predict(input_fn))) == 6
    doing = "export"
    estimator.export_saved_model(tempfile.mkdtemp(), receive)
    doing = "train and evaluate"
    tfe.train_and_evaluate(
        estimator, tfe.TrainSpec(input_fn, max_steps=5), tfe.EvalSpec(input_fn, steps=1)
    )
json.dump({"asked": asked, "loaded": [name for name in KERAS if name in sys.modules]}, sys.stdout)
"""


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What of Keras was `asked` for in vain, and while doing what, and what is `loaded`."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_model_fn_without_keras_never_asks_for_it(found: dict[str, list[str]]) -> None:
    assert found == {"asked": [], "loaded": []}
