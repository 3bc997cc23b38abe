"""A user's input_fn: called inside the graph, its result made into features and labels."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import is_eager, v1
from tf_estimator.engine.model import argument_names


class GraphInput(NamedTuple):
    """The input of one built graph.

    Attributes:
        features: one Tensor or a nested structure; sparse and ragged tensors too.
        labels: the same, or None.
        hooks: what has to run with the session before the first batch is there.
    """

    features: Any
    labels: Any
    hooks: tuple[tf.compat.v1.train.SessionRunHook, ...]


class _IteratorInitializerHook(v1.train.SessionRunHook):
    """Starts an iterator from its beginning in every new session."""

    def __init__(self, iterator: tf.compat.v1.data.Iterator):
        self._initializer = iterator.initializer

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        del coord
        session.run(self._initializer)


def check_input_fn(input_fn: Any) -> Callable[..., Any]:
    """`input_fn` if it can be called, else TypeError with what to write."""
    if callable(input_fn):
        return input_fn
    raise _checks.wrong_type(
        "input_fn", "must be callable", input_fn, "Pass the function itself, not what it returns."
    )


def read(input_fn: Callable[..., Any], mode: str, params: Any, config: Any) -> GraphInput:
    """Calls `input_fn` in the current default graph, on the CPU, and splits what it returns.

    Args:
        input_fn: takes any of `mode`, `params`, `config`; returns a tf.data.Dataset, a tf.compat.v1
            iterator, a pair (features, labels), or features alone.
        mode: one of ModeKeys.
        params: given to input_fn if it asks.
        config: the RunConfig, given to input_fn if it asks.

    Returns:
        A GraphInput.

    Raises:
        ValueError: input_fn returned None, a tuple of another length than 2, or tensors and
            datasets that were made outside of it.
    """
    graph_input, _ = connect(call(input_fn, mode, params, config))
    return graph_input


def call(
    input_fn: Callable[..., Any],
    mode: str,
    params: Any,
    config: Any,
    input_context: tf.distribute.InputContext | None = None,
) -> Any:
    """The first half of `read`: calls `input_fn`, with `input_context` too if it asks for that.

    Returns:
        A tf.data.Dataset, or nested tensors.

    Raises:
        ValueError: input_fn returned None, or tensors and datasets that were made outside of it.
    """
    names = argument_names(input_fn)
    given = {"mode": mode, "params": params, "config": config, "input_context": input_context}
    # Pipelines belong on the host; a device function of the config would place them elsewhere.
    with tf.device("/cpu:0"):
        result = input_fn(**{name: value for name, value in given.items() if name in names})
        if isinstance(result, v1.data.Iterator):
            result = result.get_next()
        if isinstance(result, tf.data.Dataset):
            variant = tf.data.experimental.to_variant(result)
            _check_tensor("the Dataset that input_fn returns", variant)
            return result
    if result is None:
        raise _checks.wrong_value(
            "input_fn",
            "must return a tf.data.Dataset, features, or (features, labels)",
            result,
            "Is a `return` missing?",
        )
    features, labels = split(result)
    _check_made_here({"features": features, "labels": labels})
    return result


def connect(result: Any) -> tuple[GraphInput, tf.compat.v1.data.Iterator | None]:
    """The second half of `read`: makes batches of what `call` returned.

    Returns:
        A GraphInput, and the iterator that was made for it if it is of a Dataset.

    Raises:
        ValueError: the elements of the Dataset are tuples of another length than 2.
    """
    if not isinstance(result, tf.data.Dataset):
        return GraphInput(*split(result), ()), None
    with tf.device("/cpu:0"):
        iterator = v1.data.make_initializable_iterator(result)
        features, labels = split(iterator.get_next())
    return GraphInput(features, labels, (starts(iterator),)), iterator


def starts(iterator: tf.compat.v1.data.Iterator) -> tf.compat.v1.train.SessionRunHook:
    """The hook that starts an iterator in every new session."""
    return _IteratorInitializerHook(iterator)


def split(result: Any) -> tuple[Any, Any]:
    """Features and labels, which may be None, of what input_fn returned or a Dataset gives."""
    if not isinstance(result, list | tuple):
        return result, None
    if len(result) != 2:
        raise _checks.wrong_value(
            "What input_fn returns",
            f"must be (features, labels), of length 2, not {len(result)}",
            result,
            "Put further tensors into the features, as a dict.",
        )
    return result[0], result[1]


def _check_made_here(values: dict[str, Any]) -> None:
    for name, value in values.items():
        for part in tf.nest.flatten(value, expand_composites=True):
            if tf.is_tensor(part):
                _check_tensor(f"a tensor in the {name} that input_fn returns", part)


def _check_tensor(subject: str, tensor: tf.Tensor) -> None:
    if isinstance(tensor, tf.Variable):
        return
    graph = v1.get_default_graph()
    if is_eager(tensor):
        where = "eagerly"
    elif tensor.graph is not graph:
        where = "in another graph"
    else:
        return
    raise _checks.wrong_value(
        subject,
        f"must be made inside input_fn, but was made {where}",
        tensor,
        "input_fn is called with a graph of its own: move the code that makes the data into it.",
    )
