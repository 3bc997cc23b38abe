"""Knock: finds out whether the connections to a server that was away are still good.

When a machine loses power it closes no connection. Started again it answers everybody who asks
anew, while an old connection, on which TensorFlow only waits, stays as it is: a step that was under
way would never end. As soon as anything is sent on it the machine refuses it, and TensorFlow gives
all who wait on it the error that they recover from. So something is sent.
"""

import threading
from collections.abc import Callable

import tensorflow as tf

from tf_estimator._tf import logger, v1
from tf_estimator.cluster.peers import Peer
from tf_estimator.config import RunConfig


def knocker(config: RunConfig) -> Callable[[Peer], None]:
    """What knocks at a peer; it returns at once, and at most one knock at a peer is under way.

    Args:
        config: tells the task that knocks, whose server runs.
    """
    under_way: set[Peer] = set()

    def knock(peer: Peer) -> None:
        if peer in under_way:
            return
        under_way.add(peer)
        # It may take as long as the peer is away again.
        threading.Thread(target=send, args=[peer], name=f"knock at {peer}", daemon=True).start()

    def send(peer: Peer) -> None:
        try:
            _run_something(config, peer)
        except (tf.errors.OpError, RuntimeError) as error:
            logger.debug("The knock at %s failed: %s", peer, error)
        finally:
            under_way.discard(peer)

    return knock


def _run_something(config: RunConfig, peer: Peer) -> None:
    """Runs an operation of a peer, over the connections that the steps have."""
    there = f"/job:{peer.job}/task:{peer.index}"
    here = f"/job:{config.task_type}/task:{config.task_id}"
    only_us = v1.ConfigProto(device_filters=[here, there])
    with tf.Graph().as_default(), tf.device(there):
        anything = tf.constant(0)
        with v1.Session(config.master, config=only_us) as session:
            session.run(anything)
