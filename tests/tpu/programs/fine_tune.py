"""A program in the shape of those that fine-tune BERT: a tiny encoder that classifies sentences.

`main` is given the module that `tf.contrib.tpu` or `tf.compat.v1.estimator.tpu` was.
"""

import collections
import os
import re

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

VOCABULARY, LENGTH, WIDTH, HEADS, CLASSES = 30, 6, 8, 2, 2
TRAIN_STEPS, WARMUP_STEPS, TRAIN_BATCH, EVAL_BATCH, PREDICT_BATCH = 60, 4, 8, 5, 3


class AdamWeightDecayOptimizer(v1.train.Optimizer):
    """Adam with decoupled weight decay, whose moments are variables of its own making."""

    def __init__(self, rate, decay=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-6, exclude=()):
        super().__init__(False, "AdamWeightDecayOptimizer")
        self.rate, self.decay, self.epsilon, self.exclude = rate, decay, epsilon, exclude
        self.beta_1, self.beta_2 = beta_1, beta_2

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        assigned = []
        for gradient, variable in grads_and_vars:
            if gradient is None:
                continue
            base = re.match("^(.*):\\d+$", variable.name)[1]
            made = {}
            for slot in ("m", "v"):
                made[slot] = v1.get_variable(
                    f"{base}/adam_{slot}",
                    variable.shape.as_list(),
                    trainable=False,
                    initializer=v1.zeros_initializer(),
                )
            m = self.beta_1 * made["m"] + tf.multiply(1.0 - self.beta_1, gradient)
            v = self.beta_2 * made["v"] + tf.multiply(1.0 - self.beta_2, tf.square(gradient))
            update = m / (tf.sqrt(v) + self.epsilon)
            if not any(re.search(pattern, base) for pattern in self.exclude):
                update += self.decay * variable
            assigned += [
                variable.assign(variable - self.rate * update),
                made["m"].assign(m),
                made["v"].assign(v),
            ]
        return tf.group(*assigned, name=name)


def create_optimizer(loss, rate, steps, warmup, tpu, use_tpu):
    step = v1.train.get_or_create_global_step()
    rate = v1.train.polynomial_decay(tf.constant(rate), step, steps, end_learning_rate=0.0)
    if warmup:
        done = tf.cast(step, tf.float32) / float(warmup)
        warm = tf.cast(tf.cast(step, tf.int32) < warmup, tf.float32)
        rate = (1.0 - warm) * rate + warm * 2e-2 * done
    optimizer = AdamWeightDecayOptimizer(rate, exclude=["layer_norm", "bias"])
    if use_tpu:
        optimizer = v1.tpu.CrossShardOptimizer(optimizer)
    variables = v1.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), clip_norm=1.0)
    train_op = optimizer.apply_gradients(zip(gradients, variables, strict=True), global_step=step)
    # Those programs leave it open whether the step or the rate that is read from it comes first.
    with tf.control_dependencies([train_op]):
        return tf.group(train_op, [step.assign(step + 1)])


def dense(x, units, name, activation=None):
    with v1.variable_scope(name):
        initializer = v1.truncated_normal_initializer(stddev=0.2, seed=len(name))
        kernel = v1.get_variable("kernel", [x.shape[-1], units], initializer=initializer)
        bias = v1.get_variable("bias", [units], initializer=v1.zeros_initializer())
        y = tf.tensordot(x, kernel, 1) + bias
        return y if activation is None else activation(y)


def layer_norm(x, name):
    with v1.variable_scope(name):
        gamma = v1.get_variable("gamma", [x.shape[-1]], initializer=v1.ones_initializer())
        beta = v1.get_variable("beta", [x.shape[-1]], initializer=v1.zeros_initializer())
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-6) * gamma + beta


