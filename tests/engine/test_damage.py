"""Every damage to a model_dir, and what train, evaluate, predict and export make of it."""

import json
import logging
import os
import pathlib
import re
import resource
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig
from tf_estimator._tf import logger
from tf_estimator.export import ServingInputReceiver

v1 = tf.compat.v1

ROWS = 50
DATA, INDEX = "data-00000-of-00001", "index"


def model_fn(features, mode):
    """y = x * w[0]; a step adds 1 to each of w, so w is the global step."""
    w = v1.get_variable("w", [ROWS], initializer=v1.zeros_initializer())
    y = features["x"] * w[0]
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, y)
    step, loss = v1.train.get_global_step(), tf.reduce_mean(y)
    with tf.control_dependencies([loss, step + 0]):
        train_op = tf.group(v1.assign_add(step, 1), w.assign_add(tf.ones([ROWS])))
    return EstimatorSpec(mode, y, loss, train_op)


def input_fn():
    """Three batches."""
    return tf.data.Dataset.from_tensors({"x": [1.0]}).repeat(3)


def _estimator(folder, **config):
    return Estimator(model_fn, folder, RunConfig(**{"save_checkpoints_steps": 1, **config}))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model_dir with checkpoints of steps 0 to 3."""
    folder = tmp_path_factory.mktemp("made")
    _estimator(folder).train(input_fn)
    return folder


@pytest.fixture
def model_dir(made, tmp_path):
    """A copy of it."""
    return shutil.copytree(made, tmp_path / "model")


@pytest.fixture
def logged():
    """What the library logs, as lines that begin with the level."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.levelname} {record.getMessage()}")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def truncate(size):
    """Cuts a file off."""
    return lambda path: os.truncate(path, size)


def flip(at):
    """Flips one bit."""

    def act(path):
        content = bytearray(path.read_bytes())
        content[at] ^= 4
        path.write_bytes(content)

    return act


# What is done to which file of the newest checkpoint, and words of the message.
FILE_DAMAGES = {
    "data truncated": (DATA, truncate(100), "data ends before the end of 'w'"),
    "data empty": (DATA, truncate(0), "data ends before the end of"),
    "data flipped": (DATA, flip(90), "data of 'w' is not what was saved"),
    "data missing": (DATA, pathlib.Path.unlink, "a data file is missing"),
    "index truncated": (INDEX, truncate(60), "index cannot be read"),
    "index empty": (INDEX, truncate(0), "index cannot be read"),
    "index flipped": (INDEX, flip(10), "index cannot be read"),
    "index missing": (INDEX, pathlib.Path.unlink, "its .index file is missing"),
}


def text(content):
    """Writes something else."""
    return lambda path: path.write_bytes(content)


STATE_DAMAGES = {
    "names an absent one": text(b'model_checkpoint_path: "model.ckpt-9"\n'),
    "names what is no path": text(b'model_checkpoint_path: "nonsense"\n'),
    "empty": text(b""),
    "without the newest": text(b'all_model_checkpoint_paths: "model.ckpt-3"\n'),
    "cut off": text(b'model_checkpoint_path: "model.ck'),
    "no text": text(bytes(range(256)) * 4),
    "missing": pathlib.Path.unlink,
}


def damage(folder, name, step=3):
    """Does one damage; returns the global step of the newest that is whole, and words on it."""
    if name in STATE_DAMAGES:
        STATE_DAMAGES[name](folder / "checkpoint")
        return step, ""
    part, act, words = FILE_DAMAGES[name]
    act(folder / f"model.ckpt-{step}.{part}")
    return step - 1, words


@pytest.fixture(params=[*FILE_DAMAGES, *STATE_DAMAGES])
def damaged(request, model_dir):
    """A damaged model_dir, and the step of its newest whole checkpoint."""
    return model_dir, damage(model_dir, request.param)[0]


