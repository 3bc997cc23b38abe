import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator import EstimatorSpec, ModeKeys, RunConfig
from tf_estimator.export import (
    ClassificationOutput,
    PredictOutput,
    RegressionOutput,
    ServingInputReceiver,
    TensorServingInputReceiver,
    build_parsing_serving_input_receiver_fn,
)
from tf_estimator.export.receivers import SupervisedInputReceiver

v1 = tf.compat.v1

MODES = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)
VARIABLES = ["global_step", "weight", "weight/Momentum"]


def input_fn():
    data = {"x": [[1.0], [2.0]]}, [2.0, 4.0]
    return tf.data.Dataset.from_tensors(data).repeat(3)


def model_fn(features, labels, mode, params):
    """y = weight * x; `params["more"](y, mode)` gives more predictions, and fields of the spec."""
    x = features["x"] if isinstance(features, dict) else features
    weight = v1.get_variable("weight", [], initializer=v1.ones_initializer())
    y = tf.squeeze(x * weight, 1)
    predictions, fields = params.get("more", lambda *_: ({}, {}))(y, mode)
    predictions = {"y": y, **predictions}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions, **fields)
    loss = tf.reduce_mean((y - labels) ** 2)
    optimizer = v1.train.MomentumOptimizer(0.01, 0.5)
    train_op = optimizer.minimize(loss, v1.train.get_global_step())
    metrics = {"error": v1.metrics.mean_absolute_error(labels, y)}
    return EstimatorSpec(
        mode, predictions, loss, train_op, metrics if mode == ModeKeys.EVAL else None, **fields
    )


def raw():
    x = v1.placeholder(tf.float32, [None, 1], name="x")
    return ServingInputReceiver({"x": x}, {"x": x})


def supervised():
    x = v1.placeholder(tf.float32, [None, 1], name="x")
    labels = v1.placeholder(tf.float32, [None], name="labels")
    return SupervisedInputReceiver({"x": x}, labels, {"x": x, "labels": labels})


parsing = build_parsing_serving_input_receiver_fn({"x": tf.io.FixedLenFeature([1], tf.float32)})
ALL_RECEIVERS = {
    ModeKeys.PREDICT: raw,
    ModeKeys.TRAIN: supervised,
    ModeKeys.EVAL: supervised,
}


def example(x):
    feature = {"x": tf.train.Feature(float_list=tf.train.FloatList(value=[x]))}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model_dir after three steps."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    config = RunConfig(save_checkpoints_steps=2)
    tf_estimator.Estimator(model_fn, folder, config, params={}).train(input_fn)
    return folder


@pytest.fixture
def estimator(trained):
    def estimator(more=None, folder=trained, **arguments):
        params = {"more": more} if more else {}
        return tf_estimator.Estimator(model_fn, folder, params=params, **arguments)

    return estimator


@pytest.fixture
def weight(estimator):
    return estimator().get_variable_value("weight")


def outputs(**made):
    """`more` for a model with these export outputs, each made of y."""

    def more(y, mode):
        del mode
        return {}, {"export_outputs": {name: make(y) for name, make in made.items()}}

    return more


def files(folder):
    folder = pathlib.Path(os.fsdecode(folder))
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def answer(folder, signature="serving_default", **inputs):
    loaded = tf.saved_model.load(os.fsdecode(folder))
    given = {name: tf.constant(value) for name, value in inputs.items()}
    found = loaded.signatures[signature](**given)
    return {name: value.numpy().tolist() for name, value in found.items()}


def loaded(session, folder, mode):
    tags = ["serve" if mode == ModeKeys.PREDICT else mode]
    return v1.saved_model.load(session, tags, os.fsdecode(folder))


def answer_in_session(folder, mode=ModeKeys.PREDICT, signature="serving_default", **inputs):
    with tf.Graph().as_default(), v1.Session() as session:
        found = loaded(session, folder, mode).signature_def[signature]
        fetches = {
            name: info.name for name, info in found.outputs.items() if "update_op" not in name
        }
        feed = {found.inputs[name].name: value for name, value in inputs.items()}
        return session.run(fetches, feed)


