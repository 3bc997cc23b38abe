"""Sessions that nobody uses any longer are deleted by a thread of their own."""

import gc
import queue
import subprocess
import sys
import threading

import pytest
import tensorflow as tf

from tf_estimator.engine.session_deletion import delete_aside

v1 = tf.compat.v1


@pytest.fixture
def deletions(monkeypatch):
    """Gets the name of the thread that closes and deletes a session, for each."""
    names = queue.Queue()
    delete = v1.Session.__del__

    def told(session):
        delete(session)
        names.put(threading.current_thread().name)

    gc.collect()
    monkeypatch.setattr(v1.Session, "__del__", told)
    return names


@pytest.fixture
def session():
    graph = tf.Graph()
    with graph.as_default():
        tf.constant(1.0, name="one")
    return delete_aside(v1.Session(graph=graph))


def test_it_is_a_session(session):
    assert isinstance(session, v1.Session)
    assert session.run("one:0") == 1.0
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.run("one:0")


def test_another_thread_deletes_it(deletions):
    session = delete_aside(v1.Session(graph=tf.Graph()))
    del session
    assert deletions.get(timeout=60) == "delete sessions"


def test_one_in_a_cycle_too(deletions):
    session = delete_aside(v1.Session(graph=tf.Graph()))
    session.self = session
    del session
    gc.collect()
    assert deletions.get(timeout=60) == "delete sessions"


def test_a_class_of_the_user_is_left_as_it_is():
    class Own(v1.Session):
        pass

    with Own(graph=tf.Graph()) as session:
        assert type(delete_aside(session)) is Own


def test_those_of_an_estimator(make_estimator, endless, three_batches, deletions):
    with make_estimator(keep_graphs=True) as estimator:
        estimator.train(endless, steps=2)
        estimator.evaluate(three_batches)
    del estimator
    gc.collect()
    assert deletions.get(timeout=60) == "delete sessions"
    while not deletions.empty():
        assert deletions.get() == "delete sessions"


def test_a_callable_of_it_may_go_after_it(session):
    session.run_once = session.make_callable("one:0")  # a cycle
    assert session.run_once() == 1.0
    del session
    gc.collect()


PROGRAM = """
import gc
import tensorflow as tf
from tf_estimator.engine.session_deletion import delete_aside

for _ in range(20):
    with tf.Graph().as_default():
        numbers = tf.data.Dataset.range(10**6).map(lambda x: x + 1).prefetch(1)
        iterator = tf.compat.v1.data.make_initializable_iterator(numbers)
        session = delete_aside(tf.compat.v1.Session())
        session.run(iterator.initializer)
        session.run(iterator.get_next())
"""


@pytest.mark.slow  # it imports TensorFlow
def test_a_process_may_end_meanwhile():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Exception" not in done.stderr
