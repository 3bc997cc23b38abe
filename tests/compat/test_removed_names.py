"""Names that Python and NumPy removed: there for a time, and then away again."""

import collections
import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from tf_estimator.compat import removed_names, supplied
from tf_estimator.compat.removed_names import RemovedNames


@pytest.fixture
def names() -> Iterator[RemovedNames]:
    names = RemovedNames()
    yield names
    names.withdraw()


@pytest.mark.parametrize("name", supplied.REMOVED)
def test_each_is_there(name: str, names: RemovedNames) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names.supply_loaded()
        names.supply("unittest")
        names.supply("numpy")
        if name in removed_names._MODULES:
            importlib.import_module(name)
        path, _, last = name.rpartition(".")
        assert last in vars(pkgutil.resolve_name(path))


def test_only_what_is_missing_changes_and_nothing_stays(names: RemovedNames) -> None:
    before = {package: dict(vars(sys.modules[package])) for package in ("numpy", "collections")}
    there = dict(vars(np)).get("bool")
    names.supply("numpy")
    names.supply("collections")
    assert np.float_ is np.float64
    assert np.in1d([[1], [2]], [2, 3]).tolist() == [False, True]
    if there is not None:
        assert np.bool is there
    names.withdraw()
    for package, attributes in before.items():
        assert dict(vars(sys.modules[package])) == attributes


def test_what_other_code_has_put_there_stays(
    names: RemovedNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collections, "Mapping", "theirs", raising=False)
    names.supply("collections")
    assert collections.Mapping == "theirs"
    names.withdraw()
    assert collections.Mapping == "theirs"


def test_modules_are_found_and_forgotten(
    names: RemovedNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "xml.etree.cElementTree", raising=False)
    if importlib.util.find_spec("xml.etree.cElementTree"):  # in some versions it was back
        pytest.skip("this Python has it")
    names.supply_loaded()
    now = importlib.import_module("xml.etree.ElementTree")
    assert importlib.import_module("xml.etree.cElementTree") is now
    assert importlib.import_module("xml.etree").cElementTree is now
    assert now.__spec__.name == "xml.etree.ElementTree"
    names.withdraw()
    assert names not in sys.meta_path
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("xml.etree.cElementTree")
    assert not hasattr(importlib.import_module("xml.etree"), "cElementTree")


def test_packages_wait_until_they_are_imported() -> None:
    program = """
import sys
from tf_estimator.compat.removed_names import RemovedNames
names = RemovedNames()
names.supply_loaded()
assert "numpy" not in sys.modules
print(sorted(names.waiting))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "'numpy'" in done.stdout
    assert "'collections'" not in done.stdout


def test_getargspec_gives_four_things_as_it_did() -> None:
    def function(a: int, b: int = 1, *c: int, d: int = 2, **e: int) -> None: ...

    found = removed_names.getargspec(function)
    assert found == (["a", "b"], "c", "e", (1,))
    assert found.keywords == inspect.getfullargspec(function).varkw


@pytest.mark.parametrize("value", [np.array([[3]]), np.float32(3), np.array(3.0)])
def test_asscalar(value: np.ndarray) -> None:
    found = removed_names.asscalar(value)
    assert found == 3
    assert type(found) in (int, float)
