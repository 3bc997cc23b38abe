"""Predictors: what predict would answer, call by call, from checkpoints and from SavedModels."""

import os
import pathlib
import shutil
import threading
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig, WarmStartSettings
from tf_estimator.export import (
    ClassificationOutput,
    PredictOutput,
    ServingInputReceiver,
    TensorServingInputReceiver,
    build_parsing_serving_input_receiver_fn,
    build_raw_serving_input_receiver_fn,
)
from tf_estimator.predictor import Predictor, from_estimator, from_saved_model

v1 = tf.compat.v1

X = {"x": tf.TensorSpec([None, 1], tf.float32)}
ONE = {"x": [[1.0]]}


class Built:
    """A model_fn: y = w * x, and w is the global step. It counts how often it is called."""

    def __init__(self):
        self.modes = []

    def __call__(self, features, mode):
        self.modes.append(mode)
        w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
        x = features if tf.is_tensor(features) else features["x"]
        y = x * w
        step, loss = v1.train.get_global_step(), tf.reduce_mean(y)
        with tf.control_dependencies([loss, step + 0]):
            train_op = tf.group(v1.assign_add(step, 1), w.assign_add(1.0))
        text = tf.strings.as_string(y, precision=0)
        outputs = {
            "serving_default": PredictOutput({"y": y}),
            "text": PredictOutput(text),
            "scores": ClassificationOutput(scores=y, classes=text),
        }
        predictions = {"y": y, "text": text}
        return EstimatorSpec(mode, predictions, loss, train_op, export_outputs=outputs)


def input_fn():
    return tf.data.Dataset.from_tensors(ONE).repeat()


@pytest.fixture
def built():
    return Built()


