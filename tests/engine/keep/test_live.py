"""Calls that are at work at the same time, that end in the middle, and what they leave behind."""

import copy
import functools
import gc
import itertools
import random
import threading

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import EvalSpec, ModeKeys, TrainSpec, train_and_evaluate
from tf_estimator.engine import session_deletion
from tf_estimator.engine.keep import keeper

v1 = tf.compat.v1


@pytest.fixture
def estimator(make_estimator, endless):
    """One with w = 2, so that y = 2 x."""
    estimator = make_estimator().train(endless, steps=2)
    yield estimator
    estimator.close()


@pytest.fixture
def input_of():
    """Makes an input_fn of rows of numbers."""

    def make(*numbers):
        return lambda: tf.data.Dataset.from_tensor_slices({"x": np.float32(numbers)}).batch(1)

    return make


def ys(predictions):
    return [float(row["y"]) for row in predictions]


def kept(estimator, mode=None):
    found = estimator._keeper._kept
    return [one.built.graph for one in found if mode in (None, one.built.mode)]


def open_sessions():
    gc.collect()
    return sum(type(each) is session_deletion._DeletedAside for each in gc.get_objects())


class TestGenerators:
    @pytest.mark.parametrize("seed", range(3))
    def test_each_goes_on_with_its_own_input(self, estimator, input_of, seed):
        chance = random.Random(seed)
        waiting = []
        for number in range(12):
            numbers = [10 * number + n for n in range(4)]
            waiting.append((estimator.predict(input_of(*numbers)), iter(numbers)))
            for _ in range(3):
                predictions, expected = chance.choice(waiting)
                x, row = next(expected, None), next(predictions, None)
                assert row is None if x is None else row["y"] == 2 * x
            if chance.random() < 0.5:
                waiting.pop(chance.randrange(len(waiting)))
        assert len(kept(estimator)) <= 4

    def test_one_keeps_its_weights_over_training_and_evaluation(
        self, estimator, input_of, endless, three_batches
    ):
        list(estimator.predict(input_of(1, 2, 3)))
        predictions = estimator.predict(input_of(1, 2, 3))
        assert next(predictions)["y"] == 2
        estimator.train(endless, steps=3)
        assert estimator.evaluate(three_batches)["loss"] == 10
        assert ys(estimator.predict(input_of(1, 2))) == [5, 10]
        assert ys(predictions) == [4, 6]
        assert ys(estimator.predict(input_of(1, 2))) == [5, 10]

    def test_one_that_is_open_while_the_estimator_is_closed(self, estimator, input_of):
        predictions = estimator.predict(input_of(1, 2, 3))
        next(predictions)
        estimator.close()
        assert ys(predictions) == [4, 6]
        assert not kept(estimator)
        assert ys(estimator.predict(input_of(1, 2))) == [2, 4]

    def test_what_it_is_asked_for_may_change(self, estimator, three_batches):
        all_keys = [list(row) for row in estimator.predict(three_batches)]
        assert all_keys == 3 * [["y", "x"]]
        assert [list(row) for row in estimator.predict(three_batches, "x")] == 3 * [["x"]]
        batches = list(estimator.predict(three_batches, ["y"], yield_single_examples=False))
        np.testing.assert_array_equal([batch["y"] for batch in batches], [[2], [4], [6]])
        assert len(kept(estimator, ModeKeys.PREDICT)) == 1

    def test_what_it_gives_may_be_written(self, make_estimator, trivial_spec, three_batches):
        def model_fn(features, labels, mode):
            w = v1.get_variable("w", [4, 4], initializer=v1.ones_initializer())
            metrics = {"w": (w.read_value(), tf.no_op())}
            predictions = {"w": w.read_value(), "word": tf.constant(b"a\0")}
            return trivial_spec(mode, predictions=predictions, eval_metric_ops=metrics)

        estimator = make_estimator(model_fn).train(three_batches, steps=1)
        for _ in range(3):
            batch = next(estimator.predict(three_batches, yield_single_examples=False))
            metrics = estimator.evaluate(three_batches, steps=1)
            assert batch["word"] == b"a\0"
            for w in (batch["w"], metrics["w"]):
                np.testing.assert_array_equal(w, np.ones([4, 4]))
                w[:] = 7


