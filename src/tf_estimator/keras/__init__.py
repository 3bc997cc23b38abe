"""Keras 3 and tf_keras at home in a model_fn, and Keras models as Estimators.

Nothing here imports Keras before an object of it is met.
"""

from tf_estimator.keras.model_to_estimator import model_to_estimator
from tf_estimator.keras.optimizers import apply_gradients, minimize
from tf_estimator.keras.v1_layers import enable_v1_layers
from tf_estimator.keras.weights import load_weights

__all__ = [
    "apply_gradients",
    "enable_v1_layers",
    "load_weights",
    "minimize",
    "model_to_estimator",
]
