"""Early stopping: the rules on their own, and what the hooks do to real trainings."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig
from tf_estimator.hooks import early_stopping, stop_rules
from tf_estimator.summaries import write_evaluation

v1 = tf.compat.v1
NAN = float("nan")
STOP = "signal_early_stopping/STOP"


def history(*values: Any, name: str = "m") -> dict[int, dict[str, Any]]:
    """One evaluation every ten steps."""
    return {10 * n: {name: value} for n, value in enumerate(values, start=1)}


def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
    step = v1.train.get_global_step()
    v1.get_variable("w", [], initializer=v1.ones_initializer())
    loss = tf.reduce_mean(features)
    with tf.control_dependencies([loss]):  # a step without a batch is no step
        train_op = v1.assign_add(step, 1).op
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors([1.0]).repeat(60)


@pytest.fixture
def make_estimator(tmp_path: Path) -> Callable[..., Estimator]:
    def make(**config: Any) -> Estimator:
        config = {"save_checkpoints_steps": 1000, "log_step_count_steps": None, **config}
        return Estimator(model_fn, tmp_path / "model", RunConfig(save_summary_steps=None, **config))

    return make


@pytest.fixture
def estimator(make_estimator: Callable[..., Estimator]) -> Estimator:
    return make_estimator()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged from the level INFO on."""
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(f"{record.levelname}: {record.getMessage()}")

    logger, handler = tf.get_logger(), Keep()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield messages
    logger.removeHandler(handler)
    logger.setLevel(level)


def last_step(estimator: Estimator) -> int:
    return int(estimator.get_variable_value("global_step"))


class TestThresholds:
    @pytest.mark.parametrize(
        ("values", "above", "below"),
        [
            ([], None, None),
            ([1.0], None, None),  # the threshold itself is on neither side
            ([1.5], "1.5 at step 10", None),
            ([0.5], None, "0.5 at step 10"),
            ([1.0, 2.0, 0.5], "2 at step 20", "0.5 at step 30"),
            ([NAN], None, None),
            ([np.array(2.0)], "2 at step 10", None),
            ([np.array([0.0])], None, "0 at step 10"),
        ],
    )
    def test_first_evaluation_across_stops(
        self, values: list[Any], above: str | None, below: str | None
    ) -> None:
        for rule, expected, side in (
            (stop_rules.above("m", 1.0), above, "above"),
            (stop_rules.below("m", 1.0), below, "below"),
        ):
            reason = f"m was {expected}, {side} 1." if expected else None
            assert rule(history(*values)) == reason

    @pytest.mark.parametrize(("min_steps", "stops"), [(0, 10), (10, 10), (11, 20), (21, None)])
    def test_evaluations_before_min_steps_do_not_count(
        self, min_steps: int, stops: int | None
    ) -> None:
        reason = stop_rules.above("m", 1.0, min_steps)(history(2.0, 2.0))
        assert reason == (f"m was 2 at step {stops}, above 1." if stops else None)


