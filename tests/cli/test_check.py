"""The command `tf-estimator check`: what it prints and writes, and its exit status."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tf_estimator.cli import main

WORKS = "import tensorflow as tf\nprint(tf.estimator.ModeKeys.TRAIN)\n"
FIXED = "import tensorflow as tf\nimport tf_estimator\nprint(tf_estimator.ModeKeys.TRAIN)\n"
RUN = "import tensorflow as tf\ntf.placeholder(tf.float32)\n"
EDIT = "from tensorflow.contrib import gan\n"

# Runs the command as a process does in which there is nothing but the standard library.
ALONE = """
import sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0]
        if package not in sys.stdlib_module_names and package != "tf_estimator":
            raise ModuleNotFoundError(f"{name} was asked for")

sys.meta_path.insert(0, Refusal())
from tf_estimator.cli import main
sys.exit(main())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def process(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_needs_nothing_but_python(folder: Path) -> None:
    folder.joinpath("a.py").write_text(WORKS + "tf.contrib.gan\n")
    done = process("-c", ALONE, "check", "a.py")
    assert done.stderr == ""
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "a.py:2:7: works: tf.estimator.ModeKeys. It is tf_estimator.compat.v1.ModeKeys now.",
        ("a.py:3:1: edit: tf.contrib.gan. The package tensorflow-gan has it."),
        "1 file: 1 use fine after tf_estimator.install(), or by --fix; 1 use to edit.",
    ]


def test_it_is_a_module_too_and_reads_on_when_nobody_listens(folder: Path) -> None:
    folder.joinpath("a.py").write_text(WORKS)
    done = process("-m", "tf_estimator", "check", ".")
    assert (done.returncode, done.stderr) == (0, "")
    assert process("-m", "tf_estimator", "--version").stdout.startswith("tf-estimator ")
    command = f"{sys.executable} -m tf_estimator check {'. ' * 3} | true"
    piped = subprocess.run(command, shell=True, capture_output=True, timeout=60, check=False)
    assert piped.stderr == b""


@pytest.mark.parametrize(
    ("sources", "arguments", "status"),
    [
        ({}, (), 0),
        ({"a.py": "x = 1\n"}, (), 0),
        ({"a.py": WORKS, "b.py": RUN}, (), 0),
        ({"a.py": EDIT}, (), 1),
        ({"a.py": WORKS}, ("--fail-on", "works"), 1),
        ({"a.py": WORKS}, ("--fail-on", "run"), 0),
        ({"a.py": RUN}, ("--fail-on", "run"), 1),
        ({"a.py": EDIT}, ("--fail-on", "works"), 1),
        ({"a.py": WORKS}, ("--fail-on", "works", "--fix"), 0),
        ({"a.py": "print 'Python 2'\n"}, (), 1),
        ({"a.py": "x = '\xe9'\n"}, (), 2),
        ({"a.py": "x = " + "-" * 20_000 + "1\n"}, (), 2),
        ({"a.ipynb": "{}"}, (), 2),
        ({"a.ipynb": "[]"}, (), 2),
    ],
)
def test_exit_status(
    folder: Path, sources: dict[str, str], arguments: tuple[str, ...], status: int
) -> None:
    for name, text in sources.items():
        folder.joinpath(name).write_text(text, encoding="latin-1")
    assert main(["check", str(folder), *arguments]) == status


def test_what_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nothing.py"]) == 2
    assert capsys.readouterr().out.startswith("nothing.py:1:1: error: No such file")


@pytest.mark.parametrize("arguments", [[], ["check"], ["check", ".", "--fail-on", "all"]])
def test_a_wrong_call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: tf-estimator")


def test_fix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.joinpath("a.py").write_bytes(WORKS.replace("\n", "\r\n").encode())
    folder.joinpath("b.py").write_text(EDIT)
    assert main(["check", ".", "--fix"]) == 1
    assert folder.joinpath("a.py").read_bytes() == FIXED.replace("\n", "\r\n").encode()
    assert folder.joinpath("b.py").read_text() == EDIT
    assert capsys.readouterr().out.splitlines()[-1] == "2 files, 1 rewritten: 1 use to edit."
    written = os.stat("a.py").st_mtime_ns
    main(["check", ".", "--fix"])
    assert os.stat("a.py").st_mtime_ns == written
    assert capsys.readouterr().out.splitlines()[-1] == "2 files, 0 rewritten: 1 use to edit."


def test_a_folder_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser writes everywhere")
    folder.joinpath("a.py").write_text(WORKS)
    folder.chmod(0o555)
    try:
        assert main(["check", "a.py", "--fix"]) == 2
    finally:
        folder.chmod(0o755)
    assert "error: not written" in capsys.readouterr().out
    assert folder.joinpath("a.py").read_text() == WORKS


