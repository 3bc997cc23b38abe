"""A relay in front of a server, whose machine can lose power: half of a connection stays open.

    python relay.py PORT SERVER_PORT SERVER_PORT ...

After SIGUSR2 one request still gets through, and then nobody answers and nobody closes a
connection; new ones are refused. After another SIGUSR2 they are relayed to the next server, and an
old one is reset as soon as something comes on it, as by a machine that knows nothing of it.
"""

import contextlib
import signal
import socket
import struct
import sys
import threading
import time

PORT, *SERVER_PORTS = map(int, sys.argv[1:])
# A request has so many bytes at least, and may come in several pieces.
REQUEST_SIZE, REQUEST_SECS = 60, 0.1


class Machine:
    """The machine from one start to the next."""

    def __init__(self, server_port):
        self._server_port = server_port
        self.fails, self.got_last, self.is_off = (threading.Event() for _ in range(3))
        self.is_back = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", PORT))
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(self):
        """Loses power once a request has got through."""
        self.fails.set()
        self.got_last.wait()
        time.sleep(REQUEST_SECS)
        self.is_off.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                for each in (connection, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pass_on in (self._pass_to_server, self._pass_back):
                    args = [connection, server]
                    threading.Thread(target=pass_on, args=args, daemon=True).start()

    def _pass_to_server(self, connection, server):
        count = 0
        while data := connection.recv(1 << 16):
            if self.is_off.is_set() and not self.is_back.is_set():
                continue  # It counts as what the machine still got.
            if self.is_off.is_set():
                at_once = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                connection.close()
                return
            count += 1
            server.sendall(data)
            # The first thing on a connection is a greeting, that of a probe for example.
            if self.fails.is_set() and count > 1 and len(data) >= REQUEST_SIZE:
                self.got_last.set()
        if not self.is_off.is_set():
            server.close()

    def _pass_back(self, connection, server):
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if not self.got_last.is_set():
                    connection.sendall(data)
        if not self.got_last.is_set():
            connection.close()


def main():
    """Obeys signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    machine = Machine(SERVER_PORTS[0])
    sys.stdout.write("relays\n")
    for port in SERVER_PORTS[1:]:
        signal.sigwait([signal.SIGUSR2])
        machine.fail()
        sys.stdout.write("off\n")
        signal.sigwait([signal.SIGUSR2])
        before, machine = machine, Machine(port)
        before.is_back.set()
        sys.stdout.write("on\n")
    signal.pause()


main()
