"""EstimatorSpec in eager execution, where there is no graph to be of."""

import copy

import pytest
import tensorflow as tf

from tf_estimator.spec import EstimatorSpec


def test_eager_tensors_are_taken() -> None:
    one = EstimatorSpec(
        "infer",
        tf.constant([1.0]),
        loss=tf.constant([2.0]),
        eval_metric_ops={"m": (tf.constant(1.0), None)},
    )
    assert one.loss.shape == ()
    assert float(one.loss) == 2.0
    assert one._replace(loss=None).loss is None


def test_tensors_of_a_graph_are_taken_too() -> None:
    with tf.Graph().as_default():
        one = EstimatorSpec("eval", loss=tf.constant(1.0), train_op=tf.no_op())
    assert copy.copy(one).train_op is one.train_op


@pytest.mark.parametrize("shape", [[2], [0], [1, 2]])
def test_the_loss_has_one_element(shape: list[int]) -> None:
    with pytest.raises(ValueError, match="Loss must be scalar"):
        EstimatorSpec("eval", loss=tf.zeros(shape))


def test_a_keras_metric_needs_a_graph() -> None:
    keras = pytest.importorskip("keras")
    metric = keras.metrics.Mean()
    metric.update_state([1.0])
    with pytest.raises(ValueError, match=r"eager.*update_state"):
        EstimatorSpec("eval", loss=tf.constant(1.0), eval_metric_ops={"m": metric})
