"""JAX: one jitted step at a time, and a hundred of them in one `lax.scan`."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .models import Model
from .turns import Job

SCANNED = 100  # steps in one call, as Keras takes


class Operations:
    """What forward functions ask for."""

    relu = staticmethod(jax.nn.relu)
    softmax = staticmethod(jax.nn.softmax)
    einsum = staticmethod(jnp.einsum)
    reshape = staticmethod(jnp.reshape)
    rsqrt = staticmethod(jax.lax.rsqrt)

    @staticmethod
    def mean(values: jax.Array, axis: int, keep: bool) -> jax.Array:
        """Over one axis."""
        return jnp.mean(values, axis, keepdims=keep)

    @staticmethod
    def take(table: jax.Array, indices: jax.Array) -> jax.Array:
        """Rows of the table."""
        return table[indices]

    @staticmethod
    def conv(images: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
        """A convolution that keeps the size."""
        order = ("NHWC", "HWIO", "NHWC")
        result = jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=order
        )
        return result + bias

    @staticmethod
    def max_pool(images: jax.Array) -> jax.Array:
        """Half the height and width."""
        batch, height, width, channels = images.shape
        # On the CPU twice as fast a step as `lax.reduce_window`, by its gradient.
        cells = images.reshape(batch, height // 2, 2, width // 2, 2, channels)
        return cells.max(axis=(2, 4))


def _step(model: Model) -> Callable[[Any, Any], tuple[Any, jax.Array]]:
    """From a state and a batch to the next state and the loss."""

    def loss(weights: Any, batch: Any) -> jax.Array:
        inputs, labels = batch
        logs = jax.nn.log_softmax(model.forward(Operations, weights, inputs))
        return -jnp.mean(jnp.take_along_axis(logs, labels[:, None], axis=1))

    def adagrad(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        weights, _, squares, count = state
        value, gradient = jax.value_and_grad(loss)(weights, batch)
        squares = jax.tree.map(lambda s, g: s + g * g, squares, gradient)
        weights = jax.tree.map(
            lambda w, g, s: w - model.rate * g * jax.lax.rsqrt(s), weights, gradient, squares
        )
        return (weights, _, squares, count + 1), value

    def adam(state: Any, batch: Any) -> tuple[Any, jax.Array]:
        weights, means, squares, count = state
        value, gradient = jax.value_and_grad(loss)(weights, batch)
        means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradient)
        squares = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, squares, gradient)
        rate = model.rate * jnp.sqrt(1 - 0.999 ** (count + 1)) / (1 - 0.9 ** (count + 1))
        weights = jax.tree.map(
            lambda w, m, s: w - rate * m / (jnp.sqrt(s) + 1e-8), weights, means, squares
        )
        return (weights, means, squares, count + 1), value

    return {"adagrad": adagrad, "adam": adam}[model.optimizer]


def _start(model: Model) -> Any:
    weights = jax.tree.map(jnp.asarray, model.initial())
    means = jax.tree.map(jnp.zeros_like, weights)
    first = 0.1 if model.optimizer == "adagrad" else 0.0
    squares = jax.tree.map(lambda w: jnp.full_like(w, first), weights)
    return weights, means, squares, jnp.zeros([], jnp.float32)


def _batches(job: Job) -> Iterator[Any]:
    """Shuffled rows; or, with batches ready, the same arrays on the device again and again."""
    if job.task == "train":
        return job.epochs()
    few = itertools.islice(job.epochs(), len(job.model.data()[1]) // job.model.batch)
    return itertools.cycle([jax.device_put(batch) for batch in few])


def _chunks(job: Job) -> Iterator[Any]:
    """As many batches as are scanned, stacked."""
    batches = _batches(job)
    if job.task == "train":
        while True:
            few = list(itertools.islice(batches, SCANNED))
            yield tuple(np.stack(column) for column in zip(*few, strict=True))
    few = list(itertools.islice(batches, SCANNED))
    stacked = tuple(jnp.stack(column) for column in zip(*few, strict=True))
    yield from itertools.repeat(stacked)


def one_step(job: Job) -> None:
    """Trains with one call a step."""
    step, state, batches = jax.jit(_step(job.model), donate_argnums=0), _start(job.model), None
    batches = _batches(job)
    for _ in job.turns:
        for batch in itertools.islice(batches, job.turns.count):
            state, _ = step(state, batch)
        jax.block_until_ready(state)


def scan(job: Job) -> None:
    """Trains with one call for a hundred steps."""
    step = _step(job.model)
    steps = jax.jit(lambda state, chunk: jax.lax.scan(step, state, chunk), donate_argnums=0)
    state, chunks = _start(job.model), _chunks(job)
    for _ in job.turns:
        for chunk in itertools.islice(chunks, job.turns.count // SCANNED):
            state, _ = steps(state, chunk)
        jax.block_until_ready(state)
