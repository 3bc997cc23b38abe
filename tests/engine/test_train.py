"""Training: when it stops, what it saves and writes, who is told, in which order."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1


def step_of(estimator):
    return int(estimator.get_variable_value("global_step"))


class TestSteps:
    def test_steps_add_up_and_max_steps_counts_from_the_first_ever(self, make_estimator, endless):
        estimator = make_estimator()
        reached = []
        for limit in ({"steps": 2}, {"steps": 1}, {"max_steps": 3}, {"max_steps": 5}):
            assert estimator.train(endless, **limit) is estimator
            reached.append(step_of(estimator))
        assert reached == [2, 3, 3, 5]

    def test_no_graph_is_built_when_max_steps_is_reached(self, trained):
        def input_fn():
            raise AssertionError("input_fn was called")

        assert trained.train(input_fn, max_steps=3) is trained

    def test_the_end_of_the_input_ends_training(self, make_estimator, three_batches):
        assert step_of(make_estimator().train(three_batches, steps=100)) == 3

    def test_a_hook_can_stop_it(self, make_estimator, endless, watch):
        stop = watch(lambda steps, context: context.request_stop() if steps == 2 else None)
        assert step_of(make_estimator().train(endless, hooks=[stop])) == 2

    def test_a_stop_hook_of_the_user_counts_beside_steps(self, make_estimator, endless):
        stop = v1.train.StopAtStepHook(last_step=2)
        assert step_of(make_estimator().train(endless, hooks=[stop], steps=9)) == 2

    def test_input_from_plain_tensors_never_ends(self, make_estimator):
        estimator = make_estimator().train(lambda: {"x": tf.ones([2])}, steps=4)
        assert step_of(estimator) == 4

    def test_queue_runners_are_started(self, make_estimator):
        def input_fn():
            queue = v1.train.range_input_producer(3, shuffle=False)
            return {"x": tf.cast(queue.dequeue(), tf.float32)}

        assert step_of(make_estimator().train(input_fn, steps=5)) == 5

    def test_input_that_never_gives_a_batch_is_an_error(self, make_estimator, three_batches):
        with pytest.raises(ValueError, match="at least one batch to train on"):
            make_estimator().train(lambda: three_batches().take(0))

    def test_a_moved_model_dir_goes_on(self, make_estimator, endless, trained, tmp_path):
        moved = tmp_path / "moved"
        os.rename(trained.model_dir, moved)
        estimator = make_estimator(folder=moved).train(endless, steps=2)
        assert estimator.get_variable_value("w") == 5.0
        assert estimator.latest_checkpoint() == str(moved / "model.ckpt-5")


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "kind", "message"),
        [
            ({"steps": 0}, ValueError, "steps must be a positive integer or None; received 0"),
            ({"max_steps": -1}, ValueError, "max_steps must be a positive integer or None"),
            ({"steps": "2"}, TypeError, "steps must be a positive integer or None"),
            ({"steps": 1, "max_steps": 1}, ValueError, "must not both be given"),
            ({"hooks": ["a"]}, TypeError, "Every element of hooks must be a SessionRunHook"),
            ({"hooks": [v1.train.SessionRunHook]}, TypeError, "Every element of hooks"),
            ({"hooks": v1.train.SessionRunHook()}, TypeError, "hooks must be an iterable"),
            ({"saving_listeners": [1]}, TypeError, "Every element of saving_listeners"),
            ({"saving_listeners": 3}, TypeError, "saving_listeners must be an iterable"),
        ],
    )
    def test_wrong_ones_are_refused_before_anything_is_made(
        self, make_estimator, endless, tmp_path, arguments, kind, message
    ):
        with pytest.raises(kind, match=message):
            make_estimator().train(endless, **arguments)
        assert not (tmp_path / "model").exists()

    def test_any_iterable_of_hooks_will_do(self, make_estimator, endless, diary):
        hooks = (diary.hook(name) for name in "ab")
        listeners = iter([diary.listener("c")])
        make_estimator().train(endless, hooks=hooks, steps=1, saving_listeners=listeners)
        assert {"end a", "end b", "end 1 c"} <= set(diary)

    def test_listeners_with_saving_off_are_refused(self, make_estimator, endless, diary):
        estimator = make_estimator(save_checkpoints_steps=None, save_checkpoints_secs=None)
        with pytest.raises(ValueError, match="saving_listeners must be empty when no checkpoints"):
            estimator.train(endless, steps=1, saving_listeners=[diary.listener("a")])


class TestSaving:
    def test_at_the_start_at_the_interval_and_at_the_end(
        self, make_estimator, endless, diary, saved_steps
    ):
        estimator = make_estimator(save_checkpoints_steps=10)
        estimator.train(endless, steps=26, saving_listeners=[diary.listener("a")])
        assert [entry for entry in diary if "after save" in entry] == [
            f"after save {step} a" for step in (0, 10, 20, 26)
        ]
        assert saved_steps(estimator.model_dir) == [0, 10, 20, 26]

    def test_what_was_just_restored_is_not_saved_again_but_told(
        self, make_estimator, endless, diary, trained
    ):
        index = f"{trained.latest_checkpoint()}.index"
        os.utime(index, (1, 1))
        listener = diary.listener("a")
        make_estimator().train(endless, steps=1, saving_listeners=[listener])
        assert [entry for entry in diary if "after save" in entry] == [
            f"after save {step} a" for step in (3, 4)
        ]
        assert os.stat(index).st_mtime == 1

    def test_what_was_restored_in_part_is_saved_at_once(self, make_estimator, endless, trained):
        latest = trained.latest_checkpoint()
        with tf.Graph().as_default(), v1.Session() as session:
            saver = v1.train.Saver([v1.train.get_or_create_global_step()])
            saver.restore(session, latest)
            saver.save(session, latest, write_meta_graph=False, write_state=False)
        estimator = make_estimator(ignore_missing=True)
        estimator.train(endless, steps=1)
        names = {name for name, _ in tf.train.list_variables(latest)}
        assert names == set(estimator.get_variable_names())

    def test_a_listener_hears_everything_once_and_in_order(self, make_estimator, endless, diary):
        make_estimator().train(endless, steps=2, saving_listeners=[diary.listener("a")])
        saves = ["before save 0 a", "after save 0 a", "before save 2 a", "after save 2 a"]
        assert diary == ["begin a", *saves, "end 2 a"]

    def test_a_listener_can_stop_training(self, make_estimator, endless, diary, saved_steps):
        estimator = make_estimator(save_checkpoints_steps=2)
        listeners = [diary.listener("a", stop_at=4), diary.listener("b")]
        estimator.train(endless, steps=20, saving_listeners=listeners)
        assert saved_steps(estimator.model_dir) == [0, 2, 4]
        assert diary[-2:] == ["end 4 a", "end 4 b"]

    def test_only_the_newest_are_kept_over_several_runs(self, make_estimator, endless, saved_steps):
        estimator = make_estimator(save_checkpoints_steps=1, keep_checkpoint_max=2)
        estimator.train(endless, steps=3).train(endless, steps=2)
        assert saved_steps(estimator.model_dir) == [4, 5]
        assert not tf.io.gfile.glob(estimator.model_dir + "/model.ckpt-3*")

    @pytest.mark.parametrize("keep", [None, 0])
    def test_all_are_kept_on_disk_without_a_limit(self, make_estimator, endless, keep):
        estimator = make_estimator(save_checkpoints_steps=1, keep_checkpoint_max=keep)
        estimator.train(endless, steps=7)
        assert len(tf.io.gfile.glob(estimator.model_dir + "/model.ckpt-*.index")) == 8

    def test_by_seconds(self, make_estimator, endless, saved_steps):
        estimator = make_estimator(save_checkpoints_secs=1000).train(endless, steps=3)
        assert saved_steps(estimator.model_dir) == [0, 3]

    def test_never(self, make_estimator, endless):
        estimator = make_estimator(save_checkpoints_steps=None, save_checkpoints_secs=None)
        assert estimator.train(endless, steps=2).latest_checkpoint() is None

    def test_without_the_graph(self, make_estimator, endless, tmp_path):
        make_estimator(checkpoint_save_graph_def=False).train(endless, steps=1)
        assert not (tmp_path / "model" / "graph.pbtxt").exists()

    def test_the_folder_can_be_moved_since_its_state_file_has_no_folders(self, trained):
        with open(os.path.join(trained.model_dir, "checkpoint"), encoding="utf-8") as state:
            assert 'model_checkpoint_path: "model.ckpt-3"' in state.read()

    @pytest.mark.parametrize("place", ["hooks", "training_hooks", "training_chief_hooks"])
    def test_a_saver_hook_of_the_user_takes_the_place_of_ours(
        self, make_estimator, trivial_spec, endless, diary, saved_steps, tmp_path, place
    ):
        saver = v1.train.CheckpointSaverHook(str(tmp_path / "mine"), save_steps=1000)
        in_spec = {place: [saver]} if place != "hooks" else {}
        estimator = make_estimator(lambda features, mode: trivial_spec(mode, **in_spec))
        estimator.train(
            endless,
            hooks=[saver] if place == "hooks" else None,
            steps=3,
            saving_listeners=[diary.listener("a")],
        )
        assert estimator.latest_checkpoint() is None
        assert saved_steps(tmp_path / "mine") == [0, 3]
        assert "after save 3 a" in diary

    def test_the_variables_of_slots_partitions_and_other_types(
        self, make_estimator, trivial_spec, endless
    ):
        def model_fn(features, mode):
            with v1.variable_scope("part", partitioner=v1.fixed_size_partitioner(2)):
                part = v1.get_variable("w", [2, 2])
            v1.get_variable("frozen", [3], tf.float64, trainable=False)
            v1.get_variable("local", [], collections=[v1.GraphKeys.LOCAL_VARIABLES])
            loss = tf.reduce_sum(tf.convert_to_tensor(part))
            optimizer = v1.train.MomentumOptimizer(0.1, 0.9)
            train_op = optimizer.minimize(loss, v1.train.get_global_step())
            return trivial_spec(mode, loss=loss, train_op=train_op)

        estimator = make_estimator(model_fn).train(endless, steps=1).train(endless, steps=1)
        names = estimator.get_variable_names()
        assert names == ["frozen", "global_step", "part/w", "part/w/Momentum"]
        assert estimator.get_variable_value("part/w").shape == (2, 2)


class TestNan:
    @pytest.fixture
    def breaks_at_step_3(self, trivial_spec):
        def model_fn(features, mode):
            return trivial_spec(mode, loss=tf.reduce_mean(tf.math.log(2.5 - features["x"])))

        return model_fn

    def test_ends_training_and_the_ruined_weights_are_not_saved(
        self, make_estimator, endless, diary, saved_steps, breaks_at_step_3
    ):
        estimator = make_estimator(breaks_at_step_3, save_checkpoints_steps=1)
        with pytest.raises(v1.train.NanLossDuringTrainingError):
            estimator.train(endless, hooks=[diary.hook("a")])
        assert diary[-2:] == ["before a", "after a"]  # The NaN step is shown to it, end() is not.
        assert saved_steps(estimator.model_dir) == [0, 1, 2]

    def test_an_infinite_loss_goes_on(self, make_estimator, endless, trivial_spec):
        estimator = make_estimator(
            lambda mode, features: trivial_spec(mode, loss=tf.constant(np.inf))
        )
        assert step_of(estimator.train(endless, steps=2)) == 2


class TestHooks:
    def test_the_chiefs_run_first_then_the_users_then_the_specs(
        self, make_estimator, trivial_spec, endless, diary
    ):
        def model_fn(features, mode):
            return trivial_spec(
                mode,
                training_hooks=[diary.hook("spec")],
                training_chief_hooks=[diary.hook("chief")],
            )

        hooks = [diary.hook("user1"), diary.hook("user2")]
        make_estimator(model_fn).train(endless, hooks=hooks, steps=1)
        names = ("chief", "user1", "user2", "spec")
        events = ("begin", "session", "before", "after", "end")
        assert diary == [f"{event} {name}" for event in events for name in names]

    def test_hooks_of_the_other_modes_are_left_alone(
        self, make_estimator, trivial_spec, endless, diary
    ):
        def model_fn(features, mode):
            others = {
                "evaluation_hooks": [diary.hook("eval")],
                "prediction_hooks": [diary.hook("predict")],
            }
            return trivial_spec(mode, **others)

        make_estimator(model_fn).train(endless, steps=1)
        assert not diary

    def test_begin_may_add_to_the_graph_and_sees_its_seed_and_collections(
        self, make_estimator, endless
    ):
        seen = {}

        class Reader(v1.train.SessionRunHook):
            def begin(self):
                graph = v1.get_default_graph()
                seen["seed"], seen["finalized"] = graph.seed, graph.finalized
                self.double = 2 * v1.train.get_global_step()

            def before_run(self, run_context):
                return v1.train.SessionRunArgs(self.double)

        make_estimator(tf_random_seed=7).train(endless, hooks=[Reader()], steps=1)
        assert seen == {"seed": 7, "finalized": False}

    def test_begin_may_add_a_variable_again_and_again(self, make_estimator, endless):
        class Adder(v1.train.SessionRunHook):
            def begin(self):
                self.variable = v1.get_variable("mine", [], initializer=v1.ones_initializer())

        estimator = make_estimator()
        for _ in range(3):
            estimator.train(endless, hooks=[Adder()], steps=1)
        assert estimator.get_variable_value("mine") == 1.0
        assert step_of(estimator) == 3

    def test_a_hook_can_feed(self, make_estimator, trivial_spec, endless):
        def model_fn(features, mode):
            return trivial_spec(mode, loss=v1.placeholder_with_default(1.0, [], name="fed"))

        losses = []

        class Feeder(v1.train.SessionRunHook):
            def before_run(self, run_context):
                return v1.train.SessionRunArgs("fed:0", {"fed:0": 5.0})

            def after_run(self, run_context, run_values):
                losses.append(run_values.results)

        make_estimator(model_fn).train(endless, hooks=[Feeder()], steps=1)
        assert losses == [5.0]

    def test_those_of_tensorflow_find_tensors_by_name(
        self, make_estimator, trivial_spec, endless, tmp_path
    ):
        other = str(tmp_path / "other")

        def model_fn(features, mode):
            profiler = v1.train.ProfilerHook(save_steps=2, output_dir=other)
            loss = tf.reduce_sum(features["x"], name="total")
            return trivial_spec(mode, loss=loss, training_hooks=[profiler])

        logged = []
        final = v1.train.FinalOpsHook("total:0")
        hooks = [
            v1.train.LoggingTensorHook(
                ["total:0"], every_n_iter=2, formatter=lambda values: logged.append(values) or ""
            ),
            v1.train.NanTensorHook("total:0"),
            v1.train.StepCounterHook(every_n_steps=1, output_dir=other),
            final,
        ]
        make_estimator(model_fn).train(endless, hooks=hooks, steps=3)
        assert logged == [{"total:0": 1.0}, {"total:0": 3.0}]
        assert final.final_ops_values == 1.0  # It takes one batch more.
        assert tf.io.gfile.glob(other + "/timeline-*.json")
        assert tf.io.gfile.glob(other + "/*tfevents*")

    def test_the_estimator_can_be_used_from_inside_a_hook(
        self, make_estimator, endless, three_batches, watch
    ):
        estimator = make_estimator(save_checkpoints_steps=1)
        losses = []
        evaluating = watch(lambda *_: losses.append(estimator.evaluate(three_batches)["loss"]))
        estimator.train(endless, hooks=[evaluating], steps=2)
        assert losses == [2.0, 4.0]  # The step was saved before the hook of the user ran.


class TestSummaries:
    @pytest.mark.parametrize(
        ("config", "tags"),
        [
            ({"save_summary_steps": 1}, {"loss", "mine"}),
            ({"save_summary_steps": None}, set()),
            ({"save_summary_steps": 0}, set()),
            (
                {"save_summary_steps": 1, "log_step_count_steps": 1},
                {"loss", "mine", "global_step/sec"},
            ),
            ({"save_summary_steps": None, "log_step_count_steps": 1}, {"global_step/sec"}),
            ({"save_summary_steps": None, "log_step_count_steps": None}, set()),
        ],
    )
    def test_which_are_written(
        self, make_estimator, trivial_spec, endless, summaries_of, config, tags
    ):
        def model_fn(features, mode):
            v1.summary.scalar("mine", features["x"][0])
            return trivial_spec(mode)

        estimator = make_estimator(model_fn, **config).train(endless, steps=3)
        assert {tag for _, tag, _ in summaries_of(estimator.model_dir)} == tags

    def test_loss_is_written_at_every_interval(
        self, make_estimator, trivial_spec, endless, summaries_of
    ):
        def model_fn(features, mode):
            return trivial_spec(mode, loss=tf.reduce_sum(features["x"]))

        estimator = make_estimator(model_fn, save_summary_steps=1).train(endless, steps=3)
        losses = [(1, "loss", 1.0), (2, "loss", 2.0), (3, "loss", 3.0)]
        assert summaries_of(estimator.model_dir) == losses

    def test_a_loss_summary_of_the_model_is_not_doubled(
        self, make_estimator, trivial_spec, endless, summaries_of
    ):
        def model_fn(features, mode):
            v1.summary.scalar("loss", tf.constant(9.0))
            return trivial_spec(mode)

        estimator = make_estimator(model_fn).train(endless, steps=1)
        tags = [(tag, value) for _, tag, value in summaries_of(estimator.model_dir)]
        assert tags == [("loss", 9.0)]

    def test_a_summary_op_of_the_scaffold_is_the_one_that_is_written(
        self, make_estimator, trivial_spec, endless, summaries_of
    ):
        def model_fn(features, mode):
            only = v1.summary.scalar("only", tf.constant(1.0))
            return trivial_spec(mode, scaffold=v1.train.Scaffold(summary_op=only))

        estimator = make_estimator(model_fn).train(endless, steps=1)
        assert {tag for _, tag, _ in summaries_of(estimator.model_dir)} == {"only"}


class TestModelDir:
    def test_another_model_is_refused_with_the_names_and_nothing_is_lost(
        self, make_estimator, trivial_spec, trained, endless, tmp_path, three_batches
    ):
        def model_fn(features, mode):
            v1.get_variable("v", [2])
            return trivial_spec(mode)

        before = sorted(path.name for path in (tmp_path / "model").iterdir())
        other = make_estimator(model_fn)
        message = "not in the checkpoint: v.*only in the checkpoint: w"
        for use in (
            lambda: other.train(endless, steps=1),
            lambda: other.evaluate(endless, steps=1),
            lambda: next(other.predict(endless)),
        ):
            with pytest.raises(tf.errors.NotFoundError, match=message):
                use()
        assert sorted(path.name for path in (tmp_path / "model").iterdir()) == before
        assert trained.evaluate(three_batches)["loss"] == 6.0

    @pytest.mark.parametrize(
        ("shape", "dtype", "message"),
        [
            ([2], tf.float32, r"w: \(2,\) float32 in the graph, \[\] float32 in the checkpoint"),
            ([], tf.float64, r"w: \(\) float64 in the graph, \[\] float32 in the checkpoint"),
        ],
    )
    def test_another_shape_or_type_is_refused_with_both(
        self, make_estimator, trivial_spec, trained, endless, shape, dtype, message
    ):
        def model_fn(features, mode):
            v1.get_variable("w", shape, dtype)
            return trivial_spec(mode)

        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            make_estimator(model_fn).train(endless, steps=1)

    def test_a_file_is_refused_and_kept(self, make_estimator, endless, tmp_path):
        path = tmp_path / "file"
        path.write_text("precious")
        with pytest.raises(ValueError, match="model_dir must be a folder"):
            make_estimator(folder=path).train(endless, steps=1)
        assert path.read_text() == "precious"

    def test_a_relative_one_is_used_as_it_is(
        self, make_estimator, endless, tmp_path, monkeypatch, three_batches
    ):
        monkeypatch.chdir(tmp_path)
        estimator = make_estimator(folder="a/b").train(endless, steps=1).train(endless, steps=1)
        assert estimator.latest_checkpoint() == "a/b/model.ckpt-2"
        assert estimator.evaluate(three_batches)["loss"] == 4.0


class TestWarmStart:
    def test_takes_the_weights_and_never_the_step(self, make_estimator, trained, endless, tmp_path):
        estimator = make_estimator(folder=tmp_path / "new", warm_start_from=trained.model_dir)
        estimator.train(endless, steps=1)
        assert estimator.get_variable_value("w") == 4.0
        assert step_of(estimator) == 1

    def test_is_passed_over_once_there_is_a_checkpoint(
        self, make_estimator, trained, endless, tmp_path
    ):
        estimator = make_estimator(folder=tmp_path / "new", warm_start_from=trained.model_dir)
        estimator.train(endless, steps=1)
        shutil.rmtree(trained.model_dir)
        assert estimator.train(endless, steps=1).get_variable_value("w") == 5.0

    def test_applies_to_evaluate_and_predict_while_there_is_no_checkpoint(
        self, make_estimator, trained, three_batches, tmp_path
    ):
        estimator = make_estimator(folder=tmp_path / "new", warm_start_from=trained.model_dir)
        assert estimator.evaluate(three_batches) == {"loss": 6.0, "global_step": 0}
        assert [float(each["y"]) for each in estimator.predict(three_batches)] == [3.0, 6.0, 9.0]

    def test_from_where_there_is_nothing_is_an_error(self, make_estimator, endless, tmp_path):
        estimator = make_estimator(warm_start_from=str(tmp_path / "nowhere"))
        with pytest.raises(ValueError, match="warm_start_from must point to a checkpoint"):
            estimator.train(endless, steps=1)
