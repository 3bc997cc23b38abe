"""Results as pictures."""

import math
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from .contestants import CONTESTANTS
from .models import MODELS
from .race import Result

COLORS = {"ours": "#e8710a", "ours_jit": "#b3400a", "original": "#1a73e8"}
_OTHERS = "#9aa0a6"
_CALLS = 20  # that are drawn: all of predict's


def draw(folder: Path, results: list[Result]) -> dict[str, Path]:
    """Draws what there is to draw: the files by their titles."""
    found = {}
    trained = [r for r in results if r.task.startswith("train") and "evaluate" not in r.task]
    trained = [result for result in trained if not result.missing]
    if trained:
        path = folder / "performance-train.png"
        _bars(trained).savefig(path, dpi=110)
        found["Training: steps per second of each contestant"] = path
    called = [r for r in results if r.task in {"predict", "predictor"} and not r.missing]
    if called:
        path = folder / "performance-predict.png"
        _latency(called).savefig(path, dpi=110)
        found["Seconds of each call of predict, one example"] = path
    return found


def _bars(results: list[Result]) -> Figure:
    """One panel for each model; the longer the bar, the faster."""
    panels = list(dict.fromkeys((result.task, result.model) for result in results))
    rows = (len(panels) + 1) // 2
    most = max(sum((r.task, r.model) == panel for r in results) for panel in panels)
    figure = Figure(figsize=(13, rows * (0.9 + 0.34 * most)), layout="constrained")
    all_axes = figure.subplots(rows, 2, squeeze=False).flatten()
    for axes, (task, model) in zip(all_axes, panels, strict=False):
        here = [r for r in results if (r.task, r.model) == (task, model)]
        speeds = [result.median("wall") for result in here]
        titles = [CONTESTANTS[result.contestant].title for result in here]
        colors = [COLORS.get(result.contestant, _OTHERS) for result in here]
        bars = axes.barh(titles, speeds, color=colors)
        axes.bar_label(bars, [f"{speed:,.0f}" for speed in speeds], padding=3)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.15 * max(speeds))
        ready = ", batches ready" if task == "train_ready" else ""
        axes.set_title(MODELS[model].title + ready, fontsize=11)
        axes.set_xticks([])  # the bars have their numbers
        axes.spines[["top", "right", "bottom"]].set_visible(False)
    for axes in all_axes[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle("Training: steps per second (median; more is better)")
    return figure


def _latency(results: list[Result]) -> Figure:
    """One panel for each model; a point for each call of one process, its first one included."""
    models = list(dict.fromkeys(result.model for result in results))
    drawn = [1000 * seconds for result in results for seconds in result.calls[:_CALLS]]
    # Whole powers of ten, the same for all panels: only these have a number on the axis.
    lowest = 10.0 ** math.floor(math.log10(min(drawn)))
    highest = 10.0 ** (math.floor(math.log10(max(drawn))) + 1)
    figure = Figure(figsize=(6.5 * len(models), 4.5), layout="constrained")
    for axes, model in zip(figure.subplots(1, len(models), squeeze=False)[0], models, strict=True):
        for result in (result for result in results if result.model == model):
            milliseconds = [1000 * seconds for seconds in result.calls[:_CALLS]]
            call = "predictor(...)" if result.task == "predictor" else "predict(...)"
            axes.plot(
                range(1, len(milliseconds) + 1),
                milliseconds,
                marker="o",
                markersize=4,
                linestyle="--" if result.task == "predictor" else "-",
                color=COLORS.get(result.contestant, _OTHERS),
                label=f"{CONTESTANTS[result.contestant].title}, {call}",
            )
        axes.set(yscale="log", xlabel="call", ylabel="milliseconds (log scale)")
        axes.set_title(MODELS[model].title, fontsize=11)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(lowest, highest)
        axes.grid(axis="y", alpha=0.3)
        axes.legend(frameon=False, fontsize=9)
    figure.suptitle("One example, call by call, in one process (less is better)")
    return figure
