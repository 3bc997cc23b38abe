"""TPUConfig and RunConfig of TPUEstimator."""

import copy
import json

import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator.compat.v1 import tpu
from tf_estimator.tpu import InputPipelineConfig, RunConfig, TPUConfig

v1 = tf.compat.v1
V2 = InputPipelineConfig.PER_HOST_V2


class Resolver(tf.distribute.cluster_resolver.ClusterResolver):
    """Of servers that nobody connects to."""

    def __init__(self, jobs):
        self.lock = (each for each in ())  # what cannot be copied
        self.jobs = jobs

    def cluster_spec(self):
        return tf.train.ClusterSpec(self.jobs) if self.jobs else None

    def master(self, task_type=None, task_id=None, rpc_layer=None):
        return "grpc://localhost:1"

    def num_accelerators(self, task_type=None, task_id=None, config_proto=None):
        return {}


def test_the_defaults_are_those_of_the_original():
    assert tuple(TPUConfig()) == (2, None, None, 2, None, None, None, 2, 1, False, None)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("iterations_per_loop", 1000, 1000),
        ("iterations_per_loop", "30s", "30s"),
        ("iterations_per_loop", "5m", "5m"),
        ("iterations_per_loop", "12h", "12h"),
        ("iterations_per_loop", "5", "5"),
        ("num_shards", 8, 8),
        ("num_cores_per_replica", 128, 128),
        ("per_host_input_for_training", True, InputPipelineConfig.PER_HOST_V1),
        ("per_host_input_for_training", False, InputPipelineConfig.PER_SHARD_V1),
        ("per_host_input_for_training", InputPipelineConfig.PER_SHARD_V1, 1),
        ("per_host_input_for_training", V2, 3),
        ("per_host_input_for_training", InputPipelineConfig.BROADCAST, 4),
        ("eval_training_input_configuration", InputPipelineConfig.SLICED, 5),
        ("initial_infeed_sleep_secs", 0, 0),
        ("tpu_job_name", "worker", "worker"),
    ],
)
def test_what_is_given_is_kept(name, value, kept):
    assert getattr(TPUConfig(**{name: value}), name) == kept
    assert getattr(TPUConfig()._replace(**{name: kept}), name) == kept


@pytest.mark.parametrize(
    "given",
    [
        {"iterations_per_loop": 0},
        {"iterations_per_loop": "0s"},
        {"iterations_per_loop": "05m"},
        {"iterations_per_loop": "5x"},
        {"iterations_per_loop": "10 s"},
        {"iterations_per_loop": ""},
        {"iterations_per_loop": 2.5},
        {"iterations_per_loop": None},
        {"iterations_per_loop": True},
        {"num_shards": 0},
        {"num_cores_per_replica": 3},
        {"num_cores_per_replica": "2"},
        {"initial_infeed_sleep_secs": -1},
        {"eval_training_input_configuration": InputPipelineConfig.PER_HOST_V2},
        {"input_partition_dims": [[1]], "per_host_input_for_training": V2},
        {"input_partition_dims": [[1]], "num_cores_per_replica": 2},
        {"input_partition_dims": [], "num_cores_per_replica": 2},
        {"input_partition_dims": [[1]] * 3, "num_cores_per_replica": 2},
        {"input_partition_dims": 3, "num_cores_per_replica": 2},
    ],
    ids=str,
)
def test_a_wrong_value_is_a_value_error(given):
    with pytest.raises(ValueError, match="must be"):
        TPUConfig(**given)


@pytest.mark.parametrize(
    "given", [{"num_shards": "3"}, {"num_shards": 2.0}, {"initial_infeed_sleep_secs": 1.5}], ids=str
)
def test_a_wrong_type_is_a_type_error(given):
    with pytest.raises(TypeError, match="must be a positive integer; received"):
        TPUConfig(**given)


def test_partitions_go_with_cores_and_datasets():
    config = TPUConfig(
        num_cores_per_replica=2,
        input_partition_dims=[{"x": [1, 2]}, None],
        per_host_input_for_training=V2,
    )
    assert config.input_partition_dims == [{"x": [1, 2]}, None]


def test_the_default_config_is_in_process():
    config = RunConfig()
    assert (config.master, config.evaluation_master, config.cluster) == ("", "", None)
    assert config.tpu_config == TPUConfig()
    assert config.session_config is None
    assert repr(config) == "RunConfig()"


def test_it_is_a_run_config_with_its_arguments(tmp_path):
    config = RunConfig(
        tpu_config=TPUConfig(7), model_dir=str(tmp_path), save_checkpoints_steps=5, steps_per_loop=3
    )
    assert isinstance(config, tf_estimator.RunConfig)
    assert (config.model_dir, config.save_checkpoints_steps) == (str(tmp_path), 5)
    assert config.steps_per_loop == 3
    with pytest.raises(TypeError, match="iterations"):
        RunConfig(iterations=3)


def test_the_first_arguments_are_by_position_as_ever():
    config = RunConfig(TPUConfig(7), "grpc://localhost:2", "grpc://localhost:1", None)
    assert config.tpu_config.iterations_per_loop == 7
    assert (config.master, config.evaluation_master) == ("grpc://localhost:1", "grpc://localhost:2")