def saved_variables(folder):
    return [
        name for name, _ in tf.train.list_variables(f"{os.fsdecode(folder)}/variables/variables")
    ]


def test_an_export_is_a_timestamped_folder_with_all_variables_of_its_graph(estimator, tmp_path):
    folder = estimator().export_saved_model(tmp_path, raw)
    assert isinstance(folder, bytes)
    assert os.path.dirname(folder) == os.fsencode(tmp_path)
    assert os.path.basename(folder).isdigit()
    assert os.listdir(tmp_path) == [os.path.basename(folder).decode()]
    assert files(folder) == [
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert saved_variables(folder) == ["global_step", "weight"]


def test_a_raw_receiver_is_served_under_its_own_names(estimator, tmp_path, weight):
    folder = estimator().export_saved_model(tmp_path, raw)
    expected = {"y": pytest.approx([3 * weight, 5 * weight])}
    assert answer(folder, x=[[3.0], [5.0]]) == expected
    in_session = answer_in_session(folder, x=[[3.0], [5.0]])
    assert {name: value.tolist() for name, value in in_session.items()} == expected


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("serving_default", "inputs", {"outputs": [3.0]}),
        ("classes", "inputs", {"scores": [[3.0, -3.0]]}),
        ("both", "inputs", {"classes": [[b"a"]], "scores": [[3.0]]}),
        ("several", "examples", {"y": [3.0], "double": [6.0]}),
        ("one", "examples", {"output": [3.0]}),
    ],
)
def test_parsed_examples_are_served_by_every_kind_of_output(
    estimator, tmp_path, weight, name, given, expected
):
    more = outputs(
        serving_default=RegressionOutput,
        classes=lambda y: ClassificationOutput(tf.stack([y, -y], 1)),
        both=lambda y: ClassificationOutput(y[:, None], tf.fill([tf.size(y), 1], "a")),
        several=lambda y: PredictOutput({"y": y, "double": 2 * y}),
        one=PredictOutput,
    )
    folder = estimator(more).export_saved_model(tmp_path, parsing)
    found = answer(folder, name, **{given: [example(3.0 / weight)]})
    assert found.pop("classes", None) == expected.pop("classes", None)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-6)


def test_features_that_are_one_tensor(estimator, tmp_path, weight):
    def receiver():
        x = v1.placeholder(tf.float32, [None, 1])
        return TensorServingInputReceiver(x, x)

    folder = estimator().export_saved_model(tmp_path, receiver)
    assert answer(folder, input=[[2.0]]) == {"y": [pytest.approx(2 * weight)]}


def test_features_with_integer_keys(tmp_path):
    def int_model_fn(features, mode):
        step = v1.train.get_global_step()
        train_op = v1.assign_add(step, 1)
        return EstimatorSpec(mode, 2 * features[1], tf.constant(0.0), train_op)

    def receiver():
        x = v1.placeholder(tf.float32, [None])
        return ServingInputReceiver({1: x}, {"x": x})

    estimator = tf_estimator.Estimator(int_model_fn, tmp_path / "model")
    estimator.train(lambda: {1: tf.ones([2])}, steps=1)
    folder = estimator.export_saved_model(tmp_path / "exports", receiver)
    assert answer(folder, x=[4.0]) == {"output": [8.0]}


def test_a_request_may_enter_elsewhere(estimator, tmp_path, weight):
    def receiver():
        text = v1.placeholder(tf.string, [None], name="text")
        x = tf.strings.to_number(text)[:, None]
        return ServingInputReceiver({"x": x}, {"text": text}, {"number": x})

    folder = estimator().export_saved_model(tmp_path, receiver)
    assert answer_in_session(folder, text=["2"])["y"] == pytest.approx(2 * weight)
    parsed = answer_in_session(folder, signature="number:serving_default", input=[[2.0]])
    assert parsed["y"] == pytest.approx(2 * weight)


