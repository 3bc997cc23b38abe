"""What a kept graph gets from the input of a later call is what it would get if it were rebuilt."""

import collections
import gc

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import RunConfig
from tf_estimator.engine import by_value, dataset_value
from tf_estimator.inputs import array_input, numpy_input_fn

v1 = tf.compat.v1
CONFIG = RunConfig(model_dir="/nowhere")
Data = tf.data.Dataset
Pair = collections.namedtuple("Pair", ["first", "second"])  # noqa: PYI024 - what users write


def called(input_fn, mode="eval"):
    """The input of one call, in a graph that starts as an Estimator's does."""
    with tf.Graph().as_default():
        v1.set_random_seed(1)
        v1.train.get_or_create_global_step()
        return by_value.called(input_fn, mode, {"p": 1}, CONFIG)


def batches(session, fetches, feed=None, limit=40):
    """The values of the next batches until the input ends."""
    found = []
    try:
        while len(found) < limit:
            found.append(session.run(fetches, feed() if feed else None))
    except tf.errors.OutOfRangeError:
        pass
    return found


def tensors_of(given):
    parts = tf.nest.flatten((given.features, given.labels), expand_composites=True)
    return [part for part in parts if tf.is_tensor(part)]


def start(given, session):
    session.run(given.graph.get_collection(v1.GraphKeys.TABLE_INITIALIZERS))
    for hook in given.hooks:
        hook.after_create_session(session, None)


def rebuilt(input_fn):
    """The batches of a graph that is built for one call."""
    given = called(input_fn)
    fetches = tensors_of(given)
    with v1.Session(graph=given.graph) as session:
        start(given, session)
        return batches(session, fetches)


class Kept:
    """A graph with a session that stays open, and takes inputs."""

    def __init__(self, input_fn):
        given = called(input_fn)
        self.fetches = tensors_of(given)
        self.inlet = by_value.Inlet(given)
        given.graph.finalize()
        self.session = v1.Session(graph=given.graph)
        start(given, self.session)

    def batches(self, input_fn):
        given = called(input_fn)
        assert self.inlet.takes(given)
        brought = self.inlet.bring(given)
        gc.collect()
        for hook in brought.hooks:
            hook.after_create_session(self.session, None)
        del given
        gc.collect()
        found = batches(self.session, self.fetches, brought.feed)
        brought.close()
        return found


@pytest.fixture
def kept():
    made = []

    def make(input_fn):
        made.append(Kept(input_fn))
        return made[-1]

    yield make
    for one in made:
        one.session.close()


def table(values):
    initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], values)
    return tf.lookup.StaticHashTable(initializer, -1)


def of_table(n):
    return Data.from_tensor_slices(["b", "a", "z"]).map(table([n, 2 * n]).lookup)


def of_generator(n):
    def examples():
        for i in range(5):
            yield {"x": np.float32(i * n)}

    spec = {"x": tf.TensorSpec([], tf.float32)}
    return Data.from_generator(examples, output_signature=spec).batch(2).prefetch(1)


def of_numpy_function(n):
    def times(i):
        return i * n

    return Data.range(5).map(lambda i: tf.ensure_shape(tf.numpy_function(times, [i], "int64"), []))


def of_py_function(n):
    return Data.range(5).map(lambda i: tf.py_function(lambda j: j.numpy() * n, [i], tf.int64))


def seeded_map(n):
    return Data.range(6).map(lambda i: tf.random.uniform([2], seed=3) * n).batch(2)


def once_in_the_graph(n):
    return Data.from_tensor_slices(tf.random.uniform([5], seed=3) * n)


def interleaved(n):
    def inner(i):
        return Data.range(i * n).shuffle(3, seed=1).cache()

    return Data.range(5).interleave(
        inner, cycle_length=2, num_parallel_calls=2, deterministic=True
    )


def ragged(n):
    return Data.from_tensor_slices(tf.ragged.constant([[n, 2], [3]])).batch(2)


def sparse(n):
    return Data.from_tensor_slices(tf.sparse.from_dense([[n, 0], [3, 4]])).batch(2)


def with_options(n):
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    return Data.range(3 * n).with_options(options)


def nested(n):
    features = {"b": np.arange(n, n + 5), "a": (np.ones([5, 2]), {"c": np.arange(5.0)})}
    return Data.from_tensor_slices((features, Pair(np.arange(5), np.arange(5) * n))).batch(2)


def one_shot(n):
    return v1.data.make_one_shot_iterator(Data.range(5).map(lambda i: i * n)).get_next()


def transformed(n):
    """Batches of an iterator that the graph goes on with."""
    x = v1.data.make_one_shot_iterator(Data.range(n, n + 7).batch(3)).get_next()
    return {"x": tf.cast(x, tf.float32) / 2.0, "constant": tf.constant([1, 2])}, x + 1


