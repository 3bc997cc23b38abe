"""The position of the input: taken from the graph's iterators, saved with the model, restored."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator._tf import iterators_of_graph, logger, v1
from tf_estimator.config import RunConfig
from tf_estimator.engine.graph import BuiltGraph

# The variable that has the position.
NAME: Final = "input_state"

# What to do with state outside of the pipeline, such as a random seed: the names and the values of
# the attribute of SerializeIterator.
POLICIES: Final = {"warn": 0, "ignore": 1, "fail": 2}


def iterator_states(policy: str) -> dict[str, tf.Tensor]:
    """The iterators of the default graph by name, and tensors (variant) of where they are."""
    return {
        iterator.name: tf.raw_ops.SerializeIterator(
            resource_handle=iterator, external_state_policy=POLICIES[policy]
        )
        for iterator in iterators_of_graph()
    }


def set_iterator_states(states: Iterable[tf.Tensor]) -> tf.Operation:
    """An operation that moves the iterators to where `iterator_states` found them."""
    return tf.group(
        *(
            tf.raw_ops.DeserializeIterator(resource_handle=iterator, serialized=state)
            for iterator, state in zip(iterators_of_graph(), states, strict=True)
        )
    )


def saves_input_state(hooks: Iterable[tf.compat.v1.train.SessionRunHook]) -> bool:
    """Whether a hook, as CheckpointInputPipelineHook, says that it saves the input's position."""
    return any(getattr(hook, "saves_input_state", False) for hook in hooks)


def warn_that_input_starts_over(
    built: BuiltGraph,
    config: RunConfig,
    hooks: Iterable[tf.compat.v1.train.SessionRunHook],
    step: int,
) -> None:
    """Warns if training goes on from a later step than 0, and reads its input from the start.

    Args:
        built: the graph to train.
        config: tells whether the position of the input is saved.
        hooks: those of the training.
        step: the global step that training goes on from.
    """
    with built.graph.as_default():
        has_position = bool(iterators_of_graph())
    if step > 0 and has_position and not config.save_input_state and not saves_input_state(hooks):
        # What one process can do about it; several cannot.
        hint = " With RunConfig(save_input_state=True) its position is in every checkpoint."
        logger.warning(
            "Training goes on from step %d, but the input starts over.%s",
            step,
            hint if config.num_worker_replicas <= 1 else "",
        )


