"""What the commands that measure have in common: their options, and saying where they are."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def parser(name: str, about: str | None, names: Iterable[str]) -> argparse.ArgumentParser:
    """A parser with the options that all have.

    Args:
        name: of the benchmark.
        about: the docstring of its program.
        names: what `--only` can be given.
    """
    result = argparse.ArgumentParser(
        prog=f"scripts/benchmark {name}", description=(about or "").split("\n\n", maxsplit=1)[0]
    )
    names = list(names)
    result.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=names,
        metavar="NAME",
        help="only these of each kind: " + ", ".join(names),
    )
    result.add_argument("--processes", type=int, help="of each, one after the other")
    result.add_argument("--turns", type=int, help="of each process")
    result.add_argument("--json", type=Path, metavar="FILE", help="writes all that was measured")
    result.add_argument("--load", type=Path, metavar="FILE", help="shows what --json wrote")
    result.add_argument("--write", action="store_true", help="writes the page and its pictures")
    result.add_argument("--docs", type=Path, default=ROOT / "docs", help=argparse.SUPPRESS)
    add_environment(result, "original", "with TensorFlow 2.15")
    return result


def add_environment(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """Adds an option for the interpreter of one environment."""
    parser.add_argument(
        f"--{name}",
        default=str(ROOT / f".venv-{name}" / "bin" / "python"),
        help=f"a Python {what}; default: the environment that scripts/benchmark makes",
    )


def pythons(arguments: argparse.Namespace) -> dict[str, str]:
    """The interpreter of each environment; "" if there is none."""
    found = {"ours": sys.executable}
    for name in ("original", "rivals"):
        python = getattr(arguments, name, "")
        found[name] = python if Path(python).exists() else ""
    return found


def progress() -> Callable[[str], None]:
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