def test_a_model_without_a_signature_is_exported_with_a_warning(estimator, tmp_path, caplog):
    regression_only = estimator(outputs(serving_default=RegressionOutput))
    folder = regression_only.export_saved_model(tmp_path, raw)
    assert "The export has no signatures" in caplog.text
    assert not tf.saved_model.load(os.fsdecode(folder)).signatures
    with tf.Graph().as_default(), v1.Session() as session:
        assert not loaded(session, folder, ModeKeys.PREDICT).signature_def


def test_as_text(estimator, tmp_path, weight):
    folder = estimator().export_saved_model(tmp_path, raw, as_text=True)
    assert "saved_model.pbtxt" in files(folder)
    assert "saved_model.pb" not in files(folder)
    assert answer(folder, x=[[2.0]]) == {"y": [pytest.approx(2 * weight)]}


@pytest.fixture
def table(tmp_path):
    """`more` for a model with two vocabulary files of one name, and the folder they are in."""
    folders = []
    for name, words in (("first", "a\nb\n"), ("second", "c\nb\na\n")):
        (tmp_path / "words" / name).mkdir(parents=True)
        folders.append(tmp_path / "words" / name / "words.txt")
        folders[-1].write_text(words)

    def more(y, mode):
        del mode
        whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        ids = []
        for path in folders:
            lines = tf.lookup.TextFileInitializer(str(path), tf.string, whole, tf.int64, line)
            ids.append(tf.lookup.StaticHashTable(lines, -1).lookup(tf.fill(tf.shape(y), "a")))
        return {"ids": tf.stack(ids, 1)}, {}

    return more, tmp_path / "words"


@pytest.mark.parametrize("mode", MODES)
def test_vocabulary_files_travel_with_the_model(estimator, tmp_path, table, mode):
    more, words = table
    folder = estimator(more).export_saved_model(
        tmp_path / "exports", ALL_RECEIVERS[mode], experimental_mode=mode
    )
    assert [f for f in files(folder) if f.startswith("assets")] == [
        "assets/words.txt",
        "assets/words.txt_1",
    ]
    shutil.rmtree(words)
    shutil.move(os.fsdecode(folder), tmp_path / "elsewhere")
    inputs = {"x": [[1.0]], **({} if mode == ModeKeys.PREDICT else {"labels": [1.0]})}
    signature = "serving_default" if mode == ModeKeys.PREDICT else mode
    found = answer_in_session(tmp_path / "elsewhere", mode, signature, **inputs)
    ids = next(value for name, value in found.items() if name.endswith("ids"))
    assert ids.tolist() == [[0, 2]]
    if mode == ModeKeys.PREDICT:
        assert answer(tmp_path / "elsewhere", x=[[1.0]])["ids"] == [[0, 2]]


def test_extra_assets_go_to_their_paths(estimator, tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    extra = {"a.txt": str(tmp_path / "a"), "deep/er/b.txt": str(tmp_path / "b")}
    folder = estimator().export_saved_model(tmp_path / "exports", raw, assets_extra=extra)
    found = {f: pathlib.Path(os.fsdecode(folder), f).read_text() for f in files(folder)[:2]}
    assert found == {"assets.extra/a.txt": "a", "assets.extra/deep/er/b.txt": "b"}


@pytest.mark.parametrize("path", ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "", "."])
def test_extra_assets_stay_in_their_folder(estimator, tmp_path, path):
    def never():
        pytest.fail("nothing is built for an export that cannot be")

    with pytest.raises(ValueError, match=r"assets_extra must be a path below assets\.extra"):
        estimator().export_saved_model(tmp_path, never, assets_extra={path: __file__})


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path, "{}/".format])
def test_the_base_may_be_of_any_kind(estimator, tmp_path, kind):
    folder = estimator().export_saved_model(kind(tmp_path / "deep" / "base"), raw)
    assert os.path.dirname(folder) == os.fsencode(tmp_path / "deep" / "base")
    assert "saved_model.pb" in files(folder)


