"""The command `tf-estimator launch`: real processes, most of them without TensorFlow."""

import contextlib
import itertools
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tf_estimator.cli import main
from tf_estimator.cli.launching import rules
from tf_estimator.cli.launching.ports import free_ports
from tf_estimator.cli.launching.rules import Verdict
from tf_estimator.cli.launching.screen import Lines

COMMAND = [sys.executable, "-m", "tf_estimator", "launch"]
SOURCE = Path(__file__).parents[2] / "src"
LONGEST_SECS = 90

# Runs a command in a network of its own where that is allowed: servers listen on all interfaces.
APART = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[1] / "cluster")!r})
import zygote
zygote.go_apart()
os.execv(sys.argv[1], sys.argv[1:])
"""

# What the programs below begin with: which task they are, and whether this is its first life.
BEGIN = """
import json, os, pathlib, signal, subprocess, sys, time
CONFIG = json.loads(os.environ["TF_CONFIG"])
JOB, INDEX = CONFIG["task"]["type"], CONFIG["task"]["index"]
mark = pathlib.Path(f"{JOB}{INDEX}.began")
FIRST = not mark.exists()
mark.touch()
def wait_for(name):
    end = time.monotonic() + 60
    while not pathlib.Path(name).exists():
        if time.monotonic() > end: sys.exit(f"no {name}")
        time.sleep(0.01)
def sleep(): time.sleep(60)
"""


class Launched:
    """A launcher that runs, and what it has said."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process, self.errors = process, errors

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        """What matches in the errors, once there are so many."""
        return until(
            lambda: (
                len(found := re.findall(pattern, self.errors.read_text(), re.MULTILINE)) >= count
                and found
            ),
            lambda: f"{count} of {pattern} in\n{self.errors.read_text()}",
        )

    def pids(self, count: int) -> dict[str, int]:
        found = self.wait_for(r"\| (\w+(?: \d+)?) is process (\d+)", count)
        return {name: int(pid) for name, pid in found}

    def end(self) -> int:
        return self.process.wait(LONGEST_SECS)

    @property
    def said(self) -> str:
        return self.errors.read_text()


