"""Where a tf.distribute strategy calls a program once for each of several replicas of a model.

A variable made there stands for a copy on the device of each replica, or for one that all share.
"""

import collections
import contextlib
import re
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tf_estimator import _tf

# In a graph it adds an operation to ask.
_indices: "weakref.WeakKeyDictionary[tf.distribute.ReplicaContext, int]" = (
    weakref.WeakKeyDictionary()
)


class _Records:
    """Of a graph: what the first replica has recorded, and how much of it each other asked for."""

    def __init__(self) -> None:
        self.of_first: list[list[tf.Variable]] = []
        self.asked: collections.Counter[int] = collections.Counter()


_records: dict[tf.Graph, _Records] = {}


def is_one_of_several() -> bool:
    """Whether this is called for one of several replicas."""
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return several and not tf.distribute.in_cross_replica_context()


def index() -> int:
    """The number of this replica among those of the process; 0 if there are no several."""
    if not is_one_of_several():
        return 0
    context = tf.distribute.get_replica_context()
    if context not in _indices:
        of_all = int(tf.get_static_value(context.replica_id_in_sync_group))
        _indices[context] = of_all % len(context.strategy.extended.worker_devices)
    return _indices[context]


def own(variable: tf.Variable) -> tf.Variable:
    """This replica's copy of a variable, or that which all share."""
    if not is_one_of_several():
        return variable
    copies = _tf.copies_of(variable)
    return copies[index()] if len(copies) > 1 else copies[0]


def whole(variable: tf.Variable) -> tf.Variable:
    """The global variable that `own` gives this for."""
    if not is_one_of_several():
        return variable
    found = (one for one in tf.compat.v1.global_variables() if own(one) is variable)
    return next(found, variable)


@contextlib.contextmanager
def at_work(graph: tf.Graph) -> Iterator[None]:
    """A context in which the replicas of a graph are called, one after the other, in order."""
    _records[graph] = _Records()
    try:
        yield
    finally:
        del _records[graph]


@contextlib.contextmanager
def recorded_variables() -> Iterator[list[tf.Variable]]:
    """Yields a list that gets the variables made inside, in order.

    The first replica makes them for all. So in another it is what the first recorded at this point
    of the program.
    """
    records = _records.get(tf.compat.v1.get_default_graph(), _Records())
    if number := index():
        records.asked[number] += 1
        yield records.of_first[records.asked[number] - 1]
        return
    made: list[tf.Variable] = []
    records.of_first.append(made)

    def record(next_creator: Callable[..., tf.Variable], **arguments: Any) -> tf.Variable:
        made.append(next_creator(**arguments))
        return made[-1]

    with tf.variable_creator_scope(record):
        yield made


def plain_name(name: str) -> str:
    """The name of a variable in a checkpoint, given that of this replica's copy."""
    return re.sub(r"/replica_\d+(?=/|$)", "", name) if index() else name
