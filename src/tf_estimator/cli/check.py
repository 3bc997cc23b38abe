"""`tf-estimator check PATH...`: what in a program still works, and what to write instead.

It reads programs without running them, and without TensorFlow.
"""

import argparse
import difflib
import sys
from pathlib import Path
from typing import Any

from tf_estimator.cli.migration import notebooks, report, sources
from tf_estimator.cli.migration.report import Checked
from tf_estimator.cli.migration.rewrite import BrokenRewriteError, Rewrite
from tf_estimator.cli.migration.scan import Finding, Scan
from tf_estimator.cli.migration.verdicts import KINDS

DESCRIPTION = """\
Lists by file and line how a program uses what TensorFlow 2.16 has no more:

  works  after tf_estimator.install(), or by its new name, which --fix writes
  run    through `tf-estimator run`, which brings what TensorFlow 1 had
  edit   not without an edit; the line says which

It runs nothing and needs no TensorFlow. A file that has names of TensorFlow 1
only, as tf.placeholder, is taken for a program of that: its tf.estimator is the
one of version 1. Names that come from other files of the program are not
followed, and modules below tensorflow.python are not judged.
"""
EXIT = """\
exit status: 0 if nothing is of the --fail-on kind or worse, 1 if something is,
2 if a file could not be read or written.
"""


def add_to(commands: Any) -> None:
    """Adds the command to the parser's."""
    parser = commands.add_parser(
        "check",
        help="tell what in a program still works, and what to write instead",
        description=DESCRIPTION,
        epilog=EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="a file or a folder")
    parser.add_argument(
        "--fix",
        action="store_true",
        help="write tf_estimator for tf.estimator, in place; notebooks are only read",
    )
    parser.add_argument(
        "--diff", action="store_true", help="print what --fix would change, and write nothing"
    )
    parser.add_argument(
        "--tensorflow",
        choices=("1", "2"),
        help="the version that the programs are for; by default each file tells",
    )
    parser.add_argument(
        "--fail-on",
        choices=KINDS,
        default="edit",
        help="the mildest kind that makes the exit status 1 (default: edit)",
    )
    parser.add_argument(
        "--format",
        choices=("auto", "plain", "table", "json"),
        default="auto",
        help="auto (the default) is a table on a terminal, else plain lines",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    of_version_1 = {"1": True, "2": False, None: None}[arguments.tensorflow]
    paths = dict.fromkeys(file for path in arguments.paths for file in sources.files_in(path))
    files = [
        check_file(path, of_version_1, is_fixed=arguments.fix and not arguments.diff)
        for path in paths
    ]
    _show(files, arguments)
    if any(file.error for file in files):
        return 2
    failing = KINDS[KINDS.index(arguments.fail_on) :]
    return int(any(report.count(files, kind) for kind in failing))


def check_file(path: Path, of_version_1: bool | None = None, *, is_fixed: bool = False) -> Checked:
    """Reads a file, and with `is_fixed` rewrites it; then what is left is found.

    Args:
        path: a Python file, or a notebook, which is only read.
        of_version_1: whether it is for TensorFlow 1; None if the file tells.
        is_fixed: whether to rewrite it.
    """
    try:
        if path.suffix == ".ipynb":
            return _check_notebook(path, of_version_1)
        return _check_module(sources.read(path), of_version_1, is_fixed)
    except sources.SourceError as error:
        return Checked(path, [], str(error))
    except BrokenRewriteError as error:
        return Checked(path, [], f"not written: a fault of tf-estimator check ({error})")
    except (RecursionError, MemoryError):  # Which of them depends on the Python.
        return Checked(path, [], "nested too deeply to be read")


def _check_module(source: sources.Source, of_version_1: bool | None, is_fixed: bool) -> Checked:
    try:
        scan = Scan(source.text, of_version_1)
    except (SyntaxError, ValueError) as error:
        return Checked(source.path, [(0, _not_python(error))])
    rewrite = Rewrite(scan)
    text = rewrite.text()
    findings, is_changed = rewrite.findings, text != source.text
    if is_changed and is_fixed:
        sources.replace(source, text)
        findings = Rewrite(Scan(text, scan.of_version_1)).findings
    return Checked(
        source.path,
        [(0, finding) for finding in findings],
        was_written=is_changed,
        difference=_difference(source, text) if is_changed else "",
    )


def _check_notebook(path: Path, of_version_1: bool | None) -> Checked:
    notebook = notebooks.read(path)
    advice = "The cell does not parse as Python 3"
    findings = [(number, Finding(1, 1, "edit", "", advice)) for number in notebook.broken]
    for finding in Scan(notebook.text, of_version_1).findings:
        cell, line = notebook.place(finding.line)
        findings.append((cell, finding._replace(line=line)))
    return Checked(path, sorted(findings))


def _not_python(error: SyntaxError | ValueError) -> Finding:
    line, column = 1, 1
    if isinstance(error, SyntaxError):
        line, column = error.lineno or 1, max(error.offset or 1, 1)
        error = ValueError(error.msg)
    return Finding(line, column, "edit", "", f"The file does not parse as Python 3: {error}")


def _difference(source: sources.Source, text: str) -> str:
    name = source.path.as_posix()
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(
            _lines(source.text), _lines(text), f"a/{name}", f"b/{name}"
        )
    )


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _show(files: list[Checked], arguments: argparse.Namespace) -> None:
    if arguments.diff:
        sys.stdout.write("".join(file.difference for file in files))
        sys.stderr.write("".join(f"{file.path}: {file.error}\n" for file in files if file.error))
        return
    style = arguments.format
    if style == "auto":
        style = "table" if sys.stdout.isatty() else "plain"
    if style == "json":
        print(report.as_json(files))  # noqa: T201 - the output
        return
    lines = report.table(files) if style == "table" else report.plain(files)
    for line in (*lines, report.summary(files, is_fixed=arguments.fix)):
        print(line)  # noqa: T201 - the output
