"""BestExporter: what it exports in a run, after a restart, and with other ways to compare."""

import functools
import logging
import math
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.export.best_exporter import BestExporter

v1 = tf.compat.v1
NAN = math.nan


@pytest.fixture
def path(estimator):
    """Where the exports go."""
    return pathlib.Path(estimator.model_dir, "export", "best")


@pytest.fixture
def best_exporter(receiver_fn):
    """Makes a BestExporter."""
    return functools.partial(BestExporter, "best", receiver_fn)


@pytest.fixture
def export(estimator, path):
    """Calls an exporter with a loss or a whole result; gives whether it exported."""

    def call(exporter, result):
        if not isinstance(result, dict):
            result = {"loss": result, "global_step": 9}
        checkpoint_path = estimator.latest_checkpoint()
        made = exporter.export(estimator, path, checkpoint_path, result, False)
        assert made is None or isinstance(made, bytes)
        return made is not None

    return call


@pytest.fixture
def earlier_run(estimator, path):
    """Leaves an export and event files behind: `earlier_run(*results, eval_dir=, file=)`."""

    def write(*results, eval_dir="eval", file="events.out.tfevents.1600000000.host", export=True):
        if export:
            path.joinpath("1600000000").mkdir(parents=True, exist_ok=True)
        folder = pathlib.Path(estimator.model_dir, eval_dir)
        folder.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(folder / file)) as writer:
            for step, result in enumerate(results, start=1):
                event = v1.Event(step=step)
                for tag, value in result.items():
                    event.summary.value.add(tag=tag, simple_value=value)
                writer.write(event.SerializeToString())
        return folder / file

    return write


def losses(*values):
    return [{"loss": value} for value in values]


@pytest.mark.parametrize(
    ("results", "exported"),
    [
        ([3, 2, 2, 4, 1], [True, True, False, False, True]),
        ([np.float32(3), np.float32(2.5)], [True, True]),
        ([-1, -2], [True, True]),
        ([math.inf, 1, -math.inf], [True, True, True]),
        ([3, NAN, 2], [True, False, True]),
        ([NAN, NAN, 5, 6], [True, False, True, False]),
    ],
    ids=repr,
)
def test_only_a_smaller_loss_is_exported(export, best_exporter, results, exported):
    exporter = best_exporter()
    assert [export(exporter, result) for result in results] == exported


def test_the_newest_of_the_best_stay(export, best_exporter, path):
    exporter = best_exporter(exports_to_keep=2)
    assert [export(exporter, loss) for loss in (5, 4, 3, 4)] == [True, True, True, False]
    assert len(list(path.iterdir())) == 2


@pytest.mark.parametrize(
    ("results", "subject"),
    [
        ([{"loss": 1.0}, {"auc": 1.0}], "current_eval_result"),
        ([{"loss": 1.0}, {}], "current_eval_result"),
        ([{"loss": 1.0}, {"loss": None}], "current_eval_result"),
        ([{"auc": 1.0}, {"loss": 1.0}], "best_eval_result"),
    ],
    ids=repr,
)
def test_a_missing_loss_is_an_error_that_says_what_to_do(export, best_exporter, results, subject):
    exporter = best_exporter()
    assert export(exporter, results[0])
    with pytest.raises(ValueError, match=f"{subject} must have a metric 'loss'.* a compare_fn"):
        export(exporter, results[1])


def test_after_an_error_the_best_is_still_known(export, best_exporter):
    exporter = best_exporter()
    assert export(exporter, 2.0)
    with pytest.raises(ValueError, match="loss"):
        export(exporter, {"global_step": 1})
    assert [export(exporter, loss) for loss in (3.0, 1.0)] == [False, True]


def test_an_export_that_failed_is_tried_again(estimator, export, best_exporter, path, tmp_path):
    exporter = best_exporter()
    assert export(exporter, 2.0)
    with pytest.raises(ValueError, match="checkpoint"):
        exporter.export(estimator, path, str(tmp_path / "none-1"), {"loss": 1.0}, False)
    assert export(exporter, 1.0)


# Restarts: a new exporter, as a new process would make one.


def test_the_best_survives_restarts(estimator, evaluated, train_one_step, export, best_exporter):
    exported = []
    for run in ([0.5, 0.75], [0.75, 0.5], [0.5], [0.25, 0.375], [0.375]):
        exporter = best_exporter()
        for loss in run:
            exported.append(export(exporter, evaluated(estimator, loss)))
            train_one_step(estimator)
    assert exported == [True, False, False, False, False, True, False, False]


def test_the_same_evaluation_again_is_no_better(estimator, evaluated, export, best_exporter):
    assert export(best_exporter(), evaluated(estimator, 0.1))
    assert not export(best_exporter(), evaluated(estimator, 0.1))


def test_what_was_just_written_is_not_compared_with_itself(
    estimator, evaluated, train_one_step, export, best_exporter
):
    # 0.1 and 0.7 are rounded in the file.
    assert export(best_exporter(), evaluated(estimator, 0.7))
    train_one_step(estimator)
    assert export(best_exporter(), evaluated(estimator, 0.1))


