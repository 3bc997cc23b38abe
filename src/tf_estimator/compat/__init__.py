"""Surfaces of earlier TensorFlow versions."""

from tf_estimator.compat import v1

__all__ = ["v1"]
