"""Estimator.evaluate_checkpoints: which, in what order, in one graph; and checkpoints by name."""

import logging
import os
import shutil

import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig
from tf_estimator.export import ServingInputReceiver
from tf_estimator.export.best_checkpoints import BestCheckpoints
from tf_estimator.summaries import evaluations_in_files

v1 = tf.compat.v1


class Built:
    """A model_fn: w is the global step; loss = w * mean(x). It counts how often it is called."""

    def __init__(self):
        self.modes = []

    def __call__(self, features, mode):
        self.modes.append(mode)
        w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
        predictions = {"y": features["x"] * w}
        loss = tf.reduce_mean(predictions["y"])
        step = v1.train.get_global_step()
        with tf.control_dependencies([loss, step + 0]):
            train_op = tf.group(v1.assign_add(step, 1), w.assign_add(1.0))
        return EstimatorSpec(mode, predictions, loss, train_op)


def input_fn():
    return tf.data.Dataset.from_tensor_slices({"x": [[1.0], [2.0], [3.0]]})


@pytest.fixture
def built():
    return Built()


@pytest.fixture
def estimator(built, tmp_path):
    """An Estimator with checkpoints of steps 0, 1, 2 and 3."""
    config = RunConfig(save_checkpoints_steps=1, keep_checkpoint_max=4)
    made = Estimator(built, tmp_path / "model", config)
    made.train(lambda: input_fn().repeat(), steps=3)
    built.modes.clear()
    return made


@pytest.fixture
def path(estimator):
    """The path of a checkpoint by its step."""
    return lambda step: os.path.join(estimator.model_dir, f"model.ckpt-{step}")


def steps(results):
    return [int(metrics["global_step"]) for metrics in results.values()]


class TestWhich:
    def test_all_in_the_order_of_their_steps(self, estimator, path, built):
        results = estimator.evaluate_checkpoints(input_fn)
        assert list(results) == [path(step) for step in range(4)]
        assert [metrics["loss"] for metrics in results.values()] == [0.0, 2.0, 4.0, 6.0]
        assert built.modes == [ModeKeys.EVAL]

    def test_each_as_evaluate_does_it_alone(self, estimator, path):
        together = estimator.evaluate_checkpoints(input_fn, steps=2)
        alone = {
            one: estimator.evaluate(input_fn, steps=2, checkpoint_path=one) for one in together
        }
        assert together == alone

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ([3, 1], [1, 3]),
            (["model.ckpt-2", 0], [0, 2]),
            ([2, "model.ckpt-2"], [2]),
            ((step for step in (1,)), [1]),
            ([], []),
            ([os.fsencode("model.ckpt-1")], [1]),
        ],
    )
    def test_some_by_step_or_name(self, estimator, path, given, expected):
        results = estimator.evaluate_checkpoints(input_fn, given)
        assert list(results) == [path(step) for step in expected]
        assert steps(results) == expected

    def test_one_of_another_folder_by_its_path(self, estimator, path, tmp_path):
        shutil.copytree(estimator.model_dir, tmp_path / "copy")
        copy = str(tmp_path / "copy" / "model.ckpt-2")
        results = estimator.evaluate_checkpoints(input_fn, [path(3), copy, tmp_path / "copy"])
        assert list(results) == [copy, str(tmp_path / "copy" / "model.ckpt-3"), path(3)]

    def test_those_that_nothing_lists(self, estimator, path):
        os.remove(os.path.join(estimator.model_dir, "checkpoint"))
        assert steps(estimator.evaluate_checkpoints(input_fn)) == [0, 1, 2, 3]

    def test_those_that_were_removed_are_not_looked_for(self, estimator, path, caplog):
        for part in ("index", "meta", "data-00000-of-00001"):
            os.remove(f"{path(1)}.{part}")
        assert steps(estimator.evaluate_checkpoints(input_fn)) == [0, 2, 3]
        assert path(1) not in caplog.text

    def test_one_that_is_removed_meanwhile_is_left_out(self, estimator, path, caplog):
        class Remove(v1.train.SessionRunHook):
            def begin(self):
                for part in ("index", "meta", "data-00000-of-00001"):
                    if os.path.exists(f"{path(1)}.{part}"):
                        os.remove(f"{path(1)}.{part}")

        results = estimator.evaluate_checkpoints(input_fn, hooks=[Remove()])
        assert steps(results) == [0, 2, 3]
        assert f"The checkpoint {path(1)} is left out: it does not exist" in caplog.text


class TestDamaged:
    @pytest.fixture(autouse=True)
    def _damage(self, estimator, path):
        os.truncate(f"{path(1)}.data-00000-of-00001", 3)

    def test_is_left_out_with_a_warning(self, estimator, path, caplog):
        with caplog.at_level(logging.WARNING):
            assert steps(estimator.evaluate_checkpoints(input_fn)) == [0, 2, 3]
        assert f"The checkpoint {path(1)} is left out: " in caplog.text

    @pytest.mark.parametrize("given", [1, "model.ckpt-1"])
    def test_asked_for_is_an_error_before_anything_is_built(self, estimator, path, built, given):
        with pytest.raises(tf.errors.DataLossError, match=path(1)):
            estimator.evaluate_checkpoints(input_fn, [0, given])
        assert built.modes == []

    def test_all_of_them_is_an_error(self, estimator, path):
        for step in (0, 2, 3):
            os.truncate(f"{path(step)}.data-00000-of-00001", 3)
        with pytest.raises(ValueError, match="must be a checkpoint to evaluate"):
            estimator.evaluate_checkpoints(input_fn)


