"""How findings are shown: plain lines for tools, a table for a terminal, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tf_estimator.cli.migration.scan import Finding
from tf_estimator.cli.migration.verdicts import KINDS, Kind

_COLORS: dict[str, str] = {"works": "32", "run": "33", "edit": "31", "error": "31"}


class Checked(NamedTuple):
    """A file that was read.

    Attributes:
        path: where it is.
        findings: with the cell of a notebook that each is in, 0 in other files.
        error: why it could not be read or written, "" if it could.
        was_written: whether it was rewritten, or would have been.
        difference: from the text that was read to the new one.
    """

    path: Path
    findings: list[tuple[int, Finding]]
    error: str = ""
    was_written: bool = False
    difference: str = ""


def count(files: Iterable[Checked], kind: Kind) -> int:
    """How many findings are of a kind."""
    return sum(finding.kind == kind for each in files for _, finding in each.findings)


def plain(files: list[Checked]) -> Iterator[str]:
    """A line for each finding, `path:line:column: kind: name. Advice.`, as compilers write them."""
    for file in files:
        if file.error:
            yield f"{file.path}:1:1: error: {file.error}"
        for cell, finding in file.findings:
            where = f"{file.path}:cell {cell}" if cell else f"{file.path}"
            name = f"{finding.name}. " if finding.name else ""
            place = f"{where}:{finding.line}:{finding.column}"
            yield f"{place}: {finding.kind}: {name}{finding.advice}."


def table(files: list[Checked]) -> Iterator[str]:
    """A block for each file with findings, a line for each name with the lines it is on."""
    for file in files:
        if file.error or file.findings:
            yield _painted(f"{file.path}", "1")
        if file.error:
            yield f"  {_painted('error', _COLORS['error'])}  {file.error}"
        for kind in KINDS:
            yield from _rows(file, kind)
        if file.error or file.findings:
            yield ""


def _rows(file: Checked, kind: Kind) -> Iterator[str]:
    by_name: dict[tuple[str, str], list[str]] = {}
    for cell, finding in file.findings:
        if finding.kind == kind:
            line = f"{cell}:{finding.line}" if cell else f"{finding.line}"
            lines = by_name.setdefault((finding.name, finding.advice), [])
            if line not in lines:
                lines.append(line)
    for (name, advice), lines in by_name.items():
        shown = ", ".join(lines[:6]) + (f", ... {len(lines)} lines" if len(lines) > 6 else "")
        named = f"{name}  " if name else ""
        yield f"  {_painted(f'{kind:<5}', _COLORS[kind])}  {named}{_painted(f'at {shown}', '2')}"
        yield f"         {advice}."


def as_json(files: list[Checked]) -> str:
    """One object: `findings`, `errors` and the numbers of the `summary`."""
    findings: list[dict[str, object]] = [
        {
            "path": str(file.path),
            "cell": cell or None,
            **finding._asdict(),
        }
        for file in files
        for cell, finding in file.findings
    ]
    errors = [{"path": str(file.path), "error": file.error} for file in files if file.error]
    numbers: dict[str, int] = {
        "files": len(files),
        "written": sum(file.was_written for file in files),
        **{kind: count(files, kind) for kind in KINDS},
        "can_fix": sum(finding["can_fix"] is True for finding in findings),
        "errors": len(errors),
    }
    return json.dumps({"findings": findings, "errors": errors, "summary": numbers}, indent=2)


def summary(files: list[Checked], *, is_fixed: bool) -> str:
    """The last line: what there is, and what to do next."""
    works, run, edit = (count(files, kind) for kind in KINDS)
    can_fix = sum(finding.can_fix for each in files for _, finding in each.findings)
    parts = []
    if works:
        some = "" if can_fix == works else f" ({can_fix} of them)"
        by_fix = "" if is_fixed or not can_fix else f", or by --fix{some}"
        parts.append(f"{_number(works, 'use')} fine after tf_estimator.install(){by_fix}")
    if run:
        parts.append(f"{_number(run, 'use')} fine through tf-estimator run")
    if edit:
        parts.append(f"{_number(edit, 'use')} to edit")
    if errors := sum(bool(each.error) for each in files):
        parts.append(f"{_number(errors, 'file')} not read or not written")
    written = f", {sum(each.was_written for each in files)} rewritten" if is_fixed else ""
    return f"{_number(len(files), 'file')}{written}: {'; '.join(parts) or 'nothing to do'}."


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _painted(text: str, color: str) -> str:
    is_colored = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[{color}m{text}\x1b[0m" if is_colored else text
