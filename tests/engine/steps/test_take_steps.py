"""Training by the Estimator: what can be seen of it is the same however its steps are taken."""

import contextlib
import functools
import logging
import math
import re
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig
from tf_estimator import experimental as added
from tf_estimator.engine.graph import global_step_read
from tf_estimator.engine.steps.single import SingleSteps
from tf_estimator.engine.steps.take_steps import StepReader, Taken, take_steps
from tf_estimator.hooks import input_pipeline

v1 = tf.compat.v1
WAYS = {
    "auto": {"steps_per_loop": "auto"},
    "7 in a loop": {"steps_per_loop": 7},
    "compiled": {"jit_compile": True},
}
SINGLY = {"steps_per_loop": 1}


def model_fn(features, mode, params):
    """w goes down by the mean of each batch, all of them whole numbers: no rounding."""
    # What hooks read of the global step, before it moves: else it may be of after the step.
    step = v1.train.get_global_step()
    reads = [step.graph.as_graph_element(step), global_step_read()]
    with tf.control_dependencies(reads):
        x = params.get("of_x", tf.identity)(tf.identity(features["x"]))
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    mean = tf.reduce_mean(x, name="of_batch")
    loss = mean * tf.identity(w, name="w_before")
    v1.summary.scalar("mean", mean)
    train_op = params.get("train", minimize)(loss)
    return EstimatorSpec(mode, {"w": w}, loss, train_op, **params.get("extras", dict)())


def minimize(loss):
    return v1.train.GradientDescentOptimizer(1.0).minimize(loss, v1.train.get_global_step())


def moves_by(steps):
    def train(loss):
        with tf.control_dependencies([v1.train.GradientDescentOptimizer(1.0).minimize(loss)]):
            return v1.assign_add(v1.train.get_global_step(), steps).op

    return train


def gives_a_tensor(loss):
    with tf.control_dependencies([minimize(loss)]):
        return tf.identity(loss)


def rows(values, size=1, **options):
    values = np.asarray(values, np.float32)
    return lambda: tf.data.Dataset.from_tensor_slices({"x": values}).batch(size, **options)


def endless():
    return rows(range(1, 12))().repeat()


def ends_after(batches, remainder=0, **options):
    return rows(range(2 * batches + remainder), size=2, **options)


def with_a_row(number, value, many=60):
    """Batches of one row: 1, 2 ... with `value` in place of `number`."""
    values = np.arange(1, many + 1, dtype=np.float32)
    values[number - 1] = value
    return rows(values)


def fails_in_the_input(number):
    def checked(row):
        return {"x": tf.debugging.check_numerics(row["x"], "a bad row")}

    return lambda: with_a_row(number, math.inf)().map(checked)


def no_more_than_99(x):
    with tf.control_dependencies([tf.debugging.assert_less(x, 99.0, name="no_more_than_99")]):
        return tf.identity(x)


class Looker(v1.train.SessionRunHook):
    """Looks at every `every`-th step, at which it does what it is told."""

    def __init__(self, every=1000, act=None):
        self.every, self.act, self.looked, self.skipped = every, act, [], 0

    def begin(self):
        self._step = v1.train.get_global_step()

    def next_look(self, global_step):
        return global_step - global_step % self.every + self.every

    def after_skipped_steps(self, steps):
        self.skipped += steps

    def after_run(self, run_context, run_values):
        step = int(run_context.session.run(self._step))
        self.looked.append(step)
        if self.act and step % self.every == 0:
            self.act(step, run_context)


class Silent(v1.train.SessionRunHook):
    """Does not say when it looks, and stops at a step."""

    def __init__(self, stop_at):
        self._left = stop_at

    def after_run(self, run_context, run_values):
        self._left -= 1
        if not self._left:
            run_context.request_stop()


class Listener(v1.train.CheckpointSaverListener):
    def __init__(self, notes, stop_at=None):
        self.notes, self.stop_at = notes, stop_at

    def before_save(self, session, global_step_value):
        self.notes.append(f"before {global_step_value}")

    def after_save(self, session, global_step_value):
        self.notes.append(f"after {global_step_value}")
        return global_step_value == self.stop_at

    def end(self, session, global_step_value):
        self.notes.append(f"end {global_step_value}")


# Times, folders and addresses; and the step, which only a loop tells of a NaN.
_CHANGES = re.compile(
    r" \([\d.]+ sec\)|\d{4}-\d\d-\d\dT[\d:]+|in [\d.]+s|'?/\S+/| at (0x\w+|global step \d+)"
)
# What TensorFlow says a few times only, and why hooks look at all steps.
_MAY_BE_MISSING = re.compile("deprecated|/sec: |It seems that global|Hooks look at every step")


