"""Evaluation: metrics over batches, from one checkpoint."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger, v1
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.restore import restoring_session_creator
from tf_estimator.engine.sessions import monitored_session

_LOSS = "loss"
_GLOBAL_STEP = "global_step"


class EvaluationOps(NamedTuple):
    """What evaluation adds to a graph.

    Attributes:
        update_op: takes one batch into all metrics.
        values: a metric's name to its value, a tensor or a nested structure of tensors.
    """

    update_op: tf.Operation
    values: Mapping[str, Any]


class _StopAfterSteps(v1.train.SessionRunHook):
    """Counts the batches, says how far it is at every tenth, and stops after `steps` of them."""

    def __init__(self, steps: int | None):
        self._steps = steps
        self.done = 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        del run_values
        self.done += 1
        if self._steps is None:
            return
        if self.done >= self._steps:
            run_context.request_stop()
        if self.done % max(1, self._steps // 10) == 0 or self.done >= self._steps:
            logger.info("Evaluated %d of %s batches", self.done, self._steps)


def add_evaluation_ops(built: BuiltGraph) -> EvaluationOps:
    """Adds the mean loss to the graph and gathers all metrics.

    Args:
        built: a graph built in mode EVAL, the default one now.

    Raises:
        ValueError: a metric has a name that is taken.
    """
    metrics = dict(built.spec.eval_metric_ops)
    for taken in (_LOSS, _GLOBAL_STEP):
        if taken in metrics:
            raise _checks.wrong_value(
                "A metric's name", f"must not be {taken!r}, which Estimator adds itself", taken
            )
    metrics[_LOSS] = v1.metrics.mean(built.spec.loss)
    values = {name: metrics[name][0] for name in sorted(metrics)}
    updates = tf.nest.flatten([update for _, update in metrics.values()])
    return EvaluationOps(tf.group(*updates), {**values, _GLOBAL_STEP: built.global_step})


def evaluator(built: BuiltGraph, config: RunConfig) -> Callable[..., dict[str, Any]]:
    """Prepares a graph once for any number of evaluations, each in a session of its own.

    add the metrics' ops to the graph
    at each call:
        open a session: restored from the checkpoint, else initialized; the input starts anew
        until `steps` batches are done or the input ends:
            take one batch into all metrics; every hook looks
        read the metrics

    Args:
        built: a graph built in mode EVAL.
        config: the sessions' configuration.

    Returns:
        A function that evaluates, and adds nothing to the graph. It takes the user's `hooks`, a
        `checkpoint_path` to restore, where None leaves the initial values, and `steps`, how many
        batches at most, None for all. It gives a metric's name to its value, `loss` and
        `global_step` among them, and raises ValueError if the input ended before the first batch.

    Raises:
        ValueError: a metric has a name that is taken.
    """
    live = built.live
    with built.graph.as_default():
        if live is None:
            ops, scaffold = _prepared(built)
        else:
            ops, scaffold = live.once(lambda: _prepared(built))
        ready = dataclasses.replace(built, spec=built.spec._replace(scaffold=scaffold))

    def run(
        hooks: Sequence[tf.compat.v1.train.SessionRunHook],
        checkpoint_path: str | None,
        steps: int | None,
    ) -> dict[str, Any]:
        counter = _StopAfterSteps(steps)
        final = v1.train.FinalOpsHook(ops.values)
        all_hooks = [*built.input_hooks, counter, *hooks, *built.spec.evaluation_hooks, final]
        with built.graph.as_default():
            creator = restoring_session_creator(
                ready, checkpoint_path, config, config.evaluation_master
            )
            if live is not None:
                targets = [ops.update_op, ops.values]
                live.expects(
                    built.graph, targets, built.inputs, hooks, built.spec.evaluation_hooks
                )
            with monitored_session(creator, all_hooks) as session:
                while not session.should_stop():
                    session.run(ops.update_op, built.feed() if built.feed is not None else None)
        if not counter.done:
            raise _checks.wrong_value(
                "input_fn", "must yield at least one batch to evaluate", "no batch at all"
            )
        return dict(final.final_ops_values)

    return run


def _prepared(built: BuiltGraph) -> tuple[EvaluationOps, tf.compat.v1.train.Scaffold]:
    """What evaluation adds to a graph, and a scaffold that initializes it.

    A local_init_op of the user's was made before the metrics' variables, so it does not initialize
    them; the default one runs beside it.
    """
    ops = add_evaluation_ops(built)
    scaffold = built.spec.scaffold
    if scaffold.local_init_op is None:
        return ops, scaffold
    both = tf.group(scaffold.local_init_op, v1.train.Scaffold.default_local_init_op())
    return ops, v1.train.Scaffold(local_init_op=both, copy_from_scaffold=scaffold)
