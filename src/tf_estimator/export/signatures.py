"""The signatures of a SavedModel, its tags and its folder: pure functions of a receiver and a spec.

A signature maps tensors that a request fills to tensors that answer it, see
https://www.tensorflow.org/tfx/serving/signature_defs.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import tensorflow as tf

from tf_estimator._checks import wrong_value
from tf_estimator._tf import logger, v1
from tf_estimator.export.garbage import timestamps
from tf_estimator.spec.export_outputs import EvalOutput, ExportOutput, TrainOutput
from tf_estimator.spec.modes import ModeKeys

# Under these tags a loader finds the graph of a mode.
TAGS = {ModeKeys.PREDICT: ("serve",), ModeKeys.TRAIN: ("train",), ModeKeys.EVAL: ("eval",)}

# The one signature of a graph that is trained or evaluated further is called as its mode.
_SUPERVISED_OUTPUTS = {ModeKeys.TRAIN: TrainOutput, ModeKeys.EVAL: EvalOutput}


class _Spec(Protocol):
    """The fields of an EstimatorSpec that are exported."""

    @property
    def loss(self) -> Any: ...
    @property
    def predictions(self) -> Any: ...
    @property
    def eval_metric_ops(self) -> Any: ...
    @property
    def export_outputs(self) -> Any: ...


def export_outputs(spec: _Spec, mode: str) -> dict[str, ExportOutput]:
    """What a graph puts out, by signature name.

    Args:
        spec: what model_fn returned for this mode.
        mode: one of ModeKeys.

    Returns:
        For PREDICT the spec's export_outputs; else one TrainOutput or EvalOutput, named as the
        mode, of the spec's loss, predictions and eval_metric_ops. Must be called in the spec's
        graph: a metric whose update is an Operation gets a tensor that stands for it.

    Raises:
        ValueError: the mode is unknown, or the spec has no export_outputs to predict with.
    """
    if mode not in TAGS:
        raise wrong_value("mode", f"must be one of {sorted(TAGS)}", mode)
    if output := _SUPERVISED_OUTPUTS.get(mode):
        return {mode: output(spec.loss, spec.predictions, spec.eval_metric_ops)}
    if spec.export_outputs is None:
        raise wrong_value(
            "export_outputs",
            "must be given in mode PREDICT",
            None,
            "Let model_fn pass it to EstimatorSpec, or pass predictions.",
        )
    return spec.export_outputs


def signature_defs(receiver: Any, outputs: dict[str, ExportOutput]) -> dict[str, Any]:
    """Every signature that can be made of what is received and what is put out.

    A signature is dropped, and a warning says why, if its kind cannot take what is received
    (classify and regress take one string tensor), or if its outputs need a placeholder that no
    request fills: running it could only fail, and `tf.saved_model.load` would refuse the whole
    model. An export without any signature can still be restored, so it is no error.

    Args:
        receiver: any of the receiver classes.
        outputs: by signature name, see `export_outputs`.

    Returns:
        A dict from name to `SignatureDef`: one for each output, and for each alternative of the
        receiver one more for each output, called `<alternative>:<output>`.
    """
    made: dict[str, Any] = {}
    dropped: dict[str, str] = {}
    for prefix, tensors in _entries(receiver):
        for name, output in outputs.items():
            full_name = f"{prefix}{name}"
            if full_name in made:
                dropped[full_name] = "The name is taken."
                continue
            signature, why_not = _signature_def(output, tensors)
            if why_not:
                dropped[full_name] = why_not
            else:
                made[full_name] = signature
    reasons = "".join(f"\n  {name!r}: {reason}" for name, reason in dropped.items())
    if dropped:
        logger.warning("Signatures that are not exported, and why:%s", reasons)
    if not made:
        logger.warning("The export has no signatures: it can be restored, but not served.")
    logger.info("Signatures of the export: %s", ", ".join(made) or "none")
    return made


def _entries(receiver: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where a request may enter: a prefix for the names of signatures, and the tensors it fills."""
    yield "", receiver.receiver_tensors
    alternatives = getattr(receiver, "receiver_tensors_alternatives", None) or {}
    for name, tensors in alternatives.items():
        yield f"{name}:", tensors


