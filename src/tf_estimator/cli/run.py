"""`tf-estimator run SCRIPT ARGS...`: runs a program of TensorFlow 1 or 2 as it is."""

import argparse
import builtins
import contextlib
import functools
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

from tf_estimator.cli import tracebacks

DESCRIPTION = """\
Runs a program that was written for TensorFlow 1 or 2, and for tf.estimator, as it
is. Its arguments, the modules beside it and its exit status are as with `python`.

In the files of the program, `import tensorflow` means TensorFlow 1: tf.compat.v1,
tf.estimator, what there is of tf.contrib, and tf.layers and tf.nn.rnn_cell if
tf-keras is installed. TensorFlow then behaves as version 1. Installed packages
see the TensorFlow that is installed, with tf.estimator. Names that Python and
NumPy have removed, as np.bool, are there.

With --v2, TensorFlow is as it is, and has tf.estimator.
"""
EPILOG = """\
`tf-estimator check` tells beforehand what a program needs.

examples:
  tf-estimator run train.py --model_dir=/tmp/model
  tf-estimator run --v2 train.py
  tf-estimator run -m my_program.train --model_dir=/tmp/model
"""


def add_to(commands: Any) -> None:
    """Adds the command to the parser's."""
    parser = commands.add_parser(
        "run",
        help="run a program of TensorFlow 1 or 2 as it is",
        usage="tf-estimator run [-h] [--v2] [--also PACKAGE] (SCRIPT | -m MODULE) [ARGS ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--v2", action="store_true", help="leave TensorFlow as it is: the program is for version 2"
    )
    parser.add_argument(
        "--also",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="an installed package that is for TensorFlow 1, too; may be given several times",
    )
    parser.add_argument(
        "-m",
        dest="module",
        metavar="MODULE",
        nargs=argparse.REMAINDER,
        help="run a module, as python -m does, with the rest as its arguments",
    )
    parser.add_argument(
        "script",
        metavar="SCRIPT",
        nargs=argparse.REMAINDER,
        help="a file, or a folder with a __main__.py, and its arguments",
    )
    parser.set_defaults(run=run, error=parser.error)


def run(arguments: argparse.Namespace, *, is_own_process: bool) -> int:
    """Runs the command.

    What the program raises, SystemExit as well, comes out of here.

    Args:
        arguments: those of the parser.
        is_own_process: whether the process ends with the program. Then nothing is undone, for
            threads and `atexit` may still need it, and the traceback is that of the program.
    """
    parts = arguments.script if arguments.module is None else arguments.module
    if not parts:
        arguments.error("Give the SCRIPT to run, or -m and a MODULE.")
    name, *rest = parts
    undo = contextlib.ExitStack()
    programs = importlib.import_module("tf_estimator.compat.programs")
    surround = functools.partial(programs.surround, undo, of_version_1=not arguments.v2)
    try:
        if arguments.module is None:
            path = _script_of(name, arguments.error)
            surround(packages=arguments.also)
            run_script(undo, Place(parts, str(path.resolve().parent), is_own_process), path)
        else:
            surround(packages=[*arguments.also, name.partition(".")[0]])
            place = Place(["-m", *rest], str(Path.cwd()), is_own_process)
            run_module(undo, place, name, arguments.error)
    except BaseException:
        if is_own_process:
            tracebacks.show_only_program(__file__)
        raise
    finally:
        if not is_own_process:
            undo.close()
    return 0


def _script_of(name: str, refuse: Callable[[str], NoReturn]) -> Path:
    """The file to run."""
    path = Path(name)
    if path.is_dir():
        path /= "__main__.py"
    if not path.is_file():
        refuse(f"SCRIPT must be a file that can be read, or have a __main__.py; received {name}.")
    return path.absolute()


class Place(NamedTuple):
    """Where a program stands in its process.

    Attributes:
        argv: its arguments, and before them what it is called.
        folder: where it imports from first.
        is_own_process: whether the process is there for it.
    """

    argv: list[str]
    folder: str
    is_own_process: bool

    def take(self, undo: contextlib.ExitStack) -> None:
        """Gives the program its arguments, and the folder."""
        undo.callback(setattr, sys, "argv", sys.argv)
        undo.callback(sys.path.__setitem__, slice(None), list(sys.path))
        sys.argv = self.argv
        if not getattr(sys.flags, "safe_path", False):  # as Python does without its -P
            # What comes first there is the folder of the command.
            sys.path[: int(self.is_own_process)] = [self.folder]


def run_script(undo: contextlib.ExitStack, place: Place, path: Path) -> None:
    """Runs a file as `python` does."""
    place.take(undo)
    main = _main_module(undo, str(path))
    loader = importlib.machinery.SourceFileLoader("__main__", str(path))
    main.__loader__ = loader
    code = loader.source_to_code(path.read_bytes(), str(path))
    exec(code, vars(main))


def run_module(
    undo: contextlib.ExitStack, place: Place, name: str, refuse: Callable[[str], NoReturn]
) -> None:
    """Runs a module, or the `__main__` of a package, as `python -m` does."""
    place.take(undo)
    spec = _spec_of(name, refuse)
    loader: Any = spec.loader
    main = _main_module(undo, str(spec.origin))
    main.__spec__, main.__loader__, main.__package__ = spec, loader, spec.parent
    vars(main)["__cached__"] = spec.cached
    sys.argv[0] = str(spec.origin)
    exec(loader.get_code(spec.name), vars(main))


def _spec_of(name: str, refuse: Callable[[str], NoReturn]) -> importlib.machinery.ModuleSpec:
    """Finds a module; the packages that it is in are imported."""
    rule = "MODULE must be a module of Python code"
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            rule = "MODULE must have a __main__, as it is a package"
            spec = importlib.util.find_spec(f"{name}.__main__")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        spec = None
    except ValueError:  # A name with nothing between two dots, or a module without a spec.
        spec = None
    if spec is None or not spec.has_location or not hasattr(spec.loader, "get_code"):
        refuse(f"{rule}; received {name}.")
    return spec


def _main_module(undo: contextlib.ExitStack, file: str) -> ModuleType:
    """Makes the module `__main__`."""
    main = ModuleType("__main__")
    main.__file__ = file
    vars(main)["__cached__"] = None
    vars(main)["__builtins__"] = builtins
    undo.callback(sys.modules.__setitem__, "__main__", sys.modules["__main__"])
    sys.modules["__main__"] = main
    return main
