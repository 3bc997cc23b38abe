"""TPUEstimator with use_tpu=False gives what the original gave on CPU."""

import functools
import itertools
import logging
import pathlib
import tempfile

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator.compat import v1 as v1_estimator
from tf_estimator.compat.v1 import tpu
from tf_estimator.tpu import ExportSavedModelApiVersion

v1 = tf.compat.v1
RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 2)).astype(np.float32)
Y = (X @ [1.0, -2.0]).astype(np.float32)


def model_fn(features, labels, mode, params):
    """A linear model; tells `params["seen"]` what it was called with."""
    params["seen"].append((mode, {name: params[name] for name in params if name != "seen"}))
    weights = v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer())
    y = tf.matmul(features["x"], weights)[:, 0]
    if mode == "infer":
        return tpu.TPUEstimatorSpec(mode, predictions={"y": y})
    loss = tf.reduce_mean((y - labels) ** 2)
    train_op = None
    if mode == "train":
        optimizer = v1.train.AdamOptimizer(0.1)
        if params.get("cross"):
            optimizer = v1.tpu.CrossShardOptimizer(optimizer)
        train_op = optimizer.minimize(loss, v1.train.get_global_step())

    def metric_fn(labels, y):
        return {"mae": v1.metrics.mean_absolute_error(labels, y)}

    return tpu.TPUEstimatorSpec(
        mode,
        loss=loss,
        train_op=train_op,
        eval_metrics=(metric_fn, [labels, y]),
        host_call=params["host"](loss) if "host" in params else None,
    )


def input_fn(params, mode):
    data = tf.data.Dataset.from_tensor_slices(({"x": X}, Y))
    return (data.repeat() if mode == "train" else data).batch(params["batch_size"])


def receiver_fn():
    x = v1.placeholder(tf.float32, [None, 2], "x")
    return tf_estimator.export.ServingInputReceiver({"x": x}, {"x": x})


class Seen(list):
    """Is the same in every copy of params."""

    def __deepcopy__(self, memo):
        return self


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def make(tmp_path, seen):
    def make(model_fn=model_fn, config=None, params=(), **given):
        return tpu.TPUEstimator(
            model_fn,
            given.pop("model_dir", str(tmp_path)),
            config or tpu.RunConfig(tf_random_seed=1, log_step_count_steps=10),
            {"seen": seen, **dict(params)} if params is not None else None,
            **{
                "use_tpu": False,
                "train_batch_size": 8,
                "eval_batch_size": 16,
                "predict_batch_size": 4,
                **given,
            },
        )

    return make


def step_fn(features, labels, mode, params):
    """The least there can be."""
    train_op = v1.train.get_global_step().assign_add(1)
    return tf_estimator.EstimatorSpec(mode, loss=tf.reduce_mean(labels), train_op=train_op)


def tags(folder):
    found = {}
    for file in pathlib.Path(folder).glob("events*"):
        for event in v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return {tag: sorted(steps) for tag, steps in found.items()}


def test_numbers_and_names_are_those_of_the_original(make):
    """They are what TPUEstimator of tensorflow-estimator 2.15.0 gave on a CPU."""
    config = tpu.RunConfig(
        tpu_config=tpu.TPUConfig(iterations_per_loop=7, num_shards=8), tf_random_seed=1
    )
    estimator = make(config=config).train(input_fn, max_steps=25)
    expected = {
        "beta1_power": 0.06461077,
        "beta2_power": 0.97432268,
        "global_step": 25,
        "w": [[1.07361913], [-1.94918525]],
        "w/Adam": [[0.03620355], [1.00164926]],
        "w/Adam_1": [[0.01184887], [0.1187415]],
    }
    assert estimator.get_variable_names() == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(estimator.get_variable_value(name), value, rtol=1e-5)
    metrics = estimator.evaluate(input_fn)
    assert metrics.pop("global_step") == 25
    assert metrics == pytest.approx({"loss": 0.008066172, "mae": 0.073143095}, rel=1e-4)
    predicted = [one["y"] for one in estimator.predict(input_fn)]
    assert predicted[:3] == pytest.approx([0.39248320, 0.48310024, -1.27992058], rel=1e-4)
    assert len(predicted) == 64


