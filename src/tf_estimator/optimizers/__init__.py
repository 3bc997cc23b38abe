"""Any optimizer a user may give, and the one operation that takes a training step with it."""

from tf_estimator.optimizers.choice import get
from tf_estimator.optimizers.minimization import apply_gradients, minimize
from tf_estimator.optimizers.optimizer import Optimizer
from tf_estimator.optimizers.rules import SGD, Adagrad, Adam, Ftrl, RMSProp

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "Ftrl",
    "Optimizer",
    "RMSProp",
    "apply_gradients",
    "get",
    "minimize",
]
