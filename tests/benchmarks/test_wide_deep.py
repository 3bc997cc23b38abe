"""benchmarks/wide_deep.py trains in turns, and compares; how fast is not tested here."""

import importlib.util
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "wide_deep.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("wide_deep_benchmark", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_process_trains_in_turns(program, tmp_path):
    trainer = program.Trainer(sys.executable, "ours", 3, str(tmp_path / "model"))
    turns = [trainer.turn() for _ in range(2)]
    trainer.close()
    assert all(speed > 0 for turn in turns for speed in turn)
    assert (tmp_path / "model" / "checkpoint").exists()


def test_a_process_that_ends_is_an_error(program, tmp_path):
    trainer = program.Trainer(sys.executable, "no such api", 3, str(tmp_path))
    with pytest.raises(RuntimeError, match="A process that trains has ended"):
        trainer.turn()
    trainer.close()


def test_medians_and_their_ratio_are_said(program, capsys):
    turns = [program.Turn(wall, 2 * wall) for wall in (1.0, 30.0, 20.0)]
    program.report({"ours": turns, "original": [program.Turn(10.0, 80.0)]})
    ours, original, ratio = capsys.readouterr().out.splitlines()[-3:]
    assert ours.split() == ["ours", "20", "40"]
    assert original.split() == ["original", "10", "80"]
    assert ratio.split() == ["ratio", "2.00", "0.50"]
