"""The five optimizers that have names, with the rules of `tf.keras.optimizers.legacy`.

In all of them g is the gradient, lr the learning rate, and every operation is by element. Slices of
a gradient that is an IndexedSlices are those of a row of the variable.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import tensorflow as tf

from tf_estimator.optimizers.gradients import Gradient
from tf_estimator.optimizers.optimizer import Optimizer, fused

v1 = tf.compat.v1

Scalars = Mapping[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: variable -= lr g.

    Args:
        learning_rate: lr.
    """

    name: ClassVar[str] = "SGD"
    hyperparameters: ClassVar[tuple[str, ...]] = ("learning_rate", "decay", "momentum")

    learning_rate: float = 0.01

    def scalars(self, hyperparameters: Scalars, iterations: tf.Tensor) -> dict[str, tf.Tensor]:
        """The learning rate."""
        return {"lr": hyperparameters["learning_rate"]}

    def update(
        self,
        variable: tf.Variable,
        slots: Sequence[tf.Variable],
        gradient: Gradient,
        scalars: Scalars,
    ) -> tf.Operation:
        """Touches only the rows of a gradient by rows."""
        lr = scalars["lr"]
        if isinstance(gradient, tf.IndexedSlices):
            return v1.scatter_sub(
                variable, gradient.indices, lr * gradient.values, use_locking=True
            ).op
        return fused("ApplyGradientDescent", variable, alpha=lr, delta=gradient)


