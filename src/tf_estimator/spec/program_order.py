"""Program order in a graph: what reads and writes a variable, one after the other as in the code.

Keras is written for eager execution, where a read that comes after a write sees it. In a graph
nothing orders the two, and nothing runs a write that nobody asks for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import _tf

# Operations that give a variable's handle another name, as control flow of TensorFlow 1 does.
_PASSING_ON = ("Enter", "Identity", "Merge", "Switch")

# In a graph a branch runs only what its outputs need, and a write for its own sake is none of that.
_BRANCHING = ("Case", "If", "StatelessCase", "StatelessIf", "StatelessWhile", "While")


class ProgramOrder:
    """What runs after what in a graph, and the one place that adds to it.

    Args:
        graph: as it is now; operations that are made later are not known.
    """

    def __init__(self, graph: tf.Graph) -> None:
        self._ops = graph.get_operations()
        self._position = {op: n for n, op in enumerate(self._ops)}
        self._next: dict[tf.Operation, list[tf.Operation]] | None = None
        self._goes_forward = True  # no operation waits for one that was made later

    def as_made(self, ops: Iterable[tf.Operation]) -> list[tf.Operation]:
        """`ops` in the order they were made in, which is the order of the program."""
        return sorted(ops, key=self._position.__getitem__)

    def after(self, ops: Iterable[tf.Operation]) -> set[tf.Operation]:
        """`ops` and everything that runs after any of them."""
        next_ops = self._successors()
        found = set(ops)
        todo = list(found)
        while todo:
            for one in next_ops[todo.pop()]:
                if one not in found:
                    found.add(one)
                    todo.append(one)
        return found

    def wait(self, op: tf.Operation, before: Iterable[tf.Operation]) -> None:
        """Makes `op` run after `before`, as far as that is new, allowed and makes no circle."""
        there = inputs_of(op)
        missing = [one for one in dict.fromkeys(before) if one not in there]
        if missing and not self._is_earlier(missing, op):
            too_late = self.after([op])
            missing = [one for one in missing if one not in too_late]
        missing = [one for one in missing if not _tf.in_v1_control_flow(one)]
        if missing and not _tf.in_v1_control_flow(op):
            _tf.add_control_inputs(op, missing)
            for one in missing:
                self._successors()[one].append(op)
                self._goes_forward &= self._position[one] < self._position[op]

    def _is_earlier(self, before: Iterable[tf.Operation], op: tf.Operation) -> bool:
        """Whether nothing of `before` can run after `op`, seen without a search."""
        self._successors()
        if not self._goes_forward:
            return False
        return all(self._position[one] < self._position[op] for one in before)

    def chain(self, accesses: Mapping[tf.Operation, bool], inside: set[tf.Operation]) -> None:
        """Puts the uses of one variable in order: a write waits for the reads and the write before.

        Args:
            accesses: what `accesses` gives for the variable.
            inside: of these those to put in order. The others may run at any time.
        """
        last_write: list[tf.Operation] = []
        reads: list[tf.Operation] = []
        for op in self.as_made(op for op in accesses if op in inside):
            if accesses[op]:
                self.wait(op, [*reads, *last_write])
                last_write, reads = [op], []
            else:
                self.wait(op, last_write)
                reads.append(op)

    def _successors(self) -> dict[tf.Operation, list[tf.Operation]]:
        if self._next is None:
            self._next = defaultdict(list)
            for n, op in enumerate(self._ops):
                for one in inputs_of(op):
                    self._next[one].append(op)
                    # A loop of TensorFlow 1 turns back to its own begin only.
                    if self._position[one] > n and one.type != "NextIteration":
                        self._goes_forward = False
        return self._next


def inputs_of(op: tf.Operation) -> set[tf.Operation]:
    """The operations that `op` waits for."""
    return {*op.control_inputs, *(tensor.op for tensor in op.inputs)}


def accesses(variable: tf.Variable) -> dict[tf.Operation, bool]:
    """The operations that use a resource variable, and whether each writes it.

    Its initializer is none of them.

    Args:
        variable: a resource variable of a graph.
    """
    found: dict[tf.Operation, bool] = {}
    handles = [variable.handle]
    for handle in handles:
        for op in handle.consumers():
            if op is variable.initializer:
                continue
            if op not in found and op.type in _PASSING_ON:
                handles.extend(op.outputs)
            found[op] = _tf.writes_variable(op, handle) or found.get(op, False)
    return found


def may_not_run(write: tf.Operation) -> bool:
    """Whether a write is in control flow, so that nothing can make it run at every step."""
    return write.type in _BRANCHING or _tf.in_v1_control_flow(write)


def tf_variable(variable: Any) -> tf.Variable | None:
    """The tf.Variable that `variable` is or, if it is one of Keras 3, holds; None for others."""
    raw = variable if isinstance(variable, tf.Variable) else getattr(variable, "value", None)
    return raw if isinstance(raw, tf.Variable) else None
