"""The loop in the graph: to the bit the numbers of single steps, for all that a model_fn does."""

import gc
import time

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.engine.steps.loop import CannotLoopError, GraphLoop

v1 = tf.compat.v1
FOREVER = 1e12
BATCHES = 6  # 22 rows in batches of 4: the last has 2


def _batch():
    """A batch of the input: x float [4, 3], ids int64 [4], words string [4], sparse, ragged."""
    chance = np.random.RandomState(0)
    x = chance.uniform(-1, 1, [22, 3]).astype(np.float32)
    ids = chance.randint(0, 5, [22]).astype(np.int64)
    rows = {"x": x, "ids": ids, "words": np.array(["a", "b", "c", "d", "e"])[ids]}

    def more(row):
        sparse = tf.sparse.from_dense(row["x"] * tf.cast(row["x"] > 0, tf.float32))
        lengths = row["ids"] % 3
        ragged = tf.RaggedTensor.from_row_lengths(tf.range(tf.reduce_sum(lengths)) % 5, lengths)
        return {**row, "sparse": sparse, "ragged": ragged}

    dataset = tf.data.Dataset.from_tensor_slices(rows).batch(4).map(more)
    iterator = v1.data.make_initializable_iterator(dataset)
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


def _variable(name, shape, dtype=tf.float32, **options):
    values = np.random.RandomState(len(name)).uniform(-1, 1, shape)
    start = values if options.get("partitioner") is None else 0.25
    return v1.get_variable(name, shape, dtype, v1.constant_initializer(start), **options)


def _linear(x, name="w"):
    width = x.shape[-1]
    return tf.squeeze(tf.linalg.matmul(x, _variable(name, [width, 1], x.dtype)), 1)


def _minimize(loss, rate=0.1, optimizer=v1.train.AdamOptimizer, **options):
    step = v1.train.get_global_step()
    return optimizer(rate).minimize(loss, global_step=step, **options)


def _trained(y):
    loss = tf.reduce_mean(tf.square(y - 1))
    return _minimize(loss), loss


# Each takes a batch and gives train_op and loss.
FEATURES = {}


def _feature(make):
    FEATURES[make.__name__.strip("_")] = make
    return make


@_feature
def _dense(batch):
    return _trained(_linear(tf.nn.relu(batch["x"] @ _variable("hidden", [3, 4]))))


@_feature
def _convolution(batch):
    image = tf.tile(batch["x"][:, :, None, None], [1, 1, 3, 1])
    maps = tf.nn.relu(tf.nn.conv2d(image, _variable("k", [2, 2, 1, 2]), 1, "SAME"))
    return _trained(_linear(tf.reshape(tf.nn.max_pool2d(maps, 2, 1, "VALID"), [-1, 8])))


@_feature
def _batch_norm(batch):
    mean = _variable("mean", [3], trainable=False)
    average, variance = tf.nn.moments(batch["x"], [0])
    update = mean.assign(mean * 0.9 + average * 0.1)
    v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
    x = tf.nn.batch_normalization(batch["x"], average, variance, None, _variable("g", [3]), 1e-3)
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        return _trained(_linear(x))


@_feature
def _table(batch):
    keys = tf.lookup.KeyValueTensorInitializer(["a", "b", "c"], tf.constant([1.0, 2.0, 3.0]))
    table = tf.lookup.StaticHashTable(keys, -1.0)
    return _trained(_linear(table.lookup(batch["words"])[:, None]))


@_feature
def _mutable_table(batch):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, 0.0)
    before = table.lookup(batch["words"])
    with tf.control_dependencies([before]):
        insert = table.insert(batch["words"], before + 1)
    y = _linear(before[:, None])
    with tf.control_dependencies([insert]):
        return _trained(tf.identity(y))


@_feature
def _sparse(batch):
    y = tf.sparse.sparse_dense_matmul(batch["sparse"], _variable("w", [3, 1]))
    return _trained(y[:, 0])


@_feature
def _ragged(batch):
    found = tf.nn.embedding_lookup(_variable("e", [5, 2]), batch["ragged"])
    return _trained(_linear(tf.reduce_sum(found, 1)))


@_feature
def _cond(batch):
    y = _linear(batch["x"])
    return _trained(tf.cond(tf.reduce_sum(batch["x"]) > 0, lambda: y * 2, lambda: tf.sin(y)))