@contextlib.contextmanager
def logged():
    """The lines of the level INFO and above, without what takes its own time or place."""
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            text = record.getMessage().replace(" at global step 20", "")
            text = re.sub(r" \([\d.]+ sec\)|'?/\S+/|(?<= at )0x\w+", "", text)
            if not re.search(
                r"deprecated|/sec: |Hooks look at every step|It seems that global", text
            ):
                lines.append(re.sub(r"\d{4}-\d\d-\d\dT[\d:]+|in [\d.]+s|[\d.]+ s\b", "", text))

    logger, handler = tf.get_logger(), Keep()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class Training:
    """A few calls of Estimator.train in one folder, and all that can be seen of them.

    Args:
        folder: of the model.
        way: options of RunConfig that say how steps are taken.
        input_fn: for `train`.
        hooks: makes the hooks of a call, from the Training.
        calls: the arguments of the calls.
        stop_at_save: at which save the listener stops training.
        config: further options of RunConfig.
        params: of `model_fn`.
    """

    def __init__(
        self, folder, way, input_fn=endless, hooks=None, calls=None, stop_at_save=None, **given
    ):
        params = {name: given.pop(name) for name in ("of_x", "train", "extras") if name in given}
        config = {
            "save_checkpoints_steps": 13,
            "save_summary_steps": 10,
            "log_step_count_steps": 6,
            "tf_random_seed": 1,
        } | given
        self.folder, self.saves = folder, []
        self.estimator = Estimator(model_fn, str(folder), RunConfig(**config, **way), params)
        self.error, self.looker = None, Looker()
        saves = "save_checkpoints_steps" not in given
        listeners = [Listener(self.saves, stop_at_save)] if saves else []
        with logged() as self.lines, self.estimator:
            for call in calls or [{"steps": 40}]:
                all_hooks = [*(hooks(self) if hooks else []), self.looker]
                try:
                    self.estimator.train(input_fn, all_hooks, saving_listeners=listeners, **call)
                except Exception as error:  # noqa: BLE001 - it is compared
                    self.error = error
        v1.summary.FileWriterCache.clear()

    @property
    def saw(self):
        """What must be the same."""
        state = tf.train.get_checkpoint_state(str(self.folder))
        paths = state.all_model_checkpoint_paths if state else []
        weights = {}
        for path in (self.folder / Path(path).name for path in paths):
            reader = tf.train.load_checkpoint(str(path))
            weights[path.name] = {
                name: np.asarray(reader.get_tensor(name)).tolist()
                for name in reader.get_variable_to_shape_map()
                if name != "input_state"  # its bytes are not always the same
            }
        return {
            "weights": weights,
            "saves": self.saves,
            "events": self._events(),
            "lines": self.lines,
            "error": repr(self.error)[:60],
        }

    def _events(self):
        found = []
        for path in sorted(self.folder.glob("**/*tfevents*")):
            where = str(path.parent.relative_to(self.folder))
            for event in v1.train.summary_iterator(str(path)):
                values = [
                    (one.tag, repr(one.simple_value))  # NaN does not equal itself
                    for one in event.summary.value
                    if one.tag != "global_step/sec"
                ]
                kind = event.WhichOneof("what")
                found.append((where, kind, event.step, event.session_log.status, values))
        return found


def _logging(training):
    return [
        v1.train.LoggingTensorHook({"again": "of_batch:0"}, every_n_iter=7),
        v1.train.LoggingTensorHook(["w_before:0"], every_n_iter=11, at_end=True),
    ]


def _summaries(training):
    folder = str(training.folder / "more")
    return [
        v1.train.SummarySaverHook(
            save_steps=3, output_dir=folder, summary_op=v1.summary.scalar("three", 3.0)
        )
    ]


def _in_graph(make):
    """Hooks that are made of operations, which model_fn adds to its graph."""
    return lambda: {"training_hooks": make()}


def _early(training):
    return [
        added.make_early_stopping_hook(
            training.estimator,
            lambda: len(training.saves) >= 6,
            run_every_secs=None,
            run_every_steps=5,
        )
    ]


def _in_memory(training):
    return [added.InMemoryEvaluatorHook(training.estimator, ends_after(2), every_n_iter=9)]


def _input_pipeline(training):
    return [input_pipeline.CheckpointInputPipelineHook(training.estimator)]


