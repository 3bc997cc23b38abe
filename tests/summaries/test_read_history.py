"""Curves from event files: which points count, across lives, files and formats."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.summaries import Curve, History, read_history, write_evaluation

v1 = tf.compat.v1


def scalar(step, value, wall_time, tag="loss"):
    event = v1.Event(step=step, wall_time=wall_time)
    event.summary.value.add(tag=tag, simple_value=value)
    return event


def start(step, wall_time):
    return v1.Event(
        step=step, wall_time=wall_time, session_log=v1.SessionLog(status=v1.SessionLog.START)
    )


@pytest.fixture
def write(tmp_path):
    """Writes events as a file: `write(events, name="events.out.tfevents.1.host", folder="")`."""

    def to_file(events, name="events.out.tfevents.1.host", folder=""):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for event in events:
                writer.write(event.SerializeToString())
        return path

    return to_file


def points(curve):
    return list(zip(curve.step.tolist(), curve.value.tolist(), strict=True))


class TestTraining:
    def test_a_later_life_replaces_what_an_earlier_one_did_beyond_its_checkpoint(
        self, tmp_path, write
    ):
        first = [start(1, 10.0), *(scalar(n, 1.0, 10.0 + n) for n in (1, 11, 21, 31))]
        # It summarizes at other steps, so that only the start tells that 21 and 31 are void.
        second = [start(16, 50.0), *(scalar(n, 2.0, 50.0 + n) for n in (16, 36))]
        write(first, "events.out.tfevents.10.host")
        write(second, "events.out.tfevents.50.host")
        curve = read_history(tmp_path)["train"]["loss"]
        assert points(curve) == [(1, 1.0), (11, 1.0), (16, 2.0), (36, 2.0)]
        assert curve.wall_time.tolist() == [11.0, 21.0, 66.0, 86.0]

    def test_a_start_voids_tags_that_are_not_written_again(self, tmp_path, write):
        write(
            [scalar(5, 1.0, 1.0, "rare"), scalar(5, 1.0, 1.0), start(3, 2.0), scalar(3, 2.0, 3.0)]
        )
        train = read_history(tmp_path)["train"]
        assert {tag: points(curve) for tag, curve in train.items()} == {"loss": [(3, 2.0)]}

    def test_a_step_that_does_not_rise_tells_a_later_life_too(self, tmp_path, write):
        write([scalar(n, 1.0, 1.0 + n) for n in (10, 20, 30)])
        write([scalar(n, 2.0, 90.0 + n) for n in (20, 40)], "events.out.tfevents.2.host")
        curve = read_history(tmp_path)["train"]["loss"]
        assert points(curve) == [(10, 1.0), (20, 2.0), (40, 2.0)]

    def test_files_begun_in_one_second_are_ordered_by_their_events(self, tmp_path, write):
        write([scalar(n, 2.0, 7.5) for n in (2, 3)], "events.out.tfevents.7.a")
        write([scalar(n, 1.0, 7.1) for n in (1, 2)], "events.out.tfevents.7.b")
        assert points(read_history(tmp_path)["train"]["loss"]) == [(1, 1.0), (2, 2.0), (3, 2.0)]

    def test_a_process_that_goes_on_after_another_is_the_later_one(self, tmp_path, write):
        write([scalar(1, 1.0, 1.0), scalar(5, 3.0, 9.0)], "events.out.tfevents.1.a")
        write([scalar(n, 2.0, 4.0) for n in (2, 3, 5)], "events.out.tfevents.4.b")
        expected = [(1, 1.0), (2, 2.0), (3, 2.0), (5, 3.0)]
        assert points(read_history(tmp_path)["train"]["loss"]) == expected

    def test_a_clock_that_is_set_back_changes_nothing(self, tmp_path, write):
        write([scalar(1, 1.0, 100.0), scalar(2, 1.0, 50.0), scalar(2, 2.0, 60.0)])
        curve = read_history(tmp_path)["train"]["loss"]
        assert points(curve) == [(1, 1.0), (2, 2.0)]
        assert curve.wall_time.tolist() == [100.0, 60.0]

    def test_a_broken_end_loses_nothing_before_it(self, tmp_path, write, caplog):
        path = write([scalar(n, 1.0, 1.0) for n in (1, 2)])
        path.write_bytes(path.read_bytes()[:-3])
        assert points(read_history(tmp_path)["train"]["loss"]) == [(1, 1.0)]
        assert "broken event" in caplog.text


class TestEvaluation:
    def test_the_last_of_a_step_counts_and_no_other_step_goes(self, tmp_path):
        for step, loss in ((10, 1.0), (20, 2.0), (10, 3.0)):
            write_evaluation(tmp_path / "eval", {"loss": loss}, step, f"/m/model.ckpt-{step}")
        history = read_history(tmp_path)
        assert points(history["eval"]["loss"]) == [(10, 3.0), (20, 2.0)]
        assert list(history) == ["eval"]
        assert list(history["eval"]) == ["loss"]

    def test_each_set_is_a_run_called_as_its_folder(self, tmp_path, write):
        for folder in ("eval", "eval_b", "eval_a/b", "evaluation", "export/eval"):
            write([scalar(1, 1.0, 1.0)], folder=folder)
        write([scalar(1, 1.0, 1.0)])
        assert list(read_history(tmp_path)) == ["train", "eval", "eval_a/b", "eval_b"]


class TestValues:
    def test_scalar_tensors_count_and_all_else_is_left_out(self, tmp_path):
        with tf.summary.create_file_writer(str(tmp_path)).as_default(step=3):
            tf.summary.scalar("loss", 0.5)
            tf.summary.image("image", tf.zeros([1, 4, 4, 1]))
            tf.summary.histogram("histogram", [1.0, 2.0])
            tf.summary.text("text", "word")
            tf.summary.write("flag", True)
            tf.summary.write("vector", [1.0, 2.0])
            tf.summary.write("count", tf.constant(2**53, tf.int64))
            tf.summary.write("half", tf.constant(0.25, tf.float16))
        train = read_history(tmp_path)["train"]
        assert {tag: points(curve) for tag, curve in train.items()} == {
            "count": [(3, 2.0**53)],
            "half": [(3, 0.25)],
            "loss": [(3, 0.5)],
        }

    def test_columns_have_their_types(self, tmp_path, write):
        write([scalar(2**40, float("nan"), 1.6e9 + 0.25)])
        step, wall_time, value = read_history(tmp_path)["train"]["loss"]
        assert (step.dtype, wall_time.dtype, value.dtype) == (np.int64, np.float64, np.float64)
        assert (step[0], wall_time[0]) == (2**40, 1.6e9 + 0.25)
        assert np.isnan(value[0])

    def test_histories_compare_by_value(self, tmp_path, write):
        write([scalar(1, float("nan"), 1.0)])
        assert read_history(tmp_path) == read_history(str(tmp_path))
        write([scalar(1, 1.0, 1.0)])
        assert read_history(tmp_path) != read_history(tmp_path / "other")


@pytest.mark.parametrize("make", [lambda path: None, pathlib.Path.mkdir])
def test_where_nothing_was_written_there_is_nothing(tmp_path, make):
    make(tmp_path / "model")
    assert read_history(tmp_path / "model") == {}
    assert not (tmp_path / "model").exists() or list((tmp_path / "model").iterdir()) == []
    assert repr(read_history(tmp_path / "model")) == "History({})"


def test_what_this_process_has_not_written_out_yet_is_there(tmp_path):
    with tf.Graph().as_default():
        writer = v1.summary.FileWriterCache.get(str(tmp_path))
    writer.add_summary(scalar(1, 1.0, 0.0).summary, 1)
    assert points(read_history(tmp_path)["train"]["loss"]) == [(1, 1.0)]


def test_a_history_shows_its_curves():
    curve = Curve(np.array([0, 900]), np.array([5.0, 6.0]), np.array([2.302585, 0.5]))
    assert repr(History({"train": {"global_step/sec": curve}, "eval_test": {"loss": curve}})) == (
        "run        tag              points  steps      first  last\n"
        "train      global_step/sec       2  0 to 900  2.3026   0.5\n"
        "eval_test  loss                  2  0 to 900  2.3026   0.5"
    )
    assert repr(curve) == "Curve(2 points, step 0 to 900, value 2.3026 to 0.5)"
    assert len(curve) == 2
    assert list(curve.columns()) == ["step", "wall_time", "value"]
    empty = Curve(np.array([], int), np.array([]), np.array([]))
    assert repr(empty) == "Curve(0 points)"
    assert "0" in repr(History({"train": {"loss": empty}}))
