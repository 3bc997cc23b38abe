"""Serving: one set of weights at a time, swapped while requests go on, and gone when unused."""

import os
import shutil
import threading
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import EstimatorSpec, RunConfig
from tf_estimator.engine.model import Model
from tf_estimator.engine.serve.endpoint import Endpoint, Ready
from tf_estimator.engine.serve.server import server

v1 = tf.compat.v1


def ready(feeds_and_outputs):
    graph = tf.Graph()
    with graph.as_default():
        feeds, outputs = feeds_and_outputs()
        endpoint = Endpoint("features", graph, feeds, outputs)
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())
    return Ready(endpoint, session, None)


class TestReady:
    def test_every_kind_of_output(self):
        def make():
            x = v1.placeholder(tf.float32, [None, 2])
            flat = tf.reshape(x, [-1])
            outputs = {
                "sparse": tf.sparse.from_dense(x),
                "text": tf.strings.as_string(x, precision=0),
                "flat": flat,
                "scalar": tf.reduce_sum(x),
                "name": tf.constant("é"),
                "twice": flat,
                "x": x,
            }
            return {"x": x}, outputs

        found = ready(make).answer({"x": [[0.0, 2.0]]})
        assert list(found) == ["sparse", "text", "flat", "scalar", "name", "twice", "x"]
        assert isinstance(found["sparse"], v1.SparseTensorValue)
        assert found["sparse"].values.tolist() == [2.0]
        assert found["flat"].tolist() == [0.0, 2.0]
        assert found["text"].tolist() == [[b"0", b"2"]]
        assert (found["scalar"], found["name"]) == (2.0, "é".encode())
        assert found["twice"].tolist() == [0.0, 2.0]
        assert found["x"].tolist() == [[0.0, 2.0]]

    def test_the_answers_are_the_callers(self):
        def make():
            x = v1.placeholder(tf.float32, [None, 1000])
            w = v1.get_variable("w", [1000], initializer=v1.ones_initializer())
            constant = tf.constant(np.ones([1000], np.float32))
            same = tf.identity(x)
            return x, {"w": w.read_value(), "v": tf.identity(w), "c": constant, "x": same, "f": x}

        model, x = ready(make), np.ones([50, 1000], np.float32)
        for _ in range(2):
            answer = model.answer(x)
            assert all((array == 1.0).all() for array in answer.values())
            for array in answer.values():
                array[...] = 7.0
        assert (x == 1.0).all()

    def test_one_tensor_is_answered_by_one_array(self):
        x = tf.TensorSpec([None], tf.int64)
        assert ready(lambda: [v1.placeholder(x.dtype, x.shape)] * 2).answer([4]).tolist() == [4]


def agreeing(features, mode):
    """a and b are the global step; an answer has them from two places of the graph."""
    a = v1.get_variable("a", [2000], tf.int64, v1.zeros_initializer())
    b = v1.get_variable("b", [], tf.int64, v1.zeros_initializer())
    step, one = v1.train.get_global_step(), tf.constant(1, tf.int64)
    loss = tf.reduce_sum(features["x"])
    with tf.control_dependencies([loss, step + 0]):
        train_op = tf.group(a.assign_add(tf.ones_like(a)), b.assign_add(one), step.assign_add(one))
    predictions = {"a": features["x"] + a[-1], "b": features["x"] + b}
    return EstimatorSpec(mode, predictions, tf.cast(loss, tf.float32), train_op)


X = {"x": tf.TensorSpec([None], tf.int64)}


@pytest.fixture
def steps(make_estimator):
    """An Estimator with checkpoints of steps 0 to 3."""
    estimator = make_estimator(agreeing, save_checkpoints_steps=1)
    x = np.zeros([1], np.int64)
    return estimator.train(lambda: tf.data.Dataset.from_tensors({"x": x}).repeat(), steps=3)