def served(estimator, folder, **given):
    """What an export answers for x = [1]."""

    def receiver():
        x = v1.placeholder(tf.float32, [None])
        return ServingInputReceiver({"x": x}, {"x": x})

    exported = os.fsdecode(estimator.export_saved_model(folder, receiver, **given))
    return tf.saved_model.load(exported).signatures["serving_default"](tf.ones([1]))["output"]


READERS = {
    "evaluate": lambda e, tmp, **given: e.evaluate(input_fn, **given)["global_step"],
    "predict": lambda e, tmp, **given: next(e.predict(input_fn, **given)),
    "export": lambda e, tmp, **given: served(e, tmp / "exports", **given)[0],
}


def contents(folder):
    """The checkpoint files and the state file, byte by byte."""
    files = [*folder.glob("model.ckpt*"), *folder.glob("checkpoint*")]
    return {path.name: path.read_bytes() for path in files}


class Restored(v1.train.SessionRunHook):
    """What TensorFlow calls the newest checkpoint as the session starts, and its first step."""

    def begin(self):
        self.step = v1.train.get_global_step()
        self.w = v1.global_variables()[1]

    def after_create_session(self, session, coord):
        self.values = session.run([self.step, self.w])


class Newest(v1.train.SessionRunHook):
    def __init__(self, folder):
        self.folder = str(folder)

    def begin(self):
        self.path = tf.train.latest_checkpoint(self.folder)


def test_training_goes_on_from_the_newest_whole_one(damaged):
    folder, step = damaged
    hooks = [Newest(folder), Restored()]
    estimator = _estimator(folder).train(input_fn, hooks, steps=2)
    assert hooks[0].path == str(folder / f"model.ckpt-{step}")
    assert hooks[1].values[0] == step
    np.testing.assert_array_equal(hooks[1].values[1], np.full([ROWS], step))
    assert estimator.latest_checkpoint() == str(folder / f"model.ckpt-{step + 2}")
    assert estimator.get_variable_value("w")[-1] == step + 2
    assert (folder / "checkpoint").read_text().startswith('model_checkpoint_path: "model.ckpt-')
    assert len(list(folder.glob("*.index"))) <= 5


@pytest.mark.exhaustive
@pytest.mark.parametrize("call", READERS)
def test_readers_take_the_newest_whole_one_and_write_nothing(damaged, tmp_path, call):
    folder, step = damaged
    before = contents(folder)
    assert READERS[call](_estimator(folder), tmp_path) == step
    assert contents(folder) == before


def test_variables_are_those_of_the_newest_whole_one(damaged):
    folder, step = damaged
    estimator = _estimator(folder)
    assert estimator.get_variable_value("global_step") == step
    assert estimator.get_variable_names() == ["global_step", "w"]


def test_a_finished_run_stays_finished_and_a_damaged_one_is_not(damaged):
    folder, step = damaged
    hook = Restored()
    estimator = _estimator(folder).train(input_fn, [hook], max_steps=3)
    assert hasattr(hook, "values") == (step < 3)
    assert estimator.get_variable_value("w")[0] == 3


@pytest.mark.parametrize("name", FILE_DAMAGES)
def test_the_warning_names_the_damaged_one_what_is_wrong_and_which_is_taken(
    model_dir, logged, name
):
    _, words = damage(model_dir, name)
    estimator = _estimator(model_dir)
    for _ in range(3):
        estimator.latest_checkpoint()
    estimator.evaluate(input_fn)
    (warning,) = [line for line in logged if line.startswith("WARNING")]
    assert f"checkpoint {model_dir}/model.ckpt-3 cannot be restored: " in warning
    assert words in warning
    assert warning.endswith(f"{model_dir}/model.ckpt-2 is taken.")


@pytest.mark.parametrize("name", ["empty", "no text", "missing"])
def test_the_warning_names_a_state_file_that_is_done_without(model_dir, logged, name):
    damage(model_dir, name)
    assert _estimator(model_dir).evaluate(input_fn)["global_step"] == 3
    (warning,) = [line for line in logged if line.startswith("WARNING")]
    assert f"{model_dir}/checkpoint is missing or garbled" in warning


