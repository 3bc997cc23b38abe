"""Moves a compiled Keras model to an Estimator, trains it there, and gets its weights back.

The data is real: 1,797 scanned digits of 8 x 8 pixels, which scikit-learn ships.

Several processes can share the work, each with its role in TF_CONFIG: here a chief, which trains
and saves, and an evaluator, which evaluates each checkpoint. They share only a folder:

    export CLUSTER='{"chief": ["localhost:2222"]}'
    TF_CONFIG='{"cluster": '$CLUSTER', "task": {"type": "chief", "index": 0}}' \
        python examples/keras_model_to_estimator.py --model-dir DIR &
    TF_CONFIG='{"cluster": '$CLUSTER', "task": {"type": "evaluator", "index": 0}}' \
        python examples/keras_model_to_estimator.py --model-dir DIR
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # has to be set before the import

import keras
import tensorflow as tf

import tf_estimator as tfe
from tf_estimator.keras import load_weights, model_to_estimator

tf.get_logger().setLevel("ERROR")  # "INFO" shows what Estimator does

BATCH_SIZE = 64
SECONDS_BETWEEN_CHECKPOINTS = 10


def compiled_model() -> keras.Model:
    """The model as it is for `fit`; nothing here knows of Estimators."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.003),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def digits(*, held_out: bool) -> tf.data.Dataset:
    """Batches of images and what they show: every fifth digit is held out, the others train."""
    scanned = load_digits()
    rows = (np.arange(len(scanned.target)) % 5 == 0) == held_out
    images = (scanned.images[rows, ..., np.newaxis] / 16).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((images, scanned.target[rows]))
    if not held_out:
        dataset = dataset.shuffle(len(images), seed=1).repeat()
    return dataset.batch(BATCH_SIZE)


def run(steps: int, model_dir: Path) -> float | None:
    """Plays the role that TF_CONFIG gives this process; all of them if it gives none.

    Returns:
        The accuracy of the Keras model with the weights that were trained; None for an evaluator,
        which has printed that of each checkpoint.
    """
    model = compiled_model()
    # Made from TF_CONFIG: the same program runs in every role.
    config = tfe.RunConfig(
        model_dir=str(model_dir), save_checkpoints_secs=SECONDS_BETWEEN_CHECKPOINTS
    )
    role = config.task_type if "TF_CONFIG" in os.environ else "all"
    print("role:", role)
    estimator = model_to_estimator(model, config=config)
    tfe.train_and_evaluate(
        estimator,
        tfe.TrainSpec(lambda: digits(held_out=False), max_steps=steps),
        tfe.EvalSpec(lambda: digits(held_out=True), steps=None, start_delay_secs=0),
    )
    if role != "chief":
        step, _, value = estimator.history()["eval"]["accuracy"]
        for one in zip(step, value, strict=True):
            print("accuracy of the checkpoint of step {}: {:.3f}".format(*one))
    if role == "evaluator":
        return None
    load_weights(model, estimator)
    _, accuracy = model.evaluate(digits(held_out=True), verbose=0)
    print("accuracy of the Keras model:", round(accuracy, 3))
    return accuracy


def main() -> None:
    """Trains the model as an Estimator."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--model-dir", type=Path, help="default: a new one")
    arguments = parser.parse_args()
    run(arguments.steps, arguments.model_dir or Path(tempfile.mkdtemp(prefix="keras_model-")))


if __name__ == "__main__":
    main()
