"""Steps of a cluster that no hook looks at end in time, and no fault goes unnoticed in them."""

import re
import signal

import pytest

from tf_estimator import checkpoint

PROGRAM = "stepping.py"
TRAINERS = ("chief0", "worker0")


@pytest.fixture
def start(processes, tmp_path):
    """Starts a cluster of a chief, a worker and a ps that trains for so many steps."""

    def start(max_steps, timeout_secs):
        cluster = processes.cluster(
            PROGRAM,
            [tmp_path / "model", max_steps, "seldom", "handler"],
            timeout_secs=timeout_secs,
            chief=1,
            worker=1,
            ps=1,
        )
        cluster.start_all()
        return cluster

    return start


def test_training_ends_with_max_steps(start, tmp_path):
    tasks = start(500, timeout_secs=60).tasks
    assert {name: task.wait() for name, task in tasks.items()} == dict.fromkeys(tasks, 0)
    taken = looked = 0
    for name in TRAINERS:
        counts = re.search(r"took (\d+) steps, looked at (\d+)", tasks[name].output())
        taken, looked = taken + int(counts[1]), looked + int(counts[2])
    # Each worker takes the step that reaches it, and one that was under way.
    assert 500 <= checkpoint.step_of_latest(str(tmp_path / "model")) <= taken <= 504
    # Two workers look at one of ten, and where they could not foresee it at the one after.
    assert looked < 200


def test_training_goes_on_when_a_server_is_back(start, tmp_path):
    cluster = start(1_000_000, timeout_secs=60)
    for name in TRAINERS:
        cluster.tasks[name].wait_for("\nstep ", count=3)
    cluster.tasks["ps0"].end()
    before = [cluster.tasks[name].output().count("\nstep ") for name in TRAINERS]
    cluster.start("ps")
    for name, count in zip(TRAINERS, before, strict=True):
        cluster.tasks[name].wait_for("\nstep ", count=count + 3)
    for name in reversed(TRAINERS):
        cluster.tasks[name].kill(signal.SIGTERM)
        assert cluster.tasks[name].wait() == 0
    assert cluster.tasks["ps0"].wait() == 0


def test_it_is_noticed_that_a_step_does_not_end(start):
    cluster = start(1_000_000, timeout_secs=1)
    for name in TRAINERS:
        cluster.tasks[name].wait_for("\nstep ", count=3)
    cluster.tasks["ps0"].kill(signal.SIGSTOP)
    for name in TRAINERS:
        assert cluster.tasks[name].wait() == 75
        assert "No step has ended for" in cluster.tasks[name].output()