@dataclasses.dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad: accumulator += g²; variable -= lr g / (√accumulator + epsilon).

    Args:
        learning_rate: lr.
        initial_accumulator_value: of every element of the accumulator.
        epsilon: keeps the division from zero.

    Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", JMLR 12, 2011.
    """

    name: ClassVar[str] = "Adagrad"
    slots: ClassVar[tuple[str, ...]] = ("accumulator",)

    learning_rate: float = 0.001
    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    def scalars(self, hyperparameters: Scalars, iterations: tf.Tensor) -> dict[str, tf.Tensor]:
        """The learning rate, and epsilon in the same dtype."""
        lr = hyperparameters["learning_rate"]
        return {"lr": lr, "epsilon": tf.constant(self.epsilon, lr.dtype)}

    def update(
        self,
        variable: tf.Variable,
        slots: Sequence[tf.Variable],
        gradient: Gradient,
        scalars: Scalars,
    ) -> tf.Operation:
        """Touches only the rows of a gradient by rows."""
        (accumulator,) = slots
        if isinstance(gradient, tf.IndexedSlices):
            return fused(
                "SparseApplyAdagradV2",
                variable,
                accum=accumulator,
                grad=gradient.values,
                indices=gradient.indices,
                **scalars,
            )
        return fused("ApplyAdagradV2", variable, accum=accumulator, grad=gradient, **scalars)


@dataclasses.dataclass(frozen=True)
class Adam(Optimizer):
    """Adam with corrected moments; t counts from 1.

    m = beta_1 m + (1 - beta_1) g; v = beta_2 v + (1 - beta_2) g²;
    variable -= lr √(1 - beta_2^t) / (1 - beta_1^t) · m / (√v + epsilon).

    A gradient by rows counts as zero in the other rows: their moments decay and they go on moving.

    Args:
        learning_rate: lr.
        beta_1: the decay of the first moment.
        beta_2: the decay of the second moment.
        epsilon: keeps the division from zero. Added after the root and before the correction, so it
            is the "epsilon hat" of the paper.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014, the end of section 2.
    """

    name: ClassVar[str] = "Adam"
    hyperparameters: ClassVar[tuple[str, ...]] = ("learning_rate", "decay", "beta_1", "beta_2")
    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def scalars(self, hyperparameters: Scalars, iterations: tf.Tensor) -> dict[str, tf.Tensor]:
        """The rates, as ResourceApplyAdam calls them."""
        lr, beta1, beta2 = (hyperparameters[one] for one in ("learning_rate", "beta_1", "beta_2"))
        t = iterations + 1
        return {
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "beta1_power": beta1**t,
            "beta2_power": beta2**t,
            "epsilon": tf.constant(self.epsilon, lr.dtype),
        }

    def update(
        self,
        variable: tf.Variable,
        slots: Sequence[tf.Variable],
        gradient: Gradient,
        scalars: Scalars,
    ) -> tf.Operation:
        """Touches all rows, whatever the gradient."""
        m, v = slots
        if not isinstance(gradient, tf.IndexedSlices):
            return fused("ApplyAdam", variable, m=m, v=v, grad=gradient, **scalars)
        values, indices = gradient.values, gradient.indices
        beta1, beta2 = scalars["beta1"], scalars["beta2"]
        decayed = [
            _decay(m, beta1, 1 - beta1, indices, values),
            _decay(v, beta2, 1 - beta2, indices, tf.square(values)),
        ]
        rate = scalars["lr"] * tf.sqrt(1 - scalars["beta2_power"]) / (1 - scalars["beta1_power"])
        with tf.control_dependencies(decayed):
            change = rate * m.read_value() / (tf.sqrt(v.read_value()) + scalars["epsilon"])
        return v1.assign_sub(variable, change, use_locking=True).op


@dataclasses.dataclass(frozen=True)
class RMSProp(Optimizer):
    """RMSProp without momentum: rms = rho rms + (1 - rho) g²; variable -= lr g / (√rms + epsilon).

    With a gradient by rows, rms decays in all rows and the variable moves in the given ones.

    Args:
        learning_rate: lr.
        rho: the decay of the mean square.
        epsilon: keeps the division from zero.

    Source: Tieleman and Hinton, "Lecture 6.5 - RMSProp", COURSERA: Neural Networks for Machine
    Learning, 2012.
    """

    # Not the spelling of the name it is asked for by, but that of its variables.
    name: ClassVar[str] = "RMSprop"
    hyperparameters: ClassVar[tuple[str, ...]] = ("learning_rate", "decay", "rho", "momentum")
    slots: ClassVar[tuple[str, ...]] = ("rms",)

    learning_rate: float = 0.001
    rho: float = 0.9
    epsilon: float = 1e-7

    def scalars(self, hyperparameters: Scalars, iterations: tf.Tensor) -> dict[str, tf.Tensor]:
        """The rates, and epsilon in the same dtype."""
        lr, rho = hyperparameters["learning_rate"], hyperparameters["rho"]
        return {
            "lr": lr,
            "rho": rho,
            "one_minus_rho": 1 - rho,
            "epsilon": tf.constant(self.epsilon, lr.dtype),
        }

    def update(
        self,
        variable: tf.Variable,
        slots: Sequence[tf.Variable],
        gradient: Gradient,
        scalars: Scalars,
    ) -> tf.Operation:
        """Moves the variable with Adagrad's operation, which has epsilon in the same place.

        TensorFlow's operation for RMSProp has it under the root.
        """
        (rms,) = slots
        move = {
            "accum": rms,
            "lr": scalars["lr"],
            "epsilon": scalars["epsilon"],
            "update_slots": False,
        }
        rest = scalars["one_minus_rho"]
        if isinstance(gradient, tf.IndexedSlices):
            values, indices = gradient.values, gradient.indices
            with tf.control_dependencies(
                [_decay(rms, scalars["rho"], rest, indices, tf.square(values))]
            ):
                return fused("SparseApplyAdagradV2", variable, grad=values, indices=indices, **move)
        decayed = v1.assign_add(rms, rest * (tf.square(gradient) - rms), use_locking=True).op
        with tf.control_dependencies([decayed]):
            return fused("ApplyAdagradV2", variable, grad=gradient, **move)


@dataclasses.dataclass(frozen=True)
class Ftrl(Optimizer):
    """Follow the regularized leader, with the power -½ for the learning rate.

    sigma = (√(accumulator + g²) - √accumulator) / lr; linear += g - sigma variable;
    accumulator += g²; variable = clip(linear, -l1, l1) - linear over √accumulator / lr + 2 l2.

    Args:
        learning_rate: lr.
        learning_rate_power: what accumulator is raised to, negated; at most 0.
        initial_accumulator_value: of every element of the accumulator.
        l1_regularization_strength: l1, at least 0.
        l2_regularization_strength: l2, at least 0.
        beta: adds beta / (2 lr) to l2.

    Source: McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013, algorithm 1.
    """

    name: ClassVar[str] = "Ftrl"
    hyperparameters: ClassVar[tuple[str, ...]] = (
        "learning_rate",
        "decay",
        "learning_rate_power",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "beta",
    )
    slots: ClassVar[tuple[str, ...]] = ("accumulator", "linear")

    learning_rate: float = 0.001
    learning_rate_power: float = -0.5
    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0
    beta: float = 0.0

    def scalars(self, hyperparameters: Scalars, iterations: tf.Tensor) -> dict[str, tf.Tensor]:
        """The rates and strengths, as ResourceApplyFtrl calls them."""
        lr = hyperparameters["learning_rate"]
        l2 = hyperparameters["l2_regularization_strength"] + hyperparameters["beta"] / (2 * lr)
        return {
            "lr": lr,
            "lr_power": hyperparameters["learning_rate_power"],
            "l1": hyperparameters["l1_regularization_strength"],
            "l2": l2,
        }

    def update(
        self,
        variable: tf.Variable,
        slots: Sequence[tf.Variable],
        gradient: Gradient,
        scalars: Scalars,
    ) -> tf.Operation:
        """Touches only the rows of a gradient by rows."""
        accumulator, linear = slots
        if isinstance(gradient, tf.IndexedSlices):
            return fused(
                "SparseApplyFtrl",
                variable,
                accum=accumulator,
                linear=linear,
                grad=gradient.values,
                indices=gradient.indices,
                **scalars,
            )
        return fused(
            "ApplyFtrl", variable, accum=accumulator, linear=linear, grad=gradient, **scalars
        )


def _decay(
    slot: tf.Variable, decay: tf.Tensor, rest: tf.Tensor, indices: tf.Tensor, values: tf.Tensor
) -> tf.Operation:
    """Makes slot = decay slot + rest values, the values being zero in rows without an index."""
    shrunk = v1.assign(slot, decay * slot, use_locking=True)
    with tf.control_dependencies([shrunk.op]):
        return v1.scatter_add(slot, indices, rest * values, use_locking=True).op
