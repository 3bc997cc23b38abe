"""tf.contrib.learn: the modes, and a RunConfig with the arguments of then."""

import pytest
import tensorflow as tf

import tf_estimator as tfe
from tf_estimator.compat.contrib import learn


def test_modes():
    modes = learn.ModeKeys
    assert (modes.TRAIN, modes.EVAL, modes.INFER) == ("train", "eval", "infer")
    assert modes.INFER == tfe.ModeKeys.PREDICT


def test_a_run_config_is_one_of_ours(tmp_path):
    config = learn.RunConfig(None, 0, False, 1, 5, 20, model_dir=str(tmp_path))
    assert isinstance(config, tfe.RunConfig)
    assert (config.tf_random_seed, config.save_summary_steps) == (5, 20)
    assert (config.save_checkpoints_secs, config.save_checkpoints_steps) == (600, None)
    assert config.session_config == tfe.RunConfig().session_config
    changed = config.replace(save_checkpoints_steps=3)
    assert type(changed) is learn.RunConfig
    assert (changed.save_checkpoints_secs, changed.save_checkpoints_steps) == (None, 3)


def test_saving_by_steps():
    config = learn.RunConfig(save_checkpoints_steps=7)
    assert (config.save_checkpoints_secs, config.save_checkpoints_steps) == (None, 7)
    config = learn.RunConfig(save_checkpoints_secs=None)
    assert (config.save_checkpoints_secs, config.save_checkpoints_steps) == (None, None)


def test_sessions():
    config = learn.RunConfig(num_cores=2, gpu_memory_fraction=0.5, log_device_placement=True)
    found = config.session_config
    assert found.inter_op_parallelism_threads == found.intra_op_parallelism_threads == 2
    assert found.gpu_options.per_process_gpu_memory_fraction == 0.5
    assert found.log_device_placement
    given = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    assert learn.RunConfig(num_cores=2, session_config=given).session_config == given


@pytest.mark.parametrize("name", ["master", "evaluation_master"])
def test_addresses_are_for_the_environment(name):
    with pytest.raises(ValueError, match=f"{name} must be empty"):
        learn.RunConfig(**{name: "grpc://there"})
