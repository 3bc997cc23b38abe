"""A run of training that can be killed: `python exact_run.py FOLDER [PLACE STEP]`.

It reads FOLDER/*.txt and *.tfrecord, trains in FOLDER/model and kills itself at the place and step.
"""

import os
import signal
import sys
from pathlib import Path

import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1
PLACES = ("before a step", "after a step", "before a save", "after a save")
LAST_STEP = 23


def write_files(folder):
    """Lines and records of one to five numbers."""
    rows = [" ".join(str(n % 7 + k) for k in range(n % 5 + 1)) for n in range(40)]
    for part in range(4):
        (folder / f"{part}.txt").write_text("\n".join(rows[part:30:4]) + "\n")
    with tf.io.TFRecordWriter(str(folder / "more.tfrecord")) as writer:
        for row in rows[30:]:
            writer.write(row.encode())


def input_fn(folder):
    """All that a pipeline is made of, in a fixed order."""
    texts = tf.data.Dataset.list_files(f"{folder}/*.txt", shuffle=False).interleave(
        tf.data.TextLineDataset, cycle_length=2, num_parallel_calls=2, deterministic=True
    )
    rows = texts.concatenate(tf.data.TFRecordDataset(f"{folder}/more.tfrecord"))
    numbers = rows.shuffle(11, seed=3).map(
        lambda row: tf.strings.to_number(tf.strings.split([row]).values),
        num_parallel_calls=2,
        deterministic=True,
    )
    return numbers.repeat().padded_batch(3, [5]).prefetch(2)


def model_fn(features, mode, params):
    hidden = tf.tanh(features @ v1.get_variable("hidden", [5, 4]) + v1.get_variable("bias", [4]))
    loss = tf.reduce_mean((hidden @ v1.get_variable("out", [4, 1]) - features) ** 2)
    if params == "adam":
        optimizer = v1.train.AdamOptimizer(0.05)
    else:
        optimizer = v1.train.MomentumOptimizer(0.01, 0.9)
    train_op = optimizer.minimize(loss, v1.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def make_estimator(folder, optimizer="adam", name="model", **options):
    config = {"save_input_state": True, "save_checkpoints_steps": 5, "tf_random_seed": 1} | options
    config = RunConfig(save_summary_steps=None, log_step_count_steps=None, **config)
    return Estimator(model_fn, str(folder / name), config, params=optimizer)


class Interrupt(v1.train.SessionRunHook, v1.train.CheckpointSaverListener):
    """Calls `stop` at a place of PLACES and a step; hook and listener in one."""

    def __init__(self, place, step, stop):
        self._place, self._at, self._stop = place, step, stop

    def begin(self):
        self._step = v1.train.get_global_step()

    def end(self, session, global_step_value=None):
        pass

    def _reached(self, place, step):
        if (place, int(step)) == (self._place, self._at):
            self._stop()

    def before_run(self, run_context):
        self._reached("before a step", run_context.session.run(self._step))

    def after_run(self, run_context, run_values):
        self._reached("after a step", run_context.session.run(self._step))

    def before_save(self, session, global_step_value):
        self._reached("before a save", global_step_value)

    def after_save(self, session, global_step_value):
        self._reached("after a save", global_step_value)


def run(estimator, folder, interrupt=None):
    given = [interrupt] if interrupt else []
    estimator.train(
        lambda: input_fn(folder), hooks=given, max_steps=LAST_STEP, saving_listeners=given
    )


def main(folder, place="", step="-1"):
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    folder = Path(folder)
    run(make_estimator(folder), folder, Interrupt(place, int(step), kill))


if __name__ == "__main__":
    main(*sys.argv[1:])
