"""Results as text: tables for the terminal, and the page docs/performance.md."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contestants import CONTESTANTS, GOALS, MOST_MEMORY, TASKS, Goal
from .models import MODELS
from .race import Result
from .tables import Rows, aligned, markdown, number


@dataclass(frozen=True)
class Outcome:
    """What became of a goal: ratios by the clock and by processor time."""

    goal: Goal
    wall: float
    cpu: float

    @property
    def reached(self) -> bool:
        """By the clock."""
        return self.wall >= self.goal.least


def _find(results: list[Result], task: str, model: str, contestant: str) -> Result | None:
    wanted = (task, model, contestant)
    for result in results:
        if (result.task, result.model, result.contestant) == wanted and not result.missing:
            return result
    return None


def outcomes(results: list[Result]) -> list[tuple[Goal, Outcome | None]]:
    """Each goal with what became of it; None if one of the two was not measured."""
    found: list[tuple[Goal, Outcome | None]] = []
    for goal in GOALS:
        mine = _find(results, goal.task, goal.model, goal.contestant)
        other = _find(results, goal.against_task or goal.task, goal.model, goal.against)
        ratios = None
        if mine and other:
            wall, cpu = (mine.median(kind) / other.median(kind) for kind in ("wall", "cpu"))
            ratios = Outcome(goal, wall, cpu)
        found.append((goal, ratios))
    return found


def goal_rows(results: list[Result]) -> Rows:
    """The table of the goals, its head first; what was not measured has a row as well."""
    rows = [["what", "against", "ratio by clock", "ratio by CPU", "required", "reached"]]
    for goal, outcome in outcomes(results):
        mine = CONTESTANTS[goal.contestant].title
        against = CONTESTANTS[goal.against].title
        row = [
            f"{goal.task} {goal.model}" + (f", {mine}" if goal.contestant != "ours" else ""),
            against + (f", {goal.against_task}" if goal.against_task else ""),
        ]
        ratios = [f"{outcome.wall:.2f}", f"{outcome.cpu:.2f}"] if outcome else ["-", "-"]
        reached = ("yes" if outcome.reached else "NO") if outcome else "not measured"
        rows.append([*row, *ratios, f"at least {goal.least:g}", reached])
    return rows


def memory_rows(results: list[Result]) -> Rows:
    """The table of peak memory, its head first: in all, and beyond what the imports take."""
    ours, original = CONTESTANTS["ours"].title, CONTESTANTS["original"].title
    head = ["peak MB", ours, original, "ratio", "required", "reached"]
    rows = [[*head, "beyond imports", original, "ratio"]]
    for task, model in dict.fromkeys((goal.task, goal.model) for goal in GOALS):
        mine = _find(results, task, model, "ours")
        # What only we have is held against the call that it takes the place of.
        goal = next(goal for goal in GOALS if (goal.task, goal.model) == (task, model))
        other = _find(results, goal.against_task or task, model, "original")
        row = [f"{task} {model}"]
        required = f"at most {MOST_MEMORY:g}"
        if not mine or not other:
            rows.append([*row, "-", "-", "-", required, "not measured", "-", "-", "-"])
            continue
        whole = [result.median("memory") for result in (mine, other)]
        beyond = [result.median("memory") - result.median("imported") for result in (mine, other)]
        ratio = whole[0] / whole[1]
        row += [*map(number, whole), f"{ratio:.2f}", required]
        row += ["yes" if ratio <= MOST_MEMORY else "NO"]
        rows.append([*row, *map(number, beyond), f"{beyond[0] / max(beyond[1], 1):.2f}"])
    return rows


def speed_rows(results: list[Result], task: str, model: str) -> Rows:
    """The table of one task and model, its head first."""
    unit = TASKS[task].unit
    head = ["", f"{unit}/s by clock", f"{unit}/s by CPU", "of the original's", "peak MB", "turns"]
    rows = [head]
    original = _find(results, task, model, "original")
    for result in results:
        if (result.task, result.model) != (task, model):
            continue
        title = CONTESTANTS[result.contestant].title
        if result.missing:
            rows.append([title, f"not available: {result.missing}", "", "", "", ""])
            continue
        ratio = f"{result.median('wall') / original.median('wall'):.2f}x" if original else "-"
        speeds = [number(result.median(kind)) for kind in ("wall", "cpu")]
        memory = f"{result.median('memory'):.0f}" if result.memory else "-"
        rows.append([title, *speeds, ratio, memory, str(len(result.wall))])
    return rows


def _events(results: list[Result]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((result.task, result.model) for result in results))


def table(results: list[Result]) -> str:
    """All of it for a terminal."""
    parts = [
        f"{TASKS[task].title}: {MODELS[model].title}\n{aligned(speed_rows(results, task, model))}"
        for task, model in _events(results)
    ]
    parts += [f"Peak memory\n{aligned(memory_rows(results))}"]
    return "\n\n".join([*parts, f"What is to be reached\n{aligned(goal_rows(results))}"])


HOW = """\
Written by `scripts/benchmark speed --write`; do not edit. `--with-rivals` adds PyTorch, Lightning
and JAX. Clusters and replicas have [a page of their own](performance-cluster.md).

