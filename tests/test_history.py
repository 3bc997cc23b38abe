"""Estimator.history: the curves of real runs, one of them killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

import tf_estimator
from tf_estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1


def model_fn(features, mode, params):
    """The loss is params["offset"] + the global step before the step; a step adds 1 to it."""
    del features
    step = v1.train.get_global_step()
    loss = tf.cast(step, tf.float32) + params["offset"]
    with tf.control_dependencies([loss]):
        return EstimatorSpec(mode, loss=loss, train_op=v1.assign_add(step, 1).op)


def input_fn():
    return tf.data.Dataset.from_tensors({"x": [1.0]}).repeat()


def make_estimator(model_dir, offset=0.0, **config):
    given = {"save_summary_steps": 1, "save_checkpoints_steps": 10, **config}
    return Estimator(model_fn, model_dir, RunConfig(**given), {"offset": offset})


class KillAt(v1.train.SessionRunHook):
    def __init__(self, step):
        self._left = step

    def after_run(self, run_context, run_values):
        self._left -= 1
        if not self._left:
            (writer,) = v1.summary.FileWriterCache._cache.values()
            writer.flush()  # as though the time for it had come
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_run_and_the_one_that_went_on_are_one_curve(tmp_path):
    program = (
        f"import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('runs', {__file__!r})\n"
        f"runs = importlib.util.module_from_spec(spec)\n"
        f"spec.loader.exec_module(runs)\n"
        f"runs.make_estimator(sys.argv[1]).train(runs.input_fn, [runs.KillAt(17)], steps=30)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        env={**os.environ, "PYTHONPATH": str(Path(tf_estimator.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    # A name tells only the second: a run that goes on in the same one would write over the file.
    (path,) = tmp_path.glob("events.*")
    path.rename(tmp_path / "events.out.tfevents.1600000000.host")
    estimator = make_estimator(tmp_path, offset=100.0)
    before = estimator.history()["train"]["loss"]
    assert before.step.tolist() == list(range(1, 18))
    saved = int(estimator.get_variable_value("global_step"))
    assert 0 < saved < 17
    estimator.train(input_fn, max_steps=20)
    step, wall_time, loss = estimator.history()["train"]["loss"]
    assert step.tolist() == list(range(1, 21))
    assert (loss - step + 1).tolist() == [0.0] * saved + [100.0] * (20 - saved)
    assert np.all(np.diff(wall_time) >= 0)


def test_all_is_there_right_after_train_and_evaluate(tmp_path):
    estimator = make_estimator(tmp_path, save_summary_steps=None, log_step_count_steps=2)
    assert estimator.history() == {}
    assert list(tmp_path.iterdir()) == []
    estimator.train(input_fn, steps=5)
    # Nothing but the step counter writes, and nobody tells its writer to write out.
    assert list(estimator.history()["train"]) == ["global_step/sec"]
    for name in (None, "test"):
        estimator.evaluate(input_fn, steps=1, name=name)
    history = estimator.history()
    assert list(history) == ["train", "eval", "eval_test"]
    step, _, loss = history["eval_test"]["loss"]
    assert (step.tolist(), loss.tolist()) == ([5], [5.0])


def test_training_on_and_on_gives_one_curve(tmp_path):
    estimator = make_estimator(tmp_path)
    for _ in range(3):
        estimator.train(input_fn, steps=2)
        estimator.evaluate(input_fn, steps=1)
    history = estimator.history()
    assert history["train"]["loss"].step.tolist() == [1, 2, 3, 4, 5, 6]
    assert history["eval"]["loss"].value.tolist() == [2.0, 4.0, 6.0]


def test_a_program_with_a_member_of_that_name_goes_on_working(tmp_path):
    class Mine(Estimator):
        history = ("kept", "by", "hand")

        def evaluate_checkpoints(self):
            return "mine"

    mine = Mine(model_fn, tmp_path, params={"offset": 0.0})
    assert mine.history == ("kept", "by", "hand")
    assert mine.evaluate_checkpoints() == "mine"
    assert mine.train(input_fn, steps=1).evaluate(input_fn, steps=1)["loss"] == 1.0
