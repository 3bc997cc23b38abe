"""Corners that programs lean on, through the names that install() brings.

What is expected is what the original gives.
"""

import inspect
import logging
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.install import install, uninstall

install()
try:
    # As a program's modules do it when they are imported. Nothing of it needs install() later.

    class OwnEstimator(tf.estimator.Estimator):
        """With a constructor and a method of its own."""

        def __init__(self, rate: float, **more: Any) -> None:
            super().__init__(model_fn=_model_fn, params={"rate": rate}, **more)

        def weight(self) -> float:
            return float(self.get_variable_value("w"))

    class OwnEstimatorOfVersion1(tf.compat.v1.estimator.Estimator):
        """Without any."""

    class OwnHook(tf.estimator.SessionRunHook):
        """Asks for a tensor by its name."""

        def __init__(self) -> None:
            self.losses: list[float] = []

        def before_run(self, run_context: Any) -> Any:
            return tf.estimator.SessionRunArgs({"loss": "the_loss:0"})

        def after_run(self, run_context: Any, run_values: Any) -> None:
            self.losses.append(float(run_values.results["loss"]))

    class OwnExporter(tf.estimator.Exporter):
        """Keeps what it is called with."""

        name = "own"

        def __init__(self) -> None:
            self.calls: list[Any] = []

        def export(
            self,
            estimator: Any,
            export_path: Any,
            checkpoint_path: Any,
            eval_result: Any,
            is_the_final_export: bool,
        ) -> bytes:
            self.calls.append((is_the_final_export, sorted(eval_result)))
            return b"somewhere"

    class OwnHead(tf.estimator.Head):
        """With all that is abstract."""

        name = None
        logits_dimension = 1
        loss_reduction = tf.compat.v1.losses.Reduction.SUM

        def loss(self, labels: Any, logits: Any, *_: Any, **__: Any) -> Any:
            return tf.reduce_sum((logits - labels) ** 2)

        def predictions(self, logits: Any, keys: Any = None) -> Any:
            return {"predictions": logits}

        def metrics(self, regularization_losses: Any = None) -> Any:
            return {}

        def update_metrics(self, eval_metrics: Any, *_: Any, **__: Any) -> Any:
            return eval_metrics

    estimator_lib = tf.estimator
finally:
    uninstall()

pytestmark = pytest.mark.usefixtures("installed")

# At a weight of 0, and after a step with its gradient of -7.
LOSSES = [3.5, 31.5 * 0.93**2]


def _input_fn() -> tf.data.Dataset:
    x = np.arange(8.0, dtype=np.float32).reshape(8, 1)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, x)).batch(4)


def _model_fn(features: Any, labels: Any, mode: str, params: Any, config: Any) -> Any:
    if isinstance(params, list | tuple):
        rate = params[0]
    else:
        rate = params["rate"] if isinstance(params, dict) else params.rate
    weight = tf.compat.v1.get_variable("w", [], initializer=tf.zeros_initializer())
    x = tf.multiply(features["x"], weight)
    if mode == tf.compat.v1.estimator.ModeKeys.PREDICT:
        outputs = {"serving_default": estimator_lib.export.PredictOutput({"a": x})}
        predictions = {"a": x, "b": x + 1, "ab": x + 2}
        return estimator_lib.EstimatorSpec(mode, predictions, export_outputs=outputs)
    loss = tf.reduce_mean((x - labels) ** 2, name="the_loss")
    step = tf.compat.v1.train.get_global_step()
    train_op = tf.compat.v1.train.GradientDescentOptimizer(rate).minimize(loss, step)
    metrics = {"mean": tf.compat.v1.metrics.mean(x)}
    return estimator_lib.EstimatorSpec(mode, None, loss, train_op, metrics)


