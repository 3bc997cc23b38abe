"""TrainSpec: what `train_and_evaluate` trains on, how far, and who watches."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks

v1 = tf.compat.v1


class _Fields(NamedTuple):
    input_fn: Any
    max_steps: Any
    hooks: Any
    saving_listeners: Any


class TrainSpec(_Fields):
    """The training half of `train_and_evaluate`, checked when it is made. It is a named tuple.

    Args:
        input_fn: gives the batches to train on, as for `Estimator.train`. Called once; training
            ends when its data do.
        max_steps: the global step to train up to, a positive integer; None for as many as the input
            has. An evaluation counts as the final one, and exports as the final export, only when
            it reaches max_steps.
        hooks: SessionRunHooks that run inside the training loop.
        saving_listeners: CheckpointSaverListeners, told before and after each save by whoever saves
            the checkpoints: the chief, or the only process.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: max_steps is not positive.

    Example:
        >>> spec = TrainSpec(lambda: tf.data.Dataset.range(5), max_steps=1000)
        >>> spec.max_steps, spec.hooks
        (1000, ())
    """

    # No __slots__: the spec always took further attributes, and programs may rely on it.

    def __new__(  # noqa: D102 - documented by the class
        cls,
        input_fn: Callable[..., Any],
        max_steps: int | None = None,
        hooks: Iterable[Any] | None = None,
        saving_listeners: Iterable[Any] | None = None,
    ) -> "TrainSpec":
        listener = v1.train.CheckpointSaverListener
        # The order of these lines decides which of several errors is raised.
        return super().__new__(
            cls,
            input_fn=_checks.callable_("input_fn", input_fn),
            max_steps=_checks.positive_or_none("max_steps", max_steps),
            hooks=_checks.hooks("hooks", hooks),
            saving_listeners=_checks.instances("saving_listeners", saving_listeners, listener),
        )

    def _replace(self, **fields: Any) -> "TrainSpec":
        """A copy with some fields changed, checked as by the constructor."""
        return type(self)._make(TrainSpec(*super()._replace(**fields)))

    # What `copy.replace` calls, from Python 3.13 on.
    __replace__ = _replace
