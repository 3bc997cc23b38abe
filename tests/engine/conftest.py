"""A tiny model whose weight counts its steps, its input, and hooks that keep a diary."""

import pathlib

import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1


def _counting(features, labels, mode):
    del labels
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    y = features["x"] * w
    loss = tf.reduce_mean(y)
    return EstimatorSpec(
        mode, predictions={"y": y, "x": features["x"]}, loss=loss, train_op=_step(loss, w)
    )


def _step(loss, w=None):
    step = v1.train.get_global_step()
    # As with an optimizer: a step without a batch is no step, and hooks read the step before it.
    with tf.control_dependencies([loss, step + 0]):
        ops = [v1.assign_add(step, 1)]
        if w is not None:
            ops.append(w.assign_add(1.0))
    return tf.group(*ops)


@pytest.fixture
def counting():
    """A model_fn: y = w * x, loss = mean(y); a step adds 1 to w, so w is the global step."""
    return _counting


@pytest.fixture
def trivial_spec():
    """Makes an EstimatorSpec of constants, but for the fields that are given."""

    def make(mode, **fields):
        given = {"loss": tf.constant(1.0), "predictions": {"one": tf.ones([1])}, **fields}
        if "train_op" not in given:
            given["train_op"] = _step(given["loss"])
        return EstimatorSpec(mode, **given)

    return make


@pytest.fixture
def three_batches():
    """An input_fn: x is [1], [2], [3], and then it ends."""

    def input_fn():
        return tf.data.Dataset.from_tensor_slices({"x": [1.0, 2.0, 3.0]}).batch(1)

    return input_fn


@pytest.fixture
def endless(three_batches):
    """An input_fn: x is [1], [2], [3], [1] and so on."""
    return lambda: three_batches().repeat()


@pytest.fixture
def make_estimator(tmp_path):
    """Makes an Estimator on tmp_path / "model" that saves only at the start and the end."""

    def make(model_fn=_counting, folder=tmp_path / "model", warm_start_from=None, **config):
        if "save_checkpoints_secs" not in config:
            config.setdefault("save_checkpoints_steps", 1000)
        config.setdefault("tf_random_seed", 1)
        return Estimator(model_fn, folder, RunConfig(**config), warm_start_from=warm_start_from)

    return make


@pytest.fixture
def trained(make_estimator, endless):
    """An Estimator of the counting model after 3 steps, with checkpoints of steps 0, 2 and 3."""
    return make_estimator(save_checkpoints_steps=2).train(endless, steps=3)


class _Diary(v1.train.SessionRunHook):
    def __init__(self, entries, name):
        self._entries, self._name = entries, name

    def _note(self, event):
        self._entries.append(f"{event} {self._name}")

    def begin(self):
        self._note("begin")

    def after_create_session(self, session, coord):
        self._note("session")

    def before_run(self, run_context):
        self._note("before")

    def after_run(self, run_context, run_values):
        self._note("after")

    def end(self, session):
        self._note("end")


class _SavingDiary(v1.train.CheckpointSaverListener):
    def __init__(self, entries, name, stop_at):
        self._entries, self._name, self._stop_at = entries, name, stop_at

    def _note(self, event):
        self._entries.append(f"{event} {self._name}")

    def begin(self):
        self._note("begin")

    def before_save(self, session, global_step_value):
        self._note(f"before save {global_step_value}")

    def after_save(self, session, global_step_value):
        self._note(f"after save {global_step_value}")
        return global_step_value == self._stop_at

    def end(self, session, global_step_value):
        self._note(f"end {global_step_value}")


@pytest.fixture
def diary():
    """A list of strings that `diary.hook(name)` and `diary.listener(name)` add to."""

    class Entries(list):
        def hook(self, name):
            return _Diary(self, name)

        def listener(self, name, stop_at=None):
            return _SavingDiary(self, name, stop_at)

    return Entries()


class _Watch(v1.train.SessionRunHook):
    def __init__(self, act=None):
        self._act = act
        self.session, self.graph, self.steps = None, None, 0

    def begin(self):
        self.graph = v1.get_default_graph()

    def after_create_session(self, session, coord):
        self.session = session

    def after_run(self, run_context, run_values):
        self.steps += 1
        if self._act:
            self._act(self.steps, run_context)

    @property
    def closed(self):
        try:
            self.session.run(self.graph.get_operations()[0])
        except RuntimeError:
            return True
        return False


@pytest.fixture
def watch():
    """Makes a hook that keeps its session and graph, counts, and calls act(steps, run_context)."""
    return _Watch


@pytest.fixture
def saved_steps():
    """The steps of the checkpoints that are listed in a model_dir, oldest first."""

    def read(folder):
        state = tf.train.get_checkpoint_state(str(folder))
        paths = state.all_model_checkpoint_paths if state else []
        return [int(path.rpartition("-")[2]) for path in paths]

    return read


@pytest.fixture
def summaries_of():
    """The (step, tag, value) of all summaries in a folder's event files; scalars and tensors."""

    def read(folder):
        found = []
        for path in sorted(pathlib.Path(folder).glob("*tfevents*")):
            for event in v1.train.summary_iterator(str(path)):
                for value in event.summary.value:
                    is_tensor = value.HasField("tensor")
                    content = tf.make_ndarray(value.tensor) if is_tensor else value.simple_value
                    found.append((event.step, value.tag, content))
        return found

    return read