@_feature
def _while_loop(batch):
    w = _variable("w", [3, 3])
    loop = tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, tf.tanh(x @ w)), [0, batch["x"]])
    return _trained(_linear(loop[1], "v"))


@_feature
def _map_fn(batch):
    w = _variable("w", [3])
    return _trained(tf.map_fn(lambda row: tf.reduce_sum(row * w), batch["x"]))


@_feature
def _py_function(batch):
    y = _linear(batch["x"])
    half = tf.py_function(lambda x: x / 2, [y], tf.float32)
    less = tf.numpy_function(lambda x: x - np.float32(0.5), [tf.stop_gradient(y)], tf.float32)
    for one in (half, less):
        one.set_shape([None])
    return _trained(half + less)


@_feature
def _decay(batch):
    loss = tf.reduce_mean(tf.square(_linear(batch["x"])))
    step = v1.train.get_global_step()
    rate = v1.train.exponential_decay(0.5, step, 2, 0.7, staircase=True)
    return _minimize(loss, rate, v1.train.GradientDescentOptimizer), loss


@_feature
def _assertion(batch):
    with tf.control_dependencies([tf.debugging.assert_less(batch["x"], 2.0)]):
        return _trained(_linear(tf.identity(batch["x"])))


@_feature
def _partitioned(batch):
    w = _variable("p", [5, 2], partitioner=v1.fixed_size_partitioner(2))
    return _trained(_linear(tf.nn.embedding_lookup(w, batch["ids"])))


@_feature
def _two_optimizers(batch):
    wide, deep = _variable("wide", [3]), _variable("deep", [3])
    y = tf.reduce_sum(batch["x"] * wide + tf.tanh(batch["x"] * deep), 1)
    loss = tf.reduce_mean(tf.square(y - 1))
    first = v1.train.FtrlOptimizer(0.1).minimize(loss, var_list=[wide])
    with tf.control_dependencies([first]):
        return _minimize(loss, var_list=[deep]), loss


@_feature
def _summaries(batch):
    train_op, loss = _trained(_linear(batch["x"]))
    merged = tf.strings.length(v1.summary.scalar("loss", loss))
    with tf.control_dependencies([v1.assign_add(_variable("n", [], tf.int32), merged)]):
        return tf.group(train_op), loss


@_feature
def _moving_average(batch):
    train_op, loss = _trained(_linear(batch["x"]))
    average = tf.train.ExponentialMovingAverage(0.9, v1.train.get_global_step())
    with tf.control_dependencies([train_op]):
        return average.apply(v1.trainable_variables()), loss


@_feature
def _functions(batch):
    w = _variable("w", [3])

    @tf.function(autograph=False)
    def inner(x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x * w, lambda: x - w)

    @tf.custom_gradient
    def doubled(x):
        return 2 * x, lambda dy: 3 * dy

    return _trained(tf.reduce_sum(doubled(inner(batch["x"])), 1))


@_feature
def _keras(batch):
    import keras

    def dense(units, **options):
        start = keras.initializers.RandomNormal(seed=units)
        return keras.layers.Dense(units, kernel_initializer=start, **options)

    return _trained(dense(1)(dense(4, activation="relu")(batch["x"]))[:, 0])


@_feature
def _double(batch):
    loss = tf.reduce_mean(tf.square(_linear(tf.cast(batch["x"], tf.float64)) - 1))
    return _minimize(loss), loss


@_feature
def _loss_of_one_row(batch):
    train_op, loss = _trained(_linear(batch["x"]))
    return train_op, loss[None]


@_feature
def _loss_of_unknown_shape(batch):
    train_op, loss = _trained(_linear(batch["x"]))
    return train_op, v1.placeholder_with_default(loss, None)


@_feature
def _tensor_as_train_op(batch):
    train_op, loss = _trained(_linear(batch["x"]))
    with tf.control_dependencies([train_op]):
        return tf.constant("done"), loss


@_feature
def _large_constant(batch):
    table = tf.constant(np.random.RandomState(0).uniform(size=[5, 5000]).astype(np.float32))
    return _trained(
        tf.reduce_mean(tf.nn.embedding_lookup(table, batch["ids"]), 1) * _linear(batch["x"])
    )


