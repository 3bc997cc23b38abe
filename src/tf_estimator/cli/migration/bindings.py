"""What a module binds and uses, read from its syntax tree: the first half of knowing its names."""

import ast
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Place: TypeAlias = tuple[int, int]
# The parts of statements that something stands in, from the outside: which statement, which part.
Branch: TypeAlias = tuple[tuple[int, int], ...]
Import: TypeAlias = ast.Import | ast.ImportFrom

_MISSING = {"ImportError", "ModuleNotFoundError", "AttributeError"}
# What a program asks when it is for TensorFlow 1 and 2.
_ASKS_VERSION = {"__version__", "VERSION", "hasattr", "version_info"}


@dataclass
class Scope:
    """A module, class, function or comprehension, and the names it binds."""

    parent: "Scope | None"
    kind: str
    body: list[ast.stmt] = field(default_factory=list)
    bindings: dict[str, list["Binding"]] = field(default_factory=dict)
    elsewhere: dict[str, "Scope"] = field(default_factory=dict)

    def owner(self, name: str) -> "Scope | None":
        """The scope that `name` belongs to when it is used here, None for a builtin."""
        scope: Scope | None = self
        while scope:
            if name in scope.elsewhere:
                return scope.elsewhere[name]
            # The names of a class are seen in its own body only.
            if name in scope.bindings and (scope is self or scope.kind != "class"):
                return scope
            scope = scope.parent
        return None


class Binding(NamedTuple):
    """A place that gives a name its value: a dotted `target`, an expression, or neither.

    It is in `scope`; the name belongs to `owner`, which `global` makes another one.
    """

    place: Place
    branch: Branch
    target: str | None
    value: ast.expr | None
    statement: ast.AST
    scope: Scope
    owner: Scope


class Use(NamedTuple):
    """A name with all of the attributes that follow it, as in `tf.estimator.Estimator`."""

    node: ast.Name | ast.Attribute
    scope: Scope
    branch: Branch
    within: ast.expr | None  # The f-string or quoted annotation around it: it has the place.

    @property
    def at(self) -> ast.expr:
        """The expression whose place in the file is known."""
        return self.within or self.node


