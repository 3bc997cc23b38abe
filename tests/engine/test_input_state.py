"""RunConfig.save_input_state: a run that goes on from a checkpoint reads on where that was."""

import contextlib
import itertools
import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig
from tf_estimator.export import TensorServingInputReceiver
from tf_estimator.hooks import CheckpointInputPipelineHook

v1 = tf.compat.v1

SCRIPT = Path(__file__).with_name("exact_run.py")
RUN = runpy.run_path(str(SCRIPT))


def weights_of(estimator):
    names = [name for name in estimator.get_variable_names() if name != "input_state"]
    return {name: estimator.get_variable_value(name) for name in names}


def assert_same(estimator, other):
    found, expected = weights_of(estimator), weights_of(other)
    assert found.keys() == expected.keys()
    assert [name for name in found if not np.array_equal(found[name], expected[name])] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exact")
    RUN["write_files"](folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    """For an optimizer, an Estimator whose training was never interrupted."""
    made = {}

    def get(optimizer):
        if optimizer not in made:
            made[optimizer] = RUN["make_estimator"](folder, optimizer, f"whole-{optimizer}")
            RUN["run"](made[optimizer], folder)
        return made[optimizer]

    return get


class CutError(RuntimeError):
    pass


def cut():
    raise CutError


CUTS = [
    ("before a step", 0),
    ("before a save", 0),
    ("after a save", 0),
    ("after a step", 5),
    ("before a save", 10),
    ("after a save", 10),
    ("before a step", 13),
    ("after a step", 22),
    ("before a save", 23),
    ("after a save", 23),
]


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_a_run_that_is_cut_off_ends_as_if_it_had_not_been(
    folder, whole, tmp_path_factory, optimizer
):
    name = f"cut-{optimizer}"
    for place, step in CUTS:
        estimator = RUN["make_estimator"](folder, optimizer, name)
        with pytest.raises(CutError):
            RUN["run"](estimator, folder, RUN["Interrupt"](place, step, cut))
    if estimator.get_variable_value("global_step") < RUN["LAST_STEP"]:
        RUN["run"](estimator, folder)
    assert_same(estimator, whole(optimizer))
    # And what comes next is the same too.
    for each in (estimator, whole(optimizer)):
        each.train(lambda: RUN["input_fn"](folder), steps=4)
    assert_same(estimator, whole(optimizer))


def test_without_it_the_run_ends_otherwise(folder, whole):
    estimator = RUN["make_estimator"](folder, name="off", save_input_state=False)
    with pytest.raises(CutError):
        RUN["run"](estimator, folder, RUN["Interrupt"]("after a step", 7, cut))
    RUN["run"](estimator, folder)
    with pytest.raises(AssertionError):
        assert_same(estimator, whole("adam"))


@pytest.mark.slow
def test_a_run_that_is_killed_ends_as_if_it_had_not_been(tmp_path):
    RUN["write_files"](tmp_path)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    kills = [("after a step", 7), ("before a save", 10), ("after a save", 15), None]
    for kill in kills:
        given = [kill[0], str(kill[1])] if kill else []
        ended = subprocess.run(
            [sys.executable, str(SCRIPT), str(tmp_path), *given],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert ended.returncode == (-signal.SIGKILL if kill else 0), ended.stderr[-2000:]
    whole = RUN["make_estimator"](tmp_path, name="whole")
    RUN["run"](whole, tmp_path)
    assert_same(RUN["make_estimator"](tmp_path), whole)


# From here on a model without weights, and batches that are told apart by a number.


def model_fn(features, mode):
    number = tf.cast(tf.identity(features, name="batch"), tf.float32)
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=number)
    loss = tf.reduce_mean(number)
    with tf.control_dependencies([loss]):
        train_op = v1.assign_add(v1.train.get_global_step(), 1).op
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


class Batches(v1.train.SessionRunHook):
    def __init__(self, fail_after=None):
        self.found, self._fail_after = [], fail_after

    def before_run(self, run_context):
        return v1.train.SessionRunArgs("batch:0")

    def after_run(self, run_context, run_values):
        self.found.append(int(run_values.results))
        if len(self.found) == self._fail_after:
            raise CutError


@pytest.fixture
def make_counting(tmp_path):
    def make(model_fn=model_fn, **config):
        config = {"save_input_state": True, "save_checkpoints_steps": 4} | config
        config = RunConfig(save_summary_steps=None, log_step_count_steps=None, **config)
        return Estimator(model_fn, tmp_path / "model", config)

    return make


def train(estimator, input_fn, steps=None, hooks=(), fail_after=None):
    batches = Batches(fail_after)
    with contextlib.suppress(CutError):
        estimator.train(input_fn, hooks=[batches, *hooks], steps=steps)
    return batches.found


def numbers(n=100):
    return lambda: tf.data.Dataset.range(n)


def test_the_next_training_reads_on(make_counting):
    estimator = make_counting()
    assert train(estimator, numbers(), 6) == [0, 1, 2, 3, 4, 5]
    assert train(estimator, numbers(), 2) == [6, 7]
    assert train(make_counting(), numbers(), 2) == [8, 9]


def test_what_was_read_after_the_last_save_is_read_again(make_counting):
    assert train(make_counting(), numbers(), fail_after=6) == [0, 1, 2, 3, 4, 5]
    assert train(make_counting(), numbers(), 3) == [4, 5, 6]


@pytest.mark.parametrize("steps", [None, 8, 10])
@pytest.mark.parametrize("size", [8, 10])
def test_an_input_without_a_rest_starts_over(make_counting, size, steps):
    estimator = make_counting()
    first = train(estimator, numbers(size), steps)
    second = train(estimator, numbers(size), 3)
    assert first == list(range(min(size, steps or size)))
    assert second == ([0, 1, 2] if len(first) == size else [8, 9])


def test_each_call_is_a_pass_over_an_input_that_ends(make_counting):
    estimator = make_counting()
    assert [train(estimator, numbers(8)) for _ in range(3)] == [list(range(8))] * 3
    assert estimator.get_variable_value("global_step") == 24


def test_an_input_without_a_batch_is_still_an_error(make_counting):
    with pytest.raises(ValueError, match="must yield at least one batch"):
        train(make_counting(), numbers(0))


def _one_shot():
    return v1.data.make_one_shot_iterator(tf.data.Dataset.range(100))


def _initialized_with_tables():
    iterator = v1.data.make_initializable_iterator(tf.data.Dataset.range(100))
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


def _several():
    iterators = [
        v1.data.make_one_shot_iterator(tf.data.Dataset.range(start, 100).shuffle(1, seed=1))
        for start in (0, 0)
    ]
    return tf.add_n([iterator.get_next() for iterator in iterators]) // 2


@pytest.mark.parametrize("input_fn", [_one_shot, _initialized_with_tables, _several])
def test_any_iterator_has_a_position(make_counting, input_fn):
    assert train(make_counting(), input_fn, 6) == [0, 1, 2, 3, 4, 5]
    assert train(make_counting(), input_fn, 2) == [6, 7]


def test_a_shuffle_without_a_seed_of_its_own_goes_on(make_counting):
    def input_fn():
        return tf.data.Dataset.range(12).shuffle(12).repeat()

    estimator = make_counting(tf_random_seed=None)
    parts = [train(estimator, input_fn, steps) for steps in (5, 5, 2)]
    assert sorted(itertools.chain(*parts)) == list(range(12))


@pytest.mark.parametrize("place", ["hooks", "training_chief_hooks"])
def test_a_saver_hook_of_the_user_saves_it(make_counting, tmp_path, place):
    saver = v1.train.CheckpointSaverHook(str(tmp_path / "model"), save_steps=4)

    def with_saver(features, mode):
        return model_fn(features, mode)._replace(training_chief_hooks=[saver])

    made = {"model_fn": with_saver} if place != "hooks" else {}
    hooks = [saver] if place == "hooks" else []
    for expected in ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]):
        # The same hook again: it still has the listener of the first graph.
        estimator = make_counting(**made, save_checkpoints_steps=None)
        assert train(estimator, numbers(), 6, hooks) == expected


