"""What the variables of several replicas need that model_fn did not think of."""

from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

from tf_estimator import _keras, _tf
from tf_estimator._tf import v1

_COLLECTIONS: Final = (v1.GraphKeys.GLOBAL_VARIABLES, v1.GraphKeys.TRAINABLE_VARIABLES)


def creator(*, is_central: bool) -> Callable[..., tf.Variable]:
    """For `tf.variable_creator_scope`, inside of a replica.

    A layer of Keras need not say what becomes of what it keeps besides weights, such as moving
    averages. Here each replica has its own, and what is saved is their mean, or that of the first
    where it is no float.

    And a variable of TensorFlow 2 leaves its copies in the collections, too, where they would be
    trained and saved once more.

    Args:
        is_central: whether replicas share one copy of each variable.
    """

    def create(next_creator: Callable[..., tf.Variable], **arguments: Any) -> tf.Variable:
        layer = "" if arguments.get("trainable", True) else _keras.layer_of_new_variable()
        if is_central and layer in ("keras", "tf_keras"):
            raise NotImplementedError(
                "A CentralStorageStrategy cannot train a Keras layer that keeps more than weights, "
                f"as batch normalization does: {arguments.get('name')!r}. "
                "Train with a MirroredStrategy."
            )
        if layer and arguments.get("aggregation") in (None, tf.VariableAggregation.NONE):
            is_float = tf.as_dtype(arguments.get("dtype") or tf.float32).is_floating
            kinds = tf.VariableAggregation
            arguments["synchronization"] = tf.VariableSynchronization.ON_READ
            arguments["aggregation"] = kinds.MEAN if is_float else kinds.ONLY_FIRST_REPLICA
        made = next_creator(**arguments)
        copies = {id(one) for one in _tf.copies_of(made) if one is not made}
        for name in _COLLECTIONS:
            collection = v1.get_collection_ref(name)
            collection[:] = [one for one in collection if id(one) not in copies]
        return made

    return create
