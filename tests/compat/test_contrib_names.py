"""tf.contrib: its names lead to what the table says, and what is not there says so."""

import importlib
from types import ModuleType

import pytest
import tensorflow as tf

from tf_estimator.compat import contrib, supplied


@pytest.fixture
def root() -> contrib.Contrib:
    """tf.contrib of the real TensorFlow."""
    return contrib.Contrib("contrib_of_a_test", tf)


def found(root: contrib.Contrib, name: str) -> object:
    for part in name.split("."):
        root = getattr(root, part)
    return root


@pytest.mark.parametrize("name", supplied.CONTRIB)
def test_each_name_of_the_table_is_there(name: str, root: contrib.Contrib) -> None:
    today = supplied.CONTRIB[name]
    if "rnn" in name:
        pytest.importorskip("tf_keras")
    if ".rnn_cell." in today:  # tf.compat.v1.nn.rnn_cell needs enable_v1_layers
        return
    value = found(root, name)
    if not today:
        part, _, last = name.partition(".")
        assert value is getattr(
            importlib.import_module(f"tf_estimator.compat.contrib.{part}"), last
        )
    elif today.startswith("tensorflow."):
        assert value is found(tf, today.partition(".")[2])  # type: ignore[arg-type]
    else:
        module, _, last = today.rpartition(".")
        assert value is getattr(importlib.import_module(module), last)


@pytest.mark.parametrize("part", sorted({name.partition(".")[0] for name in supplied.CONTRIB}))
def test_parts_tell_their_names(part: str, root: contrib.Contrib) -> None:
    module = getattr(root, part)
    names = {name.split(".")[1] for name in supplied.CONTRIB if name.startswith(f"{part}.")}
    assert set(module.__all__) == names
    assert names <= set(dir(module))
    assert part in root.__all__
    assert getattr(root, part) is module


def test_names_of_tensorflow_are_those_of_the_given_one() -> None:
    other = ModuleType("other")
    other.train = ModuleType("other.train")  # type: ignore[attr-defined]
    other.train.load_variable = "theirs"  # type: ignore[attr-defined]
    assert contrib.Contrib("c", other).framework.load_variable == "theirs"


@pytest.mark.parametrize("name", ["layers.nonsense", "nonsense", "gan", "layers.python.nonsense"])
def test_what_is_not_there(name: str, root: contrib.Contrib) -> None:
    with pytest.raises(AttributeError) as caught:
        found(root, name)
    message = str(caught.value)
    assert message == contrib.not_there(name)
    assert message.startswith(f"tf.contrib.{name} is not there: ")
    assert message.count("tf-estimator check") == 1
    assert caught.value.name == name.rpartition(".")[2]
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["__file__", "__wrapped__", "__path_of_something__"])
def test_tools_may_ask_for_anything(name: str, root: contrib.Contrib) -> None:
    assert not hasattr(root, name)
    assert not hasattr(root.layers, name)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("layers.real_valued_column", "Write tf.feature_column.numeric_column."),
        ("layers.real_valued_column.more", "Write tf.feature_column.numeric_column."),
        ("nonsense.name", "Nothing of TensorFlow 2 is called like it."),
    ],
)
def test_advice_is_that_of_the_longest_name(name: str, advice: str) -> None:
    assert contrib.today(name) == advice


@pytest.mark.parametrize("name", supplied.TODAY)
def test_all_advice_is_a_sentence(name: str) -> None:
    assert contrib.today(name) == f"{supplied.TODAY[name]}."
    assert supplied.TODAY[name][0].isupper()
    assert not supplied.TODAY[name].endswith(".")


def test_private_modules_have_the_names_of_their_part(root: contrib.Contrib) -> None:
    batch_norm = root.layers.batch_norm
    assert root.layers.python.layers.layers.batch_norm is batch_norm
    assert root.tpu.python.tpu.tpu_config.TPUConfig is root.tpu.TPUConfig
    assert set(contrib._PRIVATE) <= {name.partition(".")[0] for name in supplied.CONTRIB}


def test_a_module_may_be_called_like_a_function_in_it(root: contrib.Contrib) -> None:
    ops = root.framework.python.ops
    assert ops.arg_scope is root.framework.arg_scope
    assert ops.module("arg_scope").arg_scope is root.framework.arg_scope
    assert ops.module("nonsense") is None