class HParams:
    """As tf.contrib.training.HParams: attributes, and no dict."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


@pytest.fixture
def estimator(tmp_path: Path) -> Any:
    return tf.estimator.Estimator(_model_fn, str(tmp_path), None, {"rate": 0.01})


PARAMS = [HParams(rate=0.01), [0.01], (0.01,), namedtuple("P", "rate")(0.01), {"rate": 0.01}]


@pytest.mark.parametrize("params", PARAMS, ids=lambda params: type(params).__name__)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_positional_arguments_and_params_of_any_type(
    params: Any, version: str, tmp_path: Path
) -> None:
    surface = tf.estimator if version == "v2" else tf.compat.v1.estimator
    config = surface.RunConfig(tf_random_seed=3)
    estimator = surface.Estimator(_model_fn, str(tmp_path), config, params)
    assert estimator.model_dir == str(tmp_path)
    assert estimator.config.tf_random_seed == 3
    assert type(estimator.params) is type(params)
    results = estimator.train(_input_fn).evaluate(_input_fn)
    expected = {"loss": 2.0720842, "mean": 2.29565, "global_step": 2}
    assert results == pytest.approx(expected, rel=1e-5)


def test_train_and_evaluate_without_max_steps(estimator: Any) -> None:
    train_spec = tf.estimator.TrainSpec(_input_fn)
    eval_spec = tf.estimator.EvalSpec(_input_fn, steps=None, start_delay_secs=0, throttle_secs=0)
    assert train_spec.max_steps is None
    results, exports = tf.estimator.train_and_evaluate(estimator, train_spec, eval_spec)
    assert results["global_step"] == 2
    assert exports == []


@pytest.mark.parametrize(
    ("predict_keys", "found"),
    [("a", ["a"]), ("ab", ["ab"]), (["a"], ["a"]), (("b", "ab"), ["ab", "b"])],
)
def test_predict_keys(estimator: Any, predict_keys: Any, found: list[str]) -> None:
    # A string is one key. In the original it was any key that it contains.
    estimator.train(_input_fn, steps=1)
    assert sorted(next(estimator.predict(_input_fn, predict_keys))) == found


def test_predict_keys_that_name_nothing(estimator: Any) -> None:
    estimator.train(_input_fn, steps=1)
    with pytest.raises(ValueError, match="nothing"):
        next(estimator.predict(_input_fn, predict_keys="nothing"))


def _of_another_graph() -> Any:
    with tf.Graph().as_default():
        return {"x": tf.compat.v1.placeholder(tf.float32, [None, 1], name="mine")}


def _made_eagerly() -> Any:
    return {"x": tf.constant([[1.0]])}


@pytest.mark.parametrize(
    ("make", "name"), [(_of_another_graph, "mine:0"), (_made_eagerly, "Placeholder:0")]
)
def test_raw_receivers_of_tensors_from_elsewhere(
    estimator: Any, make: Callable[[], Any], name: str, tmp_path: Path
) -> None:
    receiver_fn = tf.estimator.export.build_raw_serving_input_receiver_fn(make())
    estimator.train(_input_fn)
    for _ in range(2):  # It can be called for more than one graph.
        path = estimator.export_saved_model(str(tmp_path / "export"), receiver_fn)
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            meta = tf.compat.v1.saved_model.load(session, ["serve"], path)
            signature = meta.signature_def["serving_default"]
            given = signature.inputs["x"]
            assert given.name == name
            assert [dimension.size for dimension in given.tensor_shape.dim] == [-1, 1]
            found = session.run(signature.outputs["a"].name, {given.name: [[2.0], [4.0]]})
            weight = estimator.get_variable_value("w")
            assert found.ravel() == pytest.approx([2 * weight, 4 * weight])


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What TensorFlow logs."""
    messages: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger, handler = tf.get_logger(), Handler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield messages
    logger.setLevel(level)
    logger.removeHandler(handler)


@pytest.mark.parametrize("tensors", [["the_loss"], {"the_loss": "the_loss"}, ["the_loss:0"]])
def test_a_logging_hook_by_the_name_of_a_tensor(
    estimator: Any, tensors: Any, logged: list[str]
) -> None:
    estimator.train(_input_fn, [tf.estimator.LoggingTensorHook(tensors, every_n_iter=1)])
    lines = [line.split(" (")[0] for line in logged if line.startswith("the_loss")]
    values = [float(line.partition(" = ")[2]) for line in lines]
    assert len(values) == 2
    assert values == pytest.approx(LOSSES)


def test_a_logging_hook_of_a_tensor_that_is_not_there(estimator: Any) -> None:
    with pytest.raises(KeyError, match="nothing:0"):
        estimator.train(_input_fn, [tf.estimator.LoggingTensorHook(["nothing"], every_n_iter=1)])


