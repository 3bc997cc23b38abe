"""Trains and evaluates models on one device and on two, and prints what came of it as JSON."""

import json
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

import tf_estimator as tfe
import tf_estimator.compat.v1 as tfe_v1
from tf_estimator.keras import enable_v1_layers, minimize, model_to_estimator

v1 = tf.compat.v1
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
TWO = ["/cpu:0", "/cpu:1"]
MIRRORED = tf.distribute.MirroredStrategy(TWO)
random = np.random.default_rng(0)
X = random.normal(size=(24, 3)).astype("f4")
Y = (X @ np.array([[1.0], [-2.0], [3.0]], "f4")).astype("f4")
COLUMNS = [tf.feature_column.numeric_column("x", (3,))]
STEPS, GLOBAL_BATCH = 3, 4

Make = Callable[[tfe.RunConfig], tfe.Estimator]


class Losses(v1.train.SessionRunHook):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def before_run(self, run_context: Any) -> Any:
        return v1.train.SessionRunArgs(v1.get_collection(v1.GraphKeys.LOSSES)[-1])

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.seen.append(float(run_values.results))


def batches(size: int, *, classes: bool = False, each: int = 1, examples: int = 24) -> Any:
    labels = (Y > 0).astype("i4") if classes else Y
    dataset = tf.data.Dataset.from_tensor_slices(({"x": X}, labels)).take(examples).batch(size)
    if each == 1:
        return dataset
    return dataset.flat_map(lambda *batch: tf.data.Dataset.from_tensors(batch).repeat(each))


def config(strategy: Any) -> tfe.RunConfig:
    return tfe.RunConfig(
        tempfile.mkdtemp(),
        tf_random_seed=1,
        train_distribute=strategy,
        eval_distribute=strategy,
        log_step_count_steps=None,
    )


def run(
    make: Make, strategy: Any, *, classes: bool, same: bool, examples: int | None
) -> dict[str, Any]:
    """One training and evaluation. `same`: both replicas get the same batch, as statistics want."""
    replicas = 1 if strategy is None else 2
    size, each = (GLOBAL_BATCH, replicas) if same else (GLOBAL_BATCH // replicas, 1)
    losses = Losses()
    estimator = make(config(strategy))

    def train_input() -> tf.data.Dataset:
        if examples is not None:
            return batches(size, examples=examples)
        return batches(size, classes=classes, each=each).repeat()

    estimator.train(train_input, hooks=[losses], steps=None if examples else STEPS)
    metrics = estimator.evaluate(lambda: batches(5, classes=classes))  # five batches: an odd number
    names = estimator.get_variable_names()
    values = {name: np.ravel(estimator.get_variable_value(name)).tolist() for name in names}
    return {
        "names": names,
        "losses": losses.seen,
        "metrics": {name: float(value) for name, value in metrics.items()},
        "variables": [value for name in names for value in values[name]],
    }


def sgd(loss: tf.Tensor) -> Any:
    optimizer = v1.train.GradientDescentOptimizer(0.05)
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        return optimizer.minimize(loss, v1.train.get_global_step())


def of_model(
    train: Callable[[tf.Tensor], Any] = sgd,
    layers: Callable[[tf.Tensor, bool], tf.Tensor] | None = None,
    metrics: Callable[[tf.Tensor, tf.Tensor], dict[str, Any]] | None = None,
) -> Make:
    def model_fn(features: Any, labels: Any, mode: str) -> tfe.EstimatorSpec:
        training = mode == tfe.ModeKeys.TRAIN
        if layers is None:
            w = v1.get_variable("w", [3, 1], initializer=v1.zeros_initializer())
            predictions = tf.matmul(features["x"], w)
        else:
            predictions = layers(features["x"], training)
        loss = tf.reduce_mean(tf.square(predictions - labels))
        ops = metrics(labels, predictions) if metrics and not training else None
        train_op = train(loss) if training else None
        return tfe.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=ops)

    return lambda config: tfe.Estimator(model_fn, config=config)


def by(make_optimizer: Callable[[], Any]) -> Make:
    return of_model(lambda loss: minimize(make_optimizer(), loss))


def batch_norm(kind: Any) -> Make:
    def layers(x: tf.Tensor, training: bool) -> tf.Tensor:
        hidden = kind.Dense(3, kernel_initializer="ones")(x)
        hidden = kind.BatchNormalization(momentum=0.5)(hidden, training=training)
        return kind.Dense(1, kernel_initializer="ones")(hidden)

    return of_model(layers=layers)


