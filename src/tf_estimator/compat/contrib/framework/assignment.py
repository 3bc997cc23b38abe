"""Variables that take their values from arrays, or from a checkpoint."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator._tf import logger
from tf_estimator.compat.contrib.framework.variables import get_unique_variable

v1 = tf.compat.v1

# The end of the name of a slice of a variable that a partitioner has cut.
_PART = re.compile(r"/part_\d+$")


def assign_from_values(
    var_names_to_values: Mapping[str, Any],
) -> tuple[tf.Operation, dict[tf.Tensor, Any]]:
    """The operation that gives variables the values of arrays, and what to feed it with.

    The arrays are fed, for a graph holds 2 GiB at most.

    Args:
        var_names_to_values: arrays by the names of variables.

    Returns:
        The operation, and the dict of what `Session.run` feeds.

    Raises:
        ValueError: there is no variable of a name, or the value has another size.
    """
    return _assignment(
        (get_unique_variable(name), np.asarray(value))
        for name, value in var_names_to_values.items()
    )


def assign_from_values_fn(var_names_to_values: Mapping[str, Any]) -> Callable[[Any], None]:
    """As `assign_from_values`: a function of a session that does it."""
    operation, feeds = assign_from_values(var_names_to_values)

    def assign(session: Any) -> None:
        session.run(operation, feeds)

    return assign


def assign_from_checkpoint(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False
) -> tuple[tf.Operation, dict[tf.Tensor, Any]]:
    """The operation that gives variables their values in a checkpoint, and what to feed it with.

    Args:
        model_path: a checkpoint.
        var_list: a list of variables, or a dict of them by their names in the checkpoint. Slices
            that a partitioner has made are for `assign_from_checkpoint_fn`.
        ignore_missing_vars: whether variables that are not in the checkpoint stay as they are,
            with a warning.

    Returns:
        The operation, and the dict of what `Session.run` feeds.

    Raises:
        ValueError: a variable is not in the checkpoint, or has another size there.
    """
    reader = v1.train.load_checkpoint(model_path)
    found = _that_are_in(reader, model_path, var_list, ignore_missing_vars)
    return _assignment((one, reader.get_tensor(name)) for name, one in found)


def assign_from_checkpoint_fn(
    model_path: str,
    var_list: Any,
    ignore_missing_vars: bool = False,
    reshape_variables: bool = False,
) -> Callable[[Any], None] | None:
    """A function of a session that gives variables their values in a checkpoint.

    Args:
        model_path: see `assign_from_checkpoint`.
        var_list: a list of variables, or a dict of them by their names in the checkpoint.
        ignore_missing_vars: see `assign_from_checkpoint`.
        reshape_variables: whether a value of another shape is taken, if it has as many elements.

    Returns:
        The function; None, with a warning, if none of the variables is in the checkpoint.

    Raises:
        ValueError: there are no variables, or one is not in the checkpoint.
    """
    if not var_list:
        raise wrong_value("var_list", "must have variables", var_list)
    reader = v1.train.load_checkpoint(model_path)
    found = _that_are_in(reader, model_path, var_list, ignore_missing_vars)
    if not found:
        logger.warning("The checkpoint %s has none of the variables: none is restored.", model_path)
        return None
    # Of a list the Saver finds the names, and which are slices of one variable.
    wanted = dict(found) if isinstance(var_list, Mapping) else [one for _, one in found]
    saver = v1.train.Saver(wanted, reshape=reshape_variables)

    def restore(session: Any) -> None:
        saver.restore(session, model_path)

    return restore


def _that_are_in(
    reader: Any, model_path: str, var_list: Any, may_be_missing: bool
) -> list[tuple[str, Any]]:
    """The variables that the checkpoint has, each behind its name there."""
    if isinstance(var_list, Mapping):
        named = list(var_list.items())
    else:
        named = [(_PART.sub("", one.op.name), one) for one in var_list]
    for name, one in named:
        if reader.has_tensor(name):
            continue
        if not may_be_missing:
            rule = f"must be in the checkpoint {model_path}"
            raise wrong_value("The name of every variable", rule, name)
        logger.warning("%s is not in the checkpoint %s: it stays.", one.op.name, model_path)
    return [(name, one) for name, one in named if reader.has_tensor(name)]


def _assignment(
    pairs: Iterable[tuple[Any, Any]],
) -> tuple[tf.Operation, dict[tf.Tensor, Any]]:
    operations, feeds = [], {}
    for one, value in pairs:
        if one.shape.num_elements() != value.size:
            rule = f"must have as many elements as the variable {one.op.name} of shape {one.shape}"
            raise wrong_value("The value", rule, value.shape)
        fed = v1.placeholder(one.dtype.base_dtype, one.shape, f"value_of_{one.op.name}")
        operations.append(one.assign(fed).op)
        feeds[fed] = value.reshape(one.shape.as_list())
    return tf.group(*operations), feeds
