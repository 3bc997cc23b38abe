"""The only door to TensorFlow's oddities: each private access, with why, a guard and a test.

Everything else in the package uses `tf.*` and `tf.compat.v1.*` as TensorFlow documents them.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

# A child of TensorFlow's logger: `tf.compat.v1.logging.set_verbosity` and its handlers reach it.
logger = tf.get_logger().getChild("estimator")


def add_control_inputs(op: tf.Operation, before: Iterable[tf.Operation]) -> None:
    """Makes `op` run after every operation in `before`.

    Why: `tf.control_dependencies` reaches only what is made inside it, and the writes of metrics
    and layers were made by Keras. No public call orders an operation that exists.
    Guard: a TensorFlow without the method gives a NotImplementedError that says so, before
    anything is changed.
    """
    add = getattr(op, "_add_control_inputs", None)
    if add is None:
        raise NotImplementedError(
            f"TensorFlow {tf.__version__} cannot order what Keras updates in a graph: "
            "Operation._add_control_inputs is gone. Use tf.compat.v1.metrics and layers."
        )
    add(list(before))


def in_v1_control_flow(op: tf.Operation) -> bool:
    """Whether `op` was made inside a `tf.cond` or `tf.while_loop` of the Switch and Merge kind.

    Why: such an operation may never run, and a control edge across the border of its branch would
    pass that on.
    Guard: where the method is gone so is this kind of control flow, and the answer is False.
    """
    context = getattr(op, "_get_control_flow_context", None)
    return context is not None and context() is not None


def writes_variable(op: tf.Operation, handle: tf.Tensor) -> bool:
    """Whether `op`, a consumer of a variable's `handle`, may write the variable.

    Why: TensorFlow has no public list of the operations that write. For calls and control flow it
    keeps the indices of the inputs that are only read in an attribute with a private name.
    Guard: a call without that attribute counts as one that writes.
    """
    if op.type.startswith(_WRITING_OPS):
        return True
    if not op.type.endswith(_CALLING_OPS):
        return False
    try:
        only_read = set(op.get_attr("_read_only_resource_inputs"))
    except ValueError:
        only_read = set()
    return any(one is handle and n not in only_read for n, one in enumerate(op.inputs))


_WRITING_OPS = (
    "Assign",
    "ResourceApply",
    "ResourceScatter",
    "ResourceSparseApply",
    "ResourceStridedSliceAssign",
)
_CALLING_OPS = ("PartitionedCall", "If", "While", "Case")


def is_eager(tensor: tf.Tensor) -> bool:
    """Whether a tensor was made eagerly.

    Why: `tf.is_tensor` does not tell, and `.graph` raises on an eager tensor.
    Guard: `tf.__internal__` is semi-public. Where it has no `EagerTensor`, the answer is taken from
    the graph, which only a symbolic tensor has.
    """
    kind = getattr(getattr(tf, "__internal__", None), "EagerTensor", None)
    if kind is not None:
        return isinstance(tensor, kind)
    return getattr(tensor, "graph", None) is None


def iterators_of_graph() -> list[tf.Tensor]:
    """The resources of all tf.data iterators in the default graph, in the order they were made.

    Why: an iterator does not give its resource away, and the collection that has it is one of no
    public name.
    Guard: where the collection is not filled the list is empty, as in a graph without iterators.
    """
    return v1.get_collection("iterators")


def add_saving_listeners(hook: Any, listeners: Iterable[Any]) -> None:
    """Gives a CheckpointSaverHook that a user made more listeners.

    Why: the hook takes listeners only when it is made, and Estimator gets them later.
    Guard: where the hook keeps no such list, NotImplementedError says what to write instead.
    """
    listeners = list(listeners)
    if not listeners:
        return
    kept = getattr(hook, "_listeners", None)
    if not isinstance(kept, list):
        raise NotImplementedError(
            f"TensorFlow {tf.__version__} cannot add saving_listeners to your CheckpointSaverHook: "
            "pass them to its own argument `listeners`."
        )
    kept.extend(listeners)


@contextlib.contextmanager
def without_deprecation_notes() -> Iterator[None]:
    """Keeps TensorFlow from logging that what it calls itself is deprecated.

    Why: sessions, savers and the SavedModel builder of `tf.compat.v1` call deprecated parts of
    TensorFlow, and it logs that as though the user could change it.
    Guard: where the switch is gone the notes are logged, and nothing else changes.
    """
    _silenced.enter()
    try:
        yield
    finally:
        _silenced.leave()


class _Silenced:
    """TensorFlow's switch: off while any of several threads wants it off.

    There is one for the process: each thread putting back what it found could leave it off.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0

    def enter(self) -> None:
        with self._lock:
            if not self._entered:
                self._switch = _silence()
                self._switch.__enter__()
            self._entered += 1

    def leave(self) -> None:
        with self._lock:
            self._entered -= 1
            if not self._entered:
                # As without an error: told of one, TensorFlow would leave the notes off as well.
                self._switch.__exit__(None, None, None)


