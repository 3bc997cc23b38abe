"""`tf-estimator cluster`: reads TF_CONFIG and asks the other tasks, or makes it from SLURM's."""

import argparse
import importlib
import json
import os
import sys
from typing import Any

from tf_estimator.cli.arguments import number, seconds
from tf_estimator.cli.clusters import slurm

DESCRIPTION = """\
With --check, it reads TF_CONFIG as a program would, and says in plain words which
task this is, what is wrong, and whether the other tasks answer. It trains nothing
and starts no server, so run it before the program, or beside it:

  TF_CONFIG='{...}' tf-estimator cluster --check --wait 60

With --slurm, it prints the TF_CONFIG of a task that srun has started, from the
variables that SLURM set. Of the tasks, node by node, the first is the chief, the
last the evaluator, those before it are parameter servers, and the rest workers:

  srun bash -c 'TF_CONFIG=$(tf-estimator cluster --slurm --ps 1) || exit
                export TF_CONFIG; exec python train.py'
"""
EPILOG = """\
exit status of --check: 0 if nothing is wrong and all others answer, else 1. Of
--slurm: 0, or 1 if there are no such variables or too few tasks. 2 if the command
line is wrong.
"""


def add_to(commands: Any) -> None:
    """Adds the command to the parser's."""
    parser = commands.add_parser(
        "cluster",
        help="tell what TF_CONFIG says and who answers, or make one from SLURM's variables",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="look at TF_CONFIG")
    what.add_argument("--slurm", action="store_true", help="print TF_CONFIG")
    parser.add_argument(
        "--wait",
        metavar="SECS",
        type=seconds,
        help="with --check: how long to ask until all others answer; by default once",
    )
    parser.add_argument("--ps", metavar="N", type=number, help="with --slurm: parameter servers")
    parser.add_argument("--evaluator", action="store_true", help="with --slurm: an evaluator")
    parser.add_argument(
        "--timeout", metavar="SECS", type=seconds, help="with --slurm: timeout_secs of TF_CONFIG"
    )
    parser.add_argument(
        "--port-base",
        metavar="N",
        type=int,
        help="with --slurm: the first port on each node; by default it depends on the job",
    )
    parser.set_defaults(run=run, error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    of_slurm = (arguments.ps, arguments.timeout, arguments.port_base)
    if arguments.check and (arguments.evaluator or any(each is not None for each in of_slurm)):
        arguments.error("--ps, --evaluator, --timeout and --port-base are for --slurm.")
    if arguments.slurm and arguments.wait is not None:
        arguments.error("--wait is for --check.")
    if arguments.port_base is not None and not 1024 <= arguments.port_base <= 65000:
        arguments.error(f"--port-base must be from 1024 to 65000; received {arguments.port_base}.")
    return _print_tf_config(arguments) if arguments.slurm else _check(arguments)


def _check(arguments: argparse.Namespace) -> int:
    # TensorFlow comes with it, which `launch` and `check` do without.
    module = importlib.import_module("tf_estimator.cli.clusters.report")
    found = module.report(os.environ, arguments.wait or 0.0)
    for line in found.text():
        print(line)  # noqa: T201 - the output
    return int(bool(found.problems))


def _print_tf_config(arguments: argparse.Namespace) -> int:
    try:
        tf_config = slurm.tf_config(
            os.environ,
            parameter_servers=arguments.ps or 0,
            has_evaluator=arguments.evaluator,
            timeout_secs=arguments.timeout,
            port_base=arguments.port_base,
        )
    except slurm.SlurmError as error:
        sys.stderr.write(f"tf-estimator cluster --slurm: {error}\n")
        return 1
    print(json.dumps(tf_config))  # noqa: T201 - the output
    return 0
