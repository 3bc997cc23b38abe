"""A model_dir that the original Estimator wrote goes on with ours, and ours writes the same.

make_old_model_dir.py made the data, and says how.
"""

import importlib.util
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator

HERE = pathlib.Path(__file__).parent
EXPECTED = json.loads((HERE / "data" / "old_model_dir.json").read_text())


def _maker():
    spec = importlib.util.spec_from_file_location("maker", HERE / "make_old_model_dir.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = _maker()


def _estimator(folder):
    model_fn = maker.model_fn_with(tf_estimator.EstimatorSpec)
    return tf_estimator.Estimator(model_fn, folder, maker.run_config(tf_estimator))


@pytest.fixture
def old_model_dir(tmp_path):
    return shutil.copytree(HERE / "data" / "old_model_dir", tmp_path / "model")


def _assert_answers(estimator, expected):
    actual = maker.answers(estimator)
    assert actual["metrics"] == pytest.approx(expected["metrics"], rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(actual["predictions"], expected["predictions"], rtol=1e-6, atol=1e-6)
    assert list(actual["variables"]) == list(expected["variables"])
    for name, value in expected["variables"].items():
        np.testing.assert_allclose(
            actual["variables"][name], value, rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_it_answers_as_the_original_did(old_model_dir):
    _assert_answers(_estimator(old_model_dir), EXPECTED["at_10"])


def test_it_goes_on_training_as_the_original_did(old_model_dir):
    estimator = _estimator(old_model_dir).train(maker.input_fn)
    _assert_answers(estimator, EXPECTED["at_20"])


def test_max_steps_that_the_original_reached_are_reached(old_model_dir):
    estimator = _estimator(old_model_dir).train(maker.input_fn, max_steps=10)
    assert estimator.latest_checkpoint().endswith("model.ckpt-10")


def test_tensorboard_gets_one_curve_from_old_and_new_event_files(old_model_dir):
    _estimator(old_model_dir).train(maker.input_fn)
    assert len(list(old_model_dir.glob("*tfevents*"))) == 2
    for tag, expected in EXPECTED["curves"].items():
        np.testing.assert_allclose(
            maker.curve(old_model_dir, tag), expected, rtol=1e-5, atol=1e-6, err_msg=tag
        )


def test_tensorboard_reads_that_curve(old_model_dir):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _estimator(old_model_dir).train(maker.input_fn)
    events = reader.EventAccumulator(str(old_model_dir))
    events.Reload()
    assert [[each.step, each.value] for each in events.Scalars("loss")] == pytest.approx(
        np.array(EXPECTED["curves"]["loss"]), rel=1e-5
    )


def test_evaluations_are_appended_to_those_of_the_original(old_model_dir):
    estimator = _estimator(old_model_dir).train(maker.input_fn)
    estimator.evaluate(maker.input_fn)
    expected = [
        [int(at["metrics"]["global_step"]), at["metrics"]["error"]]
        for at in (EXPECTED["at_10"], EXPECTED["at_20"])
    ]
    np.testing.assert_allclose(maker.curve(old_model_dir / "eval", "error"), expected, rtol=1e-5)


def test_checkpoints_of_both_runs_are_kept_in_one_list(old_model_dir):
    _estimator(old_model_dir).train(maker.input_fn)
    state = tf.train.get_checkpoint_state(str(old_model_dir))
    names = [pathlib.Path(path).name for path in state.all_model_checkpoint_paths]
    assert names == [f"model.ckpt-{step}" for step in (0, 5, 10, 15, 20)]


def test_a_new_model_warm_starts_from_it(old_model_dir, tmp_path):
    model_fn = maker.model_fn_with(tf_estimator.EstimatorSpec)
    estimator = tf_estimator.Estimator(
        model_fn, tmp_path / "new", maker.run_config(tf_estimator), warm_start_from=old_model_dir
    )
    metrics = estimator.evaluate(maker.input_fn)
    expected = EXPECTED["at_10"]["metrics"]
    assert metrics["error"] == pytest.approx(expected["error"], rel=1e-6)
    assert metrics["global_step"] == 0


def test_what_ours_writes_is_named_and_stored_as_by_the_original(tmp_path):
    estimator = _estimator(tmp_path).train(maker.input_fn)
    _assert_answers(estimator, EXPECTED["at_10"])
    assert maker.layout(tmp_path) == EXPECTED["layout"]
    assert (tmp_path / "checkpoint").read_text() == EXPECTED["state"]
