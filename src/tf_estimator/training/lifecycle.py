"""train_and_evaluate: one call that does the part of this process, whatever its role."""

import time
from collections.abc import Callable
from typing import Any

from tf_estimator import _checks
from tf_estimator._tf import logger
from tf_estimator.estimator import Estimator
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.spec.train_spec import TrainSpec
from tf_estimator.training.roles import ROLES, Job, role_name


def train_and_evaluate(
    estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec
) -> tuple[dict[str, Any] | None, list[Any] | None] | None:
    """Trains, evaluates at checkpoints, and exports.

    Without a cluster all of it happens in this process::

        train, until max_steps, the end of the input, or somebody's request to stop:
            after each saved checkpoint but the first, if throttle_secs have passed:
                evaluate it; call each exporter
        unless the last checkpoint is evaluated already:
            evaluate it; call each exporter

    The exporters are told that an export is the final one when the evaluated step has reached
    max_steps. In a cluster that TF_CONFIG describes, the process does the part of its task: the
    chief and the workers train, the evaluator evaluates and exports each new checkpoint, a master
    trains and evaluates.

    Args:
        estimator: the Estimator. Its config says when checkpoints are saved, and so when there can
            be an evaluation.
        train_spec: what to train on, and how far.
        eval_spec: what to evaluate on, how often, and what to export.

    Returns:
        Without a cluster, the metrics of the last evaluation and a list of what each exporter
        returned for it; (None, None) if nothing was trained because max_steps was reached before.
        In a cluster, None.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: saving checkpoints is off, TF_CONFIG names a role that does not exist or a
            second evaluator, or for the reasons of `Estimator.train` and `Estimator.evaluate`.
        RuntimeError: the checkpoints are saved somewhere else than in model_dir.
        NotImplementedError: the cluster has several processes that train.

    Example:
        >>> import tensorflow as tf
        >>> from tf_estimator import EstimatorSpec
        >>> def model_fn(features, labels, mode):
        ...     w = tf.compat.v1.get_variable("w", [], initializer=tf.zeros_initializer())
        ...     loss = tf.reduce_mean((features * w - labels) ** 2)
        ...     optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
        ...     train_op = optimizer.minimize(loss, tf.compat.v1.train.get_global_step())
        ...     return EstimatorSpec(mode, predictions=features * w, loss=loss, train_op=train_op)
        >>> def input_fn():
        ...     return tf.data.Dataset.from_tensors(([1.0, 2.0], [2.0, 4.0])).repeat()
        >>> metrics, exports = train_and_evaluate(
        ...     Estimator(model_fn), TrainSpec(input_fn, max_steps=50), EvalSpec(input_fn, steps=1)
        ... )
        >>> int(metrics["global_step"]), bool(metrics["loss"] < 0.001), exports
        (50, True, [])
    """
    return run(estimator, train_spec, eval_spec, clock=time.monotonic, sleep=time.sleep)


def run(
    estimator: Estimator,
    train_spec: TrainSpec,
    eval_spec: EvalSpec,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Any:
    """`train_and_evaluate` by a clock of the caller's.

    Args:
        estimator: as for `train_and_evaluate`.
        train_spec: as for `train_and_evaluate`.
        eval_spec: as for `train_and_evaluate`.
        clock: tells the time in seconds, and never goes back.
        sleep: waits a number of seconds.
    """
    _checks.instance("estimator", estimator, Estimator)
    _checks.instance("train_spec", train_spec, TrainSpec)
    _checks.instance("eval_spec", eval_spec, EvalSpec)
    role = role_name(estimator.config)
    logger.info("train_and_evaluate in the role: %s.", role)
    return ROLES[role](Job(estimator, train_spec, eval_spec, clock, sleep))
