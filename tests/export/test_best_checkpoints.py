"""BestCheckpoints: what is kept, in which order, across restarts and kills, and that it loads."""

import json
import os
import shutil

import pytest
import tensorflow as tf

from tf_estimator import (
    Estimator,
    EvalSpec,
    Exporter,
    RunConfig,
    TrainSpec,
    checkpoint,
    train_and_evaluate,
)
from tf_estimator.export.best_checkpoints import BestCheckpoints, KeptCheckpoint, best_checkpoints

RECORD = "best_checkpoints.json"


@pytest.fixture
def folder(estimator):
    return os.path.join(estimator.model_dir, "export", "best")


@pytest.fixture
def save(estimator):
    """Makes a checkpoint in model_dir by its step and gives its path; the weight is the step."""

    def write(step, weight=None):
        path = os.path.join(estimator.model_dir, f"model.ckpt-{step}")
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.compat.v1.train.create_global_step().assign(step)
            variables = [
                tf.compat.v1.get_variable("weight", initializer=float(weight or step)),
                tf.compat.v1.get_variable("steps", initializer=tf.constant(step, tf.int64)),
            ]
            names = {"weight": variables[0], "global_step": variables[1]}
            session.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.train.Saver(names, max_to_keep=None).save(
                session, path, latest_filename="unused"
            )
        return path

    return write


@pytest.fixture
def keep(estimator, folder, save):
    """Saves a checkpoint and hands it to an exporter: `keep(exporter, step, loss)`."""

    def export(exporter, step, loss, path=None, **others):
        result = {"loss": loss, "global_step": step, **others}
        return exporter.export(estimator, folder, path or save(step), result, False)

    return export


def kept(estimator):
    return [(one.step, one.value) for one in best_checkpoints(estimator.model_dir)]


def names(folder):
    return sorted(os.listdir(folder))


def files_of(*steps):
    parts = ("data-00000-of-00001", "index", "meta")
    found = [f"model.ckpt-{step}.{part}" for step in steps for part in parts]
    return sorted([*found, RECORD, "checkpoint"])


@pytest.mark.parametrize(
    ("losses", "options", "best_first"),
    [
        ([3.0, 1.0, 2.0], {}, [(2, 1.0)]),
        ([3.0, 1.0, 2.0], {"checkpoints_to_keep": 2}, [(2, 1.0), (3, 2.0)]),
        ([3.0, 1.0, 2.0], {"higher_is_better": True}, [(1, 3.0)]),
        ([3.0, 1.0], {"checkpoints_to_keep": None}, [(2, 1.0), (1, 3.0)]),
        ([1.0, 1.0, 1.0], {"checkpoints_to_keep": 2}, [(1, 1.0), (2, 1.0)]),
        ([float("nan"), 5.0], {"checkpoints_to_keep": 2}, [(2, 5.0)]),
        ([float("nan"), 5.0], {"checkpoints_to_keep": 2, "higher_is_better": True}, [(2, 5.0)]),
        ([float("inf"), float("-inf")], {"checkpoints_to_keep": 2}, None),
        ([float("nan")], {}, []),
    ],
    ids=str,
)
@pytest.mark.parametrize("restarts", [False, True], ids=["one-process", "restarts"])
def test_the_best_stay(estimator, folder, keep, losses, options, best_first, restarts):
    if best_first is None:
        best_first = [(2, float("-inf")), (1, float("inf"))]
    exporter = BestCheckpoints(**options)
    for step, loss in enumerate(losses, start=1):
        if restarts:
            exporter = BestCheckpoints(**options)
        keep(exporter, step, loss)
    assert kept(estimator) == best_first
    if best_first:
        steps = [step for step, _ in best_first]
        assert names(folder) == files_of(*steps)
        assert tf.train.latest_checkpoint(folder).endswith(f"model.ckpt-{steps[0]}")
        state = tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths
        assert [int(path.rpartition("-")[2]) for path in state] == steps[::-1]
    else:
        assert not os.path.exists(folder)


def test_it_says_where_the_copy_is(keep, folder):
    exporter = BestCheckpoints()
    assert keep(exporter, 1, 2.0) == os.path.join(folder, "model.ckpt-1")
    assert keep(exporter, 2, 3.0) is None


