"""The roles of a cluster, as far as one process can play them."""

import pytest
import tensorflow as tf

from tf_estimator import RunConfig
from tf_estimator.training import roles

v1 = tf.compat.v1


def steps_of(exporter):
    return [call["eval_result"]["global_step"] for call in exporter.calls]


@pytest.mark.parametrize(
    ("task", "jobs", "name"),
    [
        ("chief", {"chief": 1}, "chief"),
        ("worker", {"chief": 1, "worker": 1}, "worker"),
        ("ps", {"chief": 1, "ps": 1}, "ps"),
        ("master", {"master": 1}, "master"),
        ("evaluator", {"chief": 1}, "evaluator"),
    ],
)
def test_the_role_is_the_type_of_the_task(be, task, jobs, name):
    be(task, **jobs)
    assert roles.role_name(RunConfig()) == name
    assert name in roles.ROLES


def test_without_a_cluster_the_role_is_local(monkeypatch):
    assert roles.role_name(RunConfig()) == "local"
    monkeypatch.setenv("TF_CONFIG", '{"task": {"type": "worker", "index": 0}}')
    assert roles.role_name(RunConfig()) == "local"


@pytest.mark.parametrize("task", ["helper", "local"])
def test_a_role_that_does_not_exist_is_refused_before_training(be, diary, make_estimator, task):
    be(task, chief=1, **{task: 1})
    with pytest.raises(ValueError, match=rf"one of \['chief', .*\] .* received '{task}'"):
        diary.run(make_estimator())
    assert diary == []


def test_a_chief_trains_and_does_not_evaluate(be, diary, make_estimator):
    be("chief", chief=1)
    estimator = make_estimator()
    train_spec = diary.train_spec(saving_listeners=[diary.listener("listener")])
    assert diary.run(estimator, train_spec) is None
    assert "evaluate" not in diary
    assert diary[-1] == "listener ends at 22"
    assert estimator.get_variable_value("w") == 22


def test_a_master_trains_and_evaluates(be, diary, make_estimator):
    be("master", master=1)
    exporter = diary.exporter("a")
    train_spec = diary.train_spec(saving_listeners=[diary.listener("listener")])
    assert diary.run(make_estimator(), train_spec, diary.eval_spec(exporters=exporter)) is None
    assert steps_of(exporter) == [10, 20, 22]
    assert [call["is_the_final_export"] for call in exporter.calls] == [False, False, True]
    assert diary[:5] == ["train", "listener saw 0", "listener saw 10", "evaluate", "export a 10"]


@pytest.mark.parametrize(
    ("task", "jobs"),
    [
        ("chief", {"chief": 1, "worker": 1}),
        ("worker", {"chief": 1, "worker": 1}),
        ("ps", {"chief": 1, "ps": 1}),
        ("master", {"master": 1, "ps": 1}),
    ],
)
def test_what_needs_a_server_says_so_before_training(be, diary, make_estimator, task, jobs):
    be(task, **jobs)
    with pytest.raises(NotImplementedError, match=f"cannot start the server of {task} 0 yet"):
        diary.run(make_estimator())
    assert diary == []


@pytest.mark.parametrize(
    ("index", "most", "delay"),
    [(0, None, 5), (1, None, 10), (10, None, 55), (20, None, 60), (0, 0, 0), (3, 7, 7), (0, 99, 5)],
)
def test_later_workers_wait_longer(be, index, most, delay):
    be("worker", index, chief=1, worker=30)
    config = RunConfig(experimental_max_worker_delay_secs=most)
    assert roles.worker_delay_secs(config) == delay


@pytest.mark.parametrize(("most", "slept"), [(None, ["sleep 10"]), (0, [])])
def test_a_worker_waits_and_trains_without_the_listeners(be, diary, make_estimator, most, slept):
    be("worker", 1, environment="google", chief=1, worker=2)
    estimator = make_estimator(experimental_max_worker_delay_secs=most)
    given = {}
    estimator.train = given.update  # a worker alone would wait for its chief for ever
    hook = diary.hook("hook")
    train_spec = diary.train_spec(hooks=[hook], saving_listeners=[diary.listener("listener")])
    assert diary.run(estimator, train_spec) is None
    assert diary == slept
    assert given == {
        "input_fn": train_spec.input_fn,
        "max_steps": 22,
        "hooks": (hook,),
        "saving_listeners": (),
    }


class TestEvaluator:
    @pytest.fixture
    def estimator(self, be, estimator, make_estimator):
        """An Estimator in the role of the evaluator; `estimator.other` trains in the model_dir."""
        be("evaluator", chief=1)
        evaluating = make_estimator()
        evaluating.other = estimator
        return evaluating

    def test_it_waits_evaluates_exports_and_ends_with_max_steps(self, diary, estimator):
        estimator.other.train(diary.input_fn("train"), steps=22)
        diary.clear()
        eval_spec = diary.eval_spec(
            start_delay_secs=3, throttle_secs=600, exporters=diary.exporter("a")
        )
        assert diary.run(estimator, None, eval_spec) is None
        assert diary == ["sleep 3", "evaluate", "final export a 22"]

    def test_it_evaluates_each_new_checkpoint_once(self, diary, estimator):
        def sleep_while_another_trains(secs):
            diary.append(f"sleep {secs:g}")
            diary.now += secs
            if diary.now >= 300:
                estimator.other.train(diary.input_fn("train"), steps=11)

        diary.sleep = sleep_while_another_trains
        exporter = diary.exporter("a")
        eval_spec = diary.eval_spec(
            secs=20, start_delay_secs=100, throttle_secs=60, exporters=exporter
        )
        diary.run(estimator, None, eval_spec)
        assert diary == [
            "sleep 100",  # until 150
            "sleep 60",  # nothing to evaluate, until 210
            "sleep 60",
            "sleep 60",  # until 330
            "train",
            "evaluate",
            "export a 11",
            "sleep 40",  # the rest of 60
            "train",
            "evaluate",
            "final export a 22",
        ]

    def test_without_a_throttle_it_polls_once_a_second(self, diary, estimator):
        estimator.other.train(diary.input_fn("train"), steps=11)
        waits = []

        def sleep(secs):
            waits.append(secs)
            if len(waits) == 3:
                estimator.other.train(diary.input_fn("train"), steps=11)

        diary.sleep = sleep
        exporter = diary.exporter("a")
        eval_spec = diary.eval_spec(start_delay_secs=0, exporters=exporter)
        diary.run(estimator, None, eval_spec)
        assert waits == [1.0, 1.0, 1.0]
        assert steps_of(exporter) == [11, 22]

    def test_an_evaluation_longer_than_the_throttle_is_followed_by_no_wait(self, diary, estimator):
        estimator.other.train(diary.input_fn("train"), steps=11)

        class Training(type(diary.exporter("b"))):
            def export(self, **given):
                result = super().export(**given)
                if not given["is_the_final_export"]:
                    estimator.other.train(diary.input_fn("train"), steps=11)
                return result

        exporter = Training(diary, "a")
        eval_spec = diary.eval_spec(
            secs=700, start_delay_secs=0, throttle_secs=600, exporters=exporter
        )
        diary.run(estimator, None, eval_spec)
        assert steps_of(exporter) == [11, 22]
        assert not [entry for entry in diary if entry.startswith("sleep")]

    def test_a_further_evaluator_is_refused(self, be, diary, make_estimator):
        be("evaluator", 1, chief=1)
        with pytest.raises(ValueError, match="evaluator in TF_CONFIG must be 0"):
            diary.run(make_estimator())
        assert diary == []
