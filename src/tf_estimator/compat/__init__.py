"""Surfaces of earlier TensorFlow versions."""
