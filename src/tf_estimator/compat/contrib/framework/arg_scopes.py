"""Default arguments that functions take from a scope around the call."""

import contextlib
import contextvars
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from tf_estimator._checks import wrong_type, wrong_value

_Function = TypeVar("_Function", bound=Callable[..., Any])
Scope = Mapping[str, Mapping[str, Any]]

# The arguments of each function by its key; of a context, so that threads do not see each other's.
_scope: contextvars.ContextVar[Scope] = contextvars.ContextVar("arg_scope")
_KEY = "arg_scope_key"


def add_arg_scope(func: _Function) -> _Function:
    """Lets a function take default arguments from `arg_scope`. A decorator.

    Args:
        func: a function whose arguments have names.

    Returns:
        A function that does the same. What a call gives by name wins over what the scope says.

    Example:
        >>> @add_arg_scope
        ... def scaled(x, by=1):
        ...     return x * by
        >>> with arg_scope([scaled], by=3):
        ...     scaled(2), scaled(2, by=5)
        (6, 10)
    """
    key = f"{func.__module__}.{func.__qualname__}"

    @functools.wraps(func)
    def scoped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **{**_scope.get({}).get(key, {}), **kwargs})

    setattr(scoped, _KEY, key)
    return scoped  # type: ignore[return-value]


def has_arg_scope(func: Callable[..., Any]) -> bool:
    """Whether `func` was decorated with `add_arg_scope`."""
    return hasattr(func, _KEY)


def arg_scoped_arguments(func: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the arguments of `func` that a scope can give: those that have defaults."""
    parameters = inspect.signature(_checked(func)).parameters.values()
    return tuple(one.name for one in parameters if one.default is not inspect.Parameter.empty)


def current_arg_scope() -> dict[str, dict[str, Any]]:
    """What the scopes around the call say, as it can be given to `arg_scope` elsewhere."""
    return {key: dict(arguments) for key, arguments in _scope.get({}).items()}


@contextlib.contextmanager
def arg_scope(list_ops_or_scope: Any, **kwargs: Any) -> Iterator[dict[str, dict[str, Any]]]:
    """Sets default arguments of functions for the calls inside of a `with`.

    Args:
        list_ops_or_scope: a list or tuple of functions that `add_arg_scope` has decorated; or, to
            have the scopes of another place again, what `as` gave there.
        **kwargs: arguments by name. Those of a scope around hold where this one is silent.

    Yields:
        The scope.

    Raises:
        TypeError: it is neither a list, a tuple, nor a scope.
        ValueError: one of the functions takes nothing from scopes; or there are arguments beside a
            scope.
    """
    if isinstance(list_ops_or_scope, Mapping):
        if kwargs:
            raise wrong_value("kwargs", "must be empty where a scope is given", kwargs)
        scope = {key: dict(arguments) for key, arguments in list_ops_or_scope.items()}
    elif isinstance(list_ops_or_scope, (list, tuple)):
        scope = current_arg_scope()
        for func in list_ops_or_scope:
            key = getattr(_checked(func), _KEY)
            scope[key] = {**scope.get(key, {}), **kwargs}
    else:
        rule = "must be a list or a tuple of functions, or a scope"
        raise wrong_type("list_ops_or_scope", rule, list_ops_or_scope)
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


def _checked(func: Callable[..., Any]) -> Callable[..., Any]:
    if not has_arg_scope(func):
        hint = "Those of the package tf-slim go into the arg_scope of tf_slim."
        raise wrong_value("Each function", "must be decorated with @add_arg_scope", func, hint)
    return func
