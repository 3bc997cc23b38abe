"""Which exports of a folder to keep: rules that take a list of paths and give back some of it.

They were for exporters of one's own, as in `for path in negation(largest_export_versions(5))(
get_paths(folder, parser)): delete(path.path)`.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator._checks import callable_, positive


class Path(NamedTuple):
    """An export.

    Attributes:
        path: of its folder.
        export_version: a number that grows; None before a parser has found it.
    """

    path: str
    export_version: int | None


Rule = Callable[[Iterable[Path]], list[Path]]


def largest_export_versions(n: int) -> Rule:
    """A rule that keeps the `n` exports of the largest versions."""

    def rule(paths: Iterable[Path]) -> list[Path]:
        # Of two of the same version the first counts as the larger one.
        newest = sorted(enumerate(paths), key=lambda each: (each[1].export_version, -each[0]))
        return sorted(path for _, path in newest[max(len(newest) - n, 0) :])

    return rule


def one_of_every_n_export_versions(n: int) -> Rule:
    """A rule that keeps the last export of each interval of versions (0, n], (n, 2n] and so on."""
    positive("n", n)

    def rule(paths: Iterable[Path]) -> list[Path]:
        last: dict[int, Path] = {}
        for path in sorted(paths, key=_version):
            # Version 0 is of the first interval.
            last[max(_version(path) - 1, 0) // n] = path
        return sorted(last.values())

    return rule


def mod_export_version(n: int) -> Rule:
    """A rule that keeps the exports whose versions `n` divides."""
    positive("n", n)
    return lambda paths: sorted(path for path in paths if _version(path) % n == 0)


def union(left: Rule, right: Rule) -> Rule:
    """A rule that keeps what one of two keeps."""

    def rule(paths: Iterable[Path]) -> list[Path]:
        given = list(paths)
        return sorted({*left(given), *right(given)})

    return rule


def negation(inner: Rule) -> Rule:
    """A rule that keeps what another does not."""

    def rule(paths: Iterable[Path]) -> list[Path]:
        given = list(paths)
        return sorted(set(given) - set(inner(given)))

    return rule


def get_paths(base_dir: str, parser: Callable[[Path], Path | None]) -> list[Path]:
    """What is in a folder, as a parser tells it.

    Args:
        base_dir: the folder.
        parser: takes a Path without export_version, and returns one with it, or None for what is
            no export.

    Returns:
        The exports, sorted.
    """
    callable_("parser", parser)
    names: Iterable[Any] = tf.io.gfile.listdir(base_dir)
    folders = (os.path.join(base_dir, tf.compat.as_str_any(name).rstrip("/")) for name in names)
    return sorted(filter(None, (parser(Path(folder, None)) for folder in folders)))


def _version(path: Path) -> int:
    assert path.export_version is not None
    return path.export_version
