"""The entries of TF_CONFIG, each checked: an error quotes what is wrong and shows what is right."""

import difflib
import json
from collections.abc import Mapping
from typing import Any, Final, final

from tf_estimator import _checks
from tf_estimator._tf import logger

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


HEADS: Final = (TaskType.CHIEF, TaskType.MASTER)
"""The roles of which a cluster has exactly one task."""


def read(text: str) -> Mapping[str, Any]:
    """The entries in the text of a TF_CONFIG variable, not checked yet; says which look misspelt.

    Args:
        text: A JSON object.

    Raises:
        ValueError: It is not JSON.
        TypeError: It is no object.
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
    mapping("TF_CONFIG", tf_config, _QUOTED_TWICE if isinstance(tf_config, str) else "")
    for word in set(tf_config) - set(ENTRIES):
        if meant := difflib.get_close_matches(word, ENTRIES, 1):
            logger.warning('"%s" is no entry of TF_CONFIG. Is "%s" meant?', word, meant[0])
    return tf_config


def mapping(subject: str, value: Any, hint: str = "") -> Mapping[str, Any]:
    """A value that has to be a JSON object."""
    if not isinstance(value, Mapping):
        raise _checks.wrong_type(subject, "must be a JSON object (a dict)", value, hint + _EXAMPLE)
    return value


def string(tf_config: Mapping[str, Any], key: str) -> str | None:
    """An entry that has to be a string; None if it is not there."""
    value = tf_config.get(key)
    if value is not None and not isinstance(value, str):
        hint = f'For example: "{key}": "{_STRINGS[key]}".'
        raise _checks.wrong_type(f'"{key}" in TF_CONFIG', "must be a string", value, hint)
    return value


def service(value: Any) -> Mapping[str, Any] | None:
    """The "service" entry; None if it is not there."""
    if value is not None and not isinstance(value, Mapping):
        hint = 'For example: "service": {"tpu_worker": "host0:8470"}.'
        raise _checks.wrong_type('"service" in TF_CONFIG', "must be a dict", value, hint)
    return value


def model_dir(tf_config: Mapping[str, Any]) -> str | None:
    """The "model_dir" entry; None if it is not there."""
    value = string(tf_config, "model_dir")
    if value == "":
        hint = 'Leave it out, or name a folder: "model_dir": "/path/to/model".'
        raise _checks.wrong_value('"model_dir" in TF_CONFIG', "must be non-empty", value, hint)
    return value


def jobs_of(cluster: Any) -> dict[str, dict[int, str]]:
    """The "cluster" entry: job to task index to address."""
    jobs = {
        job: _addresses(job, tasks)
        for job, tasks in mapping('"cluster" in TF_CONFIG', cluster).items()
    }
    if not jobs:
        return jobs
    heads = [head for head in HEADS if head in jobs]
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
            if job.lower() in HEADS:
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


def task_in(jobs: dict[str, dict[int, str]], task: Mapping[str, Any]) -> tuple[str, int]:
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


def task_alone(task: Mapping[str, Any]) -> tuple[str, int]:
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
