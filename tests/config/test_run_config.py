import collections
import copy
import functools
import inspect
import json
import pathlib
import pickle

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.config import Cluster, RunConfig

HOSTS = {"chief": ["c:1"], "worker": ["w:1", "w:2"], "ps": ["p:1"]}
DEFAULTS = {
    "model_dir": None,
    "tf_random_seed": None,
    "save_summary_steps": 100,
    "save_checkpoints_steps": None,
    "save_checkpoints_secs": 600,
    "session_config": None,
    "keep_checkpoint_max": 5,
    "keep_checkpoint_every_n_hours": 10000,
    "log_step_count_steps": 100,
    "train_distribute": None,
    "device_fn": None,
    "protocol": None,
    "eval_distribute": None,
    "experimental_distribute": None,
    "experimental_max_worker_delay_secs": None,
    "session_creation_timeout_secs": 7200,
    "checkpoint_save_graph_def": True,
    "ignore_missing": False,
    "save_input_state": False,
    "keep_graphs": True,
    "steps_per_loop": "auto",
    "jit_compile": False,
    "adopt_live_ps": False,
}
Distribution = collections.namedtuple("Distribution", "train_distribute eval_distribute")


@pytest.fixture
def set_tf_config(monkeypatch):
    def set_(value):
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv("TF_CONFIG", text)

    return set_


@pytest.fixture(scope="module")
def strategies():
    return tf.distribute.OneDeviceStrategy("/cpu:0"), tf.distribute.OneDeviceStrategy("/cpu:0")


def saving(config):
    return config.save_checkpoints_steps, config.save_checkpoints_secs


def to_cpu(op):
    del op
    return "/cpu:0"


class ToCpu:
    def __call__(self, op):
        return "/cpu:0"


class WithExtra(RunConfig):
    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth


def test_the_defaults():
    config = RunConfig()
    assert {name: getattr(config, name) for name in DEFAULTS} == DEFAULTS
    assert (config.task_type, config.task_id, config.is_chief) == ("worker", 0, True)
    assert (config.master, config.evaluation_master) == ("", "")
    assert (config.num_ps_replicas, config.num_worker_replicas) == (0, 1)
    assert (config.global_id_in_cluster, config.service) == (0, None)
    assert config.cluster_spec == tf.train.ClusterSpec({})
    assert config.tf_config == Cluster()


def test_every_argument_is_a_read_only_property_in_the_order_of_the_signature():
    parameters = inspect.signature(RunConfig).parameters
    assert list(parameters) == list(DEFAULTS)
    for name in DEFAULTS:
        assert isinstance(inspect.getattr_static(RunConfig, name), property)
        assert inspect.getattr_static(RunConfig, name).__doc__
        with pytest.raises(AttributeError):
            setattr(RunConfig(), name, None)


@pytest.mark.parametrize("name", ["save_checkpoints_steps", "save_checkpoints_secs"])
def test_the_signature_shows_that_saving_has_no_plain_default(name):
    assert repr(inspect.signature(RunConfig).parameters[name].default).startswith("<object object")


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, (None, 600)),
        ({"save_checkpoints_steps": 1}, (1, None)),
        ({"save_checkpoints_secs": 1}, (None, 1)),
        ({"save_checkpoints_steps": None}, (None, None)),
        ({"save_checkpoints_secs": None}, (None, None)),
        ({"save_checkpoints_steps": 0}, (0, None)),
        ({"save_checkpoints_steps": 1, "save_checkpoints_secs": None}, (1, None)),
        ({"save_checkpoints_steps": None, "save_checkpoints_secs": 1}, (None, 1)),
    ],
)
def test_checkpoints_are_saved_by_steps_or_by_seconds(kwargs, expected):
    assert saving(RunConfig(**kwargs)) == expected


@pytest.mark.parametrize(
    ("before", "change", "expected"),
    [
        ({"save_checkpoints_steps": 1}, {"save_checkpoints_secs": 2}, (None, 2)),
        ({"save_checkpoints_secs": 1}, {"save_checkpoints_steps": 2}, (2, None)),
        ({"save_checkpoints_steps": 1}, {"save_checkpoints_secs": None}, (1, None)),
        ({"save_checkpoints_secs": 1}, {"save_checkpoints_steps": None}, (None, 1)),
        ({"save_checkpoints_steps": 1}, {"save_checkpoints_steps": None}, (None, None)),
        ({"save_checkpoints_steps": 1}, {"model_dir": "/m"}, (1, None)),
        ({"save_checkpoints_steps": None}, {"model_dir": "/m"}, (None, None)),
        (
            {"save_checkpoints_steps": 1},
            {"save_checkpoints_steps": None, "save_checkpoints_secs": 3},
            (None, 3),
        ),
    ],
)
def test_replacing_how_checkpoints_are_saved_clears_the_other(before, change, expected):
    assert saving(RunConfig(**before).replace(**change)) == expected


