"""Variables: those that a layer makes, and those that a program looks for by their names."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator.compat.contrib.framework.arg_scopes import add_arg_scope

v1 = tf.compat.v1
_Keys = v1.GraphKeys


@add_arg_scope
def variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[tf.Tensor], Any] | None = None,
    trainable: bool = True,
    collections: Iterable[str] | None = None,
    caching_device: Any = None,
    device: Any = "",
    partitioner: Callable[..., Any] | None = None,
    custom_getter: Callable[..., Any] | None = None,
    use_resource: bool | None = None,
) -> Any:
    """A new variable, or the one of that name where the variable scope reuses.

    Args:
        name: its name in the variable scope.
        shape: its shape.
        dtype: its dtype; float32 by default.
        initializer: what gives its first value.
        regularizer: a function of its value that gives a loss for REGULARIZATION_LOSSES, or None.
        trainable: whether it is in TRAINABLE_VARIABLES.
        collections: names of collections to add it to, GLOBAL_VARIABLES by default.
        caching_device: see `tf.compat.v1.get_variable`.
        device: a device, as a string or a function of an operation.
        partitioner: see `tf.compat.v1.get_variable`.
        custom_getter: called in place of `tf.compat.v1.get_variable`.
        use_resource: whether it is a resource variable.

    Returns:
        The variable.
    """
    collections = _Keys.GLOBAL_VARIABLES if collections is None else collections
    collections = [collections] if isinstance(collections, str) else list(collections)
    getter = v1.get_variable
    if custom_getter is not None:
        getter = functools.partial(custom_getter, reuse=v1.get_variable_scope().reuse)
    with v1.device(device) if device else contextlib.nullcontext():
        return getter(
            name,
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
            collections=list(dict.fromkeys(collections)),
            caching_device=caching_device,
            partitioner=partitioner,
            use_resource=use_resource,
        )


@add_arg_scope
def model_variable(
    name: str,
    shape: Any = None,
    dtype: Any = tf.float32,
    initializer: Any = None,
    regularizer: Callable[[tf.Tensor], Any] | None = None,
    trainable: bool = True,
    collections: Iterable[str] | None = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Callable[..., Any] | None = None,
    custom_getter: Callable[..., Any] | None = None,
    use_resource: bool | None = None,
) -> Any:
    """As `variable`, in GLOBAL_VARIABLES and MODEL_VARIABLES beside `collections`."""
    return variable(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=[*(collections or ()), _Keys.GLOBAL_VARIABLES, _Keys.MODEL_VARIABLES],
        caching_device=caching_device,
        device=device,
        partitioner=partitioner,
        custom_getter=custom_getter,
        use_resource=use_resource,
    )


def local_variable(
    initial_value: Any,
    validate_shape: bool = True,
    name: str | None = None,
    use_resource: bool | None = None,
) -> Any:
    """A variable of LOCAL_VARIABLES, which is neither trained nor saved."""
    return v1.Variable(
        initial_value,
        trainable=False,
        collections=[_Keys.LOCAL_VARIABLES],
        validate_shape=validate_shape,
        name=name,
        use_resource=use_resource,
    )


def add_model_variable(var: Any) -> None:
    """Adds a variable to MODEL_VARIABLES, if it is not there."""
    if not any(one is var for one in v1.get_collection(_Keys.MODEL_VARIABLES)):
        v1.add_to_collection(_Keys.MODEL_VARIABLES, var)


def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = _Keys.GLOBAL_VARIABLES
) -> list[Any]:
    """The variables of a collection, in the order they were made.

    Args:
        scope: a variable scope, or a regular expression for the start of the names; None for all.
        suffix: the end of the names, as "weights"; None for all.
        collection: the name of the collection.
    """
    if isinstance(scope, v1.VariableScope):
        scope = scope.name
    if suffix is not None:
        scope = f"{scope or ''}.*{suffix if ':' in suffix else suffix + ':'}"
    return v1.get_collection(collection, scope)


def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """`get_variables` of MODEL_VARIABLES."""
    return get_variables(scope, suffix, _Keys.MODEL_VARIABLES)


def get_local_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """`get_variables` of LOCAL_VARIABLES."""
    return get_variables(scope, suffix, _Keys.LOCAL_VARIABLES)


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """`get_variables` of TRAINABLE_VARIABLES."""
    return get_variables(scope, suffix, _Keys.TRAINABLE_VARIABLES)


def get_variables_by_suffix(suffix: str, scope: Any = None) -> list[Any]:
    """The variables whose names end so."""
    return get_variables(scope, suffix)


def get_variables_by_name(given_name: str, scope: Any = None) -> list[Any]:
    """The variables whose names are so, or end in a slash and that."""
    return get_variables(scope, suffix=f"/{given_name}:|^{given_name}:")


def get_unique_variable(var_op_name: str) -> Any:
    """The one variable of a name.

    Raises:
        ValueError: there is none, or are several.
    """
    found = [one for one in get_variables() if one.op.name == var_op_name]
    if len(found) != 1:
        names = [one.op.name for one in get_variables(re.escape(var_op_name))]
        raise wrong_value(
            "var_op_name",
            "must be the name of one variable",
            var_op_name,
            f"Variables whose names begin so: {names}.",
        )
    return found[0]


def get_variables_to_restore(
    include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> list[Any]:
    """The global variables of some scopes, without those of others.

    Args:
        include: scopes, as of `get_variables`; None for all.
        exclude: scopes; None for none.

    Raises:
        TypeError: one of them is no list or tuple.
    """
    for name, scopes in (("include", include), ("exclude", exclude)):
        if scopes is not None and not isinstance(scopes, (list, tuple)):
            raise TypeError(f"{name} must be a list or a tuple of scopes; received {scopes!r}.")
    left_out = {id(one) for scope in exclude or () for one in get_variables(scope)}
    found = [
        one for scope in ([None] if include is None else include) for one in get_variables(scope)
    ]
    return list({id(one): one for one in found if id(one) not in left_out}.values())


def filter_variables(
    var_list: Iterable[Any],
    include_patterns: Iterable[str] | None = None,
    exclude_patterns: Iterable[str] | None = None,
    reg_search: bool = True,
) -> list[Any]:
    """The variables whose names fit one of some patterns, and none of others.

    Args:
        var_list: variables.
        include_patterns: regular expressions; None for all.
        exclude_patterns: regular expressions; None for none.
        reg_search: whether to look for them anywhere in a name, or only at its start.
    """
    fits = re.search if reg_search else re.match
    found = list(var_list)
    if include_patterns:
        patterns = list(include_patterns)
        found = [one for one in found if any(fits(each, one.op.name) for each in patterns)]
    if exclude_patterns:
        patterns = list(exclude_patterns)
        found = [one for one in found if not any(fits(each, one.op.name) for each in patterns)]
    return found
