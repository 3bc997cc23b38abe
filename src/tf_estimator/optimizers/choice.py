"""From what users give as `optimizer` to an optimizer: a name, a callable or an instance."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator.optimizers import rules
from tf_estimator.optimizers.minimization import is_optimizer

v1 = tf.compat.v1

_OF_VERSION_1: dict[str, Callable[..., Any]] = {
    "Adagrad": v1.train.AdagradOptimizer,
    "Adam": v1.train.AdamOptimizer,
    "Ftrl": v1.train.FtrlOptimizer,
    "RMSProp": v1.train.RMSPropOptimizer,
    "SGD": v1.train.GradientDescentOptimizer,
}
_OF_VERSION_2: dict[str, Callable[..., Any]] = {
    "Adagrad": rules.Adagrad,
    "Adam": rules.Adam,
    "Ftrl": rules.Ftrl,
    "RMSProp": rules.RMSProp,
    "SGD": rules.SGD,
}
_SURFACES = {"v1": _OF_VERSION_1, "v2": _OF_VERSION_2}

_KINDS = "an optimizer of tf.compat.v1.train, tf_keras or Keras 3"


def get(optimizer: Any, learning_rate: float | None = None, surface: str = "v2") -> Any:
    """The optimizer that a user means.

    Call it in the graph that will train: a callable is called there, so that it can use the global
    step for a learning rate that decays.

    Args:
        optimizer: "Adagrad", "Adam", "Ftrl", "RMSProp" or "SGD"; a callable without arguments that
            returns an optimizer; or an optimizer.
        learning_rate: of an optimizer given by name, above zero. None for its own default, which
            only those of version 2 have.
        surface: what a name stands for. "v1" for the optimizers of tf.compat.v1.train, "v2" for
            those of this package, which have the rules, the defaults and the variable names of the
            Keras optimizers of TensorFlow 2.15 and before (`tf.keras.optimizers.legacy`).

    Returns:
        An optimizer that `minimize` takes.

    Raises:
        TypeError: `optimizer` is none of these, or the callable returned something else. It is a
            ValueError as well.
        ValueError: a name that is not one of the five, or "v1" without a learning rate.

    Example:
        >>> get("Adam")
        Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07)
        >>> get("SGD", learning_rate=0.5).learning_rate
        0.5
    """
    if isinstance(optimizer, str):
        return _by_name(optimizer, learning_rate, surface)
    if is_optimizer(optimizer):
        return optimizer
    rule = f"must be a name ({', '.join(_OF_VERSION_2)}), {_KINDS}, or a callable that returns one"
    if isinstance(optimizer, type):
        raise wrong_type(
            "optimizer", rule, optimizer, "It is a class: give an instance.", was=ValueError
        )
    if not callable(optimizer):
        raise wrong_type("optimizer", rule, optimizer, was=ValueError)
    made = optimizer()
    if not is_optimizer(made):
        raise wrong_type(
            "The callable given as optimizer", f"must return {_KINDS}", made, was=ValueError
        )
    return made


def _by_name(name: str, learning_rate: float | None, surface: str) -> Any:
    if surface not in _SURFACES:
        raise wrong_value("surface", "must be 'v1' or 'v2'", surface)
    known = _SURFACES[surface]
    if name not in known:
        raise wrong_value(
            "optimizer",
            f"must be one of {', '.join(map(repr, known))} where it is a name",
            name,
            "For any other, give an instance.",
        )
    if learning_rate is not None:
        return known[name](learning_rate=learning_rate)
    if surface == "v1":
        raise wrong_value(
            "learning_rate",
            f"must be given with the name of an optimizer of tf.compat.v1.train ({name!r})",
            learning_rate,
        )
    return known[name]()
