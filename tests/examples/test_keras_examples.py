"""The examples with Keras run, and their models learn."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tensorflow as tf

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def program() -> Any:
    """The module of an example, by name."""
    level = tf.get_logger().level

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"{name}_example", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
        yield load
    tf.get_logger().setLevel(level)


def test_a_model_fn_of_keras_learns_and_goes_on(program, tmp_path, capsys):
    run = program("keras_model_fn").run
    first = run(60, tmp_path)
    second = run(150, tmp_path)
    assert second["global_step"] == 150
    assert second["loss"] < first["loss"]
    assert second["accuracy"] > 0.9
    assert "read:" in capsys.readouterr().out


def test_a_model_moves_to_an_estimator_and_its_weights_come_back(program, tmp_path, capsys):
    accuracy = program("keras_model_to_estimator").run(150, tmp_path)
    assert accuracy > 0.9
    # The Estimator and the Keras model give the same number for the same weights.
    assert f"step 150: {accuracy:.3f}" in capsys.readouterr().out


def test_the_roles_of_a_cluster_share_the_work(program, tmp_path, capsys, monkeypatch):
    run = program("keras_model_to_estimator").run

    def play(role: str) -> tuple[float | None, str]:
        cluster = {"chief": ["localhost:2222"]}
        task = {"type": role, "index": 0}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        return run(60, tmp_path), capsys.readouterr().out

    accuracy, said = play("chief")
    assert "role: chief" in said
    result, said = play("evaluator")
    assert result is None
    assert f"step 60: {accuracy:.3f}" in said
