"""When a parameter server ends; by a time of its own, and answers that the test gives."""

import json

import pytest
import tensorflow as tf

from tf_estimator import RunConfig
from tf_estimator.cluster import job_end
from tf_estimator.cluster.probe import Answer
from tf_estimator.cluster.serving import serve
from tf_estimator.cluster.waiting import UnreachableError

v1 = tf.compat.v1


@pytest.fixture
def make_config(monkeypatch, tmp_path):
    """Makes the RunConfig of a parameter server."""
    cluster = {"worker": ["w:1", "w:2"], "chief": ["c:1"], "ps": ["p:1", "p:2"]}

    def make(**options):
        tf_config = {"cluster": cluster, "task": {"type": "ps", "index": 1}, "timeout_secs": 10}
        monkeypatch.setenv("TF_CONFIG", json.dumps(tf_config))
        return RunConfig(str(tmp_path), **options)

    return make


class World:
    """Time, that passes when somebody sleeps, and who answers when."""

    def __init__(self, answers=lambda now: ()):
        self.now, self.asked = 0.0, []
        self._answers, self._events = answers, []

    def at(self, time, event):
        self._events.append((time, event))

    def clock(self):
        return self.now

    def sleep(self, secs):
        self.now += secs
        for due in [each for each in self._events if each[0] <= self.now]:
            self._events.remove(due)
            due[1]()

    def ask(self, address):
        self.asked.append(address)
        return Answer.ANSWERS if address in self._answers(self.now) else Answer.REFUSED

    def serve(self, config, max_steps=None):
        serve(config, max_steps, self.clock, self.sleep, self.ask)
        return self.now


def save(folder, step):
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.get_or_create_global_step()
        session.run(v1.train.get_global_step().initializer)
        session.run(v1.assign(v1.train.get_global_step(), step))
        v1.train.Saver().save(session, f"{folder}/model.ckpt", global_step=step)


@pytest.mark.parametrize(("gone_at", "ends_at"), [(0, 30), (35, 35), (1000, 40)])
def test_it_ends_with_the_job_and_gives_workers_some_seconds(make_config, gone_at, ends_at):
    config = make_config()
    world = World(lambda now: ["w:2"] if now < gone_at else [])
    job = job_end.begin(config.model_dir)
    world.at(30, lambda: job_end.end(config.model_dir, job, "so it was"))
    assert world.serve(config) == ends_at


def test_as_long_as_the_chief_answers_no_other_is_asked(make_config):
    config = make_config()
    world = World(lambda now: ["c:1"] if now <= 30 else [])
    world.at(30, lambda: job_end.end(config.model_dir, job_end.begin(config.model_dir), "enough"))
    world.serve(config)
    assert set(world.asked[:-3]) == {"c:1"}
    assert len(world.asked) < 12


def test_one_that_is_restarted_after_the_end_ends_at_once(make_config):
    config = make_config()
    job_end.end(config.model_dir, job_end.begin(config.model_dir), "so it was")
    save(config.model_dir, 101)
    assert World().serve(config, max_steps=100) == 0


@pytest.mark.parametrize("answering", ["c:1", "w:1"])
def test_while_somebody_trains_a_last_checkpoint_is_not_the_end(make_config, answering):
    config = make_config()
    save(config.model_dir, 100)
    world = World(lambda now: [answering] if now < 50 else [])
    assert world.serve(config, max_steps=100) == 50


def test_it_does_not_wait_for_ever(make_config):
    config = make_config(session_creation_timeout_secs=500)
    world = World(lambda now: ["w:1"] if now < 100 else [])
    message = r"server 1 for 50\d s: chief 0 \(c:1\) refuses .*; worker 0 .*; worker 1 \(w:2\) ref"
    with pytest.raises(UnreachableError, match=message):
        world.serve(config, max_steps=100)
    assert 600 <= world.now < 610


def test_it_tells_ever_more_rarely_that_nobody_trains(make_config, caplog):
    caplog.set_level("INFO")
    config = make_config()
    world = World(lambda now: ["c:1"] if 100 <= now < 200 else [])
    world.at(250, lambda: job_end.end(config.model_dir, job_end.begin(config.model_dir), "enough"))
    world.serve(config)
    said = [each.getMessage() for each in caplog.records if "No task" in each.getMessage()]
    assert [line.partition(": ")[0] for line in said] == [
        f"No task that trains has answered for {secs} s" for secs in (10, 20, 40, 80, 10, 20, 40)
    ]
    assert "chief 0 (c:1) refuses the connection: nothing listens on that port; worker" in said[0]


@pytest.mark.parametrize("before", [None, 100])
def test_one_that_is_restarted_after_an_early_end_waits_for_another_job_and_ends(
    make_config, before, caplog
):
    caplog.set_level("INFO")
    config = make_config()
    job_end.end(config.model_dir, job_end.begin(config.model_dir, before), "so it was")
    assert World().serve(config, before) == 60
    assert "nobody has begun another one for 60 s. So it was this job" in caplog.text


@pytest.mark.parametrize(("before", "now"), [(100, 200), (100, None), (None, 200)])
def test_a_job_that_was_done_before_with_other_max_steps_is_not_this_one(make_config, before, now):
    config = make_config()
    job_end.end(config.model_dir, job_end.begin(config.model_dir, before), "so it was")
    message = f"for 60 s. Its max_steps was {before}, and that of this task is {now}, whose chief"
    with pytest.raises(UnreachableError, match=message):
        World().serve(config, now)


def test_a_chief_that_comes_later_than_the_server_is_waited_for(make_config):
    config = make_config()
    job_end.end(config.model_dir, job_end.begin(config.model_dir), "long ago")
    world = World(lambda now: ["c:1"] if 40 < now < 300 else [])
    jobs = []
    world.at(45, lambda: jobs.append(job_end.begin(config.model_dir)))
    world.at(300, lambda: job_end.end(config.model_dir, jobs[0], "so it was"))
    assert world.serve(config) == 300
