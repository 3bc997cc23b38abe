"""The engine: input, graph, session and loop are separate, with one BuiltGraph between them."""

from tf_estimator.engine.evaluate import evaluator
from tf_estimator.engine.export import Weights, check_receiver_fns, export
from tf_estimator.engine.graph import BuiltGraph, build
from tf_estimator.engine.input_state import warn_that_input_starts_over
from tf_estimator.engine.inputs import GraphInput, check_input_fn
from tf_estimator.engine.inputs import call as call_input
from tf_estimator.engine.inputs import read as read_input
from tf_estimator.engine.keep.by_value import CalledInput, called
from tf_estimator.engine.keep.keeper import Keeper
from tf_estimator.engine.model import Model
from tf_estimator.engine.predict import chosen_predictions, predict
from tf_estimator.engine.replicas import build as build_replicas
from tf_estimator.engine.replicas import strategy_of, with_devices
from tf_estimator.engine.restore import require_given_weights
from tf_estimator.engine.train import train

__all__ = [
    "BuiltGraph",
    "CalledInput",
    "GraphInput",
    "Keeper",
    "Model",
    "Weights",
    "build",
    "build_replicas",
    "call_input",
    "called",
    "check_input_fn",
    "check_receiver_fns",
    "chosen_predictions",
    "evaluator",
    "export",
    "predict",
    "read_input",
    "require_given_weights",
    "strategy_of",
    "train",
    "warn_that_input_starts_over",
    "with_devices",
]
