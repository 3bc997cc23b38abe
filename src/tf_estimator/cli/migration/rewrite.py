"""Writes the Estimator API by its new name: edits at exact places, and all else stays.

The text between the edits is never printed anew from a syntax tree, so comments, blanks, quotes
and line ends stay as they are; what would lose a comment is left to the user.
"""

import ast
import re
import warnings

from tf_estimator.cli.migration.bindings import Binding, Import, Scope, chain
from tf_estimator.cli.migration.scan import Scan, Site
from tf_estimator.cli.migration.symbols import MODULES
from tf_estimator.cli.migration.text import Edit
from tf_estimator.cli.migration.verdicts import NOW, ROOTS, canonical, is_within

# What the module may be called in a program: the first that is free.
OUR_NAMES = ("tf_estimator", "tfe", "tf_estimator_package", "_tf_estimator")
_FROM = re.compile(r"from(?:[ \t\f]|\\\r?\n)+(?P<module>[\w.]+)(?:[ \t\f]|\\\r?\n)+import\b")


class BrokenRewriteError(Exception):
    """The new text would not be Python: a fault of this module."""


def _check(before: str, after: str) -> None:
    """Raises BrokenRewriteError if `after` does not parse, or compile where `before` did."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(before, "before", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            flags = ast.PyCF_ONLY_AST  # As for a `return` outside of a function.
        else:
            flags = 0
        try:
            compile(after, "after", "exec", flags, dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise BrokenRewriteError(str(error)) from error


def _import_as(module: str, name: str) -> str:
    """What follows `import` to bind `name` to `module`."""
    return module if module == name else f"{module} as {name}"


class Rewrite:
    """The edits of one module.

    Attributes:
        edits: they do not overlap.
        findings: those of the scan, which now tell what the edits fix.

    Example:
        >>> program = "from tensorflow.compat.v1 import estimator  # old"
        >>> Rewrite(Scan(program)).text()
        'from tf_estimator.compat import v1 as estimator  # old'
    """

    def __init__(self, scan: Scan) -> None:
        self.edits: list[Edit] = []
        self._fixed: set[int] = set()
        self._packages: set[ast.AST] = set()  # Imports that became such of tf_estimator.
        self._scan, self._text = scan, scan.text
        self._name = self._free_name()
        self._fix_imports()
        self._fix_sites()
        places = {self._text.place(start) for start in self._fixed}
        self.findings = [
            each._replace(can_fix=(each.line, each.column) in places) for each in scan.findings
        ]

    def text(self) -> str:
        """The text of the module with the edits; the same text if there are none.

        Raises:
            BrokenRewriteError: if it did not parse.
        """
        text = self._text.edited(self.edits)
        if self.edits:
            _check(self._text.text, text)
        return text

    def _free_name(self) -> str:
        """What to call tf_estimator: its name, unless the module calls something else so."""
        module = self._scan.names.reading.module
        for name, bindings in module.bindings.items():
            if all(each.target == "tf_estimator" and not each.branch for each in bindings):
                return name
        bound = self._scan.names.reading.bound
        return next(name for name in OUR_NAMES if name not in bound)

    # Imports.

    def _fix_imports(self) -> None:
        for node, alias, dotted in self._scan.imported():
            edits = (
                self._import(node, alias, dotted)
                if isinstance(node, ast.Import)
                else self._import_from(node, alias, dotted)
            )
            self.edits += edits
            if edits:
                self._fixed.add(self._text.start(alias))
        self.edits = list(dict.fromkeys(self.edits))  # One for each name of a statement.

    def _import(self, node: ast.Import, alias: ast.alias, dotted: str) -> list[Edit]:
        """`import tensorflow.estimator as e`, and `import tensorflow_estimator`."""
        verdict = self._scan.judge(dotted)
        if verdict is None or not verdict.now:
            if dotted != "tensorflow_estimator" or not self._all_sites(
                alias.asname or dotted, node
            ):
                return []
            self._packages.add(node)
            new = _import_as("tf_estimator", self._name)
        elif not alias.asname:
            # It binds tensorflow; what follows in the module is rewritten at its uses.
            new = dotted.partition(".")[0]
            if new == "tensorflow_estimator":
                return []
        else:
            home = self._home(dotted)
            if home is None:
                return []
            new = _import_as(home, alias.asname)
        return [Edit(self._text.start(alias), self._text.end(alias), new)]

    def _all_sites(self, name: str, node: Import) -> bool:
        """Whether every use of what `node` binds to `name` is one that is rewritten."""
        sites = {id(site.use) for site in self._scan.sites}
        found = False
        for use in self._scan.names.reading.uses:
            first = chain(use.node)
            if first and first[0].id == name:
                meanings = self._scan.names.meanings(use)
                if any(meaning.origin.statement is node for meaning in meanings) or not meanings:
                    found = True
                    if id(use) not in sites:
                        return False
        return found

    def _home(self, module: str) -> str | None:
        """The module of this package for a module of the original, None if there is none."""
        name = canonical(module)
        for root, surface in ROOTS.items():
            if is_within(name, root):
                version = surface or ("v1" if self._scan.of_version_1 else "v2")
                if version == "keras":
                    return NOW["keras"] if name == root else None
                original = (
                    "tensorflow.compat.v1.estimator" if version == "v1" else "tensorflow.estimator"
                )
                return MODULES.get(original + name[len(root) :])
        return None

    def _import_from(self, node: ast.ImportFrom, alias: ast.alias, dotted: str) -> list[Edit]:
        verdict = self._scan.judge(dotted)
        if verdict is None or not verdict.now or node.module is None:
            return []
        if canonical(dotted) == verdict.root and alias.name != "*":
            return self._root_from(node, alias, verdict.now)
        home = self._home(node.module)
        verdicts = [self._scan.judge(f"{node.module}.{each.name}") for each in node.names]
        if alias.name != "*" and not all(each and each.now for each in verdicts):
            return []  # One statement has one module.
        start = self._text.start(node)
        found = _FROM.match(self._text.text, start)
        if home is None or found is None:
            return []
        return [Edit(found.start("module"), found.end("module"), home)]

    def _root_from(self, node: ast.ImportFrom, alias: ast.alias, now: str) -> list[Edit]:
        """`from tensorflow import estimator`, alone or among others."""
        name = alias.asname or alias.name
        package, _, last = now.rpartition(".")
        new = f"import {_import_as(last, name)}"
        if package:
            new = f"from {package} {new}"
        start, end = self._text.start(node), self._text.end(node)
        if len(node.names) == 1:
            return [] if "#" in self._text.text[start:end] else [Edit(start, end, new)]
        place = node.names.index(alias)
        if place + 1 < len(node.names):
            gone = self._text.start(alias), self._text.start(node.names[place + 1])
        else:
            gone = self._text.end(node.names[place - 1]), self._text.end(alias)
        moved = [each for each in node.names if canonical(f"{node.module}.{each.name}") in ROOTS]
        if len(moved) > 1 or "#" in self._text.text[slice(*gone)]:
            return []
        return [Edit(*gone, ""), self._text.statement_after(node, new)]

    # Uses.

    def _fix_sites(self) -> None:
        by_scope: dict[int, list[Site]] = {}
        for site in self._scan.sites:
            by_scope.setdefault(id(site.meaning.origin.owner), []).append(site)
        for sites in by_scope.values():
            # In a class its methods would not see what is imported there.
            if sites[0].meaning.origin.owner.kind != "class":
                edit = self._import_for(sites)
                self.edits += [edit] if edit else []
                for site in sites:
                    new = self._name + site.now.removeprefix("tf_estimator")
                    self.edits.append(Edit(site.start, site.end, new))
                    self._fixed.add(site.start)

    def _import_for(self, sites: list[Site]) -> Edit | None:
        """The edit that imports tf_estimator beside what the sites used; None if it is there."""
        origins = [site.meaning.origin for site in sites]
        first = min(origins, key=lambda each: each.place)
        if self._is_imported(first.owner, sites):
            return None
        return self._beside(first, f"import {_import_as('tf_estimator', self._name)}")

    def _is_imported(self, scope: Scope, sites: list[Site]) -> bool:
        if all(site.meaning.origin.statement in self._packages for site in sites):
            return True
        module = self._scan.names.reading.module
        place = min((each.place for each in module.bindings.get(self._name, ())), default=None)
        if place is None:
            return False
        # What a function does comes later than all of the module.
        at_once = [site.use.at for site in sites if site.use.scope is module]
        return scope is not module or all(
            place < (each.lineno, each.col_offset) for each in at_once
        )

    def _beside(self, origin: Binding, statement: str) -> Edit:
        """Puts `statement` after an import, or before the `try`, `if` or `def` that it is in."""
        place = origin.statement
        assert isinstance(place, ast.stmt), "an import is a statement"
        body = origin.owner.body
        for number, each in enumerate(body):
            if each is place:
                return self._text.statement_after(each, statement)
            if self._text.start(each) <= self._text.start(place) < self._text.end(each):
                if number and isinstance(body[number - 1], Import):
                    return self._text.statement_after(body[number - 1], statement)
                return self._text.statement_before(each, statement)
        raise AssertionError("a name is bound in the body of its owner")
