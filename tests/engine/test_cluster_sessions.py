"""Sessions of tasks of a cluster that cannot be made: by a clock of the test's, without peers."""

import json

import pytest
import tensorflow as tf

from tf_estimator import RunConfig
from tf_estimator.cluster.waiting import UnreachableError
from tf_estimator.engine.cluster_sessions import ChiefSessionCreator


@pytest.fixture
def create(monkeypatch, tmp_path):
    """Creates a session at a time of the clock; TensorFlow fails if it is told so."""
    task = {"type": "chief", "index": 0}
    # Somebody else sees to the servers, so nobody is asked for.
    entries = {"environment": "google", "timeout_secs": 10}
    cluster = {"chief": ["c:1"], "ps": ["p:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task, **entries}))
    now, fails = 0.0, False

    class Restoring:
        def create_session(self):
            if fails:
                raise tf.errors.UnavailableError(None, None, "failed to connect")
            return "a session"

    creator = ChiefSessionCreator(None, RunConfig(str(tmp_path)), Restoring(), clock=lambda: now)

    def create(time, does_fail):
        nonlocal now, fails
        now, fails = time, does_fail
        return creator.create_session()

    return create


def test_failures_end_training_when_there_was_nothing_else_for_long(create):
    for time in (5, 20, 64):
        with pytest.raises(tf.errors.UnavailableError):
            create(time, does_fail=True)
    message = r"for 60 s. .*each address .* same machine for all .*: failed to connect$"
    with pytest.raises(UnreachableError, match=message):
        create(65, does_fail=True)


def test_a_session_in_between_makes_failures_begin_anew(create):
    for time in (0, 40, 80, 120):
        with pytest.raises(tf.errors.UnavailableError):
            create(time, does_fail=True)
        assert create(time + 1, does_fail=False) == "a session"
