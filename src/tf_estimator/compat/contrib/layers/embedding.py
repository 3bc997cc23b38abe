"""Vectors for ids."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator.compat.contrib.framework.arg_scopes import add_arg_scope
from tf_estimator.compat.contrib.framework.variables import model_variable
from tf_estimator.compat.contrib.layers import parts

v1 = tf.compat.v1


def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Callable[..., Any] | None = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> tf.Tensor:
    """The rows of a variable for ids of symbols.

    The variable is `embeddings`, of shape [vocab_size, embed_dim], in the scope `EmbedSequence`.

    Args:
        ids: integers of shape [batch, length].
        vocab_size: the number of symbols.
        embed_dim: the length of a vector.
        unique: whether each row is looked up once, which saves memory where ids are often equal.
        initializer: of the variable.
        regularizer: of the variable, or None.
        trainable: whether the variable is in TRAINABLE_VARIABLES.
        scope: a variable scope or its name.
        reuse: whether the scope reuses its variable; then no sizes are needed.

    Returns:
        Floats of shape [batch, length, embed_dim].

    Raises:
        ValueError: a size is missing.
    """
    sizes = (vocab_size, embed_dim)
    if None in sizes and not reuse:
        raise ValueError(
            f"vocab_size and embed_dim must be given unless reuse is true; received {sizes}."
        )
    with v1.variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        embeddings = model_variable(
            "embeddings",
            shape=None if None in sizes else list(sizes),
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        ids = tf.convert_to_tensor(ids)
        if not unique:
            return v1.nn.embedding_lookup(embeddings, ids)
        flat, places = tf.unique(tf.reshape(ids, [-1]))
        found = tf.gather(v1.nn.embedding_lookup(embeddings, flat), places)
        outputs = tf.reshape(found, tf.concat([tf.shape(ids), tf.shape(found)[1:]], 0))
        outputs.set_shape(ids.shape.concatenate(found.shape[1:]))
        return outputs


@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> tf.Tensor:
    """For each label a row of `num_classes` values, one of which is `on_value`.

    Args:
        labels: integers of shape [batch].
        num_classes: how many.
        on_value: at the place of the label.
        off_value: at the others.
        outputs_collections: a collection for the outputs, or several.
        scope: the name of the operations.
    """
    with v1.name_scope(scope, "OneHotEncoding", [labels]):
        labels = tf.convert_to_tensor(labels)
        if labels.dtype == tf.int32:
            labels = tf.cast(labels, tf.int64)
        outputs = tf.one_hot(labels, num_classes, on_value=on_value, off_value=off_value)
        return parts.given_out(outputs, outputs_collections)