def test_the_event_file_has_them_in_the_order_of_their_steps(estimator):
    estimator.evaluate_checkpoints(input_fn, [3, 0, 2], name="test")
    written = evaluations_in_files(os.path.join(estimator.eval_dir("test"), "*"))
    assert list(written) == [(0, {"loss": 0.0}), (2, {"loss": 4.0}), (3, {"loss": 6.0})]
    assert estimator.history()["eval_test"]["loss"].value.tolist() == [0.0, 4.0, 6.0]


def test_hooks_begin_anew_with_each(estimator):
    class Count(v1.train.SessionRunHook):
        def __init__(self):
            self.batches = []

        def begin(self):
            self.batches.append(0)

        def after_run(self, run_context, run_values):
            self.batches[-1] += 1

    count = Count()
    estimator.evaluate_checkpoints(input_fn, [1, 2], hooks=[count])
    assert count.batches == [3, 3]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"input_fn": 3}, TypeError, "input_fn must be callable"),
        ({"steps": 0}, ValueError, "steps must be a positive integer"),
        ({"hooks": [3]}, TypeError, "hooks must be"),
        ({"name": 3}, TypeError, "name must be"),
        ({"checkpoints": "model.ckpt-1"}, TypeError, "checkpoints must be an iterable of paths"),
        ({"checkpoints": 1}, TypeError, "checkpoints must be an iterable of paths"),
        ({"checkpoints": [1.5]}, TypeError, "checkpoints must be an iterable of paths"),
        ({"checkpoints": [7]}, ValueError, "checkpoints must name a checkpoint; received 7"),
    ],
    ids=str,
)
def test_bad_arguments(estimator, built, arguments, error, message):
    with pytest.raises(error, match=message):
        estimator.evaluate_checkpoints(**{"input_fn": input_fn, **arguments})
    assert built.modes == []


def test_an_untrained_model_has_none(built, tmp_path):
    with pytest.raises(ValueError, match="must be a checkpoint to evaluate"):
        Estimator(built, tmp_path / "empty").evaluate_checkpoints(input_fn)


class TestNames:
    @pytest.fixture(autouse=True)
    def _keep(self, estimator, path):
        folder = os.path.join(estimator.model_dir, "export", "best")
        BestCheckpoints().export(estimator, folder, path(1), {"loss": 0.0, "global_step": 1}, False)

    @pytest.mark.parametrize(
        ("name", "step"),
        [("model.ckpt-2", 2), ("best", 1), (b"best", 1), ("export/best", 1), (".", 3), ("", 3)],
    )
    def test_stand_for_a_checkpoint(self, estimator, name, step):
        assert estimator.evaluate(input_fn, checkpoint_path=name)["global_step"] == step
        (first, *_) = estimator.predict(input_fn, checkpoint_path=name)
        assert first["y"] == float(step)

    def test_are_for_exports_too(self, estimator):
        def receiver_fn():
            x = v1.placeholder(tf.float32, [None], name="x")
            return ServingInputReceiver({"x": x}, {"x": x})

        exported = os.fsdecode(
            estimator.export_saved_model(
                estimator.model_dir + "-exports", receiver_fn, checkpoint_path="best"
            )
        )
        serve = tf.saved_model.load(exported).signatures["serving_default"]
        assert serve(x=tf.constant([5.0]))["y"].numpy().tolist() == [5.0]

    def test_come_after_paths(self, estimator, path, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for part in ("index", "data-00000-of-00001"):
            shutil.copy(f"{path(3)}.{part}", f"best.{part}")
        assert estimator.evaluate(input_fn, checkpoint_path="best")["global_step"] == 3

    def test_are_looked_up_while_a_file_or_folder_is_called_so(
        self, estimator, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "best").mkdir()
        (tmp_path / "model.ckpt-2").write_text("notes")
        for name, step in (("best", 1), ("model.ckpt-2", 2)):
            assert estimator.evaluate(input_fn, checkpoint_path=name)["global_step"] == step

    @pytest.mark.parametrize("name", ["bset", "model.ckpt-9", "/no/such/model.ckpt-1", "export"])
    def test_that_are_wrong_are_told_the_right_ones(self, estimator, name):
        known = "has model.ckpt-0, model.ckpt-1, model.ckpt-2, model.ckpt-3, best"
        with pytest.raises(ValueError, match=f"checkpoint_path must name a.*{name}.*{known}"):
            estimator.evaluate(input_fn, checkpoint_path=name)

    def test_begin_a_new_model(self, estimator, built, tmp_path):
        folder = os.path.join(estimator.model_dir, "export", "best")
        warm = Estimator(built, tmp_path / "warm", warm_start_from=folder)
        assert warm.evaluate(input_fn)["loss"] == 2.0