def chain(node: ast.AST | None) -> tuple[ast.Name, list[str]] | None:
    """The name that an expression like `a.b.c` starts with and the attributes, else None."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node, attributes[::-1]) if isinstance(node, ast.Name) else None


class Reading(ast.NodeVisitor):
    """The bindings, imports and uses of one module, in their scopes and branches."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope(None, "module", tree.body)
        self.bound: set[str] = set()
        self.uses: list[Use] = []
        self.imports: list[tuple[Import, Scope, Branch]] = []
        # Of each `try` that a failed import does not end: its id, and the imports in its body.
        self.fallbacks: set[int] = set()
        self.guarded: set[Import] = set()
        # Ids of each `try` and `if` that is about what TensorFlow has.
        self.tries: set[int] = set()
        self.questions: set[int] = set()
        self._scope = self.module
        self._branch: Branch = ()
        self._within: ast.expr | None = None
        self._in_annotation = False
        self._outer: list[tuple[Scope, Branch]] = []
        self._visit_all(tree.body)

    def _visit_all(self, nodes: list[ast.stmt] | list[ast.expr]) -> None:
        for node in nodes:
            self.visit(node)

    # Uses.

    def visit_Name(self, node: ast.Name) -> None:
        """A name alone."""
        if isinstance(node.ctx, ast.Load):
            self.uses.append(Use(node, self._scope, self._branch, self._within))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A name with attributes, or attributes of something else."""
        if isinstance(node.ctx, ast.Load) and chain(node):
            self.uses.append(Use(node, self._scope, self._branch, self._within))
        else:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """An f-string: before Python 3.12 only its own place is known for certain."""
        before = self._within
        self._within = before or node
        self.generic_visit(node)
        self._within = before

    def visit_Constant(self, node: ast.Constant) -> None:
        """An annotation in quotes."""
        if self._in_annotation and isinstance(node.value, str) and not self._within:
            try:
                quoted = ast.parse(node.value.strip(), mode="eval").body
            except SyntaxError:
                return
            self._within = node
            self.visit(quoted)
            self._within = None

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """The strings of a Literal are no annotations."""
        self.visit(node.value)
        before = self._in_annotation
        found = chain(node.value)
        if found and "Literal" in (found[0].id, *found[1]):
            self._in_annotation = False
        self.visit(node.slice)
        self._in_annotation = before

    def _annotation(self, node: ast.expr | None) -> None:
        if node:
            self._in_annotation = True
            self.visit(node)
            self._in_annotation = False

    # Scopes.

    def _visit_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, body: list[ast.stmt]
    ) -> None:
        arguments = node.args
        self._visit_all([*arguments.defaults, *filter(None, arguments.kw_defaults)])
        each_argument = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        each_argument += filter(None, (arguments.vararg, arguments.kwarg))
        for argument in each_argument:
            self._annotation(argument.annotation)
        self._enter("function", body)
        for argument in each_argument:
            self._bind(argument.arg, argument)
        self._visit_all(body) if body else self.visit(node.body)  # type: ignore[arg-type]
        self._leave()

    def _enter(self, kind: str, body: list[ast.stmt]) -> None:
        self._outer.append((self._scope, self._branch))
        self._scope, self._branch = Scope(self._scope, kind, body), ()

    def _leave(self) -> None:
        self._scope, self._branch = self._outer.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Decorators, defaults and annotations are of the scope around."""
        self._visit_all(node.decorator_list)
        self._annotation(node.returns)
        self._visit_function(node, node.body)
        self._bind(node.name, node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As `def`."""
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A function of one expression."""
        self._visit_function(node, [])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Decorators and bases are of the scope around."""
        self._visit_all(node.decorator_list)
        self._visit_all(node.bases)
        self._visit_all([keyword.value for keyword in node.keywords])
        self._enter("class", node.body)
        self._visit_all(node.body)
        self._leave()
        self._bind(node.name, node)

    def visit_ListComp(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        """What is gone through first is of the scope around."""
        self.visit(node.generators[0].iter)
        self._enter("comprehension", [])
        for number, generator in enumerate(node.generators):
            if number:
                self.visit(generator.iter)
            self._bind_target(generator.target, None, generator.target)
            self._visit_all(generator.ifs)
        values = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._visit_all(values)
        self._leave()

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    # Bindings.

    def _bind(
        self, name: str, at: ast.AST, *, target: str | None = None, value: ast.expr | None = None
    ) -> None:
        if isinstance(value, ast.Constant) and value.value is None:
            return  # A name for later.
        scope = self._scope
        while scope.kind == "comprehension" and isinstance(at, ast.NamedExpr) and scope.parent:
            scope = scope.parent
        owner = scope.elsewhere.get(name, scope)
        # What another scope binds by `global` may have happened or not: a branch of its own.
        branch = self._branch if owner is scope else (*self._branch, (id(at), 0))
        place = (getattr(at, "end_lineno", 0), getattr(at, "end_col_offset", 0))
        binding = Binding(place, branch, target, value, at, scope, owner)
        owner.bindings.setdefault(name, []).append(binding)
        self.bound.add(name)

    def _bind_target(self, target: ast.expr, value: ast.expr | None, at: ast.AST) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, at, value=value)
        elif isinstance(target, ast.Tuple | ast.List):
            values: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                values = list(value.elts)
            for each, its_value in zip(target.elts, values, strict=True):
                self._bind_target(each, its_value, at)
        elif isinstance(target, ast.Starred):
            self._bind_target(target.value, None, at)
        else:
            self.visit(target)

    def visit_Import(self, node: ast.Import) -> None:
        """Binds `a` to a for `import a.b`, `c` to a.b for `import a.b as c`."""
        self.imports.append((node, self._scope, self._branch))
        for alias in node.names:
            first = alias.name.partition(".")[0]
            self._bind(alias.asname or first, node, target=alias.name if alias.asname else first)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Binds to module.name; what is relative is of the user's own."""
        self.imports.append((node, self._scope, self._branch))
        for alias in node.names:
            target = None if node.level else f"{node.module}.{alias.name}"
            self._bind(alias.asname or alias.name, node, target=target)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Binds after the value was used."""
        self.visit(node.value)
        for target in node.targets:
            self._bind_target(target, node.value, node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Binds if there is a value."""
        self._annotation(node.annotation)
        if node.value:
            self.visit(node.value)
            self._bind_target(node.target, node.value, node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Binds to something new."""
        self.visit(node.value)
        self._bind_target(node.target, None, node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Binds in the function around."""
        self.visit(node.value)
        self._bind(node.target.id, node, value=node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        """What was deleted is not known any more."""
        for target in node.targets:
            self._bind_target(target, None, node)

    def visit_Global(self, node: ast.Global) -> None:
        """Takes the names from the module."""
        self._scope.elsewhere.update(dict.fromkeys(node.names, self.module))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """Takes the names from the function around."""
        for name in node.names:
            owner = self._scope.parent and self._scope.parent.owner(name)
            self._scope.elsewhere[name] = owner or self.module

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        """Binds the name of a pattern, if it has one."""
        if node.name:
            self._bind(node.name, node)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """Binds the rest of a mapping."""
        if node.rest:
            self._bind(node.rest, node)
        self.generic_visit(node)

    # Branches.

    def _visit_part(self, statement: ast.AST, part: int, nodes: list[ast.stmt]) -> None:
        before = self._branch
        self._branch = (*before, (id(statement), part))
        self._visit_all(nodes)
        self._branch = before

    def visit_If(self, node: ast.If) -> None:
        """Either part may run."""
        self.visit(node.test)
        asked = {getattr(each, "attr", getattr(each, "id", "")) for each in ast.walk(node.test)}
        if asked & _ASKS_VERSION:
            self.questions.add(id(node))
        self._visit_part(node, 0, node.body)
        self._visit_part(node, 1, node.orelse)

    def visit_While(self, node: ast.While) -> None:
        """May run or not."""
        self.visit(node.test)
        self._visit_part(node, 0, [*node.body, *node.orelse])

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        """May run or not."""
        self.visit(node.iter)
        self._bind_target(node.target, None, node.target)
        self._visit_part(node, 0, [*node.body, *node.orelse])

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        """As `for`."""
        self.visit_For(node)

    def visit_Match(self, node: ast.Match) -> None:
        """One of the cases may run."""
        self.visit(node.subject)
        for part, case in enumerate(node.cases):
            self.visit(case.pattern)
            if case.guard:
                self.visit(case.guard)
            self._visit_part(node, part, case.body)

    def visit_Try(self, node: ast.Try) -> None:
        """A handler of a failed import says what to do without."""
        handled = [_kinds(handler) for handler in node.handlers]
        if any(kinds & _MISSING for kinds in handled):
            self.tries.add(id(node))
        if any(kinds & {*_MISSING, "Exception", ""} for kinds in handled):
            self.fallbacks.add(id(node))
            self.guarded.update(each for each in node.body if isinstance(each, Import))
        self._visit_part(node, 0, node.body)
        for part, handler in enumerate(node.handlers, 1):
            if handler.type:
                self.visit(handler.type)
            if handler.name:
                self._bind(handler.name, handler.type or handler)
            self._visit_part(node, part, handler.body)
        self._visit_part(node, 0, node.orelse)
        self._visit_all(node.finalbody)

    def visit_TryStar(self, node: ast.AST) -> None:
        """As `try`; Python 3.10 does not have it."""
        self.visit_Try(node)  # type: ignore[arg-type]

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        """Binds what follows `as`."""
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars:
                self._bind_target(item.optional_vars, None, item.optional_vars)
        self._visit_all(node.body)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        """As `with`."""
        self.visit_With(node)


def _kinds(handler: ast.ExceptHandler) -> set[str]:
    """The names of the exceptions that a handler is for; "" for all."""
    if handler.type is None:
        return {""}
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {kind.id for kind in kinds if isinstance(kind, ast.Name)}
