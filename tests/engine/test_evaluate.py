"""Evaluation: what it returns and writes, from which checkpoint, and when it stops."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1


@pytest.fixture
def with_metrics(make_estimator, trivial_spec, endless):
    """Makes an Estimator, trained for a step, from a function of x that gives the metrics."""

    def make(metrics_of):
        def model_fn(features, mode):
            metrics = metrics_of(features["x"]) if mode == "eval" else None
            loss = tf.reduce_mean(features["x"])
            return trivial_spec(mode, loss=loss, eval_metric_ops=metrics)

        return make_estimator(model_fn).train(endless, steps=1)

    return make


class TestResults:
    def test_loss_is_the_mean_over_batches_not_examples(self, with_metrics):
        def uneven():
            return tf.data.Dataset.from_tensor_slices({"x": [1.0, 3.0, 8.0]}).batch(2)

        results = with_metrics(lambda x: {"mean": v1.metrics.mean(x)}).evaluate(uneven)
        assert results == {"mean": 4.0, "loss": 5.0, "global_step": 1}
        assert results["loss"].dtype == np.float32
        assert results["global_step"].dtype == np.int64

    @pytest.mark.parametrize(("steps", "loss"), [(1, 1.0), (2, 1.5), (3, 2.0), (9, 2.0)])
    def test_steps_is_how_many_batches_at_most(self, with_metrics, three_batches, steps, loss):
        results = with_metrics(lambda x: None).evaluate(three_batches, steps=steps)
        assert results == {"loss": loss, "global_step": 1}

    def test_metrics_start_anew_every_time(self, with_metrics, three_batches):
        estimator = with_metrics(lambda x: {"total": v1.metrics.mean(x)})
        assert estimator.evaluate(three_batches) == estimator.evaluate(three_batches)

    def test_nothing_of_the_model_changes(self, trained, endless):
        assert trained.evaluate(endless, steps=3) == trained.evaluate(endless, steps=3)
        assert trained.get_variable_value("w") == 3.0

    def test_names_are_sorted_and_the_step_comes_last(self, with_metrics, three_batches):
        estimator = with_metrics(lambda x: {name: v1.metrics.mean(x) for name in "zma"})
        assert list(estimator.evaluate(three_batches)) == ["a", "loss", "m", "z", "global_step"]

    def test_nested_values_keep_their_structure(self, with_metrics, three_batches):
        def metrics(x):
            mean, update = v1.metrics.mean(x)
            return {"nested": ((tf.constant(7), {"mean": mean, "pair": [mean, -mean]}), update)}

        nested = with_metrics(metrics).evaluate(three_batches)["nested"]
        assert nested == (7, {"mean": 2.0, "pair": [2.0, -2.0]})

    @pytest.mark.parametrize(
        "update_of",
        [lambda update: update, lambda update: update.op, tf.group],
        ids=["tensor", "operation", "group"],
    )
    def test_an_update_is_a_tensor_or_an_operation(self, with_metrics, three_batches, update_of):
        def metrics(x):
            value, update = v1.metrics.mean(x)
            return {"m": (value, update_of(update))}

        assert with_metrics(metrics).evaluate(three_batches)["m"] == 2.0

    @pytest.mark.parametrize("name", ["loss", "global_step"])
    def test_names_that_are_taken_are_refused(self, with_metrics, three_batches, name):
        estimator = with_metrics(lambda x: {name: v1.metrics.mean(x)})
        with pytest.raises(ValueError, match=f"must not be '{name}'"):
            estimator.evaluate(three_batches)

    @pytest.mark.parametrize("package", ["keras", "tf_keras"])
    def test_keras_metrics_count_every_batch_once_the_partial_last_one_too(
        self, with_metrics, package
    ):
        keras = pytest.importorskip(package)

        def five():
            x = tf.data.Dataset.range(1, 6).map(lambda x: tf.cast(x, tf.float32))
            return x.map(lambda x: {"x": x}).batch(2)

        def metrics(x):
            mean, total = keras.metrics.Mean(), keras.metrics.Sum()
            mean.update_state(x)
            total.update_state(x)
            return {"mean": mean, "sum": total, "v1": v1.metrics.mean(x)}

        estimator = with_metrics(metrics)
        expected = {"mean": 3.0, "sum": 15.0, "v1": 3.0}
        for _ in range(2):
            assert expected.items() <= estimator.evaluate(five).items()
        assert estimator.evaluate(five, steps=1)["sum"] == 3.0


class TestCheckpoint:
    @pytest.mark.parametrize(("step", "loss"), [(0, 0.0), (2, 4.0), (3, 6.0)])
    def test_any_can_be_evaluated_by_its_path(self, trained, three_batches, step, loss):
        path = f"{trained.model_dir}/model.ckpt-{step}"
        assert trained.evaluate(three_batches, checkpoint_path=path) == {
            "loss": loss,
            "global_step": step,
        }

    @pytest.mark.parametrize("path", [None, ""])
    def test_the_newest_is_the_default(self, trained, three_batches, path):
        assert trained.evaluate(three_batches, checkpoint_path=path)["global_step"] == 3

    def test_a_path_without_one_is_refused(self, trained, three_batches):
        with pytest.raises(ValueError, match="checkpoint_path must name a checkpoint"):
            trained.evaluate(three_batches, checkpoint_path=f"{trained.model_dir}/model.ckpt-9")

    def test_without_any_the_initial_weights_are_evaluated(self, make_estimator, three_batches):
        assert make_estimator().evaluate(three_batches) == {"loss": 0.0, "global_step": 0}

    def test_weights_can_come_from_init_from_checkpoint(
        self, make_estimator, counting, trained, three_batches, tmp_path
    ):
        def model_fn(features, labels, mode):
            spec = counting(features, labels, mode)
            v1.train.init_from_checkpoint(trained.model_dir, {"w": "w"})
            return spec

        estimator = make_estimator(model_fn, tmp_path / "new")
        assert estimator.evaluate(three_batches) == {"loss": 6.0, "global_step": 0}


class TestScaffold:
    def test_a_local_init_op_of_the_user_leaves_the_metrics_initialized(
        self, make_estimator, trivial_spec, endless, three_batches
    ):
        def model_fn(features, mode):
            offset = v1.get_variable(
                "offset", [], collections=["mine"], initializer=v1.zeros_initializer()
            )
            scaffold = v1.train.Scaffold(local_init_op=offset.assign(10.0))
            loss = tf.reduce_mean(features["x"]) + offset
            metrics = {"mean": v1.metrics.mean(features["x"])} if mode == "eval" else None
            return trivial_spec(mode, loss=loss, eval_metric_ops=metrics, scaffold=scaffold)

        estimator = make_estimator(model_fn).train(endless, steps=1)
        assert estimator.evaluate(three_batches) == {"mean": 2.0, "loss": 12.0, "global_step": 1}

    def test_its_saver_restores(self, make_estimator, counting, trained, three_batches):
        def model_fn(features, labels, mode):
            spec = counting(features, labels, mode)
            v1.get_variable("new", [], initializer=v1.ones_initializer())
            step = v1.train.get_global_step()
            saver = v1.train.Saver([step, v1.global_variables("w")[0]])
            ready = tf.constant([], tf.string)
            scaffold = v1.train.Scaffold(saver=saver, ready_op=ready, ready_for_local_init_op=ready)
            return spec._replace(scaffold=scaffold)

        assert make_estimator(model_fn).evaluate(three_batches)["loss"] == 6.0


class TestHooks:
    def test_the_users_run_before_the_specs(self, make_estimator, trivial_spec, endless, diary):
        def model_fn(features, mode):
            return trivial_spec(mode, evaluation_hooks=[diary.hook("spec")])

        hooks = [diary.hook("user1"), diary.hook("user2")]
        make_estimator(model_fn).evaluate(endless, steps=1, hooks=hooks)
        names = ("user1", "user2", "spec")
        events = ("begin", "session", "before", "after", "end")
        assert diary == [f"{event} {name}" for event in events for name in names]

    def test_one_can_stop_it(self, with_metrics, endless, watch):
        stop = watch(lambda steps, context: context.request_stop() if steps == 2 else None)
        assert with_metrics(lambda x: None).evaluate(endless, hooks=[stop])["loss"] == 1.5

    def test_they_can_read_how_many_batches_are_done(self, with_metrics, three_batches, watch):
        def read(_, context):
            (batches,) = context.session.graph.get_collection(v1.GraphKeys.EVAL_STEP)
            done.append(int(context.session.run(batches)))

        done = []
        estimator = with_metrics(lambda x: None)
        for _ in range(2):
            estimator.evaluate(three_batches, hooks=[watch(read)])
        assert done == [1, 2, 3] * 2


class TestEventFiles:
    def test_metrics_and_the_checkpoint_are_appended(
        self, trained, three_batches, endless, summaries_of
    ):
        trained.evaluate(three_batches)
        trained.train(endless, steps=1).evaluate(three_batches)
        first, second = (f"{trained.model_dir}/model.ckpt-{step}".encode() for step in (3, 4))
        assert summaries_of(trained.eval_dir()) == [
            (3, "loss", 6.0),
            (3, "checkpoint_path", first),
            (4, "loss", 8.0),
            (4, "checkpoint_path", second),
        ]

    def test_every_name_has_a_folder(self, trained, three_batches, tmp_path, summaries_of):
        trained.evaluate(three_batches, name="test")
        trained.evaluate(three_batches, steps=1, name="")
        assert trained.eval_dir("test") == str(tmp_path / "model" / "eval_test")
        assert (3, "loss", 6.0) in summaries_of(tmp_path / "model" / "eval_test")
        assert (3, "loss", 3.0) in summaries_of(tmp_path / "model" / "eval")

    def test_images_are_numbered(self, with_metrics, three_batches):
        def metrics(x):
            return {"digits": (v1.summary.image("any", tf.ones([2, 4, 4, 1])), tf.no_op())}

        estimator = with_metrics(metrics)
        estimator.evaluate(three_batches)
        (path,) = pathlib.Path(estimator.eval_dir()).glob("*tfevents*")
        values = [
            value for event in v1.train.summary_iterator(str(path)) for value in event.summary.value
        ]
        sizes = {value.tag: value.image.width for value in values if value.HasField("image")}
        assert sizes == {"digits/0": 4, "digits/1": 4}

    def test_arrays_are_tensors(self, with_metrics, three_batches, summaries_of):
        estimator = with_metrics(lambda x: {"row": (tf.constant([1.0, 2.0]), tf.no_op())})
        estimator.evaluate(three_batches)
        rows = {tag: value for _, tag, value in summaries_of(estimator.eval_dir())}
        assert rows["row"].tolist() == [1.0, 2.0]

    def test_what_summary_hooks_of_the_spec_write(
        self, make_estimator, trivial_spec, endless, tmp_path, summaries_of
    ):
        def model_fn(features, mode):
            summary = v1.summary.scalar("x", features["x"][0])
            hook = v1.train.SummarySaverHook(
                save_steps=1, output_dir=str(tmp_path / "mine"), summary_op=summary
            )
            return trivial_spec(mode, evaluation_hooks=[hook])

        make_estimator(model_fn).evaluate(endless, steps=2)
        assert {tag for _, tag, _ in summaries_of(tmp_path / "mine")} == {"x"}


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be a positive integer or None; received 0"),
        ({"steps": -1}, ValueError, "steps must be a positive integer or None"),
        ({"steps": "1"}, TypeError, "steps must be a positive integer or None"),
        ({"hooks": [1]}, TypeError, "Every element of hooks must be a SessionRunHook"),
        ({"name": 3}, TypeError, "name must be an instance of str"),
    ],
)
def test_wrong_arguments_are_refused(make_estimator, endless, tmp_path, arguments, kind, message):
    with pytest.raises(kind, match=message):
        make_estimator().evaluate(endless, **arguments)
    assert not (tmp_path / "model").exists()


def test_input_that_gives_no_batch_is_an_error_and_writes_nothing(trained, three_batches):
    with pytest.raises(ValueError, match="at least one batch to evaluate"):
        trained.evaluate(lambda: three_batches().take(0))
    assert not tf.io.gfile.exists(trained.eval_dir())