def initialized_with_tables(n):
    iterator = v1.data.make_initializable_iterator(Data.range(5 * n).batch(2))
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator


def two_iterators(n):
    first = v1.data.make_one_shot_iterator(Data.range(n, n + 5))
    return {"a": first.get_next()}, initialized_with_tables(n).get_next()


def live_python(n):
    """No iterator at all: Python gives every batch."""
    source = iter(range(n, n + 4))

    def following():
        value = next(source, None)
        if value is None:
            raise StopIteration
        return np.int64(value)

    value = tf.numpy_function(following, [], tf.int64)
    return {"x": tf.ensure_shape(value, []) * 2, "same": tf.constant(4)}


def live_table(n):
    key = v1.data.make_one_shot_iterator(Data.from_tensor_slices(["a", "z", "b"])).get_next()
    return {"key": key, "value": table([n, 2 * n]).lookup(key)}


def live_random(n):
    rows = v1.data.make_one_shot_iterator(Data.range(n, n + 5)).get_next()
    return {"rows": rows, "noise": tf.random.uniform([2], seed=4), "more": tf.random.normal([])}


def of_arrays(**arguments):
    def make(n):
        x = {"a": np.arange(n, n + 5), "s": np.array(["ab", "c", "d", "e", "f"])}
        return numpy_input_fn(x, np.arange(5.0), **{"batch_size": 2, **arguments})()

    return make


INPUTS = {
    "slices": lambda n: Data.from_tensor_slices({"x": np.arange(n, n + 5.0)}).batch(2),
    "tensors": lambda n: Data.from_tensors([n, n + 1]),
    "nested": nested,
    "empty": lambda n: Data.range(n).take(0).batch(2),
    "partial": lambda n: Data.range(n, n + 7).batch(3, drop_remainder=True),
    "seeded shuffle": lambda n: Data.range(n, n + 9).shuffle(5, seed=7).batch(2).repeat(3),
    "graph's shuffle": lambda n: Data.range(n, n + 9).shuffle(5).repeat(2).batch(2),
    "one order": lambda n: (
        Data.range(n, n + 9).shuffle(9, reshuffle_each_iteration=False).repeat(2)
    ),
    "cache": lambda n: Data.range(n, n + 3).cache().repeat(2),
    "parallel": lambda n: (
        Data.range(9).map(lambda i: i * n, num_parallel_calls=2, deterministic=True).prefetch(2)
    ),
    "filter": lambda n: Data.range(9).filter(lambda i: i % 2 == n % 2),
    "window": lambda n: Data.range(n, n + 5).window(2).flat_map(lambda w: w.batch(2)),
    "zip": lambda n: Data.zip((Data.range(n, n + 3), Data.range(3))),
    "unbatched": lambda n: Data.from_tensors([n, 2, 3]).unbatch().concatenate(Data.range(3).map(
        lambda i: tf.cast(i, tf.int32))),
    "scan": lambda n: Data.range(5).scan(np.int64(n), lambda s, i: (s + i, s * i)),
    "sample": lambda n: Data.sample_from_datasets([Data.range(n, n + 5), Data.range(5)], seed=2),
    "cardinality": lambda n: Data.range(n).repeat().take(7).apply(
        tf.data.experimental.assert_cardinality(7)),
    "interleave": interleaved,
    "options": with_options,
    "ragged": ragged,
    "sparse": sparse,
    "table": of_table,
    "generator": of_generator,
    "numpy_function": of_numpy_function,
    "py_function": of_py_function,
    "seeded map": seeded_map,
    "random once": once_in_the_graph,
    "one shot": one_shot,
    "transformed": transformed,
    "initialized with tables": initialized_with_tables,
    "two iterators": two_iterators,
    "live Python": live_python,
    "live table": live_table,
    "live random": live_random,
    "arrays": of_arrays(shuffle=False, num_epochs=2),
    "arrays for ever": of_arrays(shuffle=False, num_epochs=None),
    "arrays shuffled": of_arrays(shuffle=True, num_epochs=3),
}  # fmt: skip


def same(found, expected):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", INPUTS)
def test_every_call_gets_the_batches_of_a_rebuilt_graph(name, kept):
    make = INPUTS[name]
    graph = kept(lambda: make(3))
    for n in (4, 4, 3, 5):
        same(graph.batches(lambda n=n: make(n)), rebuilt(lambda n=n: make(n)))


def test_arrays_that_stay_in_python_are_brought_too(kept, monkeypatch):
    monkeypatch.setattr(array_input, "IN_GRAPH_BYTES", 0)
    make = of_arrays(shuffle=True, num_epochs=2)
    graph = kept(lambda: make(3))
    for n in (4, 6):
        same(graph.batches(lambda n=n: make(n)), rebuilt(lambda n=n: make(n)))
