"""The command `tf-estimator`, which `python -m tf_estimator` is, too.

Each subcommand is a module with a function `add_to`, which adds it to the parser. What one needs it
imports when it runs, so that others start at once, and `check` without TensorFlow.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from tf_estimator import __version__
from tf_estimator.cli import check, cluster, launch, run

_COMMANDS = (check, cluster, launch, run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: what follows its name; by default those of the process.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="tf-estimator", description="Tools around the Estimator API."
    )
    parser.add_argument("--version", action="version", version=f"tf-estimator {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    parsed = parser.parse_args(arguments)
    if parsed.run is run.run:  # Streams and errors are the program's, as Python has them.
        return run.run(parsed, is_own_process=arguments is None)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Names of files can be any bytes.
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:  # As in `tf-estimator check . | head`: nobody reads on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status
