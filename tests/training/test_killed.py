"""A training process is killed at 25 random moments, saves included, and started again."""

import importlib.util
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, RunConfig

SCRIPT = Path(__file__).with_name("killed_run.py")
KILLS = 25


def _program():
    spec = importlib.util.spec_from_file_location("killed_run", SCRIPT)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


@pytest.fixture(scope="module")
def program():
    return _program()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The model_dir of the run, and what each of its lives left."""
    model_dir = tmp_path_factory.mktemp("killed") / "model"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(model_dir), str(KILLS), "20"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return model_dir, json.loads(done.stdout)


def _checkpoints(files):
    return {name for name in files if re.fullmatch(r"model\.ckpt-\d+\.index", name)}


# Twenty-six lives on two cores that are busy with other things.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(330)]


def test_every_life_but_the_last_was_killed(run):
    _, lives = run
    assert [life["signal"] for life in lives] == [signal.SIGKILL] * KILLS + [None]
    assert lives[-1]["code"] == 0


def test_no_step_is_lost_beyond_the_last_checkpoint(run):
    _, lives = run
    started = [life for life in lives if life["start"] is not None]
    assert [life["start"] for life in started] == [life["newest"] for life in started]
    assert lives[-1]["start"] > 0


def test_the_run_finishes(run):
    model_dir, lives = run
    assert Estimator(_program().model_fn, str(model_dir)).get_variable_value("global_step") == (
        lives[-1]["start"] + 10
    )


def test_disk_use_stays_within_keep_checkpoint_max(run, program):
    _, lives = run
    for life in lives:
        # A kill can fall between a save and the removal of the oldest.
        assert len(_checkpoints(life["files"])) <= program.KEEP + 1
    assert len(_checkpoints(lives[-1]["files"])) == program.KEEP


def test_nothing_is_left_of_saves_that_were_cut_off(run, program):
    _, lives = run
    left = [name for name in lives[-1]["files"] if "temp" in name]
    assert left == []
    data = [name for name in lives[-1]["files"] if ".data-" in name]
    assert len(data) == program.KEEP


def test_the_weights_are_those_of_a_run_that_never_stopped(run, program, tmp_path):
    model_dir, lives = run
    steps = lives[-1]["start"] + 10
    config = RunConfig(save_checkpoints_secs=None, save_summary_steps=None)
    config = config.replace(save_checkpoints_steps=10**9)
    unbroken = Estimator(program.model_fn, str(tmp_path), config)
    unbroken.train(program.input_fn, steps=steps)
    killed = tf.train.load_checkpoint(str(model_dir))
    for name in unbroken.get_variable_names():
        expected = unbroken.get_variable_value(name)
        np.testing.assert_array_equal(killed.get_tensor(name), expected, err_msg=name)