@_feature
def _counts_twice(batch):
    train_op, loss = _trained(_linear(batch["x"]))
    with tf.control_dependencies([train_op]):
        return v1.assign_add(v1.train.get_global_step(), 1), loss


@_feature
def _colocated(batch):
    w = _variable("w", [3])
    with v1.colocate_with(w.handle.op), tf.device("/cpu:0"):
        y = tf.reduce_sum(batch["x"] * w, 1)
    with v1.colocate_with(y.op):
        return _trained(y * 2)


class _Built:
    """The graph of a feature, a session, and all its global variables."""

    def __init__(self, feature, **options):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.global_step = v1.train.get_or_create_global_step()
            self.train_op, self.loss = feature(_batch())
            self._initialize = [
                v1.global_variables_initializer(),
                v1.local_variables_initializer(),
                v1.tables_initializer(),
            ]
            self.variables = v1.global_variables()
        self._options = options

    def loop(self):
        step = self.train_op, self.loss, self.global_step
        return GraphLoop.of(self.graph, *step, **self._options)

    def session(self):
        session = v1.Session(graph=self.graph)
        session.run(self._initialize)
        return session

    def single(self, session, steps=1):
        """The last loss."""
        return [session.run([self.train_op, self.loss])[1] for _ in range(steps)][-1]


