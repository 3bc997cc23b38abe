"""The session configuration that is used where the user gives none."""

from collections.abc import Iterable

import tensorflow as tf

from tf_estimator.config.cluster import Cluster
from tf_estimator.config.entries import TaskType


def default_session_config(device_filters: Iterable[str] = ()) -> tf.compat.v1.ConfigProto:
    """The default tf.compat.v1.ConfigProto.

    Ops without a kernel on the device they ask for run on another one, and Grappler passes over the
    graph once, which is enough for training graphs and shortens the start of big ones.

    Args:
        device_filters: The only devices the session sees, as '/job:ps' or '/job:worker/task:0';
            empty for all.

    Returns:
        A new ConfigProto.

    Example:
        >>> default_session_config(["/job:ps"]).device_filters
        ['/job:ps']
    """
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True, device_filters=device_filters)
    rewrite_options = config.graph_options.rewrite_options
    rewrite_options.meta_optimizer_iterations = rewrite_options.ONE
    return config


def session_config_of_task(cluster: Cluster) -> tf.compat.v1.ConfigProto | None:
    """The session configuration of a task in a cluster: the default one, with its device filters.

    The filters keep a task that trains from waiting for the other workers, which it does not need.

    Args:
        cluster: The cluster and the task.

    Returns:
        A new ConfigProto, or None if the task needs no filters: without a cluster, for the
        evaluator and for jobs of other names.

    Example:
        >>> session_config_of_task(Cluster()) is None
        True
    """
    if not cluster.cluster_spec:
        return None
    own = {
        TaskType.CHIEF: ("/job:ps", "/job:chief"),
        TaskType.MASTER: ("/job:ps", "/job:master"),
        TaskType.WORKER: ("/job:ps", f"/job:worker/task:{cluster.task_id}"),
        TaskType.PS: ("/job:ps", "/job:worker", "/job:chief", "/job:master"),
    }
    filters = own.get(cluster.task_type)
    return None if filters is None else default_session_config(filters)
