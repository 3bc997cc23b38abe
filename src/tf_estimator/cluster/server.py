"""The TensorFlow server of a task, through which the other tasks of the cluster reach it."""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Final

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import logger
from tf_estimator.cluster import multi_worker
from tf_estimator.cluster.away import in_words
from tf_estimator.cluster.peers import Peer
from tf_estimator.cluster.probe import Answer, probe
from tf_estimator.cluster.waiting import UnreachableError, ask, wait_for
from tf_estimator.config import RunConfig, default_session_config

# How long the port of this task may be taken, in seconds, and how often it is tried: a process that
# was there before, and was told to end, may not be gone yet.
_TAKEN_SECS: Final = 3.0
_TRY_EVERY_SECS: Final = 0.1

# By role, index and cluster. A server can neither be stopped nor be started a second time, and
# those who hold sessions on it need not know it: so it is kept as long as the process lives.
_servers: Final[dict[tuple[str, int, str], tf.distribute.Server]] = {}


def start_server(config: RunConfig) -> tf.distribute.Server | None:
    """Starts the server of this task, unless it runs already, or the task needs none.

    None is needed in a cluster of one task, which has no master, where the environment in TF_CONFIG
    is "google": there somebody else starts it, and where a strategy has started it.

    It listens on all network interfaces of the machine, whatever address the cluster names, and
    takes orders from anybody: a cluster belongs into a private network.

    Args:
        config: tells the cluster and the task, the protocol and the devices.

    Returns:
        The server, or None.

    Raises:
        OSError: its port is taken.
        RuntimeError: it does not start for another reason.
    """
    if not config.master or config.tf_config.environment == "google":
        return None
    if multi_worker.has_own_server(config):
        multi_worker.explain_own_server()
        return None
    address, key = _address(config), _key(config)
    if key not in _servers:
        wait_for_port(address)
        _servers[key] = _started(config, address)
        logger.info(
            "The server of %s %d listens at %s. It listens on all network interfaces, and takes "
            "orders from anybody: keep it in a private network.",
            config.task_type,
            config.task_id,
            address,
        )
    return _servers[key]


def check_server(config: RunConfig) -> None:
    """Raises unless sessions can reach the server of this task, which they need as any other does.

    Args:
        config: tells the cluster and the task.

    Raises:
        RuntimeError: nothing listens at the task's address, and this process has started no server.
        UnreachableError: the task's address does not lead to its server.
    """
    if not config.cluster_spec or config.master != f"grpc://{_address(config)}":
        return
    own = Peer(config.task_type, config.task_id, _address(config))
    if _key(config) not in _servers and probe(own.address) is Answer.REFUSED:
        raise RuntimeError(
            f"The server of {own.job} {own.index} does not run: nothing listens at "
            f"{own.address}. Call train_and_evaluate, which starts it; or start a "
            "tf.distribute.Server before Estimator.train, or take TF_CONFIG away to train in one "
            "process."
        )
    timeout_secs = config.tf_config.timeout_secs
    try:
        wait_for([own], timeout_secs)
    except UnreachableError:
        raise UnreachableError(
            f"The address of this task in TF_CONFIG does not lead to it: {in_words(ask([own]))}, "
            f"and has done so for {timeout_secs:g} s. The other tasks, and TensorFlow in this one, "
            "reach the task by that address: name this machine there, in all tasks the same."
        ) from None


def _address(config: RunConfig) -> str:
    return config.cluster_spec.task_address(config.task_type, config.task_id)


def _key(config: RunConfig) -> tuple[str, int, str]:
    return config.task_type, config.task_id, repr(config.cluster_spec.as_dict())


def _started(config: RunConfig, address: str) -> tf.distribute.Server:
    try:
        return tf.distribute.Server(
            config.cluster_spec,
            job_name=config.task_type,
            task_index=config.task_id,
            protocol=config.protocol or "grpc",
            config=_session_config(config),
        )
    except tf.errors.OpError as error:
        raise RuntimeError(
            f"The server of {config.task_type} {config.task_id} could not start at {address}: "
            f"{error.message}"
        ) from error


def _session_config(config: RunConfig) -> tf.compat.v1.ConfigProto:
    if not multi_worker.joins_workers(config):
        return config.session_config or default_session_config()
    adapted = multi_worker.session_config(config)
    del adapted.device_filters[:]  # The server talks to the others.
    return adapted


def wait_for_port(
    address: str,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Waits some seconds until nothing listens at a port: two servers of gRPC would share it.

    Args:
        address: "host:port" of this machine.
        clock: tells the time in seconds, and never goes back.
        sleep: waits a number of seconds.

    Raises:
        OSError: the port is still taken.
    """
    port = int(address.rpartition(":")[2])
    give_up, is_said = clock() + _TAKEN_SECS, False
    while (error := _error_of_port(port)) is not None:
        if clock() >= give_up:
            raise _port_is_taken(address, error) from error
        if not is_said:
            is_said = True
            logger.warning(
                "The port of this task's address %s is taken (%s). It is tried again for %g s: a "
                "process that was there before may be about to end.",
                address,
                error.strerror,
                _TAKEN_SECS,
            )
        sleep(_TRY_EVERY_SECS)


def _error_of_port(port: int) -> OSError | None:
    """Why a server could not listen at a port; None if it could."""
    for family, everywhere in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
        with contextlib.ExitStack() as stack:
            try:
                probe = stack.enter_context(socket.socket(family))
            except OSError:  # The machine has no such addresses.
                continue
            # A port that a process left a moment ago is free, as it is for the server.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((everywhere, port))
            except OSError as error:
                return error
    return None


def _port_is_taken(address: str, error: OSError) -> OSError:
    subject = f"The port of this task's address {address} in TF_CONFIG"
    hint = (
        "Is a task of an earlier run still there, or does the program start a server itself, as "
        "tf.distribute.MultiWorkerMirroredStrategy() does? End that, or take another port."
    )
    message = str(_checks.wrong_value(subject, "must be free", error.strerror, hint))
    return OSError(error.errno, message)