def test_the_model_is_evaluated_and_exported_as_ever(make_counting, tmp_path):
    estimator = make_counting()
    train(estimator, numbers(), 6)
    assert estimator.get_variable_names() == ["global_step", "input_state"]
    assert estimator.evaluate(numbers(3))["loss"] == 1.0
    assert list(estimator.predict(lambda: numbers(3)().batch(3))) == [0.0, 1.0, 2.0]

    def receiver():
        numbers = v1.placeholder(tf.int64, [None])
        return TensorServingInputReceiver(numbers, numbers)

    exported = os.fsdecode(estimator.export_saved_model(tmp_path / "exports", receiver))
    saved = tf.train.list_variables(os.path.join(exported, "variables", "variables"))
    assert [name for name, _ in saved] == ["global_step"]


def test_a_checkpoint_without_it_can_be_gone_on_from(make_counting, caplog):
    train(make_counting(save_input_state=False), numbers(), 3)
    with caplog.at_level("INFO"):
        assert train(make_counting(), numbers(), 3) == [0, 1, 2]
    assert "step 3 has no position of the input" in caplog.text
    assert "ignore_missing" not in caplog.text
    assert train(make_counting(), numbers(), 2) == [3, 4]
    with caplog.at_level("INFO"):
        assert train(make_counting(save_input_state=False), numbers(), 2) == [0, 1]
    assert "only in the checkpoint: input_state" in caplog.text


