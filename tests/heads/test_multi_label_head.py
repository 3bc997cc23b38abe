"""MultiLabelHead: labels it takes, what it predicts, measures and exports."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.heads import MultiLabelHead
from tf_estimator.spec import ClassificationOutput, ModeKeys

v1 = tf.compat.v1

LOGITS = np.array(
    [[1.0, -2.0, 0.5], [0.1, 0.2, 0.3], [-1.0, 2.0, 3.0], [4.0, -1.0, 0.0]], np.float32
)
HOT = np.array([[1, 0, 1], [0, 1, 0], [0, 1, 1], [0, 0, 1]])
WEIGHTS = np.array([[1.0], [2.0], [0.5], [1.5]], np.float32)
WORDS = ["red", "green", "blue"]
LOSSES = (np.log1p(np.exp(-LOGITS)) + (1 - HOT) * LOGITS).mean(-1, keepdims=True)
IDS = [[0, 2], [1], [1, 2], [2]]


def sparse(rows):
    return tf.ragged.constant(rows).to_sparse()


@pytest.mark.parametrize(
    ("labels", "vocabulary"),
    [
        (HOT, None),
        (HOT.astype(np.float32), None),
        (HOT.astype(bool), None),
        (HOT, WORDS),
        (sparse(IDS), None),
        (sparse(IDS), WORDS),
        (sparse([[WORDS[n] for n in row] for row in IDS]), WORDS),
        (sparse([[0, 2, 2], [1], [1, 2], [2]]), None),
        (tf.ragged.constant(IDS), None),
    ],
)
def test_labels_may_be_dense_or_sparse(labels, vocabulary):
    head = MultiLabelHead(3, label_vocabulary=vocabulary)
    if isinstance(labels, np.ndarray):
        labels = tf.constant(labels)
    loss = head.loss(labels, tf.constant(LOGITS))
    np.testing.assert_allclose(loss, LOSSES.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "vocabulary", "message"),
    [
        (tf.constant(HOT * 2), None, "labels must be from 0 to 1; received"),
        (tf.constant([[0], [1], [2], [0]]), None, r"received the shape \(4, 1\)"),
        (
            sparse([[0], [3], [1], [1]]),
            None,
            r"labels must be from 0 to 2; received \[0, 3, 1, 1\]",
        ),
        (sparse([[0], [-1], [1], [1]]), None, "labels must be from 0 to 2"),
        (sparse([[0.0], [1.0], [1.0], [1.0]]), None, "labels must be integers"),
        (sparse([["red"], ["red"], ["red"], ["red"]]), None, "give the head a label_vocabulary"),
        (sparse([["red"], ["pink"], ["red"], ["red"]]), WORDS, "b'pink'"),
        (tf.constant([["red"]] * 4), WORDS, "must be a SparseTensor of strings"),
        (sparse([[0], [1], [1]]), None, r"received the shape \(3, 3\)"),
        (None, None, "labels must be a Tensor; received None"),
    ],
)
def test_wrong_labels(labels, vocabulary, message):
    with pytest.raises(ValueError, match=message):
        MultiLabelHead(3, label_vocabulary=vocabulary).loss(labels, tf.constant(LOGITS))


def test_predictions():
    found = MultiLabelHead(3, label_vocabulary=WORDS).predictions(tf.constant(LOGITS))
    assert list(found) == ["logits", "probabilities", "classes"]
    np.testing.assert_allclose(found["probabilities"], 1 / (1 + np.exp(-LOGITS)), rtol=1e-6)
    np.testing.assert_array_equal(found["classes"], [[b"red", b"green", b"blue"]] * 4)


# What the MultiLabelHead of tensorflow-estimator 2.15.0 answers to the batches below.
ORIGINAL_LOSSES = [0.6169374585151672, 2.5122792720794678]
ORIGINAL_METRICS = {
    "average_loss": 0.8726183176040649,
    "auc": 0.6425338983535767,
    "auc_precision_recall": 0.48903611302375793,
    "accuracy/positive_threshold_0.4": 0.6333333253860474,
    "precision/positive_threshold_0.4": 0.5416666865348816,
    "recall/positive_threshold_0.4": 1.0,
    "probability_mean/class0": 0.6777016520500183,
    "auc/class0": 0.625,
    "auc_precision_recall/class0": 0.23376154899597168,
    "probability_mean/class2": 0.5995262861251831,
    "auc/class2": 0.5,
    "auc_precision_recall/class2": 0.7622166872024536,
}


def test_the_numbers_of_the_original(run):
    head = MultiLabelHead(
        3, weight_column="w", thresholds=[0.4], classes_for_class_based_metrics=[0, 2]
    )
    parts = (slice(3), slice(3, 4))
    batches = [({"w": WEIGHTS[part]}, HOT[part], LOGITS[part]) for part in parts]
    found = run(head, ModeKeys.EVAL, *batches)
    assert found.losses == pytest.approx(ORIGINAL_LOSSES, rel=1e-5)
    assert found.metrics == pytest.approx(ORIGINAL_METRICS, rel=1e-5)


def test_sparse_labels_in_a_graph(run):
    words = sparse([[WORDS[n] for n in row] for row in IDS])
    fed = v1.SparseTensorValue(
        *(one.numpy() for one in (words.indices, words.values, words.dense_shape))
    )
    head = MultiLabelHead(
        3, label_vocabulary=WORDS, classes_for_class_based_metrics=["blue"], name="colour"
    )
    found = run(head, ModeKeys.EVAL, ({}, fed, LOGITS))
    assert found.losses == pytest.approx([LOSSES.mean()], rel=1e-5)
    assert set(found.metrics) == {
        "average_loss/colour",
        "auc/colour",
        "auc_precision_recall/colour",
        "probability_mean/blue/colour",
        "auc/blue/colour",
        "auc_precision_recall/blue/colour",
    }


def test_export_outputs(run):
    spec = run(MultiLabelHead(3), ModeKeys.PREDICT, ({}, HOT, LOGITS)).spec
    assert list(spec.export_outputs) == ["serving_default", "classification", "predict"]
    assert isinstance(spec.export_outputs["serving_default"], ClassificationOutput)
    assert spec.export_outputs["predict"].outputs == spec.predictions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_classes": 1}, "n_classes must be an integer of at least 2"),
        ({"n_classes": 3, "thresholds": [2.0]}, "between 0 and 1"),
        ({"n_classes": 3, "label_vocabulary": ["a"]}, "must have n_classes=3 items"),
        ({"n_classes": 3, "classes_for_class_based_metrics": [3]}, "must be from 0 to 2"),
        ({"n_classes": 3, "classes_for_class_based_metrics": ["red"]}, "label_vocabulary"),
        (
            {
                "n_classes": 3,
                "label_vocabulary": WORDS,
                "classes_for_class_based_metrics": ["pink"],
            },
            "must be in the label_vocabulary, if it is a string; received 'pink'",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiLabelHead(**arguments)
