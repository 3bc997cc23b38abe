"""MultiClassHead: labels it takes, what it predicts, measures and exports."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.heads import MultiClassHead
from tf_estimator.spec import ClassificationOutput, ModeKeys

LOGITS = np.array([[1.0, 4.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.5, 1.0]], np.float32)
LABELS = np.array([[1], [2], [2]])
WORDS = ["cat", "dog", "cow"]
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
LOSSES = -np.log(np.take_along_axis(PROBABILITIES, LABELS, -1))


@pytest.mark.parametrize(
    ("labels", "vocabulary"),
    [
        (LABELS, None),
        (LABELS[:, 0], None),
        (LABELS.astype(np.int32), None),
        (LABELS.astype(np.uint8), None),
        (np.array(WORDS)[LABELS], WORDS),
        (np.array(WORDS)[LABELS][:, 0], tuple(WORDS)),
    ],
)
def test_labels_may_be_ids_or_words(labels, vocabulary):
    head = MultiClassHead(3, label_vocabulary=vocabulary)
    loss = head.loss(tf.constant(labels), tf.constant(LOGITS))
    np.testing.assert_allclose(loss, LOSSES.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "vocabulary", "message"),
    [
        ([[3], [0], [0]], None, r"labels must be from 0 to 2; received \[\[3\]"),
        ([[-1], [0], [0]], None, "labels must be from 0 to 2"),
        ([[1.0], [0.0], [2.0]], None, "labels must be integers.*received tf.float32"),
        ([["cat"], ["dog"], ["cow"]], None, "give the head a label_vocabulary"),
        ([["cat"], ["emu"], ["cow"]], WORDS, r"in the label_vocabulary \['cat', 'dog', 'cow'\]"),
        ([[0], [1], [2]], WORDS, "must be strings"),
        ([[0, 1, 0]] * 3, None, r"labels must have the shape.*received the shape \(3, 3\)"),
    ],
)
def test_wrong_labels(labels, vocabulary, message):
    head = MultiClassHead(3, label_vocabulary=vocabulary)
    with pytest.raises(ValueError, match=message):
        head.loss(tf.constant(labels), tf.constant(LOGITS))


def test_predictions():
    head = MultiClassHead(3, label_vocabulary=WORDS)
    found = {key: one.numpy() for key, one in head.predictions(tf.constant(LOGITS)).items()}
    assert list(found) == [
        "logits", "probabilities", "class_ids", "classes", "all_class_ids", "all_classes",
    ]  # fmt: skip
    np.testing.assert_allclose(found["probabilities"], PROBABILITIES, rtol=1e-6)
    np.testing.assert_array_equal(found["class_ids"], [[1], [0], [2]])
    np.testing.assert_array_equal(found["classes"], [[b"dog"], [b"cat"], [b"cow"]])
    np.testing.assert_array_equal(found["all_class_ids"], [[0, 1, 2]] * 3)
    np.testing.assert_array_equal(found["all_classes"], [[b"cat", b"dog", b"cow"]] * 3)


@pytest.mark.parametrize("weights", [None, np.array([[1.0], [0.5], [2.0]], np.float32)])
@pytest.mark.parametrize("name", [None, "animal"])
def test_metrics_over_batches(run, weights, name):
    head = MultiClassHead(3, weight_column=None if weights is None else "w", name=name)
    count = np.ones_like(LOSSES) if weights is None else weights
    batches = [({"w": count[n : n + 2]}, LABELS[n : n + 2], LOGITS[n : n + 2]) for n in (0, 2)]
    suffix = "" if name is None else "/animal"
    expected = {
        f"accuracy{suffix}": (np.array([[1], [0], [1]]) * count).sum() / count.sum(),
        f"average_loss{suffix}": (LOSSES * count).sum() / count.sum(),
    }
    assert run(head, ModeKeys.EVAL, *batches).metrics == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_higher_rank(run):
    logits, labels = LOGITS.reshape(1, 3, 3), LABELS.reshape(1, 3, 1)
    weights = np.array([[[1.0], [0.5], [2.0]]], np.float32)
    head = MultiClassHead(3, weight_column="w")
    found = run(head, ModeKeys.EVAL, ({"w": weights}, labels, logits))
    flat = (LOSSES * weights[0]).sum()
    assert found.losses == pytest.approx([flat / 3], rel=1e-5)
    expected = {"accuracy": 3 / 3.5, "average_loss": flat / 3.5}
    assert found.metrics == pytest.approx(expected, rel=1e-5)
    # Without the last dimension as well.
    batch = ({"w": weights[..., 0]}, labels[..., 0], logits)
    assert run(head, ModeKeys.EVAL, batch).losses == pytest.approx(found.losses)


def test_export_outputs(run):
    spec = run(MultiClassHead(3), ModeKeys.PREDICT, ({}, LABELS, LOGITS)).spec
    outputs = spec.export_outputs
    assert list(outputs) == ["serving_default", "classification", "predict"]
    assert isinstance(outputs["serving_default"], ClassificationOutput)
    assert outputs["serving_default"].scores is spec.predictions["probabilities"]
    assert outputs["predict"].outputs == spec.predictions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_classes": 2}, "n_classes must be an integer of at least 3; received 2"),
        ({"n_classes": None}, "n_classes must be an integer of at least 3; received None"),
        ({"n_classes": "3"}, "n_classes must be an integer"),
        ({"n_classes": 3.0}, "n_classes must be an integer"),
        ({"n_classes": 3, "label_vocabulary": ["a", "b"]}, "must have n_classes=3 items"),
        ({"n_classes": 3, "label_vocabulary": "abc"}, "must be a list or a tuple"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiClassHead(**arguments)


def test_n_classes_may_be_of_numpy():
    assert MultiClassHead(np.int64(3)).logits_dimension == 3
