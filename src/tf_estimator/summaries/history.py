"""The curves of a model_dir: all scalars of its event files as columns, across restarts."""

import dataclasses
import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_estimator._tf import flush_event_file, v1
from tf_estimator.summaries import event_files

TRAIN = "train"
_EVAL = "eval"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Curve:
    """One scalar over the steps of a run, as columns of equal length.

    `len` tells how many points there are; unpacking gives the columns.

    Attributes:
        step: the global steps, rising; int64.
        wall_time: when each point was written, in seconds since the epoch; float64.
        value: float64.

    Example:
        >>> curve = Curve(np.array([0, 100]), np.array([5.0, 6.0]), np.array([0.9, 0.5]))
        >>> curve
        Curve(2 points, step 0 to 100, value 0.9 to 0.5)
        >>> step, wall_time, value = curve
        >>> step.tolist(), value.tolist()
        ([0, 100], [0.9, 0.5])

        `pandas.DataFrame(curve.columns())` is a table of it.
    """

    step: np.ndarray
    wall_time: np.ndarray
    value: np.ndarray

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.step, self.wall_time, self.value))

    def __len__(self) -> int:
        return len(self.step)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Curve):
            return NotImplemented
        pairs = zip(self, other, strict=True)
        return all(np.array_equal(mine, theirs, equal_nan=True) for mine, theirs in pairs)

    __hash__ = None  # type: ignore[assignment]  # as of the arrays

    def __repr__(self) -> str:
        if not len(self):
            return "Curve(0 points)"
        return (
            f"Curve({len(self)} points, step {self.step[0]} to {self.step[-1]}, "
            f"value {self.value[0]:.5g} to {self.value[-1]:.5g})"
        )

    def columns(self) -> dict[str, np.ndarray]:
        """The columns by name: `step`, `wall_time` and `value`."""
        return {"step": self.step, "wall_time": self.wall_time, "value": self.value}


class History(Mapping[str, Mapping[str, Curve]]):
    """A run to its curves by tag: `history["eval"]["loss"]`. Its repr is a table of them.

    Args:
        runs: a run to its curves by tag.

    Example:
        >>> curve = Curve(np.array([0, 100]), np.array([5.0, 6.0]), np.array([0.9, 0.5]))
        >>> History({"train": {"loss": curve}})
        run    tag   points  steps     first  last
        train  loss       2  0 to 100    0.9   0.5
    """

    def __init__(self, runs: Mapping[str, Mapping[str, Curve]]) -> None:
        self._runs = {run: dict(curves) for run, curves in runs.items()}

    def __getitem__(self, run: str) -> Mapping[str, Curve]:
        return self._runs[run]

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        rows = [
            (run, tag, *_summary(curve))
            for run, curves in self._runs.items()
            for tag, curve in curves.items()
        ]
        if not rows:
            return "History({})"
        return _table(("run", "tag", "points", "steps", "first", "last"), "<<><>>", rows)


def _summary(curve: Curve) -> tuple[str, ...]:
    """How many points, from which step to which, the first and the last value."""
    if not len(curve):
        return "0", "", "", ""
    ends = [f"{curve.value[place]:.5g}" for place in (0, -1)]
    return f"{len(curve)}", f"{curve.step[0]} to {curve.step[-1]}", *ends


