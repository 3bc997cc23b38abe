"""train_and_evaluate: one call that does the part of this process, whatever its role."""

import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from tf_estimator import _checks
from tf_estimator._tf import logger, v1
from tf_estimator.cluster import exit_code, multi_worker
from tf_estimator.cluster.waiting import UnreachableError
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.spec.train_spec import TrainSpec
from tf_estimator.training.roles import ROLES, Job, role_name

_GIVEN_TO_INPUT_FN: Final = ("mode", "params", "config", "input_context")

# How often a task that waits looks whether it still has to.
_POLL_SECS: Final = 1.0

_Result = tuple[dict[str, Any] | None, list[Any] | None]


def train_and_evaluate(
    estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec | Sequence[EvalSpec]
) -> _Result | list[_Result] | None:
    """Trains, evaluates at checkpoints, and exports.

    Without a cluster all of it happens in this process::

        train, until max_steps, the end of the input, or somebody's request to stop:
            after each saved checkpoint but the first, if an evaluation is due:
                evaluate it; call each exporter
        unless the last checkpoint is evaluated already:
            evaluate it; call each exporter

    An evaluation is due when throttle_secs have passed since the start of the last one, or when
    every_n_steps or at_every_checkpoint of the EvalSpec says so. The exporters are told that an
    export is the final one when the evaluated step has reached max_steps.

    In a cluster that TF_CONFIG describes, the process does the part of its task, until the job is
    done::

        chief:      start a server; train on the variables that parameter servers hold; save
        worker i:   start a server; wait 5 * (i + 1) s, a minute at most; train on these as well
        ps:         start a server; hold variables; end once the chief has ended the job
        evaluator:  until max_steps is evaluated, or the chief has ended the job:
                        evaluate the newest checkpoint, if it is new; call each exporter
                        wait what is left of throttle_secs
        master:     be a chief that evaluates as a process without a cluster does

    The job is done when the chief's training is: by max_steps, the end of its input, or somebody's
    request. All tasks need the same model_dir, a folder that all of them see; there the chief notes
    it, in `cluster_job.json`. A task that cannot reach one that it needs for `timeout_secs` of
    TF_CONFIG, 10 s if it says nothing, ends with an error and the exit code 75, which means: start
    me again. The servers listen on all network interfaces and take orders from anybody: a cluster
    belongs into a private network.

    Args:
        estimator: the Estimator. Its config says when checkpoints are saved, and so when there can
            be an evaluation.
        train_spec: what to train on, and how far.
        eval_spec: what to evaluate on, how often, and what to export. Ours: a list or tuple of
            EvalSpecs evaluates on several sets, each in its own time. They need names that differ,
            and so do all their exporters.

    Returns:
        Without a cluster, the metrics of the last evaluation and a list of what each exporter
        returned for it; (None, None) if nothing was trained because max_steps was reached before.
        For several EvalSpecs, a list of such pairs in their order. In a cluster, None.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: saving checkpoints is off, or not at the steps that every_n_steps asks for; two
            EvalSpecs or two exporters share a name; an input_fn takes something else than mode,
            params and config; TF_CONFIG names a role that does not exist, a second evaluator, or
            several tasks that train and nothing that joins them (parameter servers, or a
            MultiWorkerMirroredStrategy); or for the reasons of `Estimator.train` and
            `Estimator.evaluate`.
        RuntimeError: the checkpoints are saved somewhere else than in model_dir.
        OSError: the port of the task's address is taken.
        UnreachableError: a ConnectionError: another task does not answer. If nobody catches it, the
            exit code is 75.

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
    return run(estimator, train_spec, eval_spec, clock=time.monotonic, sleep=_sleep)


def _sleep(secs: float, is_over: Callable[[], Any] = lambda: False) -> None:
    end = time.monotonic() + secs
    while not is_over() and (rest := end - time.monotonic()) > 0:
        time.sleep(min(rest, _POLL_SECS))


def run(
    estimator: Estimator,
    train_spec: TrainSpec,
    eval_spec: EvalSpec | Sequence[EvalSpec],
    *,
    clock: Callable[[], float],
    sleep: Callable[..., None],
) -> Any:
    """`train_and_evaluate` by a clock of the caller's.

    Args:
        estimator: as for `train_and_evaluate`.
        train_spec: as for `train_and_evaluate`.
        eval_spec: as for `train_and_evaluate`.
        clock: tells the time in seconds, and never goes back.
        sleep: waits a number of seconds, or until a function that it may get with that says true.
    """
    _checks.instance("estimator", estimator, Estimator)
    _checks.instance("train_spec", train_spec, TrainSpec)
    eval_specs = _eval_specs(eval_spec)
    _check_input_fn("input_fn of TrainSpec", train_spec.input_fn)
    for spec in eval_specs:
        _check_input_fn("input_fn of EvalSpec", spec.input_fn)
    config = estimator.config
    role = role_name(config)
    _check_cluster(config)
    _check_names(estimator, eval_specs)
    _check_saves(config, train_spec, eval_specs)
    logger.info("train_and_evaluate in the role: %s.", role)
    try:
        results = ROLES[role](Job(estimator, train_spec, eval_specs, clock, sleep))
    except UnreachableError as error:
        exit_code.if_uncaught(error)
        raise
    is_one = isinstance(eval_spec, EvalSpec)
    return results[0] if is_one and results is not None else results


def _eval_specs(value: Any) -> tuple[EvalSpec, ...]:
    if isinstance(value, EvalSpec):
        return (value,)
    # A tuple of another kind is somebody's value, a TrainSpec for example.
    if not (isinstance(value, list) or type(value) is tuple) or not value:
        rule = "must be an instance of EvalSpec, or a list of at least one"
        raise _checks.wrong_type("eval_spec", rule, value)
    return _checks.instances("eval_spec", value, EvalSpec)


def _check_input_fn(subject: str, input_fn: Callable[..., Any]) -> None:
    """Raises if it asks for what nobody will give; the first evaluation would be late to say so."""
    try:
        # What a decorator takes, whatever the function inside does.
        parameters = inspect.signature(input_fn, follow_wrapped=False)
    except ValueError:  # Some builtins do not tell their parameters.
        return
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    missing = [
        name
        for name, each in parameters.parameters.items()
        if name not in _GIVEN_TO_INPUT_FN or each.kind not in by_name
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) and each.default is each.empty
    ]
    if missing:
        raise _checks.wrong_value(
            subject,
            f"must take no other arguments than {', '.join(_GIVEN_TO_INPUT_FN)}",
            missing,
            "Bind the others with functools.partial.",
        )


def _check_cluster(config: RunConfig) -> None:
    """Raises where the tasks that train have nothing in common: they would wait for each other."""
    several = config.num_worker_replicas + config.num_ps_replicas > 1
    if multi_worker.is_multi_worker(config.train_distribute):
        multi_worker.fitting(config)
        return
    if not several or config.tf_config.environment == "google":
        return
    if config.train_distribute is not None:
        raise _checks.wrong_value(
            "train_distribute of RunConfig",
            "must be None, or a MultiWorkerMirroredStrategy, in a cluster of several tasks",
            config.train_distribute,
            "With parameter servers each worker trains on one device.",
        )
    if not config.num_ps_replicas:
        raise _checks.wrong_value(
            "A cluster in TF_CONFIG with several tasks that train",
            "must have parameter servers, or RunConfig(train_distribute=) a "
            "MultiWorkerMirroredStrategy",
            config.cluster_spec.as_dict(),
            'Add some, as "ps": ["host2:2222"]; or set train_distribute='
            "tf_estimator.experimental.multi_worker_mirrored_strategy(); or take the workers out.",
        )


def _check_names(estimator: Estimator, eval_specs: Sequence[EvalSpec]) -> None:
    folders = [estimator.eval_dir(spec.name) for spec in eval_specs]
    for spec, folder in zip(eval_specs, folders, strict=True):
        if folders.count(folder) > 1:
            raise _checks.wrong_value(
                "The names of EvalSpecs",
                "must differ from each other",
                spec.name,
                "Each has a folder of event files of its own.",
            )
    names = [exporter.name for spec in eval_specs for exporter in spec.exporters]
    for name in names:
        if names.count(name) > 1:
            raise _checks.wrong_value(
                "The names of exporters",
                "must differ from each other, over all EvalSpecs",
                name,
                "Each is a folder of its own.",
            )


def _check_saves(config: RunConfig, train_spec: TrainSpec, eval_specs: Sequence[EvalSpec]) -> None:
    """Raises unless checkpoints are saved where every_n_steps asks for evaluations."""
    if any(isinstance(hook, v1.train.CheckpointSaverHook) for hook in train_spec.hooks):
        return  # It saves in place of ours, and does not tell when.
    saved = config.save_checkpoints_steps
    for every in (spec.every_n_steps for spec in eval_specs):
        if every is not None and (not saved or every % saved):
            raise _checks.wrong_value(
                "every_n_steps",
                f"must be a multiple of save_checkpoints_steps in RunConfig, which is {saved}",
                every,
                f"Set RunConfig(save_checkpoints_steps={every}), or a divisor of it.",
            )
