"""The graph as files: exported once, and its text written in the background or not at all."""

import gc
import logging
import weakref

import pytest
import tensorflow as tf
from google.protobuf import text_format

from tf_estimator.engine.graph_files import GraphText, add_to_events, export_graph

v1 = tf.compat.v1


def _graph(name="x"):
    """A graph with devices, strings, lists, floats, a function and a saver in its collection."""
    with tf.Graph().as_default() as graph:
        v1.train.get_or_create_global_step()
        text = tf.constant([b'a\n"b"', "\u00e4".encode(), b"\xff\x00"], name=name)
        with tf.device("/cpu:0"):
            tf.strings.length(text)
        tf.data.Dataset.from_tensor_slices([1e-8, float("inf")]).map(lambda v: v * 0.1).batch(2)
        v = v1.get_variable("v", [4, 3], partitioner=v1.fixed_size_partitioner(2))
        v1.summary.histogram("h", v)
    return graph


def _exported(graph):
    with graph.as_default():
        return export_graph(graph, None)


class TestText:
    def test_is_that_of_tensorflow(self, tmp_path):
        graph = _graph()
        text = GraphText(str(tmp_path / "graph.pbtxt"))
        exported = _exported(graph)
        text.write(exported)
        text.close()
        # Of the same proto: two exports of a function can differ in the order of what has none.
        tf.io.write_graph(exported.graph_def, str(tmp_path), "theirs.pbtxt")
        ours, theirs = ((tmp_path / f"{name}.pbtxt").read_text() for name in ("graph", "theirs"))
        # TensorFlow 2.16 writes float32 with the digits of a double.
        assert ours == text_format.MessageToString(exported.graph_def)
        assert text_format.Parse(ours, v1.GraphDef()) == text_format.Parse(theirs, v1.GraphDef())
        assert len(list(tmp_path.iterdir())) == 2

    def test_of_an_empty_graph(self, tmp_path):
        text = GraphText(str(tmp_path / "graph.pbtxt"))
        text.write(_exported(tf.Graph()))
        text.close()
        tf.io.write_graph(tf.Graph().as_graph_def(), str(tmp_path), "theirs.pbtxt")
        ours, theirs = (tmp_path / f"{name}.pbtxt" for name in ("graph", "theirs"))
        assert ours.read_bytes() == theirs.read_bytes()

    def _write(self, path, graph):
        text = GraphText(str(path))
        text.write(_exported(graph))
        text.close()
        return path.stat()

    def test_is_written_again_only_when_it_would_be_another(self, tmp_path):
        path = tmp_path / "graph.pbtxt"
        first, same, other = _graph(), _graph(), _graph("y")
        with same.as_default():
            v1.add_to_collection("only", "in the meta graph")
        written = self._write(path, first)
        assert self._write(path, first) == written
        # Functions that datasets make have numbers of the process in their names.
        with tf.Graph().as_default() as one:
            tf.constant(1.0)
        with tf.Graph().as_default() as twin:
            tf.constant(1.0)
        written = self._write(path, one)
        assert self._write(path, twin) == written
        content = path.read_bytes()
        assert self._write(path, other) != written
        assert path.read_bytes() != content

    @pytest.mark.parametrize("damage", ["removed", "changed"])
    def test_is_written_again_when_the_file_is_another(self, tmp_path, damage):
        path, graph = tmp_path / "graph.pbtxt", _graph()
        self._write(path, graph)
        content = path.read_bytes()
        if damage == "removed":
            path.unlink()
        else:
            path.write_bytes(b"x" * len(content))
        self._write(path, graph)
        assert path.read_bytes() == content

    def test_that_cannot_be_written_is_a_warning_and_leaves_nothing(self, tmp_path, caplog):
        path = tmp_path / "graph.pbtxt"
        path.mkdir()
        with caplog.at_level(logging.WARNING):
            text = GraphText(str(path))
            text.write(_exported(_graph()))
            text.close()
        assert f"{path} could not be written: " in caplog.text
        assert list(tmp_path.iterdir()) == [path]
        path.rmdir()
        self._write(path, _graph())
        assert path.read_text().startswith("node {")

    def test_without_a_folder_is_a_warning(self, tmp_path, caplog):
        with caplog.at_level(logging.WARNING):
            text = GraphText(str(tmp_path / "none" / "graph.pbtxt"))
            text.write(_exported(_graph()))
            text.close()
        assert "could not be written" in caplog.text

    def test_closing_twice_or_without_a_graph_is_nothing(self, tmp_path):
        text = GraphText(str(tmp_path / "graph.pbtxt"))
        text.close()
        text.write(_exported(_graph()))
        text.close()
        text.close()
        assert (tmp_path / "graph.pbtxt").exists()


class TestExport:
    def test_is_what_a_saver_exports(self):
        with _graph().as_default() as graph:
            saver = v1.train.Saver()
            theirs = saver.export_meta_graph()
            exported = export_graph(graph, saver)
        assert v1.MetaGraphDef.FromString(exported.meta_graph) == theirs
        assert exported.graph_def == graph.as_graph_def(add_shapes=True)

    def test_is_made_once_for_each_state_of_the_graph(self):
        with _graph().as_default() as graph:
            exported = export_graph(graph, None)
            assert export_graph(graph, None) is exported
            saver = v1.train.Saver()
            grown = export_graph(graph, None)
            assert grown is not exported
            assert export_graph(graph, saver) is not grown

    def test_does_not_keep_the_graph(self):
        with tf.Graph().as_default() as graph:
            v1.train.get_or_create_global_step()
            exported = export_graph(graph, v1.train.Saver())
        gone = weakref.ref(graph)
        del graph
        gc.collect()
        assert gone() is None
        assert exported.meta_graph


def test_events_are_added_unless_they_were_the_last(tmp_path):
    one, two = _exported(_graph("one")), _exported(_graph("two"))
    with tf.Graph().as_default():
        writer = v1.summary.FileWriter(str(tmp_path))
    for exported in (one, one, two, two, one):
        add_to_events(writer, exported)
    writer.close()
    (path,) = tmp_path.iterdir()
    events = list(v1.train.summary_iterator(str(path)))[1:]
    assert [event.WhichOneof("what") for event in events] == ["graph_def", "meta_graph_def"] * 3
    written = [v1.GraphDef.FromString(event.graph_def) for event in events[::2]]
    assert written == [one.graph_def, two.graph_def, one.graph_def]
    assert all(event.wall_time for event in events)
