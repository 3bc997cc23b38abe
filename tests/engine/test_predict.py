"""Prediction: lazy, example by example, from generators that do not get in each other's way."""

import contextlib
import gc
import threading

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1


@pytest.fixture
def predicting(make_estimator, trivial_spec):
    """Makes an Estimator without variables, whose predictions are a function of x."""

    def make(predictions_of):
        def model_fn(features, mode):
            return trivial_spec(mode, predictions=predictions_of(features["x"]))

        return make_estimator(model_fn)

    return make


def five_in_twos():
    x = tf.constant([1.0, 2.0, 3.0, 4.0, 5.0])
    return tf.data.Dataset.from_tensor_slices({"x": x}).batch(2)


class TestExamples:
    def test_a_dict_is_split_into_dicts(self, predicting):
        estimator = predicting(lambda x: {"x": x, "text": tf.strings.as_string(x, precision=0)})
        found = list(estimator.predict(five_in_twos))
        assert [each["x"] for each in found] == [1, 2, 3, 4, 5]
        assert [each["text"] for each in found] == [b"1", b"2", b"3", b"4", b"5"]

    def test_a_tensor_is_split_into_rows(self, predicting):
        found = list(predicting(lambda x: tf.stack([x, -x], axis=1)).predict(five_in_twos))
        assert [row.tolist() for row in found[::2]] == [[1, -1], [3, -3], [5, -5]]

    def test_batches_come_whole_on_request(self, predicting):
        estimator = predicting(lambda x: {"x": x})
        found = list(estimator.predict(five_in_twos, yield_single_examples=False))
        assert [batch["x"].tolist() for batch in found] == [[1, 2], [3, 4], [5]]

    @pytest.mark.parametrize(
        "predictions",
        [lambda x: {"sum": tf.reduce_sum(x)}, lambda x: {"x": x, "const": tf.ones([7])}],
        ids=["scalar", "other size"],
    )
    def test_what_cannot_be_split_comes_whole_too(self, predicting, predictions):
        estimator = predicting(predictions)
        assert len(list(estimator.predict(five_in_twos, yield_single_examples=False))) == 3

    @pytest.mark.parametrize(
        ("predictions", "message"),
        [
            (lambda x: {"x": x, "c": tf.ones([7])}, "same batch size; received {'c': 7, 'x': 2}"),
            (lambda x: {"s": tf.reduce_sum(x)}, r"predictions\['s'\] must have a batch dimension"),
            (tf.reduce_sum, "Predictions must have a batch dimension"),
        ],
        ids=["other size", "scalar", "scalar tensor"],
    )
    def test_what_cannot_be_split_is_an_error_with_the_way_out(
        self, predicting, predictions, message
    ):
        with pytest.raises(ValueError, match=f"{message}.*yield_single_examples=False"):
            list(predicting(predictions).predict(five_in_twos))

    def test_an_empty_batch_gives_no_example(self, predicting):
        assert list(predicting(lambda x: {"x": x[:0]}).predict(five_in_twos)) == []

    def test_no_batch_gives_no_example(self, predicting):
        estimator = predicting(lambda x: {"x": x})
        assert list(estimator.predict(lambda: five_in_twos().take(0))) == []

    def test_labels_are_dropped(self, make_estimator, trivial_spec):
        seen = []

        def model_fn(features, labels, mode):
            seen.append(labels)
            return trivial_spec(mode, predictions=features)

        def with_labels():
            return tf.data.Dataset.from_tensors(([1.0], [2.0]))

        assert list(make_estimator(model_fn).predict(with_labels)) == [1.0]
        without = make_estimator(lambda features, mode: trivial_spec(mode, predictions=features))
        assert list(without.predict(with_labels)) == [1.0]
        assert seen == [None]

    def test_plain_tensors_never_end(self, predicting):
        found = predicting(lambda x: x).predict(lambda: {"x": tf.constant([1.0, 2.0])})
        assert [next(found) for _ in range(5)] == [1, 2, 1, 2, 1]
        found.close()


