"""Whether a checkpoint fits a graph, asked before a session starts."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._tf import v1

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_MANY = 10


@dataclasses.dataclass(frozen=True)
class Difference:
    """How the variables of a graph and of a checkpoint differ.

    Attributes:
        missing: names in the graph that the checkpoint lacks.
        unused: names in the checkpoint that the graph lacks.
        changed: a name to a text of both shapes and types, where those differ.
    """

    missing: tuple[str, ...]
    unused: tuple[str, ...]
    changed: Mapping[str, str]


def check_restorable(variables: Iterable[tf.Variable], checkpoint: str) -> None:
    """Raises unless all variables and all tables that are saved can be restored from `checkpoint`.

    Checkpoints of tf.train.Checkpoint are passed over: their keys are no variable names.
    Tables are those of the default graph.

    Args:
        variables: the graph's variables that a Saver would restore by name.
        checkpoint: the path of a readable checkpoint.

    Raises:
        tf.errors.NotFoundError: the checkpoint lacks variables or tables.
        tf.errors.InvalidArgumentError: a shape or a type differs.
    """
    reader = tf.train.load_checkpoint(checkpoint)
    if reader.has_tensor(_OBJECT_GRAPH):
        return
    found = difference(variables, reader, _tables())
    if not found.missing and not found.changed:
        return
    parts = [
        _listed("differ", [f"{name}: {what}" for name, what in found.changed.items()]),
        _listed("are not in the checkpoint", found.missing),
        _listed("are only in the checkpoint", found.unused),
    ]
    kind = tf.errors.InvalidArgumentError if found.changed else tf.errors.NotFoundError
    raise kind(
        None,
        None,
        f"The checkpoint {checkpoint} holds another model than model_fn builds. "
        + " ".join(part for part in parts if part)
        + " Use another model_dir for the new model, or warm_start_from for the part they share.",
    )


def difference(
    variables: Iterable[tf.Variable], reader: Any, others: Iterable[str] = ()
) -> Difference:
    """Compares variables with what a checkpoint reader finds, by name, shape and type.

    A partitioned variable is compared under its full name and shape. `others` are names that a
    Saver restores as well, of whatever shape.
    """
    shapes = reader.get_variable_to_shape_map()
    types = reader.get_variable_to_dtype_map()
    missing: list[str] = []
    changed: dict[str, str] = {}
    seen = set()
    for variable in variables:
        name, shape = _saved_as(variable)
        if name in seen:
            continue
        seen.add(name)
        dtype = variable.dtype.base_dtype
        if name not in shapes:
            missing.append(name)
        elif not shape.is_compatible_with(shapes[name]) or types[name] != dtype:
            theirs = f"{shapes[name]} {types[name].name} in the checkpoint"
            changed[name] = f"{shape} {dtype.name} in the graph, {theirs}"
    others = set(others)
    missing.extend(others - set(shapes))
    unused = sorted(set(shapes) - seen - others)
    return Difference(tuple(sorted(missing)), tuple(unused), changed)


def _tables() -> list[str]:
    """The names under which the tables of the default graph that can change are saved."""
    saved = v1.get_collection(v1.GraphKeys.SAVEABLE_OBJECTS)
    return [part.name for each in saved for part in getattr(each, "specs", ())]


def _saved_as(variable: tf.Variable) -> tuple[str, tf.TensorShape]:
    part = variable.to_proto().save_slice_info_def
    if part.full_name:
        return part.full_name, tf.TensorShape(list(part.full_shape))
    return variable.op.name, variable.shape


def _listed(what: str, names: Iterable[str]) -> str:
    names = list(names)
    if not names:
        return ""
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"Variables that {what}: {', '.join(names[:_MANY])}{more}."
