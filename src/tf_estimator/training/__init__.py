"""The training lifecycle: train, evaluate at checkpoints, export, in the role of this process."""

from tf_estimator.training.lifecycle import train_and_evaluate

__all__ = ["train_and_evaluate"]
