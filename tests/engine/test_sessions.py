"""Every way out of a session closes it and leaves the last checkpoint whole."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import tensorflow as tf

from tf_estimator.engine.sessions import monitored_session

v1 = tf.compat.v1


class BrokenError(Exception):
    """What the hooks of these tests raise."""


class Raises(v1.train.SessionRunHook):
    """Raises at one of its callbacks, in the second step if there are steps."""

    def __init__(self, where, error):
        self._where, self._error, self._steps = where, error, 0

    def _reached(self, where):
        if where == self._where:
            self._steps += 1
            if where not in ("before_run", "after_run") or self._steps == 2:
                raise self._error

    def begin(self):
        self._reached("begin")

    def after_create_session(self, session, coord):
        self._reached("after_create_session")

    def before_run(self, run_context):
        self._reached("before_run")

    def after_run(self, run_context, run_values):
        self._reached("after_run")

    def end(self, session):
        self._reached("end")


@pytest.fixture(params=["train", "evaluate", "predict"])
def use(request, trained, endless, three_batches):
    """Trains, evaluates or predicts for three steps, with the hooks that are given."""
    return {
        "train": lambda hooks: trained.train(endless, hooks=hooks, steps=3),
        "evaluate": lambda hooks: trained.evaluate(endless, hooks=hooks, steps=3),
        "predict": lambda hooks: list(trained.predict(three_batches, hooks=hooks)),
    }[request.param]


@pytest.mark.parametrize(
    "where", ["begin", "after_create_session", "before_run", "after_run", "end"]
)
@pytest.mark.parametrize("error", [BrokenError, KeyboardInterrupt])
def test_an_error_in_a_hook_closes_the_session_and_costs_no_checkpoint(
    use, trained, endless, watch, where, error
):
    hook = watch()
    with pytest.raises(error):
        use([hook, Raises(where, error)])
    assert hook.session is None or hook.closed
    newest = trained.latest_checkpoint()
    assert tf.train.load_variable(newest, "w") == tf.train.load_variable(newest, "global_step") >= 3
    reached = int(trained.get_variable_value("global_step"))
    assert trained.train(endless, steps=1).get_variable_value("global_step") == reached + 1


@pytest.mark.parametrize("error", [tf.errors.OutOfRangeError(None, None, "over"), StopIteration])
@pytest.mark.parametrize("where", ["before_run", "after_run"])
def test_a_hook_can_end_the_input(use, trained, watch, diary, where, error):
    hook = watch()
    use([hook, diary.hook("a"), Raises(where, error)])
    trained.close()
    assert hook.closed
    assert diary[-1] == "end a"


@pytest.mark.parametrize("where", ["begin", "after_create_session", "end"])
def test_the_end_of_something_else_in_a_hook_is_told_as_it_is(trained, endless, where):
    with pytest.raises(StopIteration):
        trained.train(endless, hooks=[Raises(where, StopIteration("mine"))], steps=2)


def test_a_session_that_a_hook_breaks_while_it_opens_is_closed(watch):
    with tf.Graph().as_default():
        tf.constant(1)
        hook = watch()
        creator = v1.train.ChiefSessionCreator(v1.train.Scaffold(saver=None))
        with pytest.raises(BrokenError):
            monitored_session(creator, [hook, Raises("after_create_session", BrokenError)])
    assert hook.closed


class TestStep:
    def test_an_error_keeps_what_was_saved_before(
        self, make_estimator, trivial_spec, endless, saved_steps
    ):
        def model_fn(features, mode):
            with tf.control_dependencies([v1.assert_less(features["x"], 2.5)]):
                loss = tf.reduce_sum(features["x"])
            return trivial_spec(mode, loss=loss)

        estimator = make_estimator(model_fn, save_checkpoints_steps=1)
        with pytest.raises(tf.errors.InvalidArgumentError):
            estimator.train(endless)
        assert saved_steps(estimator.model_dir) == [0, 1, 2]

    def test_an_error_of_the_input_keeps_what_was_saved_before(self, make_estimator, saved_steps):
        def numbers():
            yield [1.0]
            yield [2.0]
            raise BrokenError("the third is missing")

        def input_fn():
            spec = tf.TensorSpec([1], tf.float32)
            dataset = tf.data.Dataset.from_generator(numbers, output_signature=spec)
            return dataset.map(lambda x: {"x": x})

        estimator = make_estimator(save_checkpoints_steps=1)
        with pytest.raises(tf.errors.OpError, match="the third is missing"):
            estimator.train(input_fn)
        assert saved_steps(estimator.model_dir) == [0, 1, 2]

    @pytest.mark.skipif(
        threading.current_thread() is not threading.main_thread(), reason="signals need it"
    )
    def test_ctrl_c_ends_training_and_it_can_go_on(
        self, make_estimator, endless, watch, saved_steps
    ):
        def interrupt(steps, context):
            if steps == 3:
                os.kill(os.getpid(), signal.SIGINT)

        hook = watch(interrupt)
        estimator = make_estimator(save_checkpoints_steps=2)
        with pytest.raises(KeyboardInterrupt):
            estimator.train(endless, hooks=[hook])
        assert hook.closed
        newest = saved_steps(estimator.model_dir)[-1]
        assert newest in {2, 4}
        estimator.train(endless, steps=1)
        assert estimator.get_variable_value("w") == newest + 1


class TestSurroundings:
    def everything(self, estimator, endless, three_batches):
        estimator.train(endless, steps=1)
        loss = estimator.evaluate(three_batches)["loss"]
        return loss, [float(each["y"]) for each in estimator.predict(three_batches)]

    @pytest.mark.parametrize("session", [False, True])
    def test_an_outer_graph_and_session_stay_as_they_are(
        self, make_estimator, endless, three_batches, session
    ):
        with tf.Graph().as_default() as graph, v1.Session() as outer:
            given = (make_estimator(), endless, three_batches)
            if session:
                assert self.everything(*given) == (2.0, [1.0, 2.0, 3.0])
                assert v1.get_default_session() is outer
            else:
                with graph.as_default():
                    assert self.everything(*given) == (2.0, [1.0, 2.0, 3.0])
            assert v1.get_default_graph() is graph
            assert not graph.get_operations()

    def test_outer_name_and_device_scopes_do_not_reach_in(
        self, make_estimator, endless, three_batches
    ):
        estimator = make_estimator()
        with tf.name_scope("outer"), tf.device("/device:GPU:7"):
            assert self.everything(estimator, endless, three_batches)[0] == 2.0
        assert estimator.get_variable_names() == ["global_step", "w"]

    def test_another_thread_will_do(self, make_estimator, endless, three_batches):
        found = []
        given = (make_estimator(), endless, three_batches)
        thread = threading.Thread(target=lambda: found.append(self.everything(*given)))
        thread.start()
        thread.join()
        assert found == [(2.0, [1.0, 2.0, 3.0])]

    def test_eager_execution_is_on_before_and_after(self, make_estimator, endless, three_batches):
        self.everything(make_estimator(), endless, three_batches)
        assert tf.executing_eagerly()
        assert v1.get_default_session() is None

    def test_a_program_that_switches_tensorflow_2_off_runs_as_well_and_quietly(self, tmp_path):
        program = f"""
            import tensorflow as tf
            from tf_estimator import Estimator, EstimatorSpec
            v1 = tf.compat.v1
            v1.disable_v2_behavior()

            def model_fn(features, mode):
                w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
                loss = tf.reduce_mean((features["x"] * w - 2.0) ** 2)
                train_op = v1.train.GradientDescentOptimizer(0.5).minimize(
                    loss, v1.train.get_global_step()
                )
                return EstimatorSpec(
                    mode, predictions={{"y": features["x"] * w}}, loss=loss, train_op=train_op
                )

            def input_fn():
                return tf.data.Dataset.from_tensors({{"x": [1.0, 1.0]}}).repeat(3)

            estimator = Estimator(model_fn, {str(tmp_path)!r})
            estimator.train(input_fn).train(input_fn)
            assert estimator.evaluate(input_fn) == {{"loss": 0.0, "global_step": 6}}
            assert [each["y"] for each in estimator.predict(input_fn)] == [2.0] * 6
        """
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        # The program switches it off itself; what sessions call, nobody could change.
        notes = [line for line in done.stderr.splitlines() if "is deprecated" in line]
        assert all("disable_" in note for note in notes), notes
