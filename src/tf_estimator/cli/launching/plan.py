"""Which tasks a cluster on this machine has, and what the TF_CONFIG of each says."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, final

_HOST: Final = "127.0.0.1"


@final
@dataclasses.dataclass(frozen=True)
class Plan:
    """The tasks of a cluster.

    Attributes:
        workers: how many tasks train, besides the chief.
        parameter_servers: how many tasks hold variables.
        has_evaluator: whether there is an evaluator.
        timeout_secs: how long a task may be out of reach before the others give up.
    """

    workers: int
    parameter_servers: int
    has_evaluator: bool
    timeout_secs: float

    @property
    def is_gang(self) -> bool:
        """Whether the training tasks only go on together: nobody holds the variables for them."""
        return self.workers > 0 and self.parameter_servers == 0

    @property
    def sizes(self) -> dict[str, int]:
        """How many tasks of each job listen on a port."""
        sizes = {"chief": 1, "worker": self.workers, "ps": self.parameter_servers}
        return {job: size for job, size in sizes.items() if size}

    def __str__(self) -> str:
        parts = ["chief"]
        for count, name in ((self.workers, "worker"), (self.parameter_servers, "parameter server")):
            if count:
                parts.append(f"{count} {name}{'s' if count > 1 else ''}")
        if self.has_evaluator:
            parts.append("evaluator")
        return ", ".join(parts)

    def tasks(self, ports: Sequence[int]) -> Iterator["Task"]:
        """The tasks.

        Args:
            ports: one for each task of `sizes`.
        """
        rest = iter(ports)
        cluster = {
            job: [f"{_HOST}:{next(rest)}" for _ in range(size)] for job, size in self.sizes.items()
        }
        for job, addresses in cluster.items():
            for index, address in enumerate(addresses):
                name = job if job == "chief" else f"{job} {index}"
                yield Task(name, job, address, self._tf_config(cluster, job, index))
        if self.has_evaluator:
            yield Task("evaluator", "evaluator", "", self._tf_config(cluster, "evaluator", 0))

    def _tf_config(self, cluster: dict[str, list[str]], job: str, index: int) -> str:
        entries: dict[str, Any] = {"cluster": cluster, "task": {"type": job, "index": index}}
        return json.dumps(entries | {"timeout_secs": self.timeout_secs})


@final
@dataclasses.dataclass(frozen=True)
class Task:
    """A task of a cluster.

    Attributes:
        name: what it is called, as "worker 0".
        job: its role.
        address: where it listens; '' for the evaluator.
        tf_config: the text of its TF_CONFIG.
    """

    name: str
    job: str
    address: str
    tf_config: str