RIGHT = [
    ("model_dir", "/m"),
    ("tf_random_seed", 1),
    ("tf_random_seed", np.int64(1)),
    ("save_summary_steps", 0),
    ("save_summary_steps", None),
    ("save_checkpoints_steps", 0),
    ("save_checkpoints_secs", 0.5),
    ("session_config", tf.compat.v1.ConfigProto(log_device_placement=True)),
    ("keep_checkpoint_max", 0),
    ("keep_checkpoint_max", None),
    ("keep_checkpoint_every_n_hours", 0.5),
    ("log_step_count_steps", 1),
    ("log_step_count_steps", None),
    ("device_fn", to_cpu),
    ("device_fn", ToCpu()),
    ("device_fn", lambda op: ""),
    ("device_fn", functools.partial(lambda op, kind: kind, kind="/cpu:0")),
    ("device_fn", tf.compat.v1.train.replica_device_setter(ps_tasks=1)),
    ("protocol", "grpc"),
    ("protocol", "grpc+verbs"),
    ("experimental_max_worker_delay_secs", 0),
    ("session_creation_timeout_secs", 0.5),
    ("session_creation_timeout_secs", None),
    ("checkpoint_save_graph_def", False),
    ("checkpoint_save_graph_def", np.False_),
    ("ignore_missing", True),
    ("save_input_state", True),
    ("save_input_state", np.True_),
    ("save_input_state", "warn"),
    ("save_input_state", "ignore"),
    ("keep_graphs", False),
    ("keep_graphs", np.True_),
    ("keep_graphs", 0),
    ("keep_graphs", 7),
    ("steps_per_loop", "auto"),
    ("steps_per_loop", 1),
    ("steps_per_loop", np.int64(50)),
    ("jit_compile", True),
    ("adopt_live_ps", True),
]
WRONG_TYPES = [
    ("model_dir", 3),
    ("model_dir", []),
    ("tf_random_seed", 1.5),
    ("tf_random_seed", "1"),
    ("save_summary_steps", "1"),
    ("save_checkpoints_steps", [1]),
    ("save_checkpoints_secs", "1"),
    ("session_config", {"allow_soft_placement": True}),
    ("keep_checkpoint_max", "5"),
    ("keep_checkpoint_every_n_hours", b"1"),
    ("log_step_count_steps", {}),
    ("train_distribute", "mirrored"),
    ("train_distribute", tf.distribute.MirroredStrategy),
    ("device_fn", "/cpu:0"),
    ("eval_distribute", 1),
    ("experimental_distribute", "mirrored"),
    ("experimental_distribute", Distribution("mirrored", None)),
    ("experimental_max_worker_delay_secs", 1.5),
    ("session_creation_timeout_secs", "1"),
    ("checkpoint_save_graph_def", None),
    ("checkpoint_save_graph_def", "False"),
    ("ignore_missing", 1),
    ("ignore_missing", "warn"),
    ("save_input_state", 1),
    ("save_input_state", None),
    ("keep_graphs", "yes"),
    ("keep_graphs", None),
    ("keep_graphs", 1.5),
    ("steps_per_loop", None),
    ("steps_per_loop", True),
    ("steps_per_loop", 2.0),
    ("jit_compile", 1),
    ("adopt_live_ps", None),
]
WRONG_VALUES = [
    ("model_dir", ""),
    ("save_summary_steps", -1),
    ("save_summary_steps", float("nan")),
    ("save_checkpoints_steps", -1),
    ("save_checkpoints_secs", -1),
    ("keep_checkpoint_max", -1),
    ("keep_checkpoint_every_n_hours", 0),
    ("log_step_count_steps", 0),
    ("device_fn", lambda: ""),
    ("device_fn", lambda device: ""),
    ("device_fn", lambda op, kind: ""),
    ("device_fn", lambda *op: ""),
    ("device_fn", functools.partial(to_cpu, 1)),
    ("device_fn", ToCpu),
    ("protocol", "verbs"),
    ("protocol", ""),
    ("session_creation_timeout_secs", 0),
    ("save_input_state", "fail"),
    ("save_input_state", ""),
    ("keep_graphs", -1),
    ("steps_per_loop", 0),
    ("steps_per_loop", "many"),
]


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_right_values_are_kept(name, value):
    assert getattr(RunConfig(**{name: value}), name) == value
    assert getattr(RunConfig().replace(**{name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
def test_wrong_types_are_named(name, value):
    with pytest.raises(TypeError, match=f"^{name}.* must "):
        RunConfig(**{name: value})
    with pytest.raises(TypeError, match=f"^{name}.* must "):
        RunConfig().replace(**{name: value})


@pytest.mark.parametrize(("name", "value"), WRONG_VALUES)
def test_wrong_values_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must "):
        RunConfig(**{name: value})
    with pytest.raises(ValueError, match=f"^{name} must "):
        RunConfig().replace(**{name: value})


def test_saving_by_steps_and_by_seconds_is_refused():
    for make in (RunConfig, RunConfig().replace):
        with pytest.raises(ValueError, match="cannot be set together"):
            make(save_checkpoints_steps=1, save_checkpoints_secs=1)


@pytest.mark.parametrize("name", ["task_type", "master", "cluster_spec", "tf_config", "steps"])
def test_replace_takes_arguments_of_the_constructor_only(name):
    with pytest.raises(ValueError, match=f"model_dir, tf_random_seed.*received '{name}'"):
        RunConfig().replace(**{name: 1})


@pytest.mark.parametrize("path", [pathlib.Path("/m"), b"/m", "/m"])
def test_model_dir_becomes_a_string(path):
    assert RunConfig(model_dir=path).model_dir == "/m"


def test_the_strategies_are_kept(strategies):
    train, evaluate = strategies
    config = RunConfig(train_distribute=train, eval_distribute=evaluate).replace(model_dir="/m")
    assert config.train_distribute is train
    assert config.eval_distribute is evaluate
    assert config.replace(train_distribute=None).train_distribute is None


def test_experimental_distribute_holds_the_strategies(strategies):
    train, evaluate = strategies
    both = Distribution(train, evaluate)
    for config in (
        RunConfig(experimental_distribute=both),
        RunConfig().replace(experimental_distribute=both),
    ):
        assert config.experimental_distribute is both
        assert config.train_distribute is train
        assert config.eval_distribute is evaluate
    config = RunConfig(experimental_distribute=Distribution(None, evaluate), train_distribute=train)
    assert config.train_distribute is train


@pytest.mark.parametrize("name", ["train_distribute", "eval_distribute"])
def test_a_strategy_is_given_in_one_place(name, strategies):
    both = Distribution(*strategies)
    with pytest.raises(ValueError, match=rf"^{name} must be None if experimental_distribute\."):
        RunConfig(experimental_distribute=both, **{name: strategies[0]})


def test_tf_config_is_read_once_and_survives_replace(set_tf_config):
    set_tf_config({"cluster": HOSTS, "task": {"type": "worker", "index": 1}, "service": {"a": 1}})
    config = RunConfig()
    set_tf_config({})
    for each in (config, config.replace(model_dir="/m")):
        assert (each.task_type, each.task_id, each.is_chief) == ("worker", 1, False)
        assert (each.master, each.evaluation_master) == ("grpc://w:2", "")
        assert (each.num_ps_replicas, each.num_worker_replicas) == (1, 3)
        assert (each.global_id_in_cluster, each.service) == (2, {"a": 1})
        assert each.cluster_spec == tf.train.ClusterSpec(HOSTS)
        assert list(each.session_config.device_filters) == ["/job:ps", "/job:worker/task:1"]
    assert RunConfig().task_id == 0


def test_a_given_session_config_gets_no_device_filters(set_tf_config):
    set_tf_config({"cluster": HOSTS, "task": {"type": "chief", "index": 0}})
    given = tf.compat.v1.ConfigProto()
    assert RunConfig(session_config=given).session_config is given
    assert RunConfig().replace(session_config=None).session_config is None


@pytest.mark.parametrize(
    ("text", "error"), [("", ValueError), ("{", ValueError), ("[]", TypeError), ("3", TypeError)]
)
def test_a_broken_tf_config_is_refused(set_tf_config, text, error):
    set_tf_config(text)
    with pytest.raises(error, match="TF_CONFIG must be a JSON object"):
        RunConfig()


def test_model_dir_of_tf_config(set_tf_config):
    set_tf_config({"model_dir": "/m"})
    assert RunConfig().model_dir == "/m"
    assert RunConfig(model_dir=pathlib.Path("/m")).model_dir == "/m"
    assert RunConfig().replace(model_dir="/other").model_dir == "/other"
    with pytest.raises(ValueError, match="must agree with model_dir in TF_CONFIG, '/m'"):
        RunConfig(model_dir="/other")


def test_replace_makes_a_copy():
    config = RunConfig(session_config=tf.compat.v1.ConfigProto())
    changed = config.replace(model_dir="/m")
    changed.session_config.log_device_placement = True
    assert config.model_dir is None
    assert not config.session_config.log_device_placement


def test_a_subclass_and_further_attributes_survive_replace():
    config = WithExtra(2, model_dir="/m")
    config.sizes = [1, 2]
    changed = config.replace(tf_random_seed=3)
    changed.sizes.append(3)
    assert type(changed) is WithExtra
    assert (changed.depth, changed.model_dir, changed.tf_random_seed) == (2, "/m", 3)
    assert (config.sizes, changed.sizes) == ([1, 2], [1, 2, 3])


def test_a_subclass_may_override_a_property():
    class Fixed(RunConfig):
        @property
        def keep_checkpoint_max(self):
            return 1

    assert Fixed(keep_checkpoint_max=3).replace(model_dir="/m").keep_checkpoint_max == 1


def test_run_configs_are_values(strategies, set_tf_config):
    def make():
        return RunConfig(model_dir="/m", train_distribute=strategies[0], device_fn=to_cpu)

    config = make()
    for same in (make(), config.replace(), copy.deepcopy(config), copy.copy(config)):
        assert same == config
        assert hash(same) == hash(config)
    assert config != config.replace(tf_random_seed=1)
    assert RunConfig() != WithExtra(1)
    assert WithExtra(1) != WithExtra(2)
    assert RunConfig() != "RunConfig"
    alone = RunConfig()
    set_tf_config({"cluster": {"chief": ["c:1"]}, "task": {"type": "chief", "index": 0}})
    assert RunConfig() != alone


def test_a_run_config_can_be_pickled():
    config = WithExtra(1, tf_random_seed=2, session_config=tf.compat.v1.ConfigProto())
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, "RunConfig()"),
        ({"keep_checkpoint_max": 5, "save_checkpoints_secs": 600}, "RunConfig()"),
        ({"save_checkpoints_steps": 3}, "RunConfig(save_checkpoints_steps=3)"),
        ({"save_checkpoints_steps": None}, "RunConfig(save_checkpoints_secs=None)"),
        (
            {"session_config": tf.compat.v1.ConfigProto(allow_soft_placement=True)},
            "RunConfig(session_config=ConfigProto(allow_soft_placement: true))",
        ),
    ],
)
def test_repr_shows_what_differs_from_the_default(kwargs, expected):
    assert repr(RunConfig(**kwargs)) == expected


