"""Reads handwritten digits: trains, evaluates, predicts with, exports and reloads a small model.

The data is real: 1,797 scanned digits of 8 x 8 pixels, which scikit-learn ships. All files go into
a new folder: the model with its event files, the exported model, two pictures. Give the --model-dir
of an earlier run and more --steps to train that model on.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # has to be set before the import; "0" shows everything

import tensorflow as tf

import tf_estimator as tfe
from tf_estimator.hooks import ProgressHook

tf.get_logger().setLevel("ERROR")  # "INFO" shows what Estimator does

v1 = tf.compat.v1
BATCH_SIZE = 64
EVALUATIONS = 5


class Examples(NamedTuple):
    """Scanned digits: images float32 [n, 8, 8, 1] from 0 to 1, and what they show, int64 [n]."""

    images: np.ndarray
    digits: np.ndarray


def load_data() -> tuple[Examples, Examples]:
    """The examples to train on, and a fifth to evaluate on; always the same ones."""
    scanned = load_digits()
    images = (scanned.images / 16).astype(np.float32)[..., np.newaxis]
    digits = scanned.target.astype(np.int64)
    images, held_out_images, digits, held_out_digits = train_test_split(
        images, digits, test_size=0.2, stratify=digits, random_state=0
    )
    return Examples(images, digits), Examples(held_out_images, held_out_digits)


def train_input_fn(examples: Examples) -> tf.data.Dataset:
    """Shuffled batches without end; each is moved by up to a pixel."""

    def move(features: dict[str, tf.Tensor], digits: tf.Tensor) -> tuple[Any, tf.Tensor]:
        padded = tf.pad(features["image"], [[0, 0], [1, 1], [1, 1], [0, 0]])
        offset = tf.random.uniform([2], 0, 3, tf.int32, seed=1)
        moved = tf.slice(padded, [0, offset[0], offset[1], 0], [-1, 8, 8, 1])
        return {"image": moved}, digits

    dataset = tf.data.Dataset.from_tensor_slices(({"image": examples.images}, examples.digits))
    return dataset.shuffle(len(examples.digits)).repeat().batch(BATCH_SIZE).map(move).prefetch(2)


def eval_input_fn(examples: Examples) -> tf.data.Dataset:
    """All examples once, in their order."""
    dataset = tf.data.Dataset.from_tensor_slices(({"image": examples.images}, examples.digits))
    return dataset.batch(BATCH_SIZE)


def layer(name: str, inputs: tf.Tensor, shape: list[int]) -> tf.Tensor:
    """A convolution, for a shape [height, width, in, out], or a dense layer, for [in, out]."""
    with v1.variable_scope(name):
        weights = v1.get_variable("weights", shape)
        bias = v1.get_variable("bias", shape[-1:], initializer=tf.zeros_initializer())
        if len(shape) == 4:
            return tf.nn.conv2d(inputs, weights, strides=1, padding="SAME") + bias
        return inputs @ weights + bias


def network(images: tf.Tensor, dropout: float) -> tf.Tensor:
    """The logits, float32 [n, 10]."""
    x = tf.nn.relu(layer("conv1", images, [3, 3, 1, 16]))
    x = tf.nn.relu(layer("conv2", x, [3, 3, 16, 32]))
    x = tf.nn.max_pool2d(x, 2, strides=2, padding="VALID")
    x = tf.reshape(x, [-1, 4 * 4 * 32])
    x = tf.nn.relu(layer("dense", tf.nn.dropout(x, dropout), [4 * 4 * 32, 64]))
    return layer("logits", tf.nn.dropout(x, dropout), [64, 10])


def confusion_matrix(labels: tf.Tensor, predictions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A metric, that is its value and the op that adds a batch: counts [true digit, answer]."""
    # A local variable starts anew at each evaluation, and no checkpoint holds it.
    keys = [v1.GraphKeys.LOCAL_VARIABLES, v1.GraphKeys.METRIC_VARIABLES]
    total = v1.Variable(tf.zeros([10, 10], tf.int64), trainable=False, collections=keys)
    batch = tf.math.confusion_matrix(labels, predictions, 10, dtype=tf.int64)
    return tf.identity(total), v1.assign_add(total, batch)


