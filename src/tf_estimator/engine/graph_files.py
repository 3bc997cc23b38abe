"""What is written of a graph beside its values, each thing once: a MetaGraphDef, text, events."""

import dataclasses
import hashlib
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf
from google.protobuf import text_format  # type: ignore[import-untyped]

from tf_estimator import checkpoint
from tf_estimator._tf import logger, v1

# A graph with more than this holds data, which is not to be in memory twice for good.
_REMEMBERED_BYTES = 1 << 26

# How long the text leaves Python to the training after each node, in seconds.
_PAUSE = 5e-5


@dataclasses.dataclass(frozen=True, eq=False)
class ExportedGraph:
    """A graph as files hold it.

    Attributes:
        state: of the graph when it was exported.
        meta_graph: a serialized MetaGraphDef, what `Saver.save` writes as `<checkpoint>.meta`.
    """

    state: Any
    meta_graph: bytes

    @property
    def graph_def(self) -> tf.compat.v1.GraphDef:
        """The GraphDef, with shapes."""
        return v1.MetaGraphDef.FromString(self.meta_graph).graph_def


def export_graph(graph: tf.Graph, saver: tf.compat.v1.train.Saver | None) -> ExportedGraph:
    """Exports a graph, if it was not yet, or has grown since.

    What was exported is remembered as long as the graph is there, if it is not very large: a graph
    that is kept is trained in again and again, and each training saves many times.

    Args:
        graph: of which nothing is taken but its ops and collections.
        saver: restores the graph's values, which the export says.
    """
    saver_def = saver.saver_def if saver else None
    state = (_state_of(graph), saver_def.SerializeToString() if saver_def else None)
    known = _exported.get(graph)
    if known is None or known.state != state:
        meta_graph = v1.train.export_meta_graph(
            graph_def=graph.as_graph_def(add_shapes=True), graph=graph, saver_def=saver_def
        )
        known = ExportedGraph(state, meta_graph.SerializeToString())
        if len(known.meta_graph) <= _REMEMBERED_BYTES:
            _exported[graph] = known
    return known


_exported: weakref.WeakKeyDictionary[tf.Graph, ExportedGraph] = weakref.WeakKeyDictionary()


def _state_of(graph: tf.Graph) -> Any:
    """What changes when an op is added to a graph, or something to one of its collections."""
    keys = graph.get_all_collection_keys()
    return graph.version, {key: len(graph.get_collection_ref(key)) for key in keys}


def add_to_events(writer: tf.compat.v1.summary.FileWriter, exported: ExportedGraph) -> None:
    """Adds a graph to an event file, unless it is the one that was added last.

    TensorBoard shows the last one.
    """
    last = _added.get(writer)
    if last is not None and last() is exported:
        return
    graph_def = exported.graph_def.SerializeToString()
    writer.add_event(v1.Event(wall_time=time.time(), graph_def=graph_def))
    writer.add_event(v1.Event(wall_time=time.time(), meta_graph_def=exported.meta_graph))
    _added[writer] = weakref.ref(exported)


_added: weakref.WeakKeyDictionary[Any, weakref.ref[ExportedGraph]] = weakref.WeakKeyDictionary()


class _Written(NamedTuple):
    """What a file of text was written from, and what the file was then."""

    exported: weakref.ref[ExportedGraph]
    digest: bytes
    stamp: Any


# By path, of this process. Two trainings of one folder at a time would be wrong in other ways.
_written: dict[str, _Written] = {}


class GraphText:
    """Writes a graph as text, in the background: it takes longer than some trainings.

    The file appears whole or not at all. It is not written again while it has the same content. An
    error is logged: the text is for people to read, and training does without.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()

    def write(self, exported: ExportedGraph) -> None:
        """Begins to write, after what is being written."""
        self.close()
        known = self._known()
        if known is not None and known.exported() is exported:
            return
        self._hurry.clear()
        self._thread = threading.Thread(target=self._write, args=[exported], name="graph text")
        self._thread.start()

    def close(self) -> None:
        """Waits until all is written."""
        if self._thread is not None:
            self._hurry.set()
            self._thread.join()
            self._thread = None

    def _known(self) -> _Written | None:
        known = _written.get(self._path)
        return known if known is not None and known.stamp == checkpoint.stamp(self._path) else None

    def _write(self, exported: ExportedGraph) -> None:
        try:
            graph_def = exported.graph_def
            digest = hashlib.sha256(graph_def.SerializeToString(deterministic=True)).digest()
            known = self._known()
            if known is None or known.digest != digest:
                with checkpoint.whole_file(self._path) as file:
                    for part in _text(graph_def):
                        file.write(part.encode())
                        self._hurry.wait(_PAUSE)
            stamp = checkpoint.stamp(self._path)
            _written[self._path] = _Written(weakref.ref(exported), digest, stamp)
        except Exception as error:  # noqa: BLE001 - whatever it is, training goes on
            logger.warning("%s could not be written: %s", self._path, error)


def _text(graph_def: Any) -> Iterator[str]:
    """The text of a GraphDef in parts: it is Python that makes it, and training needs that too."""
    for node in graph_def.node:
        yield f"node {{\n{text_format.MessageToString(node, indent=2)}}}\n"
    rest = v1.GraphDef()
    for field in ("library", "versions"):
        if graph_def.HasField(field):
            getattr(rest, field).CopyFrom(getattr(graph_def, field))
    yield text_format.MessageToString(rest)
