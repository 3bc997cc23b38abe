"""The batches of a Dataset, many at a time, as arrays: for a compiled loop and for single steps."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine.steps.compilable import NotCompilableError

# How many batches are read at a time, and their bytes. Hooks look at every hundredth step, or less.
MOST_BATCHES: Final = 100
MOST_BYTES: Final = 32 * 2**20
# What is taken for the size of a batch where the Dataset does not say.
_USUAL_ROWS: Final = 128


class Stretch:
    """Batches of equal shapes that follow one another, and how many of them were used.

    Args:
        arrays: one of shape [n, ...] for each component of a batch.
    """

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self.arrays = list(arrays)
        self.start = 0
        self.stop = len(arrays[0])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the components of each of its batches."""
        return [one.shape[1:] for one in self.arrays]

    def pad(self, size: int) -> None:
        """Makes room for `size` batches, so that the arrays have the shape of a full stretch."""
        missing = size - len(self.arrays[0])
        if missing:
            self.arrays = [
                np.concatenate([one, np.zeros([missing, *one.shape[1:]], one.dtype)])
                for one in self.arrays
            ]


class BatchStack:
    """An iterator of its own over a Dataset, that reads `size` batches at a time.

    Args:
        dataset: the batches, made in the default graph; or one read from a placeholder there.
        components: the tensors of one batch in the graph, in the order of the Dataset.

    Raises:
        NotCompilableError: the batches cannot be stacked.
    """

    def __init__(self, dataset: tf.data.Dataset, components: Sequence[tf.Tensor]) -> None:
        self.specs = batch_specs(dataset)
        self._components = components
        self.size = _batches_at_a_time(self.specs)
        # Shapes that differ from batch to batch can only be put end to end, which takes longer.
        stack = dataset.batch if self.is_static else dataset.ragged_batch
        with tf.device("/cpu:0"):
            self._iterator = v1.data.make_initializable_iterator(stack(self.size).prefetch(1))
            read = tf.nest.flatten(self._iterator.get_next())
        # A RaggedTensor as its values and where its batches begin.
        self._read = [
            (one.flat_values, one.row_splits) if isinstance(one, tf.RaggedTensor) else (one,)
            for one in read
        ]
        self._stretches: deque[Stretch] = deque()

    @property
    def is_static(self) -> bool:
        """Whether all batches have equal shapes, as far as the Dataset can tell."""
        return all(one.shape.is_fully_defined() for one in self.specs)

    def begin(
        self, session: tf.compat.v1.Session, feed: Mapping[tf.Tensor, Any] | None = None
    ) -> None:
        """Starts the Dataset in a new session."""
        self._stretches.clear()
        session.run(self._iterator.initializer, feed_dict=feed)
        self._next = session.make_callable(self._read)

    def stretch(self) -> Stretch:
        """The batches that come next, at least one.

        Raises:
            tf.errors.OutOfRangeError: there are no more.
        """
        while not self._stretches:
            parts = self._next()
            count = min(len(one[0]) if len(one) == 1 else len(one[1]) - 1 for one in parts)
            self._stretches.extend(_stretches(parts, count))
        return self._stretches[0]

    def advance(self, count: int) -> None:
        """Goes past `count` batches of the present stretch."""
        stretch = self._stretches[0]
        stretch.start += count
        if stretch.start >= stretch.stop:
            self._stretches.popleft()

    def feed(self) -> dict[tf.Tensor, np.ndarray]:
        """Takes one batch: what to feed to a single step, which then reads none itself.

        Raises:
            tf.errors.OutOfRangeError: there are no more.
        """
        stretch = self.stretch()
        batch = [one[stretch.start] for one in stretch.arrays]
        self.advance(1)
        return dict(zip(self._components, batch, strict=True))


def batch_specs(dataset: tf.data.Dataset) -> list[tf.TensorSpec]:
    """The components of a batch, flat.

    Raises:
        NotCompilableError: they cannot be stacked.
    """
    specs = tf.nest.flatten(dataset.element_spec)
    for one in specs:
        if not isinstance(one, tf.TensorSpec):
            raise NotCompilableError(f"the input has a {type(one).__name__}, which is not dense")
        dims = one.shape.as_list() if one.shape.rank is not None else [None, None]
        if None in dims[1:]:
            raise NotCompilableError(
                f"the input has a tensor of shape {one.shape}; only the first dimension may be open"
            )
    if not specs:
        raise NotCompilableError("the input has no tensors")
    return specs


def _batches_at_a_time(specs: Sequence[tf.TensorSpec]) -> int:
    elements = [[_USUAL_ROWS if dim is None else dim for dim in one.shape] for one in specs]
    # A string has no size; 16 bytes is what TensorFlow takes for a short one.
    bytes_of = [one.dtype.size if one.dtype != tf.string else 16 for one in specs]
    batch = sum(math.prod(dims) * size for dims, size in zip(elements, bytes_of, strict=True))
    return max(1, min(MOST_BATCHES, MOST_BYTES // max(batch, 1)))


def _stretches(parts: Sequence[tuple[np.ndarray, ...]], count: int) -> list[Stretch]:
    """Cuts what was read wherever the shape of a batch changes."""
    rows = np.stack([np.diff(one[1]) for one in parts if len(one) == 2] or [np.zeros(count)])
    changes = np.flatnonzero(np.any(np.diff(rows, axis=1), axis=0)) + 1
    found = []
    for start, stop in zip([0, *changes], [*changes, count], strict=True):
        arrays = []
        for one in parts:
            if len(one) == 1:
                arrays.append(one[0][start:stop])
                continue
            values, splits = one
            cut = values[splits[start] : splits[stop]]
            each = int(splits[start + 1] - splits[start])
            arrays.append(cut.reshape([stop - start, each, *values.shape[1:]]))
        found.append(Stretch(arrays))
    return found
