"""Tasks of real clusters are killed, frozen and told to end at bad moments, and no other hangs.

How long it took until training went on, and how many steps were lost: both are in the summary of
the test run. Lost are the steps that the tasks took and that are not in the last checkpoint.
"""

import re
import signal
import time

import pytest

from tf_estimator import checkpoint

pytestmark = pytest.mark.slow

PROGRAM = "stepping.py"
SAVE_EVERY = 20  # As the program has it.

# A wait for something that comes in seconds on an idle machine.
PATIENCE = 90

# How long peers may be away: where they shall come back, so that a slow machine is no fault; and
# where they do not.
LONG, SHORT = 45, 2


def steps(task):
    """The global steps that a task saw."""
    return [int(step) for step in re.findall(r"^step (\d+)$", task.output(), re.MULTILINE)]


def wait_for_steps(task, count):
    """Waits until a task has taken so many steps."""
    task.wait_for("\nstep ", PATIENCE, count)


def wait_for_step(task, at_least):
    """Waits until a task saw a global step."""
    end = time.monotonic() + PATIENCE
    while max(steps(task), default=-1) < at_least:
        assert task.code is None, task.output()
        assert time.monotonic() < end, task.output()
        time.sleep(0.01)


def stop(cluster):
    """Has training stopped after a step, and waits for all tasks; none may have failed."""
    tasks = cluster.tasks
    for job in ("worker0", "chief0"):
        tasks[job].kill(signal.SIGTERM)
        assert tasks[job].wait(PATIENCE) == 0
    assert {name: task.wait(PATIENCE) for name, task in tasks.items()} == dict.fromkeys(tasks, 0)


@pytest.fixture
def start(processes, tmp_path):
    """Starts a cluster of a chief, a worker and a ps, or of other jobs; returns it."""

    def start(max_steps, *how, timeout_secs=LONG, without=(), **jobs):
        jobs = {"chief": 1, "worker": 1, "ps": 1, **jobs}
        args = [tmp_path / "model", max_steps, *how]
        cluster = processes.cluster(PROGRAM, args, timeout_secs=timeout_secs, **jobs)
        for job in ("ps", "chief", "worker", "evaluator"):
            for index in range(jobs.get(job, 0)):
                if job not in without:
                    task = cluster.start(job, index)
                    if job in {"ps", "chief"}:  # The others will not wait for them for long.
                        task.wait_for("listens at", PATIENCE)
        return cluster

    return start


@pytest.fixture
def lost_steps(processes, tmp_path, record_property):
    """Tells how many steps were lost, when all is over, and puts it into the test run's summary."""

    def lost_steps(fault, secs):
        taken = sum(len(steps(task)) for task in processes.tasks)
        lost = max(0, taken - checkpoint.step_of_latest(str(tmp_path / "model")))
        record_property("fault", f"{fault:<40} {secs:5.1f} s {lost:5d} steps lost")
        return lost

    return lost_steps


@pytest.mark.parametrize(
    ("job", "how"), [("worker", ""), ("ps", ""), ("chief", ""), ("chief", "adopts")]
)
def test_a_task_that_is_killed_and_started_again_joins_the_others(
    start, lost_steps, tmp_path, job, how
):
    cluster = start(10_000, "handler", how)
    wait_for_step(cluster.tasks["worker0"], 2 * SAVE_EVERY + 15)
    begin = time.monotonic()
    cluster.tasks[f"{job}0"].end()
    newest = max(step for task in cluster.tasks.values() for step in steps(task))
    since_save = newest - checkpoint.step_of_latest(str(tmp_path / "model"))
    cluster.start(job)
    # The chief gets another session when the ps is back, and restores it.
    seen, sessions = (cluster.tasks["chief0"], 2) if job == "ps" else (cluster.tasks[f"{job}0"], 1)
    seen.wait_for("has a session", PATIENCE, count=sessions)
    wait_for_steps(seen, len(steps(seen)) + 1)
    secs = time.monotonic() - begin
    stop(cluster)
    lost = lost_steps(f"{job} killed and started again {how}", secs)
    if job == "ps":
        assert lost <= since_save + 3  # One step of each task may have been under way.
    elif (job, how) != ("chief", ""):  # There also those that the worker took meanwhile.
        assert lost <= 1


