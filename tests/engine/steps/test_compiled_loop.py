import logging
import re
import time

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import optimizers
from tf_estimator._tf import logger
from tf_estimator.engine.steps.compiled_loop import CompiledLoop, compiled_steps
from tf_estimator.engine.steps.single import SingleSteps

v1 = tf.compat.v1
ROWS = 8


def numbers(batches=400, drop_remainder=True, extra_rows=0):
    """A Dataset of (x: [8, 4], y: [8]), each batch another."""
    random = np.random.RandomState(0)
    rows = batches * ROWS + extra_rows
    x = random.rand(rows, 4).astype("float32")
    y = (x.sum(1) > 2).astype("int64")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(ROWS, drop_remainder=drop_remainder)


def dense(x, units, name):
    w = v1.get_variable(name, [x.shape[-1], units])
    b = v1.get_variable(f"{name}_b", [units], initializer=v1.zeros_initializer())
    return x @ w + b


def cross_entropy(logits, y):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))


def mlp(x, y):
    return cross_entropy(dense(tf.nn.relu(dense(x, 5, "w0")), 2, "w1"), y)


def trained_by(make):
    def model(x, y, step):
        loss = mlp(x, y)
        return make().minimize(loss, global_step=step), loss

    return model


def sgd(loss, step):
    return v1.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=step)


def batch_norm(x, y, step):
    h = x @ v1.get_variable("w0", [4, 5])
    mean, variance = tf.nn.moments(h, [0])
    moving = v1.get_variable("moving", [5], trainable=False, initializer=v1.zeros_initializer())
    update = v1.assign(moving, 0.9 * moving + 0.1 * mean)
    loss = cross_entropy(dense((h - mean) / tf.sqrt(variance + 0.01), 2, "w1"), y)
    with tf.control_dependencies([update]):
        return sgd(loss, step), loss


def conv(x, y, step):
    image = tf.reshape(x, [-1, 2, 2, 1])
    kernel = v1.get_variable("kernel", [2, 2, 1, 3])
    h = tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME"))
    loss = cross_entropy(dense(tf.reshape(h, [-1, 12]), 2, "w1"), y)
    return sgd(loss, step), loss


def decay(x, y, step):
    loss = mlp(x, y)
    rate = v1.train.exponential_decay(0.05, step, 10, 0.9, staircase=True)
    return v1.train.MomentumOptimizer(rate, 0.9).minimize(loss, global_step=step), loss


def two_optimizers(x, y, step):
    loss = mlp(x, y)
    found = v1.trainable_variables()
    first = v1.train.AdagradOptimizer(0.1).minimize(loss, var_list=found[:2])
    with tf.control_dependencies([first]):
        second = v1.train.FtrlOptimizer(0.1).minimize(loss, global_step=step, var_list=found[2:])
    return second, loss


def partitioned(x, y, step):
    with v1.variable_scope("p", partitioner=v1.fixed_size_partitioner(2)):
        w = v1.get_variable("w", [4, 2])
    loss = cross_entropy(x @ tf.convert_to_tensor(w), y)
    return v1.train.AdagradOptimizer(0.1).minimize(loss, global_step=step), loss


def control_flow(x, y, step):
    w = v1.get_variable("w", [4, 2])
    h = tf.cond(tf.reduce_sum(x) > 16.0, lambda: x, lambda: 2.0 * x) @ w
    h = tf.while_loop(
        lambda i, h: i < 3, lambda i, h: (i + 1, h * 0.9), [0, h], maximum_iterations=3
    )[1]
    loss = cross_entropy(h, y)
    return sgd(loss, step), loss


def ours(name):
    def model(x, y, step):
        loss = mlp(x, y)
        return optimizers.minimize(optimizers.get(name, 0.05), loss, None, step), loss

    return model


def checked(limit):
    """A model that asserts something of each batch, in both ways that TensorFlow asserts it."""

    def model(x, y, step):
        label = v1.assert_less(y, tf.constant(limit, tf.int64), message="bad label")
        value = v1.assert_less(x, 10.0, message="bad value")
        with tf.control_dependencies([label, value]):
            loss = mlp(tf.identity(x), y)
        return sgd(loss, step), loss

    return model


