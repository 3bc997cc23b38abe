"""Evaluations by steps and at every checkpoint, whatever the clock says."""

import logging
import os
import re

import pytest
import tensorflow as tf

from tf_estimator._tf import logger
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.training.evaluation import CheckpointEvaluator

v1 = tf.compat.v1

# Most tests need a throttle that would forbid all but the first and the last evaluation.
DAYS = 1e9


def steps_of(exporter):
    return [call["eval_result"]["global_step"] for call in exporter.calls]


def finals_of(exporter):
    return [call["is_the_final_export"] for call in exporter.calls]


@pytest.fixture
def logged(caplog):
    """The lines of the log, each a level and a text."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage()))
    logger.addHandler(handler)
    with caplog.at_level(logging.INFO, logger.name):
        yield lines
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("options", "every", "max_steps", "evaluated"),
    [
        ({"at_every_checkpoint": True}, 10, 45, [10, 20, 30, 40, 45]),
        ({"at_every_checkpoint": True}, 7, 21, [7, 14, 21]),
        ({"every_n_steps": 10}, 10, 45, [10, 20, 30, 40, 45]),
        ({"every_n_steps": 20}, 10, 45, [20, 40, 45]),
        ({"every_n_steps": 20}, 10, 40, [20, 40]),
        ({"every_n_steps": 20}, 5, 45, [20, 40, 45]),
        ({"every_n_steps": 100}, 10, 45, [45]),
        ({}, 10, 45, [10, 45]),
    ],
)
def test_the_throttle_is_not_looked_at(diary, make_estimator, options, every, max_steps, evaluated):
    exporter = diary.exporter("a")
    diary.run(
        make_estimator(save_checkpoints_steps=every),
        diary.train_spec(max_steps),
        diary.eval_spec(throttle_secs=DAYS, exporters=exporter, **options),
    )
    assert steps_of(exporter) == evaluated
    assert finals_of(exporter) == [False] * (len(evaluated) - 1) + [True]


def test_after_a_restart_steps_count_from_zero_and_not_from_where_it_began(diary, estimator):
    exporter = diary.exporter("a")
    eval_spec = diary.eval_spec(exporters=exporter, every_n_steps=20)
    diary.run(estimator, diary.train_spec(None, batches=13), eval_spec)  # saves at 10, 13
    diary.run(estimator, diary.train_spec(None, batches=31), eval_spec)  # 23, 33, 43, 44
    diary.run(estimator, diary.train_spec(None, batches=18), eval_spec)  # 54, 62
    assert steps_of(exporter) == [13, 23, 43, 44, 62]


def test_each_of_several_has_its_own_rule(diary, estimator):
    exporters = [diary.exporter(name) for name in "abc"]
    rules = [{"at_every_checkpoint": True}, {"every_n_steps": 30}, {}]
    eval_specs = [
        diary.eval_spec(name=each.name, exporters=each, throttle_secs=DAYS, **rule)
        for each, rule in zip(exporters, rules, strict=True)
    ]
    diary.run(estimator, diary.train_spec(65), eval_specs)
    assert [steps_of(each) for each in exporters] == [
        [10, 20, 30, 40, 50, 60, 65],
        [30, 60, 65],
        [10, 65],
    ]


def test_the_log_says_why_a_checkpoint_is_not_evaluated(diary, estimator, logged):
    diary.run(estimator, diary.train_spec(20), diary.eval_spec(every_n_steps=20))
    reason = "global step 10 is before 20, the next multiple of every_n_steps, 20"
    assert ("INFO", f"No evaluation at global step 10: {reason}.") in logged


@pytest.mark.parametrize(
    ("saves", "shown"),
    [
        ({"save_checkpoints_steps": 10}, "10"),
        ({"save_checkpoints_steps": 50}, "50"),
        ({"save_checkpoints_secs": 60}, "None"),
        ({"save_checkpoints_steps": None, "save_checkpoints_secs": None}, "None"),
        ({"save_checkpoints_steps": 0}, "0"),
    ],
)
@pytest.mark.parametrize("role", ["local", "chief", "evaluator"])
def test_there_must_be_checkpoints_at_these_steps(be, diary, make_estimator, role, saves, shown):
    if role != "local":
        be(role, chief=1)
    eval_specs = [diary.eval_spec(), diary.eval_spec(name="b", every_n_steps=25)]
    message = (
        rf"every_n_steps must be a multiple of save_checkpoints_steps in RunConfig, .* {shown}; "
        r"received 25 \(int\). Set RunConfig\(save_checkpoints_steps=25\), or a divisor"
    )
    estimator = make_estimator(**saves)
    with pytest.raises(ValueError, match=message):
        diary.run(estimator, None, eval_specs)
    assert diary == []
    assert not os.path.exists(estimator.model_dir)


def test_a_saver_hook_of_ones_own_may_save_at_these_steps(diary, make_estimator):
    estimator = make_estimator(save_checkpoints_secs=None, save_checkpoints_steps=None)
    saver = v1.train.CheckpointSaverHook(estimator.model_dir, save_steps=10)
    exporter = diary.exporter("a")
    eval_spec = diary.eval_spec(exporters=exporter, every_n_steps=20)
    diary.run(estimator, diary.train_spec(45, hooks=[saver]), eval_spec)
    assert steps_of(exporter) == [20, 40, 45]


class TestEvaluator:
    @pytest.fixture
    def other(self, make_estimator):
        """An Estimator that trains in the same model_dir."""
        return make_estimator(keep_checkpoint_max=4)

    @pytest.fixture
    def evaluating(self, be, other, make_estimator):
        be("evaluator", chief=1)
        return make_estimator()

    @pytest.fixture
    def train_while_it_sleeps(self, diary, other):
        """Takes numbers of steps: so far training comes with each sleep."""

        def more(*steps):
            steps, sleep = iter(steps), diary.sleep

            def sleep_while_another_trains(secs, is_over):
                sleep(secs, is_over)
                if n := next(steps):
                    other.train(diary.input_fn("train"), steps=n)

            diary.sleep = sleep_while_another_trains

        return more

    @pytest.mark.parametrize(
        ("options", "evaluated"),
        [
            ({"at_every_checkpoint": True}, [0, 10, 20, 30, 40, 45]),
            ({"every_n_steps": 10}, [10, 20, 30, 40, 45]),
            ({"every_n_steps": 20}, [20, 40, 45]),
            ({"every_n_steps": 30}, [30, 45]),
            ({"every_n_steps": 100}, [45]),
            ({}, [20, 45]),
        ],
    )
    def test_what_came_while_it_waited_is_evaluated_in_order(
        self, diary, other, evaluating, train_while_it_sleeps, options, evaluated
    ):
        other.train(diary.input_fn("train"), max_steps=20)
        train_while_it_sleeps(25)
        exporter = diary.exporter("a")
        eval_spec = diary.eval_spec(start_delay_secs=0, exporters=exporter, **options)
        diary.run(evaluating, diary.train_spec(45), eval_spec)
        assert steps_of(exporter) == evaluated
        assert finals_of(exporter) == [False] * (len(evaluated) - 1) + [True]

    def test_it_looks_every_second_and_says_once_that_there_is_nothing(
        self, diary, evaluating, train_while_it_sleeps, logged
    ):
        train_while_it_sleeps(0, 0, 0, 10, 0, 0, 12)
        eval_spec = diary.eval_spec(secs=5, start_delay_secs=3, throttle_secs=600, every_n_steps=10)
        diary.run(evaluating, None, eval_spec)
        trained = ["sleep 1", "train", "evaluate"]
        assert (
            diary
            == ["sleep 3", *["sleep 1"] * 2, *trained, *["sleep 1"] * 2, *trained[:2]]
            + ["evaluate"] * 2
        )
        nothing = ("INFO", f"There is no new checkpoint in {evaluating.model_dir}.")
        assert logged.count(nothing) == 2

    def test_what_came_while_it_was_busy_and_is_deleted_already_is_passed_over(
        self, diary, other, evaluating
    ):
        other.train(diary.input_fn("train"), max_steps=10)

        class Training(type(diary.exporter("b"))):
            def export(self, **given):
                super().export(**given)
                if given["eval_result"]["global_step"] == 10:
                    other.train(diary.input_fn("train"), max_steps=65)

        exporter = Training(diary, "a")
        eval_spec = diary.eval_spec(
            start_delay_secs=0, exporters=exporter, at_every_checkpoint=True
        )
        diary.run(evaluating, diary.train_spec(65), eval_spec)
        assert steps_of(exporter) == [0, 10, 40, 50, 60, 65]

    def test_one_that_the_state_file_names_and_is_gone_is_passed_over(
        self, diary, other, evaluating, logged
    ):
        other.train(diary.input_fn("train"), max_steps=22)
        path = os.path.join(other.model_dir, "model.ckpt-10")
        v1.train.remove_checkpoint(path)
        exporter = diary.exporter("a")
        eval_spec = diary.eval_spec(
            start_delay_secs=0, exporters=exporter, at_every_checkpoint=True
        )
        diary.run(evaluating, None, eval_spec)
        assert steps_of(exporter) == [0, 20, 22]
        line = ("INFO", f"Checkpoint {path} is not evaluated: it is deleted already.")
        assert logged.count(line) == 1

    def test_one_that_is_deleted_while_the_evaluation_begins_is_passed_over(
        self, diary, other, evaluating, logged
    ):
        other.train(diary.input_fn("train"), max_steps=22)
        path = os.path.join(other.model_dir, "model.ckpt-10")
        evaluate = diary.input_fn("evaluate", 2)

        def input_fn():
            if diary.count("evaluate") == 1:
                v1.train.remove_checkpoint(path)
            return evaluate()

        exporter = diary.exporter("a")
        spec = EvalSpec(input_fn, start_delay_secs=0, exporters=exporter, at_every_checkpoint=True)
        diary.run(evaluating, None, spec)
        assert steps_of(exporter) == [0, 20, 22]
        line = ("INFO", f"Checkpoint {path} is not evaluated: it is deleted already.")
        assert logged.count(line) == 1

    def test_an_error_of_the_evaluation_itself_is_not_taken_for_that(
        self, diary, other, evaluating
    ):
        other.train(diary.input_fn("train"), max_steps=22)
        spec = EvalSpec(diary.input_fn("evaluate", 0), start_delay_secs=0, at_every_checkpoint=True)
        with pytest.raises(ValueError, match="at least one batch to evaluate"):
            diary.run(evaluating, None, spec)

    @pytest.mark.parametrize(
        ("part", "left", "problem"),
        [
            ("index", 0, "index cannot be read"),
            ("index", 0.5, "index cannot be read"),
            ("data-00000-of-00001", 0, "data ends before the end of 'global_step'"),
            # Of global_step and w, w comes last.
            ("data-00000-of-00001", 0.75, "data ends before the end of 'w'"),
        ],
    )
    def test_a_damaged_one_is_passed_over_with_a_warning_until_it_is_whole(
        self, diary, other, evaluating, logged, part, left, problem
    ):
        other.train(diary.input_fn("train"), max_steps=20)
        path = os.path.join(other.model_dir, "model.ckpt-20")
        size = os.path.getsize(f"{path}.{part}")
        with open(f"{path}.{part}", "rb+") as file:
            whole = file.read()
            file.truncate(int(size * left))
        sleep = diary.sleep

        def repaired(secs, is_over):
            sleep(secs, is_over)
            if diary.count("sleep 1") == 3:
                with open(f"{path}.{part}", "wb") as file:
                    file.write(whole)

        diary.sleep = repaired
        exporter = diary.exporter("a")
        eval_spec = diary.eval_spec(
            start_delay_secs=0, exporters=exporter, at_every_checkpoint=True
        )
        diary.run(evaluating, diary.train_spec(20), eval_spec)
        assert steps_of(exporter) == [0, 10, 20]
        assert diary.count("sleep 1") == 3
        [(level, text)] = [line for line in logged if "not evaluated" in line[1]]
        assert level == "WARNING"
        assert re.match(rf"Checkpoint {path} is not evaluated: its .*{problem}", text)

    def test_the_step_is_read_from_inside_the_checkpoint(self, diary, other, evaluating):
        # Where several workers train, a name can lag the step.
        other.train(diary.input_fn("train"), max_steps=20)
        path = os.path.join(other.model_dir, "model.ckpt-20")
        for part in ("index", "data-00000-of-00001"):
            os.rename(f"{path}.{part}", f"{path[:-2]}19.{part}")
        v1.train.update_checkpoint_state(other.model_dir, path[:-2] + "19", [path[:-2] + "19"])
        spec = EvalSpec(diary.input_fn("evaluate", 1), every_n_steps=20)
        found = CheckpointEvaluator(evaluating, spec, None).evaluate_next()
        assert found is not None
        assert (found.checkpoint_path[-2:], found.step) == ("19", 20)

    def test_a_folder_without_checkpoints_has_none_to_evaluate(self, diary, evaluating):
        spec = diary.eval_spec(at_every_checkpoint=True)
        evaluator = CheckpointEvaluator(evaluating, spec, 22)
        assert evaluator.evaluate_next() is None
        assert evaluator.evaluate_newest() is None
        assert not evaluator.done
