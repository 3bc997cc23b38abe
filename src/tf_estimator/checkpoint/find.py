"""Which checkpoints there are, and the step they were saved at."""

import tensorflow as tf

_GLOBAL_STEP = "global_step"


def step_of_latest(model_dir: str) -> int:
    """The global step inside the newest checkpoint of `model_dir`; 0 without one, or without a step.

    A checkpoint's name can lag its content when several workers train, so the name is not asked.
    """
    latest = tf.train.latest_checkpoint(model_dir)
    if latest is None:
        return 0
    reader = tf.train.load_checkpoint(latest)
    return int(reader.get_tensor(_GLOBAL_STEP)) if reader.has_tensor(_GLOBAL_STEP) else 0


def exists(path: str) -> bool:
    """Whether `path` names a checkpoint, of the present format or of the first one."""
    files = (f"{path}.index", f"{path}-?????-of-?????")
    if any(tf.io.gfile.glob(name) for name in files):
        return True
    return tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path)
