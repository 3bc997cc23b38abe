"""A tagger of words: a look-up table, a bidirectional LSTM and a CRF."""

from __future__ import print_function

import sys

import numpy as np
import tensorflow as tf
from tensorflow.contrib import crf, lookup, rnn
from tensorflow.contrib.rnn import DropoutWrapper, LSTMStateTuple

WORDS = ["the", "cat", "dog", "runs", "sees", "a"]
TAGS = ["D", "N", "V"]
SENTENCES = [("the cat runs", "D N V"), ("a dog sees the cat", "D N V D N"), ("the dog runs", "D N V")]


def input_fn():
    def generate():
        for words, tags in SENTENCES * 40:
            yield (words.split(), len(words.split())), tags.split()

    shapes = (([None], ()), [None])
    dataset = tf.data.Dataset.from_generator(generate, ((tf.string, tf.int32), tf.string), shapes)
    dataset = dataset.padded_batch(3, shapes, (("<pad>", 0), "D"))
    iterator = dataset.make_initializable_iterator()
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


def model_fn(features, labels, mode, params):
    words, lengths = features
    ids = lookup.index_table_from_tensor(WORDS, num_oov_buckets=1).lookup(words)
    embeddings = tf.get_variable("embeddings", [len(WORDS) + 1, 6])
    inputs = tf.nn.embedding_lookup(embeddings, ids)
    keep = 0.9 if mode == tf.estimator.ModeKeys.TRAIN else 1.0
    forward, backward = (
        DropoutWrapper(rnn.BasicLSTMCell(params["units"]), output_keep_prob=keep) for _ in range(2)
    )
    outputs, states = tf.nn.bidirectional_dynamic_rnn(
        forward, backward, inputs, sequence_length=lengths, dtype=tf.float32
    )
    assert isinstance(states[0], LSTMStateTuple)
    logits = tf.layers.dense(tf.concat(outputs, -1), len(TAGS))
    transitions = tf.get_variable("crf", [len(TAGS), len(TAGS)])
    predicted, _ = crf.crf_decode(logits, transitions, lengths)
    if mode == tf.estimator.ModeKeys.PREDICT:
        names = lookup.index_to_string_table_from_tensor(TAGS)
        tags = names.lookup(tf.to_int64(predicted))
        return tf.estimator.EstimatorSpec(mode, predictions={"tags": tags})
    tags = lookup.index_table_from_tensor(TAGS).lookup(labels)
    likelihood, _ = crf.crf_log_likelihood(logits, tf.to_int32(tags), lengths, transitions)
    loss = tf.reduce_mean(-likelihood)
    weights = tf.sequence_mask(lengths)
    metrics = {"accuracy": tf.metrics.accuracy(tags, predicted, weights)}
    train_op = None
    if mode == tf.estimator.ModeKeys.TRAIN:
        optimizer = tf.train.AdamOptimizer(0.05)
        variables = tf.trainable_variables()
        gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 5.0)
        train_op = optimizer.apply_gradients(
            zip(gradients, variables), global_step=tf.train.get_global_step()
        )
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)


if __name__ == "__main__":
    tf.logging.set_verbosity(tf.logging.ERROR)
    config = tf.estimator.RunConfig(tf_random_seed=1)
    tagger = tf.estimator.Estimator(model_fn, sys.argv[1], config, {"units": 8})
    hook = tf.contrib.estimator.stop_if_no_decrease_hook(tagger, "loss", 1000)
    tagger.train(input_fn, hooks=[hook])
    results = tagger.evaluate(input_fn, steps=1)
    print("accuracy %.3f" % results["accuracy"], "step", results["global_step"])
    first = next(tagger.predict(input_fn))
    print(b" ".join(first["tags"]).decode())
    print(np.float_(1.0), sorted(tagger.get_variable_names())[:2])
