"""Keras layers and models in a model_fn: the names of their variables, and what they write.

A layer is written for eager execution. When it is called it moves its statistics, its seed or
whatever else it keeps, and counts on that being done then. In a graph nothing runs those writes and
nothing orders them. So after model_fn, in the graph for training::

    for every variable that Keras wrote:
        order   = reads and writes run in the order they were made in
        guard   = every write waits for the batch: where the input ends, nothing is written
    train_op    = train_op and all writes that it did not run

In the other graphs only the seeds of random numbers move, and nothing saves them.

Keras is never imported here: who has a layer has imported it.
"""

import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import tensorflow as tf

from tf_estimator import _keras, _tf
from tf_estimator._tf import logger, v1
from tf_estimator.engine.stateful import ancestors, is_source
from tf_estimator.spec import EstimatorSpec, ModeKeys, bare_optimizers
from tf_estimator.spec.metrics import keras_classes
from tf_estimator.spec.program_order import ProgramOrder, accesses, may_not_run, tf_variable

_NAMES_IN_WARNING: Final = 5


class KerasInModelFn:
    """What Keras does while model_fn is called, and what has to be done about it.

    Args:
        graph: of the model_fn.
    """

    def __init__(self, graph: tf.Graph) -> None:
        self._graph = graph
        self._made_variables = False
        self._is_used = False

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """To be entered around the call of model_fn, with the graph as the default one.

        Inside, Keras 3 names what it makes as in a new process, and variables by their layers.

        Raises:
            ValueError: model_fn used a layer, model or Metric that was made outside of it.
            TypeError: it applied a Keras optimizer in a way that does not work in a graph.
            AttributeError: it used layers of TensorFlow 1, which Keras 3 does not have.
        """
        with _keras.names_afresh(), tf.variable_creator_scope(self._named_by_layer):
            try:
                yield
            except Exception as error:
                told = _told(error, self._graph)
                if told is None:
                    raise
                raise told from error
            self._is_used = self._made_variables or _keras.has_named()

    def _named_by_layer(self, next_creator: Callable[..., Any], **arguments: Any) -> Any:
        path = _keras.path_of_new_variable() if "keras" in sys.modules else None
        if path is None:
            if "tf_keras" in sys.modules and not self._made_variables:
                self._made_variables = _keras.tf_keras_makes_new_variable()
            return next_creator(**arguments)
        self._made_variables = True
        scope = _scope(tf.get_current_name_scope(), path)
        with v1.name_scope(None), v1.name_scope(f"{scope}/" if scope else None):
            return next_creator(**arguments)

    def completed(
        self,
        spec: EstimatorSpec,
        mode: str,
        inputs: Iterable[tf.Tensor],
        replica: int = 0,
        others: Iterable[EstimatorSpec] = (),
    ) -> EstimatorSpec:
        """The spec with all that Keras wants done at each step, and warnings of what cannot be.

        Args:
            spec: what model_fn returned.
            mode: the ModeKeys it was called with.
            inputs: the tensors of the features and labels.
            replica: the number of this model in the graph, if there are several; then model_fn has
                been called for all of them.
            others: the specs of the others.
        """
        if mode != ModeKeys.TRAIN:
            if self._is_used:
                _move_seeds(self._graph, replica)
            return spec
        collected = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        if not self._is_used and not collected:
            return spec
        specs = [spec, *others]
        run = {
            op.name for op in ancestors(part for one in specs for part in (one.train_op, one.loss))
        }
        left = [getattr(one, "op", one) for one in collected]
        left = [op for op in left if op.name not in run]
        _warn(
            left if replica == 0 else [],
            "train_op does not run these operations of the collection UPDATE_OPS, so that what "
            "they update, such as moving averages, stays as it is: %s. Make train_op inside "
            "tf.control_dependencies(tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS"
            ")).",
        )
        if not self._is_used:
            return spec
        writes = _Writes(self._graph, run, {op.name for op in left}, replica)
        if not writes.orphans and not writes.ordered:
            return spec
        writes.put_in_order(spec, {tensor.op for tensor in inputs})
        if not writes.orphans:
            return spec
        train_op = tf.group(spec.train_op, *writes.orphans, name="train_op_and_updates")
        return spec._replace(train_op=train_op)