def test_another_pipeline_is_refused(make_counting):
    train(make_counting(), numbers(), 3)
    with pytest.raises(ValueError, match=r"must build the same pipeline .* do not fit: .* Train"):
        train(make_counting(), lambda: numbers()().shuffle(3))
    with pytest.raises(ValueError, match=r"\['IteratorV2:0'\], those now are \['OneShot"):
        train(make_counting(), _one_shot)
    assert train(make_counting(save_input_state=False), _one_shot, 2) == [0, 1]


@pytest.mark.parametrize("policy", [True, "warn", "ignore"])
def test_a_generator_has_no_position(make_counting, policy):
    def generated():
        return tf.data.Dataset.from_generator(lambda: range(9), output_signature=tf.TensorSpec([]))

    with pytest.raises(ValueError, match=r"which a Dataset\.from_generator is not"):
        train(make_counting(save_input_state=policy), generated)
    assert make_counting().latest_checkpoint() is None


def test_state_outside_of_the_pipeline_can_be_ignored(make_counting):
    def input_fn():
        return numbers()().map(lambda n: n + tf.random.uniform([], 0, 1, tf.int64))

    with pytest.raises(ValueError, match=r"tf\.random\.stateless_uniform.*save_input_state='warn'"):
        train(make_counting(), input_fn)
    for policy, expected in (("ignore", [0, 1, 2]), ("warn", [3, 4, 5])):
        assert train(make_counting(save_input_state=policy), input_fn, 3) == expected


def _own_saver(features, mode):
    spec = model_fn(features, mode)
    return spec._replace(scaffold=v1.train.Scaffold(saver=v1.train.Saver()))


def _uninitialized():
    return v1.data.make_initializable_iterator(tf.data.Dataset.range(9)).get_next()


@pytest.mark.parametrize(
    ("config", "input_fn", "hook", "message"),
    [
        ({}, lambda: tf.constant(1), False, "needs an input that has a position"),
        ({"save_checkpoints_steps": None}, numbers(), False, "must be False when no checkpoints"),
        ({"model_fn": _own_saver}, numbers(), False, "needs the Saver that Estimator makes"),
        ({}, numbers(), True, "must be saved in one way"),
        ({}, _uninitialized, False, "cannot save the position.*return it from input_fn"),
    ],
)
def test_what_has_no_position_is_refused(make_counting, config, input_fn, hook, message):
    estimator = make_counting(**config)
    hooks = [CheckpointInputPipelineHook(estimator)] if hook else []
    with pytest.raises(ValueError, match=message):
        train(estimator, input_fn, 1, hooks)
    assert estimator.latest_checkpoint() is None


@pytest.mark.parametrize("task", ["chief", "worker"])
def test_several_processes_are_refused(make_counting, monkeypatch, task):
    hosts = {"chief": ["localhost:1"], "worker": ["localhost:2"]}
    text = json.dumps({"cluster": hosts, "task": {"type": task, "index": 0}})
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(NotImplementedError, match="CheckpointInputPipelineHook in each"):
        train(make_counting(), numbers(), 1)


def test_without_it_a_new_process_is_warned_once(make_counting, caplog):
    first = make_counting(save_input_state=False)
    train(first, numbers(), 3)
    train(first, numbers(), 3)
    assert "starts over" not in caplog.text
    next_process = make_counting(save_input_state=False)
    train(next_process, numbers(), 1)
    assert caplog.text.count("from step 6, but the input starts over") == 1
    train(next_process, numbers(), 1)
    assert caplog.text.count("starts over") == 1


@pytest.mark.parametrize("saved_by", ["config", "hook", "nothing to save"])
def test_no_warning_where_nothing_starts_over(make_counting, caplog, saved_by):
    train(make_counting(save_input_state=False), numbers(), 3)
    estimator = make_counting(save_input_state=saved_by == "config")
    hooks = [CheckpointInputPipelineHook(estimator)] if saved_by == "hook" else []
    input_fn = numbers() if saved_by != "nothing to save" else lambda: tf.constant(1)
    train(estimator, input_fn, 1, hooks)
    assert "but the input starts over" not in caplog.text