SAME = {
    "sgd": trained_by(lambda: v1.train.GradientDescentOptimizer(0.1)),
    "adagrad": trained_by(lambda: v1.train.AdagradOptimizer(0.1)),
    "adam": trained_by(lambda: v1.train.AdamOptimizer(0.01)),
    "momentum": trained_by(lambda: v1.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True)),
    "ftrl": trained_by(lambda: v1.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01)),
    "rmsprop": trained_by(lambda: v1.train.RMSPropOptimizer(0.01)),
    **{f"our {name}": ours(name) for name in ("Adagrad", "Adam", "Ftrl", "RMSProp", "SGD")},
    "batch norm": batch_norm,
    "conv": conv,
    "decay": decay,
    "two optimizers": two_optimizers,
    "partitioned": partitioned,
    "control flow": control_flow,
    "asserts": checked(2),
}


class Training:
    """A graph with the step of a model, its session, and the loop."""

    def __init__(self, model, dataset=numbers, compiled=True, seed=None):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.step = v1.train.get_or_create_global_step()
            data = dataset()
            self.iterator = v1.data.make_initializable_iterator(data)
            x, y = self.iterator.get_next()
            # The same initial values, without a seed that random operations would take up.
            init = v1.glorot_uniform_initializer(seed=3)
            v1.set_random_seed(seed)
            with v1.variable_scope("", initializer=init):
                self.train_op, self.loss = model(x, y, self.step)
            self.single = SingleSteps(self.train_op, self.loss, self.step)
            self.before = self._collections()
            if compiled:
                self.loop = compiled_steps(self.train_op, self.loss, self.step, data, self.single)
            self.initializer = v1.global_variables_initializer()
        self.graph.finalize()
        self.session = v1.Session(graph=self.graph)
        self.session.run([self.initializer, self.iterator.initializer])
        if compiled and isinstance(self.loop, CompiledLoop):
            self.loop.begin(self.session)

    def _collections(self):
        keys = self.graph.get_all_collection_keys()
        return {key: list(self.graph.get_collection(key)) for key in keys}

    def run(self, steps, seconds=60.0):
        return self.loop.run(self.session, steps, time.time() + seconds)

    def look(self, fetch=None):
        """A step as hooks see it."""
        fetch = self.loss if fetch is None else fetch
        return self.session.run([self.train_op, fetch], self.loop.feed())[1]

    def one(self):
        return self.session.run([self.train_op, self.loss])[1]

    @property
    def weights(self):
        with self.graph.as_default():
            found = v1.global_variables()
        return dict(zip([one.name for one in found], self.session.run(found), strict=True))

    @property
    def steps(self):
        return self.session.run(self.step)


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        atol = 1e-5 * max(np.abs(value).max(), 1e-3)
        np.testing.assert_allclose(found[name], value, rtol=0, atol=atol, err_msg=name)


@pytest.fixture
def log(caplog):
    with caplog.at_level(logging.INFO):
        logger.addHandler(caplog.handler)
        yield caplog
        logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("name", SAME)
def test_weights_are_those_of_single_steps(name):
    plain = Training(SAME[name], compiled=False)
    for _ in range(101):
        loss = plain.one()
    fast = Training(SAME[name])
    assert fast.loop.compiled
    done = fast.run(70)
    assert (done.steps, done.global_step) == (70, 70)
    fast.look()
    done = fast.run(30)
    assert (done.steps, done.global_step) == (30, 101)
    assert_close(fast.weights, plain.weights)
    np.testing.assert_allclose(done.loss, loss, rtol=1e-4)


@pytest.mark.parametrize(
    ("dataset", "batches"),
    [
        pytest.param(lambda: numbers(37), 37, id="less than a stack"),
        pytest.param(lambda: numbers(230), 230, id="a stack cut off"),
        pytest.param(lambda: numbers(37, False, 3), 38, id="a last batch cut off"),
        pytest.param(lambda: numbers(20, False, 3).repeat(3), 63, id="such in the middle"),
        pytest.param(lambda: numbers(60).repeat(2), 120, id="two epochs"),
    ],
)
def test_input_ends_at_the_right_step(dataset, batches):
    plain = Training(SAME["adagrad"], dataset, compiled=False)
    for _ in range(batches):
        plain.one()
    fast = Training(SAME["adagrad"], dataset)
    assert fast.loop.compiled
    fast.look()
    done = 1
    with pytest.raises(tf.errors.OutOfRangeError):  # noqa: PT012 - which of them is what is asked
        while True:
            done += fast.run(1000).steps
    assert done == fast.steps == batches
    with pytest.raises(tf.errors.OutOfRangeError):
        fast.look()
    assert_close(fast.weights, plain.weights)