class InputState(v1.train.SessionRunHook):
    """Keeps the position of the input in a variable, which the Saver saves and restores.

    It runs after the hooks that initialize the iterators and before the one that saves.

    Args:
        policy: one of POLICIES, for what cannot be saved.
    """

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self._position: tf.Variable | None = None

    @property
    def listener(self) -> tf.compat.v1.train.CheckpointSaverListener:
        """To be told of every save; it brings the variable up to date."""
        return _Listener(self)

    def begin(self) -> None:
        """Adds the variable to the graph, and what takes and sets the position."""
        self._step = v1.train.get_global_step()
        # On no device of its own: a Saver writes a file for each device.
        with v1.device(None):
            self._position = v1.get_variable(
                NAME,
                [],
                tf.string,
                initializer=v1.constant_initializer(""),
                trainable=False,
                use_resource=True,
            )
        with tf.device("/cpu:0"):
            states = iterator_states(self._policy)
            self._names = list(states)
            self._states = tf.stack([tf.io.serialize_tensor(state) for state in states.values()])
            # One string of names and states, so that its shape is the same for any input.
            both = tf.stack([tf.constant(self._names), self._states])
            self._take = self._position.assign(tf.io.serialize_tensor(both), read_value=False)
            self._saved = tf.io.parse_tensor(self._position, tf.string)
            self._given = v1.placeholder(tf.string, [len(states)])
            given = [tf.io.parse_tensor(one, tf.variant) for one in tf.unstack(self._given)]
            self._move = set_iterator_states(given)
            self._has_next = _has_next()

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        """Moves the iterators to the position that was restored, if there is one."""
        del coord
        if not session.run(self._position):
            step = session.run(self._step)
            if step > 0:
                logger.warning(
                    "The checkpoint of step %d has no position of the input, as it was saved "
                    "without save_input_state: this once the input starts over.",
                    step,
                )
            return
        names, states = session.run(self._saved)
        with _explained_if_not_saved():
            start = session.run(self._states)
        self._set(session, [name.decode() for name in names], states)
        if not all(session.run(self._has_next)):
            logger.info("The input was read to its end, and starts over.")
            self._set(session, self._names, start)
        elif self._has_next:
            # To look took a batch.
            self._set(session, self._names, states)

    def take(self, session: tf.compat.v1.Session) -> None:
        """Puts the present position into the variable."""
        with _explained_if_not_saved():
            session.run(self._take)

    def is_of(self, graph: tf.Graph) -> bool:
        """Whether the variable is in this graph."""
        return self._position is not None and self._position.graph is graph

    def _set(self, session: tf.compat.v1.Session, names: Sequence[str], states: np.ndarray) -> None:
        error: Any = None
        if names == self._names:
            try:
                session.run(self._move, {self._given: states})
                return
            except (tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as caught:
                error = caught
        raise ValueError(
            "input_fn must build the same pipeline as when the checkpoint was saved, for "
            "save_input_state to read on where that was; the iterators saved are "
            f"{list(names)}, those now are {self._names}"
            + (f", and they do not fit: {_reason(error)} " if error else ". ")
            + "Train once with RunConfig(save_input_state=False) to start the new input over."
        ) from error


class _Listener(v1.train.CheckpointSaverListener):
    """Takes the position of the input just before the model is saved.

    A user's CheckpointSaverHook keeps it into the next training, of another graph, where it does
    nothing.
    """

    def __init__(self, state: InputState) -> None:
        self._state: InputState | None = state

    def before_save(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        del global_step_value
        if self._state is not None and self._state.is_of(session.graph):
            self._state.take(session)

    def end(self, session: tf.compat.v1.Session, global_step_value: int) -> None:
        del session, global_step_value
        # Nor does it keep the graph.
        self._state = None


def hook(
    built: BuiltGraph, config: RunConfig, hooks: Iterable[tf.compat.v1.train.SessionRunHook]
) -> InputState | None:
    """The hook that RunConfig.save_input_state asks for; None if it asks for none.

    Args:
        built: the graph to train, the default one now.
        config: asks for it.
        hooks: the others of the training.

    Raises:
        NotImplementedError: several processes train.
        ValueError: the input has no position, or is saved by a hook, or model_fn has a Saver.
    """
    if not config.save_input_state:
        return None
    if config.num_worker_replicas > 1:
        raise NotImplementedError(
            "save_input_state cannot save the inputs of several processes yet; the cluster has "
            f"{config.num_worker_replicas} that train. Use CheckpointInputPipelineHook in each."
        )
    if saves_input_state(hooks):
        raise ValueError(
            "The position of the input must be saved in one way; there is save_input_state and a "
            "CheckpointInputPipelineHook. Leave the hook out."
        )
    if built.has_own_saver:
        raise ValueError(
            "save_input_state needs the Saver that Estimator makes; model_fn brings its own, which "
            "would not save the position. Leave it out: how many checkpoints are kept can be set "
            "in RunConfig."
        )
    if not iterators_of_graph():
        raise ValueError(
            "save_input_state needs an input that has a position: input_fn must return a "
            "tf.data.Dataset; received plain tensors."
        )
    if reads_generator(built.graph):
        # It has no state at the first save, and fails at the second, hours later.
        raise ValueError(
            "save_input_state needs an input that tf.data can save, which a Dataset.from_generator "
            "is not. Read from files or tensors, or leave save_input_state out."
        )
    policy = config.save_input_state
    return InputState(policy if isinstance(policy, str) else "fail")


def reads_generator(graph: tf.Graph) -> bool:
    """Whether a Dataset of the graph is made by `from_generator`."""
    functions = graph.as_graph_def().library.function
    nodes = (node for function in functions for node in function.node_def)
    return any(node.op == "GeneratorDataset" for node in nodes)


def _has_next() -> list[tf.Tensor]:
    """For each iterator that gives batches to the graph, whether there is another; takes it."""
    has_next = []
    for iterator in iterators_of_graph():
        for op in iterator.consumers():
            if op.type.startswith("IteratorGetNext"):
                batch = tf.raw_ops.IteratorGetNextAsOptional(
                    iterator=iterator,
                    output_types=op.get_attr("output_types"),
                    output_shapes=op.get_attr("output_shapes"),
                )
                has_next.append(tf.raw_ops.OptionalHasValue(optional=batch))
                break
    return has_next


@contextlib.contextmanager
def _explained_if_not_saved() -> Iterator[None]:
    """Says what to do if tf.data cannot save an iterator."""
    try:
        yield
    except (tf.errors.FailedPreconditionError, tf.errors.UnimplementedError) as error:
        raise ValueError(
            f"save_input_state cannot save the position of this input: {_reason(error)} Make the "
            "Dataset without from_generator, Python functions and stateful random ops (there is "
            "tf.random.stateless_uniform), and return it from input_fn as it is; or set "
            "RunConfig(save_input_state='warn') if state outside of the pipeline does not matter."
        ) from error


def _reason(error: tf.errors.OpError) -> str:
    """The sentence in a message of TensorFlow's that is about more than where it happened."""
    lines = [line.strip() for line in error.message.splitlines()]
    told = [n for n, line in enumerate(lines) if line.startswith("Node:")]
    text = lines[told[-1] + 1] if told and told[-1] + 1 < len(lines) else lines[0]
    return text.partition("[[")[0].strip().rstrip(".") + "."
