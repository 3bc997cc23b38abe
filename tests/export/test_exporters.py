"""LatestExporter and FinalExporter, and the arguments that all exporters share."""

import functools
import inspect
import os
import pathlib

import pytest
import tensorflow as tf

from tf_estimator.export.best_exporter import BestExporter
from tf_estimator.export.exporters import FinalExporter, LatestExporter
from tf_estimator.spec.exporter import Exporter

ALL = [LatestExporter, FinalExporter, BestExporter]


def files(export):
    folder = pathlib.Path(os.fsdecode(export))
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def path(estimator):
    """Where the exports go."""
    return pathlib.Path(estimator.model_dir, "export", "one")


@pytest.fixture
def export(estimator, path):
    """Calls an exporter as train_and_evaluate does."""

    def call(exporter, is_the_final_export=False, eval_result=None, **given):
        given = {"checkpoint_path": estimator.latest_checkpoint(), "export_path": path, **given}
        return exporter.export(
            estimator,
            eval_result={"loss": 1.0} if eval_result is None else eval_result,
            is_the_final_export=is_the_final_export,
            **given,
        )

    return call


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        (LatestExporter, {"assets_extra": None, "as_text": False, "exports_to_keep": 5}),
        (FinalExporter, {"assets_extra": None, "as_text": False}),
        (
            BestExporter,
            {
                "name": "best_exporter",
                "serving_input_receiver_fn": None,
                "event_file_pattern": "eval/*.tfevents.*",
                "compare_fn": "_loss_smaller",
                "assets_extra": None,
                "as_text": False,
                "exports_to_keep": 5,
            },
        ),
    ],
)
def test_arguments_and_defaults(kind, defaults):
    parameters = inspect.signature(kind).parameters
    assert list(parameters)[:2] == ["name", "serving_input_receiver_fn"]
    shown = {
        name: getattr(each.default, "__name__", each.default)
        for name, each in parameters.items()
        if each.default is not each.empty
    }
    assert shown == defaults


@pytest.mark.parametrize("kind", ALL)
def test_an_exporter_has_its_name(kind, receiver_fn):
    exporter = kind("served", receiver_fn)
    assert isinstance(exporter, Exporter)
    assert exporter.name == "served"
    with pytest.raises(AttributeError):
        exporter.name = "other"


@pytest.mark.parametrize(("keep", "left"), [(1, 1), (2, 2), (5, 4), (None, 4)])
def test_latest_keeps_the_newest(export, path, receiver_fn, keep, left):
    for second in (1600000000, 1600000001, 1600000002):
        path.joinpath(str(second)).mkdir(parents=True)
    made = export(LatestExporter("a", receiver_fn, exports_to_keep=keep))
    found = sorted(path.iterdir())
    assert len(found) == left
    assert found[-1] == pathlib.Path(os.fsdecode(made))


def test_latest_exports_at_every_call_whatever_the_result(export, path, receiver_fn):
    exporter = LatestExporter("a", receiver_fn, exports_to_keep=2)
    made = [
        export(exporter, eval_result=result, is_the_final_export=final)
        for result, final in [({"loss": 1.0}, False), ({"loss": 2.0}, False), ({}, True)]
    ]
    assert all(isinstance(folder, bytes) for folder in made)
    assert len(list(path.iterdir())) == 2
    assert os.path.isdir(made[-1])


def test_final_exports_once(export, path, receiver_fn):
    exporter = FinalExporter("a", receiver_fn)
    assert [export(exporter), export(exporter)] == [None, None]
    assert not path.exists()
    made = export(exporter, is_the_final_export=True)
    assert [os.fsencode(each) for each in path.iterdir()] == [made]


def test_final_deletes_nothing(export, path, receiver_fn):
    for second in range(1600000000, 1600000008):
        path.joinpath(str(second)).mkdir(parents=True)
    export(FinalExporter("a", receiver_fn), is_the_final_export=True)
    assert len(list(path.iterdir())) == 9


@pytest.mark.parametrize("kind", ALL)
def test_the_given_checkpoint_is_exported(
    estimator, train_one_step, export, receiver_fn, kind, tmp_path
):
    first = estimator.latest_checkpoint()
    train_one_step(estimator)
    for checkpoint_path, weight in ((first, 2.0), (None, 3.0)):
        made = export(
            kind("a", receiver_fn),
            is_the_final_export=True,
            checkpoint_path=checkpoint_path,
            export_path=tmp_path / str(weight),
        )
        served = tf.saved_model.load(os.fsdecode(made)).signatures["serving_default"]
        assert served(x=tf.constant([1.0]))["y"].numpy() == [weight]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("as_text", "written"),
    [(False, "saved_model.pb"), (True, "saved_model.pbtxt"), (None, "saved_model.pb")],
)
def test_text_and_assets(export, receiver_fn, tmp_path, kind, as_text, written):
    source = tmp_path / "names.txt"
    source.write_text("ten")
    exporter = kind("a", receiver_fn, assets_extra={"en/names.txt": source}, as_text=as_text)
    made = export(exporter, is_the_final_export=True)
    variables = {"variables/variables.index", "variables/variables.data-00000-of-00001"}
    assert files(made) == {written, "assets.extra/en/names.txt", *variables}