def _table(header: tuple[str, ...], alignment: str, rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = (
        "  ".join(
            f"{cell:{side}{width}}"
            for cell, side, width in zip(row, alignment, widths, strict=True)
        ).rstrip()
        for row in (header, *rows)
    )
    return "\n".join(lines)


class _Point(NamedTuple):
    step: int
    wall_time: float
    value: float


class _Entry(NamedTuple):
    """What one event has for a history: scalars, or that a process began to train."""

    written: float
    wall_time: float
    step: int
    is_start: bool
    scalars: dict[str, float]


def read_history(model_dir: str | os.PathLike[str]) -> History:
    """Reads the scalars of all event files of a model_dir back, across restarts.

    A run that was killed at step 130 and went on from its checkpoint at step 100 has written the
    steps between twice; the later time counts. Of an evaluation that was repeated the last counts.

    Args:
        model_dir: the folder that an Estimator trained in, this library's or that of TensorFlow up
            to 2.15.

    Returns:
        The History: "train" for what training wrote, and "eval" or "eval_<name>" for evaluations,
        as `Estimator.eval_dir` calls their folders. A run without scalars is left out, and so are
        images, histograms, texts and arrays.

    Example:
        >>> read_history("/no/such/folder")
        History({})
    """
    folder = os.fspath(model_dir)
    found = {TRAIN: _curves(_training(_entries(folder)))}
    for each in _eval_folders(folder):
        found[os.path.relpath(each, folder)] = _curves(_evaluation(_entries(each)))
    return History({run: curves for run, curves in found.items() if curves})


def _eval_folders(model_dir: str) -> list[str]:
    """The folders of evaluations; a name with a slash makes a folder within one of them."""
    if not tf.io.gfile.isdir(model_dir):
        return []
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(model_dir)]
    tops = sorted(name for name in names if name == _EVAL or name.startswith(f"{_EVAL}_"))
    walks = (tf.io.gfile.walk(os.path.join(model_dir, top)) for top in tops)
    return [folder.rstrip("/") for walk in walks for folder, _, _ in walk]


def _entries(folder: str) -> list[_Entry]:
    """The entries of all event files of a folder, in the order in which they were written."""
    flush_event_file(folder)
    of_files = map(_entries_of_file, event_files.in_folder(folder))
    # Two files may be begun in one second, and one process may go on when another has ended; so
    # time decides, and sorted() leaves what one process wrote at one time in its order.
    return sorted(itertools.chain.from_iterable(of_files), key=lambda entry: entry.written)


def _entries_of_file(path: str) -> Iterator[_Entry]:
    written = 0.0
    for event in event_files.events(path):
        # A clock that is set back must not change the order within a file.
        written = max(written, event.wall_time)
        is_start = event.session_log.status == v1.SessionLog.START
        scalars = dict(_scalars(event.summary))
        if is_start or scalars:
            yield _Entry(written, event.wall_time, event.step, is_start, scalars)


def _scalars(summary: Any) -> Iterator[tuple[str, float]]:
    for value in summary.value:
        kind = value.WhichOneof("value")
        if kind == "simple_value":
            yield value.tag, value.simple_value
        # As tf.summary.scalar writes them.
        elif kind == "tensor" and not value.tensor.tensor_shape.dim:
            array = tf.make_ndarray(value.tensor)
            if array.ndim == 0 and array.dtype.kind in "fiu":
                yield value.tag, float(array)


def _training(entries: Iterable[_Entry]) -> dict[str, list[_Point]]:
    """The points that no later life of the run has overtaken, by tag.

    The first event of a life tells its step, by which TensorBoard too decides what is void; where
    summaries are off there is none, and a tag whose step does not rise tells it.
    """
    points: dict[str, list[_Point]] = defaultdict(list)
    for entry in entries:
        if entry.is_start:
            for each in points.values():
                _drop_from(each, entry.step)
        for tag, value in entry.scalars.items():
            _drop_from(points[tag], entry.step)
            points[tag].append(_Point(entry.step, entry.wall_time, value))
    return points


def _drop_from(points: list[_Point], step: int) -> None:
    while points and points[-1].step >= step:
        points.pop()


def _evaluation(entries: Iterable[_Entry]) -> dict[str, list[_Point]]:
    """The last point of each step by tag: checkpoints are evaluated in any order."""
    points: dict[str, dict[int, _Point]] = defaultdict(dict)
    for entry in entries:
        for tag, value in entry.scalars.items():
            points[tag][entry.step] = _Point(entry.step, entry.wall_time, value)
    return {tag: sorted(each.values()) for tag, each in points.items()}


def _curves(points: Mapping[str, list[_Point]]) -> dict[str, Curve]:
    return {tag: _curve(points[tag]) for tag in sorted(points) if points[tag]}


def _curve(points: list[_Point]) -> Curve:
    step, wall_time, value = zip(*points, strict=True)
    return Curve(np.array(step, np.int64), np.array(wall_time), np.array(value))
