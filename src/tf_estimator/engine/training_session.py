"""The session of a training: who makes it, and that in a cluster nobody waits without end."""

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from tf_estimator.cluster import exit_code, multi_worker
from tf_estimator.cluster.job_end import StopWithJob
from tf_estimator.cluster.knock import knocker
from tf_estimator.cluster.peers import all_peers, parameter_servers
from tf_estimator.cluster.waiting import UnreachableError
from tf_estimator.cluster.watch import Watch, watching
from tf_estimator.config import RunConfig
from tf_estimator.engine import input_state
from tf_estimator.engine.cluster_sessions import ChiefSessionCreator, WorkerSessionCreator
from tf_estimator.engine.gang.sessions import GangSessionCreator, OutOfStepError
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.partial_restore import RestoringSessionCreator


def session_creator(built: BuiltGraph, config: RunConfig) -> tf.compat.v1.train.SessionCreator:
    """What makes the session of a task that trains, by its role.

    Args:
        built: a graph built in mode TRAIN, the default one.
        config: tells the cluster, and model_dir to restore from.
    """
    if built.votes is not None:
        config = config.replace(session_config=multi_worker.session_config(config))
    elif not config.is_chief:
        return WorkerSessionCreator(built, config)
    restoring = RestoringSessionCreator(
        built, config, config.master, folder=config.model_dir, may_lack=[input_state.NAME]
    )
    if built.votes is not None:
        return GangSessionCreator(built.votes, config, restoring)
    return ChiefSessionCreator(built, config, restoring) if config.num_ps_replicas else restoring


@contextlib.contextmanager
def watched(
    config: RunConfig,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    run_hooks: list[tf.compat.v1.train.SessionRunHook],
    creator: tf.compat.v1.train.SessionCreator,
) -> Iterator[Watch | None]:
    """A context for the session of a task that needs others, in which it does not hang for them.

    Args:
        config: tells the cluster.
        hooks: as they were given.
        run_hooks: those of the session; gets one more.
        creator: of the session.
    """
    cluster = config.tf_config
    # Workers without parameter servers take their steps together.
    peers = parameter_servers(cluster) or all_peers(cluster)
    if not config.master or cluster.environment == "google" or not peers:
        yield None
        return
    job_ends = [hook.job_end.why for hook in hooks if isinstance(hook, StopWithJob)]
    why_done = job_ends[0] if job_ends else lambda: None
    knock = knocker(config) if config.num_ps_replicas else lambda peer: None
    with watching(peers, cluster.timeout_secs, why_done, knock) as watch:
        run_hooks.insert(1, watch.hook)
        if isinstance(creator, GangSessionCreator):
            creator.waits = watch.hook.waits
        try:
            yield watch
        except UnreachableError as error:
            exit_code.if_uncaught(error)  # As the watch would exit, had it been first.
            raise


@contextlib.contextmanager
def failure_told(creator: tf.compat.v1.train.SessionCreator) -> Iterator[None]:
    """A context in which the workers that take their steps with this one hear of an error.

    Args:
        creator: of the session.
    """
    try:
        yield
    except (OutOfStepError, UnreachableError):
        raise  # They know.
    except BaseException:
        if isinstance(creator, GangSessionCreator):
            creator.tell_failure()
        raise
