"""Functions of the original that have no public counterpart."""

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tf_estimator import optimizers
from tf_estimator.config import RunConfig
from tf_estimator.engine import inputs
from tf_estimator.engine.model import argument_names
from tf_estimator.estimator import Estimator
from tf_estimator.keras import model_to_estimator as _model_to_estimator

_T = TypeVar("_T")


def fn_args(fn: Callable[..., Any]) -> tuple[str, ...]:
    """The names by which `fn` can be given arguments."""
    return argument_names(fn)


def parse_input_fn_result(result: Any) -> tuple[Any, Any, list[Any]]:
    """Features, labels and hooks from what an input_fn returned in the default graph.

    Args:
        result: a tf.data.Dataset, a pair (features, labels), or features alone.

    Returns:
        Features, labels or None, and the SessionRunHooks that start the input in a session.

    Raises:
        ValueError: a tuple or list of another length than 2.
    """
    found, _ = inputs.connect(result)
    return found.features, found.labels, list(found.hooks)


def get_optimizer_instance(opt: Any, learning_rate: float | None = None) -> Any:
    """The optimizer that `opt` means in an estimator of version 1: a name, a callable or itself."""
    return optimizers.get(opt, learning_rate, "v1")


def get_optimizer_instance_v2(opt: Any, learning_rate: float | None = None) -> Any:
    """The optimizer that `opt` means in an estimator of version 2: a name, a callable or itself."""
    return optimizers.get(opt, learning_rate, "v2")


def model_to_estimator(
    keras_model: Any = None,
    keras_model_path: str | os.PathLike[str] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    model_dir: str | os.PathLike[str] | None = None,
    config: RunConfig | None = None,
    checkpoint_format: str | None = None,
    use_v2_estimator: bool = False,
    metric_names_map: Mapping[str, str] | None = None,
    export_outputs: Mapping[str, Any] | None = None,
) -> Estimator:
    """`tf_estimator.keras.model_to_estimator`, which `tf_keras.estimator` calls in this way.

    The Estimator is the one of version 2, also without `use_v2_estimator`.
    """
    del use_v2_estimator
    return _model_to_estimator(
        keras_model,
        keras_model_path,
        custom_objects,
        model_dir,
        config,
        checkpoint_format,
        metric_names_map,
        export_outputs,
    )


def estimator_export(*names: str, **kwargs: Any) -> Callable[[_T], _T]:
    """A decorator that changes nothing: it gave things their public names."""
    del names, kwargs
    return lambda decorated: decorated
