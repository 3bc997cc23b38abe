"""train_and_evaluate in one process: what happens when, what is exported, what comes back."""

import functools
import inspect
import logging
import os
import re

import pytest
import tensorflow as tf

from tf_estimator._tf import logger
from tf_estimator.export import TensorServingInputReceiver
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.spec.exporter import Exporter
from tf_estimator.spec.train_spec import TrainSpec
from tf_estimator.training import train_and_evaluate

v1 = tf.compat.v1


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


def test_the_order_of_all_that_happens(diary, estimator):
    train_spec = diary.train_spec(
        hooks=[diary.hook("hook")], saving_listeners=[diary.listener("listener")]
    )
    eval_spec = diary.eval_spec(
        hooks=[diary.hook("eval hook")], exporters=[diary.exporter("b"), diary.exporter("a")]
    )
    metrics, exports = diary.run(estimator, train_spec, eval_spec)
    assert diary == lines("""
        train
        hook begins
        listener saw 0
        listener saw 10
        evaluate
        eval hook begins
        eval hook ends
        export b 10
        export a 10
        listener saw 20
        evaluate
        eval hook begins
        eval hook ends
        export b 20
        export a 20
        listener saw 22
        evaluate
        eval hook begins
        eval hook ends
        final export b 22
        final export a 22
        listener ends at 22
        hook ends
    """)
    assert metrics == {"loss": 22.0, "global_step": 22}
    assert exports == ["b22", "a22"]


@pytest.mark.parametrize(
    ("max_steps", "batches", "every", "evaluated", "is_final"),
    [
        (22, None, 10, [10, 20, 22], True),
        (20, None, 10, [10, 20], True),
        (21, None, 7, [7, 14, 21], True),
        (1, None, 10, [1], True),
        (22, None, 1000, [22], True),
        (22, 13, 10, [10, 13], False),
        (None, 13, 10, [10, 13], False),
        (None, 20, 10, [10, 20], False),
        (13, 13, 10, [10, 13], True),
    ],
)
def test_which_checkpoints_are_evaluated(
    diary, make_estimator, max_steps, batches, every, evaluated, is_final
):
    exporter = diary.exporter("a")
    metrics, exports = diary.run(
        make_estimator(save_checkpoints_steps=every),
        diary.train_spec(max_steps, batches),
        diary.eval_spec(exporters=exporter),
    )
    assert [call["eval_result"]["global_step"] for call in exporter.calls] == evaluated
    finals = [call["is_the_final_export"] for call in exporter.calls]
    assert finals == [False] * (len(evaluated) - 1) + [is_final]
    assert metrics == {"loss": evaluated[-1], "global_step": evaluated[-1]}
    assert exports == [f"a{evaluated[-1]}"]
    assert diary.count("train") == 1
    assert diary.count("evaluate") == len(evaluated)


def test_by_default_saves_are_timed_and_the_end_is_evaluated(diary, make_estimator):
    diary.run(make_estimator(save_checkpoints_secs=600))
    assert diary == ["train", "evaluate"]


# A step takes 10 s and an evaluation 100; there is a save every 10 steps.
@pytest.mark.parametrize(
    ("throttle_secs", "evaluated"),
    [
        (0, [10, 20, 30, 40, 45]),
        (150, [10, 20, 30, 40, 45]),
        (200, [10, 20, 30, 40, 45]),
        (201, [10, 30, 45]),
        (300, [10, 30, 45]),
        (301, [10, 40, 45]),
        (1e9, [10, 45]),
    ],
)
def test_throttle_counts_from_the_start_of_the_last_evaluation(
    diary, estimator, throttle_secs, evaluated
):
    exporter = diary.exporter("a")
    diary.run(
        estimator,
        diary.train_spec(45, hooks=[diary.hook("hook", secs_per_step=10)]),
        diary.eval_spec(secs=100, throttle_secs=throttle_secs, exporters=exporter),
    )
    assert [call["eval_result"]["global_step"] for call in exporter.calls] == evaluated
    assert exporter.calls[-1]["is_the_final_export"]


def test_what_an_exporter_is_given(diary, estimator):
    exporter = diary.exporter("best one")
    diary.run(estimator, diary.train_spec(5), diary.eval_spec(exporters=exporter))
    [call] = exporter.calls
    assert call["estimator"] is estimator
    assert call["export_path"] == os.path.join(estimator.model_dir, "export", "best one")
    assert call["checkpoint_path"] == estimator.latest_checkpoint()
    assert call["eval_result"] == {"loss": 5.0, "global_step": 5}
    assert call["is_the_final_export"] is True


