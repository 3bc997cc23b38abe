"""The parts of workers in step that can be seen in one process."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.cluster.waiting import UnreachableError
from tf_estimator.engine.gang.collectives import collectives
from tf_estimator.engine.gang.hooks import Agreement, EndsTogether
from tf_estimator.engine.gang.votes import Problem, Votes
from tf_estimator.engine.replicas.outlook import with_outlook

v1 = tf.compat.v1

TWO = v1.ConfigProto(device_count={"CPU": 2})


def sent(value):
    return tf.raw_ops.CollectiveReduceV2(
        input=value,
        group_size=1,
        group_key=1,
        instance_key=1,
        ordering_token=[],
        merge_op="Add",
        final_op="Id",
    )


def test_what_waits_for_other_workers_is_found_wherever_it_is():
    with tf.Graph().as_default() as graph:
        alone = tf.constant(1.0) + 1.0
        together = sent(tf.constant(1.0))
        after = tf.identity(together)
        with tf.control_dependencies([together]):
            then = tf.constant(2.0)

        @tf.function(autograph=False)
        def inner(x):
            return sent(x)

        @tf.function(autograph=False)
        def outer(x):
            return inner(x) + 1.0

        @tf.function(autograph=False)
        def harmless(x):
            return x + 1.0

        called, not_called = outer(tf.constant(1.0)), harmless(tf.constant(1.0))
    assert [
        collectives(graph, [one]) for one in (alone, together, after, then, called, not_called)
    ] == ["", "ReduceV2:1", "ReduceV2:1", "ReduceV2:1", "ReduceV2", ""]
    assert collectives(graph, [called, then]) == "ReduceV2 ReduceV2:1"


def sparse(n):
    return {"n": n, "s": tf.sparse.from_dense([n, 0])}, tf.RaggedTensor.from_row_splits(
        [n, n], [0, 1, 2]
    )


@pytest.mark.parametrize("ahead", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_dataset_tells_whether_there_is_more(count, ahead):
    with tf.Graph().as_default(), v1.Session() as session:
        pairs = with_outlook(tf.data.Dataset.range(count).map(sparse), ahead)
        iterator = v1.data.make_initializable_iterator(pairs)
        ((features, _), goes_on) = iterator.get_next()
        session.run(iterator.initializer)
        found = []
        while True:
            try:
                found.append(session.run([features["n"], goes_on]))
            except tf.errors.OutOfRangeError:
                break
    assert found == [[n, n + ahead < count] for n in range(count)]


def test_batches_of_any_size_keep_their_shape():
    with tf.Graph().as_default(), v1.Session() as session:
        pairs = with_outlook(tf.data.Dataset.range(5).batch(2), 1)
        assert pairs.element_spec[0].shape.as_list() == [None]
        iterator = v1.data.make_initializable_iterator(pairs)
        following = iterator.get_next()
        session.run(iterator.initializer)
        found = [session.run(following) for _ in range(3)]
    assert [(list(batch), bool(more)) for batch, more in found] == [
        ([0, 1], True),
        ([2, 3], True),
        ([4], False),
    ]


class Wants(v1.train.SessionRunHook):
    """Asks to stop before or after its third run, and counts."""

    def __init__(self, where):
        self.where, self.runs = where, 0

    def before_run(self, run_context):
        self.runs += 1
        if self.where == "before" and self.runs == 3:
            run_context.request_stop()

    def after_run(self, run_context, run_values):
        if self.where == "after" and self.runs == 3:
            run_context.request_stop()


@pytest.mark.parametrize(("where", "runs"), [("before", 4), ("after", 4), ("never", 5)])
def test_a_hook_that_wants_to_stop_asks_all(where, runs):
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with tf.Graph().as_default():
        with strategy.scope():
            count = v1.get_variable("count", [], tf.int64, v1.zeros_initializer())
            taken = count.assign_add(1)
            votes = Votes(strategy, tf.less(taken, 5))
        reader, hook = v1.train.SessionRunHook(), Wants(where)
        agreement = Agreement(votes)
        with v1.train.MonitoredSession(hooks=agreement.of_all([reader, hook])) as session:
            while not session.should_stop():
                session.run(taken)
    assert hook.runs == runs


@pytest.mark.parametrize(
    ("mine", "other", "problem"),
    [
        ("step", ("step", False), None),
        ("step", ("end", False), Problem.NOT_THE_SAME),
        ("end", ("end", True), Problem.ONE_HAS_FAILED),
    ],
)
def test_what_another_worker_does(mine, other, problem):
    with tf.Graph().as_default(), v1.Session(config=TWO) as session:
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
        with strategy.scope():
            votes = Votes(strategy, tf.constant(True))
        ((_, said),) = votes.about(other[0], has_failed=other[1]).items()
        summed = session.graph.get_tensor_by_name("votes/total:0")
        ((about, own),) = votes.about(mine).items()
        total = np.concatenate([[0, 0, 0], own + said])
        found = None
        try:
            session.run(votes.outcome, {about: own, summed: total})
        except tf.errors.InvalidArgumentError as error:
            found = votes.problem(error)
    assert found is problem


def test_an_error_of_the_model_is_none_of_the_votes():
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with tf.Graph().as_default(), v1.Session() as session:
        with strategy.scope():
            votes = Votes(strategy, tf.constant(True))
        wrong = tf.raw_ops.Assert(condition=tf.constant(False), data=[1])
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            session.run([wrong, votes.outcome])
    assert votes.problem(raised.value) is None


def test_a_hook_that_saves_by_itself_is_refused(tmp_path):
    saves = v1.train.CheckpointSaverHook(str(tmp_path), save_steps=1)
    with pytest.raises(ValueError, match="must have no CheckpointSaverHook"):
        Agreement(None).of_all([saves])


class Meets:
    """Stands for the session of a worker that loses the others where it meets them."""

    def __init__(self, *lost):
        self.lost, self.at = lost, []

    def meet(self, what, timeout_secs=None):
        self.at.append(what)
        if what in self.lost:
            raise UnreachableError(what)


@pytest.mark.parametrize("is_chief", [False, True])
def test_all_end_together(is_chief, caplog):
    session = Meets("leave")  # Who has left has been there.
    EndsTogether(is_chief=is_chief).end(session)
    assert session.at == ["end its training", "leave"]
    assert not caplog.records
    lost = Meets("end its training")
    if is_chief:
        EndsTogether(is_chief=True).end(lost)
        assert "all is saved" in caplog.text
    else:
        with pytest.raises(UnreachableError):
            EndsTogether(is_chief=False).end(lost)
    assert lost.at == ["end its training"]
