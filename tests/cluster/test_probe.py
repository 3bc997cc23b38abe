"""Probe: each kind of answer, from real sockets and from a real TensorFlow server."""

import contextlib
import signal
import socket
import threading
import time

import pytest

from tf_estimator.cluster.probe import Answer, _ask, in_parallel, probe

# What a server of HTTP/2 says first, as it stands in RFC 9113: settings of six bytes.
SETTINGS = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + b"\x00\x03\x00\x00\x00\x64"
# Of a server that needs milliseconds, and of one that never answers.
PATIENT, IMPATIENT = 20.0, 0.2


@contextlib.contextmanager
def _server(*says, family=socket.AF_INET, host="127.0.0.1", hangs_up=True):
    """Accepts one connection, and says this to it, piece by piece; its address."""
    with socket.create_server((host, 0), family=family) as listening:
        listening.settimeout(PATIENT)

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)  # What is not read would make hanging up a reset.
                for piece in says:
                    connection.sendall(piece)
                    time.sleep(0.01)  # Else the pieces may arrive as one.
                if not hangs_up:
                    connection.recv(1000)  # Until the other side does.

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        thread.join()


@pytest.fixture
def closed_port():
    """A port on which nothing listens, nor will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("says", "answer"),
    [
        ([SETTINGS], Answer.ANSWERS),
        ([SETTINGS[:4], SETTINGS[4:]], Answer.ANSWERS),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], Answer.OTHER),
        ([b"SSH"], Answer.OTHER),
        ([], Answer.REFUSED),
    ],
    ids=["settings", "settings in pieces", "HTTP/1.1", "short", "hangs up"],
)
def test_a_server_is_known_by_what_it_says_first(says, answer):
    with _server(*says) as address:
        assert probe(address, PATIENT) is answer


def test_one_that_is_no_server_may_also_not_hang_up():
    with _server(b"SSH", hangs_up=False) as address:
        assert probe(address, IMPATIENT) is Answer.OTHER


def test_silent_is_one_that_accepts_and_says_nothing():
    # The system accepts for a process that never does.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        begin = time.monotonic()
        assert probe(f"127.0.0.1:{listening.getsockname()[1]}", IMPATIENT) is Answer.SILENT
        assert time.monotonic() - begin >= IMPATIENT


def test_refused(closed_port):
    assert probe(f"127.0.0.1:{closed_port}", PATIENT) is Answer.REFUSED


def test_no_answer():
    # Where too many wait to be accepted, a system does not answer, as one that is down.
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        where = listening.getsockname()
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(where)
        assert probe(f"127.0.0.1:{where[1]}", IMPATIENT) is Answer.NO_ANSWER


@pytest.mark.parametrize(
    "address", ["host.invalid:1", "localhost:no-port", "localhost", "", f"{'a' * 99}:1", "a b:1"]
)
def test_unknown_host(address):
    assert probe(address, PATIENT) is Answer.UNKNOWN_HOST


def test_an_address_of_ipv6():
    try:
        server = _server(SETTINGS, family=socket.AF_INET6, host="::1")
        address = server.__enter__()
    except OSError:
        pytest.skip("This machine has no IPv6.")
    assert probe(address, PATIENT) is Answer.ANSWERS
    server.__exit__(None, None, None)


def test_a_name_with_several_addresses_is_alive_if_one_is():
    with _server(SETTINGS) as address:  # localhost may be ::1 first.
        assert probe(f"localhost:{address.rpartition(':')[2]}", PATIENT) is Answer.ANSWERS


def test_a_connection_of_a_port_to_itself_is_no_server():
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        assert _ask(ours, ours.getsockname(), PATIENT) is Answer.REFUSED


def test_one_that_is_late_does_not_delay_the_others():
    never = threading.Event()

    def ask(key):
        if key == "late":
            never.wait()
        return Answer.ANSWERS

    begin = time.monotonic()
    assert in_parallel(ask, ["late", "soon"], 0.2) == {
        "late": Answer.NO_ANSWER,
        "soon": Answer.ANSWERS,
    }
    assert time.monotonic() - begin < PATIENT
    never.set()


def test_a_tensorflow_server_lives_freezes_thaws_and_dies(processes):
    [port] = processes.ports(1)
    server = processes.start("probing.py", ["serve", port])
    server.wait_for("serves")

    def answer():
        task = processes.start("probing.py", ["ask", f"127.0.0.1:{port}"])
        assert task.wait() == 0
        return task.output().split()[-1]

    assert answer() == "ANSWERS"
    server.kill(signal.SIGSTOP)
    assert answer() == "SILENT"
    server.kill(signal.SIGCONT)
    assert answer() == "ANSWERS"
    server.end()
    assert answer() == "REFUSED"
