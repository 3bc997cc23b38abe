"""EstimatorSpec: what each field takes, what becomes of it, and what the errors say."""

import collections
import copy
import inspect
import pickle
import sys

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.spec import (
    ClassificationOutput,
    EstimatorSpec,
    ModeKeys,
    PredictOutput,
    RegressionOutput,
)

v1 = tf.compat.v1

MODES = [ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT]
HOOKS = ["training_hooks", "training_chief_hooks", "evaluation_hooks", "prediction_hooks"]
EAGER_TENSOR = tf.constant(1.0)


class Hook(v1.train.SessionRunHook):
    pass


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def required():
    """The fields that make every mode valid."""
    return {
        "loss": tf.constant(1.0),
        "train_op": tf.no_op(),
        "predictions": {"p": tf.constant([1.0])},
    }


def spec(mode=ModeKeys.EVAL, **fields):
    return EstimatorSpec(mode, **{**required(), **fields})


def elsewhere(make):
    with tf.Graph().as_default():
        return make()


def resource_variable(value=1.0):
    return v1.Variable(value, use_resource=True)


def ref_variable(value=1.0):
    return v1.Variable(value, use_resource=False)


NO_TENSORS = [
    1.0,
    1,
    "loss",
    np.float32(1.0),
    np.array([1.0]),
    lambda: [tf.constant(1.0)],
    lambda: tf.sparse.from_dense([1.0]),
    lambda: tf.ragged.constant([[1.0]]),
    lambda: tf.IndexedSlices(tf.constant([1.0]), tf.constant([0])),
    tf.no_op,
]


def made(value):
    return value() if inspect.isfunction(value) else value


class TestNamedTuple:
    def test_fields(self):
        assert EstimatorSpec._fields == (
            "mode",
            "predictions",
            "loss",
            "train_op",
            "eval_metric_ops",
            "export_outputs",
            "training_chief_hooks",
            "training_hooks",
            "scaffold",
            "evaluation_hooks",
            "prediction_hooks",
        )
        assert list(inspect.signature(EstimatorSpec).parameters) == list(EstimatorSpec._fields)

    def test_defaults(self):
        tensor = tf.constant([1.0])
        one = EstimatorSpec("infer", tensor)
        assert one.predictions is tensor
        assert (one.loss, one.train_op, one.eval_metric_ops) == (None, None, {})
        assert [getattr(one, name) for name in HOOKS] == [()] * 4
        assert isinstance(one.scaffold, v1.train.Scaffold)

    def test_is_a_tuple(self):
        one = spec()
        mode, *rest = one
        assert mode == "eval"
        assert tuple(one._asdict().values()) == (mode, *rest)
        assert isinstance(one, tuple)

    def test_fields_cannot_be_assigned_but_attributes_can(self):
        one = spec()
        with pytest.raises(AttributeError):
            one.loss = tf.constant(2.0)
        one.note = "as ever"

    def test_make_does_not_check(self):
        assert EstimatorSpec._make(range(11)) == tuple(range(11))
        with pytest.raises(TypeError):
            EstimatorSpec._make(range(3))

    def test_copy(self):
        one = spec("infer", eval_metric_ops={"m": (tf.constant(1.0), tf.no_op())})
        other = copy.copy(one)
        assert type(other) is EstimatorSpec
        assert other == one

    def test_pickle(self):
        one = EstimatorSpec("other mode")
        other = pickle.loads(pickle.dumps(one))
        assert type(other) is EstimatorSpec
        assert other[:8] == one[:8]

    def test_repr_shows_what_was_given_in_short(self):
        one = EstimatorSpec(
            "eval", loss=tf.constant(1.0, name="loss"), training_hooks=[Hook()] * 99
        )
        text = repr(one)
        assert text.startswith("EstimatorSpec(mode='eval', loss=<tf.Tensor 'loss:0'")
        assert "predictions" not in text
        assert "prediction_hooks" not in text
        assert len(text) < 1000

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_repr_of_eager_tensors(self, value):
        assert "predictions=" in repr(EstimatorSpec._make([tf.constant(value)] * 11))


