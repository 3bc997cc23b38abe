"""Sessions for evaluation, prediction and export: restored from one given checkpoint."""

import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.partial_restore import RestoringSessionCreator
from tf_estimator.engine.stateful import ancestors


def check_checkpoint(
    built: BuiltGraph, checkpoint_path: str, *, ignore_missing: bool = False
) -> checkpoint.RestoreReport | None:
    """Raises unless `checkpoint_path` is whole and fits the graph, which is the default one now.

    Returns:
        What a restore will give; None where a Saver of model_fn's decides that.

    Raises:
        ValueError: there is no such checkpoint.
        tf.errors.DataLossError: it is damaged.
        tf.errors.NotFoundError: it lacks variables of the graph, and `ignore_missing` is not set.
        tf.errors.InvalidArgumentError: a shape or a type differs.
    """
    checkpoint.check_whole("checkpoint_path", checkpoint_path)
    if built.has_own_saver:
        return None
    return checkpoint.check_restorable(
        built.variables, checkpoint_path, ignore_missing=ignore_missing
    )


def restoring_session_creator(
    built: BuiltGraph, checkpoint_path: str | None, config: RunConfig, master: str
) -> tf.compat.v1.train.SessionCreator:
    """A creator of sessions that start from `checkpoint_path`, or if None from initial values."""
    if checkpoint_path is not None:
        check_checkpoint(built, checkpoint_path, ignore_missing=config.ignore_missing)
    return RestoringSessionCreator(built, config, master, checkpoint_path=checkpoint_path)


def require_given_weights(built: BuiltGraph, model_dir: str) -> None:
    """Raises unless a graph without a checkpoint gets weights that someone chose.

    It does where the scaffold initializes, where there are no variables, and where model_fn points
    a variable's initial value at another checkpoint (`tf.compat.v1.train.init_from_checkpoint`).

    Raises:
        ValueError: the weights would be those that training starts from.
    """
    variables = [v for v in built.variables if v is not built.global_step]
    if built.initializes or not variables or any(_is_read_from_disk(each) for each in variables):
        return
    raise ValueError(
        f"There must be a checkpoint to predict from; model_dir {model_dir} has none, and the "
        "model would answer with its initial weights. Train first, or give checkpoint_path or "
        "warm_start_from."
    )


def _is_read_from_disk(variable: tf.Variable) -> bool:
    # Which is a tensor where init_from_checkpoint has given a variable without resource another.
    made_by = ancestors([variable.initializer])
    return any(op.type in ("Restore", "RestoreV2", "RestoreSlice") for op in made_by)
