"""What a kept graph gets from the input of a later call is what it would get if it were rebuilt."""

import collections
import gc

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import RunConfig
from tf_estimator.engine.keep import by_value, dataset_value
from tf_estimator.inputs import array_input, numpy_input_fn

v1 = tf.compat.v1
CONFIG = RunConfig(model_dir="/nowhere")
Data = tf.data.Dataset
Pair = collections.namedtuple("Pair", ["first", "second"])


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

    def batches(self, input_fn, collect=False):
        given = called(input_fn)
        assert self.inlet.takes(given)
        brought = self.inlet.bring(given, briefly=True)
        for hook in brought.hooks:
            hook.after_create_session(self.session, None)
        del given
        if collect:
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

    return Data.range(5).interleave(inner, cycle_length=2, num_parallel_calls=2, deterministic=True)


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
    "arrays at once": of_arrays(shuffle=False, batch_size=9),
    "arrays for ever": of_arrays(shuffle=False, num_epochs=None),
    "arrays shuffled": of_arrays(shuffle=True, num_epochs=3),
}  # fmt: skip


def same(found, expected):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert np.asarray(one).dtype.kind in ("O", "S", np.asarray(other).dtype.kind)
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


@pytest.mark.parametrize("make", [of_generator, of_numpy_function, of_py_function, live_python])
def test_python_functions_live_as_long_as_they_are_needed(make, kept):
    graph = kept(lambda: make(3))
    same(graph.batches(lambda: make(4), collect=True), rebuilt(lambda: make(4)))


def test_an_input_need_not_be_read_to_its_end(kept):
    graph = kept(lambda: Data.range(3))
    given = called(lambda: Data.range(10, 20).prefetch(1))
    assert not graph.inlet.takes(given)
    for n in (10, 20, 30):
        (hook,) = graph.inlet.bring(called(lambda n=n: Data.range(n, n + 9))).hooks
        hook.after_create_session(graph.session, None)
        assert batches(graph.session, graph.fetches, limit=2) == [[n], [n + 1]]


def test_shuffled_without_a_seed_every_call_has_an_order_of_its_own():
    def input_fn():
        v1.set_random_seed(None)
        return Data.range(50).shuffle(50).batch(50)

    graph = Kept(input_fn)
    with graph.session:
        orders = {str(graph.batches(input_fn)) for _ in range(3)}
    assert len(orders) == 3


def test_files_are_looked_for_and_read_at_every_call(kept, tmp_path):
    def write(values):
        with tf.io.TFRecordWriter(str(tmp_path / f"{len(values)}.records")) as writer:
            for value in values:
                feature = {"x": tf.train.Feature(float_list=tf.train.FloatList(value=[value]))}
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())

    def input_fn():
        spec = {"x": tf.io.FixedLenFeature([], tf.float32)}
        files = Data.list_files(str(tmp_path / "*.records"), shuffle=False)
        return tf.data.TFRecordDataset(files).batch(2).map(lambda b: tf.io.parse_example(b, spec))

    write([1.0, 2.0, 3.0])
    graph = kept(input_fn)
    assert len(graph.batches(input_fn)) == 2
    write([4.0, 5.0])
    found = graph.batches(input_fn)
    same(found, rebuilt(input_fn))
    assert np.concatenate([x for (x,) in found]).tolist() == [4, 5, 1, 2, 3]


def test_a_vocabulary_file_is_read_at_every_call(kept, tmp_path):
    # The same path gives the table the same name: it must not be found again.
    path = tmp_path / "words"

    def input_fn():
        initializer = tf.lookup.TextFileInitializer(
            str(path),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        words = tf.lookup.StaticVocabularyTable(initializer, 1)
        return Data.from_tensor_slices(["a", "b", "z"]).map(words.lookup)

    path.write_text("a\nb")
    graph = kept(input_fn)
    assert graph.batches(input_fn) == [[0], [1], [2]]
    path.write_text("b\na")
    assert graph.batches(input_fn) == [[1], [0], [2]]


def test_two_sessions_of_two_kept_graphs_do_not_mix(kept):
    first, second = kept(lambda: of_table(3)), kept(lambda: of_table(3))
    assert first.batches(lambda: of_table(10)) == [[20], [10], [-1]]
    assert second.batches(lambda: of_table(5)) == [[10], [5], [-1]]


SLICES = {"x": np.zeros([4, 2], np.float32), "y": np.zeros([4], np.int64)}


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (lambda: Data.range(3), lambda: Data.range(3).batch(2)),
        (lambda: Data.range(3).batch(2), lambda: Data.range(3).batch(2, drop_remainder=True)),
        (lambda: Data.from_tensors([1.0]), lambda: Data.from_tensors([1])),
        (lambda: Data.from_tensors(SLICES), lambda: Data.from_tensors(SLICES["x"])),
        (
            lambda: Data.from_tensors(SLICES),
            lambda: Data.from_tensors(dict(reversed(SLICES.items()))),
        ),
        (lambda: Data.from_tensors((1, 2)), lambda: Data.from_tensors({"a": 1, "b": 2})),
        (lambda: sparse(1), lambda: ragged(1)),
        # Operations of model_fn would have other names and seeds.
        (lambda: Data.range(3), lambda: Data.range(3).take(2)),
        (lambda: Data.range(3).take(2), lambda: Data.range(3).skip(2)),
        (lambda: Data.range(3), lambda: one_shot(1)),
        (lambda: tf.constant(1.0), lambda: tf.constant(2.0)),
        (lambda: tf.constant(1.0, name="a"), lambda: tf.constant(1.0, name="b")),
        (lambda: transformed(1), lambda: {"x": transformed(1)[0]["x"]}),
        (
            lambda: one_shot(1) * tf.constant(2, tf.int64),
            lambda: one_shot(1) * tf.constant(3, tf.int64),
        ),
        (lambda: ({"a": 1}, one_shot(1)), lambda: ({"a": 2}, one_shot(1))),
        (lambda: ({"a": 1}, one_shot(1)), lambda: ({"a": 1.0}, one_shot(1))),
        (lambda: np.array([1]), lambda: np.array([2])),
    ],
)
def test_another_kind_of_input_is_not_taken(first, other):
    given = called(first)
    given.features  # noqa: B018 - made when model_fn is called
    inlet = by_value.Inlet(given)
    assert inlet.takes(called(first))
    assert not inlet.takes(called(other))


