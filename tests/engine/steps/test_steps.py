"""Steps that no hook looks at, one by one, and the choice of their threads by measurement."""

import itertools
import math
import time

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.engine.steps import single as steps
from tf_estimator.engine.steps.single import SingleSteps, ThreadChoice

v1 = tf.compat.v1
FOREVER = 1e12


class _Step:
    """w += the next batch of 1, 2, 3 ...; the loss is what `loss_of` makes of the batch."""

    def __init__(self, loss_of=tf.identity, batches=1000):
        self.graph = tf.Graph()
        with self.graph.as_default():
            dataset = tf.data.Dataset.range(1, batches + 1)
            iterator = v1.data.make_initializable_iterator(dataset)
            x = tf.cast(iterator.get_next(), tf.float32)
            self.global_step = v1.train.get_or_create_global_step()
            self.w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
            self.loss = loss_of(x)
            with tf.control_dependencies([self.loss]):
                self.train_op = tf.group(
                    self.w.assign_add(x), v1.assign_add(self.global_step, 1), name="train"
                )
            self._init = [v1.global_variables_initializer(), iterator.initializer]

    def session(self):
        session = v1.Session(graph=self.graph)
        session.run(self._init)
        return session

    def single(self):
        return SingleSteps(self.train_op, self.loss, self.global_step)


class TestSingleSteps:
    def test_takes_as_many_as_asked_for(self):
        step = _Step()
        single = step.single()
        with step.session() as session:
            assert single.run(session, 3, FOREVER) == (3, 3.0, 3)
            session.run(step.train_op)
            assert single.run(session, 2, FOREVER) == (2, 6.0, 6)
            assert session.run(step.w) == 1 + 2 + 3 + 4 + 5 + 6

    def test_none_are_none(self):
        step = _Step()
        with step.session() as session:
            assert step.single().run(session, 0, FOREVER) == (0, None, 0)

    def test_after_the_deadline_it_takes_one(self):
        step = _Step()
        with step.session() as session:
            assert step.single().run(session, 5, time.time() - 1) == (1, 1.0, 1)

    def test_stops_at_nan_and_not_at_infinity(self):
        step = _Step(lambda x: tf.where(x < 3, np.float32(np.inf), np.float32(np.nan)))
        with step.session() as session:
            done = step.single().run(session, 9, FOREVER)
        assert (done.steps, done.global_step) == (3, 3)
        assert np.isnan(done.loss)

    def test_the_end_of_the_input_is_raised(self):
        step = _Step(batches=4)
        with step.session() as session:
            with pytest.raises(tf.errors.OutOfRangeError):
                step.single().run(session, 9, FOREVER)
            assert session.run([step.global_step, step.w]) == [4, 10.0]

    def test_another_session_can_come(self):
        step = _Step()
        single = step.single()
        for _ in range(2):
            with step.session() as session:
                assert single.run(session, 2, FOREVER) == (2, 2.0, 2)

    def test_a_train_op_may_be_a_tensor(self):
        step = _Step()
        with step.graph.as_default(), tf.control_dependencies([step.train_op]):
            train_op = tf.constant(0)
        with step.session() as session:
            single = SingleSteps(train_op, step.loss, step.global_step)
            assert single.run(session, 2, FOREVER).global_step == 2

    def test_an_error_names_the_operation_and_where_it_was_made(self):
        step = _Step(lambda x: tf.debugging.check_numerics(1 / (x - 3), "found", name="check"))
        with step.session() as session:
            with pytest.raises(tf.errors.InvalidArgumentError, match="found") as raised:
                step.single().run(session, 9, FOREVER)
            assert session.run(step.global_step) == 2
        assert raised.value.op.name == "check"
        assert __file__ in raised.value.message


class _Clock:
    """Time that passes only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def _train(choice, clock, *, pool, caller, seconds):
    """Takes chunks of steps of `pool` or `caller` seconds each; which one had each, in order."""
    end, used = clock.now + seconds, []
    while clock.now < end:
        in_caller = choice.options is not None
        count = 10 if math.isinf(choice.seconds) else 5
        took = count * (caller if in_caller else pool)
        clock.now += took
        used.append("caller" if in_caller else "pool")
        choice.took(count, took)
    return used


class TestThreadChoice:
    @pytest.mark.parametrize(
        ("pool", "caller", "best"),
        [(0.002, 0.001, "caller"), (0.001, 0.002, "pool"), (0.00100, 0.00099, "pool")],
    )
    def test_the_faster_one_gets_the_steps(self, pool, caller, best):
        clock = _Clock()
        used = _train(ThreadChoice(clock=clock), clock, pool=pool, caller=caller, seconds=2)
        first = len(ThreadChoice._TURNS)
        assert sorted(used[:first]) == ["caller"] * (first // 2) + ["pool"] * (first // 2)
        assert set(used[first:]) == {best}

    def test_a_slow_first_turn_does_not_count(self):
        clock = _Clock()
        choice = ThreadChoice(clock=clock)
        for n in range(len(ThreadChoice._TURNS)):
            choice.took(1, 9.0 if n == 2 else 0.001 if choice.options is not None else 0.002)
        assert choice.options is not None

    def test_it_is_measured_again_after_a_while(self):
        clock = _Clock()
        choice = ThreadChoice(clock=clock)
        assert _train(choice, clock, pool=0.002, caller=0.001, seconds=9)[-1] == "caller"
        assert _train(choice, clock, pool=0.001, caller=0.002, seconds=9)[-1] == "pool"

    def test_measuring_has_little_of_the_time(self):
        clock = _Clock()
        used = _train(ThreadChoice(clock=clock), clock, pool=0.015, caller=0.02, seconds=200)
        assert used.count("caller") * 5 * 0.02 < 0.05 * 200

    def test_long_steps_are_left_to_the_pool(self):
        clock = _Clock()
        used = _train(ThreadChoice(clock=clock), clock, pool=0.5, caller=0.1, seconds=30)
        assert set(used) == {"pool"}

    def test_where_it_is_not_measured_the_pool_has_all(self):
        clock = _Clock()
        choice = ThreadChoice(measured=False, clock=clock)
        assert set(_train(choice, clock, pool=0.02, caller=0.01, seconds=30)) == {"pool"}

    def test_only_a_session_of_this_process_and_its_processors_is_measured(self):
        server = tf.distribute.Server.create_local_server()
        with tf.Graph().as_default():
            with v1.Session() as session:
                assert ThreadChoice.of(session).seconds < 1
            with v1.Session(server.target) as session:
                assert math.isinf(ThreadChoice.of(session).seconds)


class TestInChunks:
    def test_chunks_are_short_while_it_is_measured(self):
        clock = _Clock()
        threads = ThreadChoice(clock=clock)
        wanted, losses = [], itertools.count()

        def chunk(options, count, deadline):
            del options
            wanted.append((count, deadline - time.time() < 1))
            clock.now += 0.02
            return min(count, 20), next(losses)

        turns = len(ThreadChoice._TURNS)
        assert steps.in_chunks(chunk, threads, 20 * turns + 5, FOREVER) == (20 * turns + 5, turns)
        assert [short for _, short in wanted] == [True] * turns + [False]
        assert [count for count, _ in wanted] == [20 * n + 5 for n in range(turns, -1, -1)]
