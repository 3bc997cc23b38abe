"""The knock at a server that was away; that it mends a broken connection is in test_faults.py."""

import json
import threading

import pytest

from tf_estimator import RunConfig
from tf_estimator.cluster import knock
from tf_estimator.cluster.peers import Peer

A, B = Peer("ps", 0, "a:1"), Peer("ps", 1, "b:1")


@pytest.fixture
def config(monkeypatch, tmp_path):
    """That of a chief."""
    hosts, task = {"chief": ["c:1"], "ps": ["a:1", "b:1"]}, {"type": "chief", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": hosts, "task": task}))
    return RunConfig(str(tmp_path))


def join():
    """Waits until no knock is under way."""
    for thread in threading.enumerate():
        if thread.name.startswith("knock"):
            thread.join(30)


def test_one_knock_at_a_peer_at_a_time(config, monkeypatch):
    knocked, answer = [], threading.Event()

    def run(config, peer):
        knocked.append(peer)
        answer.wait(30)

    monkeypatch.setattr(knock, "_run_something", run)
    knocks = knock.knocker(config)
    for peer in (A, A, B):
        knocks(peer)
    answer.set()
    join()
    assert sorted(knocked, key=str) == [A, B]
    knocks(A)
    join()
    assert len(knocked) == 3


def test_a_knock_that_nobody_answers_is_no_error(config, monkeypatch):
    monkeypatch.setattr(RunConfig, "master", "")  # A session of its own, that has no such task.
    raised = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    knock.knocker(config)(A)
    join()
    assert not raised
