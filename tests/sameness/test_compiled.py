"""Training with RunConfig(jit_compile=True): the same numbers, or a reason why it is not."""

import logging
import re

import numpy as np
import pytest

from tf_estimator import Estimator, RunConfig
from tf_estimator._tf import logger

STEPS = 100
# What XLA takes, and the name of the operation that is in the way of the others.
COMPILED = (
    "dense",
    "batch norm",
    "asserts",
    "partitioned variables",
    "two optimizers",
    "summaries",
    "last batch smaller",
)
NOT_COMPILED = {
    "dropout with a seed": r"'dropout/\w+/RandomUniform' draws random numbers by a seed",
    "static table": r"'hash_table\w*' \(HashTableV2\)",
    "feature columns": r"hash_table\w*' \(HashTableV2\)|gives a string",
    "sparse": "SparseTensorSpec, which is not dense",
    "ragged": "RaggedTensorSpec, which is not dense",
    "py_function": r"'PyFunc\w*' \(PyFunc\w*\) calls Python",
    "Keras dropout": "random_normal.* draws other numbers in XLA",
    "while": "maximum_iteration",  # which the gradient of a loop needs
    "queue": r"queue' \(FIFOQueueV2\)",
    "ref variables": "'ref",
}


@pytest.fixture
def warnings(caplog):
    with caplog.at_level(logging.WARNING):
        logger.addHandler(caplog.handler)
        yield lambda: {
            one.getMessage() for one in caplog.records if "has no effect" in one.getMessage()
        }
        logger.removeHandler(caplog.handler)


def weights(program, folder, **options):
    config = RunConfig(
        str(folder),
        tf_random_seed=1,
        save_summary_steps=40,
        log_step_count_steps=30,
        **options,
    )
    with Estimator(program.model_fn, config=config) as estimator:
        estimator.train(program.endless, steps=STEPS)
        names = estimator.get_variable_names()
        return {name: estimator.get_variable_value(name) for name in names}


@pytest.mark.parametrize("name", COMPILED, indirect=True)
def test_a_compiled_training_has_the_weights_of_single_steps(program, tmp_path, warnings):
    expected = weights(program, tmp_path / "singly", steps_per_loop=1)
    found = weights(program, tmp_path / "compiled", jit_compile=True)
    assert not warnings()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(
            found[name], value, rtol=0, atol=1e-5 * np.abs(value).max(), err_msg=name
        )


@pytest.mark.parametrize(
    ("name", "reason"), NOT_COMPILED.items(), indirect=["name"], ids=list(NOT_COMPILED)
)
def test_what_xla_cannot_do_is_done_without_it(program, reason, tmp_path, warnings):
    expected = weights(program, tmp_path / "singly", steps_per_loop=1)
    found = weights(program, tmp_path / "asked", jit_compile=True)
    (told,) = warnings()
    assert re.search(reason, told), told
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
