"""Shapes, labels and weights: checked when the graph is built, else when it runs."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.heads import BinaryClassHead, MultiClassHead, RegressionHead
from tf_estimator.spec import ModeKeys

v1 = tf.compat.v1

LOGITS = np.array([[1.0], [3.0]], np.float32)
LABELS = np.array([[0], [1]])


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("labels", [LABELS, LABELS[:, 0]])
@pytest.mark.parametrize("weights", [[[1.0], [2.0]], [1.0, 2.0]])
def test_shapes_need_not_be_known_before_the_graph_runs(run, known, labels, weights):
    head = BinaryClassHead(weight_column="w")
    features = {"w": np.array(weights, np.float32)}
    found = run(head, ModeKeys.TRAIN, (features, labels, LOGITS), known=known)
    losses = np.log1p(np.exp([1.0, -3.0]))
    assert found.losses == pytest.approx([(losses * [1, 2]).sum() / 2], rel=1e-5)


@pytest.mark.parametrize("known", [True, False])
def test_weights_of_each_number_of_a_label(run, known):
    head = RegressionHead(2, weight_column="w")
    for weights, expected in (([[1.0, 2.0]], 9 / 2), ([[3.0]], 15 / 2), ([3.0], 15 / 2)):
        logits = np.array([[1.0, 2.0]], np.float32)
        batch = ({"w": np.array(weights, np.float32)}, np.zeros([1, 2]), logits)
        assert run(head, ModeKeys.TRAIN, batch, known=known).losses == pytest.approx([expected])


@pytest.mark.parametrize(
    ("features", "labels", "logits", "message"),
    [
        ([[1.0], [1.0]], [[0], [1], [1]], LOGITS, "labels must have the shape"),
        ([[1.0], [1.0]], [[0, 1], [1, 0]], LOGITS, "labels must have the shape"),
        ([[1.0], [1.0]], 1, LOGITS, "labels must have the shape"),
        ([[1.0]], LABELS, LOGITS, r"The weight column .*w.* must have the shape"),
        ([[1.0, 2.0], [1.0, 2.0]], LABELS, LOGITS, r"The weight column .*w.* must have the shape"),
        ([[1.0], [1.0]], LABELS, [[1.0, 2.0], [1.0, 2.0]], "logits must have the shape"),
        ([[1.0], [1.0]], LABELS, [1.0, 2.0], "logits must have the shape"),
        ([[1.0], [1.0]], [[0], [7]], LOGITS, "labels must be from 0 to 1"),
    ],
)
def test_what_is_not_known_before_is_an_error_when_the_graph_runs(
    run, features, labels, logits, message
):
    batch = ({"w": np.array(features, np.float32)}, labels, np.array(logits, np.float32))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(BinaryClassHead(weight_column="w"), ModeKeys.TRAIN, batch, known=False)


@pytest.mark.parametrize(
    ("weights", "labels", "message"),
    [
        ([[1.0], [1.0]], [[0], [1], [1]], "labels must have the shape"),
        ([[1.0]], LABELS, r"The weight column .*w.* must have the shape"),
    ],
)
def test_a_row_too_many_is_an_error_when_the_graph_runs(run, weights, labels, message):
    batch = ({"w": np.array(weights, np.float32)}, labels, LOGITS)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(BinaryClassHead(weight_column="w"), ModeKeys.TRAIN, batch)


def test_what_is_known_is_an_error_when_the_graph_is_built(run):
    with pytest.raises(
        ValueError, match=r"labels must have the shape.*received the shape \(None, 2\)"
    ):
        run(BinaryClassHead(), ModeKeys.TRAIN, ({}, [[0, 1]], LOGITS[:1]))
    with pytest.raises(ValueError, match=r"\[D0, D1, ... DN, 1\]; received the shape \(None, 2\)"):
        run(BinaryClassHead(), ModeKeys.TRAIN, ({}, [[0]], LOGITS.T))


@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL])
def test_a_label_that_is_not_in_the_vocabulary_is_an_error_when_the_graph_runs(run, mode):
    head = MultiClassHead(3, label_vocabulary=["cat", "dog", "cow"])
    batch = ({}, np.array([["emu"]]), np.zeros([1, 3], np.float32))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"in the label_vocabulary(.|\s)*emu"):
        run(head, mode, batch)


@pytest.mark.parametrize(
    ("column", "weights", "expected"),
    [
        ("w", [[1.0], [2.0]], [1, 2]),
        ("w", [1, 2], [1, 2]),
        ("w", [True, False], [1, 0]),
        ("w", [[0.0], [0.0]], [0, 0]),
        (tf.feature_column.numeric_column("w"), [[1.0], [2.0]], [1, 2]),
        (
            tf.feature_column.numeric_column("w", normalizer_fn=lambda w: w * 10),
            [1.0, 2.0],
            [10, 20],
        ),
        (v1.feature_column.numeric_column("w"), [[1.0], [2.0]], [1, 2]),
    ],
)
def test_weights(column, weights, expected):
    loss = RegressionHead(weight_column=column).loss(
        tf.constant([[0.0], [0.0]]), tf.constant([[1.0], [2.0]]), {"w": tf.constant(weights)}
    )
    np.testing.assert_allclose(loss, (np.array(expected) * [1, 4]).sum() / 2)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"v": [1.0, 2.0]}, r"The weight column 'w' must be among the features; received \['v'\]"),
        (None, "The weight column 'w' must be among the features; received None"),
        ({"w": 2.0}, r"The weight column 'w' must have one weight for each example"),
        ({"w": [["a"], ["b"]]}, "The weight column 'w' must be numbers; received tf.string"),
        ({"w": [[1.0], [2.0], [3.0]]}, r"The weight column 'w'.*received the shape \(3, 1\)"),
        ({"w": [[1.0, 1.0]] * 2}, r"The weight column 'w'.*received the shape \(2, 2\)"),
    ],
)
def test_wrong_weights(features, message):
    head = BinaryClassHead(weight_column="w")
    features = features and {key: tf.constant(one) for key, one in features.items()}
    with pytest.raises(ValueError, match=message):
        head.loss(tf.constant(LABELS), tf.constant(LOGITS), features)


def test_sparse_weights_are_refused():
    weights = tf.sparse.from_dense([[1.0], [2.0]])
    with pytest.raises(ValueError, match=r"The weight column 'w' must be a dense Tensor"):
        BinaryClassHead(weight_column="w").loss(
            tf.constant(LABELS), tf.constant(LOGITS), {"w": weights}
        )


def test_features_are_not_read_without_a_weight_column():
    head = BinaryClassHead()
    np.testing.assert_allclose(
        head.loss(tf.constant(LABELS), tf.constant(LOGITS), features=None),
        head.loss(tf.constant(LABELS), tf.constant(LOGITS), features={"x": "anything"}),
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_logits_become_float32(dtype):
    loss = BinaryClassHead().loss(tf.constant(LABELS), tf.constant(LOGITS.astype(dtype)))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, np.log1p(np.exp([1.0, -3.0])).mean(), rtol=1e-6)


def test_inside_a_function():
    @tf.function
    def loss(labels, logits):
        return BinaryClassHead(label_vocabulary=["no", "yes"]).loss(labels, logits)

    found = loss(tf.constant(["no", "yes"]), tf.constant(LOGITS))
    np.testing.assert_allclose(found, np.log1p(np.exp([1.0, -3.0])).mean(), rtol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="in the label_vocabulary"):
        loss(tf.constant(["no", "maybe"]), tf.constant(LOGITS))
