"""What is known of the replicas of a graph, while model_fn is called for each of them."""

import gc
import weakref

import tensorflow as tf

from tf_estimator.spec import in_replica

v1 = tf.compat.v1


def recorded(graph, strategy):
    """The names that each replica of a strategy finds for two parts of a program."""
    found = []

    def model():
        parts = []
        for name in ("wide", "deep"):
            with in_replica.recorded_variables() as made:
                v1.get_variable(name, [], initializer=v1.zeros_initializer())
            parts.append([in_replica.plain_name(one.op.name) for one in made])
        found.append((in_replica.index(), parts))

    with graph.as_default(), strategy.scope(), in_replica.at_work(graph):
        strategy.run(tf.autograph.experimental.do_not_convert(model))
    return found


def test_each_replica_knows_the_variables_that_the_first_made():
    graph = tf.Graph()
    with graph.as_default():
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    parts = [["wide"], ["deep"]]
    assert recorded(graph, strategy) == [(0, parts), (1, parts)]


def test_without_replicas_they_are_recorded_as_well():
    with tf.Graph().as_default(), in_replica.recorded_variables() as made:
        v1.get_variable("alone", [])
    assert [one.op.name for one in made] == ["alone"]


def test_what_is_known_of_a_graph_goes_with_it():
    graph = tf.Graph()
    with graph.as_default():
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    recorded(graph, strategy)
    graph = weakref.ref(graph)
    del strategy
    gc.collect()
    assert graph() is None
