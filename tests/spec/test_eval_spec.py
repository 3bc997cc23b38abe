"""EvalSpec: what it takes, what it makes of it, and its errors."""

import copy
import operator
import pickle
from decimal import Decimal

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
        ({"throttle_secs": True}, TypeError, r"throttle_secs .* received True \(bool\)"),
        ({"throttle_secs": np.array([1, 2])}, TypeError, "throttle_secs must be a number of sec"),
        ({"throttle_secs": np.array([])}, TypeError, "throttle_secs must be a number of seconds"),
        ({"throttle_secs": tf.constant(5)}, TypeError, "throttle_secs must be a number of seconds"),
        ({"start_delay_secs": Decimal(5)}, TypeError, "start_delay_secs must be a number of sec"),
        ({"start_delay_secs": [5]}, TypeError, "start_delay_secs must be a number of seconds"),
        ({"start_delay_secs": -float("inf")}, ValueError, "start_delay_secs must be a number"),
        ({"exporters": 1}, TypeError, "exporters must be an iterable of Exporter"),
        ({"exporters": "a"}, TypeError, "element of exporters must be an? Exporter"),
        ({"exporters": [A, None]}, TypeError, "element of exporters"),
        ({"exporters": Named}, TypeError, "exporters must be an iterable"),
        ({"exporters": [Named]}, TypeError, "element of exporters"),
        ({"exporters": [[A]]}, TypeError, "element of exporters"),
        ({"every_n_steps": 0}, ValueError, "every_n_steps must be a positive integer or None"),
        ({"every_n_steps": -10}, ValueError, "every_n_steps must be a positive"),
        ({"every_n_steps": 1.5}, TypeError, r"every_n_steps must be a positive.* 1.5 \(float\)"),
        ({"every_n_steps": float("nan")}, ValueError, "every_n_steps must be a positive"),
        ({"every_n_steps": "10"}, TypeError, "every_n_steps must be a positive"),
        ({"every_n_steps": [10]}, TypeError, "every_n_steps must be a positive"),
        ({"at_every_checkpoint": None}, TypeError, "at_every_checkpoint must be True or False"),
        ({"at_every_checkpoint": 1}, TypeError, r"at_every_checkpoint .* received 1 \(int\)"),
        ({"at_every_checkpoint": "no"}, TypeError, "at_every_checkpoint must be True or False"),
    ],
)
def test_what_is_wrong_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        EvalSpec(**{"input_fn": input_fn, **arguments})
    with pytest.raises(error, match=message):
        EvalSpec(input_fn)._replace(**arguments)


def test_steps_and_checkpoints_do_not_both_decide():
    with pytest.raises(ValueError, match="not both be given; received 10 and True"):
        EvalSpec(input_fn, every_n_steps=10, at_every_checkpoint=True)
    with pytest.raises(ValueError, match="not both be given"):
        EvalSpec(input_fn, every_n_steps=10)._replace(at_every_checkpoint=True)
    spec = EvalSpec(input_fn, every_n_steps=10)
    spec = spec._replace(at_every_checkpoint=True, every_n_steps=None)
    assert (spec.every_n_steps, spec.at_every_checkpoint) == (None, True)


def test_a_name_that_is_no_field_cannot_be_replaced():
    with pytest.raises((TypeError, ValueError), match="every_step"):
        EvalSpec(input_fn)._replace(every_step=1)