class TestReplace:
    def test_checks_again(self):
        one = spec()
        assert one._replace(loss=tf.constant([2.0])).loss.shape == ()
        with pytest.raises(TypeError, match="loss"):
            one._replace(loss=2.0)

    def test_keeps_the_rest(self):
        one = spec("infer")
        other = one._replace(mode="infer")
        assert other == one
        assert other is not one

    def test_mode_cannot_change(self):
        with pytest.raises(ValueError, match="mode"):
            spec("eval")._replace(mode="train")

    def test_unknown_names(self):
        with pytest.raises(ValueError, match="los"):
            spec()._replace(los=tf.constant(1.0))

    @pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace is of Python 3.13")
    def test_copy_replace_checks_too(self):
        with pytest.raises(TypeError, match="loss"):
            copy.replace(spec(), loss=2.0)


class TestMode:
    @pytest.mark.parametrize("mode", ["predict", "", None, 1, ("train",), b"train"])
    def test_is_not_validated(self, mode):
        assert EstimatorSpec(mode).mode == mode

    @pytest.mark.parametrize("mode", MODES)
    def test_everything_may_be_given_in_every_mode(self, mode):
        assert spec(mode).mode == mode

    @pytest.mark.parametrize(
        ("mode", "missing"),
        [
            ("train", "train_op"),
            ("train", "loss"),
            ("eval", "loss"),
            ("infer", "predictions"),
        ],
    )
    def test_what_is_required(self, mode, missing):
        with pytest.raises(ValueError, match=f"Missing {missing}"):
            spec(mode, **{missing: None})

    @pytest.mark.parametrize(
        ("mode", "optional"),
        [
            ("train", "predictions"),
            ("eval", "train_op"),
            ("eval", "predictions"),
            ("infer", "loss"),
            ("infer", "train_op"),
        ],
    )
    def test_what_is_not_required(self, mode, optional):
        assert not getattr(spec(mode, **{optional: None}), optional)


class TestTrainOp:
    @pytest.mark.parametrize("make", [tf.no_op, lambda: tf.constant(1), lambda: tf.constant([1])])
    def test_operations_and_tensors_are_kept(self, make):
        train_op = make()
        assert spec("train", train_op=train_op).train_op is train_op

    @pytest.mark.parametrize(
        "make",
        [
            resource_variable,
            ref_variable,
            lambda: v1.train.get_or_create_global_step().assign_add(1),
        ],
    )
    def test_a_variable_becomes_its_operation(self, make):
        variable = make()
        assert spec("train", train_op=variable).train_op is variable.op

    @pytest.mark.parametrize("value", [*NO_TENSORS[:-1], lambda: {"a": tf.no_op()}])
    def test_wrong_types(self, value):
        with pytest.raises(TypeError, match="train_op"):
            spec("eval", train_op=made(value))


class TestLoss:
    @pytest.mark.parametrize("shape", [[1], [1, 1], [None], [1, None], [None, None]])
    def test_one_element_becomes_a_scalar(self, shape):
        assert spec(loss=v1.placeholder(tf.float32, shape)).loss.shape == ()

    @pytest.mark.parametrize("make", [lambda: tf.constant(1.0), lambda: v1.placeholder(tf.int32)])
    def test_scalars_and_unknown_ranks_are_kept(self, make):
        loss = make()
        assert spec(loss=loss).loss is loss

    @pytest.mark.parametrize("shape", [[2], [0], [1, 2], [2, None], [0, None], [3, 1]])
    def test_more_or_less_than_one_element(self, shape):
        with pytest.raises(ValueError, match="Loss must be scalar"):
            spec(loss=v1.placeholder(tf.float32, shape))

    @pytest.mark.parametrize("make", [resource_variable, ref_variable])
    def test_variables(self, make):
        loss = make()
        assert spec(loss=loss).loss is loss
        assert isinstance(spec(loss=make([1.0])).loss, tf.Tensor)

    @pytest.mark.parametrize("value", NO_TENSORS)
    def test_wrong_types(self, value):
        with pytest.raises(TypeError, match="loss"):
            spec(loss=made(value))


