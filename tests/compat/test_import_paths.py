"""Modules of the original by their old paths, and what is in them."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator.compat import import_paths, original_names, supplied, v1
from tf_estimator.compat.original import gc, heads

ROOT = "tensorflow_estimator.python.estimator"

pytestmark = pytest.mark.usefixtures("installed")


def _import(module: str, root: str = ROOT) -> Any:
    return importlib.import_module(f"{root}.{module}")


@pytest.mark.parametrize("root", supplied.INSTALLED_ROOTS)
@pytest.mark.parametrize("module", supplied.INSTALLED_MODULES)
def test_every_module_has_its_names(root: str, module: str) -> None:
    found = _import(module, root)
    names = original_names.NAMES[module]
    for name, home in names.items():
        owner, _, last = home.rpartition(".")
        assert getattr(found, name) is getattr(importlib.import_module(owner), last)
    assert set(names) <= set(dir(found))
    assert found.__spec__.name == found.__name__ == f"{root}.{module}"


@pytest.mark.parametrize("name", supplied.INSTALLED_BESIDE)
def test_modules_beside(name: str) -> None:
    found = importlib.import_module(name)
    assert found.RunConfig is v1.tpu.RunConfig if "config" in name else found.TPUEstimator


def test_the_tables_of_modules_are_the_same() -> None:
    assert set(supplied.INSTALLED_BESIDE) == set(import_paths._BESIDE)
    packages = {name.rpartition(".")[0] for name in original_names.MODULES}
    assert packages == set(original_names.PACKAGES)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("estimator.Estimator", v1.Estimator),
        ("estimator.EstimatorV2", tf_estimator.Estimator),
        ("canned.dnn.DNNClassifier", v1.DNNClassifier),
        ("canned.dnn.DNNClassifierV2", tf_estimator.DNNClassifier),
        ("canned.linear.LinearRegressorV2", tf_estimator.LinearRegressor),
        ("estimator_lib.DNNRegressor", v1.DNNRegressor),
        ("model_fn.EstimatorSpec", tf_estimator.EstimatorSpec),
        ("model_fn.LOSS_METRIC_KEY", "loss"),
        ("canned.metric_keys.MetricKeys.ACCURACY_AT_THRESHOLD", "accuracy/positive_threshold_%g"),
        ("canned.prediction_keys.PredictionKeys.CLASS_IDS", "class_ids"),
        ("head.base_head.DEFAULT_SERVING_KEY", "serving_default"),
        ("run_config.TaskType.CHIEF", "chief"),
        ("estimator_lib.session_run_hook.SessionRunHook", tf.compat.v1.train.SessionRunHook),
    ],
)
def test_versions_and_keys(name: str, ours: Any) -> None:
    found = importlib.import_module("tensorflow_estimator").python.estimator
    for part in name.split("."):
        found = getattr(found, part)
    assert found == ours


def test_forms_of_import() -> None:
    from tensorflow.python.estimator import estimator as lib  # noqa: TID251 - ours
    from tensorflow.python.estimator.canned.head import _Head  # noqa: TID251 - ours
    from tensorflow_estimator.python.estimator.tpu import tpu_config

    names: dict[str, Any] = {}
    exec("from tensorflow.python.estimator.model_fn import *", names)
    assert names["EstimatorSpec"] is tf_estimator.EstimatorSpec
    assert lib.WarmStartSettings is tf_estimator.WarmStartSettings
    assert _Head is heads.Head
    assert tpu_config.TPUConfig is v1.tpu.TPUConfig


def test_what_is_not_there_is_an_error_that_names_it() -> None:
    module = _import("canned.dnn")
    with pytest.raises(AttributeError, match=r"not bring .*\.canned\.dnn\._DNNModelV2"):
        module._DNNModelV2  # noqa: B018 - the look-up is the test
    with pytest.raises(ImportError, match="_DNNModelV2"):
        exec("from tensorflow_estimator.python.estimator.canned.dnn import _DNNModelV2")
    with pytest.raises(ImportError, match=r"not bring the module .*canned\.timeseries"):
        _import("canned.timeseries.ar_model")
    with pytest.raises(ImportError, match="cannot import name 'timeseries'"):
        exec("from tensorflow_estimator.python.estimator.canned import timeseries")
    with pytest.raises(AttributeError, match=r"estimator\.nothing"):
        _import("model_fn"), importlib.import_module(ROOT).nothing
    with pytest.raises(ModuleNotFoundError, match=r"tensorflow_estimator\.contrib"):
        importlib.import_module("tensorflow_estimator.contrib")


def test_only_our_modules_are_ours() -> None:
    finder = next(one for one in sys.meta_path if isinstance(one, import_paths.Finder))
    for name in ("numpy", "tensorflow.python.ops", "tensorflow.nothing", "keras.layers"):
        assert finder.find_spec(name) is None


def test_what_moved_is_where_it_is_now() -> None:
    from tensorflow.python.training.tracking import base, graph_view  # noqa: TID251 - ours

    assert graph_view is importlib.import_module("tensorflow.python.checkpoint.graph_view")
    assert base is importlib.import_module("tensorflow.python.trackable.base")
    # And it did not become a part of the package that the others are in now.
    assert not hasattr(importlib.import_module("tensorflow.python.trackable"), "graph_view")


def test_what_has_not_moved_yet_is_where_it_is() -> None:
    package = importlib.import_module("tensorflow.python.eager")
    there = importlib.machinery.PathFinder.find_spec(
        "tensorflow.python.eager.profiler", package.__path__
    )
    now = there.name if there else "tensorflow.python.profiler.profiler_v2"
    assert importlib.import_module("tensorflow.python.eager.profiler").__name__ == now


@pytest.mark.parametrize("name", supplied.MOVED.values())
def test_the_new_place_of_what_moved_exists(name: str) -> None:
    assert importlib.util.find_spec(name)


# Heads as they were called before `tf.estimator.Head`. The numbers are those of the original.

FEATURES = {"weight": np.array([[1.0], [2.0], [0.5]], np.float32)}
HEADS: dict[str, tuple[Callable[..., Any], Any, Any, float, float]] = {
    "binary": (
        lambda head: head._binary_logistic_head_with_sigmoid_cross_entropy_loss("weight"),
        [[0.5], [-1.0], [2.0]],
        [[1], [1], [0]],
        4.1641,
        1.1898,
    ),
    "multi_class": (
        lambda head: head._multi_class_head_with_softmax_cross_entropy_loss(3, "weight"),
        [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]],
        [[0], [1], [0]],
        2.578,
        0.7366,
    ),
    "regression": (
        lambda head: head._regression_head("weight"),
        [[0.5], [-1.0], [2.0]],
        [[1.0], [1.0], [0.0]],
        10.25,
        2.9286,
    ),
}


@pytest.mark.parametrize("kind", HEADS)
def test_heads_of_tensorflow_1(kind: str) -> None:
    make, logits, labels, loss, average = HEADS[kind]
    head = make(_import("canned.head"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        features = {name: tf.constant(value) for name, value in FEATURES.items()}
        given = tf.constant(logits), tf.constant(labels)
        spec = head.create_estimator_spec(features, "eval", *given)
        of_loss = head.create_loss(features, "eval", *given)
        session.run(tf.compat.v1.local_variables_initializer())
        metrics = {key: update for key, (_, update) in spec.eval_metric_ops.items()}
        found, metrics = session.run([spec.loss, metrics])
        assert found == pytest.approx(loss, abs=1e-4)
        assert metrics["average_loss"] == pytest.approx(average, abs=1e-4)
        parts = session.run([of_loss.training_loss, of_loss.unreduced_loss, of_loss.weights])
        assert parts[0] == pytest.approx(found)
        assert np.sum(parts[1] * parts[2]) == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("by", ["optimizer", "train_op_fn"])
def test_they_train_and_run_the_update_ops(by: str) -> None:
    head = _import("canned.head")._binary_logistic_or_multi_class_head(
        2, None, None, "weighted_sum"
    )
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        step = tf.compat.v1.train.get_or_create_global_step()
        weight = tf.compat.v1.get_variable("w", [], initializer=tf.zeros_initializer())
        moving = tf.compat.v1.get_variable(
            "moving", [], trainable=False, initializer=tf.zeros_initializer()
        )
        tf.compat.v1.add_to_collection("update_ops", moving.assign_add(1.0))
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(1.0)
        given = {
            "optimizer": optimizer,
            "train_op_fn": lambda loss: optimizer.minimize(loss, global_step=step),
        }
        logits = tf.ones([2, 1]) * weight
        labels = tf.constant([[1], [1]])
        spec = head.create_estimator_spec({}, "train", logits, labels, **{by: given[by]})
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(spec.train_op)
        # Two losses of log 2, each with a gradient of -1/2.
        assert session.run([step, weight, moving]) == [1, pytest.approx(1.0), 1.0]
        with pytest.raises(ValueError, match="exactly one of optimizer and train_op_fn"):
            head.create_estimator_spec({}, "train", logits, labels)


class OwnHead(heads.Head):
    """As libraries have them."""

    name = None
    logits_dimension = 1

    def create_loss(self, features: Any, mode: str, logits: Any, labels: Any) -> Any:
        loss = tf.reduce_sum((logits - tf.cast(labels, tf.float32)) ** 2)
        return heads.LossSpec(loss, loss, 1.0, labels)

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,  # type: ignore[override]
        train_op_fn: Any = None,
    ) -> Any:
        if mode == "infer":
            return tf_estimator.EstimatorSpec(mode, predictions=logits)
        loss = self.create_loss(features, mode, logits, labels).training_loss
        train_op = train_op_fn(loss) if mode == "train" else None
        return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def _batch() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(({"x": [[1.0], [2.0]]}, [[1], [2]])).repeat(3)


def test_a_head_of_that_kind_goes_into_a_canned_estimator() -> None:
    columns = [tf.feature_column.numeric_column("x")]
    estimator = tf.compat.v1.estimator.LinearEstimator(OwnHead(), columns)
    estimator.train(_batch)
    assert estimator.evaluate(_batch)["loss"] < 5.0


def test_a_head_without_a_spec_says_what_to_do() -> None:
    class Bare(heads.Head):
        name = None
        logits_dimension = 1

        def create_loss(self, features: Any, mode: str, logits: Any, labels: Any) -> Any: ...

    with pytest.raises(NotImplementedError, match="Override create_estimator_spec"):
        Bare().create_estimator_spec({}, "eval", tf.zeros([1, 1]))
    with pytest.raises(TypeError, match="abstract"):
        heads.Head()  # type: ignore[abstract]


def test_what_heads_of_libraries_call() -> None:
    base = _import("head.base_head")
    logits = base.check_logits_final_dim([[1.0], [2.0]], 1)
    labels = base.check_dense_labels_match_logits_and_reshape([1, 0], logits, 1)
    assert base.check_label_range(labels, 2).shape == [2, 1]
    features = {"weight": tf.constant([1.0, 3.0])}
    weights = base.get_weights_and_check_match_logits(features, "weight", logits)
    assert weights.numpy().tolist() == [[1.0], [3.0]]
    assert base.get_weights_and_check_match_logits(features, None, logits) == 1.0
    losses = base.call_loss_fn(lambda labels, logits: logits - 1.0, labels, logits, features)
    metric = pytest.importorskip("keras").metrics.Mean()
    base.update_metric_with_broadcast_weights(metric, losses, weights)
    base.update_metric_with_broadcast_weights(metric, losses, 1.0)
    assert float(metric.result()) == pytest.approx(4 / 6)
    assert base.all_class_ids(logits, 2).numpy().tolist() == [[0, 1]] * 2
    output = base.classification_output(tf.zeros([1, 2]), 2, ["a", "b"])
    assert output.classes.numpy().tolist() == [[b"a", b"b"]]
    base.validate_loss_reduction("sum")
    base.validate_loss_fn_args(lambda labels, logits: logits)
    for call in (
        lambda: base.check_logits_final_dim([[1.0]], 2),
        lambda: base.check_dense_labels_match_logits_and_reshape([[1, 2]], logits, 1),
        lambda: base.get_weights_and_check_match_logits(features, "nothing", logits),
        lambda: base.validate_loss_reduction("none"),
        lambda: base.validate_loss_fn_args(lambda labels: labels),
    ):
        with pytest.raises(ValueError, match="must"):
            call()


def test_model_fns_of_canned_estimators() -> None:
    columns = [tf.feature_column.numeric_column("x")]
    head = tf_estimator.RegressionHead(loss_reduction="weighted_sum")
    linear = _import("canned.linear")._linear_model_fn
    deep = _import("canned.dnn")._dnn_model_fn
    both = _import("canned.dnn_linear_combined")._dnn_linear_combined_model_fn

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        return {
            0: lambda: linear(features, labels, mode, head, columns, "Ftrl", None, config),
            1: lambda: deep(features, labels, mode, head, [3], columns, config=config),
            2: lambda: both(features, labels, mode, head, columns, "Ftrl", columns, "Adagrad", [3]),
        }[config.tf_random_seed]()

    for which, variable in enumerate(
        ["linear/linear_model/x/weights", "dnn/hiddenlayer_0/kernel", "dnn/logits/bias"]
    ):
        config = tf_estimator.RunConfig(tf_random_seed=which)
        estimator = tf.estimator.Estimator(model_fn, config=config).train(_batch)
        assert variable in estimator.get_variable_names()
        assert estimator.get_variable_value("global_step") == 3


def test_optimizers_by_name() -> None:
    optimizers = _import("canned.optimizers")
    with tf.Graph().as_default():
        made = optimizers.get_optimizer_instance("Adagrad", 0.1)
        assert isinstance(made, tf.compat.v1.train.AdagradOptimizer)
        assert optimizers.get_optimizer_instance(lambda: made) is made
        assert optimizers.get_optimizer_instance_v2("Adam").learning_rate == pytest.approx(0.001)
        with pytest.raises(ValueError, match="must be one of"):
            optimizers.get_optimizer_instance("Nothing", 0.1)


def test_what_an_input_fn_returned() -> None:
    util = _import("util")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        _, labels, hooks = util.parse_input_fn_result(_batch())
        for hook in hooks:
            hook.after_create_session(session, tf.train.Coordinator())
        assert session.run(labels).tolist() == [[1], [2]]
        assert util.parse_input_fn_result((1, 2)) == (1, 2, [])
        assert util.parse_input_fn_result({"x": 1}) == ({"x": 1}, None, [])
        with pytest.raises(ValueError, match="length 2"):
            util.parse_input_fn_result((1, 2, 3))
    assert util.fn_args(lambda features, mode: None) == ("features", "mode")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tf_keras_makes_estimators_of_its_models() -> None:
    keras = pytest.importorskip("tf_keras")
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    estimator = keras.estimator.model_to_estimator(model)  # It imports what it needs for that.
    assert isinstance(estimator, tf_estimator.Estimator)


def test_the_decorator_for_public_names_changes_nothing() -> None:
    assert _import("estimator_export").estimator_export("x", v1=["y"])(list) is list


@pytest.mark.parametrize(
    ("rule", "versions"),
    [
        (gc.largest_export_versions(2), [7, 9]),
        (gc.largest_export_versions(0), []),
        (gc.one_of_every_n_export_versions(3), [3, 6, 9]),
        (gc.mod_export_version(2), [0, 2, 4, 6]),
        (gc.negation(gc.mod_export_version(2)), [1, 3, 7, 9]),
        (gc.union(gc.largest_export_versions(1), gc.mod_export_version(4)), [0, 4, 9]),
    ],
)
def test_rules_of_what_exports_to_keep(rule: gc.Rule, versions: list[int]) -> None:
    paths = [gc.Path(f"/{n}", n) for n in (3, 0, 1, 9, 2, 4, 7, 6)]
    assert [path.export_version for path in rule(paths)] == versions


def test_paths_of_exports(tmp_path: Any) -> None:
    for name in ("10", "9", "notes"):
        (tmp_path / name).mkdir()

    def parser(path: gc.Path) -> gc.Path | None:
        last = path.path.rpartition("/")[2]
        return path._replace(export_version=int(last)) if last.isdigit() else None

    paths = _import("gc")._get_paths(str(tmp_path), parser)
    assert [path.export_version for path in paths] == [10, 9]
