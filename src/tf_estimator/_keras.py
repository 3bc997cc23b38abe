"""The only door to the private parts of Keras 3 and tf_keras, beside `_tf` and in its manner.

Keras is imported by who has an object of it: here it is found among the modules that are loaded.
"""

import contextlib
import gc
import importlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._tf import eagerly, v1


def variable_view(variable: tf.Variable, path: str = "") -> Any:
    """A Keras 3 Variable that is a view of an existing `variable`, with the `path` or its name.

    Why: Keras 3 optimizers ask for what only a Keras Variable has, and it always makes its own.
    Guard: where the view did not take the variable, NotImplementedError.
    """
    keras = sys.modules["keras"]

    path_of_view = path or variable.op.name

    class View(keras.Variable):  # type: ignore[name-defined]
        only_a_view = True  # for owners

        @property
        def path(self) -> str:
            return path_of_view

        @path.setter
        def path(self, value: str) -> None:  # Keras before 3.5 sets it
            pass

        def _initialize(self, value: Any) -> None:
            self._value = variable

        def _initialize_with_initializer(self, initializer: Any) -> None:
            self._value = variable

    view = View(
        initializer=tf.zeros,
        shape=variable.shape,
        dtype=variable.dtype.base_dtype.name,
        name=path_of_view.replace("/", "_"),
    )
    if view.value is not variable:
        raise NotImplementedError(
            f"Keras {keras.__version__} cannot use a variable of a graph in its optimizers. "
            "Use an optimizer of tf.compat.v1.train."
        )
    return view


def leave_strategy(optimizer: Any, variables: Sequence[Any]) -> None:
    """Has a Keras optimizer that was built for the variables of a strategy update copies of them.

    Args:
        optimizer: made and built in the scope of the strategy.
        variables: in place of each that it was built with the copy of one replica.

    Why: it would update the copies of all replicas.
    Guard: where it keeps them elsewhere, TensorFlow refuses the copies.
    """
    with tf.Graph().as_default():
        nowhere = tf.distribute.get_strategy()
    one: Any
    for one in (optimizer, getattr(optimizer, "inner_optimizer", None)):
        if hasattr(one, "_distribution_strategy"):
            one._distribution_strategy = nowhere
        if hasattr(one, "_trainable_variables"):
            one._trainable_variables = list(variables)


def optimizer_config(optimizer: Any) -> tuple[dict[str, Any], Any]:
    """The config of a Keras optimizer, and apart from it what it holds as its learning rate.

    Why: `get_config` reads the learning rate as a number, and fails on one that is a tensor, a
    variable of a graph, a callable, or a schedule that has no config. So it is asked of a twin that
    holds another.
    Guard: an optimizer that keeps its learning rate elsewhere gives its config as it is, and None.
    """
    held = vars(optimizer)
    twin = object.__new__(type(optimizer))
    vars(twin).update(held)
    stand_in = _schedule_like(optimizer)
    if "learning_rate" in held.get("_hyper", ()):  # of the legacy kind of tf_keras
        rate = held["_hyper"]["learning_rate"]
        vars(twin)["_hyper"] = {**held["_hyper"], "learning_rate": stand_in}
    else:
        rate = held.get("_learning_rate")
        if rate is not None:
            vars(twin)["_learning_rate"] = stand_in
    with eagerly():  # it may read variables that were made eagerly
        return twin.get_config(), rate


def _schedule_like(optimizer: Any) -> Any:
    """Some learning rate that every optimizer of the same Keras can put into its config."""
    packages = (one.__module__.split(".")[0] for one in type(optimizer).__mro__)
    keras = next(sys.modules[one] for one in packages if one in ("keras", "tf_keras"))
    return keras.optimizers.schedules.ExponentialDecay(1.0, 1, 1.0)