_silenced = _Silenced()


try:
    from tensorflow.python.util.deprecation import (  # noqa: TID251 - see above
        silence as _silence,
    )
except ImportError:
    _silence = contextlib.nullcontext


def flush_event_file(folder: str) -> None:
    """Writes out what this process has for the event file of `folder` and keeps in memory.

    Why: `tf.compat.v1.summary.FileWriterCache.get` begins a file where no writer is open, and a
    reader must leave no file behind. Nothing public tells whether one is open.
    Guard: where the cache is gone, what is younger than two minutes may not be in the file yet.
    """
    writer = getattr(v1.summary.FileWriterCache, "_cache", {}).get(folder)
    if writer is not None and not getattr(writer, "_closed", False):
        writer.flush()


def eagerly() -> contextlib.AbstractContextManager[None]:
    """Leaves the graph for eager execution.

    Why: no public call does. In a graph not even a variable that was made eagerly tells its value.
    Guard: `tf.__internal__` is semi-public. Where it has no `eager_context`, NotImplementedError.
    """
    context = getattr(getattr(tf, "__internal__", None), "eager_context", None)
    if context is None:
        raise NotImplementedError(
            f"TensorFlow {tf.__version__} cannot use a Keras optimizer in a graph: "
            "tf.__internal__.eager_context is gone. Use an optimizer of tf.compat.v1.train."
        )
    return context.eager_mode()


def call_traced(fn: Callable[..., Any], tensors: Iterable[tf.Tensor]) -> Any:
    """Calls `fn` in a graph as a `tf.function` that was traced outside of it, and of any strategy.

    Why: Keras objects count on program order, which a `tf.function` gives them, and on `==` of
    tensors being by element. In a function that is traced inside a graph it is identity, and the
    branch is chosen when tracing.
    Guard: as `eagerly`.
    """
    tensors = list(tensors)
    specs = [tf.TensorSpec(one.shape, one.dtype) for one in tensors]
    with contextlib.ExitStack() as outside:
        if tf.distribute.has_strategy():
            outside.enter_context(tf.Graph().as_default())  # which is in the scope of none
        outside.enter_context(eagerly())
        traced = tf.function(fn, autograph=False).get_concrete_function(*specs)
    return traced(*tensors)


def state_of_hook(hook: Any, name: str) -> Any:
    """What a hook of `tf.compat.v1.train` keeps to know when it next acts.

    Args:
        hook: LoggingTensorHook (`timer`, `iter_count`), SummarySaverHook, ProfilerHook (`timer`,
            `next_step`), CheckpointSaverHook, StepCounterHook (`timer`), StopAtStepHook
            (`last_step`), GlobalStepWaiterHook (`worker_is_started`), or NanTensorHook
            (`loss_tensor`, `fail_on_nan_loss`).
        name: one of these.

    Why: no public call tells when a hook acts, and to run it in vain at each step is most of the
    time that a small model's step takes.
    Guard: AttributeError where TensorFlow keeps it elsewhere, and before the hook's `begin` for
    what it makes there. Such a hook has to be run at each step.
    """
    return getattr(hook, f"_{name}")


