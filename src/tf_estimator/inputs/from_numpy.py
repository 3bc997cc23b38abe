"""numpy_input_fn: batches out of numpy arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_estimator import _checks
from tf_estimator.inputs.array_input import ArrayInput, Batching


def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> ArrayInput:
    """An input_fn that gives the rows of numpy arrays in batches.

    The arrays are read when the input_fn is called, and the arguments x and y checked only then.
    Batches go across the border of epochs; the last one has what is left.

    Args:
        x: the features: an array of shape [rows, ...], or a dict of such arrays by name.
        y: the labels: the same with as many rows, or None for none.
        batch_size: rows in a batch.
        num_epochs: how often each row comes; None for ever.
        shuffle: whether the rows come in a random order, another in each epoch; it follows the
            graph's seed (`RunConfig.tf_random_seed`). There is no default.
        queue_capacity: has no effect; there is no queue.
        num_threads: has no effect; however many, each row comes once in an epoch.

    Returns:
        An input_fn that takes no arguments and returns features, or (features, labels), as
        tensors with the arrays' dtypes.

    Raises:
        TypeError: a number is no integer.
        ValueError: shuffle is no bool, or a number is not positive. When the input_fn is called: x
            or y is empty, their lengths differ, or both have a column of the same name.

    Example:
        >>> import numpy as np
        >>> x, y = {"age": np.array([31, 40, 25])}, np.array([0, 1, 1])
        >>> input_fn = numpy_input_fn(x, y, batch_size=2, shuffle=False)
        >>> for features, labels in input_fn.dataset().as_numpy_iterator():
        ...     print(features["age"], labels)
        [31 40] [0 1]
        [25] [1]
    """
    batching = Batching(batch_size, num_epochs, shuffle, queue_capacity, num_threads)  # type: ignore[arg-type]

    def read() -> tuple[Any, Any]:
        if not isinstance(x, np.ndarray | Mapping):
            hint = "For a DataFrame there is pandas_input_fn."
            raise _checks.wrong_type("x", "must be a numpy array or a dict of them", x, hint)
        return x, y

    return ArrayInput(read, batching)
