"""Shows that memory levels off: one process trains and evaluates again and again.

Each round trains an Estimator for five steps and evaluates it, as programs do that train by the
hour; every round builds two graphs, opens two sessions, saves, and writes event files. What is
measured is the resident memory of the process after each round (RSS, in MB).
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from matplotlib.figure import Figure

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # has to be set before the import

import tensorflow as tf

import tf_estimator as tfe

tf.get_logger().setLevel("ERROR")

v1 = tf.compat.v1
STEPS = 5
BLOCKS = "▁▂▃▄▅▆▇█"


def input_fn() -> tf.data.Dataset:
    """As many random batches as there are steps."""
    batch = tf.random.normal([32, 64]), tf.ones([32, 64])
    return tf.data.Dataset.from_tensors(batch).repeat(STEPS)


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> tfe.EstimatorSpec:
    """Three dense layers of 64 units and Adam: 150 kB a checkpoint."""
    output = features
    for number in range(3):
        output = tf.nn.relu(output @ v1.get_variable(f"w{number}", [64, 64]))
    loss = tf.reduce_mean((output - labels) ** 2)
    train_op = v1.train.AdamOptimizer().minimize(loss, v1.train.get_global_step())
    metrics = {"mean": v1.metrics.mean(output)}
    return tfe.EstimatorSpec(mode, output, loss, train_op, metrics)


def measure(rounds: int, model_dir: str) -> Iterator[float]:
    """Trains and evaluates; the resident memory after each round, in MB."""
    process = psutil.Process()
    config = tfe.RunConfig(save_summary_steps=STEPS, log_step_count_steps=STEPS, tf_random_seed=1)
    estimator = tfe.Estimator(model_fn, model_dir, config)
    for _ in range(rounds):
        estimator.train(input_fn)
        estimator.evaluate(input_fn)
        yield process.memory_info().rss / 1e6


def sparkline(values: list[float]) -> str:
    """A curve as one line of text."""
    low, high = min(values), max(values)
    scale = (len(BLOCKS) - 1) / (high - low or 1)
    return "".join(BLOCKS[round((value - low) * scale)] for value in values)


def report(memory: list[float]) -> None:
    """Prints the mean of each tenth of the rounds, the curve, and how much the second half grew."""
    tenth = max(1, len(memory) // 10)
    parts = [memory[start : start + tenth] for start in range(0, len(memory), tenth)]
    means = [statistics.mean(part) for part in parts]
    print("\nrounds       mean RSS")
    for number, mean in enumerate(means):
        print(f"{number * tenth + 1:4d} - {number * tenth + len(parts[number]):4d}  {mean:6.0f} MB")
    print(f"\n{sparkline(means)}  {min(memory):.0f} to {max(memory):.0f} MB")
    quarter = max(1, len(memory) // 4)
    third, last = memory[-2 * quarter : -quarter] or memory, memory[-quarter:]
    growth = statistics.mean(last) - statistics.mean(third)
    print(f"The last quarter's mean is {growth:+.1f} MB from that of the quarter before.")


def draw(memory: list[float], path: Path) -> None:
    """Writes the curve as a picture."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(memory) + 1), memory)
    axes.set(xlabel="round of train and evaluate", ylabel="RSS (MB)", ylim=(0, None))
    axes.set_title("Memory of one process")
    figure.savefig(path, dpi=120)
    print(f"Picture: {path}")


def main() -> None:
    """Measures, reports and draws."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--picture", type=Path, default=Path("memory.png"), help="a PNG to write")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1; received {arguments.rounds}.")
    memory = []
    with tempfile.TemporaryDirectory() as model_dir:
        for number, megabytes in enumerate(measure(arguments.rounds, model_dir), start=1):
            memory.append(megabytes)
            if sys.stdout.isatty():
                print(f"\r{number} of {arguments.rounds} rounds, {megabytes:.0f} MB", end="")
            elif number % 50 == 0:
                print(f"{number} of {arguments.rounds} rounds, {megabytes:.0f} MB", flush=True)
        # The writers of event files would flush into the folder at exit, when it is gone.
        v1.summary.FileWriterCache.clear()
    report(memory)
    draw(memory, arguments.picture)


if __name__ == "__main__":
    main()