def v1_layers_from_tf_keras() -> None:
    """Makes `tf.compat.v1.layers` and `tf.compat.v1.nn.rnn_cell` those of the package tf-keras.

    Why: TensorFlow looks for them in the Keras that `tf.keras` is, and Keras 3 has none. It can be
    told to look in tf-keras, by an environment variable that is read once and changes `tf.keras` as
    well. So they are put there here, also into what was taken from there before: whoever said
    `layers = tf.compat.v1.layers` kept the part that looks, and it looks no further when it has the
    name itself.
    Guard: ImportError without tf-keras. Where tf-keras or TensorFlow keeps them elsewhere,
    NotImplementedError says so, and nothing is changed.
    """
    at = "tf_keras.api._v1.keras.__internal__.legacy"
    try:
        taken = [(one.layers, one.nn.rnn_cell) for one in v1_modules()]
        importlib.import_module("tf_keras")
        # As tf-keras does: a second module of the parts of the first, with others in places.
        importlib.import_module("tensorflow.compat.v1")
        layers = importlib.import_module(f"{at}.layers")
        cells = importlib.import_module(f"{at}.rnn_cell")
        taken += [(one.layers, one.nn.rnn_cell) for one in v1_modules()]
    except (ModuleNotFoundError, AttributeError) as error:
        if getattr(error, "name", None) == "tf_keras":
            raise
        raise NotImplementedError(
            f"The tf-keras that is installed is not made for TensorFlow {tf.__version__}, or one "
            f"of the two has moved tf.compat.v1.layers ({error}). The release of tf-keras must be "
            "that of TensorFlow."
        ) from error
    for old_layers, old_cells in taken:
        vars(old_layers).update(vars(layers))
        vars(old_cells).update(vars(cells))
    for one in v1_modules():
        one.layers = layers
        one.nn.rnn_cell = cells
    sys.modules["tensorflow.compat.v1.layers"] = layers  # for `from tensorflow.compat.v1.layers ..`


def missed_in_v1_layers(error: BaseException) -> str:
    """The name under `tf.compat.v1` that Keras 3 does not have and tf-keras may, "" if none.

    Why: the error that TensorFlow raises for `tf.compat.v1.layers.dense` names only `dense`.
    Guard: an error that does not tell what was asked of which object is none of these.
    """
    asked, name = getattr(error, "obj", None), getattr(error, "name", None)
    if isinstance(error, AttributeError) and asked is not None and name is not None:
        for module in v1_modules():
            if asked is module.layers:
                return f"layers.{name}"
            if asked is module.nn.rnn_cell:
                return f"nn.rnn_cell.{name}"
    return ""


def v1_modules() -> list[Any]:
    """All the modules that are `tf.compat.v1`: one for each way it can be reached."""
    names = [one for one in list(sys.modules) if one.startswith("tensorflow.")]
    return [v1, *(sys.modules[one] for one in names if one.endswith(".compat.v1"))]


def _is_of_keras(variable: Any) -> bool:
    op = getattr(variable, "op", None)
    return op is not None and bool(calls(op))


def owners(variables: Iterable[Any]) -> list[Any]:
    """`variables`, but instead of each tf.Variable of a Keras 3 Variable the latter.

    Why: a collection of the graph has the tf.Variables. What a layer says of them, the constraint
    and whether it is frozen, is with the Keras Variable, and nothing leads there from the other.
    So all objects of the process are asked, which takes some 20 ms.
    Guard: without Keras 3, or where its Variable keeps the other elsewhere, they are as given.
    """
    given = list(variables)
    kind = getattr(sys.modules.get("keras"), "Variable", None)
    if not isinstance(kind, type) or not any(map(_is_of_keras, given)):
        return given
    kinds: set[type] = {kind}
    todo: list[type] = [kind]
    while todo:
        classes: list[type] = todo.pop().__subclasses__()
        below = [each for each in classes if not hasattr(each, "only_a_view")]
        kinds.update(below)
        todo += below
    found: list[Any] = [one for one in gc.get_objects() if type(one) in kinds]
    owners: dict[int, Any] = {id(vars(one).get("_value")): one for one in found}
    return [owners.get(id(one), one) for one in given]


@contextlib.contextmanager
def names_afresh() -> Iterator[None]:
    """Lets Keras 3 name what is made inside as though it had made nothing before in this thread.

    Why: it numbers layers through the process, and the names of variables in a checkpoint would
    depend on what was made before. `keras.utils.clear_session` cannot be called in a graph, and
    takes the names from those that are at work outside of it. The seeds that layers without one
    share are a variable, which would be of another graph. tf_keras counts by graph.
    Guard: where Keras keeps its numbers elsewhere, the names are as Keras makes them.
    """
    nothing = dict.fromkeys(_NAMING)
    old = _swap_state(nothing)
    try:
        yield
    finally:
        # Keras may have been imported meanwhile.
        _swap_state(old or nothing)


@contextlib.contextmanager
def names_by_thread(graph: tf.Graph) -> Iterator[None]:
    """Lets tf_keras number what it names in a graph for each thread by itself.

    Why: it numbers by graph, and of several replicas each is built in a thread of its own, in
    turns. The names of variables in a checkpoint would depend on how many there are.
    Guard: where tf_keras keeps its numbers elsewhere, the names are as it makes them.
    """
    legacy = os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")
    if legacy:
        importlib.import_module("tf_keras")  # which model_fn would do else, in the middle
    backend = sys.modules.get("tf_keras.src.backend")
    numbers = getattr(backend, "PER_GRAPH_OBJECT_NAME_UIDS", {})
    numbers[graph] = _NumbersOfThread()
    try:
        yield
    finally:
        del numbers[graph]


