"""Which folder a model lives in."""

import copy
import os
import tempfile
from typing import Any

from tf_estimator import _checks
from tf_estimator._tf import logger
from tf_estimator.config.entries import TaskType
from tf_estimator.config.run_config import RunConfig


def with_model_dir(config: Any, model_dir: Any) -> RunConfig:
    """A copy of a config with a model_dir: the one given, else its own, else a temporary one.

    Args:
        config: a RunConfig, or None for the default one.
        model_dir: a path (str, bytes, os.PathLike); None or empty if it is not given.

    Raises:
        TypeError: config is no RunConfig, or model_dir no path.
        ValueError: both give a model_dir, and they differ; or none does, in a cluster.
    """
    if config is None:
        config = RunConfig()
    if not isinstance(config, RunConfig):
        raise _checks.wrong_type("config", "must be a RunConfig or None", config, was=ValueError)
    if not model_dir:
        if config.model_dir:
            return copy.deepcopy(config)
        _refuse_in_cluster(config)
        model_dir = tempfile.mkdtemp()
        logger.warning("No model_dir is given: using the temporary folder %s", model_dir)
    try:
        model_dir = os.fsdecode(model_dir)
    except TypeError:
        raise _checks.wrong_type("model_dir", "must be a path or None", model_dir) from None
    if config.model_dir not in (None, model_dir):
        raise _checks.wrong_value(
            "model_dir",
            f"must be config.model_dir, {config.model_dir!r}, if both are given",
            model_dir,
        )
    return config.replace(model_dir=model_dir)


def _refuse_in_cluster(config: RunConfig) -> None:
    """Raises in a task of a cluster: each would have a temporary folder of its own."""
    others = config.num_worker_replicas + config.num_ps_replicas - 1
    if others > 0 or config.task_type == TaskType.EVALUATOR:
        raise _checks.wrong_value(
            "model_dir",
            "must be given in a cluster, whose tasks meet there",
            None,
            "Give all of them the same folder, one that all of them see.",
        )
