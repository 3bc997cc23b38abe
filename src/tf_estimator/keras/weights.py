"""The weights of a trained Estimator, back in a Keras model."""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator import _tf, checkpoint
from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator._tf import logger
from tf_estimator.estimator import Estimator
from tf_estimator.keras import names
from tf_estimator.keras.names import Named, check_model

_SHOWN = 8


def load_weights(model: Any, estimator_or_checkpoint: Estimator | str | os.PathLike[str]) -> None:
    """Puts the weights of a trained Estimator into a Keras model.

    For an Estimator of `model_to_estimator`, and for one whose model_fn makes the same Keras model.
    Weights are found by name: `dense/kernel`, where the numbers that Keras gives to layers without
    a name of their own are those within the model. Where the checkpoint has the state of the
    model's optimizer, that is loaded as well, and training goes on from there; the learning rate
    stays that of the model. Either everything is loaded or nothing.

    Args:
        model: a Model of Keras 3 or tf_keras that is built.
        estimator_or_checkpoint: an Estimator, whose newest checkpoint is read; or the path of a
            checkpoint, or of a folder of them.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: the model is not built, there is no checkpoint, or it lacks weights of the model
            or has them in another shape.
        tf.errors.DataLossError: the checkpoint is damaged.

    Example:
        >>> import keras, numpy as np, tensorflow as tf
        >>> from tf_estimator.keras import model_to_estimator
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.ones((4, 3), np.float32)
        >>> estimator = model_to_estimator(model)
        >>> input_fn = lambda: tf.data.Dataset.from_tensors((x, x[:, :1]))
        >>> load_weights(model, estimator.train(input_fn))
        >>> trained = next(estimator.predict(input_fn))
        >>> bool(np.allclose(model.predict(x, verbose=0)[0], list(trained.values())[0]))
        True
    """
    check_model("model", model)
    path = _checkpoint(estimator_or_checkpoint)
    weights = names.weights(model)
    if not weights or not model.built:
        raise wrong_value(
            "model", "must be built", model, "Call it on a batch once, or give it an Input."
        )
    reader = tf.train.load_checkpoint(path)
    shapes = reader.get_variable_to_shape_map()
    _check(path, weights, shapes)
    if any(name.startswith("training/") for name in shapes):
        names.build_optimizer(model)
    found = [*weights, *_of_optimizer(model, path, shapes)]
    # All is read before anything is changed.
    values = [np.asarray(reader.get_tensor(one.name)) for one in found]
    with _tf.eagerly():
        for one, value in zip(found, values, strict=True):
            one.variable.assign(tf.cast(value, one.variable.dtype))


def _checkpoint(given: Any) -> str:
    if isinstance(given, Estimator):
        path = given.latest_checkpoint()
        if path is None:
            raise wrong_value(
                "estimator_or_checkpoint",
                "must have a checkpoint",
                given.model_dir,
                "Train the Estimator first.",
            )
        return path
    if not isinstance(given, str | bytes | os.PathLike):
        rule = "must be an Estimator or the path of a checkpoint"
        raise wrong_type("estimator_or_checkpoint", rule, given)
    path = checkpoint.resolve("estimator_or_checkpoint", "", given)
    checkpoint.check_whole("estimator_or_checkpoint", path)
    return path


def _check(path: str, wanted: list[Named], shapes: dict[str, list[int]]) -> None:
    missing = [one.name for one in wanted if one.name not in shapes]
    if missing:
        raise ValueError(
            f"The checkpoint {path} lacks {len(missing)} of {len(wanted)} weights of the Keras "
            f"model: {_list(missing)}. It has {_list(sorted(shapes))}. The model must have the "
            "layers, by the same names, that were trained. Nothing was loaded."
        )
    other = [
        f"{one.name} is {tuple(shapes[one.name])} there and {tuple(one.variable.shape)} here"
        for one in wanted
        if list(one.variable.shape) != shapes[one.name]
    ]
    if other:
        raise ValueError(
            f"The checkpoint {path} has weights of the Keras model in other shapes: "
            f"{_list(other)}. Nothing was loaded."
        )


def _list(parts: list[str]) -> str:
    more = len(parts) - _SHOWN
    return ", ".join(parts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _of_optimizer(model: Any, path: str, shapes: dict[str, list[int]]) -> list[Named]:
    """The variables of the model's optimizer that training writes, if the checkpoint has them."""
    wanted = names.optimizer_variables(model)
    there = [one for one in wanted if one.name in shapes]
    slots = [one for one in wanted if one.variable.shape.rank]
    if any(list(one.variable.shape) != shapes[one.name] for one in there):
        there = []
    if not there or not {one.name for one in slots} <= {one.name for one in there}:
        if wanted:
            logger.info("%s has no state of the model's optimizer, which stays as it is.", path)
        return []
    return there
