"""Evaluation inside training: every n steps, with the weights as they are, and no checkpoint."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, engine, summaries
from tf_estimator._tf import v1
from tf_estimator.estimator import Estimator
from tf_estimator.spec import ModeKeys

# A saved name and, of a partitioned variable, the slice.
_Values = dict[tuple[str, str], Any]


class InMemoryEvaluatorHook(tf.compat.v1.train.SessionRunHook):
    """Evaluates while training, without a checkpoint and without leaving the process.

    It evaluates before the first step, every `every_n_iter` steps and at the end, and writes to the
    event files of `estimator.eval_dir(name)`, as `Estimator.evaluate` does. The model is built once
    for evaluation when training begins. At each evaluation the variables of training are handed
    to it as a checkpoint would: by the names under which they are saved, and through the Saver of
    the scaffold if there is one. A variable that training does not have keeps its initial value.

    Args:
        estimator: the Estimator that is trained.
        input_fn: gives the batches, as for `Estimator.evaluate`.
        steps: how many batches at most; None for as many as the input has.
        hooks: SessionRunHooks for the evaluations. They begin anew with each, on one graph, to
            which they can add nothing after the first time.
        name: tells several evaluation sets apart.
        every_n_iter: steps of training between two evaluations.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: every_n_iter or steps is not positive, or training is on more than one machine.

    Example:
        `estimator.train(train_fn, hooks=[InMemoryEvaluatorHook(estimator, eval_fn)])`
    """

    def __init__(
        self,
        estimator: Estimator,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        name: str | None = None,
        every_n_iter: int = 100,
    ) -> None:
        if every_n_iter is None:
            raise _checks.wrong_value("every_n_iter", "must be a positive integer", every_n_iter)
        _checks.positive_or_none("every_n_iter", every_n_iter)
        _checks.instance("estimator", estimator, Estimator)
        config = estimator.config
        if config.num_ps_replicas > 0 or config.num_worker_replicas > 1:
            raise ValueError(
                "InMemoryEvaluatorHook must be used on a single machine; the cluster of the "
                f"Estimator's RunConfig has {config.num_worker_replicas} workers and "
                f"{config.num_ps_replicas} parameter servers. Use train_and_evaluate."
            )
        self._estimator = estimator
        self._input_fn = engine.check_input_fn(input_fn)
        self._steps = _checks.positive_or_none("steps", steps)
        self._hooks = _checks.hooks("hooks", hooks)
        self._eval_dir = estimator.eval_dir(name)
        self._every_n_iter = every_n_iter

    def begin(self) -> None:
        """Builds the model for evaluation, in a graph of its own."""
        self._training_graph = v1.get_default_graph()
        estimator, config = self._estimator, self._estimator.config

        # As `evaluate` builds it: a TPUEstimator tells batch sizes there.
        with estimator._graph(  # noqa: SLF001
            ModeKeys.EVAL, self._input_fn, (), is_initial=True
        ) as self._built:
            pass
        self._run = engine.evaluator(self._built, config)
        self._iterations = 0

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Evaluates before the first step."""
        del coord
        self._saved = _saved_tensors(self._training_graph)
        self._evaluate(session)

    def next_look(self, global_step: int) -> int:
        """The step to evaluate after."""
        since = self._iterations % self._every_n_iter
        return global_step + math.ceil(self._every_n_iter - since)

    def after_skipped_steps(self, steps: int) -> None:
        """Counts the steps that were taken without it."""
        self._iterations += steps

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Evaluates when it is time."""
        del run_values
        self._iterations += 1
        if self._iterations % self._every_n_iter == 0:
            self._evaluate(run_context.session)

    def end(self, session: tf.compat.v1.Session) -> None:
        """Evaluates what training ends with."""
        self._evaluate(session)

    def _evaluate(self, training: tf.compat.v1.Session) -> None:
        transfer = _Transfer(self._built, training.run(self._saved))
        results = self._run([transfer, *self._hooks], None, self._steps)
        step = int(results[v1.GraphKeys.GLOBAL_STEP])
        summaries.write_evaluation(self._eval_dir, results, step, graph=self._built.graph)


class _Transfer(v1.train.SessionRunHook):
    """Restores a new session from values in memory: feeds what the Saver would read from disk."""

    def __init__(self, built: engine.BuiltGraph, values: _Values) -> None:
        self._built, self._values = built, values

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        del coord
        savers = self._built.graph.get_collection(v1.GraphKeys.SAVERS)
        saver = self._built.spec.scaffold.saver or savers[0]
        restore = self._built.graph.get_operation_by_name(saver.saver_def.restore_op_name)
        read: _Values = {}
        for op in _upstream(restore, "RestoreV2"):
            read.update(zip(_keys(op), op.outputs, strict=True))
        # What training does not have keeps the value that it was initialized with.
        own = _named_variables(self._built.graph)
        initial = session.run({k: own[k] for k in read if k not in self._values and k in own})
        values = {**initial, **self._values}
        if missing := sorted(key[0] for key in read if key not in values):
            raise ValueError(
                f"The model's variables in evaluation must be those of training; {missing} are "
                "restored in evaluation, and nothing in training is saved by these names."
            )
        session.run(restore, {tensor: values[key] for key, tensor in read.items()})


def _saved_tensors(graph: tf.Graph) -> _Values:
    """What a checkpoint of a graph holds: its variables, and what else a Saver of it saves."""
    saved: _Values = {}
    for op in graph.get_operations():
        if op.type == "SaveV2":
            saved.update(zip(_keys(op), list(op.inputs)[3:], strict=True))
    # A Saver that the model keeps for other ends may call one variable by another's name.
    return {**saved, **_named_variables(graph)}


def _named_variables(graph: tf.Graph) -> _Values:
    variables = graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES)
    return {(variable.name.partition(":")[0], ""): variable for variable in variables}


def _keys(op: tf.Operation) -> list[tuple[str, str]]:
    """The name and the slice of each tensor that an op saves or restores."""
    _, names, slices = (tf.get_static_value(tensor) for tensor in list(op.inputs)[:3])
    return [(n.decode(), s.decode()) for n, s in zip(names, slices, strict=True)]


def _upstream(op: tf.Operation, kind: str) -> Iterator[tf.Operation]:
    """The operations of a kind that have to run before `op`."""
    seen, waiting = {op.name}, [op]
    while waiting:
        one = waiting.pop()
        if one.type == kind:
            yield one
        for before in [*one.control_inputs, *(tensor.op for tensor in one.inputs)]:
            if before.name not in seen:
                seen.add(before.name)
                waiting.append(before)
