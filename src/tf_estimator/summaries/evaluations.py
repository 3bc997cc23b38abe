"""The event files of evaluations: what `evaluate` writes for TensorBoard, and what is read back.

One evaluation is two events at its global step: the metrics, and a string tensor `checkpoint_path`.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tf_estimator._tf import logger, v1
from tf_estimator.summaries import event_files

_CHECKPOINT_PATH = "checkpoint_path"

# NumPy's float64 is a float; other widths were never written, and readers of old files do not
# expect them.
_SCALARS = (float, int, np.float32, np.int32, np.int64)


def write_evaluation(
    eval_dir: str | os.PathLike[str],
    results: Mapping[str, Any],
    global_step: int,
    checkpoint_path: str | None = None,
    graph: tf.Graph | None = None,
) -> None:
    """Appends one evaluation to the event file of `eval_dir`.

    Evaluations of one process share a file, since the writer is kept in
    `tf.compat.v1.summary.FileWriterCache`.

    Args:
        eval_dir: the folder of the event file, made if it is not there.
        results: the metrics by name. A float or integer becomes a scalar; a NumPy array a tensor;
            bytes that hold a serialized `Summary` (as `tf.compat.v1.summary.image` gives) its
            values, called `<name>/0`, `<name>/1` and so on. `global_step` is left out; what is
            anything else is logged and left out.
        global_step: the training step of the checkpoint that was evaluated.
        checkpoint_path: that checkpoint; None or empty if there is none.
        graph: the evaluation's graph, for TensorBoard's graph page; the default graph if None. Used
            only when the file is begun.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> write_evaluation(folder, {"loss": 0.5, "global_step": 7}, 7)
        >>> read_evaluations(folder)
        {7: {'loss': 0.5}}
    """
    shown = ", ".join(
        f"{name} = {value}"
        for name, value in sorted(results.items())
        if not isinstance(value, bytes)
    )
    logger.info("Saving dict for global step %d: %s", global_step, shown)
    summary = v1.Summary()
    for name in sorted(results):
        if name != v1.GraphKeys.GLOBAL_STEP:
            _add_value(summary, name, results[name])
    with (graph or v1.get_default_graph()).as_default():
        writer = v1.summary.FileWriterCache.get(os.fspath(eval_dir))
    writer.add_summary(summary, global_step)
    if checkpoint_path:
        path = v1.Summary()
        path.value.add(
            tag=_CHECKPOINT_PATH, tensor=tf.make_tensor_proto(checkpoint_path, tf.string)
        )
        writer.add_summary(path, global_step)
    writer.flush()


def _add_value(summary: Any, name: str, value: Any) -> None:
    if isinstance(value, _SCALARS):
        summary.value.add(tag=name, simple_value=float(value))
    elif isinstance(value, np.ndarray):
        summary.value.add(tag=name, node_name=name, tensor=tf.make_tensor_proto(value))
    elif isinstance(value, bytes):
        try:
            inner = v1.Summary.FromString(value)
        except DecodeError as error:
            logger.warning(
                "Metric %r is not in the event file: it holds no Summary (%s).", name, error
            )
            return
        for number, part in enumerate(inner.value):
            part.tag = f"{name}/{number}"
        summary.value.extend(inner.value)
    else:
        logger.warning(
            "Metric %r is not in the event file: it must be a float, an int, a NumPy array or "
            "a serialized Summary; received %r (%s).",
            name,
            value,
            type(value).__name__,
        )


def read_evaluations(eval_dir: str | os.PathLike[str]) -> dict[int, dict[str, Any]]:
    """The evaluations in the event files of `eval_dir`, by global step, in the order of steps.

    Args:
        eval_dir: a folder that `write_evaluation`, or the Estimator of TensorFlow up to 2.15, wrote
            to.

    Returns:
        The metrics of each step by name: floats, rounded to float32 as they were stored, and NumPy
        arrays for tensors. Where a step was evaluated more than once, the last time counts. {} if
        there is no file.

    Example:
        >>> read_evaluations("/no/such/folder")
        {}
    """
    pattern = tf.io.gfile.join(os.fspath(eval_dir), "*tfevents*")
    return dict(sorted(dict(evaluations_in_files(pattern)).items()))


def evaluations_in_files(pattern: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """All evaluations in the event files that match a glob pattern, in the order of writing.

    Args:
        pattern: of the paths of event files; other files are passed over with a warning.

    Yields:
        The global step and the metrics by name, as in `read_evaluations`; a step that was evaluated
        twice comes twice.

    Example:
        >>> list(evaluations_in_files("/no/such/folder/*.tfevents.*"))
        []
    """
    # The names begin with the second in which a file was begun, so this is the order of writing.
    for path in sorted(tf.io.gfile.glob(pattern), key=os.path.basename):
        yield from _evaluations(path)


def _evaluations(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The steps and metrics of one event file, in the order they were written."""
    for event in event_files.events(path):
        if metrics := _metrics(event.summary):
            yield event.step, metrics


def _metrics(summary: Any) -> dict[str, Any]:
    metrics = {}
    for value in summary.value:
        kind = value.WhichOneof("value")
        if kind == "simple_value":
            metrics[value.tag] = value.simple_value
        elif kind == "tensor" and value.tag != _CHECKPOINT_PATH:
            metrics[value.tag] = tf.make_ndarray(value.tensor)
    return metrics
