"""Each access to TensorFlow's private parts does what it is there for."""

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import _tf

v1 = tf.compat.v1


def test_the_logger_is_below_the_one_of_tensorflow() -> None:
    assert _tf.logger.parent is tf.get_logger()


def test_an_operation_can_be_made_to_wait_for_another() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.get_variable("v", initializer=0.0, use_resource=True)
        late = tf.no_op()
        _tf.add_control_inputs(late, [variable.assign_add(1.0).op])
        session.run(variable.initializer)
        session.run(late)
        assert session.run(variable) == 1.0


def test_a_tensorflow_that_cannot_order_operations_is_named() -> None:
    with pytest.raises(NotImplementedError, match=tf.__version__):
        _tf.add_control_inputs(object(), [])  # has no such method


def test_control_flow_of_tensorflow_1_is_seen() -> None:
    inside = []
    v2 = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default():
            outside = v1.placeholder(tf.bool, [])
            tf.cond(outside, lambda: inside.append(tf.constant(1)) or 1, lambda: 2)
    finally:
        if v2:
            v1.enable_control_flow_v2()
    assert _tf.in_v1_control_flow(inside[0].op)
    assert not _tf.in_v1_control_flow(outside.op)


def _read(variable: tf.Variable) -> tf.Tensor:
    return variable.read_value()


def _write(variable: tf.Variable) -> tf.Tensor:
    return variable.assign_add([1.0]).op


def _scatter(variable: tf.Variable) -> tf.Tensor:
    return v1.scatter_add(variable, [0], [1.0])


def _gather(variable: tf.Variable) -> tf.Tensor:
    return variable.sparse_read([0])


def _call_that_reads(variable: tf.Variable) -> tf.Tensor:
    return tf.function(lambda: variable + 1.0)()


def _call_that_writes(variable: tf.Variable) -> tf.Tensor:
    return tf.function(lambda: variable.assign_add([1.0]))()


def _branch_that_reads(variable: tf.Variable) -> tf.Tensor:
    return tf.cond(v1.placeholder(tf.bool, []), lambda: variable + 1.0, lambda: variable + 2.0)


def _branch_that_writes(variable: tf.Variable) -> tf.Tensor:
    return tf.cond(
        v1.placeholder(tf.bool, []),
        lambda: variable.assign_add([1.0]).read_value(),
        variable.read_value,
    )


@pytest.mark.parametrize("use", [_read, _gather, _call_that_reads, _branch_that_reads])
def test_what_only_reads_a_variable_does_not_count_as_writing(use) -> None:
    with tf.Graph().as_default():
        variable = v1.get_variable("v", [1], use_resource=True)
        before = set(variable.handle.consumers())
        use(variable)
        uses = [op for op in variable.handle.consumers() if op not in before]
        assert uses
        assert not any(_tf.writes_variable(op, variable.handle) for op in uses)


@pytest.mark.parametrize("use", [_write, _scatter, _call_that_writes, _branch_that_writes])
def test_what_writes_a_variable_is_seen(use) -> None:
    with tf.Graph().as_default():
        variable = v1.get_variable("v", [1], use_resource=True)
        before = set(variable.handle.consumers())
        use(variable)
        uses = [op for op in variable.handle.consumers() if op not in before]
        assert any(_tf.writes_variable(op, variable.handle) for op in uses)


@pytest.mark.parametrize("known", [True, False], ids=["EagerTensor is there", "it is gone"])
def test_eager_tensors_are_told_from_those_of_a_graph(known, monkeypatch) -> None:
    if not known:
        monkeypatch.delattr(tf.__internal__, "EagerTensor")
    eager = tf.constant(1.0)
    with tf.Graph().as_default():
        assert _tf.is_eager(eager)
        assert not _tf.is_eager(tf.constant(1.0))


def test_a_saver_hook_that_is_there_gets_more_listeners(tmp_path) -> None:
    class Listener(v1.train.CheckpointSaverListener):
        saves = 0

        def after_save(self, session, global_step_value):
            self.saves += 1

    first, second = Listener(), Listener()
    hook = v1.train.CheckpointSaverHook(str(tmp_path), save_steps=1, listeners=[first])
    _tf.add_saving_listeners(hook, [second])
    with tf.Graph().as_default():
        step = v1.train.get_or_create_global_step()
        train_op = v1.assign_add(step, 1)
        with v1.train.MonitoredSession(hooks=[hook]) as session:
            session.run(train_op)
    assert first.saves == second.saves > 0


def test_a_saver_hook_that_takes_no_more_listeners_is_named() -> None:
    _tf.add_saving_listeners(object(), [])
    with pytest.raises(NotImplementedError, match="its own argument `listeners`"):
        _tf.add_saving_listeners(object(), [v1.train.CheckpointSaverListener()])