@pytest.mark.parametrize(
    ("now", "exported"),
    [
        ({"loss": 0.1, "auc": 0.7, "global_step": 2}, True),
        ({"loss": np.float64(0.1), "auc": NAN, "global_step": 2}, True),
        ({"loss": 0.1, "auc": 1e300, "text": b"more", "global_step": 2}, True),
        ({"loss": 0.1, "auc": 0.7, "global_step": 3}, False),
        ({"loss": 0.1, "global_step": 2}, False),
    ],
    ids=repr,
)
def test_the_present_evaluation_is_known_by_its_step_and_metrics(
    export, best_exporter, earlier_run, now, exported
):
    recorded = {"loss": 0.1, "auc": now.get("auc", 0.7)}
    earlier_run({"loss": 0.5, "auc": 0.5}, recorded)
    exporter = best_exporter(compare_fn=_below_in_float32)
    assert export(exporter, now) is exported


def _below_in_float32(best_eval_result, current_eval_result):
    return np.float32(current_eval_result["loss"]) < np.float32(best_eval_result["loss"])


@pytest.mark.parametrize(
    ("earlier", "now", "exported"),
    [
        (losses(50, 60), [55, 49], [False, True]),
        (losses(60, 50, 70), [55, 49], [False, True]),
        (losses(50), [50], [False]),
        (losses(NAN, 60), [61, 59], [False, True]),
        (losses(60, NAN), [61, 59], [False, True]),
        (losses(NAN), [NAN, 70], [False, True]),
        ([], [70, 71], [True, False]),
        ([{}, {"loss": 50}], [51], [False]),
        ([{"auc": 1.0}, {"loss": 50}, {"auc": 2.0}], [51, 49], [False, True]),
        ([{"auc": 1.0}], [51], [True]),
        ([{"loss": 50, "auc": 1.0}], [51], [False]),
    ],
    ids=repr,
)
def test_a_restart_compares_with_the_event_files(
    export, best_exporter, earlier_run, earlier, now, exported
):
    earlier_run(*earlier)
    exporter = best_exporter()
    assert [export(exporter, loss) for loss in now] == exported


def test_all_event_files_count(export, best_exporter, earlier_run):
    earlier_run(*losses(50))
    earlier_run(*losses(40, 60), file="events.out.tfevents.1600000001.host.v2")
    earlier_run(*losses(30), file="notes.txt")
    exporter = best_exporter()
    assert [export(exporter, loss) for loss in (45, 39)] == [False, True]


def test_without_an_export_the_first_evaluation_gives_one(export, best_exporter, earlier_run):
    earlier_run(*losses(50), export=False)
    exporter = best_exporter()
    assert [export(exporter, loss) for loss in (60, 55, 57)] == [True, True, False]


@pytest.mark.parametrize(
    ("pattern", "eval_dir", "exported"),
    [
        ("eval/*.tfevents.*", "eval", False),
        ("eval/*.tfevents.*", "eval_test", True),
        ("eval_test/*.tfevents.*", "eval_test", False),
        (pathlib.Path("eval_test") / "*.tfevents.*", "eval_test", False),
        ("eval*/*tfevents*", "eval_test", False),
        ("nothing/*", "eval", True),
        ("", "eval", True),
        (None, "eval", True),
    ],
)
def test_the_pattern_chooses_the_event_files(
    export, best_exporter, earlier_run, pattern, eval_dir, exported
):
    earlier_run(*losses(50), eval_dir=eval_dir)
    assert export(best_exporter(event_file_pattern=pattern), 60) is exported


def test_a_named_evaluation(estimator, evaluated, export, best_exporter):
    make = functools.partial(best_exporter, event_file_pattern="eval_test/*.tfevents.*")
    assert export(make(), evaluated(estimator, 0.5, "test"))
    evaluated(estimator, 0.1)
    assert not export(make(), evaluated(estimator, 0.75, "test"))
    assert export(make(), evaluated(estimator, 0.25, "test"))


def garbled(path):
    path.write_bytes(path.read_bytes() + b"\x00" * 30)


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def no_event(path):
    whole = path.read_bytes()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"no event at all")
    path.write_bytes(whole + path.read_bytes())


def a_folder(path):
    path.with_name("events.out.tfevents.1600000009.host").mkdir()
    path.with_name("events.out.tfevents.0000000009.host").mkdir()


def gone(path):
    path.with_name("events.out.tfevents.1600000009.host").symlink_to("/no/such/file")


@pytest.mark.parametrize("damage", [garbled, cut, no_event, a_folder, gone])
def test_broken_event_files_are_survived(export, best_exporter, earlier_run, damage, caplog):
    path = earlier_run(*losses(50, 60))
    damage(path)
    exporter = best_exporter()
    with caplog.at_level(logging.WARNING):
        assert not export(exporter, 55)
    assert export(exporter, 49)
    assert "is read up to a broken event" in caplog.text


def test_one_exporter_for_several_model_dirs(
    estimator, export, best_exporter, earlier_run, tmp_path
):
    earlier_run(*losses(50))
    exporter = best_exporter()
    assert not export(exporter, 60)
    other = type(estimator)(estimator.model_fn, tmp_path / "other")
    checkpoint_path = estimator.latest_checkpoint()
    made = exporter.export(other, tmp_path / "best", checkpoint_path, {"loss": 70}, False)
    assert made is not None
    assert not export(exporter, 60)


