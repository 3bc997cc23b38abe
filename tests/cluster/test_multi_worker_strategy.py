"""How a MultiWorkerMirroredStrategy is made, and which ones a config can have."""

import json

import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator.cluster import multi_worker
from tf_estimator.engine import strategy_of

v1 = tf.compat.v1

JOBS = {"chief": ["127.0.0.1:1111"], "worker": ["127.0.0.1:1112", "127.0.0.1:1113"]}
ALONE = {"cluster": {"chief": ["127.0.0.1:1111"]}, "task": {"type": "chief", "index": 0}}


@pytest.fixture
def in_cluster(monkeypatch):
    """Sets TF_CONFIG to a task of a cluster."""

    def in_cluster(job="worker", index=1, jobs=JOBS):
        text = json.dumps({"cluster": jobs, "task": {"type": job, "index": index}})
        monkeypatch.setenv("TF_CONFIG", text)

    return in_cluster


def in_graph():
    with tf.Graph().as_default():
        return tf.distribute.MultiWorkerMirroredStrategy()


@pytest.mark.parametrize("job", ["chief", "worker"])
def test_a_strategy_of_all_that_train(in_cluster, job):
    in_cluster(job, 0, {**JOBS, "evaluator": ["127.0.0.1:1114"]})
    strategy = tf_estimator.experimental.multi_worker_mirrored_strategy()
    assert strategy.num_replicas_in_sync == 3
    assert not multi_worker._tf.strategy_has_server(strategy)
    config = tf_estimator.RunConfig("/m", train_distribute=strategy)
    assert multi_worker.fitting(config) is strategy
    assert multi_worker.joins_workers(config)
    assert not multi_worker.has_own_server(config)


def test_an_evaluator_needs_none_that_fits(in_cluster):
    in_cluster("evaluator", 0)
    with pytest.raises(KeyError):
        in_graph()  # Which is why there is ours.
    strategy = tf_estimator.experimental.multi_worker_mirrored_strategy()
    config = tf_estimator.RunConfig("/m", train_distribute=strategy)
    assert strategy.num_replicas_in_sync == 1
    assert not multi_worker.joins_workers(config)
    assert strategy_of("eval", config) is None


@pytest.mark.parametrize("tf_config", [{}, ALONE])
@pytest.mark.parametrize("make", [in_graph, multi_worker.multi_worker_mirrored_strategy])
def test_one_machine_trains_alone(monkeypatch, tmp_path, tf_config, make):
    monkeypatch.setenv("TF_CONFIG", json.dumps(tf_config))

    def model_fn(features, labels, mode):
        w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
        loss = tf.reduce_mean((features * w - labels) ** 2)
        train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step())
        return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    def input_fn(input_context):
        assert input_context.num_input_pipelines == 1
        return tf.data.Dataset.from_tensors(([1.0, 2.0], [2.0, 4.0])).repeat(20)

    config = tf_estimator.RunConfig(str(tmp_path), train_distribute=make())
    estimator = tf_estimator.Estimator(model_fn, config=config)
    estimator.train(input_fn)
    assert estimator.get_variable_value("global_step") == 20
    assert estimator.get_variable_value("w") == pytest.approx(2.0, abs=1e-3)


def test_one_that_was_made_before_tf_config_was_set_is_refused(in_cluster):
    strategy = in_graph()
    in_cluster()
    config = tf_estimator.RunConfig("/m", train_distribute=strategy)
    with pytest.raises(ValueError, match="Set TF_CONFIG before the strategy is made"):
        multi_worker.fitting(config)


def test_one_for_another_task_is_refused(in_cluster):
    in_cluster("chief", 0)
    strategy = in_graph()
    in_cluster("worker", 0)
    config = tf_estimator.RunConfig("/m", train_distribute=strategy)
    with pytest.raises(
        ValueError, match=r"worker 0 of the cluster .*received '3 replicas, for chief 0'"
    ):
        strategy_of("train", config)


def test_parameter_servers_need_none(in_cluster):
    in_cluster(jobs={**JOBS, "ps": ["127.0.0.1:1114"]})
    config = tf_estimator.RunConfig("/m", train_distribute=in_graph())
    with pytest.raises(ValueError, match='and no "ps"'):
        multi_worker.fitting(config)


def test_it_is_for_training_only():
    config = tf_estimator.RunConfig("/m", eval_distribute=in_graph())
    with pytest.raises(NotImplementedError, match="One task of a cluster evaluates"):
        strategy_of("eval", config)


def test_the_session_config_is_what_the_strategy_asks_for(in_cluster):
    in_cluster()
    config = tf_estimator.RunConfig("/m", train_distribute=in_graph())
    told = multi_worker.session_config(config)
    assert told.experimental.collective_group_leader == "/job:chief/replica:0/task:0"
    assert list(told.device_filters) == ["/job:worker/task:1"]
    assert told.allow_soft_placement
