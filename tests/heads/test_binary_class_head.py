"""BinaryClassHead: labels it takes, what it predicts, measures and exports."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.heads import BinaryClassHead
from tf_estimator.spec import ClassificationOutput, ModeKeys, PredictOutput, RegressionOutput

v1 = tf.compat.v1

LOGITS = np.array([[2.0], [-1.0], [0.5], [-3.0]], np.float32)
LABELS = np.array([[1], [1], [0], [0]])
LOSSES = np.log1p(np.exp(-LOGITS)) + (1 - LABELS) * LOGITS
WEIGHTS = np.array([[1.0], [3.0], [0.0], [0.5]], np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("labels", "vocabulary"),
    [
        (LABELS, None),
        (LABELS[:, 0], None),
        (LABELS.astype(np.float32), None),
        (LABELS.astype(bool), None),
        (LABELS.astype(np.uint8), None),
        (np.array([["yes"], ["yes"], ["no"], ["no"]]), ["no", "yes"]),
        (np.array(["yes", "yes", "no", "no"]), ("no", "yes")),
        (np.array(["yes", "yes", "no", "no"]), (b"no", b"yes")),
    ],
)
def test_labels_may_be_numbers_or_words(labels, vocabulary):
    head = BinaryClassHead(label_vocabulary=vocabulary)
    loss = head.loss(tf.constant(labels), tf.constant(LOGITS))
    np.testing.assert_allclose(loss, LOSSES.mean(), rtol=1e-6)


def test_a_label_between_the_classes_is_a_share_of_both():
    loss = BinaryClassHead().loss(tf.constant([0.25]), tf.constant([[0.0]]))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "vocabulary", "message"),
    [
        ([[0], [2]], None, r"labels must be from 0 to 1; received \[\[0.0\], \[2.0\]\]"),
        ([[0], [-1]], None, "labels must be from 0 to 1"),
        ([["no"], ["maybe"]], ["no", "yes"], r"in the label_vocabulary.*\[b'maybe'\]"),
        ([[0], [1]], ["no", "yes"], "must be strings, since there is a label_vocabulary"),
        ([["no"], ["yes"]], None, "must be numbers.*give the head a label_vocabulary"),
        ([[0, 1], [1, 0]], None, r"labels must have the shape.*received the shape \(2, 2\)"),
        ([[0], [1], [1]], None, r"received the shape \(3, 1\)"),
        (1, None, r"received the shape \(\)"),
    ],
)
def test_wrong_labels(labels, vocabulary, message):
    head = BinaryClassHead(label_vocabulary=vocabulary)
    with pytest.raises(ValueError, match=message):
        head.loss(tf.constant(labels), tf.constant(LOGITS[:2]))


def test_predictions():
    head = BinaryClassHead(label_vocabulary=["no", "yes"])
    found = {key: one.numpy() for key, one in head.predictions(tf.constant(LOGITS)).items()}
    assert list(found) == [
        "logits", "logistic", "probabilities", "class_ids", "classes", "all_class_ids",
        "all_classes",
    ]  # fmt: skip
    p = sigmoid(LOGITS)
    np.testing.assert_array_equal(found["logits"], LOGITS)
    np.testing.assert_allclose(found["logistic"], p, rtol=1e-6)
    np.testing.assert_allclose(found["probabilities"], np.hstack([1 - p, p]), rtol=1e-5)
    np.testing.assert_array_equal(found["class_ids"], [[1], [0], [1], [0]])
    np.testing.assert_array_equal(found["classes"], [[b"yes"], [b"no"], [b"yes"], [b"no"]])
    np.testing.assert_array_equal(found["all_class_ids"], [[0, 1]] * 4)
    np.testing.assert_array_equal(found["all_classes"], [[b"no", b"yes"]] * 4)
    assert found["class_ids"].dtype == np.int64
    assert found["all_class_ids"].dtype == np.int32


def test_without_a_vocabulary_a_class_is_called_by_its_id():
    found = BinaryClassHead().predictions(tf.constant(LOGITS), keys=["classes", "all_classes"])
    assert list(found) == ["classes", "all_classes"]
    np.testing.assert_array_equal(found["classes"], [[b"1"], [b"0"], [b"1"], [b"0"]])
    np.testing.assert_array_equal(found["all_classes"], [[b"0", b"1"]] * 4)


def test_an_unknown_key_of_predictions():
    with pytest.raises(ValueError, match=r"must be among logits, logistic.*received 'odds'"):
        BinaryClassHead().predictions(tf.constant(LOGITS), keys=["odds"])


# By hand: of the probabilities .88, .27, .62, .05 the first and third are taken for class 1.
PLAIN = {
    "accuracy": 0.5,
    "precision": 0.5,
    "recall": 0.5,
    "label/mean": 0.5,
    "accuracy_baseline": 0.5,
    "auc": 0.75,
    "prediction/mean": sigmoid(LOGITS).mean(),
    "average_loss": LOSSES.mean(),
}
WEIGHTED = {
    "accuracy": 1.5 / 4.5,
    "precision": 1.0,
    "recall": 0.25,
    "label/mean": 4 / 4.5,
    "accuracy_baseline": 4 / 4.5,
    "auc": 1.0,
    "prediction/mean": (sigmoid(LOGITS) * WEIGHTS).sum() / 4.5,
    "average_loss": (LOSSES * WEIGHTS).sum() / 4.5,
}


@pytest.mark.parametrize(
    ("weight_column", "weights", "expected"),
    [
        (None, WEIGHTS, PLAIN),
        ("w", WEIGHTS, WEIGHTED),
        ("w", WEIGHTS[:, 0], WEIGHTED),
        (tf.feature_column.numeric_column("w"), WEIGHTS, WEIGHTED),
    ],
)
def test_metrics_over_batches(run, weight_column, weights, expected):
    head = BinaryClassHead(weight_column=weight_column)
    batches = [
        ({"w": weights[part]}, LABELS[part], LOGITS[part]) for part in (slice(3), slice(3, 4))
    ]
    found = run(head, ModeKeys.EVAL, *batches).metrics
    assert set(found) == {*expected, "auc_precision_recall"}
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    eager = head.metrics()
    for features, labels, logits in batches:
        eager = head.update_metrics(eager, features, tf.constant(logits), tf.constant(labels))
    assert {key: float(one.result()) for key, one in eager.items()} == pytest.approx(found)


def test_metrics_at_thresholds_and_the_name_behind_the_keys(run):
    head = BinaryClassHead(thresholds=[0.25, 0.7], name="cure")
    found = run(head, ModeKeys.EVAL, ({}, LABELS, LOGITS)).metrics
    assert all(key.endswith("/cure") for key in found)
    expected = {
        "accuracy/positive_threshold_0.25/cure": 0.75,
        "precision/positive_threshold_0.25/cure": 2 / 3,
        "recall/positive_threshold_0.25/cure": 1.0,
        "accuracy/positive_threshold_0.7/cure": 0.75,
        "precision/positive_threshold_0.7/cure": 1.0,
        "recall/positive_threshold_0.7/cure": 0.5,
    }
    assert {key: found[key] for key in found if "threshold" in key} == pytest.approx(expected)


# What the BinaryClassHead of tensorflow-estimator 2.15.0 answers to the batches below.
ORIGINAL_LOSSES = [0.6830470561981201, 0.7938562035560608]
ORIGINAL_METRICS = {
    "average_loss": 0.4799889326095581,
    "accuracy": 0.7222222089767456,
    "precision": 0.7142857313156128,
    "recall": 0.625,
    "prediction/mean": 0.3801826238632202,
    "label/mean": 0.4444444477558136,
    "accuracy_baseline": 0.5555555820465088,
    "auc": 0.824999988079071,
    "auc_precision_recall": 0.6990067958831787,
}


def test_the_numbers_of_the_original(run):
    logits = np.array([[-1.5], [0.3], [2.2], [-0.4], [0.9], [-2.1]], np.float32)
    labels = np.array([[0], [1], [1], [1], [0], [0]])
    weights = np.array([[1.0], [2.0], [0.5], [1.5], [1.0], [3.0]], np.float32)
    head = BinaryClassHead(weight_column="w")
    found = run(
        head,
        ModeKeys.EVAL,
        ({"w": weights[:4]}, labels[:4], logits[:4]),
        ({"w": weights[4:]}, labels[4:], logits[4:]),
    )
    assert found.losses == pytest.approx(ORIGINAL_LOSSES, rel=1e-5)
    assert found.metrics == pytest.approx(ORIGINAL_METRICS, rel=1e-5)


@pytest.mark.parametrize("labels", [LABELS, np.zeros([4, 1], np.int64), np.ones([4, 1], np.int64)])
def test_areas_with_a_v1_reduction_are_those_of_the_v1_metric(run, labels):
    logits = np.array([[2.0], [0.5], [0.5], [-3.0]], np.float32)  # Two are at the same point.
    head = BinaryClassHead(loss_reduction=v1.losses.Reduction.SUM, weight_column="w")
    found = run(head, ModeKeys.EVAL, ({"w": WEIGHTS + 1}, labels, logits)).metrics
    for key, curve in (("auc", "ROC"), ("auc_precision_recall", "PR")):
        with tf.Graph().as_default(), v1.Session() as session:
            value, update = v1.metrics.auc(labels, sigmoid(logits), WEIGHTS + 1, curve=curve)
            session.run(v1.local_variables_initializer())
            session.run(update)
            assert found[key] == pytest.approx(session.run(value), rel=1e-5), key


def test_export_outputs(run):
    head = BinaryClassHead(label_vocabulary=["no", "yes"])
    spec = run(head, ModeKeys.PREDICT, ({}, LABELS, LOGITS)).spec
    outputs = spec.export_outputs
    assert list(outputs) == ["serving_default", "classification", "regression", "predict"]
    assert outputs["serving_default"] is outputs["classification"]
    assert isinstance(outputs["classification"], ClassificationOutput)
    assert outputs["classification"].scores is spec.predictions["probabilities"]
    assert outputs["classification"].classes.shape.as_list() == [None, 2]
    assert isinstance(outputs["regression"], RegressionOutput)
    assert outputs["regression"].value is spec.predictions["logistic"]
    assert isinstance(outputs["predict"], PredictOutput)
    assert outputs["predict"].outputs == spec.predictions


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"thresholds": [0.0]}, ValueError, "threshold must be between 0 and 1, exclusive"),
        ({"thresholds": [0.5, 1.0]}, ValueError, "received 1.0"),
        ({"thresholds": ["half"]}, TypeError, "threshold must be a number"),
        ({"label_vocabulary": "ab"}, ValueError, "must be a list or a tuple; received 'ab'"),
        ({"label_vocabulary": {"a", "b"}}, TypeError, "must be a list or a tuple"),
        ({"label_vocabulary": ["a"]}, ValueError, "must have n_classes=2 items"),
        ({"label_vocabulary": [1, 2]}, TypeError, "Every word of label_vocabulary"),
        ({"weight_column": 3}, TypeError, "must be a string or a numeric column; received 3"),
        ({"loss_reduction": "none"}, ValueError, "loss_reduction must be one of"),
        ({"loss_reduction": None}, ValueError, "loss_reduction must be one of"),
        ({"loss_fn": 3}, TypeError, "loss_fn must be callable"),
        ({"loss_fn": lambda labels: labels}, ValueError, "Its arguments are labels"),
        ({"loss_fn": lambda labels, logits, x: x}, ValueError, "must take labels and logits"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        BinaryClassHead(**arguments)


def test_properties():
    head = BinaryClassHead(name="cure", loss_reduction=tf.compat.v1.losses.Reduction.SUM)
    assert (head.name, head.logits_dimension, head.loss_reduction) == ("cure", 1, "weighted_sum")
    assert BinaryClassHead().name is None
    assert BinaryClassHead().loss_reduction == "sum_over_batch_size"