class Folder:
    """Stands where the newest checkpoint is looked for: `step` is the one that is found."""

    def __init__(self, model_dir):
        self.model_dir, self.step = model_dir, 1

    def path(self):
        return os.path.join(self.model_dir, f"model.ckpt-{self.step}")

    def server(self, model_fn=agreeing, **given):
        model, config = Model(model_fn, None, None), RunConfig(self.model_dir)
        return server(model, config, X, self.path, **given)


@pytest.fixture
def folder(steps):
    return Folder(steps.model_dir)


def test_what_is_ready_stays_until_the_checkpoint_is_another(folder):
    newer_than = folder.server()
    one = newer_than(None)
    assert newer_than(one) is None
    folder.step = 3
    three = newer_than(one)
    assert newer_than(three) is None
    assert [each.answer({"x": [0]})["a"].tolist() for each in (one, three, one)] == [[1], [3], [1]]
    assert (three.source, one.source) == (folder.path(), folder.path()[:-1] + "1")
    assert one.endpoint is three.endpoint


def test_a_checkpoint_that_was_written_anew_is_another(folder):
    newer_than = folder.server()
    one = newer_than(None)
    for file in os.listdir(folder.model_dir):
        if file.startswith("model.ckpt-2."):
            to = file.replace("-2.", "-1.", 1)
            shutil.copyfile(
                os.path.join(folder.model_dir, file), os.path.join(folder.model_dir, to)
            )
    assert newer_than(one).answer({"x": [0]})["a"].tolist() == [2]


def test_a_checkpoint_that_is_replaced_while_it_is_restored_is_done_without(folder):
    looks = []

    def path():
        looks.append(folder.step)
        folder.step = "gone" if len(looks) == 1 else 2
        return Folder.path(folder)

    newer_than = server(Model(agreeing, None, None), RunConfig(folder.model_dir), X, path)
    looks.clear()
    assert newer_than(None).answer({"x": [0]})["a"].tolist() == [2]
    assert len(looks) == 2


def test_a_checkpoint_that_stays_away_is_an_error(folder):
    newer_than = folder.server()
    one = newer_than(None)
    folder.step = 17
    with pytest.raises(ValueError, match=r"must name a checkpoint; received '.*model.ckpt-17'"):
        newer_than(one)


def test_a_session_goes_when_nobody_needs_it(folder):
    newer_than = folder.server()
    one = newer_than(None)
    session = weakref.ref(one.session)
    folder.step = 2
    two = newer_than(one)
    assert session() is not None
    del one
    assert session() is None
    assert two.answer({"x": [5]})["b"].tolist() == [7]


def test_requests_of_many_threads_see_one_set_of_weights_each(folder):
    newer_than = folder.server()
    now, answers, stop = [newer_than(None)], [], threading.Event()

    def ask(x):
        while not stop.is_set():
            answer = now[0].answer({"x": [x]})
            answers.append((x, answer["a"].item() - x, answer["b"].item() - x))

    threads = [threading.Thread(target=ask, args=[1000 * n]) for n in range(3)]
    for thread in threads:
        thread.start()
    for step in (2, 3, 0, 1, 3):
        folder.step, before = step, len(answers)
        now[0] = newer_than(now[0])
        while len(answers) < before + 20:
            assert all(thread.is_alive() for thread in threads)
    stop.set()
    for thread in threads:
        thread.join()
    assert all(a == b for _, a, b in answers)
    assert {a for _, a, _ in answers} == {0, 1, 2, 3}
    assert {x for x, _, _ in answers} == {0, 1000, 2000}


def test_prediction_hooks_are_named_as_not_run(folder, caplog):
    class Hook(v1.train.SessionRunHook):
        pass

    def model_fn(features, mode):
        return agreeing(features, mode)._replace(prediction_hooks=(Hook(),))

    with caplog.at_level("WARNING"):
        folder.server(model_fn)
    assert "runs no prediction_hooks" in caplog.text
    assert "Hook" in caplog.text
