"""TPUEstimatorSpec: its checks, and what it stands for on CPU and GPU."""

import functools

import pytest
import tensorflow as tf

from tf_estimator import EstimatorSpec, ModeKeys, export
from tf_estimator.tpu import TPUEstimatorSpec

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def loss():
    return tf.constant(1.0)


def mean_of(values):
    return {"mean": v1.metrics.mean(values)}


class Hook(v1.train.SessionRunHook):
    pass


@pytest.mark.parametrize("name", ["eval_metrics", "host_call"])
@pytest.mark.parametrize(
    ("given", "error"),
    [
        (3, ValueError),
        ({}, ValueError),
        ((), ValueError),
        ((mean_of,), ValueError),
        ((mean_of, [1], [2]), ValueError),
        ((3, [1]), TypeError),
        ((mean_of, 1), ValueError),
        ((mean_of, None), ValueError),
        ((mean_of, [1, 2]), RuntimeError),
        ((mean_of, []), RuntimeError),
        ((lambda first, second: first, (1,)), RuntimeError),
    ],
)
def test_a_wrong_function_is_refused_before_all_else(name, given, error):
    with pytest.raises(error, match=name):
        TPUEstimatorSpec("eval", **{name: given}, training_hooks=[3])


@pytest.mark.parametrize(
    ("function", "tensors"),
    [
        (lambda *values: mean_of(values[1]), [1.0, 2.0]),
        (lambda values, scale=2: mean_of(values), [2.0]),
        (lambda values, *, scale=2.0: mean_of(values * scale), (1.0,)),
        (functools.partial(lambda scale, values: mean_of(values), 3), [2.0]),
        (functools.partial(lambda values, scale: mean_of(values), scale=3), [2.0]),
        (mean_of, {"values": 2.0}),
        (lambda **given: mean_of(given["values"]), {"values": 2.0, "others": 1.0}),
    ],
)
@pytest.mark.parametrize("pair", [tuple, list])
def test_functions_that_fit_are_called_with_the_tensors(function, tensors, pair, loss):
    if isinstance(tensors, dict):
        tensors = {name: tf.constant(value) for name, value in tensors.items()}
    else:
        tensors = type(tensors)(tf.constant(value) for value in tensors)
    spec = TPUEstimatorSpec("eval", loss=loss, eval_metrics=pair((function, tensors)))
    value, update = spec.as_estimator_spec().eval_metric_ops["mean"]
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        session.run(update)
        assert session.run(value) == 2.0


def test_names_that_do_not_fit_are_an_error_of_the_call(loss):
    spec = TPUEstimatorSpec("eval", loss=loss, eval_metrics=(mean_of, {"other": loss}))
    with pytest.raises(TypeError, match="other"):
        spec.as_estimator_spec()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"mode": "train"}, ValueError, "Missing train_op"),
        ({"mode": "eval"}, ValueError, "Missing loss"),
        ({"mode": "infer"}, ValueError, "Missing predictions"),
        ({"mode": "eval", "loss": "x"}, TypeError, "loss must be a Tensor"),
        ({"mode": "eval", "training_hooks": [3]}, TypeError, "training_hooks"),
        ({"mode": "eval", "evaluation_hooks": 3}, TypeError, "evaluation_hooks"),
        ({"mode": "eval", "prediction_hooks": [3]}, TypeError, "prediction_hooks"),
        ({"mode": "x", "predictions": {"a": 3}}, TypeError, "predictions"),
        ({"mode": "infer", "predictions": 1.0, "export_outputs": 3}, TypeError, "predictions"),
    ],
    ids=str,
)
def test_the_fields_are_checked_as_those_of_estimator_spec(given, error, message):
    with pytest.raises(error, match=message):
        TPUEstimatorSpec(**given)


def test_fields_are_as_those_of_estimator_spec(loss):
    spec = TPUEstimatorSpec("eval", loss=tf.reshape(loss, [1]))
    assert spec.loss.shape == []
    assert spec.predictions == {}
    assert spec[3:] == (None, None, None, None, None, (), (), ())
    assert not isinstance(spec, EstimatorSpec)
    with pytest.raises(AttributeError):
        spec.loss = loss
    spec.note = "programs may"
    output = export.PredictOutput({"a": loss})
    exported = TPUEstimatorSpec("infer", {"a": loss}, export_outputs={"mine": output})
    assert exported.export_outputs == {"mine": output, "serving_default": output}


def test_replace_checks_nothing(loss):
    spec = TPUEstimatorSpec("eval", loss=loss)._replace(eval_metrics=3)
    assert spec.eval_metrics == 3


