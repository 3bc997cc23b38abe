"""SequentialHead: each step of a sequence counts as an example."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.heads import (
    BinaryClassHead,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    RegressionHead,
    SequentialHead,
)
from tf_estimator.spec import ModeKeys

MASK = np.array([[True, True, False], [True, False, False]])
LOGITS = np.array([[[1.0], [2.0], [3.0]], [[-1.0], [0.0], [4.0]]], np.float32)
LABELS = np.array([[0, 1, 1], [1, 0, 0]])
WEIGHTS = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 1.0]], np.float32)
LOSSES = np.log1p(np.exp([1.0, -2.0, 1.0]))  # of the three steps there are
FEATURES = {"sequence_length_mask": MASK, "w": WEIGHTS}


def tensors(values):
    return {key: tf.constant(one) for key, one in values.items()}


def sparse(indices, values, shape):
    return tf.sparse.SparseTensor(indices, tf.constant(values), shape)


@pytest.mark.parametrize(
    ("labels", "vocabulary"),
    [
        (LABELS, None),
        (LABELS[..., np.newaxis], None),
        (np.array([["no", "yes", ""], ["yes", "", ""]]), ["no", "yes"]),
        (sparse([[0, 0], [0, 1], [1, 0]], [0, 1, 1], [2, 3]), None),
        (sparse([[0, 0], [0, 1], [1, 0]], [0, 1, 1], [2, 2]), None),
        (sparse([[0, 0, 0], [0, 1, 0], [1, 0, 0]], [0, 1, 1], [2, 3, 1]), None),
        (sparse([[0, 0], [0, 1], [1, 0]], ["no", "yes", "yes"], [2, 3]), ["no", "yes"]),
        (tf.ragged.constant([[0, 1], [1]]), None),
    ],
)
def test_padding_counts_in_nothing(labels, vocabulary):
    head = SequentialHead(BinaryClassHead(label_vocabulary=vocabulary))
    labels = tf.constant(labels) if isinstance(labels, np.ndarray) else labels
    loss = head.loss(labels, tf.constant(LOGITS), tensors(FEATURES))
    np.testing.assert_allclose(loss, LOSSES.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("columns", "known"),
    [("w", True), (["w"], False), (tf.feature_column.numeric_column("w"), True), ({"w"}, False)],
)
def test_weights_of_steps(run, columns, known):
    head = SequentialHead(BinaryClassHead(weight_column="w"), feature_columns=columns)
    found = run(head, ModeKeys.EVAL, (FEATURES, LABELS, LOGITS), known=known)
    weighted = LOSSES * [1.0, 2.0, 2.0]
    assert found.losses == pytest.approx([weighted.sum() / 3], rel=1e-5)
    assert found.metrics["average_loss"] == pytest.approx(weighted.sum() / 5, rel=1e-5)
    assert found.metrics["label/mean"] == pytest.approx(4 / 5)


@pytest.mark.parametrize(
    ("static_head", "labels"),
    [
        (MultiClassHead(3), [[0, 1, 2], [2, 0, 0]]),
        (RegressionHead(3), np.ones([2, 3, 3], np.float32)),
        (MultiLabelHead(3), np.ones([2, 3, 3], np.int64)),
    ],
)
def test_the_head_is_applied_to_each_step(run, static_head, labels):
    labels, logits = np.array(labels), np.arange(18, dtype=np.float32).reshape(2, 3, 3) / 9
    found = run(
        SequentialHead(static_head),
        ModeKeys.EVAL,
        ({"sequence_length_mask": MASK}, labels, logits),
    )
    flat = run(static_head, ModeKeys.EVAL, ({}, labels[MASK], logits[MASK]))
    assert found.losses == pytest.approx(flat.losses)
    assert found.metrics == pytest.approx(flat.metrics)


def test_predictions_keep_the_sequence_and_have_the_mask(run):
    head = SequentialHead(BinaryClassHead(), sequence_length_mask="steps")
    found = run(head, ModeKeys.PREDICT, ({"steps": MASK}, LABELS, LOGITS))
    assert found.predictions["logistic"].shape == (2, 3, 1)
    assert found.predictions["classes"].shape == (2, 3, 1)
    np.testing.assert_array_equal(found.predictions["steps"], MASK)
    assert "steps" not in found.spec.export_outputs["predict"].outputs
    assert set(found.spec.export_outputs) == {
        "serving_default",
        "classification",
        "regression",
        "predict",
    }


def test_training(run):
    head = SequentialHead(RegressionHead())
    labels = LABELS.astype(np.float32)
    found = run(head, ModeKeys.TRAIN, (FEATURES, labels, LOGITS))
    gradient = 2 * (LOGITS[..., 0] - labels)[MASK].mean()
    assert found.shift == pytest.approx(-0.1 * gradient, rel=1e-5)
    assert set(found.summaries) == {"loss"}


@pytest.mark.parametrize(
    ("features", "labels", "logits", "message"),
    [
        (
            {},
            LABELS,
            LOGITS,
            r"The sequence mask 'sequence_length_mask' must be among the features",
        ),
        (None, LABELS, LOGITS, "must be among the features; received None"),
        (
            {"sequence_length_mask": MASK[0]},
            LABELS,
            LOGITS,
            r"must have the shape \[batch, steps\]",
        ),
        (FEATURES, LABELS[:, :2], LOGITS, r"labels must have a value for each step.*\(2, 2\)"),
        (FEATURES, LABELS, LOGITS[:, :2], r"logits must have a value for each step.*\(2, 2, 1\)"),
        (FEATURES, None, LOGITS, "labels must be a Tensor; received None"),
        (
            FEATURES,
            sparse([[0, 0], [1, 0]], [0, 1], [2, 3]),
            LOGITS,
            r"and no other; received values.*\[\[0, 0\], \[1, 0\]\]",
        ),
        (
            FEATURES,
            sparse([[0, 0], [1, 0], [1, 1]], [0, 1, 1], [2, 3]),
            LOGITS,
            "a value for each step of the sequence mask, and no other",
        ),
    ],
)
def test_wrong_batches(features, labels, logits, message):
    features = None if features is None else tensors(features)
    labels = tf.constant(labels) if isinstance(labels, np.ndarray) else labels
    with pytest.raises(ValueError, match=message):
        SequentialHead(BinaryClassHead()).loss(labels, tf.constant(logits), features)


def test_a_step_too_few_is_found_when_the_graph_runs(run):
    head = SequentialHead(BinaryClassHead())
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels must have a value for each"):
        run(head, ModeKeys.TRAIN, (FEATURES, LABELS[:, :2], LOGITS), known=False)


def test_a_feature_for_the_steps_that_is_missing():
    head = SequentialHead(BinaryClassHead(), feature_columns="price")
    with pytest.raises(ValueError, match="The sequence feature 'price' must be among the features"):
        head.loss(tf.constant(LABELS), tf.constant(LOGITS), tensors(FEATURES))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3,), TypeError, "static_head must be an instance of Head"),
        ((BinaryClassHead(), 3), TypeError, "sequence_length_mask must be an instance of str"),
        ((BinaryClassHead(), "mask", 3), TypeError, "feature_columns must be keys"),
        ((BinaryClassHead(), "mask", ["a", 3]), TypeError, "feature_columns must be keys"),
        ((MultiHead([BinaryClassHead(name="a")]),), ValueError, "Make a model for each"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        SequentialHead(*arguments)


def test_properties_are_those_of_the_static_head():
    static_head = MultiClassHead(4, name="word", loss_reduction="sum")
    head = SequentialHead(static_head, "mask")
    assert (head.name, head.logits_dimension, head.loss_reduction) == ("word", 4, "sum")
    assert head.static_head is static_head
    assert head.input_sequence_mask_key == "mask"
    assert list(head.predictions(tf.zeros([1, 2, 4]), keys=["class_ids"])) == ["class_ids"]
