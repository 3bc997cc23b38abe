"""Tensors that programs log by name, as census_main.py of TensorFlow's models does, have them."""

import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator.compat import v1 as v1_estimator

v1 = tf.compat.v1
COLUMNS = [tf.feature_column.numeric_column("x")]
CLASSES = ["predictions/class_ids", "predictions/probabilities", "predictions/str_classes"]
SUMS = ["weighted_loss/Sum", "truediv"]

# As tensorflow-estimator 2.15 names them, after the scope of the head.
NAMES = [
    (v1_estimator.LinearClassifier, {}, "linear/head", [*CLASSES, *SUMS]),
    (v1_estimator.LinearClassifier, {"n_classes": 3}, "linear/head", [*CLASSES, *SUMS]),
    (v1_estimator.LinearRegressor, {}, "linear/head", SUMS),
    (v1_estimator.DNNClassifier, {"hidden_units": [2]}, "dnn/head", [*CLASSES, *SUMS]),
    (
        v1_estimator.DNNRegressor,
        {"hidden_units": [2], "loss_reduction": v1.losses.Reduction.MEAN},
        "dnn/head",
        ["weighted_loss/value"],
    ),
    (tf_estimator.LinearClassifier, {}, "head", [*CLASSES, "losses/weighted_loss/value"]),
    (tf_estimator.LinearRegressor, {}, "head", ["losses/weighted_loss/value"]),
]


@pytest.mark.parametrize(("kind", "options", "scope", "names"), NAMES)
def test_they_have_the_names_of_the_original(kind, options, scope, names, tmp_path):
    estimator = kind(feature_columns=COLUMNS, model_dir=str(tmp_path), **options)
    logged = {name: f"{scope}/{name}" for name in names}
    hook = v1.train.LoggingTensorHook(logged, every_n_iter=1)
    estimator.train(
        lambda: tf.data.Dataset.from_tensors(({"x": [[1.0], [2.0]]}, [[1], [0]])),
        hooks=[hook],
        steps=1,
    )
    assert hook._current_tensors.keys() == logged.keys()
