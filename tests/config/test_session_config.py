import pytest
import tensorflow as tf

from tf_estimator.config import Cluster
from tf_estimator.config.session_config import default_session_config, session_config_of_task

# ConfigProto.SerializeToString() of the defaults of tensorflow-estimator 2.15, in hexadecimal:
# allow_soft_placement, and one pass of the graph optimizer.
DEFAULT = "3801520452026001"


def filters(*names):
    return "".join(f"22{len(name):02x}{name.encode().hex()}" for name in names)


def test_the_default_is_that_of_the_original():
    assert default_session_config().SerializeToString().hex() == DEFAULT


def test_device_filters_come_in_the_given_order():
    config = default_session_config(["/job:b", "/job:a"])
    assert config.SerializeToString().hex() == filters("/job:b", "/job:a") + DEFAULT


@pytest.mark.parametrize(
    ("head", "task", "expected"),
    [
        ("chief", "chief", ["/job:ps", "/job:chief"]),
        ("master", "master", ["/job:ps", "/job:master"]),
        ("chief", "worker", ["/job:ps", "/job:worker/task:1"]),
        ("chief", "ps", ["/job:ps", "/job:worker", "/job:chief", "/job:master"]),
    ],
)
def test_a_task_sees_what_it_needs_only(head, task, expected):
    jobs = {head: ["c:1"], "worker": ["w:1", "w:2"], "ps": ["p:1", "p:2"]}
    index = 0 if task == head else 1
    cluster = Cluster.parse({"cluster": jobs, "task": {"type": task, "index": index}})
    config = session_config_of_task(cluster)
    assert config.SerializeToString().hex() == filters(*expected) + DEFAULT


@pytest.mark.parametrize("task", ["evaluator", "zoo"])
def test_other_tasks_have_no_filters(task):
    jobs = {"chief": ["c:1"], "zoo": ["z:1"]}
    cluster = Cluster.parse({"cluster": jobs, "task": {"type": task, "index": 0}})
    assert session_config_of_task(cluster) is None
    assert session_config_of_task(Cluster()) is None


def test_a_session_takes_the_default():
    with tf.Graph().as_default(), tf.compat.v1.Session(config=default_session_config()) as session:
        assert session.run(tf.constant(1)) == 1
