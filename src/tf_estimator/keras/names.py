"""The variables of a Keras model under names that do not depend on what else the process has made.

Keras numbers what has no name of its own through the whole process: the first Dense layer is
`dense`, and when the cell of a notebook runs again it is `dense_1`. In a checkpoint that would be
another model. So the numbers are given anew, within the model::

    layers without a name of their own: counted by kind, in the order in which Keras counted them
    weights:                            the path that Keras gives them, with those names of layers
    an optimizer's variables:           training/<its class>/<the weight>/<what it is>

In a process that makes nothing but the model, the names of the weights are those of Keras.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _keras, _tf
from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator.spec.metrics import keras_classes

# What a name of TensorFlow may not have.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_./>-]")
_NUMBERED = re.compile(r"^(.+?)(?:_(\d+))?$")
# Makes the numbers of dropout and the like: no layer, and never named by users.
_SEEDS = "seed_generator"


class Named(NamedTuple):
    """A variable of a model.

    Attributes:
        name: in graphs and checkpoints.
        variable: the tf.Variable, of eager execution.
        trainable: whether the model trains it.
    """

    name: str
    variable: tf.Variable
    trainable: bool = False


def check_model(subject: str, model: Any) -> Any:
    """`model` if it is a Keras model whose variables are TensorFlow's.

    Raises:
        TypeError: it is no model of Keras 3 or tf_keras.
        ValueError: its Keras runs on another backend.
    """
    if not isinstance(model, keras_classes("Model")):
        raise wrong_type(subject, "must be a Model of Keras 3 or tf_keras", model)
    backend = keras_of(model).backend.backend()
    if backend != "tensorflow":
        raise wrong_value(
            subject,
            "must run on the TensorFlow backend of Keras",
            backend,
            "Set KERAS_BACKEND=tensorflow before Keras is imported.",
        )
    return model


def keras_of(model: Any) -> Any:
    """The package, `keras` or `tf_keras`, that a model, layer or optimizer is from."""
    return _keras.package(model)


def raw(variable: Any) -> tf.Variable:
    """The tf.Variable in a Keras 3 variable; another is given back."""
    return variable if isinstance(variable, tf.Variable) else variable.value


def weights(model: Any) -> list[Named]:
    """All that the model keeps but its metrics: weights, moving statistics, states of seeds."""
    if not model.built:
        return []
    metrics = {id(one) for one in metric_variables(model)}
    trainable = {id(raw(one)) for one in model.trainable_variables}
    distinct = {id(raw(one)): one for one in model.variables if id(raw(one)) not in metrics}
    paths = Paths(model, distinct.values())
    names = unique(paths.of(one) for one in distinct.values())
    return [
        Named(name, raw(one), id(raw(one)) in trainable)
        for name, one in zip(names, distinct.values(), strict=True)
    ]


def variables(model: Any) -> list[tf.Variable]:
    """All variables of a model that are known: weights, those of optimizers and of metrics."""
    named = [*weights(model), *optimizer_variables(model)]
    return [*(one.variable for one in named), *metric_variables(model)]


def metric_variables(model: Any) -> list[tf.Variable]:
    """The variables of all metrics of a model, its losses' among them."""
    found = list(getattr(model, "metrics_variables", ()))
    for metric in model.metrics:
        found += metric.variables
    return list({id(raw(one)): raw(one) for one in found}.values())


def optimizers(model: Any) -> list[Any]:
    """The optimizers of a model: that of `compile`, and further ones that are its attributes."""
    kinds = _optimizer_classes()
    held = [getattr(model, "optimizer", None), *vars(model).values()]
    return list({id(one): one for one in held if isinstance(one, kinds)}.values())


def _optimizer_classes() -> tuple[type, ...]:
    legacy = keras_classes("optimizers", "legacy", "Optimizer")
    return (*keras_classes("optimizers", "Optimizer"), *legacy)


def build_optimizer(model: Any) -> None:
    """Makes the variables of a model's optimizer, if the model has its own and they are not."""
    optimizer = getattr(model, "optimizer", None)
    if model.built and isinstance(optimizer, _optimizer_classes()):
        with _tf.eagerly():
            _keras.build_optimizer(optimizer, model.trainable_variables)


