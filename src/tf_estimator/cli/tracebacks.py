"""The traceback of a program that `tf-estimator run` runs, without what is not of it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import tf_estimator.compat

_MACHINERY = Path(tf_estimator.compat.__file__).parent


def show_only_program(runner: str) -> None:
    """Has Python, when it ends by an exception, show of its traceback what is of the program.

    The hook that there is then, the program's own maybe, is called with it.

    Args:
        runner: the file whose frame is the last before the program's.
    """
    show = sys.excepthook

    def show_program(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> Any:
        del traceback
        trim(error, runner)
        return show(kind, error, error.__traceback__)

    sys.excepthook = show_program


def trim(error: BaseException, runner: str) -> None:
    """Takes frames that are not of the program out of the tracebacks of an exception.

    These are all up to the last one of `runner`, and those that lead its imports; and so in the
    exceptions that it was raised from.

    Args:
        error: is changed.
        runner: the file whose frame is the last before the program's.
    """
    for each in _chain(error):
        entries = list(_entries(each.__traceback__))
        last = max((n for n, one in enumerate(entries) if _file(one) == runner), default=-1)
        entries = [one for one in entries[last + 1 :] if not _is_machinery(_file(one))]
        # What is left of a search for a module that the program did not start itself.
        while last >= 0 and entries and _is_of_search(_file(entries[0])):
            del entries[0]
        each.__traceback__ = _linked(entries)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, those that it was raised from, and those that a group has."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _linked(entries: list[TracebackType]) -> TracebackType | None:
    link: Callable[..., TracebackType] = TracebackType
    linked: TracebackType | None = None
    for one in reversed(entries):
        linked = link(linked, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return linked


def _file(entry: TracebackType) -> str:
    return entry.tb_frame.f_code.co_filename


def _is_machinery(file: str) -> bool:
    """Whether it is right in the folder of what is brought; what it brings is deeper."""
    path = Path(file)
    return path.parent == _MACHINERY or path == _MACHINERY / "contrib" / "__init__.py"


def _is_of_search(file: str) -> bool:
    return file.startswith("<frozen importlib.") or Path(file).parent.name == "importlib"
