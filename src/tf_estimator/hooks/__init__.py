"""Session hooks that TensorFlow does not have itself."""

from tf_estimator.hooks.progress import ProgressHook

__all__ = ["ProgressHook"]
