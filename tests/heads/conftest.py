"""Runs a head as an Estimator would: a graph for each mode, fed batch by batch."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.spec import ModeKeys

v1 = tf.compat.v1


def _placeholder(value: Any, known: bool) -> Any:
    """What `value` can be fed to; `known` says whether its shape but for the batch is."""
    if isinstance(value, dict):
        return {key: _placeholder(one, known) for key, one in value.items()}
    if isinstance(value, v1.SparseTensorValue):
        return v1.sparse_placeholder(tf.as_dtype(np.asarray(value.values).dtype))
    value = np.asarray(value)
    dtype = tf.string if value.dtype.kind in "OUS" else value.dtype
    return v1.placeholder(dtype, [None, *value.shape[1:]] if known else None)


def _feeds(placeholder: Any, value: Any) -> dict[Any, Any]:
    if isinstance(placeholder, dict):
        return {
            k: v for key in placeholder for k, v in _feeds(placeholder[key], value[key]).items()
        }
    return {placeholder: value}


@pytest.fixture
def run() -> Callable[..., SimpleNamespace]:
    """Makes the spec of a mode, runs it on batches, and says what came of it."""

    def run(
        head: Any,
        mode: str,
        *batches: tuple[Any, Any, Any],
        known: bool = True,
        **arguments: Any,
    ) -> SimpleNamespace:
        """Args: head, mode, batches of (features, labels, logits), and those of the spec."""
        with tf.Graph().as_default() as graph, v1.Session() as session:
            step = v1.train.create_global_step()
            shift = v1.get_variable("shift", [], initializer=v1.zeros_initializer())
            inputs = [_placeholder(one, known) for one in batches[0]]
            features, labels, logits = inputs
            logits = tf.nest.map_structure(lambda one: one + shift, logits)
            if mode == ModeKeys.PREDICT:
                labels = None
            if mode == ModeKeys.TRAIN and not arguments:
                arguments["optimizer"] = v1.train.GradientDescentOptimizer(0.1)
            spec = head.create_estimator_spec(features, mode, logits, labels, **arguments)
            summary = v1.summary.merge_all()
            session.run(v1.global_variables_initializer())
            session.run([v1.local_variables_initializer(), v1.tables_initializer()])
            found = SimpleNamespace(spec=spec, graph=graph, losses=[], summaries={})
            for batch in batches:
                feed = {}
                for placeholder, value in zip(inputs, batch, strict=True):
                    feed.update(_feeds(placeholder, value))
                if mode == ModeKeys.PREDICT:
                    found.predictions = session.run(spec.predictions, feed)
                    continue
                ops = [update for _, update in spec.eval_metric_ops.values()]
                ops.append(spec.train_op if mode == ModeKeys.TRAIN else [])
                loss, _, text = session.run(
                    [spec.loss, ops, [] if summary is None else summary], feed
                )
                found.losses.append(float(loss))
                if summary is not None:
                    values = v1.Summary.FromString(text).value
                    found.summaries = {one.tag: one.simple_value for one in values}
            values = {key: value for key, (value, _) in spec.eval_metric_ops.items()}
            found.metrics = {key: float(one) for key, one in session.run(values).items()}
            found.shift, found.step = session.run([shift, step])
        return found

    return run
