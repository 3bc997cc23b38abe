import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator import EstimatorSpec, ModeKeys, RunConfig, VocabInfo, WarmStartSettings
from tf_estimator.export import ServingInputReceiver

v1 = tf.compat.v1

TRAINED = {"weight": 1.5, "bias": -0.5}


def input_fn():
    return tf.data.Dataset.from_tensors(({"x": [1.0, 2.0]}, [1.0, 2.0])).repeat(2)


def model_fn(features, labels, mode, params):
    """y = weight * x + bias, from `params["initial"]`; a step adds to the global step alone."""
    del labels
    names = params.get("names", ("weight", "bias"))
    y = features["x"]
    parts = [
        v1.get_variable(name, [], initializer=v1.constant_initializer(params["initial"][place]))
        for name, place in zip(names, ("weight", "bias"), strict=True)
    ]
    y = parts[0] * y + parts[1]
    if "more" in params:
        params["more"]()
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, y)
    loss = tf.reduce_sum(y)
    with tf.control_dependencies([loss]):
        train_op = v1.assign_add(v1.train.get_global_step(), 1)
    return EstimatorSpec(mode, y, loss, train_op)


def receiver():
    x = v1.placeholder(tf.float32, [None], name="x")
    return ServingInputReceiver({"x": x}, {"x": x})


ZEROS = {"weight": 0.0, "bias": 0.0}


def _estimator(folder, initial=None, **more):
    params = {"initial": initial or ZEROS, **more.pop("params", {})}
    return tf_estimator.Estimator(model_fn, folder, params=params, **more)


@pytest.fixture
def source(tmp_path):
    """A model_dir with checkpoints of steps 0, 1 and 2."""
    folder = tmp_path / "source"
    config = RunConfig(save_checkpoints_steps=1)
    _estimator(folder, TRAINED, config=config).train(input_fn)
    return folder


def _served(estimator, folder):
    """What an export answers for x = [1, 2]."""
    exported = os.fsdecode(estimator.export_saved_model(folder, receiver))
    signature = tf.saved_model.load(exported).signatures["serving_default"]
    return signature(x=tf.constant([1.0, 2.0]))["output"].numpy().tolist()


def _all_answers(estimator, folder):
    """Predictions for x = [1, 2] in every way in which an Estimator gives some."""
    loss = estimator.evaluate(input_fn)["loss"]
    predicted = list(estimator.predict(input_fn))[:2]
    served = _served(estimator, folder)
    estimator.train(input_fn, steps=1)
    values = [estimator.get_variable_value(name) for name in ("weight", "bias")]
    return {
        "loss": float(loss),
        "predicted": np.array(predicted).tolist(),
        "served": served,
        "trained": values,
        "step": int(estimator.get_variable_value("global_step")),
    }


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path, WarmStartSettings])
@pytest.mark.parametrize("what", ["model_dir", "checkpoint", "SavedModel"])
def test_a_new_model_answers_with_the_weights_it_is_warm_started_with(source, tmp_path, kind, what):
    path = {"model_dir": source, "checkpoint": source / "model.ckpt-1"}.get(what)
    if what == "SavedModel":
        exported = _estimator(source).export_saved_model(tmp_path / "saved", receiver)
        path = pathlib.Path(os.fsdecode(exported))
    estimator = _estimator(tmp_path / "new", warm_start_from=kind(path))
    assert _all_answers(estimator, tmp_path / "exports") == {
        "loss": 3.5,
        "predicted": [1.0, 2.5],
        "served": [1.0, 2.5],
        "trained": [1.5, -0.5],
        "step": 1,
    }


@pytest.mark.parametrize("which", [".*", [".*"], ["global_step", "weight", "bias"]])
def test_a_warm_start_is_a_new_run(source, tmp_path, which):
    settings = WarmStartSettings(str(source), which)
    estimator = _estimator(tmp_path / "new", warm_start_from=settings)
    assert estimator.evaluate(input_fn)["global_step"] == 0
    estimator.train(input_fn, max_steps=1)
    assert estimator.get_variable_value("global_step") == 1
    assert estimator.get_variable_value("weight") == 1.5


