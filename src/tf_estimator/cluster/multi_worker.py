"""MultiWorkerMirroredStrategy in a cluster: how one is made, and what its tasks need for it."""

from typing import Any, Final

import tensorflow as tf

from tf_estimator import _checks, _tf
from tf_estimator._tf import logger, v1
from tf_estimator.config import Cluster, RunConfig, default_session_config
from tf_estimator.config.entries import TaskType

_KINDS: Final = (
    tf.distribute.MultiWorkerMirroredStrategy,
    v1.distribute.experimental.MultiWorkerMirroredStrategy,
)

_RIGHT_WAY: Final = (
    "Write train_distribute=tf_estimator.experimental.multi_worker_mirrored_strategy(), which "
    "reads TF_CONFIG as RunConfig does."
)


def multi_worker_mirrored_strategy(
    communication_options: tf.distribute.experimental.CommunicationOptions | None = None,
) -> tf.distribute.MultiWorkerMirroredStrategy:
    """A MultiWorkerMirroredStrategy for `RunConfig(train_distribute=...)`. Experimental.

    With it the chief and the workers of a cluster without parameter servers train in step: each has
    a copy of all variables on each of its GPUs, or on its CPU, and in each step they add up their
    gradients.

    Called in a program that has TensorFlow 2's behavior, `tf.distribute.MultiWorkerMirroredStrategy
    ()` starts a server at once and then waits for all other tasks, for as long as that takes and
    without a word; in an evaluator it fails with `KeyError: 'evaluator'`. Estimators take it all
    the same. One that is made here starts nothing and waits for nobody: `train_and_evaluate` does
    both, and tells which task is missing.

    It reads TF_CONFIG. Without a cluster, in a cluster of one task and in an evaluator, the
    strategy is that of one machine: it trains on all GPUs, or on the CPU.

    Args:
        communication_options: how gradients are added up, NCCL or not; None for TensorFlow's
            choice.

    Returns:
        The strategy. It is to be used by one Estimator, and for training only.

    Raises:
        TypeError: TF_CONFIG has an entry of a wrong type.
        ValueError: TF_CONFIG is wrong in another way.

    Example:
        >>> strategy = multi_worker_mirrored_strategy()
        >>> RunConfig("/tmp/model", train_distribute=strategy).train_distribute is strategy
        True
    """
    cluster = Cluster.from_environment()
    options = communication_options or tf.distribute.experimental.CommunicationOptions()
    if cluster.task_type == TaskType.EVALUATOR or cluster.num_worker_replicas <= 1:
        return _of_one_machine(options)
    spec = _those_that_train(cluster.cluster_spec)
    with tf.Graph().as_default():
        return tf.distribute.MultiWorkerMirroredStrategy(
            tf.distribute.cluster_resolver.SimpleClusterResolver(
                spec,
                task_type=cluster.task_type,
                task_id=cluster.task_id,
                num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
            ),
            options,
        )


def is_multi_worker(strategy: Any) -> bool:
    """Whether this is a MultiWorkerMirroredStrategy of either version.

    Args:
        strategy: anything.
    """
    return isinstance(strategy, _KINDS)


def joins_workers(config: RunConfig) -> bool:
    """Whether the training tasks of the cluster take their steps together, by such a strategy.

    Args:
        config: has the cluster and the strategy.
    """
    several = config.num_worker_replicas > 1
    return several and is_multi_worker(config.train_distribute)


def fitting(config: RunConfig) -> Any:
    """The strategy of a config that has such a one, in a form that fits the cluster.

    Args:
        config: has the cluster and the strategy.

    Returns:
        The strategy itself, or another one for a single machine.

    Raises:
        ValueError: the cluster has parameter servers or a master, or is another one than that which
            the strategy was made for.
    """
    strategy = config.train_distribute
    if not joins_workers(config):
        return strategy if _task_of(strategy) is None else _of_one_machine()
    if config.num_ps_replicas or config.task_type == TaskType.MASTER:
        raise _checks.wrong_value(
            "A cluster in TF_CONFIG for MultiWorkerMirroredStrategy",
            'must have a "chief" and "worker"s, and no "ps" or "master"',
            config.cluster_spec.as_dict(),
            "Parameter servers need no strategy. An evaluator takes the place of a master.",
        )
    devices = strategy.extended.worker_devices
    made_for = _task_of(strategy), strategy.num_replicas_in_sync
    task = config.task_type, config.task_id
    if made_for != (task, len(devices) * config.num_worker_replicas):
        replicas = f"{made_for[1]} replicas"
        raise _checks.wrong_value(
            "train_distribute",
            f"must be made for {task[0]} {task[1]} of the cluster in TF_CONFIG, in which "
            f"{config.num_worker_replicas} tasks train",
            f"{replicas} of one machine"
            if made_for[0] is None
            else f"{replicas}, for {made_for[0][0]} {made_for[0][1]}",
            f"Set TF_CONFIG before the strategy is made. {_RIGHT_WAY}",
        )
    return strategy


def has_own_server(config: RunConfig) -> bool:
    """Whether the strategy has started the server of this task when it was made.

    Args:
        config: has the cluster and the strategy.
    """
    return joins_workers(config) and _tf.strategy_has_server(config.train_distribute)


def explain_own_server() -> None:
    """Logs what it means that a strategy was made outside of any graph."""
    logger.info(
        "The MultiWorkerMirroredStrategy was made outside of a tf.Graph, and so has started the "
        "server of this task itself, and waited for all others until now. That server is used. %s",
        _RIGHT_WAY,
    )


def session_config(config: RunConfig) -> tf.compat.v1.ConfigProto:
    """The session configuration of a task that takes its steps with others.

    Args:
        config: has the strategy, and the configuration to change.

    Returns:
        A new ConfigProto; its device filters are for sessions, and not for the server.
    """
    given = config.session_config or default_session_config()
    return config.train_distribute.update_config_proto(given)


def _of_one_machine(
    options: tf.distribute.experimental.CommunicationOptions | None = None,
) -> tf.distribute.MultiWorkerMirroredStrategy:
    alone = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({}),
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
    )
    with tf.Graph().as_default():
        return tf.distribute.MultiWorkerMirroredStrategy(alone, options)


def _task_of(strategy: Any) -> tuple[str, int] | None:
    """The task that a strategy was made for; None if it is for one machine.

    Its resolver does not tell, which reads TF_CONFIG anew each time.
    """
    device = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])
    return None if device.job in (None, "localhost") else (device.job, device.task)


def _those_that_train(spec: tf.train.ClusterSpec) -> tf.train.ClusterSpec:
    tasks = spec.as_dict()
    tasks.pop(TaskType.EVALUATOR, None)
    return tf.train.ClusterSpec(tasks)
