"""LinearSDCA: what it finds, under which names, with which columns, and what it refuses."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import LinearEstimator
from tf_estimator.canned.sdca import LinearSDCA
from tf_estimator.compat.v1 import LinearEstimator as LinearEstimatorV1
from tf_estimator.heads import BinaryClassHead, MultiClassHead, RegressionHead

v1 = tf.compat.v1
column = tf.feature_column

_random = np.random.default_rng(0)
X = _random.random([16, 2]).astype(np.float32)
JOBS = np.array(["x", "y", "z", "?"] * 4)
FEATURES = {
    "id": np.array([str(number) for number in range(16)]),
    "number": np.arange(16),
    "x": X,
    "job": JOBS[:, None],
    "age": (60 * _random.random([16, 1])).astype(np.float32),
    "weight": 0.5 + _random.random([16, 1]).astype(np.float32),
}
TARGET = (2.0 * X[:, :1] - X[:, 1:] + 0.3 * (JOBS[:, None] == "x")).astype(np.float32)


def inputs(labels=TARGET, batch_size=16, epochs=None):
    examples = (FEATURES, labels)
    return lambda: tf.data.Dataset.from_tensor_slices(examples).batch(batch_size).repeat(epochs)


def columns():
    jobs = column.categorical_column_with_vocabulary_list("job", ["x", "y", "z"])
    return [column.numeric_column("x", 2), jobs]


def linear(head, optimizer, feature_columns=None, parts=None):
    given = feature_columns or columns()
    if parts is None:
        return LinearEstimator(head, given, optimizer=optimizer)
    partitioner = v1.fixed_size_partitioner(parts)
    return LinearEstimatorV1(head, given, optimizer=optimizer, partitioner=partitioner)


def weights(estimator, suffix=""):
    names = ("x/weights", "job/weights", "bias_weights")
    found = [estimator.get_variable_value(f"linear/linear_model/{name}{suffix}") for name in names]
    return np.concatenate([each.ravel() for each in found])


DESIGN = np.concatenate([X, JOBS[:, None] == ["x", "y", "z"], np.ones([16, 1])], axis=1)


def ridge(weight, l2):
    """What minimizes Σ weight (x w - y)² / 2 + l2 |w|² / 2."""
    scaled = DESIGN * weight
    return np.linalg.solve(DESIGN.T @ scaled + l2 * np.eye(6), scaled.T @ TARGET)[:, 0]


@pytest.mark.parametrize("weight_column", [None, "weight"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_a_regression_finds_the_least_squares(weight_column, adaptive):
    head = RegressionHead(weight_column=weight_column)
    optimizer = LinearSDCA("id", symmetric_l2_regularization=0.5, adaptive=adaptive)
    estimator = linear(head, optimizer)
    estimator.train(inputs(), steps=80)
    assert estimator.get_variable_value("global_step") == 80
    expected = ridge(FEATURES["weight"] if weight_column else np.ones([16, 1]), 0.5)
    np.testing.assert_allclose(weights(estimator), expected, atol=2e-3)


def test_small_batches_find_the_same():
    estimator = linear(RegressionHead(), LinearSDCA("id", symmetric_l2_regularization=0.5))
    estimator.train(inputs(batch_size=4), steps=400)
    np.testing.assert_allclose(weights(estimator), ridge(np.ones([16, 1]), 0.5), atol=5e-3)


def test_a_classification_has_no_slope_left():
    labels = (np.median(TARGET) < TARGET).astype(np.int64)
    estimator = linear(BinaryClassHead(), LinearSDCA("id"))
    estimator.train(inputs(labels), steps=60)
    w = weights(estimator)
    slope = DESIGN.T @ (1 / (1 + np.exp(-DESIGN @ w)) - labels[:, 0]) + 1.0 * w
    np.testing.assert_allclose(slope, 0.0, atol=1e-2)
    assert estimator.evaluate(inputs(labels, epochs=1))["accuracy"] > 0.8


def test_the_first_loss_is_of_the_weights_before():
    losses = []

    class Losses(v1.train.SessionRunHook):
        def before_run(self, run_context):
            return v1.train.SessionRunArgs(v1.get_collection(v1.GraphKeys.LOSSES)[-1])

        def after_run(self, run_context, run_values):
            losses.append(run_values.results)

    linear(RegressionHead(), LinearSDCA("id")).train(inputs(), [Losses()], steps=5)
    assert losses[0] == pytest.approx(np.mean(TARGET**2), rel=1e-5)
    assert losses[-1] < losses[0]


def test_l1_makes_weights_zero():
    optimizer = LinearSDCA("id", symmetric_l1_regularization=0.4, symmetric_l2_regularization=0.5)
    estimator = linear(RegressionHead(), optimizer)
    estimator.train(inputs(), steps=30)
    unshrunk = weights(estimator, "_unshrunk")
    expected = np.sign(unshrunk) * np.maximum(np.abs(unshrunk) - 0.8, 0.0)
    np.testing.assert_allclose(weights(estimator), expected, rtol=1e-5)
    assert np.count_nonzero(expected) < 6


def test_training_goes_on_with_what_is_known_of_the_examples():
    estimator = linear(RegressionHead(), LinearSDCA("id", symmetric_l2_regularization=0.5))
    for _ in range(4):
        estimator.train(inputs(), steps=20)
    np.testing.assert_allclose(weights(estimator), ridge(np.ones([16, 1]), 0.5), atol=2e-3)


def test_variables_and_the_table_have_the_names_of_the_original():
    estimator = linear(RegressionHead(), LinearSDCA("id")).train(inputs(), steps=1)
    scope = "linear/linear_model"
    of_model = [f"{scope}/{name}" for name in ("bias_weights", "job/weights", "x/weights")]
    assert sorted(estimator.get_variable_names()) == sorted(
        [
            "ShardedMutableHashTable-1-of-1-keys",
            "ShardedMutableHashTable-1-of-1-values",
            "global_step",
            *of_model,
            *(f"{name}_unshrunk" for name in of_model),
        ]
    )


def test_in_version_1_what_is_trained_has_the_names_of_the_original():
    estimator = linear(RegressionHead(), LinearSDCA("id"), parts=1).train(inputs(), steps=1)
    scope = "linear/linear/linear_model"
    assert [name for name in estimator.get_variable_names() if "unshrunk" in name] == [
        f"{scope}/{name}/part_0_unshrunk" for name in ("bias_weights", "job/weights", "x/weights")
    ]


def test_a_variable_in_parts_is_refused():
    with pytest.raises(ValueError, match="must not be cut into parts"):
        linear(RegressionHead(), LinearSDCA("id"), parts=2).train(inputs(), steps=1)


@pytest.mark.parametrize(
    "of_kind",
    [
        column.bucketized_column(column.numeric_column("age"), [20, 40]),
        column.crossed_column(["job", "number"], 7),
        column.embedding_column(columns()[1], 2),
        column.weighted_categorical_column(columns()[1], "weight"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_columns_of_every_kind_are_trained(of_kind):
    estimator = linear(RegressionHead(), LinearSDCA("id"), [of_kind])
    estimator.train(inputs(), steps=1)
    first = estimator.evaluate(inputs(epochs=1))["loss"]
    estimator.train(inputs(), steps=20)
    (name,) = [name for name in estimator.get_variable_names() if name.endswith("/weights")]
    assert np.count_nonzero(estimator.get_variable_value(name))
    assert estimator.evaluate(inputs(epochs=1))["loss"] < first + 0.05


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"example_id_column": 3}, TypeError, "example_id_column must be an instance of str"),
        ({"num_loss_partitions": 0}, ValueError, "num_loss_partitions must be a positive integer"),
        ({"num_table_shards": 0}, ValueError, "num_table_shards must be a positive integer"),
        ({"symmetric_l1_regularization": -1.0}, ValueError, "must be at least 0"),
        ({"symmetric_l2_regularization": 0.0}, ValueError, "l2_regularization must be above 0"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        LinearSDCA(**{"example_id_column": "id", **arguments})


@pytest.mark.parametrize(
    ("head", "id_column", "message"),
    [
        (MultiClassHead(3), "id", "must have two classes, or one number to predict"),
        (RegressionHead(2), "id", "must have two classes, or one number to predict"),
        (RegressionHead(), "name", r"id column 'name' must be among the features.*\['age'"),
        (RegressionHead(), "number", "id column 'number' must be of strings.*as_string"),
    ],
)
def test_what_it_cannot_train_is_said(head, id_column, message):
    estimator = linear(head, LinearSDCA(id_column))
    with pytest.raises(ValueError, match=message):
        estimator.train(
            inputs(np.concatenate([TARGET] * 2, 1) if head.logits_dimension == 2 else TARGET)
        )
