"""The Keras that heads take their metrics from."""

import tensorflow as tf

from tf_estimator.heads import BinaryClassHead, MultiLabelHead
from tf_estimator.heads.metrics import keras_metrics


def test_they_are_metrics_of_keras():
    made = BinaryClassHead(thresholds=[0.5]).metrics([tf.constant(1.0)])
    assert {type(one).__module__.partition(".")[0] for one in made.values()} <= {
        "keras",
        "tf_keras",
        "tf_estimator",
    }
    metrics = keras_metrics()
    assert isinstance(made["accuracy"], metrics.Accuracy)
    assert isinstance(made["accuracy/positive_threshold_0.5"], metrics.BinaryAccuracy)
    assert isinstance(made["auc"], metrics.AUC)
    assert isinstance(made["accuracy_baseline"], metrics.Metric)
    assert isinstance(made["regularization_loss"], metrics.Mean)
    assert made["label/mean"].name == "label/mean"


def test_new_ones_each_time():
    head = MultiLabelHead(3)
    assert not set(map(id, head.metrics().values())) & set(map(id, head.metrics().values()))
