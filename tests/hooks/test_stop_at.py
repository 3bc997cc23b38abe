"""Stopping at a checkpoint's step, and after a time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig
from tf_estimator.hooks.stop_at import StopAfterSecsHook, make_stop_at_checkpoint_step_hook

v1 = tf.compat.v1


def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
    loss = tf.reduce_mean(features)
    with tf.control_dependencies([loss]):
        train_op = v1.assign_add(v1.train.get_global_step(), 1).op
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors([1.0]).repeat(50)


@pytest.fixture
def make_estimator(tmp_path: Path) -> Callable[..., Estimator]:
    def make(**config: Any) -> Estimator:
        config = {"save_checkpoints_steps": 10, "log_step_count_steps": None, **config}
        return Estimator(model_fn, tmp_path / "model", RunConfig(save_summary_steps=None, **config))

    return make


@pytest.fixture
def estimator(make_estimator: Callable[..., Estimator]) -> Estimator:
    return make_estimator()


@pytest.fixture
def worker(make_estimator: Callable[..., Estimator], monkeypatch: pytest.MonkeyPatch) -> Estimator:
    """The Estimator as a worker that is not the chief has it."""
    cluster = {"chief": ["localhost:1"], "worker": ["localhost:2"]}
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    return make_estimator()


def last_step(estimator: Estimator) -> int:
    return int(estimator.get_variable_value("global_step"))


def save(model_dir: str, step: int) -> None:
    """What the chief does: a checkpoint of this step."""
    with tf.Graph().as_default(), v1.Session() as session:
        global_step = v1.train.get_or_create_global_step()
        session.run(v1.assign(global_step, step))
        v1.train.Saver().save(session, f"{model_dir}/model.ckpt", step)


def run(hook: tf.compat.v1.train.SessionRunHook, most: int) -> int:
    """How many steps a session with this hook makes."""
    done = 0
    with tf.Graph().as_default():
        train_op = v1.assign_add(v1.train.get_or_create_global_step(), 1)
        with v1.train.MonitoredSession(hooks=[hook]) as session:
            while not session.should_stop() and done < most:
                session.run(train_op)
                done += 1
    return done


class TestStopAtCheckpointStep:
    @pytest.mark.parametrize(
        ("last", "steps"), [(5, 5), (20, 20), (23, 23), (99, 50), (0, 1), (-1, 1)]
    )
    def test_chief_stops_at_the_step_and_saves_it(
        self, estimator: Estimator, last: int, steps: int
    ) -> None:
        hook = make_stop_at_checkpoint_step_hook(estimator, last)
        estimator.train(input_fn, hooks=[hook])
        assert last_step(estimator) == steps

    def test_resumed_chief_counts_on(self, estimator: Estimator) -> None:
        estimator.train(input_fn, steps=20)
        estimator.train(input_fn, hooks=[make_stop_at_checkpoint_step_hook(estimator, 23)])
        assert last_step(estimator) == 23

    @pytest.mark.parametrize(
        ("saves", "steps"),
        [
            # What the chief has saved by the end of each wait; the original made as many steps.
            ([3, 5], 7),
            ([None, 4, 9], 8),
            ([5], 6),
            ([], 12),
        ],
    )
    def test_other_workers_slow_down_until_the_step_is_saved(
        self, worker: Estimator, saves: list[int | None], steps: int
    ) -> None:
        waits = []
        coming = list(saves)

        def sleep(secs: float) -> None:
            waits.append(secs)
            step = coming.pop(0) if coming else None
            if step is not None:
                save(worker.model_dir, step)

        hook = make_stop_at_checkpoint_step_hook(worker, 5, 7, sleep=sleep)
        assert run(hook, 12) == steps
        # The first wait is at step 5, and the step that finds the checkpoint does not wait.
        assert waits == [7] * (steps - 5 if saves else 8)

    def test_a_later_checkpoint_does_not_stop_before_the_step(self, worker: Estimator) -> None:
        save(worker.model_dir, 99)
        hook = make_stop_at_checkpoint_step_hook(worker, 5, sleep=lambda secs: pytest.fail("waits"))
        assert run(hook, 12) == 5

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"estimator": 3}, TypeError, "estimator must be an instance of Estimator; received 3"),
            ({"last_step": None}, ValueError, "last_step must be an integer; received None"),
            ({"last_step": "9"}, TypeError, "last_step must be an integer; received '9'"),
            ({"wait_after_file_check_secs": -1}, ValueError, "must be at least 0; received -1"),
            ({"wait_after_file_check_secs": None}, TypeError, "must be a number; received None"),
            ({"sleep": 3}, TypeError, "sleep must be callable; received 3"),
        ],
    )
    def test_bad_arguments(
        self, estimator: Estimator, arguments: dict[str, Any], error: type, message: str
    ) -> None:
        with pytest.raises(error, match=message):
            make_stop_at_checkpoint_step_hook(
                **{"estimator": estimator, "last_step": 9, **arguments}
            )

    def test_a_graph_without_a_global_step_is_refused(self, worker: Estimator) -> None:
        hook = make_stop_at_checkpoint_step_hook(worker, 9)
        with tf.Graph().as_default(), pytest.raises(RuntimeError, match="must be a global step"):
            v1.train.MonitoredSession(hooks=[hook])


class Tick(v1.train.SessionRunHook):
    """A clock that a step moves on by two seconds."""

    now = 100.0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.now += 2.0

    def __call__(self) -> float:
        return self.now


class TestStopAfterSecs:
    @pytest.mark.parametrize(
        ("secs", "steps"), [(0, 1), (2, 1), (2.5, 2), (24, 12), (25, 13), (999, 50)]
    )
    def test_stops_at_the_first_step_that_ends_after_it_and_saves(
        self, estimator: Estimator, secs: float, steps: int
    ) -> None:
        tick = Tick()
        estimator.train(input_fn, hooks=[tick, StopAfterSecsHook(secs, clock=tick)])
        assert last_step(estimator) == steps

    def test_time_starts_with_each_call_of_train(self, estimator: Estimator) -> None:
        tick = Tick()
        hook = StopAfterSecsHook(10, clock=tick)
        for steps in (5, 10):
            estimator.train(input_fn, hooks=[tick, hook])
            assert last_step(estimator) == steps
            tick.now += 1000

    def test_a_session_that_is_made_anew_does_not_start_the_time_again(self) -> None:
        tick, lost = Tick(), []

        class Loses(v1.train.SessionRunHook):
            def after_run(self, run_context: Any, run_values: Any) -> None:
                if tick.now == 106.0 and not lost:
                    lost.append(True)
                    raise tf.errors.AbortedError(None, None, "the connection is lost")

        with tf.Graph().as_default():
            train_op = v1.assign_add(v1.train.get_or_create_global_step(), 1)
            hooks = [tick, Loses(), StopAfterSecsHook(10, clock=tick)]
            with v1.train.MonitoredSession(hooks=hooks) as session:
                while not session.should_stop():
                    session.run(train_op)
        assert lost
        assert tick.now == 110.0

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"secs": -1}, ValueError, "secs must be at least 0; received -1"),
            ({"secs": None}, TypeError, "secs must be a number; received None"),
            ({"secs": float("nan")}, ValueError, "secs must be a number other than NaN"),
            ({"secs": 1, "clock": 3}, TypeError, "clock must be callable; received 3"),
        ],
    )
    def test_bad_arguments(self, arguments: dict[str, Any], error: type, message: str) -> None:
        with pytest.raises(error, match=message):
            StopAfterSecsHook(**arguments)


class Seconds:
    """A clock that a step moves on by a second, whoever runs it."""

    now = 100.0

    def build(self) -> tuple[Any, Any]:
        loss = tf.numpy_function(self._tick, [], tf.float32)
        with tf.control_dependencies([loss]):
            return v1.assign_add(v1.train.get_global_step(), 1), loss

    def _tick(self) -> np.float32:
        self.now += 1.0
        return np.float32(0.0)

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("secs", "at_once", "stops"), [(0, 1, 1), (1, 1, 1), (7, 1, 8), (7, 5, 12), (999, 4, 30)]
)
def test_time_is_looked_at_when_it_is_asked(
    take_steps: Callable[..., list[int]], secs: float, at_once: int, stops: int
) -> None:
    clock = Seconds()
    hook = StopAfterSecsHook(secs, clock=clock)
    looked = take_steps(clock.build, [hook], 30, at_once=at_once)
    assert clock.now == 100.0 + stops
    assert looked == sorted({1, stops} - {30})


def test_a_worker_looks_from_the_last_step_on(
    worker: Estimator, take_steps: Callable[..., list[int]]
) -> None:
    waits = []

    def sleep(secs: float) -> None:
        waits.append(secs)
        if len(waits) == 3:
            save(worker.model_dir, 12)

    hook = make_stop_at_checkpoint_step_hook(worker, 9, 7, sleep=sleep)
    assert take_steps(Seconds().build, [hook], 30) == [1, 9, 10, 11, 12]
