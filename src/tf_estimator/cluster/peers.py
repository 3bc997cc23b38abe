"""The other tasks of a cluster, as one of them sees them."""

import dataclasses
from typing import Final, final

from tf_estimator.config.cluster import Cluster
from tf_estimator.config.entries import TaskType

_HEADS: Final = (TaskType.CHIEF, TaskType.MASTER)


@final
@dataclasses.dataclass(frozen=True)
class Peer:
    """Another task of the cluster.

    Attributes:
        job: its role, "ps".
        index: its number among those of its role.
        address: "host:port".

    Example:
        >>> str(Peer("ps", 0, "host2:2222"))
        'ps 0 (host2:2222)'
    """

    job: str
    index: int
    address: str

    def __str__(self) -> str:
        return f"{self.job} {self.index} ({self.address})"


def all_peers(cluster: Cluster) -> list[Peer]:
    """All tasks that have a server, but this one.

    Args:
        cluster: the cluster and the place of this process in it.

    Returns:
        The peers, by job and index. None for the evaluator, which talks to nobody, and without a
        cluster. An evaluator that the cluster lists is not among them: it has no server.

    Example:
        >>> hosts = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}
        >>> task = {"type": "worker", "index": 0}
        >>> [str(peer) for peer in all_peers(Cluster.parse({"cluster": hosts, "task": task}))]
        ['chief 0 (a:1)', 'ps 0 (c:1)']
    """
    spec = cluster.cluster_spec
    return [
        Peer(job, index, spec.task_address(job, index))
        for job in sorted(spec.jobs)
        if job != TaskType.EVALUATOR
        for index in spec.task_indices(job)
        if (job, index) != (cluster.task_type, cluster.task_id)
    ]


def parameter_servers(cluster: Cluster) -> list[Peer]:
    """The peers that hold variables.

    Args:
        cluster: the cluster and the place of this process in it.
    """
    return [peer for peer in all_peers(cluster) if peer.job == TaskType.PS]


def chief_of(cluster: Cluster) -> Peer | None:
    """The peer that saves; None if that is this process, or without a cluster.

    Args:
        cluster: the cluster and the place of this process in it.
    """
    return next((peer for peer in all_peers(cluster) if peer.job in _HEADS), None)
