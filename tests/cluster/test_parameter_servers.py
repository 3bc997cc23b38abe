"""Clusters with parameter servers, as real processes: they train together, and all of them end."""

import re

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import checkpoint

PROGRAM = "train_and_evaluate.py"


def ended_well(tasks):
    """Waits for all tasks; none may have failed."""
    assert {name: task.wait() for name, task in tasks.items()} == dict.fromkeys(tasks, 0)


def steps_taken(task):
    return int(re.search(r"took (\d+) steps in all", task.output())[1])


def exports(task):
    """The lines of the exporter."""
    return re.findall(r"exports ((?:the final )?step \d+), loss", task.output())


def values(model_dir):
    reader = tf.train.load_checkpoint(str(model_dir))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize("ps", [1, 2])
def test_two_workers_train_to_max_steps_and_all_tasks_end(processes, tmp_path, ps):
    # The chief alone would take five seconds, in which the workers come.
    args = [tmp_path, "--max_steps", 100, "--model", "linear", "--secs_per_step", 0.05]
    cluster = processes.cluster(PROGRAM, args, chief=1, worker=2, ps=ps, evaluator=1)
    tasks = cluster.start_all()
    ended_well(tasks)
    step = checkpoint.step_of_latest(str(tmp_path))
    # Each of three may be in a step then, and does not see the end if it began with step 98.
    assert 100 <= step <= 105
    taken = [steps_taken(tasks[name]) for name in ("chief0", "worker0", "worker1")]
    assert min(taken) > 0
    assert step <= sum(taken) <= step + 2, "each may take one more step after the last save"
    assert exports(tasks["evaluator0"])[-1] == f"the final step {step}"
    assert "has not been increased" not in tasks["chief0"].output()
    assert not np.allclose(values(tmp_path)["w"], 0)


def test_a_canned_model_is_spread_over_two_servers(processes, tmp_path):
    args = [tmp_path / "cluster", "--max_steps", 20, "--model", "deep"]
    ended_well(processes.cluster(PROGRAM, args, chief=1, worker=1, ps=2).start_all())
    alone = processes.start(PROGRAM, [tmp_path / "alone", *args[1:]])
    assert alone.wait() == 0
    of_cluster, of_one = values(tmp_path / "cluster"), values(tmp_path / "alone")
    assert {name: value.shape for name, value in of_cluster.items()} == {
        name: value.shape for name, value in of_one.items()
    }
    newest = checkpoint.latest_whole(str(tmp_path / "cluster"))
    shards = [f"{newest}.data-0000{shard}-of-00002" for shard in range(2)]
    assert all(map(tf.io.gfile.exists, shards))


def test_a_process_on_its_own_goes_on_where_a_cluster_ended_and_the_other_way_round(
    processes, tmp_path
):
    def args(max_steps):
        return [tmp_path, "--max_steps", max_steps, "--model", "linear"]

    ended_well(processes.cluster(PROGRAM, args(20), chief=1, ps=2).start_all())
    alone = processes.start(PROGRAM, args(40))
    assert alone.wait() == 0
    assert steps_taken(alone) == 20
    last = processes.cluster(PROGRAM, args(60), chief=1, ps=1)
    ended_well(last.start_all())
    assert steps_taken(last.tasks["chief0"]) == 20


def test_a_master_evaluates_what_it_saves(processes, tmp_path):
    cluster = processes.cluster(PROGRAM, [tmp_path, "--max_steps", 50], master=1, worker=1, ps=1)
    tasks = cluster.start_all()
    ended_well(tasks)
    step = checkpoint.step_of_latest(str(tmp_path))
    assert exports(tasks["master0"])[-1] == f"the final step {step}"


@pytest.mark.parametrize("end", [["--batches", 30], ["--stop_at", 40]])
def test_without_max_steps_the_end_of_the_chief_is_that_of_all(processes, tmp_path, end):
    args = [tmp_path, *end, "--secs_per_step", 0.1]
    cluster = processes.cluster(PROGRAM, args, chief=1, worker=1, ps=1, evaluator=1)
    tasks = cluster.start_all()
    ended_well(tasks)
    step = checkpoint.step_of_latest(str(tmp_path))
    assert exports(tasks["evaluator0"])[-1] == f"the final step {step}"
    assert steps_taken(tasks["worker0"]) > 0
    assert "the job is done" in tasks["worker0"].output() or "--stop_at" in end