@pytest.mark.parametrize(
    ("given", "masters"),
    [
        ({}, ("", "")),
        ({"master": "grpc://localhost:1"}, ("grpc://localhost:1", "grpc://localhost:1")),
        ({"master": "grpc://localhost:1", "evaluation_master": ""}, ("grpc://localhost:1", "")),
        ({"evaluation_master": "grpc://localhost:2"}, ("", "grpc://localhost:2")),
    ],
    ids=str,
)
def test_evaluation_is_where_training_is_unless_it_is_said(given, masters):
    config = RunConfig(**given)
    assert (config.master, config.evaluation_master) == masters


def test_masters_of_tf_config(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}
    for task in ("worker", "evaluator"):
        monkeypatch.setenv(
            "TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": task, "index": 0}})
        )
        config = RunConfig(master="") if task == "worker" else RunConfig(master="grpc://a:1")
        assert config.task_type == task
        # A TPU's step is not spread over the tasks, so a session sees all devices.
        assert config.session_config is None
        assert config.evaluation_master == ""
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    )
    assert RunConfig().master == RunConfig().evaluation_master == "grpc://b:1"
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"session_master": "grpc://a:1", "eval_session_master": "local"})
    )
    assert (RunConfig().master, RunConfig().evaluation_master) == ("grpc://a:1", "local")
    config = RunConfig(master="grpc://c:1")
    assert (config.master, config.evaluation_master) == ("grpc://c:1", "local")


def test_a_cluster_gives_master_and_servers():
    config = RunConfig(cluster=Resolver({"worker": ["localhost:1"]}))
    assert config.master == config.evaluation_master == "grpc://localhost:1"
    assert config.cluster_spec.as_dict() == {"worker": ["localhost:1"]}
    assert config.session_config.isolate_session_state
    assert config.session_config.allow_soft_placement
    assert [job.name for job in config.session_config.cluster_def.job] == ["worker"]
    assert config.task_type == "worker"


def test_a_cluster_without_servers():
    config = RunConfig(cluster=Resolver(None))
    assert not config.cluster_spec
    assert not config.session_config.cluster_def.job


def test_the_servers_go_into_a_copy_of_a_given_session_config():
    given = v1.ConfigProto(log_device_placement=True)
    config = RunConfig(cluster=Resolver({"worker": ["localhost:1"]}), session_config=given)
    assert config.session_config.log_device_placement
    assert config.session_config.HasField("cluster_def")
    assert not config.session_config.isolate_session_state
    assert not given.HasField("cluster_def")


@pytest.mark.parametrize("master", ["", "grpc://localhost:1"])
def test_master_and_cluster_exclude_each_other(master):
    with pytest.raises(ValueError, match="master must be None if cluster is given"):
        RunConfig(cluster=Resolver(None), master=master)


def test_servers_are_named_once():
    given = v1.ConfigProto()
    given.cluster_def.job.add().name = "worker"
    with pytest.raises(ValueError, match="must have no cluster_def"):
        RunConfig(cluster=Resolver(None), session_config=given)


@pytest.mark.parametrize(
    ("name", "value"), [("tpu_config", 5), ("cluster", "grpc://localhost:1")], ids=str
)
def test_another_object_is_a_type_error(name, value):
    with pytest.raises(TypeError, match=f"{name} must be .*received"):
        RunConfig(**{name: value})


def test_replace_keeps_what_is_not_named():
    config = RunConfig(TPUConfig(7), master="grpc://localhost:1").replace(tf_random_seed=3)
    assert type(config) is RunConfig
    assert config.tf_random_seed == 3
    assert (config.tpu_config.iterations_per_loop, config.master) == (7, "grpc://localhost:1")
    changed = config.replace(tpu_config=TPUConfig(8), tf_random_seed=4)
    assert (changed.tpu_config.iterations_per_loop, changed.tf_random_seed) == (8, 4)
    assert config.tpu_config.iterations_per_loop == 7
    with pytest.raises(TypeError, match="tpu_config must be"):
        config.replace(tpu_config=3)


@pytest.mark.parametrize("name", ["master", "cluster", "evaluation_master"])
def test_what_replace_cannot_change(name):
    with pytest.raises(ValueError, match="must be arguments of RunConfig"):
        RunConfig().replace(**{name: None})


def test_copies_are_equal_and_share_the_resolver():
    cluster = Resolver({"worker": ["localhost:1"]})
    config = RunConfig(TPUConfig(7), cluster=cluster)
    copied = copy.deepcopy(config)
    assert copied == config
    assert hash(copied) == hash(config)
    assert copied.cluster is cluster
    assert RunConfig(TPUConfig(8)) != RunConfig(TPUConfig(7))
    assert RunConfig() != tf_estimator.RunConfig()


def test_the_repr_has_what_was_given():
    config = RunConfig(TPUConfig(num_shards=8), master="grpc://a:1", model_dir="m", keep_graphs=2)
    assert repr(config) == (
        "RunConfig(tpu_config=TPUConfig(num_shards=8), evaluation_master='grpc://a:1', "
        "master='grpc://a:1', model_dir='m', keep_graphs=2)"
    )


def test_the_surface_has_these():
    assert tpu.RunConfig is RunConfig
    assert tpu.TPUConfig is TPUConfig
    assert tpu.InputPipelineConfig is InputPipelineConfig
    assert {"experimental", *vars(InputPipelineConfig)} >= {"PER_HOST_V1", "SLICED"}
