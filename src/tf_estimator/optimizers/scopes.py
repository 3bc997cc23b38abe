"""Where the operations and variables of optimizers live in a graph: under `training/`.

The scope is in the names of the variables, and so in the checkpoints that programs have kept.
"""

import contextlib
import weakref
from collections.abc import Iterator

import tensorflow as tf

from tf_estimator.spec import in_replica

v1 = tf.compat.v1

_opened: "weakref.WeakKeyDictionary[tf.Graph, str]" = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def training_scope() -> Iterator[str]:
    """Enters `training/`, whatever scope the caller is in; yields it with the slash.

    All optimizers of a graph share it. It is `training_1/` where the user has made a scope
    `training` before. What replicas after the first make has their number in its name; variables
    are the first's.
    """
    if in_replica.index():
        with v1.name_scope(None), v1.name_scope(f"replica_{in_replica.index()}/training/") as scope:
            yield scope
        return
    graph = v1.get_default_graph()
    with v1.name_scope(None), v1.name_scope(_opened.get(graph, "training")) as scope:
        _opened[graph] = scope
        yield scope


@contextlib.contextmanager
def optimizer_scope(name: str) -> Iterator[str]:
    """Enters `training/<name>/`, whatever scope the caller is in; yields it with the slash.

    Of optimizers with the same name, the second has `<name>_1` and so on, in the order they are
    used in: the same in every graph of a model_fn.
    """
    with training_scope(), v1.name_scope(name) as scope:
        yield scope