def model_fn(
    features: dict[str, tf.Tensor], labels: tf.Tensor, mode: str, params: dict[str, Any]
) -> tfe.EstimatorSpec:
    """The model; `labels` are digits, int64 [n], or None to predict."""
    logits = network(features["image"], params["dropout"] if mode == tfe.ModeKeys.TRAIN else 0.0)
    digit = tf.argmax(logits, axis=-1)
    if mode == tfe.ModeKeys.PREDICT:
        predictions = {"digit": digit, "probabilities": tf.nn.softmax(logits)}
        return tfe.EstimatorSpec(mode, predictions=predictions)
    loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode == tfe.ModeKeys.EVAL:
        metrics = {
            "accuracy": v1.metrics.accuracy(labels, digit),
            "confusion_matrix": confusion_matrix(labels, digit),
        }
        return tfe.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
    step = v1.train.get_global_step()
    rate = v1.train.cosine_decay(params["learning_rate"], step, params["steps"])
    train_op = v1.train.AdamOptimizer(rate).minimize(loss, step)
    return tfe.EstimatorSpec(mode, loss=loss, train_op=train_op)


def train(estimator: tfe.Estimator, data: Examples, held_out: Examples, steps: int) -> None:
    """Trains up to `steps`, and evaluates a few times on the way."""
    done = estimator.get_variable_value("global_step") if estimator.latest_checkpoint() else 0
    if done:
        print(f"{estimator.model_dir} holds an earlier run: going on from step {done}.")
    if done >= steps:
        print("It has had all its steps, so nothing is trained. A larger --steps trains on.")
    stops = np.linspace(0, steps, EVALUATIONS + 1, dtype=int)
    for stop in stops[stops > done]:
        progress = ProgressHook(steps, stream=sys.stdout)
        estimator.train(partial(train_input_fn, data), [progress], max_steps=int(stop))
        numbers = estimator.evaluate(partial(eval_input_fn, held_out))
        print(f"  held out: accuracy {numbers['accuracy']:.4f}, loss {numbers['loss']:.4f}")


def print_evaluation(numbers: dict[str, Any]) -> None:
    """A table of the numbers, and the confusion matrix."""
    matrix = numbers["confusion_matrix"]
    print(f"\nEvaluation after {numbers['global_step']} steps")
    print(f"  wrong     {matrix.sum() - matrix.trace()} of {matrix.sum()} digits")
    print(f"  accuracy  {numbers['accuracy']:.4f}")
    print(f"  loss      {numbers['loss']:.4f}")
    print("\nConfusion matrix: a row is what the digit is, a column what it was read as")
    print("      " + "".join(f"{digit:4}" for digit in range(10)) + "   recall")
    for digit, row in enumerate(matrix):
        counts = "".join(f"{count or '.':>4}" for count in row)
        print(f"  {digit:4}{counts}{row[digit] / row.sum():9.3f}")


def export_and_reload(estimator: tfe.Estimator, folder: Path, images: np.ndarray) -> np.ndarray:
    """Exports a SavedModel, loads it as any program can, and gives its probabilities, [n, 10]."""
    receiver_fn = tfe.export.build_raw_serving_input_receiver_fn({"image": tf.constant(images[:1])})
    exported = os.fsdecode(estimator.export_saved_model(folder, receiver_fn))
    print(f"\nExported to {exported}")
    serve = tf.saved_model.load(exported).signatures["serving_default"]
    return serve(image=tf.constant(images))["probabilities"].numpy()