class _NumbersOfThread(MutableMapping[Any, int]):
    """The highest number of each name, 0 for a new one; each thread has its own."""

    def __init__(self) -> None:
        self._local = threading.local()

    def _numbers(self) -> dict[Any, int]:
        found: dict[Any, int] = vars(self._local).setdefault("numbers", {})
        return found

    def __getitem__(self, name: Any) -> int:
        return self._numbers().setdefault(name, 0)

    def __setitem__(self, name: Any, number: int) -> None:
        self._numbers()[name] = number

    def __delitem__(self, name: Any) -> None:
        del self._numbers()[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._numbers())

    def __len__(self) -> int:
        return len(self._numbers())


_NAMING = ("global_seed_generator", "name_scope_stack", "object_name_uids")


def _swap_state(new: dict[str, Any]) -> dict[str, Any]:
    state = sys.modules.get("keras.src.backend.common.global_state")
    get = getattr(state, "get_global_attribute", None)
    put = getattr(state, "set_global_attribute", None)
    if get is None or put is None:
        return {}
    old = {name: get(name) for name in new}
    for name, value in new.items():
        put(name, value)
    return old


def has_named() -> bool:
    """Whether Keras 3 made or called anything since `names_afresh` was entered.

    Why: what it made need not have variables of its own, and so is not seen otherwise.
    Guard: as of that.
    """
    state = sys.modules.get("keras.src.backend.common.global_state")
    get = getattr(state, "get_global_attribute", lambda name: None)
    return any(get(name) is not None for name in _NAMING)


def path_of_new_variable() -> str | None:
    """In a creator of `tf.variable_creator_scope`: the variable's path in Keras 3, as `a/b/kernel`.

    Why: the names of operations have the same parts, but not all of them, and with numbers, where
    a model of one's own class makes its layers while it is called. Which number a kernel gets then
    depends on what else the call does in this mode.
    Guard: a variable that is not of a layer of Keras 3, or that Keras makes in another place, has
    no path: None.
    """
    frame: Any = sys._getframe(1)
    path = None
    for _ in range(_FRAMES_TO_KERAS):
        if frame is None:
            return None
        if frame.f_globals.get("__name__") == "keras.src.backend.tensorflow.core":
            path = getattr(frame.f_locals.get("self"), "path", None)
            break
        frame = frame.f_back
    while path is not None and frame is not None:
        # An optimizer's are named by who makes it.
        if frame.f_globals.get("__name__", "").startswith("keras.src.optimizers."):
            return None
        frame = frame.f_back
    return path


_FRAMES_TO_KERAS = 16


def tf_keras_makes_new_variable() -> bool:
    """In a creator of `tf.variable_creator_scope`: whether tf_keras makes the variable.

    Why: tf_keras keeps no list of what is in a graph that others may see.
    Guard: where it makes variables by a longer way, none of them is seen.
    """
    frame: Any = sys._getframe(1)
    for _ in range(_FRAMES_TO_KERAS):
        if frame is None:
            return False
        if frame.f_globals.get("__name__", "").startswith("tf_keras."):
            return True
        frame = frame.f_back
    return False


def layer_of_new_variable() -> str:
    """In a creator of `tf.variable_creator_scope`: what kind of layer makes the variable.

    Returns:
        "keras" or "tf_keras"; "v1" for a layer of `tf.compat.v1.layers`; "" for what is no layer.

    Why: as of the two above.
    Guard: as of these.
    """
    if path_of_new_variable() is not None:
        return "keras"
    frame: Any = sys._getframe(1)
    modules = []
    for _ in range(2 * _FRAMES_TO_KERAS):
        if frame is not None:
            modules.append(frame.f_globals.get("__name__", ""))
            frame = frame.f_back
    if any(one.startswith("tf_keras.src.legacy_tf_layers.") for one in modules):
        return "v1"
    of_layers = any(one.startswith("tf_keras.src.engine.base_layer") for one in modules)
    others = ("tf_keras.src.optimizers.", "tf_keras.src.metrics.")
    return "tf_keras" if of_layers and not any(one.startswith(others) for one in modules) else ""


