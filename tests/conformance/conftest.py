"""The registry: every estimator of the package, with what it takes to make and feed one."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator as v2
from tf_estimator import RunConfig
from tf_estimator.compat import v1

BATCH = 4
ROWS = 8

WORDS = ("nurse", "pilot", "cook", "clerk")


@dataclasses.dataclass(frozen=True)
class Case:
    """One estimator.

    Attributes:
        make: makes it from the arguments that all take: model_dir, config and, where they have it,
            warm_start_from.
        label: which label it is trained on; None for none.
        warm_starts: whether it takes warm_start_from.
        sequence: whether it reads the sequences of words, not age and job.
        compare: the name of the prediction that an export must answer the same.
    """

    make: Callable[..., Any]
    label: str | None = "binary"
    warm_starts: bool = True
    sequence: bool = False
    compare: str = "logits"


def _columns():
    fc = tf.feature_column
    age = fc.numeric_column("age")
    job = fc.categorical_column_with_vocabulary_list("job", WORDS)
    wide = [fc.bucketized_column(age, [30.0, 50.0]), job]
    deep = [age, fc.embedding_column(job, 2)]
    return wide, deep


def _sequence():
    fc = tf.feature_column
    words = fc.sequence_categorical_column_with_vocabulary_list("words", WORDS)
    return [fc.embedding_column(words, 2)]


def _model_fn(features, labels, mode):
    """What a user writes."""
    age = tf.cast(features["age"], tf.float32)
    w = tf.compat.v1.get_variable("w", [1, 1])
    logits = age @ w / 50.0
    if mode == v2.ModeKeys.PREDICT:
        return v2.EstimatorSpec(mode, predictions={"logits": logits})
    loss = tf.reduce_mean((logits - tf.cast(labels, tf.float32)) ** 2)
    step = tf.compat.v1.train.get_global_step()
    train_op = tf.compat.v1.train.GradientDescentOptimizer(0.01).minimize(loss, step)
    return v2.EstimatorSpec(mode, loss=loss, train_op=train_op)


def _cases(api: Any) -> dict[str, Case]:
    """Those that both versions have, of one version."""
    head = api.MultiLabelHead

    def wide():
        return _columns()[0]

    def deep():
        return _columns()[1]

    def combined(kind: str, *first: Any, **options: Any) -> Callable[..., Any]:
        return lambda **common: getattr(api, f"DNNLinearCombined{kind}")(
            *[one() for one in first],
            linear_feature_columns=wide(),
            dnn_feature_columns=deep(),
            dnn_hidden_units=[3],
            **options,
            **common,
        )

    return {
        "Estimator": Case(lambda **common: api.Estimator(_model_fn, **common)),
        "BaselineClassifier": Case(api.BaselineClassifier, warm_starts=False),
        "BaselineRegressor": Case(
            api.BaselineRegressor, "real", warm_starts=False, compare="predictions"
        ),
        "BaselineEstimator": Case(
            lambda **common: api.BaselineEstimator(head(3), **common), "labels", warm_starts=False
        ),
        "LinearClassifier": Case(lambda **common: api.LinearClassifier(wide(), **common)),
        "LinearClassifier of 3": Case(
            lambda **common: api.LinearClassifier(wide(), n_classes=3, **common), "class"
        ),
        "LinearRegressor": Case(
            lambda **common: api.LinearRegressor(wide(), **common), "real", compare="predictions"
        ),
        "LinearEstimator": Case(
            lambda **common: api.LinearEstimator(head(3), wide(), **common), "labels"
        ),
        "DNNClassifier": Case(lambda **common: api.DNNClassifier([3], deep(), **common)),
        "DNNClassifier with batch norm": Case(
            lambda **common: api.DNNClassifier(
                [3], deep(), batch_norm=True, dropout=0.5, optimizer="Adam", **common
            )
        ),
        "DNNRegressor": Case(
            lambda **common: api.DNNRegressor([3], deep(), **common), "real", compare="predictions"
        ),
        "DNNEstimator": Case(
            lambda **common: api.DNNEstimator(head(3), [3], deep(), **common), "labels"
        ),
        "DNNLinearCombinedClassifier": Case(combined("Classifier")),
        "DNNLinearCombinedRegressor": Case(combined("Regressor"), "real", compare="predictions"),
        "DNNLinearCombinedEstimator": Case(
            combined("Estimator", lambda: head(3)), "labels", warm_starts=False
        ),
    }


REGISTRY = {
    **{f"v2 {name}": case for name, case in _cases(v2).items()},
    **{f"v1 {name}": case for name, case in _cases(v1).items()},
    "v2 RNNClassifier": Case(
        lambda **common: v2.experimental.RNNClassifier(_sequence(), units=[3], **common),
        warm_starts=False,
        sequence=True,
    ),
    "v2 RNNEstimator": Case(
        lambda **common: v2.experimental.RNNEstimator(
            v2.MultiLabelHead(3), _sequence(), units=[3], cell_type="lstm", **common
        ),
        "labels",
        warm_starts=False,
        sequence=True,
    ),
    "v1 KMeans": Case(
        lambda **common: v1.experimental.KMeans(
            2, feature_columns=[tf.feature_column.numeric_column("age")], **common
        ),
        None,
        warm_starts=False,
        compare="cluster_index",
    ),
}


@pytest.fixture
def registry() -> dict[str, Case]:
    return REGISTRY


@pytest.fixture(params=sorted(REGISTRY))
def case(request) -> Case:
    return REGISTRY[request.param]


@pytest.fixture(scope="module")
def table() -> dict[str, np.ndarray]:
    """Features, and labels of four kinds; sequences are of two words."""
    chance = np.random.default_rng(7)
    jobs = np.array(WORDS)[np.arange(ROWS) % len(WORDS)]
    return {
        "age": chance.uniform(20, 70, [ROWS, 1]).astype(np.float32),
        "job": jobs[:, np.newaxis].astype(bytes),
        "words": np.stack([jobs, jobs[::-1]], axis=1).astype(bytes),
        # Of each four one is positive: in a balanced batch a baseline has nothing to learn.
        "binary": (np.arange(ROWS) % 4 == 1).astype(np.int64)[:, np.newaxis],
        "class": (np.arange(ROWS) % 3)[:, np.newaxis],
        "labels": chance.integers(0, 2, [ROWS, 3]),
        "real": chance.normal(size=[ROWS, 1]).astype(np.float32),
    }


@pytest.fixture
def features(case, table) -> dict[str, np.ndarray]:
    """What the case reads."""
    return {name: table[name] for name in (["words"] if case.sequence else ["age", "job"])}


@pytest.fixture
def input_fn(case, table, features):
    """An input_fn of the whole table, endless in training."""

    def make(mode):
        given = dict(features)
        if case.sequence:
            given["words"] = tf.sparse.from_dense(given["words"])
        data = given if case.label is None else (given, table[case.label])
        batches = tf.data.Dataset.from_tensor_slices(data).batch(BATCH)
        return batches.repeat() if mode == v2.ModeKeys.TRAIN else batches

    return make


@pytest.fixture
def config(tmp_path):
    return RunConfig(
        str(tmp_path / "model"), tf_random_seed=1, save_summary_steps=1, log_step_count_steps=1
    )
