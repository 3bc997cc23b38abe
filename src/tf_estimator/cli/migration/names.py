"""What the names in a module stand for: `tf1.estimator` is tensorflow.compat.v1.estimator.

A module is read once, without running it. A use of a name is resolved to the bindings that can
reach it: the last that must have happened before, and those after that one that may have.
"""

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tf_estimator.cli.migration.bindings import Binding, Branch, Place, Reading, Scope, Use, chain

_END: Place = (1 << 60, 0)


class Meaning(NamedTuple):
    """What a use can stand for, and the import that its first name comes from."""

    dotted: str
    origin: Binding


class Names:
    """The names of one module.

    Args:
        tree: the module.
        is_there: whether a dotted name exists. A `try` that imports one which does not leaves the
            name to its `except ImportError`.
    """

    def __init__(self, tree: ast.Module, is_there: Callable[[str], bool]) -> None:
        self.reading = Reading(tree)
        self._is_there = is_there
        self._resolving: set[int] = set()

    def meanings(self, use: Use) -> list[Meaning]:
        """What `use` can stand for; nothing if that may be something unknown."""
        found = chain(use.node)
        assert found, "a use is a chain"
        place = (use.at.lineno, use.at.col_offset)
        return self._resolve(found, use.scope, place, use.branch) or []

    def _resolve(
        self, found: tuple[ast.Name, list[str]], scope: Scope, place: Place, branch: Branch
    ) -> list[Meaning] | None:
        name, attributes = found
        owner = scope.owner(name.id)
        if owner is scope and scope.kind == "class" and not self._before(owner, name.id, place):
            # Until a class binds a name it sees that of the scope around.
            owner = scope.parent.owner(name.id) if scope.parent else None
        if owner is None:
            return None
        if owner is not scope and scope.kind != "comprehension":
            place, branch = _END, ()  # It runs later: then, all may have happened.
        meanings: list[Meaning] = []
        for binding in self._reaching(owner, name.id, place, branch):
            of_binding = self._of(binding)
            if of_binding is None:
                return None
            meanings += of_binding
        return [Meaning(".".join([each.dotted, *attributes]), each.origin) for each in meanings]

    def _of(self, binding: Binding) -> list[Meaning] | None:
        if binding.target is not None:
            return [Meaning(binding.target, binding)]
        if binding.value is None or id(binding) in self._resolving:
            return None
        self._resolving.add(id(binding))
        meanings = self._of_value(binding.value, binding)
        self._resolving.discard(id(binding))
        return meanings

    def _of_value(self, value: ast.expr, binding: Binding) -> list[Meaning] | None:
        if isinstance(value, ast.IfExp):
            body = self._of_value(value.body, binding)
            orelse = self._of_value(value.orelse, binding)
            return None if body is None or orelse is None else body + orelse
        found = chain(value)
        if found is None:
            return None
        place = (found[0].lineno, found[0].col_offset)
        return self._resolve(found, binding.scope, place, binding.branch)

    def _reaching(self, owner: Scope, name: str, place: Place, branch: Branch) -> Iterator[Binding]:
        """The bindings that can be in force at a place, the latest first."""
        # A use above all bindings is one in a loop.
        before = self._before(owner, name, place) or self._before(owner, name, _END)
        for each in before:
            if _excludes(each.branch, branch) or self._gives_way(each, before):
                continue
            yield each
            if each.branch == branch[: len(each.branch)]:
                return

    def _before(self, owner: Scope, name: str, place: Place) -> list[Binding]:
        bindings = [each for each in owner.bindings.get(name, ()) if each.place <= place]
        return sorted(bindings, key=lambda each: each.place, reverse=True)

    def _gives_way(self, binding: Binding, others: list[Binding]) -> bool:
        """Whether another half of a `try` around `binding` is the one that binds the name."""
        for depth, (statement, part) in enumerate(binding.branch):
            if statement not in self.reading.fallbacks:
                continue
            of_halves = [
                (other.branch[depth][1], other)
                for other in others
                if len(other.branch) > depth and other.branch[depth][0] == statement
            ]
            if part == 0 and self._fails(binding):
                return any(half > 0 for half, _ in of_halves)
            if part > 0:
                return any(half == 0 and not self._fails(other) for half, other in of_halves)
        return False

    def _fails(self, binding: Binding) -> bool:
        return binding.target is not None and not self._is_there(binding.target)


def _excludes(one: Branch, other: Branch) -> bool:
    """Whether two branches are different parts of one statement."""
    for (statement, part), (other_statement, other_part) in zip(one, other, strict=False):
        if statement != other_statement:
            return False
        if part != other_part:
            return True
    return False
