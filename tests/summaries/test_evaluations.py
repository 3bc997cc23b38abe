"""Event files of evaluations: every kind of metric, appended, and read back."""

import logging
import os

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.summaries import evaluations_in_files, read_evaluations, write_evaluation

v1 = tf.compat.v1


def _events(folder):
    (path,) = folder.iterdir()
    return list(v1.train.summary_iterator(str(path)))


def _values(folder):
    events = _events(folder)
    return {value.tag: value for event in events for value in event.summary.value}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1.5, 1.5),
        (np.float32(1.5), 1.5),
        (np.float64(1.5), 1.5),
        (3, 3.0),
        (np.int32(3), 3.0),
        (np.int64(2**40), 2.0**40),
        (float("inf"), float("inf")),
    ],
    ids=lambda value: f"{type(value).__name__}-{value}",
)
def test_numbers_are_scalars(tmp_path, value, stored):
    write_evaluation(tmp_path, {"m": value}, 7)
    written = _values(tmp_path)["m"]
    assert written.WhichOneof("value") == "simple_value"
    assert written.simple_value == stored
    assert read_evaluations(tmp_path) == {7: {"m": stored}}


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.0, 2.0]], np.float32),
        np.array([1, 2]),
        np.array([True, False]),
        np.array([b"a", b"b"], object),
        np.zeros([0], np.float32),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_are_tensors(tmp_path, array):
    write_evaluation(tmp_path, {"m": array}, 1)
    written = _values(tmp_path)["m"]
    assert (written.WhichOneof("value"), written.node_name) == ("tensor", "m")
    assert not written.HasField("metadata")
    read = read_evaluations(tmp_path)[1]["m"]
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


def test_serialized_summaries_are_numbered(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        image = session.run(v1.summary.image("i", tf.zeros([2, 4, 4, 1]), max_outputs=2))
    write_evaluation(tmp_path, {"picture": image, "empty": b""}, 1)
    values = _values(tmp_path)
    assert list(values) == ["picture/0", "picture/1"]
    assert values["picture/1"].image.height == 4
    assert read_evaluations(tmp_path) == {}


@pytest.mark.parametrize(
    "value",
    [np.float16(1.0), np.bool_(True), np.uint8(1), 1j, "text", None, b"no summary"],
    ids=repr,
)
def test_other_values_are_left_out_with_a_log(tmp_path, value, caplog):
    with caplog.at_level(logging.WARNING):
        write_evaluation(tmp_path, {"odd": value, "loss": 1.0}, 1)
    assert list(_values(tmp_path)) == ["loss"]
    assert "Metric 'odd' is not in the event file: it" in caplog.text


def test_the_events_of_an_evaluation(tmp_path, caplog):
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="marker")
    with caplog.at_level(logging.INFO):
        write_evaluation(
            tmp_path / "eval",
            {"loss": 0.5, "acc": 1.0, "global_step": 9, "bytes": b""},
            9,
            "/m/model.ckpt-9",
            graph,
        )
    assert "Saving dict for global step 9: acc = 1.0, global_step = 9, loss = 0.5\n" in caplog.text
    events = _events(tmp_path / "eval")
    assert [event.WhichOneof("what") for event in events] == [
        "file_version",
        "graph_def",
        "meta_graph_def",
        "summary",
        "summary",
    ]
    assert [node.name for node in v1.GraphDef.FromString(events[1].graph_def).node] == ["marker"]
    assert [event.step for event in events[3:]] == [9, 9]
    assert [value.tag for value in events[3].summary.value] == ["acc", "loss"]
    (path,) = events[4].summary.value
    assert (path.tag, path.tensor.dtype) == ("checkpoint_path", tf.string.as_datatype_enum)
    assert tf.make_ndarray(path.tensor) == b"/m/model.ckpt-9"
    assert path.tensor.tensor_shape.dim == []


@pytest.mark.parametrize("checkpoint", [None, ""])
def test_without_a_checkpoint_there_is_no_path(tmp_path, checkpoint):
    write_evaluation(tmp_path, {"loss": 1.0}, 0, checkpoint)
    assert list(_values(tmp_path)) == ["loss"]


def test_evaluations_of_a_process_share_a_file(tmp_path):
    for step in (20, 10):
        write_evaluation(tmp_path, {"loss": float(step)}, step, f"/m/model.ckpt-{step}")
    assert len(list(tmp_path.iterdir())) == 1
    found = read_evaluations(tmp_path)
    assert list(found.items()) == [(10, {"loss": 10.0}), (20, {"loss": 20.0})]


def test_the_last_evaluation_of_a_step_counts_in_a_file_and_across_files(tmp_path):
    write_evaluation(tmp_path, {"loss": 1.0, "old": 1.0}, 5)
    write_evaluation(tmp_path, {"loss": 2.0}, 5, "/m/model.ckpt-5")
    assert read_evaluations(tmp_path) == {5: {"loss": 2.0}}
    later = tmp_path / "events.out.tfevents.99999999999.host"
    event = v1.Event(step=5)
    event.summary.value.add(tag="loss", simple_value=3.0)
    with tf.io.TFRecordWriter(str(later)) as writer:
        writer.write(event.SerializeToString())
    assert read_evaluations(tmp_path) == {5: {"loss": 3.0}}


def test_a_broken_end_loses_nothing_before_it(tmp_path, caplog):
    for step in (1, 2):
        write_evaluation(tmp_path, {"loss": float(step)}, step)
    (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - 3)
    assert read_evaluations(tmp_path) == {1: {"loss": 1.0}}
    assert "broken event" in caplog.text


def test_no_evaluations(tmp_path):
    assert read_evaluations(tmp_path) == {}
    assert read_evaluations(str(tmp_path / "nothing")) == {}


def test_all_evaluations_in_the_order_of_writing(tmp_path):
    folders = [tmp_path / "eval_b", tmp_path / "eval_a"]
    for second, folder in enumerate(folders):
        folder.mkdir()
        path = folder / f"events.out.tfevents.160000000{second}.host"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for step in (5, 5, 4):
                event = v1.Event(step=step)
                event.summary.value.add(tag="loss", simple_value=second + step)
                writer.write(event.SerializeToString())
    found = [(step, metrics["loss"]) for step, metrics in evaluations_in_files(f"{tmp_path}/*/*")]
    assert found == [(5, 5.0), (5, 5.0), (4, 4.0), (5, 6.0), (5, 6.0), (4, 5.0)]


@pytest.mark.parametrize("content", [b"no event file", b""])
def test_what_is_no_event_file_is_passed_over(tmp_path, content, caplog):
    (tmp_path / "0.tfevents").write_bytes(content)
    (tmp_path / "1.tfevents").mkdir()
    write_evaluation(tmp_path, {"loss": 1.0}, 3)
    assert read_evaluations(tmp_path) == {3: {"loss": 1.0}}
    assert "1.tfevents is read up to a broken event" in caplog.text
