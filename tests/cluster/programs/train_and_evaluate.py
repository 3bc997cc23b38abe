"""A task of a cluster that trains a small model by train_and_evaluate, and says what it did.

python train_and_evaluate.py MODEL_DIR [options]
"""

import argparse
import logging
import sys
import time

import tensorflow as tf

import tf_estimator
from tf_estimator import checkpoint

v1 = tf.compat.v1


def say(text):
    """Writes a line."""
    sys.stdout.write(f"{text}\n")


def counting(features, labels, mode):
    """A step adds 1 to w, whoever takes it."""
    del labels
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    loss = w + 0.0 * tf.reduce_mean(features["x"])
    train_op = tf.group(w.assign_add(1.0), v1.assign_add(v1.train.get_global_step(), 1))
    return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def linear(features, labels, mode):
    """Learns the sum of the features."""
    w = v1.get_variable("w", [3, 1], initializer=v1.zeros_initializer())
    b = v1.get_variable("b", [1], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean((features["x"] @ w + b - labels) ** 2)
    train_op = v1.train.AdamOptimizer(0.05).minimize(loss, v1.train.get_global_step())
    return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def made(model, config):
    """The Estimator."""
    if model == "deep":
        x = tf.feature_column.numeric_column("x", [3])
        units = [4, 2]
        return tf_estimator.DNNRegressor(units, [x], label_dimension=1, config=config)
    return tf_estimator.Estimator({"counting": counting, "linear": linear}[model], config=config)


class Says(v1.train.SessionRunHook):
    """Says how far it is, and takes its time."""

    def __init__(self, secs_per_step):
        self._secs, self._steps = secs_per_step, 0

    def after_create_session(self, session, coord):
        say("has a session")

    def after_run(self, run_context, run_values):
        self._steps += 1
        if self._steps % 5 == 1:
            say(f"took step {self._steps}")
        time.sleep(self._secs)

    def end(self, session):
        say(f"took {self._steps} steps in all")


class Exporter(tf_estimator.Exporter):
    """Says what is exported."""

    name = "says"

    def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
        """Exports nothing."""
        final = "the final " if is_the_final_export else ""
        say(f"exports {final}step {eval_result['global_step']}, loss {eval_result['loss']:.3g}")


def main():
    """Calls train_and_evaluate for each of max_steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model_dir")
    parser.add_argument("--max_steps", type=int, nargs="*", default=[None])
    parser.add_argument("--batches", type=int, default=-1, help="of the chief; the others go on")
    parser.add_argument("--stop_at", type=int, help="stop early once a checkpoint is at this step")
    parser.add_argument("--model", choices=["counting", "linear", "deep"], default="counting")
    parser.add_argument("--secs_per_step", type=float, default=0.01)
    parser.add_argument("--save_every", type=int, default=20)
    parser.add_argument("--adopt_live_ps", action="store_true")
    parser.add_argument("--only_train", action="store_true", help="by Estimator.train")
    args = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.INFO)

    config = tf_estimator.RunConfig(
        args.model_dir,
        save_checkpoints_steps=args.save_every,
        save_summary_steps=None,
        experimental_max_worker_delay_secs=0,
        adopt_live_ps=args.adopt_live_ps,
    )
    estimator = made(args.model, config)

    def input_fn(config):
        x = tf.random.stateless_uniform([16, 3], (1, 2))
        batch = tf.data.Dataset.from_tensors(({"x": x}, tf.reduce_sum(x, 1, keepdims=True)))
        return batch.repeat(args.batches if config.is_chief else -1)

    hooks = [Says(args.secs_per_step)]
    if args.stop_at is not None:
        stop = tf_estimator.experimental.make_early_stopping_hook(
            estimator,
            lambda: checkpoint.step_of_latest(args.model_dir) >= args.stop_at,
            run_every_secs=None,
            run_every_steps=5,
        )
        hooks.append(stop)
    if args.only_train:
        estimator.train(input_fn, max_steps=args.max_steps[0])
        return

    for max_steps in args.max_steps:
        tf_estimator.train_and_evaluate(
            estimator,
            tf_estimator.TrainSpec(input_fn, max_steps, hooks),
            tf_estimator.EvalSpec(
                lambda: input_fn(config).take(1),
                steps=1,
                exporters=Exporter(),
                start_delay_secs=0,
                throttle_secs=600,
            ),
        )
    say("the end of the program")


if __name__ == "__main__":
    main()
