"""One process that has imported TensorFlow, and forks a task of a cluster on request.

    python zygote.py

So six tasks start in a second, each as fresh as after an import. Where root allows, the process has
a network of its own with nothing but loopback, and so have its tasks.

Requests are lines of JSON on stdin, answers and news lines of JSON on stdout::

    {"do": "ports", "count": 2}                      -> {"ports": [12345, 20001]}
    {"do": "start", "script", "args", "env", "cwd", "output"}   -> {"pid": 17}
    {"do": "signal", "pid": 17, "signal": 9}         -> {"sent": true}, false if it has ended
                                                        {"ended": 17, "code": -9} when it ends

The end of stdin ends it and all tasks; whatever kills it kills them too.
"""

import ctypes
import errno
import faulthandler
import fcntl
import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import struct
import sys
import warnings

_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

# Below those that the system gives to outgoing connections, which must not take a server's port.
_PORTS = range(10_000, 32_000)

_LOOK_SECS = 0.02


def go_apart():
    """Gives this process a network of its own, where that is allowed."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
            fcntl.ioctl(anything, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def die_with(parent):
    """Has the system kill this process when its parent dies."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It was dead already.
        os._exit(1)


class Zygote:
    """Answers requests until there are no more."""

    def __init__(self):
        self._running = set()
        self._given = set()
        self._said = b""

    def serve(self):
        """Returns in a task only, with what the task is to run."""
        while True:
            self._reap()
            ready, _, _ = select.select([0], [], [], _LOOK_SECS)
            if not ready:
                continue
            more = os.read(0, 1 << 16)
            if not more:
                self._end()
            *lines, self._said = (self._said + more).split(b"\n")
            for line in lines:
                request = json.loads(line)
                if request["do"] == "start":
                    task = self._fork(request)
                    if task is not None:
                        return task
                elif request["do"] == "signal":
                    self._signal(request["pid"], request["signal"])
                else:
                    _answer(ports=[self._port() for _ in range(request["count"])])

    def _fork(self, request):
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            die_with(parent)
            return request
        self._running.add(pid)
        _answer(pid=pid)
        return None

    def _reap(self):
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._running.remove(pid)
            _answer(ended=pid, code=os.waitstatus_to_exitcode(status))

    def _signal(self, pid, number):
        if pid in self._running:  # It is not reaped, so its number is nobody else's.
            os.kill(pid, number)
        _answer(sent=pid in self._running)

    def _port(self):
        while True:
            port = random.choice(_PORTS)
            if port in self._given:
                continue
            self._given.add(port)
            with socket.socket() as probe:
                try:
                    probe.bind(("", port))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                else:
                    return port

    def _end(self):
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
        for pid in self._running:
            os.waitpid(pid, 0)
        os._exit(0)


def _answer(**said):
    os.write(1, json.dumps(said).encode() + b"\n")


def become(task):
    """Runs the script of a task as `python script args` would; each line is written at once."""
    os.setsid()
    output = os.open(task["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(old, new)
    os.close(nothing)
    os.close(output)
    faulthandler.enable(sys.__stderr__)
    faulthandler.register(signal.SIGUSR1, sys.__stderr__)
    os.chdir(task["cwd"])
    os.environ.update(task["env"])
    sys.argv = [task["script"], *task["args"]]
    sys.path[0] = os.path.dirname(task["script"])
    sys.stdout.reconfigure(line_buffering=True)
    random.seed()
    runpy.run_path(task["script"], run_name="__main__")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("TF_CONFIG", None)
    go_apart()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tf_estimator import train_and_evaluate  # noqa: F401 - brings in TensorFlow
    gc.collect()
    gc.freeze()  # A collection in a task need not copy what is there for good.
    become(Zygote().serve())
