"""Replicas of a model under a tf.distribute.Strategy, built into one graph as BuiltGraph has it."""

from tf_estimator.engine.replicas.building import build
from tf_estimator.engine.replicas.strategies import strategy_of, with_devices

__all__ = ["build", "strategy_of", "with_devices"]