class TestPredictions:
    def test_none_becomes_empty(self):
        assert spec(predictions=None).predictions == {}

    @pytest.mark.parametrize("make", [lambda: tf.constant(1.0), resource_variable, ref_variable])
    def test_a_tensor_is_kept(self, make):
        tensor = make()
        assert spec(predictions=tensor).predictions is tensor

    @pytest.mark.parametrize("kind", [dict, collections.OrderedDict])
    def test_a_dict_becomes_a_new_one(self, kind):
        given = kind(b=tf.constant(1.0), a=resource_variable())
        one = spec(predictions=given)
        assert type(one.predictions) is dict
        assert one.predictions is not given
        assert list(one.predictions.items()) == list(given.items())

    @pytest.mark.parametrize("value", NO_TENSORS)
    def test_wrong_types(self, value):
        with pytest.raises(TypeError, match="predictions"):
            spec(predictions=made(value))
        with pytest.raises(TypeError, match=r"predictions\[bad\]"):
            spec(predictions={"good": tf.constant(1.0), "bad": made(value)})


class TestExportOutputs:
    @pytest.mark.parametrize("mode", ["train", "eval", "other"])
    @pytest.mark.parametrize("value", [None, 1, {"a": 1}])
    def test_only_looked_at_in_predict(self, mode, value):
        assert spec(mode, export_outputs=value).export_outputs is value

    def test_default_puts_out_the_predictions(self):
        tensor = tf.constant([1.0])
        outputs = spec("infer", predictions={("a", "b"): tensor}).export_outputs
        assert outputs == {"serving_default": PredictOutput({"a/b": tensor})}

    @pytest.mark.parametrize("key", ["serve", 1, ("a", "b")])
    def test_a_single_one_is_the_default_too(self, key):
        output = RegressionOutput(tf.constant([1.0]))
        given = {key: output}
        assert spec("infer", export_outputs=given).export_outputs == {
            key: output,
            "serving_default": output,
        }
        assert given == {key: output}

    def test_several_need_a_default(self):
        one, other = PredictOutput(tf.constant(1.0)), ClassificationOutput(tf.constant([1.0]))
        with pytest.raises(ValueError, match="serving_default"):
            spec("infer", export_outputs={"a": one, "b": other})
        given = {"a": one, "serving_default": other}
        assert spec("infer", export_outputs=given).export_outputs == given

    def test_none_at_all_may_be_given(self):
        assert spec("infer", export_outputs={}).export_outputs == {}

    @pytest.mark.parametrize(
        "make",
        [
            lambda: 1,
            lambda: [PredictOutput(tf.constant(1.0))],
            lambda: PredictOutput(tf.constant(1.0)),
            lambda: {"a": tf.constant(1.0)},
            lambda: {"a": None},
            lambda: {"serving_default": PredictOutput},
        ],
    )
    def test_wrong_types(self, make):
        with pytest.raises(TypeError, match="export_outputs"):
            spec("infer", export_outputs=make())

    @pytest.mark.parametrize("predictions", [lambda: {1: tf.constant(1.0)}, resource_variable])
    def test_predictions_that_cannot_be_served(self, predictions):
        with pytest.raises(ValueError, match="PredictOutput"):
            spec("infer", predictions=predictions())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", HOOKS)
class TestHooks:
    @pytest.mark.parametrize("kind", [list, tuple, iter, collections.deque, frozenset])
    def test_any_iterable_becomes_a_tuple(self, mode, name, kind):
        hook = Hook()
        assert getattr(spec(mode, **{name: kind([hook])}), name) == (hook,)

    @pytest.mark.parametrize("value", [Hook(), 1, [Hook], [None], "hook", [Hook(), [Hook()]]])
    def test_wrong_types(self, mode, name, value):
        with pytest.raises(TypeError, match=name):
            spec(mode, **{name: value})