def _told(error: Exception, graph: tf.Graph) -> Exception | None:
    """An error that says what to do, in the place of one that model_fn raised; None if none can."""
    owner = _made_outside(error, graph)
    if owner is not None:
        return ValueError(
            f"{owner} must not be made outside of model_fn and used in it: its variables are not "
            "of the graph that model_fn is called in. Make it in model_fn, anew at every call, or "
            "give the model to tf_estimator.keras.model_to_estimator."
        )
    missed = _keras.missed_in_v1_layers(error)
    if missed:
        return AttributeError(
            f"tf.compat.v1.{missed} was part of Keras 2, and tf.keras is Keras 3. Call "
            "tf_estimator.keras.enable_v1_layers() at the start of the program; it needs tf-keras "
            '(pip install "tf-estimator[keras]").'
        )
    hint = bare_optimizers.hint(error)
    return TypeError(f"{error}\n{hint}") if hint else None


def _scope(scope: str, path: str) -> str:
    """The scope for a variable with a `path` in Keras, made in a name `scope` of the graph.

    That is the scope of the user, then that of Keras, which in the graph may have got numbers or be
    incomplete.
    """
    user, keras = scope.split("/") if scope else [], path.split("/")[:-1]
    for same in range(min(len(user), len(keras)), 0, -1):
        pairs = zip(user[-same:], keras, strict=False)
        if all(re.fullmatch(rf"{re.escape(own)}(_\d+)?", of_graph) for of_graph, own in pairs):
            del user[-same:]
            break
    return "/".join([*user, *keras])


class _Writes:
    """The variables of a training graph that Keras writes.

    Args:
        graph: of the model_fn.
        run: names of the operations that a step runs.
        left: names of those that are not to be run.
        replica: the number of the model whose variables they are.

    Attributes:
        orphans: the writes that the step has to run, too.
        ordered: the uses of each variable that are to be put in order.
    """

    def __init__(self, graph: tf.Graph, run: set[str], left: set[str], replica: int) -> None:
        self._graph, self._run = graph, run
        self.orphans: list[tf.Operation] = []
        self.ordered: list[dict[tf.Operation, bool]] = []
        lost = []
        for variable in _variables(graph, replica):
            uses = accesses(variable)
            kinds = {op: self._kind(variable, op) for op, writes in uses.items() if writes}
            for op, kind in kinds.items():
                if kind == _LOST:
                    lost.append(variable)
                elif kind == _START:
                    _tf.set_initial_value(variable, op.inputs[1])
            updates = [op for op, kind in kinds.items() if kind == _UPDATE and op.name not in left]
            if updates:
                self.ordered.append(uses)
                self.orphans.extend(op for op in updates if op.name not in run)
        _warn(
            lost,
            "What Keras writes to these variables is lost, for it is inside a tf.cond or "
            "tf.while_loop, or has to be fed: %s. Call the layer outside, or put the control flow "
            "into a tf.function.",
        )

    def _kind(self, variable: tf.Variable, op: tf.Operation) -> str | None:
        if op.type.startswith(("ResourceApply", "ResourceSparseApply")) and op.name in self._run:
            return None
        calls = _keras.calls(op)
        if may_not_run(op):
            mine = calls or (not variable.trainable and _keras.calls(variable.handle.op))
            return _LOST if mine else None
        if not calls:
            # Of a tf.function, which the user may have made around a model.
            called = op.name in self._run and op.type.endswith("PartitionedCall")
            mine = called and not variable.trainable and _keras.calls(variable.handle.op)
            return _UPDATE if mine else None
        if any(call.startswith("optimizers/") for call in calls):
            return None  # EstimatorSpec refuses what would not train.
        return self._kind_of_layers(op, calls)

    def _kind_of_layers(self, op: tf.Operation, calls: list[str]) -> str:
        """Of a write by anything of Keras but an optimizer."""
        names = [call.rpartition(":")[2] for call in calls]
        last_call = max((n for n, name in enumerate(names) if name == "__call__"), default=-1)
        if last_call >= 0 and not {"build_wrapper", "_maybe_build"}.intersection(names[last_call:]):
            return _UPDATE
        # Not while a layer was called: such as the weights that an application of Keras loads.
        before = ancestors(op.inputs[1:])
        if any(one.type == "Placeholder" and one.name not in self._run for one in before):
            return _LOST
        if op.type == "AssignVariableOp" and not any(map(is_source, before)):
            return _START
        return _UPDATE

    def put_in_order(self, spec: EstimatorSpec, inputs: set[tf.Operation]) -> None:
        """Makes a step read and write as the program does, and not write where the input ends."""
        order = ProgramOrder(self._graph)
        needed = {op.name for op in ancestors([spec.train_op, spec.loss, *self.orphans])}
        for uses in self.ordered:
            order.chain(uses, {op for op in uses if op.name in needed})
        for op in self.orphans:
            order.wait(op, inputs)