class TestKeys:
    @pytest.fixture
    def two(self, predicting):
        return predicting(lambda x: {"x": x, "y": -x})

    @pytest.mark.parametrize(
        ("keys", "names"),
        [
            (["x"], {"x"}),
            ("y", {"y"}),
            (("x", "y"), {"x", "y"}),
            ({"y", "unknown"}, {"y"}),
            ((key for key in "x"), {"x"}),
            ([], {"x", "y"}),
            (None, {"x", "y"}),
        ],
    )
    def test_choose_predictions(self, two, keys, names):
        assert next(two.predict(five_in_twos, predict_keys=keys)).keys() == names

    def test_that_name_nothing_are_refused(self, two):
        with pytest.raises(ValueError, match=r"must name at least one of \['x', 'y'\]"):
            next(two.predict(five_in_twos, predict_keys=["z"]))

    def test_that_are_no_names_are_a_type_error(self, two):
        with pytest.raises(TypeError, match="predict_keys must be names of predictions"):
            next(two.predict(five_in_twos, predict_keys=3))

    @pytest.mark.parametrize("keys", ["x", ["x"], 3])
    def test_on_a_single_tensor_are_refused(self, predicting, keys):
        with pytest.raises(ValueError, match="must be None when predictions is no dict"):
            next(predicting(lambda x: x).predict(five_in_twos, predict_keys=keys))

    def test_empty_ones_on_a_single_tensor_are_none_at_all(self, predicting):
        assert next(predicting(lambda x: x).predict(five_in_twos, predict_keys=[])) == 1.0


class TestLaziness:
    def test_nothing_happens_before_the_first_next(self, trained, diary, three_batches):
        def input_fn():
            diary.append("input_fn")
            return three_batches()

        found = trained.predict(input_fn, hooks=[diary.hook("a")])
        assert not diary
        next(found)
        assert diary == ["input_fn", "begin a", "session a", "before a", "after a"]
        found.close()

    def test_one_run_a_batch(self, predicting, watch):
        hook = watch()
        found = predicting(lambda x: x).predict(five_in_twos, hooks=[hook])
        assert [hook.steps for _ in found] == [1, 1, 2, 2, 3]

    def test_hooks_of_the_user_run_before_the_specs(self, make_estimator, trivial_spec, diary):
        def model_fn(features, mode):
            hook = diary.hook("spec")
            return trivial_spec(mode, predictions=features, prediction_hooks=[hook])

        list(
            make_estimator(model_fn).predict(
                lambda: five_in_twos().take(1), hooks=[diary.hook("user")]
            )
        )
        assert diary[:4] == ["begin user", "begin spec", "session user", "session spec"]
        assert diary[-2:] == ["end user", "end spec"]

    def test_a_hook_can_stop_it(self, predicting, watch):
        stop = watch(lambda steps, context: context.request_stop())
        assert list(predicting(lambda x: x).predict(five_in_twos, hooks=[stop])) == [1, 2]

    @pytest.mark.parametrize(
        ("arguments", "kind"),
        [({"input_fn": 3}, TypeError), ({"hooks": [1]}, TypeError)],
    )
    def test_wrong_arguments_are_refused(self, trained, three_batches, arguments, kind):
        with pytest.raises(kind):
            next(trained.predict(**{"input_fn": three_batches, **arguments}))


class TestSession:
    @pytest.mark.parametrize("way", ["close", "forget", "throw"])
    def test_is_closed_when_nobody_asks_for_more(self, trained, endless, watch, diary, way):
        hook = watch()
        found = trained.predict(endless, hooks=[hook, diary.hook("a")])
        next(found)
        assert not hook.closed
        if way == "close":
            found.close()
        elif way == "forget":
            del found
            gc.collect()
        else:
            with pytest.raises(ZeroDivisionError):
                found.throw(ZeroDivisionError)
        assert hook.closed == (way == "throw")
        trained.close()
        assert hook.closed
        assert "end a" not in diary

    def test_is_closed_at_the_end(self, trained, three_batches, watch, diary):
        hook = watch()
        list(trained.predict(three_batches, hooks=[hook, diary.hook("a")]))
        assert not hook.closed
        trained.close()
        assert hook.closed
        assert diary[-1] == "end a"

    def test_is_closed_when_a_batch_cannot_be_split(self, predicting, watch):
        hook = watch()
        with pytest.raises(ValueError, match="batch dimension"):
            next(predicting(tf.reduce_sum).predict(five_in_twos, hooks=[hook]))
        assert hook.closed

    def test_an_error_in_the_loop_around_it_leaves_all_usable(self, trained, endless):
        with pytest.raises(ZeroDivisionError):
            fail_on_first(trained.predict(endless))
        assert next(trained.predict(endless))["y"] == 3.0
        assert trained.train(endless, steps=1).evaluate(endless, steps=1)["loss"] == 4.0