@pytest.mark.parametrize("as_type", [os.fspath, os.fsencode, lambda path: f"{path}/"])
def test_every_kind_of_path(export, path, receiver_fn, as_type):
    exporter = LatestExporter("a", receiver_fn, exports_to_keep=1)
    path.joinpath("1600000000").mkdir(parents=True)
    made = export(exporter, export_path=as_type(path))
    assert [os.fsencode(each) for each in path.iterdir()] == [made]


def test_several_exporters_leave_each_other_alone(export, estimator, receiver_fn):
    exporters = [
        LatestExporter("latest", receiver_fn, exports_to_keep=1),
        BestExporter("best", receiver_fn, exports_to_keep=1),
        BestExporter("worst", receiver_fn, compare_fn=_greater, exports_to_keep=None),
        FinalExporter("final", receiver_fn),
    ]
    folder = pathlib.Path(estimator.model_dir, "export")
    made = [
        [
            export(each, final, {"loss": loss}, export_path=folder / each.name) is not None
            for each in exporters
        ]
        for loss, final in [(2.0, False), (3.0, False), (1.0, True)]
    ]
    assert made == [
        [True, True, True, False],
        [True, False, True, False],
        [True, True, False, True],
    ]
    counts = {each.name: len(list(each.iterdir())) for each in folder.iterdir()}
    assert counts == {"latest": 1, "best": 1, "worst": 2, "final": 1}


def _greater(best_eval_result, current_eval_result):
    return current_eval_result["loss"] > best_eval_result["loss"]


@pytest.mark.parametrize("kind", ALL)
def test_an_export_that_fails_deletes_nothing(export, path, receiver_fn, tmp_path, kind):
    for second in (1600000000, 1600000001):
        path.joinpath(str(second)).mkdir(parents=True)
    more = {} if kind is FinalExporter else {"exports_to_keep": 1}
    exporter = kind("a", receiver_fn, **more)
    with pytest.raises(ValueError, match="checkpoint"):
        export(exporter, is_the_final_export=True, checkpoint_path=str(tmp_path / "none-1"))
    assert sorted(each.name for each in path.iterdir()) == ["1600000000", "1600000001"]
    assert export(exporter, is_the_final_export=True) is not None


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "receiver_fn", [None, 3, "text", lambda features: features, functools.partial(max, 1)]
)
def test_the_receiver_function_is_checked_at_once(kind, receiver_fn):
    if isinstance(receiver_fn, functools.partial):
        kind("a", receiver_fn)  # It does not tell what it takes.
        return
    for error in (TypeError, ValueError):
        with pytest.raises(error, match="serving_input_receiver_fn must be callable without arg"):
            kind("a", receiver_fn)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"assets_extra": 3}, TypeError, r"assets_extra must be a dict .* received 3 \(int\)"),
        ({"assets_extra": ["a"]}, TypeError, "assets_extra must be a dict of paths or None; rec"),
        ({"assets_extra": {1: "a"}}, TypeError, "A key of assets_extra must be a path; received 1"),
        ({"assets_extra": {"a": 1}}, TypeError, "A value of assets_extra must be a path; received"),
        ({"assets_extra": {"../a": "b"}}, ValueError, "must be a path below assets.extra; receive"),
        ({"assets_extra": {"/a": "b"}}, ValueError, "must be a path below assets.extra; received"),
        ({"as_text": "yes"}, TypeError, r"as_text must be a bool; received 'yes' \(str\)"),
        ({"exports_to_keep": 0}, ValueError, r"exports_to_keep must be .* received 0 \(int\)"),
        ({"exports_to_keep": 1.5}, TypeError, r"exports_to_keep must .* received 1.5 \(float\)"),
    ],
    ids=repr,
)
def test_other_arguments_are_checked_at_once(kind, receiver_fn, given, error, message):
    if kind is FinalExporter and "exports_to_keep" in given:
        message, error = "unexpected keyword", TypeError
    with pytest.raises(error, match=message):
        kind("a", receiver_fn, **given)
