"""Results as text: tables for the terminal, and the page docs/performance-cluster.md."""

from pathlib import Path
from typing import Any

from contest.contestants import CONTESTANTS
from contest.race import Result
from contest.tables import Rows, aligned, markdown, number

from .setups import PACKAGES, SETUPS, SIZES

# What is set against one process: what it costs to distribute, though nothing is gained by it.
COSTS = {"ps_1": "a parameter server", "mirrored_1": "MirroredStrategy"}

_TITLES = [CONTESTANTS[package].title for package in PACKAGES]


def find(results: list[Result], setup: str, size: str, package: str) -> Result | None:
    """What was measured; None if it was not."""
    for result in results:
        if (result.task, result.model, result.contestant) == (setup, size, package):
            return None if result.missing else result
    return None


def milliseconds(result: Result, kind: str) -> float:
    """Of one step, by "wall" or "cpu"."""
    return 1000 / result.median(kind)


def cost(results: list[Result], setup: str, size: str, package: str, kind: str) -> float | None:
    """Milliseconds that a step takes longer than one in one process; by "wall" or "cpu"."""
    here, alone = (find(results, name, size, package) for name in (setup, "one"))
    if not here or not alone:
        return None
    return milliseconds(here, kind) - milliseconds(alone, kind)


def speed_rows(results: list[Result], size: str) -> Rows:
    """The table of one size, its head first."""
    ratios = ["ratio by clock", "ratio by CPU"]
    rows = [["steps/s", *_TITLES, *ratios, "times one process", "the original's"]]
    for setup in dict.fromkeys(result.task for result in results if result.model == size):
        both = [find(results, setup, size, package) for package in PACKAGES]
        speeds = [number(each.median("wall")) if each else "-" for each in both]
        ratios = ["-", "-"]
        if both[0] and both[1]:
            medians = [[each.median(kind) for each in both] for kind in ("wall", "cpu")]
            ratios = [f"{mine / other:.2f}" for mine, other in medians]
        rows.append([SETUPS[setup].title, *speeds, *ratios, *_gains(results, setup, size)])
    return rows


def _gains(results: list[Result], setup: str, size: str) -> list[str]:
    """How many times the batches that one process of the same package takes in."""
    found = []
    for package in PACKAGES:
        here, alone = (find(results, name, size, package) for name in (setup, "one"))
        if here and alone:
            gain = SETUPS[setup].batches * here.median("wall") / alone.median("wall")
            found.append(f"{gain:.2f}x")
        else:
            found.append("-")
    return found


def cost_rows(results: list[Result], setup: str) -> Rows:
    """The table of what one way to distribute costs at each size, its head first."""
    head = ["ms a step", "parameters", "one process", "distributed"]
    rows = [[*head, "cost by clock", "cost by CPU", "beyond single steps"]]
    for package, title in zip(PACKAGES, _TITLES, strict=True):
        for size in sizes(results):
            here, alone = (find(results, name, size, package) for name in (setup, "one"))
            times = [milliseconds(each, "wall") if each else None for each in (alone, here)]
            costs = [cost(results, setup, size, package, kind) for kind in ("wall", "cpu")]
            # The original has single steps only.
            single = find(results, "single", size, package)
            beyond = costs[0]
            if package == "ours":
                beyond = times[1] - milliseconds(single, "wall") if here and single else None
            numbers = ["-" if each is None else number(each) for each in (*times, *costs, beyond)]
            rows.append([title, f"{SIZES[size][0]:,}", *numbers])
    return rows


def sizes(results: list[Result]) -> list[str]:
    """Those that were measured, in order."""
    return list(dict.fromkeys(result.model for result in results))


def missing(results: list[Result]) -> list[str]:
    """A line for each that could not be measured."""
    return [
        f"{CONTESTANTS[result.contestant].title}, {SETUPS[result.task].title}, "
        f"{SIZES[result.model][0]:,} parameters: not available: {result.missing}"
        for result in results
        if result.missing
    ]


def _tables(results: list[Result]) -> list[tuple[str, Rows]]:
    found = [
        (f"Training, {SIZES[size][0]:,} parameters", speed_rows(results, size))
        for size in sizes(results)
    ]
    for setup, what in COSTS.items():
        if any(result.task == setup for result in results):
            found.append((f"What {what} costs a step", cost_rows(results, setup)))
    return found


def table(results: list[Result]) -> str:
    """All of it for a terminal."""
    parts = [f"{title}\n{aligned(rows)}" for title, rows in _tables(results)]
    return "\n\n".join([*parts, *missing(results)])


HOW = """\
Written by `scripts/benchmark cluster --write`; do not edit. [Performance](performance.md) is about
one process.

## How it is measured

One model, an MLP of one hidden layer, wider and wider, is trained on batches of 32 rows by the same
program in each package: `train_and_evaluate`, with the cluster in TF_CONFIG, or with
`train_distribute`. Each way to train is one process or more, all on this machine over loopback.
For one size all ways of both packages run side by side and take turns: one trains, all processes
of the others wait. The order of the turns is reversed every other time, and the first turn warms
up. In a turn the chief reads the global step, trains for a second (of the biggest model, two) and
reads it again: the steps are those of all workers in that time. CPU is the processor time of all
processes of the way, in its own turns only. Shown are medians and their ratios; above 1 is faster.

A worker is a process that trains; the first is the chief. Workers are asynchronous: each step of
each counts, and takes in one batch. A step of two mirrored replicas takes in two. Replicas are
devices of one processor, so they show what the replication costs and not what more processors
bring. "Times one process" is how many times as many batches are taken in as by one process of the
same package. Both have their default threads (as many as there are cores, in each process), a
log line and a summary every 100 steps, and no checkpoint in the turns.

What it costs to distribute is the time of a step with one worker and one parameter server, or with
one replica, less that of one process: nothing is gained there, so all that is added is cost. One
process of ours takes many steps in a loop of the graph, which a cluster does not; "beyond single
steps" is the cost against one process that takes them one by one. The two packages run on two
versions of TensorFlow, whose parameter servers differ by themselves: the ratio of the bare Session
loops, the same program on each without an estimator, shows by how much."""


def page(about: dict[str, Any], results: list[Result], pictures: dict[str, str]) -> str:
    """docs/performance-cluster.md.

    Args:
        about: the machine, the date and the settings, by name.
        results: what was measured.
        pictures: file names by what they show.
    """
    lines = ["# Performance of clusters and replicas", "", HOW, "", "## The machine", ""]
    lines += [f"- {name}: {value}" for name, value in about.items()]
    for package in PACKAGES:
        versions = [result.versions for result in results if result.contestant == package]
        if any(versions):
            found = max(versions, key=len)
            listed = ", ".join(f"{name} {version}" for name, version in found.items())
            lines.append(f"- versions, {CONTESTANTS[package].title}: {listed}")
    lines += ["", *(f"![{title}]({name})\n" for title, name in pictures.items())]
    for title, rows in _tables(results):
        lines += [f"## {title}", "", markdown(rows), ""]
    lines += [f"- {line}" for line in missing(results)]
    return "\n".join(lines).rstrip() + "\n"


def write(folder: Path, about: dict[str, Any], results: list[Result]) -> list[Path]:
    """Writes the page and its picture; the files."""
    from . import pictures  # noqa: PLC0415 - Matplotlib is not to be loaded while others are timed

    drawn = pictures.draw(folder, results)
    path = folder / "performance-cluster.md"
    path.write_text(page(about, results, {title: file.name for title, file in drawn.items()}))
    return [path, *drawn.values()]
