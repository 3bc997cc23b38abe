"""`tf-estimator launch SCRIPT ARGS...`: runs a program as a cluster on this machine."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tf_estimator.cli.arguments import number, seconds
from tf_estimator.cli.launching.plan import Plan, Task
from tf_estimator.cli.launching.ports import free_ports
from tf_estimator.cli.launching.screen import Screen
from tf_estimator.cli.launching.supervisor import Settings, Supervisor
from tf_estimator.cli.launching.table import table

DESCRIPTION = """\
Runs a program as a cluster on this machine: a chief, and with it as many workers,
parameter servers and evaluators as asked for. Each is a process of its own with
the same command line, and a TF_CONFIG that says which task it is. So a program
that calls train_and_evaluate needs no change; all tasks have to get the same
model_dir.

  --workers 2 --ps 1   a chief, 2 workers, 1 parameter server
  --workers 2          a chief and 2 workers, for MultiWorkerMirroredStrategy
  --evaluator          and a task that evaluates each checkpoint

Each line of output has the name of its task before it; what they print goes to
the output, and what they log to the errors. At the end there is a table.
"""
EPILOG = """\
restarts: a task that fails starts again, up to --max-restarts times, at first at
once and then after 1, 2, 4, ... seconds. With parameter servers, and of the
evaluator, only that one; without, all training tasks do, as none can go on alone.
Exit code 2, that of a wrong command line, is final. If a task fails for good, all
are ended: by SIGTERM, and by SIGKILL after --grace seconds, with all that they
started. Ctrl-C and SIGTERM do that, too; a second one kills at once.

exit status:
  0      all tasks ended with 0
  N      the first task that failed for good did with N; 75 is that of a task whose
         peers were out of reach
  128+N  it was ended by signal N, or launch was: 130 after Ctrl-C
  2      the command line is wrong

examples:
  tf-estimator launch --workers 2 --ps 1 --evaluator train.py --model_dir=/tmp/model
  tf-estimator launch --workers 1 --ps 1 --with-run -m my_program.train
  tf-estimator launch --workers 2 --ps 1 --dry-run train.py
"""
_PROGRAM = "(SCRIPT | -m MODULE) [ARGS ...]"


def add_to(commands: Any) -> None:
    """Adds the command to the parser's."""
    parser = commands.add_parser(
        "launch",
        help="run a program as a cluster on this machine",
        usage=f"tf-estimator launch [-h] [--workers N] [--ps N] [--evaluator] [...] {_PROGRAM}",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    count: Any = {"metavar": "N", "type": number}
    secs: Any = {"metavar": "SECS", "type": seconds}
    parser.add_argument("--workers", default=0, help="workers besides the chief", **count)
    parser.add_argument("--ps", default=0, help="parameter servers", **count)
    parser.add_argument("--evaluator", action="store_true", help="an evaluator")
    parser.add_argument(
        "--max-restarts",
        default=3,
        help="how often a task, or all without --ps, may start again; by default 3",
        **count,
    )
    parser.add_argument(
        "--timeout",
        default=60.0,
        help="timeout_secs of TF_CONFIG: how long a task may be out of reach before the others "
        "give up; by default 60, in which it can start again",
        **secs,
    )
    parser.add_argument(
        "--grace",
        default=10.0,
        help="how long a task has to end before it is killed; by default 10",
        **secs,
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the command of each task, and start nothing"
    )
    parser.add_argument(
        "--with-run", action="store_true", help="start each task as `tf-estimator run` does"
    )
    parser.add_argument("--v2", action="store_true", help="with --with-run: its --v2")
    parser.add_argument(
        "--also", metavar="PACKAGE", action="append", help="with --with-run: its --also"
    )
    parser.add_argument(
        "-m",
        dest="module",
        metavar="MODULE",
        nargs=argparse.REMAINDER,
        help="run a module, as python -m does, with the rest as its arguments",
    )
    parser.add_argument(
        "script", metavar="SCRIPT", nargs=argparse.REMAINDER, help="a file and its arguments"
    )
    parser.set_defaults(run=run, error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    if os.name != "posix":
        arguments.error("It needs Linux or macOS.")
    command = list(_command(arguments))
    plan = Plan(arguments.workers, arguments.ps, arguments.evaluator, arguments.timeout)
    tasks = list(plan.tasks(free_ports(sum(plan.sizes.values()))))
    if arguments.dry_run:
        for task in tasks:
            print(_as_typed(task, command))  # noqa: T201 - the output
        return 0
    screen = Screen(["launch", *(task.name for task in tasks)], os.environ)
    screen.say(f"{plan}: {shlex.join(command)}")
    if plan.is_gang:
        screen.say("Without --ps, the program has to train with MultiWorkerMirroredStrategy.")
    settings = Settings(
        command,
        {**os.environ, "PYTHONUNBUFFERED": "1"},  # Else a pipe gets what is printed at the end.
        most_restarts=arguments.max_restarts,
        grace_secs=arguments.grace,
        is_gang=plan.is_gang,
    )
    supervisor = Supervisor(tasks, settings, screen)
    status = supervisor.run()
    for line in table(supervisor.runs):
        screen.say(line)
    screen.say(f"Exit status {status}: {supervisor.reason or 'all is done.'}")
    return status


def _command(arguments: argparse.Namespace) -> Iterator[str]:
    """The command line of a task."""
    parts = arguments.script if arguments.module is None else arguments.module
    if not parts:
        arguments.error("Give the SCRIPT to run, or -m and a MODULE.")
    if arguments.module is None and not Path(parts[0]).exists():
        arguments.error(f"SCRIPT must be a file that can be read; received {parts[0]}.")
    yield sys.executable
    if arguments.with_run:
        yield from ("-m", "tf_estimator", "run")
        if arguments.v2:
            yield "--v2"
        for package in arguments.also or ():
            yield from ("--also", package)
    elif arguments.v2 or arguments.also:
        arguments.error("--v2 and --also are for --with-run.")
    if arguments.module is not None:
        yield "-m"
    yield from parts


def _as_typed(task: Task, command: list[str]) -> str:
    return f"TF_CONFIG={shlex.quote(task.tf_config)} {shlex.join(command)}"