def batch_norm_of_version_1(x: tf.Tensor, training: bool) -> tf.Tensor:
    hidden = v1.layers.dense(x, 3, kernel_initializer=v1.ones_initializer())
    hidden = v1.layers.batch_normalization(hidden, training=training, momentum=0.5)
    return v1.layers.dense(hidden, 1, kernel_initializer=v1.ones_initializer())


def metrics_of(kind: Any) -> Make:
    def metrics(labels: tf.Tensor, predictions: tf.Tensor) -> dict[str, Any]:
        error, area = kind.MeanAbsoluteError(), kind.AUC(num_thresholds=20)
        error.update_state(labels, predictions)
        area.update_state(tf.cast(labels > 0, tf.float32), tf.sigmoid(predictions))
        return {"error": error, "area": area}

    return of_model(metrics=metrics)


def averaged(kind: Any) -> Make:
    return by(lambda: kind.Adam(0.1, use_ema=True, ema_overwrite_frequency=2, weight_decay=0.01))


def combined(config: tfe.RunConfig) -> tfe.Estimator:
    return tfe.DNNLinearCombinedClassifier(
        linear_feature_columns=COLUMNS,
        linear_optimizer="Adam",
        dnn_feature_columns=COLUMNS,
        dnn_hidden_units=[2],
        dnn_optimizer="Adam",
        config=config,
    )


enable_v1_layers()
CASES: dict[str, tuple[Make, dict[str, Any]]] = {
    "optimizer of version 1": (of_model(), {}),
    "optimizer of Keras 3": (by(lambda: keras.optimizers.Adam(0.1)), {}),
    "optimizer of tf_keras": (by(lambda: tf_keras.optimizers.Adam(0.1)), {}),
    "moving averages of an optimizer of Keras 3": (averaged(keras.optimizers), {}),
    "moving averages of an optimizer of tf_keras": (averaged(tf_keras.optimizers), {}),
    "loss scaling of Keras 3": (
        by(lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05))),
        {},
    ),
    "DNNClassifier": (
        lambda config: tfe.DNNClassifier([3], COLUMNS, config=config),
        {"classes": True},
    ),
    "LinearRegressor": (lambda config: tfe.LinearRegressor(COLUMNS, config=config), {}),
    "DNNLinearCombinedClassifier, twice the same optimizer": (combined, {"classes": True}),
    "DNNClassifier of version 1": (
        lambda config: tfe_v1.DNNClassifier(
            [3], COLUMNS, optimizer=lambda: v1.train.GradientDescentOptimizer(0.05), config=config
        ),
        {"classes": True},
    ),
    "batch norm of version 1": (of_model(layers=batch_norm_of_version_1), {"same": True}),
    "batch norm of Keras 3": (batch_norm(keras.layers), {"same": True}),
    "batch norm of tf_keras": (batch_norm(tf_keras.layers), {"same": True}),
    "metrics of Keras 3": (metrics_of(keras.metrics), {}),
    "metrics of tf_keras": (metrics_of(tf_keras.metrics), {}),
}


def compiled(config: tfe.RunConfig) -> tfe.Estimator:
    model = keras.Sequential([keras.layers.Input((3,), name="x"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model_to_estimator(model, config=config)


def refusal(make: Make, strategy: Any = MIRRORED, input_fn: Any = lambda: batches(2)) -> str:
    try:
        make(config(strategy)).train(input_fn, steps=1)
    except (NotImplementedError, TypeError) as error:
        return str(error)
    return ""


def main() -> None:
    plain = {"classes": False, "same": False, "examples": None}
    results: dict[str, Any] = {
        name: [run(make, strategy, **{**plain, **how}) for strategy in (None, MIRRORED)]
        for name, (make, how) in CASES.items()
    }
    # Five batches for two replicas are two steps, with what is in four.
    results["input that ends in mid-round"] = [
        run(of_model(), None, **{**plain, "examples": 8}),
        run(of_model(), MIRRORED, **{**plain, "examples": 10}),
    ]
    central = tf.distribute.experimental.CentralStorageStrategy(TWO, "/cpu:0")
    results["refused"] = {
        "model_to_estimator": refusal(compiled),
        "legacy optimizer": refusal(by(lambda: tf_keras.optimizers.legacy.Adam(0.1))),
        "Keras batch norm, central storage": refusal(batch_norm(keras.layers), central),
        "tensors of input_fn": refusal(
            of_model(), input_fn=lambda: ({"x": tf.constant(X)}, tf.constant(Y))
        ),
    }
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
