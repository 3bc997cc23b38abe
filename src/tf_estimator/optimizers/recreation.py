"""A Keras optimizer made anew, so that its variables are in the graph that trains.

An instance is given once and trains in many graphs: each call of `train` builds one. A Keras
optimizer makes variables when it is made, where it is made, and keeps those it has.
"""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator import _keras, _tf
from tf_estimator._checks import wrong_value
from tf_estimator.spec import in_replica

v1 = tf.compat.v1

_EXCLUDED_FROM_DECAY = (
    "_exclude_from_weight_decay",
    "_exclude_from_weight_decay_names",
    "_exclude_from_weight_decay_pattern",
)
_TRANSFORMS = ("gradient_aggregator", "gradient_transformers")


@dataclasses.dataclass(frozen=True)
class Recreated:
    """An optimizer without variables for now.

    Attributes:
        optimizer: of the same class and config as the one given.
        learning_rate: what it has to be told at each step: a number, a Tensor of the graph, or a
            schedule to call with its count of iterations. None where it knows on its own.
    """

    optimizer: Any
    learning_rate: float | tf.Tensor | Callable[[Any], Any] | None


def generation(value: Any) -> str | None:
    """The Keras whose optimizer `value` is, "keras" or "tf_keras"; None if it is none."""
    for name in ("keras", "tf_keras"):
        optimizers = getattr(sys.modules.get(name), "optimizers", None)
        legacy = getattr(optimizers, "legacy", None)
        for kind in (getattr(optimizers, "Optimizer", None), getattr(legacy, "Optimizer", None)):
            if isinstance(kind, type) and isinstance(value, kind):
                return name
    return None


def is_legacy(optimizer: Any) -> bool:
    """Whether an optimizer is one of `tf_keras.optimizers.legacy`."""
    legacy = getattr(sys.modules.get("tf_keras"), "optimizers", None)
    kind = getattr(getattr(legacy, "legacy", None), "Optimizer", None)
    return isinstance(kind, type) and isinstance(optimizer, kind)


def recreate(optimizer: Any) -> Recreated:
    """Makes a Keras optimizer again in the default graph, from its config.

    The one given is left as it is and may be given again. Variables that it has made in this graph,
    because it was made in a model_fn, and that nothing writes are taken out of the global
    variables: they would be saved under names that differ from graph to graph.

    Raises:
        ValueError: it cannot be made from its config, or its learning rate is a tensor of another
            graph.
    """
    several = getattr(getattr(sys.modules.get("keras"), "optimizers", None), "MultiOptimizer", None)
    if several is not None and isinstance(optimizer, several):
        raise NotImplementedError(
            "A MultiOptimizer cannot train in a graph: make a train_op with each of its optimizers "
            "for its own variables, and group them."
        )
    if hasattr(optimizer, "inner_optimizer"):
        return _recreate_loss_scale(optimizer)
    config, held = _of_user(optimizer, lambda: _keras.optimizer_config(optimizer))
    rate = None if held is None else _rate(optimizer, held)
    told = None
    if _has_to_be_told(optimizer, rate):
        rate, told = (rate if isinstance(rate, float) else 0.0), rate
    if "learning_rate" in config and rate is not None:
        config["learning_rate"] = rate
    made = _of_user(optimizer, lambda: type(optimizer).from_config(config))
    for name in (*_EXCLUDED_FROM_DECAY, *_TRANSFORMS):
        if name in vars(optimizer):
            setattr(made, name, vars(optimizer)[name])
    _forget_variables(optimizer)
    return Recreated(made, told)


def _recreate_loss_scale(optimizer: Any) -> Recreated:
    """As `recreate`, for a LossScaleOptimizer: its learning rate is that of the one inside."""
    inner = recreate(optimizer.inner_optimizer)
    names = ("dynamic", "initial_scale", "dynamic_growth_steps")  # the first only in tf_keras
    settings = {name: getattr(optimizer, name) for name in names if hasattr(optimizer, name)}
    made = type(optimizer)(inner.optimizer, **settings)
    _forget_variables(optimizer)
    return Recreated(made, inner.learning_rate)


def _of_user(optimizer: Any, call: Callable[[], Any]) -> Any:
    """What a call of the optimizer's own methods for configs returns."""
    try:
        return call()
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        raise wrong_value(
            "A Keras optimizer",
            "must be what from_config(get_config()) makes again, since each graph needs its own",
            optimizer,
            f"That failed with {type(error).__name__}: {error}. Define its get_config.",
        ) from error


def _has_to_be_told(optimizer: Any, rate: Any) -> bool:
    """Whether an optimizer keeps its learning rate in a variable, which a checkpoint would set."""
    if is_legacy(optimizer):
        return False  # It does, and that is the original's behaviour.
    if isinstance(rate, (float, tf.Tensor)):
        return True
    # A schedule. In tf_keras, a variable holds its value, which starts with a read of another.
    return rate is not None and generation(optimizer) == "tf_keras"


def _rate(optimizer: Any, held: Any) -> Any:
    """A learning rate for the new optimizer: a float, a Tensor of this graph, or what computes it.

    Args:
        optimizer: the given one.
        held: what it has as its learning rate.
    """
    variable = held if isinstance(held, tf.Variable) else getattr(held, "value", None)
    if isinstance(variable, tf.Variable):
        held = _value(variable)
    if isinstance(held, tf.Tensor) and not _tf.is_eager(held):
        if held.graph is not v1.get_default_graph():
            raise wrong_value(
                "The learning rate of a Keras optimizer",
                "must not be a tensor of another graph",
                held.name,
                "Give a callable that makes the optimizer: it is called in every graph.",
            )
        return held
    if callable(held):
        if is_legacy(optimizer) or hasattr(held, "get_config"):  # the latter is a schedule
            return held
        # Called here and not while tracing: here is the global step that a decay looks for.
        value = tf.convert_to_tensor(held())
        return lambda *_: value
    return float(held)


def _value(variable: tf.Variable) -> Any:
    """The number in a variable. Of one in a graph, what it starts as: a Tensor if computed."""
    if _tf.is_eager(variable.handle):
        with _tf.eagerly():
            return variable.numpy()
    start = tf.get_static_value(variable.initial_value)
    return variable.initial_value if start is None else start


def variables_of(optimizer: Any) -> list[tf.Variable]:
    """The tf.Variables that a Keras optimizer has made up to now."""
    made = optimizer.variables
    made = made() if callable(made) else made
    # A Keras 3 variable holds the one of its backend. Keras 2 does not count the learning rate.
    found = [one if isinstance(one, tf.Variable) else one.value for one in made]
    return found + [one for one in vars(optimizer).values() if isinstance(one, tf.Variable)]


def _forget_variables(optimizer: Any) -> None:
    """Keeps the variables of an optimizer that was never used out of checkpoints."""
    # All that it tracks: some of a tf_keras LossScaleOptimizer are not among its variables.
    tracked = tf.train.TrackableView(optimizer).descendants()
    mine = {
        id(one if isinstance(one, tf.Variable) else getattr(one, "value", one)) for one in tracked
    }
    collection = v1.get_collection_ref(v1.GraphKeys.GLOBAL_VARIABLES)
    found = [one for one in collection if id(one) in mine]
    if not any(
        _tf.writes_variable(op, one.handle)
        for one in found
        for op in one.handle.consumers()
        if op != in_replica.own(one).initializer
    ):
        collection[:] = [one for one in collection if id(one) not in mine]
