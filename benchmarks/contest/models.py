"""The models: the shapes of their weights, one forward function, and their data.

A forward function gets the operations of a framework, weights and inputs by name, so that all
frameworks compute the same. A model without one is told apart by those contestants that have it
(wide and deep on feature columns). Nothing here imports a framework.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Shapes = dict[str, tuple[int, ...]]
Rows = tuple[Any, np.ndarray]


@dataclass(frozen=True)
class Model:
    """A model to train.

    Images are batch, height, width, channels, and kernels of a convolution ("conv...") are height,
    width, channels in, channels out; a framework that has another order takes it.

    Args:
        title: for people.
        batch: rows in a batch.
        steps: of one turn of training; a multiple of 100, as Keras is to take 100 at once.
        data: returns the rows: an array or a dict of arrays, and labels (int64, one a row).
        weights: the shapes; a name that begins with "scale" starts at one, a vector else at zero.
        forward: from operations, weights and inputs to logits; None if it has to be told apart.
        optimizer: "adagrad" or "adam".
        rate: its learning rate.
        shuffle: the rows that are shuffled; 0 keeps them in order and prefetches batches instead.
    """

    title: str
    batch: int
    steps: int
    data: Callable[[], Rows]
    weights: Shapes
    forward: Callable[[Any, dict[str, Any], Any], Any] | None
    optimizer: str = "adam"
    rate: float = 0.001
    shuffle: int = 1024

    def initial(self) -> dict[str, np.ndarray]:
        """Weights to start from: the same ones for whoever asks."""
        chance = np.random.default_rng(1)
        return {
            name: self.deviation(name) * chance.normal(size=shape).astype(np.float32)
            if len(shape) > 1
            else np.full(shape, float(name.startswith("scale")), np.float32)
            for name, shape in self.weights.items()
        }

    def deviation(self, name: str) -> float:
        """The standard deviation of a matrix at the start."""
        return 1 / math.sqrt(math.prod(self.weights[name][:-1]))


@functools.cache
def _mlp_data() -> Rows:
    inputs = np.random.default_rng(0).normal(size=[2048, 10]).astype(np.float32)
    return inputs, (inputs.sum(axis=1) > 0).astype(np.int64)


def _mlp(o: Any, w: dict[str, Any], x: Any) -> Any:
    return o.relu(x @ w["hidden"] + w["hidden_bias"]) @ w["out"] + w["out_bias"]


@functools.cache
def _wide_mlp_data() -> Rows:
    inputs = np.random.default_rng(0).normal(size=[2048, 100]).astype(np.float32)
    return inputs, inputs[:, :10].argmax(axis=1)


def wide_mlp(parameters: int) -> Model:
    """An MLP of one hidden layer, as wide as it takes to have about so many parameters."""
    units = max(1, round((parameters - 10) / 111))
    return Model(
        f"MLP 100-{units}-10, batch 32",
        batch=32,
        steps=0,  # its turns go by the clock
        data=_wide_mlp_data,
        weights={
            "hidden": (100, units),
            "hidden_bias": (units,),
            "out": (units, 10),
            "out_bias": (10,),
        },
        forward=_mlp,
        optimizer="adagrad",
        rate=0.05,
    )


@functools.cache
def _cnn_data() -> Rows:
    chance = np.random.default_rng(0)
    images = chance.uniform(size=[1024, 28, 28, 1]).astype(np.float32)
    return images, chance.integers(10, size=1024)


def _cnn(o: Any, w: dict[str, Any], x: Any) -> Any:
    x = o.max_pool(o.relu(o.conv(x, w["conv_1"], w["conv_1_bias"])))
    x = o.max_pool(o.relu(o.conv(x, w["conv_2"], w["conv_2_bias"])))
    x = o.relu(o.reshape(x, [-1, 7 * 7 * 32]) @ w["dense"] + w["dense_bias"])
    return x @ w["out"] + w["out_bias"]


@functools.cache
def _transformer_data() -> Rows:
    tokens = np.random.default_rng(0).integers(1000, size=[2048, 32])
    return tokens, tokens[:, 0] % 10


def _normalize(o: Any, x: Any, scale: Any, bias: Any) -> Any:
    x = x - o.mean(x, -1, True)
    return x * o.rsqrt(o.mean(x * x, -1, True) + 1e-6) * scale + bias


def _transformer(o: Any, w: dict[str, Any], tokens: Any) -> Any:
    x = o.take(w["tokens"], tokens) + w["positions"]
    for n in "12":
        y = _normalize(o, x, w["scale_a" + n], w["bias_a" + n])
        # batch, sequence, which of query, key and value; head, width
        qkv = o.einsum("bsd,dkhw->kbhsw", y, w["qkv" + n])
        scores = o.softmax(o.einsum("bhsw,bhtw->bhst", qkv[0], qkv[1]) * 0.25)
        heads = o.einsum("bhst,bhtw->bshw", scores, qkv[2])
        x = x + o.einsum("bshw,hwd->bsd", heads, w["join" + n])
        y = _normalize(o, x, w["scale_b" + n], w["bias_b" + n])
        x = x + o.relu(y @ w["wide" + n] + w["wide_bias" + n]) @ w["narrow" + n]
    return o.mean(x, 1, False) @ w["out"] + w["out_bias"]


def _block(n: str) -> Shapes:
    return {
        "scale_a" + n: (64,),
        "bias_a" + n: (64,),
        "qkv" + n: (64, 3, 4, 16),
        "join" + n: (4, 16, 64),
        "scale_b" + n: (64,),
        "bias_b" + n: (64,),
        "wide" + n: (64, 256),
        "wide_bias" + n: (256,),
        "narrow" + n: (256, 64),
    }


JOBS = [f"job {number}" for number in range(20)]


@functools.cache
def _wide_deep_data() -> Rows:
    chance = np.random.default_rng(0)
    table = {
        "age": chance.uniform(18, 80, [4096, 1]).astype(np.float32),
        "income": chance.normal(size=[4096, 1]).astype(np.float32),
        "job": np.array(JOBS)[chance.integers(len(JOBS), size=[4096, 1])],
        "city": chance.integers(1000, size=[4096, 1]).astype(str),
    }
    return table, (table["age"] / 80 + table["income"] > 0.6).astype(np.int64)[:, 0]


MODELS = {
    "mlp": Model(
        "MLP 10-16-2, batch 32",
        batch=32,
        steps=1000,
        data=_mlp_data,
        weights={"hidden": (10, 16), "hidden_bias": (16,), "out": (16, 2), "out_bias": (2,)},
        forward=_mlp,
        optimizer="adagrad",
        rate=0.05,
    ),
    "wide_deep": Model(
        "wide & deep on feature columns, batch 64",
        batch=64,
        steps=300,
        data=_wide_deep_data,
        weights={},
        forward=None,
        optimizer="adagrad",
        rate=0.05,
        shuffle=0,
    ),
    "cnn": Model(
        "CNN 28x28x1, 2 conv + 2 dense, batch 64",
        batch=64,
        steps=100,
        data=_cnn_data,
        weights={
            "conv_1": (3, 3, 1, 16),
            "conv_1_bias": (16,),
            "conv_2": (3, 3, 16, 32),
            "conv_2_bias": (32,),
            "dense": (7 * 7 * 32, 64),
            "dense_bias": (64,),
            "out": (64, 10),
            "out_bias": (10,),
        },
        forward=_cnn,
    ),
    "transformer": Model(
        "transformer, 2 layers of 64 with 4 heads, sequence 32, batch 32",
        batch=32,
        steps=100,
        data=_transformer_data,
        weights={
            "tokens": (1000, 64),
            "positions": (32, 64),
            **_block("1"),
            **_block("2"),
            "out": (64, 10),
            "out_bias": (10,),
        },
        forward=_transformer,
    ),
}