def _same_bits(ours, theirs):
    for one, other in zip(map(np.asarray, ours), map(np.asarray, theirs), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


class TestSameAsSingleSteps:
    @pytest.mark.parametrize("feature", FEATURES.values(), ids=FEATURES)
    def test_weights_losses_and_the_end_of_the_input(self, feature):
        built = _Built(feature)
        # The loop is not there yet: its presence must not matter either.
        with built.session() as session:
            losses = [built.single(session, 2), built.single(session), built.single(session, 2)]
            before_the_end = session.run(built.variables)
            built.single(session)
            with pytest.raises(tf.errors.OutOfRangeError):
                built.single(session)
            after, step = session.run([built.variables, built.global_step])
        loop = built.loop()
        gc.collect()
        with built.session() as session:
            first = loop.run(session, 2, FOREVER)
            looked_at = built.single(session)
            second = loop.run(session, 2, FOREVER)
            _same_bits(losses, [first.loss, looked_at, second.loss])
            _same_bits(before_the_end, session.run(built.variables))
            assert (first.steps, second.steps) == (2, 2)
            assert second.global_step == session.run(built.global_step)
            with pytest.raises(tf.errors.OutOfRangeError):
                loop.run(session, 9, FOREVER)
            _same_bits(after, session.run(built.variables))
            assert session.run(built.global_step) == step
            assert step == BATCHES * (2 if feature is _counts_twice else 1)


def _at_step(number, x):
    return tf.equal(v1.train.get_global_step().read_value(), number) & tf.reduce_all(tf.equal(x, x))


class TestEnds:
    def _ruined(self, value):
        def feature(batch):
            y = _linear(batch["x"])
            bad = _at_step(3, batch["x"])
            loss = tf.where(bad, tf.cast(value, y.dtype), tf.reduce_mean(tf.square(y)))
            with tf.control_dependencies([loss]):
                return v1.assign_add(v1.train.get_global_step(), 1), loss

        return _Built(feature)

    def test_at_nan_with_the_step_that_gave_it(self):
        built = self._ruined(np.nan)
        loop = built.loop()
        with built.session() as session:
            done = loop.run(session, 6, FOREVER)
            assert (done.steps, done.global_step) == (4, 4)
            assert np.isnan(done.loss)
            assert session.run(built.global_step) == 4
            # No batch more was read: two are left.
            built.single(session, 2)
            with pytest.raises(tf.errors.OutOfRangeError):
                built.single(session)

    def test_not_at_infinity(self):
        built = self._ruined(np.inf)
        loop = built.loop()
        with built.session() as session:
            assert loop.run(session, 6, FOREVER).steps == 6

    def test_at_the_deadline_after_one_step(self):
        built = _Built(_dense)
        loop = built.loop()
        with built.session() as session:
            for step in (1, 2):
                assert loop.run(session, 9, time.time() - 1)[::2] == (1, step)
            built.single(session, 4)

    def test_no_steps_are_none(self):
        built = _Built(_dense)
        loop = built.loop()
        with built.session() as session:
            built.single(session, 2)
            assert loop.run(session, 0, FOREVER) == (0, None, 2)

    def test_as_many_as_are_asked_for_and_a_new_session(self):
        built = _Built(_dense)
        loop = built.loop()
        for _ in range(2):
            with built.session() as session:
                assert loop.run(session, 5, FOREVER)[::2] == (5, 5)


class TestErrors:
    def test_a_failing_assertion_fails_at_its_step_as_in_a_single_one(self):
        def feature(batch):
            step = v1.train.get_global_step()
            check = tf.debugging.Assert(~_at_step(2, batch["x"]), ["third step", step], name="no")
            with tf.control_dependencies([check]):
                return _trained(_linear(tf.identity(batch["x"])))

        built = _Built(feature)
        loop = built.loop()
        with built.session() as session:
            with pytest.raises(tf.errors.InvalidArgumentError, match="third step"):
                loop.run(session, 6, FOREVER)
            assert session.run(built.global_step) == 2

    def test_it_names_the_operation_of_the_users_graph(self):
        def feature(batch):
            y = tf.debugging.check_numerics(1 / _linear(batch["x"] * 0), "by zero", name="check")
            return _trained(y)

        built = _Built(feature)
        loop = built.loop()
        failing = pytest.raises(tf.errors.InvalidArgumentError, match="by zero")
        with built.session() as session, failing as raised:
            loop.run(session, 6, FOREVER)
        assert raised.value.op.name == "check"
        assert __file__ in raised.value.message
        assert "steps_per_loop" not in raised.value.message


class TestGraph:
    def test_it_adds_a_scope_of_its_own_and_nothing_else(self):
        built = _Built(_functions)
        graph = built.graph
        with graph.as_default(), tf.control_dependencies([tf.no_op("outside")]):
            tf.no_op("inside")
        before = {op.name: str(op.node_def) for op in graph.get_operations()}
        collections = {key: list(graph.get_collection(key)) for key in graph.collections}
        with (
            graph.as_default(),
            v1.name_scope("users"),
            tf.device("/device:CPU:7"),
            tf.control_dependencies([graph.get_operation_by_name("outside")]),
        ):
            built.loop()
        assert set(graph.collections) == set(collections)
        for key, members in collections.items():
            assert all(a is b for a, b in zip(members, graph.get_collection(key), strict=True))
        for op in graph.get_operations():
            if op.name in before:
                assert str(op.node_def) == before.pop(op.name)
            else:
                assert op.name.startswith("steps_per_loop/")
                assert not op.device
                assert all(one.name.startswith("steps_per_loop/") for one in op.control_inputs)
        assert not before
        with graph.as_default():
            assert tf.constant(1, name="w").op.name == "w_1"

    def test_a_large_constant_is_not_copied(self):
        built = _Built(_large_constant)
        size = built.graph.as_graph_def().ByteSize()
        built.loop()
        assert built.graph.as_graph_def().ByteSize() < size + 80_000

    def test_a_scope_of_the_users_of_that_name_is_no_matter(self):
        def feature(batch):
            with v1.name_scope("steps_per_loop"):
                return _trained(_linear(batch["x"]))

        built = _Built(feature)
        loop = built.loop()
        with built.session() as session:
            assert loop.run(session, 5, FOREVER).global_step == 5


def _dropout(seed):
    def feature(batch):
        return _trained(_linear(tf.nn.dropout(batch["x"], 0.5, seed=seed)))

    return feature


class TestRandom:
    def test_without_a_seed_it_is_random_in_the_loop(self):
        def feature(batch):
            drawn = tf.random.uniform([]) + 0 * tf.reduce_sum(batch["x"])
            return v1.assign_add(v1.train.get_global_step(), 1), drawn

        built = _Built(feature)
        loop = built.loop()
        with built.session() as session:
            assert len({float(loop.run(session, 2, FOREVER).loss) for _ in range(3)}) == 3

    def test_with_a_seed_it_cannot_loop_unless_allowed(self):
        with pytest.raises(CannotLoopError, match=r"dropout.*has a seed"):
            _Built(_dropout(7)).loop()
        built = _Built(_dropout(7), allow_seeded=True)
        loop = built.loop()
        with built.session() as session:
            assert loop.run(session, 5, FOREVER).steps == 5

    def test_stateless_ones_are_the_same(self):
        def feature(batch):
            seed = tf.stack([tf.constant(3, tf.int64), v1.train.get_global_step().read_value()])
            kept = tf.random.stateless_uniform(tf.shape(batch["x"]), seed) > 0.5
            return _trained(_linear(batch["x"] * tf.cast(kept, tf.float32)))

        built = _Built(feature)
        loop = built.loop()
        with built.session() as session:
            built.single(session, 5)
            expected = session.run(built.variables)
        with built.session() as session:
            loop.run(session, 5, FOREVER)
            _same_bits(expected, session.run(built.variables))


def _placeholder(batch):
    return _trained(_linear(batch["x"]) * v1.placeholder(tf.float32, [], "rate"))


def _reference(batch):
    w = v1.get_variable("ref", [3], use_resource=False)
    return _trained(tf.reduce_sum(batch["x"] * w, 1))


def _v1_control_flow(batch):
    switched = tf.raw_ops.Switch(data=batch["x"], pred=tf.reduce_sum(batch["x"]) > 0)
    merged = tf.raw_ops.Merge(inputs=list(switched))[0]
    return _trained(_linear(tf.reshape(merged, [-1, 3])))


def _unnamed_stage(batch):
    stage = tf.raw_ops.Stage(values=[batch["x"]])
    with tf.control_dependencies([stage]):
        x = tf.raw_ops.Unstage(dtypes=[tf.float32])[0]
    return _trained(_linear(tf.reshape(x, [-1, 3])))


def _waiting_handle(batch):
    with tf.control_dependencies([batch["ids"]]):
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="late")
    with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=1.0)]):
        return _trained(_linear(tf.identity(batch["x"])))


