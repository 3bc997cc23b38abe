"""What our own optimizers share: their variables, under the names that old checkpoints have.

The optimizers that the version 2 estimators make from a name were Keras optimizers of a kind that
ended with TensorFlow 2.15. Here are their rules without Keras, on TensorFlow's fused operations.
"""

import abc
import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator.optimizers.gradients import Gradient, Pair, distinct
from tf_estimator.optimizers.scopes import optimizer_scope
from tf_estimator.spec import in_replica

v1 = tf.compat.v1


@dataclasses.dataclass(frozen=True)
class Optimizer(abc.ABC):
    """An update rule with the variables it keeps, named as in the checkpoints of the original.

    In a graph it has, under `training/<name>/`:

    - each of its `hyperparameters`, as a float32 scalar. They are saved and restored with the rest,
      so that on resuming the checkpoint's value holds, not the argument. That was so in the
      original;
    - `iter`, an int64 scalar that counts its updates, unless the global step does;
    - `<variable>/<slot>` for every variable it updates and each of its `slots`. The elements start
      at the field `initial_<slot>_value` if the class has one, else at 0.

    Instances hold no variables: one may be used in any number of graphs.
    """

    name: ClassVar[str]
    """Of its scope."""

    hyperparameters: ClassVar[tuple[str, ...]] = ("learning_rate", "decay")
    """Names of the scalar variables. One that is no field of the class is 0, and not used."""

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of the variables that go with each variable."""

    learning_rate: float

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _checks.number(field.name, getattr(self, field.name))

    @abc.abstractmethod
    def scalars(
        self, hyperparameters: Mapping[str, tf.Tensor], iterations: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """What `update` needs besides variables and gradient: computed once for all variables.

        Args:
            hyperparameters: by name, scalars of one dtype.
            iterations: the number of updates before this one, a scalar of that dtype.
        """

    @abc.abstractmethod
    def update(
        self,
        variable: tf.Variable,
        slots: Sequence[tf.Variable],
        gradient: Gradient,
        scalars: Mapping[str, tf.Tensor],
    ) -> tf.Operation:
        """The operation that updates one variable and its slots.

        Args:
            variable: to update.
            slots: in the order of the class's `slots`.
            gradient: of the variable's dtype. As IndexedSlices it has distinct indices.
            scalars: from `scalars`, in the variable's dtype.
        """

    def apply(
        self,
        pairs: Iterable[Pair],
        global_step: tf.Variable | None,
    ) -> tf.Operation:
        """The operation that updates each variable by its gradient and counts the step.

        Args:
            pairs: gradient and variable; no gradient is None.
            global_step: grows by one and is the number of updates made before. None: the optimizer
                has a counter of its own.
        """
        with optimizer_scope(self.name):
            iterations = _scalar("iter", 0, tf.int64) if global_step is None else global_step
            hyperparameters = {
                name: _scalar(name, getattr(self, name, 0.0), tf.float32)
                for name in self.hyperparameters
            }
            of_dtype: dict[tf.DType, dict[str, tf.Tensor]] = {}
            updates = []
            for gradient, variable in pairs:
                dtype = variable.dtype.base_dtype
                if dtype not in of_dtype:
                    values = {
                        name: tf.cast(one.read_value(), dtype)
                        for name, one in hyperparameters.items()
                    }
                    of_dtype[dtype] = self.scalars(values, tf.cast(iterations, dtype))
                updates.append(self._updated(variable, gradient, of_dtype[dtype]))
            with tf.control_dependencies(updates):
                return v1.assign_add(iterations, tf.ones([], iterations.dtype.base_dtype)).op

    def _updated(
        self, variable: tf.Variable, gradient: Gradient, scalars: Mapping[str, tf.Tensor]
    ) -> tf.Operation:
        slots = [self._slot(variable, name) for name in self.slots]
        if isinstance(gradient, tf.IndexedSlices):
            gradient = distinct(gradient)
        with variable.graph.colocate_with(variable.op):
            return self.update(variable, slots, gradient, scalars)

    def _slot(self, variable: tf.Variable, name: str) -> tf.Variable:
        start = getattr(self, f"initial_{name}_value", 0.0)
        several = in_replica.is_one_of_several()  # Then it is made for all of them.
        # Next to its variable: on a parameter server both are read and written together.
        with contextlib.nullcontext() if several else variable.graph.colocate_with(variable.op):
            slot = v1.Variable(
                lambda: tf.fill(variable.shape, tf.constant(start, variable.dtype.base_dtype)),
                trainable=False,
                name=f"{in_replica.plain_name(variable.op.name)}/{name}",
                use_resource=is_resource(variable),
            )
        return in_replica.own(slot)


def _scalar(name: str, start: float, dtype: tf.DType) -> tf.Variable:
    # From a function, so that the start depends on nothing that minimize is told to run before.
    made = v1.Variable(
        lambda: tf.constant(start, dtype), trainable=False, name=name, use_resource=True
    )
    return in_replica.own(made)


def is_resource(variable: tf.Variable) -> bool:
    """Whether a variable is a resource; else it is one of TensorFlow 1's reference variables."""
    return variable.op.type == "VarHandleOp"


def fused(kind: str, variable: tf.Variable, **arguments: Any) -> tf.Operation:
    """TensorFlow's operation for a whole update, for either kind of variable.

    Args:
        kind: the name of the operation without the `Resource` that the newer kind has.
        variable: to update.
        **arguments: the others, variables as such.
    """
    if not is_resource(variable):
        made = getattr(tf.raw_ops, kind)(var=variable, use_locking=True, **arguments)
        return made.op
    arguments = {
        name: one.handle if isinstance(one, tf.Variable) else one for name, one in arguments.items()
    }
    make = getattr(tf.raw_ops, f"Resource{kind}")
    return make(var=variable.handle, use_locking=True, **arguments)
