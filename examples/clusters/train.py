"""Learns to read handwritten digits: in one process, or as any task of a cluster.

TF_CONFIG says which task this is; nothing in here does. All tasks are started with the same
arguments and meet in the model_dir, a folder that all of them see. The digits are the 1,797 that
scikit-learn ships.
"""

import argparse
import os
import signal
import sys
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # has to be set before the import

import tensorflow as tf

import tf_estimator as tfe

BATCH_SIZE = 64
PIXELS = tf.feature_column.numeric_column("pixels", shape=[64])


def input_fn(mode: str, config: tfe.RunConfig) -> tf.data.Dataset:
    """Batches of pixels, float32 [n, 64], with digits, int64 [n]; without end to train."""
    scanned = load_digits()
    rows = (scanned.data / 16).astype(np.float32)
    digits = scanned.target.astype(np.int64)
    train, held_out, train_digits, held_out_digits = train_test_split(
        rows, digits, test_size=0.2, stratify=digits, random_state=0
    )
    if mode == tfe.ModeKeys.EVAL:
        held_out_rows = ({"pixels": held_out}, held_out_digits)
        return tf.data.Dataset.from_tensor_slices(held_out_rows).batch(BATCH_SIZE)
    # Each task that trains reads all of them, in an order of its own.
    dataset = tf.data.Dataset.from_tensor_slices(({"pixels": train}, train_digits))
    shuffled = dataset.shuffle(len(train), seed=config.global_id_in_cluster)
    return shuffled.repeat().batch(BATCH_SIZE).prefetch(2)


def make_estimator(model_dir: str, save_every: int = 200) -> tfe.Estimator:
    """The model, in the place that TF_CONFIG gives this task."""
    config = tfe.RunConfig(
        model_dir,
        save_checkpoints_steps=save_every,
        experimental_max_worker_delay_secs=0,  # by default worker n waits 5 (n + 1) seconds
    )
    return tfe.DNNClassifier([64], [PIXELS], n_classes=10, optimizer="Adam", config=config)


def run(estimator: tfe.Estimator, steps: int) -> dict[str, Any] | None:
    """Does the part of this task; alone, it returns the metrics of the last evaluation."""
    parsed = tf.feature_column.make_parse_example_spec([PIXELS])
    receiver_fn = tfe.export.build_parsing_serving_input_receiver_fn(parsed)
    train_spec = tfe.TrainSpec(input_fn, max_steps=steps)
    eval_spec = tfe.EvalSpec(
        input_fn,
        steps=None,
        exporters=tfe.FinalExporter("digits", receiver_fn),
        start_delay_secs=0,
        throttle_secs=5,
    )
    found = tfe.train_and_evaluate(estimator, train_spec, eval_spec)
    return found and found[0]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model-dir", required=True, help="the folder that all tasks see")
    parser.add_argument("--steps", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--save-every", type=int, default=200, help="steps; default: %(default)s")
    return parser.parse_args(arguments)


def main() -> None:
    """Does the part of this task."""
    # The first process of a container is not ended by SIGTERM, unless it says what is to be done.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    tf.get_logger().setLevel("INFO")
    arguments = parse_arguments()
    metrics = run(make_estimator(arguments.model_dir, arguments.save_every), arguments.steps)
    if metrics:
        print(f"accuracy {metrics['accuracy']:.3f} after {metrics['global_step']} steps")


if __name__ == "__main__":
    main()
