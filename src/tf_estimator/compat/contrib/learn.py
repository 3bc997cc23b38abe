"""What programs with an Estimator of `tf.estimator` took from `tf.contrib.learn`."""

import os
from typing import Any

import tensorflow as tf

from tf_estimator import config
from tf_estimator._checks import wrong_value

__all__ = ["ModeKeys", "RunConfig"]

_DEFAULT_SECS = 600


class ModeKeys:
    """The modes, under the names they had: INFER is PREDICT."""

    TRAIN = "train"
    EVAL = "eval"
    INFER = "infer"


class RunConfig(config.RunConfig):
    """A RunConfig with the arguments of then, in their order.

    Args:
        master: must be None or '': TF_CONFIG has the addresses.
        num_cores: how many threads a session uses; 0 for all.
        log_device_placement: whether the devices of operations are logged.
        gpu_memory_fraction: of the memory of each GPU.
        tf_random_seed: see `tf_estimator.RunConfig`, as all that follow.
        save_summary_steps: steps between summaries.
        save_checkpoints_secs: seconds between checkpoints.
        save_checkpoints_steps: steps between checkpoints, in place of the seconds.
        keep_checkpoint_max: how many of the newest checkpoints are kept.
        keep_checkpoint_every_n_hours: one more is kept for so many hours.
        log_step_count_steps: steps between lines of the log.
        protocol: between servers.
        evaluation_master: must be ''.
        model_dir: the folder of the model.
        session_config: a ConfigProto, in place of what the arguments above say of the session.
    """

    def __init__(
        self,
        master: str | None = None,
        num_cores: int = 0,
        log_device_placement: bool = False,
        gpu_memory_fraction: float = 1,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_secs: int | None = _DEFAULT_SECS,
        save_checkpoints_steps: int | None = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float | None = 10000,
        log_step_count_steps: int | None = 100,
        protocol: str | None = None,
        evaluation_master: str = "",
        model_dir: str | os.PathLike[str] | None = None,
        session_config: Any = None,
    ) -> None:
        for name, value in (("master", master), ("evaluation_master", evaluation_master)):
            if value:
                hint = "Give it to TF_CONFIG, as session_master or eval_session_master."
                raise wrong_value(name, "must be empty", value, hint)
        is_plain = (num_cores, log_device_placement, gpu_memory_fraction) == (0, False, 1)
        if session_config is None and not is_plain:
            session_config = tf.compat.v1.ConfigProto(
                inter_op_parallelism_threads=num_cores,
                intra_op_parallelism_threads=num_cores,
                log_device_placement=log_device_placement,
                gpu_options={"per_process_gpu_memory_fraction": gpu_memory_fraction},
            )
        if save_checkpoints_steps is not None and save_checkpoints_secs == _DEFAULT_SECS:
            save_checkpoints_secs = None
        super().__init__(
            model_dir=model_dir,
            tf_random_seed=tf_random_seed,
            save_summary_steps=save_summary_steps,
            save_checkpoints_steps=save_checkpoints_steps,
            save_checkpoints_secs=save_checkpoints_secs,
            session_config=session_config,
            keep_checkpoint_max=keep_checkpoint_max,
            keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
            log_step_count_steps=log_step_count_steps,
            protocol=protocol,
        )