def until(found: Callable, what: Callable[[], str]):
    end = time.monotonic() + LONGEST_SECS
    while time.monotonic() < end:
        result = found()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"Not within {LONGEST_SECS} s: {what()}")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and only not fetched yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(pids) -> None:
    until(
        lambda: not any(map(is_alive, pids)), lambda: f"the end of {list(filter(is_alive, pids))}"
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Starts the launcher with a program that is given as text; what it prints goes to `out`."""
    launched: list[Launched] = []

    def start(text: str, *options: str, arguments=(), stdout=None, before=()) -> Launched:
        (tmp_path / "program.py").write_text(BEGIN + text)
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        environment.pop("TF_CONFIG", None)
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            process = subprocess.Popen(
                [*before, *COMMAND, *options, "program.py", *arguments],
                cwd=tmp_path,
                env=environment,
                stdout=stdout or out,
                stderr=err,
                text=True,
                start_new_session=True,
            )
        launched.append(Launched(process, tmp_path / "err"))
        return launched[-1]

    yield start
    for each in launched:
        if each.process.poll() is None:
            each.process.kill()  # All that it started ends with it; a test shows that.
            each.process.wait()


class TestWhatTasksGet:
    def test_each_has_its_tf_config_and_all_have_the_arguments(self, start, tmp_path) -> None:
        text = (
            "print(json.dumps([CONFIG, sys.argv, sys.stdin.read()])); print('log', file=sys.stderr)"
        )
        options = ["--workers", "2", "--ps", "1", "--evaluator", "--timeout", "7"]
        launched = start(text, *options, arguments=["--x", "--workers", "a b"])
        assert launched.end() == 0
        lines = sorted((tmp_path / "out").read_text().splitlines())
        names = ["chief", "evaluator", "ps 0", "worker 0", "worker 1"]
        assert [line[:12] for line in lines] == [f"{name:<9} | " for name in names]
        for name, line in zip(names, lines, strict=True):
            config, arguments, stdin = json.loads(line[12:])
            assert arguments == ["program.py", "--x", "--workers", "a b"]
            assert stdin == ""
            assert {job: len(tasks) for job, tasks in config["cluster"].items()} == {
                "chief": 1,
                "worker": 2,
                "ps": 1,
            }
            assert len(set(itertools.chain(*config["cluster"].values()))) == 4
            assert config["timeout_secs"] == 7
            job, _, index = name.partition(" ")
            assert config["task"] == {"type": job, "index": int(index or 0)}
        assert launched.said.count("| log\n") == 5
        assert "chief, 2 workers, 1 parameter server, evaluator: " in launched.said
        table = launched.said.splitlines()[-7:]
        assert table[0].split() == ["launch", "|", "task", "exit", "restarts", "seconds"]
        assert len({len(line) for line in table[:-1]}) == 1  # Its columns are straight.
        assert table[-1] == "launch    | Exit status 0: all is done."

    def test_a_module(self, tmp_path, monkeypatch) -> None:
        (tmp_path / "some_module.py").write_text("import sys; print(__name__, sys.argv[1:])")
        found = subprocess.run(
            [*COMMAND, "-m", "some_module", "--ps", "1"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            capture_output=True,
            check=False,
            text=True,
            timeout=LONGEST_SECS,
        )
        assert found.stdout == "chief  | __main__ ['--ps', '1']\n"
        assert found.returncode == 0

    def test_a_dry_run_prints_commands_to_type(self, tmp_path, monkeypatch, capsys) -> None:
        monkeypatch.chdir(tmp_path)
        script = tmp_path / "it's mine.py"
        script.touch()
        options = ["--with-run", "--v2", "--also", "my_package", "--workers", "1", "--ps", "1"]
        assert main(["launch", "--dry-run", *options, script.name, "a b"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        for line, job in zip(lines, ("chief", "worker", "ps"), strict=True):
            config, *command = shlex.split(line)
            assert json.loads(config.removeprefix("TF_CONFIG="))["task"]["type"] == job
            of_run = ["-m", "tf_estimator", "run", "--v2", "--also", "my_package"]
            assert command == [sys.executable, *of_run, script.name, "a b"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Give the SCRIPT to run"),
            (["--ps", "-1", __file__], "must be a number from 0 to 999; received -1"),
            (["--timeout", "0", __file__], "must be a number above 0; received 0"),
            (["--timeout", "soon", __file__], "must be a number above 0; received soon"),
            (["no_such_file.py"], "SCRIPT must be a file that can be read; received no_such_file"),
            (["--v2", __file__], "are for --with-run"),
        ],
    )
    def test_wrong_command_lines(self, arguments, message, capsys) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["launch", *arguments])
        assert caught.value.code == 2
        assert message in " ".join(capsys.readouterr().err.split())

    def test_ports_are_free_and_no_connection_gets_them(self) -> None:
        ports = free_ports(20)
        assert len(set(ports)) == 20
        assert all(1024 < port < 32768 for port in ports)


class TestOutput:
    @pytest.mark.parametrize(
        ("pieces", "lines"),
        [
            ([b"one\ntwo\n"], [b"one", b"two"]),
            ([b"o", b"ne\r\nt", b"wo"], [b"one", b"two"]),
            ([b"one\r", b"\ntwo\r"], [b"one", b"two"]),
            ([b"\n\n"], [b"", b""]),
            ([b"\r 1%", b"\r 2%", b"\r 3%\n"], [b" 1%", b" 3%"]),  # One rewrite in a second.
            ([b"x" * 70000], [b"x" * 65536, b"x" * 4464]),
            ([], []),
        ],
    )
    def test_lines(self, pieces, lines) -> None:
        cutter = Lines(clock=lambda: 5.0)
        found = [line for piece in pieces for line in cutter.cut(piece)]
        assert [*found, *cutter.end()] == lines

    def test_what_is_no_text_and_what_has_no_end(self, start, tmp_path) -> None:
        text = r"""
sys.stdout.buffer.write(b"\xff\x00\x07 \x1b[2J\x1b[31mred \xc3\xa4\n\n   indented \nno end")
"""
        assert start(text).end() == 0
        assert (tmp_path / "out").read_bytes() == (
            b"chief  | \\xff\\x00\\x07 \\x1b[2J\x1b[31mred \xc3\xa4\x1b[0m\n"
            b"chief  |\nchief  |    indented \nchief  | no end\n"
        ).replace(b"\x1b[0m", b"")

    def test_lines_of_many_do_not_mix(self, start, tmp_path) -> None:
        text = "for n in range(2000): print(f'{n:04}', JOB * 20)"
        assert start(text, "--workers", "1", "--ps", "1").end() == 0
        found = (tmp_path / "out").read_text().splitlines()
        for name, job in (("chief   ", "chief"), ("worker 0", "worker"), ("ps 0    ", "ps")):
            own = [line for line in found if line.startswith(f"{name} | ")]
            assert own == [f"{name} | {n:04} {job * 20}" for n in range(2000)]

    def test_names_are_colored_on_a_terminal_only(self, tmp_path) -> None:
        (tmp_path / "program.py").write_text(r"print('\x1b[1mbold')")
        for no_color in ("", "1"):
            terminal, end = pty.openpty()
            with os.fdopen(terminal, "rb", buffering=0) as shown:
                environment = {**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm"}
                process = subprocess.Popen(
                    [*COMMAND, "program.py"],
                    cwd=tmp_path,
                    env={**environment, "NO_COLOR": no_color},
                    stdout=end,
                    stderr=subprocess.DEVNULL,
                )
                os.close(end)
                text = b""
                with contextlib.suppress(OSError):  # So a terminal says that it is the end.
                    while data := shown.read(1024):
                        text += data
                assert process.wait(LONGEST_SECS) == 0
            if no_color:
                assert text == b"chief  | \x1b[1mbold\r\n"
            else:
                assert text == b"\x1b[33mchief  | \x1b[0m\x1b[1mbold\x1b[0m\r\n"

    def test_nobody_reads_on(self, start) -> None:
        reading, writing = os.pipe()
        launched = start("while True: print('more')", "--workers", "1", stdout=writing)
        os.close(writing)
        pids = launched.pids(2)
        os.close(reading)
        assert launched.end() == 1
        all_gone(pids.values())


class TestRestarts:
    def test_with_parameter_servers_only_the_one_that_failed(self, start) -> None:
        text = """
if JOB == "worker" and FIRST: os.kill(os.getpid(), signal.SIGKILL)
if JOB == "worker": pathlib.Path("again").touch()
wait_for("again")
"""
        launched = start(text, "--workers", "1", "--ps", "1")
        assert launched.end() == 0
        assert "worker 0 was ended by SIGKILL; it starts again (restart 1 of 3)" in launched.said
        assert re.search(r"worker 0  0 +1 ", launched.said)
        assert re.search(r"chief     0 +0 ", launched.said)

    def test_without_them_all_that_train(self, start) -> None:
        text = """
if JOB == "worker" and INDEX == 1 and FIRST: wait_for("worker0.began"); sys.exit(75)
if JOB == "worker" and INDEX == 0 and FIRST: sleep()
if JOB == "worker": pathlib.Path(f"again{INDEX}").touch()
wait_for("again0"), wait_for("again1")
"""
        launched = start(text, "--workers", "2", "--evaluator")
        assert launched.end() == 0
        assert (
            "worker 1 ended with exit code 75; all 3 training tasks start again (restart 1 of 3)"
            in launched.said
        )
        for name, restarts in (("chief", 1), ("worker 0", 1), ("worker 1", 1), ("evaluator", 0)):
            assert re.search(rf"{name:<9}  0 +{restarts} ", launched.said)

    def test_they_are_bounded_and_then_all_end(self, start, tmp_path) -> None:
        text = "if JOB == 'worker': print('fails'), sys.exit(3)\nsleep()"
        launched = start(text, "--workers", "1", "--ps", "1", "--max-restarts", "2")
        assert launched.end() == 3
        assert (tmp_path / "out").read_text() == "worker 0 | fails\n" * 3
        assert "Exit status 3: worker 0 ended with exit code 3 after 2 restarts." in launched.said
        assert re.search(r"chief     143 \(stopped\) +0 ", launched.said)

    @pytest.mark.parametrize(
        ("text", "status"),
        [("sys.exit(75)", 75), ("os.kill(os.getpid(), signal.SIGSEGV)", 139), ("1 / 0", 1)],
    )
    def test_the_exit_status_is_that_of_the_task(self, text, status, start) -> None:
        assert start(text, "--max-restarts", "0").end() == status

    def test_a_wrong_command_line_is_wrong_again(self, start) -> None:
        launched = start(
            "import argparse; argparse.ArgumentParser().parse_args()", arguments=["-x"]
        )
        assert launched.end() == 2
        assert "chief ended with exit code 2, as with a wrong command line" in launched.said

    def test_parameter_servers_that_never_end_are_ended(self, start) -> None:
        text = "if JOB == 'ps': sleep()"
        launched = start(text, "--workers", "1", "--ps", "2", "--grace", "0.2")
        assert launched.end() == 0
        assert "All others are done, and so ps 0, ps 1 is ended." in launched.said

    @pytest.mark.parametrize(
        ("status", "job", "given", "expected"),
        [
            (0, "chief", {}, Verdict.DONE),
            (1, "chief", {}, Verdict.AGAIN),
            (2, "chief", {}, Verdict.FAILED),
            (1, "worker", {"restarts": 3}, Verdict.FAILED),
            (75, "worker", {"is_gang": True}, Verdict.ALL_AGAIN),
            (75, "evaluator", {"is_gang": True}, Verdict.AGAIN),
            (75, "worker", {"is_done": True}, Verdict.DONE),  # Its peers went, as they were done.
            (1, "worker", {"is_done": True}, Verdict.TOO_LATE),
            (1, "ps", {"is_done": True, "restarts": 3}, Verdict.TOO_LATE),
            (1, "evaluator", {"is_done": True}, Verdict.AGAIN),
        ],
    )
    def test_verdicts(self, status, job, given, expected) -> None:
        usual = {"restarts": 0, "is_gang": False, "is_done": False}
        assert rules.verdict(status, job, most_restarts=3, **(usual | given)) is expected

    def test_the_first_is_at_once_and_the_next_are_later_and_later(self) -> None:
        assert [rules.delay_secs(n) for n in (1, 2, 3, 4, 99)] == [0, 1, 2, 4, 30]


# A task that ignores SIGTERM, and one whose child does.
STUBBORN = """
if JOB == "chief": signal.signal(signal.SIGTERM, signal.SIG_IGN)
if JOB == "worker":
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code])
    print("child", child.pid, file=sys.stderr)