class TestPatience:
    @pytest.mark.parametrize(
        ("values", "max_steps", "increase", "decrease"),
        [
            # The step of the best value and of the evaluation that stops, as the original stops.
            ([], 0, None, None),
            ([3.0], 0, (10, 10), (10, 10)),
            ([3.0], 10, None, None),
            ([1.0, 2.0, 3.0], 10, None, (10, 20)),
            ([1.0, 2.0, 3.0], 20, None, (10, 30)),
            ([1.0, 2.0, 3.0], 30, None, None),
            ([3.0, 3.0, 3.0], 20, (10, 30), (10, 30)),
            ([3.0, 1.0, 2.0, 2.5], 20, (10, 30), (20, 40)),
            ([3.0, 1.0, 2.0, 2.5], 30, (10, 40), None),
            ([3.0, 2.0, 4.0], 10, (10, 20), (20, 30)),
            ([3.0, NAN, NAN], 20, (10, 30), (10, 30)),
            # Ours: a NaN is worse than any number, and does not stay the best.
            ([NAN, 1.0, 2.0, 3.0], 20, None, (20, 40)),
            ([NAN, NAN, NAN], 20, (10, 30), (10, 30)),
            ([float("inf"), 1.0, 1.0], 20, (10, 30), None),
        ],
    )
    def test_stops_once_the_best_is_so_old(
        self,
        values: list[float],
        max_steps: int,
        increase: tuple[int, int] | None,
        decrease: tuple[int, int] | None,
    ) -> None:
        for make, expected, word in (
            (stop_rules.without_increase, increase, "increased"),
            (stop_rules.without_decrease, decrease, "decreased"),
        ):
            reason = make("m", max_steps)(history(*values))
            if expected is None:
                assert reason is None
            else:
                best, now = expected
                start = f"m has not {word} for {now - best} steps since step {best}, "
                assert reason is not None
                assert reason.startswith(start)

    @pytest.mark.parametrize(("min_delta", "stops"), [(0.0, False), (0.4, False), (0.5, True)])
    def test_a_change_must_be_larger_than_min_delta(self, min_delta: float, stops: bool) -> None:
        up = stop_rules.without_increase("m", 20, min_delta=min_delta)
        assert (up(history(1.0, 1.5, 1.5)) is not None) is stops
        down = stop_rules.without_decrease("m", 20, min_delta=min_delta)
        assert (down(history(2.0, 1.5, 1.5)) is not None) is stops

    def test_small_changes_add_up_against_the_best(self) -> None:
        rule = stop_rules.without_decrease("m", 30, min_delta=0.5)
        assert rule(history(3.0, 2.75, 2.25, 2.25)) is None
        assert rule(history(3.0, 2.75, 2.5, 2.5)) == (
            "m has not decreased by more than 0.5 for 30 steps since step 10, where it was 3."
        )

    def test_evaluations_before_min_steps_are_not_the_best(self) -> None:
        rule = stop_rules.without_increase("m", 20, 20)
        assert rule(history(9.0, 1.0, 2.0, 3.0)) is None
        assert rule(history(9.0, 1.0, 1.0, 1.0)) is not None


RULES = [
    stop_rules.above("m", 1.0),
    stop_rules.below("m", 1.0),
    stop_rules.without_increase("m", 10),
    stop_rules.without_decrease("m", 10),
]


class TestMetric:
    @pytest.mark.parametrize("rule", RULES)
    def test_no_evaluation_is_no_reason(self, rule: stop_rules.Rule) -> None:
        assert rule({}) is None

    @pytest.mark.parametrize("rule", RULES)
    def test_a_name_that_nothing_has_is_told(self, rule: stop_rules.Rule) -> None:
        with pytest.raises(KeyError, match=r"one of the evaluated \['a', 'o'\]; received 'm'"):
            rule({10: {"o": 1.0}, 20: {"a": 1.0}})

    def test_evaluations_without_it_are_passed_over(self) -> None:
        mixed = {10: {"m": 1.0}, 20: {"o": 5.0}, 30: {"m": 0.5}}
        assert stop_rules.without_increase("m", 20)(mixed) is not None
        assert stop_rules.above("m", 2.0)(mixed) is None

    def test_an_array_is_refused(self) -> None:
        with pytest.raises(TypeError, match="The metric 'm' must be a scalar"):
            stop_rules.above("m", 1.0)(history(np.ones(3)))