def test_a_model_can_be_exported_in_the_middle_of_training(diary, estimator):
    class SavedModel(Exporter):
        name = "saved"

        def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
            def receiver_fn():
                x = v1.placeholder(tf.float32, [None])
                return TensorServingInputReceiver(x, x)

            return estimator.export_saved_model(
                export_path, receiver_fn, checkpoint_path=checkpoint_path
            )

    _, [folder] = diary.run(estimator, None, diary.eval_spec(exporters=SavedModel()))
    predict = tf.saved_model.load(os.fsdecode(folder)).signatures["serving_default"]
    [y] = predict(tf.constant([2.0])).values()
    assert y.numpy() == [44.0]
    exports = os.path.join(estimator.model_dir, "export", "saved")
    assert len(os.listdir(exports)) == 3


def test_a_second_call_has_nothing_to_do(diary, estimator):
    diary.run(estimator)
    diary.clear()
    assert diary.run(estimator) == (None, None)
    assert diary == []


def test_a_resumed_run_passes_over_the_checkpoint_it_starts_from(diary, estimator):
    exporter = diary.exporter("a")
    eval_spec = diary.eval_spec(exporters=exporter)
    diary.run(estimator, diary.train_spec(None, batches=13), eval_spec)
    exporter.calls.clear()
    diary.run(estimator, diary.train_spec(33), eval_spec)
    assert [call["eval_result"]["global_step"] for call in exporter.calls] == [23, 33]
    assert [call["is_the_final_export"] for call in exporter.calls] == [False, True]


def test_a_listener_may_stop_training(diary, estimator):
    train_spec = diary.train_spec(saving_listeners=[diary.listener("listener", stop_at=10)])
    metrics, exports = diary.run(
        estimator, train_spec, diary.eval_spec(exporters=diary.exporter("a"))
    )
    assert diary == lines("""
        train
        listener saw 0
        listener saw 10
        evaluate
        export a 10
        listener ends at 10
    """)
    assert metrics["global_step"] == 10
    assert exports == ["a10"]


def test_evaluations_go_to_the_folder_of_their_name(diary, estimator):
    diary.run(estimator, diary.train_spec(5), diary.eval_spec(name="test", steps=1))
    assert os.listdir(estimator.eval_dir("test"))
    assert not os.path.exists(estimator.eval_dir())


@pytest.mark.parametrize(("steps", "batches"), [(1, 1), (2, 2), (None, 2), (100, 2)])
def test_an_evaluation_takes_so_many_batches(diary, estimator, steps, batches):
    start = diary.now
    each = diary.hook("hook", secs_per_step=1)
    diary.run(estimator, diary.train_spec(5), diary.eval_spec(steps=steps, hooks=[each]))
    assert diary.now == start + batches


def test_no_exporters_no_results(diary, estimator):
    assert diary.run(estimator, diary.train_spec(5))[1] == []


@pytest.mark.parametrize(
    ("max_steps", "batches", "reason"),
    [
        (5, None, "Training ended: global step 5 has reached max_steps, 5."),
        (9, 5, "Training ended: the input ended, or a hook .* at global step 5, before max_steps"),
    ],
)
def test_the_log_says_why_training_ended(diary, estimator, caplog, max_steps, batches, reason):
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger.name):
            diary.run(estimator, diary.train_spec(max_steps, batches))
    finally:
        logger.removeHandler(caplog.handler)
    assert re.search(reason, "\n".join(caplog.messages))


@pytest.mark.parametrize(
    ("results", "error", "message"),
    [
        ({}, ValueError, "must not be empty"),
        (None, ValueError, "must not be empty; received None"),
        ([("loss", 1.0)], TypeError, "must be a dict"),
        ({"loss": 1.0}, ValueError, "must have an entry 'global_step'"),
    ],
)
def test_a_strange_evaluation_result_is_refused(diary, estimator, results, error, message):
    exporter = diary.exporter("a")
    estimator.evaluate = lambda **given: results
    with pytest.raises(error, match=f"result of Estimator.evaluate {message}"):
        diary.run(estimator, None, diary.eval_spec(exporters=exporter))
    assert exporter.calls == []


@pytest.mark.parametrize(
    "off",
    [
        {"save_checkpoints_steps": None, "save_checkpoints_secs": None},
        {"save_checkpoints_steps": 0},
    ],
)
def test_saving_must_be_on(diary, make_estimator, off):
    with pytest.raises(ValueError, match=r"evaluation at checkpoints .* Set save_checkpoints_ste"):
        diary.run(make_estimator(**off))


