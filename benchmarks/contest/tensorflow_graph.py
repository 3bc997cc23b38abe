"""The models in TensorFlow: tf.data input, a model_fn, and the estimators that have it."""

from typing import Any

import tensorflow as tf

from .models import JOBS, Model

tf.get_logger().setLevel("ERROR")
v1 = tf.compat.v1


class Operations:
    """What forward functions ask for."""

    relu = staticmethod(tf.nn.relu)
    softmax = staticmethod(tf.nn.softmax)
    einsum = staticmethod(tf.einsum)
    take = staticmethod(tf.gather)
    reshape = staticmethod(tf.reshape)
    mean = staticmethod(tf.reduce_mean)
    rsqrt = staticmethod(tf.math.rsqrt)

    @staticmethod
    def conv(images: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """A convolution that keeps the size."""
        return tf.nn.bias_add(tf.nn.conv2d(images, kernel, 1, "SAME"), bias)

    @staticmethod
    def max_pool(images: tf.Tensor) -> tf.Tensor:
        """Half the height and width."""
        return tf.nn.max_pool2d(images, 2, 2, "SAME")


def dataset(model: Model, ready: bool = False) -> tf.data.Dataset:
    """Batches for ever.

    Args:
        model: whose.
        ready: slices of whole batches that are in memory; else each is made of single rows.
    """
    rows = model.data()
    if ready:
        steps = len(rows[1]) // model.batch
        batches = tf.nest.map_structure(
            lambda array: array[: steps * model.batch].reshape([steps, -1, *array.shape[1:]]), rows
        )
        return tf.data.Dataset.from_tensor_slices(batches).repeat()
    data = tf.data.Dataset.from_tensor_slices(rows).repeat()
    if model.shuffle:
        return data.shuffle(model.shuffle, seed=1).batch(model.batch, drop_remainder=True)
    return data.batch(model.batch).prefetch(8)


def ten_batches(model: Model) -> tf.data.Dataset:
    """The first ten batches in order, as one evaluates."""
    rows = tf.nest.map_structure(lambda array: array[: 10 * model.batch], model.data())
    return tf.data.Dataset.from_tensor_slices(rows).batch(model.batch)


def one_example(model: Model) -> Any:
    """The features of the first row, as a batch of one."""
    return tf.nest.map_structure(lambda array: array[:1], model.data()[0])


def _spec(api: Any, model: Model, features: Any, labels: Any, mode: str) -> Any:
    weights = {
        name: v1.get_variable(
            name,
            shape,
            initializer=v1.random_normal_initializer(stddev=model.deviation(name), seed=1)
            if len(shape) > 1
            else v1.constant_initializer(float(name.startswith("scale"))),
        )
        for name, shape in model.weights.items()
    }
    logits = model.forward(Operations, weights, features)
    if mode == api.ModeKeys.PREDICT:
        return api.EstimatorSpec(mode, {"probabilities": tf.nn.softmax(logits)})
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )
    if mode == api.ModeKeys.EVAL:
        accuracy = v1.metrics.accuracy(labels, tf.argmax(logits, axis=1))
        return api.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})
    optimizers = {"adagrad": v1.train.AdagradOptimizer, "adam": v1.train.AdamOptimizer}
    optimizer = optimizers[model.optimizer](model.rate)
    train_op = optimizer.minimize(loss, v1.train.get_or_create_global_step())
    return api.EstimatorSpec(mode, loss=loss, train_op=train_op)


def _wide_deep(api: Any, config: Any) -> Any:
    column = tf.feature_column
    age, income = column.numeric_column("age"), column.numeric_column("income")
    job = column.categorical_column_with_vocabulary_list("job", JOBS)
    city = column.categorical_column_with_hash_bucket("city", 500)
    bucketized = column.bucketized_column(age, [25, 35, 45, 55, 65])
    crossed = column.crossed_column([bucketized, "job"], 100)
    return api.DNNLinearCombinedClassifier(
        linear_feature_columns=[bucketized, job, city, crossed],
        dnn_feature_columns=[
            age,
            income,
            column.indicator_column(job),
            column.embedding_column(city, 8),
        ],
        dnn_hidden_units=[64, 32],
        config=config,
    )


def estimator(api: Any, name: str, model: Model, folder: str, **options: Any) -> Any:
    """An estimator.

    Args:
        api: tf_estimator or the original.
        name: of the model.
        model: the model.
        folder: its model_dir.
        **options: of its RunConfig.
    """
    config = api.RunConfig(model_dir=folder, tf_random_seed=1, **options)
    if name == "wide_deep":
        return _wide_deep(api, config)

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        return _spec(api, model, features, labels, mode)

    return api.Estimator(model_fn, config=config)