class TestCannotLoop:
    @pytest.mark.parametrize(
        ("feature", "reason"),
        [
            (_placeholder, r"rate \(Placeholder\) has to be fed"),
            (_reference, r"ref.* \(VariableV2\) gives a reference"),
            (_v1_control_flow, r"\((Switch|Merge)\) is control flow of TensorFlow 1"),
            (_unnamed_stage, r"tage.* keeps state under its own name"),
            (_waiting_handle, r"\(VarHandleOp\) gives a handle, but waits"),
        ],
    )
    def test_it_says_which_operation_is_why_and_leaves_the_graph(self, feature, reason):
        built = _Built(feature)
        before = len(built.graph.get_operations())
        with pytest.raises(CannotLoopError, match=reason):
            built.loop()
        assert len(built.graph.get_operations()) == before

    def test_without_control_flow_v2(self):
        built = _Built(_dense)
        v1.disable_control_flow_v2()
        try:
            with pytest.raises(CannotLoopError, match="disable_control_flow_v2"):
                built.loop()
        finally:
            v1.enable_control_flow_v2()

    @pytest.mark.parametrize("make", [lambda: tf.constant(1), lambda: tf.Variable(1.0)])
    def test_with_a_global_step_that_is_none(self, make):
        built = _Built(_dense)
        with built.graph.as_default():
            built.global_step = make()
        with pytest.raises(CannotLoopError, match="global step"):
            built.loop()


class TestQueues:
    def test_batches_from_a_queue_stay_in_order(self):
        with tf.Graph().as_default() as graph:
            numbers = v1.train.range_input_producer(7, num_epochs=1, shuffle=False)
            x = tf.cast(numbers.dequeue(), tf.float32)
            step = v1.train.get_or_create_global_step()
            w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
            with tf.control_dependencies([x]):
                train_op = tf.group(w.assign(w * 10 + x), v1.assign_add(step, 1))
            loop = GraphLoop.of(graph, train_op, x, step)
            with v1.Session() as session:
                session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
                coordinator = tf.train.Coordinator()
                threads = v1.train.start_queue_runners(session, coordinator)
                assert loop.run(session, 2, FOREVER) == (2, 1.0, 2)
                session.run(train_op)
                with pytest.raises(tf.errors.OutOfRangeError):
                    loop.run(session, 9, FOREVER)
                assert session.run([w, step]) == [123456.0, 7]
                coordinator.request_stop()
                coordinator.join(threads)
