"""tf.contrib.metrics: predictions first, and what tf.compat.v1.metrics has not."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import metrics

v1 = tf.compat.v1
pytestmark = pytest.mark.usefixtures("graph")

LABELS = np.array([1, 0, 1, 1, 0, 0, 1, 0])
SCORES = np.array([0.9, 0.1, 0.4, 0.7, 0.6, 0.3, 0.2, 0.5], "f4")
PREDICTED = (SCORES > 0.45).astype(int)
WEIGHTS = np.array([1, 2, 0, 1, 1, 0.5, 1, 3], "f4")


def in_batches(metric, *arrays, **options):
    """The value of a metric after batches of 4, before and after the last one."""
    batches = tf.data.Dataset.from_tensor_slices(arrays).batch(4)
    value, update = metric(*v1.data.make_one_shot_iterator(batches).get_next(), **options)
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        session.run(update)
        last = session.run(update)
        found = session.run(value)
        if metric.__name__ not in ("mean_iou", "streaming_mean_iou"):  # It gives what it counted.
            np.testing.assert_allclose(last, found, rtol=1e-6)
        return found


STREAMING = {
    "accuracy": (PREDICTED, LABELS),
    "auc": (SCORES, LABELS.astype(bool)),
    "false_negatives": (PREDICTED, LABELS),
    "false_positives": (PREDICTED, LABELS),
    "mean_absolute_error": (SCORES, LABELS.astype("f4")),
    "mean_iou": (PREDICTED, LABELS),
    "mean_squared_error": (SCORES, LABELS.astype("f4") + 1),
    "precision": (PREDICTED, LABELS),
    "recall": (PREDICTED, LABELS),
    "root_mean_squared_error": (SCORES, LABELS.astype("f4")),
    "sensitivity_at_specificity": (SCORES, LABELS),
    "specificity_at_sensitivity": (SCORES, LABELS),
    "true_negatives": (PREDICTED, LABELS),
    "true_positives": (PREDICTED, LABELS),
}
OPTIONS = {
    "mean_iou": {"num_classes": 2},
    "sensitivity_at_specificity": {"specificity": 0.5},
    "specificity_at_sensitivity": {"sensitivity": 0.5},
}


@pytest.mark.parametrize("name", STREAMING)
def test_predictions_come_first(name):
    predictions, labels = STREAMING[name]
    options = OPTIONS.get(name, {})
    ours = in_batches(getattr(metrics, f"streaming_{name}"), predictions, labels, **options)
    theirs = in_batches(getattr(v1.metrics, name), labels, predictions, **options)
    assert ours == theirs


@pytest.mark.parametrize("name", [one for one in metrics.__all__ if one.startswith("streaming")])
def test_all_of_them_begin_so(name):
    assert list(inspect.signature(getattr(metrics, name)).parameters)[:2] == [
        "predictions",
        "labels",
    ]


def test_recall_and_precision_are_not_swapped():
    assert in_batches(metrics.streaming_recall, PREDICTED, LABELS) == 0.5
    assert in_batches(metrics.streaming_precision, PREDICTED, LABELS) == 0.5
    all_ones = np.ones_like(LABELS)
    assert in_batches(metrics.streaming_recall, all_ones, LABELS) == 1
    assert in_batches(metrics.streaming_precision, all_ones, LABELS) == 0.5


def test_accuracy_of_a_batch():
    with v1.Session() as session:
        plain = session.run(metrics.accuracy(PREDICTED, LABELS))
        weighted = session.run(metrics.accuracy(PREDICTED, LABELS, WEIGHTS))
    right = PREDICTED == LABELS
    assert plain == pytest.approx(right.mean())
    assert weighted == pytest.approx((right * WEIGHTS).sum() / WEIGHTS.sum())
    with pytest.raises(ValueError, match="same dtype"):
        metrics.accuracy(SCORES, LABELS)
    with pytest.raises(ValueError, match="same dtype"):
        metrics.accuracy(SCORES, SCORES)
    with pytest.raises(ValueError, match="incompatible"):
        metrics.accuracy(PREDICTED, LABELS[:3])


def f1(threshold, weights):
    hit = (threshold < SCORES) * weights
    tp, fp = np.sum(hit * LABELS), np.sum(hit * (1 - LABELS))
    return 2 * tp / (2 * tp + fp + np.sum(weights * LABELS) - tp)


@pytest.mark.parametrize("weights", [np.ones(8, "f4"), WEIGHTS])
def test_f1_score_is_the_best_of_all_thresholds(weights):
    found = in_batches(metrics.f1_score, LABELS, SCORES, weights)
    assert found == pytest.approx(max(f1(n / 199, weights) for n in range(200)), rel=1e-5)
    few = in_batches(metrics.f1_score, LABELS, SCORES, weights, num_thresholds=3, name="few")
    assert few == pytest.approx(max(f1(one, weights) for one in (-1, 0.5, 2)), rel=1e-5)


@pytest.mark.parametrize("offset", [0, 1000])
def test_covariance_and_correlation(offset):
    x, y = SCORES + offset, LABELS.astype("f4") - offset
    assert in_batches(metrics.streaming_covariance, x, y) == pytest.approx(
        np.cov(SCORES, LABELS)[0, 1], rel=1e-3
    )
    assert in_batches(metrics.streaming_pearson_correlation, x, y) == pytest.approx(
        np.corrcoef(SCORES, LABELS)[0, 1], rel=1e-3
    )


def test_weighted_correlation():
    found = in_batches(metrics.streaming_pearson_correlation, SCORES, LABELS, WEIGHTS)
    c = np.cov(SCORES, LABELS, aweights=WEIGHTS)
    assert found == pytest.approx(c[0, 1] / np.sqrt(c[0, 0] * c[1, 1]), rel=1e-5)


def test_collections_and_local_variables():
    value, update = metrics.f1_score(
        LABELS, SCORES, metrics_collections=["m"], updates_collections=["u"]
    )
    metrics.streaming_pearson_correlation(SCORES, SCORES, None, ["m"], ["u"])
    assert v1.get_collection("m")[0] is value
    assert v1.get_collection("u")[0] is update
    assert len(v1.get_collection("m")) == len(v1.get_collection("u")) == 2
    assert not v1.global_variables()
    assert set(v1.local_variables()) == set(v1.get_collection(v1.GraphKeys.METRIC_VARIABLES))


def test_aggregates():
    assert metrics.aggregate_metrics((1, 2), (3, 4)) == ([1, 3], [2, 4])
    assert metrics.aggregate_metric_map({"a": (1, 2)}) == ({"a": 1}, {"a": 2})
    with pytest.raises(ValueError, match="one pair"):
        metrics.aggregate_metrics()