def test_threads(estimator, input_of):
    wrong = []

    def calls(number):
        for n in range(number, number + 15):
            try:
                if ys(estimator.predict(input_of(n, n + 1))) != [2 * n, 2 * n + 2]:
                    wrong.append(n)
                if estimator.evaluate(input_of(n, n))["loss"] != 2 * n:
                    wrong.append(-n)
            except Exception as error:  # noqa: BLE001
                wrong.append(error)

    threads = [threading.Thread(target=calls, args=[100 * n]) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(kept(estimator)) <= 4


class TestErrors:
    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_in_input_fn(self, estimator, three_batches, error):
        def broken():
            raise error

        before = estimator.evaluate(three_batches)
        graph = kept(estimator, ModeKeys.EVAL)
        for call in (estimator.evaluate, estimator.train, lambda fn: list(estimator.predict(fn))):
            with pytest.raises(error):
                call(broken)
        assert estimator.evaluate(three_batches) == before
        assert kept(estimator, ModeKeys.EVAL) == graph

    def test_in_the_middle_of_the_input(self, estimator, three_batches):
        def rows(bad):
            for n in range(1, 4):
                if n == bad:
                    raise ValueError(f"row {n} is bad")
                yield {"x": np.float32([n])}

        def input_fn(bad):
            of_rows = functools.partial(rows, bad)
            signature = {"x": tf.TensorSpec([None])}
            return tf.data.Dataset.from_generator(of_rows, output_signature=signature)

        def good():
            return input_fn(0)

        def bad():
            return input_fn(2)

        for _ in range(2):
            assert estimator.evaluate(good)["loss"] == 4
            assert ys(estimator.predict(good)) == [2, 4, 6]
            with pytest.raises(tf.errors.OpError, match="row 2 is bad"):
                estimator.evaluate(bad)
            with pytest.raises(tf.errors.OpError, match="row 2 is bad"):
                list(estimator.predict(bad))

    def test_in_model_fn(self, make_estimator, counting, three_batches, endless):
        fails = []

        def model_fn(features, labels, mode):
            if fails:
                raise RuntimeError("as told")
            return counting(features, labels, mode)

        estimator = make_estimator(model_fn).train(endless, steps=2)
        before = estimator.evaluate(three_batches)
        fails.append(True)
        with pytest.raises(RuntimeError, match="as told"):
            estimator.evaluate(three_batches)
        fails.clear()
        assert estimator.evaluate(three_batches) == before

    def test_in_what_is_thrown_into_a_generator(self, estimator, three_batches):
        predictions = estimator.predict(three_batches)
        next(predictions)
        with pytest.raises(RuntimeError, match="thrown"):
            predictions.throw(RuntimeError("thrown"))
        assert ys(estimator.predict(three_batches)) == [2, 4, 6]


class Looks:
    """Evaluates and predicts with an Estimator in the middle of its own training."""

    def __init__(self, estimator, input_fn):
        self._estimator, self._input_fn, self.found = estimator, input_fn, []

    def look(self):
        loss = self._estimator.evaluate(self._input_fn)["loss"]
        self.found.append((float(loss), ys(self._estimator.predict(self._input_fn))))


class LooksAfterRuns(Looks, v1.train.SessionRunHook):
    def after_run(self, run_context, run_values):
        self.look()


class LooksAfterSaves(Looks, v1.train.CheckpointSaverListener):
    def after_save(self, session, global_step_value):
        self.look()


class TestInsideOfAnother:
    def test_call_of_its_own(self, estimator, endless, three_batches):
        listener = LooksAfterSaves(estimator, three_batches)
        for _ in range(2):
            hook = LooksAfterRuns(estimator, three_batches)
            estimator.train(endless, [hook], steps=2, saving_listeners=[listener])
        assert listener.found[-1] == (12, [6, 12, 18])
        assert hook.found == 2 * [(8, [4, 8, 12])]

    def test_input_fn(self, estimator, input_of, endless, make_estimator, tmp_path):
        outer = make_estimator(folder=tmp_path / "outer").train(endless, steps=3)
        for n in (1, 2, 3):

            def input_fn(n=n):
                return input_of(*ys(estimator.predict(input_of(n, n + 1))))()

            assert ys(outer.predict(input_fn)) == [6 * n, 6 * (n + 1)]
            assert outer.evaluate(input_fn)["loss"] == 6 * n + 3
        assert len(kept(outer, ModeKeys.PREDICT)) == len(kept(estimator, ModeKeys.PREDICT)) == 1

    def test_train_and_evaluate(self, make_estimator, endless, input_of):
        estimator = make_estimator(save_checkpoints_steps=2)
        spec = EvalSpec(input_of(1, 2), steps=None, start_delay_secs=0, throttle_secs=0)
        for max_steps in (6, 10):
            metrics, _ = train_and_evaluate(estimator, TrainSpec(endless, max_steps), spec)
            assert metrics["loss"] == max_steps * 1.5
        assert len(kept(estimator, ModeKeys.EVAL)) == 1


class TestNothingLeaks:
    def test_graphs_and_sessions_do_not_grow(self, estimator, input_of, endless):
        def calls(n):
            estimator.train(endless, steps=1)
            estimator.evaluate(input_of(n, n + 1))
            predictions = estimator.predict(input_of(n, n + 1))
            next(predictions)
            del predictions

        calls(1)
        graphs = kept(estimator)
        versions = [graph.version for graph in graphs]
        sessions = open_sessions()
        for n in range(15):
            calls(n)
        assert kept(estimator) == graphs
        assert [graph.version for graph in graphs] == versions
        assert open_sessions() == sessions

    def test_sessions_of_calls_that_raise_or_are_not_kept(
        self, make_estimator, estimator, input_of, trivial_spec, three_batches
    ):
        class Fails(v1.train.SessionRunHook):
            def before_run(self, run_context):
                raise ValueError("as told")

        sessions = open_sessions()
        for _ in range(3):
            with pytest.raises(ValueError, match="as told"):
                estimator.evaluate(three_batches, hooks=[Fails()])
            with pytest.raises(ValueError, match="as told"):
                list(estimator.predict(three_batches, hooks=[Fails()]))
        assert open_sessions() == sessions

    def test_what_is_closed_or_dropped(self, make_estimator, endless, three_batches, tmp_path):
        sessions = open_sessions()
        with make_estimator(folder=tmp_path / "1") as estimator:
            estimator.train(endless, steps=1).evaluate(three_batches)
            assert open_sessions() == sessions + 2
        assert open_sessions() == sessions
        dropped = make_estimator(folder=tmp_path / "2").train(endless, steps=1)
        dropped.evaluate(three_batches)
        del dropped
        assert open_sessions() == sessions


class TestHowMany:
    def test_the_limit(self, make_estimator, endless, three_batches):
        estimator = make_estimator(keep_graphs=1).train(endless, steps=2)
        for _ in range(2):
            assert estimator.evaluate(three_batches)["loss"] == 4
            assert kept(estimator) == kept(estimator, ModeKeys.EVAL)
            assert ys(estimator.predict(three_batches)) == [2, 4, 6]
            assert len(kept(estimator)) == len(kept(estimator, ModeKeys.PREDICT)) == 1

    def test_those_used_last_stay(self, estimator, three_batches):
        kinds = [
            lambda: tf.data.Dataset.from_tensors({"x": [1.0] * 1}),
            lambda: tf.data.Dataset.from_tensors({"x": [1.0] * 2}),
            lambda: tf.data.Dataset.from_tensors({"x": [1.0] * 3}),
            lambda: tf.data.Dataset.from_tensors({"x": [1.0] * 4}),
        ]
        for kind in kinds:
            estimator.evaluate(kind)
        assert len(kept(estimator, ModeKeys.EVAL)) == 4
        first = kept(estimator)[0]
        estimator.evaluate(kinds[0])
        estimator.evaluate(three_batches)
        assert first in kept(estimator)
        assert len(kept(estimator)) == 4

    def test_the_bytes_of_variables(self, estimator, three_batches, monkeypatch):
        monkeypatch.setattr(keeper, "_BYTES", 11)  # Too few for w and the step.
        estimator.evaluate(three_batches)
        assert not kept(estimator)
        monkeypatch.setattr(keeper, "_BYTES", 12)
        estimator.evaluate(three_batches)
        assert len(kept(estimator)) == 1


def test_a_copy_shares_nothing(estimator, three_batches, endless):
    estimator.evaluate(three_batches)
    other = copy.deepcopy(estimator)
    assert not kept(other)
    other.train(endless, steps=1)
    assert other.evaluate(three_batches) == estimator.evaluate(three_batches)
    other.close()
    assert kept(estimator, ModeKeys.EVAL)


class Loads(v1.train.SessionRunHook):
    """Gives w another value."""

    def after_run(self, run_context, run_values):
        variables = run_context.session.graph.get_collection("variables")
        (w,) = (v for v in variables if v.op.name == "w")
        w.load(-1.0, run_context.session)


class Adds(v1.train.SessionRunHook):
    """Adds a local variable."""

    def begin(self):
        self._ten = v1.get_variable("ten", [], collections=["local_variables"]) * 0 + 10

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(self._ten)


class Calls:
    """Random calls of one Estimator, whose model_fn reads `factor`; they give what they saw."""

    def __init__(self, estimator, factor, seed):
        self._estimator, self._factor, self._chance = estimator, factor, random.Random(seed)
        self._open = []

    def __iter__(self):
        self._factor[0] = 1.0
        self._estimator.train(self._input_fn(), steps=1)
        for _ in range(20):
            calls = [
                self._train,
                self._evaluate,
                self._predict,
                self._start,
                self._go_on,
                self._set,
            ]
            yield self._chance.choice([*calls, self._evaluate])()

    def _input_fn(self):
        count = self._chance.choice([1, 2, 3])

        def rows():
            return tf.data.Dataset.range(1, count + 1).map(lambda n: {"x": [n]})

        def doubles():
            return tf.data.Dataset.from_tensors({"x": np.float64([1, count])}).repeat(2)

        return self._chance.choice([rows, doubles, lambda: {"x": tf.constant([4.0])}])

    def _options(self):
        hooks = self._chance.choice([[], [], [], [Loads()], [Adds()]])
        path = self._chance.choice([None, None, "model.ckpt-1"])
        return {"hooks": hooks, "checkpoint_path": path}

    def _train(self):
        hooks = self._options()["hooks"]
        self._estimator.train(self._input_fn(), hooks, steps=self._chance.choice([1, 2]))
        return self._estimator.get_variable_value("w")

    def _evaluate(self):
        return self._estimator.evaluate(self._input_fn(), steps=2, **self._options())

    def _predict(self):
        rows = self._estimator.predict(self._input_fn(), **self._options())
        return ys(itertools.islice(rows, self._chance.choice([1, 2, 5])))

    def _start(self):
        self._open.append(self._estimator.predict(self._input_fn(), **self._options()))

    def _go_on(self):
        return next(self._chance.choice(self._open), None) if self._open else None

    def _set(self):
        self._factor[0] = self._chance.choice([1.0, 2.0])


@pytest.mark.parametrize("seed", range(4))
def test_any_program_of_calls(make_estimator, counting, tmp_path, seed):
    """The same random calls, with graphs that are kept and with graphs that are not."""
    factor = [1.0]

    def model_fn(features, labels, mode):
        return counting({"x": tf.cast(features["x"], tf.float32) * factor[0]}, labels, mode)

    options = {"keep_checkpoint_max": 100}
    built = make_estimator(model_fn, tmp_path / "built", keep_graphs=False, **options)
    expected = list(Calls(built, factor, seed))
    assert (
        list(Calls(make_estimator(model_fn, tmp_path / "kept", **options), factor, seed))
        == expected
    )
