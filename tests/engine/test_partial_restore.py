"""RunConfig.ignore_missing and Estimator.restore_report: a checkpoint that lacks variables."""

import copy
import os

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig
from tf_estimator.checkpoint import RestoreReport
from tf_estimator.engine import partial_restore
from tf_estimator.export import TensorServingInputReceiver

v1 = tf.compat.v1


def build(variables, features, mode):
    """A spec of scalar variables by name, given their first values; y is their sum."""
    made = [
        v1.get_variable(name, initializer=float(value)) if not callable(value) else value()
        for name, value in variables.items()
    ]
    numbers = [tf.convert_to_tensor(one) for one in made]
    y = tf.add_n([tf.reduce_sum(n) for n in numbers if n.dtype == tf.float32]) + features[0]
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=tf.reshape(y, [1]))
    with tf.control_dependencies([y]):
        step = v1.assign_add(v1.train.get_global_step(), 1).op
    return EstimatorSpec(mode, loss=y, train_op=step)


def input_fn():
    return tf.data.Dataset.from_tensors(tf.zeros([1])).repeat(2)


def receiver():
    x = v1.placeholder(tf.float32, [None])
    return TensorServingInputReceiver(x, x)


@pytest.fixture
def make(tmp_path):
    """Makes an Estimator of some variables on one folder."""

    def make(variables, scaffold=None, name="model", warm_start_from=None, **config):
        def model_fn(features, mode):
            spec = build(variables, features, mode)
            return spec._replace(scaffold=scaffold()) if scaffold else spec

        config = {"ignore_missing": True, "save_checkpoints_steps": 100} | config
        config = RunConfig(save_summary_steps=None, log_step_count_steps=None, **config)
        return Estimator(model_fn, tmp_path / name, config, warm_start_from=warm_start_from)

    return make


@pytest.fixture
def old(make):
    """Trained for two steps with the variables a = 1 and b = 2."""
    return make({"a": 1, "b": 2}).train(input_fn)


NEW = {"a": 10, "c": 30}


def report_of(estimator, restored=("a", "global_step"), new=("c",), left_over=("b",)):
    return RestoreReport(estimator.latest_checkpoint(), restored, new, left_over)


def values(estimator, *names):
    return [estimator.get_variable_value(name) for name in names]


class TestIgnoreMissing:
    def test_training_goes_on_with_what_there_is(self, make, old, caplog):
        estimator = make(NEW)
        assert estimator.restore_report is None
        expected = report_of(estimator)
        with caplog.at_level("WARNING"):
            estimator.train(input_fn)
        assert estimator.restore_report == expected
        assert values(estimator, "a", "c", "global_step") == [1.0, 30.0, 4]
        assert "are new, and have their initial values: c." in caplog.text
        assert "are only in the checkpoint: b." in caplog.text

    def test_the_next_restore_is_a_whole_one(self, make, old, caplog):
        estimator = make(NEW).train(input_fn)
        caplog.clear()
        assert estimator.evaluate(input_fn)["loss"] == 31.0
        assert estimator.restore_report == report_of(
            estimator, ("a", "c", "global_step"), new=(), left_over=()
        )
        assert "Restored" not in caplog.text

    @pytest.mark.parametrize("call", ["evaluate", "predict", "export"])
    def test_other_methods_take_what_there_is(self, make, old, tmp_path, call, caplog):
        estimator = make(NEW)
        if call == "evaluate":
            assert estimator.evaluate(input_fn)["loss"] == 31.0
        elif call == "predict":
            assert next(estimator.predict(input_fn)) == 31.0
        else:
            exported = os.fsdecode(estimator.export_saved_model(tmp_path / "out", receiver))
            weights = os.path.join(exported, "variables", "variables")
            read = [tf.train.load_variable(weights, name) for name in ("a", "c", "global_step")]
            assert read == [1.0, 30.0, 2]
        assert estimator.restore_report == report_of(estimator)
        assert "as ignore_missing allows" in caplog.text

    def test_all_checkpoints_can_be_evaluated(self, make, old):
        estimator = make(NEW)
        first = estimator.latest_checkpoint()
        estimator.train(input_fn)
        with_other = make({**NEW, "d": 500})
        results = with_other.evaluate_checkpoints(input_fn, [first, estimator.latest_checkpoint()])
        assert [result["loss"] for result in results.values()] == [531.0, 531.0]
        assert with_other.restore_report.new == ("d",)

    def test_the_oldest_are_deleted_as_ever(self, make):
        make({"a": 1}, save_checkpoints_steps=1, keep_checkpoint_max=2).train(input_fn)
        estimator = make(NEW, save_checkpoints_steps=1, keep_checkpoint_max=2).train(input_fn)
        steps = tf.io.gfile.glob(estimator.model_dir + "/model.ckpt-*.index")
        assert sorted(os.path.basename(path) for path in steps) == [
            "model.ckpt-3.index",
            "model.ckpt-4.index",
        ]

    @pytest.mark.parametrize("call", ["train", "evaluate"])
    def test_another_shape_is_still_an_error(self, make, old, call):
        estimator = make({"a": lambda: v1.get_variable("a", [2]), "c": 3})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"differ: a: \(2,\)") as raised:
            getattr(estimator, call)(input_fn)
        assert "ignore_missing" not in str(raised.value)
        assert estimator.restore_report is None

    @pytest.mark.parametrize("call", ["train", "evaluate"])
    def test_without_it_the_error_names_it(self, make, old, call):
        estimator = make(NEW, ignore_missing=False)
        with pytest.raises(tf.errors.NotFoundError, match=r"RunConfig\(ignore_missing=True\)"):
            getattr(estimator, call)(input_fn)

    def test_a_warm_start_is_for_a_folder_without_checkpoints(self, make, old):
        source = make({"a": 7, "c": 8}, name="source").train(input_fn)
        estimator = make(NEW, warm_start_from=source.model_dir).train(input_fn)
        assert values(estimator, "a", "c") == [1.0, 30.0]


