"""A program in the shape of MNIST for TPUs, with summaries that a host_call writes.

`main` is given the module that `tf.contrib.tpu` or `tf.compat.v1.estimator.tpu` was.
"""

import os

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

SIDE, CLASSES = 6, 3


def metric_fn(labels, logits):
    return {"accuracy": v1.metrics.accuracy(labels, tf.argmax(logits, axis=1))}


def network(image):
    x = tf.reshape(image, [-1, SIDE, SIDE, 1])
    initializer = v1.truncated_normal_initializer(stddev=0.3, seed=1)
    kernel = v1.get_variable("conv", [3, 3, 1, 4], initializer=initializer)
    x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
    x = tf.reshape(tf.nn.max_pool2d(x, 2, 2, "SAME"), [-1, (SIDE // 2) ** 2 * 4])
    kernel = v1.get_variable("dense", [x.shape[-1], CLASSES], initializer=initializer)
    return tf.matmul(x, kernel)


def model_fn_of(tpu):
    def model_fn(features, labels, mode, params):
        image = features["image"] if isinstance(features, dict) else features
        logits = network(image)
        if mode == "infer":
            predictions = {"class_ids": tf.argmax(logits, axis=1), "scores": tf.nn.softmax(logits)}
            return tpu.TPUEstimatorSpec(mode, predictions=predictions)
        loss = v1.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
        if mode == "train":
            step = v1.train.get_global_step()
            rate = v1.train.exponential_decay(0.1, step, 100, 0.96)
            optimizer = v1.train.GradientDescentOptimizer(learning_rate=rate)
            if params["use_tpu"] or params["shards"]:
                optimizer = v1.tpu.CrossShardOptimizer(optimizer)
            train_op = optimizer.minimize(loss, global_step=step)

            def host_call_fn(step, loss, rate):
                with (
                    tf.summary.create_file_writer(params["log_dir"]).as_default(),
                    tf.summary.record_if(True),
                ):
                    tf.summary.scalar("batch_loss", loss[0], step=step[0])
                    tf.summary.scalar("rate", rate[0], step=step[0])
                return v1.summary.all_v2_summary_ops()

            host_call = (host_call_fn, [tf.reshape(one, [1]) for one in (step, loss, rate)])
            return tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op, host_call=host_call)
        return tpu.TPUEstimatorSpec(mode, loss=loss, eval_metrics=(metric_fn, [labels, logits]))

    return model_fn


def data(number, seed):
    """Images with a bright row, and which it is."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, number).astype(np.int32)
    images = rng.uniform(0.0, 0.3, (number, SIDE, SIDE)).astype(np.float32)
    images[np.arange(number), 2 * labels] += 1.0
    return images.reshape(number, -1), labels


def train_input_fn(params):
    return tf.data.Dataset.from_tensor_slices(data(64, 1)).repeat().batch(params["batch_size"])


def eval_input_fn(params):
    return tf.data.Dataset.from_tensor_slices(data(20, 2)).batch(params["batch_size"])


def predict_input_fn(params):
    return tf.data.Dataset.from_tensor_slices(data(6, 3)[0]).batch(params["batch_size"])


def main(tpu, folder, shards=False):
    """Trains, evaluates and predicts; gives what came of it."""
    run_config = tpu.RunConfig(
        model_dir=os.path.join(folder, "model"),
        session_config=v1.ConfigProto(allow_soft_placement=True, log_device_placement=False),
        tpu_config=tpu.TPUConfig(iterations_per_loop=50, num_shards=8),
    )
    log_dir = os.path.join(folder, "host")
    estimator = tpu.TPUEstimator(
        model_fn=model_fn_of(tpu),
        use_tpu=False,
        train_batch_size=8,
        eval_batch_size=10,
        predict_batch_size=4,
        params={"log_dir": log_dir, "shards": shards},
        config=run_config,
    )
    estimator.train(input_fn=train_input_fn, max_steps=30)
    metrics = estimator.evaluate(input_fn=eval_input_fn, steps=2)
    predicted = list(estimator.predict(input_fn=predict_input_fn))
    return {
        "metrics": {name: float(value) for name, value in metrics.items()},
        "class_ids": [int(one["class_ids"]) for one in predicted],
        "scores": np.array([one["scores"] for one in predicted]).tolist(),
        "variables": {
            name: float(np.sum(estimator.get_variable_value(name)))
            for name in estimator.get_variable_names()
        },
        "summaries": read_summaries(log_dir),
    }


def read_summaries(folder):
    found = {}
    for file in sorted(tf.io.gfile.glob(os.path.join(folder, "events.*"))):
        for event in v1.train.summary_iterator(file):
            for value in event.summary.value:
                one = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append((event.step, one))
    return found
