import json
import pickle

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_estimator.config import Cluster, RunConfig

CHIEF = {"chief": ["c:1"], "worker": ["w:1", "w:2"], "ps": ["p:1", "p:2"]}
MASTER = {"master": ["m:1"], "worker": ["w:1"], "ps": ["p:1"]}


def tf_config(cluster=None, type_=None, index=0, **entries):
    if cluster is not None:
        entries["cluster"] = cluster
    if type_ is not None:
        entries["task"] = {"type": type_, "index": index}
    return entries


# Expected: master, is_chief, num_ps_replicas, num_worker_replicas and global_id_in_cluster.
@pytest.mark.parametrize(
    ("given_config", "expected"),
    [
        ({}, ("", True, 0, 1, 0)),
        ({"cluster": {}, "task": {}}, ("", True, 0, 1, 0)),
        (tf_config(None, "worker"), ("", True, 0, 1, 0)),
        (tf_config(CHIEF, "chief"), ("grpc://c:1", True, 2, 3, 0)),
        (tf_config(CHIEF, "worker", 0), ("grpc://w:1", False, 2, 3, 1)),
        (tf_config(CHIEF, "worker", 1), ("grpc://w:2", False, 2, 3, 2)),
        (tf_config(CHIEF, "ps", 0), ("grpc://p:1", False, 2, 3, 3)),
        (tf_config(CHIEF, "ps", 1), ("grpc://p:2", False, 2, 3, 4)),
        (tf_config(CHIEF, "evaluator", 0), ("", False, 0, 0, None)),
        (tf_config(CHIEF, "evaluator", 5), ("", False, 0, 0, None)),
        (tf_config(MASTER, "master"), ("grpc://m:1", True, 1, 2, 0)),
        (tf_config(MASTER, "worker"), ("grpc://w:1", False, 1, 2, 1)),
        (tf_config(MASTER, "ps"), ("grpc://p:1", False, 1, 2, 2)),
        (tf_config({"chief": ["c:1"]}, "chief"), ("", True, 0, 1, 0)),
        (tf_config({"master": ["c:1"]}, "master"), ("", True, 0, 1, 0)),
        (
            tf_config({"chief": {"0": "c:1"}, "ps": {"0": "p:1"}}, "ps"),
            ("grpc://p:1", False, 1, 1, 1),
        ),
    ],
)
def test_parse_derives_the_place_of_the_task(given_config, expected):
    cluster = Cluster.parse(given_config)
    assert expected == (
        cluster.master,
        cluster.is_chief,
        cluster.num_ps_replicas,
        cluster.num_worker_replicas,
        cluster.global_id_in_cluster,
    )


def test_other_jobs_are_numbered_alphabetically_after_the_chief_and_ps_last():
    jobs = {"zoo": ["z:1"], "ps": ["p:1"], "chief": ["c:1"], "audit": ["a:1", "a:2"]}
    ids = {
        (job, index): Cluster.parse(tf_config(jobs, job, index)).global_id_in_cluster
        for job, tasks in jobs.items()
        for index in range(len(tasks))
    }
    assert sorted(ids, key=ids.get) == [
        ("chief", 0),
        ("audit", 0),
        ("audit", 1),
        ("zoo", 0),
        ("ps", 0),
    ]


def test_a_job_may_list_only_some_of_its_indices():
    jobs = {"chief": ["c:1"], "worker": {"1": "w:1", "3": "w:3"}, "ps": ["p:1"]}
    worker = Cluster.parse(tf_config(jobs, "worker", 3))
    assert (worker.master, worker.num_worker_replicas) == ("grpc://w:3", 3)
    assert worker.global_id_in_cluster == 4
    assert Cluster.parse(tf_config(jobs, "ps", 0)).global_id_in_cluster == 5
    with pytest.raises(ValueError, match=r"one of the indices of worker, \[1, 3\]; received 0"):
        Cluster.parse(tf_config(jobs, "worker", 0))


def test_the_cluster_spec_holds_the_jobs_but_not_for_the_evaluator():
    assert Cluster.parse(tf_config(CHIEF, "ps")).cluster_spec == tf.train.ClusterSpec(CHIEF)
    assert Cluster.parse(tf_config(CHIEF, "evaluator")).cluster_spec == tf.train.ClusterSpec({})


