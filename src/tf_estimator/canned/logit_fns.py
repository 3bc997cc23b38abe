"""Calling a logit function, the part of a model that ends before its head."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator.config import RunConfig
from tf_estimator.engine.model import argument_names


def call_logit_fn(
    logit_fn: Callable[..., Any], features: Any, mode: str, params: Any, config: RunConfig | None
) -> tf.Tensor | dict[str, tf.Tensor]:
    """Calls a logit function with those of the arguments that it takes.

    Args:
        logit_fn: takes `features` and any of `mode`, `params`, `config`, by these names; other
            arguments need a default.
        features: given to logit_fn.
        mode: one of ModeKeys; given to logit_fn if it asks.
        params: given to logit_fn if it asks.
        config: given to logit_fn if it asks.

    Returns:
        What logit_fn returned: logits, a Tensor, or a dict of them by the names of heads.

    Raises:
        TypeError: logit_fn is not callable, takes no features, or needs something else.
        ValueError: it returned something else.

    Example:
        >>> def logit_fn(features):
        ...     return 2.0 * features
        >>> with tf.Graph().as_default():
        ...     logits = call_logit_fn(logit_fn, tf.ones([3, 1]), "eval", {}, None)
        >>> logits.shape.as_list()
        [3, 1]
    """
    names = argument_names(_checks.callable_("logit_fn", logit_fn))
    given = {"mode": mode, "params": params, "config": config}
    taken = {name: value for name, value in given.items() if name in names}
    logits = logit_fn(features=features, **taken)
    parts = logits.values() if isinstance(logits, dict) else [logits]
    if all(isinstance(part, tf.Tensor) for part in parts):
        return logits
    raise _checks.wrong_value(
        "logit_fn", "must return a Tensor, or a dict of Tensors by the names of heads", logits
    )