_LOST: Final = "lost"
_START: Final = "start"  # an initial value
_UPDATE: Final = "update"


def _variables(graph: tf.Graph, replica: int) -> list[tf.Variable]:
    """The resource variables of a graph, those of metrics left out: EstimatorSpec has seen them.

    Of variables with several copies it is that of the replica; what all share is with the first.
    """
    keys = v1.GraphKeys
    metrics = {id(one) for one in graph.get_collection(keys.METRIC_VARIABLES)}
    found = {}
    for name in (keys.GLOBAL_VARIABLES, keys.LOCAL_VARIABLES):
        for each in graph.get_collection(name):
            copies = _tf.copies_of(each) if id(each) not in metrics else ()
            one = copies[replica] if replica < len(copies) else None
            handle = getattr(one, "handle", None)
            if getattr(handle, "dtype", None) == tf.resource:
                found[id(one)] = one
    return list(found.values())


def _move_seeds(graph: tf.Graph, replica: int) -> None:
    """Makes drawing random numbers move the seed they are drawn with, as it does in training.

    Else every batch gets the same ones, which is not what someone wants who predicts with dropout.
    """
    order = None
    for variable in _variables(graph, replica):
        uses = accesses(variable)
        writes = [op for op, write in uses.items() if write and not may_not_run(op)]
        if not any("random/seed_generator:next" in _keras.calls(op) for op in writes):
            continue
        order = order or ProgramOrder(graph)
        order.chain(uses, set(uses))
        reads: list[tf.Operation] = []
        for op in order.as_made(uses):
            if not uses[op]:
                reads.append(op)
                continue
            before = {one.name for one in ancestors([op])}
            for one in (user for read in reads for out in read.outputs for user in out.consumers()):
                if one.name not in before:
                    order.wait(one, [op])
            reads = []


def _warn(lost: Iterable[tf.Operation | tf.Variable], message: str) -> None:
    names = list(dict.fromkeys(getattr(one, "op", one).name for one in lost))
    if names:
        more = len(names) - _NAMES_IN_WARNING
        shown = ", ".join(names[:_NAMES_IN_WARNING]) + (f" and {more} more" if more > 0 else "")
        logger.warning(message, shown)


# What TensorFlow says of a variable that is eager, or of another graph.
_FROM_OUTSIDE: Final = re.compile("EagerTensor|same graph|when eager execution is enabled")


def _made_outside(error: BaseException, graph: tf.Graph) -> str | None:
    """The Keras object from outside of a graph that an error is about; None if that is not why."""
    if not _FROM_OUTSIDE.search(str(error)):
        return None
    layers = keras_classes("layers", "Layer") + keras_classes("metrics", "Metric")
    variables = keras_classes("Variable")
    variable: str | None = None
    trace = error.__traceback__
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            some: Iterable[Any] = value if isinstance(value, tuple) else [value]
            for one in some:
                if isinstance(one, layers) and _is_outside(one, graph):
                    return f"The {type(one).__name__} {getattr(one, 'name', '')!r}"
                if isinstance(one, variables) and _is_of_another(one, graph):
                    variable = f"The Keras variable {getattr(one, 'path', '')!r}"
        trace = trace.tb_next
    return variable


def _is_outside(owner: Any, graph: tf.Graph) -> bool:
    try:
        variables = owner.variables
    except ValueError:  # Nothing of it is made yet.
        return False
    return any(_is_of_another(one, graph) for one in variables)


def _is_of_another(variable: Any, graph: tf.Graph) -> bool:
    raw = tf_variable(variable)
    return raw is not None and getattr(raw, "graph", None) is not graph
