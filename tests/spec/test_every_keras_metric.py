"""Every class of Metric that the installed releases of Keras have, in one evaluation for each.

A class of a newer release fails here until its arguments and the data it takes are given below.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator as tfe

EXAMPLES, BATCH = 22, 5  # The last batch is partial.
LIBRARIES = ["keras", "tf_keras"]

# Keras 3 counts in whole numbers for some, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:You are passing weight:UserWarning")

_random = np.random.default_rng(0)


def _one_hot(ids: np.ndarray) -> np.ndarray:
    return np.eye(4, dtype="f4")[ids]


_ids = _random.integers(0, 4, (2, EXAMPLES))
_probabilities = _random.dirichlet(np.ones(4), (2, EXAMPLES)).astype("f4")
_numbers = _random.normal(size=(2, EXAMPLES, 3)).astype("f4")
_bits = _random.integers(0, 2, (EXAMPLES, 3)).astype("f4")
# Labels and predictions by what they are.
DATA = {
    "bits": (_bits, _random.random((EXAMPLES, 3)).astype("f4")),
    "bit": (_bits[:, :1], _random.random((EXAMPLES, 1)).astype("f4")),
    "signs": (2.0 * _bits - 1.0, _numbers[0]),
    "classes": (_ids[0], _probabilities[0]),
    "one of classes": (_one_hot(_ids[0]), _probabilities[0]),
    "distributions": (_probabilities[1], _probabilities[0]),
    "ids": (_ids[0], _ids[1]),
    "numbers": (_numbers[0], _numbers[1]),
    "rates": (np.abs(_numbers[0]), np.abs(_numbers[1])),
    "values": (_numbers[0][:, 0],),
}
WEIGHTS = _random.random(EXAMPLES).astype("f4")

CASES: dict[str, list[tuple[dict[str, Any], str]]] = {
    "AUC": [({"num_thresholds": 20}, "bits"), ({"curve": "PR", "num_thresholds": 9}, "bits")],
    "Accuracy": [({}, "ids")],
    "BinaryAccuracy": [({}, "bits")],
    "BinaryCrossentropy": [({}, "bits")],
    "BinaryIoU": [({"target_class_ids": [1]}, "bit")],
    "CategoricalAccuracy": [({}, "one of classes")],
    "CategoricalCrossentropy": [({"label_smoothing": 0.1}, "one of classes")],
    "CategoricalHinge": [({}, "one of classes")],
    "ConcordanceCorrelation": [({}, "numbers")],
    "CosineSimilarity": [({}, "numbers")],
    "F1Score": [({}, "one of classes"), ({"average": "macro", "threshold": 0.5}, "bits")],
    "FBetaScore": [({"beta": 2.0, "average": "weighted"}, "one of classes")],
    "FalseNegatives": [({}, "bits")],
    "FalsePositives": [({"thresholds": [0.3, 0.6]}, "bits")],
    "Hinge": [({}, "signs")],
    "IoU": [({"num_classes": 4, "target_class_ids": [0, 2]}, "ids")],
    "KLDivergence": [({}, "distributions")],
    "LogCoshError": [({}, "numbers")],
    "Mean": [({}, "values")],
    "MeanAbsoluteError": [({}, "numbers")],
    "MeanAbsolutePercentageError": [({}, "rates")],
    "MeanIoU": [({"num_classes": 4}, "ids")],
    "MeanMetricWrapper": [({"fn": lambda y, p: tf.reduce_max(y * p, axis=-1)}, "numbers")],
    "MeanRelativeError": [({"normalizer": [1.0, 2.0, 3.0]}, "rates")],
    "MeanSquaredError": [({}, "numbers")],
    "MeanSquaredLogarithmicError": [({}, "rates")],
    "OneHotIoU": [({"num_classes": 4, "target_class_ids": [1, 3]}, "one of classes")],
    "OneHotMeanIoU": [({"num_classes": 4}, "one of classes")],
    "PearsonCorrelation": [({}, "numbers")],
    "Poisson": [({}, "rates")],
    "Precision": [({}, "bits"), ({"top_k": 2}, "one of classes")],
    "PrecisionAtRecall": [({"recall": 0.5}, "bits")],
    "R2Score": [({}, "numbers"), ({"class_aggregation": None}, "numbers")],
    "Recall": [({"thresholds": 0.4, "class_id": 1}, "bits")],
    "RecallAtPrecision": [({"precision": 0.5}, "bits")],
    "RootMeanSquaredError": [({}, "numbers")],
    "SensitivityAtSpecificity": [({"specificity": 0.5}, "bits")],
    "SparseCategoricalAccuracy": [({}, "classes")],
    "SparseCategoricalCrossentropy": [({"ignore_class": 0}, "classes")],
    "SparseTopKCategoricalAccuracy": [({"k": 2}, "classes")],
    "SpecificityAtSensitivity": [({"sensitivity": 0.5}, "bits")],
    "SquaredHinge": [({}, "signs")],
    "Sum": [({}, "values")],
    "TopKCategoricalAccuracy": [({"k": 2}, "one of classes")],
    "TrueNegatives": [({}, "bits")],
    "TruePositives": [({}, "bits")],
}
# The base class, and one whose values have one shape in all batches, tested below.
WITHOUT_A_CASE = {"Metric", "MeanTensor"}


def classes(library: Any) -> set[str]:
    """The names of all classes of Metric in a Keras."""
    members = inspect.getmembers(library.metrics, inspect.isclass)
    return {name for name, one in members if issubclass(one, library.metrics.Metric)}


def cases(library: Any) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """A key, the class, its arguments and the kind of data of each case that a Keras has."""
    for name in sorted(classes(library) & set(CASES)):
        for number, (arguments, kind) in enumerate(CASES[name]):
            yield f"{name} {number}", name, arguments, kind


def update(metric: Any, batch: dict[str, Any], kind: str, how: tuple[bool, int]) -> None:
    """Calls update_state with weights or without, and so many times."""
    weighted, times = how
    arrays = [batch[f"{kind} {n}"] for n in range(len(DATA[kind]))]
    for n in range(times):  # Other values, so that a lost or doubled update shows.
        weights = {"sample_weight": batch["weights"][n:] / (n + 1)} if weighted else {}
        metric.update_state(*(one[n:] for one in arrays), **weights)


def columns() -> dict[str, np.ndarray]:
    """All data, by name."""
    data = {f"{kind} {n}": one for kind, parts in DATA.items() for n, one in enumerate(parts)}
    return {**data, "weights": WEIGHTS}


@pytest.fixture(scope="module", params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Any:
    """Each generation of Keras that is installed."""
    return pytest.importorskip(request.param)


def evaluated(library: Any, how: tuple[bool, int], folder: str) -> dict[str, Any]:
    """What one Estimator evaluates all cases to."""

    def model_fn(features, labels, mode):
        metrics = {}
        if mode == tfe.ModeKeys.EVAL:
            for key, name, arguments, kind in cases(library):
                metrics[key] = getattr(library.metrics, name)(**arguments)
                update(metrics[key], features, kind, how)
        return tfe.EstimatorSpec(
            mode,
            loss=tf.reduce_mean(features["weights"]),
            train_op=tf.compat.v1.train.get_global_step().assign_add(1),
            eval_metric_ops=metrics,
        )

    def input_fn():
        return tf.data.Dataset.from_tensor_slices(columns()).batch(BATCH)

    with tfe.Estimator(model_fn, folder) as estimator:
        return estimator.train(input_fn, max_steps=1).evaluate(input_fn)


def expected(library: Any, how: tuple[bool, int]) -> dict[str, Any]:
    """What eager execution gives for the same batches."""
    data = columns()
    batches = [
        {name: tf.constant(one[start : start + BATCH]) for name, one in data.items()}
        for start in range(0, EXAMPLES, BATCH)
    ]
    results = {}
    for key, name, arguments, kind in cases(library):
        metric = getattr(library.metrics, name)(**arguments)
        for batch in batches:
            update(metric, batch, kind, how)
        results[key] = np.asarray(metric.result())
    return results


def test_every_class_has_a_case(library: Any) -> None:
    assert classes(library) - set(CASES) - WITHOUT_A_CASE == set()


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "how",
    [
        pytest.param((False, 1), id="once"),
        pytest.param((True, 2), id="twice with weights", marks=pytest.mark.slow),
    ],
)
def test_every_value_is_that_of_eager_execution(
    library: Any, how: tuple[bool, int], tmp_path: Path
) -> None:
    found = evaluated(library, how, str(tmp_path))
    wrong = {
        key: (found[key], value)
        for key, value in expected(library, how).items()
        if not np.allclose(found[key], value, rtol=1e-4, atol=1e-5)
    }
    assert wrong == {}


def test_a_mean_of_tensors_is_that_of_eager_execution() -> None:
    library = pytest.importorskip("tf_keras")
    eager = library.metrics.MeanTensor()
    parts = np.split(DATA["numbers"][0], 11)
    for n, part in enumerate(parts):
        eager.update_state(part, sample_weight=n)
    expected = np.asarray(eager.result())
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        batch, weight = v1.placeholder(tf.float32, [2, 3]), v1.placeholder(tf.float32, [])
        metric = library.metrics.MeanTensor()
        metric.update_state(batch, sample_weight=weight)
        spec = tfe.EstimatorSpec("eval", loss=weight, eval_metric_ops={"mean": metric})
        value, update_op = spec.eval_metric_ops["mean"]
        session.run(v1.local_variables_initializer())
        for n, part in enumerate(parts):
            session.run(update_op, {batch: part, weight: n})
        np.testing.assert_allclose(session.run(value), expected, rtol=1e-5)
