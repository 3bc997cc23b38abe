"""The program of one process: `python -m contest.cluster.task PACKAGE SETUP SIZE SECONDS FOLDER`.

TF_CONFIG says which one of the setup it is. Each runs the same `train_and_evaluate`, as programs of
users do. The chief takes turns as all contestants do, and times itself by the global step. Another
worker trains from a line "go" on stdin to the next line, "stop". A parameter server is not told.
"""

import json
import os
import sys
import threading
import time
from typing import Any

import tensorflow as tf

from contest.models import wide_mlp
from contest.tensorflow_graph import dataset, estimator, ten_batches, v1
from contest.turns import Turns, own_stdout
from contest.worker import versions

from . import bare
from .setups import SETUPS, SIZES


class _Turns(v1.train.SessionRunHook):
    """The chief's: a turn is of all the steps that end within some seconds."""

    def __init__(self, turns: Turns, seconds: float) -> None:
        self._turns, self._seconds = turns, seconds
        self._first = 0
        self._end: float | None = None

    def begin(self) -> None:
        self._variable = v1.train.get_global_step()

    def before_run(self, run_context: Any) -> None:
        if self._end is not None:
            return
        if not self._turns.begin():
            run_context.request_stop()
            return
        self._first = self._step(run_context)
        self._end = time.perf_counter() + self._seconds

    def after_run(self, run_context: Any, _: Any) -> None:
        if self._end is None or time.perf_counter() < self._end:
            return
        self._turns.count = self._step(run_context) - self._first
        self._turns.end()
        self._end = None

    def next_look(self, global_step: int) -> int | None:
        """Ours asks, and takes many steps in one go until then; see its RunConfig."""
        if self._end is None or time.perf_counter() >= self._end:
            return global_step + 1
        return None

    def _step(self, run_context: Any) -> int:
        return int(run_context.session.run(self._variable))


class _Pauses(v1.train.SessionRunHook):
    """Another worker's: it trains while the chief has its turn."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._may_run = threading.Event()

    def begin(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()

    def before_run(self, run_context: Any) -> None:
        if not self._may_run.is_set():
            self._turns.say(waits=True)
            self._may_run.wait()

    def _listen(self) -> None:
        for line in sys.stdin:
            if line == "go\n":
                self._may_run.set()
            else:
                self._may_run.clear()
        os._exit(0)


def _end_with_stdin() -> None:
    """A parameter server may wait for ever, but not longer than whoever started it."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def _package(name: str) -> Any:
    if name == "original":
        return tf.estimator
    import tf_estimator  # noqa: PLC0415 - the original's environment has none

    return tf_estimator


def _distribution(replicas: int) -> dict[str, Any]:
    """Options of a RunConfig for so many replicas on this processor."""
    # The default of both packages, with as many devices.
    session = v1.ConfigProto(allow_soft_placement=True, device_count={"CPU": replicas})
    rewrite_options = session.graph_options.rewrite_options
    rewrite_options.meta_optimizer_iterations = rewrite_options.ONE
    devices = [f"/cpu:{number}" for number in range(replicas)]
    return {
        "train_distribute": tf.distribute.MirroredStrategy(devices),
        "session_config": session,
    }


def main() -> None:
    """Trains until there are no more turns."""
    package, name, size, seconds, folder = sys.argv[1:]
    setup, model = SETUPS[name], wide_mlp(SIZES[size][0])
    turns = Turns(own_stdout(), 0)
    api = _package(package)
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {}).get("type", "chief")
    turns.say(imported=True, versions=versions())
    if task == "ps":
        _end_with_stdin()
    if setup.bare:
        bare.loop(api, size, model, folder, turns, float(seconds))
        return
    hooks = []
    if task == "chief":
        hooks = [_Turns(turns, float(seconds))]
    elif task == "worker":
        sys.stdin.readline()  # The original looks for the chief's variables twice a minute only.
        hooks = [_Pauses(turns)]
    options = dict(setup.options)
    if setup.replicas:
        options |= _distribution(setup.replicas)
    if setup.workers > 1:
        options["experimental_max_worker_delay_secs"] = 0
    options["save_checkpoints_secs"] = 3600  # at the start
    api.train_and_evaluate(
        estimator(api, size, model, folder, **options),
        api.TrainSpec(lambda: dataset(model), hooks=hooks),
        api.EvalSpec(lambda: ten_batches(model), steps=1),
    )


if __name__ == "__main__":
    main()