def test_what_training_removed_is_still_there(estimator, keep, folder):
    keep(BestCheckpoints(checkpoints_to_keep=2), 7, 2.0)
    keep(BestCheckpoints(checkpoints_to_keep=2), 8, 1.0)
    for name in os.listdir(estimator.model_dir):
        if name.startswith("model.ckpt-"):
            os.remove(os.path.join(estimator.model_dir, name))
    best, other = best_checkpoints(estimator.model_dir)
    assert best == KeptCheckpoint(os.path.join(folder, "model.ckpt-8"), 8, 1.0)
    assert tf.train.load_variable(folder, "weight") == 8.0
    assert tf.train.load_variable(other.path, "weight") == 7.0


def test_a_folder_that_is_moved_is_still_whole(estimator, keep, folder, tmp_path):
    keep(BestCheckpoints(), 7, 2.0)
    shutil.move(estimator.model_dir, tmp_path / "moved")
    (one,) = best_checkpoints(tmp_path / "moved")
    assert tf.train.latest_checkpoint(str(tmp_path / "moved/export/best")) == one.path


def test_a_checkpoint_without_a_graph_is_kept_without(keep, save, folder):
    path = save(3)
    os.remove(f"{path}.meta")
    keep(BestCheckpoints(), 3, 2.0, path)
    assert names(folder) == [name for name in files_of(3) if not name.endswith(".meta")]


class TestEvaluatedAgain:
    def test_the_last_value_counts(self, estimator, keep):
        exporter = BestCheckpoints(checkpoints_to_keep=2)
        for step, loss in ((1, 1.0), (2, 2.0), (1, 3.0)):
            keep(exporter, step, loss)
        assert kept(estimator) == [(2, 2.0), (1, 3.0)]

    def test_as_nan_it_goes(self, estimator, keep, folder):
        exporter = BestCheckpoints()
        keep(exporter, 1, 1.0)
        keep(exporter, 1, float("nan"))
        assert kept(estimator) == []
        assert names(folder) == [RECORD]
        keep(exporter, 2, 5.0)
        assert kept(estimator) == [(2, 5.0)]

    def test_other_weights_of_the_same_step_replace_the_copy(self, estimator, keep, save, folder):
        exporter = BestCheckpoints()
        keep(exporter, 1, 1.0)
        keep(exporter, 1, 2.0, save(1, weight=9.0))
        assert kept(estimator) == [(1, 2.0)]
        assert tf.train.load_variable(folder, "weight") == 9.0

    def test_the_same_weights_are_not_copied_again(self, keep, folder):
        path = os.path.join(folder, "model.ckpt-1.index")
        keep(BestCheckpoints(), 1, 1.0)
        before = os.stat(path)
        keep(BestCheckpoints(), 1, 2.0)
        assert os.stat(path).st_ino == before.st_ino


class _KilledError(BaseException):
    pass


