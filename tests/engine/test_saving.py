"""Saving while training, beside TensorFlow's CheckpointSaverHook on the same graph."""

import logging
import math

import pytest
import tensorflow as tf

from tf_estimator import RunConfig
from tf_estimator.engine.graph import global_step_read
from tf_estimator.engine.saving import SaverHook, _BySteps

v1 = tf.compat.v1


def _saver(**options):
    return v1.train.Saver(
        sharded=True, max_to_keep=2, defer_build=True, save_relative_paths=True, **options
    )


def _ours(folder, **given):
    options = {"loss": lambda: 0.0}
    for name in ("loss", "is_restored", "clock"):
        if name in given:
            options[name] = given.pop(name)
    listeners = given.pop("listeners", ())
    if "save_checkpoints_secs" not in given:
        given.setdefault("save_checkpoints_steps", 3)
    config = RunConfig(str(folder), **given)
    return lambda scaffold: SaverHook(scaffold, config, listeners, **options)


def _theirs(folder, listeners=(), save_checkpoints_steps=3, checkpoint_save_graph_def=True):
    return lambda scaffold: v1.train.CheckpointSaverHook(
        str(folder),
        save_steps=save_checkpoints_steps,
        scaffold=scaffold,
        listeners=list(listeners),
        save_graph_def=checkpoint_save_graph_def,
    )


class _Model:
    """A counter in a graph of its own, and its Saver; trained in as often as one likes."""

    def __init__(self, by=1, saver=_saver):
        self.graph = tf.Graph()
        with self.graph.as_default():
            step = v1.train.get_or_create_global_step()
            w = v1.get_variable("w", [2], initializer=v1.zeros_initializer())
            # What all hooks read: after the step, it would be now this step, now the next.
            with tf.control_dependencies([global_step_read()]):
                self.train_op = tf.group(v1.assign_add(step, by), w.assign_add([1.0, 2.0]))
            v1.add_to_collection(v1.GraphKeys.TRAIN_OP, self.train_op)
            self.scaffold = v1.train.Scaffold(saver=saver())

    def train(self, make_hook, steps=7, act=lambda hook, done: None):
        with self.graph.as_default():
            hook = make_hook(self.scaffold)
            creator = v1.train.ChiefSessionCreator(self.scaffold)
            hooks = [hook, v1.train.StepCounterHook(100)]
            with v1.train.MonitoredSession(creator, hooks) as session:
                for done in range(1, steps + 1):
                    if session.should_stop():
                        break
                    session.run(self.train_op)
                    act(hook, done)
        return hook

    def train_twice(self, tmp_path, **options):
        """With both hooks; gives their folders."""
        # Before, the graph is not finished: a hook adds to it in begin().
        self.train(_theirs(tmp_path / "before"), steps=1)
        for name, make in {"theirs": _theirs, "ours": _ours}.items():
            self.scaffold.saver.set_last_checkpoints_with_time([])
            self.train(make(tmp_path / name, **options))
        return tmp_path / "ours", tmp_path / "theirs"


def _events(folder):
    """The kind, step and content of each event, but for how fast it was."""
    v1.summary.FileWriterCache.get(str(folder)).flush()
    (path,) = folder.glob("*tfevents*")
    found = []
    for event in v1.train.summary_iterator(str(path)):
        kind = event.WhichOneof("what")
        content = getattr(event, kind)
        if kind == "graph_def":
            content = v1.GraphDef.FromString(content)
        elif kind == "meta_graph_def":
            content = v1.MetaGraphDef.FromString(content)
        elif kind == "session_log":
            content = content.status, content.checkpoint_path.rpartition("/")[2]
        elif kind == "summary":
            content = None
        found.append((kind, event.step, content))
    return found