def test_a_second_job_is_not_taken_for_the_first(processes, tmp_path):
    def cluster(max_steps):
        args = [tmp_path, "--max_steps", max_steps]
        return processes.cluster(PROGRAM, args, chief=1, ps=1, evaluator=1)

    ended_well(cluster(20).start_all())
    second = cluster(40)
    ps, evaluator = second.start("ps"), second.start("evaluator")
    ps.wait_for("listens at")
    evaluator.wait_for("exports step 20")
    chief = second.start("chief")
    ended_well(second.tasks)
    assert steps_taken(chief) == 20
    assert exports(evaluator) == ["step 20", "the final step 40"]


def test_two_jobs_in_one_process_each(processes, tmp_path):
    cluster = processes.cluster(
        PROGRAM, [tmp_path, "--max_steps", 20, 40], chief=1, worker=1, ps=1, evaluator=1
    )
    tasks = cluster.start_all()
    ended_well(tasks)
    assert "the final step 4" in exports(tasks["evaluator0"])[-1]
    assert checkpoint.step_of_latest(str(tmp_path)) >= 40


@pytest.mark.parametrize("end", [["--max_steps", 20], ["--batches", 20]])
def test_tasks_that_come_after_the_end_end(processes, tmp_path, end):
    # At first the ps has to come in time; then, without max_steps, they wait for another job.
    cluster = processes.cluster(PROGRAM, [tmp_path, *end], timeout_secs=1, chief=1, worker=1, ps=1)
    cluster.start("ps").wait_for("listens at")
    ended_well({"chief0": cluster.start("chief"), "ps0": cluster.tasks["ps0"]})
    ended_well({"ps0": cluster.start("ps"), "worker0": cluster.start("worker")})
    for name in ("ps0", "worker0"):
        said = cluster.tasks[name].output()
        assert "the end of the program" in said
        assert ("So it was this job, and there is nothing left to do" in said) == (
            "--batches" in end
        )


@pytest.mark.parametrize("adopts", [True, False])
def test_a_chief_that_is_restarted_may_keep_what_the_servers_hold(processes, tmp_path, adopts):
    args = [tmp_path, "--max_steps", 100, "--save_every", 1000, *["--adopt_live_ps"] * adopts]
    cluster = processes.cluster(PROGRAM, args, chief=1, ps=1)
    cluster.start("ps")
    cluster.start("chief").wait_for("took step 41")
    cluster.tasks["chief0"].end()
    chief = cluster.start("chief")
    ended_well({"chief0": chief, "ps0": cluster.tasks["ps0"]})
    kept = re.search(r"what the parameter servers hold, global step (\d+),", chief.output())
    assert bool(kept) == adopts
    start = int(kept[1]) if kept else 0
    assert start > 40 or not adopts
    assert steps_taken(chief) == 100 - start
    assert values(tmp_path)["w"] == 100
    # What was adopted is in no checkpoint yet.
    assert ("is not saved again" in chief.output()) != adopts


def test_a_worker_whose_chief_does_not_come_says_so(processes, tmp_path):
    cluster = processes.cluster(PROGRAM, [tmp_path], timeout_secs=1, chief=1, worker=1, ps=1)
    cluster.start("ps")
    worker = cluster.start("worker")
    assert worker.wait() == 75
    assert re.search(r"UnreachableError: chief 0 \(127.0.0.1:\d+\) refuses", worker.output())


def test_estimator_train_without_a_server_says_so(processes, tmp_path):
    args = [tmp_path, "--max_steps", 10, "--only_train"]
    chief = processes.cluster(PROGRAM, args, chief=1, ps=1).start("chief")
    assert chief.wait() == 1
    assert "The server of chief 0 does not run" in chief.output()


def test_a_port_that_is_taken_is_an_error(processes, tmp_path):
    cluster = processes.cluster(PROGRAM, [tmp_path], chief=1, ps=1)
    cluster.start("ps").wait_for("listens at")
    second = cluster.start("ps")
    assert second.wait() == 1
    assert re.search(
        r"OSError: .*port of this task's address 127.0.0.1:\d+ in TF_CONFIG must be free",
        second.output(),
    )
