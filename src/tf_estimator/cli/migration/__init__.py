"""Reads programs of `tf.estimator` without running them: what still works, and what to write."""