def test_exports_within_one_second_have_folders_of_their_own(estimator, tmp_path):
    folders = [estimator().export_saved_model(tmp_path, raw) for _ in range(3)]
    assert sorted(map(os.fsencode, os.listdir(tmp_path))) == sorted(map(os.path.basename, folders))
    assert folders == sorted(set(folders))


@pytest.mark.parametrize("step", [0, 2, 3])
def test_the_weights_of_any_checkpoint(estimator, tmp_path, trained, step):
    path = str(trained / f"model.ckpt-{step}")
    folder = estimator().export_saved_model(tmp_path, raw, checkpoint_path=path)
    expected = tf.train.load_variable(path, "weight")
    assert answer(folder, x=[[1.0]]) == {"y": [expected]}


def _fails(*_):
    raise KeyError("from model_fn")


def _adds_a_variable(y, mode):
    if mode == ModeKeys.PREDICT:
        v1.get_variable("new", [])
    return {"y": y}, {}


def _adds_a_variable_and_saver(y, mode):
    _adds_a_variable(y, mode)
    return {"y": y}, {"scaffold": v1.train.Scaffold(saver=v1.train.Saver())}


def _reads_a_missing_file(y, mode):
    del mode
    lines = tf.lookup.TextFileInitializer("/no/words.txt", tf.string, 0, tf.int64, -1)
    return {"ids": tf.lookup.StaticHashTable(lines, 0).lookup(tf.fill(tf.shape(y), "a"))}, {}


@pytest.mark.parametrize(
    ("more", "arguments", "error", "message"),
    [
        (_fails, {}, KeyError, "from model_fn"),
        (
            _adds_a_variable,
            {},
            ValueError,
            "'infer' cannot be exported.*not in the checkpoint: new",
        ),
        (
            _adds_a_variable_and_saver,
            {},
            ValueError,
            "(?s)'infer' cannot be exported.*new not found",
        ),
        (_reads_a_missing_file, {}, ValueError, "file of model_fn must exist.*'/no/words.txt'"),
        (None, {"checkpoint_path": "/no/ckpt"}, ValueError, "must name a checkpoint"),
        (None, {"checkpoint_path": "index"}, ValueError, r"must name a checkpoint.*no \.index"),
        (None, {"assets_extra": {"a": "/no/file"}}, tf.errors.NotFoundError, "/no/file"),
        (None, {"serving_input_receiver_fn": lambda: None}, TypeError, "must be a ServingInput"),
        (None, {"serving_input_receiver_fn": None}, ValueError, "must have a function"),
        (None, {"serving_input_receiver_fn": 5}, ValueError, "'infer' must be callable"),
        (None, {"experimental_mode": "serve"}, ValueError, "must be one of"),
        (None, {"experimental_mode": ModeKeys.EVAL}, ValueError, None),
    ],
)
def test_an_export_that_fails_leaves_no_folder(
    estimator, trained, tmp_path, more, arguments, error, message
):
    places = {"index": str(trained / "model.ckpt-3.index")}
    if "checkpoint_path" in arguments:
        path = arguments["checkpoint_path"]
        arguments = {"checkpoint_path": places.get(path, path)}
    arguments = {"serving_input_receiver_fn": raw, **arguments}
    with pytest.raises(error, match=message):
        estimator(more).export_saved_model(tmp_path / "exports", **arguments)
    exports = tmp_path / "exports"
    assert not exports.exists() or not list(exports.iterdir())


def test_an_untrained_model_is_not_exported(estimator, tmp_path):
    with pytest.raises(ValueError, match="There must be a checkpoint to export"):
        estimator(folder=tmp_path / "new").export_saved_model(tmp_path / "exports", raw)