def test_only_what_was_chosen_is_warm_started(source, tmp_path):
    settings = WarmStartSettings(str(source), "weight")
    estimator = _estimator(
        tmp_path / "new", {"weight": 9.0, "bias": 7.0}, warm_start_from=settings
    ).train(input_fn, steps=1)
    assert [estimator.get_variable_value(name) for name in TRAINED] == [1.5, 7.0]


def test_a_variable_of_another_name_is_warm_started(source, tmp_path):
    settings = WarmStartSettings(str(source), ".*", None, {"w": "weight", "b": "bias"})
    estimator = _estimator(tmp_path / "new", params={"names": ("w", "b")}, warm_start_from=settings)
    assert _served(estimator, tmp_path) == [1.0, 2.5]
    assert list(estimator.predict(input_fn))[:2] == [1.0, 2.5]


def test_rows_follow_their_words_into_a_new_model(tmp_path):
    def vocabulary(name, words):
        (tmp_path / name).write_text("".join(f"{word}\n" for word in words))
        return str(tmp_path / name)

    def table(rows):
        return {"more": lambda: v1.get_variable("table", initializer=tf.constant(rows))}

    old, new = vocabulary("old.txt", "ab"), vocabulary("new.txt", "cba")
    _estimator(tmp_path / "source", params=table([[1.0], [2.0]])).train(input_fn)
    info = VocabInfo(new, 3, 1, old, 2, v1.zeros_initializer())
    settings = WarmStartSettings(str(tmp_path / "source"), "table", {"table": info})
    estimator = _estimator(tmp_path / "new", params=table([[9.0]] * 4), warm_start_from=settings)
    exported = os.fsdecode(estimator.export_saved_model(tmp_path / "exports", receiver))
    values = tf.train.load_variable(os.path.join(exported, "variables", "variables"), "table")
    assert values.tolist() == [[0.0], [2.0], [1.0], [0.0]]
    estimator.train(input_fn)
    assert estimator.get_variable_value("table").tolist() == [[0.0], [2.0], [1.0], [0.0]]


def test_a_warm_start_is_forgotten_once_there_is_a_checkpoint(source, tmp_path):
    folder = tmp_path / "new"
    _estimator(folder, {"weight": 4.0, "bias": 0.0}).train(input_fn, steps=1)
    estimator = _estimator(folder, warm_start_from=str(source))
    assert list(estimator.predict(input_fn))[:2] == [4.0, 8.0]
    estimator.train(input_fn, steps=1)
    assert estimator.get_variable_value("weight") == 4.0
    assert estimator.get_variable_value("global_step") == 2


def test_a_resumed_run_does_not_need_the_source(source, tmp_path):
    estimator = _estimator(tmp_path / "new", warm_start_from=str(source))
    estimator.train(input_fn, steps=1)
    shutil.rmtree(source)
    again = _estimator(tmp_path / "new", warm_start_from=str(source))
    again.train(input_fn, steps=1)
    again.evaluate(input_fn)
    again.export_saved_model(tmp_path / "exports", receiver)
    assert again.get_variable_value("weight") == 1.5


def test_a_checkpoint_path_comes_before_a_warm_start(source, tmp_path):
    other = _estimator(tmp_path / "other", {"weight": 4.0, "bias": 0.0}).train(input_fn)
    estimator = _estimator(tmp_path / "new", warm_start_from=str(source))
    path = other.latest_checkpoint()
    assert estimator.evaluate(input_fn, checkpoint_path=path)["loss"] == 12.0
    assert list(estimator.predict(input_fn, checkpoint_path=path))[:2] == [4.0, 8.0]


def _use(estimator, call):
    """Calls one method of an Estimator that needs weights."""
    if call == "predict":
        return next(estimator.predict(input_fn))
    if call == "export":
        return estimator.export_saved_model(os.path.join(estimator.model_dir, "out"), receiver)
    return getattr(estimator, call)(input_fn)