print("ready")
sleep()
"""


class TestTheEnd:
    @pytest.mark.parametrize(
        ("number", "status", "name"),
        [(signal.SIGINT, 130, "SIGINT"), (signal.SIGTERM, 143, "SIGTERM")],
    )
    def test_a_signal_ends_all_with_what_they_started(
        self, number, status, name, start, tmp_path
    ) -> None:
        launched = start(STUBBORN, "--workers", "1", "--ps", "1", "--grace", "0.3")
        [child] = launched.wait_for(r"child (\d+)")
        pids = [*launched.pids(3).values(), int(child)]
        until(lambda: (tmp_path / "out").read_text().count("ready") == 4, lambda: "all ready")
        assert all(map(is_alive, pids))
        launched.process.send_signal(number)
        assert launched.end() == status
        assert not any(map(is_alive, pids))
        assert f"Exit status {status}: It was ended by {name}." in launched.said
        assert re.search(r"chief     137 \(killed\)", launched.said)
        assert re.search(r"ps 0      143 \(stopped\)", launched.said)

    def test_the_second_signal_kills_at_once(self, start, tmp_path) -> None:
        launched = start(STUBBORN, "--grace", "50")
        until(lambda: "ready" in (tmp_path / "out").read_text(), lambda: "ready")
        launched.process.send_signal(signal.SIGINT)
        launched.wait_for("once more kills")
        began = time.monotonic()
        launched.process.send_signal(signal.SIGINT)
        assert launched.end() == 130
        assert time.monotonic() - began < 20

    def test_a_task_that_is_frozen_ends_too(self, start, tmp_path) -> None:
        text = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\nprint('ready')\nsleep()"
        launched = start(text, "--grace", "50")
        until(lambda: "ready" in (tmp_path / "out").read_text(), lambda: "ready")
        os.kill(launched.pids(1)["chief"], signal.SIGSTOP)
        launched.process.terminate()
        assert launched.end() == 143
        assert "chief  4 (stopped)" in launched.said

    def test_tasks_do_not_outlive_a_launcher_that_is_killed(self, start) -> None:
        if not sys.platform.startswith("linux"):
            pytest.skip("Only Linux ends a process with the one that started it.")
        launched = start("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsleep()", "--workers", "1")
        pids = launched.pids(2)
        launched.process.kill()
        launched.end()
        all_gone(pids.values())

    def test_what_a_task_leaves_behind_ends_before_it_starts_again(self, start, tmp_path) -> None:
        text = """
