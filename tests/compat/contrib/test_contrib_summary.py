"""tf.contrib.summary: what is in the event files."""

import glob

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec
from tf_estimator.compat.contrib import summary

v1 = tf.compat.v1


def events(folder):
    """The values of all summaries in a folder: (step, tag, value)."""
    return [
        (event.step, value.tag, value)
        for path in sorted(glob.glob(f"{folder}/*tfevents*"))
        for event in v1.train.summary_iterator(path)
        for value in event.summary.value
    ]


def scalars(folder):
    return [(step, tag, value.simple_value) for step, tag, value in events(folder)]


def run(steps=1):
    """Runs all summaries, and counts the global step up after each run."""
    step = v1.train.get_or_create_global_step()
    count = step.assign_add(1)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        summary.initialize(session=session)
        for _ in range(steps):
            session.run(summary.all_summary_ops())
            session.run(count)
        session.run(summary.flush())


@pytest.mark.usefixtures("graph")
def test_all_kinds(tmp_path):
    tensor = tf.constant([1.0, 3.0])
    writer = summary.create_file_writer(str(tmp_path), filename_suffix=".mine")
    with writer.as_default(), summary.always_record_summaries():
        summary.scalar("loss", tf.reduce_sum(tensor))
        with tf.name_scope("part"):
            summary.scalar("loss", 5, family="sums", step=tf.constant(7))
        summary.histogram("spread", tensor)
        summary.image("picture", tf.ones([4, 2, 2, 1]), max_images=2)
        summary.image("other", tf.ones([1, 2, 2, 1]) * np.nan, bad_color=[0, 255, 0, 255])
        summary.audio("sound", tf.ones([1, 4]), 44100, max_outputs=1)
        summary.generic("tensor", tensor)
        run()
    found = {tag: (step, value) for step, tag, value in events(tmp_path)}
    assert set(found) == {
        "loss",
        "sums/part/sums/loss",
        "spread",
        "picture/image/0",
        "picture/image/1",
        "other/image/0",
        "sound/audio",
        "tensor",
    }
    assert found["loss"][1].simple_value == 4
    assert (found["sums/part/sums/loss"][0], found["loss"][0]) == (7, 0)
    assert found["spread"][1].histo.num == 2
    assert found["picture/image/0"][1].image.height == 2
    assert found["sound/audio"][1].audio.sample_rate == 44100
    np.testing.assert_array_equal(tf.make_ndarray(found["tensor"][1].tensor), [1, 3])
    assert glob.glob(f"{tmp_path}/*.mine")


@pytest.mark.usefixtures("graph")
def test_when_summaries_are_recorded(tmp_path):
    v1.train.create_global_step()
    with summary.create_file_writer(str(tmp_path)).as_default():
        assert summary.should_record_summaries() is False
        summary.scalar("not yet", 1)
        with summary.always_record_summaries():
            assert summary.should_record_summaries() is True
            with summary.never_record_summaries():
                summary.scalar("never", 1)
        with summary.record_summaries_every_n_global_steps(2):
            summary.scalar("second", 1)
        run(steps=4)
    assert scalars(tmp_path) == [(0, "second", 1), (2, "second", 1)]


@pytest.mark.usefixtures("graph")
def test_without_a_writer():
    with summary.always_record_summaries():
        summary.scalar("lost", 1)
        with summary.create_file_writer(None).as_default():
            summary.scalar("lost", 1)
    assert summary.all_summary_ops() == []
    assert summary.summary_writer_initializer_op() == []
    with pytest.raises(ValueError, match="needs a session"):
        summary.initialize()


def test_eager_execution(tmp_path):
    step = tf.Variable(3, dtype=tf.int64)
    writer = summary.create_file_writer(str(tmp_path))
    with writer.as_default(), summary.record_summaries_every_n_global_steps(3, step):
        summary.scalar("loss", 1.5, step=step)
        step.assign_add(1)
        with summary.record_summaries_every_n_global_steps(3, step):
            summary.scalar("loss", 2.5, step=step)
    writer.flush()
    assert scalars(tmp_path) == [(3, "loss", 1.5)]
    assert summary.all_summary_ops() is None
    summary.initialize()
    with pytest.raises(RuntimeError, match="eager"):
        summary.summary_writer_initializer_op()


def test_an_estimator_opens_the_files(tmp_path):
    """As a host_call writes them: no one runs what opens the file."""

    def model_fn(features, labels, mode):
        step = v1.train.get_global_step()
        loss = tf.reduce_sum(features)
        writer = summary.create_file_writer(f"{tmp_path}/host")
        with writer.as_default(), summary.always_record_summaries():
            summary.scalar("loss", loss, step=step)
        with tf.control_dependencies(summary.all_summary_ops()):
            train_op = step.assign_add(1)
        return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn, str(tmp_path / "model"))
    estimator.train(lambda: tf.data.Dataset.from_tensors(2.0).repeat(), steps=3)
    estimator.close()
    assert scalars(tmp_path / "host") == [(n, "loss", 2.0) for n in range(3)]
