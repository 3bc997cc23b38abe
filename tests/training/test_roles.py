"""The roles of a cluster, as far as one process can play them."""

import contextlib

import pytest
import tensorflow as tf

from tf_estimator import Estimator, RunConfig
from tf_estimator.cluster import job_end
from tf_estimator.cluster.waiting import UnreachableError
from tf_estimator.training import lifecycle, roles

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


@pytest.mark.parametrize("task", ["chief", "worker"])
def test_workers_that_nothing_joins_are_refused(be, diary, make_estimator, task):
    be(task, chief=1, worker=1)
    with pytest.raises(ValueError, match=r'must have parameter servers, .*Add some, as "ps"'):
        diary.run(make_estimator())
    assert diary == []


@pytest.mark.parametrize("task", ["chief", "worker", "ps"])
def test_a_strategy_for_one_machine_is_refused_in_a_cluster(be, diary, make_estimator, task):
    be(task, chief=1, worker=1, ps=1)
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with pytest.raises(ValueError, match="must be None, or a MultiWorkerMirroredStrategy"):
        diary.run(make_estimator(train_distribute=strategy))
    assert diary == []


@pytest.mark.parametrize("task", ["chief", "ps", "worker", "evaluator"])
def test_the_tasks_of_a_cluster_must_agree_on_a_model_dir(be, task):
    be(task, chief=1, worker=1, ps=1)
    with pytest.raises(ValueError, match="model_dir must be given in a cluster"):
        Estimator(lambda features: None)