def draw_curve(history: Mapping[str, Any], path: Path) -> None:
    """The loss of the training steps and of the evaluations, and the accuracy, by step."""
    training, held_out = history["train"]["loss"], history["eval"]["loss"]
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    left.plot(training.step, training.value, alpha=0.5, label="training, with dropout")
    left.plot(held_out.step, held_out.value, "o-", label="held-out digits")
    left.set(title="Loss", xlabel="step", ylabel="cross entropy", yscale="log")
    left.legend()
    steps, _, accuracies = history["eval"]["accuracy"]
    right.plot(steps, accuracies, "o-", color="tab:orange")
    for step, accuracy in zip(steps, accuracies, strict=True):
        right.text(step, accuracy, f"{accuracy:.3f}\n", ha="right")
    right.set(title="Accuracy on the held-out digits", xlabel="step", ymargin=0.15)
    figure.savefig(path, dpi=120)


def draw_wrong(examples: Examples, read_as: np.ndarray, sureness: np.ndarray, path: Path) -> None:
    """The digits that were read wrong, the surest mistakes first, at most 24."""
    wrong = np.flatnonzero(read_as != examples.digits)
    shown = wrong[np.argsort(-sureness[wrong])][:24]
    columns = min(max(len(shown), 3), 6)
    rows = max(math.ceil(len(shown) / columns), 1)
    figure = Figure(figsize=(1.8 * columns, 2.2 * rows + 0.5), layout="constrained")
    figure.suptitle(f"{len(wrong)} of {len(read_as)} held-out digits read wrong")
    for place, n in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, place, xticks=[], yticks=[])
        axes.imshow(examples.images[n, ..., 0], cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"is {examples.digits[n]}, read as {read_as[n]}\n{sureness[n]:.0%} sure")
    figure.savefig(path, dpi=120)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    new_folder = time.strftime("digits_%Y%m%d-%H%M%S")
    parser.add_argument("--out", type=Path, default=new_folder, help="the folder to write to")
    parser.add_argument("--model-dir", type=Path, help="the model's folder; default: OUT/model")
    parser.add_argument("--steps", type=int, default=1000, help="how far to train; default: 1000")
    parser.add_argument("--seed", type=int, default=0, help="another one gives another model")
    return parser.parse_args()


def main() -> None:
    """Does it all, and prints what it finds."""
    start = time.monotonic()
    arguments = parse_arguments()
    out = arguments.out
    data, held_out = load_data()
    print(f"{len(data.digits):,} scanned digits to train on, {len(held_out.digits)} held out.")

    config = tfe.RunConfig(tf_random_seed=arguments.seed, save_summary_steps=10)
    params = {"dropout": 0.3, "learning_rate": 0.003, "steps": arguments.steps}
    out.mkdir(parents=True, exist_ok=True)
    estimator = tfe.Estimator(model_fn, arguments.model_dir or out / "model", config, params)
    train(estimator, data, held_out, arguments.steps)
    print(f"\nThe curves of all runs in {estimator.model_dir}\n{estimator.history()}")
    print_evaluation(estimator.evaluate(partial(eval_input_fn, held_out)))

    predictions = list(estimator.predict(partial(eval_input_fn, held_out)))
    read_as = np.array([prediction["digit"] for prediction in predictions])
    probabilities = np.array([prediction["probabilities"] for prediction in predictions])
    print(f"\nPredictions: the first digits are {held_out.digits[:10]}, read as {read_as[:10]}")

    served = export_and_reload(estimator, out / "exports", held_out.images)
    difference = np.abs(served - probabilities).max()
    print(f"Reloaded, it gives the same probabilities: max abs difference {difference:.1e}")

    draw_curve(estimator.history(), out / "training.png")
    draw_wrong(held_out, read_as, probabilities.max(axis=1), out / "wrong_digits.png")
    print(f"\nPictures: {out / 'training.png'} and {out / 'wrong_digits.png'}")
    python = min(sys.executable, os.path.relpath(sys.executable), key=len)
    print(f"To look further: {python} -m tensorboard.main --logdir {estimator.model_dir}")
    print(f"All this took {time.monotonic() - start:.0f} s.")


if __name__ == "__main__":
    main()