def counted(x, y, step):
    """A model whose loss is the number of the batch, or a NaN where x has one."""
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean(x) + 0.0 * tf.reduce_sum(tf.cast(y, tf.float32))
    with tf.control_dependencies([loss]):
        return tf.group(w.assign_add(loss), v1.assign_add(step, 1)), loss


def counts(n, nan_at=None):
    values = np.arange(n, dtype="float32")
    if nan_at is not None:
        values[nan_at] = np.nan
    x = np.repeat(values, ROWS)[:, None] * np.ones([1, 4], "float32")
    return tf.data.Dataset.from_tensor_slices((x, np.zeros(n * ROWS, "int64"))).batch(
        ROWS, drop_remainder=True
    )


def test_looks_and_runs_share_one_stream():
    fast = Training(counted, lambda: counts(250))
    seen = []
    for unwatched in (0, 1, 98, 3, 100, 0, 0, 40):
        if unwatched:
            done = fast.run(unwatched)
            assert done.steps == unwatched
            assert done.loss == done.global_step - 1
        seen.append(fast.look())
        assert seen[-1] == fast.steps - 1
    assert fast.weights["w:0"] == sum(range(fast.steps))


def test_what_a_hook_fetches_at_a_look_is_of_that_step():
    fast = Training(counted, lambda: counts(10))
    fast.run(4)
    batch = fast.graph.get_tensor_by_name("IteratorGetNext:0")
    np.testing.assert_array_equal(fast.look(batch), np.full([ROWS, 4], 4.0))


def test_nan_stops_at_its_step():
    fast = Training(counted, lambda: counts(200, nan_at=130))
    assert fast.run(120).steps == 120
    done = fast.run(70)
    assert (done.steps, done.global_step) == (11, 131)
    assert np.isnan(done.loss)


def test_deadline_ends_a_run():
    fast = Training(counted, lambda: counts(200))
    done = fast.run(150, seconds=-1.0)
    assert 1 <= done.steps < 20
    assert done.global_step == done.steps
    assert fast.look() == done.steps


def test_no_steps_are_none():
    fast = Training(counted, lambda: counts(10))
    assert fast.run(0) == (0, None, 0)


def bad_label():
    x = np.zeros([40 * ROWS, 4], "float32")
    y = np.zeros(40 * ROWS, "int64")
    y[33 * ROWS] = 1
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(ROWS, drop_remainder=True)


def bad_value():
    x = np.zeros([40 * ROWS, 4], "float32")
    x[33 * ROWS] = 11.0
    y = np.zeros(40 * ROWS, "int64")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(ROWS, drop_remainder=True)


@pytest.mark.parametrize(
    ("dataset", "message"), [(bad_label, "bad label"), (bad_value, "bad value")]
)
def test_assertion_fails_at_its_step(dataset, message):
    fast = Training(checked(1), dataset)
    assert fast.loop.compiled
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        fast.run(40)
    assert fast.steps == 33


def with_sparse_gradient(x, y, step):
    table = v1.get_variable("table", [2, 2])
    loss = cross_entropy(tf.gather(table, y) + x[:, :2], y)
    return v1.train.AdagradOptimizer(0.1).minimize(loss, global_step=step), loss


def with_trained_cond(x, y, step):
    w = v1.get_variable("w", [4, 2])
    h = tf.cond(tf.reduce_sum(x) > 16.0, lambda: x @ w, lambda: tf.nn.relu(x @ w))
    loss = cross_entropy(h, y)
    return sgd(loss, step), loss


def with_op(op):
    def model(x, y, step):
        loss = mlp(op(x), y)
        return sgd(loss, step), loss

    return model


def with_print(x):
    with tf.control_dependencies([tf.print("x")]):
        return tf.identity(x)


def with_late_assert(x):
    w = v1.get_variable("late", [], initializer=v1.zeros_initializer())
    with tf.control_dependencies([v1.assert_less(w, 1.0)]):
        return tf.identity(x)


