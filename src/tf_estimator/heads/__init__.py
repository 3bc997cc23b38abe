"""Heads: what a model does with its logits."""

from tf_estimator.heads.base import Head
from tf_estimator.heads.binary_class import BinaryClassHead
from tf_estimator.heads.multi_class import MultiClassHead
from tf_estimator.heads.multi_head import MultiHead
from tf_estimator.heads.multi_label import MultiLabelHead
from tf_estimator.heads.regression import (
    LogisticRegressionHead,
    PoissonRegressionHead,
    RegressionHead,
)
from tf_estimator.heads.sequential import SequentialHead

__all__ = [
    "BinaryClassHead",
    "Head",
    "LogisticRegressionHead",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "PoissonRegressionHead",
    "RegressionHead",
    "SequentialHead",
]
