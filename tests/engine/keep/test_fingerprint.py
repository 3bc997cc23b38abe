"""What a model_fn reads is noticed if it changes, is equal if it stays, and nothing raises."""

import argparse
import array
import collections
import copy
import dataclasses
import enum
import functools
import gc
import math
import os
import sys
import threading
import types

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

import tf_estimator
from tf_estimator.engine.keep.fingerprint import difference, fingerprint

v1 = tf.compat.v1

RATE = 0.1
TABLE = {"a": [1, 2]}


def helper(x):
    return x * RATE


def reads_rate(features):
    return features * RATE


def reads_by_helper(features):
    return helper(features)


def reads_nested(features):
    return [x * RATE for x in features], lambda: TABLE


def reads_by_text(features):
    return features * globals()["RATE"]


class Trainer:
    scale = 1.0

    def __init__(self):
        self.rate = 0.1
        self.history = []
        self.parts = {"units": [1, 2]}

    def model_fn(self, features):
        return self.tower(features) * self.scale

    def tower(self, features):
        return features * self.rate, self.parts, self.again

    @property
    def again(self):
        return RATE

    def __call__(self, features):
        return self.model_fn(features)


class Slotted:
    __slots__ = ("rate", "unset")

    def __init__(self, rate):
        self.rate = rate


@dataclasses.dataclass
class Settings:
    rate: float
    units: list


class Color(enum.Enum):
    RED = 1
    BLUE = 2


Point = collections.namedtuple("Point", "x y")


def closure(value):
    def model_fn(features):
        return features, value

    return model_fn


def default(features, rates=[1, 2]):  # noqa: B006
    return features, rates


def keyword_default(given):
    def model_fn(features, *, rates=given):
        return features, rates

    return model_fn


@pytest.fixture
def lib():
    """A user's module, as if it had been imported."""
    module = types.ModuleType("my_settings_for_a_test")
    exec("RATE = 1\nHIDDEN = 5\nother = 2\ndef build(x):\n    return x * HIDDEN\n", vars(module))
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def set_global(name, value):
    return lambda monkeypatch: monkeypatch.setitem(globals(), name, value)


@pytest.mark.parametrize(
    ("fn", "where"),
    [
        (reads_rate, "global RATE of reads_rate"),
        (reads_by_helper, "global RATE of global helper of reads_by_helper"),
        (reads_nested, "global RATE of reads_nested"),
        (reads_by_text, "global RATE of reads_by_text"),
        (functools.partial(reads_by_helper, 1), "global RATE"),
        (functools.lru_cache(reads_rate), "global RATE"),
        (functools.wraps(tf.nn.relu)(lambda x: x * RATE), "global RATE"),
        (tf.autograph.experimental.do_not_convert(reads_rate), "global RATE"),
        (tf.function(reads_rate), "global RATE"),
        (v1.make_template("a", reads_rate), "global RATE"),
        (Trainer().model_fn, "global RATE"),
        (Trainer(), "global RATE"),
        ([{"a": (reads_rate,)}], "global RATE"),
    ],
)
def test_a_global_is_noticed_wherever_it_is_read(fn, where, monkeypatch):
    old = fingerprint(fn)
    assert old == fingerprint(fn)
    monkeypatch.setitem(globals(), "RATE", 0.2)
    assert old != fingerprint(fn)
    assert where in difference(old, fingerprint(fn))
    monkeypatch.setitem(globals(), "RATE", 0.1)
    assert old == fingerprint(fn)
    assert difference(old, fingerprint(fn)) is None


def test_a_global_that_appears_is_noticed(monkeypatch):
    fn = types.FunctionType(reads_rate.__code__, {"__name__": "__main__"}, "fn")
    old = fingerprint(fn)
    fn.__globals__["RATE"] = 1
    assert old != fingerprint(fn)


