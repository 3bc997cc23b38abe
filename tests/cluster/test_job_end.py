"""How tasks learn that their job is done."""

import pytest
import tensorflow as tf

from tf_estimator.cluster import job_end


class Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "model")


@pytest.fixture
def time():
    return Time()


def finish(folder, why="so it was"):
    job_end.end(folder, job_end.begin(folder), why)


def test_a_job_that_nobody_has_begun_is_not_done(folder, time):
    assert job_end.JobEnd(folder, time).why() is None


@pytest.mark.parametrize("before", [0, 1])
def test_a_job_is_done_when_its_chief_says_so(folder, time, before):
    for _ in range(before):
        finish(folder, "long ago")
    early = job_end.JobEnd(folder, time)
    assert early.may_be_over == bool(before)
    job = job_end.begin(folder)
    late = job_end.JobEnd(folder, time)
    assert (early.why(), late.why()) == (None, None)
    assert not early.may_be_over
    job_end.end(folder, job, "so it was")
    assert (early.why(), late.why()) == ("so it was", "so it was")


def test_a_job_whose_beginning_nobody_saw_is_done_all_the_same(folder, time):
    finish(folder, "long ago")
    end = job_end.JobEnd(folder, time)
    finish(folder)
    assert end.why() == "so it was"


@pytest.mark.parametrize("is_seen_running", [True, False])
def test_the_next_job_says_that_this_one_is_done(folder, time, is_seen_running):
    job = job_end.begin(folder)
    end = job_end.JobEnd(folder, time)
    if is_seen_running:
        assert end.why() is None
    job_end.end(folder, job, "nobody reads this in time")
    job_end.begin(folder)
    assert "has begun another job" in end.why()


def test_a_chief_that_was_restarted_goes_on_with_its_job(folder, time):
    job = job_end.begin(folder)
    end = job_end.JobEnd(folder, time)
    assert job_end.begin(folder) == job
    assert end.why() is None


def test_what_was_said_before_counts_when_patience_is_over(folder, time):
    finish(folder, "long ago")
    end, patient = job_end.JobEnd(folder, time, 60), job_end.JobEnd(folder, time)
    time.now += 59
    assert end.why() is None
    assert end.may_be_over
    time.now += 1
    assert end.why() == "long ago"
    assert patient.why() is None


def test_a_chief_that_was_restarted_with_other_max_steps_says_so(folder, time):
    job = job_end.begin(folder, 10)
    end = job_end.JobEnd(folder, time)
    assert job_end.begin(folder, 20) == job_end.Note.read(folder) == job_end.Note(job.id, None, 20)
    assert end.why() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job": "a"}', '"job"', "3"])
def test_a_note_that_nobody_can_read_says_nothing(folder, time, text):
    finish(folder)
    with tf.io.gfile.GFile(f"{folder}/cluster_job.json", "w") as file:
        file.write(text)
    end = job_end.JobEnd(folder, time)
    assert end.why() is None
    finish(folder)
    assert end.why() == "so it was"


def test_a_worker_looks_once_a_second_and_stops(folder, time):
    job = job_end.begin(folder)
    stop = job_end.StopWithJob(job_end.JobEnd(folder, time), time)
    job_end.end(folder, job, "so it was")
    asked = []

    class Context:
        def request_stop(self):
            asked.append(time.now)

    for _ in range(8):
        time.now += 0.25
        assert stop.next_look(7) == (8 if time.now >= 101 and not asked else None)
        stop.after_run(Context(), None)
        if asked:
            break
    assert asked == [101.0]
