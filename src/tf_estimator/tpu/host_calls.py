"""Functions that run on the host of a TPU, with tensors of the model: here, where the model runs.

In a TPUEstimatorSpec each is a pair: the function, and a list or a dict of its arguments.
"""

import inspect
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_estimator._checks import callable_, shown, wrong_type, wrong_value
from tf_estimator._tf import v1

_CREATES_WRITER = ("CreateSummaryFileWriter", "CreateSummaryDbWriter")


def check(subject: str, host_call: Any) -> None:
    """Raises unless `host_call` is None, or a function with arguments that fit.

    Raises:
        TypeError: the function cannot be called.
        ValueError: it is no pair, or the arguments are neither a list nor a dict.
        RuntimeError: the function takes another number of arguments.
    """
    if host_call is None:
        return
    rule = "must be a pair of a function and a list or dict of tensors, or None"
    if not isinstance(host_call, list | tuple):
        raise wrong_type(subject, rule, host_call, was=ValueError)
    if len(host_call) != 2:
        raise wrong_value(subject, rule, host_call)
    function, tensors = host_call
    callable_(f"{subject}[0]", function)
    if not isinstance(tensors, list | tuple | dict):
        rule = "must be a list, a tuple or a dict of tensors"
        raise wrong_type(f"{subject}[1]", rule, tensors, was=ValueError)
    if isinstance(tensors, dict):
        return
    try:
        signature = inspect.signature(function)
    except ValueError:  # Some builtins do not tell their parameters.
        return
    try:
        signature.bind(*tensors)
    except TypeError as error:
        raise RuntimeError(
            f"{subject}[1] must have a tensor for each argument of {subject}[0], which takes "
            f"{signature}; received {len(tensors)}: {shown(tensors)}."
        ) from error


def call(host_call: Any) -> Any:
    """What the function gives; None if there is none."""
    if host_call is None:
        return None
    function, tensors = host_call
    return function(**tensors) if isinstance(tensors, dict) else function(*tensors)


def operations(host_call: Any) -> list[Any]:
    """All operations and tensors that the function gives, however they are nested."""
    made = tf.nest.flatten(call(host_call), expand_composites=True)
    return [one for one in made if one is not None]


class HostCallHook(v1.train.SessionRunHook):
    """Opens a graph's writers of summaries, runs operations with each step, flushes the writers.

    TensorFlow 2's summaries in a graph write nothing before their writer was opened, which nothing
    else does.

    Args:
        operations: what to run with each step.
    """

    def __init__(self, operations: Iterable[Any] = ()) -> None:
        self._operations = list(operations)
        self._opens: list[tf.Operation] | None = None
        self._flushes: list[tf.Operation] = []

    def begin(self) -> None:
        """Finds the writers. Where it begins again on the graph, it adds nothing more to that."""
        if self._opens is None:
            ops = v1.get_default_graph().get_operations()
            self._opens = [op for op in ops if op.type in _CREATES_WRITER]
            self._flushes = [
                tf.raw_ops.FlushSummaryWriter(writer=op.inputs[0]) for op in self._opens
            ]

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Opens the writers."""
        del coord
        session.run(self._opens)

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs | None:
        """Has the operations run."""
        del run_context
        return v1.train.SessionRunArgs(self._operations) if self._operations else None

    def next_look(self, global_step: int) -> int | None:
        """Each step, unless there is nothing for it to run."""
        return global_step + 1 if self._operations else None

    def end(self, session: tf.compat.v1.Session) -> None:
        """Has the writers write what they hold."""
        session.run(self._flushes)
