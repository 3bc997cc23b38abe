"""A small model for every optimizer: dense weights, and an embedding with gradients by rows."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1

START = {
    "model/embedding": np.random.RandomState(0).randn(7, 3).astype(np.float32),
    "model/kernel": np.random.RandomState(1).randn(3, 2).astype(np.float32),
    "model/bias": np.random.RandomState(2).randn(2).astype(np.float32),
}


def batch(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids, of which some occur twice and one never, and targets."""
    random = np.random.RandomState(n)
    return random.randint(0, 6, [8]).astype(np.int32), random.randn(8, 2).astype(np.float32)


def loss_of(values: list[Any], ids: Any, targets: Any) -> tf.Tensor:
    embedding, kernel, bias = values
    return tf.reduce_mean((tf.tanh(tf.gather(embedding, ids)) @ kernel + bias - targets) ** 2)


@dataclasses.dataclass
class Trained:
    """What training left behind."""

    values: dict[str, np.ndarray]  # of all global variables, by name
    losses: list[float]

    @property
    def model(self) -> list[np.ndarray]:
        return [self.values[name] for name in START]

    @property
    def names(self) -> set[str]:
        """The names of what is neither the model's nor the step."""
        return set(self.values) - set(START) - {"global_step"}


def train(
    minimize: Callable[[tf.Tensor, tf.Variable], tf.Operation],
    steps: int = 20,
    use_resource: bool = True,
    checkpoint: Any = None,
) -> Trained:
    """Trains the model in a new graph with the train_op that `minimize(loss, step)` makes.

    With a `checkpoint`, a path: restores it if there is one, and saves at the end.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        step = v1.train.get_or_create_global_step()
        variables = [
            v1.get_variable(name, initializer=start, use_resource=use_resource)
            for name, start in START.items()
        ]
        ids = v1.placeholder(tf.int32, [8])
        targets = v1.placeholder(tf.float32, [8, 2])
        loss = loss_of(variables, ids, targets)
        train_op = minimize(loss, step)
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        saver = v1.train.Saver()
        if checkpoint and tf.train.latest_checkpoint(checkpoint):
            saver.restore(session, tf.train.latest_checkpoint(checkpoint))
        losses = []
        for _ in range(steps):
            feed = dict(zip([ids, targets], batch(session.run(step)), strict=True))
            losses.append(session.run([loss, train_op], feed)[0])
        if checkpoint:
            saver.save(session, f"{checkpoint}/model.ckpt", global_step=step)
        values = {v.op.name: session.run(v) for v in v1.global_variables()}
        return Trained(values, losses)


def train_eagerly(optimizer: Any, variables: list[Any], steps: int = 20) -> list[np.ndarray]:
    """The values of the model after `fit` would have trained it with a Keras optimizer."""
    raw = [v if isinstance(v, tf.Variable) else v.value for v in variables]
    optimizer.build(variables)

    @tf.function(autograph=False)
    def step(ids: tf.Tensor, targets: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = loss_of(raw, ids, targets)
            if hasattr(optimizer, "scale_loss"):
                loss = optimizer.scale_loss(loss)
            elif hasattr(optimizer, "get_scaled_loss"):
                loss = optimizer.get_scaled_loss(loss)
        found = tape.gradient(loss, raw)
        if hasattr(optimizer, "get_unscaled_gradients"):
            found = optimizer.get_unscaled_gradients(found)
        optimizer.apply_gradients(list(zip(found, variables, strict=True)))

    for n in range(steps):
        step(*map(tf.constant, batch(n)))
    return [one.numpy() for one in raw]


@pytest.fixture(name="train")
def _train() -> Callable[..., Trained]:
    return train


@pytest.fixture(name="train_eagerly")
def _train_eagerly() -> Callable[..., list[np.ndarray]]:
    return train_eagerly


@pytest.fixture
def start() -> dict[str, np.ndarray]:
    return START
