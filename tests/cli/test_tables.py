"""The tables that `check` and the migration guide are made of are those of what there is."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tensorflow as tf

from tf_estimator.cli.migration import symbols, tensorflow1
from tf_estimator.compat import supplied


@pytest.fixture(scope="module")
def make_tables() -> ModuleType:
    path = Path(__file__).with_name("make_tables.py")
    spec = importlib.util.spec_from_file_location("make_tables", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STALE = "stale: run python tests/cli/make_tables.py"


def test_symbols_are_those_of_the_package(make_tables: ModuleType) -> None:
    text = make_tables.SOURCE.joinpath("symbols.py").read_text(encoding="utf-8")
    assert text == make_tables.symbols(), STALE


def test_names_of_version_1_are_those_of_tensorflow(make_tables: ModuleType) -> None:
    text = make_tables.SOURCE.joinpath("tensorflow1.py").read_text(encoding="utf-8")
    assert text == make_tables.tensorflow1(), STALE


def test_the_migration_guide_has_the_table(make_tables: ModuleType) -> None:
    text = make_tables.PAGE.read_text(encoding="utf-8")
    assert text == make_tables.page(text), STALE


def test_every_name_of_the_original_is_in_the_table(make_tables: ModuleType) -> None:
    # The numbers of classes, functions and modules, less the module itself, of the original.
    assert len(symbols.V1 | symbols.V1_MISSING) == 65 + 19 + 7 - 1 - 2
    assert len(symbols.V2 | symbols.V2_MISSING) == 60 + 15 + 4 - 1 - 2
    assert not symbols.V1 & symbols.V1_MISSING
    assert not symbols.V2 & symbols.V2_MISSING


@pytest.mark.parametrize(("original", "ours"), symbols.MODULES.items())
def test_names_can_be_imported_from_where_they_are_said_to_be(original: str, ours: str) -> None:
    names, prefix = symbols.V1, "tensorflow.compat.v1.estimator"
    if not original.startswith(prefix):
        names, prefix = symbols.V2, "tensorflow.estimator"
    inner = original.removeprefix(prefix).removeprefix(".")
    module = importlib.import_module(ours)
    for name in names:
        room, _, last = name.rpartition(".")
        if room == inner:
            getattr(module, last)


def _exists(dotted: str) -> bool:
    package, *rest = dotted.split(".")
    found: Any = {"tensorflow": tf}.get(package) or importlib.import_module(package)
    for part in rest:
        found = getattr(found, part, None)
    return found is not None


@pytest.mark.parametrize("name", [name for name, now in supplied.CONTRIB.items() if now])
def test_what_contrib_names_are_today_exists(name: str) -> None:
    today = supplied.CONTRIB[name]
    ours = today.removeprefix("tf_estimator.compat.v1.")
    if ours in symbols.V1_MISSING:
        return
    if "rnn_cell" in today:
        pytest.importorskip("tf_keras")
        return
    assert _exists(today), today


def test_every_module_of_contrib_that_run_has_comes_with_advice() -> None:
    assert {name.partition(".")[0] for name in supplied.CONTRIB} <= set(supplied.TODAY)


@pytest.mark.parametrize("name", supplied.REMOVED)
def test_what_was_removed_has_another_name(name: str) -> None:
    now = supplied.REMOVED[name]
    assert "." not in now or _exists(now), now


def test_names_of_version_1_are_found_at_their_start() -> None:
    # A name below one that is listed would never be found.
    for name in tensorflow1.NAMES:
        assert name.rpartition(".")[0] not in tensorflow1.NAMES