## How it is measured

Each contestant is a process of its own. For one task and model all of them run side by side and
take turns: one works, the others wait for a line on stdin. So what else the machine does slows
all of them. Every turn is the same number of steps or calls; the order of the turns is reversed
every other time. The first turn of each process warms up and is left out. Shown are medians over
all turns of all processes, and the ratios of these medians; a ratio above 1 is faster. CPU is the
processor time of the process, all its threads, in its own turns only. Peak memory is that of a
whole process (the median of the processes). The two TensorFlows differ in it as soon as they are
imported, so the table also has what was taken beyond the imports.

All get the same rows, batch sizes, weight shapes, optimizer and rate (the estimators of wide &
deep have their own default optimizers, Ftrl and Adagrad; Keras has Adagrad). Both estimators have
their defaults: a log line and a summary every 100 steps, and a checkpoint writer. Their turns of
training are cut by the checkpoint at the end of each, the writing of which is not counted.
An evaluation reads the first ten batches in order. `train_and_evaluate` starts from nothing in
every call and writes a checkpoint every 20 steps, all counted. Wide & deep in Keras is made of its
preprocessing and embedding layers. PyTorch, Lightning and JAX have no such columns and leave it
out; they do not take part in what only estimators do."""


def page(about: dict[str, Any], results: list[Result], pictures: dict[str, str]) -> str:
    """docs/performance.md.

    Args:
        about: the machine, the date and the settings, by name.
        results: what was measured.
        pictures: file names by what they show.
    """
    versions: dict[str, dict[str, str]] = {}
    for result in results:
        if result.versions:
            versions.setdefault(CONTESTANTS[result.contestant].environment, {}).update(
                result.versions
            )
    lines = ["# Performance", "", HOW, "", "## The machine", ""]
    lines += [f"- {name}: {value}" for name, value in about.items()]
    names = {"ours": "tf_estimator, Keras, Session", "original": "original", "rivals": "others"}
    for environment, found in versions.items():
        listed = ", ".join(f"{package} {version}" for package, version in found.items())
        lines.append(f"- versions, {names[environment]}: {listed}")
    lines += ["", "## What was to be reached", "", markdown(goal_rows(results)), ""]
    lines += [markdown(memory_rows(results)), ""]
    lines += [f"![{title}]({name})\n" for title, name in pictures.items()]
    for task in dict.fromkeys(task for task, _ in _events(results)):
        lines += [f"## {TASKS[task].title}", ""]
        for _, model in (event for event in _events(results) if event[0] == task):
            lines += [f"### {MODELS[model].title}", ""]
            lines += [markdown(speed_rows(results, task, model)), ""]
    return "\n".join(lines).rstrip() + "\n"


def write(folder: Path, about: dict[str, Any], results: list[Result]) -> list[Path]:
    """Writes the page and its pictures; the files."""
    from . import pictures  # noqa: PLC0415 - Matplotlib is not to be loaded while others are timed

    drawn = pictures.draw(folder, results)
    path = folder / "performance.md"
    names = {title: file.name for title, file in drawn.items()}
    path.write_text(page(about, results, names))
    return [path, *drawn.values()]