def _signature_def(output: ExportOutput, tensors: dict[str, Any]) -> tuple[Any, str]:
    """The signature and "", or None and the reason why there is none."""
    try:
        signature = output.as_signature_def(tensors)
    except ValueError as error:
        return None, str(error)
    why_not = _why_not_servable(signature)
    return (None, why_not) if why_not else (signature, "")


def _why_not_servable(signature: Any) -> str:
    """Why the outputs of `signature` cannot be computed from its inputs alone; empty if they can.

    A loader cuts the graph behind the ops that make the inputs. So it can neither run a placeholder
    that is no input, nor the other outputs of an op that makes an input.
    """
    graph = v1.get_default_graph()
    inputs = set(_tensor_names(signature.inputs))
    cut = {name.rpartition(":")[0] for name in inputs}
    reached_from: dict[str, tf.Operation | None] = {}
    todo: list[tf.Operation] = []

    def reach(op: tf.Operation, user: tf.Operation | None) -> None:
        if op.name not in reached_from:
            reached_from[op.name] = user
            todo.append(op)

    for name in sorted(set(_tensor_names(signature.outputs)) - inputs):
        reach(graph.get_tensor_by_name(name).op, None)
    while todo:
        op = todo.pop()
        if op.type == "Placeholder" or op.name in cut:
            path = _path(op, reached_from)
            return (
                f"Its outputs need {op.name!r} ({path}), which its inputs {sorted(inputs)} do not "
                "cover. Add what is missing to the receiver tensors, or give a placeholder a "
                "default with tf.compat.v1.placeholder_with_default."
            )
        for tensor in op.inputs:
            if tensor.name not in inputs:
                reach(tensor.op, op)
        for before in op.control_inputs:
            if before.name not in cut:
                reach(before, op)
    return ""


def _path(op: tf.Operation, reached_from: dict[str, tf.Operation | None]) -> str:
    """How an output came to need `op`: the ops on the way, the output's first."""
    names = [op.name]
    while (user := reached_from[names[-1]]) is not None:
        names.append(user.name)
    return " <- ".join(reversed(names))


def _tensor_names(infos: Mapping[str, Any]) -> Iterator[str]:
    """The tensors that `TensorInfo`s stand for: one each, or the parts of a composite one."""
    for info in infos.values():
        kind = info.WhichOneof("encoding")
        if kind == "coo_sparse":
            parts = info.coo_sparse
            yield parts.values_tensor_name
            yield parts.indices_tensor_name
            yield parts.dense_shape_tensor_name
        elif kind == "composite_tensor":
            yield from (part.name for part in info.composite_tensor.components)
        else:
            yield info.name


def timestamped_export_dir(
    base: str | bytes | os.PathLike[str], clock: Callable[[], float] = time.time
) -> bytes:
    """A name for the folder of an export, which nothing in `base` has; makes no folder.

    Args:
        base: the folder that holds the exports.
        clock: gives the time in seconds since the epoch.

    Returns:
        `<base>/<seconds>`: the present second, or the first one after it for which there is no
        export yet, be it finished or still being written. It is later than every export in
        `base`, also where an older one was deleted or the clock was set back: servers take the
        greatest number for the newest export.
    """
    parent = tf.compat.as_bytes(os.fspath(base))
    listing = tf.io.gfile.listdir(parent) if tf.io.gfile.isdir(parent) else []
    after_all = max(map(int, timestamps(listing)), default=0) + 1
    names = (str(seconds).encode() for seconds in itertools.count(max(int(clock()), after_all)))
    folders = (tf.io.gfile.join(parent, name) for name in names)
    exists = tf.io.gfile.exists
    return next(f for f in folders if not exists(f) and not exists(temporary_export_dir(f)))


def temporary_export_dir(export_dir: str | bytes) -> bytes:
    """Where an export is written before it is renamed: `temp-<name>`, beside `export_dir`."""
    parent, name = os.path.split(tf.compat.as_bytes(export_dir).rstrip(b"/"))
    return tf.io.gfile.join(parent, b"temp-" + name)