def test_a_mode_is_needed(estimator, tmp_path):
    for receivers in ({}, {ModeKeys.TRAIN: None}):
        with pytest.raises(ValueError, match="at least one mode"):
            estimator().experimental_export_all_saved_models(tmp_path, receivers)


def test_a_mode_may_be_left_out_with_none(estimator, tmp_path):
    receivers = {ModeKeys.TRAIN: None, ModeKeys.PREDICT: raw}
    folder = estimator().experimental_export_all_saved_models(tmp_path, receivers)
    assert saved_variables(folder) == ["global_step", "weight"]


def test_the_saver_of_the_scaffold_restores_and_is_exported(estimator, tmp_path):
    """Weights under another name, as those of an ExponentialMovingAverage."""

    def more(y, mode):
        del mode
        weight = next(v for v in v1.global_variables() if v.op.name == "weight")
        saver = v1.train.Saver({"weight/Momentum": weight})
        return {"y": y}, {"scaffold": v1.train.Scaffold(saver=saver)}

    folder = estimator(more).export_saved_model(tmp_path, raw)
    expected = estimator().get_variable_value("weight/Momentum")
    assert saved_variables(folder) == ["weight/Momentum"]
    assert answer_in_session(folder, x=[[1.0]])["y"] == [expected]


@pytest.mark.parametrize("kind", ["default", "operation", "tensor"])
def test_a_loader_initializes_local_variables(estimator, tmp_path, kind):
    def more(y, mode):
        del mode
        local = v1.get_variable(
            "local", [], initializer=v1.constant_initializer(7.0), collections=["local_variables"]
        )
        init = {"operation": local.initializer, "tensor": tf.identity(local.assign(8.0))}
        scaffold = v1.train.Scaffold(local_init_op=init.get(kind))
        return {"local": local + 0 * y}, {"scaffold": scaffold}

    folder = estimator(more).export_saved_model(tmp_path, raw)
    expected = [8.0 if kind == "tensor" else 7.0]
    assert answer(folder, x=[[1.0]])["local"] == expected
    assert answer_in_session(folder, x=[[1.0]])["local"] == expected


def test_what_cannot_be_placed_is_placed_elsewhere(estimator, tmp_path):
    def more(y, mode):
        del mode
        with tf.device("/gpu:7"):
            return {"y": y, "z": y + 1}, {}

    folder = estimator(more).export_saved_model(tmp_path, raw)
    assert answer(folder, x=[[0.0]])["z"] == [1.0]


def test_default_attributes_are_stripped(estimator, tmp_path):
    def more(y, mode):
        del mode
        return {"sum": tf.reduce_sum(y) + y}, {}

    folder = estimator(more).export_saved_model(tmp_path, raw, as_text=True)
    # As text, since a loader puts the defaults back in.
    written = pathlib.Path(os.fsdecode(folder), "saved_model.pbtxt").read_text()
    assert "stripped_default_attrs: true" in written
    assert 'op: "Sum"' in written
    assert 'key: "keep_dims"' not in written.partition("library {")[0].partition("graph_def {")[2]


@pytest.fixture(scope="module")
def all_modes(trained, tmp_path_factory):
    estimator = tf_estimator.Estimator(model_fn, trained, params={})
    base = tmp_path_factory.mktemp("all_modes")
    return estimator.experimental_export_all_saved_models(base, ALL_RECEIVERS)


def test_all_modes_share_the_variables_of_training(all_modes):
    assert saved_variables(all_modes) == VARIABLES


