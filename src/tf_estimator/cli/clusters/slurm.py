"""The TF_CONFIG of a task that SLURM started, from the variables that it set.

`tf.distribute.cluster_resolver.SlurmClusterResolver` does not serve: it asks `nvidia-smi`, or wants
a GPU for each task, takes tasks to be distributed by blocks, and loads TensorFlow.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

# Ports that no outgoing connection gets, a block of them for each job: jobs that share a node and
# come one after the other do not meet.
_FIRST_PORT: Final = 12288
_PORTS_OF_JOB: Final = 128
_BLOCKS: Final = 156

_IN_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")
_AT_COMMAS: Final = re.compile(r",(?![^\[]*\])")
_RANGE: Final = re.compile(r"(\d+)(?:-(\d+))?")
_TASKS: Final = re.compile(r"(\d+)(?:\(x(\d+)\))?")


class SlurmError(ValueError):
    """The variables are missing, or do not fit what was asked for."""


def tf_config(
    environment: Mapping[str, str],
    *,
    parameter_servers: int = 0,
    has_evaluator: bool = False,
    timeout_secs: float | None = None,
    port_base: int | None = None,
) -> dict[str, Any]:
    """The TF_CONFIG of this task.

    The tasks are taken node by node. The first is the chief; the last is the evaluator; those
    before it are the parameter servers; the rest are workers. All tasks of a step find the same.

    Args:
        environment: has the variables that srun sets in each task.
        parameter_servers: how many there are.
        has_evaluator: whether there is an evaluator.
        timeout_secs: the entry of that name, if there is to be one.
        port_base: the first port of each node; by default it depends on the job.

    Raises:
        SlurmError: a variable is missing or not understood, or there are too few tasks.
    """
    nodes = hosts(_variable(environment, "SLURM_STEP_NODELIST"))
    counts = tasks_per_node(_variable(environment, "SLURM_STEP_TASKS_PER_NODE"))
    if len(nodes) != len(counts):
        raise SlurmError(
            "SLURM_STEP_NODELIST and SLURM_STEP_TASKS_PER_NODE must be of the same nodes; "
            f"received {len(nodes)} ({', '.join(nodes)}) and {len(counts)}."
        )
    port = port_base or _port_base(environment)
    addresses = [
        f"{node}:{port + local}"
        for node, count in zip(nodes, counts, strict=True)
        for local in range(count)
    ]
    workers = len(addresses) - 1 - parameter_servers - has_evaluator
    if workers < 0:
        raise SlurmError(
            f"The step has {len(addresses)} tasks, too few for a chief, {parameter_servers} "
            f"parameter servers and {int(has_evaluator)} evaluators. Say srun --ntasks=N."
        )
    sizes = {"chief": 1, "worker": workers, "ps": parameter_servers, "evaluator": has_evaluator}
    roles = [(job, index) for job, size in sizes.items() for index in range(size)]
    job, index = roles[_position(environment, counts)]
    cluster: dict[str, list[str]] = {}
    for (each, _), address in zip(roles, addresses, strict=True):
        if each != "evaluator":  # It is no part of the cluster.
            cluster.setdefault(each, []).append(address)
    config: dict[str, Any] = {"cluster": cluster, "task": {"type": job, "index": index}}
    return config if timeout_secs is None else config | {"timeout_secs": timeout_secs}


def hosts(text: str) -> list[str]:
    """The hosts of a list as SLURM writes it: 'n[01-03,7],login' is n01, n02, n03, n7, login."""
    found = [host for part in _AT_COMMAS.split(text) for host in _expanded(part)]
    if not all(found) or any(set(host) & set("[] ") for host in found):
        raise _not_understood("SLURM_STEP_NODELIST", text)
    return found


def _expanded(part: str) -> Iterator[str]:
    # At even places is what is between the brackets, at odd ones what is in them.
    pieces = _IN_BRACKETS.split(part)
    choices = [
        list(_numbers(piece)) if place % 2 else [piece] for place, piece in enumerate(pieces)
    ]
    return map("".join, itertools.product(*choices))


def _numbers(text: str) -> Iterator[str]:
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            raise _not_understood("SLURM_STEP_NODELIST", f"[{text}]")
        first, last = found[1], found[2] or found[1]
        for number in range(int(first), int(last) + 1):
            yield str(number).zfill(len(first))


def tasks_per_node(text: str) -> list[int]:
    """The numbers of a list as SLURM writes it: '3(x2),1' is 3, 3, 1."""
    found: list[int] = []
    for part in text.split(","):
        counted = _TASKS.fullmatch(part)
        if counted is None:
            raise _not_understood("SLURM_STEP_TASKS_PER_NODE", text)
        found += [int(counted[1])] * int(counted[2] or 1)
    return found


def _position(environment: Mapping[str, str], counts: list[int]) -> int:
    """The place of this task if they are counted node by node, which SLURM_PROCID may not do."""
    node, local = (_number(environment, name) for name in ("SLURM_NODEID", "SLURM_LOCALID"))
    if node >= len(counts) or local >= counts[node]:
        raise SlurmError(
            f"SLURM_NODEID {node} and SLURM_LOCALID {local} must be of a task of the step, which "
            f"has {counts} tasks on its nodes. Run it in each task: srun bash -c '...'."
        )
    return sum(counts[:node]) + local


def _port_base(environment: Mapping[str, str]) -> int:
    return _FIRST_PORT + _number(environment, "SLURM_JOB_ID") % _BLOCKS * _PORTS_OF_JOB


def _number(environment: Mapping[str, str], name: str) -> int:
    text = _variable(environment, name)
    if not (text.isascii() and text.isdigit()):
        raise _not_understood(name, text)
    return int(text)


def _variable(environment: Mapping[str, str], name: str) -> str:
    try:
        return environment[name]
    except KeyError:
        raise SlurmError(
            f"{name} is not set, as srun does in each task. Say srun bash -c "
            "'export TF_CONFIG=$(tf-estimator cluster --slurm); exec python train.py'."
        ) from None


def _not_understood(name: str, text: str) -> SlurmError:
    return SlurmError(f"{name} must be as SLURM writes it; received {text!r}.")
