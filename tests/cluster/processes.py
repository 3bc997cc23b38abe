"""Tasks of clusters as real processes, that are gone when a test is over, whatever happened."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_ZYGOTE = Path(__file__).with_name("zygote.py")
_LOOK_SECS = 0.02

# Importing TensorFlow on a machine that is busy with other things.
_START_SECS = 90

_REPLY_SECS = 30


class Zygote:
    """The process that forks tasks; see zygote.py."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(_ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "CUDA_VISIBLE_DEVICES": ""},
        )
        self._said = b""
        self._answers = []
        self._codes = {}
        self._patience = _START_SECS

    def start(self, script, args, env, cwd, output):
        """Forks a task; returns its process id."""
        paths = {"script": str(script), "cwd": str(cwd), "output": str(output)}
        return self._ask(do="start", args=args, env=env, **paths)["pid"]

    def signal(self, pid, number):
        """Sends a signal to a task; False if it has ended."""
        return self._ask(do="signal", pid=pid, signal=number)["sent"]

    def ports(self, count):
        """So many free ports, none of which was given before."""
        return self._ask(do="ports", count=count)["ports"]

    def code(self, pid):
        """The exit code of a task, negative for a signal; None as long as it runs."""
        while self._hear(0):
            pass
        return self._codes.get(pid)

    def close(self):
        """Ends the process and all its tasks."""
        self._process.stdin.close()
        try:
            self._process.wait(_REPLY_SECS)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def _ask(self, **request):
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        end = time.monotonic() + self._patience
        while not self._answers:
            if not self._hear(max(0.0, end - time.monotonic())):
                raise AssertionError(f"The zygote does not answer {request}.")
        self._patience = _REPLY_SECS
        return self._answers.pop(0)

    def _hear(self, wait_secs):
        """Takes in what there is to hear; False if that is nothing."""
        stdout = self._process.stdout.fileno()
        if not select.select([stdout], [], [], wait_secs)[0]:
            return False
        more = os.read(stdout, 1 << 16)
        if not more:
            raise AssertionError("The zygote is dead.")
        *lines, self._said = (self._said + more).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "ended" in said:
                self._codes[said["ended"]] = said["code"]
            else:
                self._answers.append(said)
        return True


class Task:
    """One process.

    Attributes:
        name: what it is called in messages, "worker1".
        pid: its process id.
    """

    def __init__(self, zygote, name, request):
        self._zygote, self.name, self._request = zygote, name, request
        self.pid = zygote.start(**request)

    def output(self):
        """All that it wrote, on stdout and stderr."""
        path = Path(self._request["output"])
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def code(self):
        """The exit code, negative for a signal; None as long as it runs."""
        return self._zygote.code(self.pid)

    def wait(self, timeout=60):
        """Waits for its end; returns the exit code, negative for a signal."""
        self._until(lambda: self.code is not None, timeout, "did not end")
        return self.code

    def wait_for(self, text, timeout=60, count=1):
        """Waits until it has written a text, so many times; fails at once if it ends before."""

        def written():
            ended = self.code is not None
            found = self.output().count(text) >= count
            if ended and not found:
                raise AssertionError(
                    f"{self.name} ended with {self.code} and never wrote {text!r}:\n{self.output()}"
                )
            return found

        self._until(written, timeout, f"did not write {text!r}")

    def kill(self, number=signal.SIGKILL):
        """Sends it a signal."""
        assert self._zygote.signal(self.pid, number), f"{self.name} has ended:\n{self.output()}"

    def end(self):
        """Kills it if it runs, whatever state it is in, and waits until it is gone."""
        if self._zygote.signal(self.pid, signal.SIGKILL):
            self.wait()

    def _until(self, condition, timeout, problem):
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                self._zygote.signal(self.pid, signal.SIGUSR1)  # Its stacks, into its output.
                time.sleep(0.5)
                raise AssertionError(f"{self.name} {problem} within {timeout} s:\n{self.output()}")
            time.sleep(_LOOK_SECS)


class Processes:
    """The tasks of one test.

    Args:
        zygote: forks them.
        folder: takes their output, and is their working directory.
        programs: where a script is that is named without a folder.
    """

    def __init__(self, zygote, folder, programs):
        self._zygote, self._folder, self._programs = zygote, folder, programs
        self.tasks = []

    def start(self, script, args=(), env=None, name=None):
        """Starts `python script args`.

        Args:
            script: a path, or the name of a file in tests/cluster/programs.
            args: strings, or what has one.
            env: variables in addition to those of this process.
            name: for messages and the file of its output; that of the script if not given.
        """
        name = Path(script).stem if name is None else name
        request = {
            "script": self._programs / script,
            "args": [str(arg) for arg in args],
            "env": dict(env or {}),
            "cwd": self._folder,
            "output": self._folder / f"{len(self.tasks)}-{name}.log",
        }
        self.tasks.append(Task(self._zygote, name, request))
        return self.tasks[-1]

    def cluster(self, script, args=(), *, timeout_secs=None, env=None, **jobs):
        """The plan of a cluster on free ports, of which nothing runs yet; see Cluster."""
        return Cluster(self, script, args, dict(env or {}), timeout_secs, jobs)

    def ports(self, count):
        """So many free ports."""
        return self._zygote.ports(count)

    def close(self):
        """Kills all, whatever state they are in, waits for it, and shows what they said."""
        for task in self.tasks:
            task.end()
        for task in self.tasks:
            sys.stdout.write(f"\n--- {task.name} (exit code {task.code}) ---\n{task.output()}")


class Cluster:
    """Addresses for a program that is every task of a cluster, told by TF_CONFIG which one it is.

    Args:
        processes: starts the tasks.
        script: as for `Processes.start`, and so are args and env.
        args: the same for all tasks.
        env: the same for all tasks.
        timeout_secs: the entry of TF_CONFIG, None for none.
        jobs: how many tasks of each job, as chief=1, worker=1, ps=2, evaluator=1.

    Attributes:
        spec: job to a list of addresses, without the evaluator.
        tasks: what runs, or ran last, by name: "chief0".
    """

    def __init__(self, processes, script, args, env, timeout_secs, jobs):
        self._processes, self._script, self._args, self._env = processes, script, args, env
        self._timeout_secs, self._jobs = timeout_secs, jobs
        ports = iter(processes.ports(sum(jobs.values())))
        self.spec = {
            job: [f"127.0.0.1:{next(ports)}" for _ in range(count)]
            for job, count in jobs.items()
            if job != "evaluator"
        }
        self.tasks = {}

    def tf_config(self, job, index=0):
        """The text of TF_CONFIG for a task."""
        entries = {"cluster": self.spec, "task": {"type": job, "index": index}}
        if self._timeout_secs is not None:
            entries["timeout_secs"] = self._timeout_secs
        return json.dumps(entries)

    def start(self, job, index=0, env=None):
        """Starts a task, also one that ran before."""
        name = f"{job}{index}"
        env = {**self._env, **(env or {}), "TF_CONFIG": self.tf_config(job, index)}
        self.tasks[name] = self._processes.start(self._script, self._args, env, name)
        return self.tasks[name]

    def start_all(self):
        """Starts all tasks, the ps first; returns them by name: "chief0"."""
        for job in sorted(self._jobs, key=["ps", "chief", "master", "worker", "evaluator"].index):
            for index in range(self._jobs[job]):
                self.start(job, index)
        return self.tasks
