"""What a model_fn may take, what it is given, and what it must return."""

import functools

import pytest
import tensorflow as tf

from tf_estimator import EstimatorSpec, RunConfig
from tf_estimator.engine import Model
from tf_estimator.engine.model import argument_names

CONFIG = RunConfig(model_dir="/nowhere")


class Builder:
    def __call__(self, features, labels, mode, params):
        raise NotImplementedError

    def build(self, features, mode, config):
        raise NotImplementedError

    @staticmethod
    def static(features):
        raise NotImplementedError

    @classmethod
    def of_class(cls, features, labels):
        raise NotImplementedError


def takes_four(size, features, labels, mode):
    raise NotImplementedError


@functools.wraps(takes_four)
def wrapped(*args, **kwargs):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda features: 0, "features"),
        (lambda features, *, mode, **others: 0, "features mode"),
        (lambda features, *others: 0, "features"),
        (Builder(), "features labels mode params"),
        (Builder().build, "features mode config"),
        (Builder.static, "features"),
        (Builder.of_class, "features labels"),
        (functools.partial(takes_four, 3), "features labels mode"),
        # What follows a bound name can still be given by keyword.
        (functools.partial(takes_four, size=3), "features labels mode"),
        (functools.partial(takes_four, mode="train"), "size features labels"),
        (
            functools.partial(functools.partial(takes_four, 3), mode="train"),
            "features labels",
        ),
        (functools.partial(Builder().build, config=1), "features mode"),
        (wrapped, "size features labels mode"),
    ],
)
def test_argument_names_are_those_that_can_still_be_given(function, names):
    assert " ".join(argument_names(function)) == names


@pytest.fixture
def calls():
    """What the model_fns of this test were called with."""
    return []


@pytest.fixture
def given(calls):
    def note(**kwargs):
        calls.append(kwargs)
        return EstimatorSpec("infer", predictions={})

    return note


def test_a_model_fn_is_given_what_it_names(calls, given):
    def model_fn(config, mode, params, labels, features):
        return given(config=config, mode=mode, params=params, labels=labels, features=features)

    Model(model_fn, {"p": 1}, CONFIG).call("x", "y", "infer", CONFIG)
    expected = {"features": "x", "labels": "y", "mode": "infer", "params": {"p": 1}}
    assert calls == [{**expected, "config": CONFIG}]


def test_labels_mode_params_and_config_are_optional(calls, given):
    Model(lambda features: given(features=features), None, CONFIG).call("x", None, "infer")
    assert calls == [{"features": "x"}]


def test_what_a_partial_has_bound_stays(calls, given):
    def model_fn(features, mode, params):
        return given(mode=mode, params=params)

    Model(functools.partial(model_fn, params="mine"), None, CONFIG).call("x", None, "infer")
    assert calls == [{"mode": "infer", "params": "mine"}]


def test_params_are_a_deep_copy_at_every_call(calls, given):
    def model_fn(features, params):
        params["layers"].append(1)
        return given(params=params)

    model = Model(model_fn, {"layers": []}, CONFIG)
    model.call("x", None, "infer")
    model.call("x", None, "infer")
    assert calls == [{"params": {"layers": [1]}}] * 2
    assert model.params == {"layers": []}


def test_without_params_a_model_fn_that_takes_them_gets_an_empty_dict(calls, given):
    Model(lambda features, params: given(params=params), None, CONFIG).call(1, None, "infer")
    assert calls == [{"params": {}}]


@pytest.mark.parametrize("config", [None, RunConfig(model_dir="/other")])
def test_config_is_the_one_of_the_call_or_else_of_the_model(calls, given, config):
    model = Model(lambda features, config: given(config=config), None, CONFIG)
    model.call("x", None, "infer", config)
    assert calls == [{"config": config or CONFIG}]


@pytest.mark.parametrize("value", [None, 3, "model_fn"])
def test_a_model_fn_that_cannot_be_called_is_a_type_error(value):
    with pytest.raises(TypeError, match="model_fn must be callable"):
        Model(value, None, CONFIG)


@pytest.mark.parametrize("model_fn", [lambda: 0, lambda labels, mode: 0, lambda *args: 0])
def test_a_model_fn_without_features_is_refused(model_fn):
    with pytest.raises(ValueError, match="model_fn must take an argument `features`"):
        Model(model_fn, None, CONFIG)


@pytest.mark.parametrize(
    "model_fn",
    [lambda features, rate, size: 0, lambda features, rate=1, *, size: 0],
    ids=["required", "optional"],
)
def test_names_that_nobody_gives_are_named(model_fn):
    with pytest.raises(ValueError, match=r"\['rate', 'size'\].*partial"):
        Model(model_fn, None, CONFIG)


@pytest.mark.parametrize("params", [{"p": 1}, {}, []])
def test_params_that_model_fn_does_not_take_are_refused(params):
    with pytest.raises(ValueError, match="model_fn must take an argument `params`"):
        Model(lambda features, **others: 0, params, CONFIG)


def test_labels_that_model_fn_does_not_take_are_refused():
    model = Model(lambda features: 0, None, CONFIG)
    with pytest.raises(ValueError, match="model_fn must take an argument `labels`"):
        model.call("x", "y", "train")


@pytest.mark.parametrize("result", [None, (1, 2), {"loss": 1}, tf.no_op, EstimatorSpec])
def test_a_model_fn_that_returns_something_else_is_refused(result):
    model = Model(lambda features: result, None, CONFIG)
    with pytest.raises(ValueError, match="model_fn must return an EstimatorSpec; received"):
        model.call("x", None, "train")