# Arguments of Training, by what is tried.
SAME = {
    "steps": {},
    "max_steps": {"calls": [{"max_steps": 33}]},
    "one step": {"calls": [{"steps": 1}]},
    "two calls": {"calls": [{"steps": 20}, {"max_steps": 33}]},
    "many calls": {"calls": [{"steps": 5}] * 4},
    "two calls, graphs not kept": {
        "calls": [{"steps": 20}, {"steps": 9}],
        "keep_graphs": False,
    },
    "logging": {"hooks": _logging},
    "logging, to an end of the input": {
        "hooks": lambda t: _logging(t)[:1],
        "input_fn": ends_after(25),
    },
    "logging at the end": {
        "hooks": lambda t: [v1.train.LoggingTensorHook(["of_batch:0"], at_end=True)],
        "input_fn": lambda: endless().take(30),
        "calls": [{"steps": 20}],
    },
    "stop after": {"hooks": lambda t: [v1.train.StopAtStepHook(num_steps=17)]},
    "stop at": {"hooks": lambda t: [v1.train.StopAtStepHook(last_step=17)]},
    "stop at, passed": {
        "hooks": lambda t: [v1.train.StopAtStepHook(last_step=17)],
        "calls": [{"steps": 19}, {"steps": 19}],
    },
    "stopped by a listener": {"stop_at_save": 26},
    "stopped by a hook": {"hooks": lambda t: [Looker(9, lambda step, run: run.request_stop())]},
    "stopped by a hook that does not say": {"hooks": lambda t: [Silent(9)]},
    "early stopping": {"hooks": _early, "calls": [{"steps": 60}]},
    "saved by the user's hook": {
        "hooks": lambda t: [v1.train.CheckpointSaverHook(str(t.folder), save_steps=8)]
    },
    "nothing is saved or logged": {
        "save_checkpoints_steps": None,
        "save_summary_steps": None,
        "log_step_count_steps": None,
    },
    "saved by the clock, never": {"save_checkpoints_steps": None, "save_checkpoints_secs": 1000},
    "in memory evaluation": {"hooks": _in_memory},
    "position of the input": {"calls": [{"steps": 16}, {"steps": 15}], "save_input_state": True},
    "position of the input by a hook": {
        "calls": [{"steps": 16}, {"steps": 15}],
        "hooks": _input_pipeline,
    },
    "NaN": {"input_fn": with_a_row(20, math.nan)},
    "NaN at once": {"input_fn": with_a_row(1, math.nan)},
    "NaN at a save": {"input_fn": with_a_row(13, math.nan)},
    "NaN that the user does not mind": {
        "input_fn": with_a_row(20, math.nan),
        "extras": _in_graph(
            lambda: [
                v1.train.NanTensorHook(
                    v1.get_default_graph().get_tensor_by_name("of_batch:0"), fail_on_nan_loss=False
                )
            ]
        ),
    },
    "infinity": {"input_fn": with_a_row(40, math.inf), "calls": [{"steps": 40}]},
    "an error in the input": {"input_fn": fails_in_the_input(20)},
    "an error in the input at once": {"input_fn": fails_in_the_input(1)},
    "an assertion": {"input_fn": with_a_row(20, 100.0), "of_x": no_more_than_99},
    "an assertion at once": {"input_fn": with_a_row(1, 100.0), "of_x": no_more_than_99},
    "the global step by two": {"train": moves_by(2)},
    "the global step by none": {"train": moves_by(0), "input_fn": ends_after(9), "calls": [{}]},
    "train_op is a tensor": {"train": gives_a_tensor},
    "no batch": {"input_fn": ends_after(0), "calls": [{}]},
} | {
    f"end of the input after {n}, remainder {remainder}": {
        "input_fn": ends_after(n, remainder),
        "calls": [{}],
    }
    for n, remainder in [(1, 0), (2, 0), (7, 1), (13, 0), (101, 1)]
}
# Where a compiled loop is not possible, and the log says so.
NOT_COMPILED = (
    "position of the input",
    "position of the input by a hook",
    "an error in the input",
    "an error in the input at once",
)
# A compiled loop has an iterator of its own, and a hook that runs the session finds the other one.
READS_BY_ITSELF = ("logging at the end",)
LOOKS_AT_ALL = (
    "stopped by a hook that does not say",
    "NaN that the user does not mind",
    "the global step by two",
    "the global step by none",
)
# To compile takes a second, and these would show nothing more.
AS_OTHERS = (
    "one step",
    "two calls, graphs not kept",
    "stop after",
    "saved by the clock, never",
    "an assertion at once",
)
BY_SEVEN = ("steps", "max_steps", "two calls", "logging", "stop at", "NaN", "an assertion")