def _files(folder):
    """The name of each file to what it holds; the graphs parsed, the data of checkpoints read."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".meta":
            found[path.name] = v1.MetaGraphDef.FromString(path.read_bytes())
        elif path.suffix == ".index":
            reader = tf.train.load_checkpoint(str(path.with_suffix("")))
            names = reader.get_variable_to_shape_map()
            found[path.name] = {name: reader.get_tensor(name).tolist() for name in names}
        elif ".tfevents." in path.name or ".data-" in path.name:
            found[path.name.partition(".tfevents.")[0]] = None
        else:
            found[path.name] = path.read_bytes().replace(bytes(folder), b"here")
    return found


def _saved(folder):
    """The steps that were saved, by the events."""
    return [step for kind, step, _ in _events(folder) if kind == "session_log"]


class TestAsCheckpointSaverHook:
    @pytest.mark.parametrize("every", [1, 3, 100])
    @pytest.mark.parametrize("with_graph", [True, False])
    def test_files_events_calls_and_log(self, tmp_path, diary, caplog, every, with_graph):
        listeners = [diary.listener("a"), diary.listener("b", stop_at=6)]
        with caplog.at_level(logging.INFO, "tensorflow"):
            ours, theirs = _Model().train_twice(
                tmp_path,
                listeners=listeners,
                save_checkpoints_steps=every,
                checkpoint_save_graph_def=with_graph,
            )
        assert _files(ours) == _files(theirs)
        # All but the graph of the beginning, which is to grow, and so is left out.
        assert _events(ours)[3:] == _events(theirs)[3:]
        assert ("graph.pbtxt" in _files(ours)) == with_graph
        assert any(path.suffix == ".meta" for path in ours.iterdir()) == with_graph
        calls = len(diary) // 2
        assert diary[calls:] == diary[:calls]
        said = [record.getMessage() for record in caplog.records]
        said = [line for line in said if "is deprecated" not in line]
        starts = [n for n, line in enumerate(said) if line.startswith("Create")]
        assert len(starts) == 3
        theirs_said, ours_said = said[starts[1] : starts[2]], said[starts[2] :]
        assert [line.replace("/ours/", "/theirs/") for line in ours_said] == theirs_said

    @pytest.mark.parametrize("every", [1, 3, 5])
    @pytest.mark.parametrize("by", [0, 1, 2, 7])
    def test_saves_at_the_same_steps_however_far_a_step_goes(self, tmp_path, every, by):
        ours, theirs = _Model(by).train_twice(tmp_path, save_checkpoints_steps=every)
        assert _saved(ours) == _saved(theirs)

    @pytest.mark.parametrize(
        "saver",
        [
            lambda: _saver(pad_step_number=True),
            lambda: v1.train.Saver([], allow_empty=True),
            lambda: v1.train.Saver(max_to_keep=0),
            lambda: v1.train.Saver(sharded=True, write_version=v1.train.SaverDef.V1),
            lambda: v1.train.Saver(write_version=v1.train.SaverDef.V1),
        ],
        ids=["padded", "empty", "keeps all", "sharded first format", "first format"],
    )
    def test_with_another_saver(self, tmp_path, saver):
        ours, theirs = map(_files, _Model(saver=saver).train_twice(tmp_path))
        assert any(name.endswith(".meta") for name in ours)
        assert ours == theirs

    def test_a_saver_of_the_users_own_kind_writes_the_graph_itself(self, tmp_path):
        class Own(v1.train.Saver):
            def save(self, *args, write_meta_graph=True, **options):
                wrote.append(write_meta_graph)
                return super().save(*args, write_meta_graph=write_meta_graph, **options)

        wrote = []
        _Model(saver=Own).train(_ours(tmp_path), steps=3)
        assert wrote == [True, True]
        assert (tmp_path / "model.ckpt-3.meta").exists()


class TestWhen:
    def test_by_seconds(self, tmp_path):
        now, asked = [100.0], []

        def act(hook, done):
            asked.append(hook.next_look(done))
            # After step 3 the time comes, and after step 5.
            now[0] += {3: 10.0, 4: 9.9, 5: 0.1}.get(done, 0.0)
            asked.append(hook.next_look(done))

        make = _ours(tmp_path, save_checkpoints_secs=10, clock=lambda: now[0])
        hook = _Model().train(make, act=act)
        assert _saved(tmp_path) == [0, 4, 6, 7]
        assert asked == [None] * 5 + [4] + [None] * 3 + [6] + [None] * 4
        now[0] += 10.0
        assert hook.next_look(7) == 8

    def test_by_seconds_nothing_is_fetched(self, tmp_path):
        hook = _Model().train(_ours(tmp_path, save_checkpoints_secs=1000), steps=1)
        assert hook.before_run(None) is None

    def test_next_look_by_steps(self, tmp_path):
        asked = []
        make = _ours(tmp_path, save_checkpoints_steps=3)
        _Model().train(make, act=lambda hook, done: asked.append(hook.next_look(done)))
        assert asked == [3, 3, 6, 6, 6, 9, 9]

    def test_is_exact_when_it_is_run_around_the_steps_it_asked_for_only(self, tmp_path):
        model = _Model()

        def skip(hook, done):
            at = session.run(step)
            for _ in range(hook.next_look(at) - at - 1):
                session.run(model.train_op)

        class Keeps(v1.train.SessionRunHook):
            def after_create_session(self, session, coord):
                self.session = session

        with model.graph.as_default():
            step = v1.train.get_global_step()
            hook, keeps = _ours(tmp_path, save_checkpoints_steps=4)(model.scaffold), Keeps()
            creator = v1.train.ChiefSessionCreator(model.scaffold)
            with v1.train.MonitoredSession(creator, [hook, keeps]) as monitored:
                session = keeps.session
                for done in range(4):
                    skip(hook, done)
                    monitored.run(model.train_op)
        assert _saved(tmp_path) == [0, 4, 8, 12, 16]

    def test_reads_the_global_step_apart_only_to_save(self, tmp_path):
        class Counting(v1.Session):
            reads = 0

            def run(self, fetches, *args, **options):
                if fetches is hook.before_run(None).fetches:
                    self.reads += 1
                return super().run(fetches, *args, **options)

        model, reads = _Model(), []
        with model.graph.as_default():
            hook = _ours(tmp_path, save_checkpoints_steps=50)(model.scaffold)
            hook.begin()
            model.scaffold.finalize()
            with Counting() as session:
                session.run(model.scaffold.init_op)
                hook.after_create_session(session, None)
                context = v1.train.SessionRunContext(None, session)
                for _ in range(60):
                    _, seen = session.run([model.train_op, hook.before_run(None).fetches])
                    hook.after_run(context, v1.train.SessionRunValues(seen, None, None))
                    reads.append(session.reads)
                hook.close()
        # At the start, once to learn how far a step goes, and next to the 50th: what is read with a
        # step can be of before it or after it.
        assert reads[0] == reads[45] == 2
        assert 3 <= reads[49] <= 5
        assert reads[50] == reads[59]

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_passes_over_nan_only(self, tmp_path, bad):
        loss = [1.0]

        def act(hook, done):
            loss[0] = bad if done == 1 else 1.0

        make = _ours(tmp_path, save_checkpoints_steps=2, loss=lambda: loss[0])
        _Model().train(make, steps=6, act=act)
        assert _saved(tmp_path) == ([0, 3, 5, 6] if math.isnan(bad) else [0, 2, 4, 6])

    def test_what_was_just_restored_is_told_and_not_saved(self, tmp_path, diary):
        asked = []

        def is_restored(path):
            asked.append(path)
            return True

        listeners = [diary.listener("a")]
        options = {"is_restored": is_restored, "listeners": listeners, "save_checkpoints_steps": 2}
        _Model().train(_ours(tmp_path, **options), steps=3)
        assert asked == [f"{tmp_path}/model.ckpt-0"]
        assert not list(tmp_path.glob("model.ckpt-0.*"))
        assert diary[:3] == ["begin a", "before save 0 a", "after save 0 a"]
        assert _saved(tmp_path) == [0, 2, 3]

    def test_the_interval_has_to_be_set(self, tmp_path):
        config = RunConfig(str(tmp_path), save_checkpoints_steps=None, save_checkpoints_secs=None)
        with pytest.raises(ValueError, match="save_checkpoints_secs or save_checkpoints_steps"):
            SaverHook(v1.train.Scaffold(), config, loss=lambda: 0.0)


class _Failing(v1.train.CheckpointSaverListener):
    def __init__(self, error):
        self._error = error

    def after_save(self, session, global_step_value):
        if global_step_value == 3:
            raise self._error


@pytest.mark.parametrize(
    "error", [StopIteration(), tf.errors.OutOfRangeError(None, None, "over")], ids=repr
)
def test_an_error_of_a_listener_never_is_the_end_of_the_input(tmp_path, error):
    with pytest.raises(tf.errors.DataLossError, match="while a checkpoint was saved"):
        _Model().train(_ours(tmp_path, listeners=[_Failing(error)]))


def test_after_an_error_closing_leaves_the_text_whole(tmp_path):
    hooks = []

    def make(scaffold):
        hooks.append(_ours(tmp_path, listeners=[_Failing(ValueError("mine"))])(scaffold))
        return hooks[0]

    with pytest.raises(ValueError, match="mine"):
        _Model().train(make)
    hooks[0].close()
    assert (tmp_path / "graph.pbtxt").read_bytes().startswith(b"node {")
    assert not list(tmp_path.glob("*.tmp*"))


class TestNothingTwice:
    def test_in_a_graph_that_is_trained_in_again(self, tmp_path):
        model, make = _Model(), _ours(tmp_path)
        model.train(make, steps=3)
        before = _events(tmp_path)
        text = (tmp_path / "graph.pbtxt").stat()
        model.train(make, steps=4)
        added = _events(tmp_path)[len(before) :]
        assert [(kind, step) for kind, step, _ in added if kind != "summary"] == [
            ("session_log", 0),
            ("session_log", 3),
            ("session_log", 4),
        ]
        assert (tmp_path / "graph.pbtxt").stat() == text
        metas = [(tmp_path / f"model.ckpt-{n}.meta").read_bytes() for n in (3, 4)]
        assert metas[0] == metas[1]

    def test_the_graph_is_added_again_after_another(self, tmp_path):
        models = [_Model(), _Model()]
        for number in (0, 1, 1, 0):
            models[number].train(_ours(tmp_path), steps=1)
        shown = [content for kind, _, content in _events(tmp_path) if kind == "graph_def"]
        finished = [one.graph.as_graph_def(add_shapes=True) for one in models]
        # The first one is of the file that is begun before the graph is finished.
        assert shown[1:] == [finished[0], finished[1], finished[0]]

    @pytest.mark.parametrize("collection", [True, False])
    def test_a_graph_that_grew_is_exported_again(self, tmp_path, collection):
        model = _Model(saver=v1.train.Saver)
        with model.graph.as_default():
            hook = _ours(tmp_path, save_checkpoints_steps=1)(model.scaffold)
            hook.begin()
            init = v1.global_variables_initializer()
            with v1.Session() as session:
                session.run(init)
                hook.after_create_session(session, None)
                if collection:
                    v1.add_to_collection("later", "added")
                else:
                    tf.constant(1.0, name="added")
                session.run(model.train_op)
                hook.end(session)
        before, after = (
            v1.MetaGraphDef.FromString((tmp_path / f"model.ckpt-{n}.meta").read_bytes())
            for n in (0, 1)
        )
        assert "added" not in str(before)
        assert "added" in str(after)

    def test_the_newest_are_kept_with_their_graphs(self, tmp_path):
        _Model().train(_ours(tmp_path, save_checkpoints_steps=1), steps=5)
        names = [path.name for path in tmp_path.glob("*.meta")]
        assert sorted(names) == ["model.ckpt-4.meta", "model.ckpt-5.meta"]


@pytest.mark.parametrize("sees", ["the step before", "the step after"])
@pytest.mark.parametrize("by", [1, 2, 7])
def test_whichever_step_is_read_with_a_run_none_that_is_due_is_missed(sees, by):
    schedule = _BySteps(5)
    schedule.start(0)
    due, last = [], 0
    for before in range(0, 40 * by, by):
        after = before + by
        seen = before if sees == "the step before" else after
        if schedule.may_be_due(seen) and schedule.is_due(after):
            schedule.start(after)
            due.append(after)
    wanted = []
    for after in range(by, 40 * by + by, by):
        if after >= last + 5:
            wanted.append(after)
            last = after
    assert due == wanted