def test_deprecation_notes_of_tensorflow_are_kept_out_of_the_log(caplog) -> None:
    from tensorflow.python.util import deprecation  # noqa: TID251 - a note that nobody logged yet

    @deprecation.deprecated(None, "for this test")
    def old() -> None:
        pass

    @_tf.without_deprecation_notes()
    def old_and_fails() -> None:
        old()
        raise KeyError  # What is kept out comes back on every way out.

    with pytest.raises(KeyError):
        old_and_fails()
    assert "deprecated" not in caplog.text
    old()
    assert "is deprecated" in caplog.text


def test_deprecation_notes_come_back_after_several_threads(caplog) -> None:
    from tensorflow.python.util import deprecation  # noqa: TID251 - a note that nobody logged yet

    @deprecation.deprecated(None, "for this test")
    def old() -> None:
        pass

    first, second = _tf.without_deprecation_notes(), _tf.without_deprecation_notes()
    for step in (first.__enter__, second.__enter__):
        step()
    for left in (first, second):  # As threads do, in no order.
        left.__exit__(None, None, None)
    old()
    assert "is deprecated" in caplog.text


def test_iterators_are_found() -> None:
    with tf.Graph().as_default():
        assert _tf.iterators_of_graph() == []
        v1.data.make_initializable_iterator(tf.data.Dataset.range(3))
        (resource,) = _tf.iterators_of_graph()
        assert resource.dtype == tf.resource


def test_events_in_memory_are_written_out_and_no_file_is_begun(tmp_path) -> None:
    def steps() -> list[int]:
        paths = map(str, tmp_path.iterdir())
        return [event.step for path in paths for event in v1.train.summary_iterator(path)]

    _tf.flush_event_file(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    with tf.Graph().as_default():
        writer = v1.summary.FileWriterCache.get(str(tmp_path))
    writer.add_summary(v1.Summary(value=[v1.Summary.Value(tag="t", simple_value=1.0)]), 7)
    assert 7 not in steps()
    _tf.flush_event_file(str(tmp_path))
    assert 7 in steps()
    writer.close()
    _tf.flush_event_file(str(tmp_path))


def test_a_graph_can_be_left_for_eager_execution() -> None:
    variable = tf.Variable(2.0)
    with tf.Graph().as_default():
        assert not tf.executing_eagerly()
        with _tf.eagerly():
            assert variable.numpy() == 2.0
        assert not tf.executing_eagerly()


def test_a_tensorflow_that_cannot_leave_a_graph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf, "__internal__", object())
    with pytest.raises(NotImplementedError, match=tf.__version__):
        _tf.eagerly()


def test_a_traced_call_runs_in_the_order_of_the_program() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.get_variable("v", initializer=1.0)
        given = v1.placeholder(tf.float32, [])

        def call(value: tf.Tensor) -> tf.Tensor:
            variable.assign(value)
            variable.assign(variable * 2.0)
            # By element, and not whether both are the same object.
            return tf.cond(variable == 6.0, lambda: variable + 0.5, lambda: variable - 0.5)

        result = _tf.call_traced(call, [given])
        session.run(variable.initializer)
        assert session.run(result, {given: 3.0}) == 6.5
        assert session.run(result, {given: 4.0}) == 7.5
        assert session.run(variable) == 8.0


def _after_one_run(kind: str, folder: pathlib.Path) -> v1.train.SessionRunHook:
    with tf.Graph().as_default():
        hook = _KEPT[kind][0](str(folder))
        train_op = v1.assign_add(v1.train.get_or_create_global_step(), 1)
        tf.identity(1.0, name="one")
        v1.add_to_collection(v1.GraphKeys.SAVERS, v1.train.Saver(defer_build=False))
        with v1.train.MonitoredSession(hooks=[hook]) as session:
            session.run(train_op)
    return hook


_KEPT = {
    "StopAtStepHook": (lambda at: v1.train.StopAtStepHook(last_step=9), {"last_step": 9}),
    "LoggingTensorHook": (
        lambda at: v1.train.LoggingTensorHook(["one"], every_n_iter=3),
        {"iter_count": 1, "timer": ...},
    ),
    "SummarySaverHook": (
        lambda at: v1.train.SummarySaverHook(3, output_dir=at, scaffold=v1.train.Scaffold()),
        {"next_step": 2, "timer": ...},
    ),
    "ProfilerHook": (
        lambda at: v1.train.ProfilerHook(3, output_dir=at),
        {"next_step": ..., "timer": ...},
    ),
    "StepCounterHook": (lambda at: v1.train.StepCounterHook(3, output_dir=at), {"timer": ...}),
    "CheckpointSaverHook": (
        lambda at: v1.train.CheckpointSaverHook(at, save_steps=3),
        {"timer": ...},
    ),
    "GlobalStepWaiterHook": (
        lambda at: v1.train.GlobalStepWaiterHook(0),
        {"worker_is_started": True},
    ),
    "NanTensorHook": (
        lambda at: v1.train.NanTensorHook("one:0"),
        {"loss_tensor": "one:0", "fail_on_nan_loss": True},
    ),
}


