"""A training run whose process is killed at random moments, and started again each time.

    python killed_run.py MODEL_DIR KILLS SEED

Prints one JSON list: for each life the step it started from and the files that the kill left; the
last life trains ten steps more, undisturbed. Each life is a fork of this process, which has
imported TensorFlow and never used it: so it starts in no time, and dies as any process does.
"""

import contextlib
import json
import os
import random
import re
import select
import signal
import sys
from pathlib import Path

import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1

KEEP = 3
SAVE_EVERY = 3
# 1.6 MB and two slots: a save takes about as long as the steps between two.
SIZE = 400_000
PATIENCE_SECS = 60


def model_fn(features, labels, mode):
    """Adam on a large vector; where the input stands decides every weight."""
    w = v1.get_variable("w", [SIZE], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean((w - tf.reduce_mean(features)) ** 2) * SIZE
    step = v1.train.get_global_step()
    train_op = v1.train.AdamOptimizer(0.01).minimize(loss, step)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn():
    """Shuffled, so that a wrong position shows."""
    return tf.data.Dataset.range(1000).map(float32).shuffle(50, seed=7).repeat().batch(4)


def float32(x):
    """An example as a float."""
    return tf.cast(x, tf.float32)


class Reporter(v1.train.SessionRunHook):
    """Writes the step that a life starts from, and a sign of life at its first step, to a pipe."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._said = False

    def after_create_session(self, session, coord):
        """Tells the start."""
        step = session.run(v1.train.get_global_step(session.graph))
        os.write(self._pipe, f"{step}\n".encode())

    def after_run(self, run_context, run_values):
        """Tells of the first step."""
        if not self._said:
            self._said = True
            os.write(self._pipe, b"stepping\n")


def train(model_dir, steps, pipe):
    """One life."""
    config = RunConfig(
        save_checkpoints_steps=SAVE_EVERY,
        keep_checkpoint_max=KEEP,
        save_summary_steps=None,
        log_step_count_steps=None,
        save_input_state=True,
    )
    Estimator(model_fn, model_dir, config).train(input_fn, hooks=[Reporter(pipe)], steps=steps)


def newest_step(model_dir):
    """The step of the checkpoint that the state file names: what the next life must not lose."""
    state = Path(model_dir, "checkpoint")
    if not state.exists():
        return 0
    return int(re.match(r'model_checkpoint_path: ".*-(\d+)"', state.read_text())[1])


def fork_training(model_dir, steps):
    """Starts a life; returns its process id and what it says."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 1
    with contextlib.suppress(BaseException):
        train(model_dir, steps, writing)
        code = 0
    os._exit(code)


def says(pipe, text, wait_secs):
    """What a life has said with this, and whether `text` came within the time; '' is its death."""
    heard = ""
    while text not in heard:
        ready, _, _ = select.select([pipe], [], [], wait_secs)
        more = os.read(pipe, 4096).decode() if ready else ""
        heard += more
        if not more:
            return heard, False
    return heard, True


def life(model_dir, chance, kill):
    """Trains in a process of its own, until it is killed, or for ten steps."""
    newest = newest_step(model_dir)
    child, pipe = fork_training(model_dir, None if kill else 10)
    heard = ""
    if kill:
        # One in five may die earlier, while the folder is cleaned and the model restored.
        if chance.random() < 0.8:
            heard, _ = says(pipe, "stepping", PATIENCE_SECS)
        heard += says(pipe, "never said", chance.uniform(0, 0.25))[0]
        os.kill(child, signal.SIGKILL)
    else:
        heard += says(pipe, "never said", PATIENCE_SECS)[0]
    _, status = os.waitpid(child, 0)
    os.close(pipe)
    start = re.match(r"\d+", heard)
    return {
        "newest": newest,
        "start": int(start[0]) if start else None,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "files": sorted(os.listdir(model_dir)) if os.path.isdir(model_dir) else [],
    }


def main():
    """Kills and restarts; then lets it finish."""
    model_dir, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    lives = [life(model_dir, chance, kill=True) for _ in range(kills)]
    lives.append(life(model_dir, chance, kill=False))
    sys.stdout.write(json.dumps(lives))


if __name__ == "__main__":
    main()