class TestEvalMetricOps:
    def test_pairs_are_kept_in_a_new_dict_of_the_same_kind(self):
        given = collections.OrderedDict(b=v1.metrics.mean([1.0]), a=(tf.constant(1.0), tf.no_op()))
        one = spec(eval_metric_ops=given)
        assert one.eval_metric_ops == given
        assert one.eval_metric_ops is not given
        assert type(one.eval_metric_ops) is collections.OrderedDict

    def test_named_and_nested_pairs(self):
        pair = collections.namedtuple("Pair", "value update")
        given = {
            "named": pair(tf.constant(1.0), resource_variable()),
            "nested": ({"x": tf.constant(1.0)}, (tf.no_op(), tf.no_op())),
        }
        assert spec(eval_metric_ops=given).eval_metric_ops == given

    @pytest.mark.parametrize(
        "make",
        [
            lambda: tf.constant(1.0),
            lambda: (tf.constant(1.0), tf.no_op()),
            lambda: {"m": tf.constant(1.0)},
            lambda: {"m": [tf.constant(1.0), tf.no_op()]},
            lambda: {"m": (tf.constant(1.0),)},
            lambda: {"m": (tf.constant(1.0),) * 3},
            lambda: {"m": None},
        ],
    )
    def test_wrong_types(self, make):
        with pytest.raises(TypeError, match="eval_metric_ops"):
            spec(eval_metric_ops=make())

    @pytest.mark.parametrize(
        "make", [lambda: 1.0, lambda: "x", lambda: tf.ragged.constant([[1.0]]), lambda: None]
    )
    def test_parts_that_are_of_no_graph(self, make):
        with pytest.raises(ValueError, match="eval_metric_ops"):
            spec(eval_metric_ops={"m": (make(), tf.no_op())})


class TestScaffold:
    def test_is_kept(self):
        scaffold = v1.train.Scaffold()
        assert spec(scaffold=scaffold).scaffold is scaffold

    @pytest.mark.parametrize("value", [None, 0, "", [], {}])
    def test_nothing_becomes_the_default_one(self, value):
        assert type(spec(scaffold=value).scaffold) is v1.train.Scaffold

    @pytest.mark.parametrize("value", [1, "scaffold", v1.train.Scaffold, Hook()])
    def test_wrong_types(self, value):
        with pytest.raises(TypeError, match="scaffold"):
            spec(scaffold=value)


class TestGraph:
    @pytest.mark.parametrize(
        "fields",
        [
            lambda: {"train_op": elsewhere(tf.no_op)},
            lambda: {"train_op": elsewhere(resource_variable)},
            lambda: {"loss": elsewhere(lambda: tf.constant(1.0))},
            lambda: {"loss": elsewhere(lambda: tf.constant([1.0]))},
            lambda: {"loss": EAGER_TENSOR},
            lambda: {"predictions": elsewhere(lambda: tf.constant(1.0))},
            lambda: {"predictions": {"a": EAGER_TENSOR}},
            lambda: {"eval_metric_ops": {"m": (tf.constant(1.0), elsewhere(tf.no_op))}},
            lambda: {"eval_metric_ops": {"m": (EAGER_TENSOR, tf.no_op())}},
        ],
    )
    def test_everything_is_of_the_default_graph(self, fields):
        given = fields()
        [name] = given
        with pytest.raises(ValueError, match=rf"{name}.*must be from the default graph"):
            spec("train", **given)


BROKEN = {
    "train_op": lambda: {"train_op": 1},
    "loss": lambda: {"loss": 1},
    "predictions": lambda: {"predictions": 1},
    "export_outputs": lambda: {"export_outputs": 1},
    "training_hooks": lambda: {"training_hooks": 1},
    "evaluation_hooks": lambda: {"evaluation_hooks": 1},
    "prediction_hooks": lambda: {"prediction_hooks": 1},
    "training_chief_hooks": lambda: {"training_chief_hooks": 1},
    "eval_metric_ops": lambda: {"eval_metric_ops": 1},
    "scaffold": lambda: {"scaffold": 1},
}


@pytest.mark.parametrize("position", range(len(BROKEN)))
def test_the_first_error_in_the_order_of_checks_is_raised(position):
    names = list(BROKEN)[position:]
    fields = {name: value for one in names for name, value in BROKEN[one]().items()}
    with pytest.raises(TypeError, match=f"^{names[0]} "):
        spec("infer", **fields)