def _ways():
    for name in SAME:
        yield name, "auto"
        if name not in (*READS_BY_ITSELF, *LOOKS_AT_ALL, *AS_OTHERS):
            yield name, "compiled"
        if name in BY_SEVEN:
            yield name, "7 in a loop"


@pytest.fixture(scope="module")
def singly(tmp_path_factory):
    """A training in single steps, by its name in SAME."""

    @functools.cache
    def train(name, keep_graphs):
        folder = tmp_path_factory.mktemp("singly") / "model"
        given = SAME[name] | ({} if keep_graphs else {"keep_graphs": False})
        training = Training(folder, SINGLY, **given)
        return training.saw, training.looker.looked

    return train


@pytest.mark.parametrize(("name", "way"), list(_ways()))
def test_all_that_can_be_seen_is_that_of_single_steps(name, way, tmp_path, singly):
    training = Training(tmp_path / "model", WAYS[way], **SAME[name])
    # A graph whose steps are compiled is not kept for the next call.
    expected, all_steps = singly(name, way != "compiled" or len(SAME[name].get("calls", [])) < 2)
    saw, looked = training.saw, training.looker.looked
    told = [line for line in saw["lines"] if "has no effect" in line]
    assert bool(told) == (way == "compiled" and name in NOT_COMPILED), told
    saw["lines"] = [line for line in saw["lines"] if line not in told]
    for part, value in expected.items():
        assert saw[part] == value, part
    if name in LOOKS_AT_ALL:
        assert looked == all_steps
    else:
        assert set(looked) <= set(all_steps)
        assert len(looked) < len(all_steps) or len(all_steps) < 3


def train_on(folder, input_fn, hooks=(), steps=None, params=None, **options):
    config = RunConfig(save_summary_steps=None, log_step_count_steps=None, **options)
    estimator = Estimator(model_fn, str(folder), config, params or {})
    return estimator.train(input_fn, list(hooks), steps=steps)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("input_fn", "of_x", "says"),
    [
        (with_a_row(20, 100.0), no_more_than_99, "no_more_than_99"),
        (fails_in_the_input(20), tf.identity, "a bad row"),
    ],
)
def test_after_an_error_training_goes_on_from_the_last_save(way, input_fn, of_x, says, tmp_path):
    options = WAYS[way] | {"save_checkpoints_steps": 6}
    with pytest.raises(tf.errors.InvalidArgumentError, match=says) as raised:
        train_on(tmp_path, input_fn, params={"of_x": of_x}, **options)
    assert "steps_per_loop" not in str(raised.value)
    after = train_on(tmp_path, endless, steps=2, **options)
    assert after.get_variable_value("global_step") == 18 + 2
    assert after.get_variable_value("w") == -sum(range(19)) - 1 - 2


def test_an_error_in_the_input_is_not_told_as_one_of_the_compiler(tmp_path):
    with logged() as lines, pytest.raises(tf.errors.InvalidArgumentError, match="a bad row"):
        train_on(tmp_path, fails_in_the_input(20), jit_compile=True)
    (told,) = [line for line in lines if "has no effect" in line]
    assert "the input failed: " in told


class Asks(v1.train.SessionRunHook):
    def __init__(self, answer):
        self.next_look = lambda global_step: answer


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("answer", "error"), [("soon", TypeError), (True, TypeError), (2.5, TypeError), (1, ValueError)]
)
def test_a_hook_that_answers_nonsense_is_named(way, answer, error, tmp_path):
    with pytest.raises(error, match=r"Asks\.next_look must return .* received"):
        train_on(tmp_path, endless, [Asks(answer)], steps=9, **WAYS[way])


def test_hooks_are_told_of_each_step_that_they_miss(tmp_path):
    looker = Looker(every=10)
    train_on(tmp_path / "ends", ends_after(37), [looker])
    assert looker.looked == [1, 10, 20, 30]
    assert looker.skipped == 37 - 4


@pytest.mark.parametrize("way", WAYS)
def test_the_number_in_config_is_the_most_at_a_time(way, tmp_path):
    asked = []

    class Notes(Looker):
        def next_look(self, global_step):
            asked.append(global_step)

    train_on(tmp_path, endless, [Notes()], steps=30, **WAYS[way])
    taken = np.diff([*asked, 30]).tolist()
    # Fewer if the time is up, on a machine that is busy.
    assert max(taken) <= 7 if way == "7 in a loop" else max(taken) > 0


