"""From model_fn and input_fn to a graph that is ready for a session."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.checkpoint import RestoreReport
from tf_estimator.config import RunConfig
from tf_estimator.engine.inputs import GraphInput
from tf_estimator.engine.model import Model
from tf_estimator.spec import EstimatorSpec, ModeKeys


@dataclasses.dataclass(frozen=True, eq=False)
class BuiltGraph:
    """What building leaves behind: all that train, evaluate, predict and export get to see of it.

    Attributes:
        graph: the tf.Graph; enter it with `as_default()` before adding to it or running it.
        mode: the ModeKeys it was built for.
        spec: what model_fn returned.
        input_hooks: hooks that start the input in a new session.
        global_step: the step variable, int64, shape [].
        has_own_saver: whether model_fn brought a Saver, which decides what is saved, and under
            which name.
        initializes: whether model_fn brought an init_op or init_fn.
        on_restore: told of every restore: a RestoreReport, or None if a Saver of model_fn's did it
            or the names are not known.
    """

    graph: tf.Graph
    mode: str
    spec: EstimatorSpec
    input_hooks: tuple[tf.compat.v1.train.SessionRunHook, ...]
    global_step: tf.Variable
    has_own_saver: bool
    initializes: bool
    on_restore: Callable[[RestoreReport | None], None]

    @property
    def variables(self) -> list[tf.Variable]:
        """The global variables: what a default Saver saves and restores, by name."""
        return self.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES)


def build(
    model: Model,
    mode: str,
    read_input: Callable[[], GraphInput],
    config: RunConfig,
    on_restore: Callable[[RestoreReport | None], None] = lambda report: None,
) -> BuiltGraph:
    """Builds the graph of one mode.

    make a graph, seed it, make the global step
    features, labels <- read_input()
    spec <- model_fn(features, labels, mode)

    The seed and the step come first: programs count on both inside input_fn and model_fn.

    Args:
        model: the checked model_fn.
        mode: one of ModeKeys.
        read_input: makes the input in the default graph.
        config: the seed and the device function come from it, and model_fn sees it.
        on_restore: told of every restore of the graph's variables.

    Returns:
        The BuiltGraph; nothing has run yet.
    """
    graph = tf.Graph()
    with graph.as_default(), v1.device(_device_function(mode, config)):
        v1.set_random_seed(config.tf_random_seed)
        step = v1.train.get_or_create_global_step()
        features, labels, input_hooks = read_input()
        spec = model.call(features, labels, mode, config)
    savers = graph.get_collection(v1.GraphKeys.SAVERS)
    has_own_saver = bool(savers) or spec.scaffold.saver is not None
    # Asked now, for a session completes the scaffold.
    initializes = spec.scaffold.init_op is not None or spec.scaffold.init_fn is not None
    return BuiltGraph(graph, mode, spec, input_hooks, step, has_own_saver, initializes, on_restore)


def _device_function(mode: str, config: RunConfig) -> Callable[..., str] | None:
    """Where training places ops: as the config says, else variables on parameter servers in turn.

    The graphs of the other modes run in the process that builds them.
    """
    if mode != ModeKeys.TRAIN:
        return None
    if config.device_fn is not None or not config.num_ps_replicas:
        return config.device_fn
    return v1.train.replica_device_setter(
        ps_tasks=config.num_ps_replicas,
        worker_device=f"/job:{config.task_type}/task:{config.task_id}",
        merge_devices=True,
        cluster=config.cluster_spec,
    )
