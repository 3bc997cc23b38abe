"""One module read: what it uses of the Estimator API and of TensorFlow 1, and how to write that."""

import ast
import re
import warnings
from typing import NamedTuple

from tf_estimator.cli.migration.bindings import Use, chain
from tf_estimator.cli.migration.names import Meaning, Names
from tf_estimator.cli.migration.text import Text
from tf_estimator.cli.migration.verdicts import (
    KINDS,
    Kind,
    Verdict,
    canonical,
    is_of_version_1,
    is_within,
    judge,
)


class Finding(NamedTuple):
    """A use of a name that is not what it was.

    Attributes:
        line: from 1.
        column: from 1, in characters.
        kind: "works" after `install()`, "run" through `tf-estimator run`, or "edit".
        name: the name as it is written.
        advice: a sentence.
        can_fix: whether `--fix` rewrites it; `Rewrite` tells.
    """

    line: int
    column: int
    kind: Kind
    name: str
    advice: str
    can_fix: bool = False


class Site(NamedTuple):
    """An expression, from `start` to `end`, that is a module of the Estimator API."""

    start: int
    end: int
    now: str
    use: Use
    meaning: Meaning


class Judged(NamedTuple):
    """A use and what becomes of it."""

    use: Use
    meaning: Meaning
    verdict: Verdict


