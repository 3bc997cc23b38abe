"""What `tf.contrib.summary` was: summaries that are written where they are computed.

Nothing is recorded before `always_record_summaries` or `record_summaries_every_n_global_steps` is
entered, and a writer is the default one. An Estimator's session opens the files of the writers.
"""

import contextlib
import contextvars
import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

__all__ = [
    "all_summary_ops",
    "always_record_summaries",
    "audio",
    "create_file_writer",
    "flush",
    "generic",
    "histogram",
    "image",
    "initialize",
    "never_record_summaries",
    "record_summaries_every_n_global_steps",
    "scalar",
    "should_record_summaries",
    "summary_writer_initializer_op",
]

_recording: contextvars.ContextVar[Any] = contextvars.ContextVar("recording", default=False)
_NO_TAG = re.compile(r"[^-/\w.]")
_WRITERS = "tf_estimator.contrib.summary.writers"  # the collection of the operations that open them


def should_record_summaries() -> Any:
    """Whether summaries are recorded here: a bool, or a scalar bool Tensor."""
    return _recording.get()


@contextlib.contextmanager
def always_record_summaries() -> Iterator[None]:
    """Records all summaries, inside of a `with`."""
    with _record_if(True):
        yield


@contextlib.contextmanager
def never_record_summaries() -> Iterator[None]:
    """Records no summaries, inside of a `with`."""
    with _record_if(False):
        yield


@contextlib.contextmanager
def record_summaries_every_n_global_steps(n: int, global_step: Any = None) -> Iterator[None]:
    """Records summaries at each n-th step, inside of a `with`.

    Args:
        n: how many steps.
        global_step: an integer variable or Tensor; by default the global step.
    """
    step = v1.train.get_or_create_global_step() if global_step is None else global_step
    with v1.device("cpu:0"):
        is_due = tf.equal(tf.cast(step, tf.int64) % n, 0)
    with _record_if(is_due):
        yield


@contextlib.contextmanager
def _record_if(condition: Any) -> Iterator[None]:
    token = _recording.set(condition)
    try:
        yield
    finally:
        _recording.reset(token)


def create_file_writer(
    logdir: Any,
    max_queue: int | None = None,
    flush_millis: int | None = None,
    filename_suffix: str | None = None,
    name: str | None = None,
) -> Any:
    """A writer of an event file. `with writer.as_default():` sends summaries there.

    Args:
        logdir: a folder; None for a writer that writes nothing.
        max_queue: how many summaries to keep in memory; 10 by default.
        flush_millis: how long to keep them, in milliseconds; two minutes by default.
        filename_suffix: of the file.
        name: of the operations.
    """
    if logdir is None:
        return tf.summary.create_noop_writer()
    writer = tf.summary.create_file_writer(logdir, max_queue, flush_millis, filename_suffix, name)
    if not tf.executing_eagerly():
        v1.add_to_collection(_WRITERS, writer.init())
        # What fills tables is run by every session that an Estimator makes.
        v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, writer.init())
    return writer


def summary_writer_initializer_op() -> list[Any]:
    """The operations that open the files of the writers of this graph."""
    if tf.executing_eagerly():
        raise RuntimeError("summary_writer_initializer_op is for graphs, not for eager execution.")
    return v1.get_collection(_WRITERS)


def initialize(graph: Any = None, session: Any = None) -> None:
    """Opens the files of the writers of the default graph.

    Args:
        graph: has no effect: `tf.compat.v1.summary.FileWriter` writes graphs.
        session: by default, the default one.

    Raises:
        ValueError: there is no session.
    """
    del graph
    if tf.executing_eagerly():
        return
    session = session or v1.get_default_session()
    if session is None:
        raise ValueError("initialize needs a session: give it one, or enter one.")
    session.run(summary_writer_initializer_op())


def flush(writer: Any = None, name: str | None = None) -> Any:
    """The operation that writes what a writer keeps in memory; None for the default writer."""
    return tf.summary.flush(writer, name)


