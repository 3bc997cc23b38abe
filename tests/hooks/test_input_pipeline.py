"""CheckpointInputPipelineHook: a second run reads on where the first one was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig
from tf_estimator.hooks.input_pipeline import CheckpointInputPipelineHook

v1 = tf.compat.v1


def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
    loss = tf.cast(tf.identity(features, name="batch"), tf.float32)
    with tf.control_dependencies([loss]):
        train_op = v1.assign_add(v1.train.get_global_step(), 1).op
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.range(100).shuffle(10, seed=3).map(lambda n: n)


@pytest.fixture
def make_estimator(tmp_path: Path) -> Callable[..., Estimator]:
    def make(**config: Any) -> Estimator:
        config = {"save_checkpoints_steps": 4, "log_step_count_steps": None, **config}
        return Estimator(model_fn, tmp_path / "model", RunConfig(save_summary_steps=None, **config))

    return make


class Batches(v1.train.SessionRunHook):
    """Keeps the batches; fails after so many."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.found: list[int] = []
        self._fail_after = fail_after

    def before_run(self, run_context: Any) -> Any:
        return v1.train.SessionRunArgs("batch:0")

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.found.append(int(run_values.results))
        if len(self.found) == self._fail_after:
            raise RuntimeError("killed")


def test_a_relative_model_dir_reads_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = RunConfig(save_checkpoints_steps=4, save_summary_steps=None)
    estimator = Estimator(model_fn, "relative", config)
    first = train(estimator, 4)
    assert not set(first) & set(train(estimator, 4))


def train(estimator: Estimator, steps: int | None, **options: Any) -> list[int]:
    batches = Batches()
    hook = CheckpointInputPipelineHook(estimator, **options)
    estimator.train(input_fn, hooks=[hook, batches], steps=steps)
    return batches.found


def saved(estimator: Estimator) -> list[int]:
    names = Path(estimator.model_dir).glob("input.ckpt-*.index")
    return sorted(int(name.stem.partition("-")[2]) for name in names)


def test_the_next_run_reads_on(make_estimator: Callable[..., Estimator], tmp_path: Path) -> None:
    estimator = make_estimator()
    parts = [train(estimator, steps) for steps in (6, 6, None)]
    assert [len(part) for part in parts] == [6, 6, 88]
    whole = train(
        Estimator(
            model_fn,
            tmp_path / "whole",
            estimator.config.replace(model_dir=str(tmp_path / "whole")),
        ),
        None,
    )
    assert [*parts[0], *parts[1], *parts[2]] == whole


def test_it_is_saved_with_the_model_and_as_many_are_kept(
    make_estimator: Callable[..., Estimator],
) -> None:
    estimator = make_estimator(keep_checkpoint_max=3)
    train(estimator, 6)
    assert saved(estimator) == [0, 4, 6]
    train(estimator, 6)
    assert saved(estimator) == [6, 10, 12]
    models = tf.train.get_checkpoint_state(estimator.model_dir).all_model_checkpoint_paths
    assert [int(path.rpartition("-")[2]) for path in models] == [6, 10, 12]


def test_files_are_those_of_tensorflow(make_estimator: Callable[..., Estimator]) -> None:
    estimator = make_estimator()
    train(estimator, 6)
    latest = tf.train.latest_checkpoint(estimator.model_dir, "checkpoint_input")
    assert latest == f"{estimator.model_dir}/input.ckpt-6"
    assert [name for name, _ in tf.train.list_variables(latest)] == ["IteratorV2:0_STATE"]


def test_a_killed_run_is_repeated_from_the_last_save(
    make_estimator: Callable[..., Estimator],
) -> None:
    estimator = make_estimator()
    killed = Batches(fail_after=7)
    with pytest.raises(RuntimeError, match="killed"):
        estimator.train(input_fn, hooks=[CheckpointInputPipelineHook(estimator), killed])
    assert train(estimator, 5)[:3] == killed.found[4:]


def test_seconds_are_those_of_the_config(make_estimator: Callable[..., Estimator]) -> None:
    now = [0.0]

    class Tick(v1.train.SessionRunHook):
        def after_run(self, run_context: Any, run_values: Any) -> None:
            now[0] += 10.0

    estimator = make_estimator(save_checkpoints_steps=None, save_checkpoints_secs=50)
    hook = CheckpointInputPipelineHook(estimator, clock=lambda: now[0])
    estimator.train(input_fn, hooks=[Tick(), hook], steps=12)
    assert saved(estimator) == [0, 5, 10, 12]


def test_an_input_of_another_step_is_warned_of(
    make_estimator: Callable[..., Estimator], caplog: pytest.LogCaptureFixture
) -> None:
    estimator = make_estimator()
    train(estimator, 6)
    estimator.train(input_fn, steps=2)
    with caplog.at_level("WARNING"):
        train(estimator, 2)
    assert "from step 8, and its input from where it was at step 6" in caplog.text


def test_bad_arguments(make_estimator: Callable[..., Estimator]) -> None:
    estimator = make_estimator()
    with pytest.raises(TypeError, match="estimator must be an instance of Estimator; received 3"):
        CheckpointInputPipelineHook(3)
    with pytest.raises(ValueError, match="external_state_policy must be None or one of"):
        CheckpointInputPipelineHook(estimator, "maybe")
    unsaved = make_estimator(save_checkpoints_steps=None, save_checkpoints_secs=None)
    with pytest.raises(ValueError, match="must be told how often to save"):
        CheckpointInputPipelineHook(unsaved)


def test_plain_tensors_have_no_position(make_estimator: Callable[..., Estimator]) -> None:
    estimator = make_estimator()
    with pytest.raises(ValueError, match=r"a tf\.data\.Dataset to save the position"):
        estimator.train(lambda: tf.constant(1), hooks=[CheckpointInputPipelineHook(estimator)])


@pytest.mark.parametrize("every", [1, 4, 7, 100])
def test_it_saves_the_same_where_it_is_run_only_when_it_looks(
    make_estimator: Callable[..., Estimator],
    take_steps: Callable[..., list[int]],
    tmp_path: Path,
    every: int,
) -> None:
    def build() -> tuple[Any, Any]:
        spec = model_fn(iterator().get_next(), "train")
        return spec.train_op, spec.loss

    def iterator() -> tf.compat.v1.data.Iterator:
        made = v1.data.make_initializable_iterator(input_fn())
        v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, made.initializer)
        return made

    found, looked = [], []
    for singly in (True, False):
        config = make_estimator(save_checkpoints_steps=every).config
        estimator = Estimator(model_fn, tmp_path / str(singly), config.replace(model_dir=None))
        looked = take_steps(build, [CheckpointInputPipelineHook(estimator)], 20, singly=singly)
        found.append(saved(estimator))
    assert found[0] == found[1]
    assert found[0][-1] == 20
    assert looked == sorted({1, *range(every, 21, every)})
