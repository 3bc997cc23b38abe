"""Measures what it costs to distribute: parameter servers and replicas, ours and the original's.

Each way to train is one or more processes; all of them run side by side and take turns. See
contest/cluster/ for the ways, and docs/performance-cluster.md for how it is measured.
"""

import argparse
import signal
import sys
from types import FrameType

from contest import command, machine, race
from contest.cluster import group, report
from contest.cluster.setups import PACKAGES, SETUPS, SIZES


def _arguments() -> argparse.Namespace:
    parser = command.parser("cluster", __doc__, [*SETUPS, *SIZES, *PACKAGES])
    parser.add_argument(
        "--quick", action="store_true", help="one size in few and short turns, to see that it works"
    )
    return parser.parse_args()


def _plan(arguments: argparse.Namespace) -> group.Plan:
    only = set(arguments.only)
    if arguments.quick and not only & set(SIZES):
        only.add("1e5")
    return group.Plan(
        command.pythons(arguments),
        processes=arguments.processes or 1,
        turns=arguments.turns or (2 if arguments.quick else 3),
        at_most=0.5 if arguments.quick else 60.0,
        only=frozenset(only),
    )


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Measures, or loads what was measured, and shows it."""
    arguments = _arguments()
    if arguments.load:
        about, results = race.load(arguments.load)
    else:
        plan = _plan(arguments)
        load = machine.load()
        signal.signal(signal.SIGTERM, _end)  # The processes end with this one, however it ends.
        apart = group.go_apart()
        results = group.run(plan, command.progress())
        print(file=sys.stderr)
        about = machine.about()
        about["measured"] = f"{plan.turns} turns of each and one to warm up, {plan.processes} times"
        about["network"] = "loopback, " + ("alone" if apart else "in the network of the machine")
        about["load average before"] = load
    if arguments.json:
        race.save(arguments.json, about, results)
    print(report.table(results))
    if arguments.write:
        for path in report.write(arguments.docs, about, results):
            print(f"Wrote {path}")
    if any(result.failed for result in results):
        sys.exit("Some failed: see above.")


if __name__ == "__main__":
    main()
