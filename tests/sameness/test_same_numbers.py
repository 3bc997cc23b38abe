"""What makes an Estimator fast changes no number: each program, with and without it."""

import shutil

import numpy as np
import pytest

from tf_estimator import Estimator, ModeKeys, RunConfig

STEPS = 11


def _estimator(program, folder, **options):
    config = RunConfig(
        str(folder), tf_random_seed=1, save_summary_steps=4, log_step_count_steps=5, **options
    )
    return Estimator(program.model_fn, config=config)


def _weights(estimator):
    return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


def _assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def all_trained(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained(name, program, all_trained, tmp_path):
    """A folder that a test may train on in, a copy of what the first of them made."""
    original = all_trained / name.replace(" ", "_")
    if not original.exists():
        estimator = _estimator(program, original, keep_graphs=False, steps_per_loop=1)
        estimator.train(program.endless, steps=2)
        program.calls.clear()
    return shutil.copytree(original, tmp_path / "trained")


def test_evaluations_are_those_of_a_new_graph(program, trained):
    rebuilding = _estimator(program, trained, keep_graphs=False)
    expected = [rebuilding.evaluate(program.input_fn, steps=n) for n in (3, None, 2)]
    assert program.calls[ModeKeys.EVAL] == 3
    program.calls.clear()

    keeping = _estimator(program, trained)
    results = [keeping.evaluate(program.input_fn, steps=n) for n in (3, None, 2)]
    assert results == expected
    assert program.calls[ModeKeys.EVAL] == (1 if program.keeps else 3)


def test_predictions_are_those_of_a_new_graph(program, trained):
    rebuilding = _estimator(program, trained, keep_graphs=False)
    expected = list(rebuilding.predict(program.input_fn))
    program.calls.clear()

    keeping = _estimator(program, trained)
    next(keeping.predict(program.input_fn))
    for _ in range(2):
        predictions = list(keeping.predict(program.input_fn))
        for one, other in zip(predictions, expected, strict=True):
            _assert_equal(one, other)
    assert program.calls[ModeKeys.PREDICT] == (1 if program.keeps else 3)


def test_a_new_checkpoint_is_answered_from(program, trained):
    estimator = _estimator(program, trained)
    before = estimator.evaluate(program.input_fn)
    _estimator(program, trained, steps_per_loop=1).train(program.endless, steps=3)
    after = estimator.evaluate(program.input_fn)

    expected = _estimator(program, trained, keep_graphs=False).evaluate(program.input_fn)
    assert after == expected
    assert after["global_step"] == before["global_step"] + 3


def test_steps_in_a_loop_are_single_steps(program, tmp_path):
    weights = []
    for number, steps_per_loop in enumerate([1, "auto"]):
        estimator = _estimator(program, tmp_path / str(number), steps_per_loop=steps_per_loop)
        weights.append(_weights(estimator.train(program.endless, steps=STEPS)))
    _assert_equal(*weights)


def test_training_by_parts_is_as_with_a_new_graph_each(program, tmp_path):
    weights = []
    for keep_graphs in (False, True):
        estimator = _estimator(program, tmp_path / str(keep_graphs), keep_graphs=keep_graphs)
        for steps in (2, 4):
            estimator.train(program.endless, steps=steps)
        weights.append(_weights(estimator))
    _assert_equal(*weights)


def test_the_input_ends_at_the_same_step(program, tmp_path):
    weights = []
    for number, steps_per_loop in enumerate([1, "auto"]):
        estimator = _estimator(program, tmp_path / str(number), steps_per_loop=steps_per_loop)
        weights.append(_weights(estimator.train(program.input_fn)))
    _assert_equal(*weights)
