"""A small table, the columns of the goldens on it, and inputs made of it."""

import json
import pathlib
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import RunConfig

v1 = tf.compat.v1
fc = tf.feature_column

GOLDENS = pathlib.Path(__file__).parent.parent / "goldens" / "canned"


class Columns(NamedTuple):
    wide: list
    deep: list


@pytest.fixture(scope="session")
def table():
    """Name to array of 64 rows: features, and labels as `label_*`."""
    found = {}
    for name, rows in json.loads((GOLDENS / "data.json").read_text()).items():
        array = np.array(rows)
        found[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
    return found


@pytest.fixture(scope="session")
def columns():
    """The wide and the deep columns that the goldens were made with."""
    age, income = fc.numeric_column("age"), fc.numeric_column("income")
    jobs = ["nurse", "pilot", "cook", "clerk"]
    job = fc.categorical_column_with_vocabulary_list("job", jobs)
    city = fc.categorical_column_with_hash_bucket("city", 10)
    bucketized = fc.bucketized_column(age, [30, 45, 60])
    crossed = fc.crossed_column([bucketized, "job"], 20)
    vec = fc.numeric_column("vec", shape=(3,))
    return Columns(
        [bucketized, job, city, crossed, income],
        [age, income, vec, fc.indicator_column(job), fc.embedding_column(city, 2)],
    )


@pytest.fixture
def batches(table):
    """Makes an input_fn of batches of 16 rows, endless if asked."""

    def make(label, *, endless=False):
        def input_fn():
            features = {k: v for k, v in table.items() if not k.startswith("label_")}
            data = tf.data.Dataset.from_tensor_slices((features, table[f"label_{label}"]))
            return data.batch(16).repeat(None if endless else 1)

        return input_fn

    return make


@pytest.fixture
def config(tmp_path):
    """A RunConfig on a folder of the test, that saves at the start and the end only."""
    return RunConfig(str(tmp_path / "model"), tf_random_seed=1, save_checkpoints_steps=1000)


class Built(NamedTuple):
    spec: object
    graph: tf.Graph

    def names(self, collection=v1.GraphKeys.GLOBAL_VARIABLES):
        return {each.op.name for each in self.graph.get_collection(collection)}

    def tags(self):
        ops = [op for op in self.graph.get_operations() if op.type.endswith("Summary")]
        return {tf.get_static_value(op.inputs[0]).item().decode() for op in ops}


@pytest.fixture
def build():
    """Calls an estimator's model_fn on one batch of (features, labels), in a graph of its own."""

    def make(estimator, batch, mode="train"):
        with tf.Graph().as_default() as graph:
            v1.train.create_global_step()
            features, labels = batch()
            labels = None if mode == "infer" else labels
            return Built(estimator.model_fn(features, labels, mode, estimator.config), graph)

    return make


class _Losses(v1.train.SessionRunHook):
    def __init__(self):
        self.values = []

    def begin(self):
        self._loss = v1.get_collection(v1.GraphKeys.LOSSES)[-1]

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(self._loss)

    def after_run(self, run_context, run_values):
        self.values.append(float(run_values.results))


@pytest.fixture
def losses():
    """A hook that keeps the loss of every step in `values`."""
    return _Losses()