# Other ways to compare.


def more_accurate(best_eval_result, current_eval_result):
    return current_eval_result["accuracy"] > best_eval_result["accuracy"]


def swapped(current_eval_result, best_eval_result):
    return more_accurate(best_eval_result, current_eval_result)


def by_name_only(*, best_eval_result, current_eval_result):
    return more_accurate(best_eval_result, current_eval_result)


def by_metric(metric, best_eval_result, current_eval_result):
    return current_eval_result[metric] > best_eval_result[metric]


class _Comparison:
    def __call__(self, best_eval_result, current_eval_result):
        return more_accurate(best_eval_result, current_eval_result)

    def compare(self, best_eval_result, current_eval_result):
        return np.bool_(more_accurate(best_eval_result, current_eval_result))


@pytest.mark.parametrize(
    "compare_fn",
    [
        more_accurate,
        swapped,
        by_name_only,
        functools.partial(by_metric, "accuracy"),
        functools.partial(by_metric, metric="accuracy"),
        _Comparison(),
        _Comparison().compare,
    ],
)
def test_compare_fn_decides(export, best_exporter, earlier_run, compare_fn):
    earlier_run({"accuracy": 0.5, "loss": 1.0}, {"accuracy": 0.25, "loss": 0.1})
    exporter = best_exporter(compare_fn=compare_fn)
    results = [{"accuracy": value, "loss": value} for value in (0.375, 0.75, 0.75, 0.875)]
    assert [export(exporter, result) for result in results] == [False, True, False, True]


def test_earlier_evaluations_without_the_metric_are_passed_over(
    export, best_exporter, earlier_run, caplog
):
    earlier_run({"loss": 1.0}, {"accuracy": 0.5, "loss": 1.0}, {"loss": 1.0})
    exporter = best_exporter(compare_fn=more_accurate)
    with caplog.at_level(logging.WARNING):
        assert not export(exporter, {"accuracy": 0.375})
    assert "passes over 2 evaluations in" in caplog.text
    assert "KeyError('accuracy')" in caplog.text


def test_compare_fn_sees_the_step_of_earlier_evaluations(export, best_exporter, earlier_run):
    earlier_run(*losses(50, 40))
    seen = []

    def compare_fn(best_eval_result, current_eval_result):
        seen.append((best_eval_result, current_eval_result))
        return current_eval_result["loss"] < best_eval_result["loss"]

    export(best_exporter(compare_fn=compare_fn), {"loss": 45, "global_step": 3})
    best, now = {"loss": 40.0, "global_step": 2}, {"loss": 45, "global_step": 3}
    assert seen[-1] == (best, now)


def test_what_compare_fn_raises_is_raised(export, best_exporter):
    exporter = best_exporter(compare_fn=more_accurate)
    assert export(exporter, {"accuracy": 1.0})
    with pytest.raises(KeyError, match="accuracy"):
        export(exporter, {"loss": 1.0})


@pytest.mark.parametrize(
    ("compare_fn", "error", "message"),
    [
        (None, ValueError, "received None"),
        (3, TypeError, r"be callable; received 3 \(int\)"),
        ("loss", TypeError, r"be callable; received 'loss' \(str\)"),
        (
            max,
            TypeError,
            "take exactly the arguments best_eval_result and current_eval_result; rec",
        ),
        (lambda a, b: True, ValueError, "lacks .'best_eval_result', 'current_eval_result'"),
        (lambda: True, ValueError, "lacks .'best_eval_result', 'current_eval_result'"),
        (lambda *_: True, ValueError, "lacks .'best_eval_result', 'current_eval_result'"),
        (lambda **_: True, ValueError, "lacks .'best_eval_result', 'current_eval_result'"),
        (lambda best_eval_result: True, ValueError, "lacks .'current_eval_result'"),
        (lambda current_eval_result, **_: True, ValueError, "lacks .'best_eval_result'"),
        (lambda best_eval_result, current_eval_result, /: True, ValueError, "lacks .'best_eval"),
        (by_metric, ValueError, "also takes .'metric'.: bind them with functools.partial"),
        (lambda best_eval_result, current_eval_result, x=1: True, ValueError, "also takes .'x'"),
        (lambda x, /, best_eval_result, current_eval_result: True, ValueError, "also takes .'x'"),
        (lambda *, x, best_eval_result, current_eval_result: True, ValueError, "also takes .'x'"),
    ],
)
def test_compare_fn_is_checked_at_once(best_exporter, compare_fn, error, message):
    with pytest.raises(error, match=f"compare_fn must .*{message}"):
        best_exporter(compare_fn=compare_fn)


@pytest.mark.parametrize("pattern", [3, b"eval/*", ["eval/*"]], ids=repr)
def test_the_pattern_is_checked_at_once(best_exporter, pattern):
    with pytest.raises(TypeError, match="event_file_pattern must be a glob pattern or None; rec"):
        best_exporter(event_file_pattern=pattern)
