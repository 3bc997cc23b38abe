"""Importing tf_estimator brings in itself, the standard library and, for its names, TensorFlow.

And no Keras.

TensorFlow imports Keras on its own if it finds one, and with it whatever Keras can use. So all that
is forgotten again here, and a hook of the import system refuses it and notes what was asked for.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import importlib.abc, json, sys
import tensorflow as tf

REFUSED = "jax keras matplotlib pandas PIL scipy sklearn tensorboard tf_keras torch".split()
asked = []

class Refusal(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in REFUSED:
            asked.append(name)
            raise ModuleNotFoundError(name, name=name)

for name in [name for name in sys.modules if name.split(".")[0] in REFUSED]:
    del sys.modules[name]
sys.meta_path.insert(0, Refusal())
before = set(sys.modules)
try:
    import tf_estimator
    import tf_estimator.compat.v1
except Exception:
    if not asked:
        raise
json.dump({"asked": asked, "new": sorted(set(sys.modules) - before)}, sys.stdout)
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """The modules that the import brought in, `new`, and those it `asked` for in vain."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_asks_for_keras_or_an_optional_package(imported: dict[str, list[str]]) -> None:
    assert imported["asked"] == []


def test_no_part_of_tensorflow_that_holds_keras_is_imported(imported: dict[str, list[str]]) -> None:
    assert [name for name in imported["new"] if "keras" in name.split(".")] == []


def test_no_other_package_is_imported(imported: dict[str, list[str]]) -> None:
    packages = {name.split(".")[0] for name in imported["new"]}
    assert packages - sys.stdlib_module_names == {"tf_estimator"}


ALONE = """
import sys
import tf_estimator

hasattr(tf_estimator, "__wrapped__"), hasattr(tf_estimator, "_nothing")  # As tools ask.
assert "tensorflow" not in sys.modules, "at import"
sys.modules["tensorflow"] = None  # As if it were not installed.
import tf_estimator.cli
try:
    tf_estimator.Estimator
except ModuleNotFoundError as error:
    print(error.name)
"""


def test_tensorflow_is_imported_with_the_first_name() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.stderr) == ("tensorflow\n", "")


# One after the other in processes of their own: each room may be the first that is imported.
FIRST = """
import importlib, os, sys
import tensorflow

for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        importlib.import_module(name)
        import tf_estimator
        tf_estimator.Estimator, tf_estimator.training
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(name)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process for each would take minutes")
def test_any_room_may_be_imported_first() -> None:
    folder = Path(__file__).parents[1] / "src/tf_estimator"
    files = [path for path in folder.iterdir() if path.suffix in ("", ".py")]
    rooms = sorted(path.stem for path in files if not path.name.startswith("_"))
    rooms += ["compat.v1", "engine.keep", "engine.serve"]
    done = subprocess.run(
        [sys.executable, "-c", FIRST, *(f"tf_estimator.{room}" for room in rooms)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
