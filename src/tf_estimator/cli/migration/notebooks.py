"""Notebooks: the code of all cells as one module, as they share their names."""

import ast
import json
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from tf_estimator.cli.migration.sources import SourceError

# What IPython understands and Python does not: %magic, !command, name? and x = !command.
_COMMAND = re.compile(r"^(?P<indent>\s*)(?:[%!?].*|.*\?\s*)$", re.MULTILINE)
_ASSIGNED = re.compile(r"^(?P<target>\s*[\w., \t]+=\s*)[%!].*$", re.MULTILINE)
# Magics of a cell whose rest is Python.
_OF_PYTHON = ("%%time", "%%capture", "%%prun")


class Notebook(NamedTuple):
    """The code of a notebook.

    Attributes:
        text: the code of its cells, one after the other.
        starts: for each cell with code its number, from 1 among all cells, and its first line.
        broken: the numbers of cells that are not Python; they are empty in `text`.
    """

    text: str
    starts: list[tuple[int, int]]
    broken: list[int]

    def place(self, line: int) -> tuple[int, int]:
        """The cell that a line of `text` is in, and its line there."""
        number, start = max((each for each in self.starts if each[1] <= line), key=lambda e: e[1])
        return number, line - start + 1


def read(path: Path) -> Notebook:
    """Reads the code of a notebook.

    Raises:
        SourceError: if it cannot be read, or is not a notebook.
    """
    try:
        content = json.loads(path.read_bytes())
        cells = content["cells"]
        language = content.get("metadata", {}).get("kernelspec", {}).get("language", "python")
        sources = [
            "".join(cell["source"]) if cell["cell_type"] == "code" else None for cell in cells
        ]
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"not a notebook: {error!r}") from error
    text, starts, broken = "", [], []
    for number, source in enumerate(sources, 1):
        if source is None or language != "python":
            continue
        starts.append((number, text.count("\n") + 1))
        code = _python(source)
        if code is None:
            broken.append(number)
        text += f"{code or ''}\n"
    return Notebook(text, starts, broken)


def _python(source: str) -> str | None:
    """The code of a cell on the same lines; None if it is not Python."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if source.lstrip().startswith("%%") and not source.lstrip().startswith(_OF_PYTHON):
        return ""  # Another language.
    # A line of a string may look like a command, so no more is taken for one than has to be.
    below = f"pass\n{source.partition(chr(10))[2]}" if source.lstrip().startswith("%%") else source
    without = _COMMAND.sub(r"\g<indent>pass", _ASSIGNED.sub(r"\g<target>None", source))
    for code in (source, below, without):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(code)
        except (SyntaxError, ValueError):
            continue
        return code
    return None
