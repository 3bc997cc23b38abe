"""From model_fn and input_fn to one graph with several replicas of the model.

make a graph, and in the scope of the strategy:
    seed it, make the global step
    take a batch for each replica
    in each replica, on its own device:
        spec <- model_fn(its features, its labels, mode)
one spec <- all of them: the loss reduced, the operations grouped, the rest from the first

What comes of it is a BuiltGraph like any other. Outside of the scope a variable that has a copy on
each device reads as the first of them, writes all, and is one in a checkpoint.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator import _keras, _tf
from tf_estimator._tf import logger, v1
from tf_estimator.checkpoint import RestoreReport
from tf_estimator.cluster.multi_worker import joins_workers
from tf_estimator.config import RunConfig
from tf_estimator.engine.gang.votes import Votes
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.keras_state import KerasInModelFn
from tf_estimator.engine.model import Model
from tf_estimator.engine.replicas import combining, variables
from tf_estimator.engine.replicas.rounds import Rounds, rounds
from tf_estimator.engine.replicas.strategies import is_central
from tf_estimator.engine.step_order import read_before_write
from tf_estimator.spec import EstimatorSpec, ModeKeys
from tf_estimator.spec.in_replica import at_work as replicas_at_work


def build(
    model: Model,
    mode: str,
    call_input: Callable[[tf.distribute.InputContext], Any],
    config: RunConfig,
    strategy: Any,
    on_restore: Callable[[RestoreReport | None], None] = lambda report: None,
) -> BuiltGraph:
    """Builds the graph of one mode under a strategy.

    Args:
        model: the checked model_fn.
        mode: TRAIN or EVAL.
        call_input: gives what input_fn returned, in the default graph.
        config: the seed comes from it, and model_fn sees it.
        strategy: a tf.distribute.Strategy, made eagerly or in any graph.
        on_restore: told of every restore of the graph's variables.

    Returns:
        The BuiltGraph; nothing has run yet.
    """
    graph = tf.Graph()
    with graph.as_default():
        if mode == ModeKeys.EVAL and is_central(strategy):
            # What metrics count has to be a replica's own, which central storage cannot do.
            strategy = tf.distribute.MirroredStrategy(strategy.extended.worker_devices)
        with strategy.scope(), _tf.loss_scaled_by_replicas(strategy):
            v1.set_random_seed(config.tf_random_seed)
            step = v1.train.get_or_create_global_step()
            in_step = mode == ModeKeys.TRAIN and joins_workers(config)
            context = _input_context(strategy, config if in_step else None)
            taken = rounds(
                lambda: call_input(context),
                len(strategy.extended.worker_devices),
                to_the_last=mode == ModeKeys.EVAL,
                looks_ahead=in_step,
            )
            specs, losses = _in_each_replica(strategy, model, mode, taken, config)
            loss = _reported(strategy, losses) if mode == ModeKeys.TRAIN else None
            votes = None if taken.goes_on is None else Votes(strategy, taken.goes_on)
        steps = strategy.experimental_local_results(step)
        if mode == ModeKeys.TRAIN:
            spec = combining.for_training(specs, loss)
            for copy in steps:
                read_before_write(copy, spec.train_op, loss)
            if votes is not None:
                _read_step_alone(steps[0])
        else:
            spec = combining.for_evaluation(strategy, specs, taken.present)
    savers = graph.get_collection_ref(v1.GraphKeys.SAVERS)
    del savers[1:]  # Each replica has added its own.
    return BuiltGraph(
        graph=graph,
        mode=mode,
        spec=spec,
        input_hooks=(taken.hook,),
        global_step=steps[0],
        has_own_saver=bool(savers) or spec.scaffold.saver is not None,
        initializes=spec.scaffold.init_op is not None or spec.scaffold.init_fn is not None,
        on_restore=on_restore,
        inputs=_tensors(taken.batches),
        replicas=len(specs),
        votes=votes,
    )


def _input_context(strategy: Any, config: RunConfig | None) -> tf.distribute.InputContext:
    """What input_fn is told of the replicas, and of the other workers if there is a config."""
    replicas = strategy.num_replicas_in_sync
    if config is None:
        return tf.distribute.InputContext(num_replicas_in_sync=replicas)
    return tf.distribute.InputContext(
        config.num_worker_replicas, config.global_id_in_cluster, replicas
    )


def _read_step_alone(step: tf.Variable) -> None:
    """Has hooks read the global step of this worker, without the others."""
    if not _tf.read_global_step_by(tf.identity(step, name="global_step_alone")):
        raise NotImplementedError(
            f"TensorFlow {tf.__version__} has hooks that read the global step in a way that is not "
            "known here. Train without MultiWorkerMirroredStrategy."
        )


def _in_each_replica(
    strategy: Any, model: Model, mode: str, taken: Rounds, config: RunConfig
) -> tuple[list[EstimatorSpec], Any]:
    """The specs of the replicas of this process, and the losses, of all, as the strategy has it."""
    graph = v1.get_default_graph()
    several = strategy.num_replicas_in_sync > 1
    specs: list[EstimatorSpec] = []
    kerases: list[KerasInModelFn] = []

    def in_replica() -> tf.Tensor:
        # The replicas start one after the other, in order, and so they end.
        kerases.append(KerasInModelFn(graph))
        features, labels = taken.batches[len(kerases) - 1]
        with contextlib.ExitStack() as stack:
            stack.enter_context(kerases[-1].at_work())
            if several:
                create = variables.creator(is_central=is_central(strategy))
                stack.enter_context(tf.variable_creator_scope(create))
            specs.append(model.call(features, labels, mode, config))
        return specs[-1].loss

    names = _keras.names_by_thread(graph) if several else contextlib.nullcontext()
    with names, replicas_at_work(graph):
        losses = strategy.run(tf.autograph.experimental.do_not_convert(in_replica))
    completed = []
    for n, (keras, spec, batch) in enumerate(zip(kerases, specs, taken.batches, strict=True)):
        others = [one for one in specs if one is not spec]
        completed.append(keras.completed(spec, mode, _tensors(batch), n, others))
    return completed, losses


def _reported(strategy: Any, losses: Any) -> tf.Tensor:
    """The loss of a step: the mean of the replicas' if optimizers take it as such, else the sum."""
    if strategy.num_replicas_in_sync == 1:
        return losses
    is_scaled = _tf.loss_was_scaled(v1.get_default_graph())
    if not is_scaled and v1.distribute.get_loss_reduction() == tf.distribute.ReduceOp.MEAN:
        logger.info(
            "No optimizer divides the loss by the number of replicas, %d, and the gradients of the "
            "replicas are added up. If the loss is a mean, divide it in model_fn, by "
            "tf.distribute.get_strategy().num_replicas_in_sync.",
            strategy.num_replicas_in_sync,
        )
    reduction = tf.distribute.ReduceOp.MEAN if is_scaled else tf.distribute.ReduceOp.SUM
    return tf.identity(strategy.reduce(reduction, losses, axis=None))


def _tensors(values: Any) -> tuple[tf.Tensor, ...]:
    parts = tf.nest.flatten(values, expand_composites=True)
    return tuple(part for part in parts if isinstance(part, tf.Tensor))
