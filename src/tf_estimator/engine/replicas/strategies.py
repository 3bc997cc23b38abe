"""Which strategy of the RunConfig a mode runs under, and which there may be."""

import re
from typing import Any, Final

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1
from tf_estimator.cluster import multi_worker
from tf_estimator.config import RunConfig, default_session_config
from tf_estimator.spec import ModeKeys

# The option of RunConfig for each mode that has one. The others run on one device.
_OPTIONS: Final = {ModeKeys.TRAIN: "train_distribute", ModeKeys.EVAL: "eval_distribute"}

_MIRRORED: Final = (tf.distribute.MirroredStrategy, v1.distribute.MirroredStrategy)
_ONE_DEVICE: Final = (tf.distribute.OneDeviceStrategy, v1.distribute.OneDeviceStrategy)
_CENTRAL: Final = (
    tf.distribute.experimental.CentralStorageStrategy,
    v1.distribute.experimental.CentralStorageStrategy,
)
_PARAMETER_SERVERS: Final = (
    tf.distribute.ParameterServerStrategy,
    tf.distribute.experimental.ParameterServerStrategy,
    v1.distribute.experimental.ParameterServerStrategy,
)


def strategy_of(mode: str, config: RunConfig) -> Any:
    """The strategy that a mode runs under; None for one device.

    Args:
        mode: one of ModeKeys.
        config: has the strategies.

    Returns:
        A tf.distribute.Strategy or None.

    Raises:
        NotImplementedError: the strategy is of a kind that cannot be followed.
        ValueError: it does not fit the cluster.
    """
    option = _OPTIONS.get(mode)
    strategy = getattr(config, option) if option is not None else None
    if strategy is None or type(strategy) is type(_default_strategy()):
        return None
    if mode == ModeKeys.TRAIN and multi_worker.is_multi_worker(strategy):
        return multi_worker.fitting(config)
    if not isinstance(strategy, (*_MIRRORED, *_ONE_DEVICE, *_CENTRAL)):
        also = ", or for training a MultiWorkerMirroredStrategy"
        raise NotImplementedError(
            f"RunConfig.{option} must be a MirroredStrategy, OneDeviceStrategy or "
            f"CentralStorageStrategy{also}; received {_checks.shown(strategy)}. {_hint(strategy)}"
        )
    return strategy


def with_devices(mode: str, config: RunConfig) -> RunConfig:
    """The RunConfig whose sessions have as many CPUs as the strategy of a mode works on.

    A session knows nothing of the logical CPUs of the program, and has one if it is not told. All
    replicas on one device would wait for each other without end.

    Args:
        mode: one of ModeKeys.
        config: has the strategies.
    """
    strategy = strategy_of(mode, config)
    if strategy is None or len(strategy.extended.worker_devices) == 1:
        return config
    cpus = [re.search(r"cpu:(\d+)$", one.lower()) for one in strategy.extended.worker_devices]
    needed = max((int(one[1]) + 1 for one in cpus if one), default=0)
    given = config.session_config or default_session_config()
    if given.device_count.get("CPU", 1) >= needed:
        return config
    session_config = v1.ConfigProto.FromString(given.SerializeToString())
    session_config.device_count["CPU"] = needed
    return config.replace(session_config=session_config)


def is_central(strategy: Any) -> bool:
    """Whether all replicas share one copy of each variable."""
    return isinstance(strategy, _CENTRAL)


def _default_strategy() -> Any:
    """What `tf.distribute.get_strategy()` gives where no strategy is at work."""
    with tf.Graph().as_default():
        return tf.distribute.get_strategy()


def _hint(strategy: Any) -> str:
    if isinstance(strategy, _PARAMETER_SERVERS):
        return (
            "Parameter servers need no strategy: leave it out, describe the cluster in TF_CONFIG "
            "and call train_and_evaluate in each of its tasks."
        )
    if multi_worker.is_multi_worker(strategy):
        return "One task of a cluster evaluates: leave it out, or take a MirroredStrategy."
    return "Leave it out to run on one device."