@pytest.mark.parametrize("again", [False, True], ids=["new", "other-weights-of-a-step"])
def test_after_a_stop_at_any_change_of_a_file_all_is_whole(
    estimator, keep, save, folder, monkeypatch, again
):
    changes = ("copy", "rename", "remove")
    real = {name: getattr(tf.io.gfile, name) for name in changes}
    left = [10**6]

    def stopping(name):
        def change(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise _KilledError
            return real[name](*arguments, **options)

        return change

    for name in changes:
        monkeypatch.setattr(tf.io.gfile, name, stopping(name))

    def new():
        return BestCheckpoints(checkpoints_to_keep=2)

    before = [save(1), save(2)]
    changed = save(2, weight=9.0) if again else save(3)
    stop, finished = 0, False
    while not finished:
        left[0] = 10**6
        shutil.rmtree(folder, ignore_errors=True)
        save(2)
        for step, path in enumerate(before, start=1):
            keep(new(), step, 2.0 + step, path)
        if again:
            changed = save(2, weight=9.0)
        left[0] = stop
        try:
            keep(new(), 2 if again else 3, 1.0, changed)
            finished = True
        except _KilledError:
            stop += 1
        left[0] = 10**6
        assert checkpoint.problem_of(tf.train.latest_checkpoint(folder)) is None
        listed = best_checkpoints(estimator.model_dir)
        assert [checkpoint.problem_of(one.path) for one in listed] == [None] * len(listed)
        # Whatever was stopped, the next evaluation leaves a folder that agrees with itself.
        keep(new(), 4, 1.5)
        listed = best_checkpoints(estimator.model_dir)
        assert names(folder) == files_of(*(one.step for one in listed))
        assert tf.train.latest_checkpoint(folder) == listed[0].path
        assert (4, 1.5) in kept(estimator)
        for one in listed:
            weight = 9.0 if again and one.step == 2 else float(one.step)
            assert tf.train.load_variable(one.path, "weight") == weight
    assert stop > 6


class TestKilled:
    """Each is what a kill leaves, and the next evaluation meets."""

    def test_while_it_copied(self, estimator, keep, save, folder):
        keep(BestCheckpoints(), 1, 2.0)
        whole = save(2)
        for part in ("data-00000-of-00001", "meta", "index.temp"):
            shutil.copy(f"{whole}.{part.removesuffix('.temp')}", f"{folder}/model.ckpt-2.{part}")
        (estimator_sees,) = best_checkpoints(estimator.model_dir)
        assert estimator_sees.step == 1
        keep(BestCheckpoints(), 3, 3.0)
        assert names(folder) == files_of(1)

    def test_before_it_wrote_the_values(self, estimator, keep, save, folder):
        keep(BestCheckpoints(), 1, 2.0)
        whole = save(2)
        for part in ("data-00000-of-00001", "meta", "index"):
            shutil.copy(f"{whole}.{part}", folder)
        keep(BestCheckpoints(), 3, 3.0)
        assert names(folder) == files_of(1)
        assert kept(estimator) == [(1, 2.0)]

    def test_before_it_wrote_the_state_file(self, estimator, keep, folder):
        keep(BestCheckpoints(), 1, 2.0)
        with open(f"{folder}/checkpoint") as file:
            state = file.read()
        keep(BestCheckpoints(checkpoints_to_keep=2), 2, 1.0)
        with open(f"{folder}/checkpoint", "w") as file:
            file.write(state)
        assert [step for step, _ in kept(estimator)] == [2, 1]
        keep(BestCheckpoints(checkpoints_to_keep=2), 3, 3.0)
        assert tf.train.latest_checkpoint(folder).endswith("model.ckpt-2")


class TestDamaged:
    def test_copies_are_given_up(self, estimator, keep, folder, caplog):
        exporter = BestCheckpoints(checkpoints_to_keep=2)
        keep(exporter, 1, 1.0)
        keep(exporter, 2, 2.0)
        os.truncate(f"{folder}/model.ckpt-1.data-00000-of-00001", 3)
        keep(exporter, 3, 3.0)
        assert kept(estimator) == [(2, 2.0), (3, 3.0)]
        assert "gives" in caplog.text
        assert f"{folder}/model.ckpt-1 up" in caplog.text

    @pytest.mark.parametrize("content", [None, "", "{", "[]", '{"metric": "loss"}'])
    def test_values_come_back_from_the_event_files(
        self, estimator, evaluated, train_one_step, folder, content
    ):
        exporter = BestCheckpoints(checkpoints_to_keep=2)

        def evaluate_and_export(loss):
            result = evaluated(estimator, loss)
            exporter.export(estimator, folder, estimator.latest_checkpoint(), result, False)

        for loss in (0.25, 0.75):
            evaluate_and_export(loss)
            train_one_step(estimator)
        if content is None:
            os.remove(f"{folder}/{RECORD}")
        else:
            with open(f"{folder}/{RECORD}", "w") as file:
                file.write(content)
        evaluated(estimator, 9.0, name="other")
        evaluate_and_export(0.5)
        assert kept(estimator) == [(1, 0.25), (3, 0.5)]

    def test_values_that_are_nowhere_are_given_up(self, estimator, keep, folder, caplog):
        keep(BestCheckpoints(), 1, 1.0)
        os.remove(f"{folder}/{RECORD}")
        keep(BestCheckpoints(), 2, 2.0)
        assert kept(estimator) == [(2, 2.0)]
        assert "the value of loss is lost" in caplog.text


@pytest.mark.parametrize(
    "parts", [["index"], ["data-00000-of-00001"], ["index", "data-00000-of-00001"]]
)
def test_a_checkpoint_that_is_gone_is_passed_over(estimator, keep, save, folder, parts, caplog):
    keep(BestCheckpoints(), 1, 2.0)
    path = save(3)
    for part in parts:
        os.remove(f"{path}.{part}")
    assert keep(BestCheckpoints(), 3, 1.0, path) is None
    assert f"cannot keep {path}" in caplog.text
    assert kept(estimator) == [(1, 2.0)]
    assert names(folder) == files_of(1)


def test_other_files_stay(keep, folder):
    keep(BestCheckpoints(), 1, 2.0)
    for name in ("notes.txt", "mine.index"):
        with open(f"{folder}/{name}", "w") as file:
            file.write("mine")
    keep(BestCheckpoints(), 2, 1.0)
    assert names(folder) == sorted([*files_of(2), "mine.index", "notes.txt"])


def test_values_are_plain_json(keep, folder):
    keep(BestCheckpoints(metric="accuracy", higher_is_better=True), 1, 2.0, accuracy=0.5)
    with open(f"{folder}/{RECORD}") as file:
        assert json.load(file) == {
            "metric": "accuracy",
            "higher_is_better": True,
            "best_first": [{"name": "model.ckpt-1", "step": 1, "value": 0.5}],
        }


class TestWrong:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"metric": 3}, TypeError, "metric must be an instance of str"),
            ({"metric": None}, TypeError, "metric must be"),
            ({"higher_is_better": "loss"}, TypeError, "higher_is_better must be"),
            ({"checkpoints_to_keep": 0}, ValueError, "checkpoints_to_keep must be a positive"),
            ({"checkpoints_to_keep": 1.5}, TypeError, "checkpoints_to_keep must be"),
        ],
    )
    def test_arguments(self, options, error, message):
        with pytest.raises(error, match=message):
            BestCheckpoints(**options)

    def test_a_metric_that_is_not_there(self, keep):
        message = r"received 'auc', and there are \['global_step', 'loss'\]"
        with pytest.raises(ValueError, match=message):
            keep(BestCheckpoints(metric="auc"), 1, 1.0)

    @pytest.mark.parametrize("value", ["1.0", b"1", [1.0], True, None])
    def test_a_metric_that_is_no_number(self, keep, value):
        with pytest.raises(TypeError, match="metric 'loss' of BestCheckpoints must be a number"):
            keep(BestCheckpoints(), 1, value)

    @pytest.mark.parametrize("options", [{"metric": "accuracy"}, {"higher_is_better": True}])
    def test_a_folder_with_the_best_by_something_else(self, estimator, keep, options):
        keep(BestCheckpoints(), 1, 1.0)
        with pytest.raises(ValueError, match=r"by 'loss' with higher_is_better=False\. Give the"):
            keep(BestCheckpoints(**options), 2, 1.0, accuracy=1.0)
        assert kept(estimator) == [(1, 1.0)]


