"""The variables of a graph that stand for those of a Keras model, and their initial values."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator import _tf
from tf_estimator._tf import v1
from tf_estimator.keras import names
from tf_estimator.keras.names import Named
from tf_estimator.keras.traced import Traced

# How much is fed to a session at a time, about, in bytes.
_BYTES_AT_A_TIME: Final = 1 << 28


class Start:
    """What the variables of a Keras model were when it was first seen.

    The values are copies: training the model itself later does not change them.

    Args:
        model: a Keras model. What it has built by now is read now.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        # With the variable, so that its id is not another's.
        self._values: dict[int, tuple[tf.Variable, np.ndarray]] = {}
        self.read()

    def read(self) -> None:
        """Reads what was built since."""
        found = [*names.weights(self._model), *names.optimizer_variables(self._model)]
        for one in found:
            self.value(one.variable)

    def value(self, variable: tf.Variable) -> np.ndarray:
        """The value of a variable as it was when it was first seen."""
        known = self._values.get(id(variable))
        if known is None:
            with _tf.eagerly():
                known = self._values[id(variable)] = variable, np.array(variable.numpy())
        return known[1]


class GraphVariables:
    """Makes the variables of one graph, the default one, for those of a Keras model.

    weights, slots, counters, states of seeds:  global variables, under the names of `names`
    learning rates and the like:                local variables, so that those of the model hold,
                                                whatever a checkpoint says
    metrics:                                    local variables

    Args:
        model: the Keras model.
        start: its values.
        traced: the functions that will use the variables.
        device: of the local variables; None for no other than the rest has.
    """

    def __init__(
        self, model: Any, start: Start, traced: Iterable[Traced], device: str | None
    ) -> None:
        self._start = start
        self._device = device
        self._made: dict[int, tf.Variable] = {}
        self._fed: list[tuple[tf.Variable, tf.Variable]] = []
        traced = list(traced)
        written = {id(one) for each in traced for one in each.written}
        self._metrics = _values_of_reset_metrics(model)
        self._weights = {id(one.variable): one for one in names.weights(model)}
        self._of_optimizer = {id(one.variable): one for one in names.optimizer_variables(model)}
        self._told = {key for key in self._of_optimizer if key not in written}
        others = [one for each in traced for one in each.variables]
        self._others = _others(others, {*self._weights, *self._of_optimizer, *self._metrics})

    def all(self) -> None:
        """Makes all that belongs into a checkpoint, also what this graph does not use."""
        for one in self._weights.values():
            self.of(one.variable)
        for key, one in self._of_optimizer.items():
            if key not in self._told:
                self.of(one.variable)

    def of(self, variable: tf.Variable) -> tf.Variable:
        """The variable of the graph for one of the model."""
        made = self._made.get(id(variable))
        if made is None:
            made = self._made[id(variable)] = self._make(variable)
        return made

    def _make(self, variable: tf.Variable) -> tf.Variable:
        key = id(variable)
        if key in self._metrics:
            value = self._metrics[key]
            with v1.name_scope(None), tf.device(self._device):
                return _local(f"metrics/{variable.name.partition(':')[0]}", value, metric=True)
        if key in self._told:
            value = self._start.value(variable)
            with v1.name_scope(None), tf.device(self._device):
                return _local(self._of_optimizer[key].name, value)
        named = self._weights.get(key) or self._of_optimizer.get(key) or self._others[key]
        made = v1.get_variable(
            named.name,
            shape=self._start.value(variable).shape,
            dtype=variable.dtype.base_dtype,
            # The session's first values are fed: in the graph they could be too large for it.
            initializer=v1.zeros_initializer(),
            trainable=named.trainable,
            use_resource=True,
        )
        self._fed.append((made, variable))
        return made

    def scaffold(self) -> tf.compat.v1.train.Scaffold:
        """A Scaffold that gives the variables of a new session the values of the model."""
        fed, start = self._fed, self._start

        def load(scaffold: Any, session: tf.compat.v1.Session) -> None:
            del scaffold
            feed: dict[tf.Tensor, np.ndarray] = {}
            ops: list[tf.Operation] = []
            for made, variable in fed:
                ops.append(made.initializer)
                feed[made.initializer.inputs[1]] = start.value(variable)
                if sum(value.nbytes for value in feed.values()) > _BYTES_AT_A_TIME:
                    session.run(ops, feed)
                    ops, feed = [], {}
            session.run(ops, feed)

        return v1.train.Scaffold(init_fn=load)


def local_variable(name: str, shape: Any, dtype: tf.DType) -> tf.Variable:
    """A local variable that starts at zero; a dimension that is not known starts at 0 as well."""
    known = [size or 0 for size in shape] if shape.rank is not None else []
    return v1.Variable(
        lambda: tf.zeros(known, dtype),
        trainable=False,
        collections=[v1.GraphKeys.LOCAL_VARIABLES],
        name=name,
        use_resource=True,
        shape=shape,
        validate_shape=False,
    )


def _local(name: str, value: np.ndarray, *, metric: bool = False) -> tf.Variable:
    keys = v1.GraphKeys
    collections = [keys.LOCAL_VARIABLES, *([keys.METRIC_VARIABLES] if metric else [])]
    if np.any(value != 0):
        initial = lambda: tf.constant(value)  # noqa: E731  # no part of an enclosing control flow
    else:
        initial = lambda: tf.zeros(value.shape, value.dtype)  # noqa: E731
    return v1.Variable(
        initial, trainable=False, collections=collections, name=name, use_resource=True
    )


def _others(variables: Iterable[tf.Variable], known: set[int]) -> dict[int, Named]:
    """Variables that the model uses and does not list."""
    distinct = {id(one): one for one in variables if id(one) not in known}
    unique = names.unique(f"other/{one.name.partition(':')[0]}" for one in distinct.values())
    return {
        key: Named(name, one) for name, (key, one) in zip(unique, distinct.items(), strict=True)
    }


def _values_of_reset_metrics(model: Any) -> dict[int, np.ndarray]:
    """What the variables of the model's metrics are when an evaluation begins."""
    with _tf.eagerly():
        variables = names.metric_variables(model)
        before = [np.array(one.numpy()) for one in variables]
        try:
            model.reset_metrics()
            return {id(one): np.array(one.numpy()) for one in variables}
        finally:
            for one, value in zip(variables, before, strict=True):
                one.assign(value)
