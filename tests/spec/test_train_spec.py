"""TrainSpec: what it takes, what it makes of it, and its errors."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.spec.train_spec import TrainSpec

v1 = tf.compat.v1

HOOK, OTHER_HOOK = v1.train.SessionRunHook(), v1.train.SessionRunHook()
LISTENER, OTHER_LISTENER = v1.train.CheckpointSaverListener(), v1.train.CheckpointSaverListener()


def input_fn():
    return tf.data.Dataset.range(3)


class Callable:
    def __call__(self):
        return input_fn()

    def method(self):
        return input_fn()


def test_defaults():
    assert TrainSpec(input_fn) == (input_fn, None, (), ())


def test_arguments_by_position():
    spec = TrainSpec(input_fn, 7, [HOOK], [LISTENER])
    assert spec == (input_fn, 7, (HOOK,), (LISTENER,))
    assert spec._fields == ("input_fn", "max_steps", "hooks", "saving_listeners")


def test_it_compares_unpacks_replaces_and_takes_attributes():
    spec = TrainSpec(input_fn, max_steps=1)
    assert spec == TrainSpec(input_fn, max_steps=1)
    assert spec._replace(max_steps=2) == TrainSpec(input_fn, max_steps=2)
    same, max_steps, _, _ = spec
    assert (same, max_steps) == (input_fn, 1)
    spec.note = "mine"
    assert spec.note == "mine"


@pytest.mark.parametrize(
    "given",
    [input_fn, Callable(), Callable().method, functools.partial(input_fn), Callable, lambda: 1],
)
def test_input_fn_is_anything_that_can_be_called(given):
    assert TrainSpec(given).input_fn is given


@pytest.mark.parametrize("given", [1, 100, np.int64(1), 1.5, float("inf"), None])
def test_max_steps_is_kept_as_it_is(given):
    assert TrainSpec(input_fn, max_steps=given).max_steps is given


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, ()),
        ([], ()),
        ((HOOK,), (HOOK,)),
        ([HOOK, OTHER_HOOK], (HOOK, OTHER_HOOK)),
        ([HOOK, HOOK], (HOOK, HOOK)),
        ({HOOK}, (HOOK,)),
        (np.array([HOOK, OTHER_HOOK]), (HOOK, OTHER_HOOK)),
    ],
)
def test_hooks_become_a_tuple(given, kept):
    assert TrainSpec(input_fn, hooks=given).hooks == kept


def test_iterators_are_read_once():
    spec = TrainSpec(input_fn, hooks=iter([HOOK]), saving_listeners=iter([LISTENER]))
    assert spec[2:] == ((HOOK,), (LISTENER,))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, ()),
        ((), ()),
        ([LISTENER], (LISTENER,)),
        ((LISTENER, OTHER_LISTENER), (LISTENER, OTHER_LISTENER)),
    ],
)
def test_saving_listeners_become_a_tuple(given, kept):
    assert TrainSpec(input_fn, saving_listeners=given).saving_listeners == kept


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "input_fn"),
        ({"input_fn": None}, TypeError, "input_fn must be callable; received None"),
        ({"input_fn": tf.data.Dataset.range(1)}, TypeError, "input_fn must be callable"),
        ({"max_steps": 0}, ValueError, r"max_steps must be a positive integer.* 0 \(int\)"),
        ({"max_steps": -3}, ValueError, "max_steps must be a positive"),
        ({"max_steps": float("nan")}, ValueError, "max_steps must be a positive"),
        ({"max_steps": "9"}, TypeError, r"max_steps must be a positive.*'9' \(str\)"),
        ({"max_steps": [9]}, TypeError, "max_steps must be a positive"),
        ({"max_steps": True}, TypeError, "max_steps must be a positive"),
        ({"max_steps": np.array([1, 2])}, TypeError, "max_steps must be a positive"),
        ({"max_steps": tf.constant(5)}, TypeError, "max_steps must be a positive"),
        ({"hooks": HOOK}, TypeError, "hooks must be an iterable of SessionRunHook"),
        ({"hooks": [LISTENER]}, TypeError, "element of hooks must be a SessionRunHook"),
        ({"hooks": [HOOK, None]}, TypeError, "element of hooks .* received None"),
        ({"hooks": [v1.train.SessionRunHook]}, TypeError, "element of hooks"),
        ({"saving_listeners": LISTENER}, TypeError, "saving_listeners must be an iterable"),
        ({"saving_listeners": [HOOK]}, TypeError, "element of saving_listeners"),
        ({"saving_listeners": [v1.train.CheckpointSaverListener]}, TypeError, "saving_listeners"),
    ],
)
def test_what_is_wrong_is_named(arguments, error, message):
    if arguments:
        arguments = {"input_fn": input_fn, **arguments}
    with pytest.raises(error, match=message):
        TrainSpec(**arguments)
    if arguments:
        with pytest.raises(error, match=message):
            TrainSpec(lambda: None)._replace(**arguments)


def test_replacing_makes_the_same_of_what_is_given():
    spec = TrainSpec(input_fn)._replace(hooks=[HOOK], saving_listeners=[LISTENER])
    assert spec == (input_fn, None, (HOOK,), (LISTENER,))


def test_replacing_in_a_subclass_with_arguments_of_its_own():
    class Short(TrainSpec):
        def __new__(cls, max_steps):
            return super().__new__(cls, input_fn, max_steps)

    spec = Short(3)._replace(hooks=[HOOK])
    assert type(spec) is Short
    assert spec == (input_fn, 3, (HOOK,), ())


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ({"input_fn": 1, "max_steps": 0}, "input_fn"),
        ({"max_steps": 0, "hooks": [1]}, "max_steps"),
        ({"hooks": [1], "saving_listeners": [1]}, "hooks"),
    ],
)
def test_of_several_errors_the_first_argument_is_told(arguments, first):
    with pytest.raises((TypeError, ValueError), match=first):
        TrainSpec(**{"input_fn": input_fn, **arguments})
