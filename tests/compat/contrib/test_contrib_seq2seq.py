"""tf.contrib.seq2seq.sequence_loss, by NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib.seq2seq import sequence_loss

v1 = tf.compat.v1
pytestmark = pytest.mark.usefixtures("graph")

LOGITS = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("f4")
TARGETS = np.random.default_rng(1).integers(0, 5, size=(3, 4))
WEIGHTS = np.array([[1, 1, 0.5, 2], [1, 1, 0, 0], [0, 0, 0, 0]], "f4")
NORMS = np.log(np.exp(LOGITS).sum(-1))
LOSSES = (NORMS - np.take_along_axis(LOGITS, TARGETS[..., np.newaxis], 2)[..., 0]) * WEIGHTS


def divided(total, by):
    return np.divide(total, by, out=np.zeros_like(total), where=by != 0)


@pytest.mark.parametrize(
    ("averages", "sums", "wanted"),
    [
        ((True, True), (False, False), LOSSES.sum() / WEIGHTS.sum()),
        ((False, False), (True, True), LOSSES.sum() / np.count_nonzero(WEIGHTS)),
        ((False, False), (False, False), LOSSES),
        ((True, False), (False, False), divided(LOSSES.sum(1), WEIGHTS.sum(1))),
        ((False, True), (False, False), divided(LOSSES.sum(0), WEIGHTS.sum(0))),
        ((False, False), (True, False), divided(LOSSES.sum(1), np.count_nonzero(WEIGHTS, 1))),
        ((False, False), (False, True), divided(LOSSES.sum(0), np.count_nonzero(WEIGHTS, 0))),
    ],
)
def test_what_is_reduced(averages, sums, wanted):
    loss = sequence_loss(LOGITS, TARGETS, tf.constant(WEIGHTS), *averages, *sums)
    with v1.Session() as session:
        np.testing.assert_allclose(session.run(loss), wanted, rtol=1e-5)


def test_a_loss_of_the_user():
    def loss_of(labels, logits):
        assert labels.shape.as_list() == [12]
        return tf.reduce_sum(logits, 1)

    loss = sequence_loss(LOGITS, TARGETS, WEIGHTS, softmax_loss_function=loss_of)
    with v1.Session() as session:
        wanted = (LOGITS.sum(2) * WEIGHTS).sum() / WEIGHTS.sum()
        assert session.run(loss) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("arrays", "options"),
    [
        ((LOGITS[0], TARGETS, WEIGHTS), {}),
        ((LOGITS, TARGETS[0], WEIGHTS), {}),
        ((LOGITS, TARGETS, WEIGHTS[0]), {}),
        ((LOGITS, TARGETS, WEIGHTS), {"sum_over_batch": True}),
        ((LOGITS, TARGETS, WEIGHTS), {"sum_over_timesteps": True}),
    ],
)
def test_wrong_arguments(arrays, options):
    with pytest.raises(ValueError, match="must be"):
        sequence_loss(*arrays, **options)
