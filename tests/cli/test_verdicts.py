"""What becomes of a name."""

import pytest

from tf_estimator.cli.migration.verdicts import canonical, is_of_version_1, judge


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("tensorflow.compat.v2.nn", "tensorflow.nn"),
        ("tensorflow.compat.v1.compat.v1.nn", "tensorflow.compat.v1.nn"),
        ("tensorflow.compat.v1.compat.v2.nn", "tensorflow.nn"),
        ("tensorflow._api.v2.compat.v1.nn", "tensorflow.compat.v1.nn"),
        ("tensorflow_core.estimator", "tensorflow.estimator"),
        ("tensorflow_corelib.x", "tensorflow_corelib.x"),
    ],
)
def test_one_thing_has_one_name(dotted: str, expected: str) -> None:
    assert canonical(dotted) == expected


@pytest.mark.parametrize(
    ("dotted", "name", "now"),
    [
        ("tensorflow.estimator", "tensorflow.estimator", "tf_estimator"),
        ("tensorflow.estimator.Estimator.train", "tensorflow.estimator.Estimator", "tf_estimator"),
        ("tensorflow.estimator.__file__", "tensorflow.estimator", "tf_estimator"),
        (
            "tensorflow.estimator.export.PredictOutput",
            "tensorflow.estimator.export.PredictOutput",
            "tf_estimator",
        ),
        (
            "tensorflow.compat.v1.estimator.inputs.numpy_input_fn",
            "tensorflow.compat.v1.estimator.inputs.numpy_input_fn",
            "tf_estimator.compat.v1",
        ),
        (
            "tensorflow_estimator.estimator.Head",
            "tensorflow_estimator.estimator.Head",
            "tf_estimator.compat.v1",
        ),
        (
            "tensorflow.keras.estimator.model_to_estimator",
            "tensorflow.keras.estimator.model_to_estimator",
            "tf_estimator.keras",
        ),
    ],
)
def test_works(dotted: str, name: str, now: str) -> None:
    verdict = judge(dotted)
    assert verdict
    assert (verdict.kind, verdict.name, verdict.now) == ("works", name, now)


def test_the_program_decides_which_version_tf_estimator_is() -> None:
    verdict = judge("tensorflow.estimator.DNNClassifier", of_version_1=True)
    assert verdict
    assert verdict.now == "tf_estimator.compat.v1"
    assert verdict.advice == "It is tf_estimator.compat.v1.DNNClassifier now"


@pytest.mark.parametrize(
    ("dotted", "kind", "advice"),
    [
        ("tensorflow.estimator.DNNClassifier", "works", "compat.v1.DNNClassifier in a program"),
        ("tensorflow.estimator.Nothing", "edit", "tf_estimator has no Nothing"),
        ("tensorflow.estimator.export.Nothing", "edit", "tf_estimator has no export.Nothing"),
        ("tensorflow.estimator.inputs.numpy_input_fn", "edit", "tf_estimator has no inputs"),
        ("tensorflow.estimator.BoostedTreesClassifier", "edit", "tensorflow-decision-forests"),
        ("tensorflow.python.estimator.canned.head._Head", "works", "private"),
        ("tensorflow_estimator.python.estimator.estimator.EstimatorV2", "works", ".Estimator"),
        ("tensorflow_estimator.python.estimator.canned.timeseries", "edit", "not bring"),
        ("tensorflow_estimator", "works", "tf_estimator"),
        ("tensorflow.python.tpu.tpu_config.TPUConfig", "works", "compat.v1.tpu"),
        ("tensorflow.python.training.tracking.base", "works", "tensorflow.python.trackable"),
        ("tensorflow.contrib", "run", "some of it"),
        ("tensorflow.contrib.layers", "run", "some of it"),
        ("tensorflow.contrib.layers.layer_norm", "run", "LayerNormalization"),
        ("tensorflow.contrib.layers.group_norm", "edit", "tf-slim"),
        ("tensorflow.contrib.slim.nets", "edit", "Write tf.keras.layers"),
        ("tensorflow.contrib.data.map_and_batch", "run", "Write tf.data.experimental.map_and"),
        ("tensorflow.contrib.nothing.x", "edit", "no contrib"),
        ("tensorflow.placeholder", "run", "Write tf.compat.v1.placeholder"),
        ("tensorflow.train.AdamOptimizer", "run", "Write tf.compat.v1.train.AdamOptimizer"),
        ("tensorflow.compat.v1.layers.dense", "run", "enable_v1_layers"),
        ("numpy.bool", "run", "Write bool"),
        ("collections.Mapping", "run", "Write collections.abc.Mapping"),
        ("inspect.getargspec", "run", "Write inspect.getfullargspec"),
    ],
)
def test_says_what_to_do(dotted: str, kind: str, advice: str) -> None:
    verdict = judge(dotted)
    assert verdict
    assert verdict.kind == kind
    assert advice in verdict.advice


@pytest.mark.parametrize(
    "dotted",
    [
        "tensorflow",
        "tensorflow.nn.relu",
        "tensorflow.compat.v1.placeholder",
        "tensorflow.python.ops.array_ops",
        "tf_estimator.Estimator",
        "numpy.bool_",
        "collections.abc.Mapping",
        "os.path",
    ],
)
def test_nothing_to_say(dotted: str) -> None:
    assert judge(dotted) is None


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("tensorflow.placeholder", True),
        ("tensorflow.contrib.slim", True),
        ("tensorflow.estimator.inputs.numpy_input_fn", True),
        ("tensorflow.estimator.Estimator", False),
        ("tensorflow.compat.v1.placeholder", False),
        ("tensorflow.enable_eager_execution", False),
        ("numpy.bool", False),
    ],
)
def test_which_names_tell_a_program_of_version_1(dotted: str, expected: bool) -> None:
    assert is_of_version_1(dotted) is expected
