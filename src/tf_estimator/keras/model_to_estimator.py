"""Keras models as Estimators."""

import os
from collections.abc import Mapping
from typing import Any

from tf_estimator import _keras
from tf_estimator._checks import wrong_type, wrong_value
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.keras import model_files
from tf_estimator.keras.converted import ConvertedModel
from tf_estimator.keras.names import check_model, raw

_FORMATS = (None, "saver", "checkpoint")


def model_to_estimator(
    keras_model: Any = None,
    keras_model_path: str | os.PathLike[str] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    model_dir: str | os.PathLike[str] | None = None,
    config: RunConfig | None = None,
    checkpoint_format: str | None = "checkpoint",
    metric_names_map: Mapping[str, str] | None = None,
    export_outputs: Mapping[str, Any] | None = None,
) -> Estimator:
    """An Estimator that trains, evaluates and predicts as a compiled Keras model does.

    It starts from the model's weights and optimizer as they are now, also where model_dir has no
    checkpoint yet: it can evaluate and predict at once. The model itself stays as it is; get what
    was trained back into it with `load_weights`.

    Any model works whose `train_step`, `test_step` and `predict_step` can be traced as a
    `tf.function`: Functional, Sequential, subclassed, with steps of its own. They run as they are,
    so loss, metrics and weights are those that `fit` and `evaluate` give on the same batches.

    - Features are a tensor, a tuple of tensors, or a dict by the names of the model's inputs;
      `{"features": ..., "sample_weights": ...}` weights the examples. Labels are what `fit` takes.
    - Predictions are a dict by the model's `output_names`, or `output_1` and so on.
    - Metrics are called as `evaluate(return_dict=True)` calls them, and each evaluation starts them
      anew. In training they are summaries, of one batch each.
    - A checkpoint has the weights, the states of seeds and of the optimizer, and the global step.
      The learning rate is not in it: that of the model holds, also on resuming.

    Args:
        keras_model: a compiled Model of Keras 3 or tf_keras.
        keras_model_path: a model that was saved after compile(), instead: a `.keras` or `.h5` file,
            or a SavedModel folder of tf_keras. It is loaded by the Keras that wrote it.
        custom_objects: classes and functions by name that the file needs.
        model_dir: as for Estimator.
        config: as for Estimator.
        checkpoint_format: "saver" or "checkpoint", for old programs. Checkpoints are by name in
            either case, as those of every Estimator.
        metric_names_map: names of metrics to the names they shall have instead.
        export_outputs: names of outputs to classes of ExportOutput, one signature each. Default:
            PredictOutput of all outputs.

    Returns:
        An Estimator.

    Raises:
        TypeError: `keras_model` is no Keras model, or another argument has a wrong type.
        ValueError: both or neither of keras_model and keras_model_path are given, the model is not
            compiled, was not made eagerly or does not run on TensorFlow, the file is not one of a
            Keras model, or checkpoint_format is unknown.
        ImportError: the Keras that the file needs is not installed.

    Example:
        >>> import keras, numpy as np, tensorflow as tf
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> estimator = model_to_estimator(model)
        >>> def input_fn():
        ...     x = np.ones((4, 3), np.float32)
        ...     return tf.data.Dataset.from_tensors((x, x.sum(1, keepdims=True)))
        >>> sorted(estimator.train(input_fn).evaluate(input_fn))
        ['global_step', 'loss', 'mae']
    """
    if (keras_model is None) == (keras_model_path is None):
        given = "neither" if keras_model is None else "both"
        raise ValueError(
            f"Exactly one of keras_model and keras_model_path must be given; received {given}."
        )
    if checkpoint_format not in _FORMATS:
        raise wrong_value("checkpoint_format", "must be 'saver' or 'checkpoint'", checkpoint_format)
    for name, value in (
        ("custom_objects", custom_objects),
        ("metric_names_map", metric_names_map),
        ("export_outputs", export_outputs),
    ):
        if value is not None and not isinstance(value, Mapping):
            raise wrong_type(name, "must be a dict or None", value)
    if keras_model_path is not None:
        keras_model = model_files.load(keras_model_path, custom_objects)
    _check_compiled(check_model("keras_model", keras_model))
    converted = ConvertedModel(keras_model, metric_names_map, export_outputs)
    return Estimator(converted.model_fn, model_dir=model_dir, config=config)


def _check_compiled(model: Any) -> None:
    if not _keras.is_compiled(model):
        raise wrong_value(
            "keras_model",
            "must be compiled",
            model,
            "Call its compile(optimizer, loss, ...) before model_to_estimator.",
        )
    if model.built and not all(map(_is_eager, model.variables)):
        raise wrong_value(
            "keras_model",
            "must be made in eager execution, but was made in a graph",
            model,
            "Make it before disable_v2_behavior or disable_eager_execution, or give it as a file: "
            "keras_model_path.",
        )


def _is_eager(variable: Any) -> bool:
    return getattr(raw(variable), "graph", None) is None
