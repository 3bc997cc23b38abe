"""Workers that take their steps together, by MultiWorkerMirroredStrategy, as real processes."""

import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import checkpoint

PROGRAM = "in_step.py"


def losses(task):
    """The loss of each step."""
    return {int(n): float(loss) for n, loss in re.findall(r"step (\d+) loss (\S+)", task.output())}


def codes(tasks):
    return {name: task.wait() for name, task in tasks.items()}


def ended_well(tasks):
    """Waits for all tasks; none may have failed."""
    assert codes(tasks) == dict.fromkeys(tasks, 0)


def values(model_dir):
    reader = tf.train.load_checkpoint(str(model_dir))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize("strategy", ["ours", "in_graph", "eager", "eager_v1"])
def test_two_workers_train_as_one_process_does_on_the_same_batches(processes, tmp_path, strategy):
    def args(name):
        return [tmp_path / name, "--max_steps", 30, "--summarizes"]

    alone = processes.start(PROGRAM, [*args("alone"), "--strategy", "none"], name="alone")
    cluster = processes.cluster(
        PROGRAM, [*args("cluster"), "--strategy", strategy], chief=1, worker=1
    )
    tasks = cluster.start_all()
    ended_well({**tasks, "alone": alone})
    expected = losses(alone)
    assert list(expected) == list(range(1, 31))
    for task in tasks.values():
        np.testing.assert_allclose(list(losses(task).values()), list(expected.values()), rtol=2e-6)
    of_one, of_two = values(tmp_path / "alone"), values(tmp_path / "cluster")
    assert set(of_one) == set(of_two)
    for name, value in of_one.items():
        np.testing.assert_allclose(of_two[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_all_end_where_the_input_of_one_ends_and_the_evaluator_too(processes, tmp_path):
    args = [tmp_path, "--batches", 25, "--save_secs", 600]
    tasks = processes.cluster(PROGRAM, args, chief=1, worker=2, evaluator=1).start_all()
    ended_well(tasks)
    for name in ("chief0", "worker0", "worker1"):
        assert "ends at 25" in tasks[name].output()
        assert "the input of one of the workers has no more batches" in tasks[name].output()
    assert checkpoint.step_of_latest(str(tmp_path)) == 25
    assert "step = 25" in tasks["evaluator0"].output().replace("global_step", "step")


def test_a_worker_asks_all_to_stop(processes, tmp_path):
    args = [tmp_path, "--stop_at", 7]
    tasks = processes.cluster(PROGRAM, args, chief=1, worker=1).start_all()
    ended_well(tasks)
    assert [re.findall(r"ends at (\d+)", task.output()) for task in tasks.values()] == [["8"]] * 2


def test_saving_by_the_clock_of_the_chief(processes, tmp_path):
    args = [tmp_path, "--max_steps", 30, "--save_secs", 0.2, "--secs_per_step", 0.05]
    ended_well(processes.cluster(PROGRAM, args, chief=1, worker=1).start_all())
    saved = sorted(int(path.suffixes[-2][6:]) for path in tmp_path.glob("*-*.index"))
    assert len(saved) > 3


def test_an_input_without_a_batch_is_an_error_and_not_the_end_for_the_others(processes, tmp_path):
    tasks = processes.cluster(PROGRAM, [tmp_path, "--batches", 0], chief=1, worker=1).start_all()
    assert codes(tasks) == {"chief0": 75, "worker0": 1}
    assert "at least one batch" in tasks["worker0"].output()


@pytest.mark.parametrize("lost", ["chief0", "worker0"])
def test_where_one_is_killed_all_end_and_go_on_when_they_are_started_again(
    processes, tmp_path, lost, record_property
):
    args = [tmp_path, "--max_steps", 60, "--secs_per_step", 0.02]
    cluster = processes.cluster(PROGRAM, args, chief=1, worker=2)
    tasks = dict(cluster.start_all())
    tasks[lost].wait_for("step 30 ")
    begin = time.monotonic()
    tasks[lost].kill(signal.SIGKILL)
    others = {name: task for name, task in tasks.items() if name != lost}
    assert codes(others) == dict.fromkeys(others, 75)
    ended = time.monotonic()
    assert ended - begin < 10
    for task in others.values():
        assert "another worker was lost" in task.output()
    again = cluster.start_all()
    again["chief0"].wait_for("step 21 ")
    went_on = time.monotonic()
    ended_well(again)
    for task in again.values():
        assert list(losses(task)) == list(range(21, 61)), "it goes on from the checkpoint"
    lost_steps = max(losses(tasks[lost])) - 20
    record_property(
        "fault",
        f"{lost} of workers in step, SIGKILL: the others end after {ended - begin:.1f} s; all "
        f"started again {went_on - ended:.1f} s later, {lost_steps} steps lost",
    )


def test_a_frozen_worker_holds_up_the_others_and_they_say_so(processes, tmp_path):
    args = [tmp_path, "--max_steps", 30, "--secs_per_step", 0.02]
    cluster = processes.cluster(PROGRAM, args, timeout_secs=4, chief=1, worker=1)
    tasks = cluster.start_all()
    tasks["worker0"].wait_for("step 10 ")
    tasks["worker0"].kill(signal.SIGSTOP)
    tasks["chief0"].wait_for("Training goes on when it is back")
    tasks["worker0"].kill(signal.SIGCONT)
    ended_well(tasks)
    assert list(losses(tasks["chief0"])) == list(range(1, 31))


def test_a_worker_that_is_not_there_is_named(processes, tmp_path):
    cluster = processes.cluster(PROGRAM, [tmp_path], timeout_secs=2, chief=1, worker=1)
    chief = cluster.start("chief", 0)
    assert chief.wait() == 75
    assert re.search(r"UnreachableError: worker 0 \(127.0.0.1:\d+\)", chief.output())


def test_workers_that_do_not_see_the_same_folder_are_told_so(processes, tmp_path):
    first = processes.start(
        PROGRAM, [tmp_path / "a", "--max_steps", 20, "--strategy", "none"], name="first"
    )
    assert first.wait() == 0
    cluster = processes.cluster(PROGRAM, [tmp_path / "a", "--max_steps", 40], chief=1, worker=1)
    tf_config = cluster.tf_config("worker", 0)
    chief = cluster.start("chief", 0)
    worker = processes.start(
        PROGRAM,
        [tmp_path / "b", "--max_steps", 40],
        env={"TF_CONFIG": tf_config},
        name="worker",
    )
    assert {chief.wait(), worker.wait()} <= {1, 75}
    assert "All workers must start from the same checkpoint" in chief.output() + worker.output()


def test_a_worker_that_is_restarted_alone_ends_together_with_the_others(processes, tmp_path):
    args = [tmp_path, "--max_steps", 40, "--secs_per_step", 0.02]
    cluster = processes.cluster(PROGRAM, args, chief=1, worker=1)
    tasks = dict(cluster.start_all())
    tasks["chief0"].wait_for("step 10 ")
    tasks["chief0"].kill(signal.SIGSTOP)  # It takes no note, as in a long save.
    tasks["worker0"].kill(signal.SIGKILL)
    tasks["worker0"].wait()
    again = cluster.start("worker", 0)
    again.wait_for("listens at")
    tasks["chief0"].kill(signal.SIGCONT)
    assert (tasks["chief0"].wait(), again.wait()) == (75, 75)


@pytest.mark.parametrize(
    ("alone", "doing"), [(5, ["run .*:0", "take a step"]), (-1, ["run .*:0", "end its training"])]
)
def test_what_one_runs_alone_that_takes_all_ends_them_all(processes, tmp_path, alone, doing):
    args = [tmp_path, "--max_steps", 10, "--alone", alone]
    tasks = processes.cluster(PROGRAM, args, chief=1, worker=1).start_all()
    # Who hears of it a moment later finds that the other has ended.
    assert sorted(set(codes(tasks).values())) in ([1], [1, 75])
    said = [task.output() for task in tasks.values() if task.code == 1]
    assert all("OutOfStepError: Workers that take their steps together" in text for text in said)
    assert any(re.search(f"was about to {one}, and", text) for text in said for one in doing)


def test_one_that_fails_and_lives_on_tells_the_others(processes, tmp_path):
    args = [tmp_path, "--max_steps", 10, "--fails_at", 5]
    tasks = processes.cluster(PROGRAM, args, chief=1, worker=1).start_all()
    assert tasks["chief0"].wait() == 75
    # It may have come too late to the step in which the other one tells.
    assert re.search("nother worker (has failed|was lost)", tasks["chief0"].output())
    assert tasks["worker0"].code is None


def test_a_second_job_in_the_same_processes(processes, tmp_path):
    args = [tmp_path, "--max_steps", 10, "--again", 25]
    tasks = processes.cluster(PROGRAM, args, chief=1, worker=1).start_all()
    ended_well(tasks)
    for task in tasks.values():
        assert list(losses(task)) == list(range(1, 26))
    assert checkpoint.step_of_latest(str(tmp_path)) == 25


def test_a_kept_folder_goes_from_one_process_to_several_and_back(processes, tmp_path):
    def alone(max_steps):
        args = [tmp_path, "--max_steps", max_steps, "--strategy", "none"]
        return processes.start(PROGRAM, args, name=f"to{max_steps}")

    first = alone(10)
    assert first.wait() == 0
    cluster = processes.cluster(PROGRAM, [tmp_path, "--max_steps", 20], chief=1, worker=1)
    ended_well(cluster.start_all())
    assert list(losses(cluster.tasks["chief0"])) == list(range(11, 21))
    last = alone(30)
    assert last.wait() == 0
    assert list(losses(last)) == list(range(21, 31))


@pytest.mark.slow
def test_the_launcher_starts_all_again(processes, tmp_path):
    program = Path(__file__).parent / "programs" / PROGRAM
    args = [tmp_path / "m", "--max_steps", 50, "--killed_at", 30]
    launched = processes.start("launching.py", ["--workers", 1, program, *args])
    assert launched.wait(120) == 0
    said = launched.output()
    assert "worker 0 was ended by SIGKILL" in said
    assert re.findall(r"chief .*step (\d+) loss", said)[-30:] == [str(n) for n in range(21, 51)]
    assert checkpoint.step_of_latest(str(tmp_path / "m")) == 50
