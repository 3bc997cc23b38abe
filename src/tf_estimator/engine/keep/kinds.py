"""What a Python object is made of, told without running any code of the object's own.

`fingerprint` looks at objects that may define anything: properties, `__getattr__`, `__eq__`,
`__hash__`, metaclasses. So nothing here calls a method of the object or hashes its class. Fields
are read by the descriptors that CPython makes for `__dict__` and for slots.
"""

import argparse
import array
import collections
import dataclasses
import dis
import enum
import functools
import opcode
import os
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np


class Mode(enum.Enum):
    """How deep to look at what a module defines."""

    USER = "fields, class, and what the functions read"
    DATA = "fields; the code is not the user's and does not change"
    OPAQUE = "identity, and fields that are plain values or functions"
    IDENTITY = "identity"


# Immutable in effect, or full of bookkeeping that changes by itself.
_TENSORFLOW = frozenset(
    {"tensorflow", "keras", "tf_keras", "numpy", "tensorboard", "wrapt", "google", "ml_dtypes"}
    | {"jax", "jaxlib", "torch", "h5py", "tensorflow_probability", "tensorflow_hub"}
)
# What of the standard library holds a program's data. The rest is machinery (logging, threading).
_STANDARD_DATA = frozenset(
    {"builtins", "collections", "types", "functools", "argparse", "configparser", "os", "array"}
    | {"enum", "dataclasses", "contextlib", "_operator", "operator", "typing"}
)
# Of this package: what holds settings. The others hold what changes at every call.
_OUR_DATA = frozenset(
    {"canned", "checkpoint", "compat", "config", "extenders", "heads", "optimizers", "spec"}
)
# Called by the loop and changed by it; model_fn only passes them on.
_CALLED_BACK = frozenset({"SessionRunHook", "CheckpointSaverListener"})

# A root that is a partial of one of these does not make the module the user's.
NEVER_THE_USERS = sys.stdlib_module_names | {"tf_estimator"}

_modes: dict[str, Mode] = {}


def mode_of(module: Any) -> Mode:
    """The Mode of what is defined in the module of this name."""
    if type(module) is not str:
        return Mode.USER
    found = _modes.get(module)
    if found is None:
        found = _modes[module] = _new_mode(module)
    return found


def _new_mode(module: str) -> Mode:
    top, _, rest = module.partition(".")
    if top in _TENSORFLOW:
        return Mode.OPAQUE
    if top == "tf_estimator":
        return Mode.DATA if rest.partition(".")[0] in _OUR_DATA else Mode.IDENTITY
    file = _file_of(top)
    parts = file.replace("\\", "/").split("/")
    if "site-packages" in parts or "dist-packages" in parts:
        return Mode.DATA
    # A user's module may have a name of the standard library's.
    if top in sys.stdlib_module_names and (not file or file.startswith(_STANDARD_FOLDER)):
        return Mode.DATA if top in _STANDARD_DATA else Mode.IDENTITY
    return Mode.USER


def _file_of(top: str) -> str:
    fields = fields_of_module(sys.modules.get(top))
    file = fields.get("__file__")
    if type(file) is str:
        return file
    spec = fields.get("__spec__")  # A package without __init__.py has folders instead.
    places = list(getattr(spec, "submodule_search_locations", None) or ())
    return str(places[0]) + "/" if places else ""


_STANDARD_FOLDER = os.path.dirname(os.__file__)

_module_fields = vars(types.ModuleType)["__dict__"]
_class_fields = vars(type)["__dict__"]
_class_bases = vars(type)["__mro__"]
_class_module = vars(type)["__module__"]


def fields_of_module(module: Any) -> dict[str, Any]:
    """The fields of a module as they are, a lazy one unloaded; {} for what is no module."""
    if not issubclass(type(module), types.ModuleType):
        return {}
    return _module_fields.__get__(module)


def fields_of_class(cls: type) -> Any:
    """The fields of a class: a mapping that cannot be written."""
    return _class_fields.__get__(cls)


