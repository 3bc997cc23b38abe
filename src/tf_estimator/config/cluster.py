"""Cluster: what a TF_CONFIG says about the machines of a job, and which of them this is."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, Final, final

import tensorflow as tf

from tf_estimator.config import addresses, entries, timeout
from tf_estimator.config.entries import TaskType


@final
@dataclasses.dataclass(frozen=True, repr=False)
class Cluster:
    """The machines of a job and the place of this process among them.

    Make one with `Cluster.parse` or `Cluster.from_json`, which check everything; `Cluster()` is a
    process on its own. Clusters compare by value.

    Attributes:
        cluster_spec: The jobs and their addresses. Empty without a cluster, and for the evaluator,
            which talks to no other task.
        task_type: The role of this process, see `TaskType`.
        task_id: The index of this process among those of its role, 0 or more.
        master: The TensorFlow master of the training session: '' for in-process, else
            'grpc://host:port'.
        evaluation_master: The same for evaluation.
        service: The "service" entry: a dict that is kept as it is, or None.
        environment: The "environment" entry, '' if there is none. "google" means that something
            else starts the servers.
        model_dir: The "model_dir" entry, or None.
        timeout_secs: The "timeout_secs" entry: how many seconds a task may be out of reach before
            the others give up. If there is none, see `from_environment`.
    """

    cluster_spec: tf.train.ClusterSpec = dataclasses.field(
        default_factory=lambda: tf.train.ClusterSpec({}), hash=False
    )
    task_type: str = TaskType.WORKER
    task_id: int = 0
    master: str = ""
    evaluation_master: str = ""
    service: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)
    environment: str = ""
    model_dir: str | None = None
    timeout_secs: float = timeout.DEFAULT_SECS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Cluster":
        """The Cluster that the variable TF_CONFIG describes, as RunConfig reads it.

        Where TF_CONFIG has no "timeout_secs", as others may write it, it is the number in the
        variable TF_ESTIMATOR_TIMEOUT_SECS, or else 10.

        Args:
            environment: The variables; those of this process if not given.

        Returns:
            A Cluster.

        Raises:
            ValueError: TF_ESTIMATOR_TIMEOUT_SECS is no number above 0, or for the reasons of
                `parse`.
            TypeError: For the reasons of `parse`.

        Example:
            >>> Cluster.from_environment({"TF_ESTIMATOR_TIMEOUT_SECS": "300"})
            Cluster(timeout_secs=300.0)
        """
        timeout_secs = timeout.of_environment(environment)
        return cls.from_json(environment.get("TF_CONFIG", "{}"), timeout_secs)

    @classmethod
    def from_json(cls, text: str, timeout_secs: float = timeout.DEFAULT_SECS) -> "Cluster":
        """The Cluster that the text of a TF_CONFIG variable describes.

        Args:
            text: A JSON object; its entries are those of `parse`.
            timeout_secs: As for `parse`.

        Returns:
            A Cluster.

        Raises:
            ValueError: If `text` is not JSON, or for the reasons of `parse`.
            TypeError: If `text` is JSON but no object, or for the reasons of `parse`.

        Example:
            >>> Cluster.from_json('{"model_dir": "/tmp/model"}')
            Cluster(model_dir='/tmp/model')
        """
        return cls.parse(entries.read(text), timeout_secs)

    @classmethod
    def parse(
        cls, tf_config: Mapping[str, Any], timeout_secs: float = timeout.DEFAULT_SECS
    ) -> "Cluster":
        """The Cluster that a TF_CONFIG mapping describes. Reads nothing but its argument.

        Args:
            tf_config: A mapping with these entries, all optional; others are ignored.
                "cluster": mapping of job name to a list of "host:port" addresses, or to a mapping
                of task index to address. It has exactly one "chief" task, or one "master" in its
                place.
                "task": mapping with "type" and "index". Required with a cluster; without one it
                can only be worker 0.
                "session_master": the master to use instead of this task's own address.
                "eval_session_master": the master for evaluation, used by the evaluator and without
                a cluster.
                "service": a mapping that is kept as it is.
                "environment": a string.
                "model_dir": the folder of the model, not empty.
                "timeout_secs": how many seconds a task may be out of reach before the others give
                up, above 0. Ours.
                None in place of a string or of "service" is the same as no entry.
            timeout_secs: What counts if `tf_config` has no "timeout_secs".

        Returns:
            A Cluster.

        Raises:
            TypeError: If an entry has the wrong type.
            ValueError: If the cluster does not have exactly one chief or master, the task is
                missing or not in the cluster, an evaluator is used with a master, or "model_dir"
                is empty.

        Example:
            >>> hosts = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}
            >>> cluster = Cluster.parse({"cluster": hosts, "task": {"type": "worker", "index": 1}})
            >>> cluster.master, cluster.num_worker_replicas, cluster.global_id_in_cluster
            ('grpc://c:1', 3, 2)
        """
        entries.mapping("TF_CONFIG", tf_config)
        jobs = entries.jobs_of(tf_config.get("cluster", {}))
        task = entries.mapping('"task" in TF_CONFIG', tf_config.get("task", {}))
        spec = tf.train.ClusterSpec(jobs)
        task_type, task_id = entries.task_in(jobs, task) if jobs else entries.task_alone(task)
        session_master = entries.string(tf_config, "session_master")
        evaluation_master = entries.string(tf_config, "eval_session_master") or ""
        apart = task_type == TaskType.EVALUATOR
        if apart:
            master = ""
        elif session_master is not None:
            master = session_master
        elif sum(map(len, jobs.values())) <= 1:
            master = ""
        else:
            master = f"grpc://{spec.task_address(task_type, task_id)}"
        return cls(
            cluster_spec=tf.train.ClusterSpec({}) if apart else spec,
            task_type=task_type,
            task_id=task_id,
            master=master,
            evaluation_master=evaluation_master if apart or not jobs else "",
            service=entries.service(tf_config.get("service")),
            environment=entries.string(tf_config, "environment") or "",
            model_dir=entries.model_dir(tf_config),
            timeout_secs=timeout.of_entry(tf_config.get("timeout_secs")) or timeout_secs,
        )

    def check_addresses(self) -> None:
        """Checks what matters only where TensorFlow's servers use this cluster: its addresses.

        Raises:
            ValueError: If an address is not "host:port" with a port from 1 to 65535, or two tasks
                have the same.

        Example:
            >>> jobs = {"chief": ["host0:2222"], "worker": ["host1"]}
            >>> task = {"type": "chief", "index": 0}
            >>> Cluster.parse({"cluster": jobs, "task": task}).check_addresses()
            Traceback (most recent call last):
            ValueError: "cluster" in TF_CONFIG, job "worker", must hold addresses of the form ...
        """
        spec = self.cluster_spec
        addresses.check(
            {
                job: {index: spec.task_address(job, index) for index in spec.task_indices(job)}
                for job in spec.jobs
            }
        )

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the checkpoints: the chief, the master, or one on its own."""
        alone = not self.cluster_spec and self.task_type == TaskType.WORKER
        return alone or self.task_type in entries.HEADS

    @property
    def num_ps_replicas(self) -> int:
        """The number of parameter servers; 0 without a cluster and for the evaluator."""
        return self._num_tasks(TaskType.PS)

    @property
    def num_worker_replicas(self) -> int:
        """The number of tasks that train, with the chief or master; 1 without a cluster.

        0 for the evaluator.
        """
        if not self.cluster_spec:
            return 0 if self.task_type == TaskType.EVALUATOR else 1
        return 1 + self._num_tasks(TaskType.WORKER)

    @property
    def global_id_in_cluster(self) -> int | None:
        """A number of this task that no other task of the cluster has; None for the evaluator.

        The chief or master is 0; the other jobs follow in alphabetical order, ps last. 0 without a
        cluster.
        """
        if self.task_type == TaskType.EVALUATOR:
            return None
        if not self.cluster_spec:
            return 0
        order = sorted(
            self.cluster_spec.jobs,
            key=lambda job: (job not in entries.HEADS, job == TaskType.PS, job),
        )
        before = order[: order.index(self.task_type)]
        # A job may name only some of its indices, so its width is its highest index plus one.
        widths = (max(self.cluster_spec.task_indices(job), default=-1) + 1 for job in before)
        return sum(widths) + self.task_id

    def __repr__(self) -> str:
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != getattr(_ALONE, field.name):
                text = value.as_dict() if field.name == "cluster_spec" else value
                shown.append(f"{field.name}={text!r}")
        return f"Cluster({', '.join(shown)})"

    def _num_tasks(self, job: str) -> int:
        return self.cluster_spec.num_tasks(job) if job in self.cluster_spec.jobs else 0


_ALONE: Final = Cluster()
