"""call_logit_fn gives a logit function what it takes, and checks what it returns."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.canned.logit_fns import call_logit_fn

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def call(logit_fn):
    return call_logit_fn(logit_fn, {"x": 1}, "train", {"p": 2}, "a config")


def test_all_that_it_may_take():
    def logit_fn(features, mode, params, config):
        return tf.constant(repr([features, mode, params, config]))

    given = tf.get_static_value(call(logit_fn)).item().decode()
    assert given == "[{'x': 1}, 'train', {'p': 2}, 'a config']"


@pytest.mark.parametrize(
    "logit_fn",
    [
        lambda features: tf.ones([1]),
        lambda features, other=3: tf.ones([other]),
        lambda features, **others: tf.ones([1 + len(others)]),
        functools.partial(lambda features, other: tf.ones([other]), other=1),
        lambda *, features, mode: {"a": tf.ones([1]), "b": tf.ones([1])},
    ],
)
def test_it_takes_what_it_likes(logit_fn):
    logits = call(logit_fn)
    assert isinstance(logits, dict | tf.Tensor)


@pytest.mark.parametrize(
    "logit_fn",
    [3, lambda: tf.ones([1]), lambda mode: tf.ones([1]), lambda features, labels: tf.ones([1])],
)
def test_what_it_cannot_be(logit_fn):
    with pytest.raises(TypeError):
        call(logit_fn)


@pytest.mark.parametrize("logits", [None, 1.0, [1.0], np.ones(2), {"a": 1}, (tf.zeros,)])
def test_what_it_must_not_return(logits):
    with pytest.raises(ValueError, match="logit_fn must return a Tensor, or a dict of Tensors"):
        call(lambda features: logits)


def test_a_variable_is_no_tensor():
    with pytest.raises(ValueError, match="logit_fn must return a Tensor"):
        call(lambda features: v1.get_variable("v", [1]))
