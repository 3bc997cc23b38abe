"""examples/tumors.py runs, and its models learn."""

import importlib.util
from pathlib import Path

import pytest
import tensorflow as tf

PROGRAM = Path(__file__).parents[2] / "examples" / "tumors.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("tumors_example", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    level = tf.get_logger().level
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
        spec.loader.exec_module(module)
        yield module
    tf.get_logger().setLevel(level)


def test_every_model_is_better_than_the_baseline(program, tmp_path):
    said = []
    found = program.compare(100, tmp_path, said.append)
    assert list(found) == ["baseline", "linear", "deep", "wide and deep"]
    assert found["baseline"]["accuracy"] == pytest.approx(found["baseline"]["accuracy_baseline"])
    for name in ("linear", "deep", "wide and deep"):
        assert found[name]["accuracy"] > 0.9
        assert found[name]["auc"] > 0.95
    assert len(said) == 2 + len(found)


def test_no_row_is_in_both_parts(program):
    (train, labels), (held_out, held_out_labels) = program.load_data()
    assert len(labels) + len(held_out_labels) == 569
    rows = {tuple(row) for row in zip(*train.values(), strict=True)}
    assert rows.isdisjoint(zip(*held_out.values(), strict=True))
