"""Measures speed and memory side by side: ours, the original, Session, Keras and others.

Processes train the same models on the same data, predict and evaluate, and take turns at it; see
contest/ for the models and contestants, and docs/performance.md for how it is measured.
"""

import argparse
import sys

from contest import command, machine, race, report
from contest.contestants import CONTESTANTS, TASKS
from contest.models import MODELS


def _arguments() -> argparse.Namespace:
    parser = command.parser("speed", __doc__, [*TASKS, *MODELS, *CONTESTANTS])
    parser.add_argument(
        "--quick", action="store_true", help="the MLP in few and short turns, to see that it works"
    )
    parser.add_argument(
        "--with-rivals",
        action="store_true",
        help="has scripts/benchmark install PyTorch, Lightning and JAX",
    )
    command.add_environment(parser, "rivals", "with PyTorch and JAX")
    return parser.parse_args()


def _plan(arguments: argparse.Namespace) -> race.Plan:
    only = set(arguments.only)
    if arguments.quick and not only & set(MODELS):
        only.add("mlp")
    return race.Plan(
        command.pythons(arguments),
        processes=arguments.processes or (1 if arguments.quick else 3),
        turns=arguments.turns or (1 if arguments.quick else 5),
        steps=200 if arguments.quick else 1_000_000,
        only=frozenset(only),
    )


def main() -> None:
    """Measures, or loads what was measured, and shows it."""
    arguments = _arguments()
    if arguments.load:
        about, results = race.load(arguments.load)
    else:
        plan = _plan(arguments)
        load = machine.load()
        results = race.run(plan, command.progress())
        print(file=sys.stderr)
        about = machine.about()
        turns = f"{plan.processes} processes of each, up to {plan.turns} turns and one to warm up"
        about["measured"] = turns
        about["load average before"] = load
    if arguments.json:
        race.save(arguments.json, about, results)
    print(report.table(results))
    if arguments.write:
        for path in report.write(arguments.docs, about, results):
            print(f"Wrote {path}")
    if any(result.failed for result in results):
        sys.exit("A contestant failed: see above.")


if __name__ == "__main__":
    main()
