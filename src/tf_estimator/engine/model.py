"""A user's model_fn: what it may take, and the one place that calls it."""

import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

from tf_estimator import _checks
from tf_estimator.spec import EstimatorSpec

_MODEL_FN_NAMES = ("features", "labels", "mode", "params", "config")


def argument_names(fn: Callable[..., Any]) -> tuple[str, ...]:
    """The names by which `fn` can be given arguments, without those a functools.partial has filled.

    Args:
        fn: a function, lambda, bound method, callable object or functools.partial of one.

    Returns:
        Names in order; `*args` and `**kwargs` give none.
    """
    bound: set[str] = set()
    inner = fn
    while isinstance(inner, functools.partial):
        bound.update(inner.keywords)
        inner = inner.func
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(fn).parameters.values()
    return tuple(p.name for p in parameters if p.kind in named and p.name not in bound)


@dataclasses.dataclass(frozen=True)
class Model:
    """A checked model_fn with the params and config it is called with.

    Args:
        model_fn: takes `features` and any of `labels`, `mode`, `params`, `config`; returns an
            EstimatorSpec.
        params: passed to model_fn as it is, a deep copy at each call.
        config: the RunConfig; a caller of `call` may pass another.

    Raises:
        TypeError: model_fn is not callable.
        ValueError: model_fn does not take `features`, takes a name that nobody will give it, or
            does not take `params` while there are some.
    """

    model_fn: Callable[..., Any]
    params: Any
    config: Any

    def __post_init__(self) -> None:
        names = argument_names(_checks.callable_("model_fn", self.model_fn))
        if "features" not in names:
            raise _checks.wrong_value("model_fn", "must take an argument `features`", self.model_fn)
        if unknown := sorted(set(names) - set(_MODEL_FN_NAMES)):
            raise _checks.wrong_value(
                "model_fn",
                f"must take no arguments but {', '.join(_MODEL_FN_NAMES)}",
                self.model_fn,
                f"It also takes {unknown}: pass them in `params`, or bind them with partial.",
            )
        if self.params is not None and "params" not in names:
            raise _checks.wrong_value(
                "model_fn", "must take an argument `params`, since params are given", self.model_fn
            )

    def params_copy(self) -> Any:
        """A deep copy of the params; {} where none were given."""
        return {} if self.params is None else copy.deepcopy(self.params)

    def call(self, features: Any, labels: Any, mode: str, config: Any = None) -> EstimatorSpec:
        """Calls model_fn in the current default graph.

        Args:
            features: what input_fn gave as features.
            labels: what it gave as labels, or None.
            mode: one of ModeKeys.
            config: the RunConfig that model_fn sees, `self.config` if None.

        Returns:
            The EstimatorSpec.

        Raises:
            ValueError: there are labels and model_fn takes none, or it returned something else.
        """
        names = argument_names(self.model_fn)
        if labels is not None and "labels" not in names:
            raise _checks.wrong_value(
                "model_fn",
                "must take an argument `labels`, since input_fn returns labels",
                self.model_fn,
            )
        given = {
            "labels": labels,
            "mode": mode,
            "params": self.params_copy(),
            "config": self.config if config is None else config,
        }
        spec = self.model_fn(features=features, **{k: v for k, v in given.items() if k in names})
        if not isinstance(spec, EstimatorSpec):
            raise _checks.wrong_value("model_fn", "must return an EstimatorSpec", spec)
        return spec
