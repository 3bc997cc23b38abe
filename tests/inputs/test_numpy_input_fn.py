"""Batches out of numpy arrays: which rows, when, and in what they are given."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig, hooks
from tf_estimator.inputs import array_input, numpy_input_fn

v1 = tf.compat.v1

X = {"a": np.arange(5), "b": np.arange(10.0).reshape(5, 2)}
Y = 10 * np.arange(5)


@pytest.fixture(params=["in the graph", "in Python"])
def place(request, monkeypatch):
    """Where the arrays are kept, which their size decides: nobody may see a difference."""
    if request.param == "in Python":
        monkeypatch.setattr(array_input, "IN_GRAPH_BYTES", 0)


def batches(input_fn, count=20, seed=None):
    """The first batches, in a plain session without any initialization."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(seed)
        batch = input_fn()
        found: list = []
        with contextlib.suppress(tf.errors.OutOfRangeError):
            found.extend(session.run(batch) for _ in range(count))
        return found


def rows(input_fn, seed=None):
    return [batch.tolist() for batch in batches(input_fn, seed=seed)]


@pytest.mark.parametrize(
    ("batch_size", "num_epochs", "expected"),
    [
        (2, 1, [[0, 1], [2, 3], [4]]),
        (2, 2, [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]),
        (7, 1, [[0, 1, 2, 3, 4]]),
        (7, 2, [[0, 1, 2, 3, 4, 0, 1], [2, 3, 4]]),
        (np.int64(5), 2, [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]),
    ],
)
def test_batches_go_across_epochs_and_the_last_has_what_is_left(
    place, batch_size, num_epochs, expected
):
    input_fn = numpy_input_fn(
        np.arange(5), batch_size=batch_size, num_epochs=num_epochs, shuffle=False
    )
    assert rows(input_fn) == expected


def test_without_a_number_of_epochs_it_never_ends_and_batches_have_a_known_size(place):
    input_fn = numpy_input_fn(X["b"], batch_size=7, num_epochs=None, shuffle=False)
    with tf.Graph().as_default():
        assert input_fn().shape.as_list() == [7, 2]
    found = batches(input_fn, 100)
    assert len(found) == 100
    assert np.concatenate(found).tolist() == np.tile(X["b"], [140, 1]).tolist()


def test_a_single_small_batch_is_made_without_a_function():
    def functions(**arguments):
        with tf.Graph().as_default() as graph:
            dataset = numpy_input_fn(X, Y, **{"shuffle": False, **arguments}).dataset()
            assert dataset.element_spec[0]["b"].shape.as_list() == [None, 2]
            return len(graph.as_graph_def().library.function)

    assert functions() == functions(batch_size=5) == 0
    assert functions(batch_size=4) > 0
    assert functions(num_epochs=2) > 0
    assert functions(shuffle=True) > 0


def test_features_and_labels_have_the_structure_of_what_was_given(place):
    ((features, labels), *_) = batches(
        numpy_input_fn(X, {"p": Y, "q": -Y}, batch_size=2, shuffle=False)
    )
    assert features["a"].tolist() == [0, 1]
    assert features["b"].tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert {name: value.tolist() for name, value in labels.items()} == {"p": [0, 10], "q": [0, -10]}


def test_what_is_called_in_a_graph_can_be_taken_apart():
    with tf.Graph().as_default():
        features, labels = numpy_input_fn(X, Y, shuffle=False)()
        assert features["b"].shape.as_list() == [None, 2]
        assert labels.shape.as_list() == [None]


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "int8",
        "uint8",
        "uint16",
        "int32",
        "uint32",
        "uint64",
        "float16",
        "float64",
        "complex64",
    ],
)
def test_numbers_keep_their_dtype(place, dtype):
    ((found),) = batches(numpy_input_fn(np.array([1, 0], dtype), shuffle=False))
    assert found.dtype == dtype
    assert found.tolist() == np.array([1, 0], dtype).tolist()


@pytest.mark.parametrize(
    "strings",
    [np.array(["a", "ü"]), np.array([b"a", "ü".encode()]), np.array(["a", "ü"], object)],
    ids=["str", "bytes", "object"],
)
def test_strings_arrive_as_utf_8(place, strings):
    ((found),) = batches(numpy_input_fn({"s": strings}, shuffle=False))
    assert found["s"].tolist() == [b"a", "ü".encode()]


def test_shuffled_every_row_comes_once_in_an_epoch_and_epochs_differ(place):
    input_fn = numpy_input_fn(np.arange(50), batch_size=50, num_epochs=3, shuffle=True)
    epochs = rows(input_fn)
    assert [sorted(epoch) for epoch in epochs] == [list(range(50))] * 3
    assert len({tuple(epoch) for epoch in [*epochs, range(50)]}) == 4


def test_shuffled_rows_stay_together(place):
    found = batches(numpy_input_fn(X, Y, batch_size=3, num_epochs=4, shuffle=True))
    for features, labels in found:
        assert (10 * features["a"]).tolist() == labels.tolist()
        assert (2.0 * features["a"]).tolist() == features["b"][:, 0].tolist()


def test_the_order_follows_the_seed_of_the_graph():
    input_fn = numpy_input_fn(np.arange(50), shuffle=True)
    assert rows(input_fn, seed=1) == rows(input_fn, seed=1)
    assert rows(input_fn, seed=1) != rows(input_fn, seed=2)
    assert rows(input_fn) != rows(input_fn)


