"""add_metrics: an Estimator that evaluates with more metrics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys
from tf_estimator.extenders import add_metrics

v1 = tf.compat.v1


def model_fn(features, labels, mode, params):
    weight = v1.get_variable("weight", initializer=params["start"])
    predictions = {"y": features["x"] * weight}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    step = v1.train.get_global_step()
    return EstimatorSpec(
        mode,
        predictions=predictions,
        loss=tf.reduce_mean(tf.abs(predictions["y"] - labels)),
        train_op=tf.group(step.assign_add(1), weight.assign_add(1.0)),
        eval_metric_ops={"label": v1.metrics.mean(labels)},
    )


def input_fn():
    x = np.array([1.0, 2.0, 6.0], np.float32)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, 2 * x)).batch(2)


@pytest.fixture
def estimator(tmp_path):
    return Estimator(model_fn, str(tmp_path), params={"start": 1.0})


def test_the_metrics_are_beside_those_there_are(estimator):
    estimator.train(input_fn, steps=1)

    def metric_fn(features, labels, predictions, config):
        assert config.model_dir == estimator.model_dir
        return {
            "x": v1.metrics.mean(features["x"]),
            "gap": v1.metrics.mean(predictions["y"] - labels),
        }

    extended = add_metrics(estimator, metric_fn)
    assert type(extended) is Estimator
    assert extended.model_dir == estimator.model_dir
    found = extended.evaluate(input_fn)
    assert found == {"label": 6.0, "loss": 0.0, "global_step": 1, "x": 3.0, "gap": 0.0}
    assert set(estimator.evaluate(input_fn)) == {"label", "loss", "global_step"}


def test_a_metric_takes_the_place_of_one_with_its_name(estimator):
    extended = add_metrics(estimator, lambda: {"label": v1.metrics.mean(7.0)})
    assert extended.evaluate(input_fn)["label"] == 7.0


def test_metrics_of_keras(estimator):
    def metric_fn(features):
        mean = keras.metrics.Mean(name="x")
        mean.update_state(features["x"])
        return {"x": mean}

    assert add_metrics(estimator, metric_fn).evaluate(input_fn)["x"] == 3.0


def test_twice(estimator):
    once = add_metrics(estimator, lambda features: {"x": v1.metrics.mean(features["x"])})
    twice = add_metrics(once, lambda labels: {"y": v1.metrics.mean(labels)})
    assert set(twice.evaluate(input_fn)) == {"label", "loss", "global_step", "x", "y"}


def test_training_and_prediction_are_those_of_the_estimator(estimator):
    called = []
    extended = add_metrics(estimator, lambda: called.append(1))
    extended.train(input_fn, steps=2)
    assert [one["y"] for one in extended.predict(input_fn)] == [3.0, 6.0, 18.0]
    assert estimator.get_variable_value("weight") == 3.0
    assert not called


def test_it_starts_from_the_same_weights(estimator, tmp_path):
    estimator.train(input_fn, steps=3)
    warm = Estimator(
        model_fn, str(tmp_path / "warm"), params={"start": 1.0}, warm_start_from=estimator.model_dir
    )
    extended = add_metrics(warm, lambda predictions: {"y": v1.metrics.mean(predictions["y"])})
    assert extended.evaluate(input_fn)["y"] == 12.0


@pytest.mark.parametrize(
    ("metric_fn", "error", "message"),
    [
        (3, TypeError, "metric_fn must be callable; received 3"),
        (lambda mode: {}, ValueError, "metric_fn must take no arguments but.*are mode"),
        (lambda labels, params: {}, ValueError, "Its arguments are labels, params"),
    ],
)
def test_wrong_metric_fns(estimator, metric_fn, error, message):
    with pytest.raises(error, match=message):
        add_metrics(estimator, metric_fn)


def test_what_is_no_estimator():
    with pytest.raises(TypeError, match="estimator must be an instance of Estimator"):
        add_metrics(model_fn, dict)


def test_a_metric_fn_that_returns_no_dict(estimator):
    with pytest.raises(TypeError, match="What metric_fn returns must be a dict of metrics by name"):
        add_metrics(estimator, lambda: None).evaluate(input_fn)
