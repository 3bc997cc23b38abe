"""One EstimatorSpec of those of all replicas."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine.evaluate import MEAN_LOSS
from tf_estimator.engine.replicas.counted_once import undo_where_absent
from tf_estimator.spec import EstimatorSpec


def for_training(specs: Sequence[EstimatorSpec], loss: tf.Tensor) -> EstimatorSpec:
    """The spec of a step of all replicas.

    Args:
        specs: of the replicas of this process, in mode TRAIN.
        loss: of all replicas.
    """
    first = specs[0]
    # Each replica has them, and their values, as the summaries, are those of the first.
    return first._replace(
        loss=loss,
        train_op=first.train_op if len(specs) == 1 else tf.group(*(one.train_op for one in specs)),
        scaffold=_scaffold([one.scaffold for one in specs]),
    )


def for_evaluation(
    strategy: Any, specs: Sequence[EstimatorSpec], present: Sequence[tf.Tensor] | None
) -> EstimatorSpec:
    """The spec of an evaluation by all replicas, which counts each batch once.

    Args:
        strategy: that the replicas run under.
        specs: of the replicas, in mode EVAL.
        present: of each replica whether its batch is one of the input; None for all.
    """
    first = specs[0]
    metrics = {name: [one.eval_metric_ops[name] for one in specs] for name in first.eval_metric_ops}
    own = v1.get_collection_ref(MEAN_LOSS)
    losses = [one.loss for one in specs]
    # A pair of each replica, one after the other.
    mean_losses = list(zip(own[::2], own[1::2], strict=True)) or [_mean(losses, present)]
    del own[:]
    undoing: list[tf.Operation] = []
    if present is not None:
        pairs = [*metrics.values(), *([mean_losses] if len(mean_losses) == len(specs) else [])]
        updates = [tf.nest.flatten([pair[n][1] for pair in pairs]) for n in range(len(specs))]
        undoing = undo_where_absent(strategy, updates, present)
    combined = {name: _combined(pairs) for name, pairs in metrics.items()}
    value, update = _combined(mean_losses)
    v1.add_to_collection(MEAN_LOSS, value)
    v1.add_to_collection(MEAN_LOSS, tf.group(update, *undoing))
    return first._replace(
        loss=_mean_of(losses, present),
        eval_metric_ops=combined,
        scaffold=_scaffold([one.scaffold for one in specs]),
    )


def _combined(pairs: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """A metric of all replicas: its value is that of all already, in each of them."""
    if len(pairs) == 1:
        return pairs[0]
    return pairs[0][0], tf.group(*tf.nest.flatten([update for _, update in pairs]))


def _mean(losses: Sequence[tf.Tensor], present: Sequence[tf.Tensor] | None) -> tuple[Any, Any]:
    """The metric of the loss: its mean over all batches, as that of one device is."""
    if present is None:
        return v1.metrics.mean(tf.stack(losses))
    return v1.metrics.mean(tf.stack(losses), weights=tf.cast(tf.stack(present), tf.float32))


def _mean_of(losses: Sequence[tf.Tensor], present: Sequence[tf.Tensor] | None) -> tf.Tensor:
    """The loss of a step: the mean of the replicas that have a batch."""
    if len(losses) == 1:
        return losses[0]
    if present is None:
        return tf.reduce_mean(tf.stack(losses))
    return tf.reduce_mean(tf.boolean_mask(tf.stack(losses), tf.stack(present)))


def _scaffold(scaffolds: Sequence[tf.compat.v1.train.Scaffold]) -> tf.compat.v1.train.Scaffold:
    """One scaffold that initializes what any of them does; it saves and summarizes as the first."""
    first = scaffolds[0]
    if len(scaffolds) == 1:
        return first

    def grouped(name: str) -> tf.Operation | None:
        ops = [getattr(one, name) for one in scaffolds if getattr(one, name) is not None]
        return tf.group(*ops) if ops else None

    feeds: dict[Any, Any] = {}
    for one in scaffolds:
        feeds.update(one.init_feed_dict or {})
    ready = [one.ready_op for one in scaffolds if one.ready_op is not None]
    return v1.train.Scaffold(
        init_op=grouped("init_op"),
        init_feed_dict=feeds or None,
        init_fn=_each([one.init_fn for one in scaffolds if one.init_fn is not None]),
        ready_op=tf.concat([tf.reshape(one, [-1]) for one in ready], 0) if ready else None,
        ready_for_local_init_op=first.ready_for_local_init_op,
        local_init_op=grouped("local_init_op"),
        local_init_feed_dict=first.local_init_feed_dict,
        summary_op=first.summary_op,
        saver=first.saver,
        copy_from_scaffold=None,
    )


def _each(init_fns: Sequence[Callable[..., Any]]) -> Callable[..., Any] | None:
    def init_all(session: tf.compat.v1.Session) -> None:
        for init_fn in init_fns:
            init_fn(session)

    return init_all if init_fns else None