def test_a_server_whose_machine_lost_power_in_a_step_is_missed_and_found_again(
    processes, tmp_path, lost_steps
):
    args = [tmp_path / "model", 10_000, "handler"]
    cluster = processes.cluster(PROGRAM, args, timeout_secs=12, chief=1, ps=1)
    cluster.start("ps").wait_for("listens at", PATIENCE)
    # The chief reaches the ps through a relay, that can be cut as a machine is that loses power.
    relayed, other = processes.ports(2)
    ports = [relayed, cluster.spec["ps"][0].rpartition(":")[2], other]
    relay = processes.start("relay.py", ports)
    relay.wait_for("relays", PATIENCE)
    cluster.spec["ps"] = [f"127.0.0.1:{relayed}"]
    chief = cluster.start("chief")
    wait_for_step(chief, SAVE_EVERY + 5)
    begin = time.monotonic()
    relay.kill(signal.SIGUSR2)
    relay.wait_for("off", PATIENCE)
    taken = len(steps(chief))
    cluster.tasks["ps0"].kill(signal.SIGSTOP)  # It would close its connections if it were killed.
    cluster.spec["ps"] = [f"127.0.0.1:{other}"]
    cluster.start("ps").wait_for("listens at", PATIENCE)
    chief.wait_for("refuses the connection", PATIENCE)
    relay.kill(signal.SIGUSR2)
    chief.wait_for("has a session", PATIENCE, count=2)
    wait_for_steps(chief, taken + 1)
    secs = time.monotonic() - begin
    chief.kill(signal.SIGTERM)
    assert [task.wait(PATIENCE) for task in cluster.tasks.values()] == [0, 0]
    assert lost_steps("machine of a ps without power for a while", secs) <= SAVE_EVERY + 3


def test_tasks_that_are_frozen_for_a_while_go_on_and_sigterm_is_followed(
    start, lost_steps, tmp_path
):
    cluster = start(10_000, "handler", timeout_secs=12)
    tasks, secs = cluster.tasks, {}
    wait_for_step(tasks["worker0"], 30)
    for job in ("worker", "chief", "ps"):
        others = [tasks[f"{each}0"] for each in ("chief", "worker") if each != job]
        tasks[f"{job}0"].kill(signal.SIGSTOP)
        for task in others:
            if job == "ps":
                task.wait_for("the process is frozen. Training goes on when it is back", PATIENCE)
            else:
                wait_for_steps(task, len(steps(task)) + 10)
                assert "process is frozen" not in task.output()
        before = {task: len(steps(task)) for task in (tasks["chief0"], tasks["worker0"])}
        begin = time.monotonic()
        tasks[f"{job}0"].kill(signal.SIGCONT)
        for task, count in before.items():
            wait_for_steps(task, count + 1)
        secs[job] = time.monotonic() - begin
    for task in (tasks["chief0"], tasks["worker0"]):
        task.wait_for("answers again", PATIENCE)
    stop(cluster)
    for job, each in secs.items():
        assert lost_steps(f"{job} frozen for a while", each) <= 1
    last = steps(tasks["chief0"])[-1] + 1
    assert checkpoint.step_of_latest(str(tmp_path / "model")) == last


def test_who_needs_a_server_that_is_killed_and_stays_away_exits_with_75(start):
    cluster = start(10_000, timeout_secs=SHORT, ps=2)
    trainers = [cluster.tasks["chief0"], cluster.tasks["worker0"]]
    wait_for_step(cluster.tasks["worker0"], 1)
    cluster.tasks["ps1"].kill()
    begin = time.monotonic()
    assert [task.wait(PATIENCE) for task in trainers] == [75, 75]
    assert time.monotonic() - begin > SHORT
    for task in trainers:
        assert_last_words(task, cluster, "refuses the connection")