def _changes():  # noqa: PLR0915
    def add(name, target, change, root=None):
        cases.append(pytest.param(target, change, id=name))

    cases = []
    add("list in closure", closure([1, 2]), lambda f: f.__closure__[0].cell_contents.append(3))
    add(
        "default",
        types.FunctionType(default.__code__, globals(), "d", ([1, 2],)),
        lambda f: f.__defaults__[0].append(3),
    )
    add(
        "new defaults",
        types.FunctionType(default.__code__, globals(), "d", ([1, 2],)),
        lambda f: setattr(f, "__defaults__", (1,)),
    )
    add(
        "code",
        closure(1),
        lambda f: setattr(
            f, "__code__", closure(1).__code__.replace(co_firstlineno=1, co_consts=(1, 2, 3))
        ),
    )
    add("function attribute", closure(1), lambda f: setattr(f, "rate", 3))
    add(
        "attribute of bound method's object",
        Trainer().model_fn,
        lambda f: setattr(f.__self__, "rate", 3),
    )
    add("nested in attribute", Trainer().model_fn, lambda f: f.__self__.parts["units"].append(3))
    add("attribute over a class's", Trainer().model_fn, lambda f: setattr(f.__self__, "scale", 3))
    add("callable object", Trainer(), lambda f: setattr(f, "rate", 3))
    add("object in params", {"a": Trainer()}, lambda p: p["a"].history.append(3))
    add("slot", closure(Slotted(1)), lambda f: setattr(f.__closure__[0].cell_contents, "rate", 2))
    add("slot that was not set", [Slotted(1)], lambda p: setattr(p[0], "unset", 2))
    add("dataclass", [Settings(1.0, [1])], lambda p: p[0].units.append(2))
    add("namespace", [types.SimpleNamespace(a=1)], lambda p: setattr(p[0], "a", 2))
    add("argparse", [argparse.Namespace(a=1)], lambda p: setattr(p[0], "a", 2))
    add("partial's argument", functools.partial(reads_rate, [1]), lambda f: f.args[0].append(2))
    add(
        "partial's keyword",
        functools.partial(reads_rate, features=[1]),
        lambda f: f.keywords["features"].append(2),
    )
    add("counter", [collections.Counter("aab")], lambda p: p[0].update("b"))
    add("deque", [collections.deque([1])], lambda p: p[0].append(2))
    add("order of a dict", {"a": 1, "b": 2}, lambda p: p.update({"a": p.pop("a")}))
    add("bytearray", [bytearray(b"ab")], lambda p: p[0].append(1))
    add("array.array", [array.array("i", [1])], lambda p: p[0].append(1))
    add("set", [{1, 2}], lambda p: p[0].add(3))
    add("set of tuples", [{(1, 2)}], lambda p: p[0].add((3, 4)))
    add("bool for int", [1], lambda p: p.__setitem__(0, True))
    add("bools for ints", [0, 1], lambda p: p.__setitem__(slice(None), [False, True]))
    add("keyword default", keyword_default([1]), lambda f: f.__kwdefaults__["rates"].append(3))
    add("float for int", [1], lambda p: p.__setitem__(0, 1.0))
    add("float for int, of many", list(range(99)), lambda p: p.__setitem__(5, 5.0))
    add("bool for int, of many", list(range(99)), lambda p: p.__setitem__(1, True))
    add("float of many", [0.5] * 99, lambda p: p.__setitem__(5, math.nan))
    add("negative zero", [0.0], lambda p: p.__setitem__(0, -0.0))
    add("negative zero of many", [0.0] * 99, lambda p: p.__setitem__(3, -0.0))
    add("list for tuple", [(1,)], lambda p: p.__setitem__(0, [1]))
    add("enum", [Color.RED], lambda p: p.__setitem__(0, Color.BLUE))
    add("namedtuple for tuple", [Point(1, 2)], lambda p: p.__setitem__(0, (1, 2)))
    add("long text", ["a" * 9999], lambda p: p.__setitem__(0, "a" * 9998 + "b"))
    add("numpy scalar", [np.float32(1)], lambda p: p.__setitem__(0, np.float64(1)))
    add("dtype", [np.zeros(3, np.int32)], lambda p: p.__setitem__(0, np.zeros(3, np.uint32)))
    add("shape", [np.zeros((2, 3))], lambda p: p.__setitem__(0, np.zeros((3, 2))))
    add("array of objects", [np.array([[1], "a"], object)], lambda p: p[0][0].append(2))
    add("masked array", [np.ma.array([1, 2], mask=[0, 0])], lambda p: p[0].mask.__setitem__(0, 1))
    add("environment", lambda: os.environ["HOME"], lambda f: os.environ.update(NEW_FOR_TEST="1"))
    add(
        "bound builtin",
        closure({}.get),
        lambda f: f.__closure__[0].cell_contents.__self__.update(a=1),
    )
    add("proto", [v1.ConfigProto()], lambda p: p[0].device_count.update(CPU=3))
    add("optimizer by hand", [v1.train.AdamOptimizer(0.1)], lambda p: setattr(p[0], "_lr", 0.2))
    add("other tensor", [tf.constant(1)], lambda p: p.__setitem__(0, tf.constant(1)))
    add("other object", [object()], lambda p: p.__setitem__(0, object()))
    add(
        "function in a feature column",
        [tf.feature_column.numeric_column("x", normalizer_fn=closure([1]))],
        lambda p: p[0].normalizer_fn.__closure__[0].cell_contents.append(2),
    )
    return cases


