"""Probe: whether the server of another task is alive, found out within seconds.

TensorFlow's own calls wait for a server that is down as long as it takes. This asks the way any
gRPC client begins, without TensorFlow: that also tells a frozen process, whose system still accepts
connections for it, from one that lives.
"""

import enum
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar, final

# How a client begins to speak HTTP/2, with settings of which there are none, and the beginning of
# what a server must say first: its own settings. RFC 9113, sections 3.4, 4.1 and 6.5.
_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_FRAME_HEADER_SIZE: Final = 9
_SETTINGS: Final = 4

PROBE_SECS: Final = 2.0
"""How long a probe waits, unless somebody knows better. A server that lives needs milliseconds."""


@final
class Answer(enum.Enum):
    """What a probe found; the value says it in words that go on after the name of the peer."""

    ANSWERS = "answers"
    REFUSED = "refuses the connection: nothing listens on that port"
    SILENT = "accepts the connection but says nothing: the process is frozen"
    UNKNOWN_HOST = "has an address that cannot be looked up"
    NO_ANSWER = "does not answer: the machine is down or cannot be reached from here"
    OTHER = "is not there: something else than a TensorFlow server listens on that port"


def probe(address: str, timeout_secs: float = PROBE_SECS) -> Answer:
    """Asks the server at an address whether it lives.

    Args:
        address: "host:port", also "[::1]:port".
        timeout_secs: how long to wait for it to accept, and then for its answer. To look up the
            name of the host takes as long as the system lets it.

    Returns:
        What was found. It raises nothing.

    Example:
        >>> probe("localhost:no port")
        <Answer.UNKNOWN_HOST: 'has an address that cannot be looked up'>
    """
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError, OverflowError):
        return Answer.UNKNOWN_HOST
    answer = Answer.NO_ANSWER
    for family, kind, protocol, _, where in found:  # A name may stand for several.
        with socket.socket(family, kind, protocol) as connection:
            answer = _ask(connection, where, timeout_secs)
        if answer not in {Answer.REFUSED, Answer.NO_ANSWER}:
            break
    return answer


def _ask(connection: socket.socket, where: object, timeout_secs: float) -> Answer:
    connection.settimeout(timeout_secs)
    try:
        connection.connect(where)  # type: ignore[arg-type]  # as getaddrinfo returned it
    except ConnectionRefusedError:
        return Answer.REFUSED
    except OSError:
        return Answer.NO_ANSWER
    if connection.getsockname() == connection.getpeername():
        # Nobody was there, so the system could give the very port to our end, and joined the two.
        return Answer.REFUSED
    return _listen(connection)


def _listen(connection: socket.socket) -> Answer:
    """What the server says, if it is one, once it has accepted."""
    heard = b""
    try:
        connection.sendall(_HELLO)
        while len(heard) < _FRAME_HEADER_SIZE and (more := connection.recv(64)):
            heard += more
    except TimeoutError:
        return Answer.OTHER if heard else Answer.SILENT
    except OSError:  # It hangs up, as one that is just dying does.
        pass
    if not heard:
        return Answer.REFUSED
    is_settings = len(heard) >= _FRAME_HEADER_SIZE and heard[3] == _SETTINGS
    return Answer.ANSWERS if is_settings else Answer.OTHER


_Key = TypeVar("_Key")


def in_parallel(
    ask: Callable[[_Key], Answer], keys: Iterable[_Key], timeout_secs: float
) -> dict[_Key, Answer]:
    """Asks for several answers at the same time, so that a late one does not delay the others.

    Args:
        ask: finds the answer for a key.
        keys: what to ask for.
        timeout_secs: how long to wait for all of them.

    Returns:
        The answers; NO_ANSWER for what took longer, a name that nobody looks up for example.
    """
    answers: dict[_Key, Answer] = {}

    def answer(key: _Key) -> None:
        found = ask(key)
        answers.setdefault(key, found)

    keys = list(keys)
    # Those of an executor would be waited for when the process ends.
    threads = [threading.Thread(target=answer, args=[key], daemon=True) for key in keys]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout_secs
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {key: answers.setdefault(key, Answer.NO_ANSWER) for key in keys}