class TestHook:
    @pytest.mark.parametrize(
        ("every", "true_at", "steps"),
        [(10, 1, 1), (10, 2, 11), (7, 3, 15), (1, 3, 3), (0, 3, 3), (10, 99, 60)],
    )
    def test_asks_after_the_first_step_and_every_so_many(
        self, estimator: Estimator, every: int, true_at: int, steps: int
    ) -> None:
        answers = []

        def should_stop() -> bool:
            answers.append(len(answers) + 1 == true_at)
            return answers[-1]

        hook = early_stopping.make_early_stopping_hook(estimator, should_stop, None, every)
        estimator.train(input_fn, hooks=[hook])
        assert last_step(estimator) == steps
        assert len(answers) == (true_at if steps < 60 else 6)

    @pytest.mark.parametrize(("every", "asked"), [(60, [1, 31]), (59.5, [1, 31]), (0, [1, 2, 3])])
    def test_asks_every_so_many_seconds(
        self, estimator: Estimator, every: float, asked: list[int]
    ) -> None:
        now, found = [0.0], []

        class Tick(v1.train.SessionRunHook):
            def after_run(self, run_context: Any, run_values: Any) -> None:
                now[0] += 2.0

        def should_stop() -> bool:
            found.append(int(now[0] / 2))
            return False

        hook = early_stopping.make_early_stopping_hook(
            estimator, should_stop, every, clock=lambda: now[0]
        )
        estimator.train(input_fn, hooks=[Tick(), hook], steps=40)
        assert found[: len(asked)] == asked
        assert len(found) == (40 if every == 0 else 2)

    def test_what_stops_is_saved_and_the_next_run_trains_on(self, estimator: Estimator) -> None:
        answer = [True]
        hook = early_stopping.make_early_stopping_hook(estimator, lambda: answer[0], None, 10)
        estimator.train(input_fn, hooks=[hook])
        assert estimator.get_variable_names() == ["global_step", STOP, "w"]
        assert estimator.get_variable_value(STOP)
        answer[0] = False
        estimator.train(input_fn, hooks=[hook], steps=5)
        assert last_step(estimator) == 6
        assert not estimator.get_variable_value(STOP)
        estimator.train(input_fn, steps=2)
        assert last_step(estimator) == 8

    def test_a_model_dir_of_before_gets_early_stopping_too(self, estimator: Estimator) -> None:
        estimator.train(input_fn, steps=5)
        for steps in (6, 7):
            hook = early_stopping.make_early_stopping_hook(estimator, lambda: True, None, 10)
            estimator.train(input_fn, hooks=[hook])
            assert last_step(estimator) == steps
        assert STOP not in estimator.get_variable_names()

    def test_two_hooks_share_the_signal(self, estimator: Estimator) -> None:
        hooks = [
            early_stopping.make_early_stopping_hook(estimator, lambda: n, None, 10)  # noqa: B023
            for n in (False, True)
        ]
        estimator.train(input_fn, hooks=hooks)
        assert estimator.get_variable_names() == ["global_step", STOP, "w"]

    def test_other_workers_stop_after_the_signal_and_ask_nothing(
        self, make_estimator: Callable[..., Estimator], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cluster = {"chief": ["localhost:1"], "worker": ["localhost:2"]}
        task = {"type": "worker", "index": 0}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        asked: list[int] = []
        worker_hook = early_stopping.make_early_stopping_hook(
            make_estimator(), lambda: asked.append(1) or True, None, 1
        )

        class Chief(v1.train.SessionRunHook):
            steps = 0

            def begin(self) -> None:
                self.signal = v1.assign(
                    next(v for v in v1.global_variables() if v.name == f"{STOP}:0"), True
                )

            def after_run(self, run_context: Any, run_values: Any) -> None:
                self.steps += 1
                if self.steps == 5:
                    run_context.session.run(self.signal)

        chief = Chief()
        with tf.Graph().as_default():
            train_op = v1.assign_add(v1.train.get_or_create_global_step(), 1)
            last = v1.train.StopAtStepHook(50)
            with v1.train.MonitoredSession(hooks=[worker_hook, chief, last]) as session:
                while not session.should_stop():
                    session.run(train_op)
        assert chief.steps == 6
        assert not asked


class TestMetricHooks:
    @pytest.mark.parametrize(
        ("make", "argument", "values", "reason"),
        [
            ("higher", 0.5, [0.1, 0.6], "m was 0.6 at step 20, above 0.5."),
            ("higher", 0.5, [0.1, 0.2], None),
            ("lower", 0.5, [0.7, 0.1], "m was 0.1 at step 20, below 0.5."),
            ("lower", 0.5, [0.7, 0.6], None),
            ("no_increase", 10, [2.0, 1.0], "m has not increased for 10 steps"),
            ("no_increase", 10, [1.0, 2.0], None),
            ("no_decrease", 10, [1.0, 2.0], "m has not decreased for 10 steps"),
            ("no_decrease", 10, [2.0, 1.0], None),
        ],
    )
    def test_read_the_evaluations_of_their_folder(
        self,
        estimator: Estimator,
        logged: list[str],
        make: str,
        argument: float,
        values: list[float],
        reason: str | None,
    ) -> None:
        for step, metrics in history(*values).items():
            write_evaluation(estimator.eval_dir(), metrics, step)
        hook = getattr(early_stopping, f"stop_if_{make}_hook")(
            estimator, "m", argument, run_every_secs=None, run_every_steps=10
        )
        estimator.train(input_fn, hooks=[hook], steps=12)
        assert last_step(estimator) == (1 if reason else 12)
        said = [line for line in logged if "Early stopping" in line]
        assert len(said) == (2 if reason else 0)
        if reason:
            assert said[0].startswith(f"INFO: Early stopping: {reason}")

    @pytest.mark.parametrize("make", ["higher", "lower", "no_increase", "no_decrease"])
    def test_another_folder_may_be_given(self, estimator: Estimator, make: str) -> None:
        write_evaluation(estimator.eval_dir(), {"other": 1.0}, 10)
        for step, metrics in history(2.0, 0.0, 2.0, 2.0).items():
            write_evaluation(estimator.eval_dir("test"), metrics, step)
        hook = getattr(early_stopping, f"stop_if_{make}_hook")(
            estimator, "m", 1, Path(estimator.eval_dir("test"))
        )
        estimator.train(input_fn, hooks=[hook], steps=12)
        assert last_step(estimator) == 1

    def test_min_steps_and_min_delta_arrive(self, estimator: Estimator) -> None:
        for step, metrics in history(1.0, 1.5, 1.75).items():
            write_evaluation(estimator.eval_dir(), metrics, step)
        for options, stops in (
            ({}, False),
            ({"min_delta": 1.0}, True),
            ({"min_delta": 1.0, "min_steps": 20}, False),
        ):
            before = last_step(estimator) if estimator.latest_checkpoint() else 0
            hook = early_stopping.stop_if_no_increase_hook(
                estimator, "m", 20, run_every_secs=None, run_every_steps=10, **options
            )
            estimator.train(input_fn, hooks=[hook], steps=12)
            assert last_step(estimator) - before == (1 if stops else 12)

    def test_an_evaluation_while_training_is_seen(self, estimator: Estimator) -> None:
        class Evaluates(v1.train.SessionRunHook):
            steps = 0

            def after_run(self, run_context: Any, run_values: Any) -> None:
                self.steps += 1
                write_evaluation(estimator.eval_dir(), {"m": 10.0 * self.steps}, self.steps)

        hook = early_stopping.stop_if_higher_hook(
            estimator, "m", 145.0, run_every_secs=None, run_every_steps=10
        )
        estimator.train(input_fn, hooks=[Evaluates(), hook])
        assert last_step(estimator) == 21

    def test_no_evaluation_at_all_is_warned_of_with_the_folder(
        self, estimator: Estimator, logged: list[str]
    ) -> None:
        hook = early_stopping.stop_if_higher_hook(estimator, "m", 1.0)
        estimator.train(input_fn, hooks=[hook], steps=12)
        warnings = [line for line in logged if "nothing to go by" in line]
        assert len(warnings) == 1
        assert warnings[0].startswith("WARNING: ")
        assert f"there is no evaluation in {estimator.eval_dir()}." in warnings[0]

    def test_an_evaluation_after_the_last_look_is_enough(
        self, estimator: Estimator, logged: list[str]
    ) -> None:
        class Evaluates(v1.train.SessionRunHook):
            def end(self, session: tf.compat.v1.Session) -> None:
                write_evaluation(estimator.eval_dir(), {"m": 0.5}, 12)

        hook = early_stopping.stop_if_higher_hook(estimator, "m", 1.0)
        estimator.train(input_fn, hooks=[Evaluates(), hook], steps=12)
        assert not [line for line in logged if "nothing to go by" in line]

    def test_a_metric_that_nothing_has_ends_training_with_an_error(
        self, estimator: Estimator
    ) -> None:
        write_evaluation(estimator.eval_dir(), {"loss": 0.5}, 12)
        hook = early_stopping.stop_if_lower_hook(estimator, "lose", 1.0)
        with pytest.raises(KeyError, match=r"one of the evaluated \['loss'\]; received 'lose'"):
            estimator.train(input_fn, hooks=[hook], steps=12)


@pytest.mark.parametrize(
    ("make", "arguments", "error", "message"),
    [
        ("higher", {"run_every_steps": 5}, ValueError, "run_every_secs must be None if run_every_"),
        ("higher", {"run_every_secs": None}, ValueError, "run_every_secs must be given if"),
        ("higher", {"run_every_secs": -1}, ValueError, "run_every_secs must be at least 0; rece"),
        ("lower", {"run_every_secs": "1"}, TypeError, "run_every_secs must be a number; received"),
        ("lower", {"metric_name": 3}, TypeError, "metric_name must be an instance of str"),
        ("lower", {"threshold": "3"}, TypeError, "threshold must be a number; received '3'"),
        ("higher", {"threshold": NAN}, ValueError, "threshold must be a number other than NaN"),
        ("higher", {"min_steps": -1}, ValueError, "min_steps must be at least 0; received -1"),
        ("higher", {"eval_dir": 3}, TypeError, "eval_dir must be a path or None; received 3"),
        ("higher", {"estimator": 3}, TypeError, "estimator must be an instance of Estimator"),
        ("no_increase", {"max_steps_without_increase": None}, TypeError, "must be a number"),
        ("no_decrease", {"max_steps_without_decrease": -1}, ValueError, "must be at least 0"),
        ("no_decrease", {"min_delta": -0.1}, ValueError, "min_delta must be at least 0"),
        ("no_increase", {"min_delta": True}, TypeError, "min_delta must be a number; received"),
    ],
)
def test_bad_arguments(
    estimator: Estimator, make: str, arguments: dict[str, Any], error: type, message: str
) -> None:
    given: dict[str, Any] = {"estimator": estimator, "metric_name": "m"}
    limit = f"max_steps_without_{make[3:]}" if make.startswith("no") else "threshold"
    with pytest.raises(error, match=message):
        getattr(early_stopping, f"stop_if_{make}_hook")(**{**given, limit: 1, **arguments})


def test_bad_function_and_clock(estimator: Estimator) -> None:
    with pytest.raises(TypeError, match="should_stop_fn must be callable; received 3"):
        early_stopping.make_early_stopping_hook(estimator, 3)
    with pytest.raises(TypeError, match="clock must be callable; received 3"):
        early_stopping.make_early_stopping_hook(estimator, bool, clock=3)


def test_a_graph_without_a_global_step_is_refused(estimator: Estimator) -> None:
    hook = early_stopping.make_early_stopping_hook(estimator, bool)
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match="must be a global step"):
        v1.train.MonitoredSession(hooks=[hook])


