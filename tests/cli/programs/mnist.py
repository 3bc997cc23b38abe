"""A convolutional network on digits, as tutorials of TensorFlow 1 had it."""

from __future__ import absolute_import, division, print_function

import sys

import numpy as np
import tensorflow as tf

tf.logging.set_verbosity(tf.logging.WARN)


def cnn_model_fn(features, labels, mode):
    images = tf.reshape(features["x"], [-1, 8, 8, 1])
    conv = tf.layers.conv2d(images, filters=4, kernel_size=[3, 3], padding="same", activation=tf.nn.relu)
    pool = tf.layers.max_pooling2d(inputs=conv, pool_size=[2, 2], strides=2)
    norm = tf.layers.batch_normalization(
        pool, momentum=0.8, training=mode == tf.estimator.ModeKeys.TRAIN
    )
    flat = tf.reshape(norm, [-1, np.prod(norm.get_shape().as_list()[1:], dtype=np.int)])
    dense = tf.layers.dense(inputs=flat, units=16, activation=tf.nn.relu, name="hidden")
    dropout = tf.layers.dropout(inputs=dense, rate=0.4, training=mode == tf.estimator.ModeKeys.TRAIN)
    logits = tf.layers.dense(inputs=dropout, units=3)
    predictions = {
        "classes": tf.argmax(input=logits, axis=1),
        "probabilities": tf.nn.softmax(logits, name="softmax_tensor"),
    }
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode=mode, predictions=predictions)
    loss = tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
    if mode == tf.estimator.ModeKeys.TRAIN:
        optimizer = tf.train.GradientDescentOptimizer(learning_rate=0.05)
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            train_op = optimizer.minimize(loss=loss, global_step=tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode=mode, loss=loss, train_op=train_op)
    metrics = {
        "accuracy": tf.metrics.accuracy(labels=labels, predictions=predictions["classes"])
    }
    return tf.estimator.EstimatorSpec(mode=mode, loss=loss, eval_metric_ops=metrics)


def main(argv):
    rng = np.random.RandomState(0)
    labels = np.arange(60) % 3
    images = (rng.rand(60, 64) + labels[:, None] * np.linspace(0, 1, 64)).astype(np.float32)
    config = tf.estimator.RunConfig(tf_random_seed=7, save_summary_steps=10)
    classifier = tf.estimator.Estimator(cnn_model_fn, argv[1], config)
    logged = []
    hook = tf.train.LoggingTensorHook(
        {"probabilities": "softmax_tensor"},
        every_n_iter=10,
        formatter=lambda tensors: logged.append(tensors["probabilities"].shape) or "",
    )

    def train_input_fn():
        dataset = tf.data.Dataset.from_tensor_slices(({"x": images}, labels)).repeat().batch(20)
        return dataset.make_one_shot_iterator().get_next()

    classifier.train(train_input_fn, steps=30, hooks=[hook])
    eval_input_fn = tf.estimator.inputs.numpy_input_fn(
        {"x": images}, labels, num_epochs=1, shuffle=False
    )
    results = classifier.evaluate(eval_input_fn)
    first = next(classifier.predict(eval_input_fn))
    print("logged", logged)
    print("loss %.5f" % results["loss"])
    print("accuracy %.5f" % results["accuracy"])
    print("step %d" % results["global_step"])
    print("first", " ".join("%.5f" % p for p in first["probabilities"]))

    def serving_input_receiver_fn():
        x = tf.placeholder(tf.float32, [None, 64], name="image")
        return tf.estimator.export.ServingInputReceiver({"x": x}, {"x": x})

    folder = classifier.export_savedmodel(argv[1] + "/export", serving_input_receiver_fn)
    with tf.Session(graph=tf.Graph()) as sess:
        tf.saved_model.loader.load(sess, [tf.saved_model.tag_constants.SERVING], folder.decode())
        served = sess.run("softmax_tensor:0", {"image:0": images[:1]})
    print("served", " ".join("%.5f" % p for p in served[0]))


if __name__ == "__main__":
    tf.app.run()