@pytest.mark.parametrize(("root", "change"), _changes())
def test_a_change_is_noticed(root, change, monkeypatch):
    monkeypatch.delenv("NEW_FOR_TEST", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    old = fingerprint(root, params=[root])
    assert old.reason is None
    assert old == fingerprint(root, params=[root])
    change(root)
    new = fingerprint(root, params=[root])
    assert old != new
    assert isinstance(difference(old, new), str)
    assert new == fingerprint(root, params=[root])


@pytest.mark.parametrize("count", [3, 100, 1 << 17, 1 << 20])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_element_of_an_array_of_up_to_64_mb_counts(count, order):
    value = np.zeros((count, 3), np.float32, order)
    for at in (0, count // 2, count - 1):
        old = fingerprint(value)
        assert old == fingerprint(value)
        value[at, 1] += 1
        assert old != fingerprint(value)
    if count > 1:
        value[0], value[1] = [1, 2, 3], [4, 5, 6]
        old = fingerprint(value)
        value[[0, 1]] = value[[1, 0]]
        assert old != fingerprint(value)


def test_a_data_frame_is_looked_into():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    old = fingerprint(closure(frame))
    assert old == fingerprint(closure(frame))
    frame.loc[0, "a"] = 7
    assert old != fingerprint(closure(frame))


@pytest.mark.parametrize("through", ["global", "closure", "import", "from", "getattr", "function"])
def test_a_module_of_the_users_is_read_by_the_names_in_the_code(through, lib, monkeypatch):
    texts = {
        "global": "def f(): return lib.RATE",
        "closure": "def g(lib):\n  def f(): return lib.RATE\n  return f\nf = g(lib)",
        "import": "def f():\n  import my_settings_for_a_test as s\n  return s.RATE",
        "from": "def f():\n  from my_settings_for_a_test import RATE\n  return RATE",
        "getattr": "def f(): return getattr(lib, 'RATE')",
        "function": "def f(): return read(lib)\ndef read(m): return m.RATE",
    }
    scope = {"__name__": "__main__", "lib": lib}
    exec(texts[through], scope)
    old = fingerprint(scope["f"])
    lib.other = 3
    assert old == fingerprint(scope["f"])
    lib.RATE = 2
    assert old != fingerprint(scope["f"])
    assert "RATE" in difference(old, fingerprint(scope["f"]))


def test_a_function_of_the_users_module_is_followed(lib):
    scope = {"__name__": "__main__", "lib": lib}
    exec("def f(x): return lib.build(x)", scope)
    old = fingerprint(scope["f"])
    lib.HIDDEN = 6
    assert difference(old, fingerprint(scope["f"])) == (
        "global HIDDEN of attribute build of global lib of f"
    )


def test_flags_are_read_however_they_are_reached():
    flags = pytest.importorskip("absl.flags")
    values = flags.FlagValues()
    holder = flags.DEFINE_float("rate", 0.1, "", flag_values=values)
    values(["program"])
    wrapped = type(v1.flags.FLAGS)(values)
    for one in (values, wrapped, holder):
        old = fingerprint(closure(one))
        assert old == fingerprint(closure(one))
        values.rate += 1
        assert old != fingerprint(closure(one))


def test_what_model_fn_does_not_name_on_its_object_may_change():
    trainer = Trainer()
    old = fingerprint(trainer.model_fn)
    trainer.history.append(1)
    trainer.data = list(map(object, [])) or [object()] * 20_000
    assert old == fingerprint(trainer.model_fn)


def test_who_reads_all_fields_has_all_fields_looked_at():
    class Reader(Trainer):
        def model_fn(self, features):
            return vars(self)

    reader = Reader()
    old = fingerprint(reader.model_fn)
    reader.history.append(1)
    assert old != fingerprint(reader.model_fn)


def test_a_method_of_the_class_replaced(monkeypatch):
    for fn in (Trainer().model_fn, Trainer(), closure(Trainer()), closure(Trainer)):
        old = fingerprint(fn)
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "tower", lambda self, features: 3)
            assert old != fingerprint(fn)
        assert old == fingerprint(fn)


def test_super_is_followed():
    class Child(Trainer):
        def tower(self, features):
            return super().tower(features)

    child = Child()
    old = fingerprint(child.model_fn)
    child.rate = 3
    assert old != fingerprint(child.model_fn)


@pytest.mark.parametrize(
    "make",
    [
        lambda: closure(3),
        lambda: closure({"a": [math.nan, float("nan"), 1j, complex("nan-0j")]}),
        lambda: {"a": {1, "b", None, (1, (2.0,))}, "b": frozenset({frozenset()})},
        lambda: [Settings(1.0, [1]), Color.RED, Point(1, 2), types.SimpleNamespace(a=1)],
        lambda: [np.arange(6).reshape(2, 3).T, np.float32(3), np.dtype("f4"), np.array(["a", 1])],
        lambda: functools.partial(reads_rate, 1, k=[2]),
        lambda: [range(3), slice(1, 2), collections.OrderedDict(a=1), collections.deque([1])],
        lambda: tf.feature_column.numeric_column("x", shape=[2], default_value=[1.0, 2.0]),
        lambda: Ellipsis,
    ],
)
def test_equal_values_are_equal(make):
    assert fingerprint(make()) == fingerprint(make())
    assert fingerprint(make()).reason is None


def test_a_function_defined_once_more_is_the_same():
    scopes = [{"__name__": "__main__", "RATE": 1} for _ in range(2)]
    for scope in scopes:
        exec("def f(x):\n  return [x * RATE for _ in x]", scope)
    assert fingerprint(scopes[0]["f"]) == fingerprint(scopes[1]["f"])


def test_cycles_end():
    loop = [1]
    loop.append({"a": loop})
    knot = Trainer()
    knot.parts = {"me": knot, "loop": loop, "set": {knot}}

    def recursive(n):
        return recursive(n - 1), knot.rate

    roots = (loop, knot, knot.model_fn, recursive, {knot, recursive})
    old = fingerprint(*roots)
    assert old.reason is None
    assert old == fingerprint(*roots)
    knot.rate = 3
    assert old != fingerprint(*roots)


def test_deep_and_shared_structures_are_walked_once():
    deep = []
    for _ in range(3_000):
        deep = [deep]
    shared = [1, 2]
    for _ in range(200):
        shared = [shared, shared]
    old = fingerprint(deep, shared)
    assert old.reason is None
    assert old == fingerprint(deep, shared)


def test_too_much_is_told():
    huge = [[n] for n in range(20_000)]
    old = fingerprint(params=huge)
    assert old == old  # noqa: PLR0124
    assert old != fingerprint(params=huge)
    assert "more than 10,000 values are read" in old.reason
    assert "params" in old.reason
    assert difference(old, fingerprint(params=huge)) == old.reason


def test_a_large_vocabulary_is_not_too_much():
    words = [f"word {n}" for n in range(100_000)]
    old = fingerprint(words, set(words))
    assert old.reason is None
    assert old == fingerprint(words, set(words))
    words[77_777] = "other"
    assert old != fingerprint(words, set(words))


def _refuse(*args, **kwargs):
    raise AssertionError("the user's code was run")


class _HostileType(type):
    __eq__ = __hash__ = __instancecheck__ = __subclasscheck__ = __getattribute__ = _refuse


_HOOKS = """
    __eq__ __hash__ __getattr__ __getattribute__ __repr__ __str__ __len__ __bool__ __iter__ items
    __reduce_ex__ __getstate__ __deepcopy__ __dir__ __contains__ __getitem__ __int__ __float__
    __index__ keys
"""
_hostile = dict.fromkeys(_HOOKS.split(), _refuse)
_hostile["__class__"] = property(_refuse)
_hostile["rate"] = property(_refuse)


def _weird():
    cases = {}
    for base, made in [
        (object, ()), (list, ([1, [2]],)), (dict, ({"a": 1},)), (tuple, ([1, [2]],)),
        (int, (3,)), (str, ("a",)), (float, (0.5,)), (bytes, (b"a",)), (complex, (1j,)),
        (bytearray, (b"a",)), (collections.deque, ([1],)), (np.ndarray, ((2,),)),
    ]:  # fmt: skip
        kind = type("Weird", (base,), dict(_hostile))
        cases[base.__name__] = base.__new__(kind, *made)
        if base in {list, dict, bytearray, collections.deque}:
            base.__init__(cases[base.__name__], *made)
    cases["metaclass"] = type.__call__(_HostileType, "Strange", (), {})
    cases["its instance"] = object.__new__(cases["metaclass"])
    fields = type("Fields", (), {"__dict__": property(_refuse), "__slots__": ("a",)})
    cases["property __dict__"] = object.__new__(fields)
    return cases


@pytest.mark.parametrize("name", list(_weird()))
def test_no_code_of_the_users_runs(name):
    value = _weird()[name]
    for root in ([value, value], {"a": value}, closure(value), functools.partial(closure, value)):
        old = fingerprint(root, also=value)
        assert old.reason is None
        assert old == fingerprint(root, also=value)
    assert difference(fingerprint([value]), fingerprint([object()])) is not None
    assert difference(fingerprint([value]), fingerprint([_weird()[name], 1])) is not None


_ANYTHING = [
    threading.Lock(), (n for n in [1]), iter([1]), sys, tf, tf.Graph(), len, int, type, np.sin,
    os.environ, types.MappingProxyType({}), sys.stdout, TABLE.items(), Exception("a"), Ellipsis,
    memoryview(b"a"), Slotted.rate, Trainer.again, classmethod(len), tf.float32, np.float32,
    np.random.default_rng(0), tf_estimator.RunConfig(), threading.local(), super(Trainer),
]  # fmt: skip


@pytest.mark.parametrize("value", _ANYTHING, ids=lambda value: type(value).__name__)
def test_anything_may_be_captured(value):
    old = fingerprint(closure(value))
    assert old.reason is None
    assert old == fingerprint(closure(value))


def test_an_empty_cell():
    def outer():
        def inner():
            return later

        old = fingerprint(inner)
        later = 1
        return old, fingerprint(inner), later

    old, new, _ = outer()
    assert old != new


def test_an_object_that_is_gone_is_not_mistaken_for_its_successor():
    class Empty:
        pass

    box, reused = [Empty()], 0
    for _ in range(200):
        was, old = id(box[0]), fingerprint(box)
        box[0] = None
        box[0] = Empty()  # Most often in the same place.
        reused += id(box[0]) == was
        new = fingerprint(box)
        assert old != new
        assert difference(old, new) is not None
    assert reused


def test_large_things_are_not_kept_alive():
    released = []

    class Big:
        def __del__(self):
            released.append(self)

    box = [Big(), np.zeros(1 << 20)]
    seen = fingerprint(box, lambda: box)
    box.clear()
    gc.collect()
    assert released
    assert seen.reason is None


def test_an_estimator_is_not_looked_into(tmp_path):
    class Holder:
        def __init__(self):
            self.estimator = tf_estimator.Estimator(self.model_fn, str(tmp_path))

        def model_fn(self, features):
            return features, self.estimator

    holder = Holder()
    old = fingerprint(holder.model_fn)
    holder.estimator._anything = 3
    assert old == fingerprint(holder.model_fn)


def test_a_hook_may_change_as_it_works():
    class Hook(v1.train.SessionRunHook):
        calls = 0

    hook = Hook()
    old = fingerprint(closure(hook))
    hook.calls = 7
    assert old == fingerprint(closure(hook))


@pytest.mark.parametrize("dnn_optimizer", ["Adam", lambda: v1.train.AdamOptimizer(RATE)])
def test_a_canned_estimator(dnn_optimizer, tmp_path, monkeypatch):
    job = tf.feature_column.categorical_column_with_vocabulary_list("job", ["a", "b"])
    estimator = tf_estimator.DNNLinearCombinedClassifier(
        str(tmp_path),
        linear_feature_columns=[job],
        dnn_feature_columns=[
            tf.feature_column.embedding_column(job, 2),
            tf.feature_column.numeric_column("x", normalizer_fn=lambda x: x * TABLE["a"][0]),
        ],
        dnn_hidden_units=[4],
        dnn_optimizer=dnn_optimizer,
    )
    old = fingerprint(estimator._model.model_fn)
    assert old.reason is None
    assert old == fingerprint(estimator._model.model_fn)
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "RATE", 0.5)
        changed = old != fingerprint(estimator._model.model_fn)
        assert changed is callable(dnn_optimizer)
    monkeypatch.setitem(TABLE, "a", [2])
    assert old != fingerprint(estimator._model.model_fn)