def test_each_session_starts_from_the_first_row(place):
    input_fn = numpy_input_fn(np.arange(5), batch_size=2, shuffle=False)
    with tf.Graph().as_default():
        batch = input_fn()
        for _ in range(2):
            with v1.Session() as session:
                assert session.run(batch).tolist() == [0, 1]


def test_arrays_are_read_when_the_input_fn_is_called():
    array = np.arange(3)
    input_fn = numpy_input_fn(array, shuffle=False)
    array[0] = 100
    assert rows(input_fn) == [[100, 1, 2]]


def test_the_dataset_has_the_same_batches_eagerly(place):
    input_fn = numpy_input_fn(np.arange(5), batch_size=2, num_epochs=2, shuffle=False)
    assert [one.tolist() for one in input_fn.dataset().as_numpy_iterator()] == rows(input_fn)


def test_eagerly_the_input_fn_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"called eagerly.*dataset\(\)"):
        numpy_input_fn(X, shuffle=False)()


def test_large_arrays_are_not_in_the_graph_and_small_ones_once():
    def size(megabytes):
        array = np.random.default_rng(0).random(int(megabytes * (1 << 17)))
        with tf.Graph().as_default() as graph:
            numpy_input_fn(array, shuffle=False)()
            return graph.as_graph_def().ByteSize() / (1 << 20)

    assert 0.9 < size(0.9) < 1.0
    assert size(3) < 0.1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shuffle": None}, ValueError, "shuffle must be True or False; received None"),
        ({"shuffle": 1}, ValueError, "shuffle must be True or False"),
        ({"batch_size": 0}, ValueError, "batch_size must be positive; received 0"),
        ({"batch_size": None}, TypeError, "batch_size must be an integer"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer"),
        ({"num_epochs": 0}, ValueError, "num_epochs must be positive"),
        ({"queue_capacity": 0}, ValueError, "queue_capacity must be positive"),
        ({"num_threads": -1}, ValueError, "num_threads must be positive"),
    ],
)
def test_wrong_numbers_are_refused_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        numpy_input_fn(X, Y, **{"shuffle": False, **arguments})


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ([[1.0]], None, TypeError, "x must be a numpy array or a dict"),
        (None, None, TypeError, "x must be a numpy array or a dict"),
        ({}, None, ValueError, "x must not be empty"),
        (X, {}, ValueError, "y must not be empty.*Pass None"),
        (np.zeros([0, 2]), None, ValueError, "x must have at least one row"),
        (np.array(3.0), None, ValueError, "x must be an array with rows"),
        ({"a": np.array(3.0)}, None, ValueError, r"x\['a'\] must be an array with rows"),
        (X, Y[:3], ValueError, r"same number of rows; received .*'y': 3"),
        ({"a": Y, "c": Y[1:]}, None, ValueError, r"same number of rows.*x\['c'\]\": 4"),
        (X, {"a": Y}, ValueError, r"must not share names of columns; received \['a'\]"),
        (np.array(["2020-01-01"], "M8[D]"), None, TypeError, "x must have numbers, booleans"),
        (
            {"s": np.array(["a", None])},
            None,
            TypeError,
            r"x\['s'\].*value 1 has not.*None",
        ),
    ],
)
def test_wrong_data_is_refused_when_the_input_fn_is_called(x, y, error, message):
    input_fn = numpy_input_fn(x, y, shuffle=False)
    with tf.Graph().as_default(), pytest.raises(error, match=message):
        input_fn()


def model_fn(features, labels, mode):
    weight = v1.get_variable("w", [], tf.float64, initializer=v1.zeros_initializer())
    total = v1.get_variable("seen", [], tf.int64, v1.zeros_initializer(), trainable=False)
    predictions = features["b"][:, 0] + weight
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean((predictions - tf.cast(labels, tf.float64)) ** 2)
    with tf.control_dependencies([loss]):  # Not in the run that finds no batch.
        step = v1.assign_add(v1.train.get_global_step(), 1)
    # A number in base 10: the label of each batch in turn.
    with tf.control_dependencies([step]):
        train_op = v1.assign(total, 10 * total + labels[0] // 10)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def test_an_estimator_trains_evaluates_and_predicts_to_the_end_of_the_data(place, tmp_path):
    estimator = Estimator(model_fn, tmp_path)
    input_fn = numpy_input_fn(X, Y, batch_size=2, num_epochs=2, shuffle=False)
    estimator.train(input_fn)
    assert estimator.get_variable_value("global_step") == 5
    assert estimator.get_variable_value("seen") == 2413  # 0, 2, 4, 1, 3
    once = numpy_input_fn(X, Y, batch_size=2, shuffle=False)
    metrics = estimator.evaluate(once)
    of_batches = [(2.0 * X["a"] - Y)[part] ** 2 for part in (slice(2), slice(2, 4), slice(4, 5))]
    assert metrics["loss"] == pytest.approx(np.mean([one.mean() for one in of_batches]))
    assert list(estimator.predict(once)) == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_an_input_can_be_gone_on_with_where_it_was(place, tmp_path):
    config = RunConfig(save_checkpoints_steps=1, tf_random_seed=5)
    input_fn = numpy_input_fn(X, Y, batch_size=1, num_epochs=None, shuffle=True)
    whole = Estimator(model_fn, tmp_path / "whole", config)
    whole.train(input_fn, steps=9)
    parts = Estimator(model_fn, tmp_path / "parts", config)
    for steps in (2, 4, 3):
        parts.train(input_fn, [hooks.CheckpointInputPipelineHook(parts)], steps=steps)
    assert parts.get_variable_value("seen") == whole.get_variable_value("seen") > 0