class TestLooks:
    @pytest.mark.parametrize("every", [0, 1, 4, 7, 50])
    def test_steps_give_the_same_where_it_is_run_only_when_it_looks(
        self, take_steps: Callable[..., list[int]], tmp_path: Path, every: int
    ) -> None:
        asked, looked = [], []
        for singly in (True, False):
            calls = []
            hook = early_stopping.make_early_stopping_hook(
                Estimator(model_fn, tmp_path / str(singly)),
                lambda calls=calls: calls.append(self.step()) or len(calls) == 4,
                run_every_secs=None,
                run_every_steps=every,
            )
            looked = take_steps(self.build, [hook], 20, singly=singly)
            asked.append(calls)
        assert asked[0] == asked[1] == looked
        assert looked == [1 + n * max(every, 1) for n in range(4) if n * every < 20]

    def test_seconds_are_looked_at_when_it_is_asked(
        self, take_steps: Callable[..., list[int]], tmp_path: Path
    ) -> None:
        calls: list[int] = []
        hook = early_stopping.make_early_stopping_hook(
            Estimator(model_fn, tmp_path),
            lambda: calls.append(self.step()),
            run_every_secs=6,
            clock=self.step,
        )
        # In single steps it is asked after 1, 7, 13 and 19.
        assert take_steps(self.build, [hook], 20, at_once=1) == [1, 8, 15]
        assert calls == [1, 8, 15]

    def build(self) -> tuple[Any, Any]:
        self._steps = 0

        def tick() -> np.float32:
            self._steps += 1
            return np.float32(0.0)

        loss = tf.numpy_function(tick, [], tf.float32)
        with tf.control_dependencies([loss]):
            return v1.assign_add(v1.train.get_global_step(), 1), loss

    def step(self) -> int:
        return self._steps