def test_diff_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.joinpath("a.py").write_text(WORKS.rstrip())
    assert main(["check", "a.py", "--fix", "--diff"]) == 0
    assert folder.joinpath("a.py").read_text() == WORKS.rstrip()
    assert capsys.readouterr().out.splitlines() == [
        "--- a/a.py",
        "+++ b/a.py",
        "@@ -1,2 +1,3 @@",
        " import tensorflow as tf",
        "-print(tf.estimator.ModeKeys.TRAIN)",
        "\\ No newline at end of file",
        "+import tf_estimator",
        "+print(tf_estimator.ModeKeys.TRAIN)",
        "\\ No newline at end of file",
    ]


@pytest.mark.parametrize(
    ("version", "now"), [("1", "tf_estimator.compat.v1.Head"), ("2", "tf_estimator.Head")]
)
def test_the_version_can_be_told(
    folder: Path, version: str, now: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.joinpath("a.py").write_text("import tensorflow as tf\ntf.estimator.Head, tf.Session\n")
    main(["check", "a.py", "--tensorflow", version])
    assert f"It is {now} now" in capsys.readouterr().out


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.joinpath("a.py").write_text(WORKS)
    folder.joinpath("b.ipynb").write_text("no")
    assert main(["check", ".", "--format", "json"]) == 2
    content = json.loads(capsys.readouterr().out)
    assert content["findings"] == [
        {
            "path": "a.py",
            "cell": None,
            "line": 2,
            "column": 7,
            "kind": "works",
            "name": "tf.estimator.ModeKeys",
            "advice": "It is tf_estimator.ModeKeys now",
            "can_fix": True,
        }
    ]
    assert [error["path"] for error in content["errors"]] == ["b.ipynb"]
    counts = {"works": 1, "run": 0, "edit": 0, "can_fix": 1, "errors": 1}
    assert content["summary"] == {"files": 2, "written": 1, **counts}


def test_a_table_has_a_line_for_each_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.joinpath("a.py").write_text(WORKS + "tf.estimator.ModeKeys\n" * 9 + EDIT)
    main(["check", ".", "--format", "table"])
    assert capsys.readouterr().out.splitlines() == [
        "a.py",
        "  works  tf.estimator.ModeKeys  at 2, 3, 4, 5, 6, 7, ... 10 lines",
        "         It is tf_estimator.compat.v1.ModeKeys now.",
        "  edit   tensorflow.contrib.gan  at 12",
        "         The package tensorflow-gan has it.",
        "",
        "1 file: 10 uses fine after tf_estimator.install(), or by --fix; 1 use to edit.",
    ]


@pytest.mark.parametrize(("no_color", "is_colored"), [(None, True), ("1", False)])
def test_a_terminal_gets_a_table_in_color(
    folder: Path, monkeypatch: pytest.MonkeyPatch, no_color: str | None, is_colored: bool
) -> None:
    pty = pytest.importorskip("pty")
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    folder.joinpath("a.py").write_text(EDIT)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tf_estimator", "check", "a.py"]
    subprocess.run(command, stdout=theirs, timeout=60, check=False)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert ("\x1b[31medit \x1b[0m" in shown) is is_colored
    assert re.search(r"gan .*at 1", shown)


def _cell(*lines: str, kind: str = "code") -> dict[str, object]:
    return {"cell_type": kind, "source": [f"{line}\n" for line in lines], "metadata": {}}


def test_a_notebook_is_read_as_one_program(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [
        _cell("tf.estimator", kind="markdown"),
        _cell("%matplotlib inline", "import tensorflow as tf", "!pip list", "x = !ls", "tf.nn?"),
        _cell("%%bash", "tf.estimator"),
        _cell("%%time", "f = '''", "%s''' % tf.estimator.Head"),
        _cell("if x:", "    %time tf.estimator", "    tf.estimator.ModeKeys"),
        _cell("no Python at all"),
        _cell("tf.estimator.Nothing"),
    ]
    path = folder / "a.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}}))
    before = path.read_bytes()
    assert main(["check", "a.ipynb", "--fix"]) == 1
    assert path.read_bytes() == before
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "a.ipynb:cell 4:3:9: works: tf.estimator.Head. It is tf_estimator.Head now.",
        "a.ipynb:cell 5:3:5: works: tf.estimator.ModeKeys. It is tf_estimator.ModeKeys now.",
        "a.ipynb:cell 6:1:1: edit: The cell does not parse as Python 3.",
        "a.ipynb:cell 7:1:1: edit: tf.estimator.Nothing. tf_estimator has no Nothing.",
    ]


def test_a_notebook_of_another_language(folder: Path) -> None:
    metadata = {"kernelspec": {"language": "R"}}
    content = {"cells": [_cell("x <- 1")], "metadata": metadata}
    folder.joinpath("a.ipynb").write_text(json.dumps(content))
    assert main(["check", "a.ipynb"]) == 0