def test_model_fn_and_input_fn_are_told_of_the_batch_size(make, seen):
    told = []

    def telling(params, mode, config):
        told.append((mode, params["batch_size"], params["rate"], type(config)))
        return input_fn(params, mode)

    estimator = make(params={"rate": 0.5})
    estimator.train(telling, steps=1)
    estimator.evaluate(telling, steps=1)
    next(estimator.predict(telling))
    expected = [("train", 8), ("eval", 16), ("infer", 4)]
    assert told == [(mode, size, 0.5, tpu.RunConfig) for mode, size in expected]
    assert seen == [
        (mode, {"rate": 0.5, "batch_size": size, "use_tpu": False}) for mode, size in expected
    ]
    assert set(estimator.params) == {"seen", "rate"}


def test_exports_and_predictors_and_direct_calls_have_no_batch_size(make, seen, tmp_path):
    estimator = make().train(input_fn, steps=1)
    predictions = estimator.predict(input_fn)
    next(predictions)
    seen.clear()  # and the predictions are still open
    estimator.export_saved_model(str(tmp_path / "export"), receiver_fn)
    estimator.predictor({"x": X})({"x": X})
    with tf.Graph().as_default():
        estimator.model_fn({"x": X}, None, "infer", estimator.config)
    assert seen == [("infer", {"use_tpu": False})] * 3
    assert len(list(predictions)) == 63


def test_what_fails_while_the_graph_is_built_leaves_nothing_behind(make, seen):
    def failing(params, mode):
        raise OSError("no data")

    estimator = make()
    with pytest.raises(OSError, match="no data"):
        estimator.train(failing, steps=1)
    with tf.Graph().as_default():
        estimator.model_fn({"x": X}, None, "infer", estimator.config)
    assert seen == [("infer", {"use_tpu": False})]


@pytest.mark.parametrize("kind", ["train", "evaluate", "predict"])
def test_without_a_batch_size_there_is_no_entry(make, kind):
    estimator = make(train_batch_size=None, eval_batch_size=None, predict_batch_size=None)
    with pytest.raises(KeyError, match="batch_size"):
        list(getattr(estimator, kind)(input_fn) or ())


@pytest.mark.parametrize("size", [None, 0])
def test_without_a_batch_size_there_are_no_examples_per_second(make, size):
    def whole(params):
        return tf.data.Dataset.from_tensors(({"x": X}, Y)).repeat()

    config = tpu.RunConfig(log_step_count_steps=2)
    estimator = make(config=config, train_batch_size=size).train(whole, steps=9)
    assert {"global_step/sec", "examples/sec"} & set(tags(estimator.model_dir)) == {
        "global_step/sec"
    }


