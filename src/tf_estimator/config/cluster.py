"""Cluster: what a TF_CONFIG says about the machines of a job, and which of them this is."""

import dataclasses
import difflib
import json
import os
from collections.abc import Mapping
from typing import Any, Final, final

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger
from tf_estimator.config import addresses, timeout

_EXAMPLE: Final = (
    'For example: {"cluster": {"chief": ["host0:2222"], "worker": ["host1:2222"], '
    '"ps": ["host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)

ENTRIES: Final = (
    "cluster",
    "task",
    "session_master",
    "eval_session_master",
    "service",
    "environment",
    "model_dir",
    "timeout_secs",
)
"""The entries of TF_CONFIG that mean something here."""

# Values of those that are strings, to show.
_STRINGS: Final = {
    "session_master": "grpc://host0:2222",
    "eval_session_master": "grpc://host0:2222",
    "environment": "cloud",
    "model_dir": "/path/to/model",
}
_QUOTED_TWICE: Final = "It is quoted twice: take the outer quotes away. "


@final
class TaskType:
    """The roles a task of a cluster can have, as `"task": {"type": ...}` names them.

    Attributes:
        CHIEF: Trains, and writes the checkpoints and summaries.
        MASTER: The chief of older clusters, which evaluates as well.
        WORKER: Trains. Also the role of a process without a cluster, which does everything.
        PS: Parameter server: holds variables.
        EVALUATOR: Evaluates the checkpoints that the others write; not a part of the cluster.
    """

    CHIEF: Final = "chief"
    MASTER: Final = "master"
    WORKER: Final = "worker"
    PS: Final = "ps"
    EVALUATOR: Final = "evaluator"


_HEADS: Final = (TaskType.CHIEF, TaskType.MASTER)


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
        try:
            tf_config = json.loads(text)
        except json.JSONDecodeError as error:
            near = text[max(error.pos - 20, 0) : error.pos + 20]
            where = f"{error.msg} at line {error.lineno}, column {error.colno}, near {near!r}."
            if not text.strip():
                where = "Unset the variable to train in one process."
            raise _checks.wrong_value(
                "TF_CONFIG", "must be a JSON object", text, f"{where} {_EXAMPLE}"
            ) from error
        except (RecursionError, ValueError) as error:  # Nested too deeply, or a number too long.
            rule = "must be a JSON object that can be read"
            raise _checks.wrong_value("TF_CONFIG", rule, text, f"{error}. {_EXAMPLE}") from error
        _mapping("TF_CONFIG", tf_config, _QUOTED_TWICE if isinstance(tf_config, str) else "")
        for word in set(tf_config) - set(ENTRIES):
            if meant := difflib.get_close_matches(word, ENTRIES, 1):
                logger.warning('"%s" is no entry of TF_CONFIG. Is "%s" meant?', word, meant[0])
        return cls.parse(tf_config, timeout_secs)

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
        _mapping("TF_CONFIG", tf_config)
        jobs = _jobs(tf_config.get("cluster", {}))
        task = _mapping('"task" in TF_CONFIG', tf_config.get("task", {}))
        spec = tf.train.ClusterSpec(jobs)
        task_type, task_id = _task_in(jobs, task) if jobs else _task_alone(task)
        session_master = _string(tf_config, "session_master")
        evaluation_master = _string(tf_config, "eval_session_master") or ""
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
            service=_service(tf_config.get("service")),
            environment=_string(tf_config, "environment") or "",
            model_dir=_model_dir(tf_config),
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
        return alone or self.task_type in _HEADS

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
            self.cluster_spec.jobs, key=lambda job: (job not in _HEADS, job == TaskType.PS, job)
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


def _mapping(subject: str, value: Any, hint: str = "") -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _checks.wrong_type(subject, "must be a JSON object (a dict)", value, hint + _EXAMPLE)
    return value


def _string(tf_config: Mapping[str, Any], key: str) -> str | None:
    value = tf_config.get(key)
    if value is not None and not isinstance(value, str):
        hint = f'For example: "{key}": "{_STRINGS[key]}".'
        raise _checks.wrong_type(f'"{key}" in TF_CONFIG', "must be a string", value, hint)
    return value


def _service(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        hint = 'For example: "service": {"tpu_worker": "host0:8470"}.'
        raise _checks.wrong_type('"service" in TF_CONFIG', "must be a dict", value, hint)
    return value


def _model_dir(tf_config: Mapping[str, Any]) -> str | None:
    value = _string(tf_config, "model_dir")
    if value == "":
        hint = 'Leave it out, or name a folder: "model_dir": "/path/to/model".'
        raise _checks.wrong_value('"model_dir" in TF_CONFIG', "must be non-empty", value, hint)
    return value


def _jobs(cluster: Any) -> dict[str, dict[int, str]]:
    """The checked "cluster" entry: job to task index to address."""
    jobs = {
        job: _addresses(job, tasks)
        for job, tasks in _mapping('"cluster" in TF_CONFIG', cluster).items()
    }
    if not jobs:
        return jobs
    heads = [head for head in _HEADS if head in jobs]
    if len(heads) == 2:
        rule = "must have a chief or a master, not both"
        raise _checks.wrong_value('"cluster" in TF_CONFIG', rule, cluster, 'Keep the "chief".')
    if not heads:
        rule = 'must have exactly one "chief" task'
        hint = (
            'Name the first of the workers "chief"; each of the others is then a "worker" with an '
            '"index" less by one. '
            if TaskType.WORKER in jobs
            else ""
        )
        for job in jobs:
            if job.lower() in _HEADS:
                hint = f'Write "{job.lower()}" for "{job}". '
        raise _checks.wrong_value('"cluster" in TF_CONFIG', rule, cluster, hint + _EXAMPLE)
    [head] = heads
    if list(jobs[head]) != [0]:
        subject = f'"cluster" in TF_CONFIG, job "{head}",'
        rule = "must have exactly one task, index 0"
        hint = f'List the others as "worker": "{head}": ["host0:2222"], "worker": ["host1:2222"].'
        raise _checks.wrong_value(subject, rule, cluster[head], hint)
    return jobs


def _addresses(job: Any, tasks: Any) -> dict[int, str]:
    if not isinstance(job, str):
        rule = "must have strings as job names"
        raise _checks.wrong_type('"cluster" in TF_CONFIG', rule, job, _EXAMPLE)
    subject = f'"cluster" in TF_CONFIG, job "{job}",'
    hint = f'For example: "{job}": ["host0:2222", "host1:2222"].'
    if isinstance(tasks, Mapping):
        each = f"{subject} every task index"
        found = {_index(each, index): address for index, address in tasks.items()}
        if len(found) < len(tasks):
            raise _checks.wrong_value(subject, "must name an index only once", tasks, hint)
    elif isinstance(tasks, (list, tuple)):
        found = dict(enumerate(tasks))
    else:
        rule = "must be a list of addresses, or a dict of index to address"
        raise _checks.wrong_type(subject, rule, tasks, hint)
    for address in found.values():
        if not isinstance(address, str):
            raise _checks.wrong_type(subject, "must hold addresses that are strings", address, hint)
        if not address:
            raise _checks.wrong_value(subject, "must hold no empty address", tasks, hint)
    return found


def _task_in(jobs: dict[str, dict[int, str]], task: Mapping[str, Any]) -> tuple[str, int]:
    """The role and index of this process in a cluster of `jobs`."""
    task_type, index = task.get("type"), task.get("index")
    subject = '"type" of "task" in TF_CONFIG'
    if task_type is None or task_type == "":
        raise _checks.wrong_value(subject, "must be set with a cluster", task_type, _EXAMPLE)
    if not isinstance(task_type, str):
        raise _checks.wrong_type(subject, "must be a string", task_type, 'Say "type": "worker".')
    if index is None:
        subject = '"index" of "task" in TF_CONFIG'
        raise _checks.wrong_value(subject, "must be set with a cluster", index, _EXAMPLE)
    task_id = _index('"index" of "task" in TF_CONFIG', index)
    if task_type == TaskType.EVALUATOR:
        if TaskType.MASTER in jobs:
            rule = "must not be evaluator with a master, which evaluates itself"
            hint = 'Rename "master" to "chief".'
            raise _checks.wrong_value(subject, rule, task_type, hint)
        return task_type, task_id  # It may be listed in the cluster or not.
    if task_type not in jobs:
        rule = f"must be evaluator or one of the cluster's jobs {sorted(jobs)}"
        meant = difflib.get_close_matches(task_type.lower(), [*jobs, TaskType.EVALUATOR], 1)
        hint = f'For example: "type": "{(meant or sorted(jobs))[0]}".'
        raise _checks.wrong_value(subject, rule, task_type, hint)
    if task_id not in jobs[task_type]:
        indices = sorted(jobs[task_type])
        rule = f"must be one of the indices of {task_type}, {indices}"
        hint = f'For example: "index": {indices[-1]}. ' if indices else ""
        hint += 'Every task needs its address in "cluster".'
        raise _checks.wrong_value('"index" of "task" in TF_CONFIG', rule, index, hint)
    return task_type, task_id


def _task_alone(task: Mapping[str, Any]) -> tuple[str, int]:
    """The role and index of a process without a cluster: only worker 0 makes sense."""
    task_type, index = task.get("type", TaskType.WORKER), task.get("index", 0)
    if task_type != TaskType.WORKER:
        rule = "must be worker without a cluster"
        hint = f'Leave "task" out, or add "cluster". {_EXAMPLE}'
        raise _checks.wrong_value('"type" of "task" in TF_CONFIG', rule, task_type, hint)
    subject = '"index" of "task" in TF_CONFIG'
    if _index(subject, index) != 0:
        raise _checks.wrong_value(subject, "must be 0 without a cluster", index, _EXAMPLE)
    return TaskType.WORKER, 0


def _index(subject: str, value: Any) -> int:
    """A task index: an integer of 0 or more, also written as a string or as a float like 1.0."""
    rule, hint = "must be an integer >= 0", 'For example: "index": 0.'
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _checks.wrong_type(subject, rule, value, hint)
    try:
        index = int(value)
    except (ValueError, OverflowError):
        raise _checks.wrong_value(subject, rule, value, hint) from None
    if index < 0 or (isinstance(value, float) and index != value):
        raise _checks.wrong_value(subject, rule, value, hint)
    return index