def test_a_healthy_model_dir_is_not_warned_of(model_dir, logged):
    _estimator(model_dir).train(input_fn, steps=1).evaluate(input_fn)
    assert not [line for line in logged if "WARNING" in line and "input" not in line]


@pytest.fixture(params=FILE_DAMAGES)
def all_damaged(request, model_dir):
    """A model_dir whose only checkpoint is damaged, and words of the message."""
    for path in model_dir.glob("model.ckpt-[012].*"):
        path.unlink()
    (model_dir / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-3"\n')
    return model_dir, damage(model_dir, request.param)[1]


@pytest.mark.exhaustive
@pytest.mark.parametrize("call", ["train", "evaluate", "predict", "export"])
def test_where_none_is_whole_nothing_starts_over(all_damaged, tmp_path, call):
    folder, words = all_damaged
    before = contents(folder)
    estimator = _estimator(folder)
    calls = {**READERS, "train": lambda e, tmp: e.train(input_fn)}
    with pytest.raises(tf.errors.DataLossError) as raised:
        calls[call](estimator, tmp_path)
    assert "No checkpoint in model_dir" in str(raised.value)
    assert f"{folder}/model.ckpt-3" in str(raised.value)
    assert words in str(raised.value)
    assert "to start over from step 0" in str(raised.value)
    assert contents(folder) == before


def test_what_the_error_says_helps(all_damaged):
    folder, _ = all_damaged
    for path in [*folder.glob("model.ckpt-*"), folder / "checkpoint"]:
        path.unlink()
    assert _estimator(folder).train(input_fn, steps=1).get_variable_value("w")[0] == 1


@pytest.mark.parametrize("name", STATE_DAMAGES)
def test_the_only_checkpoint_is_found_without_a_state_file(model_dir, name):
    for path in model_dir.glob("model.ckpt-[013].*"):
        path.unlink()
    damage(model_dir, name)
    assert _estimator(model_dir).train(input_fn, steps=1).get_variable_value("w")[0] == 3


def test_a_state_file_without_any_checkpoint_is_no_fresh_start(model_dir):
    for path in model_dir.glob("model.ckpt-*"):
        path.unlink()
    for content in (b"", b"junk", (model_dir / "checkpoint").read_bytes()):
        (model_dir / "checkpoint").write_bytes(content)
        with pytest.raises(tf.errors.DataLossError, match="No checkpoint in model_dir"):
            _estimator(model_dir).train(input_fn)


def test_several_damages_leave_the_next_whole_one(model_dir, logged):
    damage(model_dir, "data flipped")
    damage(model_dir, "index missing", 2)
    damage(model_dir, "empty")
    assert _estimator(model_dir).train(input_fn, steps=1).get_variable_value("w")[0] == 2
    assert sum("cannot be restored" in line for line in logged) == 1  # 2 has neither index nor list


@pytest.mark.exhaustive
@pytest.mark.parametrize("call", READERS)
@pytest.mark.parametrize("name", FILE_DAMAGES)
def test_a_given_checkpoint_that_is_damaged_is_an_error(model_dir, tmp_path, call, name):
    _, words = damage(model_dir, name, 1)
    path = str(model_dir / "model.ckpt-1")
    with pytest.raises(tf.errors.DataLossError, match=re.escape(f"{path} cannot be restored")) as e:
        READERS[call](_estimator(model_dir), tmp_path, checkpoint_path=path)
    assert words in str(e.value)
    assert not list((tmp_path / "exports").glob("*"))


@pytest.mark.parametrize("listed", [(), (1, 2, 3)])
def test_whoever_edits_the_state_file_goes_back(model_dir, listed):
    lines = ['model_checkpoint_path: "model.ckpt-1"']
    lines += [f'all_model_checkpoint_paths: "model.ckpt-{step}"' for step in listed]
    (model_dir / "checkpoint").write_text("\n".join(lines) + "\n")
    estimator = _estimator(model_dir)
    assert estimator.evaluate(input_fn)["global_step"] == 1
    assert estimator.train(input_fn, steps=1).get_variable_value("w")[0] == 2


@pytest.mark.parametrize("task", ["chief", "worker"])
def test_the_chief_removes_what_killed_saves_left(model_dir, task):
    (model_dir / "model.ckpt-4_temp").mkdir()
    lines = [f'all_model_checkpoint_paths: "model.ckpt-{step}"' for step in (1, 2, 3)]
    lines.insert(0, 'model_checkpoint_path: "model.ckpt-3"')
    (model_dir / "checkpoint").write_text("\n".join(lines) + "\n")
    config = RunConfig(keep_checkpoint_max=3, save_checkpoints_steps=1)
    if task == "worker":
        config = _as_worker(config)

    class Sees(v1.train.SessionRunHook):
        def begin(self):
            self.names = {path.name for path in model_dir.iterdir()}
            raise KeyboardInterrupt

    hook = Sees()
    with pytest.raises(KeyboardInterrupt):
        Estimator(model_fn, model_dir, config).train(input_fn, [hook], steps=1)
    left = {"model.ckpt-4_temp", "model.ckpt-0.index", f"model.ckpt-0.{DATA}", "model.ckpt-0.meta"}
    assert hook.names & left == (left if task == "worker" else set())
    assert "model.ckpt-1.index" in hook.names


def _as_worker(config):
    """The same for another task, which has no cluster to talk to and never gets that far."""
    cluster = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}
    task = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CONFIG", json.dumps(task))
        return RunConfig(
            keep_checkpoint_max=config.keep_checkpoint_max,
            save_checkpoints_steps=config.save_checkpoints_steps,
        )