def test_a_chief_notes_that_the_job_runs_and_that_it_is_done(be, diary, make_estimator):
    be("chief", chief=1)
    estimator = make_estimator()
    end = job_end.JobEnd(estimator.model_dir, diary.clock)
    seen = []

    class Looking(v1.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            seen.append((job_end.Note.read(estimator.model_dir).end, end.why()))

    diary.run(estimator, diary.train_spec(hooks=[Looking()]))
    assert seen == [(None, None)] * 22
    assert end.why() == "global step 22 has reached max_steps, 22"


def test_a_chief_that_fails_does_not_end_the_job(be, diary, make_estimator):
    be("chief", chief=1)
    estimator = make_estimator()
    end = job_end.JobEnd(estimator.model_dir, diary.clock)
    with pytest.raises(ValueError, match="at least one batch"):
        diary.run(estimator, diary.train_spec(batches=0))
    assert end.why() is None
    job = job_end.Note.read(estimator.model_dir)
    diary.run(estimator)
    assert job_end.Note.read(estimator.model_dir).id == job.id, "it went on with another job"
    assert end.why()


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
    *hooks, stop = given.pop("hooks")
    assert hooks == [hook]
    assert isinstance(stop, job_end.StopWithJob)
    assert given == {
        "input_fn": train_spec.input_fn,
        "max_steps": 22,
        "saving_listeners": (),
    }


@pytest.mark.parametrize(
    "error", [tf.errors.UnavailableError(None, None, "ps is gone"), UnreachableError("ps is gone")]
)
@pytest.mark.parametrize("is_done", [True, False])
def test_a_connection_that_breaks_is_no_error_once_the_job_is_done(
    be, diary, make_estimator, error, is_done
):
    be("worker", 0, environment="google", chief=1, worker=1)
    estimator = make_estimator()
    job = job_end.begin(estimator.model_dir)

    def train(**given):
        if is_done:
            job_end.end(estimator.model_dir, job, "it was long enough")
        raise error

    estimator.train = train
    if is_done:
        assert diary.run(estimator) is None
    else:
        with pytest.raises(type(error), match="ps is gone"):
            diary.run(estimator)


@pytest.mark.parametrize("begins_at", [None, 30])
@pytest.mark.parametrize("before", [22, 11])
def test_a_worker_that_comes_after_an_early_end_waits_for_another_job(
    be, diary, make_estimator, before, begins_at
):
    be("worker", 0, environment="google", chief=1, worker=1)
    estimator = make_estimator(experimental_max_worker_delay_secs=0)
    job_end.end(estimator.model_dir, job_end.begin(estimator.model_dir, before), "so it was")
    slept = []

    def sleep(secs, is_over):
        slept.append(secs)
        if begins_at is None:
            diary.now += secs
            assert is_over() == "so it was"
        else:
            assert not is_over()
            job_end.begin(estimator.model_dir, 22)
            assert is_over()

    def train(**given):
        raise UnreachableError("ps is gone")

    estimator.train, diary.sleep = train, sleep
    if before == 22 and begins_at is None:
        diary.run(estimator)
    else:
        with pytest.raises(UnreachableError, match="ps is gone"):
            diary.run(estimator)
    # 6 times timeout_secs; with other max_steps it has another job to come to.
    assert slept == ([60] if before == 22 else [])


def test_a_wait_without_end_ends_when_it_is_over():
    answers = iter([False, True])
    lifecycle._sleep(float("inf"), lambda: next(answers))
    assert list(answers) == []


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
        def sleep_while_another_trains(secs, is_over):
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

        def sleep(secs, is_over):
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

    @pytest.mark.parametrize("is_evaluated", [True, False])
    def test_it_ends_with_the_job_after_the_last_checkpoint(self, diary, estimator, is_evaluated):
        job = job_end.begin(estimator.model_dir)
        if is_evaluated:
            estimator.other.train(diary.input_fn("train"), steps=11)

        def sleep(secs, is_over):
            assert not is_over()
            if not is_evaluated:
                estimator.other.train(diary.input_fn("train"), steps=11)
            job_end.end(estimator.model_dir, job, "somebody asked to stop")

        diary.sleep = sleep
        exporter = diary.exporter("a")
        eval_spec = diary.eval_spec(start_delay_secs=0, throttle_secs=600, exporters=exporter)
        diary.run(estimator, diary.train_spec(max_steps=None), eval_spec)
        finals = [call["is_the_final_export"] for call in exporter.calls]
        assert finals == ([False, True] if is_evaluated else [True])
        assert steps_of(exporter) == [11] * len(finals)
        assert diary.count("evaluate") == 1

    def test_it_ends_with_a_job_that_has_saved_nothing(self, diary, estimator):
        job = job_end.begin(estimator.model_dir)
        diary.sleep = lambda secs, is_over: job_end.end(estimator.model_dir, job, "so it was")
        diary.run(estimator, diary.train_spec(max_steps=None))
        assert "evaluate" not in diary

    @pytest.mark.parametrize("before", [None, 11])
    def test_what_was_said_of_a_job_before_it_counts_after_a_long_time_only(
        self, diary, estimator, before
    ):
        estimator.other.train(diary.input_fn("train"), steps=11)
        job_end.end(estimator.model_dir, job_end.begin(estimator.model_dir, before), "so it was")
        begin = diary.now
        exporter = diary.exporter("a")
        eval_spec = diary.eval_spec(start_delay_secs=100, exporters=exporter)
        with contextlib.ExitStack() as stack:
            if before is not None:
                message = r"nobody has begun another one for 16. s. Its max_steps was 11"
                stack.enter_context(pytest.raises(UnreachableError, match=message))
            diary.run(estimator, diary.train_spec(max_steps=None), eval_spec)
        assert 160 <= diary.now - begin < 170
        assert [call["is_the_final_export"] for call in exporter.calls] == [False, True]

    def test_a_job_that_has_reached_max_steps_is_done_whenever_the_evaluator_comes(
        self, diary, estimator
    ):
        estimator.other.train(diary.input_fn("train"), steps=22)
        job_end.end(estimator.model_dir, job_end.begin(estimator.model_dir), "so it was")
        diary.clear()
        exporter = diary.exporter("a")
        diary.run(estimator, None, diary.eval_spec(start_delay_secs=100, exporters=exporter))
        assert diary == ["sleep 100", "evaluate", "final export a 22"]

    def test_a_checkpoint_that_is_deleted_before_it_is_exported_is_passed_over(
        self, diary, estimator, caplog
    ):
        estimator.other.train(diary.input_fn("train"), steps=11)

        class Late(type(diary.exporter("b"))):
            def export(self, **given):
                result = super().export(**given)
                if given["eval_result"]["global_step"] == 11:
                    estimator.other.train(diary.input_fn("train"), steps=11)
                    for file in tf.io.gfile.glob(f"{given['checkpoint_path']}.*"):
                        tf.io.gfile.remove(file)
                    raise ValueError("There is no such checkpoint.")
                return result

        late, other = Late(diary, "late"), diary.exporter("other")
        eval_spec = diary.eval_spec(start_delay_secs=0, exporters=[late, other])
        diary.run(estimator, None, eval_spec)
        assert "model.ckpt-11 is not exported by late: it is deleted already" in caplog.text
        assert (steps_of(late), steps_of(other)) == ([11, 22], [11, 22])

    def test_a_checkpoint_that_is_deleted_before_it_is_evaluated_is_passed_over(
        self, diary, estimator
    ):
        estimator.other.train(diary.input_fn("train"), steps=11)
        deleted = []

        def input_fn():
            if not deleted:
                newest = estimator.latest_checkpoint()
                deleted.append(newest)
                estimator.other.train(diary.input_fn("train"), steps=11)
                for file in tf.io.gfile.glob(f"{newest}.*"):
                    tf.io.gfile.remove(file)
            return diary.input_fn("evaluate", 2)()

        exporter = diary.exporter("a")
        eval_spec = diary.eval_spec(start_delay_secs=0, exporters=exporter)
        diary.run(estimator, None, eval_spec._replace(input_fn=input_fn))
        assert steps_of(exporter) == [22]

    def test_a_further_evaluator_is_refused(self, be, diary, make_estimator):
        be("evaluator", 1, chief=1)
        with pytest.raises(ValueError, match="evaluator in TF_CONFIG must be 0"):
            diary.run(make_estimator())
        assert diary == []
