"""Export outputs: what they take, and the signatures they write."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.spec import (
    ClassificationOutput,
    EvalOutput,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
    TrainOutput,
)

v1 = tf.compat.v1

EAGER_TENSORS = [tf.constant([1.0, 2.0]), tf.constant([1.0, 2.0])]


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def scores(dtype=tf.float32):
    return tf.constant([[0.25, 0.75]], dtype, name="scores")


def classes():
    return tf.constant([["no", "yes"]], name="classes")


def examples():
    return v1.placeholder(tf.string, [None], name="examples")


def numbers():
    return v1.placeholder(tf.float32, [None, 2], name="numbers")


def written(signature):
    """A signature as plain data: method, and per input and output the tensor's name."""
    return (
        signature.method_name,
        {name: info.name for name, info in signature.inputs.items()},
        {name: info.name for name, info in signature.outputs.items()},
    )


class TestExportOutput:
    def test_cannot_be_made_itself(self):
        with pytest.raises(TypeError, match="abstract"):
            ExportOutput()

    def test_can_be_subclassed(self):
        class Other(ExportOutput):
            def as_signature_def(self, receiver_tensors):
                return receiver_tensors

        assert Other().as_signature_def({}) == {}

    @pytest.mark.parametrize(
        "kind", [ClassificationOutput, RegressionOutput, PredictOutput, EvalOutput, TrainOutput]
    )
    def test_is_what_all_others_are(self, kind):
        assert issubclass(kind, ExportOutput)


class TestClassificationOutput:
    @pytest.mark.parametrize(
        ("given", "outputs"),
        [
            ({"scores"}, {"scores": "scores:0"}),
            ({"classes"}, {"classes": "classes:0"}),
            ({"scores", "classes"}, {"scores": "scores:0", "classes": "classes:0"}),
        ],
    )
    def test_signature(self, given, outputs):
        makers = {"scores": scores, "classes": classes}
        output = ClassificationOutput(**{name: makers[name]() for name in given})
        assert written(output.as_signature_def({"any": examples()})) == (
            "tensorflow/serving/classify",
            {"inputs": "examples:0"},
            outputs,
        )

    def test_keeps_its_tensors(self):
        some, names = scores(), classes()
        output = ClassificationOutput(some, names)
        assert output.scores is some
        assert output.classes is names

    @pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
    def test_scores_may_be_of_any_floating_type(self, dtype):
        assert ClassificationOutput(scores=scores(dtype)).scores.dtype == dtype

    @pytest.mark.parametrize(
        "make",
        [
            dict,
            lambda: {"scores": tf.constant([1])},
            lambda: {"scores": tf.constant([1j])},
            lambda: {"scores": np.array([1.0])},
            lambda: {"scores": tf.Variable([1.0])},
            lambda: {"scores": tf.sparse.from_dense([1.0])},
            lambda: {"classes": tf.constant([1])},
            lambda: {"classes": np.array(["a"])},
            lambda: {"scores": scores(), "classes": scores()},
        ],
    )
    def test_wrong_tensors(self, make):
        with pytest.raises(ValueError, match=r"scores|classes"):
            ClassificationOutput(**make())


class TestRegressionOutput:
    def test_signature(self):
        output = RegressionOutput(tf.constant([1.0], name="value"))
        assert written(output.as_signature_def({"any": examples()})) == (
            "tensorflow/serving/regress",
            {"inputs": "examples:0"},
            {"outputs": "value:0"},
        )

    @pytest.mark.parametrize(
        "make", [lambda: None, lambda: 1.0, lambda: tf.constant([1]), lambda: tf.Variable([1.0])]
    )
    def test_wrong_value(self, make):
        with pytest.raises(ValueError, match="floating"):
            RegressionOutput(make())


@pytest.mark.parametrize(
    "make", [lambda: RegressionOutput(scores()), lambda: ClassificationOutput(scores())]
)
@pytest.mark.parametrize(
    ("receive", "error"),
    [
        (dict, ValueError),
        (lambda: {"a": numbers()}, ValueError),
        (lambda: {"a": examples(), "b": examples()}, ValueError),
        (lambda: {"a": v1.sparse_placeholder(tf.string)}, ValueError),
        (lambda: {"a": "examples"}, ValueError),
        (lambda: None, TypeError),
        (examples, TypeError),
        (lambda: [examples()], TypeError),
    ],
)
def test_classify_and_regress_receive_exactly_one_string_tensor(make, receive, error):
    with pytest.raises(error, match=r"receive|receiver_tensors"):
        make().as_signature_def(receive())


