"""The processes that tests of clusters are made of: they start, are heard, and never stay."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ZYGOTE = Path(__file__).with_name("zygote.py")


def _is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that ended and that nobody has waited for yet.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("code", [0, 75])
def test_a_task_ends_with_its_exit_code(processes, code):
    task = processes.start("say.py", ["hello", code], {"TF_CONFIG": "one"})
    assert task.wait() == code
    assert task.output() == f"I am one ['hello', '{code}']\n"


def test_a_task_that_fails_shows_why(processes):
    task = processes.start("say.py", ["fail"])
    assert task.wait() == 1
    assert "RuntimeError: as I was told" in task.output()


def test_what_a_task_never_says_is_told_with_what_it_said(processes):
    task = processes.start("say.py", ["3"])
    with pytest.raises(
        AssertionError, match=r"say ended with 3 and never wrote 'moo':\nI am alone"
    ):
        task.wait_for("moo")
    with pytest.raises(AssertionError, match="has ended"):
        task.kill()


def test_a_task_that_hangs_shows_where(processes):
    task = processes.start("say.py", ["wait"])
    task.wait_for("I am")
    with pytest.raises(AssertionError, match=r"(?s)did not end within 0\.2 s.*say\.py\", line 10"):
        task.wait(timeout=0.2)


def test_a_signal_ends_a_task(processes):
    task = processes.start("say.py", ["wait"])
    task.wait_for("I am")
    task.kill(signal.SIGTERM)
    assert task.wait() == -signal.SIGTERM


def test_no_task_stays_even_if_it_is_stopped(processes):
    running, stopped = processes.start("say.py", ["wait"]), processes.start("say.py", ["wait"])
    stopped.wait_for("I am")
    stopped.kill(signal.SIGSTOP)
    processes.close()
    assert not _is_there(running.pid)
    assert not _is_there(stopped.pid)


def test_a_cluster_tells_each_task_who_it_is(processes):
    cluster = processes.cluster("say.py", [0], timeout_secs=3, chief=1, ps=2, evaluator=1)
    tasks = cluster.start_all()
    assert set(tasks) == {"chief0", "ps0", "ps1", "evaluator0"}
    assert [task.wait() for task in tasks.values()] == [0] * 4
    said = tasks["ps1"].output().removeprefix("I am ").rpartition("[")[0]
    assert json.loads(said) == {
        "cluster": cluster.spec,
        "task": {"type": "ps", "index": 1},
        "timeout_secs": 3,
    }
    ports = [int(address.split(":")[1]) for job in cluster.spec.values() for address in job]
    assert len(set(ports)) == 3


@pytest.mark.parametrize("how", ["end of stdin", "SIGKILL"])
def test_tasks_end_with_the_process_that_forked_them(tmp_path, how):
    # So they do when pytest is killed: then the system closes the other end of the pipe.
    # This one must be quick, so it does without TensorFlow.
    (tmp_path / "tf_estimator.py").write_text("train_and_evaluate = None")
    (tmp_path / "wait.py").write_text("import time; time.sleep(3600)")
    start = {"do": "start", "script": str(tmp_path / "wait.py"), "args": [], "env": {}}
    start |= {"cwd": str(tmp_path), "output": str(tmp_path / "log")}
    pipe = subprocess.PIPE
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, str(ZYGOTE)], stdin=pipe, stdout=pipe, env=env
    ) as zygote:
        zygote.stdin.write(json.dumps(start).encode() + b"\n")
        zygote.stdin.flush()
        task = json.loads(zygote.stdout.readline())["pid"]
        assert _is_there(task)
        if how == "SIGKILL":
            zygote.kill()
        else:
            zygote.stdin.close()
        zygote.wait(30)
    end = time.monotonic() + 30
    while _is_there(task):
        assert time.monotonic() < end, "the task is still there"
        time.sleep(0.01)