def test_who_needs_a_server_that_is_frozen_and_stays_so_exits_with_75_or_by_sigterm(start):
    cluster = start(10_000, timeout_secs=SHORT, ps=2)
    chief, worker = cluster.tasks["chief0"], cluster.tasks["worker0"]
    wait_for_step(worker, 1)
    cluster.tasks["ps1"].kill(signal.SIGSTOP)
    begin = time.monotonic()
    worker.wait_for("the process is frozen", PATIENCE)
    worker.kill(signal.SIGTERM)  # It is stuck, and has no handler.
    assert worker.wait(PATIENCE) == -signal.SIGTERM
    assert chief.wait(PATIENCE) == 75
    assert time.monotonic() - begin > 6 * SHORT
    assert_last_words(chief, cluster, "the process is frozen")


def assert_last_words(task, cluster, why):
    last_words = task.output().splitlines()[-1]
    assert f"ps 1 ({cluster.spec['ps'][1]}) " in last_words
    assert why in last_words
    assert "start both again" in last_words


@pytest.mark.parametrize("missing", ["ps", "chief"])
def test_who_needs_a_task_that_never_comes_exits_with_75(start, missing):
    cluster = start(100, timeout_secs=SHORT, without=[missing])
    waiting = {name: task for name, task in cluster.tasks.items() if name != "ps0"}
    for task in waiting.values():
        assert task.wait(PATIENCE) == 75
        said = task.output()
        where = f"{missing} 0 ({cluster.spec[missing][0]}) refuses the connection"
        assert f"UnreachableError: {where}" in said.splitlines()[-1]


def test_without_an_evaluator_training_goes_on_and_a_new_one_goes_on_with_it(start, tmp_path):
    cluster = start(10_000, "handler", evaluator=1)
    cluster.tasks["evaluator0"].wait_for("Saving dict for global step", PATIENCE)
    cluster.tasks["evaluator0"].kill(signal.SIGSTOP)
    wait_for_steps(cluster.tasks["chief0"], len(steps(cluster.tasks["chief0"])) + 20)
    cluster.tasks["evaluator0"].end()
    new = cluster.start("evaluator")
    stop(cluster)
    last = checkpoint.step_of_latest(str(tmp_path / "model"))
    assert f"Saving dict for global step {last}:" in new.output()


def test_sigterm_before_the_session(start):
    # What chief and worker wait for is not there, and an evaluator has nothing to evaluate.
    cluster = start(100, without=["ps"], evaluator=1)
    waits = {"chief0": "Still", "worker0": "Still", "evaluator0": "no new checkpoint"}
    for name, words in waits.items():
        cluster.tasks[name].wait_for(words, PATIENCE)
    for name in waits:
        cluster.tasks[name].kill(signal.SIGTERM)
        assert cluster.tasks[name].wait(PATIENCE) == -signal.SIGTERM
    ps = cluster.start("ps")
    ps.wait_for("listens at", PATIENCE)
    ps.kill(signal.SIGTERM)
    assert ps.wait(PATIENCE) == -signal.SIGTERM


@pytest.mark.parametrize("moment", ["a step", "the end"])
def test_a_signal_ends_who_is_stuck_on_a_frozen_server(start, moment):
    how = (10_000, "handler") if moment == "a step" else (30, "handler", "lingers")
    cluster = start(*how)
    numbers = {"chief0": signal.SIGTERM, "worker0": signal.SIGINT}
    for name in numbers:
        wait_for_step(cluster.tasks[name], 1)
        if moment == "the end":
            cluster.tasks[name].wait_for("\nends\n", PATIENCE)
    cluster.tasks["ps0"].kill(signal.SIGSTOP)
    for name, number in numbers.items():
        cluster.tasks[name].kill(number)
    begin = time.monotonic()
    for name, number in numbers.items():
        task = cluster.tasks[name]
        assert task.wait(PATIENCE) == 128 + number
        assert "this task ends at once, for ps 0" in task.output().splitlines()[-1]
    assert time.monotonic() - begin < LONG, "that was no signal"
