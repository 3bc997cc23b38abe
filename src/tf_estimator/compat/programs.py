"""What a program of TensorFlow 1 or 2 finds around it while `tf-estimator run` runs it.

Nothing of TensorFlow is imported before the program does it.
"""

import contextlib
import importlib
from collections.abc import Callable, Collection

from tf_estimator.compat import child_processes
from tf_estimator.compat.program_imports import ProgramFiles, ProgramImports
from tf_estimator.compat.removed_names import RemovedNames


def surround(
    undo: contextlib.ExitStack, *, of_version_1: bool = True, packages: Collection[str] = ()
) -> None:
    """Brings what old programs count on.

    - `tf.estimator` and the import paths of the original, as by `tf_estimator.install()`;
    - `tf.compat.v1.layers` and the cells of RNNs, when they are asked for;
    - names that Python and NumPy have removed;
    - in the program's own files, `tensorflow` is that of version 1, which is then how TensorFlow
      behaves;
    - and all that in processes that the program spawns.

    Args:
        undo: gets what undoes it.
        of_version_1: False for programs of TensorFlow 2, for which the last but one is left out.
        packages: installed packages that count as files of the program.
    """

    def prepare() -> Callable[[], None]:
        tensorflow1 = importlib.import_module("tf_estimator.compat.tensorflow1")
        cover: Callable[[], None] = tensorflow1.bring(undo, of_version_1=of_version_1)
        return cover

    removed = RemovedNames()
    undo.callback(removed.withdraw)
    removed.supply_loaded()
    child_processes.prepare_by(undo, surround_child, of_version_1, tuple(packages))
    files = ProgramFiles(packages)
    ProgramImports(files, prepare, removed, of_version_1=of_version_1).lead(undo)


def surround_child(of_version_1: bool, packages: Collection[str]) -> None:
    """`surround`s a process that a program has spawned, to its end."""
    surround(contextlib.ExitStack(), of_version_1=of_version_1, packages=packages)
