"""EvalSpec: what it takes, what it makes of it, and its errors."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.spec.exporter import Exporter

v1 = tf.compat.v1

HOOK = v1.train.SessionRunHook()
LISTENER = v1.train.CheckpointSaverListener()


def input_fn():
    return tf.data.Dataset.range(3)


class Nameless(Exporter):
    def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
        return None


class Named(Nameless):
    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        return self._name


A, B = Named("a"), Named("b")


def test_defaults():
    assert EvalSpec(input_fn) == (input_fn, 100, None, (), (), 120, 600)


def test_arguments_by_position():
    spec = EvalSpec(input_fn, 7, "test", [HOOK], [A], 1, 2)
    assert spec == (input_fn, 7, "test", (HOOK,), (A,), 1, 2)
    fields = "input_fn steps name hooks exporters start_delay_secs throttle_secs"
    assert spec._fields == tuple(fields.split())


def test_it_compares_replaces_and_takes_attributes():
    spec = EvalSpec(input_fn, steps=1)
    assert spec == EvalSpec(input_fn, steps=1)
    assert spec._replace(steps=None) == EvalSpec(input_fn, steps=None)
    spec.note = "mine"
    assert spec.note == "mine"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, ()),
        ([], ()),
        (A, (A,)),
        ([A], (A,)),
        ((B, A), (B, A)),
        (iter([A, B]), (A, B)),
        ({A: 1}, (A,)),
        (np.array([A, B]), (A, B)),
    ],
)
def test_exporters_become_a_tuple(given, kept):
    assert EvalSpec(input_fn, exporters=given).exporters == kept


def test_hooks_become_a_tuple():
    assert EvalSpec(input_fn, hooks=[HOOK]).hooks == (HOOK,)


@pytest.mark.parametrize("given", [0, 0.0, 1.5, 3600, np.int64(5), float("inf")])
@pytest.mark.parametrize("name", ["start_delay_secs", "throttle_secs"])
def test_seconds_are_any_number_from_zero(name, given):
    assert getattr(EvalSpec(input_fn, **{name: given}), name) is given


@pytest.mark.parametrize("given", [None, "", "test", "a b"])
def test_a_name_is_kept(given):
    assert EvalSpec(input_fn, name=given).name == given


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"input_fn": 1}, TypeError, "input_fn must be callable"),
        ({"steps": 0}, ValueError, r"steps must be a positive integer or None; received 0 \(int\)"),
        ({"steps": -1}, ValueError, "steps must be a positive"),
        ({"steps": "1"}, TypeError, "steps must be a positive"),
        ({"name": b"test"}, TypeError, "name must be a str or None"),
        ({"name": 0}, TypeError, "name must be a str or None"),
        ({"hooks": HOOK}, TypeError, "hooks must be an iterable"),
        ({"hooks": [LISTENER]}, TypeError, "element of hooks"),
        ({"start_delay_secs": -0.5}, ValueError, "start_delay_secs must be a number of seconds"),
        ({"start_delay_secs": None}, TypeError, "start_delay_secs .* received None"),
        ({"throttle_secs": -1}, ValueError, r"throttle_secs .* 0 or more; received -1 \(int\)"),
        ({"throttle_secs": "60"}, TypeError, "throttle_secs must be a number of seconds"),
        ({"throttle_secs": float("nan")}, ValueError, "throttle_secs"),
        ({"exporters": 1}, TypeError, "exporters must be an iterable of Exporter"),
        ({"exporters": "a"}, TypeError, "element of exporters must be an? Exporter"),
        ({"exporters": [A, None]}, TypeError, "element of exporters"),
        ({"exporters": Named}, TypeError, "exporters must be an iterable"),
        ({"exporters": [Named]}, TypeError, "element of exporters"),
        ({"exporters": [[A]]}, TypeError, "element of exporters"),
    ],
)
def test_what_is_wrong_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        EvalSpec(**{"input_fn": input_fn, **arguments})


@pytest.mark.parametrize("name", [None, "", 1, b"a", ["a"]])
@pytest.mark.parametrize("in_a_list", [True, False])
def test_an_exporter_needs_a_name(name, in_a_list):
    exporter = Named(name)
    with pytest.raises(ValueError, match="name of an exporter must be a str that is not empty"):
        EvalSpec(input_fn, exporters=[A, exporter] if in_a_list else exporter)


def test_a_subclass_must_give_the_name():
    with pytest.raises(ValueError, match=r"name of an exporter .* received None"):
        EvalSpec(input_fn, exporters=Nameless())


@pytest.mark.parametrize("exporters", [[A, A], [A, B, Named("a")]])
def test_names_of_exporters_differ(exporters):
    with pytest.raises(ValueError, match=r"names of exporters must differ .* received 'a'"):
        EvalSpec(input_fn, exporters=exporters)


def test_an_exporter_must_export():
    class Idle(Exporter):
        name = "idle"

    with pytest.raises(TypeError, match="abstract"):
        Idle()


def test_an_attribute_serves_as_name():
    class Plain(Nameless):
        name = "plain"

    exporter = Plain()
    assert EvalSpec(input_fn, exporters=exporter).exporters == (exporter,)