@pytest.mark.parametrize("way", [*WAYS, "singly"])
def test_a_slow_input_keeps_no_hook_waiting(way, tmp_path):
    """The input waits at its 10th batch until the hook has looked after some time."""
    looked = threading.Event()

    class ByTheClock(v1.train.SessionRunHook):
        def __init__(self):
            self._end = time.monotonic() + 0.3

        def next_look(self, global_step):
            return global_step + 1 if time.monotonic() > self._end else None

        def after_run(self, run_context, run_values):
            if time.monotonic() > self._end:
                looked.set()
                run_context.request_stop()

    def batches():
        while True:
            # A second would be far too late, and is the end of the test.
            waits.append(looked.wait(0.02))
            yield {"x": [1.0]}

    waits = []
    spec = {"x": tf.TensorSpec([1])}
    options = WAYS.get(way, SINGLY)
    train_on(
        tmp_path,
        lambda: tf.data.Dataset.from_generator(batches, output_signature=spec),
        [ByTheClock()],
        **options,
    )
    # Those of 0.3 s, those of 0.1 s, and some for what is slow.
    assert len(waits) < 15 + 5 + 30


def failing_queue(features, mode):
    """A thread fills a queue until it fails at the 7th number."""
    numbers = tf.data.Dataset.range(1, 99).map(lambda n: tf.cast(n, tf.float32))
    number = v1.data.make_one_shot_iterator(numbers).get_next()
    queue = tf.queue.FIFOQueue(3, [tf.float32], shapes=[[]])
    checked = tf.debugging.check_numerics(1.0 / (7.0 - number), "the seventh")
    v1.train.add_queue_runner(v1.train.QueueRunner(queue, [queue.enqueue(checked)]))
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    loss = queue.dequeue() * w
    return EstimatorSpec(mode, loss=loss, train_op=minimize(loss))


@pytest.mark.parametrize("way", [*WAYS, "singly"])
def test_a_queue_that_failed_is_no_end_of_the_input(way, tmp_path):
    options = WAYS.get(way, SINGLY)
    estimator = Estimator(failing_queue, str(tmp_path), RunConfig(**options))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the seventh"):
        estimator.train(endless, steps=20)
    if way != "singly":  # where TensorFlow may see the stop before it sees the error
        assert estimator.get_variable_value("global_step") == 0


class Losing(SingleSteps):
    """Finds once that the session is lost."""

    lost = False

    def run(self, session, steps, deadline):
        if not self.lost:
            self.lost = True
            raise tf.errors.UnavailableError(None, None, "The session is lost.")
        return super().run(session, steps, deadline)


def test_a_lost_session_is_left_to_the_next_step():
    with tf.Graph().as_default() as graph:
        step = v1.train.get_or_create_global_step()
        loss = tf.constant(1.0)
        train_op = v1.assign_add(step, 1).op
        built = types.SimpleNamespace(
            graph=graph, feed=None, spec=EstimatorSpec("train", loss=loss, train_op=train_op)
        )
        reader, taken = StepReader(loss, step), Taken()
        reader.alone = True
        with tf.control_dependencies([train_op]):
            reader.step_after = tf.identity(step)
        unwatched = Losing(train_op, loss, step)
        hooks = [reader, v1.train.StopAtStepHook(10)]
        with v1.train.MonitoredSession(hooks=hooks) as session:
            take_steps(session, built, reader, hooks, unwatched, None, taken)
        assert unwatched.lost
        assert taken == Taken(10, 1.0)


_ENDLESS = """
import sys
import tensorflow as tf
from tf_estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1

def model_fn(features, mode):
    loss = tf.reduce_mean(features) * v1.get_variable("w", [])
    step = v1.train.get_global_step()
    train_op = v1.train.GradientDescentOptimizer(1e-9).minimize(loss, step)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)

class Tells(v1.train.SessionRunHook):
    def after_run(self, run_context, run_values):
        print("it trains", flush=True)
    def next_look(self, global_step):
        pass

config = RunConfig(
    sys.argv[1], jit_compile=sys.argv[2] == "compiled", log_step_count_steps=None,
    save_summary_steps=None, save_checkpoints_secs=1000,
)
Estimator(model_fn, config=config).train(
    lambda: tf.data.Dataset.from_tensors([1.0]).repeat(), [Tells()])
"""


@pytest.mark.slow  # it imports TensorFlow
@pytest.mark.parametrize("way", ["auto", "compiled"])
def test_ctrl_c_ends_a_long_loop(way, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path), way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "it trains\n"
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "KeyboardInterrupt" in error
