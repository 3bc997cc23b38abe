"""Training and evaluating under a tf.distribute strategy: the numbers are those of one device."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator as tfe

v1 = tf.compat.v1

STEPS, EXAMPLES, GLOBAL_BATCH = 6, 22, 4
_random = np.random.default_rng(0)
X = _random.normal(size=(EXAMPLES, 3)).astype("f4")
Y = (X @ np.array([[1.0], [-2.0], [3.0]], "f4")).astype("f4")
TWO = ["/cpu:0", "/cpu:1"]


def mirrored() -> Any:
    """On two devices that only sessions have: TensorFlow has been started with one processor."""
    with tf.Graph().as_default():
        return tf.distribute.MirroredStrategy(TWO)


def mirrored_of_version_1() -> Any:
    with tf.Graph().as_default():
        return v1.distribute.MirroredStrategy(TWO)


STRATEGIES: dict[str, tuple[int, Callable[[], Any]]] = {
    "mirrored": (2, mirrored),
    "mirrored of version 1": (2, mirrored_of_version_1),
    "central storage": (
        2,
        lambda: tf.distribute.experimental.CentralStorageStrategy(TWO, "/cpu:0"),
    ),
    "one device": (1, lambda: tf.distribute.OneDeviceStrategy("/cpu:0")),
    "one device of version 1": (1, lambda: v1.distribute.OneDeviceStrategy("/cpu:0")),
}


def a_model(reduced: Callable[[tf.Tensor], tf.Tensor]) -> Callable[..., tfe.EstimatorSpec]:
    def model_fn(features: Any, labels: Any, mode: str) -> tfe.EstimatorSpec:
        w = v1.get_variable("w", [3, 1], initializer=v1.zeros_initializer())
        predictions = tf.matmul(features, w)
        if mode == tfe.ModeKeys.PREDICT:
            return tfe.EstimatorSpec(mode, predictions=predictions)
        loss = reduced(tf.square(predictions - labels))
        train_op = None
        if mode == tfe.ModeKeys.TRAIN:
            optimizer = v1.train.MomentumOptimizer(0.02, 0.9)
            train_op = optimizer.minimize(loss, v1.train.get_global_step())
        metrics = {"error": v1.metrics.mean_absolute_error(labels, predictions)}
        return tfe.EstimatorSpec(
            mode, predictions=predictions, loss=loss, train_op=train_op, eval_metric_ops=metrics
        )

    return model_fn


mean_model = a_model(tf.reduce_mean)


def train_input(batch: int) -> Callable[[], tf.data.Dataset]:
    return lambda: tf.data.Dataset.from_tensor_slices((X, Y)).repeat().batch(batch)


def eval_input(batch: int) -> Callable[[], tf.data.Dataset]:
    return lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(batch)


def config(**options: Any) -> tfe.RunConfig:
    session_config = v1.ConfigProto(device_count={"CPU": 2}, allow_soft_placement=True)
    return tfe.RunConfig(session_config=session_config, tf_random_seed=1, **options)


class Losses(v1.train.SessionRunHook):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def before_run(self, run_context: Any) -> Any:
        [loss] = v1.get_collection(v1.GraphKeys.LOSSES)[-1:]
        return v1.train.SessionRunArgs(loss)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.seen.append(float(run_values.results))


def trained(
    folder: Path, strategy: Any = None, replicas: int = 1, model_fn: Any = mean_model
) -> tuple[tfe.Estimator, list[float]]:
    losses = Losses()
    estimator = tfe.Estimator(model_fn, str(folder), config(train_distribute=strategy))
    estimator.train(train_input(GLOBAL_BATCH // replicas), hooks=[losses], max_steps=STEPS)
    return estimator, losses.seen


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[tfe.Estimator, list[float]]:
    return trained(tmp_path_factory.mktemp("alone"))


def variables(folder: str) -> list[tuple[str, list[int]]]:
    return tf.train.list_variables(tf.train.latest_checkpoint(folder))


@pytest.mark.parametrize("kind", STRATEGIES)
def test_losses_weights_and_names_are_those_of_one_device(kind, alone, tmp_path):
    replicas, make = STRATEGIES[kind]
    estimator, losses = trained(tmp_path, make(), replicas)
    expected, expected_losses = alone
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-6)
    assert variables(estimator.model_dir) == variables(expected.model_dir)
    for name in estimator.get_variable_names():
        np.testing.assert_allclose(
            estimator.get_variable_value(name), expected.get_variable_value(name), rtol=1e-5
        )


def test_a_loss_that_is_a_sum_is_not_divided(tmp_path):
    def summed(errors: tf.Tensor) -> tf.Tensor:
        return v1.losses.compute_weighted_loss(errors, 0.1, reduction=v1.losses.Reduction.SUM)

    _, expected = trained(tmp_path / "alone", model_fn=a_model(summed))
    replicas, make = STRATEGIES["mirrored"]
    _, losses = trained(tmp_path / "mirrored", make(), replicas, a_model(summed))
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize("batch", [2, 4, 5, 22])
def test_each_example_is_evaluated_once(kind, batch, alone):
    estimator, _ = alone
    _, make = STRATEGIES[kind]
    distributed = tfe.Estimator(mean_model, estimator.model_dir, config(eval_distribute=make()))
    expected = estimator.evaluate(eval_input(batch))
    found = distributed.evaluate(eval_input(batch))
    assert found["error"] == pytest.approx(expected["error"], rel=1e-6)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert found["global_step"] == STEPS


def test_training_goes_on_with_and_without_replicas(tmp_path):
    replicas, make = STRATEGIES["mirrored"]
    there, _ = trained(tmp_path, make(), replicas)
    back = tfe.Estimator(mean_model, there.model_dir, config())
    back.train(train_input(GLOBAL_BATCH), steps=2)
    there.train(train_input(GLOBAL_BATCH // replicas), steps=2)
    assert there.get_variable_value("global_step") == STEPS + 4
    assert len(list(there.predict(eval_input(5)))) == EXAMPLES


def test_input_fn_may_ask_for_the_context(tmp_path):
    contexts = []

    def input_fn(input_context: tf.distribute.InputContext) -> tf.data.Dataset:
        contexts.append(input_context)
        batch = input_context.get_per_replica_batch_size(GLOBAL_BATCH)
        return train_input(batch)()

    strategy = mirrored()
    estimator = tfe.Estimator(mean_model, str(tmp_path), config(train_distribute=strategy))
    estimator.train(input_fn, steps=1)
    assert [one.num_replicas_in_sync for one in contexts] == [2]


def test_train_and_evaluate(tmp_path):
    strategy = mirrored()
    estimator = tfe.Estimator(
        mean_model, str(tmp_path), config(train_distribute=strategy, eval_distribute=strategy)
    )
    metrics, _ = tfe.train_and_evaluate(
        estimator,
        tfe.TrainSpec(train_input(2), max_steps=STEPS),
        tfe.EvalSpec(eval_input(4), steps=None),
    )
    assert metrics["global_step"] == STEPS


@pytest.mark.parametrize("option", ["train_distribute", "eval_distribute"])
def test_another_strategy_is_refused(option, tmp_path):
    cluster = tf.train.ClusterSpec({"ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        cluster, task_type="worker", task_id=0
    )
    strategy = v1.distribute.experimental.ParameterServerStrategy(resolver)
    estimator = tfe.Estimator(mean_model, str(tmp_path), config(**{option: strategy}))
    call = estimator.train if option == "train_distribute" else estimator.evaluate
    with pytest.raises(NotImplementedError, match=f"{option} must be a MirroredStrategy"):
        call(eval_input(2), steps=1)