def with_assert_in_a_loop(x):
    def body(i, h):
        with tf.control_dependencies([v1.assert_less(i, 5)]):
            return i + 1, tf.identity(h)

    return tf.while_loop(lambda i, h: i < 3, body, [0, x])[1]


def in_python(x):
    return tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), [ROWS, 4])


def as_text(x):
    return tf.strings.to_number(tf.strings.as_string(x))


FALLS_BACK = {
    "sparse gradient": (with_sparse_gradient, r"ResourceSparseApplyAdagrad"),
    "python": (with_op(in_python), r"'PyFunc' \(PyFunc\) calls Python"),
    "strings": (with_op(as_text), r"AsString.*string|StringToNumber.*string"),
    "gradient of a cond": (with_trained_cond, "OptionalFromValue"),
    "print": (with_op(with_print), r"PrintV2\) prints|gives a string|takes a string"),
    "check_numerics": (with_op(lambda x: tf.debugging.check_numerics(x, "m")), "CheckNumerics"),
    "seeded": (with_op(lambda x: tf.nn.dropout(x, 0.5, seed=1)), "'dropout/.*tf_random_seed=None"),
    "stateless": (
        with_op(lambda x: x + tf.random.stateless_uniform([ROWS, 4], [1, 2], alg="philox")),
        "stateless_random_uniform/.*other numbers",
    ),
    "assertion on a weight": (
        with_op(with_late_assert),
        "condition of an assertion.*ReadVariableOp",
    ),
    "assertion in a loop": (with_op(with_assert_in_a_loop), r"\(Assert\) is a check"),
    "no batch": (lambda x, y, step: counted(tf.zeros([]), tf.zeros([]), step), "reads 0 inputs"),
}


@pytest.mark.parametrize("name", FALLS_BACK)
def test_falls_back_with_the_reason(name, log):
    model, reason = FALLS_BACK[name]
    training = Training(model)
    assert training.loop.feed() == {} if isinstance(training.loop, CompiledLoop) else True
    assert "jit_compile=True) has no effect" in log.text
    assert [one for one in log.messages if re.search(reason, one)], log.text
    done = training.run(3)
    assert (done.steps, done.global_step) == (3, 3)
    # The batches went to the step in order, none was lost to the attempt.
    training.one()
    assert training.steps == 4


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (lambda: None, "must return a tf.data.Dataset"),
        (
            lambda: numbers().map(lambda x, y: (tf.sparse.from_dense(x), y)),
            "SparseTensorSpec, which is not dense",
        ),
        (
            lambda: (
                numbers()
                .map(lambda x, y: (tf.boolean_mask(x, y > 0, axis=0), y))
                .map(lambda x, y: (tf.transpose(x), y))
            ),
            "only the first dimension may be open",
        ),
    ],
    ids=["none", "sparse", "inner"],
)
def test_inputs_that_cannot_be_stacked(dataset, reason, log):
    graph = tf.Graph()
    with graph.as_default():
        step = v1.train.get_or_create_global_step()
        x, y = v1.data.make_initializable_iterator(numbers()).get_next()
        train_op, loss = mlp_step(x, y, step)
        otherwise = SingleSteps(train_op, loss, step)
        assert compiled_steps(train_op, loss, step, dataset(), otherwise) is otherwise
    assert reason in log.text


def mlp_step(x, y, step):
    return SAME["sgd"](x, y, step)


def test_empty_input_ends_at_the_first_step():
    for drop_remainder in (True, False):
        training = Training(mlp_step, lambda drop=drop_remainder: numbers(3, drop).take(0))
        with pytest.raises(tf.errors.OutOfRangeError):
            training.run(3)


def test_nothing_is_added_to_collections():
    training = Training(mlp_step, lambda: numbers(10))
    before = training.before
    keys = training.graph.get_all_collection_keys()
    assert {key: list(training.graph.get_collection(key)) for key in keys} == before


def test_new_session_starts_over():
    training = Training(counted, lambda: counts(30))
    training.run(7)
    training.session = v1.Session(graph=training.graph)
    training.session.run([training.initializer, training.iterator.initializer])
    training.loop.hooks[0].after_create_session(training.session, None)
    assert training.look() == 0.0
    assert training.run(5).loss == 5.0
    assert training.loop.hooks[0].next_look(3) is None
