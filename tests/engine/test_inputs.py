"""What input_fn may return, what it may take, and what is refused."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import RunConfig
from tf_estimator.engine import check_input_fn, read_input

v1 = tf.compat.v1
CONFIG = RunConfig(model_dir="/nowhere")


def read(input_fn, params=None):
    with tf.Graph().as_default():
        return read_input(input_fn, "train", params, CONFIG)


def first_batches(given, count):
    """Runs `given` as a MonitoredSession would, and gives its first features."""
    graph = tf.nest.flatten(given.features)[0].graph
    with graph.as_default(), v1.Session() as session:
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        for hook in given.hooks:
            hook.after_create_session(session, None)
        return [session.run(given.features) for _ in range(count)]


def test_a_dataset_gives_batch_after_batch():
    given = read(lambda: tf.data.Dataset.range(4).batch(2))
    assert [batch.tolist() for batch in first_batches(given, 2)] == [[0, 1], [2, 3]]
    assert given.labels is None


def test_a_dataset_starts_anew_in_every_session():
    given = read(lambda: tf.data.Dataset.range(4))
    assert first_batches(given, 2) == first_batches(given, 2) == [0, 1]


@pytest.mark.parametrize(
    "iterator_of",
    [
        v1.data.make_one_shot_iterator,
        lambda dataset: v1.data.make_one_shot_iterator(dataset).get_next(),
    ],
    ids=["iterator", "get_next"],
)
def test_a_one_shot_iterator_gives_batch_after_batch(iterator_of):
    given = read(lambda: iterator_of(tf.data.Dataset.range(4)))
    assert first_batches(given, 3) == [0, 1, 2]
    assert not given.hooks


def test_an_initializable_iterator_can_be_returned_if_its_initializer_is_with_the_tables():
    def input_fn():
        iterator = v1.data.make_initializable_iterator(tf.data.Dataset.range(4))
        v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        return iterator

    assert first_batches(read(input_fn), 2) == [0, 1]


def test_a_dataset_of_pairs_is_features_and_labels():
    given = read(lambda: tf.data.Dataset.from_tensors(({"x": 1.0}, {"a": 2, "b": "c"})))
    assert given.features["x"].dtype == tf.float32
    assert {key: value.dtype for key, value in given.labels.items()} == {
        "a": tf.int32,
        "b": tf.string,
    }


def test_nested_features_keep_their_structure():
    structure = {"a": {"b": 1.0, "c": (2, 3)}, "d": "e"}
    given = read(lambda: tf.data.Dataset.from_tensors(structure))
    tf.nest.assert_same_structure(given.features, structure)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: tf.SparseTensor([[0, 0], [1, 2]], [1.0, 2.0], [2, 3]), tf.SparseTensor),
        (lambda: tf.ragged.constant([[1.0, 2.0], [3.0]]), tf.RaggedTensor),
    ],
    ids=["sparse", "ragged"],
)
@pytest.mark.parametrize("through_dataset", [False, True])
def test_composite_tensors_arrive_as_what_they_are(make, kind, through_dataset):
    def input_fn():
        features = {"x": make()}
        return tf.data.Dataset.from_tensors(features) if through_dataset else features

    features = read(input_fn).features
    assert isinstance(features["x"], kind)


@pytest.mark.parametrize("pair", [tuple, list])
def test_a_pair_of_tensors_is_features_and_labels(pair):
    given = read(lambda: pair([tf.ones([1], name="x"), tf.zeros([1], name="y")]))
    assert given.features.name == "x:0"
    assert given.labels.name == "y:0"


@pytest.mark.parametrize("value", [np.ones([2]), 3, "text", object(), {"x": [1.0, 2.0]}, 0, {}])
def test_what_is_no_tensor_passes_through_as_it_is(value):
    given = read(lambda: (value, value))
    assert given.features is value
    assert given.labels is value


def test_a_table_made_in_input_fn_is_looked_up_in_its_dataset():
    def input_fn():
        initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], [10, 20])
        table = tf.lookup.StaticHashTable(initializer, -1)
        return tf.data.Dataset.from_tensor_slices(["b", "a", "z"]).map(table.lookup)

    assert first_batches(read(input_fn), 3) == [20, 10, -1]


def test_input_is_made_on_the_cpu():
    devices = []

    def input_fn():
        devices.append(tf.constant(1.0).device)
        return 1

    with tf.Graph().as_default(), v1.device("/device:GPU:0"):
        read_input(input_fn, "train", None, CONFIG)
    assert devices == ["/device:CPU:0"]


class Reader:
    def __init__(self):
        self.got = {}

    def __call__(self, mode, params):
        self.got = {"mode": mode, "params": params}
        return 1

    def method(self, config):
        self.got = {"config": config}
        return 1


def decorated(function):
    @functools.wraps(function)
    def outer(*args, **kwargs):
        return function(*args, **kwargs)

    return outer


EVERYTHING = {"mode": "train", "params": {"p": 1}, "config": CONFIG}


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda got: got, ()),
        (lambda got: lambda mode: got(mode=mode), ("mode",)),
        (lambda got: lambda params: got(params=params), ("params",)),
        (lambda got: lambda config: got(config=config), ("config",)),
        (lambda got: lambda config, params, mode: got(**locals()), ("mode", "params", "config")),
        (lambda got: lambda *, mode="other": got(mode=mode), ("mode",)),
        (lambda got: lambda **others: got() if not others else got(**others), ()),
        (lambda got: lambda mode, *others: got(mode=mode, **dict(others)), ("mode",)),
        (lambda got: decorated(lambda mode: got(mode=mode)), ("mode",)),
        (
            lambda got: functools.partial(lambda size, mode: got(mode=mode), 3),
            ("mode",),
        ),
        (
            lambda got: functools.partial(lambda mode, size: got(mode=mode), size=3),
            ("mode",),
        ),
    ],
)
def test_input_fn_is_given_what_it_names(make, names):
    seen = {}

    def got(**kwargs):
        kwargs.pop("got", None)
        seen.update(kwargs)
        return 1

    read(make(got), {"p": 1})
    assert seen == {name: EVERYTHING[name] for name in names}


def test_a_callable_object_and_a_bound_method_are_given_what_they_name():
    reader = Reader()
    read(reader, {"p": 1})
    assert reader.got == {"mode": "train", "params": {"p": 1}}
    read(reader.method)
    assert reader.got == {"config": CONFIG}


def test_what_a_partial_has_bound_is_not_given_again():
    reader = Reader()
    read(functools.partial(reader, params="mine"), {"p": 1})
    assert reader.got == {"mode": "train", "params": "mine"}


@pytest.mark.parametrize("value", [None, 3, {"x": 1}])
def test_an_input_fn_that_cannot_be_called_is_a_type_error(value):
    with pytest.raises(TypeError, match=r"input_fn must be callable.*Pass the function itself"):
        check_input_fn(value)


def test_a_forgotten_return_is_pointed_out():
    with pytest.raises(ValueError, match=r"received None\. Is a `return` missing"):
        read(lambda: None)


@pytest.mark.parametrize("length", [0, 1, 3])
@pytest.mark.parametrize("kind", [tuple, list])
def test_a_tuple_of_another_length_than_2_is_refused(length, kind):
    with pytest.raises(ValueError, match=f"of length 2, not {length};"):
        read(lambda: kind(tf.ones([1]) for _ in range(length)))


def test_a_dataset_of_triples_is_refused():
    with pytest.raises(ValueError, match="of length 2, not 3"):
        read(lambda: tf.data.Dataset.from_tensors((1, 2, 3)))


def eager(make):
    return make()


def of_another_graph(make):
    with tf.Graph().as_default():
        return make()


@pytest.mark.parametrize(
    ("outside", "where"), [(eager, "eagerly"), (of_another_graph, "in another graph")]
)
@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.ones([1]),
        lambda: {"deep": [tf.ones([1])]},
        lambda: (1, tf.ones([1])),
        lambda: tf.SparseTensor([[0]], [1.0], [1]),
        lambda: tf.ragged.constant([[1.0]]),
        lambda: tf.data.Dataset.range(3),
    ],
    ids=["tensor", "nested", "labels", "sparse", "ragged", "dataset"],
)
def test_what_was_made_outside_of_input_fn_is_refused(outside, where, make):
    value = outside(make)
    with pytest.raises(ValueError, match=f"made inside input_fn, but was made {where}"):
        read(lambda: value)


def test_a_variable_made_in_input_fn_is_a_feature():
    given = read(lambda: {"v": v1.get_variable("v", [], initializer=v1.ones_initializer())})
    assert first_batches(given, 1) == [{"v": 1.0}]