class TestInitialValues:
    def test_a_new_variable_may_start_from_an_old_one(self, make, old):
        def average():
            ema = v1.train.ExponentialMovingAverage(0.9)
            a = v1.global_variables("a")[0]
            ema.apply([a])
            return ema.average(a)

        estimator = make({"a": 10, "average": average}).train(input_fn)
        assert values(estimator, "a", "a/ExponentialMovingAverage") == [1.0, 1.0]

    @pytest.mark.parametrize("how", ["init_fn", "init_op", "feed", "subclass"])
    def test_the_scaffold_may_set_it(self, make, old, how):
        class Finalizing(v1.train.Scaffold):
            def finalize(self):
                finalized.append(self)
                return super().finalize()

        def scaffold():
            a, c = v1.global_variables("a")[0], v1.global_variables("c")[0]
            everything = tf.group(a.assign(70.0), c.assign(80.0))
            if how == "init_fn":
                return v1.train.Scaffold(init_fn=lambda _, session: session.run(everything))
            if how == "init_op":
                step = v1.train.get_global_step()
                return v1.train.Scaffold(init_op=tf.group(everything, step.initializer))
            if how == "feed":
                return v1.train.Scaffold(init_feed_dict={c.initializer.inputs[1]: 80.0})
            return Finalizing(init_fn=lambda _, session: session.run(everything))

        finalized = []
        estimator = make(NEW, scaffold).train(input_fn)
        assert values(estimator, "a", "c") == [1.0, 80.0]
        assert len(finalized) == (how == "subclass")

    def test_a_hook_may_add_a_variable(self, make, old):
        class Adds(v1.train.SessionRunHook):
            def begin(self):
                v1.get_variable("of_hook", initializer=5.0)

        variables = {"a": 10, "b": 20}
        with pytest.raises(tf.errors.NotFoundError, match="not in the checkpoint: of_hook"):
            make(variables, ignore_missing=False).train(input_fn, hooks=[Adds()])
        estimator = make(variables).train(input_fn, hooks=[Adds()])
        assert values(estimator, "a", "of_hook") == [1.0, 5.0]

    def test_a_session_that_is_lost_is_restored_whole(self, make, old):
        class Lose(v1.train.SessionRunHook):
            lost, sessions = False, 0

            def after_create_session(self, session, coord):
                self.sessions += 1

            def before_run(self, run_context):
                if not self.lost:
                    self.lost = True
                    raise tf.errors.AbortedError(None, None, "the worker is gone")

        hook = Lose()
        estimator = make(NEW).train(input_fn, hooks=[hook])
        assert hook.sessions == 2
        assert values(estimator, "a", "c", "global_step") == [1.0, 30.0, 4]
        assert estimator.restore_report.new == ()


def _parts(name, parts, value, axis=0):
    """Makes a variable of shape [6, 4], in parts."""

    def initial(shape, dtype, partition_info=None):
        offset = partition_info.var_offset if partition_info else [0, 0]
        part = tuple(slice(n, n + size) for n, size in zip(offset, shape, strict=True))
        return tf.constant(np.broadcast_to(value, [6, 4])[part], dtype)

    def make_parts():
        split = v1.fixed_size_partitioner(parts, axis=axis)
        return v1.get_variable(name, [6, 4], initializer=initial, partitioner=split)

    return make_parts


ROWS = np.arange(24.0).reshape([6, 4])


@pytest.fixture(params=["at once", "one at a time"])
def memory(request, monkeypatch):
    if request.param == "one at a time":
        monkeypatch.setattr(partial_restore, "_BYTES_AT_A_TIME", 0)


