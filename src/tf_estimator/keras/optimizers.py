"""One step of training with an optimizer of any kind, for the `train_op` of a model_fn.

Keras 3 and tf_keras write their optimizers for eager execution: what their `apply_gradients` gives
in a graph does not train. Here an optimizer like the one that is given is made in the graph, and
runs with the numbers and in the order that it has in `fit`.
"""

import enum
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_estimator import optimizers
from tf_estimator._checks import wrong_type, wrong_value

v1 = tf.compat.v1


class _Default(enum.Enum):
    """What an argument is if it is not given."""

    OF_GRAPH = "that of the graph"

    def __repr__(self) -> str:
        return f"<{self.value}>"


def minimize(
    optimizer: Any,
    loss: tf.Tensor,
    var_list: Iterable[Any] | None = None,
    global_step: tf.Variable | _Default | None = _Default.OF_GRAPH,
    update_ops: Iterable[tf.Operation | tf.Tensor] | _Default = _Default.OF_GRAPH,
) -> tf.Operation:
    """The `train_op` that takes one step of training.

    The optimizer itself is not used: one with its class and config is made in the graph, with its
    variables under `training/<its class>/`. So one instance may serve in any number of graphs, and
    the names in the checkpoint are the same in all of them. Its learning rate holds at every step,
    whatever a checkpoint says; everything else goes on from the checkpoint.

    Args:
        optimizer: of Keras 3, tf_keras (also of `legacy`) or tf.compat.v1.train.
        loss: a float Tensor, shape []. An optimizer that scales the loss does so here.
        var_list: the variables to train, tf.Variables or Keras ones. None: all trainable variables
            of the graph, but for those that a layer of Keras 3 has frozen. Those without influence
            on the loss stay as they are.
        global_step: an integer scalar variable that grows by one with every step. By default the
            global step of the graph. None: none does.
        update_ops: run with every step, before the variables change. By default the collection
            UPDATE_OPS of the graph.

    Returns:
        The train_op, for EstimatorSpec.

    Raises:
        TypeError: `optimizer`, `loss` or something in `var_list` is none.
        ValueError: there is nothing to train, or the optimizer cannot be made from its config.
        NotImplementedError: the optimizer cannot train in a graph.

    Example:
        >>> import keras
        >>> with tf.Graph().as_default(), v1.Session() as session:
        ...     w = v1.get_variable("w", initializer=1.0)
        ...     train_op = minimize(keras.optimizers.SGD(0.25), w**2)
        ...     session.run(v1.global_variables_initializer())
        ...     session.run(train_op)
        ...     print(*session.run([w, v1.train.get_global_step()]))
        0.5 1
    """
    _require_graph()
    if not isinstance(loss, tf.Tensor):
        hint = "What minimize of Keras takes as a function, it takes as the Tensor."
        raise wrong_type("loss", "must be a Tensor", loss, hint if callable(loss) else "")
    if loss.graph is not v1.get_default_graph():
        raise wrong_value("loss", "must be from the default graph", loss)
    before = (
        v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        if isinstance(update_ops, _Default)
        else update_ops
    )
    return optimizers.minimize(optimizer, loss, var_list, _step(global_step), before)


def apply_gradients(
    optimizer: Any,
    grads_and_vars: Iterable[tuple[Any, Any]],
    global_step: tf.Variable | _Default | None = _Default.OF_GRAPH,
) -> tf.Operation:
    """The `train_op` that takes one step of training, with gradients of one's own.

    Args:
        optimizer: as of `minimize`, but no LossScaleOptimizer: its factor would have to be in the
            gradients. Those of an optimizer with a `loss_scale_factor` have to be of
            `optimizer.scale_loss(loss)`.
        grads_and_vars: pairs of a gradient, which is a Tensor, tf.IndexedSlices or None, and a
            variable. Those with None stay as they are.
        global_step: as of `minimize`.

    Returns:
        The train_op, for EstimatorSpec.

    Raises:
        TypeError: `optimizer` is none, or these are no pairs of gradient and variable.
        ValueError: no variable has a gradient, or the optimizer cannot be made from its config.
        NotImplementedError: the optimizer cannot train in a graph.

    Example:
        >>> import keras
        >>> with tf.Graph().as_default(), v1.Session() as session:
        ...     w = v1.get_variable("w", initializer=1.0)
        ...     [gradient] = tf.gradients(w**2, [w])
        ...     pairs = [(tf.clip_by_value(gradient, -1.0, 1.0), w)]
        ...     train_op = apply_gradients(keras.optimizers.SGD(0.25), pairs)
        ...     session.run(v1.global_variables_initializer())
        ...     session.run(train_op)
        ...     print(*session.run([w, v1.train.get_global_step()]))
        0.75 1
    """
    _require_graph()
    return optimizers.apply_gradients(optimizer, grads_and_vars, _step(global_step))


def _require_graph() -> None:
    if tf.executing_eagerly():
        raise RuntimeError(
            "A train_op is made in a graph, not in eager execution: call this inside a model_fn."
        )


def _step(given: tf.Variable | _Default | None) -> tf.Variable | None:
    return v1.train.get_or_create_global_step() if isinstance(given, _Default) else given
