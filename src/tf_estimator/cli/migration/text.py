"""The text of a module, where the places of its syntax tree are turned into offsets."""

import ast
import re
from bisect import bisect_right
from typing import NamedTuple

# Python ends lines here; str.splitlines would at form feeds and more.
_LINE_END = re.compile(r"\r\n|\r|\n")


class Edit(NamedTuple):
    """A new text for the characters from `start` to before `end`."""

    start: int
    end: int
    text: str


class Text:
    """The text of a module.

    Args:
        text: as in the file, with its own line ends, and without a byte order mark.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        ends = list(_LINE_END.finditer(text))
        self._starts = [0, *(end.end() for end in ends)]
        self._ends = [*(end.start() for end in ends), len(text)]
        self.newline = ends[0][0] if ends else "\n"

    def offset(self, line: int, column: int) -> int:
        """The offset of a line, from 1, and of a column in bytes of UTF-8, as `ast` counts."""
        start = self._starts[line - 1]
        # Most lines are ASCII, where a byte is a character.
        text = self.text[start : self._ends[line - 1]]
        if not text.isascii():
            column = len(text.encode()[:column].decode(errors="ignore"))
        return start + column

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column in characters, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def start(self, node: ast.expr | ast.stmt | ast.alias) -> int:
        """Where a node starts."""
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt | ast.alias) -> int:
        """Where a node ends."""
        assert node.end_lineno is not None, "a node of parsed text"
        assert node.end_col_offset is not None, "a node of parsed text"
        return self.offset(node.end_lineno, node.end_col_offset)

    def of(self, node: ast.expr | ast.stmt | ast.alias) -> str:
        """The text of a node."""
        return self.text[self.start(node) : self.end(node)]

    def statement_after(self, node: ast.stmt, statement: str) -> Edit:
        """The edit that puts a simple statement after another, which keeps its comment."""
        start, end = self.start(node), self.end(node)
        line_start = self._starts[bisect_right(self._starts, start) - 1]
        line_end = self._ends[bisect_right(self._starts, end) - 1]
        indent = self.text[line_start:start]
        rest = self.text[end:line_end].strip(" \t\f")
        if indent.strip() or (rest and not rest.startswith("#")):  # It shares its line.
            return Edit(end, end, f"; {statement}")
        return Edit(line_end, line_end, f"{self.newline}{indent}{statement}")

    def statement_before(self, node: ast.stmt, statement: str) -> Edit:
        """The edit that puts a simple statement before a compound one and its decorators."""
        decorators = getattr(node, "decorator_list", [])
        start = min([self.start(node), *map(self.start, decorators)])
        start = self.text.rindex("@", 0, start) if decorators else start
        indent = self.text[self._starts[bisect_right(self._starts, start) - 1] : start]
        return Edit(start, start, f"{statement}{self.newline}{indent}")

    def edited(self, edits: list[Edit]) -> str:
        """The text after the edits; those at one place in their order."""
        text, last = "", 0
        for edit in sorted(edits, key=lambda each: (each.start, each.end)):
            assert edit.start >= last, "edits must not overlap"
            text += self.text[last : edit.start] + edit.text
            last = edit.end
        return text + self.text[last:]
