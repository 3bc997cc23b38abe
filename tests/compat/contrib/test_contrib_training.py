"""tf.contrib.training.HParams: types, and what strings set."""

import copy
import json

import pytest

from tf_estimator.compat.contrib.training import HParams, parse_values


@pytest.fixture
def hparams():
    return HParams(rate=0.1, steps=10, name="a", on=True, units=[3, 2], ends=("x",), none=None)


def test_values_are_attributes(hparams):
    assert (hparams.rate, hparams.units, hparams.ends) == (0.1, [3, 2], ("x",))
    assert hparams.values()["name"] == "a"
    assert "rate" in hparams
    assert "speed" not in hparams
    hparams.rate = "as it is"
    assert hparams.values()["rate"] == "as it is"
    assert str(HParams(b=1, a="x")) == "[('a', 'x'), ('b', 1)]"
    assert repr(HParams(b=1)) == "HParams([('b', 1)])"


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("rate=0.5", "rate", 0.5),
        ("rate=1e-3,steps=20", "steps", 20),
        ("steps = 20 , rate=1", "rate", 1.0),
        ("name=some/where:1", "name", "some/where:1"),
        ("name=", "name", ""),
        ("on=false", "on", False),
        ("on=True", "on", True),
        ("on=0", "on", False),
        ("units=[5,6,7]", "units", [5, 6, 7]),
        ("units=[5 6]", "units", [5, 6]),
        ("units[1]=9", "units", [3, 9]),
        ("ends=[a,b],steps=1", "ends", ["a", "b"]),
        ("none=5", "none", "5"),
        ("", "steps", 10),
    ],
)
def test_parse(hparams, text, name, wanted):
    assert hparams.parse(text) is hparams
    found = getattr(hparams, name)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    "text",
    [
        "steps=1.5",
        "steps=x",
        "on=2x",
        "units=[1,x]",
        "units=5",
        "steps=[1]",
        "steps=1,steps=2",
        "units[0]=1,units[0]=2",
        "units[7]=1",
        "units[0]=[1]",
        "steps[0]=1",
        "unknown=1",
        "steps",
        "steps=1 units=[1",
        "=1",
    ],
)
def test_what_cannot_be_parsed(hparams, text):
    before = hparams.values()
    with pytest.raises(ValueError, match="yperparameter"):
        hparams.parse(text)
    assert hparams.values() == before


def test_parse_values():
    types = {"a": int, "b": float}
    assert parse_values("a=1,b=[2,3]", types) == {"a": 1, "b": [2.0, 3.0]}
    assert parse_values("a[2]=1,a[0]=4", types) == {"a": {2: 1, 0: 4}}
    assert parse_values("c=[1,2],a=1,d=x", types, ignore_unknown=True) == {"a": 1}
    with pytest.raises(ValueError, match="must be one of"):
        parse_values("c=1", types)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rate", 3), ("steps", 5), ("name", "b"), ("on", False), ("units", [1]), ("none", [])],
)
def test_set(hparams, name, value):
    if name == "none":
        value = 3.5
    hparams.set_hparam(name, value)
    assert getattr(hparams, name) == value
    if name == "rate":
        assert type(hparams.rate) is float


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", "1"),
        ("rate", True),
        ("steps", 1.5),
        ("steps", True),
        ("name", 1),
        ("on", 1),
        ("units", 1),
        ("units", [1.5]),
        ("steps", [1]),
    ],
)
def test_set_to_another_type(hparams, name, value):
    with pytest.raises(ValueError, match=f"The hyperparameter {name} must"):
        hparams.set_hparam(name, value)


def test_unknown_names(hparams):
    with pytest.raises(KeyError):
        hparams.set_hparam("speed", 1)
    with pytest.raises(KeyError):
        hparams.override_from_dict({"speed": 1})


def test_override_from_dict_and_json(hparams):
    assert hparams.override_from_dict({"steps": 3, "units": [1]}) is hparams
    assert hparams.parse_json('{"rate": 2, "name": "json"}') is hparams
    assert (hparams.steps, hparams.units, hparams.rate, hparams.name) == (3, [1], 2.0, "json")


def test_to_json(hparams):
    hparams.add_hparam("call", print)
    assert json.loads(hparams.to_json()) == {
        **{name: value for name, value in hparams.values().items() if name != "call"},
        "ends": ["x"],
    }
    assert HParams(b=1, a=2).to_json(indent=1, sort_keys=True) == '{\n "a": 2,\n "b": 1\n}'
    assert HParams(b=1, a=2).to_json(separators=(";", ":")) == '{"b":1;"a":2}'


def test_get(hparams):
    assert hparams.get("steps") == 10
    assert hparams.get("steps", 3) == 10
    assert hparams.get("speed") is None
    assert hparams.get("speed", 3) == 3
    assert hparams.get("units", [1]) == [3, 2]
    for name, default in (("steps", "3"), ("units", 3), ("units", ["3"]), ("rate", [1.0])):
        with pytest.raises(ValueError, match=f"The default of {name} must be of its type"):
            hparams.get(name, default)


def test_add_and_delete(hparams):
    hparams.add_hparam("more", 1)
    for name in ("more", "parse", "values"):
        with pytest.raises(ValueError, match="must be a new one"):
            hparams.add_hparam(name, 1)
    with pytest.raises(ValueError, match="must not be empty"):
        hparams.add_hparam("empty", [])
    with pytest.raises(ValueError, match="must be None"):
        HParams({"a": 1})
    hparams.del_hparam("more")
    hparams.del_hparam("more")
    assert "more" not in hparams
    hparams.add_hparam("more", "another type")


def test_copies_and_the_model_structure(hparams):
    hparams.set_model_structure("deep")
    copied = copy.deepcopy(hparams)
    copied.parse("steps=1")
    assert (hparams.steps, copied.steps, copied.get_model_structure()) == (10, 1, "deep")