CONFIG = RunConfig(save_checkpoints_steps=1, keep_checkpoint_max=10)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model_dir with checkpoints of steps 0, 1, 2 and 3."""
    folder = tmp_path_factory.mktemp("made")
    Estimator(Built(), folder, CONFIG).train(input_fn, steps=3)
    return folder


@pytest.fixture
def estimator(built, made, tmp_path):
    """An Estimator on a copy of it."""
    return Estimator(built, shutil.copytree(made, tmp_path / "model"), CONFIG)


def damage(path):
    data = pathlib.Path(f"{path}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-5])


class TestAnswers:
    def test_are_those_of_predict(self, estimator):
        x = np.float32([[1.0], [2.0]])
        answer = estimator.predictor(X)({"x": x})
        (batch,) = estimator.predict(
            lambda: tf.data.Dataset.from_tensors({"x": x}), yield_single_examples=False
        )
        assert list(answer) == list(batch) == ["y", "text"]
        assert all((answer[name] == batch[name]).all() for name in batch)
        assert answer["y"].dtype == batch["y"].dtype

    @pytest.mark.parametrize("keys", ["text", ["text"]])
    def test_are_those_that_are_asked_for(self, estimator, keys):
        assert list(estimator.predictor(X, keys)(ONE)) == ["text"]

    def test_of_predictions_that_are_one_tensor_are_one_array(self, tmp_path):
        def model_fn(features, mode):
            return EstimatorSpec(mode, predictions=features * 2)

        predictor = Estimator(model_fn, tmp_path).predictor(np.zeros([1]))
        assert predictor([1, 2]).tolist() == [2.0, 4.0]

    @pytest.mark.parametrize(
        "features",
        [X, {"x": np.zeros([7, 1], np.float32)}, {"x": [[1.0]]}, {"x": tf.zeros([2, 1])}],
        ids=["spec", "array", "list", "tensor"],
    )
    def test_however_the_features_are_described(self, estimator, features):
        assert estimator.predictor(features)({"x": [[1], [2]]})["y"].tolist() == [[3.0], [6.0]]

    def test_of_the_export_output_that_is_asked_for(self, estimator):
        assert estimator.predictor(X, output_key="text")(ONE)["output"].tolist() == [[b"3"]]
        assert list(estimator.predictor(X, output_key="scores")(ONE)) == ["classes", "scores"]
        scores = estimator.predictor(X, "scores", output_key="scores")
        assert list(scores(ONE)) == ["scores"]
        with pytest.raises(ValueError, match=r"output_key must be one of \['scores', 's.*'other'"):
            estimator.predictor(X, output_key="other")

    def test_sparse_and_ragged_features(self, tmp_path):
        def model_fn(features, mode):
            sums = {"sparse": tf.sparse.reduce_sum(features["sparse"], 1)}
            sums["ragged"] = tf.reduce_sum(features["ragged"], 1)
            return EstimatorSpec(mode, predictions=sums)

        predictor = Estimator(model_fn, tmp_path).predictor(
            {
                "sparse": tf.SparseTensorSpec([None, 3], tf.float32),
                "ragged": tf.RaggedTensorSpec([None, None], tf.int32),
            }
        )
        found = predictor(
            {
                "sparse": v1.SparseTensorValue([[0, 0], [1, 1], [1, 2]], [1.0, 2.0, 3.0], [2, 3]),
                "ragged": v1.ragged.constant_value([[1, 2], [], [3]], dtype=np.int32),
            }
        )
        assert found["sparse"].tolist() == [1.0, 5.0]
        assert found["ragged"].tolist() == [3, 0, 3]

    def test_a_feature_that_is_handed_on_is_answered(self, tmp_path):
        def model_fn(features, mode):
            return EstimatorSpec(mode, predictions={"id": features["id"]})

        predictor = Estimator(model_fn, tmp_path).predictor({"id": ["a"]})
        assert predictor({"id": ["b", "c"]})["id"].tolist() == [b"b", b"c"]

    def test_a_wrong_feature_is_named(self, estimator):
        predictor = estimator.predictor(X)
        with pytest.raises(ValueError, match=r"Missing: 'x'. Unknown: 'X'"):
            predictor({"X": [[1.0]]})
        with pytest.raises(ValueError, match=r"features\['x'\] must have the shape \[None, 1\]"):
            predictor({"x": [1.0]})
        with pytest.raises(TypeError, match=r"features\['x'\] must be of float32"):
            predictor({"x": [["a"]]})
        assert predictor(ONE)["y"] == 3.0

    def test_an_error_of_the_model_is_its_own(self, tmp_path):
        def model_fn(features, mode):
            with tf.control_dependencies([v1.assert_positive(features, message="Too low")]):
                return EstimatorSpec(mode, predictions=tf.identity(features))

        predictor = Estimator(model_fn, tmp_path).predictor([1.0])
        with pytest.raises(tf.errors.InvalidArgumentError, match="Too low"):
            predictor([-1.0])
        assert predictor([1.0]).tolist() == [1.0]


class TestReceivers:
    def test_serialized_examples(self, estimator):
        receiver_fn = build_parsing_serving_input_receiver_fn(
            {"x": tf.io.FixedLenFeature([1], tf.float32)}
        )
        predictor = estimator.predictor(receiver_fn)
        assert predictor({"examples": [example(2.0), example(3.0)]})["y"].tolist() == [[6.0], [9.0]]
        assert predictor({"examples": np.array([example(2.0)], object)})["y"].tolist() == [[6.0]]

    def test_one_tensor_for_a_model_of_one_tensor(self, estimator):
        def receiver_fn():
            text = v1.placeholder(tf.string, [None])
            return TensorServingInputReceiver(tf.strings.to_number(text)[:, None], text)

        assert estimator.predictor(receiver_fn)({"input": ["2"]})["y"].tolist() == [[6.0]]

    def test_what_is_no_receiver_is_named(self, estimator):
        with pytest.raises(TypeError, match="serving_input_receiver_fn returns must be a Serving"):
            estimator.predictor(lambda: {"x": v1.placeholder(tf.float32, [None, 1])})

    def test_from_estimator_takes_and_gives_what_an_export_would(self, estimator):
        receiver_fn = build_raw_serving_input_receiver_fn({"x": tf.zeros([1, 1])})
        predictor = from_estimator(estimator, receiver_fn)
        assert {name: array.tolist() for name, array in predictor(ONE).items()} == {"y": [[3.0]]}
        other = from_estimator(estimator, receiver_fn, "text")
        assert other(ONE)["output"].tolist() == [[b"3"]]

    @pytest.mark.parametrize(("estimator_", "fn", "name"), [(3, len, "estimator"), (0, 3, "fn")])
    def test_from_estimator_names_what_is_wrong(self, estimator, estimator_, fn, name):
        with pytest.raises(TypeError, match=f"{name} must be"):
            from_estimator(estimator_ or estimator, fn)


def example(x):
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[x]))
    features = tf.train.Features(feature={"x": feature})
    return tf.train.Example(features=features).SerializeToString()


class TestWeights:
    def test_are_of_the_newest_checkpoint_or_of_the_one_given(self, estimator):
        newest = estimator.predictor(X)
        given = estimator.predictor(X, checkpoint_path="model.ckpt-1")
        assert (newest(ONE)["y"], given(ONE)["y"]) == (3.0, 1.0)
        assert newest.checkpoint_path == estimator.latest_checkpoint()
        assert given.checkpoint_path == os.path.join(estimator.model_dir, "model.ckpt-1")

    def test_are_needed(self, built, tmp_path):
        with pytest.raises(ValueError, match="There must be a checkpoint to predict from"):
            Estimator(built, tmp_path).predictor(X)

    def test_may_be_those_of_another_model_and_then_of_the_first_checkpoint(
        self, estimator, built, tmp_path
    ):
        warm = Estimator(built, tmp_path / "warm", warm_start_from=estimator.model_dir)
        predictor = warm.predictor(X)
        assert (predictor(ONE)["y"], predictor.checkpoint_path) == (3.0, None)
        assert not predictor.refresh()
        warm.train(input_fn, steps=2)
        assert predictor.refresh()
        assert predictor(ONE)["y"] == 5.0

    def test_may_lack_what_ignore_missing_allows(self, estimator, built):
        def model_fn(features, mode):
            new = v1.get_variable("new", [], initializer=v1.ones_initializer())
            spec = built(features, mode)
            return spec._replace(predictions={"y": spec.predictions["y"] + new})

        folder = estimator.model_dir
        with pytest.raises(tf.errors.NotFoundError, match="new"):
            Estimator(model_fn, folder).predictor(X)
        other = Estimator(model_fn, folder, RunConfig(ignore_missing=True))
        assert other.predictor(X)(ONE)["y"] == 4.0
        assert other.restore_report.new == ("new",)


class TestRefresh:
    def test_follows_the_newest_checkpoint_without_building_again(self, estimator, built):
        predictor = estimator.predictor(X)
        assert built.modes == [ModeKeys.PREDICT]
        assert not predictor.refresh()
        estimator.train(input_fn, steps=2)
        assert predictor(ONE)["y"] == 3.0
        assert predictor.refresh()
        assert predictor(ONE)["y"] == 5.0
        assert predictor.checkpoint_path.endswith("model.ckpt-5")
        assert not predictor.refresh()
        assert built.modes.count(ModeKeys.PREDICT) == 1

    def test_keeps_to_a_checkpoint_that_was_given(self, estimator):
        predictor = estimator.predictor(X, checkpoint_path="model.ckpt-1")
        estimator.train(input_fn, steps=1)
        assert not predictor.refresh()
        assert predictor(ONE)["y"] == 1.0

    def test_passes_over_a_damaged_one(self, estimator):
        predictor = estimator.predictor(X)
        estimator.train(input_fn, steps=2)
        damage(estimator.latest_checkpoint())
        assert predictor.refresh()
        assert predictor(ONE)["y"] == 4.0

    @pytest.mark.parametrize("how", ["damaged", "removed", "emptied", "of another model"])
    def test_that_fails_leaves_the_weights(self, estimator, how):
        predictor = estimator.predictor(X)
        folder = pathlib.Path(estimator.model_dir)
        kind, message = ValueError, "any more; the predictor goes on"
        if how == "damaged":
            for step in range(4):
                damage(folder / f"model.ckpt-{step}")
            kind, message = tf.errors.DataLossError, "No checkpoint in model_dir"
        elif how == "removed":
            shutil.rmtree(folder)
        else:
            shutil.rmtree(folder)
            folder.mkdir()
        if how == "of another model":
            kind, message = tf.errors.NotFoundError, "holds another model"
            Estimator(another, folder).train(input_fn, steps=4)
        for _ in range(2):
            with pytest.raises(kind, match=message):
                predictor.refresh()
            assert predictor(ONE)["y"] == 3.0

    def test_of_many_threads_is_done_once(self, estimator):
        predictor = estimator.predictor(X)
        estimator.train(input_fn, steps=1)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(predictor.refresh())) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [False, False, False, True]

    def test_lets_go_of_the_old_weights(self, estimator):
        predictor = estimator.predictor(X)
        old = weakref.ref(predictor.session)
        estimator.train(input_fn, steps=1)
        predictor.refresh()
        assert old() is None


def another(features, mode):
    v = v1.get_variable("v", [], initializer=v1.zeros_initializer())
    y = features["x"] * v
    train_op = v1.assign_add(v1.train.get_global_step(), 1)
    return EstimatorSpec(mode, y, tf.reduce_mean(y), train_op)


class Gate:
    """A model_fn whose predictions wait, in the middle, until the gate is opened."""

    def __init__(self):
        self.reached, self.open = threading.Event(), threading.Event()

    def wait(self, y):
        self.reached.set()
        assert self.open.wait(60)
        return y

    def __call__(self, features, mode):
        w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
        before = features["x"] * w
        y = tf.numpy_function(self.wait, [before], tf.float32)
        if mode != ModeKeys.PREDICT:
            y = before
        with tf.control_dependencies([y]):
            after = features["x"] * w.read_value()
        step, loss = v1.train.get_global_step(), tf.reduce_mean(before)
        train_op = tf.group(v1.assign_add(step, 1), w.assign_add(1.0))
        return EstimatorSpec(mode, {"before": y, "after": after}, loss, train_op)


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def under_way(gate, tmp_path):
    """An Estimator, a predictor of step 1, and what its call that is under way will answer."""
    estimator = Estimator(gate, tmp_path / "model").train(input_fn, steps=1)
    predictor, answers = estimator.predictor(X), []
    thread = threading.Thread(target=lambda: answers.append(predictor(ONE)))
    thread.start()
    assert gate.reached.wait(60)

    def answer():
        gate.open.set()
        thread.join()
        return {name: array.item() for name, array in answers[0].items()}

    yield estimator, predictor, answer
    gate.open.set()
    thread.join()


class TestCallsUnderWay:
    def test_end_with_the_weights_they_began_with(self, under_way):
        estimator, predictor, answer = under_way
        estimator.train(input_fn, steps=1)
        assert predictor.refresh()  # while the call goes on
        assert answer() == {"before": 1.0, "after": 1.0}
        assert predictor(ONE)["after"].item() == 2.0

    def test_end_though_the_predictor_is_closed(self, under_way):
        _, predictor, answer = under_way
        session = weakref.ref(predictor.session)
        predictor.close()
        assert session() is not None
        assert answer() == {"before": 1.0, "after": 1.0}
        assert session() is None


class TestClose:
    def test_closed_is_closed(self, estimator):
        with estimator.predictor(X) as predictor:
            assert predictor(ONE)["y"] == 3.0
            session = weakref.ref(predictor.session)
        assert session() is None
        assert repr(predictor) == "<Predictor, closed>"
        predictor.close()
        uses = (lambda: predictor(ONE), predictor.refresh, lambda: predictor.checkpoint_path)
        for use in uses:
            with pytest.raises(RuntimeError, match=r"The predictor is closed\. Make another"):
                use()

    def test_stays_closed_when_a_refresh_ends_later(self, estimator):
        predictor = estimator.predictor(X)
        estimator.train(input_fn, steps=1)
        newer_than = predictor._newer_than

        def closing(previous):
            found = newer_than(previous)
            predictor.close()
            return found

        predictor._newer_than = closing
        with pytest.raises(RuntimeError, match="is closed"):
            predictor.refresh()
        with pytest.raises(RuntimeError, match="is closed"):
            predictor(ONE)

    def test_a_predictor_that_is_dropped_lets_go(self, estimator):
        session = weakref.ref(estimator.predictor(X).session)
        assert session() is None


def test_what_a_predictor_tells(estimator):
    predictor = estimator.predictor(X)
    assert repr(predictor) == f"<Predictor of {estimator.latest_checkpoint()}: x -> y, text>"
    assert predictor.feed_tensors["x"].shape.as_list() == [None, 1]
    assert list(predictor.fetch_tensors) == ["y", "text"]
    fetched = predictor.session.run(
        predictor.fetch_tensors["y"], {predictor.feed_tensors["x"]: [[1]]}
    )
    assert fetched == 3.0
    assert predictor.graph is predictor.session.graph
    assert predictor.graph.finalized


class TestSavedModels:
    @pytest.fixture
    def export_dir(self, estimator):
        receiver_fn = build_raw_serving_input_receiver_fn({"x": tf.zeros([1, 1])})
        return estimator.export_saved_model(estimator.model_dir + "/exports", receiver_fn)

    def test_answers_by_the_default_signature(self, export_dir):
        with from_saved_model(export_dir) as predictor:
            assert isinstance(predictor, Predictor)
            answer = predictor({"x": [[1], [2]]})
            assert {name: y.tolist() for name, y in answer.items()} == {"y": [[3.0], [6.0]]}
            assert not predictor.refresh()
            assert predictor.checkpoint_path == os.fsdecode(export_dir)
            assert repr(predictor) == f"<Predictor of {os.fsdecode(export_dir)}: x -> y>"

    @pytest.mark.parametrize("tags", ["serve", ["serve"]])
    @pytest.mark.parametrize("kind", [os.fsdecode, pathlib.Path, os.fsencode])
    def test_answers_by_another_signature(self, export_dir, tags, kind):
        path = kind(os.fsdecode(export_dir))
        assert from_saved_model(path, "text", tags=tags)(ONE)["output"].tolist() == [[b"3"]]

    def test_answers_by_what_is_given_instead_of_a_signature(self, export_dir):
        known = from_saved_model(export_dir)
        fed, fetched = known.feed_tensors["x"], known.fetch_tensors["y"]
        named = from_saved_model(
            export_dir, input_names={"a": fed.name}, output_names={"b": fetched.name}
        )
        assert named({"a": [[2.0]]})["b"].tolist() == [[6.0]]
        with known.graph.as_default():
            signature = v1.saved_model.predict_signature_def({"a": fed}, {"b": fetched})
        given = from_saved_model(export_dir, signature_def=signature)
        assert given({"a": [[2.0]]})["b"].tolist() == [[6.0]]

    def test_a_wrong_feature_is_named(self, export_dir):
        predictor = from_saved_model(export_dir)
        with pytest.raises(ValueError, match=r"features must have exactly the keys 'x'"):
            predictor({})

    def test_serialized_examples(self, estimator, tmp_path):
        receiver_fn = build_parsing_serving_input_receiver_fn(
            {"x": tf.io.FixedLenFeature([1], tf.float32)}
        )
        export_dir = estimator.export_saved_model(tmp_path / "exports", receiver_fn)
        predictor = from_saved_model(export_dir, "scores")
        assert predictor({"inputs": [example(2.0)]})["scores"].tolist() == [[6.0]]

    def test_sparse_inputs_and_tables(self, tmp_path):
        words = tmp_path / "words.txt"
        words.write_text("a\nb\n")

        def model_fn(features, mode):
            initializer = tf.lookup.TextFileInitializer(
                str(words),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )
            table = tf.lookup.StaticHashTable(initializer, -1)
            ids = table.lookup(features["words"])
            w = v1.get_variable("w", [], tf.int64, v1.ones_initializer())
            train_op = v1.assign_add(v1.train.get_global_step(), 1)
            predictions = {"ids": tf.sparse.to_dense(ids) * w, "two": ids.values * 2}
            outputs = {"serving_default": PredictOutput({"ids": predictions["ids"]})}
            return EstimatorSpec(
                mode, predictions, tf.constant(1.0), train_op, export_outputs=outputs
            )

        def receiver_fn():
            received = {"words": v1.sparse_placeholder(tf.string)}
            return ServingInputReceiver(received, received)

        def words_input_fn():
            return tf.data.Dataset.from_tensors({"words": tf.sparse.from_dense([["a"]])})

        estimator = Estimator(model_fn, tmp_path / "model").train(words_input_fn, steps=1)
        value = v1.SparseTensorValue([[0, 0], [1, 1]], ["b", "?"], [2, 2])
        found = estimator.predictor(receiver_fn)({"words": value})
        assert found["ids"].tolist() == [[1, 0], [0, -1]]
        assert found["two"].tolist() == [2, -2]
        export_dir = estimator.export_saved_model(tmp_path / "exports", receiver_fn)
        words.unlink()  # The export has a copy.
        assert from_saved_model(export_dir)({"words": value})["ids"].tolist() == [[1, 0], [0, -1]]

    def test_one_of_tensorflow_2(self, tmp_path):
        class Doubled(tf.Module):
            def __init__(self):
                super().__init__()
                self.w = tf.Variable(2.0)

            @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
            def __call__(self, x):
                return {"y": x * self.w}

        module = Doubled()
        tf.saved_model.save(module, str(tmp_path), signatures=module.__call__)
        assert from_saved_model(tmp_path)({"x": [3.0]})["y"].tolist() == [6.0]

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (
                {"signature_def_key": "other"},
                r"signature_def_key must be one of \['serving_default', 'text'\]; received 'other'",
            ),
            ({"tags": "gpu,serve"}, "tags must be those of a graph in .*received .*'gpu', 'serve'"),
            ({"input_names": {"x": "x:0"}}, "input_names and output_names must be given together"),
            (
                {"input_names": {"x": "no:0"}, "output_names": {}},
                "The tensor of 'x' must be in the graph; received 'no:0'",
            ),
            (
                {"signature_def_key": "text", "signature_def": object()},
                "Only one of signature_def_key, signature_def, input_names must be given",
            ),
        ],
    )
    def test_what_it_does_not_have_is_named(self, export_dir, given, message):
        with pytest.raises(ValueError, match=message):
            from_saved_model(export_dir, **given)

    def test_what_is_no_saved_model_is_named(self, export_dir, tmp_path):
        newest = os.fsdecode(export_dir)
        with pytest.raises(ValueError, match=f"folder of 1 exports; the newest is {newest}"):
            from_saved_model(os.path.dirname(newest))
        with pytest.raises(ValueError, match="export_dir must be the folder of a SavedModel"):
            from_saved_model(tmp_path / "nothing")
        with pytest.raises(TypeError, match="export_dir must be a path; received 3"):
            from_saved_model(3)

    def test_sparse_outputs_are_sparse_values(self, tmp_path):
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None, 2])
            outputs = {"y": tf.sparse.from_dense(x), "z": x}
            v1.saved_model.simple_save(session, str(tmp_path / "model"), {"x": x}, outputs)
        found = from_saved_model(tmp_path / "model")({"x": [[0.0, 2.0]]})
        assert isinstance(found["y"], v1.SparseTensorValue)
        assert (found["y"].indices.tolist(), found["y"].values.tolist()) == ([[0, 1]], [2.0])
        assert found["z"].tolist() == [[0.0, 2.0]]

    def test_a_ragged_input_is_not_fed_by_a_signature(self, export_dir):
        known = from_saved_model(export_dir)
        with tf.Graph().as_default():
            info = v1.saved_model.build_tensor_info(v1.ragged.placeholder(tf.float32, 1))
            y = v1.saved_model.build_tensor_info(known.fetch_tensors["y"])
            signature = v1.saved_model.build_signature_def({"r": info}, {"y": y})
        with pytest.raises(NotImplementedError, match="The input 'r' must be a dense or sparse"):
            from_saved_model(export_dir, signature_def=signature)


def test_a_warm_start_by_settings_is_followed(estimator, built, tmp_path):
    settings = WarmStartSettings(estimator.model_dir, vars_to_warm_start="w")
    assert Estimator(built, tmp_path / "warm", warm_start_from=settings).predictor(X)(ONE)["y"] == 3
