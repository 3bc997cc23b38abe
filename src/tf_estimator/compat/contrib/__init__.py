"""`tf.contrib` of TensorFlow 1, as far as `tf-estimator run` brings it.

`supplied.CONTRIB` tells what a name is today; where it tells nothing, the module here has it that
is called like the part of tf.contrib. All is looked up when it is first asked for. What is not
there says so, by its name, and what to write today.

This module imports nothing of TensorFlow.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from tf_estimator.compat import supplied

# The modules that a part was made of, which programs imported from, though they were private. In
# each of them are the names of the part.
_PRIVATE = {
    "cluster_resolver": "python training tpu_cluster_resolver cluster_resolver",
    "crf": "python ops crf",
    "data": "python ops batching grouping interleave_ops shuffle_ops",
    "estimator": "python estimator early_stopping extenders head hooks multi_head",
    "framework": "python ops arg_scope variables",
    "layers": "python layers initializers regularizers",
    "learn": "python learn estimators model_fn run_config",
    "lookup": "lookup_ops",
    "metrics": "python ops metric_ops",
    "predictor": "predictor_factories",
    "rnn": "python ops core_rnn_cell fused_rnn_cell lstm_ops rnn rnn_cell",
    "summary": "summary_ops",
    "tpu": "python tpu tpu_config tpu_estimator tpu_optimizer",
    "training": "python training hparam",
}


def today(name: str) -> str:
    """What to do about a name of tf.contrib that is not there: a sentence.

    Example:
        >>> today("layers.real_valued_column")
        'Write tf.feature_column.numeric_column.'
    """
    known = name
    while known and known not in supplied.TODAY:
        known = known.rpartition(".")[0]
    return f"{supplied.TODAY[known]}." if known else "Nothing of TensorFlow 2 is called like it."


def not_there(name: str) -> str:
    """The message of an error about a name of tf.contrib.

    Example:
        >>> print(not_there("gan"))
        tf.contrib.gan is not there: TensorFlow 2 has no tf.contrib, and tf-estimator run brings
        only a part of it. The package tensorflow-gan has it.
        `tf-estimator check` finds all such names of a program.
    """
    return (
        f"tf.contrib.{name} is not there: TensorFlow 2 has no tf.contrib, and tf-estimator run "
        f"brings only a part of it. {today(name)} `tf-estimator check` finds all such names of a "
        "program."
    )


class Contrib(ModuleType):
    """`tf.contrib`, or a module in it.

    Args:
        name: by which the import system knows it.
        tensorflow: the module that it is the contrib of; names of TensorFlow are looked up in it.
        part: what it has the names of, as "layers"; "" for all of tf.contrib.
        path: what the program calls it, as "layers.python.layers".
    """

    def __init__(self, name: str, tensorflow: ModuleType, part: str = "", path: str = "") -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # a package for the import system
        self._tensorflow = tensorflow
        self._part, self._path = part, path
        starts = f"{part}." if part else ""
        below = {each[len(starts) :] for each in supplied.CONTRIB if each.startswith(starts)}
        self.__all__ = sorted({each.partition(".")[0] for each in below})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python asks modules for these.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        try:
            found = self._find(name)
        except _NotThereError:
            message = not_there(self.path_of(name))
            raise AttributeError(message, name=name, obj=self) from None
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__all__]

    def path_of(self, name: str) -> str:
        """What a program calls a name in this module, after tf.contrib."""
        return f"{self._path}.{name}" if self._path else name

    def module(self, name: str) -> ModuleType | None:
        """The module of this name; there may be something else of the same name."""
        found = getattr(self, name, None)
        return found if isinstance(found, ModuleType) else self._below(name)

    def _find(self, name: str) -> Any:
        full = f"{self._part}.{name}" if self._part else name
        if full in supplied.CONTRIB:
            return self._supplied(full)
        found = self._below(name)
        if found is None:
            raise _NotThereError
        return found

    def _below(self, name: str) -> ModuleType | None:
        full = f"{self._part}.{name}" if self._part else name
        if any(each.startswith(f"{full}.") for each in supplied.CONTRIB):
            part = full
        elif name in _PRIVATE.get(self._part, "").split():
            part = self._part
        else:
            return None
        return Contrib(f"{self.__name__}.{name}", self._tensorflow, part, self.path_of(name))

    def _supplied(self, full: str) -> Any:
        now = supplied.CONTRIB[full]
        package, *names = now.split(".")
        if package == "tensorflow":
            found: Any = self._tensorflow
        elif package:
            return pkgutil.resolve_name(now)
        else:
            part, *names = full.split(".")
            found = importlib.import_module(f"{__name__}.{part}")
        for each in names:
            found = getattr(found, each)
        return found


class _NotThereError(Exception):
    """Neither in the table nor anywhere else."""
