"""Processes that a program starts through `multiprocessing` are brought what it was brought.

One that is forked has it. One that is spawned imports the program's main module anew: what it is
sent for that begins with an object here, which prepares the process when it is unpickled.
"""

import contextlib
from collections.abc import Callable
from multiprocessing import spawn
from typing import Any


class _Preparation:
    """Is unpickled as what a function returns."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function, self._arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._function, self._arguments


def prepare_by(undo: contextlib.ExitStack, function: Callable[..., Any], *arguments: Any) -> None:
    """Has processes that are spawned from now on call `function` before anything else.

    Args:
        undo: gets what undoes it.
        function: of a module that the process can import.
        arguments: what can be pickled.
    """
    data = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        return {**data(name), "tf_estimator": _Preparation(function, arguments)}

    spawn.get_preparation_data = get_preparation_data
    undo.callback(setattr, spawn, "get_preparation_data", data)