OPTIONS = [{}, {"every_n_steps": 10}, {"at_every_checkpoint": True}]
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "replace": lambda spec: spec._replace(steps=spec.steps),
    **{
        f"pickle {number}": lambda spec, number=number: pickle.loads(pickle.dumps(spec, number))
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("options", OPTIONS)
def test_options_are_no_fields(options):
    spec = EvalSpec(input_fn, name="test", **options)
    assert len(spec) == len(spec._fields) == len(spec._asdict()) == 7
    assert tuple(spec) == (input_fn, 100, "test", (), (), 120, 600)
    assert spec.every_n_steps == options.get("every_n_steps")
    assert spec.at_every_checkpoint is options.get("at_every_checkpoint", False)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("copied", COPIES)
def test_options_go_along_with_copies(copied, options):
    spec = EvalSpec(dict, steps=3, **options)
    same = COPIES[copied](spec)
    assert same is not spec
    assert same == spec
    assert (same.every_n_steps, same.at_every_checkpoint) == (
        spec.every_n_steps,
        spec.at_every_checkpoint,
    )


def test_options_count_when_comparing():
    plain, steps, all_of_them = (EvalSpec(input_fn, **options) for options in OPTIONS)
    assert len({plain, steps, all_of_them}) == 3
    assert plain != steps
    assert steps != EvalSpec(input_fn, every_n_steps=20)
    same = EvalSpec(input_fn, every_n_steps=10)
    assert [operator.eq(steps, same), operator.ne(steps, same)] == [True, False]
    assert [operator.eq(steps, plain), operator.ne(steps, plain)] == [False, True]
    assert hash(steps) == hash(EvalSpec(input_fn, every_n_steps=10))
    assert plain == tuple(plain)
    assert tuple(plain) == plain
    assert steps != tuple(steps)
    assert tuple(steps) != steps
    assert plain != "no tuple"


def test_options_that_are_given_are_shown():
    plain, steps, all_of_them = (repr(EvalSpec(dict, **options)) for options in OPTIONS)
    assert plain.startswith("EvalSpec(input_fn=<class 'dict'>, steps=100, ")
    assert plain.endswith(", throttle_secs=600)")
    assert steps == plain[:-1] + ", every_n_steps=10)"
    assert all_of_them == plain[:-1] + ", at_every_checkpoint=True)"


def test_options_are_by_keyword_and_read_only():
    with pytest.raises(TypeError, match="positional"):
        EvalSpec(input_fn, 1, None, (), (), 0, 0, 10)
    spec = EvalSpec(input_fn)
    for name in ("every_n_steps", "at_every_checkpoint", "steps"):
        with pytest.raises(AttributeError):
            setattr(spec, name, 1)


def test_numpy_numbers_become_python_s():
    spec = EvalSpec(input_fn, every_n_steps=np.int64(10))
    assert type(spec.every_n_steps) is int
    spec = EvalSpec(input_fn, at_every_checkpoint=np.bool_(True))
    assert spec.at_every_checkpoint is True


def test_replacing_makes_the_same_of_what_is_given():
    spec = EvalSpec(input_fn)._replace(hooks=[HOOK], exporters=A)
    assert (spec.hooks, spec.exporters) == ((HOOK,), (A,))


def test_replacing_in_a_subclass_with_arguments_of_its_own():
    class Daily(EvalSpec):
        def __new__(cls, folder):
            return super().__new__(cls, input_fn, name=folder, every_n_steps=10)

    spec = Daily("monday")._replace(name="tuesday")
    assert type(spec) is Daily
    assert (spec.name, spec.every_n_steps) == ("tuesday", 10)


@pytest.mark.parametrize("name", [None, "", 1, b"a", ["a"]])
@pytest.mark.parametrize("in_a_list", [True, False])
def test_an_exporter_needs_a_name(name, in_a_list):
    exporter = Named(name)
    with pytest.raises(ValueError, match="name of an exporter must be a str that is not empty"):
        EvalSpec(input_fn, exporters=[A, exporter] if in_a_list else exporter)


def test_a_subclass_must_give_the_name():
    with pytest.raises(ValueError, match=r"name of an exporter .* received None"):
        EvalSpec(input_fn, exporters=Nameless())


@pytest.mark.parametrize("name", ["..", "../a", "/tmp/a", "a/../..", ".", "a/..", "a\0b"])
def test_an_exporter_exports_below_its_folder(name):
    with pytest.raises(ValueError, match=r"must name a folder below <model_dir>/export; received"):
        EvalSpec(input_fn, exporters=Named(name))


@pytest.mark.parametrize("name", ["a", "a b", "a/b", "..a", ".a"])
def test_the_name_of_an_exporter_is_any_folder(name):
    assert EvalSpec(input_fn, exporters=Named(name)).exporters[0].name == name


@pytest.mark.parametrize("exporters", [[A, A], [A, B, Named("a")], [A, Named("a/")]])
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