def global_step(n):
    step = v1.train.get_global_step()
    return Data.range(n).map(lambda i: i + step)


def uninitialized(n):
    return v1.data.make_initializable_iterator(Data.range(n)).get_next()


def queue(n):
    return v1.train.input_producer([n]).dequeue()


def with_loop(n):
    return tf.map_fn(lambda i: i * n, one_shot(n)[tf.newaxis])


def adds_variable(n):
    v1.get_variable("v", [])
    return Data.range(n)


def waited_for(n):
    value = tf.numpy_function(lambda: np.int64(n), [], tf.int64)
    with tf.control_dependencies([value]):
        return {"x": value, "late": tf.constant(1) + 1}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda n: Data.from_tensors(v1.placeholder(tf.float32, [])), "to be fed"),
        (lambda n: {"x": v1.placeholder(tf.float32, [])}, "to be fed"),
        (global_step, "reads the variable 'global_step'"),
        (lambda n: {"x": v1.train.get_global_step() + n}, "reads the variable"),
        (uninitialized, "not initialized with the tables"),
        (queue, "adds to the collection"),
        (with_loop, "control flow or functions"),
        (adds_variable, "adds to the collection"),
        (waited_for, "waits for"),
        (lambda n: Data.from_tensors(np.zeros(9 << 20)), "holds 72 MB"),
        (lambda n: tf.constant(np.zeros(9 << 20)), "constants are larger"),
        (lambda n: {"x": object(), "y": one_shot(n)}, "there is a object"),
    ],
)
def test_what_cannot_be_brought_says_why_and_can_be_built_on(make, reason):
    given = called(lambda: make(3))
    version = given.graph.version
    with pytest.raises(by_value.CannotBring, match=reason):
        by_value.Inlet(given)
    assert given.graph.version == version
    assert tf.nest.flatten(given.features)


def test_a_dataset_that_grew_too_large_is_refused_when_it_is_brought(monkeypatch, kept):
    graph = kept(lambda: Data.from_tensors(np.zeros(10)))
    monkeypatch.setattr(dataset_value, "LARGEST", 500)
    with pytest.raises(by_value.CannotBring, match="holds 0 MB"):
        graph.inlet.bring(called(lambda: Data.from_tensors(np.zeros(100))))


def test_only_what_has_few_elements_at_once_starts_without_rewrites():
    def is_instant(input_fn):
        (dataset,) = called(input_fn).datasets
        return dataset.is_instant

    assert is_instant(lambda: Data.from_tensor_slices({"x": [1.0, 2.0]}).batch(1).prefetch(1))
    assert not is_instant(lambda: Data.range(3).map(lambda i: i))
    assert is_instant(lambda: Data.from_tensors([1]).repeat())
    assert not is_instant(lambda: Data.from_tensors(np.zeros(1 << 16)))
    assert not is_instant(lambda: with_options(1))
    assert not is_instant(lambda: one_shot(1))


def test_an_input_gets_what_it_asks_for_and_its_errors_are_its_own():
    def input_fn(mode, params, config):
        assert (mode, params, config) == ("eval", {"p": 1}, CONFIG)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        called(input_fn)
    with pytest.raises(ValueError, match=r"must return a tf\.data\.Dataset"):
        called(lambda: None)


def test_a_fed_input_is_closed_with_its_session(kept):
    graph = kept(lambda: live_random(1))
    brought = graph.inlet.bring(called(lambda: live_random(2)))
    assert brought.feed()
    brought.close()
    brought.close()
    with pytest.raises(tf.errors.OutOfRangeError):
        brought.feed()


def test_labels_can_be_left_out():
    given = called(lambda: Data.from_tensors((1, 2)))
    assert given.without_labels() is given
    assert given.labels is None
    assert given.features is not None
