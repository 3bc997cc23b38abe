"""Where the operations and variables of optimizers live in a graph: under `training/`.

The scope is in the names of the variables, and so in the checkpoints that programs have kept.
"""

import contextlib
import weakref
from collections.abc import Iterator

import tensorflow as tf

v1 = tf.compat.v1

_opened: "weakref.WeakKeyDictionary[tf.Graph, str]" = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def training_scope() -> Iterator[str]:
    """Enters `training/`, whatever scope the caller is in; yields it with the slash.

    All optimizers of a graph share it. It is `training_1/` where the user has made a scope
    `training` before.
    """
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
