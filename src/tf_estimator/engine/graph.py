"""From model_fn and input_fn to a graph that is ready for a session."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_estimator._tf import v1
from tf_estimator.checkpoint import RestoreReport
from tf_estimator.config import RunConfig
from tf_estimator.engine.gang.votes import Votes
from tf_estimator.engine.inputs import GraphInput
from tf_estimator.engine.keep.by_value import CalledInput
from tf_estimator.engine.keep.live import LiveSession
from tf_estimator.engine.keras_state import KerasInModelFn
from tf_estimator.engine.model import Model
from tf_estimator.engine.step_order import read_before_write
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
        inputs: the tensors of the features and labels.
        dataset: what input_fn returned, in this graph, if it is a Dataset.
        live: of a graph that is kept, its session; None if each session is closed after its call.
        feed: of a graph whose input was made elsewhere, gives the values of the next batch by
            tensor, or raises OutOfRangeError; None if the graph reads its own input.
        replicas: how many of the model there are in the graph.
        votes: of a graph that several workers run in step, what they decide together.
        device_function: places what is added for a training; None if nothing needs to.
    """

    graph: tf.Graph
    mode: str
    spec: EstimatorSpec
    input_hooks: tuple[tf.compat.v1.train.SessionRunHook, ...]
    global_step: tf.Variable
    has_own_saver: bool
    initializes: bool
    on_restore: Callable[[RestoreReport | None], None]
    inputs: tuple[tf.Tensor, ...] = ()
    dataset: tf.data.Dataset | None = None
    live: LiveSession | None = None
    feed: Callable[[], dict[tf.Tensor, Any]] | None = None
    replicas: int = 1
    votes: Votes | None = None
    device_function: Callable[..., str] | None = None

    @property
    def variables(self) -> list[tf.Variable]:
        """The global variables: what a default Saver saves and restores, by name."""
        return self.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES)


@dataclasses.dataclass(frozen=True, eq=False)
class Begun:
    """A graph that has its step and its input, and no model yet.

    Attributes:
        graph: the tf.Graph.
        mode: the ModeKeys it is for.
        input: what input_fn made in it.
        global_step: the step variable.
        device_function: places the operations; it counts, so that one serves the whole graph.
    """

    graph: tf.Graph
    mode: str
    input: GraphInput | CalledInput
    global_step: tf.Variable
    device_function: Callable[..., str] | None


def begin(
    mode: str,
    read_input: Callable[[], GraphInput | CalledInput],
    config: RunConfig,
    *,
    to_compare: bool = False,
) -> Begun:
    """Makes a graph, seeds it, makes the global step, and reads the input.

    The seed and the step come first: programs count on both inside input_fn and model_fn.

    Args:
        mode: one of ModeKeys.
        read_input: makes the input in the default graph.
        config: the seed and the device function come from it.
        to_compare: whether it is likely that nothing but the input is wanted. The global step is
            then a copy, which takes a fifth of the time; it can be finished all the same.

    Returns:
        The graph so far.
    """
    graph = tf.Graph()
    device = _device_function(mode, config)
    with graph.as_default(), v1.device(device):
        v1.set_random_seed(config.tf_random_seed)
        if to_compare and device is None and v1.resource_variables_enabled():
            step = _copied_step()
        else:
            step = v1.train.get_or_create_global_step()
        return Begun(graph, mode, read_input(), step, device)


@functools.cache
def _step_to_copy() -> tuple[tf.compat.v1.GraphDef, Callable[[], tf.Variable]]:
    with tf.Graph().as_default() as graph:
        step = v1.train.get_or_create_global_step()
        return graph.as_graph_def(), functools.partial(type(step).from_proto, step.to_proto())


def _copied_step() -> tf.Variable:
    """The global step in the default graph, which is empty, with the same operations as ever."""
    graph_def, make_variable = _step_to_copy()
    tf.import_graph_def(graph_def, name="")
    step = make_variable()
    for collection in (v1.GraphKeys.GLOBAL_VARIABLES, v1.GraphKeys.GLOBAL_STEP):
        v1.add_to_collection(collection, step)
    return step


def finish(
    model: Model,
    begun: Begun,
    config: RunConfig,
    on_restore: Callable[[RestoreReport | None], None] = lambda report: None,
) -> BuiltGraph:
    """Calls model_fn in a graph that has its input.

    Args:
        model: the checked model_fn.
        begun: the graph.
        config: model_fn sees it.
        on_restore: told of every restore of the graph's variables.

    Returns:
        The BuiltGraph; nothing has run yet.
    """
    graph, mode = begun.graph, begun.mode
    parts = tf.nest.flatten((begun.input.features, begun.input.labels), expand_composites=True)
    inputs = tuple(part for part in parts if isinstance(part, tf.Tensor))
    with graph.as_default(), v1.device(begun.device_function):
        keras = KerasInModelFn(graph)
        with keras.at_work():
            spec = model.call(begun.input.features, begun.input.labels, mode, config)
        spec = keras.completed(spec, mode, inputs)
        if mode == ModeKeys.TRAIN:
            read_before_write(begun.global_step, spec.train_op, spec.loss)
    savers = graph.get_collection(v1.GraphKeys.SAVERS)
    has_own_saver = bool(savers) or spec.scaffold.saver is not None
    # Asked now, for a session completes the scaffold.
    initializes = spec.scaffold.init_op is not None or spec.scaffold.init_fn is not None
    step, hooks = begun.global_step, begun.input.hooks
    dataset = begun.input.dataset if isinstance(begun.input, CalledInput) else None
    return BuiltGraph(
        graph,
        mode,
        spec,
        hooks,
        step,
        has_own_saver,
        initializes,
        on_restore,
        inputs,
        dataset,
        device_function=begun.device_function,
    )


def build(
    model: Model,
    mode: str,
    read_input: Callable[[], GraphInput | CalledInput],
    config: RunConfig,
    on_restore: Callable[[RestoreReport | None], None] = lambda report: None,
) -> BuiltGraph:
    """Builds the graph of one mode.

    make a graph, seed it, make the global step
    features, labels <- read_input()
    spec <- model_fn(features, labels, mode)

    Args:
        model: the checked model_fn.
        mode: one of ModeKeys.
        read_input: makes the input in the default graph.
        config: the seed and the device function come from it, and model_fn sees it.
        on_restore: told of every restore of the graph's variables.

    Returns:
        The BuiltGraph; nothing has run yet.
    """
    return finish(model, begin(mode, read_input, config), config, on_restore)


def global_step_read() -> tf.Tensor:
    """The tensor of the default graph that hooks of TensorFlow read the global step from.

    It is made if it is not there.

    All of them fetch the same one, and so it costs one fetch a step. None has it in public, but any
    of them asks for it in public.
    """
    hook = v1.train.StopAtStepHook(num_steps=1)
    hook.begin()
    return hook.before_run(None).fetches


def global_step_after(train_op: tf.Operation | tf.Tensor, global_step: tf.Variable) -> tf.Tensor:
    """A new tensor of the default graph: the global step after a step.

    It is where the variable is: a worker that reads a parameter server at the end of its step waits
    once more for it.

    Args:
        train_op: takes the step.
        global_step: the step variable.
    """
    with tf.control_dependencies([train_op]), v1.device(global_step.device):
        return tf.identity(global_step)


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
