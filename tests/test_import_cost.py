"""Importing tf_estimator brings in itself, the standard library and TensorFlow, and no Keras.

TensorFlow imports Keras on its own if it finds one, and with it whatever Keras can use. So all that
is forgotten again here, and a hook of the import system refuses it and notes what was asked for.
"""

import json
import subprocess
import sys

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
