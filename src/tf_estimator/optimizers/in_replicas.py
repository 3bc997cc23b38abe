"""A step of training in one of several replicas, which a tf.distribute strategy trains together.

An optimizer of TensorFlow 1 takes care of them itself. For the others::

    in each replica:
        gradients of the loss / number of replicas, if the loss is a mean
        the sum of each gradient over all replicas
        a step with it, on this replica's own copy of each variable

All copies get the same steps, and so stay the same. Where the replicas share one copy the first of
them takes the step.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _tf
from tf_estimator.optimizers.gradients import Pair
from tf_estimator.spec import in_replica


def share_of(loss: tf.Tensor) -> tf.Tensor:
    """What a replica's loss adds to that of all: a part of their mean, if losses are means.

    So `tf.compat.v1.distribute.get_loss_reduction` says if the last loss was not reduced to a sum.
    """
    mean = tf.distribute.ReduceOp.MEAN
    if not in_replica.is_one_of_several():
        return loss
    if tf.compat.v1.distribute.get_loss_reduction() != mean:
        return loss
    _tf.mark_loss_as_scaled(loss.graph)
    return loss / tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, loss.dtype)


def summed(pairs: Sequence[Pair]) -> list[Pair]:
    """The gradients, added up over all replicas."""
    if not in_replica.is_one_of_several():
        return list(pairs)
    gradients, variables = zip(*pairs, strict=True)

    def reduced(strategy: Any, *each: Any) -> list[Any]:
        to_all = [(one, one) for one in each]
        found: list[Any] = strategy.extended.batch_reduce_to(tf.distribute.ReduceOp.SUM, to_all)
        return found

    sums = tf.distribute.get_replica_context().merge_call(reduced, gradients)
    return list(zip(sums, variables, strict=True))


def leaves_it_to_first(variables: Sequence[tf.Variable]) -> bool:
    """Whether these variables, of this replica, are shared with the first, which updates them."""
    if in_replica.index() == 0:
        return False
    return all(in_replica.plain_name(one.op.name) == one.op.name for one in variables)
