"""`tf.compat.v1.layers` and `tf.compat.v1.nn.rnn_cell` for programs that were written with them.

TensorFlow 2.16 and later has handed both over to the package tf-keras, which is Keras 2, and finds
them only where `tf.keras` is Keras 2 as well. Here they are found beside Keras 3.
"""

import threading

import tensorflow as tf

from tf_estimator import _keras

_lock = threading.Lock()


def enable_v1_layers() -> None:
    """Makes `tf.compat.v1.layers` and `tf.compat.v1.nn.rnn_cell` work, through tf-keras.

    Call it once, at the start of a program, before or after anything was asked of them; a second
    call changes nothing. `tf.keras` and `import keras` stay what they are. Names of variables,
    collections (`UPDATE_OPS`, `REGULARIZATION_LOSSES`), `reuse` and numbers are those of TensorFlow
    1 and 2.15, so that old checkpoints fit. Each function says, in a UserWarning, that it is
    deprecated, as it did there.

    It holds for the whole process, and it takes the time of importing tf-keras.

    Raises:
        ImportError: without the package tf-keras.
        NotImplementedError: tf-keras is made for another TensorFlow.

    Example:
        >>> import warnings
        >>> from tf_estimator.keras import enable_v1_layers
        >>> enable_v1_layers()
        >>> with tf.Graph().as_default(), warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     hidden = tf.compat.v1.layers.dense(tf.zeros([2, 3]), 4)
        ...     print([v.op.name for v in tf.compat.v1.trainable_variables()])
        ['dense/kernel', 'dense/bias']
    """
    try:
        with _lock:
            _keras.v1_layers_from_tf_keras()
    except ImportError as error:
        release = ".".join(tf.__version__.split(".")[:2])
        raise ImportError(
            "tf.compat.v1.layers and tf.compat.v1.nn.rnn_cell need the package tf-keras in the "
            f"release of TensorFlow, {release}, and it cannot be imported: {error}. Run "
            f'pip install "tf-estimator[keras]" "tf-keras=={release}.*".',
            name="tf_keras",
        ) from error