def test_zero_is_a_batch_size_of_those_who_do_not_read_it(make, seen):
    """As of a library that has zeros where its user gave none."""
    make(train_batch_size=0).train(lambda params: input_fn({"batch_size": 8}, "train"), steps=1)
    assert seen == [("train", {"batch_size": 0, "use_tpu": False})]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"config": None}, ValueError, "config must be a tpu.RunConfig"),
        ({"config": tf_estimator.RunConfig()}, ValueError, "config must be a tpu.RunConfig"),
        ({"config": tf_estimator.RunConfig()}, TypeError, "config must be a tpu.RunConfig"),
        ({"model_fn": None}, TypeError, "model_fn must be callable"),
        ({"model_fn": lambda labels, params: None}, ValueError, "`features`"),
        ({"model_fn": lambda features: None}, ValueError, "`params`"),
        ({"model_fn": lambda features: None, "params": {}}, ValueError, "`params`"),
        ({"model_fn": lambda features, params, x: None}, ValueError, r"also takes \['x'\]"),
        ({"params": {"batch_size": 3}}, ValueError, r"must not have \['batch_size'\]"),
        ({"params": {"context": 3}}, ValueError, r"must not have \['context'\]"),
        ({"params": 3}, TypeError, "params must be a dict"),
        ({"export_saved_model_api_version": 5}, ValueError, "export_saved_model_api_version"),
        ({"use_tpu": True}, NotImplementedError, "use_tpu must be False.*TensorFlow sees none"),
        ({"use_tpu": True}, RuntimeError, "use_tpu=False"),
        ({"embedding_config_spec": 3}, NotImplementedError, "embedding_config_spec is for"),
        ({"model_dir": 3}, TypeError, "model_dir must be a path"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(given, error, message, tmp_path):
    arguments = {
        "model_fn": step_fn,
        "model_dir": str(tmp_path / "model"),
        "config": tpu.RunConfig(),
        "use_tpu": False,
    }
    with pytest.raises(error, match=message):
        tpu.TPUEstimator(**{**arguments, **given})
    assert not list(tmp_path.iterdir())


def test_without_a_tpu_no_temporary_folder_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(NotImplementedError, match="use_tpu must be False"):
        tpu.TPUEstimator(step_fn, config=tpu.RunConfig(), train_batch_size=8)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["train", "evaluate", "predict"])
def test_an_input_fn_that_cannot_be_told_is_refused(make, kind):
    estimator = make()
    with pytest.raises(ValueError, match="input_fn must take an argument `params`"):
        list(getattr(estimator, kind)(lambda: None) or ())
    with pytest.raises(TypeError, match="input_fn must be callable"):
        list(getattr(estimator, kind)(3) or ())


def test_sliced_evaluation_is_for_tpus(make):
    sliced = tpu.InputPipelineConfig.SLICED
    config = tpu.RunConfig(tpu_config=tpu.TPUConfig(eval_training_input_configuration=sliced))
    estimator = make(config=config).train(input_fn, steps=1)
    with pytest.raises(ValueError, match="SLICED"):
        estimator.evaluate(input_fn)


@pytest.mark.parametrize("kind", ["function", "partial", "object", "method"])
def test_all_kinds_of_model_fn(make, kind):
    class Model:
        def method(self, features, labels, mode, params):
            assert params["batch_size"] == 8
            return step_fn(features, labels, mode, params)

        def __call__(self, features, labels, mode, params):
            return self.method(features, labels, mode, params)

    def with_more(more, features, labels, mode, params, most):
        assert (more, most) == (1, 2)
        return Model()(features, labels, mode, params)

    kinds = {
        "function": step_fn,
        "partial": functools.partial(with_more, 1, most=2),
        "object": Model(),
        "method": Model().method,
    }
    estimator = make(kinds[kind]).train(input_fn, max_steps=2)
    assert estimator.get_variable_value("global_step") == 2


def test_a_model_fn_that_returns_something_else(make):
    with pytest.raises(ValueError, match="model_fn must return an EstimatorSpec; received 3"):
        make(lambda features, params: 3).train(lambda params: {"x": X}, steps=1)


def test_a_plain_estimator_takes_no_tpu_estimator_spec():
    def tpu_fn(features, mode):
        return tpu.TPUEstimatorSpec(mode, loss=tf.constant(1.0), train_op=tf.no_op())

    with pytest.raises(ValueError, match="must return an EstimatorSpec; received TPUEstimatorSpec"):
        v1_estimator.Estimator(tpu_fn).train(lambda: {"x": X}, steps=1)


class HParams:
    """What tf.contrib.training.HParams was, of it what TPUEstimator uses."""

    def __init__(self, **values):
        vars(self).update(values)

    def __contains__(self, name):
        return name in vars(self)

    def add_hparam(self, name, value):
        assert name not in vars(self)
        setattr(self, name, value)

    def set_hparam(self, name, value):
        assert name in vars(self)
        setattr(self, name, value)