@pytest.mark.parametrize(
    ("mode", "labels"), [("train", [[1.0]]), ("eval", [[1.0]]), ("infer", None)]
)
def test_model_fn_called_directly(estimator: Any, mode: str, labels: Any) -> None:
    assert list(inspect.signature(estimator.model_fn).parameters) == [
        *("features", "labels", "mode", "config")
    ]
    with tf.Graph().as_default():
        tf.compat.v1.train.get_or_create_global_step()
        given = {"x": tf.ones([1, 1])}, labels and tf.constant(labels), mode, estimator.config
        by_name = dict(zip(("features", "labels", "mode", "config"), given, strict=True))
        spec = estimator.model_fn(*given)
        assert isinstance(spec, tf.compat.v1.estimator.EstimatorSpec)
        assert spec.mode == mode
        with tf.compat.v1.variable_scope("again"):
            assert estimator.model_fn(**by_name).mode == mode
            assert "again/w" in {one.op.name for one in tf.compat.v1.global_variables()}


def test_subclasses_of_estimators(tmp_path: Path) -> None:
    own = OwnEstimator(0.01, model_dir=str(tmp_path / "own")).train(_input_fn)
    assert own.weight() > 0
    old = OwnEstimatorOfVersion1(_model_fn, str(tmp_path / "old"), None, {"rate": 0.01})
    assert old.train(_input_fn).get_variable_value("w") == pytest.approx(own.weight())
    # Each is an instance of version 1, as it was.
    v1, v2 = tf.compat.v1.estimator, tf.estimator
    assert all(
        isinstance(one, v1.Estimator) and isinstance(one, v2.Estimator) for one in (own, old)
    )
    assert isinstance(v2.DNNClassifier([1], [tf.feature_column.numeric_column("x")]), v1.Estimator)
    assert not isinstance(own, OwnEstimatorOfVersion1)
    assert not isinstance(own, v1.DNNClassifier)
    assert not isinstance(1, v1.Estimator)


def test_a_subclass_must_not_override_what_is_public() -> None:
    class Overriding(tf.estimator.Estimator):
        def train(self, *args: Any, **kwargs: Any) -> Any: ...

    with pytest.raises(ValueError, match="train"):
        Overriding(_model_fn, params={"rate": 1.0})


def test_a_library_may_override_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # As adanet does it, and what else it takes from the class.
    free = staticmethod(lambda _: None)
    monkeypatch.setattr(tf.estimator.Estimator, "_assert_members_are_not_overridden", free)

    class Overriding(tf.estimator.Estimator):
        def train(self, input_fn: Any) -> Any:  # type: ignore[override]
            return super().train(input_fn, steps=1)

    estimator = Overriding(_model_fn, params={"rate": 0.01})
    assert estimator.train(_input_fn).get_variable_value("global_step") == 1
    assert estimator._model_dir == estimator.model_dir
    with tf.Graph().as_default() as graph:
        step = estimator._create_and_assert_global_step(graph)
        assert step is tf.compat.v1.train.get_global_step()


def test_a_hook_of_ones_own(estimator: Any) -> None:
    hook = OwnHook()
    estimator.train(_input_fn, [hook])
    assert hook.losses == pytest.approx(LOSSES)


def test_an_exporter_of_ones_own(estimator: Any) -> None:
    exporter = OwnExporter()
    train_spec = tf.estimator.TrainSpec(_input_fn, 2)
    eval_spec = tf.estimator.EvalSpec(
        _input_fn, exporters=exporter, start_delay_secs=0, throttle_secs=0
    )
    _, exports = tf.estimator.train_and_evaluate(estimator, train_spec, eval_spec)
    assert exporter.calls == [(True, ["global_step", "loss", "mean"])]
    assert exports == [b"somewhere"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_head_of_ones_own(version: str) -> None:
    surface = tf.estimator if version == "v2" else tf.compat.v1.estimator
    columns = [tf.feature_column.numeric_column("x")]
    estimator = surface.LinearEstimator(OwnHead(), columns).train(_input_fn)
    assert estimator.evaluate(_input_fn)["loss"] < 70
    assert next(estimator.predict(_input_fn))["predictions"].shape == (1,)