def skip_steps_of_hook(hook: Any, steps: int, global_step: int) -> None:
    """Tells a hook of `tf.compat.v1.train` of steps that were taken without it.

    Args:
        hook: one of those that count their runs (LoggingTensorHook) or keep the number of the step
            that their next run is (SummarySaverHook, ProfilerHook); others have nothing to be told.
        steps: how many.
        global_step: that after them.

    Why: they would act too late by as many steps; nothing public tells them.
    Guard: what TensorFlow does not keep is not made up: `state_of_hook` tells.
    """
    if isinstance(hook, v1.train.LoggingTensorHook):
        if hasattr(hook, "_iter_count"):
            hook._iter_count += steps
    elif getattr(hook, "_next_step", None) is not None:  # None is before its first run
        hook._next_step = global_step + 1


def triggers_by_distance(timer: Any) -> bool:
    """Whether a hook's timer triggers, for any one moment, from some step on, or for none.

    Why: only of such a timer can the next step be found without asking for each. A user can give
    hooks timers of other kinds, and the one that never triggers has no public name.
    Guard: a timer of an unknown kind, or a TensorFlow that has others, gives False.
    """
    public = v1.train.SecondOrStepTimer.should_trigger_for_step
    if getattr(type(timer), "should_trigger_for_step", None) is public:
        return True
    never = getattr(v1.train.LoggingTensorHook([], at_end=True), "_timer", None)
    return type(timer) is type(never)


def unfinalize(graph: tf.Graph) -> None:
    """Lets operations be added to a graph that was finalized.

    Why: a session of `tf.compat.v1.train` finalizes its graph, and the hooks of the next call on
    the same graph may add to it when they begin. No public call takes it back.
    Guard: without the method the graph stays as it is, and TensorFlow says so to a hook that adds.
    """
    undo = getattr(graph, "_unsafe_unfinalize", None)
    if undo is not None:
        undo()


def direct_call(
    session: tf.compat.v1.Session,
    feeds: Iterable[tf.Tensor],
    fetches: Iterable[tf.Tensor],
    *,
    targets: Iterable[tf.Operation] = (),
    in_caller: bool = True,
) -> Callable[..., list[Any]]:
    """A function of the values of `feeds`, NumPy arrays, to the list of values of `fetches`.

    Many threads may call it. An array that it returns may share its memory with a weight, a
    constant or a fed array: copy what goes to a user.

    Why: `Session.run`, and `make_callable` with feeds, sort out feeds and fetches at every call,
    which takes ten times as long as a small model. What is sorted out once has no public name.
    Guard: where it is gone, or the session cannot do it, Session.run does the same, slower.

    Args:
        session: an open one.
        feeds: dense tensors, each once.
        fetches: dense tensors, none of them in `feeds`.
        targets: operations that run as well.
        in_caller: whether operations run in the thread that calls, or in TensorFlow's pool.
    """
    feed_names = [tensor.name for tensor in feeds]
    fetch_names = [tensor.name for tensor in fetches]
    targets = list(targets)
    prepare = getattr(session, "_make_callable_from_options", None)
    if prepare is not None and _CallableOptions is not None:
        options = _CallableOptions(
            feed=feed_names, fetch=fetch_names, target=[op.name for op in targets]
        )
        if in_caller:
            options.run_options.inter_op_thread_pool = -1
        with contextlib.suppress(tf.errors.UnimplementedError):
            return prepare(options)
    run_options = v1.RunOptions(inter_op_thread_pool=-1) if in_caller else None

    def run(*values: Any) -> list[Any]:
        given = dict(zip(feed_names, values, strict=True))
        return session.run([fetch_names, targets], given, options=run_options)[0]

    return run


