"""Sessions, queues, iterators and control flow of TensorFlow 1, without an Estimator."""

from __future__ import print_function

import sys
import time

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_ops

started = time.clock()
tf.set_random_seed(11)
np.random.seed(5)
DATA = np.random.randn(40, 3).astype(np.float_)
TARGET = DATA.dot([1.0, -2.0, 0.5]) + 0.1


def from_queue(batch_size):
    rows = tf.train.slice_input_producer([DATA.astype("f"), TARGET.astype("f")], shuffle=False)
    return tf.train.batch(rows, batch_size=batch_size, num_threads=1)


def from_iterator(batch_size):
    dataset = tf.data.Dataset.from_tensor_slices((DATA.astype("f"), TARGET.astype("f")))
    dataset = dataset.shuffle(40, seed=2).repeat().batch(batch_size)
    print(dataset.output_types, dataset.output_shapes)
    return dataset.make_one_shot_iterator().get_next()


def build(x, y):
    with tf.variable_scope("model", initializer=tf.truncated_normal_initializer(stddev=0.3)):
        w = tf.get_variable("w", [x.shape[1].value, 1])
        b = tf.get_variable("b", [1], initializer=tf.zeros_initializer)
    output = tf.squeeze(tf.matmul(x, w) + b, 1)
    loss = tf.reduce_mean(tf.square(output - y))
    return loss, w


def main():
    kind, folder = sys.argv[1:]
    x, y = {"queue": from_queue, "iterator": from_iterator}[kind](8)
    x = tf.nn.dropout(x, keep_prob=0.9)
    loss, w = build(x, y)
    step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(0.2, step, 10, 0.5, staircase=True)
    train_op = tf.train.MomentumOptimizer(rate, 0.5).minimize(loss, global_step=step)
    total = tf.while_loop(
        lambda i, s: tf.less(i, 3), lambda i, s: (i + 1, s + tf.reduce_sum(w) * tf.to_float(i)),
        [tf.constant(0), tf.constant(0.0)],
    )[1]
    scaled = tf.cond(tf.greater(tf.reduce_sum(w), 0), lambda: w * 2.0, lambda: [w * 3.0])
    grown = tf.Variable([0.0], validate_shape=False, trainable=False, name="grown")
    grow = tf.assign(grown, tf.concat([grown, [1.0]], 0), validate_shape=False)
    tf.summary.scalar("loss", loss)
    merged = tf.summary.merge_all()
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess=sess, coord=coord)
        writer = tf.summary.FileWriter(folder, sess.graph)
        for _ in range(20):
            _, value, summary = sess.run([train_op, loss, merged])
            writer.add_summary(summary, sess.run(step))
            sess.run(grow)
        writer.close()
        print("loss %.6f" % value)
        print("w", " ".join("%.5f" % each for each in sess.run("model/w/read:0").ravel()))
        print("while %.5f" % sess.run(total), "cond %.5f" % np.sum(sess.run(scaled)))
        print("grown", sess.run(grown).shape)
        saver.save(sess, folder + "/model.ckpt", global_step=step)
        coord.request_stop()
        coord.join(threads)
    print("saved", tf.train.latest_checkpoint(folder).split("/")[-1])
    assert time.clock() >= started and ops.Graph is tf.Graph and control_flow_ops.group


if __name__ == "__main__":
    main()
