"""The exporter that keeps the best checkpoints themselves, whatever training removes. Ours.

`<model_dir>/export/<name>` is a folder of checkpoints like a model_dir: its state file names the
best as the newest, so that whatever loads the newest of a folder loads that. Beside it a JSON file
has the values. It decides what is kept: it is written when a copy is complete, and before anything
is removed, so that a kill at any moment leaves at most files that the next evaluation removes.
"""

import json
import math
import numbers
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_estimator import _checks, checkpoint, summaries
from tf_estimator._tf import logger, v1
from tf_estimator.spec.exporter import Exporter

_STEP = v1.GraphKeys.GLOBAL_STEP
_RECORD = "best_checkpoints.json"
_STATE = "checkpoint"
_UNFINISHED = ".temp"
_PART = re.compile(r"(.+-[0-9]+)\.(index|meta|data-[0-9]{5,}-of-[0-9]{5,})(\.temp)?")


class KeptCheckpoint(NamedTuple):
    """One of the best checkpoints.

    Attributes:
        path: of the copy, as `checkpoint_path` takes it.
        step: the global step.
        value: the metric.
    """

    path: str
    step: int
    value: float


def best_checkpoints(model_dir: str | os.PathLike[str], name: str = "best") -> list[KeptCheckpoint]:
    """What a `BestCheckpoints` keeps, the best first. Ours.

    Args:
        model_dir: of the Estimator.
        name: of the exporter.

    Returns:
        KeptCheckpoints; [] if none was ever kept.

    Example:
        >>> best_checkpoints("/no/such/folder")
        []
    """
    record = _Record.read(os.path.join(os.fspath(model_dir), "export", name))
    return [one for one in record.kept if checkpoint.exists(one.path)] if record else []


