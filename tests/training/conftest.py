"""A tiny model whose weight counts its steps, and a diary of all that happens to it."""

import json
import os
from typing import Any

import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.spec.exporter import Exporter
from tf_estimator.spec.train_spec import TrainSpec
from tf_estimator.training import lifecycle

v1 = tf.compat.v1


def _counting(features, labels, mode):
    """The loss is w, and a step adds 1 to w, so the loss is the global step."""
    del labels
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    step = v1.train.get_global_step()
    loss = w + 0.0 * tf.reduce_mean(features)
    with tf.control_dependencies([loss, step + 0]):
        train_op = tf.group(v1.assign_add(step, 1), w.assign_add(1.0))
    return EstimatorSpec(mode, predictions=features * w, loss=loss, train_op=train_op)


class _Hook(v1.train.SessionRunHook):
    def __init__(self, diary, name, secs_per_step):
        self._diary, self._name, self._secs = diary, name, secs_per_step

    def begin(self):
        self._diary.append(f"{self._name} begins")

    def after_run(self, run_context, run_values):
        self._diary.now += self._secs

    def end(self, session):
        self._diary.append(f"{self._name} ends")


class _Listener(v1.train.CheckpointSaverListener):
    def __init__(self, diary, name, stop_at):
        self._diary, self._name, self._stop_at = diary, name, stop_at

    def after_save(self, session, global_step_value):
        self._diary.append(f"{self._name} saw {global_step_value}")
        return global_step_value == self._stop_at

    def end(self, session, global_step_value):
        self._diary.append(f"{self._name} ends at {global_step_value}")


class _Exporter(Exporter):
    def __init__(self, diary, name):
        self._diary, self._name = diary, name
        self.calls: list[dict[str, Any]] = []

    @property
    def name(self):
        return self._name

    def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
        self.calls.append({**locals()})
        final = "final " if is_the_final_export else ""
        step = eval_result["global_step"]
        assert checkpoint_path == os.path.join(estimator.model_dir, f"model.ckpt-{step}")
        assert eval_result["loss"] == step, "another checkpoint was evaluated"
        self._diary.append(f"{final}export {self._name} {step}")
        return f"{self._name}{step}"


class Diary(list):
    """What happened, in order, and a time of its own that sleeping and hooks move."""

    def __init__(self):
        super().__init__()
        self.now = 50.0

    def clock(self):
        return self.now

    def sleep(self, secs, is_over=None):
        if is_over is not None and is_over():
            return
        assert secs > 0
        self.append(f"sleep {secs:g}")
        self.now += secs

    def hook(self, name, secs_per_step=0.0):
        return _Hook(self, name, secs_per_step)

    def listener(self, name, stop_at=None):
        return _Listener(self, name, stop_at)

    def exporter(self, name):
        return _Exporter(self, name)

    def input_fn(self, name, batches=None, secs=0.0):
        """Of so many batches, None for no end; to ask for it takes some seconds."""

        def input_fn():
            self.append(name)
            self.now += secs
            return tf.data.Dataset.from_tensors([1.0]).repeat(batches)

        return input_fn

    def train_spec(self, max_steps=22, batches=None, **fields):
        return TrainSpec(self.input_fn("train", batches), max_steps, **fields)

    def eval_spec(self, secs=0.0, **fields):
        fields.setdefault("throttle_secs", 0)
        return EvalSpec(self.input_fn("evaluate", 2, secs), **fields)

    def run(self, estimator, train_spec=None, eval_spec=None):
        """train_and_evaluate by the diary's time."""
        return lifecycle.run(
            estimator,
            self.train_spec() if train_spec is None else train_spec,
            self.eval_spec() if eval_spec is None else eval_spec,
            clock=self.clock,
            sleep=self.sleep,
        )


@pytest.fixture
def diary():
    return Diary()


@pytest.fixture
def make_estimator(tmp_path):
    """Makes an Estimator on tmp_path / "model" that saves every 10 steps."""

    def make(**config):
        if "save_checkpoints_secs" not in config:
            config.setdefault("save_checkpoints_steps", 10)
        options = {"save_summary_steps": None, "log_step_count_steps": None, **config}
        return Estimator(_counting, tmp_path / "model", RunConfig(**options))

    return make


@pytest.fixture
def estimator(make_estimator):
    return make_estimator()


@pytest.fixture
def be(monkeypatch):
    """Makes this process a task of a cluster: `be("worker", 1, chief=1, worker=2)`."""

    def become(task, index=0, environment="", **jobs):
        cluster = {job: [f"{job}{n}:1" for n in range(count)] for job, count in jobs.items()}
        tf_config = {"cluster": cluster, "task": {"type": task, "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps({**tf_config, "environment": environment}))

    return become