@pytest.mark.parametrize("kind", sorted(_KEPT))
def test_hooks_of_tensorflow_keep_what_says_when_they_act(kind: str, tmp_path) -> None:
    hook = _after_one_run(kind, tmp_path)
    for name, expected in _KEPT[kind][1].items():
        found = _tf.state_of_hook(hook, name)
        assert expected in (..., found)
        if name == "timer":
            assert _tf.triggers_by_distance(found)


def test_state_that_a_hook_does_not_keep_is_an_error() -> None:
    with pytest.raises(AttributeError):
        _tf.state_of_hook(v1.train.StopAtStepHook(9), "next_step")


@pytest.mark.parametrize(
    ("kind", "name", "after"),
    [("LoggingTensorHook", "iter_count", 8), ("SummarySaverHook", "next_step", 41)],
)
def test_hooks_are_told_of_steps_that_they_missed(
    kind: str, name: str, after: int, tmp_path
) -> None:
    hook = _after_one_run(kind, tmp_path)
    _tf.skip_steps_of_hook(hook, 7, 40)
    assert _tf.state_of_hook(hook, name) == after


@pytest.mark.parametrize("kind", ["LoggingTensorHook", "SummarySaverHook", "StopAtStepHook"])
def test_before_its_first_run_a_hook_missed_nothing(kind: str, tmp_path) -> None:
    hook = _KEPT[kind][0](str(tmp_path))
    before = dict(vars(hook))
    _tf.skip_steps_of_hook(hook, 7, 40)
    assert vars(hook) == before


def test_only_timers_that_are_known_can_be_asked_for_their_next_step() -> None:
    class Own(v1.train.SecondOrStepTimer):
        def should_trigger_for_step(self, step: int) -> bool:
            return step % 10 == 0

    class SameAsItsBase(v1.train.SecondOrStepTimer):
        pass

    never = _tf.state_of_hook(v1.train.LoggingTensorHook([], at_end=True), "timer")
    assert _tf.triggers_by_distance(v1.train.SecondOrStepTimer(every_secs=1))
    assert _tf.triggers_by_distance(SameAsItsBase(every_steps=1))
    assert _tf.triggers_by_distance(never)
    assert not any(map(_tf.triggers_by_distance, [Own(every_steps=1), object(), None]))


@pytest.fixture
def adding() -> tuple[v1.Session, tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]:
    with tf.Graph().as_default() as graph:
        x, y = (v1.placeholder(tf.int32, [None]) for _ in range(2))
        total = x + y
        fetches = (total, total * 2, total)
    return v1.Session(graph=graph), (x, y), fetches