def all_summary_ops() -> list[Any] | None:
    """All operations of this graph that write summaries; None with eager execution."""
    return None if tf.executing_eagerly() else v1.summary.all_v2_summary_ops()


def scalar(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Writes a number.

    Args:
        name: of the summary; it gets the name scope, and what makes it unique, as its tag.
        tensor: a scalar.
        family: is set before the tag, or None.
        step: the step; by default the global step.

    Returns:
        The operation.
    """
    tensor = tf.convert_to_tensor(tensor)
    with _tag(name, family, tensor) as tag:
        return _written(tf.raw_ops.ScalarSummary(tags=tag, values=tensor), step)


def histogram(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Writes how numbers are distributed; the arguments are those of `scalar`."""
    tensor = tf.convert_to_tensor(tensor)
    with _tag(name, family, tensor) as tag:
        return _written(tf.raw_ops.HistogramSummary(tag=tag, values=tensor), step)


def image(
    name: str,
    tensor: Any,
    bad_color: Any = None,
    max_images: int = 3,
    family: str | None = None,
    step: Any = None,
) -> Any:
    """Writes images.

    Args:
        name: see `scalar`.
        tensor: of shape [batch, height, width, channels].
        bad_color: for what is no number: a uint8 Tensor of shape [4]; red by default.
        max_images: how many at most.
        family: see `scalar`.
        step: see `scalar`.
    """
    tensor = tf.convert_to_tensor(tensor)
    more = {} if bad_color is None else {"bad_color": _proto_of(bad_color)}
    with _tag(name, family, tensor) as tag:
        images = tf.raw_ops.ImageSummary(tag=tag, tensor=tensor, max_images=max_images, **more)
        return _written(images, step)


def audio(
    name: str,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int,
    family: str | None = None,
    step: Any = None,
) -> Any:
    """Writes sounds.

    Args:
        name: see `scalar`.
        tensor: floats from -1 to 1, of shape [batch, frames] or [batch, frames, channels].
        sample_rate: in Hertz.
        max_outputs: how many at most.
        family: see `scalar`.
        step: see `scalar`.
    """
    tensor = tf.convert_to_tensor(tensor)
    with _tag(name, family, tensor) as tag:
        sounds = tf.raw_ops.AudioSummaryV2(
            tag=tag,
            tensor=tensor,
            sample_rate=tf.cast(sample_rate, tf.float32),
            max_outputs=max_outputs,
        )
        return _written(sounds, step)


def generic(
    name: str, tensor: Any, metadata: Any = None, family: str | None = None, step: Any = None
) -> Any:
    """Writes a Tensor.

    Args:
        name: see `scalar`.
        tensor: of any dtype and shape.
        metadata: a SummaryMetadata, serialized or not, which tells what shows it.
        family: see `scalar`.
        step: see `scalar`.
    """
    tensor = tf.convert_to_tensor(tensor)
    if hasattr(metadata, "SerializeToString"):
        metadata = metadata.SerializeToString()
    with _tag(name, family, tensor) as tag:
        value = tf.raw_ops.TensorSummaryV2(
            tag=tag, tensor=tensor, serialized_summary_metadata=metadata or b""
        )
        return _written(value, step)


@contextlib.contextmanager
def _tag(name: str, family: str | None, tensor: tf.Tensor) -> Iterator[str]:
    """The tag of a summary: its name scope, as in `tf.compat.v1.summary`."""
    name = _NO_TAG.sub("_", name).lstrip("/")
    with v1.name_scope(name if family is None else f"{family}/{name}", values=[tensor]) as scope:
        yield scope.rstrip("/") if family is None else f"{family}/{scope.rstrip('/')}"


def _written(summary: tf.Tensor, step: Any) -> Any:
    step = v1.train.get_or_create_global_step() if step is None else step
    with tf.summary.record_if(should_record_summaries()):
        return tf.summary.experimental.write_raw_pb(summary, tf.cast(step, tf.int64))


def _proto_of(color: Any) -> Any:
    return v1.make_tensor_proto(color, tf.uint8)
