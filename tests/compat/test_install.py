"""install() puts the Estimator API where programs look for it, and uninstall() leaves no trace."""

import importlib
import inspect
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator.compat import import_paths, v1
from tf_estimator.compat.install import install, uninstall

ALIASES = {
    "tf": tf,
    "tf.compat.v1": tf.compat.v1,
    "tf.compat.v2": tf.compat.v2,
    "tf.compat.v1.compat.v1": tf.compat.v1.compat.v1,
    "tf.compat.v1.compat.v2": tf.compat.v1.compat.v2,
    "tf.compat.v2.compat.v1": tf.compat.v2.compat.v1,
    "tf.compat.v2.compat.v2": tf.compat.v2.compat.v2,
}


def _state() -> dict[str, Any]:
    """All that install() may change."""
    modules = {
        name: (id(module), sorted(vars(module)), list(getattr(module, "__all__", [])))
        for name, module in sys.modules.items()
        if import_paths.is_tensorflow(name) or import_paths.is_keras(name)
    }
    # Each import changes what its package has, and Keras is loaded with the first look.
    ours = {name for name in sys.modules if "estimator" in name and "tf_estimator" not in name}
    packages = ("tensorflow.python", "tensorflow.python.tpu", "tensorflow.python.training")
    below = [sorted(vars(sys.modules[name])) for name in packages]
    return {
        "modules": modules,
        "ours": ours,
        "below": below,
        "path": list(sys.meta_path),
        "inspect": sorted(vars(inspect)),
        "package": sorted(vars(tf_estimator)),
        "v1": sorted(vars(v1)),
        "keras": [hasattr(module.keras, "estimator") for module in ALIASES.values()],
    }


USED = (
    "tensorflow.estimator",
    "tensorflow.estimator.export",
    "tensorflow_estimator.python.estimator.canned.head",
    "tensorflow.python.estimator.run_config",
    "tensorflow.python.tpu.tpu_estimator",
    "tensorflow.python.training.tracking.graph_view",
)


def test_uninstall_leaves_no_trace() -> None:
    # The first test here: one that ran before may have left the trace.
    for name in ("tensorflow.python.tpu", "tensorflow.python.training", "tf_estimator.export"):
        importlib.import_module(name)
    assert dir(tf_estimator)
    assert v1.tpu
    before = _state()
    for _ in range(2):
        install()
        install()  # Changes nothing.
        for name in USED:
            importlib.import_module(name)
        assert all(module.keras.estimator for module in ALIASES.values())
        assert _state() != before
        uninstall()
        after = _state()
        for key, value in before.items():
            assert after[key] == value, key
    uninstall()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("alias", ALIASES)
def test_every_name_of_tensorflow_has_the_surface_of_its_version(alias: str) -> None:
    surface = v1 if alias.endswith("v1") else tf_estimator
    assert ALIASES[alias].estimator is surface


@pytest.mark.usefixtures("installed")
def test_all_modules_that_are_tensorflow_have_it() -> None:
    found = {name: m for name, m in sys.modules.items() if import_paths.is_tensorflow(name)}
    assert len(found) >= len(ALIASES)
    for name, module in found.items():
        assert module.estimator is (v1 if name.endswith("v1") else tf_estimator), name


@pytest.mark.usefixtures("installed")
def test_classes_are_those_of_this_package() -> None:
    assert tf.estimator.Estimator is tf_estimator.Estimator
    assert tf.compat.v1.estimator.Estimator is v1.Estimator
    assert issubclass(tf.compat.v1.estimator.Estimator, tf.estimator.Estimator)
    assert pickle.loads(pickle.dumps(tf.estimator.Estimator)) is tf_estimator.Estimator


@pytest.mark.filterwarnings("ignore:inspect.getargspec:DeprecationWarning")  # of Python 3.10
@pytest.mark.usefixtures("installed")
def test_names_of_python_that_libraries_need() -> None:
    assert inspect.getargspec(lambda a, **c: a).keywords == "c"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("installed")
def test_from_imports() -> None:
    from tensorflow import estimator

    assert estimator is tf_estimator
    # What `from tensorflow.compat.v1 import estimator` asks, without executing that module anew.
    assert importlib.import_module("tensorflow._api.v2.compat.v1").estimator is v1


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("alias", ALIASES)
def test_keras_has_model_to_estimator(alias: str) -> None:
    ours = importlib.import_module("tf_estimator.keras").model_to_estimator
    assert ALIASES[alias].keras.estimator.model_to_estimator is ours