def bases_of(cls: type) -> tuple[type, ...]:
    """The class and what it inherits from, in the order of look-up."""
    return _class_bases.__get__(cls)


def module_of(cls: type) -> str:
    """The name of the module that defines the class; "" if it has none."""
    try:
        name = _class_module.__get__(cls)
    except AttributeError:
        return ""
    return name if type(name) is str else ""


@dataclasses.dataclass(frozen=True, eq=False)
class Kind:
    """What the objects of a class are made of.

    Attributes:
        ref: to the class. A class that has gone may leave its id to another.
        mode: how deep to look.
        content: the class whose C fields are the object's value (a list's items), or None.
        by_value: two objects with equal fields are equal; else an object equals itself only.
        extends: it inherits from a class whose private fields are somebody else's bookkeeping.
        fields: the descriptor of `__dict__`, or None.
        slots: the descriptors of slots, by name.
        hidden: a base of it is written in C by an installed package: ask the garbage collector.
        special: the name of what it is, if it needs a treatment of its own, else "".
    """

    ref: Any
    mode: Mode
    content: type | None
    by_value: bool
    extends: bool
    fields: Any
    slots: tuple[tuple[str, Any], ...]
    hidden: bool
    special: str

    def state(self, value: Any) -> Iterator[tuple[str, Any]]:
        """The names and values of the fields of `value`, in a fixed order."""
        fields = self.fields.__get__(value) if self.fields is not None else None
        if type(fields) is dict:
            yield from [(n, v) for n, v in dict.items(fields) if type(n) is str]
        for name, slot in self.slots:
            try:
                yield name, slot.__get__(value)
            except AttributeError:  # Not set.
                continue


_CONTENTS = {
    id(each): each
    for each in (int, str, bytes, float, complex, list, tuple, dict, set, frozenset, bytearray)
} | {id(each): each for each in (collections.deque, array.array, np.ndarray, np.generic, np.dtype)}
_NO_SLOTS = ("__weakref__", "__doc__", "__weaklistoffset__", "__dictoffset__")
_BY_VALUE = frozenset(
    map(id, (types.SimpleNamespace, argparse.Namespace, property, staticmethod, classmethod))
) | {id(slice), id(range), id(functools.partial)}

_kinds: dict[int, Kind] = {}  # By id: the hash of a class may be a method of its metaclass.


def kind_of(cls: type) -> Kind:
    """The Kind of a class's objects, worked out once for each class."""
    found = _kinds.get(id(cls))
    if found is None or found.ref() is not cls:
        found = _kinds[id(cls)] = _new_kind(cls)
    return found


def _new_kind(cls: type) -> Kind:
    bases = bases_of(cls)
    contents = [_CONTENTS[id(base)] for base in bases if id(base) in _CONTENTS]
    fields, slots, own = None, [], []
    for base in bases:
        own_fields = fields_of_class(base)
        own.append((base, mode_of(module_of(base))))
        for name, field in own_fields.items():
            if type(field) is types.MemberDescriptorType and name not in _NO_SLOTS:
                slots.append((name, field))
        found = own_fields.get("__dict__")
        if type(found) is types.GetSetDescriptorType:
            fields = found
    mode = own[0][1]
    if any(
        n is not Mode.USER and type.__dict__["__name__"].__get__(b) in _CALLED_BACK for b, n in own
    ):
        mode = Mode.IDENTITY
    special = _special(cls, bases)
    return Kind(
        ref=weakref.ref(cls),
        mode=mode,
        content=contents[0] if contents else None,
        by_value=bool(contents) or special == "enum" or any(map(_is_by_value, bases)),
        extends=any(n in {Mode.OPAQUE, Mode.IDENTITY} for _, n in own),
        fields=fields,
        slots=tuple(slots),
        hidden=mode is Mode.DATA and not special and not contents and any(map(_is_hidden, bases)),
        special=special,
    )


