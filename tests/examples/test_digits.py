"""examples/digits.py runs as a reader would run it, learns what it should, and says what it did."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator

PROGRAM = Path(__file__).parents[2] / "examples" / "digits.py"
PICTURES = ("training.png", "wrong_digits.png")


@pytest.fixture(scope="module")
def program() -> Iterator[ModuleType]:
    """The example as a module; what it sets for its whole process is set back."""
    spec = importlib.util.spec_from_file_location("digits_example", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    level = tf.get_logger().level
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
        spec.loader.exec_module(module)
        yield module
    tf.get_logger().setLevel(level)


def number(pattern: str, printed: str) -> float:
    """The number after a text that is printed once."""
    (found,) = re.findall(rf"{pattern}\s+([\d.e+-]+)", printed)
    return float(found)


def confusion_matrix(printed: str) -> list[list[int]]:
    """Its ten rows, the recall left out."""
    rows = re.findall(r"^ +\d((?: +(?:\d+|\.)){10}) +[01]\.\d{3}$", printed, re.MULTILINE)
    return [[0 if count == "." else int(count) for count in row.split()] for row in rows]


def assert_pictures(folder: Path) -> None:
    """Both are PNGs, of a size that can be looked at."""
    for name in PICTURES:
        height, width, _ = tf.io.decode_png((folder / name).read_bytes()).shape
        assert min(height, width) >= 200, name


def assert_reloads(out: Path) -> None:
    """The export has a signature that takes images and gives probabilities."""
    (exported,) = (out / "exports").iterdir()
    serve = tf.saved_model.load(str(exported)).signatures["serving_default"]
    probabilities = serve(image=tf.zeros([3, 8, 8, 1]))["probabilities"].numpy()
    assert probabilities.shape == (3, 10)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.slow
def test_whole_run_reads_the_digits(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(tf_estimator.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is deprecated" not in done.stderr
    printed = done.stdout
    assert number("accuracy ", printed.partition("Evaluation")[2]) >= 0.97
    assert number("max abs difference", printed) <= 1e-5
    matrix = confusion_matrix(printed)
    right = sum(row[digit] for digit, row in enumerate(matrix))
    assert sum(map(sum, matrix)) == 360
    assert f"wrong     {360 - right} of 360" in printed
    (out,) = tmp_path.iterdir()
    assert out.name.startswith("digits_")
    assert_pictures(out)
    assert_reloads(out)


def test_second_run_says_that_it_goes_on_or_has_nothing_to_do(
    program: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "EVALUATIONS", 2)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["digits.py", *arguments])
        program.main()
        return capsys.readouterr().out

    first = run("--out", "a", "--steps", "10")
    assert "earlier run" not in first
    assert re.findall(r"^step +(\d+)/10 ", first, re.MULTILINE) == ["5", "10"]
    assert_pictures(tmp_path / "a")
    assert_reloads(tmp_path / "a")

    done = run("--out", "b", "--model-dir", "a/model", "--steps", "10")
    assert "a/model holds an earlier run: going on from step 10.\n" in done
    assert "so nothing is trained" in done
    assert "Evaluation after 10 steps" in done
    assert not re.findall("^step ", done, re.MULTILINE)
    assert_pictures(tmp_path / "b")

    more = run("--out", "c", "--model-dir", "a/model", "--steps", "15")
    assert "nothing is trained" not in more
    assert re.findall(r"^step +(\d+)/15 ", more, re.MULTILINE) == ["15"]


@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_picture_of_any_number_of_wrong_digits(
    program: ModuleType, tmp_path: Path, count: int
) -> None:
    _, held_out = program.load_data()
    read_as = held_out.digits.copy()
    read_as[:count] = (read_as[:count] + 1) % 10
    sureness = np.linspace(0.5, 1, len(read_as))
    program.draw_wrong(held_out, read_as, sureness, tmp_path / "wrong_digits.png")
    assert (tmp_path / "wrong_digits.png").read_bytes().startswith(b"\x89PNG")


def test_a_fixed_fifth_is_held_out_with_every_digit_in_its_share(program: ModuleType) -> None:
    data, held_out = program.load_data()
    assert (len(data.images), len(held_out.images)) == (1437, 360)
    assert set(np.bincount(held_out.digits)) <= {34, 35, 36, 37}
    np.testing.assert_array_equal(program.load_data()[1].images, held_out.images)
    assert (data.images.min(), data.images.max()) == (0, 1)