if not FIRST:
    import psutil
    number = int(pathlib.Path("child").read_text())
    sys.exit(psutil.pid_exists(number) and psutil.Process(number).status() != "zombie")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("child").write_text(str(child.pid))
sys.exit(1)
"""
        launched = start(text, "--max-restarts", "1")
        assert launched.end() == 0
        assert not is_alive(int((tmp_path / "child").read_text()))

    def test_nohup_is_kept(self, start, tmp_path) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            launched = start("print('ready'), wait_for('go')")
        finally:
            signal.signal(signal.SIGHUP, before)
        until(lambda: "ready" in (tmp_path / "out").read_text(), lambda: "ready")
        launched.process.send_signal(signal.SIGHUP)
        (tmp_path / "go").touch()
        assert launched.end() == 0


# The worker is killed at its first step, and the chief waits for it to come again.
TRAINING = """
import tensorflow as tf
v1 = tf.compat.v1

def model_fn(features, labels, mode):
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean((w - features) ** 2)
    train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

class Step(tf.estimator.SessionRunHook):
    def after_run(self, run_context, run_values):
        if JOB == "worker" and FIRST: os.kill(os.getpid(), signal.SIGKILL)
        if JOB == "worker": pathlib.Path("again").touch()
        if JOB == "chief": wait_for("again")