def test_params_may_be_hparams(tmp_path):
    told = []

    def hparams_fn(features, labels, mode, params):
        told.append(vars(params))
        return step_fn(features, labels, mode, params)

    def hparams_input_fn(params):
        told.append(vars(params))
        return tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(params.batch_size)

    config = tpu.RunConfig()
    given = {"use_tpu": False, "train_batch_size": 8}
    params = HParams(rate=1, use_tpu=True)
    tpu.TPUEstimator(hparams_fn, str(tmp_path), config, params, **given).train(
        hparams_input_fn, steps=1
    )
    assert told == [
        {"rate": 1, "batch_size": 8, "use_tpu": True},
        {"rate": 1, "batch_size": 8, "use_tpu": False},
    ]
    with pytest.raises(ValueError, match="must not have"):
        tpu.TPUEstimator(hparams_fn, None, config, HParams(batch_size=1), **given)


def test_params_are_copied_and_may_be_none(tmp_path):
    config = tpu.RunConfig(model_dir=str(tmp_path))
    estimator = tpu.TPUEstimator(step_fn, config=config, use_tpu=False, train_batch_size=8)
    assert estimator.params == {}
    estimator.train(input_fn, steps=1)
    assert estimator.params == {}


def test_examples_per_second_are_logged_and_written(make, caplog):
    with caplog.at_level(logging.INFO):
        estimator = make().train(input_fn, steps=25)
    found = tags(estimator.model_dir)
    assert found["examples/sec"] == found["global_step/sec"] == [11, 21]
    lines = [record.getMessage() for record in caplog.records]
    rates = [float(line.partition(" ")[2]) for line in lines if "examples/sec" in line]
    steps = [float(line.partition(" ")[2]) for line in lines if "global_step/sec" in line]
    assert rates == pytest.approx([8 * rate for rate in steps], rel=1e-4)
    assert len(rates) == 2


def test_nothing_is_logged_where_it_is_off(make, caplog):
    with caplog.at_level(logging.INFO):
        estimator = make(config=tpu.RunConfig(log_step_count_steps=None)).train(input_fn, steps=25)
    assert "/sec" not in caplog.text
    assert not {"examples/sec", "global_step/sec"} & set(tags(estimator.model_dir))


def test_graphs_are_kept_between_calls(make):
    calls = itertools.count()  # not a list, for that would change what model_fn reads

    def counting(features, labels, mode, params):
        next(calls)
        return model_fn(features, labels, mode, {**params, "seen": []})

    estimator = make(counting, params={"seen": 0})
    losses = []
    for _ in range(3):
        estimator.train(input_fn, steps=5)
        losses.append(estimator.evaluate(input_fn)["loss"])
        assert len(list(estimator.predict(input_fn))) == 64
    assert next(calls) == 3
    assert losses == sorted(losses, reverse=True)


def test_a_change_of_what_model_fn_reads_is_seen(make):
    scale = [1.0]

    def reading(features, labels, mode, params):
        loss = scale[0] + 0.0 * tf.reduce_mean(labels)
        return tpu.TPUEstimatorSpec(
            mode, loss=loss, train_op=v1.train.get_global_step().assign_add(1)
        )

    estimator = make(reading).train(input_fn, steps=1)
    assert estimator.evaluate(input_fn)["loss"] == 1.0
    scale[0] = 2.0
    assert estimator.evaluate(input_fn)["loss"] == 2.0


def host_of(folder):
    """A host_call that writes the loss, as programs for TPUs do."""

    def host_call(loss):
        def write(step, loss):
            writer = tf.summary.create_file_writer(folder)
            with writer.as_default(), tf.summary.record_if(True):
                tf.summary.scalar("host_loss", loss[0], step=step[0])
            return v1.summary.all_v2_summary_ops()

        return write, [tf.reshape(v1.train.get_global_step(), [1]), tf.reshape(loss, [1])]

    return host_call