class TestOpenGenerators:
    def test_interleave(self, trained, endless, three_batches):
        with contextlib.closing(trained.predict(endless)) as one:
            two = trained.predict(endless)
            pairs = [(next(one)["y"], next(two)["y"]) for _ in range(3)]
            assert pairs == [(3, 3), (6, 6), (9, 9)]
            assert trained.evaluate(three_batches)["loss"] == 6.0
            two.close()
            assert next(one)["y"] == 3.0

    def test_keep_their_weights_while_training_goes_on(self, trained, endless):
        with contextlib.closing(trained.predict(endless)) as old:
            next(old)
            trained.train(endless, steps=1)
            assert next(old)["y"] == 6.0
        with contextlib.closing(trained.predict(endless)) as new:
            assert next(new)["y"] == 4.0

    def test_leave_the_default_graph_and_eager_execution_alone(self, trained, endless):
        with contextlib.closing(trained.predict(endless)) as found:
            next(found)
            assert tf.executing_eagerly()
            assert int(tf.constant(1) + 1) == 2
        with tf.Graph().as_default() as graph, contextlib.closing(trained.predict(endless)) as two:
            next(two)
            assert v1.get_default_graph() is graph
            assert not graph.get_operations()

    def test_go_on_in_another_thread(self, trained, endless):
        found = trained.predict(endless)
        seen = [next(found)["y"]]
        thread = threading.Thread(target=lambda: seen.append(next(found)["y"]))
        thread.start()
        thread.join()
        found.close()
        assert seen == [3, 6]

    def test_run_in_several_threads_at_once(self, trained, three_batches):
        seen = []

        def work():
            seen.append([float(each["y"]) for each in trained.predict(three_batches)])

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [[3.0, 6.0, 9.0]] * 3


class TestWeights:
    def test_come_from_the_checkpoint_that_is_named(self, trained, three_batches):
        path = f"{trained.model_dir}/model.ckpt-2"
        found = list(trained.predict(three_batches, checkpoint_path=path))
        assert [each["y"] for each in found] == [2, 4, 6]

    def test_that_nobody_trained_are_refused(self, make_estimator, three_batches):
        with pytest.raises(ValueError, match=r"must be a checkpoint to predict from.*Train first"):
            next(make_estimator().predict(three_batches))

    def test_a_path_without_a_checkpoint_is_refused(self, trained, three_batches, tmp_path):
        with pytest.raises(ValueError, match="checkpoint_path must name a checkpoint"):
            next(trained.predict(three_batches, checkpoint_path=str(tmp_path / "model.ckpt-1")))

    def test_are_not_needed_by_a_model_without_variables(self, predicting):
        assert next(predicting(lambda x: x).predict(five_in_twos)) == np.float32(1)

    @pytest.mark.parametrize("use_resource", [True, False])
    def test_can_come_from_init_from_checkpoint(
        self, make_estimator, counting, trained, three_batches, tmp_path, use_resource
    ):
        def model_fn(features, labels, mode):
            scope = v1.get_variable_scope()
            scope.set_use_resource(use_resource)
            spec = counting(features, labels, mode)
            v1.train.init_from_checkpoint(trained.model_dir, {"w": "w"})
            return spec

        estimator = make_estimator(model_fn, tmp_path / "new")
        assert [each["y"] for each in estimator.predict(three_batches)] == [3, 6, 9]

    def test_can_come_from_the_scaffold(self, make_estimator, counting, three_batches):
        def model_fn(features, labels, mode):
            spec = counting(features, labels, mode)
            w = v1.global_variables("w")[0]
            scaffold = v1.train.Scaffold(init_fn=lambda _, session: w.load(10.0, session))
            return spec._replace(scaffold=scaffold)

        found = make_estimator(model_fn).predict(three_batches)
        assert [each["y"] for each in found] == [10, 20, 30]


def fail_on_first(examples):
    for _ in examples:
        raise ZeroDivisionError
