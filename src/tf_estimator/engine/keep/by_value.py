"""The input of a later call, brought into a graph that was built by an earlier one.

input_fn is called at every call, in a graph that starts as the kept one did, so that its operations
have the same names and seeds. If it made the same kind of input there, one of these is done:

- Its Datasets are brought as strings (see `dataset_value`), and the iterators of the kept graph
  start over with them. All the rest of the input is the same in both graphs, operation for
  operation.
- Its features come from operations that keep state of their own, as a Python function does. Then
  these run in its own graph, in a session of its own, and what they give is fed batch by batch.

Else it is of another kind, and the graph in which input_fn was called becomes the next one built.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.engine import inputs
from tf_estimator.engine.keep.dataset_value import CannotBring, DatasetValue
from tf_estimator.engine.keep.input_body import ITERATORS, Body, described
from tf_estimator.engine.session_deletion import delete_aside

__all__ = ["Brought", "CalledInput", "CannotBring", "Inlet", "called"]

# What input_fn may add to the graph's collections: TensorFlow's sessions do with these what has to
# be done, in a kept graph as well.
_COLLECTIONS: Final = (v1.GraphKeys.TABLE_INITIALIZERS, v1.GraphKeys.ASSET_FILEPATHS)


class CalledInput:
    """What input_fn returned, in the graph it was called in; `called` makes it.

    It is made into features and labels when these are asked for first, which they are not if the
    input is brought into another graph.

    Args:
        returned: a tf.data.Dataset of the default graph, or nested tensors.
        collections: how many values each collection had before input_fn was called.

    Attributes:
        initializers: names of the operations that fill its tables and start its iterators, of
            those that a session runs by itself.
    """

    def __init__(self, returned: Any, collections: dict[str, int]) -> None:
        self.graph: tf.Graph = v1.get_default_graph()
        self.returned = returned
        self._names = tuple(op.name for op in self.graph.get_operations())
        self._added = _added(self.graph, collections)
        tables = v1.GraphKeys.TABLE_INITIALIZERS
        added = self.graph.get_collection_ref(tables)[collections.get(tables, 0) :]
        self.initializers: frozenset[str] = frozenset(op.name for op in added)
        self._has_labels = True

    def without_labels(self) -> "CalledInput":
        """Itself, which has no labels from now on."""
        self._has_labels = False
        return self

    @property
    def features(self) -> Any:
        """One Tensor or a nested structure."""
        return self._connected[0].features

    @property
    def labels(self) -> Any:
        """The same, or None."""
        return self._connected[0].labels if self._has_labels else None

    @property
    def hooks(self) -> tuple[tf.compat.v1.train.SessionRunHook, ...]:
        """What has to run with the session before the first batch is there."""
        return self._connected[0].hooks

    @property
    def dataset(self) -> tf.data.Dataset | None:
        """The Dataset that input_fn returned, or None."""
        return self.returned if isinstance(self.returned, tf.data.Dataset) else None

    @functools.cached_property
    def _connected(self) -> tuple[inputs.GraphInput, Any]:
        with self.graph.as_default():
            return inputs.connect(self.returned)

    @functools.cached_property
    def body(self) -> Body | None:
        """What there is between iterators and features; None if input_fn returned a Dataset.

        Raises:
            CannotBring: it cannot be told whether it is the same in another graph.
        """
        is_dataset = isinstance(self.returned, tf.data.Dataset)
        return None if is_dataset else Body(self.graph, self.returned)

    @functools.cached_property
    def kind(self) -> Hashable:
        """Equal to that of another input if model_fn would build the same graph on it.

        Raises:
            CannotBring: that cannot be told.
        """
        body = self.body
        if body is None:
            spec = self.returned.element_spec
            return self._names, repr(spec), tuple(tf.nest.flatten(spec))
        return self._names, described(self.returned), body.description

    @functools.cached_property
    def datasets(self) -> tuple[DatasetValue, ...]:
        """What to bring.

        Raises:
            CannotBring: it cannot be brought.
        """
        if self._added is not None:
            raise CannotBring(f"input_fn adds to the collection {self._added!r}")
        if self.body is None:
            found = [tf.data.experimental.to_variant(self.returned)]
        else:
            found = self.body.datasets
        return tuple(DatasetValue(self.graph, one) for one in found)

    @property
    def iterators(self) -> list[tf.Tensor]:
        """The resources of the iterators that take `datasets`, in the same order."""
        if self.body is not None:
            return [op.outputs[0] for op in self.body.iterators]
        _, iterator = self._connected
        return [iterator.initializer.inputs[1]]


def called(input_fn: Callable[..., Any], mode: str, params: Any, config: Any) -> CalledInput:
    """Calls `input_fn` in the default graph, as `inputs.read` does, with the same errors."""
    graph = v1.get_default_graph()
    collections = {name: len(graph.get_collection_ref(name)) for name in graph.collections}
    return CalledInput(inputs.call(input_fn, mode, params, config), collections)


def _added(graph: tf.Graph, before: dict[str, int]) -> str | None:
    """The name of a collection with more in it than `before`, which a kept graph would not have."""
    for name in graph.collections:
        # Those that TensorFlow keeps for itself, as the variable scope, have a tuple for a name.
        if isinstance(name, str) and name not in _COLLECTIONS:
            for added in graph.get_collection_ref(name)[before.get(name, 0) :]:
                op = getattr(added, "op", None)
                if op is None or op.type not in ITERATORS:
                    return name
    return None


class Brought(NamedTuple):
    """How a kept graph gets the input of one call.

    Attributes:
        hooks: what has to run with the session before the first batch is there.
        feed: gives the values of the next batch by tensor of the kept graph, and raises
            tf.errors.OutOfRangeError at the end; None if there is nothing to be fed.
        close: lets go of what `feed` uses. Called more than once it does no harm.
    """

    hooks: tuple[tf.compat.v1.train.SessionRunHook, ...]
    feed: Callable[[], dict[tf.Tensor, Any]] | None
    close: Callable[[], None]


class Inlet:
    """Where a graph takes the inputs of later calls; adds what that needs to the graph.

    Args:
        given: what `called` gave in the graph, after model_fn was called on it.

    Raises:
        CannotBring: later inputs could not be brought.
    """

    def __init__(self, given: CalledInput | inputs.GraphInput) -> None:
        if not isinstance(given, CalledInput):
            raise CannotBring("its input was not made by input_fn alone")
        _ = given.datasets
        self._kind = given.kind
        self._graph = given.graph
        self._fed = _fed(given) if given.body is not None else []
        # Generators and Python functions live as long as the graph that has them, and may run as
        # long as the iterator has not started over.
        self._in_use: Any = None
        with self._graph.as_default(), tf.device("/cpu:0"), v1.name_scope("input_by_value"):
            self._gates = [_Gate(iterator) for iterator in given.iterators]

    @property
    def is_fed(self) -> bool:
        """Whether each batch of a later input has to be fed."""
        return bool(self._fed)

    def takes(self, given: Any) -> bool:
        """Whether the graph would be the same if it were built on `given`."""
        try:
            return isinstance(given, CalledInput) and given.kind == self._kind
        except CannotBring:
            return False

    def bring(self, given: CalledInput | inputs.GraphInput, *, briefly: bool = False) -> Brought:
        """Brings an input that `takes` said yes to.

        Args:
            given: the input.
            briefly: whether it will be read for a short time, so that a quick start is worth more
                than threads that read ahead.

        Raises:
            CannotBring: it does not fit after all; nothing has changed, and `given` is as it was.
        """
        if not isinstance(given, CalledInput):
            raise CannotBring("its input was not made by input_fn alone")
        if self._fed:
            return self._feeding(given)
        feeds = {}
        starts = []
        for gate, dataset in zip(self._gates, given.datasets, strict=True):
            feeds[gate.given] = dataset.serialized()
            starts.append(gate.start_instantly if briefly and dataset.is_instant else gate.start)
        if not starts:
            return Brought((), None, _nothing)
        return Brought((_StartsIterators(self, starts, feeds, given.graph),), None, _nothing)

    def holds(self, graph: tf.Graph) -> None:
        """Keeps `graph` until the next input has started."""
        self._in_use = graph

    def _feeding(self, given: CalledInput) -> Brought:
        assert given.body is not None
        source = _Source(given.graph, [tensor.name for tensor in self._fed])

        def feed() -> dict[tf.Tensor, Any]:
            return dict(zip(self._fed, source.next(), strict=True))

        return Brought((), feed, source.close)


class _Gate:
    """Starts one iterator with the Dataset that a string has."""

    def __init__(self, iterator: tf.Tensor) -> None:
        self.given = v1.placeholder(tf.string, [], name="dataset")
        dataset = tf.raw_ops.DatasetFromGraph(graph_def=self.given)
        self.start = tf.raw_ops.MakeIterator(dataset=dataset, iterator=iterator)
        types = iterator.op.get_attr("output_types")
        shapes = map(tf.TensorShape, iterator.op.get_attr("output_shapes"))
        spec = tuple(map(tf.TensorSpec, shapes, types))
        # To look for rewrites and to tune threads takes longer than the few elements do.
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.apply_default_optimizations = False
        plain = tf.data.experimental.from_variant(dataset, spec).with_options(options)
        self.start_instantly = tf.raw_ops.MakeIterator(
            dataset=tf.data.experimental.to_variant(plain), iterator=iterator
        )


class _StartsIterators(v1.train.SessionRunHook):
    """Starts the iterators of a kept graph with the Datasets of one call."""

    def __init__(
        self, inlet: Inlet, starts: list[tf.Operation], feeds: dict[Any, bytes], graph: tf.Graph
    ) -> None:
        self._inlet = inlet
        self._starts = starts
        self._feeds = feeds
        self._graph = graph

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        del coord
        session.run(self._starts, self._feeds)
        self._inlet.holds(self._graph)


class _Source:
    """Runs an input in a session of its own, which is opened with the first batch."""

    def __init__(self, graph: tf.Graph, names: list[str]) -> None:
        self._graph = graph
        self._names = names
        self._session: tf.compat.v1.Session | None = None
        self._is_closed = False

    def next(self) -> list[Any]:
        """The values of the next batch."""
        if self._session is None:
            if self._is_closed:
                raise tf.errors.OutOfRangeError(None, None, "The input was closed.")
            self._session = delete_aside(v1.Session(graph=self._graph))
            initializers = self._graph.get_collection(v1.GraphKeys.TABLE_INITIALIZERS)
            self._next = self._session.make_callable(self._names)
            self._session.run(initializers)
        return self._next()

    def close(self) -> None:
        """Closes the session."""
        self._is_closed = True
        if self._session is not None:
            self._session.close()
            self._session = None


def _nothing() -> None:
    """There is nothing to let go of."""


def _fed(given: CalledInput) -> list[tf.Tensor]:
    """The tensors of a kept graph that are fed, none of which may be needed in another way."""
    assert given.body is not None
    fed = given.body.fed
    sources = {tensor.op.name for tensor in fed}
    if not sources:
        return []
    for tensor in fed:
        if not given.graph.is_feedable(tensor):
            raise CannotBring(f"{tensor.name!r} cannot be fed")
    for op in given.graph.get_operations():
        for before in op.control_inputs:
            if before.name in sources:
                raise CannotBring(f"{op.name!r} waits for {before.name!r}, which would be fed")
    return fed
