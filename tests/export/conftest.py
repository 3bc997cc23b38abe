"""A trained Estimator whose loss is the mean of its input, so that a test chooses what it gets."""

import shutil

import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys
from tf_estimator.export import ServingInputReceiver

v1 = tf.compat.v1


def _input_mean(features, mode):
    weight = v1.get_variable("weight", [], initializer=v1.ones_initializer())
    predictions = {"y": features["x"] * weight}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions)
    loss = tf.reduce_mean(features["x"])
    step = v1.train.get_global_step()
    with tf.control_dependencies([loss, step + 0]):
        train_op = tf.group(v1.assign_add(step, 1), weight.assign_add(1.0))
    metrics = {"accuracy": v1.metrics.mean(1.0 - features["x"])}
    return EstimatorSpec(
        mode, predictions, loss, train_op, metrics if mode == ModeKeys.EVAL else None
    )


def _input_of(loss):
    return lambda: tf.data.Dataset.from_tensors({"x": [loss]}).repeat()


@pytest.fixture(scope="session")
def _trained_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "model"
    Estimator(_input_mean, folder).train(_input_of(0.0), steps=1)
    return folder


@pytest.fixture
def estimator(_trained_dir, tmp_path):
    """An Estimator on `tmp_path / "model"`, after one step and before any evaluation."""
    folder = tmp_path / "model"
    shutil.copytree(_trained_dir, folder)
    return Estimator(_input_mean, folder)


@pytest.fixture
def evaluated():
    """Evaluates an Estimator: `evaluated(estimator, loss, name=None)` gives the result."""
    return lambda estimator, loss, name=None: estimator.evaluate(_input_of(loss), 1, name=name)


@pytest.fixture
def train_one_step():
    """Trains an Estimator one step further."""
    return lambda estimator: estimator.train(_input_of(0.0), steps=1)


@pytest.fixture
def receiver_fn():
    """A serving_input_receiver_fn for the Estimator."""

    def serving_input_receiver_fn():
        x = v1.placeholder(tf.float32, [None], name="x")
        return ServingInputReceiver({"x": x}, {"x": x})

    return serving_input_receiver_fn
