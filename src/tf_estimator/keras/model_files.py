"""Keras models from files, loaded by the Keras that wrote them."""

import importlib
import json
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import _tf
from tf_estimator._checks import wrong_value
from tf_estimator._tf import v1

_SUBJECT = "keras_model_path"
_HDF5 = b"\x89HDF\r\n\x1a\n"
# How the code of a lambda is marked in the config of a layer, in files that Keras would run it of.
_LAMBDAS = (b'"function_type": "lambda"', b'"class_name": "__lambda__"')


def load(path: str | bytes | os.PathLike[str], custom_objects: Mapping[str, Any] | None) -> Any:
    """The model in a file: `.keras`, `.h5`, or a SavedModel folder of tf_keras.

    Code that is stored in a file is not run: a Lambda layer of a Python lambda is refused.

    Args:
        path: the file or folder.
        custom_objects: classes and functions by name.

    Raises:
        ValueError: there is none, it is no Keras model, or it has the code of a lambda.
        ImportError: the Keras that wrote it is not installed.
    """
    path = os.fsdecode(path)
    if not tf.io.gfile.exists(path):
        raise wrong_value(_SUBJECT, "must be a file or folder that exists", path)
    keras = _keras_for(path)
    if keras.__name__ == "tf_keras" and not v1.executing_eagerly_outside_functions():
        raise wrong_value(
            _SUBJECT,
            "must be None where eager execution is off: tf_keras cannot load a model there",
            path,
            "Load it before disable_v2_behavior, and give keras_model.",
        )
    # In a program that has switched eager execution off the model could not be read.
    with _tf.eagerly():
        model = keras.models.load_model(path, custom_objects=dict(custom_objects or {}))
        _let_it_train(model)
    return model


def _let_it_train(model: Any) -> None:
    """Gives a model of a `.h5` file an optimizer that knows its variables.

    Keras 3 builds that of such a file for no variables at all, so that `fit` fails as well.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not model.trainable_variables or not getattr(optimizer, "built", False):
        return
    if any(
        one.shape.rank if hasattr(one.shape, "rank") else one.shape for one in _slots(optimizer)
    ):
        return
    model.optimizer = type(optimizer).from_config(optimizer.get_config())
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(optimizer.iterations)


def _slots(optimizer: Any) -> list[Any]:
    variables = optimizer.variables
    return list(variables() if callable(variables) else variables)


def _keras_for(path: str) -> Any:
    if tf.io.gfile.isdir(path):
        marker = os.path.join(path, "keras_metadata.pb")
        if not tf.io.gfile.exists(marker):
            raise _no_model(path)
        with tf.io.gfile.GFile(marker, "rb") as file:
            _refuse_lambda(path, file.read())
        return _import(path, "2")
    with tf.io.gfile.GFile(path, "rb") as file:
        start = file.read(len(_HDF5))
    if start == _HDF5:
        return _import(path, _version_of_hdf5(path))
    return _import(path, _version_of_zip(path))


def _version_of_zip(path: str) -> str:
    try:
        with tf.io.gfile.GFile(path, "rb") as file, zipfile.ZipFile(file) as archive:
            return str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise _no_model(path) from error


def _version_of_hdf5(path: str) -> str:
    h5py = importlib.import_module("h5py")  # Keras brings it along.

    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
        if config is None:
            raise _no_model(path)
        _refuse_lambda(path, config if isinstance(config, bytes) else str(config).encode())
        version = file.attrs.get("keras_version", "2")
    return version.decode() if isinstance(version, bytes) else str(version)


def _import(path: str, version: str) -> Any:
    name = "keras" if int(version.partition(".")[0]) >= 3 else "tf_keras"
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.replace("_", "-")
        raise ImportError(
            f"The model in {path} was saved by Keras {version} and needs the package {package}: "
            f"pip install {package}."
        ) from error


def _refuse_lambda(path: str, config: bytes) -> None:
    if any(marker in config for marker in _LAMBDAS):
        raise wrong_value(
            _SUBJECT,
            "must be a model without a lambda in a Lambda layer, whose code would be run",
            path,
            "If you trust the file, load it with Keras yourself and give keras_model.",
        )


def _no_model(path: str) -> ValueError:
    return wrong_value(
        _SUBJECT,
        "must be a model saved by Keras: a .keras or .h5 file, or a SavedModel folder that "
        "tf_keras has written with model.save()",
        path,
    )
