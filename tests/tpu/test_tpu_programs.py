"""Programs in the shape of public ones give what they gave on the original, on a CPU."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.v1 import tpu

v1 = tf.compat.v1
PROGRAMS = pathlib.Path(__file__).with_name("programs")
# What `main` gave with tf.compat.v1.estimator.tpu of tensorflow-estimator 2.15.0.
EXPECTED = json.loads(PROGRAMS.joinpath("expected.json").read_text())


def program(name):
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same(received, expected):
    """Numbers are compared to the digits that another order of summation leaves."""
    if isinstance(expected, dict):
        assert set(received) == set(expected)
        for name in expected:
            assert_same(received[name], expected[name])
    else:
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3)


def test_fine_tuning(tmp_path):
    assert_same(program("fine_tune").main(tpu, str(tmp_path)), EXPECTED["fine_tune"])


def test_fine_tuning_from_a_checkpoint(tmp_path):
    fine_tune = program("fine_tune")
    value = np.random.default_rng(1).normal(size=[fine_tune.WIDTH, 16]).astype(np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("encoder/up/kernel", initializer=value)
        session.run(v1.global_variables_initializer())
        checkpoint = v1.train.Saver().save(session, str(tmp_path / "init.ckpt"))
    fine_tune.write_records(str(tmp_path / "data"), fine_tune.TRAIN_BATCH, seed=1)
    input_fn = fine_tune.input_fn_builder(str(tmp_path / "data"), True, True)
    fine_tune.estimator_of(tpu, str(tmp_path), checkpoint).train(input_fn, steps=1)
    started = tf.train.load_variable(str(tmp_path / "model" / "model.ckpt-0"), "encoder/up/kernel")
    np.testing.assert_array_equal(started, value)


@pytest.mark.parametrize("shards", [False, True])
def test_digits(tmp_path, shards):
    """With and without CrossShardOptimizer, which the original could not run on a CPU."""
    received = program("digits").main(tpu, str(tmp_path), shards)
    assert_same(received, EXPECTED["digits"])