def input_fn():
    return tf.data.Dataset.from_tensors(2.0).repeat(None if JOB != "evaluator" else 1)

config = tf.estimator.RunConfig(
    sys.argv[1], save_checkpoints_steps=20, experimental_max_worker_delay_secs=0
)
tf.estimator.train_and_evaluate(
    tf.estimator.Estimator(model_fn, config=config),
    tf.estimator.TrainSpec(input_fn, max_steps=50, hooks=[Step()]),
    tf.estimator.EvalSpec(input_fn, steps=None, start_delay_secs=0, throttle_secs=1),
)
"""


@pytest.mark.slow
def test_a_cluster_trains_and_a_worker_that_is_killed_comes_again(start, tmp_path) -> None:
    options = ["--with-run", "--v2", "--workers", "1", "--ps", "1", "--evaluator"]
    before = [sys.executable, "-c", APART]
    launched = start(TRAINING, *options, arguments=["model"], before=before)
    assert launched.end() == 0, launched.said
    assert "worker 0 was ended by SIGKILL; it starts again (restart 1 of 3)" in launched.said
    [table] = re.findall(r"\| task +exit.*?Exit", launched.said, re.DOTALL)
    assert re.findall(r"\| (\w+(?: \d)?) +(\d+) +(\d) ", table) == [
        ("chief", "0", "0"),
        ("worker 0", "0", "1"),
        ("ps 0", "0", "0"),
        ("evaluator", "0", "0"),
    ]
    saved = list((tmp_path / "model").glob("model.ckpt-5*.index"))
    assert saved
    assert list((tmp_path / "model" / "eval").glob("events.*"))