def calls(op: tf.Operation) -> list[str]:
    """The functions of Keras, 3 or tf_keras, that were at work when `op` was made, outermost first.

    Each is its file, without the ending and from the package on, and its name, as in
    `layers/layer:__call__`.

    Why: a graph does not tell whether a write is part of what a layer does, and so of each step, or
    a user's own, who may run it by a hook. Only the files of Keras tell them apart.
    Guard: where they are laid out differently, no function is found where it is looked for, and
    what Keras left behind is left alone.
    """
    loaded = (sys.modules.get(name) for name in ("keras", "tf_keras"))
    folders = tuple(folder for one in loaded for folder in getattr(one, "__path__", []))
    found = []
    for frame in op.traceback or ():  # none of what was imported
        for folder in folders:
            if frame.filename.startswith((f"{folder}/", f"{folder}\\")):
                file = frame.filename[len(folder) + 1 :].replace("\\", "/")
                found.append(f"{file.removeprefix('src/').removesuffix('.py')}:{frame.name}")
    return found


def package(value: Any) -> Any:
    """The Keras that an object's class comes from: the module `keras` or `tf_keras`.

    Why: nothing in public tells the two generations apart but the name of the package.
    Guard: StopIteration for what is not from Keras; ask with `isinstance` first.
    """
    packages = (one.__module__.split(".")[0] for one in type(value).__mro__)
    return next(sys.modules[one] for one in packages if one in ("keras", "tf_keras"))


def layers_of(model: Any) -> list[Any]:
    """A Keras model and all layers in it, those within layers as well.

    Why: `model.layers` leaves out layers that other layers hold.
    Guard: where the method is gone, the model and its `layers`.
    """
    flatten = getattr(model, "_flatten_layers", None)
    return list(flatten()) if flatten is not None else [model, *model.layers]


def is_compiled(model: Any) -> bool:
    """Whether `compile` of a Keras model was called.

    Why: only Keras 3 tells it in public.
    Guard: a tf_keras that keeps it elsewhere: whether the model has an optimizer.
    """
    for name in ("compiled", "_is_compiled"):
        known = getattr(model, name, None)
        if isinstance(known, bool):
            return known
    return getattr(model, "optimizer", None) is not None


def rates_of_optimizer(optimizer: Any) -> list[tf.Variable]:
    """The variables in which an optimizer of tf_keras keeps its learning rate and the like.

    Why: they are not among its `variables`, which has only the counter and the slots, and its
    `learning_rate` may give a value. A legacy optimizer has a number of them.
    Guard: none for an optimizer of Keras 3, or where they are kept elsewhere.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    hyper = getattr(inner, "_hyper", None)
    found = list(hyper.values()) if isinstance(hyper, dict) else []
    found += [getattr(inner, name, None) for name in ("_learning_rate", "_current_learning_rate")]
    return [one for one in found if isinstance(one, tf.Variable)]


def inputs_of(model: Any) -> Any:
    """The symbolic inputs of a Keras model in the structure it takes them in; None if it has none.

    Why: `model.inputs` is flat, and only this tells a dict or a list from a single tensor.
    Guard: where it is gone, `model.inputs`, of which a single one stands for itself.
    """
    network = getattr(model, "_functional", None) or model  # of a Sequential of Keras 3
    for name in ("_inputs_struct", "_nested_inputs"):
        found = getattr(network, name, None)
        if found is not None:
            return found
    flat = getattr(network, "inputs", None)
    return (flat[0] if len(flat) == 1 else list(flat)) if flat else None


def input_names_of(model: Any, inputs: Iterable[Any]) -> list[str]:
    """The names of a Keras model's symbolic inputs, as its `fit` takes them in a dict.

    Why: tf_keras makes the names of the tensors longer, and has `model.input_names` apart.
    Guard: only public names are used; the tensors' own where the model has none.
    """
    return list(getattr(model, "input_names", None) or [one.name for one in inputs])


def output_names_of(model: Any) -> list[str] | None:
    """The names of a Keras model's outputs; None for one that has none.

    Why: a Sequential of Keras 3 keeps them in the Functional model that it makes of itself.
    Guard: where that is gone, None.
    """
    names = getattr(model, "output_names", None)
    if names is None:
        names = getattr(getattr(model, "_functional", None), "output_names", None)
    return list(names) if names else None


def build_optimizer(optimizer: Any, variables: Sequence[Any]) -> None:
    """Makes the slots of a Keras optimizer for `variables`, eagerly, if they are not made yet.

    Why: an optimizer of the legacy kind of tf_keras has no public method that does.
    Guard: where a legacy optimizer lacks the method its slots are made by its first step.
    """
    legacy = getattr(optimizer, "_create_all_weights", None)
    if legacy is not None:
        legacy(list(variables))
    elif not getattr(optimizer, "built", False):
        optimizer.build(list(variables))
