"""RegressionHead, PoissonRegressionHead and LogisticRegressionHead."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.heads import LogisticRegressionHead, PoissonRegressionHead, RegressionHead
from tf_estimator.spec import ModeKeys, PredictOutput, RegressionOutput

LOGITS = np.array([[0.5, -1.0], [2.0, 0.0], [1.0, 1.0]], np.float32)
LABELS = np.array([[1.0, 0.0], [2.0, 3.0], [0.0, 1.0]], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, bool])
def test_squared_error(dtype):
    labels = LABELS.astype(dtype)
    loss = RegressionHead(2).loss(tf.constant(labels), tf.constant(LOGITS))
    np.testing.assert_allclose(loss, ((labels.astype(float) - LOGITS) ** 2).mean(), rtol=1e-6)


def test_poisson():
    logits, labels = tf.constant([[0.5], [1.5]]), tf.constant([4.0, 0.0])
    without = [math.exp(0.5) - 4 * 0.5, math.exp(1.5)]
    found = PoissonRegressionHead(compute_full_loss=False).loss(labels, logits)
    np.testing.assert_allclose(found, np.mean(without), rtol=1e-6)
    # The approximation is of log(label!), and for labels up to 1 it is 0.
    stirling = 4 * math.log(4) - 4 + 0.5 * math.log(2 * math.pi * 4)
    found = PoissonRegressionHead().loss(labels, logits)
    np.testing.assert_allclose(found, np.mean(without) + stirling / 2, rtol=1e-6)
    predictions = PoissonRegressionHead().predictions(logits)
    assert list(predictions) == ["predictions", "logits"]
    np.testing.assert_allclose(predictions["predictions"], np.exp([[0.5], [1.5]]), rtol=1e-6)


def test_logistic():
    head = LogisticRegressionHead()
    logits = tf.constant([[0.5], [-1.0]])
    p = 1 / (1 + np.exp([-0.5, 1.0]))
    losses = -np.array([0.3, 1.0]) * np.log(p) - np.array([0.7, 0.0]) * np.log(1 - p)
    np.testing.assert_allclose(head.loss(tf.constant([0.3, 1.0]), logits), losses.mean(), rtol=1e-6)
    np.testing.assert_allclose(head.predictions(logits)["predictions"][:, 0], p, rtol=1e-6)
    with pytest.raises(ValueError, match="labels must be from 0 to 1; received"):
        head.loss(tf.constant([0.3, 1.5]), logits)


@pytest.mark.parametrize(
    ("weights", "full"),
    [
        ([[1.0], [0.5], [2.0]], [[1.0, 1.0], [0.5, 0.5], [2.0, 2.0]]),
        ([1.0, 0.5, 2.0], [[1.0, 1.0], [0.5, 0.5], [2.0, 2.0]]),
        ([[1.0, 0.0], [0.5, 3.0], [2.0, 1.0]],) * 2,
    ],
)
def test_weights_of_examples_and_of_numbers(run, weights, full):
    weights, full = np.array(weights, np.float32), np.array(full)
    squared = (LABELS - LOGITS) ** 2
    head = RegressionHead(2, weight_column="w", name="size")
    batches = [({"w": weights[n : n + 2]}, LABELS[n : n + 2], LOGITS[n : n + 2]) for n in (0, 2)]
    found = run(head, ModeKeys.EVAL, *batches)
    assert found.losses == pytest.approx(
        [(squared * full)[:2].sum() / 4, (squared * full)[2:].sum() / 2], rel=1e-5
    )
    expected = {
        "average_loss/size": (squared * full).sum() / full.sum(),
        "label/mean/size": (LABELS * full).sum() / full.sum(),
        "prediction/mean/size": (LOGITS * full).sum() / full.sum(),
    }
    assert found.metrics == pytest.approx(expected, rel=1e-5)


def test_an_inverse_link_function():
    head = RegressionHead(inverse_link_fn=tf.square)
    found = head.predictions(tf.constant([[3.0]]))
    assert {key: float(one[0, 0]) for key, one in found.items()} == {
        "predictions": 9.0,
        "logits": 3.0,
    }


def test_a_loss_function_has_a_loss_for_each_number_of_the_label():
    head = RegressionHead(2, loss_fn=lambda labels, logits: tf.abs(labels - logits))
    loss = head.loss(tf.constant(LABELS), tf.constant(LOGITS))
    np.testing.assert_allclose(loss, np.abs(LABELS - LOGITS).mean(), rtol=1e-6)


@pytest.mark.parametrize("head", [RegressionHead(), PoissonRegressionHead()])
def test_export_outputs(run, head):
    spec = run(head, ModeKeys.PREDICT, ({}, LABELS[:, :1], LOGITS[:, :1])).spec
    outputs = spec.export_outputs
    assert list(outputs) == ["serving_default", "regression", "predict"]
    assert isinstance(outputs["serving_default"], RegressionOutput)
    assert outputs["regression"].value is spec.predictions["predictions"]
    assert isinstance(outputs["predict"], PredictOutput)
    assert outputs["predict"].outputs == spec.predictions


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1.0, 2.0, 3.0], r"labels must have the shape \[D0, D1, ... DN, 2\].*received.*\(3,\)"),
        ([[1.0], [2.0], [3.0]], r"received the shape \(3, 1\)"),
        ([["a", "b"]] * 3, "labels must be numbers; received tf.string"),
    ],
)
def test_wrong_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        RegressionHead(2).loss(tf.constant(labels), tf.constant(LOGITS))


def test_sparse_labels_are_refused():
    labels = tf.sparse.from_dense(tf.constant([[1.0], [0.0]]))
    with pytest.raises(ValueError, match=r"labels must be a Tensor of shape.*SparseTensor"):
        RegressionHead().loss(labels, tf.constant(LOGITS[:2, :1]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"label_dimension": 0}, ValueError, "must be a positive integer; received 0"),
        ({"label_dimension": None}, TypeError, "must be a positive integer; received None"),
        ({"inverse_link_fn": 3}, TypeError, "inverse_link_fn must be callable"),
        ({"loss_reduction": "mean"}, ValueError, "loss_reduction must be one of"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        RegressionHead(**arguments)


def test_the_others_are_regression_heads():
    assert isinstance(PoissonRegressionHead(2), RegressionHead)
    assert PoissonRegressionHead(2).logits_dimension == 2
    assert LogisticRegressionHead(name="share").name == "share"