try:
    from tensorflow.core.protobuf.config_pb2 import CallableOptions as _CallableOptions
except ImportError:
    _CallableOptions = None


def set_initial_value(variable: tf.Variable, value: tf.Tensor) -> None:
    """Gives a resource variable of a graph another initial value, before any session has run.

    Args:
        variable: not initialized yet.
        value: a tensor of its shape and type that depends on no variable.

    Why: the operation that initializes a variable is made with it, and what Keras loads into it
    comes later. Nothing public changes it.
    Guard: without the method NotImplementedError, before anything is changed.
    """
    update = getattr(variable.initializer, "_update_input", None)
    if update is None:
        raise NotImplementedError(
            f"TensorFlow {tf.__version__} cannot change an initial value: "
            "Operation._update_input is gone."
        )
    update(1, value)


@contextlib.contextmanager
def one_shard() -> Iterator[None]:
    """Has `tf.compat.v1.tpu.CrossShardOptimizer` apply gradients as they are: of one shard the sum.

    Why: the optimizer adds an operation for the sum that only TPUs have, and TensorFlow starts no
    session elsewhere with a graph that has it. The optimizer inside of it has no public name.
    Guard: where that name is gone it adds the operation as ever, and TensorFlow says so.
    """
    _one_shard.enter()
    try:
        yield
    finally:
        _one_shard.leave()