class Scan:
    """What is found in a module.

    Args:
        source: its text, without a byte order mark.
        of_version_1: whether it was written for TensorFlow 1, if that is known.

    Attributes:
        text: its text.
        names: what its names stand for.
        of_version_1: whether it was written for TensorFlow 1: it has a name that only that has.
            Then tensorflow.estimator is that of version 1.
        findings: in the order of the text.
        sites: the expressions to rewrite, by offset.
    """

    def __init__(self, source: str, of_version_1: bool | None = None) -> None:
        self.text = Text(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of the module's own strings and comparisons.
            tree = ast.parse(source)
        self.names = Names(tree, is_there)
        self._meanings = [(use, self.names.meanings(use)) for use in self.names.reading.uses]
        self.of_version_1 = self._is_of_version_1(tree) if of_version_1 is None else of_version_1
        self._enables_layers = any(
            meaning.dotted == "tf_estimator.keras.enable_v1_layers"
            for _, meanings in self._meanings
            for meaning in meanings
        )
        self.sites: list[Site] = []
        self.findings = self._of_imports()
        self._read_uses()
        self.findings.sort()

    def judge(self, dotted: str) -> Verdict | None:
        """What becomes of a name in this module."""
        verdict = judge(dotted, self.of_version_1)
        if verdict and self._enables_layers and "enable_v1_layers" in verdict.advice:
            return None
        return verdict

    def imported(self) -> list[tuple[ast.Import | ast.ImportFrom, ast.alias, str]]:
        """What the module imports by absolute names."""
        return [
            (node, alias, alias.name if isinstance(node, ast.Import) else _full_name(node, alias))
            for node, _, _ in self.names.reading.imports
            if isinstance(node, ast.Import) or not node.level
            for alias in node.names
        ]

    def _is_of_version_1(self, tree: ast.Module) -> bool:
        if any(getattr(node, "attr", "") == "export_savedmodel" for node in ast.walk(tree)):
            return True  # A method that the Estimator of version 2 does not have.
        reading = self.names.reading
        names = [dotted for node, _, dotted in self.imported() if node not in reading.guarded]
        # What stands under a question of versions tells nothing.
        asking = reading.questions | reading.tries
        names += [
            meanings[0].dotted
            for use, meanings in self._meanings
            if len(meanings) == 1 and not any(part[0] in asking for part in use.branch)
        ]
        return any(map(is_of_version_1, names))

    def _of_imports(self) -> list[Finding]:
        findings = []
        for node, alias, dotted in self.imported():
            verdict = self.judge(dotted)
            # An import that may fail is not the only way.
            if verdict and not (node in self.names.reading.guarded and verdict.kind != "works"):
                line, column = self.text.place(self.text.start(alias))
                findings.append(Finding(line, column, verdict.kind, dotted, verdict.advice))
        return findings

    def _read_uses(self) -> None:
        in_strings: dict[ast.expr, list[Judged]] = {}
        for use, meanings in self._meanings:
            judged = self._judged(use, meanings)
            if judged and judged.verdict.kind != "works" and self._is_tried(use):
                continue
            if judged and use.within:
                in_strings.setdefault(use.within, []).append(judged)
            elif judged:
                root = _part(judged, judged.verdict.root)
                end = self.text.end(root) if root else None
                self._add(judged, self.text.start(use.node), end)
        for within, several in in_strings.items():
            self._read_string(within, several)

    def _is_tried(self, use: Use) -> bool:
        """Whether the program goes on where `use` fails."""
        tries = self.names.reading.tries
        return any(statement in tries and not part for statement, part in use.branch)

    def _judged(self, use: Use, meanings: list[Meaning]) -> Judged | None:
        """The mildest verdict of what `use` can stand for; None if one is that all is well."""
        verdicts = [(meaning, self.judge(meaning.dotted)) for meaning in meanings]
        known = [Judged(use, meaning, verdict) for meaning, verdict in verdicts if verdict]
        if not known or len(known) < len(verdicts):
            return None
        mildest = min(
            known,
            # A program that takes compat.v1 where there is one is of version 1.
            key=lambda each: (KINDS.index(each.verdict.kind), ".v1" not in each.verdict.root),
        )
        found = chain(use.node)
        assert found, "a use is a chain"
        attributes = len(found[1])
        alias = canonical(mildest.meaning.dotted.rsplit(".", attributes)[0])
        # What the alias itself stands for was found where that was bound.
        return None if is_within(alias, mildest.verdict.name) else mildest

    def _add(self, judged: Judged, start: int, end: int | None) -> None:
        """Adds a use; `end` is that of its module of the Estimator API, None if not known."""
        use, verdict = judged.use, judged.verdict
        if verdict.now and not _part(judged, verdict.root):
            return  # By an alias of the module, which is found where it is bound.
        if verdict.now and end is not None and "#" not in self.text.text[start:end]:
            self.sites.append(Site(start, end, verdict.now, use, judged.meaning))
        line, column = self.text.place(start)
        name = ast.unparse(_part(judged, verdict.name) or use.node)
        self.findings.append(Finding(line, column, verdict.kind, name, verdict.advice))

    def _read_string(self, within: ast.expr, several: list[Judged]) -> None:
        """Uses in an f-string or a quoted annotation, whose places have to be searched for."""
        start, text = self.text.start(within), self.text.of(within)
        by_spelling: dict[str, list[Judged]] = {}
        for judged in several:
            root = _part(judged, judged.verdict.root)
            by_spelling.setdefault(ast.unparse(root or judged.use.node), []).append(judged)
        for spelling, uses in by_spelling.items():
            places: list[int] = [
                start + found.start()
                for found in re.finditer(rf"(?<![\w.]){re.escape(spelling)}(?!\w)", text)
            ]
            # Also in the text around: then there is no telling which is which.
            is_certain = len(places) == len(uses)
            for judged, place in zip(
                uses, places if is_certain else [start] * len(uses), strict=True
            ):
                self._add(judged, place, place + len(spelling) if is_certain else None)


def is_there(dotted: str) -> bool:
    """Whether an import of this name works after `install()`, for all we know."""
    verdict = judge(dotted)
    return verdict is None or verdict.kind == "works"


def _full_name(node: ast.ImportFrom, alias: ast.alias) -> str:
    return f"{node.module}" if alias.name == "*" else f"{node.module}.{alias.name}"


def _part(judged: Judged, name: str) -> ast.expr | None:
    """The part of a use that stands for `name`, if it is written there with a dot."""
    node: ast.expr = judged.use.node
    dotted = judged.meaning.dotted
    while name and isinstance(node, ast.Attribute):
        if canonical(dotted) == name:
            return node
        node, dotted = node.value, dotted.rpartition(".")[0]
    return None