def test_the_repr_has_what_was_given(loss):
    assert repr(TPUEstimatorSpec("eval", loss=loss)).startswith("TPUEstimatorSpec(mode='eval', los")
    assert "hooks" not in repr(TPUEstimatorSpec("eval", loss=loss))
    with_hook = TPUEstimatorSpec("eval", loss=loss, training_hooks=iter([Hook()]))
    assert "training_hooks=" in repr(with_hook)


def test_hooks_scaffold_and_the_rest_go_over(loss):
    hooks = [Hook() for _ in range(3)]
    scaffold = v1.train.Scaffold()
    spec = TPUEstimatorSpec(
        ModeKeys.TRAIN,
        predictions={"a": loss},
        loss=loss,
        train_op=tf.no_op(),
        scaffold_fn=lambda: scaffold,
        training_hooks=[hooks[0]],
        evaluation_hooks=[hooks[1]],
        prediction_hooks=[hooks[2]],
    )
    made = spec.as_estimator_spec()
    assert type(made) is EstimatorSpec
    assert made.scaffold is scaffold
    assert (made.loss, made.train_op, made.predictions) == (spec.loss, spec.train_op, {"a": loss})
    assert made.training_hooks + made.evaluation_hooks + made.prediction_hooks == tuple(hooks)
    assert made.training_chief_hooks == ()


def test_a_scaffold_fn_that_gives_none(loss):
    spec = TPUEstimatorSpec("eval", loss=loss, scaffold_fn=lambda: None).as_estimator_spec()
    assert isinstance(spec.scaffold, v1.train.Scaffold)


def test_what_a_host_call_makes_runs_with_the_train_op(loss):
    count = v1.get_variable("count", initializer=0, trainable=False, use_resource=True)
    spec = TPUEstimatorSpec(
        ModeKeys.TRAIN,
        loss=loss,
        train_op=tf.no_op(),
        host_call=(lambda a: {"first": [count.assign_add(a)], "none": None}, [tf.constant(2)]),
    ).as_estimator_spec()
    with v1.Session() as session:
        session.run(count.initializer)
        session.run(spec.train_op)
        assert session.run(count) == 2


@pytest.mark.parametrize("mode", [ModeKeys.EVAL, ModeKeys.PREDICT])
def test_what_a_host_call_makes_runs_with_a_hook_where_nothing_trains(mode, loss):
    count = v1.get_variable("count", initializer=0, trainable=False, use_resource=True)
    spec = TPUEstimatorSpec(
        mode,
        loss=loss,
        predictions={"a": loss},
        host_call=(lambda a: [count.assign_add(a)], {"a": tf.constant(2)}),
    ).as_estimator_spec()
    hooks = {ModeKeys.EVAL: spec.evaluation_hooks, ModeKeys.PREDICT: spec.prediction_hooks}[mode]
    assert spec.training_hooks == spec.evaluation_hooks == spec.prediction_hooks
    with v1.train.MonitoredSession(hooks=hooks) as session:
        session.run(loss)
        session.run(loss)
        assert session._tf_sess().run(count) == 4


def test_a_host_call_may_give_nothing(loss):
    spec = TPUEstimatorSpec("eval", loss=loss, host_call=(lambda a: None, [loss]))
    [hook] = spec.as_estimator_spec().evaluation_hooks
    with v1.train.MonitoredSession(hooks=[hook]) as session:
        assert session.run(loss) == 1.0
    assert hook.next_look(3) is None


def test_functions_of_two_specs_do_not_mix(loss):
    """The original kept them in one place for all."""
    first = TPUEstimatorSpec("eval", loss=loss, eval_metrics=(mean_of, [loss]))
    second = TPUEstimatorSpec("eval", loss=loss, host_call=(lambda a: a, [loss]))
    assert set(first.as_estimator_spec().eval_metric_ops) == {"mean"}
    assert first.as_estimator_spec().evaluation_hooks == ()
    assert second.as_estimator_spec().eval_metric_ops == {}


def test_a_hook_opens_writers_and_has_them_write_at_the_end(graph, loss, tmp_path):
    def write(loss):
        with tf.summary.create_file_writer(str(tmp_path)).as_default(), tf.summary.record_if(True):
            return tf.summary.scalar("loss", loss, step=1)

    spec = TPUEstimatorSpec("eval", loss=loss, host_call=(write, [loss])).as_estimator_spec()
    [hook] = spec.evaluation_hooks
    hook.begin()
    size = len(graph.get_operations())
    graph.finalize()
    hook.begin()  # as for another checkpoint of the same graph
    assert len(graph.get_operations()) == size
    with v1.Session() as session:
        hook.after_create_session(session, None)
        session.run(hook.before_run(None).fetches)
        hook.end(session)
        [file] = tmp_path.iterdir()
        tags = [v.tag for e in v1.train.summary_iterator(str(file)) for v in e.summary.value]
        assert tags == ["loss"]
