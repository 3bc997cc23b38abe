"""The port of a server: it has to be free, and may take a moment to become so."""

import logging
import socket

import pytest

from tf_estimator.cluster.server import wait_for_port


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
