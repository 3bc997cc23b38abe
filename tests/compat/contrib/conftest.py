"""The two ways in which old programs run: TensorFlow 1 behaviour, and with --v2 that of today."""

import pytest
import tensorflow as tf

v1 = tf.compat.v1

# What `tf.compat.v1.disable_v2_behavior` turns off that matters in a graph.
_SWITCHES = ("v2_tensorshape", "resource_variables", "control_flow_v2", "tensor_equality")


@pytest.fixture(params=["TensorFlow 1", "TensorFlow 2"])
def graph(request):
    """An empty default graph, with the behaviour of each version."""
    if request.param == "TensorFlow 1":
        for name in _SWITCHES:
            getattr(v1, f"disable_{name}")()
    try:
        with tf.Graph().as_default() as graph:
            yield graph
    finally:
        for name in _SWITCHES:
            getattr(v1, f"enable_{name}")()
