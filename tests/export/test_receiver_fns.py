"""The ready-made input receiver functions: their ops, names and shapes, and what they refuse."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import export
from tf_estimator.export.receiver_fns import (
    build_parsing_serving_input_receiver_fn,
    build_raw_serving_input_receiver_fn,
    build_raw_supervised_input_receiver_fn,
    build_supervised_input_receiver_fn_from_input_fn,
)

v1 = tf.compat.v1

SPEC = {
    "age": tf.io.FixedLenFeature([2], tf.float32),
    "tags": tf.io.VarLenFeature(tf.string),
    "counts": tf.io.RaggedFeature(tf.int64),
}


@pytest.mark.parametrize("name", export.__all__)
def test_public_names(name):
    assert hasattr(export, name)


def _example() -> bytes:
    feature = {
        "age": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0, 2.0])),
        "tags": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x"])),
        "counts": tf.train.Feature(int64_list=tf.train.Int64List(value=[3, 4, 5])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def test_parsing_receiver_parses_what_it_is_fed():
    receiver_fn = build_parsing_serving_input_receiver_fn(SPEC)
    with tf.Graph().as_default() as graph:
        receiver = receiver_fn()
        examples = receiver.receiver_tensors["examples"]
        assert list(receiver.receiver_tensors) == ["examples"]
        assert (examples.name, examples.dtype) == ("input_example_tensor:0", tf.string)
        assert examples.shape.as_list() == [None]
        assert graph.get_operation_by_name("ParseExample/ParseExampleV2")
        assert receiver.receiver_tensors_alternatives is None
        with v1.Session() as session:
            got = session.run(receiver.features, {examples: [_example(), _example()]})
    np.testing.assert_array_equal(got["age"], [[1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_array_equal(got["tags"].values, [b"x", b"x"])
    np.testing.assert_array_equal(got["counts"].values, [3, 4, 5, 3, 4, 5])


@pytest.mark.parametrize("size", [None, 1, 7, 0, np.int64(3)], ids=str)
def test_default_batch_size_is_the_first_dimension(size):
    with tf.Graph().as_default():
        parsed = build_parsing_serving_input_receiver_fn(SPEC, size)()
        raw = build_raw_serving_input_receiver_fn({"x": tf.zeros([9, 4])}, size)()
    assert parsed.receiver_tensors["examples"].shape.as_list() == [size]
    assert parsed.features["age"].shape.as_list() == [size, 2]
    assert raw.features["x"].shape.as_list() == [size, 4]


@pytest.mark.parametrize(("size", "error"), [("x", TypeError), (2.5, TypeError), (-1, ValueError)])
def test_a_wrong_batch_size_is_refused(size, error):
    for build in (
        lambda: build_parsing_serving_input_receiver_fn(SPEC, size),
        lambda: build_raw_serving_input_receiver_fn({"x": tf.zeros([1])}, size),
        lambda: build_raw_supervised_input_receiver_fn(tf.zeros([1]), tf.zeros([1]), size),
    ):
        with pytest.raises(error, match="default_batch_size must be an integer of at least 0"):
            build()


@pytest.mark.parametrize(
    ("spec", "error"), [(None, ValueError), ({}, ValueError), ([1], TypeError)]
)
def test_a_wrong_feature_spec_is_refused(spec, error):
    with pytest.raises(error, match="feature_spec must be a dict"):
        build_parsing_serving_input_receiver_fn(spec)


def test_raw_receiver_takes_tensors_of_another_graph_with_their_names():
    with tf.Graph().as_default(), v1.name_scope("scope"):
        features = {
            "known": v1.placeholder(tf.float32, [None, 3], name="mine"),
            "unknown": v1.placeholder(tf.int64),
            "scalar": v1.placeholder(tf.string, []),
            "sparse": tf.sparse.from_dense([[1.0, 0.0]]),
            "variable": v1.get_variable("v", [2], use_resource=True),
            "ref": v1.get_variable("r", [2], use_resource=False),
        }
        ragged = tf.ragged.constant([[1.0], []])
    receiver_fn = build_raw_serving_input_receiver_fn({**features, "ragged": ragged})
    with tf.Graph().as_default() as graph:
        receiver = receiver_fn()
    assert receiver.features is receiver.receiver_tensors
    assert {t.op.type for t in receiver.features.values()} == {"Placeholder"}
    assert all(t.graph is graph for t in receiver.features.values())
    assert {key: (t.op.name, t.shape.rank, t.dtype) for key, t in receiver.features.items()} == {
        "known": ("scope/mine", 2, tf.float32),
        "unknown": ("scope/Placeholder", None, tf.int64),
        "scalar": ("scope/Placeholder_1", 1, tf.string),
        "sparse": (features["sparse"].values.op.name, 2, tf.float32),
        "variable": ("v", 1, tf.float32),
        "ref": ("r", 1, tf.float32),
        "ragged": ("Placeholder", 2, tf.float32),
    }


def test_raw_receiver_takes_eager_tensors_and_is_called_again():
    receiver_fn = build_raw_serving_input_receiver_fn(
        {"b": tf.zeros([2, 3]), "a": tf.Variable([1])}
    )
    for _ in range(2):
        with tf.Graph().as_default():
            receiver = receiver_fn()
        assert list(receiver.features) == ["b", "a"]
        assert [t.name for t in receiver.features.values()] == ["Placeholder:0", "Placeholder_1:0"]


NOT_FEATURES = {
    "array": np.ones(3),
    "number": 1.0,
    "list": [1.0],
    "none": None,
    "spec": tf.TensorSpec([1]),
    "nested": {"b": 1},
}


@pytest.mark.parametrize("bad", NOT_FEATURES.values(), ids=NOT_FEATURES)
def test_features_that_are_no_tensors_are_refused_at_once(bad):
    for build in (
        lambda: build_raw_serving_input_receiver_fn({"x": bad}),
        lambda: build_raw_supervised_input_receiver_fn({"x": bad}, tf.zeros([1])),
        lambda: build_raw_supervised_input_receiver_fn(tf.zeros([1]), {"x": bad}),
    ):
        with pytest.raises(TypeError, match=r"(features|labels)\['x'\] must be a tensor; received"):
            build()
    if not isinstance(bad, dict):
        with pytest.raises(TypeError, match="labels must be a tensor"):
            build_raw_supervised_input_receiver_fn(tf.zeros([1]), bad)


def test_raw_serving_receiver_needs_a_dict():
    with pytest.raises(TypeError, match="features must be a dict of tensors"):
        build_raw_serving_input_receiver_fn(tf.zeros([1]))


@pytest.mark.parametrize("key", [1, None, b"a"], ids=repr)
def test_keys_that_a_request_cannot_have_are_refused(key):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="keys must be strings"):
        build_raw_serving_input_receiver_fn({key: tf.zeros([1])})()


def test_supervised_receiver_of_single_tensors_and_of_dicts():
    one = build_raw_supervised_input_receiver_fn(tf.zeros([1, 2]), tf.zeros([1], tf.int64))
    many = build_raw_supervised_input_receiver_fn({"a": tf.zeros([1])}, {"b": tf.zeros([1])}, 4)
    with tf.Graph().as_default():
        receiver = one()
        assert receiver.receiver_tensors == {"input": receiver.features, "label": receiver.labels}
        assert receiver.labels.dtype == tf.int64
        receiver = many()
        assert receiver.receiver_tensors == {**receiver.features, **receiver.labels}
        assert receiver.labels["b"].shape == [4]


@pytest.mark.parametrize(
    ("features", "labels", "shared"),
    [
        ({"a": tf.zeros([1])}, {"a": tf.zeros([1])}, "a"),
        ({"label": tf.zeros([1])}, tf.zeros([1]), "label"),
        (tf.zeros([1]), {"input": tf.zeros([1])}, "input"),
    ],
)
def test_features_and_labels_must_not_share_a_key(features, labels, shared):
    with pytest.raises(ValueError, match=rf"must have distinct keys; received \['{shared}'\]"):
        build_raw_supervised_input_receiver_fn(features, labels)


def _dataset():
    return tf.data.Dataset.from_tensors(({"a": [[1.0], [2.0]]}, [0, 1]))


def _tensors():
    return {"a": tf.constant([[1.0], [2.0]])}, tf.constant([0, 1])


@pytest.mark.parametrize("input_fn", [_dataset, _tensors])
def test_supervised_receiver_of_an_input_fn(input_fn):
    calls = []

    def counted(mode):
        calls.append(mode)
        return input_fn()

    receiver_fn = build_supervised_input_receiver_fn_from_input_fn(counted, mode="train")
    for _ in range(2):
        with tf.Graph().as_default() as graph:
            receiver = receiver_fn()
            assert {op.type for op in graph.get_operations()} == {"Placeholder"}
        assert receiver.features["a"].shape.as_list() == [None, 1]
        assert receiver.labels.dtype == tf.int32
        assert sorted(receiver.receiver_tensors) == ["a", "label"]
    assert calls == ["train"]


@pytest.mark.parametrize(
    "result", [None, (1, 2, 3), ({"a": 1}, None)], ids=["none", "three", "no labels"]
)
def test_an_input_fn_without_a_pair_is_refused(result):
    with pytest.raises(ValueError, match=r"must be a pair \(features, labels\)"):
        build_supervised_input_receiver_fn_from_input_fn(lambda: result)


def test_an_input_fn_must_be_callable():
    with pytest.raises(TypeError, match="input_fn must be callable"):
        build_supervised_input_receiver_fn_from_input_fn(3)
