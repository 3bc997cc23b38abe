"""Results as a picture: how long a step takes, the more parameters there are."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from contest.contestants import CONTESTANTS
from contest.pictures import COLORS
from contest.race import Result

from .report import cost, find, milliseconds, sizes
from .setups import PACKAGES, SETUPS, SIZES

_PANELS = [name for name, setup in SETUPS.items() if not setup.only_ours and not setup.bare]


def draw(folder: Path, results: list[Result]) -> dict[str, Path]:
    """Draws what there is to draw: the file by its title."""
    if all(result.missing for result in results):
        return {}
    path = folder / "performance-cluster.png"
    _figure(results).savefig(path, dpi=110)
    return {"Milliseconds of a step against the number of parameters": path}


def _figure(results: list[Result]) -> Figure:
    """One panel for each way to train, and one for what a parameter server costs."""
    figure = Figure(figsize=(13, 7), layout="constrained")
    panels = figure.subplots(2, 3, sharex=True, sharey=True).flatten()
    for axes, setup in zip(panels, _PANELS, strict=False):
        for package in PACKAGES:
            found = {size: find(results, setup, size, package) for size in sizes(results)}
            times = {size: milliseconds(each, "wall") for size, each in found.items() if each}
            _line(axes, package, times)
        axes.set_title(SETUPS[setup].title, fontsize=11)
    for package in PACKAGES:
        costs = {size: cost(results, "ps_1", size, package, "wall") for size in sizes(results)}
        _line(panels[5], package, {size: each for size, each in costs.items() if each})
    panels[5].set_title("what a parameter server costs", fontsize=11)
    for axes in panels[3:]:
        axes.set_xlabel("parameters (log scale)")
    for axes in panels[::3]:
        axes.set_ylabel("milliseconds a step (log scale)")
    panels[0].legend(frameon=False, fontsize=9)
    # Whole powers of ten: only these have a number on the axis.
    lowest, highest = panels[0].get_ylim()
    panels[0].set_ylim(10 ** math.floor(math.log10(lowest)), 10 ** math.ceil(math.log10(highest)))
    figure.suptitle("How long a step takes (median; less is better)")
    return figure


def _line(axes: Axes, package: str, times: dict[str, float]) -> None:
    shown = {SIZES[size][0]: time for size, time in times.items() if time > 0}
    axes.plot(
        list(shown),
        list(shown.values()),
        marker="o",
        color=COLORS[package],
        label=CONTESTANTS[package].title,
    )
    axes.set(xscale="log", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
