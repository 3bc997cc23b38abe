"""pandas_input_fn: batches out of a pandas DataFrame. Pandas is not needed to import this."""

import collections
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from tf_estimator import _checks
from tf_estimator.inputs.array_input import ArrayInput, Batching


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> ArrayInput:
    """An input_fn that gives the rows of a pandas DataFrame in batches.

    Args:
        x: the features: a DataFrame of numbers, booleans and strings; its index is no feature.
        y: the labels: a Series, a DataFrame (labels are then a dict by column), or None for none;
            its index must equal that of x.
        batch_size: rows in a batch.
        num_epochs: how often each row comes; None for ever.
        shuffle: whether the rows come in a random order, another in each epoch; it follows the
            graph's seed (`RunConfig.tf_random_seed`). There is no default.
        queue_capacity: has no effect; there is no queue.
        num_threads: has no effect; however many, each row comes once in an epoch.
        target_column: a name that no column of x may have if y is a Series.

    Returns:
        An input_fn that takes no arguments and returns features, a dict of tensors of shape
        [batch] by column, or (features, labels).

    Raises:
        TypeError: x is no DataFrame, y neither Series nor DataFrame, or a number no integer.
        ValueError: shuffle is no bool, a number is not positive, the indices differ, or
            target_column is a column of x. When the input_fn is called: x is empty, or has two
            columns of the same name.

    Example:
        `estimator.train(pandas_input_fn(frame[["age", "job"]], frame["income"], shuffle=True))`
    """
    batching = Batching(batch_size, num_epochs, shuffle, queue_capacity, num_threads)  # type: ignore[arg-type]
    pandas = sys.modules.get("pandas")  # Whoever has a DataFrame has imported it.
    if pandas is None or not isinstance(x, pandas.DataFrame):
        hint = "For arrays there is numpy_input_fn."
        raise _checks.wrong_type("x", "must be a pandas DataFrame", x, hint)
    if y is not None:
        if not isinstance(y, pandas.Series | pandas.DataFrame):
            hint = "Make it a Series with the index of x."
            raise _checks.wrong_type("y", "must be a pandas Series or DataFrame", y, hint)
        if not x.index.equals(y.index):
            hint = f"That of x is {_checks.shown(x.index)}."
            raise _checks.wrong_value("The index of y", "must equal that of x", y.index, hint)
        if isinstance(y, pandas.Series) and target_column in x.columns:
            rule = "must not be the name of a column of x"
            raise _checks.wrong_value("target_column", rule, target_column)

    def read() -> tuple[Any, Any]:
        if y is None or isinstance(y, pandas.DataFrame):
            return _by_column("x", x), None if y is None else _by_column("y", y)
        return _by_column("x", x), y.to_numpy()

    return ArrayInput(read, batching)


def _by_column(subject: str, frame: Any) -> dict[Any, np.ndarray]:
    if not frame.columns.is_unique:
        rule = "must have columns of different names"
        raise _checks.wrong_value(subject, rule, _repeated(frame.columns))
    return {name: frame[name].to_numpy() for name in frame.columns}


def _repeated(names: Iterable[Any]) -> list[Any]:
    return [name for name, count in collections.Counter(names).items() if count > 1]