class _OneShard:
    """The changed method of CrossShardOptimizer: there while any of several threads wants it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0

    def enter(self) -> None:
        with self._lock:
            if not self._entered:
                self._kind = v1.tpu.CrossShardOptimizer
                self._apply_on_all = self._kind.apply_gradients
                self._kind.apply_gradients = self._applying(self._apply_on_all)
            self._entered += 1

    def leave(self) -> None:
        with self._lock:
            self._entered -= 1
            if not self._entered:
                self._kind.apply_gradients = self._apply_on_all

    @staticmethod
    def _applying(on_all: Callable[..., Any]) -> Callable[..., Any]:
        def apply_gradients(
            optimizer: Any, grads_and_vars: Any, global_step: Any = None, name: str | None = None
        ) -> Any:
            inner = getattr(optimizer, "_opt", None)
            if inner is None:
                return on_all(optimizer, grads_and_vars, global_step, name)
            return inner.apply_gradients(grads_and_vars, global_step, name)

        return apply_gradients


_one_shard = _OneShard()


def taken_deletion(session: tf.compat.v1.Session) -> Callable[[], None] | None:
    """Takes from a session what it holds, and gives what deletes that.

    Args:
        session: one that nobody uses any longer; it is left as though it was deleted.

    Returns:
        A function to be called once, in any thread. None if the session holds nothing.

    Why: to delete a session is for the garbage collector to do, in whatever thread that runs, and
    TensorFlow can take a minute for it. What is to be deleted has no public name.
    Guard: without that name the session deletes itself, as ever.
    """
    if not hasattr(session, "_session"):
        v1.Session.__del__(session)
        return None
    handle, closed = session._session, session._closed
    session._session = None

    def delete() -> None:
        rest = v1.Session.__new__(v1.Session)
        rest._session, rest._closed = handle, closed
        # It is closed and deleted here, for there is no other reference.

    return delete if handle is not None else None


@contextlib.contextmanager
def loss_scaled_by_replicas(strategy: Any) -> Iterator[None]:
    """Has optimizers of `tf.compat.v1.train` divide the loss by the number of replicas.

    They do unless the last loss was reduced as a sum; `tf.compat.v1.distribute.get_loss_reduction`
    tells. They add up the gradients of the replicas, and so train on the mean of their losses.

    Args:
        strategy: the one at work.

    Why: they do so only while a switch of the strategy is on that has no public name.
    Guard: without the switch NotImplementedError, for all gradients would be too large.
    """
    switch = getattr(strategy, "_scale_loss_for_estimator_enabled", None)
    if switch is None:
        raise NotImplementedError(
            f"TensorFlow {tf.__version__} cannot scale the loss by the number of replicas: "
            "Strategy._scale_loss_for_estimator_enabled is gone. Train without train_distribute."
        )
    with switch():
        yield


def note_loss_reduction(reduction: str) -> None:
    """Notes, for the default graph, how a loss is reduced: "sum", or anything else for a mean.

    Why: `tf.compat.v1.distribute.get_loss_reduction` tells what the last loss of
    `tf.compat.v1.losses` was, and must know those that others reduce.
    Guard: where it looks elsewhere it goes on telling of the last loss of TensorFlow's own.
    """
    graph = v1.get_default_graph()
    if hasattr(graph, "_last_loss_reduction"):
        graph._last_loss_reduction = reduction


def mark_loss_as_scaled(graph: tf.Graph) -> None:
    """Notes that the loss of a graph was divided as above, by who is no such optimizer.

    Why: `loss_was_scaled` asks for the mark that those optimizers leave.
    Guard: that function's; without the mark it goes by what `get_loss_reduction` says.
    """
    if hasattr(graph, "_is_loss_scaled_by_optimizer"):
        graph._is_loss_scaled_by_optimizer = True


def loss_was_scaled(graph: tf.Graph) -> bool:
    """Whether the last optimizer at work in a graph has divided the loss, as above.

    Why: whether the loss to report is the mean or the sum of the replicas' depends on it, and
    nothing public tells.
    Guard: where the mark is gone, what `get_loss_reduction` says, which is the same for those that
    leave the scaling to the optimizer.
    """
    mean = tf.distribute.ReduceOp.MEAN
    return getattr(graph, "_is_loss_scaled_by_optimizer", None) or (
        not hasattr(graph, "_is_loss_scaled_by_optimizer")
        and v1.distribute.get_loss_reduction() == mean
    )


def copies_of(variable: tf.Variable) -> tuple[tf.Variable, ...]:
    """The variables that one consists of, which a tf.distribute strategy has made.

    Returns:
        One for each device of this process that has its own, or that one which the devices share.
        A variable of no strategy is its only copy.

    Why: the shared one of CentralStorageStrategy is inside of another object, of no public class.
    Guard: where that has no `get` it counts as the variable itself; sessions then know its name
    twice, and say so.
    """
    strategy = getattr(variable, "distribute_strategy", None)
    if strategy is None:
        return (variable,)
    copies = strategy.experimental_local_results(variable)
    return tuple(one.get() if hasattr(one, "get") else one for one in copies)


def strategy_has_server(strategy: Any) -> bool:
    """Whether a MultiWorkerMirroredStrategy has started the server of its task when it was made.

    It does where TensorFlow executes eagerly, and sessions can use that server.

    Args:
        strategy: of either version.

    Why: nothing public tells; that the port is taken does not tell by whom.
    Guard: without the mark False. Then `start_server` finds the port taken, and says so.
    """
    return bool(getattr(strategy.extended, "_std_server_started", False))


def read_global_step_by(tensor: tf.Tensor) -> bool:
    """Has the hooks of TensorFlow read the global step of the default graph from this tensor.

    They share one that they make at need, which is the initial value where the step has none yet.
    With MultiWorkerMirroredStrategy that initial value is sent from one worker to the others, each
    time: a hook of one worker alone would wait for the others.

    Args:
        tensor: the value of the step.

    Returns:
        Whether they do.

    Why: the tensor is kept under a name that is not public.
    Guard: asks them; the caller raises.
    """
    v1.get_collection_ref("global_step_read_op_cache")[:] = [tensor]
    hook = v1.train.StopAtStepHook(num_steps=1)
    hook.begin()
    return hook.before_run(None).fetches is tensor