@pytest.mark.parametrize("missing", [None, "session", "options", "refused"])
def test_a_direct_call_gives_what_session_run_gives(
    monkeypatch: pytest.MonkeyPatch, adding: Any, missing: str | None
) -> None:
    session, feeds, fetches = adding

    def refuse(options: Any) -> None:
        raise tf.errors.UnimplementedError(None, None, "not here")

    def must_not_run(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("It goes through Session.run.")

    if missing == "session":
        monkeypatch.setattr(session, "_make_callable_from_options", None)
    elif missing == "options":
        monkeypatch.setattr(_tf, "_CallableOptions", None)
    elif missing == "refused":
        monkeypatch.setattr(session, "_make_callable_from_options", refuse)
    else:
        monkeypatch.setattr(session, "run", must_not_run)
    call = _tf.direct_call(session, feeds, fetches)
    for _ in range(2):
        values = call(np.int32([1, 2]), np.int32([10, 20]))
        assert [value.tolist() for value in values] == [[11, 22], [22, 44], [11, 22]]


def test_a_variable_gets_another_initial_value() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        variable = v1.get_variable("v", initializer=1.0, use_resource=True)
        _tf.set_initial_value(variable, tf.constant(2.0))
        session.run(v1.global_variables_initializer())
        assert session.run(variable) == 2.0


def test_a_tensorflow_that_cannot_change_an_initial_value_is_named() -> None:
    class Variable:
        initializer = None

    with pytest.raises(NotImplementedError, match=tf.__version__):
        _tf.set_initial_value(Variable(), tf.constant(1.0))


@pytest.mark.parametrize("is_gone", [False, True])
def test_gradients_are_summed_over_one_shard(
    monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    before = v1.tpu.CrossShardOptimizer.apply_gradients
    with tf.Graph().as_default() as graph, _tf.one_shard():
        weight = v1.get_variable("w", initializer=1.0, use_resource=True)
        optimizer = v1.tpu.CrossShardOptimizer(v1.train.GradientDescentOptimizer(0.5))
        gradients = optimizer.compute_gradients(weight**2)
        if is_gone:
            monkeypatch.setattr(optimizer, "_opt", None)
            with pytest.raises(AttributeError):  # of TensorFlow's own, after it added the sum
                optimizer.apply_gradients(gradients)
        else:
            with _tf.one_shard():
                pass
            step = v1.train.get_or_create_global_step()
            train_op = optimizer.apply_gradients(gradients, step, "apply")
    types = {op.type for op in graph.get_operations()}
    assert ("CrossReplicaSum" in types) is is_gone
    assert v1.tpu.CrossShardOptimizer.apply_gradients is before
    if not is_gone:
        with v1.Session(graph=graph) as session:
            session.run([weight.initializer, step.initializer])
            session.run(train_op)
            assert session.run([weight, step]) == [0.0, 1]


def _deletions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The sessions that are deleted, from now on."""
    deleted: list[Any] = []

    def told(session: Any) -> None:
        deleted.append(session)

    monkeypatch.setattr(v1.Session, "__del__", told)
    return deleted


def test_what_deletes_a_session_can_be_taken_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    session = v1.Session(graph=tf.Graph())
    deletion = _tf.taken_deletion(session)
    assert deletion is not None
    assert _tf.taken_deletion(session) is None
    deleted = _deletions(monkeypatch)
    deletion()
    assert len(deleted) == 1


def test_a_session_that_holds_nothing_known_deletes_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, deleted = v1.Session(graph=tf.Graph()), _deletions(monkeypatch)
    with monkeypatch.context() as patch:
        patch.delattr(session, "_session")
        assert _tf.taken_deletion(session) is None
    assert deleted == [session]


def test_a_strategy_made_in_a_graph_has_no_server():
    with tf.Graph().as_default():
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    assert not _tf.strategy_has_server(strategy)
    # Whether one that has is found shows where workers train by it: tests/cluster.
    assert hasattr(strategy.extended, "_collective_keys"), "its private names have changed"


def test_hooks_read_the_global_step_from_where_they_are_told():
    with tf.Graph().as_default():
        step = tf.compat.v1.train.get_or_create_global_step()
        told = tf.identity(step)
        assert _tf.read_global_step_by(told)
        hook = tf.compat.v1.train.StepCounterHook(output_dir="/nowhere", summary_writer=object())
        hook.begin()
        assert hook.before_run(None).fetches is told
        assert _tf.read_global_step_by(tf.identity(step)), "another one takes its place"


def _replicas() -> Any:
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size"])
def test_optimizers_divide_the_loss_by_the_replicas_unless_it_is_a_sum(reduction: str):
    with tf.Graph().as_default() as graph:
        strategy = _replicas()

        def step() -> None:
            w = v1.get_variable("w", initializer=1.0)
            _tf.note_loss_reduction(reduction)
            v1.train.GradientDescentOptimizer(0.1).minimize(w * w)

        with strategy.scope(), _tf.loss_scaled_by_replicas(strategy):
            strategy.run(step)
            assert _tf.loss_was_scaled(graph) is (reduction != "sum")
            _tf.mark_loss_as_scaled(graph)
            assert _tf.loss_was_scaled(graph)


def test_a_strategy_that_cannot_scale_the_loss_is_named():
    class Strategy:
        pass

    with (
        pytest.raises(NotImplementedError, match="_scale_loss_for_estimator_enabled is gone"),
        _tf.loss_scaled_by_replicas(Strategy()),
    ):
        pass


def test_a_variable_of_a_strategy_has_copies():
    with tf.Graph().as_default():
        strategy = _replicas()
        central = tf.distribute.experimental.CentralStorageStrategy(["/cpu:0", "/cpu:1"], "/cpu:0")
        alone = v1.get_variable("alone", initializer=1.0)
        with strategy.scope():
            each = v1.get_variable("each", initializer=1.0)
        with central.scope():
            shared = v1.get_variable("shared", initializer=1.0)
        assert _tf.copies_of(alone) == (alone,)
        assert [one.op.name for one in _tf.copies_of(each)] == ["each", "each/replica_1"]
        [one] = _tf.copies_of(shared)
        assert one is not shared
        assert one.op.name == "shared"
        assert _tf.copies_of(one) == (one,)


def test_a_function_is_traced_outside_of_a_strategy():
    with tf.Graph().as_default():
        strategy = _replicas()

        def nowhere() -> tf.Tensor:
            return tf.constant(not tf.distribute.has_strategy())

        def in_replica() -> tf.Tensor:
            return _tf.call_traced(nowhere, [])

        with strategy.scope():
            found = strategy.experimental_local_results(strategy.run(in_replica))
        with v1.Session(config=v1.ConfigProto(device_count={"CPU": 2})) as session:
            assert session.run(found) == (True, True)
