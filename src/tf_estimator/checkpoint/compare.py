"""Whether a checkpoint fits a graph, asked before a session starts, and what of it is restored."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator._tf import v1

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_MANY = 10


@dataclasses.dataclass(frozen=True, repr=False)
class RestoreReport:
    """What a restore took from a checkpoint, by the names of variables and tables there. Ours.

    Its `str()` is a table.

    Attributes:
        checkpoint: the path of the checkpoint.
        restored: names whose values were restored.
        new: names in the graph that the checkpoint lacks; they have their initial values.
        left_over: names in the checkpoint that the graph lacks, as it does those of an optimizer
            outside of training.

    Example:
        >>> print(RestoreReport("/m/model.ckpt-9", ("global_step", "w"), ("head/w",), ("old/w",)))
        /m/model.ckpt-9: 2 restored, 1 new, 1 left over
        restored   global_step
        restored   w
        new        head/w
        left over  old/w
    """

    checkpoint: str
    restored: tuple[str, ...]
    new: tuple[str, ...]
    left_over: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._counts()}>"

    def __str__(self) -> str:
        groups = {"restored": self.restored, "new": self.new, "left over": self.left_over}
        rows = [f"{kind:<9}  {name}" for kind, names in groups.items() for name in names]
        return "\n".join([self._counts(), *rows])

    def _counts(self) -> str:
        counts = f"{len(self.restored)} restored, {len(self.new)} new"
        return f"{self.checkpoint}: {counts}, {len(self.left_over)} left over"

    def in_a_line(self) -> str:
        """The counts, and the first names of what is new and left over."""
        new = _listed("are new, and have their initial values", self.new)
        left_over = _listed("are only in the checkpoint", self.left_over)
        return " ".join(part for part in (f"{self._counts()}.", new, left_over) if part)


@dataclasses.dataclass(frozen=True)
class Difference:
    """How the variables of a graph and of a checkpoint differ.

    Attributes:
        missing: names in the graph that the checkpoint lacks.
        unused: names in the checkpoint that the graph lacks.
        changed: a name to a text of both shapes and types, where those differ.
        shared: the other names.
    """

    missing: tuple[str, ...]
    unused: tuple[str, ...]
    changed: Mapping[str, str]
    shared: tuple[str, ...]


def check_restorable(
    variables: Iterable[tf.Variable],
    checkpoint: str,
    *,
    ignore_missing: bool = False,
    may_lack: Collection[str] = (),
) -> RestoreReport | None:
    """Raises unless all variables and all tables that are saved can be restored from `checkpoint`.

    Checkpoints of tf.train.Checkpoint are passed over: their keys are no variable names.
    Tables are those of the default graph.

    Args:
        variables: the graph's variables that a Saver would restore by name.
        checkpoint: the path of a readable checkpoint.
        ignore_missing: whether the checkpoint may lack anything.
        may_lack: names that it may lack in any case.

    Returns:
        What will be restored; None where that is not known by name.

    Raises:
        tf.errors.NotFoundError: the checkpoint lacks variables or tables.
        tf.errors.InvalidArgumentError: a shape or a type differs.
    """
    reader = tf.train.load_checkpoint(checkpoint)
    if reader.has_tensor(_OBJECT_GRAPH):
        return None
    found = difference(variables, reader, _tables())
    lacking = () if ignore_missing else [name for name in found.missing if name not in may_lack]
    if not lacking and not found.changed:
        return RestoreReport(checkpoint, found.shared, found.missing, found.unused)
    parts = [
        f"The checkpoint {checkpoint} holds another model than model_fn builds.",
        _listed("differ", [f"{name}: {what}" for name, what in found.changed.items()]),
        _listed("are not in the checkpoint", found.missing),
        _listed("are only in the checkpoint", found.unused),
        "Use another model_dir for the new model, or warm_start_from for the part they share.",
    ]
    if not found.changed:
        parts.append(
            "RunConfig(ignore_missing=True) goes on here, from the initial values of what the "
            "checkpoint lacks."
        )
    kind = tf.errors.InvalidArgumentError if found.changed else tf.errors.NotFoundError
    raise kind(None, None, " ".join(part for part in parts if part))


def difference(
    variables: Iterable[tf.Variable], reader: Any, tables: Iterable[Any] = ()
) -> Difference:
    """Compares variables with what a checkpoint reader finds, by name, shape and type.

    A partitioned variable is compared under its full name and shape. `tables` are what a Saver
    restores as well, of whatever shape; one of which a part is missing is missing.
    """
    shapes = reader.get_variable_to_shape_map()
    types = reader.get_variable_to_dtype_map()
    missing: set[str] = set()
    changed: dict[str, str] = {}
    names: set[str] = set()
    for variable in variables:
        name, shape = _saved_as(variable)
        if name in names:
            continue
        names.add(name)
        dtype = variable.dtype.base_dtype
        if name not in shapes:
            missing.add(name)
        elif not shape.is_compatible_with(shapes[name]) or types[name] != dtype:
            theirs = f"{shapes[name]} {types[name].name} in the checkpoint"
            changed[name] = f"{shape} {dtype.name} in the graph, {theirs}"
    for table in tables:
        parts = saved_names(table)
        names.update(parts)
        if not shapes.keys() >= set(parts):
            missing.update(parts)
    shared = names - missing - set(changed)
    unused = set(shapes) - names
    return Difference(tuple(sorted(missing)), tuple(sorted(unused)), changed, tuple(sorted(shared)))


def saved_names(saved: Any) -> tuple[str, ...]:
    """The names under which a Saver saves a variable, or a table of SAVEABLE_OBJECTS."""
    if isinstance(saved, tf.Variable):
        return (_saved_as(saved)[0],)
    return tuple(part.name for part in getattr(saved, "specs", ()))


def _tables() -> list[Any]:
    """The tables of the default graph that can change, and so are saved."""
    return v1.get_collection(v1.GraphKeys.SAVEABLE_OBJECTS)


def _saved_as(variable: tf.Variable) -> tuple[str, tf.TensorShape]:
    part = variable.to_proto().save_slice_info_def
    if part.full_name:
        return part.full_name, tf.TensorShape(list(part.full_shape))
    # The operation of a variable that replicas add up to is that of the sum.
    return variable.name.rpartition(":")[0], variable.shape


def _listed(what: str, names: Iterable[str]) -> str:
    names = list(names)
    if not names:
        return ""
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"Variables that {what}: {', '.join(names[:_MANY])}{more}."