def encode(ids, mask):
    """One block of a transformer; the first position stands for the sentence."""
    initializer = v1.truncated_normal_initializer(stddev=0.2, seed=3)
    table = v1.get_variable("word_embeddings", [VOCABULARY, WIDTH], initializer=initializer)
    x = layer_norm(tf.nn.embedding_lookup(table, ids), "layer_norm_in")
    query, key, value = (dense(x, WIDTH, name) for name in ("query", "key", "value"))

    def split(y):
        return tf.transpose(tf.reshape(y, [-1, LENGTH, HEADS, WIDTH // HEADS]), [0, 2, 1, 3])

    scores = tf.matmul(split(query), split(key), transpose_b=True) / (WIDTH / HEADS) ** 0.5
    scores += (1.0 - tf.cast(mask[:, tf.newaxis, tf.newaxis, :], tf.float32)) * -10000.0
    heads = tf.matmul(tf.nn.softmax(scores), split(value))
    heads = tf.reshape(tf.transpose(heads, [0, 2, 1, 3]), [-1, LENGTH, WIDTH])
    x = layer_norm(x + dense(heads, WIDTH, "output"), "layer_norm_attention")
    x = layer_norm(x + dense(dense(x, 16, "up", tf.nn.gelu), WIDTH, "down"), "layer_norm_out")
    return dense(x[:, 0, :], WIDTH, "pooler", tf.tanh)


def model_fn_builder(tpu, init_checkpoint, use_tpu):
    def model_fn(features, labels, mode, params):
        del labels, params
        ids, mask = features["input_ids"], features["input_mask"]
        label_ids = features["label_ids"]
        real = tf.cast(features.get("is_real_example", tf.ones_like(label_ids)), tf.float32)
        with v1.variable_scope("encoder"):
            sentence = encode(ids, mask)
        with v1.variable_scope("classifier"):
            logits = dense(sentence, CLASSES, "logits")
        per_example_loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=label_ids, logits=logits
        )
        loss = tf.reduce_mean(per_example_loss)
        scaffold_fn = None
        if init_checkpoint:
            known = {name for name, _ in tf.train.list_variables(init_checkpoint)}
            names = [variable.op.name for variable in v1.trainable_variables()]
            assignment = collections.OrderedDict((n, n) for n in names if n in known)
            if use_tpu:

                def scaffold_fn():
                    v1.train.init_from_checkpoint(init_checkpoint, assignment)
                    return v1.train.Scaffold()

            else:
                v1.train.init_from_checkpoint(init_checkpoint, assignment)
        if mode == "train":
            train_op = create_optimizer(loss, 0.02, TRAIN_STEPS, WARMUP_STEPS, tpu, use_tpu)
            return tpu.TPUEstimatorSpec(
                mode=mode, loss=loss, train_op=train_op, scaffold_fn=scaffold_fn
            )
        if mode == "eval":

            def metric_fn(per_example_loss, label_ids, logits, real):
                predictions = tf.argmax(logits, axis=-1, output_type=tf.int32)
                return {
                    "eval_accuracy": v1.metrics.accuracy(label_ids, predictions, weights=real),
                    "eval_loss": v1.metrics.mean(per_example_loss, weights=real),
                }

            return tpu.TPUEstimatorSpec(
                mode=mode,
                loss=loss,
                eval_metrics=(metric_fn, [per_example_loss, label_ids, logits, real]),
                scaffold_fn=scaffold_fn,
            )
        return tpu.TPUEstimatorSpec(
            mode=mode,
            predictions={"probabilities": tf.nn.softmax(logits)},
            scaffold_fn=scaffold_fn,
        )

    return model_fn


def write_records(path, number, seed):
    rng = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(number):
            ids = rng.integers(1, VOCABULARY, LENGTH)
            label = int(ids[0] > VOCABULARY // 2)
            mask = (np.arange(LENGTH) < rng.integers(2, LENGTH + 1)).astype(int)
            feature = collections.OrderedDict()
            for name, values in (
                ("input_ids", ids * mask),
                ("input_mask", mask),
                ("label_ids", [label]),
                ("is_real_example", [1]),
            ):
                int64_list = v1.train.Int64List(value=list(values))
                feature[name] = v1.train.Feature(int64_list=int64_list)
            example = v1.train.Example(features=v1.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def input_fn_builder(path, is_training, drop_remainder):
    shapes = {"input_ids": [LENGTH], "input_mask": [LENGTH], "label_ids": [], "is_real_example": []}
    parsed = {name: tf.io.FixedLenFeature(shape, tf.int64) for name, shape in shapes.items()}

    def decode(record):
        example = tf.io.parse_single_example(record, parsed)
        return {name: tf.cast(value, tf.int32) for name, value in example.items()}

    def input_fn(params):
        data = tf.data.TFRecordDataset(path)
        if is_training:
            data = data.repeat()
        return data.map(decode).batch(params["batch_size"], drop_remainder=drop_remainder)

    return input_fn


def estimator_of(tpu, folder, init_checkpoint=None):
    run_config = tpu.RunConfig(
        cluster=None,
        master=None,
        model_dir=os.path.join(folder, "model"),
        save_checkpoints_steps=20,
        tpu_config=tpu.TPUConfig(
            iterations_per_loop=10,
            num_shards=8,
            per_host_input_for_training=tpu.InputPipelineConfig.PER_HOST_V2,
        ),
    )
    return tpu.TPUEstimator(
        use_tpu=False,
        model_fn=model_fn_builder(tpu, init_checkpoint, use_tpu=False),
        config=run_config,
        train_batch_size=TRAIN_BATCH,
        eval_batch_size=EVAL_BATCH,
        predict_batch_size=PREDICT_BATCH,
    )


def main(tpu, folder):
    """Trains, evaluates and predicts; gives what came of it."""
    train_file = os.path.join(folder, "train.tf_record")
    eval_file = os.path.join(folder, "eval.tf_record")
    write_records(train_file, 64, seed=1)
    write_records(eval_file, 12, seed=2)
    estimator = estimator_of(tpu, folder)
    estimator.train(
        input_fn=input_fn_builder(train_file, is_training=True, drop_remainder=True),
        max_steps=TRAIN_STEPS,
    )
    eval_input_fn = input_fn_builder(eval_file, is_training=False, drop_remainder=False)
    metrics = estimator.evaluate(input_fn=eval_input_fn, steps=None)
    probabilities = [p["probabilities"] for p in estimator.predict(input_fn=eval_input_fn)]
    return {
        "metrics": {name: float(value) for name, value in metrics.items()},
        "probabilities": np.array(probabilities).tolist(),
        "variables": {
            name: float(np.sum(estimator.get_variable_value(name)))
            for name in estimator.get_variable_names()
        },
    }
