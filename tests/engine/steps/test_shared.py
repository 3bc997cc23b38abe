"""Steps where others take steps as well: hooks look as soon as if they looked at every step."""

import math
import time
import types

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.cluster.watch import StepTimes
from tf_estimator.engine.steps.shared import SharedSteps
from tf_estimator.engine.steps.take_steps import StepReader, Taken, take_steps

v1 = tf.compat.v1


class Training:
    """A graph whose step takes the global step on by 1, and others by as many as they are told.

    Attributes:
        losses: of the steps, as functions of the step; that of step 1 is 1.
    """

    def __init__(self, others=lambda own: 0, loss=float, batches=1000, lost=()):
        self.others, self.loss_of, self.lost, self.own = others, loss, set(lost), 0
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.step = v1.train.get_or_create_global_step()
            # Hooks fetch this one: it is of before the step.
            hook = v1.train.StopAtStepHook(1)
            hook.begin()
            iterator = v1.data.make_one_shot_iterator(tf.data.Dataset.range(batches))
            with tf.control_dependencies([hook._global_step_tensor, iterator.get_next()]):
                moved, self.loss = tf.numpy_function(self._step, [], [tf.int64, tf.float64])
            self.train_op = v1.assign_add(self.step, tf.reshape(moved, [])).op
            self.steps = SharedSteps(self.train_op, self.loss, self.step)

    def _step(self):
        if self.own + 1 in self.lost:
            self.lost.remove(self.own + 1)
            raise ConnectionError
        self.own += 1
        return np.int64(1 + self.others(self.own)), np.float64(self.loss_of(self.own))

    def train(self, *hooks):
        """Takes steps until a hook stops."""
        taken = Taken()
        with self.graph.as_default():
            reader = StepReader(self.loss, self.step)
            reader.step_after = self.steps._step_after
            hooks = [reader, *hooks]
            spec = types.SimpleNamespace(train_op=self.train_op, loss=self.loss)
            built = types.SimpleNamespace(spec=spec, feed=None)
            with v1.train.MonitoredSession(hooks=hooks) as session:
                take_steps(session, built, reader, hooks, self.steps, None, taken)
        return taken


class Looker(v1.train.SessionRunHook):
    """Notes the global step after each step that it looks at."""

    def __init__(self, every):
        self.every, self.looked, self.skipped = every, [], 0

    def begin(self):
        self._step = v1.train.get_global_step()

    def next_look(self, global_step):
        return global_step - global_step % self.every + self.every

    def after_skipped_steps(self, steps):
        self.skipped += steps

    def after_run(self, run_context, run_values):
        self.looked.append(int(run_context.session.run(self._step)))


@pytest.fixture
def session():
    """Makes a session of a Training, with its variables initialized."""
    made = []

    def session(training):
        with training.graph.as_default():
            made.append(v1.Session())
            made[-1].run(v1.global_variables_initializer())
        return made[-1]

    yield session
    for each in made:
        each.close()


@pytest.mark.parametrize(
    ("others", "steps", "own", "global_step"),
    [
        (lambda own: 0, 10, 10, 10),
        (lambda own: 1, 10, 5, 10),
        (lambda own: 1, 11, 5, 10),
        (lambda own: 3, 10, 2, 8),
        (lambda own: 50 if own == 4 else 0, 10, 4, 54),
        (lambda own: 0, 0, 0, 0),
    ],
)
def test_they_end_before_one_goes_too_far(session, others, steps, own, global_step):
    training = Training(others)
    done = training.steps.run(session(training), steps, math.inf)
    assert (done.steps, done.global_step, training.own) == (own, global_step, own)
    assert done.loss == (own or None)


def test_time_ends_them_and_so_does_nan(session):
    training = Training(loss=lambda own: math.nan if own == 4 else 1.0)
    opened = session(training)
    assert training.steps.run(opened, 10, time.time() - 1).steps == 1
    done = training.steps.run(opened, 10, math.inf)
    assert done.steps == 3
    assert math.isnan(done.loss)


def test_the_end_of_the_input_tells_the_steps_of_this_process(session):
    training = Training(lambda own: 2, batches=4)
    with pytest.raises(tf.errors.OutOfRangeError):
        training.steps.run(session(training), 100, math.inf)
    assert training.steps.steps_before_end(12) == 4
    assert training.steps.last_loss() == 4


def test_each_is_timed(session):
    training = Training(lambda own: 1)
    now = [0.0]
    opened = session(training)
    times = training.steps.times = StepTimes(lambda: now[0])

    def takes_a_second(own):
        assert times.began == now[0] == own - 1
        now[0] += 1
        return 0

    training.others = takes_a_second
    training.steps.run(opened, 3, math.inf)
    assert (times.began, times.last_began) == (None, 2.0)


@pytest.mark.parametrize("others", [0, 1, 4])
def test_hooks_look_at_the_step_that_passes_their_time(others):
    training = Training(lambda own: others)
    looker = Looker(20)
    taken = training.train(looker, v1.train.StopAtStepHook(last_step=100))
    # TensorFlow's hook looks at the global step before the last step, and adds 1.
    one_more = [100 + 1 + others] if others else []
    assert taken.steps == training.own == 100 // (1 + others) + len(one_more)
    assert looker.skipped + len(looker.looked) == training.own
    # The first step is looked at, and then those that take the global step past each 20th.
    assert looker.looked == [1 + others, *range(20, 101, 20), *one_more]


def test_a_lost_session_is_found_out_by_the_step_with_hooks():
    training = Training(lost=[5])
    real = training.steps._steps

    def unavailable(*args):
        try:
            return real(*args)
        except tf.errors.UnknownError:  # What numpy_function makes of it.
            raise tf.errors.UnavailableError(None, None, "a parameter server is gone") from None

    training.steps._steps = unavailable
    looker = Looker(1000)
    assert training.train(looker, v1.train.StopAtStepHook(last_step=20)).steps >= 16
    assert looker.looked[:2] == [1, 5]
