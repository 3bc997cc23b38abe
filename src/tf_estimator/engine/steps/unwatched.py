"""Which way of taking steps that no hook looks at is the best that a training can have."""

import tensorflow as tf

from tf_estimator._tf import logger
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.steps.compiled_loop import compiled_steps
from tf_estimator.engine.steps.loop import CannotLoopError, GraphLoop
from tf_estimator.engine.steps.shared import SharedSteps
from tf_estimator.engine.steps.single import SingleSteps, Steps


def unwatched_steps(
    built: BuiltGraph, config: RunConfig, *, saves_input_state: bool = False
) -> Steps | None:
    """Adds what takes steps that no hook looks at to a graph that is otherwise finished.

    Args:
        built: a graph built in mode TRAIN, the default one now.
        config: how many steps there may be in a loop, and whether it is compiled.
        saves_input_state: whether a hook saves the position of the input.

    Returns:
        The fastest way there is; None if hooks shall look at every step.
    """
    at_most = config.steps_per_loop
    if at_most == 1:
        return None
    if built.votes is not None:
        logger.debug("Each step is taken by itself: the workers vote in each.")
        return None
    if config.num_worker_replicas + config.num_ps_replicas > 1 and at_most == "auto":
        logger.debug("Steps are not put into a loop: other processes take steps as well.")
        return SharedSteps(built.spec.train_op, built.spec.loss, built.global_step)
    otherwise = _uncompiled(built, allow_seeded=at_most != "auto")
    if not config.jit_compile or otherwise is None:
        return otherwise
    if config.save_input_state or saves_input_state:
        logger.warning(
            "RunConfig(jit_compile=True) has no effect: the position of the input is saved, and a "
            "compiled loop reads ahead of it."
        )
        return otherwise
    spec = built.spec
    return compiled_steps(spec.train_op, spec.loss, built.global_step, built.dataset, otherwise)


def _uncompiled(built: BuiltGraph, *, allow_seeded: bool) -> Steps | None:
    spec, step = built.spec, built.global_step
    if built.replicas > 1:
        logger.debug("Steps are not put into a loop: the model is on several devices.")
        return SingleSteps(spec.train_op, spec.loss, step)
    try:
        return GraphLoop.of(built.graph, spec.train_op, spec.loss, step, allow_seeded=allow_seeded)
    except CannotLoopError as reason:
        logger.debug("Steps are not put into a loop: %s", reason)
    if not isinstance(step, tf.Variable):
        return None
    return SingleSteps(spec.train_op, spec.loss, step)