def test_it_works_with_train_and_evaluate_and_its_name_loads_the_best(estimator):
    losses = iter([0.5, 0.25, 0.75])

    def eval_input_fn():
        return tf.data.Dataset.from_tensors({"x": [next(losses)]})

    def input_fn():
        return tf.data.Dataset.from_tensors({"x": [0.0]}).repeat()

    config = RunConfig(save_checkpoints_steps=2, keep_checkpoint_max=1)
    other = Estimator(
        lambda features, mode: estimator.model_fn(features, None, mode, None),
        estimator.model_dir,
        config,
    )
    best = BestCheckpoints()
    assert isinstance(best, Exporter)
    _, exports = train_and_evaluate(
        other,
        TrainSpec(input_fn, max_steps=7),
        EvalSpec(eval_input_fn, throttle_secs=0, exporters=best),
    )
    assert exports == [None]
    ((step, value),) = kept(other)
    assert (step, value) == (5, 0.25)
    assert other.latest_checkpoint().endswith("model.ckpt-7")
    losses = iter([1.0])
    assert other.evaluate(eval_input_fn, checkpoint_path="best")["global_step"] == 5
    (prediction,) = other.predict(
        lambda: tf.data.Dataset.from_tensors({"x": [2.0]}), checkpoint_path="best"
    )
    assert prediction["y"] == 2.0 * tf.train.load_variable(
        os.path.join(other.model_dir, "export", "best"), "weight"
    )
