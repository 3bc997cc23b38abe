"""The only door to TensorFlow's oddities: each private access, with why, a guard and a test.

Everything else in the package uses `tf.*` and `tf.compat.v1.*` as TensorFlow documents them.
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

# A child of TensorFlow's logger: `tf.compat.v1.logging.set_verbosity` and its handlers reach it.
logger = tf.get_logger().getChild("estimator")


def add_control_inputs(op: tf.Operation, before: Iterable[tf.Operation]) -> None:
    """Makes `op` run after every operation in `before`.

    Why: `tf.control_dependencies` reaches only what is made inside it, and the writes of a Keras
    Metric were made by Keras. No public call orders an operation that exists.
    Guard: a TensorFlow without the method gives a NotImplementedError that says so, before
    anything is changed.
    """
    add = getattr(op, "_add_control_inputs", None)
    if add is None:
        raise NotImplementedError(
            f"TensorFlow {tf.__version__} cannot order the updates of a Keras Metric: "
            "Operation._add_control_inputs is gone. Use tf.compat.v1.metrics in eval_metric_ops."
        )
    add(list(before))


def in_v1_control_flow(op: tf.Operation) -> bool:
    """Whether `op` was made inside a `tf.cond` or `tf.while_loop` of the Switch and Merge kind.

    Why: such an operation may never run, and a control edge across the border of its branch would
    pass that on.
    Guard: where the method is gone so is this kind of control flow, and the answer is False.
    """
    context = getattr(op, "_get_control_flow_context", None)
    return context is not None and context() is not None


def writes_variable(op: tf.Operation, handle: tf.Tensor) -> bool:
    """Whether `op`, a consumer of a variable's `handle`, may write the variable.

    Why: TensorFlow has no public list of the operations that write. For calls and control flow it
    keeps the indices of the inputs that are only read in an attribute with a private name.
    Guard: a call without that attribute counts as one that writes.
    """
    if op.type.startswith(_WRITING_OPS):
        return True
    if not op.type.endswith(_CALLING_OPS):
        return False
    try:
        only_read = set(op.get_attr("_read_only_resource_inputs"))
    except ValueError:
        only_read = set()
    return any(one is handle and n not in only_read for n, one in enumerate(op.inputs))


_WRITING_OPS = (
    "Assign",
    "ResourceApply",
    "ResourceScatter",
    "ResourceSparseApply",
    "ResourceStridedSliceAssign",
)
_CALLING_OPS = ("PartitionedCall", "If", "While", "Case")


def is_eager(tensor: tf.Tensor) -> bool:
    """Whether a tensor was made eagerly.

    Why: `tf.is_tensor` does not tell, and `.graph` raises on an eager tensor.
    Guard: `tf.__internal__` is semi-public. Where it has no `EagerTensor`, the answer is taken from
    the graph, which only a symbolic tensor has.
    """
    kind = getattr(getattr(tf, "__internal__", None), "EagerTensor", None)
    if kind is not None:
        return isinstance(tensor, kind)
    return getattr(tensor, "graph", None) is None


def iterators_of_graph() -> list[tf.Tensor]:
    """The resources of all tf.data iterators in the default graph, in the order they were made.

    Why: an iterator does not give its resource away, and the collection that has it is one of no
    public name.
    Guard: where the collection is not filled the list is empty, as in a graph without iterators.
    """
    return v1.get_collection("iterators")


def add_saving_listeners(hook: Any, listeners: Iterable[Any]) -> None:
    """Gives a CheckpointSaverHook that a user made more listeners.

    Why: the hook takes listeners only when it is made, and Estimator gets them later.
    Guard: where the hook keeps no such list, NotImplementedError says what to write instead.
    """
    listeners = list(listeners)
    if not listeners:
        return
    kept = getattr(hook, "_listeners", None)
    if not isinstance(kept, list):
        raise NotImplementedError(
            f"TensorFlow {tf.__version__} cannot add saving_listeners to your CheckpointSaverHook: "
            "pass them to its own argument `listeners`."
        )
    kept.extend(listeners)


@contextlib.contextmanager
def without_deprecation_notes() -> Iterator[None]:
    """Keeps TensorFlow from logging that what it calls itself is deprecated.

    Why: sessions, savers and the SavedModel builder of `tf.compat.v1` call deprecated parts of
    TensorFlow, and it logs that as though the user could change it.
    Guard: where the switch is gone the notes are logged, and nothing else changes.
    """
    _silenced.enter()
    try:
        yield
    finally:
        _silenced.leave()


class _Silenced:
    """TensorFlow's switch: off while any of several threads wants it off.

    There is one for the process: each thread putting back what it found could leave it off.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0

    def enter(self) -> None:
        with self._lock:
            if not self._entered:
                self._switch = _silence()
                self._switch.__enter__()
            self._entered += 1

    def leave(self) -> None:
        with self._lock:
            self._entered -= 1
            if not self._entered:
                # As without an error: told of one, TensorFlow would leave the notes off as well.
                self._switch.__exit__(None, None, None)


_silenced = _Silenced()


try:
    from tensorflow.python.util.deprecation import (  # noqa: TID251 - see above
        silence as _silence,
    )
except ImportError:
    _silence = contextlib.nullcontext


def flush_event_file(folder: str) -> None:
    """Writes out what this process has for the event file of `folder` and keeps in memory.

    Why: `tf.compat.v1.summary.FileWriterCache.get` begins a file where no writer is open, and a
    reader must leave no file behind. Nothing public tells whether one is open.
    Guard: where the cache is gone, what is younger than two minutes may not be in the file yet.
    """
    writer = getattr(v1.summary.FileWriterCache, "_cache", {}).get(folder)
    if writer is not None and not getattr(writer, "_closed", False):
        writer.flush()
