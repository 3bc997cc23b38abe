"""The port of a server: it has to be free, and may take a moment to become so."""

import json
import logging
import socket

import pytest

from tf_estimator import RunConfig
from tf_estimator.cluster.server import check_server, wait_for_port
from tf_estimator.cluster.waiting import UnreachableError


@pytest.fixture
def taken():
    """A socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken


class Time:
    """A clock that sleeping moves, and something that happens at some time of it."""

    def __init__(self, at=float("inf"), event=None):
        self.now, self._at, self._event = 0.0, at, event

    def sleep(self, secs):
        self.now += secs
        if self.now >= self._at:
            self._event()

    def wait(self, port):
        wait_for_port(f"localhost:{port}", lambda: self.now, self.sleep)
        return self.now


def test_a_port_that_becomes_free_within_seconds_will_do(taken, caplog):
    port = taken.getsockname()[1]
    assert Time(2, taken.close).wait(port) == pytest.approx(2, abs=0.2)
    [said] = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert f"localhost:{port} is taken (Address already in use). It is tried again for 3 s" in said
    assert Time().wait(port) == 0


def test_a_port_that_stays_taken_is_an_error(taken):
    time, port = Time(), taken.getsockname()[1]
    with pytest.raises(OSError, match=rf"address localhost:{port} in TF_CONFIG must be free"):
        time.wait(port)
    assert time.now == pytest.approx(3, abs=0.2)


@pytest.fixture
def config_at(monkeypatch, tmp_path):
    """The RunConfig of a chief at an address."""

    def config_at(address):
        hosts = {"chief": [address], "ps": ["p:1"]}
        task = {"type": "chief", "index": 0}
        tf_config = {"cluster": hosts, "task": task, "timeout_secs": 0.2}
        monkeypatch.setenv("TF_CONFIG", json.dumps(tf_config))
        return RunConfig(str(tmp_path))

    return config_at


def test_an_address_that_does_not_lead_to_the_task_is_an_error(config_at):
    # TensorFlow would try to reach it for ever.
    message = r"of this task .* does not lead to it: chief 0 \(host.invalid:1\) has an address that"
    with pytest.raises(UnreachableError, match=message):
        check_server(config_at("host.invalid:1"))


def test_a_server_that_does_not_run_is_an_error(config_at, taken):
    port = taken.getsockname()[1]
    taken.close()
    with pytest.raises(RuntimeError, match="The server of chief 0 does not run"):
        check_server(config_at(f"localhost:{port}"))


def test_a_program_of_another_kind_at_the_address_is_an_error(config_at, taken):
    port = taken.getsockname()[1]
    with pytest.raises(UnreachableError, match="accepts the connection but says nothing"):
        check_server(config_at(f"localhost:{port}"))