def test_repr_shows_the_class_and_further_attributes():
    assert repr(WithExtra(2, model_dir="/m")) == "WithExtra(model_dir='/m', depth=2)"


def test_repr_in_a_cluster(set_tf_config):
    jobs = {"chief": ["c:1"]}
    set_tf_config({"cluster": jobs, "task": {"type": "chief", "index": 0}, "model_dir": "/m"})
    assert repr(RunConfig(tf_random_seed=1)) == (
        "RunConfig(tf_random_seed=1, tf_config=Cluster(cluster_spec={'chief': ['c:1']}, "
        "task_type='chief', model_dir='/m'))"
    )


def test_what_is_ours_is_given_by_keyword():
    kinds = {name: each.kind for name, each in inspect.signature(RunConfig).parameters.items()}
    by_keyword = [name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY]
    assert by_keyword == [
        "ignore_missing",
        "save_input_state",
        "keep_graphs",
        "steps_per_loop",
        "jit_compile",
        "adopt_live_ps",
    ]


def test_what_is_ours_is_copied_compared_and_shown():
    config = RunConfig().replace(ignore_missing=True, save_input_state="warn")
    assert repr(config) == "RunConfig(ignore_missing=True, save_input_state='warn')"
    assert config == RunConfig(ignore_missing=True, save_input_state="warn")
    assert copy.deepcopy(config) == config
    assert config != RunConfig(ignore_missing=True)
    assert config.replace(save_input_state=False, ignore_missing=False) == RunConfig()