def test_a_host_call_writes_at_each_step(make, tmp_path):
    folder = str(tmp_path / "host")
    estimator = make(params={"host": host_of(folder)}).train(input_fn, steps=25)
    assert tags(folder) == {"host_loss": list(range(25))}
    estimator.evaluate(input_fn, steps=2)
    assert tags(folder) == {"host_loss": [*range(25), 25, 25]}


def test_a_host_call_begins_anew_with_each_checkpoint(make, tmp_path):
    folder = str(tmp_path / "host")
    config = tpu.RunConfig(save_checkpoints_steps=2)
    estimator = make(config=config, params={"host": host_of(folder)}).train(input_fn, steps=4)
    estimator.evaluate_checkpoints(input_fn, [0, 2, 4], steps=1)
    assert tags(folder) == {"host_loss": [0, 0, 1, 2, 2, 3, 4]}


@pytest.mark.parametrize("has_host_call", [False, True])
def test_steps_are_put_into_a_loop(make, tmp_path, caplog, has_host_call):
    params = {"host": host_of(str(tmp_path / "host"))} if has_host_call else {}
    with caplog.at_level(logging.DEBUG):
        estimator = make(params=params).train(input_fn, max_steps=25)
    assert "not put into a loop" not in caplog.text
    assert "taken by itself" not in caplog.text
    assert estimator.get_variable_value("w")[1] == pytest.approx(-1.94918525, rel=1e-5)


def test_a_cross_shard_optimizer_sums_over_one_shard(make, seen, tmp_path):
    estimator = make(params={"cross": True}).train(input_fn, max_steps=25)
    assert estimator.get_variable_value("w")[1] == pytest.approx(-1.94918525, rel=1e-5)
    assert "w/Adam_1" in estimator.get_variable_names()


def test_a_rate_is_of_the_step_that_is_taken(make):
    """Also where the program leaves open whether the step is moved before the rate is read."""

    def adding(features, labels, mode, params):
        step = v1.train.get_global_step()
        large = tf.fill([300, 300], tf.reduce_mean(labels))
        with tf.control_dependencies([tf.linalg.matmul(large, large)]):
            rate = tf.cast(step.read_value(), tf.float32)
        total = v1.get_variable("total", initializer=0.0)
        train_op = tf.group(total.assign_add(rate), [step.assign(step + 1)])
        return tpu.TPUEstimatorSpec(mode, loss=tf.reduce_mean(labels), train_op=train_op)

    estimator = make(adding).train(input_fn, steps=30)
    assert estimator.get_variable_value("total") == sum(range(30))


def test_a_cluster_without_servers_is_this_process(make):
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(tf.train.ClusterSpec({}), "")
    estimator = make(step_fn, config=tpu.RunConfig(cluster=resolver)).train(input_fn, steps=1)
    assert estimator.config.cluster is resolver
    assert estimator.get_variable_value("global_step") == 1


def test_scaffold_fn_is_followed(make):
    def loading(features, labels, mode, params):
        weight = v1.get_variable("w", initializer=1.0)
        step = v1.train.get_global_step()

        def scaffold_fn():
            return v1.train.Scaffold(init_fn=lambda scaffold, session: session.run(to_seven))

        to_seven = weight.assign(7.0)
        return tpu.TPUEstimatorSpec(
            mode, loss=weight + 0.0, train_op=step.assign_add(1), scaffold_fn=scaffold_fn
        )

    assert make(loading).train(input_fn, steps=1).get_variable_value("w") == 7.0


def test_warm_start(make, tmp_path):
    first = make().train(input_fn, max_steps=25)
    second = make(model_dir=str(tmp_path / "second"), warm_start_from=first.model_dir)
    assert second.evaluate(input_fn)["loss"] == pytest.approx(0.008066172, rel=1e-4)


