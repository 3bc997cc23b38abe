"""Steps per second of wide and deep on feature columns: ours beside the original, in one run.

Processes train the same DNNLinearCombinedClassifier on the same data, half of them with
tf_estimator and half with tensorflow-estimator 2.15 on TensorFlow 2.15. They take turns of some
steps, so that other work on the machine slows all; there are several of each, since one process can
be a tenth faster than another of the same program. What is shown is the median of the turns, by the
clock and by processor time, and the ratio of the medians.
"""

import argparse
import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROWS = 4096
BATCH = 64
JOBS = [f"job {number}" for number in range(20)]


class Turn(NamedTuple):
    """The speed of one turn, in steps per second of the clock and of processor time."""

    wall: float
    cpu: float


def train(api: Any, steps: int, model_dir: str) -> None:
    """Trains in turns of `steps`: each begins with a line on stdin, and ends with one on stdout."""
    # TensorFlow is that of the process, and of no interest to the one that compares.
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    tf.get_logger().setLevel("ERROR")
    chance = np.random.default_rng(0)
    table = {
        "age": chance.uniform(18, 80, [ROWS, 1]).astype(np.float32),
        "income": chance.normal(size=[ROWS, 1]).astype(np.float32),
        "job": np.array(JOBS)[chance.integers(len(JOBS), size=[ROWS, 1])],
        "city": chance.integers(1000, size=[ROWS, 1]).astype(str),
    }
    labels = (table["age"] / 80 + table["income"] > 0.6).astype(np.int64)

    def input_fn() -> Any:
        data = tf.data.Dataset.from_tensor_slices((table, labels))
        return data.repeat().batch(BATCH).prefetch(8)

    column = tf.feature_column
    age, income = column.numeric_column("age"), column.numeric_column("income")
    job = column.categorical_column_with_vocabulary_list("job", JOBS)
    city = column.categorical_column_with_hash_bucket("city", 500)
    bucketized = column.bucketized_column(age, [25, 35, 45, 55, 65])
    estimator = api.DNNLinearCombinedClassifier(
        linear_feature_columns=[
            bucketized,
            job,
            city,
            column.crossed_column([bucketized, "job"], 100),
        ],
        dnn_feature_columns=[
            age,
            income,
            column.indicator_column(job),
            column.embedding_column(city, 8),
        ],
        dnn_hidden_units=[64, 32],
        config=api.RunConfig(model_dir, tf_random_seed=1),
    )

    class Turns(tf.compat.v1.train.SessionRunHook):
        done = steps

        def before_run(self, run_context: Any) -> None:
            if self.done == steps:
                if not sys.stdin.readline():
                    run_context.request_stop()
                self.done, self.wall, self.cpu = 0, time.perf_counter(), time.process_time()

        def after_run(self, run_context: Any, run_values: Any) -> None:
            self.done += 1
            if self.done == steps:
                wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
                print(json.dumps([steps / wall, steps / cpu]), flush=True)

    estimator.train(input_fn, hooks=[Turns()])


class Trainer:
    """A process that trains in turns.

    Args:
        python: the interpreter.
        api: "ours" or "original".
        steps: of a turn.
        folder: for its model_dir.
    """

    def __init__(self, python: str, api: str, steps: int, folder: str) -> None:
        self._process = subprocess.Popen(
            [python, __file__, "--train", api, "--steps", str(steps), "--folder", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def turn(self) -> Turn:
        """Lets it do its steps."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("A process that trains has ended; see above for why.")
        return Turn(*json.loads(line))

    def close(self) -> None:
        """Lets it end."""
        self._process.communicate()


def compare(original: str, processes: int, turns: int, steps: int) -> dict[str, list[Turn]]:
    """The turns of both; the first one of each process is left out: it warms up."""
    found: dict[str, list[Turn]] = {"ours": [], "original": []}
    with tempfile.TemporaryDirectory() as folder:
        pythons = {"ours": sys.executable, "original": original}
        trainers = [
            (name, Trainer(python, name, steps, os.path.join(folder, f"{name}_{number}")))
            for number in range(processes)
            for name, python in pythons.items()
        ]
        for number in range(turns + 1):
            for name, trainer in trainers:
                turn = trainer.turn()
                if number:
                    found[name].append(turn)
            if sys.stdout.isatty():
                print(f"\r{number} of {turns} turns", end="", flush=True)
        for _, trainer in trainers:
            trainer.close()
    return found


def report(found: dict[str, list[Turn]]) -> None:
    """Prints medians and ratios as a table."""
    medians = {
        name: Turn(*(statistics.median(column) for column in zip(*turns, strict=True)))
        for name, turns in found.items()
    }
    print("\nsteps per second  by the clock  by processor time")
    for name, median in medians.items():
        print(f"{name:<16}  {median.wall:12.0f}  {median.cpu:17.0f}")
    wall = medians["ours"].wall / medians["original"].wall
    cpu = medians["ours"].cpu / medians["original"].cpu
    print(f"{'ratio':<16}  {wall:12.2f}  {cpu:17.2f}")


def main() -> None:
    """Measures and reports; or, as one of the processes, trains."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--processes", type=int, default=4, help="of each; default: %(default)s")
    parser.add_argument(
        "--turns", type=int, default=8, help="of each process; default: %(default)s"
    )
    parser.add_argument("--steps", type=int, default=300, help="of a turn; default: %(default)s")
    parser.add_argument(
        "--original",
        default=str(Path(__file__).parents[1] / ".venv-original" / "bin" / "python"),
        help="a Python with tensorflow-estimator 2.15; default: what scripts/benchmark made",
    )
    parser.add_argument("--train", choices=["ours", "original"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        name = {"ours": "tf_estimator", "original": "tensorflow.compat.v2.estimator"}
        train(importlib.import_module(name[arguments.train]), arguments.steps, arguments.folder)
    else:
        report(compare(arguments.original, arguments.processes, arguments.turns, arguments.steps))


if __name__ == "__main__":
    main()