@pytest.mark.parametrize(
    ("mode", "signature", "names"),
    [
        (ModeKeys.TRAIN, "train", ["loss", "predictions/y"]),
        (
            ModeKeys.EVAL,
            "eval",
            ["loss", "metrics/error/update_op", "metrics/error/value", "predictions/y"],
        ),
        (ModeKeys.PREDICT, "serving_default", ["y"]),
    ],
)
def test_every_mode_has_its_graph(all_modes, weight, mode, signature, names):
    with tf.Graph().as_default(), v1.Session() as session:
        definition = loaded(session, all_modes, mode)
        assert list(definition.signature_def) == [signature]
        assert sorted(definition.signature_def[signature].outputs) == names
    inputs = {"x": [[1.0]], **({} if mode == ModeKeys.PREDICT else {"labels": [0.0]})}
    found = answer_in_session(all_modes, mode, signature, **inputs)
    y = found["y" if mode == ModeKeys.PREDICT else "predictions/y"]
    assert y == [weight]
    if mode != ModeKeys.PREDICT:
        assert found["loss"] == pytest.approx(weight**2)


def test_the_graph_of_training_can_be_trained_further(all_modes, weight):
    with tf.Graph().as_default() as graph, v1.Session() as session:
        loaded(session, all_modes, ModeKeys.TRAIN)
        (train_op,) = graph.get_collection("saved_model_train_op")
        variables = {v.op.name: v for v in v1.global_variables()}
        for _ in range(4):
            session.run(train_op, {"x:0": [[1.0]], "labels:0": [0.0]})
        assert session.run(variables["global_step"]) == 7
        assert session.run(variables["weight"]) < weight


def test_a_graph_without_train_op_has_none_to_be_trained_further(all_modes):
    with tf.Graph().as_default() as graph, v1.Session() as session:
        loaded(session, all_modes, ModeKeys.PREDICT)
        assert not graph.get_collection("saved_model_train_op")


def test_metric_variables_are_local_and_start_anew(all_modes):
    with tf.Graph().as_default() as graph, v1.Session() as session:
        signature = loaded(session, all_modes, ModeKeys.EVAL).signature_def["eval"]
        update = graph.get_tensor_by_name(signature.outputs["metrics/error/update_op"].name)
        value = graph.get_tensor_by_name(signature.outputs["metrics/error/value"].name)
        assert session.run(value) == 0
        session.run(update, {"x:0": [[0.0], [0.0]], "labels:0": [1.0, 3.0]})
        assert session.run(value) == 2


@pytest.mark.parametrize(
    ("first", "names"), [(ModeKeys.TRAIN, VARIABLES), (ModeKeys.PREDICT, ["global_step", "weight"])]
)
def test_the_first_mode_brings_the_variables(estimator, tmp_path, first, names):
    modes = {mode: ALL_RECEIVERS[mode] for mode in {first, ModeKeys.PREDICT}}
    folder = estimator().experimental_export_all_saved_models(tmp_path, modes)
    assert saved_variables(folder) == names


def test_a_later_mode_must_not_bring_variables(estimator, tmp_path):
    with pytest.raises(ValueError, match=r"mode 'infer' adds \['new'\]"):
        estimator(_adds_a_variable).experimental_export_all_saved_models(
            tmp_path, {ModeKeys.TRAIN: supervised, ModeKeys.PREDICT: raw}
        )
    assert not list(tmp_path.iterdir())


def _saved_model_cli(*arguments):
    command = pathlib.Path(sys.executable).with_name("saved_model_cli")
    if not command.exists():
        pytest.skip("this TensorFlow has no saved_model_cli")
    done = subprocess.run(
        [command, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_saved_model_cli_shows_it(all_modes):
    shown = _saved_model_cli("show", "--dir", os.fsdecode(all_modes), "--all")
    for part in ("tag-set: 'train'", "signature_def['serving_default']", "inputs['x'] tensor_info"):
        assert part in shown


@pytest.mark.slow
def test_saved_model_cli_runs_it(all_modes, weight, tmp_path):
    _saved_model_cli(
        *("run", "--dir", os.fsdecode(all_modes), "--tag_set", "serve"),
        *("--signature_def", "serving_default", "--input_exprs", "x=[[2.0],[3.0]]"),
        *("--outdir", str(tmp_path)),
    )
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), [2 * weight, 3 * weight])
