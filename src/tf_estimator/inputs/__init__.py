"""Inputs for programs that have their data in memory: what `tf.compat.v1.estimator.inputs` was."""

from tf_estimator.inputs.from_numpy import numpy_input_fn
from tf_estimator.inputs.from_pandas import pandas_input_fn

__all__ = ["numpy_input_fn", "pandas_input_fn"]