def optimizer_variables(model: Any) -> list[Named]:
    """The variables of the optimizers: counters, learning rates, slots."""
    paths = Paths(model, model.variables if model.built else ())
    names: list[str] = []
    found: list[tf.Variable] = []
    scopes = unique(f"training/{type(one).__name__}" for one in optimizers(model))
    for scope, optimizer in zip(scopes, optimizers(model), strict=True):
        own = optimizer.variables
        own = [*(own() if callable(own) else own), *_keras.rates_of_optimizer(optimizer)]
        for one in {id(raw(one)): one for one in own}.values():
            names.append(f"{scope}/{paths.of_slot(one, optimizer)}")
            found.append(raw(one))
    return [Named(*pair) for pair in zip(unique(names), found, strict=True)]


class Paths:
    """The names of the weights of one model, and of what is named after them.

    Args:
        model: a Keras model.
        variables: its variables, as Keras has them.
    """

    def __init__(self, model: Any, variables: Iterable[Any]) -> None:
        self._layers = dict(_renumbered(model, variables))
        self._weights = {_path(one): self.of(one) for one in variables}

    def of(self, variable: Any) -> str:
        """The name of a variable by its path."""
        parts = (self._layers.get(part, part) for part in _path(variable).split("/"))
        return _NOT_IN_NAMES.sub("_", "/".join(parts))

    def of_slot(self, variable: Any, optimizer: Any) -> str:
        """The name of an optimizer's variable, within the optimizer."""
        path = _path(variable)
        # Keras 3 and tf_keras put the optimizer's name first, but not before every variable.
        inner = getattr(optimizer, "inner_optimizer", None)  # of one that scales the loss
        own = [getattr(one, "name", type(one).__name__) for one in (optimizer, inner)]
        first, _, rest = path.partition("/")
        if rest and first in own:
            path = rest
        for weight in sorted(self._weights, key=len, reverse=True):
            for before, after in _around(path, weight):
                parts = [self._weights[weight], before.strip("/"), after.strip("/_")]
                return "/".join(part for part in parts if part)
        return _NOT_IN_NAMES.sub("_", path)


def _path(variable: Any) -> str:
    return str(getattr(variable, "path", None) or variable.name).removesuffix(":0")


def _around(path: str, weight: str) -> Iterator[tuple[str, str]]:
    """What is before and after the path of a weight in that of its slot, if it is in there."""
    flat = weight.replace("/", "_")
    if path.startswith(f"{flat}_"):  # Keras 3: dense_kernel_momentum
        yield "", path[len(flat) :]
    elif path.startswith(f"{weight}/"):  # legacy: dense/kernel/m
        yield "", path[len(weight) :]
    elif path.endswith(f"/{weight}"):  # tf_keras: m/dense/kernel
        yield path[: -len(weight)], ""


def _renumbered(model: Any, variables: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Pairs of a layer's name and its name within the model, where they differ."""
    layers = _keras.layers_of(model)
    automatic = {one.name for one in layers if _is_automatic(one)}
    taken = {one.name for one in layers} - automatic
    parts = {part for one in variables for part in _path(one).split("/")[:-1]}
    automatic |= {part for part in parts - taken if _base(part)[0] == _SEEDS}
    used: dict[str, int] = {}
    for name in sorted(automatic, key=_base):
        base = _base(name)[0]
        while True:
            number = used.get(base, 0)
            used[base] = number + 1
            new = f"{base}_{number}" if number else base
            if new not in taken:
                break
        yield name, new


def _base(name: str) -> tuple[str, int]:
    """A name without its number, and the number."""
    found = _NUMBERED.match(name)
    return (found[1], int(found[2] or 0)) if found else (name, 0)


def _is_automatic(layer: Any) -> bool:
    """Whether Keras named the layer: it is called as its class is, as users rarely call one."""
    bare = _base(layer.name)[0].replace("_", "")
    return bare == type(layer).__name__.replace("_", "").lower()


def unique(names: Iterable[str]) -> list[str]:
    """The names, those that were there before with a number."""
    found: dict[str, None] = {}
    for name in names:
        new, number = name, 0
        while new in found:
            number += 1
            new = f"{name}_{number}"
        found[new] = None
    return list(found)
