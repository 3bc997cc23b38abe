"""A SavedModel made ready for requests, by one of its signatures."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1, without_deprecation_notes
from tf_estimator.config import default_session_config
from tf_estimator.engine.serve.endpoint import Endpoint, Ready, chosen, tensors_of
from tf_estimator.export import signatures
from tf_estimator.export.garbage import exports
from tf_estimator.spec import ModeKeys

_DEFAULT_KEY = v1.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
_FILES = ("saved_model.pb", "saved_model.pbtxt")
# What signatures are called that set a model up, and answer no requests.
_SET_UP = "__"


def load(
    export_dir: str | bytes | os.PathLike[str],
    signature_def_key: str | None = None,
    signature_def: Any = None,
    input_names: Mapping[str, str] | None = None,
    output_names: Mapping[str, str] | None = None,
    tags: str | Iterable[str] | None = None,
    config: tf.compat.v1.ConfigProto | None = None,
) -> Ready:
    """Loads a SavedModel into a graph and a session of its own.

    Args:
        export_dir: its folder.
        signature_def_key: the name of the signature to answer by, of those that the SavedModel has;
            None for "serving_default".
        signature_def: a SignatureDef to answer by instead.
        input_names: with `output_names`, names of inputs to names of tensors, instead of a
            signature.
        output_names: the same for outputs.
        tags: of the graph in the SavedModel, several separated by commas or as a list; None for
            "serve".
        config: the session's configuration.

    Returns:
        What is ready for requests.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: there is no SavedModel, no graph with the tags, or no such signature; or there
            is more than one of a key, a signature and names.
    """
    path = checked_dir(export_dir)
    if (input_names is None) != (output_names is None):
        raise ValueError("input_names and output_names must be given together; one of them is not.")
    ways = {
        "signature_def_key": signature_def_key,
        "signature_def": signature_def,
        "input_names": input_names,
    }
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"Only one of {', '.join(ways)} must be given; received {given}.")
    graph = tf.Graph()
    with graph.as_default(), without_deprecation_notes():
        session = v1.Session(graph=graph, config=config or default_session_config())
        meta_graph = _loaded(session, _tags(tags), path)
        if input_names is not None and output_names is not None:
            inputs, outputs = _named(graph, input_names), _named(graph, output_names)
        else:
            known = _signatures(meta_graph)
            key = _DEFAULT_KEY if signature_def_key is None else signature_def_key
            signature = signature_def or chosen("signature_def_key", known, key)
            inputs = tensors_of("input", signature.inputs)
            outputs = tensors_of("output", signature.outputs)
    endpoint = Endpoint("features", graph, inputs, outputs)
    graph.finalize()
    return Ready(endpoint, session, path)


def checked_dir(export_dir: Any) -> str:
    """The folder of a SavedModel as a str; raises unless there is one."""
    if not isinstance(export_dir, str | bytes | os.PathLike):
        raise _checks.wrong_type("export_dir", "must be a path", export_dir)
    path = os.fsdecode(export_dir)
    if any(tf.io.gfile.exists(os.path.join(path, name)) for name in _FILES):
        return path
    hint = "export_saved_model returns one."
    if found := exports(path):
        hint = f"It is the folder of {len(found)} exports; the newest is {found[-1]}."
    raise _checks.wrong_value("export_dir", "must be the folder of a SavedModel", path, hint)


def _tags(tags: Any) -> list[str]:
    if tags is None:
        return [*signatures.TAGS[ModeKeys.PREDICT]]
    if isinstance(tags, str):
        return [tag.strip() for tag in tags.split(",")]
    return [_checks.instance("Every one of tags", tag, str) for tag in tags]


def _loaded(session: tf.compat.v1.Session, tags: list[str], path: str) -> Any:
    try:
        return v1.saved_model.load(session, tags, path)
    except RuntimeError as error:  # It has no graph with these tags, and says which there are.
        if isinstance(error, tf.errors.OpError):
            raise
        rule = f"must be those of a graph in {path}"
        raise _checks.wrong_value("tags", rule, tags, f"TensorFlow: {error}") from None


def _signatures(meta_graph: Any) -> dict[str, Any]:
    """The signatures that answer requests, by name."""
    found = meta_graph.signature_def
    return {name: found[name] for name in found if not name.startswith(_SET_UP)}


def _named(graph: tf.Graph, names: Mapping[str, str]) -> dict[str, tf.Tensor]:
    found = {}
    for name, tensor in names.items():
        try:
            found[name] = graph.get_tensor_by_name(tensor)
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(
                f"The tensor of {name!r} must be in the graph; received {_checks.shown(tensor)}. "
                f"TensorFlow: {error}"
            ) from None
    return found
