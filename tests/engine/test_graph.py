"""The graph of a model_fn: what is in it beforehand, where it is placed, what its scaffold says."""

import json

import pytest
import tensorflow as tf

v1 = tf.compat.v1


class TestScaffold:
    def test_init_fn_runs_when_there_is_nothing_to_restore(
        self, make_estimator, counting, trivial_spec, endless
    ):
        def model_fn(features, labels, mode):
            spec = counting(features, labels, mode)
            w = v1.global_variables("w")[0]
            scaffold = v1.train.Scaffold(init_fn=lambda _, session: w.load(10.0, session))
            return spec._replace(scaffold=scaffold)

        estimator = make_estimator(model_fn).train(endless, steps=1).train(endless, steps=1)
        assert estimator.get_variable_value("w") == 12.0

    def test_init_op_is_fed(self, make_estimator, counting, endless):
        def model_fn(features, labels, mode):
            spec = counting(features, labels, mode)
            start = v1.placeholder(tf.float32, [])
            step = v1.train.get_global_step()
            init_op = tf.group(step.initializer, v1.global_variables("w")[0].assign(start))
            scaffold = v1.train.Scaffold(init_op=init_op, init_feed_dict={start: 20.0})
            return spec._replace(scaffold=scaffold)

        assert make_estimator(model_fn).train(endless, steps=1).get_variable_value("w") == 21.0

    def test_a_model_that_never_gets_ready_is_an_error(self, make_estimator, trivial_spec, endless):
        def model_fn(features, mode):
            never = v1.train.Scaffold(ready_op=tf.constant(["w is missing"]))
            return trivial_spec(mode, scaffold=never)

        with pytest.raises(RuntimeError, match="w is missing"):
            make_estimator(model_fn).train(endless, steps=1)

    def test_its_saver_decides_what_is_saved_and_under_which_name(
        self, make_estimator, counting, endless, three_batches
    ):
        def model_fn(features, labels, mode):
            spec = counting(features, labels, mode)
            names = {
                "renamed": v1.global_variables("w")[0],
                "global_step": v1.train.get_global_step(),
            }
            return spec._replace(scaffold=v1.train.Scaffold(saver=v1.train.Saver(names)))

        estimator = make_estimator(model_fn).train(endless, steps=1).train(endless, steps=1)
        assert estimator.get_variable_names() == ["global_step", "renamed"]
        assert estimator.evaluate(three_batches)["loss"] == 4.0
        assert [float(each["y"]) for each in estimator.predict(three_batches)] == [2.0, 4.0, 6.0]

    def test_a_saver_in_the_collection_is_used_too(self, make_estimator, trivial_spec, endless):
        def model_fn(features, mode):
            v1.get_variable("unsaved", [])
            saver = v1.train.Saver([v1.train.get_global_step()])
            v1.add_to_collection(v1.GraphKeys.SAVERS, saver)
            return trivial_spec(mode)

        estimator = make_estimator(model_fn).train(endless, steps=1)
        assert estimator.get_variable_names() == ["global_step"]