CALLS = ["train", "evaluate", "predict", "export"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("settings", [str, WarmStartSettings])
def test_a_source_that_is_missing_is_named(tmp_path, call, settings):
    missing = str(tmp_path / "missing")
    estimator = _estimator(tmp_path / "new", warm_start_from=settings(missing))
    with pytest.raises(ValueError, match=r"warm_start_from must point to.*missing'"):
        _use(estimator, call)


@pytest.mark.parametrize("call", CALLS[1:])
def test_a_checkpoint_of_another_model_is_told_apart(source, tmp_path, call):
    names = {"names": ("weight", "offset")}
    error = ValueError if call == "export" else tf.errors.NotFoundError
    message = "not in the checkpoint: offset. Variables that are only in the checkpoint: bias"
    with pytest.raises(error, match=message):
        _use(_estimator(source, params=names), call)


def test_training_from_a_checkpoint_of_another_model_changes_nothing(source):
    before = sorted(os.listdir(source))
    with pytest.raises(tf.errors.NotFoundError, match="not in the checkpoint: offset"):
        _estimator(source, params={"names": ("weight", "offset")}).train(input_fn)
    assert [name for name in sorted(os.listdir(source)) if "tfevents" not in name] == [
        name for name in before if "tfevents" not in name
    ]


@pytest.mark.parametrize("call", ["evaluate", "predict"])
@pytest.mark.parametrize(
    "path", ["model.ckpt-9", "checkpoint", "model.ckpt-2.index", "model.ckpt-2.meta"]
)
def test_a_checkpoint_path_that_names_none_is_refused(source, call, path):
    path = str(source / path)
    with pytest.raises(ValueError, match="checkpoint_path must name a checkpoint"):
        list(getattr(_estimator(source), call)(input_fn, checkpoint_path=path))


def test_a_model_dir_that_could_never_be_restored_is_refused(tmp_path):
    estimator = _estimator(tmp_path / "lr[0.1]")
    with pytest.raises(ValueError, match="model_dir must not contain"):
        estimator.train(input_fn)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_path_that_cannot_be_restored_is_refused(source, tmp_path):
    shutil.move(source, tmp_path / "a[b]")
    path = str(tmp_path / "a[b]" / "model.ckpt-2")
    with pytest.raises(ValueError, match="checkpoint_path must not contain"):
        _estimator(tmp_path / "new").evaluate(input_fn, checkpoint_path=path)


def test_a_renamed_model_dir_resumes(source, tmp_path):
    shutil.move(source, tmp_path / "renamed")
    estimator = _estimator(tmp_path / "renamed").train(input_fn, steps=1)
    assert estimator.get_variable_value("global_step") == 3
    assert estimator.get_variable_value("weight") == 1.5


def test_untrained_weights_predict_nothing(tmp_path):
    with pytest.raises(ValueError, match="There must be a checkpoint to predict from"):
        next(_estimator(tmp_path).predict(input_fn))


def test_weights_that_model_fn_reads_from_a_checkpoint_predict(source, tmp_path):
    def read():
        v1.train.init_from_checkpoint(str(source), {"/": "/"})

    estimator = _estimator(tmp_path / "new", params={"more": read})
    assert list(estimator.predict(input_fn))[:2] == [1.0, 2.5]


@pytest.mark.parametrize("how", ["init_fn", "init_op"])
def test_weights_that_the_scaffold_sets_predict(tmp_path, how):
    def scaffolded(features, mode):
        weight = v1.get_variable("weight", [], initializer=v1.zeros_initializer())
        set_it = weight.assign(5.0)
        if how == "init_op":
            scaffold = v1.train.Scaffold(
                init_op=tf.group(set_it, v1.train.get_global_step().initializer)
            )
        else:
            scaffold = v1.train.Scaffold(init_fn=lambda _, session: session.run(set_it))
        return EstimatorSpec(mode, features["x"] * weight, scaffold=scaffold)

    estimator = tf_estimator.Estimator(scaffolded, tmp_path)
    predictions = estimator.predict(lambda: {"x": tf.constant([1.0, 2.0])})
    assert next(predictions) == 5.0
    predictions.close()
