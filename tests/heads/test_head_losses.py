"""Loss reductions of both versions of the API, and losses of one's own."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.heads import BinaryClassHead, MultiClassHead, MultiLabelHead, RegressionHead

V1 = tf.compat.v1.losses.Reduction

LOGITS = tf.constant([[1.0, 2.0], [3.0, 0.0]])
ZEROS = tf.zeros([2, 2])  # the squared errors are 1, 4, 9, 0


@pytest.mark.parametrize(
    ("reduction", "weights", "expected"),
    [
        ("sum", [2.0, 0.0], 10.0),
        ("sum_over_batch_size", [2.0, 0.0], 10 / 4),
        ("auto", [2.0, 0.0], 10 / 4),
        (V1.SUM, [2.0, 0.0], 10.0),
        (V1.SUM_OVER_BATCH_SIZE, [2.0, 0.0], 10 / 4),
        (V1.MEAN, [2.0, 0.0], 10 / 4),
        (V1.MEAN, [3.0, 0.5], 19.5 / 7),
        (V1.SUM_BY_NONZERO_WEIGHTS, [2.0, 0.0], 10 / 2),
        (V1.SUM_BY_NONZERO_WEIGHTS, [[2.0, 1.0], [0.0, 1.0]], 6 / 3),
        *((one, None, 14 / 4) for one in (V1.MEAN, V1.SUM_BY_NONZERO_WEIGHTS, "auto")),
        *((one, None, 14.0) for one in (V1.SUM, "sum")),
        # Nothing to divide by.
        (V1.MEAN, [0.0, 0.0], 0.0),
        (V1.SUM_BY_NONZERO_WEIGHTS, [0.0, 0.0], 0.0),
    ],
)
def test_reductions(reduction, weights, expected):
    head = RegressionHead(
        2, weight_column=None if weights is None else "w", loss_reduction=reduction
    )
    assert head.loss_reduction == reduction
    features = None if weights is None else {"w": tf.constant(weights)}
    np.testing.assert_allclose(head.loss(ZEROS, LOGITS, features), expected, rtol=1e-6)


def test_an_empty_batch_has_no_loss():
    assert float(RegressionHead().loss(tf.zeros([0, 1]), tf.zeros([0, 1]))) == 0


@pytest.mark.parametrize(
    ("make", "labels", "logits"),
    [
        (BinaryClassHead, [[0], [1]], [[1.0], [2.0]]),
        (RegressionHead, [[0.0], [1.0]], [[1.0], [2.0]]),
        (lambda **k: MultiClassHead(3, **k), [[0], [2]], [[1.0, 0.0, 0.0]] * 2),
        (lambda **k: MultiLabelHead(3, **k), [[0, 1, 1]] * 2, [[1.0, 0.0, 0.0]] * 2),
    ],
)
@pytest.mark.parametrize(
    "loss_fn",
    [
        lambda labels, logits: tf.constant([[1.0], [5.0]]),
        lambda logits, labels: tf.constant([1.0, 5.0])[:, tf.newaxis],
        lambda labels, logits: np.array([[1], [5]]),
        lambda labels, logits, features: features["x"],
        lambda labels, logits, features, loss_reduction: features[loss_reduction],
        lambda labels, logits, **others: tf.constant([[1.0], [5.0]], tf.float64),
    ],
)
def test_a_loss_function(make, labels, logits, loss_fn):
    x = tf.constant([[1.0], [5.0]])
    features = {"x": x, "sum": x, "w": tf.constant([2.0, 1.0])}
    head = make(loss_fn=loss_fn, loss_reduction="sum", weight_column="w")
    assert float(head.loss(tf.constant(labels), tf.constant(logits), features)) == 7.0


@pytest.mark.parametrize(
    ("losses", "received"),
    [(tf.constant(1.0), r"\(\)"), (tf.zeros([2]), r"\(2,\)"), (tf.zeros([2, 2]), r"\(2, 2\)")],
)
def test_a_loss_function_that_returns_another_shape(losses, received):
    head = BinaryClassHead(loss_fn=lambda labels, logits: losses)
    message = rf"What loss_fn returns must .*\[D0, D1, ... DN, 1\].*received.*{received}"
    with pytest.raises(ValueError, match=message):
        head.loss(tf.constant([0, 1]), tf.constant([[1.0], [2.0]]))


def test_a_loss_function_gets_the_labels_as_the_head_needs_them():
    seen = []

    def loss_fn(labels, logits):
        seen.append(labels)
        return tf.zeros_like(logits[:, :1])

    words = tf.constant(["b", "a"])
    BinaryClassHead(loss_fn=loss_fn, label_vocabulary=["a", "b"]).loss(words, tf.zeros([2, 1]))
    head = MultiClassHead(3, loss_fn=loss_fn, label_vocabulary=["a", "b", "c"])
    head.loss(words, tf.zeros([2, 3]))
    MultiLabelHead(3, loss_fn=loss_fn).loss(tf.ragged.constant([[2], [0, 1]]), tf.zeros([2, 3]))
    assert [one.numpy().tolist() for one in seen] == [
        [[1.0], [0.0]],
        [[1], [0]],
        [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]],
    ]


def test_regularization_losses_are_added():
    for losses in ([tf.constant(1.0), tf.constant(2.0)], (tf.constant(3.0),), tf.constant(3.0)):
        found = RegressionHead(2).loss(ZEROS, LOGITS, regularization_losses=losses)
        np.testing.assert_allclose(found, 14 / 4 + 3)
    np.testing.assert_allclose(
        RegressionHead(2).loss(ZEROS, LOGITS, regularization_losses=[]), 14 / 4
    )