class TestGraph:
    def test_step_and_seed_are_there_before_input_fn_and_model_fn(
        self, make_estimator, trivial_spec
    ):
        seen = []

        def look():
            graph = v1.get_default_graph()
            seen.append((graph.seed, v1.train.get_global_step(graph).dtype.base_dtype))

        def input_fn():
            look()
            return {"x": tf.ones([1])}

        def model_fn(features, mode):
            look()
            return trivial_spec(mode)

        make_estimator(model_fn, tf_random_seed=3).train(input_fn, steps=1)
        assert seen == [(3, tf.int64)] * 2

    @pytest.mark.parametrize("seed", [1, 2])
    def test_the_seed_makes_runs_repeat(self, make_estimator, trivial_spec, tmp_path, seed):
        def input_fn():
            return tf.data.Dataset.range(50).shuffle(50).map(lambda x: {"x": tf.cast(x, "float32")})

        def model_fn(features, mode):
            w = v1.get_variable("w", [])
            update = w.assign_add(features["x"] * tf.random.uniform([]))
            step = v1.assign_add(v1.train.get_global_step(), 1)
            return trivial_spec(mode, train_op=tf.group(update, step))

        values = [
            make_estimator(model_fn, tmp_path / f"{run}", tf_random_seed=run_seed)
            .train(input_fn, steps=2)
            .get_variable_value("w")
            for run, run_seed in enumerate((seed, seed, seed + 10))
        ]
        assert values[0] == values[1] != values[2]

    def test_the_device_function_places_what_model_fn_makes(
        self, make_estimator, trivial_spec, endless
    ):
        devices = {}

        def model_fn(features, mode):
            devices["variable"] = v1.get_variable("w", []).device
            devices["tensor"] = tf.constant(1.0).device
            return trivial_spec(mode)

        def device_fn(op):
            return "/device:GPU:1" if op.type == "VarHandleOp" else "/device:CPU:0"

        estimator = make_estimator(model_fn, device_fn=device_fn).train(endless, steps=1)
        assert devices == {"variable": "/device:GPU:1", "tensor": "/device:CPU:0"}
        estimator.evaluate(endless, steps=1)  # Runs where it is built.
        assert devices == {"variable": "", "tensor": ""}

    def test_variables_go_to_parameter_servers_in_turn(self, make_estimator, endless, monkeypatch):
        hosts = {"chief": ["a:1"], "ps": ["b:1", "c:1"]}
        task = {"type": "chief", "index": 0}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": hosts, "task": task}))
        devices = []

        class SeenError(Exception):
            pass

        def model_fn(features, mode):
            made = [v1.get_variable(name, []) for name in "vw"]
            devices.extend(one.device for one in (*made, made[0] + made[1]))
            raise SeenError  # Nobody is at these addresses.

        with pytest.raises(SeenError):
            make_estimator(model_fn).train(endless, steps=1)
        # The global step is on the first one.
        assert devices == ["/job:ps/task:1", "/job:ps/task:0", "/job:chief/task:0"]

    def test_the_session_config_is_used(self, make_estimator, endless, watch):
        session_config = v1.ConfigProto(intra_op_parallelism_threads=3)
        hook = watch()
        make_estimator(session_config=session_config).train(endless, hooks=[hook], steps=1)
        assert hook.session._config.intra_op_parallelism_threads == 3

    def test_tables_of_the_model_are_initialized_and_not_saved(self, make_estimator, trivial_spec):
        def input_fn():
            return tf.data.Dataset.from_tensors({"word": ["b", "z"]})

        def model_fn(features, mode):
            initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], [10.0, 20.0])
            found = tf.lookup.StaticHashTable(initializer, -1.0).lookup(features["word"])
            return trivial_spec(mode, loss=tf.reduce_sum(found), predictions={"found": found})

        estimator = make_estimator(model_fn).train(input_fn)
        assert estimator.get_variable_names() == ["global_step"]
        assert estimator.evaluate(input_fn)["loss"] == 19.0
        assert [each["found"] for each in estimator.predict(input_fn)] == [20.0, -1.0]

    @pytest.mark.parametrize("where", ["another graph", "eager"])
    def test_tensors_from_elsewhere_are_refused(
        self, make_estimator, trivial_spec, endless, where, tmp_path
    ):
        if where == "eager":
            stranger = tf.constant(1.0)
        else:
            with tf.Graph().as_default():
                stranger = tf.constant(1.0)

        def model_fn(features, mode):
            return trivial_spec(mode, loss=stranger, train_op=tf.no_op())

        estimator = make_estimator(model_fn)
        with pytest.raises(ValueError, match="must be from the default graph"):
            estimator.train(endless, steps=1)
        assert estimator.latest_checkpoint() is None
