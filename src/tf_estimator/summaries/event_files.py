"""Reading event files, those that a killed process left behind among them."""

import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tf_estimator._tf import logger, v1, without_deprecation_notes


def in_folder(folder: str) -> list[str]:
    """The paths of a folder's event files, by the second in which they were begun.

    Example:
        >>> in_folder("/no/such/folder")
        []
    """
    if not tf.io.gfile.isdir(folder):
        return []
    names = sorted(name for name in tf.io.gfile.listdir(folder) if "tfevents" in name)
    return [os.path.join(folder, name) for name in names]


def events(path: str) -> Iterator[Any]:
    """The events of one file in the order they were written, up to the first broken one."""
    try:
        with without_deprecation_notes():
            iterator = v1.train.summary_iterator(path)
        yield from iterator
    except (tf.errors.OpError, DecodeError) as error:
        # A process that was killed leaves half an event at the end; what is before it is whole.
        logger.warning("Event file %s is read up to a broken event: %s", path, error)