def test_a_saver_of_another_prefix_is_followed(tmp_path):
    def own(features, mode):
        spec = model_fn(features, mode)
        saver = v1.train.Saver(v1.global_variables(), save_relative_paths=True)
        v1.add_to_collection(v1.GraphKeys.SAVERS, saver)
        return spec

    folder = tmp_path / "model"
    estimator = Estimator(own, folder, RunConfig(save_checkpoints_steps=1000))

    def train():
        hook = v1.train.CheckpointSaverHook(str(folder), save_steps=1, checkpoint_basename="mine")
        return estimator.train(input_fn, [hook], steps=2)

    train()
    (folder / "checkpoint").unlink()
    os.truncate(folder / f"mine-2.{DATA}", 20)
    assert train().get_variable_value("w")[0] == 3
    assert estimator.latest_checkpoint() == str(folder / "mine-3")


class Truncates(v1.train.SessionRunHook):
    """Damages the newest checkpoint when it is too late to find out: before it is restored."""

    def __init__(self, folder, when="begin"):
        self._folder, self._when, self._steps = folder, when, 0

    def act(self):
        newest = tf.train.latest_checkpoint(str(self._folder))
        os.truncate(f"{newest}.{DATA}", 20)

    def begin(self):
        if self._when == "begin":
            self.act()

    def after_run(self, run_context, run_values):
        self._steps += 1
        if self._when == "run" and self._steps == 1:
            self.act()
            raise tf.errors.AbortedError(None, None, "a worker is gone")


