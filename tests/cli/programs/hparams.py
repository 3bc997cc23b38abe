"""A model of one's own with layers of contrib, HParams, and train_and_evaluate."""

from __future__ import print_function

import argparse
import functools

import numpy as np
import tensorflow as tf
import tensorflow.contrib.layers as contrib_layers
from tensorflow.contrib import training as contrib_training
from tensorflow.contrib.framework import arg_scope


def model_fn(features, labels, mode, params):
    is_training = mode == tf.estimator.ModeKeys.TRAIN
    regularizer = contrib_layers.l2_regularizer(params.weight_decay)
    with arg_scope(
        [contrib_layers.fully_connected],
        weights_initializer=tf.truncated_normal_initializer(stddev=0.1, seed=4),
        weights_regularizer=regularizer,
        normalizer_fn=contrib_layers.batch_norm,
        normalizer_params={"is_training": is_training, "decay": 0.9},
    ):
        net = features["x"]
        for size in params.hidden:
            net = tf.contrib.layers.fully_connected(net, size, activation_fn=tf.nn.elu)
    net = tf.contrib.layers.layer_norm(net)
    output = contrib_layers.fully_connected(
        net, 1, activation_fn=None, weights_initializer=contrib_layers.xavier_initializer(seed=5)
    )
    output = tf.squeeze(output, 1)
    spec = functools.partial(tf.estimator.EstimatorSpec, mode, predictions={"y": output})
    if mode == tf.estimator.ModeKeys.PREDICT:
        return spec()
    tf.losses.mean_squared_error(labels, output)
    loss = tf.losses.get_total_loss()
    if mode == tf.estimator.ModeKeys.EVAL:
        metrics = {"rmse": tf.metrics.root_mean_squared_error(labels, output)}
        return spec(loss=loss, eval_metric_ops=metrics)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train_op = tf.train.AdamOptimizer(params.learning_rate).minimize(
            loss, global_step=tf.train.get_or_create_global_step()
        )
    return spec(loss=loss, train_op=train_op)


def input_fn(x, y, batch_size, repeat):
    dataset = tf.data.Dataset.from_tensor_slices(({"x": x}, y))
    if repeat:
        dataset = dataset.apply(tf.contrib.data.shuffle_and_repeat(64, seed=1))
    dataset = dataset.apply(
        tf.contrib.data.map_and_batch(lambda features, label: (features, label), batch_size)
    )
    return dataset.prefetch(tf.contrib.data.AUTOTUNE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_dir")
    parser.add_argument("--hparams", default="")
    args = parser.parse_args()
    tf.logging.set_verbosity(tf.logging.ERROR)
    hparams = contrib_training.HParams(
        hidden=[8, 8], learning_rate=0.02, weight_decay=1e-3, batch_size=16
    )
    hparams.parse(args.hparams)
    rng = np.random.RandomState(2)
    x = rng.randn(64, 5).astype("f")
    y = np.asarray(x.dot([1, 0, -1, 0.5, 2]), dtype=np.float32)
    run_config = tf.contrib.learn.RunConfig(save_checkpoints_steps=50, tf_random_seed=1)
    estimator = tf.estimator.Estimator(model_fn, args.model_dir, run_config, hparams)
    train_spec = tf.estimator.TrainSpec(
        functools.partial(input_fn, x, y, hparams.batch_size, True), max_steps=100
    )
    eval_spec = tf.estimator.EvalSpec(
        functools.partial(input_fn, x, y, 64, False), steps=None, throttle_secs=0
    )
    results, _ = tf.estimator.train_and_evaluate(estimator, train_spec, eval_spec)
    print("step", results["global_step"], "learned", bool(results["rmse"] < 0.8))
    names = estimator.get_variable_names()
    print("\n".join(sorted(name for name in names if "Adam" not in name and "_power" not in name)))
