"""A task of a cluster whose workers train in step, and that says the loss of each step.

python in_step.py MODEL_DIR [options]
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time

import numpy as np
import tensorflow as tf

import tf_estimator

v1 = tf.compat.v1

BATCH = 12


def say(text):
    """Writes a line."""
    sys.stdout.write(f"{text}\n")


def strategy_made(how):
    """The strategy, as a user may make it; None to train alone."""
    if how == "none":
        return None
    if how == "ours":
        return tf_estimator.experimental.multi_worker_mirrored_strategy()
    if how == "in_graph":
        with tf.Graph().as_default():
            return tf.distribute.MultiWorkerMirroredStrategy()
    if how == "eager_v1":
        return v1.distribute.experimental.MultiWorkerMirroredStrategy()
    return tf.distribute.MultiWorkerMirroredStrategy()


def model_fn(features, labels, mode, params):
    """A hidden layer; its initial values differ between workers unless they are made the same."""
    kernel = v1.get_variable("hidden/kernel", [4, 8], initializer=params["initializer"])
    out = v1.get_variable("out", [8, 1], initializer=tf.initializers.ones())
    mean = v1.get_variable(
        "mean",
        [],
        initializer=v1.zeros_initializer(),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.MEAN,
    )
    predictions = tf.nn.relu(features["x"] @ kernel) @ out
    loss = tf.reduce_mean(tf.square(predictions - labels))
    metrics = {"rmse": v1.metrics.root_mean_squared_error(labels, predictions)}
    if mode == tf_estimator.ModeKeys.EVAL:
        return tf_estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
    with tf.control_dependencies([mean.assign_add(tf.reduce_mean(features["x"]))]):
        step = v1.train.get_global_step()
        train_op = v1.train.AdamOptimizer(0.01).minimize(loss, step)
    if params["summarizes"]:
        v1.summary.scalar("mean_of_all", mean.read_value())
    return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn_of(batches):
    """An input_fn that gives each worker its part of the same batches."""
    random = np.random.RandomState(0)
    x = random.randn(20 * BATCH, 4).astype("f")
    y = x @ np.array([[1.0], [-2.0], [3.0], [0.5]], "f")

    def input_fn(input_context=None):
        dataset = tf.data.Dataset.from_tensor_slices(({"x": x}, y))
        if input_context is not None:
            dataset = dataset.shard(
                input_context.num_input_pipelines, input_context.input_pipeline_id
            )
        size = BATCH if input_context is None else input_context.get_per_replica_batch_size(BATCH)
        dataset = dataset.batch(size)
        return dataset.repeat() if batches is None else dataset.repeat().take(batches)

    return input_fn


class Says(v1.train.SessionRunHook):
    """Says the loss of each step, and stops or takes its time where it is told so."""

    def __init__(self, args, is_chief):
        self._args, self._is_chief = args, is_chief

    def after_create_session(self, session, coord):
        self._step = int(session.run(v1.train.get_global_step()))
        say("has a session")

    def before_run(self, run_context):
        (loss,) = v1.get_collection(v1.GraphKeys.LOSSES)[-1:]
        return v1.train.SessionRunArgs(loss)

    def after_run(self, run_context, run_values):
        self._step += 1
        if self._is_chief:  # Nobody else does.
            assert self._step == run_context.session.run(v1.train.get_global_step())
        say(f"step {self._step} loss {run_values.results:.7f}")
        args = self._args
        if args.alone == self._step and self._is_chief:
            run_context.session.run(v1.get_collection(v1.GraphKeys.LOSSES)[-1])
        if args.fails_at == self._step and not self._is_chief:
            raise ValueError("It fails, and lives on.")
        mark = f"{args.model_dir}.killed"
        if args.killed_at == self._step and not self._is_chief and not os.path.exists(mark):
            os.mkdir(mark)
            os.kill(os.getpid(), signal.SIGKILL)
        if self._args.stop_at == self._step and not self._is_chief:
            run_context.request_stop()
        time.sleep(self._args.secs_per_step)

    def end(self, session):
        if self._args.alone == -1 and self._is_chief:
            session.run(v1.get_collection(v1.GraphKeys.LOSSES)[-1])
        say(f"ends at {int(session.run(v1.train.get_global_step()))}")


def main():
    """Trains and evaluates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model_dir")
    parser.add_argument("--strategy", default="ours")
    parser.add_argument("--max_steps", type=int)
    parser.add_argument("--batches", type=int, help="of the last worker; the others have more")
    parser.add_argument("--stop_at", type=int, help="the workers ask to stop at this step")
    parser.add_argument("--fails_at", type=int, help="the workers fail at this step, and live on")
    parser.add_argument("--killed_at", type=int, help="a worker is killed once at this step")
    parser.add_argument(
        "--alone", type=int, help="the chief alone runs the loss after this step; -1: at the end"
    )
    parser.add_argument("--again", type=int, help="max_steps of a second job")
    parser.add_argument("--secs_per_step", type=float, default=0.0)
    parser.add_argument("--save_secs", type=float)
    parser.add_argument("--summarizes", action="store_true")
    args = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.INFO)

    config = tf_estimator.RunConfig(
        args.model_dir,
        tf_random_seed=3,
        save_summary_steps=10 if args.summarizes else None,
        log_step_count_steps=None,
        train_distribute=strategy_made(args.strategy),
        **(
            {"save_checkpoints_steps": 20}
            if args.save_secs is None
            else {"save_checkpoints_secs": args.save_secs}
        ),
    )
    is_last = config.task_type == "worker" and config.task_id == config.num_worker_replicas - 2
    batches = args.batches if is_last or args.batches is None else args.batches + 10
    params = {
        "initializer": tf.initializers.glorot_uniform(seed=1),
        "summarizes": args.summarizes,
    }
    estimator = tf_estimator.Estimator(model_fn, config=config, params=params)
    hooks = [Says(args, config.is_chief)]
    for max_steps in (args.max_steps, args.again)[: 1 if args.again is None else 2]:
        try:
            tf_estimator.train_and_evaluate(
                estimator,
                tf_estimator.TrainSpec(input_fn_of(batches), max_steps, hooks),
                tf_estimator.EvalSpec(
                    input_fn_of(2), steps=None, start_delay_secs=0, throttle_secs=0
                ),
            )
        except ValueError as error:
            if args.fails_at is None:
                raise
            say(f"{error}")
            threading.Event().wait()
    say("the end of the program")


if __name__ == "__main__":
    main()
