"""An input_fn over arrays in memory, batch by batch.

Batches are made from row numbers: those of an epoch come at once, are cut into batches across the
border of epochs, and one gather by column fetches the rows. Only a single small batch is put
together row by row.
"""

import dataclasses
import numbers
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1

IN_GRAPH_BYTES = 1 << 20
"""Arrays of up to this size together are put into the graph as constants.

A graph is written to graph.pbtxt, to the event files and with each checkpoint, and must stay below
2 GB; larger arrays stay in Python's memory, where a function fetches the rows. Constants are
faster for small batches, since fetching them takes no Python.
"""

_ENDLESS = np.iinfo(np.int64).max


@dataclasses.dataclass(frozen=True)
class Batching:
    """How rows become batches.

    Args:
        batch_size: rows in a batch; the last one has what is left.
        num_epochs: how often each row comes; None for ever.
        shuffle: whether each epoch has an order of its own.
        queue_capacity: has no effect.
        num_threads: has no effect.

    Raises:
        TypeError: a number is no integer.
        ValueError: it is not positive, or shuffle is no bool.
    """

    batch_size: int
    num_epochs: int | None
    shuffle: bool
    queue_capacity: int
    num_threads: int

    def __post_init__(self) -> None:
        if not isinstance(self.shuffle, bool):
            hint = "Say shuffle=True to train, shuffle=False to evaluate and predict."
            raise _checks.wrong_value("shuffle", "must be True or False", self.shuffle, hint)
        for name in ("batch_size", "num_epochs", "queue_capacity", "num_threads"):
            value = getattr(self, name)
            if value is None and name == "num_epochs":
                continue
            if not isinstance(value, numbers.Integral):
                raise _checks.wrong_type(name, "must be an integer", value, was=ValueError)
            if value < 1:
                raise _checks.wrong_value(name, "must be positive", value)

    def rows(self, count: int) -> tf.data.Dataset:
        """The numbers of the rows of each batch, int64 vectors, out of `count` rows."""
        every = tf.range(count, dtype=tf.int64)
        if not self.shuffle:
            epoch_rows = _one_order(every)
        else:
            epoch_rows = _an_order_for_each_epoch(every, _seed())
        epochs = tf.data.Dataset.range(self.num_epochs or _ENDLESS)
        return epochs.map(epoch_rows).rebatch(self.batch_size)


