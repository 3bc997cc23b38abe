"""Measures speed and memory side by side: ours, the original, Session, Keras and others.

Processes train the same models on the same data, predict and evaluate, and take turns at it; see
contest/ for the models and contestants, and docs/performance.md for how it is measured.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from contest import machine, race, report
from contest.contestants import CONTESTANTS, TASKS
from contest.models import MODELS

ROOT = Path(__file__).parents[1]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark speed", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    names = [*TASKS, *MODELS, *CONTESTANTS]
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=names,
        metavar="NAME",
        help="only these tasks, models and contestants: " + ", ".join(names),
    )
    parser.add_argument(
        "--quick", action="store_true", help="the MLP in few and short turns, to see that it works"
    )
    parser.add_argument("--processes", type=int, help="of each contestant; default: 3")
    parser.add_argument("--turns", type=int, help="of each process; default: 5, of long tasks 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes all that was measured")
    parser.add_argument("--load", type=Path, metavar="FILE", help="shows what --json wrote")
    parser.add_argument(
        "--write", action="store_true", help="writes docs/performance.md and its pictures"
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help=argparse.SUPPRESS)
    parser.add_argument(
        "--with-rivals",
        action="store_true",
        help="has scripts/benchmark install PyTorch, Lightning and JAX",
    )
    for name, what in [("original", "with TensorFlow 2.15"), ("rivals", "with PyTorch and JAX")]:
        parser.add_argument(
            f"--{name}",
            default=str(ROOT / f".venv-{name}" / "bin" / "python"),
            help=f"a Python {what}; default: the environment that scripts/benchmark makes",
        )
    return parser.parse_args()


def _plan(arguments: argparse.Namespace) -> race.Plan:
    pythons = {"ours": sys.executable}
    for name in ("original", "rivals"):
        python = getattr(arguments, name)
        pythons[name] = python if Path(python).exists() else ""
    only = set(arguments.only)
    if arguments.quick and not only & set(MODELS):
        only.add("mlp")
    return race.Plan(
        pythons,
        processes=arguments.processes or (1 if arguments.quick else 3),
        turns=arguments.turns or (1 if arguments.quick else 5),
        steps=200 if arguments.quick else 1_000_000,
        only=frozenset(only),
    )


def _progress() -> Callable[[str], None]:
    """One line that changes on a terminal; else a line for each process that starts."""
    start = time.monotonic()

    def show(where: str) -> None:
        seconds = int(time.monotonic() - start)
        line = f"{seconds // 60}:{seconds % 60:02d} {where}"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        elif where.endswith("starting"):
            print(line, file=sys.stderr, flush=True)

    return show


def main() -> None:
    """Measures, or loads what was measured, and shows it."""
    arguments = _arguments()
    if arguments.load:
        about, results = race.load(arguments.load)
    else:
        plan = _plan(arguments)
        load = machine.load()
        results = race.run(plan, _progress())
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
