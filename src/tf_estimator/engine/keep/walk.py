"""The walk through all that functions and values read, for `fingerprint`."""

import array
import enum
import functools
import gc
import os
import types
import weakref
from collections.abc import Iterable
from itertools import repeat
from operator import is_
from typing import Any

import numpy as np

from tf_estimator.engine.keep import kinds
from tf_estimator.engine.keep.kinds import Mode
from tf_estimator.engine.keep.plain_values import PLAIN_VALUE, array_token, exact, short

_LIMIT = 10_000
_AGAIN = "again"

_PLAIN = frozenset(map(id, (int, str, bool, bytes, type(None))))
_LEAVES = _PLAIN | frozenset(map(id, (type(Ellipsis), type(NotImplemented))))
_SHALLOW = _LEAVES | frozenset(
    map(id, (float, complex, types.FunctionType, types.MethodType, functools.partial))
)
_ACCESSORS = frozenset(
    map(id, (types.FunctionType, property, classmethod, staticmethod, functools.partialmethod))
)
# Not run by a call of a method, but full of names.
_NOT_RUN = frozenset({"__init__", "__new__", "__init_subclass__", "__repr__", "__del__"})
# Who uses one of these may read a field without naming it.
_READ_ANY = frozenset(
    {"vars", "__dict__", "getattr", "__getattribute__", "attrgetter", "locals", "eval", "exec"}
    | {"asdict", "astuple", "fields", "copy", "deepcopy", "dir", "__getstate__", "getmembers"}
)


def path(nodes: list[tuple[int, int, str, Any]], node: int) -> str:
    """How a node was reached, in words, from it to the root."""
    steps = []
    while node >= 0:
        _, node, how, name = nodes[node]
        if type(name) is str and how not in {"item", "key"}:
            steps.append(f"{how} {name}".strip())
        elif type(name) in {int, str, float, bool, bytes, type(None)}:
            steps.append(f"{how} {name!r}")
        else:
            steps.append(how)
    return " of ".join(steps)


class CannotTellError(Exception):
    """Too much is read, or something that cannot be looked into."""


class _Scope:
    """A module of the user's or the object of a method: looked up by the names in all code."""

    def __init__(self, value: Any, node: int, how: str, places: list[Any]) -> None:
        self.value, self.node, self.how, self.places = value, node, how, places
        self.done = 0


