"""Where a model's first weights come from when its own model_dir has none."""

import collections
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger, v1
from tf_estimator.checkpoint.find import check_path, exists, latest_whole

VocabInfo = v1.train.VocabInfo


class WarmStartSettings(
    collections.namedtuple(
        "WarmStartSettings",
        [
            "ckpt_to_initialize_from",
            "vars_to_warm_start",
            "var_name_to_vocab_info",
            "var_name_to_prev_var_name",
        ],
    )
):
    """What to warm-start from, and which variables.

    Args:
        ckpt_to_initialize_from: a checkpoint, a model_dir whose newest checkpoint is taken, or a
            SavedModel.
        vars_to_warm_start: a regular expression for names of trainable variables (default: all of
            them), a list of regular expressions for names of all variables, a list of variables, or
            None for only those in `var_name_to_vocab_info`.
        var_name_to_vocab_info: variable name to VocabInfo, for variables whose rows follow a
            vocabulary that has changed.
        var_name_to_prev_var_name: variable name to its name in the checkpoint, where they differ.

    Raises:
        ValueError: `ckpt_to_initialize_from` is empty.

    Example:
        >>> WarmStartSettings("/tmp/old_model", vars_to_warm_start=".*dense.*").vars_to_warm_start
        '.*dense.*'
    """

    __slots__ = ()

    def __new__(
        cls,
        ckpt_to_initialize_from: str | bytes | os.PathLike[str],
        vars_to_warm_start: str | Sequence[str] | Sequence[tf.Variable] | None = ".*",
        var_name_to_vocab_info: Mapping[str, Any] | None = None,
        var_name_to_prev_var_name: Mapping[str, str] | None = None,
    ) -> "WarmStartSettings":
        """Checks the arguments and copies the dicts."""
        if not ckpt_to_initialize_from:
            raise _checks.wrong_value(
                "ckpt_to_initialize_from",
                "must name a checkpoint, a model_dir or a SavedModel",
                ckpt_to_initialize_from,
            )
        return super().__new__(
            cls,
            ckpt_to_initialize_from,
            vars_to_warm_start,
            dict(var_name_to_vocab_info or {}),
            dict(var_name_to_prev_var_name or {}),
        )


def warm_start_settings(given: Any) -> WarmStartSettings | None:
    """The settings meant by what a user gave as `warm_start_from`.

    Args:
        given: None, WarmStartSettings, or a path (str, bytes, os.PathLike) of a model_dir, a
            checkpoint or a SavedModel.

    Returns:
        WarmStartSettings, or None for None.

    Raises:
        ValueError: it is something else.
    """
    if given is None or isinstance(given, WarmStartSettings):
        return given
    if not isinstance(given, str | bytes | os.PathLike):
        raise _checks.wrong_type(
            "warm_start_from", "must be a path or WarmStartSettings", given, was=ValueError
        )
    return WarmStartSettings(os.fsdecode(given))


def warm_start(settings: WarmStartSettings) -> None:
    """Makes the variables of the default graph start from `settings`; never the global step.

    Args:
        settings: where from, and which.

    Raises:
        ValueError: there is no checkpoint where the settings point.
    """
    source = warm_start_checkpoint(settings)
    logger.info("Warm-starting from %s", source)
    step = v1.train.get_global_step()
    variables = v1.get_collection_ref(v1.GraphKeys.GLOBAL_VARIABLES)
    everything = list(variables)
    # TensorFlow matches patterns against this collection; a warm start is a new run, from step 0.
    variables[:] = [variable for variable in everything if variable is not step]
    try:
        v1.train.warm_start(source, *settings[1:])
    finally:
        variables[:] = everything


def warm_start_checkpoint(settings: WarmStartSettings) -> str:
    """The checkpoint that `settings` point to.

    Raises:
        ValueError: there is none.
    """
    path = os.fsdecode(settings.ckpt_to_initialize_from)
    check_path("warm_start_from", path)
    # A SavedModel keeps its weights as a checkpoint of this name.
    weights = os.path.join(path, "variables", "variables")
    found: str | None = path
    if exists(weights):
        found = weights
    elif tf.io.gfile.isdir(path):
        found = latest_whole(path)
    if found is None or not exists(found):
        raise _checks.wrong_value(
            "warm_start_from",
            "must point to a checkpoint, a model_dir that has one, or a SavedModel",
            path,
        )
    return found