def _one_order(rows: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.autograph.experimental.do_not_convert(lambda epoch: rows)


def _an_order_for_each_epoch(rows: tf.Tensor, seed: int) -> Callable[[tf.Tensor], tf.Tensor]:
    # Stateless: where the input is can be saved without the state of a generator.
    return tf.autograph.experimental.do_not_convert(
        lambda epoch: tf.random.experimental.stateless_shuffle(rows, tf.stack([seed, epoch]))
    )


def _seed() -> int:
    """The graph's seed; without one, another at every call."""
    of_graph, of_op = v1.get_seed(None)
    if of_graph is None:
        return secrets.randbits(62)
    return (int(of_graph) << 31) ^ int(of_op or 0)


class ArrayInput:
    """An input_fn over arrays; what `numpy_input_fn` and `pandas_input_fn` return.

    Called in a graph, as an Estimator does, it returns tensors that are the next batch at every
    run. `dataset` gives the same batches as a tf.data.Dataset.

    Args:
        read: gives features and labels: each an array, a dict of arrays by name, or None for no
            labels. Called at every call of the input_fn: what the user changed in between counts.
        batching: how rows become batches.
    """

    def __init__(self, read: Callable[[], tuple[Any, Any]], batching: Batching) -> None:
        self._read = read
        self._batching = batching

    def __call__(self) -> Any:
        """The next batch: features, or (features, labels), as tensors of the default graph.

        Nothing has to be initialized. At the end of the last epoch, running them raises
        tf.errors.OutOfRangeError.

        Raises:
            TypeError: features or labels have a wrong type.
            ValueError: they are empty or differ in length, or both have a column of one name.
            RuntimeError: called eagerly, where there is no next run.
        """
        if tf.executing_eagerly():
            raise RuntimeError(
                "The input_fn of numpy_input_fn and pandas_input_fn must be called in a graph; "
                "it was called eagerly. Pass it to an Estimator, call it inside "
                "`with tf.Graph().as_default():`, or iterate over its dataset()."
            )
        dataset, seed = self.dataset(), v1.get_default_graph().seed
        v1.set_random_seed(None)  # Else it takes a seed, and those of the model would be others.
        try:
            return v1.data.make_one_shot_iterator(dataset).get_next()
        finally:
            v1.set_random_seed(seed)

    def dataset(self) -> tf.data.Dataset:
        """The batches as a tf.data.Dataset of features, or of (features, labels). Ours.

        Returns:
            A Dataset. Its position can be saved: it has no state but that.

        Raises:
            TypeError: features or labels have a wrong type.
            ValueError: they are empty or differ in length, or both have a column of one name.

        Example:
            >>> from tf_estimator.inputs import numpy_input_fn
            >>> input_fn = numpy_input_fn({"x": np.arange(3)}, batch_size=2, shuffle=False)
            >>> [batch["x"].tolist() for batch in input_fn.dataset().as_numpy_iterator()]
            [[0, 1], [2]]
        """
        features, labels = self._read()
        features = _columns("x", features)
        labels = None if labels is None else _columns("y", labels)
        _check_names(features, labels)
        structure = features if labels is None else (features, labels)
        count = _length(features, labels)
        batching, arrays = self._batching, tf.nest.flatten(structure)
        size = sum(map(_bytes, arrays))
        is_one_batch = batching.num_epochs == 1 and count <= batching.batch_size
        if is_one_batch and not batching.shuffle and size <= IN_GRAPH_BYTES >> 4:
            # A request to predict. No function, which takes longer to make than the batch.
            return tf.data.Dataset.from_tensor_slices(structure).batch(batching.batch_size)
        known_size = None if batching.num_epochs else batching.batch_size
        take = _taker(structure, known_size, in_graph=size <= IN_GRAPH_BYTES)
        return batching.rows(count).map(take).prefetch(2)


def _columns(subject: str, given: Any) -> Any:
    """`given`, an array or a dict of them, with arrays that TensorFlow can hold."""
    if not isinstance(given, Mapping):
        return _array(subject, given)
    if not given:
        hint = "" if subject == "x" else "Pass None for no labels."
        raise _checks.wrong_value(subject, "must not be empty", given, hint)
    return {name: _array(f"{subject}[{name!r}]", column) for name, column in given.items()}


def _array(subject: str, given: Any) -> np.ndarray:
    array = np.asarray(given)
    if not array.ndim:
        rule = "must be an array with rows, or a dict of such arrays"
        raise _checks.wrong_type(subject, rule, given, was=ValueError)
    if array.dtype.kind == "U":
        return np.char.encode(array, "utf-8").astype(object)
    if array.dtype.kind == "O":
        return _strings(subject, array)
    if array.dtype.kind != "S":
        try:
            tf.as_dtype(array.dtype)
        except TypeError:
            rule = "must have numbers, booleans or strings"
            raise _checks.wrong_type(subject, rule, array.dtype, was=ValueError) from None
    return array


def _strings(subject: str, array: np.ndarray) -> np.ndarray:
    for position, value in enumerate(array.flat):
        if not isinstance(value, str | bytes):
            rule = f"must have strings only, being an array of objects; value {position} has not"
            hint = "Fill in what is missing, and convert numbers with astype."
            raise _checks.wrong_type(subject, rule, value, hint, was=ValueError)
    found = np.empty(array.size, object)
    found[:] = [tf.compat.as_bytes(value) for value in array.flat]
    return found.reshape(array.shape)


def _check_names(features: Any, labels: Any) -> None:
    if not (isinstance(features, Mapping) and isinstance(labels, Mapping)):
        return
    if both := sorted(set(features) & set(labels), key=str):
        raise _checks.wrong_value("x and y", "must not share names of columns", both)


def _length(features: Any, labels: Any) -> int:
    """The number of rows that all columns have."""
    lengths = {}
    for subject, given in (("x", features), ("y", labels)):
        if isinstance(given, Mapping):
            lengths.update({f"{subject}[{name!r}]": len(one) for name, one in given.items()})
        elif given is not None:
            lengths[subject] = len(given)
    if len(set(lengths.values())) > 1:
        raise _checks.wrong_value("x and y", "must have the same number of rows", lengths)
    (count,) = set(lengths.values())
    if not count:
        raise _checks.wrong_value("x", "must have at least one row", features)
    return count


def _taker(structure: Any, batch_size: int | None, in_graph: bool) -> Callable[[tf.Tensor], Any]:
    """A function from row numbers to the rows of every array.

    Args:
        structure: nested arrays.
        batch_size: the length of a batch, if it is always the same.
        in_graph: whether the arrays become constants.
    """
    arrays = tf.nest.flatten(structure)
    dtypes = [tf.as_dtype(one.dtype) for one in arrays]

    def of_python(rows: np.ndarray) -> list[np.ndarray]:
        return [one.take(rows, axis=0) for one in arrays]

    @tf.autograph.experimental.do_not_convert
    def take(rows: tf.Tensor) -> Any:
        if in_graph:
            # Made in here, they are in the graph once, as part of this function.
            batches = [tf.gather(tf.constant(one), rows) for one in arrays]
        else:
            # Not stateful, as its result depends on the rows only: tf.data may save its position.
            batches = tf.numpy_function(of_python, [rows], dtypes, stateful=False)
        for batch, array in zip(batches, arrays, strict=True):
            batch.set_shape([batch_size, *array.shape[1:]])
        return tf.nest.pack_sequence_as(structure, batches)

    return take


def _bytes(array: np.ndarray) -> int:
    if array.dtype.kind == "O":
        return sum(map(len, array.flat))
    return array.nbytes
