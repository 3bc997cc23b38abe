"""Programs that use one feature of TensorFlow each, to be run the fast and the plain way."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import EstimatorSpec, ModeKeys, optimizers

v1 = tf.compat.v1
ROWS = 24
BATCH = 4

_chance = np.random.default_rng(0)
X = _chance.normal(size=(ROWS, 3)).astype(np.float32)
Y = (X.sum(1, keepdims=True) > 0).astype(np.float32)
WORDS = np.array(["red", "green", "blue", "none"])[_chance.integers(4, size=ROWS)]


class Program:
    """An input_fn and a model_fn.

    Args:
        hidden: makes the hidden layer from (features, mode); a tensor of shape [batch, units].
        train: makes the train_op from the loss; gradient descent by default.
        data: the Dataset of the features of single rows; numbers `x` by default.
        pads: gathers rows to batches; `batch` by default.
        in_loop: whether 'auto' puts the step into a loop of the graph.
        keeps: whether the graphs for evaluation and prediction are kept.
        extras: further arguments of the EstimatorSpec, from (mode, loss, predictions).
    """

    def __init__(self, hidden, *, train=None, data=None, in_loop=True, keeps=True, **options):
        self._hidden, self._train, self._data = hidden, train, data
        self.in_loop, self.keeps = in_loop, keeps
        self.batches = options.pop("batches", lambda rows: rows.batch(BATCH))
        self.extras = options.pop("extras", lambda mode, loss, predictions: {})
        assert not options
        self.calls = collections.Counter()

    def input_fn(self):
        features = {"x": X} if self._data is None else self._data()
        if not isinstance(features, tf.data.Dataset):
            features = tf.data.Dataset.from_tensor_slices(features)
        rows = tf.data.Dataset.zip((features, tf.data.Dataset.from_tensor_slices(Y)))
        return self.batches(rows)

    def endless(self):
        return self.input_fn().repeat()

    def model_fn(self, features, labels, mode):
        self.calls[mode] += 1
        hidden = self._hidden(features, mode)
        kernel = v1.get_variable("kernel", [hidden.shape[-1], 1], use_resource=True)
        logits = hidden @ tf.convert_to_tensor(kernel)
        predictions = {"logits": logits, "p": tf.sigmoid(logits)}
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions)
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
        metrics = {"accuracy": v1.metrics.accuracy(labels, tf.round(predictions["p"]))}
        train_op = None
        if mode == ModeKeys.TRAIN:
            with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
                train_op = (self._train or _descend)(loss)
        more = self.extras(mode, loss, predictions)
        return EstimatorSpec(mode, predictions, loss, train_op, metrics, **more)


def _descend(loss):
    return v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_global_step())


def _dense(x, units=5, name="hidden", **options):
    kernel = v1.get_variable(name, [x.shape[-1], units], use_resource=True, **options)
    return tf.nn.relu(x @ tf.convert_to_tensor(kernel))


def _batch_norm(features, mode):
    x = _dense(features["x"])
    mean = v1.get_variable("mean", [5], trainable=False, initializer=v1.zeros_initializer())
    if mode != ModeKeys.TRAIN:
        return x - mean
    of_batch = tf.reduce_mean(x, 0)
    update = mean.assign(0.9 * mean + 0.1 * of_batch)
    v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update.op)
    return x - of_batch


def _dropout(features, mode, seed=None):
    x = _dense(features["x"])
    return tf.nn.dropout(x, 0.5, seed=seed) if mode == ModeKeys.TRAIN else x


def _noise_in_evaluation(features, mode):
    x = _dense(features["x"])
    return x if mode == ModeKeys.TRAIN else x + tf.random.normal(tf.shape(x), seed=7)


def _static_table(features, mode):
    words = tf.constant(["red", "green", "blue"])
    keys = tf.lookup.KeyValueTensorInitializer(words, tf.constant([1, 2, 3], tf.int64))
    table = tf.lookup.StaticHashTable(keys, 0)
    return _dense(tf.one_hot(table.lookup(features["word"]), 4))


def _mutable_table(features, mode):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, 0.0)
    seen = table.lookup(features["word"])
    with tf.control_dependencies([table.insert(features["word"], seen + 1.0)]):
        return _dense(tf.expand_dims(tf.identity(seen), 1))


def _vocabulary(features, mode):
    column = tf.feature_column
    word = column.categorical_column_with_vocabulary_list("word", ["red", "green", "blue"])
    columns = [column.numeric_column("x", shape=3), column.embedding_column(word, 2)]
    with v1.variable_scope("columns"):
        return _dense(v1.feature_column.input_layer(features, columns))


def _sparse(features, mode):
    return _dense(tf.sparse.to_dense(features["x"]))


def _ragged(features, mode):
    return _dense(tf.expand_dims(tf.reduce_sum(features["x"], axis=1), 1))


def _sparse_rows():
    def to_sparse(x):
        return {"x": tf.sparse.from_dense(tf.nn.relu(x))}

    return tf.data.Dataset.from_tensor_slices(X).map(to_sparse)


def _ragged_rows():
    lengths = [1 + n % 3 for n in range(ROWS)]
    values = np.concatenate([row[:length] for row, length in zip(X, lengths, strict=True)])
    return {"x": tf.RaggedTensor.from_row_lengths(values, lengths)}


def _cond(features, mode):
    x = _dense(features["x"])
    return tf.cond(tf.reduce_sum(x) > 2.0, lambda: x * 2.0, lambda: x)


def _while(features, mode):
    x = _dense(features["x"])
    return tf.while_loop(lambda n, x: n < 3, lambda n, x: (n + 1, x * 0.9), [0, x])[1]


def _map_fn(features, mode):
    return _dense(tf.map_fn(lambda row: row * tf.reduce_max(row), features["x"]))


def _function(features, mode):
    @tf.function
    def doubled(x):
        return x * 2.0 if tf.reduce_sum(x) > 0 else x

    return _dense(doubled(features["x"]))


def _py_function(features, mode):
    x = tf.numpy_function(np.tanh, [features["x"]], tf.float32)
    return _dense(tf.ensure_shape(x, [None, 3]))


def _assert(features, mode):
    checked = tf.debugging.assert_less(features["x"], 100.0)
    with tf.control_dependencies([checked]):
        return _dense(tf.identity(features["x"]))


def _partitioned(features, mode):
    partitioner = v1.fixed_size_partitioner(3)
    return _dense(features["x"], 5, partitioner=partitioner)


def _summaries(features, mode):
    x = _dense(features["x"])
    v1.summary.histogram("hidden", x)
    v1.summary.scalar("mean", tf.reduce_mean(x))
    return x


def _counter_in_evaluation(features, mode):
    """A global variable that evaluation changes: it is restored for each call."""
    count = v1.get_variable("written", [], trainable=False, initializer=v1.zeros_initializer())
    x = _dense(features["x"])
    with tf.control_dependencies([count.assign_add(1.0).op]):
        return x + tf.identity(count.read_value() * 0.01)


def _local_in_evaluation(features, mode):
    count = v1.get_variable(
        "local_written",
        [],
        trainable=False,
        initializer=v1.zeros_initializer(),
        collections=[v1.GraphKeys.LOCAL_VARIABLES],
    )
    x = _dense(features["x"])
    with tf.control_dependencies([count.assign_add(1.0).op]):
        return x + tf.identity(count.read_value() * 0.01)


def _queue(features, mode):
    queue = tf.queue.FIFOQueue(10, [tf.float32], shapes=[[]])
    with tf.control_dependencies([queue.enqueue(1.0)]):
        return _dense(features["x"] * queue.dequeue())


def _ref_variables(features, mode):
    kernel = v1.get_variable("ref", [3, 5], use_resource=False)
    return tf.nn.relu(features["x"] @ kernel)


def _decaying(loss):
    step = v1.train.get_global_step()
    rate = v1.train.exponential_decay(0.5, step, 3, 0.5, staircase=True)
    return v1.train.GradientDescentOptimizer(rate).minimize(loss, step)


def _two_optimizers(loss):
    step = v1.train.get_global_step()
    variables = v1.trainable_variables()
    one = v1.train.AdamOptimizer(0.01).minimize(loss, var_list=variables[:1])
    two = v1.train.AdagradOptimizer(0.1).minimize(loss, step, var_list=variables[1:])
    return tf.group(one, two)


def _optimizer(make):
    return lambda loss: make().minimize(loss, v1.train.get_global_step())


def _hooks(mode, loss, predictions):
    tensors = {"loss": loss.name}
    hooks = [v1.train.LoggingTensorHook(tensors, every_n_iter=3)]
    return {"training_hooks" if mode == ModeKeys.TRAIN else "evaluation_hooks": hooks}


def _numbers(features, mode):
    return _dense(features["x"])


def _keras(*more):
    """A dense layer of Keras and the layers that `more` make."""

    def hidden(features, mode):
        layers = [keras.layers.Dense(5, "relu", kernel_initializer=_seeded())]
        model = keras.Sequential([*layers, *(make() for make in more)])
        return model(features["x"], training=mode == ModeKeys.TRAIN)

    return hidden


def _seeded():
    return keras.initializers.GlorotUniform(seed=1)


def _keras_dropout(features, mode):
    x = _keras(lambda: keras.layers.Dropout(0.5, seed=7))(features, mode)
    # Those without a seed get one when the graph is built, and here the same each time.
    keras.utils.set_random_seed(3)
    x = keras.layers.Dropout(0.5)(x, training=mode == ModeKeys.TRAIN)
    return x + keras.random.normal((1, 5)) if mode == ModeKeys.TRAIN else x


def _keras_norm_twice(features, mode):
    x = _keras()(features, mode)
    norm, training = keras.layers.BatchNormalization(momentum=0.5), mode == ModeKeys.TRAIN
    return norm(norm(x, training=training) + x, training=training) + norm(x, training=False)


def _keras_dropout_in_prediction(features, mode):
    x = _keras()(features, mode)
    return keras.layers.Dropout(0.5, seed=7)(x, training=True)


def _keras_adam(loss):
    step = v1.train.get_global_step()
    return optimizers.minimize(keras.optimizers.Adam(0.01), loss, None, step)


PROGRAMS = {
    "dense": Program(_numbers),
    "adam": Program(_numbers, train=_optimizer(v1.train.AdamOptimizer)),
    "ftrl": Program(_numbers, train=_optimizer(lambda: v1.train.FtrlOptimizer(0.1))),
    "momentum": Program(_numbers, train=_optimizer(lambda: v1.train.MomentumOptimizer(0.1, 0.9))),
    "batch norm": Program(_batch_norm),
    "dropout with a seed": Program(_dropout, in_loop=False),
    "noise in evaluation": Program(_noise_in_evaluation, keeps=False),
    "static table": Program(_static_table, data=lambda: {"word": WORDS}),
    "mutable table": Program(_mutable_table, data=lambda: {"word": WORDS}, keeps=False),
    "feature columns": Program(_vocabulary, data=lambda: {"x": X, "word": WORDS}),
    "sparse": Program(_sparse, data=_sparse_rows),
    "ragged": Program(_ragged, data=_ragged_rows),
    "cond": Program(_cond),
    "while": Program(_while),
    "map_fn": Program(_map_fn),
    "tf.function": Program(_function),
    "py_function": Program(_py_function, keeps=False),
    "decaying rate": Program(_numbers, train=_decaying),
    "asserts": Program(_assert),
    "partitioned variables": Program(_partitioned),
    "two optimizers": Program(_numbers, train=_two_optimizers),
    "summaries": Program(_summaries),
    "logging by name": Program(_numbers, extras=_hooks),
    "variable that evaluation writes": Program(_counter_in_evaluation),
    "local variable": Program(_local_in_evaluation),
    "queue": Program(_queue, in_loop=None, keeps=False),
    "ref variables": Program(_ref_variables, in_loop=False),
    "Keras layers": Program(_keras(keras.layers.BatchNormalization)),
    "Keras dropout": Program(_keras_dropout),
    "Keras batch norm": Program(_keras_norm_twice),
    "Keras optimizer": Program(_keras(keras.layers.BatchNormalization), train=_keras_adam),
    "Keras dropout in prediction": Program(_keras_dropout_in_prediction),
    "last batch smaller": Program(_numbers, batches=lambda rows: rows.batch(5)),
    "shuffled with a seed": Program(_numbers, batches=lambda rows: rows.shuffle(9).batch(4)),
    "prefetched": Program(_numbers, batches=lambda rows: rows.batch(4).prefetch(2)),
}


@pytest.fixture(params=list(PROGRAMS))
def name(request):
    return request.param


@pytest.fixture
def program(name):
    program = PROGRAMS[name]
    program.calls.clear()
    return program