def test_a_saver_hook_of_ones_own_will_do(diary, make_estimator):
    estimator = make_estimator(save_checkpoints_secs=None, save_checkpoints_steps=None)
    saver = v1.train.CheckpointSaverHook(estimator.model_dir, save_steps=10)
    diary.run(estimator, diary.train_spec(hooks=[saver]))
    assert diary.count("evaluate") == 3


def test_a_saver_hook_that_saves_elsewhere_will_not(diary, estimator, tmp_path):
    saver = v1.train.CheckpointSaverHook(str(tmp_path / "other"), save_steps=5)
    with pytest.raises(RuntimeError, match="no new checkpoint after the save at global step 5"):
        diary.run(estimator, diary.train_spec(hooks=[saver]))


def test_an_evaluation_without_data_is_an_error(diary, estimator):
    eval_spec = EvalSpec(diary.input_fn("evaluate", 0), throttle_secs=0)
    with pytest.raises(ValueError, match="at least one batch to evaluate"):
        diary.run(estimator, None, eval_spec)


@pytest.mark.parametrize("wrong", [0, 1, 2])
@pytest.mark.parametrize("value", [None, 1, "estimator", []])
def test_the_type_of_each_argument_is_checked(diary, estimator, wrong, value):
    arguments = [estimator, diary.train_spec(), diary.eval_spec()]
    names = ["estimator", "train_spec", "eval_spec"]
    arguments[wrong] = value
    with pytest.raises(TypeError, match=f"^{names[wrong]} must be an instance of"):
        train_and_evaluate(*arguments)
    assert diary == []


def _with_a_decorator(input_fn):
    @functools.wraps(input_fn)
    def decorated():
        return input_fn(5)

    return decorated


class _CallableInput:
    def __call__(self, mode, *, params):
        return tf.data.Dataset.from_tensors([1.0]).repeat(5)


@pytest.mark.parametrize("wrong", ["TrainSpec", "EvalSpec"])
@pytest.mark.parametrize(
    ("input_fn", "missing"),
    [
        (lambda features: None, "features"),
        (lambda mode, batch_size, n=1: None, "batch_size"),
        (lambda mode, /: None, "mode"),
        (lambda *, seed: None, "seed"),
        (functools.partial(lambda a, b: None, b=1), "a"),
    ],
)
def test_an_input_fn_that_asks_for_more_is_refused_at_once(
    diary, estimator, wrong, input_fn, missing
):
    specs = [diary.train_spec(), diary.eval_spec()]
    specs = [s._replace(input_fn=input_fn) if type(s).__name__ == wrong else s for s in specs]
    known = "mode, params, config, input_context"
    message = rf"input_fn of {wrong} must take no other .* {known}; .*'{missing}'\]"
    with pytest.raises(ValueError, match=message):
        diary.run(estimator, *specs)
    assert diary == []


@pytest.mark.parametrize(
    "input_fn",
    [
        _CallableInput(),
        lambda *args, **kwargs: _CallableInput()(1, params=1),
        lambda config, mode, params, n=1: _CallableInput()(1, params=1),
        functools.partial(lambda mode, a: _CallableInput()(1, params=1), a=1),
        _with_a_decorator(lambda a: _CallableInput()(a, params=1)),
    ],
)
def test_an_input_fn_that_is_served_is_taken(diary, estimator, input_fn):
    metrics, _ = diary.run(estimator, diary.train_spec(1), EvalSpec(input_fn))
    assert metrics["global_step"] == 1


def test_exchanged_specs_are_noticed(diary, estimator):
    with pytest.raises(TypeError, match="train_spec must be an instance of TrainSpec"):
        train_and_evaluate(estimator, diary.eval_spec(), diary.train_spec())


def test_the_public_function_takes_three_arguments_and_the_time_as_it_is(diary, estimator):
    assert list(inspect.signature(train_and_evaluate).parameters) == [
        "estimator",
        "train_spec",
        "eval_spec",
    ]
    spec = TrainSpec(diary.input_fn("train"), max_steps=22)
    metrics, _ = train_and_evaluate(estimator, spec, EvalSpec(diary.input_fn("evaluate", 1)))
    assert diary == ["train", "evaluate", "evaluate"], "600 s do not pass between two saves"
    assert metrics["global_step"] == 22