@pytest.mark.parametrize("index", ["1", 1.0, " 1"])
def test_an_index_may_be_written_as_a_string_or_a_whole_float(index):
    assert Cluster.parse(tf_config(CHIEF, "worker", index)).task_id == 1


@pytest.mark.parametrize(
    ("given_config", "master", "evaluation_master"),
    [
        ({"session_master": "grpc://s"}, "grpc://s", ""),
        ({"eval_session_master": "grpc://e"}, "", "grpc://e"),
        ({"session_master": None, "eval_session_master": None}, "", ""),
        (tf_config(CHIEF, "worker", session_master="grpc://s"), "grpc://s", ""),
        (tf_config(CHIEF, "worker", session_master=""), "", ""),
        (tf_config(CHIEF, "worker", session_master=None), "grpc://w:1", ""),
        (tf_config({"chief": ["c:1"]}, "chief", session_master="grpc://s"), "grpc://s", ""),
        (tf_config(CHIEF, "chief", eval_session_master="grpc://e"), "grpc://c:1", ""),
        (tf_config(CHIEF, "evaluator", eval_session_master="grpc://e"), "", "grpc://e"),
        (tf_config(CHIEF, "evaluator", session_master="grpc://s"), "", ""),
    ],
)
def test_session_masters_override_the_address(given_config, master, evaluation_master):
    cluster = Cluster.parse(given_config)
    assert (cluster.master, cluster.evaluation_master) == (master, evaluation_master)


def test_service_environment_and_model_dir_are_kept():
    entries = {"service": {"a": 1}, "environment": "google", "model_dir": "/m", "other": 1}
    cluster = Cluster.parse(tf_config(CHIEF, "evaluator", **entries))
    assert (cluster.service, cluster.environment, cluster.model_dir) == ({"a": 1}, "google", "/m")
    alone = Cluster.parse({"service": None, "environment": None, "model_dir": None})
    assert alone == Cluster()


@pytest.mark.parametrize("value", [0.5, 7, 1e6])
def test_timeout_secs_is_a_number(value):
    assert Cluster.parse({"timeout_secs": value}).timeout_secs == value


def test_timeout_secs_is_10_if_nothing_else_is_said():
    assert Cluster().timeout_secs == 10
    assert Cluster.parse({"timeout_secs": None}).timeout_secs == 10
    assert Cluster.from_json('{"timeout_secs": 3}') == Cluster(timeout_secs=3.0)


@pytest.mark.parametrize(
    ("entries", "variable", "secs"),
    [
        ({}, "300", 300),
        ({}, " 0.5 ", 0.5),
        ({}, "", 10),
        ({"timeout_secs": None}, "300", 300),
        ({"timeout_secs": 7}, "300", 7),
    ],
)
def test_where_tf_config_says_no_timeout_a_variable_does(monkeypatch, entries, variable, secs):
    monkeypatch.setenv("TF_CONFIG", json.dumps(entries))
    monkeypatch.setenv("TF_ESTIMATOR_TIMEOUT_SECS", variable)
    assert Cluster.from_environment().timeout_secs == secs
    assert RunConfig().tf_config.timeout_secs == secs


@pytest.mark.parametrize("variable", ["0", "-1", "nan", "inf", "5 min", "10s"])
def test_a_timeout_in_the_variable_is_a_number_above_0(variable):
    rule = rf"variable TF_ESTIMATOR_TIMEOUT_SECS must be a number .* received '{variable}' .* For"
    with pytest.raises(ValueError, match=rule):
        Cluster.from_environment({"TF_ESTIMATOR_TIMEOUT_SECS": variable})