class Walk:
    """One look at everything: a stack of values to see, and what was seen as a list of tokens.

    Tokens are of builtin types only, so that to compare them runs no code of the user's. A node is
    (first token, parent, how it was reached, name), put into words only when somebody asks.
    """

    def __init__(self) -> None:
        self.tokens: list[Any] = []
        self.nodes: list[tuple[int, int, str, Any]] = []
        self.alive: list[Any] = []
        self.kept: list[Any] = []
        self.stack: list[tuple[Any, int, str, Any]] = []
        # By id, with the object, since ids are its own only as long as it lives.
        self.memo: dict[Any, tuple[int, Any]] = {}
        self.names: dict[str, None] = {}
        self.scopes: list[_Scope] = []
        self.own: set[str] = set()
        self.left = _LIMIT

    def where(self, node: int) -> str:
        """The node in words."""
        return path(self.nodes, node)

    def root(self, value: Any, name: str | None) -> None:
        """Adds what to start from."""
        inner = value
        while type(inner) is functools.partial:
            inner = inner.func
        function = inner.__func__ if type(inner) is types.MethodType else inner
        cls = type(function)
        if cls is types.FunctionType:
            module = function.__globals__.get("__name__")
            text = function.__name__
        else:
            module = kinds.module_of(cls)
            text = f"<{type.__dict__['__name__'].__get__(cls)} object>"
        if cls is types.FunctionType and module and kinds.mode_of(module) is Mode.DATA:
            self.own.update({module.partition(".")[0]} - kinds.NEVER_THE_USERS)
        how = "" if name is None else name
        callable_ = inner is value and any(
            "__call__" in kinds.fields_of_class(base) for base in kinds.bases_of(cls)
        )
        if cls is not types.FunctionType and callable_ and self.mode(module) is Mode.USER:
            self.node(-1, how, "" if how else text)
            self.receiver(value, len(self.nodes) - 1)
        else:
            self.stack.append((value, -1, how, "" if how else text))

    def run(self) -> None:
        """Sees everything; code that is found has names, by which more is found."""
        while True:
            self.drain()
            at = 0
            while at < len(self.scopes):
                self.look_up(self.scopes[at])
                at += 1
            if not self.stack:
                break

    def node(self, parent: int, how: str, name: Any) -> int:
        """Begins a node."""
        self.nodes.append((len(self.tokens), parent, how, name))
        return len(self.nodes) - 1

    def mode(self, module: Any) -> Mode:
        """The Mode of a module; what a root comes from is the user's, wherever it is installed."""
        found = kinds.mode_of(module)
        if found is Mode.DATA and self.own and module.partition(".")[0] in self.own:
            return Mode.USER
        return found

    def keep(self, value: Any) -> None:
        """Makes sure that nothing else can have the id of `value` and be taken for it."""
        try:
            self.alive.append(weakref.ref(value))
        except TypeError:
            self.kept.append(value)

    def drain(self) -> None:
        """Sees what is on the stack, and what that leads to."""
        stack, tokens, memo = self.stack, self.tokens, self.memo
        while stack:
            value, parent, how, name = stack.pop()
            number = len(self.nodes)
            if number > self.left:
                raise CannotTellError(f"more than {_LIMIT:,} values are read")
            self.nodes.append((len(tokens), parent, how, name))
            cls = type(value)
            if id(cls) in _LEAVES:
                tokens += (cls, short(value) if cls is str or cls is bytes else value)
            elif cls is float:
                tokens += (cls, exact(value))
            elif (cls is tuple or cls is frozenset) and not value:
                tokens += (cls, ())  # One object for all.
            elif (seen := memo.get(id(value))) is not None:
                tokens += (_AGAIN, seen[0])
            else:
                memo[id(value)] = (number, value)
                if (see := _SEE.get(id(cls))) is not None:
                    see(self, value, number)
                else:
                    self.object(value, number)

    def items(self, value: Any, node: int, kind: Any = list) -> None:
        """The items of a sequence; in one go if they are plain, as a vocabulary's are."""
        items = value if type(value) is tuple else tuple(kind.__iter__(value))
        first = type(items[0]) if items else None
        if len(items) > 1 and all(map(is_, map(type, items), repeat(first))):
            self.left -= len(items) // 50
            if id(first) in _PLAIN:
                self.tokens += (kind, first, items)
                return
            if first is float:
                self.tokens += (kind, first, array.array("d", items).tobytes())
                return
        if len(items) > 1 and _PLAIN.issuperset(map(id, map(type, items))):
            self.left -= len(items) // 50
            self.tokens += (kind, tuple(map(type, items)), items)
        else:
            self.tokens += (kind, len(items))
            self.stack += [(item, node, "item", n) for n, item in enumerate(items)]

    def tuple(self, value: Any, node: int) -> None:
        """The items of a tuple."""
        self.items(value, node, tuple)

    def mapping(self, value: dict[Any, Any], node: int) -> None:
        """Keys and values, in order: a graph may depend on it."""
        found = list(dict.items(value))
        keys = tuple(key for key, _ in found)
        if all(map(is_, map(type, keys), repeat(str))):
            self.tokens += (dict, keys)
        else:
            self.tokens += (dict, len(keys))
            self.stack += [(key, node, "key", n) for n, key in enumerate(keys)]
        self.stack += [(item, node, "item", key) for key, item in found]

    def set(self, value: Any, node: int, kind: Any = set) -> None:
        """The elements, each on its own and in no order; `node` is where all of them are."""
        found = tuple(kind.__iter__(value))
        if _PLAIN.issuperset(map(id, map(type, found))):
            self.left -= len(found) // 50
            self.tokens += (kind, len(found), frozenset(zip(map(type, found), found, strict=True)))
            return
        elements, scopes = [], len(self.scopes)
        stack, tokens, memo = self.stack, self.tokens, self.memo
        for element in found:
            self.stack, self.tokens, self.memo = [], [], dict(memo)
            start = len(self.nodes)
            self.stack.append((element, node, "element", None))
            self.drain()
            self.left -= len(self.nodes) - start
            del self.nodes[start:]
            elements.append(tuple(self.tokens))
        self.stack, self.tokens, self.memo = stack, tokens, memo
        for scope in self.scopes[scopes:]:
            scope.node = node
        # By hashes, for the tokens of different types have no order.
        self.tokens += (kind, len(elements), frozenset(elements))

    def function(self, function: types.FunctionType, node: int) -> None:
        """Code, defaults, closure, attributes, and of the user's functions what they name."""
        code, push = function.__code__, self.stack.append
        self.tokens += (types.FunctionType, code)
        if function.__defaults__ is not None:
            push((function.__defaults__, node, "defaults", None))
        if function.__kwdefaults__:
            push((function.__kwdefaults__, node, "keyword defaults", None))
        if function.__dict__:
            push((function.__dict__, node, "attributes", None))
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if name == "__class__":  # What super() starts from; methods are found by name.
                continue
            try:
                push((cell.cell_contents, node, "closure variable", name))
            except ValueError:
                self.tokens += ("empty", name)
        scope = function.__globals__
        if self.mode(scope.get("__name__")) is Mode.USER:
            named, names, imports = kinds.names_in(code)
            self.names.update(dict.fromkeys(names))
            found = [name for name in named if name in scope]
            self.tokens.append(tuple(found))
            for name in found:
                self.named(dict.get(scope, name), node, "global", name, names)
            for name in imports:
                module = kinds.imported(name, scope.get("__package__"))
                self.named(module, node, "import of", name, names)

    def named(self, value: Any, node: int, how: str, name: str, names: Iterable[str]) -> None:
        """What code names; of a module that is not the user's, what the same code names."""
        fields = kinds.fields_of_module(value)
        if not fields or self.mode(fields.get("__name__")) is Mode.USER:
            self.stack.append((value, node, how, name))
            return
        here = self.node(node, how, name)
        if id(value) in self.memo and (id(value), id(names)) in self.memo:
            self.tokens += (_AGAIN, id(value))
            return
        self.memo[id(value)] = self.memo[id(value), id(names)] = (here, value)
        found = [each for each in names if each in fields]
        self.tokens += (types.ModuleType, id(value), tuple(found))
        self.keep(value)
        for each in found:
            field = fields[each]
            if type(field) is types.FunctionType or type(field) is type:
                self.tokens.append(id(field))  # Replaced, if ever, as a whole.
                self.keep(field)
                if field is os.getenv:
                    self.stack.append((os.environ, here, "attribute", "environ"))
            else:
                self.named(field, here, "attribute", each, names)

    def method(self, value: types.MethodType, node: int) -> None:
        """The function, and of its object what the function names."""
        self.tokens.append(types.MethodType)
        self.stack.append((value.__func__, node, "", "method"))
        receiver = value.__self__
        kind = kinds.kind_of(type(receiver))
        is_user = self.mode(kinds.module_of(type(receiver))) is Mode.USER
        if is_user and not kind.special and kind.content is None:
            if id(receiver) in self.memo:
                self.tokens += (_AGAIN, self.memo[id(receiver)][0])
            else:
                self.receiver(receiver, node)
        else:
            self.stack.append((receiver, node, "object of method", None))

    def receiver(self, value: Any, node: int) -> None:
        """The object of a method: only what code names, for it may hold results and data sets."""
        self.memo[id(value)] = (node, value)
        cls = type(value)
        self.tokens += ("receiver", id(cls), id(value))
        self.keep(cls)
        self.keep(value)
        places = [dict(kinds.kind_of(cls).state(value))]
        for base in kinds.bases_of(cls):
            if self.mode(kinds.module_of(base)) is not Mode.USER:
                continue
            fields = kinds.fields_of_class(base)
            places.append(fields)
            for name, field in fields.items():
                is_special = name.startswith("__") and name.endswith("__") and name not in _NOT_RUN
                if is_special and type(field) is types.FunctionType:
                    self.stack.append((field, node, "method", name))
        self.scopes.append(_Scope(value, node, "attribute", places))

    def look_up(self, scope: _Scope) -> None:
        """Pushes what a scope has by the names that were found since the last time."""
        names = list(self.names)[scope.done :]
        scope.done += len(names)
        start = len(self.stack)
        is_object = not issubclass(type(scope.value), types.ModuleType)
        if is_object and not _READ_ANY.isdisjoint(names):
            self.state(scope.value, scope.node, kinds.kind_of(type(scope.value)))
            self.stack.append((type(scope.value), scope.node, "class", None))
            scope.places = []
        for place in scope.places:
            for name in names:
                if name in place and type(place[name]) is not types.MemberDescriptorType:
                    self.stack.append((place[name], scope.node, scope.how, name))
        if found := tuple(entry[3] for entry in self.stack[start:]):
            _, parent, how, name = self.nodes[scope.node]
            self.node(parent, how, name)
            self.tokens.append(found)

    def module(self, value: Any, node: int) -> None:
        """A module of the user's: what code names. Of others the identity; see `named`."""
        self.tokens += (types.ModuleType, id(value))
        self.keep(value)
        fields = kinds.fields_of_module(value)
        if self.mode(fields.get("__name__")) is Mode.USER:
            self.scopes.append(_Scope(value, node, "attribute", [fields]))

    def builtin(self, value: types.BuiltinFunctionType, node: int) -> None:
        """A function in C, or a method such as `table.get`, which reads the table."""
        self.tokens += (types.BuiltinFunctionType, value.__name__)
        if fields := kinds.fields_of_module(value.__self__):
            self.tokens.append(fields.get("__name__"))
        else:
            self.stack.append((value.__self__, node, "object of method", value.__name__))

    def cls(self, value: type, node: int) -> None:
        """A class, with its methods and attributes if it is the user's."""
        self.tokens += (type, id(value))
        self.keep(value)
        for base in kinds.bases_of(value):
            if self.mode(kinds.module_of(base)) is not Mode.USER:
                continue
            if base is not value:
                self.stack.append((base, node, "base class", None))
                continue
            names = []
            for name, field in list(kinds.fields_of_class(base).items()):
                is_own = not (name.startswith("_") and name.endswith("_")) and name != "_abc_impl"
                kind = type(field)
                if kind is types.MemberDescriptorType or kind is types.GetSetDescriptorType:
                    continue
                if is_own or id(kind) in _ACCESSORS:
                    names.append(name)
                    self.stack.append((field, node, "class attribute", name))
            self.tokens.append(tuple(names))

    def object(self, value: Any, node: int) -> None:
        """Any other object: its class, its identity unless it is a value, content and fields."""
        cls = type(value)
        kind = kinds.kind_of(cls)
        if kind.special == "class":
            self.cls(value, node)
            return
        if kind.special == "module":
            self.module(value, node)
            return
        self.tokens.append(id(cls))
        self.keep(cls)
        mode = self.mode(kinds.module_of(cls)) if kind.mode is Mode.DATA else kind.mode
        if not kind.by_value or mode is Mode.IDENTITY:
            self.tokens.append(id(value))
            self.keep(value)
        if kind.content is not None:
            self.content(value, node, kind.content)
        if kind.special == "message":
            self.tokens.append(value.SerializePartialToString(deterministic=True))
        elif kind.special == "flags":
            self.mapping(value.flag_values_dict(), node)
        elif kind.special == "enum":
            self.stack += [(v, node, "", n) for n, v in kind.state(value) if n == "_value_"]
        elif kind.hidden:  # Such as the blocks of a DataFrame.
            found = [each for each in gc.get_referents(value) if not _is_bookkeeping(each)]
            self.stack += [(each, node, "part", n) for n, each in enumerate(found)]
        elif mode is not Mode.IDENTITY and kind.content not in {np.generic, np.dtype}:
            self.state(value, node, kind)
        if mode is Mode.USER:
            self.stack.append((cls, node, "class", None))

    def content(self, value: Any, node: int, base: type) -> None:
        """What an object of a class that extends a builtin one has as such."""
        plain = PLAIN_VALUE.get(base)
        if plain is not None:
            self.tokens += (base, plain(value))
        elif base is np.ndarray:
            self.array(value, node)
        elif base is dict:
            self.mapping(value, node)
        elif base is set or base is frozenset:
            self.set(value, node, base)
        else:
            self.items(value, node, base)

    def array(self, value: np.ndarray, node: int) -> None:
        """An array: see `array_token`. One of objects is seen element by element."""
        self.tokens.append(np.ndarray)
        dtype = np.ndarray.dtype.__get__(value)
        if dtype.hasobject:
            self.tokens += (dtype, np.ndarray.shape.__get__(value))
            self.stack.append((np.ndarray.tolist(value), node, "", "elements"))
            return
        token = array_token(value)
        self.tokens.append(token)
        if len(token) > 3:
            self.keep(value)

    def state(self, value: Any, node: int, kind: kinds.Kind) -> None:
        """The fields of an object, but for somebody else's bookkeeping."""
        found = list(kind.state(value))
        if kind.mode is Mode.OPAQUE:  # TensorFlow's wrapper of the flags has them in __wrapped.
            shallow = _SHALLOW | {id(np.ndarray)} if kind.content is np.ndarray else _SHALLOW
            found = [(n, v) for n, v in found if id(type(v)) in shallow or n == "__wrapped"]
        elif kind.extends:
            found = [(n, v) for n, v in found if n[:1] != "_" or id(type(v)) in _SHALLOW]
        if found:
            self.tokens.append(tuple(name for name, _ in found))
            self.stack += [(field, node, "attribute", name) for name, field in found]


def _is_bookkeeping(part: Any) -> bool:
    """Classes, and who else looks at a block of a DataFrame: it changes with every view."""
    return issubclass(type(part), type) or type(part).__name__ == "BlockValuesRefs"


# By id, as the hash of a class may be the user's code; these classes are never gone.
_SEE: dict[int, Any] = {
    id(list): Walk.items,
    id(tuple): Walk.tuple,
    id(dict): Walk.mapping,
    id(set): Walk.set,
    id(types.FunctionType): Walk.function,
    id(types.MethodType): Walk.method,
    id(types.ModuleType): Walk.module,
    id(type): Walk.cls,
    id(types.BuiltinFunctionType): Walk.builtin,
    id(enum.EnumMeta): Walk.cls,
    id(np.ndarray): Walk.array,
}
