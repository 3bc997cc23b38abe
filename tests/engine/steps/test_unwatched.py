"""Which way of taking steps a training has, and that the estimators which we make have it."""

import logging
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator import EstimatorSpec, ModeKeys, RunConfig
from tf_estimator._tf import logger
from tf_estimator.engine import graph, model
from tf_estimator.engine.keep.by_value import called
from tf_estimator.engine.steps.compiled_loop import CompiledLoop
from tf_estimator.engine.steps.loop import GraphLoop
from tf_estimator.engine.steps.shared import SharedSteps
from tf_estimator.engine.steps.single import SingleSteps
from tf_estimator.engine.steps.unwatched import unwatched_steps

v1 = tf.compat.v1


def ones():
    return tf.data.Dataset.from_tensors(tf.ones([2])).repeat()


def generated():
    return tf.data.Dataset.from_generator(lambda: [[1.0]], output_signature=tf.TensorSpec([1]))


def model_fn(features, mode, params):
    w = v1.get_variable("w", [], use_resource=not params.get("ref"))
    loss = tf.reduce_mean(features) * tf.convert_to_tensor(w)
    if "seed" in params:
        loss += tf.random.uniform([], seed=params["seed"])
    step = v1.train.get_global_step()
    train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, step)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def chosen(config, params, input_fn=ones, **given):
    """What takes the steps of a graph, or None."""
    made = model.Model(model_fn, params, config)
    begun = graph.begin(
        ModeKeys.TRAIN, lambda: called(input_fn, ModeKeys.TRAIN, None, config), config
    )
    built = graph.finish(made, begun, config)
    with built.graph.as_default():
        return unwatched_steps(built, config, **given)


@pytest.mark.parametrize(
    ("options", "params", "kind"),
    [
        ({}, {}, GraphLoop),
        ({"steps_per_loop": 7}, {}, GraphLoop),
        ({"steps_per_loop": 1}, {}, type(None)),
        ({"steps_per_loop": 1, "jit_compile": True}, {}, type(None)),
        ({"jit_compile": True}, {}, CompiledLoop),
        ({}, {"seed": 3}, SingleSteps),
        ({"steps_per_loop": 7}, {"seed": 3}, GraphLoop),
        ({"jit_compile": True}, {"seed": 3}, SingleSteps),
        ({}, {"ref": True}, SingleSteps),
        ({"jit_compile": True}, {"ref": True}, SingleSteps),
    ],
)
def test_the_fastest_way_that_is_exact(options, params, kind):
    assert type(chosen(RunConfig(**options), params)) is kind


@pytest.mark.parametrize(
    ("options", "given", "input_fn", "says"),
    [
        ({"save_input_state": True}, {}, ones, "the position of the input is saved"),
        ({}, {"saves_input_state": True}, ones, "the position of the input is saved"),
        ({}, {}, generated, "from_generator"),
        ({}, {}, lambda: tf.ones([2]), r"input_fn must return a tf\.data\.Dataset"),
    ],
)
def test_a_loop_that_cannot_be_compiled_says_why(options, given, input_fn, says, caplog):
    config = RunConfig(jit_compile=True, **options)
    logger.addHandler(caplog.handler)
    try:
        assert type(chosen(config, {}, input_fn, **given)) is GraphLoop
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.records[-1].levelno == logging.WARNING
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(caplog.records[-1].getMessage())


CLUSTER = """{"cluster": {"chief": ["a:1"], "worker": ["a:2"], "ps": ["a:3"]},
              "task": {"type": "chief", "index": 0}}"""


@pytest.mark.parametrize(("steps_per_loop", "kind"), [("auto", SharedSteps), (7, GraphLoop)])
def test_other_processes_take_steps_as_well(steps_per_loop, kind, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", CLUSTER)
    config = RunConfig(steps_per_loop=steps_per_loop, device_fn=lambda op: "")
    assert type(chosen(config, {})) is kind


class Draws(v1.train.SessionRunHook):
    """Makes a random operation when it begins: its seed depends on how many there are before."""

    def begin(self):
        self.drawn = tf.random.uniform([])
        self.numbers = []

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(self.drawn)

    def after_run(self, run_context, run_values):
        self.numbers.append(float(run_values.results))


def test_a_random_operation_of_a_hook_draws_the_same(tmp_path):
    numbers = []
    for way in ({"steps_per_loop": 1}, {"steps_per_loop": "auto"}, {"jit_compile": True}):
        config = RunConfig(str(tmp_path / str(len(numbers))), tf_random_seed=3, **way)
        hook = Draws()
        tf_estimator.Estimator(model_fn, config=config, params={}).train(ones, [hook], steps=3)
        numbers.append(hook.numbers)
    assert numbers[0] == numbers[1] == numbers[2]


def columns(names):
    wide = tf.feature_column.categorical_column_with_vocabulary_list("word", ["a", "b", "c"])
    deep = [tf.feature_column.numeric_column("x"), tf.feature_column.embedding_column(wide, 2)]
    return {
        "linear_feature_columns": [wide],
        "dnn_feature_columns": deep,
        "feature_columns": deep if "hidden_units" in names else [wide],
    }


CANNED = {
    "DNNClassifier": ("feature_columns", "hidden_units"),
    "LinearClassifier": ("feature_columns",),
    "DNNLinearCombinedClassifier": (
        "linear_feature_columns",
        "dnn_feature_columns",
        "dnn_hidden_units",
    ),
}


def words():
    features = {"x": np.arange(12.0, dtype="float32"), "word": np.array(["a", "b", "c", "d"] * 3)}
    rows = tf.data.Dataset.from_tensor_slices((features, np.arange(12) % 2))
    return rows.batch(4).repeat()


def trained(kind, folder, steps_per_loop, surface=tf_estimator):
    """The weights of an estimator after 30 steps."""
    given = columns(CANNED[kind]) | {"hidden_units": [4], "dnn_hidden_units": [4]}
    config = surface.RunConfig(
        str(folder), tf_random_seed=1, steps_per_loop=steps_per_loop, log_step_count_steps=10
    )
    estimator = getattr(surface, kind)(config=config, **{n: given[n] for n in CANNED[kind]})
    estimator.train(words, steps=30)
    names = estimator.get_variable_names()
    return {name: np.asarray(estimator.get_variable_value(name)).tolist() for name in names}


@pytest.mark.parametrize("kind", CANNED)
def test_canned_estimators_have_the_weights_of_single_steps(kind, tmp_path):
    singly = trained(kind, tmp_path / "1", 1)
    assert trained(kind, tmp_path / "auto", "auto") == singly


_VERSION_1 = """
import sys
import tensorflow as tf
tf.compat.v1.disable_v2_behavior()
sys.path.insert(0, sys.argv[1])
import test_unwatched
from tf_estimator.compat import v1 as surface
for kind in test_unwatched.CANNED:
    one, auto = (
        test_unwatched.trained(kind, f"{sys.argv[2]}/{kind}/{way}", way, surface)
        for way in (1, "auto")
    )
    assert one == auto, kind
print("the same")
"""


@pytest.mark.slow  # it imports TensorFlow
def test_canned_estimators_of_version_1_have_them_too(tmp_path):
    folder = __file__.rpartition("/")[0]
    done = subprocess.run(
        [sys.executable, "-c", _VERSION_1, folder, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("the same\n"), done.stderr[-2000:]