@pytest.mark.parametrize(
    ("given_config", "message"),
    [
        ({"task": {"type": "chief", "index": 0}}, "must be worker without a cluster; received 'ch"),
        ({"task": {"type": None}}, "must be worker without a cluster; received None"),
        ({"task": {"index": 1}}, "must be 0 without a cluster; received 1"),
        (tf_config({"worker": ["w:1"]}, "worker"), 'exactly one "chief" task'),
        (tf_config({"worker": ["w:1"]}, "worker"), 'Name the first of the workers "chief"'),
        ({"timeout_secs": 0}, "must be a number of seconds above 0; received 0"),
        ({"timeout_secs": -1}, "must be a number of seconds above 0; received -1"),
        ({"timeout_secs": float("nan")}, "must be a number of seconds above 0; received nan"),
        ({"timeout_secs": float("inf")}, "must be a number of seconds above 0; received inf"),
        (tf_config({**CHIEF, **MASTER}, "chief"), "a chief or a master, not both"),
        (tf_config({"chief": ["a", "b"]}, "chief"), r"one task, index 0; received \['a', 'b'\]"),
        (tf_config({"chief": []}, "chief"), r"exactly one task, index 0; received \[\]"),
        (tf_config({"chief": {"1": "a"}}, "chief"), "exactly one task, index 0; received {'1'"),
        (tf_config({"master": ["a", "b"]}, "master"), 'job "master", must have exactly one task'),
        (tf_config({**CHIEF, "ps": [""]}, "chief"), 'job "ps", must hold no empty address'),
        (tf_config({**CHIEF, "ps": {"x": "a"}}, "chief"), 'job "ps", every task index must be'),
        (
            tf_config({**CHIEF, "ps": {"-1": "a"}}, "chief"),
            "every task index must be an integer >=",
        ),
        (tf_config({**CHIEF, "ps": {"1": "a", "01": "b"}}, "chief"), "index only once"),
        (tf_config(CHIEF), '"type" of "task" in TF_CONFIG must be set with a cluster'),
        (tf_config(CHIEF, ""), "must be set with a cluster"),
        (tf_config(CHIEF, "zoo"), r"one of the cluster's jobs \['chief', 'ps', 'worker'\]; rec"),
        (tf_config(CHIEF, "master"), "one of the cluster's jobs"),
        (tf_config(CHIEF, "worker", None), '"index" of "task" in TF_CONFIG must be set with a cl'),
        (tf_config(CHIEF, "worker", 2), r"one of the indices of worker, \[0, 1\]; received 2"),
        (tf_config(CHIEF, "worker", -1), "must be an integer >= 0; received -1"),
        (tf_config(CHIEF, "worker", "x"), "must be an integer >= 0; received 'x'"),
        (tf_config(CHIEF, "worker", 0.5), "must be an integer >= 0; received 0.5"),
        (tf_config(CHIEF, "worker", float("inf")), "must be an integer >= 0; received inf"),
        (tf_config(CHIEF, "evaluator", -1), "must be an integer >= 0; received -1"),
        (tf_config(MASTER, "evaluator"), "must not be evaluator with a master"),
        ({"model_dir": ""}, '"model_dir" in TF_CONFIG must be non-empty'),
    ],
)
def test_wrong_values_are_quoted(given_config, message):
    with pytest.raises(ValueError, match=message):
        Cluster.parse(given_config)


@pytest.mark.parametrize(
    ("given_config", "message"),
    [
        (None, r"TF_CONFIG must be a JSON object \(a dict\); received None"),
        ([], r"TF_CONFIG must be a JSON object \(a dict\); received \[\]"),
        ({"cluster": None}, '"cluster" in TF_CONFIG must be a JSON object'),
        ({"cluster": ["a"]}, '"cluster" in TF_CONFIG must be a JSON object'),
        ({"cluster": {1: ["a"]}}, "must have strings as job names; received 1"),
        ({"cluster": {"chief": "a:1"}}, "must be a list of addresses.*received 'a:1'"),
        ({"cluster": {"chief": [1]}}, "addresses that are strings; received 1"),
        ({"cluster": {"chief": {"0": None}}}, "addresses that are strings; received None"),
        ({"task": None}, '"task" in TF_CONFIG must be a JSON object'),
        (tf_config(CHIEF, ["chief"]), '"type" of "task" in TF_CONFIG must be a string'),
        (tf_config(CHIEF, "chief", []), '"index" of "task" in TF_CONFIG must be an integer'),
        (tf_config(CHIEF, "chief", False), "must be an integer >= 0; received False"),
        ({"task": {"index": None}}, '"index" of "task" in TF_CONFIG must be an integer'),
        ({"session_master": 3}, '"session_master" in TF_CONFIG must be a string; received 3'),
        ({"eval_session_master": []}, '"eval_session_master" in TF_CONFIG must be a string'),
        ({"environment": 3}, '"environment" in TF_CONFIG must be a string'),
        ({"model_dir": 3}, '"model_dir" in TF_CONFIG must be a string'),
        ({"service": []}, '"service" in TF_CONFIG must be a dict'),
        ({"timeout_secs": "10"}, "\"timeout_secs\" in TF_CONFIG must be a number.*received '10'"),
        ({"timeout_secs": True}, '"timeout_secs" in TF_CONFIG must be a number.*received True'),
    ],
)
def test_wrong_types_are_quoted(given_config, message):
    with pytest.raises(TypeError, match=message):
        Cluster.parse(given_config)