@pytest.mark.usefixtures("installed")
def test_an_unknown_name_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="BoostedTreesClassifier"):
        tf.estimator.BoostedTreesClassifier  # noqa: B018 - the look-up is the test
    with pytest.raises(ImportError, match="BoostedTreesClassifier"):
        exec("from tensorflow.estimator import BoostedTreesClassifier")
    with pytest.raises(ModuleNotFoundError, match=r"not bring .*tensorflow\.estimator\.nothing"):
        importlib.import_module("tensorflow.estimator.nothing")


def test_what_was_there_before_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = ModuleType("theirs")
    monkeypatch.setattr(tf, "estimator", theirs, raising=False)
    install()
    assert tf.estimator is tf_estimator
    uninstall()
    assert tf.estimator is theirs


def test_an_installation_that_fails_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise OSError(name)

    path = list(sys.meta_path)
    monkeypatch.setattr(import_paths, "surface", fail)
    with pytest.raises(OSError, match="tensorflow"):
        install()
    assert sys.meta_path == path
    assert not hasattr(tf, "estimator")
    monkeypatch.undo()
    install()
    assert tf.estimator is tf_estimator
    uninstall()


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package tensorflow_estimator that can be imported."""
    package = tmp_path / "tensorflow_estimator"
    package.mkdir()
    package.joinpath("__init__.py").write_text("is_original = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    sys.modules.pop("tensorflow_estimator", None)
    importlib.invalidate_caches()


@pytest.mark.parametrize("is_loaded", [False, True])
def test_the_original_is_not_shadowed_silently(original: Path, is_loaded: bool) -> None:
    loaded = importlib.import_module("tensorflow_estimator") if is_loaded else None
    with pytest.raises(RuntimeError, match="pip uninstall tensorflow-estimator") as error:
        install()
    assert str(original) in str(error.value)
    assert not hasattr(tf, "estimator")
    install(shadow=True)
    assert not hasattr(importlib.import_module("tensorflow_estimator"), "is_original")
    uninstall()
    found = importlib.import_module("tensorflow_estimator")
    assert found.is_original
    assert loaded in (None, found)


def test_an_empty_folder_is_not_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorflow_estimator" / "__pycache__").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    install()
    uninstall()


# In a process of its own: it executes modules of TensorFlow anew, under other names.
PROGRAM = """
import sys
from tf_estimator.compat.install import install, uninstall

assert "tensorflow" not in sys.modules
install()

import tensorflow.compat.v1 as tf1
import tensorflow.keras as keras

assert tf1.estimator.Estimator
assert keras.estimator.model_to_estimator

import tensorflow.compat.v1.estimator as imported
import tensorflow.compat.v1.estimator.tpu
import tensorflow.compat.v2.estimator.export
from tensorflow.compat.v1 import estimator
from tensorflow.compat.v1.estimator.inputs import numpy_input_fn
from tensorflow.estimator import Estimator
from tensorflow.keras.estimator import model_to_estimator

import tf_estimator
from tf_estimator.compat import v1

assert tf1.estimator is imported is estimator is v1
assert tf1.compat.v2.estimator is tf_estimator
assert Estimator is tf_estimator.Estimator
assert numpy_input_fn is v1.inputs.numpy_input_fn
assert tensorflow.compat.v1.estimator.tpu is v1.tpu
assert tensorflow.compat.v2.estimator.export is tf_estimator.export
assert keras.estimator.model_to_estimator is tf_estimator.keras.model_to_estimator

import tensorflow_estimator

assert tensorflow_estimator.estimator is v1
assert tensorflow_estimator.python.estimator.estimator.EstimatorV2 is Estimator
import tensorflow_estimator.python.estimator.api._v2.estimator as api
assert api is tf_estimator

uninstall()
for module in (tf1, keras, tensorflow, tensorflow.compat.v2):
    assert not hasattr(module, "estimator"), module
assert v1.tpu and tf_estimator.export  # They are not modules of the installation.
print("all is as it should be")
"""


@pytest.mark.slow
def test_modules_of_tensorflow_that_are_imported_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == "all is as it should be\n", done.stderr


NO_KERAS = """
import sys
import tensorflow
from tf_estimator.compat.install import install

for name in [name for name in sys.modules if name.partition(".")[0] in ("keras", "tf_keras")]:
    del sys.modules[name]
sys.modules["keras"] = sys.modules["tf_keras"] = None  # An import of it fails.
install()
from tensorflow_estimator.python.estimator.canned.dnn import DNNClassifierV2
print(sorted(name for name in sys.modules if name.startswith(("keras.", "tf_keras."))))
"""


@pytest.mark.slow
def test_keras_is_not_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_KERAS], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == "[]\n", done.stderr
