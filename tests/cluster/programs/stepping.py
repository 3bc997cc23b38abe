"""A task of a cluster that trains by train_and_evaluate, and tells each global step that it sees.

    python stepping.py MODEL_DIR MAX_STEPS [HOW ...]

HOW: "adopts" the state of live parameter servers; has a "handler" of SIGTERM, that stops training
after the step; "lingers" before it closes the session; looks at each tenth step only, "seldom".
"""

import signal
import sys
import time

import tensorflow as tf

import tf_estimator

v1 = tf.compat.v1

MODEL_DIR, MAX_STEPS, *HOW = sys.argv[1:]


def say(text):
    """A line at once."""
    sys.stdout.write(f"{text}\n")


def model_fn(features, labels, mode):
    """A step adds 1 to w."""
    del labels
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    loss = w + 0.0 * tf.reduce_mean(features)
    train_op = tf.group(w.assign_add(1.0), v1.assign_add(v1.train.get_global_step(), 1))
    return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn():
    """The same batch for ever."""
    return tf.data.Dataset.from_tensors([1.0]).repeat()


class Teller(v1.train.SessionRunHook):
    """Tells the steps, and stops when it has to."""

    def __init__(self):
        self._stop = False
        self._taken = self._looked = 0
        if "handler" in HOW:
            signal.signal(signal.SIGTERM, self._note)

    def _note(self, number, frame):
        say("will stop")
        self._stop = True

    def after_create_session(self, session, coord):
        say("has a session")

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(v1.train.get_global_step())

    def after_run(self, run_context, run_values):
        self._looked += 1
        say(f"step {run_values.results}")
        if self._stop:
            run_context.request_stop()
        time.sleep(0.02)

    def after_skipped_steps(self, steps):
        self._taken += steps

    def end(self, session):
        say(f"took {self._taken + self._looked} steps, looked at {self._looked}")
        say("ends")
        if "lingers" in HOW:
            time.sleep(2)


class SeldomTeller(Teller):
    """Looks at each tenth step."""

    def next_look(self, global_step):
        return global_step + (1 if self._stop else 10 - global_step % 10)


def main():
    """Trains and evaluates."""
    tf.get_logger().setLevel("INFO")
    config = tf_estimator.RunConfig(
        model_dir=MODEL_DIR,
        save_checkpoints_steps=20,
        save_summary_steps=None,
        log_step_count_steps=None,
        experimental_max_worker_delay_secs=0,
        adopt_live_ps="adopts" in HOW,
    )
    hook = SeldomTeller() if "seldom" in HOW else Teller()
    tf_estimator.train_and_evaluate(
        tf_estimator.Estimator(model_fn, config=config),
        tf_estimator.TrainSpec(input_fn, int(MAX_STEPS), hooks=[hook]),
        tf_estimator.EvalSpec(input_fn, steps=1, start_delay_secs=0, throttle_secs=0),
    )
    say("is done")


if __name__ == "__main__":
    main()