def test_an_error_shows_a_right_example():
    with pytest.raises(ValueError, match="For example: ") as error:
        Cluster.parse({"cluster": {"worker": ["w:1"]}})
    example = str(error.value).split("For example: ")[1]
    assert Cluster.from_json(example).num_worker_replicas == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "TF_CONFIG must be a JSON object; received ''"),
        ("nope", "line 1, column 1, near 'nope'"),
        ("{'cluster': {}}", r"double quotes at line 1, column 2, near \"{'cluster'"),
        ('{"cluster": {},\n "task": }', "line 2, column 10, near "),
        ("[" * 100000, "TF_CONFIG must be a JSON object that can be read"),
        ('{"timeout_secs": 1' + "0" * 5000 + "}", "TF_CONFIG must be a JSON object that can be re"),
    ],
)
def test_from_json_says_where_the_text_is_no_json(text, message):
    with pytest.raises(ValueError, match=message):
        Cluster.from_json(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "Unset the variable to train in one process"),
        (json.dumps(json.dumps(tf_config(CHIEF, "ps"))), "It is quoted twice: take the outer"),
        (json.dumps(tf_config(CHIEF, "Worker")), '"type": "worker"'),
        (json.dumps(tf_config(CHIEF, "workers")), '"type": "worker"'),
        (json.dumps(tf_config(CHIEF, "gpu")), '"type": "chief"'),
        (json.dumps(tf_config(CHIEF, "worker", 7)), '"index": 1. Every task needs its address'),
        (json.dumps(tf_config({"Chief": ["a:1"]}, "Chief")), 'Write "chief" for "Chief"'),
        ('{"model_dir": 3}', 'For example: "model_dir": "/path/to/model"'),
        ('{"session_master": 3}', 'For example: "session_master": "grpc://host0:2222"'),
    ],
)
def test_an_error_shows_what_is_right(text, hint):
    with pytest.raises((TypeError, ValueError)) as raised:
        Cluster.from_json(text)
    assert hint in str(raised.value)


def test_an_entry_with_a_slip_of_the_pen_is_told_of(caplog):
    # It is passed over, as ever, and each task would train alone.
    assert Cluster.from_json('{"clusters": {"chief": ["a:1"]}, "rpc_layer": "grpc"}') == Cluster()
    said = [record.getMessage() for record in caplog.records]
    assert said == ['"clusters" is no entry of TF_CONFIG. Is "cluster" meant?']


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("a:1,b:2", r'Make each a string of its own: \["a:1", "b:2"\]'),
        ("a:1/", "Leave out the slash"),
    ],
)
def test_an_address_that_is_none_shows_what_is_right(address, hint):
    cluster = Cluster.parse(tf_config({**CHIEF, "ps": [address]}, "chief"))
    with pytest.raises(ValueError, match=hint):
        cluster.check_addresses()


def test_from_json_wants_an_object():
    with pytest.raises(TypeError, match=r"TF_CONFIG must be a JSON object.*received \[1\]"):
        Cluster.from_json("[1]")


