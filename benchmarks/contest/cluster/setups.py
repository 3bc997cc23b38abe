"""The ways to train one model in one process or many, and how many parameters it has."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Setup:
    """A way to train.

    Args:
        title: for people.
        workers: processes that train, the chief one of them.
        servers: processes that hold the variables; without any, the chief does.
        replicas: of a MirroredStrategy in the chief; 0 for none.
        options: further ones of ours' RunConfig.
        only_ours: whether the original has no such thing.
        bare: whether a loop over `Session.run` takes the place of the estimator.
    """

    title: str
    workers: int = 1
    servers: int = 0
    replicas: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    only_ours: bool = False
    bare: bool = False

    @property
    def batches(self) -> int:
        """In a step: each replica has its own, and the steps of workers are one after the other."""
        return max(1, self.replicas)

    def tasks(self) -> list[tuple[str, int]]:
        """Type and index of each process, the chief first."""
        workers = [("worker", index) for index in range(self.workers - 1)]
        return [("chief", 0), *workers, *(("ps", index) for index in range(self.servers))]


SETUPS = {
    "one": Setup("one process"),
    "single": Setup("one process, steps_per_loop=1", options={"steps_per_loop": 1}, only_ours=True),
    "ps_1": Setup("1 worker, 1 parameter server", servers=1),
    "bare": Setup("the same by a bare Session loop", servers=1, bare=True),
    "ps_2": Setup("2 workers, 1 parameter server", workers=2, servers=1),
    "mirrored_1": Setup("1 mirrored replica", replicas=1),
    "mirrored_2": Setup("2 mirrored replicas", replicas=2),
}

# The name of a size to its parameters, about, and the seconds of a turn: some steps have to fit.
SIZES = {"1e3": (1_000, 1.0), "1e5": (100_000, 1.0), "1e6": (1_000_000, 1.0), "1e7": (10**7, 2.0)}

PACKAGES = ("ours", "original")  # names of contestants
