"""Canned estimators on a real table: is a tumor malignant or benign?

The table is the Wisconsin breast cancer data that scikit-learn ships: 569 tumors, 30 measures of
the cell nuclei of each. Four estimators learn from three quarters of it and are compared on the
rest. All files go into a new folder, which `tensorboard --logdir` shows.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # has to be set before the import

import tensorflow as tf

import tf_estimator as tfe

tf.get_logger().setLevel("ERROR")  # "INFO" shows what Estimator does

BATCH_SIZE = 32
CLASSES = ["malignant", "benign"]
SHOWN = ["accuracy", "accuracy_baseline", "auc", "precision", "recall", "loss"]

Table = tuple[dict[str, np.ndarray], np.ndarray]


def load_data() -> tuple[Table, Table]:
    """The table to train on, and a quarter to evaluate on; always the same ones.

    Features are float32 [n] by name, labels the words of CLASSES, bytes [n].
    """
    data = load_breast_cancer()
    words = np.array(CLASSES, dtype=bytes)[data.target]
    names = [name.replace(" ", "_") for name in data.feature_names]
    parts = train_test_split(
        data.data.astype(np.float32), words, test_size=0.25, stratify=words, random_state=0
    )
    train, held_out, train_labels, held_out_labels = parts

    def table(rows: np.ndarray, labels: np.ndarray) -> Table:
        return dict(zip(names, rows.T, strict=True)), labels

    return table(train, train_labels), table(held_out, held_out_labels)


def input_fn(table: Table, mode: str) -> tf.data.Dataset:
    """Shuffled batches without end to train, else all rows once."""
    dataset = tf.data.Dataset.from_tensor_slices(table)
    if mode == tfe.ModeKeys.TRAIN:
        dataset = dataset.shuffle(len(table[1]), seed=1).repeat()
    return dataset.batch(BATCH_SIZE)


def feature_columns(features: dict[str, np.ndarray]) -> tuple[list[Any], list[Any]]:
    """Wide columns, each measure cut at its quartiles; and deep ones, each measure standardized."""
    wide, deep = [], []
    for name, values in features.items():
        mean, deviation = float(values.mean()), float(values.std())

        def standardize(x: tf.Tensor, mean: float = mean, deviation: float = deviation) -> Any:
            return (x - mean) / deviation

        deep.append(tf.feature_column.numeric_column(name, normalizer_fn=standardize))
        quartiles = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
        raw = tf.feature_column.numeric_column(name)
        wide.append(tf.feature_column.bucketized_column(raw, quartiles))
    return wide, deep


def estimators(features: dict[str, np.ndarray], folder: Path) -> dict[str, tfe.Estimator]:
    """Four models from plain to mixed, by name."""
    wide, deep = feature_columns(features)

    def common(name: str) -> dict[str, Any]:
        config = tfe.RunConfig(str(folder / name), tf_random_seed=1)
        return {"label_vocabulary": CLASSES, "config": config}

    return {
        "baseline": tfe.BaselineClassifier(**common("baseline")),
        "linear": tfe.LinearClassifier(wide, **common("linear")),
        "deep": tfe.DNNClassifier([32, 16], deep, optimizer="Adam", **common("deep")),
        "wide and deep": tfe.DNNLinearCombinedClassifier(
            linear_feature_columns=wide,
            dnn_feature_columns=deep,
            dnn_hidden_units=[32, 16],
            dnn_optimizer="Adam",
            **common("wide_and_deep"),
        ),
    }


def compare(steps: int, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Trains and evaluates each, and says how good it is."""
    train, held_out = load_data()
    say(f"{len(train[1])} tumors to train on, {len(held_out[1])} held out\n")
    say(f"{'':<14}" + "".join(f"{name:>19}" for name in SHOWN))
    found = {}
    for name, estimator in estimators(train[0], folder).items():
        estimator.train(lambda mode: input_fn(train, mode), max_steps=steps)
        metrics = estimator.evaluate(lambda mode: input_fn(held_out, mode))
        say(f"{name:<14}" + "".join(f"{metrics[key]:19.3f}" for key in SHOWN))
        found[name] = metrics
    return found


def main() -> None:
    """Compares four estimators."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="of the models; default: a new one")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="tumors-"))
    compare(arguments.steps, folder)
    print(f"\nCurves: tensorboard --logdir {folder}")


if __name__ == "__main__":
    main()