# What TensorFlow 2.21 does with these: it refuses to start, or waits for ever for that task.
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("host", 'of the form "host:port"; received \'host\'.*For example: "host0:2222"'),
        ("host:", "the port a number; received 'host:'"),
        ("host:abc", "the port a number; received 'host:abc'"),
        ("host:-1", "the port a number; received 'host:-1'"),
        ("host:+1", "the port a number"),
        ("host:\N{FULLWIDTH DIGIT ONE}", "the port a number"),
        ("host:0", "ports from 1 to 65535; received 'host:0'"),
        ("host:65536", "ports from 1 to 65535; received 'host:65536'"),
        ("host:" + "9" * 5000, "ports from 1 to 65535"),
        (":2222", "of the form"),
        ("host:2222 ", "Leave out the spaces"),
        (" host:2222", "Leave out the spaces"),
        ("host:22 22", "Leave out the spaces"),
        ("grpc://host:2222", "received 'grpc://host:2222'.*Leave out 'grpc://'"),
        ("host:2222/", "of the form"),
        ("host0,host1:2222", "of the form"),
        ("fd00::7:2222", r"needs brackets.*\[fd00::7\]:2222"),
        ("c:1", "must give ps 0 an address of its own, and not that of chief 0; received 'c:1'"),
        ("C:01", "must give ps 0 an address of its own"),
    ],
)
def test_addresses_that_servers_cannot_use_are_quoted(address, message):
    jobs = {"chief": ["c:1"], "ps": [address]}
    cluster = Cluster.parse(tf_config(jobs, "ps"))  # As what only reads it may still do so.
    with pytest.raises(ValueError, match=message) as error:
        cluster.check_addresses()
    assert str(error.value).startswith('"cluster" in TF_CONFIG, job "ps", must ')
    Cluster.parse(tf_config(jobs, "evaluator")).check_addresses()  # It uses none of them.


@pytest.mark.parametrize(
    "address",
    ["localhost:2222", "10.0.0.7:65535", "[::1]:2222", "[fe80::1%eth0]:1", "a-b.c_d.svc:02222"],
)
def test_addresses_that_servers_can_use(address):
    jobs = {"chief": ["c:1"], "ps": [address]}
    Cluster.parse(tf_config(jobs, "chief")).check_addresses()
    Cluster().check_addresses()


def test_clusters_are_values():
    one, same = (Cluster.parse(tf_config(CHIEF, "ps", service={"a": 1})) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != Cluster.parse(tf_config(CHIEF, "ps", 1, service={"a": 1}))
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError):
        one.task_id = 1


def test_repr_shows_what_differs_from_a_process_on_its_own():
    assert repr(Cluster()) == "Cluster()"
    parsed = Cluster.parse(tf_config({"chief": ["c:1"], "ps": ["p:1"]}, "ps"))
    assert repr(parsed) == (
        "Cluster(cluster_spec={'chief': ['c:1'], 'ps': ['p:1']}, task_type='ps', "
        "master='grpc://p:1')"
    )


_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
_roles = st.sampled_from(["chief", "master", "worker", "ps", "evaluator", "zoo"])
_addresses = st.lists(st.sampled_from(["a:1", "b:2"]) | _any_json, max_size=3)
_tasks = _addresses | st.dictionaries(st.sampled_from("012x"), st.just("a:1")) | _any_json
_nearly_right = st.fixed_dictionaries(
    {},
    optional={
        "cluster": st.dictionaries(_roles, _tasks) | _any_json,
        "task": st.fixed_dictionaries(
            {}, optional={"type": _roles | _any_json, "index": st.integers(-1, 3) | _any_json}
        )
        | _any_json,
        "session_master": _any_json,
        "eval_session_master": _any_json,
        "service": _any_json,
        "environment": _any_json,
        "model_dir": _any_json,
        "timeout_secs": _any_json,
    },
)


@settings(max_examples=300)
@given(_nearly_right | _any_json)
def test_parse_gives_a_cluster_or_an_error_about_tf_config(value):
    message = "TF_CONFIG"
    try:
        assert Cluster.parse(value).task_id >= 0
    except (TypeError, ValueError) as error:
        message = str(error)
    assert "TF_CONFIG" in message


_names = st.lists(st.sampled_from(["a:1", "b:1"]), min_size=1, max_size=3)
_right = st.fixed_dictionaries(
    {"chief": st.just(["c:1"])}, optional={"worker": _names, "ps": _names, "zoo": _names}
)


@settings(max_examples=50)
@given(_right)
def test_every_task_of_a_cluster_has_a_number_of_its_own_and_one_is_the_chief(jobs):
    clusters = [
        Cluster.from_json(json.dumps(tf_config(jobs, job, index)))
        for job, tasks in jobs.items()
        for index in range(len(tasks))
    ]
    numbers = [cluster.global_id_in_cluster for cluster in clusters]
    assert sorted(numbers) == list(range(len(clusters)))
    assert [cluster.task_type for cluster in clusters if cluster.is_chief] == ["chief"]
