"""What makes an Estimator fast changes no number: each program, with and without it."""

import numpy as np

from tf_estimator import Estimator, ModeKeys, RunConfig


def _estimator(program, folder, **options):
    config = RunConfig(
        str(folder), tf_random_seed=1, save_summary_steps=4, log_step_count_steps=5, **options
    )
    return Estimator(program.model_fn, config=config)


def _rebuilding(program, folder):
    """An Estimator that makes a new graph for each call, and takes single steps."""
    return _estimator(program, folder, keep_graphs=False, steps_per_loop=1)


def _weights(estimator):
    return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


def _assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_steps_in_a_loop_of_a_kept_graph_are_single_steps_of_new_ones(program, tmp_path):
    plain = _rebuilding(program, tmp_path / "plain")
    fast = _estimator(program, tmp_path / "fast", steps_per_loop="auto")
    for steps in (5, None):  # by the number, in two loops; by the end of the input
        _assert_equal(
            _weights(plain.train(program.input_fn, steps=steps)),
            _weights(fast.train(program.input_fn, steps=steps)),
        )


def test_answers_are_those_of_a_new_graph(program, tmp_path):
    plain = _rebuilding(program, tmp_path).train(program.endless, steps=2)
    fast = _estimator(program, tmp_path)
    program.calls.clear()

    before = [fast.evaluate(program.input_fn, steps=n) for n in (3, None, 2)]
    next(fast.predict(program.input_fn))
    predictions = [list(fast.predict(program.input_fn)) for _ in range(2)]
    graphs = 1 if program.keeps else 3
    assert program.calls == {ModeKeys.EVAL: graphs, ModeKeys.PREDICT: graphs}
    program.calls.clear()

    assert before == [plain.evaluate(program.input_fn, steps=n) for n in (3, None, 2)]
    expected = list(plain.predict(program.input_fn))
    for found in predictions:
        for one, other in zip(found, expected, strict=True):
            _assert_equal(one, other)
    assert program.calls == {ModeKeys.EVAL: 3, ModeKeys.PREDICT: 1}

    # A new checkpoint is answered from.
    plain.train(program.endless, steps=3)
    after = fast.evaluate(program.input_fn)
    assert after == plain.evaluate(program.input_fn)
    assert after["global_step"] == before[0]["global_step"] + 3
