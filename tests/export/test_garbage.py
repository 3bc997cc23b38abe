"""Which folders are exports, and which of them are deleted."""

import logging
import os

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.export.garbage import (
    check_exports_to_keep,
    delete_old_exports,
    exports,
    timestamps,
)

# Times in seconds, oldest first.
T = [str(1_700_000_000 + n) for n in range(5)]

FOREIGN = [
    "temp-1700000000",
    "1",
    "123",
    "170000000",
    "17000000000",
    "1700000000.0",
    "1700000000-old",
    "-700000000",
    " 700000000",
    "1_70000000",
    "\u0661\u0667\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660",
    "checkpoints",
    "best",
]


@pytest.fixture
def folder(tmp_path):
    """A folder with the exports of T, each with a file in it."""
    for name in T:
        (tmp_path / name / "variables").mkdir(parents=True)
        (tmp_path / name / "variables" / "saved_model.pb").touch()
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "listing",
    [
        [T[1], T[0]],
        [f"{T[1]}/", f"{T[0]}/"],
        [T[1].encode(), T[0].encode()],
        [f"{T[1]}/".encode(), f"{T[0]}/".encode()],
        [f"{T[1]}/", T[0], T[1]],
    ],
    ids=["str", "slash", "bytes", "bytes-slash", "twice"],
)
def test_every_kind_of_listing_is_read(listing):
    assert timestamps([*listing, "temp-1700000003/", b"other"]) == T[:2]


@pytest.mark.parametrize("name", FOREIGN, ids=ascii)
def test_other_names_are_no_exports(name):
    assert timestamps([name, f"{name}/", name.encode()]) == []


@pytest.mark.parametrize("as_type", [str, os.fspath, os.fsencode, lambda path: f"{path}/"])
def test_exports_are_folders_oldest_first(folder, as_type):
    (folder / "1800000000").write_text("a file")
    assert exports(as_type(folder)) == [str(folder / name) for name in T]


def test_exports_of_nothing(tmp_path):
    assert exports(tmp_path / "nothing") == []
    assert exports(tmp_path) == []


@pytest.mark.parametrize(
    ("keep", "left"), [(1, T[4:]), (2, T[3:]), (4, T[1:]), (5, T), (9, T), (None, T)]
)
@pytest.mark.parametrize("as_type", [os.fspath, os.fsencode])
def test_the_newest_stay(folder, keep, left, as_type):
    delete_old_exports(as_type(folder), keep)
    assert names(folder) == left


@pytest.mark.parametrize(
    ("made", "left"), [(T[0], [T[0], T[4]]), (T[2], [T[2], T[4]]), (T[4], T[3:]), ("no", T[3:])]
)
def test_the_export_just_made_stays_though_the_clock_was_set_back(folder, made, left):
    delete_old_exports(folder, 2, os.fsencode(folder / made))
    assert names(folder) == left


def test_nothing_but_exports_is_touched(folder):
    for name in FOREIGN:
        (folder / name).mkdir()
    (folder / "1600000000").write_text("a file, older than all")
    delete_old_exports(folder, 1)
    assert names(folder) == sorted([*FOREIGN, "1600000000", T[4]])


def test_what_cannot_be_deleted_stays_with_a_warning(folder, caplog):
    def delete(path):
        if path.endswith(T[1]):
            raise tf.errors.PermissionDeniedError(None, None, "read-only disk")
        tf.io.gfile.rmtree(path)

    with caplog.at_level(logging.WARNING):
        delete_old_exports(folder, 1, delete=delete)
    assert names(folder) == [T[1], T[4]]
    warning = f"Old export {folder / T[1]} stays: it cannot be deleted (read-only disk)."
    assert [record.getMessage() for record in caplog.records] == [warning]


@pytest.mark.parametrize("gone", [T[0], T[4]])
def test_an_export_that_someone_else_deletes_meanwhile_is_no_error(folder, gone):
    def delete(path):
        if (folder / gone).exists():
            tf.io.gfile.rmtree(str(folder / gone))
        tf.io.gfile.rmtree(path)

    delete_old_exports(folder, 1, delete=delete)
    assert names(folder) == [name for name in T[4:] if name != gone]


@pytest.mark.parametrize("value", [1, 5, None, np.int64(2)])
def test_exports_to_keep(value):
    assert check_exports_to_keep(value) == value


@pytest.mark.parametrize("value", [0, -1, False])
def test_exports_to_keep_is_positive(value):
    with pytest.raises(ValueError, match=f"exports_to_keep must be .* received {value} "):
        check_exports_to_keep(value)


@pytest.mark.parametrize("value", [1.5, 2.0, "3", [], {}])
def test_exports_to_keep_is_an_integer(value):
    with pytest.raises(TypeError, match="exports_to_keep must be a positive integer or None; rec"):
        check_exports_to_keep(value)