class TestPredictOutput:
    def test_signature(self):
        output = PredictOutput({"a": scores(), ("b", "c"): classes()})
        received = {"x": numbers(), "y": examples()}
        assert written(output.as_signature_def(received)) == (
            "tensorflow/serving/predict",
            {"x": "numbers:0", "y": "examples:0"},
            {"a": "scores:0", "b/c": "classes:0"},
        )

    def test_one_tensor_is_called_output(self):
        tensor = scores()
        assert PredictOutput(tensor).outputs == {"output": tensor}

    @pytest.mark.parametrize(
        ("key", "name"),
        [("a", "a"), ("", ""), ("a/b", "a/b"), (("a",), "a"), (("a", "b"), "a/b"), ((), "")],
    )
    def test_keys_are_joined(self, key, name):
        assert list(PredictOutput({key: scores()}).outputs) == [name]

    @pytest.mark.parametrize("key", [1, None, b"a", 1.5])
    def test_keys_that_are_no_strings(self, key):
        with pytest.raises(ValueError, match="key"):
            PredictOutput({key: scores()})

    def test_tuple_keys_have_strings_only(self):
        with pytest.raises(TypeError, match="key"):
            PredictOutput({("a", 1): scores()})

    @pytest.mark.parametrize(
        "make",
        [
            lambda: None,
            lambda: 1.0,
            lambda: np.array([1.0]),
            lambda: [scores()],
            lambda: {"a": tf.Variable(1.0)},
            lambda: {"a": tf.sparse.from_dense([1.0])},
            lambda: {"a": tf.ragged.constant([[1.0]])},
        ],
    )
    def test_values_that_are_no_tensors(self, make):
        with pytest.raises(ValueError, match="must be a Tensor"):
            PredictOutput(make())

    def test_the_dict_of_the_caller_is_left_alone(self):
        given = collections.OrderedDict(a=scores())
        output = PredictOutput(given)
        assert output.outputs is not given
        assert type(output.outputs) is dict
        assert list(given) == ["a"]

    @pytest.mark.parametrize(
        ("receive", "error"),
        [
            (lambda: None, ValueError),
            (dict, ValueError),
            (numbers, TypeError),
            (lambda: [numbers()], TypeError),
            (lambda: {1: numbers()}, TypeError),
        ],
    )
    def test_wrong_receiver_tensors(self, receive, error):
        with pytest.raises(error, match=r"receive"):
            PredictOutput(scores()).as_signature_def(receive())

    def test_sparse_and_ragged_features_can_be_received(self):
        signature = PredictOutput(scores()).as_signature_def(
            {"s": v1.sparse_placeholder(tf.int64), "r": v1.ragged.placeholder(tf.int64, 1)}
        )
        kinds = {name: info.WhichOneof("encoding") for name, info in signature.inputs.items()}
        assert kinds == {"s": "coo_sparse", "r": "composite_tensor"}


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        (EvalOutput, "tensorflow/supervised/eval"),
        (TrainOutput, "tensorflow/supervised/training"),
    ],
)
class TestSupervisedOutputs:
    def test_signature(self, kind, method):
        output = kind(
            loss=tf.constant(1.0, name="loss"),
            predictions={"a": scores(), ("b", "c"): classes()},
            metrics={"mean": (tf.constant(0.5, name="value"), tf.constant(0.5, name="update"))},
        )
        assert written(output.as_signature_def({"x": numbers()})) == (
            method,
            {"x": "numbers:0"},
            {
                "loss": "loss:0",
                "predictions/a": "scores:0",
                "predictions/b/c": "classes:0",
                "metrics/mean/value": "value:0",
                "metrics/mean/update_op": "update:0",
            },
        )

    def test_nothing_given_nothing_put_out(self, kind, method):
        output = kind()
        assert (output.loss, output.predictions, output.metrics) == (None, None, None)
        assert written(output.as_signature_def({"x": numbers()})) == (
            method,
            {"x": "numbers:0"},
            {},
        )

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("loss", "loss"),
            ("b", "loss/b"),
            ("loss2", "loss2"),
            ("loss/b", "loss/b"),
            (("b", "c"), "loss/b/c"),
        ],
    )
    def test_a_name_that_has_the_prefix_gets_no_other(self, kind, method, key, name):
        assert list(kind(loss={key: tf.constant(1.0)}).loss) == [name]

    @pytest.mark.parametrize("name", ["loss", "predictions"])
    @pytest.mark.parametrize(
        "make", [lambda: 1.0, lambda: [tf.constant(1.0)], tf.no_op, lambda: tf.Variable(1.0)]
    )
    def test_values_that_are_no_tensors(self, kind, method, name, make):
        with pytest.raises(ValueError, match="must be a Tensor"):
            kind(**{name: make()})

    @pytest.mark.parametrize("as_op", [True, False])
    def test_an_operation_gets_a_tensor_that_runs_it(self, kind, method, as_op):
        variable = v1.get_variable("v", [], initializer=v1.zeros_initializer())
        update = variable.assign_add(1.0, read_value=not as_op)
        assert isinstance(update, tf.Operation if as_op else tf.Variable)
        named = kind(metrics={"m": (tf.constant(1.0), update)}).metrics
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            assert session.run(named["metrics/m/update_op"]).shape == (0,)
            assert session.run(variable) == 1.0

    @pytest.mark.parametrize("key", ["metrics", ("metrics",)])
    def test_one_pair_without_a_dict(self, kind, method, key):
        pair = (tf.constant(1.0), tf.constant(2.0))
        alone, named = kind(metrics=pair), kind(metrics={key: pair})
        assert alone.metrics == named.metrics
        assert list(alone.metrics) == ["metrics/value", "metrics/update_op"]

    @pytest.mark.parametrize(
        ("make", "error"),
        [
            (lambda: {1: (tf.constant(1.0), tf.no_op())}, ValueError),
            (lambda: {"m": (tf.no_op(), tf.no_op())}, ValueError),
            (lambda: {"m": (tf.constant(1.0), None)}, ValueError),
            (lambda: {"m": (tf.constant(1.0),)}, ValueError),
            (lambda: {"m": (tf.constant(1.0),) * 3}, ValueError),
            (lambda: {"m": [tf.constant(1.0), tf.no_op()]}, TypeError),
            (lambda: tf.constant([1.0, 2.0]), TypeError),
        ],
    )
    def test_wrong_metrics(self, kind, method, make, error):
        with pytest.raises(error, match="metrics"):
            kind(metrics=make())

    def test_a_keras_metric(self, kind, method):
        keras = pytest.importorskip("keras")
        metric = keras.metrics.Mean()
        metric.update_state([1.0, 3.0])
        output = kind(loss=tf.constant(0.0), metrics={"mean": metric})
        with v1.Session() as session:
            session.run(v1.local_variables_initializer())
            assert session.run(output.metrics["metrics/mean/update_op"]) == 2.0
            assert session.run(output.metrics["metrics/mean/value"]) == 2.0

    def test_nothing_received(self, kind, method):
        with pytest.raises(ValueError, match="receive"):
            kind(tf.constant(1.0)).as_signature_def({})


class TestAsValues:
    @pytest.mark.parametrize(
        "make",
        [
            lambda x: ClassificationOutput(scores=x),
            RegressionOutput,
            PredictOutput,
            lambda x: EvalOutput(loss=x),
            lambda x: TrainOutput(loss=x),
        ],
    )
    def test_equal_if_the_tensors_are_the_same(self, make):
        tensor, other = scores(), scores()
        assert make(tensor) == make(tensor)
        assert hash(make(tensor)) == hash(make(tensor))
        assert make(tensor) != make(other)
        assert make(tensor) != tensor

    def test_kinds_differ(self):
        loss = tf.constant(1.0)
        assert EvalOutput(loss) != TrainOutput(loss)

    def test_eager_tensors_compare_by_identity(self):
        one, other = EAGER_TENSORS
        assert PredictOutput(one) == PredictOutput(one)
        assert PredictOutput(one) != PredictOutput(other)

    def test_repr_is_short(self):
        output = PredictOutput({"p": v1.placeholder(tf.float32, [None, 10])})
        assert repr(output) == "PredictOutput(p=float32(None, 10))"

    def test_properties_cannot_be_set(self):
        with pytest.raises(AttributeError):
            PredictOutput(scores()).outputs = {}