def _is_by_value(base: type) -> bool:
    return id(base) in _BY_VALUE or "__dataclass_fields__" in fields_of_class(base)


_class_flags = vars(type)["__flags__"]
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: set for every class that is written in Python.


def _is_hidden(base: type) -> bool:
    if module_of(base).partition(".")[0] in NEVER_THE_USERS:
        return False
    computed = {
        n for n, f in fields_of_class(base).items() if type(f) is types.GetSetDescriptorType
    }
    computed -= {"__dict__", "__weakref__"}  # Only a class that is written in C has others.
    return bool(computed) or not _class_flags.__get__(base) & _HEAP_TYPE


def _special(cls: type, bases: tuple[type, ...]) -> str:
    if issubclass(cls, type):
        return "class"
    if issubclass(cls, types.ModuleType):
        return "module"
    for base in bases:
        if base is enum.Enum:
            return "enum"
        name = module_of(base)
        fields = fields_of_class(base)
        if name.startswith("google.") and "SerializePartialToString" in fields:
            return "message"
        if name == "absl.flags._flagvalues" and "flag_values_dict" in fields:
            return "flags"
    return ""


_codes: dict[int, tuple[types.CodeType, "Names"]] = {}
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
# Who calls one of these may look up a global, or a global or an attribute, by a text.
_LOOK_UP_GLOBALS = frozenset({"globals", "vars", "locals", "eval", "exec", "__globals__"})
_LOOK_UP_ANY = _LOOK_UP_GLOBALS | {
    "getattr",
    "hasattr",
    "attrgetter",
    "methodcaller",
    "__getattribute__",
    "__dict__",
}
_IMPORT = opcode.opmap["IMPORT_NAME"]


class Names(NamedTuple):
    """What a code object, with the functions inside of it, may look up.

    Attributes:
        globals: names of globals.
        all: these, and names of attributes.
        imports: names of modules that it imports.
    """

    globals: tuple[str, ...]
    all: tuple[str, ...]
    imports: tuple[str, ...]


def names_in(code: types.CodeType) -> Names:
    """The names that a code object may look up. Worked out once for each.

    Texts count only where the code can look up what they name, as in `getattr(settings, "RATE")`
    and `globals()["RATE"]`: most are keys of features and metrics, which a program may well have as
    globals too, and change with every evaluation.
    """
    found = _codes.get(id(code))
    if found is None:
        codes = list(_nested(code))
        everything = dict.fromkeys(name for one in codes for name in one.co_names)
        loaded: dict[str, None] = {}
        imports: dict[str, None] = {}
        for one in codes:
            for instruction in dis.get_instructions(one):
                if instruction.opname in _LOADS:
                    loaded[instruction.argval] = None
                elif instruction.opcode == _IMPORT:
                    imports[instruction.argval] = None
        texts = dict.fromkeys(text for one in codes for text in _texts(one.co_consts))
        if not _LOOK_UP_GLOBALS.isdisjoint(everything):
            loaded.update(texts)
        if not _LOOK_UP_ANY.isdisjoint(everything):
            everything.update(texts)
        # The code is kept, for its id to stay its own. A program has only so many.
        found = _codes[id(code)] = (
            code,
            Names(tuple(loaded), tuple(everything), tuple(imports)),
        )
    return found[1]


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for const in code.co_consts:
        if type(const) is types.CodeType:
            yield from _nested(const)


def _texts(consts: Any) -> Iterator[str]:
    for const in consts:
        if type(const) is str and const.isidentifier():
            yield const
        elif type(const) in {tuple, frozenset}:
            yield from _texts(const)


def imported(name: str, package: Any) -> Any:
    """The module that `import name` gives inside `package`, if it is loaded, else None."""
    if module := sys.modules.get(name):
        return module
    while type(package) is str and package:
        if module := sys.modules.get(f"{package}.{name}" if name else package):
            return module
        package = package.rpartition(".")[0]
    return None
