"""Keras 3: fit, with one step or a hundred in one execution. One epoch is one turn."""

import contextlib
from typing import Any

import keras

from .models import JOBS, Model
from .tensorflow_graph import Operations, dataset
from .turns import Job


def fit(job: Job, steps_per_execution: int) -> None:
    """Trains; the model and its optimizer as Keras has them, the input as everyone's."""
    model = _model(job.model_name, job.model)
    optimizers = {"adagrad": keras.optimizers.Adagrad, "adam": keras.optimizers.Adam}
    model.compile(
        optimizers[job.model.optimizer](job.model.rate),
        _loss(job.model_name),
        steps_per_execution=steps_per_execution,
    )

    class Epochs(keras.callbacks.Callback):
        def on_epoch_begin(self, *_: Any) -> None:
            if not job.turns.begin():
                raise _Enough

        def on_epoch_end(self, *_: Any) -> None:
            job.turns.end()

    data = dataset(job.model, ready=job.task == "train_ready")
    with contextlib.suppress(_Enough):
        model.fit(
            data,
            epochs=1_000_000,
            steps_per_epoch=job.turns.count,
            verbose=0,
            callbacks=[Epochs()],
        )


class _Enough(Exception):  # noqa: N818 - no error: the way out of fit before an epoch
    pass


def _model(name: str, model: Model) -> Any:
    """The model for Keras 3: the same forward function, or for wide and deep its own layers."""
    if name == "wide_deep":
        return _wide_deep()
    ops = keras.ops

    class KerasOperations(Operations):
        relu, softmax, einsum, reshape = ops.relu, ops.softmax, ops.einsum, ops.reshape
        mean, rsqrt = ops.mean, ops.rsqrt

        @staticmethod
        def take(table: Any, indices: Any) -> Any:
            return ops.take(table, indices, axis=0)

        @staticmethod
        def conv(images: Any, kernel: Any, bias: Any) -> Any:
            return ops.conv(images, kernel, padding="same") + bias

        @staticmethod
        def max_pool(images: Any) -> Any:
            return ops.max_pool(images, 2, padding="same")

    class Whole(keras.Model):
        def build(self, _: Any) -> None:
            self.all = {
                weight: self.add_weight(
                    name=weight, shape=value.shape, initializer=lambda *_, value=value, **__: value
                )
                for weight, value in model.initial().items()
            }

        def call(self, inputs: Any) -> Any:
            weights = {key: ops.convert_to_tensor(value) for key, value in self.all.items()}
            return model.forward(KerasOperations, weights, inputs)

    return Whole()


def _wide_deep() -> Any:
    layers = keras.layers
    inputs = {
        key: keras.Input([1], name=key, dtype="float32" if key in {"age", "income"} else "string")
        for key in ("age", "income", "job", "city")
    }
    bucket = layers.Discretization([25, 35, 45, 55, 65])(inputs["age"])
    job = layers.StringLookup(vocabulary=JOBS)(inputs["job"])
    city = layers.Hashing(500)(inputs["city"])
    crossed = layers.HashedCrossing(100)((bucket, inputs["job"]))
    linear = [
        layers.Flatten()(layers.Embedding(size, 1, embeddings_initializer="zeros")(ids))
        for ids, size in [(bucket, 6), (job, len(JOBS) + 1), (city, 500), (crossed, 100)]
    ]
    one_hot = layers.CategoryEncoding(len(JOBS) + 1, output_mode="one_hot")(job)
    embedded = layers.Flatten()(layers.Embedding(500, 8)(city))
    deep = layers.Concatenate()([inputs["age"], inputs["income"], one_hot, embedded])
    for units in (64, 32):
        deep = layers.Dense(units, activation="relu")(deep)
    return keras.Model(inputs, layers.Add()([*linear, layers.Dense(1)(deep)]))


def _loss(name: str) -> Any:
    """What `_model` is trained with."""
    if name == "wide_deep":
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
