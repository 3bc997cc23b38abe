"""Examples per second, next to the steps per second."""

import tensorflow as tf

from tf_estimator._tf import logger, v1


def examples_per_second(
    batch_size: int | None, every_n_steps: int, folder: str
) -> tf.compat.v1.train.StepCounterHook:
    """A hook that logs and writes the steps and the examples per second.

    Args:
        batch_size: examples in a step; None or 0 if it is not known, for the steps alone.
        every_n_steps: how often.
        folder: of the event file.
    """
    return v1.train.StepCounterHook(
        every_n_steps=every_n_steps, summary_writer=_Writer(batch_size, folder)
    )


class _Writer:
    """Writes what a StepCounterHook gives it, and the examples.

    It is the hook's writer, and the hook TensorFlow's own, because that is known to change nothing
    in a session.
    """

    def __init__(self, batch_size: int | None, folder: str) -> None:
        self._batch_size = batch_size
        self._folder = folder

    def add_summary(self, summary: tf.compat.v1.Summary, global_step: int) -> None:
        """Writes the steps per second, and with these the examples."""
        writer = v1.summary.FileWriterCache.get(self._folder)
        writer.add_summary(summary, global_step)
        if not self._batch_size:
            return
        examples = self._batch_size * summary.value[0].simple_value
        logger.info("examples/sec: %g", examples)
        value = v1.Summary.Value(tag="examples/sec", simple_value=examples)
        writer.add_summary(v1.Summary(value=[value]), global_step)
