"""Which checkpoints there are, and the step they were saved at."""

import os

import tensorflow as tf

from tf_estimator import _checks

_GLOBAL_STEP = "global_step"

# On Windows the backslash separates folders.
_PATTERN_CHARACTERS = "[" if os.sep == "\\" else "[\\"


def step_of_latest(model_dir: str) -> int:
    """The global step in the newest checkpoint of `model_dir`; 0 without one, or without a step.

    A checkpoint's name can lag its content when several workers train, so the name is not asked.
    """
    latest = tf.train.latest_checkpoint(model_dir)
    if latest is None:
        return 0
    reader = tf.train.load_checkpoint(latest)
    return int(reader.get_tensor(_GLOBAL_STEP)) if reader.has_tensor(_GLOBAL_STEP) else 0


def exists(path: str) -> bool:
    """Whether `path` names a checkpoint, of the present format or of the first one.

    The present format is `<path>.index` and its data; the first is a file `<path>`, or several
    that match it (`model.ckpt-?????-of-00002`). The parts of a checkpoint (`<path>.index`,
    `<path>.meta`) name none.
    """
    if tf.io.gfile.exists(f"{path}.index"):
        return True
    if not path or tf.io.gfile.isdir(path):
        return False
    try:
        # An index opens as well, and then holds nothing.
        return bool(tf.train.load_checkpoint(path).get_variable_to_shape_map())
    except tf.errors.OpError:
        return False


def check_path(subject: str, path: str) -> None:
    """Raises unless TensorFlow can find a checkpoint of this path, or in this folder, again.

    It reads the path of a checkpoint as a pattern that has to match itself; with some characters it
    does not.

    Raises:
        ValueError: the path has such a character.
    """
    if any(character in path for character in _PATTERN_CHARACTERS):
        raise _checks.wrong_value(
            subject,
            "must not contain '[' or a backslash: TensorFlow restores no checkpoint from there",
            path,
            "Rename the folder.",
        )