def test_several_threads_at_once():
    shared = {n: [n, {"a": n}] for n in range(50)}
    trainer = Trainer()
    failures, stop = [], threading.Event()

    def change():
        n = 0
        while not stop.is_set():
            n += 1
            shared[n % 100] = [n]
            shared.pop((n * 7) % 100, None)
            trainer.parts[str(n % 50)] = n

    def look():
        try:
            for _ in range(100):
                fingerprint(shared, trainer.model_fn, reads_nested)
                assert fingerprint(reads_nested) == fingerprint(reads_nested)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    changer = threading.Thread(target=change)
    lookers = [threading.Thread(target=look) for _ in range(3)]
    for one in [changer, *lookers]:
        one.start()
    for one in lookers:
        one.join()
    stop.set()
    changer.join()
    assert not failures


_leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers()
    | st.text(max_size=5) | st.binary(max_size=5) | st.sampled_from(Color)
)  # fmt: skip
_keys = st.text(max_size=3) | st.integers() | st.tuples(st.booleans(), st.text(max_size=2))
_values = st.recursive(
    _leaves | st.lists(st.integers(), max_size=12) | st.lists(st.floats(), max_size=12)
    | st.sets(_keys) | st.frozensets(st.integers() | st.text(max_size=2))
    | st.builds(np.array, st.lists(st.floats(), max_size=4)),
    lambda inner: st.lists(inner, max_size=4)
    | st.lists(inner, max_size=4).map(tuple)
    | st.dictionaries(_keys, inner, max_size=4)
    | st.builds(Settings, rate=inner, units=st.lists(inner, max_size=2))
    | st.builds(Point, inner, inner)
    | st.lists(inner, max_size=3).map(lambda items: [items, items]),
    max_leaves=15,
)  # fmt: skip


