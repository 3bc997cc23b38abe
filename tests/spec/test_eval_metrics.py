"""Keras Metrics in eval_metric_ops: they count as in eager execution, neither less nor more."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.spec import EstimatorSpec

v1 = tf.compat.v1

EXAMPLES, BATCH, STEPS = 22, 5, 5  # The last batch is partial.
_random = np.random.default_rng(0)
WEIGHTS = _random.random(EXAMPLES).astype("f4")
_probabilities = _random.dirichlet(np.ones(4), EXAMPLES).astype("f4")
DATA = {
    "binary": (
        _random.integers(0, 2, (EXAMPLES, 1)).astype("f4"),
        _random.random((EXAMPLES, 1)).astype("f4"),
    ),
    "several labels": (
        _random.integers(0, 2, (EXAMPLES, 3)).astype("f4"),
        _random.random((EXAMPLES, 3)).astype("f4"),
    ),
    "classes": (_random.integers(0, 4, EXAMPLES), _probabilities),
    "ids": (_random.integers(0, 3, EXAMPLES), _random.integers(0, 3, EXAMPLES)),
    "numbers": (
        _random.normal(size=(EXAMPLES, 2)).astype("f4"),
        _random.normal(size=(EXAMPLES, 2)).astype("f4"),
    ),
    "values": (_random.normal(size=EXAMPLES).astype("f4"),),
}
METRICS = [
    ("Mean", {}, "values"),
    ("Sum", {}, "values"),
    ("BinaryAccuracy", {}, "binary"),
    ("SparseCategoricalAccuracy", {}, "classes"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "classes"),
    ("RootMeanSquaredError", {}, "numbers"),
    ("R2Score", {}, "numbers"),
    ("AUC", {"num_thresholds": 20}, "binary"),
    ("AUC", {"num_thresholds": 20, "curve": "PR"}, "binary"),
    ("AUC", {"num_thresholds": 3, "multi_label": True}, "several labels"),
    ("Precision", {}, "binary"),
    ("PrecisionAtRecall", {"recall": 0.5}, "binary"),
    ("F1Score", {"threshold": 0.5}, "several labels"),
    ("MeanIoU", {"num_classes": 3, "dtype": "float32"}, "ids"),
]
LIBRARIES = ["keras", "tf_keras"]


@pytest.fixture(params=LIBRARIES)
def keras(request):
    """Each generation of Keras that is installed."""
    return pytest.importorskip(request.param)


def batches(arrays):
    return v1.data.make_one_shot_iterator(
        tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH)
    ).get_next()


def converted(metrics, loss):
    return EstimatorSpec("eval", loss=loss, eval_metric_ops=metrics).eval_metric_ops


def evaluated(ops):
    """Runs the updates until the input ends, then gives the values."""
    values, updates = ({key: pair[n] for key, pair in ops.items()} for n in (0, 1))
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        for _ in range(STEPS):
            session.run(updates)
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(updates)
        return session.run(values)


def update(metric, arrays, weights, times):
    metric.update_state(*arrays, sample_weight=weights)
    for n in range(1, times):  # Other values, so that a lost or doubled update shows.
        metric.update_state(*(one[:n] for one in arrays), sample_weight=weights[:n] * 0.5)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(("name", "arguments", "data"), METRICS)
def test_values_are_those_of_eager_execution(keras, name, arguments, data, times):
    arrays = DATA[data]
    expected = getattr(keras.metrics, name)(**arguments)
    for start in range(0, EXAMPLES, BATCH):
        here = slice(start, start + BATCH)
        update(expected, [tf.constant(one[here]) for one in arrays], WEIGHTS[here], times)

    with tf.Graph().as_default():
        *features, weights = batches((*arrays, WEIGHTS))
        metric = getattr(keras.metrics, name)(**arguments)
        update(metric, features, weights, times)
        found = evaluated(converted({"m": metric}, tf.reduce_mean(weights)))
    np.testing.assert_allclose(found["m"], np.asarray(expected.result()), rtol=1e-4, atol=1e-6)


def test_the_update_is_the_value_after_it_and_the_value_updates_nothing(keras):
    with tf.Graph().as_default(), v1.Session() as session:
        metric = keras.metrics.Mean()
        number = v1.placeholder(tf.float32, [])
        metric.update_state(number)
        value, update_op = converted({"m": metric}, number)["m"]
        session.run(v1.local_variables_initializer())
        assert session.run(update_op, {number: 1.0}) == 1.0
        assert session.run(update_op, {number: 4.0}) == 2.5
        assert [session.run(value) for _ in range(2)] == [2.5, 2.5]


def ancestors(op):
    found = set()
    todo = [op]
    while todo:
        for one in [*todo[-1].control_inputs, *(tensor.op for tensor in todo.pop().inputs)]:
            if one not in found:
                found.add(one)
                todo.append(one)
    return found


class TestEndOfInput:
    """A step that finds no more data counts nothing: every write waits for the data."""

    @staticmethod
    def writes():
        handles = [variable.handle for variable in v1.local_variables()]
        initializers = {variable.initializer for variable in v1.local_variables()}
        return [
            op
            for handle in handles
            for op in handle.consumers()
            if op.type.startswith("Assign") and op not in initializers
        ]

    @pytest.mark.parametrize(
        "update",
        [
            lambda metric, number: metric.update_state(number),
            lambda metric, number: metric.update_state(number, sample_weight=2.0),
            lambda metric, number: metric.update_state(1.0),
            lambda metric, number: (metric.update_state(1.0), metric.update_state(number)),
            lambda metric, number: (metric.update_state(number), metric.update_state(1.0)),
        ],
    )
    def test_every_write_waits_for_the_batch(self, keras, update):
        with tf.Graph().as_default():
            number = batches(DATA["values"])[0]
            metric = keras.metrics.Mean()
            update(metric, number)
            converted({"m": metric}, tf.reduce_mean(number))
            writes = self.writes()
            assert len(writes) >= 2
            for op in writes:
                assert "IteratorGetNext" in {one.type for one in ancestors(op)}

    def test_without_a_loss_a_write_waits_for_its_siblings(self, keras):
        with tf.Graph().as_default():
            number = batches(DATA["values"])[0]
            metric = keras.metrics.Mean()
            metric.update_state(number)
            EstimatorSpec("infer", predictions=number, eval_metric_ops={"m": metric})
            for op in self.writes():
                assert "IteratorGetNext" in {one.type for one in ancestors(op)}

    def test_batches_are_counted_exactly(self, keras):
        with tf.Graph().as_default():
            number = batches(DATA["values"])[0]
            metric = keras.metrics.Sum()
            metric.update_state(1.0)
            found = evaluated(converted({"m": metric}, tf.reduce_mean(number)))
        assert found == {"m": STEPS}

    def test_a_loss_that_waits_for_the_metric_makes_no_circle(self, keras):
        with tf.Graph().as_default():
            number = batches(DATA["values"])[0]
            metric = keras.metrics.Mean()
            metric.update_state(number)
            loss = tf.reduce_mean(number) + tf.convert_to_tensor(metric.result())
            metric.update_state(loss)
            ops = converted({"m": metric}, loss)
            assert np.isfinite(evaluated(ops)["m"])


class TestSeveralUpdates:
    def test_run_in_the_order_of_the_program(self, keras):
        class Last(keras.metrics.Metric):
            """Ten times what it was, plus a number: the order shows in the digits."""

            def __init__(self):
                super().__init__(name="last")
                self.total = self.add_weight(name="total", shape=(), initializer="zeros")

            def update_state(self, number):
                self.total.assign(self.total * 10.0 + number)

            def result(self):
                return self.total

        with tf.Graph().as_default(), v1.Session() as session:
            metric = Last()
            for number in (1.0, 2.0, 3.0, 4.0):
                metric.update_state(number)
            value, update_op = converted({"m": metric}, tf.constant(1.0))["m"]
            session.run(v1.local_variables_initializer())
            assert session.run(update_op) == 1234.0
            assert session.run(value) == 1234.0

    def test_in_functions_with_branches(self, keras):
        with tf.Graph().as_default(), v1.Session() as session:
            metric = keras.metrics.Sum()
            number = v1.placeholder(tf.float32, [])

            @tf.function
            def count(number):
                if number > 1.0:
                    metric.update_state(number)

            metric.update_state(number)
            count(number)
            metric.update_state(number)
            _, update_op = converted({"m": metric}, tf.constant(1.0))["m"]
            session.run(v1.local_variables_initializer())
            assert session.run(update_op, {number: 1.0}) == 2.0
            assert session.run(update_op, {number: 10.0}) == 32.0


class TestResults:
    def test_a_dict(self, keras):
        class Both(keras.metrics.Metric):
            def __init__(self):
                super().__init__(name="both")
                self.total = self.add_weight(name="total", shape=(), initializer="zeros")

            def update_state(self, number):
                self.total.assign_add(number)

            def result(self):
                return {"once": self.total, "twice": 2.0 * self.total}

        with tf.Graph().as_default(), v1.Session() as session:
            metric = Both()
            metric.update_state(3.0)
            value, update_op = converted({"m": metric}, tf.constant(1.0))["m"]
            session.run(v1.local_variables_initializer())
            session.run(update_op)
            assert session.run(value) == {"once": 3.0, "twice": 6.0}

    def test_the_same_metric_twice_is_updated_once(self, keras):
        with tf.Graph().as_default(), v1.Session() as session:
            metric = keras.metrics.Sum()
            metric.update_state(1.0)
            ops = converted({"a": metric, "b": metric}, tf.constant(1.0))
            assert ops["a"] is ops["b"]
            session.run(v1.local_variables_initializer())
            assert session.run(ops["a"][1]) == 1.0

    def test_the_dict_of_the_caller_keeps_its_metric(self, keras):
        with tf.Graph().as_default():
            metric = keras.metrics.Sum()
            metric.update_state(1.0)
            given = {"m": metric, "v1": v1.metrics.mean([1.0])}
            ops = converted(given, tf.constant(1.0))
            assert given["m"] is metric
            assert ops["v1"] is given["v1"]
            assert list(ops) == ["m", "v1"]


class TestCollections:
    @staticmethod
    def count(key, variables):
        mine = {id(variable) for variable in variables}
        return [id(one) for one in v1.get_collection(key) if id(one) in mine]

    def test_variables_become_local_ones_once(self, keras):
        with tf.Graph().as_default():
            metric = keras.metrics.AUC(num_thresholds=3)
            metric.update_state([0.0, 1.0], [0.0, 1.0])
            raw = [v if isinstance(v, tf.Variable) else v.value for v in metric.variables]
            other = v1.get_variable("weight", [])
            for _ in range(2):
                converted({"m": metric}, tf.constant(1.0))
            for key in (v1.GraphKeys.LOCAL_VARIABLES, v1.GraphKeys.METRIC_VARIABLES):
                assert sorted(self.count(key, raw)) == sorted(map(id, raw))
            for key in (v1.GraphKeys.GLOBAL_VARIABLES, v1.GraphKeys.TRAINABLE_VARIABLES):
                assert self.count(key, raw) == []
                assert self.count(key, [other]) == [id(other)]


class TestErrors:
    def test_never_updated(self, keras):
        with tf.Graph().as_default():
            for metric in (keras.metrics.Mean(name="mine"), keras.metrics.F1Score(name="mine")):
                with pytest.raises(ValueError, match=r"'mine'.*update_state"):
                    converted({"m": metric}, tf.constant(1.0))

    def test_of_another_graph(self, keras):
        with tf.Graph().as_default():
            metric = keras.metrics.Mean()
            metric.update_state(1.0)
        with tf.Graph().as_default(), pytest.raises(ValueError, match="from the default graph"):
            converted({"m": metric}, tf.constant(1.0))

    def test_made_eagerly(self, keras):
        metric = keras.metrics.Mean()
        metric.update_state(1.0)
        with tf.Graph().as_default(), pytest.raises(ValueError, match=r"outside.*inside model_fn"):
            converted({"m": metric}, tf.constant(1.0))

    def test_result_and_update_instead_of_the_metric(self, keras):
        with tf.Graph().as_default():
            metric = keras.metrics.Mean()
            pair = (metric.result(), metric.update_state(1.0))
            with pytest.raises(ValueError, match=r"update_state.*{'name': metric}"):
                converted({"m": pair}, tf.constant(1.0))

    def test_the_metric_in_a_pair(self, keras):
        with tf.Graph().as_default():
            metric = keras.metrics.Mean()
            pair = (metric, metric.update_state(1.0))
            with pytest.raises(ValueError, match=r"in a tuple.*{'name': metric}"):
                converted({"m": pair}, tf.constant(1.0))

    def test_a_metric_that_nobody_gives_is_no_error(self, keras):
        with tf.Graph().as_default():
            keras.metrics.Mean().update_state(1.0)
            pair = v1.metrics.mean([1.0])
            assert converted({"m": pair}, tf.constant(1.0)) == {"m": pair}

    def test_the_class_instead_of_an_instance(self, keras):
        with tf.Graph().as_default(), pytest.raises(TypeError, match="eval_metric_ops"):
            converted({"m": keras.metrics.Mean}, tf.constant(1.0))

    @pytest.mark.parametrize("tensorflow_2", [True, False])
    def test_inside_a_branch(self, keras, tensorflow_2, control_flow):
        control_flow(tensorflow_2)
        with tf.Graph().as_default():
            metric = keras.metrics.Sum()
            number = v1.placeholder(tf.float32, [])

            def branch():
                metric.update_state(number)
                return number

            tf.cond(number > 1.0, branch, lambda: number)
            with pytest.raises(ValueError, match=r"tf\.cond.*sample_weight"):
                converted({"m": metric}, tf.constant(1.0))


@pytest.fixture
def control_flow():
    """Switches the kind of control flow for one test."""
    switch = {True: v1.enable_control_flow_v2, False: v1.disable_control_flow_v2}
    before = v1.control_flow_v2_enabled()
    yield lambda tensorflow_2: switch[tensorflow_2]()
    switch[before]()


def test_keras_is_not_imported(monkeypatch):
    for name in LIBRARIES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    with tf.Graph().as_default():
        pair = (tf.constant(1.0), tf.no_op())
        EstimatorSpec("train", loss=pair[0], train_op=pair[1], eval_metric_ops={"m": pair})
    assert not set(LIBRARIES) & set(sys.modules)