@pytest.mark.usefixtures("memory")
class TestKindsOfVariables:
    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 1), (1, 2), (1, 4)])
    def test_partitioned(self, make, before, after, axis):
        make({"w": _parts("w", before, ROWS)}).train(input_fn)
        new = {"w": _parts("w", after, 0.0, axis), "v": _parts("v", 2, 9.0)}
        estimator = make(new).train(input_fn)
        assert estimator.restore_report.restored == ("global_step", "w")
        assert estimator.restore_report.new == ("v",)
        assert estimator.get_variable_value("w").tolist() == ROWS.tolist()
        assert np.unique(estimator.get_variable_value("v")).tolist() == [9.0]

    def test_strings_references_and_unknown_shapes(self, make):
        def various(text, number):
            def make_various():
                v1.get_variable("text", initializer=tf.constant([text, "end"]))
                v1.get_variable("flag", initializer=tf.constant(number > 1), use_resource=False)
                v1.get_variable("ref", initializer=float(number), use_resource=False)
                return tf.Variable(tf.zeros([number]), shape=tf.TensorShape(None), name="free")

            return make_various

        make({"various": various("a", 3)}).train(input_fn)
        estimator = make({"various": various("b", 1), "c": 1}).train(input_fn)
        text, flag, ref, free = values(estimator, "text", "flag", "ref", "free")
        assert (text.tolist(), flag, ref, free.shape) == ([b"a", b"end"], True, 3.0, (3,))

    def test_on_several_devices(self, make):
        def on(device, name, value):
            def make_it():
                with tf.device(device):
                    return v1.get_variable(name, initializer=float(value))

            return make_it

        config = {"session_config": v1.ConfigProto(device_count={"CPU": 2})}
        make({"a": on("/cpu:0", "a", 1), "b": on("/cpu:1", "b", 2)}, **config).train(input_fn)
        new = {"a": on("/cpu:0", "a", 3), "b": on("/cpu:1", "b", 4), "c": on("/cpu:1", "c", 5)}
        estimator = make(new, **config).train(input_fn)
        assert values(estimator, "a", "b", "c") == [1.0, 2.0, 5.0]

    def test_tables(self, make):
        def table(name, key, filled):
            def make_table():
                table = tf.lookup.experimental.MutableHashTable(
                    tf.string, tf.float32, -1.0, name=name
                )
                if filled:
                    insert = table.insert(tf.constant([key]), tf.constant([5.0]))
                    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, insert)
                return table.lookup(tf.constant(key))

            return make_table

        make({"old": table("old", "x", filled=True)}).train(input_fn)
        variables = {"old": table("old", "x", False), "new": table("new", "y", False), "c": 30}
        estimator = make(variables)
        assert estimator.evaluate(input_fn)["loss"] == 5.0 - 1.0 + 30.0
        assert estimator.restore_report.restored == ("global_step", "old-keys", "old-values")
        assert estimator.restore_report.new == ("c", "new-keys", "new-values")


class TestReport:
    def test_it_is_there_without_ignore_missing(self, make, old, caplog):
        estimator = make({"a": 10}, ignore_missing=False)
        with caplog.at_level("INFO"):
            estimator.evaluate(input_fn)
        assert estimator.restore_report == report_of(estimator, new=())
        assert "2 restored, 0 new, 1 left over. Variables that are only in" in caplog.text

    def test_there_is_none_without_a_restore(self, make):
        assert make({"a": 1}).train(input_fn, steps=1).restore_report is None

    def test_it_stays_when_a_restored_run_fails(self, make, old):
        class Fails(v1.train.SessionRunHook):
            def after_run(self, run_context, run_values):
                raise RuntimeError("failed")

        estimator = make(NEW)
        with pytest.raises(RuntimeError, match="failed"):
            estimator.train(input_fn, hooks=[Fails()])
        assert estimator.restore_report.new == ("c",)

    @pytest.mark.parametrize("call", ["train", "evaluate"])
    def test_a_saver_of_the_model_does_not_tell(self, make, old, call):
        def own_saver():
            saved = [*v1.global_variables("a"), v1.train.get_global_step()]
            ready = tf.constant([], tf.string)
            return v1.train.Scaffold(saver=v1.train.Saver(saved), ready_op=ready)

        estimator = make({"a": 10})
        estimator.evaluate(input_fn)
        assert estimator.restore_report is not None
        with_saver = make({"a": 10}, own_saver)
        with_saver._restore_report = estimator.restore_report
        getattr(with_saver, call)(input_fn)
        assert with_saver.restore_report is None

    def test_it_is_a_value(self):
        one, other = (RestoreReport("/m/model.ckpt-2", ("a", "b"), ("c",), ()) for _ in range(2))
        assert one == other
        assert hash(one) == hash(other)
        assert copy.deepcopy(one) == one
        assert repr(one) == "<RestoreReport /m/model.ckpt-2: 2 restored, 1 new, 0 left over>"
        assert str(one).splitlines() == [
            "/m/model.ckpt-2: 2 restored, 1 new, 0 left over",
            "restored   a",
            "restored   b",
            "new        c",
        ]

    def test_an_old_subclass_may_have_a_member_of_its_name(self, make, old):
        class Older(Estimator):
            restore_report = "mine"

        config = RunConfig(ignore_missing=True, log_step_count_steps=None)
        model_fn, folder = make(NEW).model_fn, old.model_dir
        older = Older(lambda features, mode: model_fn(features, None, mode, None), folder, config)
        assert older.evaluate(input_fn)["loss"] == 31.0
        assert older.restore_report == "mine"