class TestNoErrorLooksLikeTheEndOfTheInput:
    @pytest.mark.parametrize("call", ["train", "evaluate", "predict"])
    def test_restoring(self, model_dir, call):
        with pytest.raises(tf.errors.DataLossError, match="not the end of the input"):
            list(getattr(_estimator(model_dir), call)(input_fn, hooks=[Truncates(model_dir)]))

    @pytest.mark.parametrize("call", ["train", "evaluate", "predict"])
    def test_restoring_anew_in_the_middle_of_a_run(self, model_dir, call):
        hooks = [Truncates(model_dir, "run")]
        with pytest.raises(tf.errors.DataLossError, match="not the end of the input"):
            list(getattr(_estimator(model_dir), call)(input_fn, hooks=hooks))

    def test_a_worker_that_is_lost_and_comes_back(self, model_dir):
        class Loses(Truncates):
            def act(self):
                pass

        estimator = _estimator(model_dir).train(input_fn, [Loses(model_dir, "run")], steps=2)
        assert estimator.get_variable_value("w")[0] == 5

    @pytest.mark.parametrize(
        "error", [tf.errors.OutOfRangeError(None, None, "mine"), StopIteration("mine")]
    )
    @pytest.mark.parametrize("at", [3, 4, 6])
    def test_a_listener(self, model_dir, error, at):
        class Raises(v1.train.CheckpointSaverListener):
            def after_save(self, session, global_step_value):
                if global_step_value == at:
                    raise error

        with pytest.raises(tf.errors.DataLossError, match=r"saved: .*mine.*not the end"):
            _estimator(model_dir).train(input_fn, saving_listeners=[Raises()])
        assert _estimator(model_dir).get_variable_value("w")[0] == at

    def test_initializing(self, tmp_path):
        def init_fn(scaffold, session):
            raise tf.errors.OutOfRangeError(None, None, "over")

        def broken(features, mode):
            return model_fn(features, mode)._replace(scaffold=v1.train.Scaffold(init_fn=init_fn))

        with pytest.raises(tf.errors.DataLossError, match=r"initialized: .*over.*not the end"):
            Estimator(broken, tmp_path).train(input_fn)


class Limits(v1.train.SessionRunHook):
    """Lets no file grow larger than a checkpoint is, from a step on."""

    def __init__(self, at):
        self._at, self._steps = at, 0

    def set(self):
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES // 2, hard))

    def before_run(self, run_context):
        self._steps += 1
        if self._steps == self._at:
            self.set()


BYTES = 4_000_000


@pytest.fixture
def file_size_limit():
    """Lifts the limit at the end."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class TestAFileThatMayNotGetLargeEnough:
    """The error for it (EFBIG) is OutOfRangeError, which ended training as though it was done."""

    def big(self, features, mode):
        v1.get_variable("big", [BYTES // 4], initializer=v1.zeros_initializer())
        return model_fn(features, mode)

    @pytest.mark.parametrize("own_hook", [False, True], ids=["ours", "users"])
    @pytest.mark.parametrize(
        ("at", "steps", "every", "saved"),
        [(1, 3, 2, 0), (3, 3, 2, 2), (3, 3, 1000, 0), (0, 1, 1, 3)],
    )
    def test_it_ends_training_with_an_error(
        self, tmp_path, file_size_limit, at, steps, every, saved, own_hook
    ):
        folder = tmp_path / "model"

        def train(hooks, steps, every):
            estimator = Estimator(self.big, folder, RunConfig(save_checkpoints_steps=every))
            if own_hook:
                hooks = [*hooks, v1.train.CheckpointSaverHook(str(folder), save_steps=every)]
            estimator.train(input_fn_without_end, hooks, steps=steps)

        if not at:
            train([], 3, 1000)
        limits = Limits(at)
        if not at:
            limits.set()
        with pytest.raises(tf.errors.ResourceExhaustedError) as raised:
            train([limits], steps, every)
        assert f"{folder}/model.ckpt-" in str(raised.value)
        assert "could not be saved" in str(raised.value)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2
        )
        estimator = Estimator(self.big, folder)
        assert estimator.get_variable_value("w")[0] == saved
        train([], 1, 1000)
        assert estimator.get_variable_value("w")[0] == saved + 1
        assert not list(folder.glob("*_temp"))


def input_fn_without_end():
    """As input_fn."""
    return input_fn().repeat()