@pytest.mark.parametrize("given", [{}, {"export_to_tpu": False}], ids=str)
def test_an_export_is_for_cpu_and_gpu(make, tmp_path, given, caplog):
    with caplog.at_level(logging.INFO):
        path = (
            make(**given)
            .train(input_fn, max_steps=25)
            .export_saved_model(str(tmp_path / "export"), receiver_fn)
        )
    assert ("as with export_to_tpu=False" in caplog.text) is not bool(given)
    loaded = tf.saved_model.load(path.decode())
    answer = loaded.signatures["serving_default"](x=tf.constant(X[:3]))["y"]
    assert answer.numpy() == pytest.approx([0.39248320, 0.48310024, -1.27992058], rel=1e-4)


def test_an_export_is_told_by_attributes_that_programs_set(make, tmp_path, caplog):
    estimator = make().train(input_fn, steps=1)
    estimator._export_to_tpu = False
    with caplog.at_level(logging.INFO):
        estimator.export_savedmodel(str(tmp_path / "export"), receiver_fn)
    assert "export_to_tpu" not in caplog.text


@pytest.mark.parametrize(
    ("to_tpu", "error", "message"),
    [
        (False, ValueError, "One of export_to_cpu and export_to_tpu must be True"),
        (True, NotImplementedError, "export_to_cpu must be True"),
    ],
)
def test_an_export_for_nothing_is_refused(make, tmp_path, to_tpu, error, message):
    estimator = make(export_to_cpu=False, export_to_tpu=to_tpu).train(input_fn, steps=1)
    with pytest.raises(error, match=message):
        estimator.export_saved_model(str(tmp_path / "export"), receiver_fn)
    assert not (tmp_path / "export").exists()


def test_train_and_evaluate(make):
    """The metrics are what the original gave."""
    estimator = make(config=tpu.RunConfig(tf_random_seed=1, save_checkpoints_steps=5))
    exporter = v1_estimator.LatestExporter("exporter", receiver_fn)
    metrics, exports = v1_estimator.train_and_evaluate(
        estimator,
        v1_estimator.TrainSpec(input_fn, max_steps=20),
        v1_estimator.EvalSpec(input_fn, steps=2, throttle_secs=0, exporters=exporter),
    )
    assert metrics["global_step"] == 20
    assert metrics["loss"] == pytest.approx(0.099689394, rel=1e-4)
    assert len(exports) == 1


def test_it_is_an_estimator_of_version_1_and_positional(tmp_path):
    estimator = tpu.TPUEstimator(
        step_fn, str(tmp_path), tpu.RunConfig(), {"rate": 1}, False, 8, 16, 4, None, True, False
    )
    assert isinstance(estimator, v1_estimator.Estimator)
    assert isinstance(estimator, tf_estimator.Estimator)
    assert estimator.train(input_fn, steps=1) is estimator
    assert estimator.config.log_step_count_steps is None


def test_a_subclass_may_add_members_and_override_none():
    class Adds(tpu.TPUEstimator):
        def more(self):
            return 1

    class Overrides(tpu.TPUEstimator):
        def train(self, input_fn):
            return self

    assert Adds(step_fn, config=tpu.RunConfig(), use_tpu=False).more() == 1
    with pytest.raises(ValueError, match=r"overrides \['train'\]"):
        Overrides(step_fn, config=tpu.RunConfig(), use_tpu=False)


@pytest.mark.parametrize("version", [*ExportSavedModelApiVersion, 1, 2])
def test_the_version_of_exports_makes_no_difference(make, version):
    assert make(export_saved_model_api_version=version).model_dir


def test_an_embedding_config_names_itself():
    with pytest.raises(NotImplementedError, match="EmbeddingConfigSpec is for embedding tables"):
        tpu.experimental.EmbeddingConfigSpec(feature_columns=[])


def test_an_in_memory_evaluator_has_the_batch_size_of_evaluation(make, seen):
    estimator = make(train_batch_size=8, eval_batch_size=16)
    hook = tf_estimator.experimental.InMemoryEvaluatorHook(estimator, input_fn, every_n_iter=2)
    estimator.train(input_fn, max_steps=4, hooks=[hook])
    assert {mode: params["batch_size"] for mode, params in seen} == {"train": 8, "eval": 16}
