"""Reads handwritten digits with layers, an optimizer and metrics of Keras in a model_fn.

The data is real: 1,797 scanned digits of 8 x 8 pixels, which scikit-learn ships. All files go into
a new folder. Give the --model-dir of an earlier run and more --steps to train that model on.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # has to be set before the import

import keras
import tensorflow as tf

import tf_estimator as tfe
from tf_estimator.keras import minimize

tf.get_logger().setLevel("ERROR")  # "INFO" shows what Estimator does

BATCH_SIZE = 64


def input_fn(mode: str) -> tf.data.Dataset:
    """Four fifths of the digits, shuffled and without end, to train; else the other ones, once."""
    scanned = load_digits()
    held_out = np.arange(len(scanned.target)) % 5 == 0
    rows = ~held_out if mode == tfe.ModeKeys.TRAIN else held_out
    images = (scanned.images[rows, ..., np.newaxis] / 16).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices(({"image": images}, scanned.target[rows]))
    if mode == tfe.ModeKeys.TRAIN:
        dataset = dataset.shuffle(len(images), seed=1).repeat()
    return dataset.batch(BATCH_SIZE)


def model_fn(
    features: dict[str, tf.Tensor], labels: tf.Tensor | None, mode: str, params: dict[str, Any]
) -> tfe.EstimatorSpec:
    """A small convolutional network. All that is of Keras is made here, anew at every call."""
    model = keras.Sequential(
        [
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10, kernel_regularizer=keras.regularizers.L2(1e-4)),
        ]
    )
    logits = model(features["image"], training=mode == tfe.ModeKeys.TRAIN)
    if mode == tfe.ModeKeys.PREDICT:
        predictions = {"digit": tf.argmax(logits, axis=1), "probabilities": tf.nn.softmax(logits)}
        return tfe.EstimatorSpec(mode, predictions=predictions)

    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = cross_entropy(labels, logits) + tf.add_n(model.losses)
    if mode == tfe.ModeKeys.TRAIN:
        # The moving statistics of the batch normalization need no line: they become part of it.
        train_op = minimize(keras.optimizers.Adam(params["learning_rate"]), loss)
        return tfe.EstimatorSpec(mode, loss=loss, train_op=train_op)

    metrics = {
        "accuracy": keras.metrics.SparseCategoricalAccuracy(),
        "top_2": keras.metrics.SparseTopKCategoricalAccuracy(k=2),
    }
    for metric in metrics.values():
        metric.update_state(labels, logits)
    return tfe.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


def run(steps: int, model_dir: Path) -> dict[str, Any]:
    """Trains up to `steps` steps, says how good the model is, and reads a few digits with it."""
    config = tfe.RunConfig(model_dir=str(model_dir), tf_random_seed=1)
    keras.utils.set_random_seed(1)  # the layers of Keras have seeds of their own
    with tfe.Estimator(model_fn, config=config, params={"learning_rate": 0.003}) as estimator:
        estimator.train(input_fn, max_steps=steps)
        metrics = estimator.evaluate(input_fn)
        print({name: round(float(metrics[name]), 3) for name in ("accuracy", "top_2", "loss")})
        predictions = estimator.predict(input_fn)
        print("read:", *(int(next(predictions)["digit"]) for _ in range(10)))
        predictions.close()
    return metrics


def main() -> None:
    """Trains and evaluates the model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--model-dir", type=Path, help="default: a new one")
    arguments = parser.parse_args()
    run(arguments.steps, arguments.model_dir or Path(tempfile.mkdtemp(prefix="keras_model_fn-")))


if __name__ == "__main__":
    main()
