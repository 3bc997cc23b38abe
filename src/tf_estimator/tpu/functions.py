"""A user's model_fn and input_fn for TPUs, as an Estimator calls such functions."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from tf_estimator import _checks
from tf_estimator._tf import one_shard
from tf_estimator.engine.model import argument_names
from tf_estimator.tpu.spec import TPUEstimatorSpec

_BATCH_SIZE: Final = "batch_size"
_RESERVED: Final = (_BATCH_SIZE, "context")

# Of the graph that is being built for train, evaluate or predict. model_fn is called for exports
# and predictors as well, by nearly the same way, and those have none.
_size: ContextVar[int | None] = ContextVar("batch_size", default=None)


@contextlib.contextmanager
def batches_have(size: int | None) -> Iterator[None]:
    """Has model_fn told of the batch size, if it is called in here."""
    token = _size.set(size)
    try:
        yield
    finally:
        _size.reset(token)


def check_params(params: Any) -> None:
    """Raises unless params are None, or entries can be set in them and none is set already.

    Raises:
        TypeError: they are no dict, and have no `add_hparam`.
        ValueError: they have what TPUEstimator sets itself.
    """
    if params is None:
        return
    if not hasattr(params, "add_hparam") and not hasattr(params, "__setitem__"):
        raise _checks.wrong_type("params", "must be a dict or None", params)
    if taken := [name for name in _RESERVED if name in params]:
        raise _checks.wrong_value(
            "params", f"must not have {taken}, which TPUEstimator sets itself", params
        )


def model_fn_on_one_shard(model_fn: Any) -> Callable[..., Any]:
    """A model_fn for an Estimator, from one for a TPUEstimator.

    Args:
        model_fn: takes `params` among others; returns a TPUEstimatorSpec or an EstimatorSpec.

    Returns:
        A function of the same arguments that returns an EstimatorSpec.

    Raises:
        TypeError: it cannot be called.
        ValueError: it takes no `params`.
    """
    names = argument_names(_checks.callable_("model_fn", model_fn))
    _require_params("model_fn", names, model_fn)

    def on_one_shard(**given: Any) -> Any:
        size = _size.get()
        if size is not None:
            _set(given["params"], _BATCH_SIZE, size)
        _set(given["params"], "use_tpu", False)
        with one_shard():
            spec = model_fn(**given)
        if isinstance(spec, TPUEstimatorSpec):
            spec = spec.as_estimator_spec()
        return spec

    # For the checks of an Estimator, which are of the names that a model_fn takes.
    on_one_shard.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    )
    return on_one_shard


def input_fn_with(input_fn: Callable[..., Any], size: int | None) -> Callable[..., Any]:
    """An input_fn that is told of the batch size.

    Args:
        input_fn: takes `params` among others.
        size: of a batch; None to tell none.

    Raises:
        ValueError: it takes no `params`.
    """
    names = argument_names(input_fn)
    _require_params("input_fn", names, input_fn)

    def with_batch_size(mode: str, params: Any, config: Any) -> Any:
        if size is not None:
            _set(params, _BATCH_SIZE, size)
        given = {"mode": mode, "params": params, "config": config}
        return input_fn(**{name: value for name, value in given.items() if name in names})

    return with_batch_size


def _require_params(subject: str, names: tuple[str, ...], function: Any) -> None:
    if "params" not in names:
        raise _checks.wrong_value(
            subject,
            "must take an argument `params`, for TPUEstimator has the batch size in it",
            function,
            'Its entry is params["batch_size"].',
        )


def _set(params: Any, name: str, value: Any) -> None:
    """Sets an entry, also of what is no dict but as tf.contrib.training.HParams was."""
    if not hasattr(params, "add_hparam"):
        params[name] = value
    elif name in params:
        params.set_hparam(name, value)
    else:
        params.add_hparam(name, value)
