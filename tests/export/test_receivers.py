"""The receivers: what they take, what they name, and what they refuse."""

import copy

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.export.receivers import (
    ServingInputReceiver,
    SupervisedInputReceiver,
    TensorServingInputReceiver,
    UnsupervisedInputReceiver,
)

TENSORS = {
    "dense": lambda: tf.constant([1.0]),
    "string": lambda: tf.constant(["a"]),
    "sparse": lambda: tf.sparse.from_dense([[1.0, 0.0]]),
    "ragged": lambda: tf.ragged.constant([[1.0], []]),
}
NOT_TENSORS = {
    "array": np.ones(2),
    "number": 1.5,
    "text": "a",
    "list": [1.0],
    "spec": tf.TensorSpec([2]),
}


@pytest.fixture(params=["graph", "eager"], autouse=True)
def _context(request):
    if request.param == "eager":
        yield
    else:
        with tf.Graph().as_default():
            yield


@pytest.mark.parametrize("make", TENSORS.values(), ids=TENSORS)
def test_single_tensors_get_names(make):
    tensor = make()
    for cls in (ServingInputReceiver, UnsupervisedInputReceiver):
        receiver = cls(tensor, tensor)
        assert receiver.features["feature"] is tensor
        assert receiver.receiver_tensors["input"] is tensor
        assert receiver.receiver_tensors_alternatives is None


@pytest.mark.parametrize("make", TENSORS.values(), ids=TENSORS)
def test_tensor_receiver_and_supervised_receiver_keep_a_single_tensor(make):
    tensor = make()
    assert TensorServingInputReceiver(tensor, tensor).features is tensor
    receiver = SupervisedInputReceiver(tensor, tensor, tensor)
    assert receiver.features is tensor
    assert receiver.labels is tensor
    assert receiver.receiver_tensors["input"] is tensor


def test_dicts_stay_as_they_are():
    features = {"a": tf.constant(1.0), 1: tf.constant([2])}
    received = {"a": tf.constant(1.0)}
    receiver = ServingInputReceiver(features, received)
    assert receiver.features is features
    assert receiver.receiver_tensors is received
    supervised = SupervisedInputReceiver(features, features, received)
    assert supervised.features is features
    assert supervised.labels is features
    assert ServingInputReceiver({}, {}).features == {}


def test_receivers_are_named_tuples():
    tensor = tf.constant([1.0])
    receiver = ServingInputReceiver({"a": tensor}, tensor)
    features, received, alternatives = receiver
    assert (features["a"] is tensor, list(received), alternatives) == (True, ["input"], None)
    assert receiver._replace(features=3).features == 3
    assert type(copy.copy(receiver)) is ServingInputReceiver
    assert SupervisedInputReceiver._fields == ("features", "labels", "receiver_tensors")
    with pytest.raises(AttributeError):
        receiver.features = None


@pytest.mark.parametrize("cls", [ServingInputReceiver, TensorServingInputReceiver])
def test_alternatives_are_named_in_a_dict_of_our_own(cls):
    tensor = tf.constant([1.0])
    given = {"one": tensor, "two": {"x": tensor}, "none": {}}
    receiver = cls(tensor, tensor, given)
    assert receiver.receiver_tensors_alternatives["one"]["input"] is tensor
    assert receiver.receiver_tensors_alternatives["two"] is given["two"]
    assert receiver.receiver_tensors_alternatives["none"] == {}
    assert given["one"] is tensor


@pytest.mark.parametrize("bad", NOT_TENSORS.values(), ids=NOT_TENSORS)
@pytest.mark.parametrize("in_dict", [False, True])
def test_what_is_no_tensor_is_refused(bad, in_dict):
    good = tf.constant([1.0])
    value = {"x": bad} if in_dict else bad
    rule = "must be a Tensor, SparseTensor, or RaggedTensor; received"
    for make in (
        lambda: ServingInputReceiver(value, good),
        lambda: ServingInputReceiver(good, value),
        lambda: ServingInputReceiver(good, good, {"alt": value}),
        lambda: TensorServingInputReceiver(value, good),
        lambda: TensorServingInputReceiver(good, value),
        lambda: SupervisedInputReceiver(value, good, good),
        lambda: SupervisedInputReceiver(good, value, good),
        lambda: SupervisedInputReceiver(good, good, value),
        lambda: UnsupervisedInputReceiver(value, good),
        lambda: UnsupervisedInputReceiver(good, value),
    ):
        with pytest.raises(ValueError, match=rule):
            make()


def test_a_variable_is_refused():
    variable = tf.Variable([1.0])
    with pytest.raises(ValueError, match="must be a Tensor"):
        ServingInputReceiver({"v": variable}, tf.constant([1.0]))


def test_what_is_missing_is_named():
    good = tf.constant([1.0])
    for subject, make in (
        ("features", lambda: ServingInputReceiver(None, good)),
        ("receiver_tensors", lambda: ServingInputReceiver(good, None)),
        ("features", lambda: TensorServingInputReceiver(None, good)),
        ("labels", lambda: SupervisedInputReceiver(good, None, good)),
        (
            r"receiver_tensors_alternatives\['x'\]",
            lambda: ServingInputReceiver(good, good, {"x": None}),
        ),
    ):
        with pytest.raises(ValueError, match=f"{subject} must be defined"):
            make()


@pytest.mark.parametrize("key", [None, b"a", ("a", "b"), 1.5], ids=repr)
def test_keys_of_another_type_are_refused(key):
    good, bad = tf.constant([1.0]), {key: tf.constant([1.0])}
    with pytest.raises(ValueError, match="features keys must be strings or ints"):
        ServingInputReceiver(bad, good)
    with pytest.raises(ValueError, match="labels keys must be strings or ints"):
        SupervisedInputReceiver(good, bad, good)
    with pytest.raises(ValueError, match="receiver_tensors keys must be strings"):
        ServingInputReceiver(good, bad)


def test_receiver_tensors_take_no_int_keys():
    good, bad = tf.constant([1.0]), {1: tf.constant([1.0])}
    with pytest.raises(ValueError, match="receiver_tensors keys must be strings; received 1"):
        ServingInputReceiver(good, bad)
    with pytest.raises(ValueError, match="keys must be strings"):
        ServingInputReceiver(good, good, {"alt": bad})


def test_the_tensor_receiver_sends_dicts_to_the_other_class():
    good = tf.constant([1.0])
    with pytest.raises(ValueError, match="use ServingInputReceiver"):
        TensorServingInputReceiver({"a": good}, good)


def test_alternatives_must_be_a_dict():
    good = tf.constant([1.0])
    with pytest.raises(ValueError, match="receiver_tensors_alternatives must be a dict"):
        ServingInputReceiver(good, good, [good])
