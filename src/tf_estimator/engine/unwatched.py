"""Which way of taking steps that no hook looks at is the best that a training can have."""

import tensorflow as tf

from tf_estimator._tf import logger
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.loop import CannotLoopError, GraphLoop
from tf_estimator.engine.steps import SingleSteps, Steps


def unwatched_steps(built: BuiltGraph, config: RunConfig) -> Steps | None:
    """Adds what takes steps that no hook looks at to a graph that is otherwise finished.

    Args:
        built: a graph built in mode TRAIN, the default one now.
        config: how many steps there may be in a loop, and whether it is compiled.

    Returns:
        The fastest way there is; None if hooks shall look at every step.
    """
    at_most = config.steps_per_loop
    if at_most == 1:
        return None
    if config.num_worker_replicas + config.num_ps_replicas > 1 and at_most == "auto":
        logger.debug("Each step is taken by itself: other processes take steps as well.")
        return None
    spec, step = built.spec, built.global_step
    try:
        return GraphLoop.of(
            built.graph, spec.train_op, spec.loss, step, allow_seeded=at_most != "auto"
        )
    except CannotLoopError as reason:
        logger.debug("Steps are not put into a loop: %s", reason)
    if not isinstance(step, tf.Variable):
        return None
    return SingleSteps(spec.train_op, spec.loss, step)
