"""Evaluation: metrics over batches, from one checkpoint."""

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger, v1
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.restore import restoring_session_creator
from tf_estimator.engine.sessions import monitored_session
from tf_estimator.engine.steps.single import SingleSteps

# A collection: the value and update_op of the loss over many batches, if that is not their mean.
MEAN_LOSS = "mean_loss"
_LOSS = "loss"
# How often it is said how far an evaluation is, in seconds, and for how many batches it is asked.
_SECONDS = 0.1
_MANY = 1 << 30
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
        self.session: Any = None

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        del coord
        self.session = session

    def after_run(self, run_context: Any, run_values: Any) -> None:
        del run_values
        self.took(1)
        if self.left <= 0:
            run_context.request_stop()

    @property
    def left(self) -> float:
        """How many more batches to take; infinite for all there are."""
        return math.inf if self._steps is None else self._steps - self.done

    def took(self, batches: int) -> None:
        """Counts batches, however they were taken."""
        before, self.done = self.done, self.done + batches
        if self._steps is None:
            return
        every = max(1, self._steps // 10)
        tenths = range(before - before % every + every, self.done + 1, every)
        for done in sorted({*tenths, self.done} if self.left <= 0 else tenths):
            logger.info("Evaluated %d of %s batches", done, self._steps)


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
    own = v1.get_collection(MEAN_LOSS)
    metrics[_LOSS] = tuple(own) if own else v1.metrics.mean(built.spec.loss)
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
            prepared = _Prepared(built)
        else:
            prepared = live.once(lambda: _Prepared(built, config.steps_per_loop != 1))
        ready = dataclasses.replace(built, spec=built.spec._replace(scaffold=prepared.scaffold))

    def run(
        hooks: Sequence[tf.compat.v1.train.SessionRunHook],
        checkpoint_path: str | None,
        steps: int | None,
    ) -> dict[str, Any]:
        counter = _StopAfterSteps(steps)
        final = v1.train.FinalOpsHook(prepared.ops.values)
        of_user = [*hooks, *built.spec.evaluation_hooks]
        all_hooks = [*built.input_hooks, counter, *of_user, final]
        with built.graph.as_default():
            creator = restoring_session_creator(
                ready, checkpoint_path, config, config.evaluation_master
            )
            if live is not None:
                targets = [prepared.count_op, prepared.ops.values]
                live.expects(built.graph, targets, built.inputs, hooks, built.spec.evaluation_hooks)
            with monitored_session(creator, all_hooks) as session:
                if prepared.unwatched is not None and not of_user and built.feed is None:
                    _take_unwatched(prepared, counter)
                while not session.should_stop() and counter.left:
                    session.run(prepared.count_op, built.feed() if built.feed is not None else None)
        if not counter.done:
            raise _checks.wrong_value(
                "input_fn", "must yield at least one batch to evaluate", "no batch at all"
            )
        # Of a session that goes on an array may be a variable's memory, and the caller may write.
        return copy.deepcopy(dict(final.final_ops_values))

    return run


class _Prepared:
    """What evaluation adds to a graph, once for all calls.

    Args:
        built: a graph built in mode EVAL, the default one now.
        unwatched: whether batches may be taken without hooks.

    Attributes:
        ops: of the metrics.
        batches: counts the batches, in the graph, where hooks may read it.
        count_op: takes one batch into all metrics, and counts it.
        scaffold: initializes them.
        unwatched: takes batches that no hook looks at; None if hooks shall look at all of them.
    """

    def __init__(self, built: BuiltGraph, unwatched: bool = False) -> None:
        self.ops = add_evaluation_ops(built)
        self.batches = _batch_counter()
        with tf.control_dependencies([self.ops.update_op]):
            counted = tf.identity(self.batches.assign_add(1))
        self.count_op: tf.Operation = counted.op
        # What it takes for the loss is never NaN: an evaluation goes on after one.
        self.unwatched = SingleSteps(counted, counted, self.batches) if unwatched else None
        self.scaffold = built.spec.scaffold
        if self.scaffold.local_init_op is not None:
            # The user's was made before the metrics' variables, so it does not initialize them.
            both = tf.group(self.scaffold.local_init_op, v1.train.Scaffold.default_local_init_op())
            self.scaffold = v1.train.Scaffold(local_init_op=both, copy_from_scaffold=self.scaffold)


def _batch_counter() -> tf.Variable:
    return v1.get_variable(
        "eval_step",
        [],
        tf.int64,
        initializer=v1.zeros_initializer(),
        trainable=False,
        collections=[v1.GraphKeys.LOCAL_VARIABLES, v1.GraphKeys.EVAL_STEP],
        use_resource=True,
    )


def _take_unwatched(prepared: _Prepared, counter: _StopAfterSteps) -> None:
    """Takes the batches without the hooks, of which only `counter` wants to know.

    Raises:
        tf.errors.OutOfRangeError: the input has ended.
    """
    assert prepared.unwatched is not None
    while counter.left > 0:
        at_most = int(min(counter.left, _MANY))
        try:
            done = prepared.unwatched.run(counter.session, at_most, time.time() + _SECONDS)
        except tf.errors.OutOfRangeError:
            counter.took(int(counter.session.run(prepared.batches)) - counter.done)
            raise
        counter.took(done.steps)
