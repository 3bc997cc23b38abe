"""benchmarks/memory.py measures, says and draws; how much memory it is, is not tested."""

import importlib.util
import statistics
import sys
from pathlib import Path

import pytest
import tensorflow as tf

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "memory.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("memory_benchmark", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    level = tf.get_logger().level
    spec.loader.exec_module(module)
    yield module
    tf.get_logger().setLevel(level)


def test_runs_and_draws(program, tmp_path, monkeypatch, capsys):
    picture = tmp_path / "memory.png"
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), "--rounds", "2", "--picture", str(picture)])
    program.main()
    printed = capsys.readouterr().out
    assert "The last quarter's mean" in printed
    assert tf.io.decode_png(picture.read_bytes()).shape[0] > 100


def test_each_round_trains_on(program, tmp_path):
    assert len(list(program.measure(2, str(tmp_path)))) == 2
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith(f"-{2 * program.STEPS}")


def test_growth_is_of_the_last_quarter(program, capsys):
    memory = [100.0] * 20 + [110.0] * 10 + [113.0] * 10
    program.report(memory)
    printed = capsys.readouterr().out
    assert "is +3.0 MB from" in printed
    assert f"{statistics.mean(memory[:4]):.0f} MB" in printed


def test_a_sparkline_goes_from_the_least_to_the_most(program):
    assert program.sparkline([0.0, 7.0, 3.5]) == "▁█▅"
    assert program.sparkline([5.0, 5.0]) == "▁▁"
