"""The input of replicas: in each step the next batches of one Dataset, one for each replica."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1
from tf_estimator.engine import inputs
from tf_estimator.engine.replicas.outlook import with_outlook


class Rounds(NamedTuple):
    """The batches of one step.

    Attributes:
        batches: features and labels of each replica.
        present: of each replica whether its batch is one of the input, a bool Tensor; if not, it is
            that of the first replica once more. None: they all are.
        hook: starts the input in a new session.
        dataset: what input_fn returned.
        goes_on: whether there are batches for another step, a bool Tensor; None if nobody asked.
    """

    batches: list[tuple[Any, Any]]
    present: list[tf.Tensor] | None
    hook: tf.compat.v1.train.SessionRunHook
    dataset: tf.data.Dataset
    goes_on: tf.Tensor | None = None


def rounds(
    call_input: Callable[[], Any],
    replicas: int,
    *,
    to_the_last: bool,
    looks_ahead: bool = False,
) -> Rounds:
    """Calls input_fn in the default graph, and takes a batch for each replica.

    Where the input ends in the middle of a step, either the step is not taken, or the replicas that
    got nothing are told so. Nothing runs before all batches are there.

    Args:
        call_input: gives what input_fn returned.
        replicas: of this process.
        to_the_last: whether a step is taken that has no batches for some of the replicas.
        looks_ahead: whether it is to be known in each step if there is another one, for steps that
            are to the last in no case.

    Returns:
        The Rounds.

    Raises:
        TypeError: input_fn returned no Dataset.
    """
    dataset = call_input()
    if not isinstance(dataset, tf.data.Dataset):
        raise _checks.wrong_type(
            "What input_fn returns",
            "must be a tf.data.Dataset where a strategy distributes the work: each replica gets "
            "batches of its own",
            dataset,
            was=ValueError,
        )
    with tf.device("/cpu:0"):
        given = with_outlook(dataset, replicas) if looks_ahead else dataset
        iterator = v1.data.make_initializable_iterator(given)
        if to_the_last and replicas > 1:
            batches, present = _with_gaps(iterator, replicas)
        else:
            batches, present = _whole(iterator, replicas), None
    goes_on = None
    if looks_ahead:
        goes_on = batches[-1][1]
        batches = [batch for batch, _ in batches]
    hook = inputs.starts(iterator)
    return Rounds([inputs.split(one) for one in batches], present, hook, dataset, goes_on)


def _whole(iterator: tf.compat.v1.data.Iterator, replicas: int) -> list[Any]:
    batches: list[Any] = []
    for _ in range(replicas):
        # In order: the first replica gets the first batch.
        with tf.control_dependencies(_ops(batches[-1:])):
            batches.append(iterator.get_next())
    return batches if replicas == 1 else _after(_ops(batches), batches)


def _with_gaps(
    iterator: tf.compat.v1.data.Iterator, replicas: int
) -> tuple[list[Any], list[tf.Tensor]]:
    first = iterator.get_next()
    before = _ops([first])
    optionals = []
    for _ in range(1, replicas):
        with tf.control_dependencies(before):
            optionals.append(tf.data.experimental.get_next_as_optional(iterator))
            has_value = optionals[-1].has_value()
        before = [has_value.op]
    present = [tf.constant(True), *(one.has_value() for one in optionals)]
    batches = [first]
    for has_value, optional in zip(present[1:], optionals, strict=True):
        batches.append(tf.cond(has_value, optional.get_value, lambda: first))
    return _after(before, batches), present


def _after(before: list[tf.Operation], batches: list[Any]) -> list[Any]:
    with tf.control_dependencies(before):
        return tf.nest.map_structure(tf.identity, batches, expand_composites=True)


def _ops(batches: Any) -> list[tf.Operation]:
    flat = tf.nest.flatten(batches, expand_composites=True)
    return list(dict.fromkeys(tensor.op for tensor in flat))
