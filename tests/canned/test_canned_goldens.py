"""Checkpoints of tensorflow-estimator 2.15: same answers, same variables, and on from there."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import RunConfig, canned
from tf_estimator.compat.v1 import canned as canned_v1

GOLDENS = pathlib.Path(__file__).parent.parent / "goldens" / "canned"
NAMES = sorted(each.name for each in GOLDENS.iterdir() if each.is_dir())


@pytest.fixture
def make(columns):
    """Makes the estimator of a golden on a folder."""

    def estimator(name, folder):
        version, _, kind = name.partition("_")
        module = {"v1": canned_v1, "v2": canned}[version]
        config = RunConfig(str(folder), tf_random_seed=1, save_checkpoints_steps=1000)
        wide, deep = columns
        makers = {
            "baseline_classifier": lambda: module.BaselineClassifier(n_classes=3, config=config),
            "dnn_classifier_multi_bn": lambda: module.DNNClassifier(
                [8], deep, n_classes=3, batch_norm=True, config=config
            ),
            "dnn_regressor": lambda: module.DNNRegressor(
                [8, 4], deep, label_dimension=2, optimizer="Adam", config=config
            ),
            "linear_classifier": lambda: module.LinearClassifier(wide, config=config),
            "linear_regressor_2d": lambda: module.LinearRegressor(
                wide, label_dimension=2, config=config
            ),
            "wide_deep_classifier": lambda: module.DNNLinearCombinedClassifier(
                linear_feature_columns=wide,
                dnn_feature_columns=deep,
                dnn_hidden_units=[8],
                config=config,
            ),
        }
        return makers[kind]()

    return estimator


@pytest.fixture(params=NAMES)
def golden(request, make, tmp_path):
    """An estimator on a copy of a golden's folder, its name, and what the original answered."""
    folder = tmp_path / "golden"
    shutil.copytree(GOLDENS / request.param, folder)
    expected = json.loads((folder / "expected.json").read_text())
    return make(request.param, folder), request.param, expected


def test_the_metrics_are_the_originals(golden, batches):
    estimator, _, expected = golden
    found = estimator.evaluate(batches(expected["label"]))
    assert found == pytest.approx(expected["evaluate"], rel=1e-5)


def test_the_predictions_are_the_originals(golden, batches):
    estimator, _, expected = golden
    found = list(estimator.predict(batches(expected["label"])))[: len(expected["predict"])]
    for one, wanted in zip(found, expected["predict"], strict=True):
        assert one.keys() == wanted.keys()
        for key, value in wanted.items():
            if one[key].dtype.kind in "OS":
                assert [each.decode() for each in one[key]] == value
            else:
                np.testing.assert_allclose(one[key], np.float32(value), rtol=1e-5)


def test_training_goes_on(golden, batches, losses):
    estimator, _, expected = golden
    before = tf.train.load_checkpoint(estimator.model_dir)
    estimator.train(batches(expected["label"], endless=True), hooks=[losses], steps=2)
    assert estimator.get_variable_value("global_step") == 42
    after = tf.train.load_checkpoint(estimator.model_dir)
    model = [name for name in expected["variables"] if name.startswith(("dnn/lo", "linear/", "ba"))]
    moved = [name for name in model if (before.get_tensor(name) != after.get_tensor(name)).any()]
    assert moved
    assert all(np.isfinite(losses.values))


def test_a_new_model_has_the_same_variables(golden, make, batches, tmp_path):
    _, name, expected = golden
    estimator = make(name, tmp_path / "new")
    estimator.train(batches(expected["label"], endless=True), steps=1)
    found = {key: list(shape) for key, shape in tf.train.list_variables(estimator.model_dir)}
    assert found == expected["variables"]