class BestCheckpoints(Exporter):
    """Keeps a copy of the checkpoints with the best values of a metric. Ours.

    The newest checkpoints stay in model_dir; the best ones are copied to
    `<model_dir>/export/<name>`, where training does not remove them. Their name loads the best:
    `estimator.evaluate(input_fn, checkpoint_path="best")`, and so does the folder as
    `warm_start_from`. `best_checkpoints` lists them.

    Of equal values the earlier step is better, and NaN is never kept. A checkpoint that is
    evaluated again has its last value.

    Args:
        name: the name of the folder below `<model_dir>/export`.
        metric: which entry of what `Estimator.evaluate` returns, a number.
        higher_is_better: whether the best value is the highest, not the lowest.
        checkpoints_to_keep: how many; None for all.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: checkpoints_to_keep is not positive.

    Example:
        >>> BestCheckpoints(metric="accuracy", higher_is_better=True, checkpoints_to_keep=3).name
        'best'
    """

    def __init__(
        self,
        name: str = "best",
        metric: str = "loss",
        *,
        higher_is_better: bool = False,
        checkpoints_to_keep: int | None = 1,
    ) -> None:
        self._name = name
        self._metric = _checks.instance("metric", metric, str)
        self._higher_is_better = _checks.instance("higher_is_better", higher_is_better, bool)
        if checkpoints_to_keep is not None:
            _checks.instance("checkpoints_to_keep", checkpoints_to_keep, numbers.Integral, "int")
        self._to_keep = _checks.positive_or_none("checkpoints_to_keep", checkpoints_to_keep)

    @property
    def name(self) -> str:
        """The name of the folder below `<model_dir>/export`."""
        return self._name

    def export(
        self,
        estimator: Any,
        export_path: str | os.PathLike[str],
        checkpoint_path: str | None,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        """Copies the checkpoint if it is among the best so far, and removes what no longer is.

        Args:
            estimator: the Estimator that was evaluated.
            export_path: the folder of this exporter.
            checkpoint_path: the checkpoint that was evaluated; None for the newest.
            eval_result: what `Estimator.evaluate` returned for it.
            is_the_final_export: is not looked at.

        Returns:
            The path of the copy; None if the checkpoint is not among the best.

        Raises:
            TypeError: the metric is no number.
            ValueError: there is no such metric, or the folder has the best by another one.
        """
        del is_the_final_export
        value, step = self._value(eval_result), int(eval_result[_STEP])
        folder = os.fspath(export_path)
        source = checkpoint_path or estimator.latest_checkpoint()
        one = KeptCheckpoint(os.path.join(folder, os.path.basename(source)), step, value)
        before = self._kept(folder, estimator.model_dir, one)
        others = [kept for kept in before if kept.step != step and kept.path != one.path]
        best = self._best([*others, one])
        if one in best and not self._copy(source, one.path, others):
            best = self._best(others)
        self._record(best).write(folder)
        if one not in best:
            return None
        logger.info("Exporter %r keeps %s: %s = %s", self.name, one.path, self._metric, value)
        return one.path

    def _value(self, eval_result: Mapping[str, Any]) -> float:
        if self._metric not in eval_result:
            raise ValueError(
                f"The metric of BestCheckpoints must be one that evaluate returns; received "
                f"{self._metric!r}, and there are {sorted(eval_result)}."
            )
        value = np.asarray(eval_result[self._metric])
        if value.ndim or value.dtype.kind not in "fiu":
            raise _checks.wrong_type(
                f"The metric {self._metric!r} of BestCheckpoints",
                "must be a number",
                eval_result[self._metric],
            )
        return float(value)

    def _best(self, candidates: Sequence[KeptCheckpoint]) -> list[KeptCheckpoint]:
        sign = -1 if self._higher_is_better else 1
        comparable = [one for one in candidates if not math.isnan(one.value)]
        return sorted(comparable, key=lambda one: (sign * one.value, one.step))[: self._to_keep]

    def _record(self, kept: Sequence[KeptCheckpoint]) -> "_Record":
        return _Record(self._metric, self._higher_is_better, tuple(kept))

    def _kept(self, folder: str, model_dir: str, now: KeptCheckpoint) -> list[KeptCheckpoint]:
        """What the folder has of earlier evaluations, of this run or another; all of it is whole.

        Raises:
            ValueError: it was compared by something else.
        """
        record = _Record.read(folder)
        if record is None:
            record = self._record(_recovered(folder, model_dir, self._metric, now))
        if (record.metric, record.higher_is_better) != (self._metric, self._higher_is_better):
            raise ValueError(
                f"The folder of BestCheckpoints must have the best by {self._metric!r} with "
                f"higher_is_better={self._higher_is_better}; {folder} has those by "
                f"{record.metric!r} with higher_is_better={record.higher_is_better}. "
                "Give the exporter another name, or remove the folder."
            )
        problems = {one: checkpoint.problem_of(one.path) for one in record.kept}
        for one, problem in problems.items():
            if problem:
                logger.warning("Exporter %r gives %s up: %s.", self.name, one.path, problem)
        return [one for one, problem in problems.items() if not problem]

    def _copy(self, source: str, target: str, others: Sequence[KeptCheckpoint]) -> bool:
        """Copies a checkpoint, the index last; False, with a warning, if it is gone."""
        if _is_same(source, target):
            return True
        if checkpoint.exists(target):  # of an earlier training that came to the same step
            self._record(others).write(os.path.dirname(target))
        tf.io.gfile.makedirs(os.path.dirname(target))
        problem = checkpoint.problem_of(source)
        try:
            for file in () if problem else sorted(checkpoint.files_of(source), key=_is_index):
                copy = target + file[len(source) :]
                tf.io.gfile.copy(file, copy + _UNFINISHED, overwrite=True)
                tf.io.gfile.rename(copy + _UNFINISHED, copy, overwrite=True)
        except tf.errors.NotFoundError as error:
            problem = error.message
        if problem:
            logger.warning(
                "Exporter %r cannot keep %s, one of the best: %s. With a higher "
                "keep_checkpoint_max it stays longer.",
                self.name,
                source,
                problem,
            )
        return not problem


class _Record(NamedTuple):
    """What the JSON file of a folder says; `kept` has the best first."""

    metric: str
    higher_is_better: bool
    kept: tuple[KeptCheckpoint, ...]

    @classmethod
    def read(cls, folder: str) -> "_Record | None":
        """None if there is none, or nobody can read it."""
        path = os.path.join(folder, _RECORD)
        if not tf.io.gfile.exists(path):
            return None
        try:
            with tf.io.gfile.GFile(path) as file:
                found = json.load(file)
            kept = [
                KeptCheckpoint(os.path.join(folder, one["name"]), one["step"], one["value"])
                for one in found["best_first"]
            ]
            return cls(found["metric"], found["higher_is_better"], tuple(kept))
        except (ValueError, TypeError, KeyError) as error:
            logger.warning("%s cannot be read (%s: %s).", path, type(error).__name__, error)
            return None

    def write(self, folder: str) -> None:
        """Makes this what the folder has: JSON, then the state file; then others are removed."""
        if not tf.io.gfile.isdir(folder):
            return
        names = [os.path.basename(one.path) for one in self.kept]
        entries = [
            {"name": name, "step": one.step, "value": one.value}
            for name, one in zip(names, self.kept, strict=True)
        ]
        found = {**self._asdict(), "best_first": entries}
        del found["kept"]
        _write(os.path.join(folder, _RECORD), json.dumps(found, indent=1) + "\n")
        state = os.path.join(folder, _STATE)
        if names:
            checkpoint.write_state(folder, [os.path.join(folder, name) for name in names[::-1]])
        elif tf.io.gfile.exists(state):
            tf.io.gfile.remove(state)
        for name in tf.io.gfile.listdir(folder):
            part = _PART.fullmatch(name)
            if part and part[1] not in names:
                tf.io.gfile.remove(os.path.join(folder, name))


def _write(path: str, text: str) -> None:
    with tf.io.gfile.GFile(path + _UNFINISHED, "w") as file:
        file.write(text)
    tf.io.gfile.rename(path + _UNFINISHED, path, overwrite=True)


def _is_index(file: str) -> bool:
    return file.endswith(".index")


def _is_same(source: str, target: str) -> bool:
    """Whether two checkpoints are whole and the same: an index has the checksums of all tensors."""
    if checkpoint.problem_of(source) or checkpoint.problem_of(target):
        return False
    contents = []
    for path in (source, target):
        with tf.io.gfile.GFile(f"{path}.index", "rb") as file:
            contents.append(file.read())
    return contents[0] == contents[1]


def _recovered(
    folder: str, model_dir: str, metric: str, now: KeptCheckpoint
) -> list[KeptCheckpoint]:
    """What a folder whose JSON file is lost has, by its state file and the event files.

    Args:
        folder: of the copies.
        model_dir: where the event files are.
        metric: its name there.
        now: the present evaluation. The event file that has it has the earlier ones, too.
    """
    state = tf.train.get_checkpoint_state(folder) if tf.io.gfile.isdir(folder) else None
    if state is None:
        return []
    found = []
    values = _values_beside(model_dir, metric, now)
    for path in state.all_model_checkpoint_paths:
        step = int(tf.train.load_variable(path, _STEP)) if checkpoint.exists(path) else None
        if step in values:
            found.append(KeptCheckpoint(path, step, values[step]))
        else:
            logger.warning("%s is given up: the value of %s is lost.", path, metric)
    return found


def _values_beside(model_dir: str, metric: str, now: KeptCheckpoint) -> dict[int, float]:
    """The values by step of the evaluations `now` belongs to; {} if no event file has it."""
    for run, curves in summaries.read_history(model_dir).items():
        if run != summaries.TRAIN and metric in curves:
            step, _, value = curves[metric]
            values = dict(zip(step.tolist(), value.tolist(), strict=True))
            recorded = values.get(now.step, math.inf)
            if np.array_equal(recorded, np.float32(now.value), equal_nan=True):
                return values
    return {}