def _with_a_change(value, choose):  # noqa: PLR0911
    """A copy of `value` with one leaf changed; the leaf is reached by choices."""
    if type(value) in {list, tuple, Point} and value:
        items = list(value)
        at = choose(len(items))
        items[at] = _with_a_change(items[at], choose)
        return type(value)(*items) if type(value) is Point else type(value)(items)
    if type(value) is dict and value:
        key = list(value)[choose(len(value))]
        return {k: _with_a_change(v, choose) if k == key else v for k, v in value.items()}
    if type(value) is Settings:
        return dataclasses.replace(value, rate=_with_a_change(value.rate, choose))
    if type(value) in {set, frozenset}:
        return value | {"a new element"}
    if type(value) is np.ndarray:
        return np.append(value, 1.0)
    if type(value) is bool:
        return int(value)
    if type(value) is int:
        return value + 1
    return "changed" if value != "changed" else "changed again"


@hypothesis.given(_values)
def test_a_deep_copy_is_equal(value):
    old = fingerprint(value, key=[value])
    copied = copy.deepcopy((value, [value]))
    new = fingerprint(copied[0], key=copied[1])
    assert old.reason is None
    assert difference(old, new) is None
    assert old == new


@hypothesis.given(_values, st.data())
def test_one_changed_leaf_makes_it_differ(value, data):
    changed = _with_a_change(value, lambda n: data.draw(st.integers(0, n - 1)))
    assert fingerprint(value) != fingerprint(changed)
    assert difference(fingerprint(value), fingerprint(changed)) is not None
