"""Public names, arguments and defaults are the original's; what we add is optional, by keyword."""

import functools
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

MODULES = {"v2": "tf_estimator", "v1": "tf_estimator.compat.v1"}

# Public names of ours that the original never had.
_OURS = {"BestCheckpoints", "__version__", "best_checkpoints", "hooks", "predictor"}
ADDED = {"v2": _OURS, "v1": _OURS}


class Fact(NamedTuple):
    """One line of tests/data/api_*.txt."""

    version: str
    name: str
    value: str
    may_be_absent: bool


def _facts() -> list[Fact]:
    facts = []
    for version in MODULES:
        text = Path(__file__).with_name("data").joinpath(f"api_{version}.txt").read_text()
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.removeprefix("? ").partition(" ")
                facts.append(Fact(version, name, value, line.startswith("? ")))
    return facts


FACTS = _facts()


def _look_up(fact: Fact) -> Any:
    """What the fact is about, a method or property as it stands in its class; AttributeError."""
    found: Any = importlib.import_module(MODULES[fact.version])
    for part in fact.name.split("."):
        if inspect.isclass(found):
            fields = getattr(found, "__dataclass_fields__", {})
            found = fields[part] if part in fields else inspect.getattr_static(found, part)
        else:
            found = getattr(found, part)
    return found


def _default(value: Any) -> str:
    if inspect.isclass(value):
        return f"<class {value.__qualname__}>"
    if inspect.isfunction(value):
        return f"<function {value.__qualname__}>"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _signature(called: Any, bound: bool) -> str:
    """The arguments that a caller of the original could give, `self` left out."""
    if isinstance(called, classmethod | staticmethod):
        bound = bound and isinstance(called, classmethod)
        called = called.__func__
    shown = []
    for parameter in list(inspect.signature(called).parameters.values())[int(bound) :]:
        name, default = parameter.name, parameter.default
        if parameter.kind is parameter.KEYWORD_ONLY and default is not parameter.empty:
            continue  # ours: nobody has to give it
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            name = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(
                parameter.kind.name, f"{parameter.kind.name} "
            ) + name
        shown.append(name if default is parameter.empty else f"{name}={_default(default)}")
    return f"({', '.join(shown)})"


def _matches(expected: str, received: str) -> bool:
    pattern = re.escape(expected).replace(re.escape("=..."), "=[^,]+")
    return re.fullmatch(pattern, received) is not None


def _check(fact: Fact, found: Any) -> None:
    if fact.value.startswith("(") and not fact.name.endswith("._fields"):
        if inspect.isclass(found):
            received = _signature(found, bound=False)
        else:
            received = _signature(found, bound=inspect.isclass(_owner(fact)))
        assert _matches(fact.value, received), f"{fact.name}{received} should be {fact.value}"
    elif fact.value == "property":
        is_data = inspect.isdatadescriptor(found) or isinstance(found, functools.cached_property)
        assert is_data or type(found).__name__ == "Field", f"{fact.name} should be a property"
    elif fact.value:
        assert repr(found) == fact.value
    else:
        assert inspect.isclass(found)


def _owner(fact: Fact) -> Any:
    return _look_up(fact._replace(name=fact.name.rpartition(".")[0])) if "." in fact.name else None


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact.version}-{fact.name}")
def test_name_is_as_in_the_original(fact: Fact) -> None:
    try:
        found = _look_up(fact)
    except AttributeError:
        if fact.may_be_absent or fact.value == "absent":
            return
        raise
    if fact.value == "absent":
        # A property may stand there, if all it does is to say what to call instead.
        assert isinstance(found, property), f"{fact.name} should not exist in {fact.version}"
        with pytest.raises(AttributeError):
            found.fget(object.__new__(_owner(fact)))
        return
    _check(fact, found)


@pytest.mark.parametrize("version", MODULES)
def test_all_lists_what_is_there_and_nothing_else(version: str) -> None:
    module = importlib.import_module(MODULES[version])
    tops = {
        fact.name.split(".")[0]: fact.may_be_absent for fact in FACTS if fact.version == version
    }
    listed = set(module.__all__)
    assert listed >= {name for name, may_be_absent in tops.items() if not may_be_absent}
    assert listed - set(tops) <= ADDED[version], "list what is ours in ADDED"
    assert len(module.__all__) == len(listed)
    for name in listed:
        getattr(module, name)


@pytest.mark.parametrize(
    ("expected", "received", "same"),
    [
        ("(a, b=None)", "(a, b=None)", True),
        ("(a, b=...)", "(a, b=<object object>)", True),
        ("(a, b=..., c=1)", "(a, b=None, c=1)", True),
        ("(a, b=None)", "(a, b=0)", False),
        ("(a, b=None)", "(b, a=None)", False),
        ("(a, b=...)", "(a, b)", False),
        ("(a)", "(a, b=None)", False),
    ],
)
def test_signatures_are_told_apart(expected: str, received: str, same: bool) -> None:
    assert _matches(expected, received) is same


def test_only_what_nobody_has_to_give_is_left_out_of_a_signature() -> None:
    def ours(a: int, /, b: int, *, c: int, d: int = 1, **e: int) -> None: ...

    assert _signature(ours, bound=False) == "(POSITIONAL_ONLY a, b, KEYWORD_ONLY c, **e)"


@pytest.mark.parametrize("name", ["compat.v1.Estimator", "hooks.ProgressHook", "keras.minimize"])
def test_what_is_imported_late_is_found_without_an_import_of_its_own(name: str) -> None:
    program = f"import tf_estimator; print(tf_estimator.{name}.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.strip() == name.rpartition(".")[2], done.stderr


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tf_estimator' has no attribute 'nothing'"):
        importlib.import_module("tf_estimator").nothing  # noqa: B018 - the look-up is the test


@pytest.mark.parametrize("version", MODULES)
def test_dir_lists_all_names(version: str) -> None:
    module = importlib.import_module(MODULES[version])
    assert {*module.__all__, "__version__" if version == "v2" else "export"} <= set(dir(module))
