"""Hooks do the same whether they are run at every step or only where they say they look."""

import logging
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from tf_estimator.engine.steps import looks
from tf_estimator.engine.steps.looks import Looks

v1 = tf.compat.v1
train = v1.train


class Training:
    """A graph that takes the global step on by one and has a loss, and its runs.

    Attributes:
        looked: the steps that were run with the hooks.
        notes: what the hooks did, in order.
    """

    def __init__(self, folder: Path, moves_by: int = 1, tick: Callable[[], None] | None = None):
        self.folder, self.moves_by, self.tick = str(folder), moves_by, tick
        self.looked: list[int] = []
        self.notes: list[Any] = []

    def run(
        self,
        make_hooks: Callable[["Training"], Sequence[Any]],
        most: int,
        *,
        start: int = 0,
        singly: bool = False,
        at_once: int = 1000,
    ) -> "Training":
        """Takes `most` steps or until a hook stops; at most `at_once` without asking again."""
        with tf.Graph().as_default():
            self._build()
            hooks = [_Start(start), *make_hooks(self)]
            self.hooks = hooks[1:]
            with v1.train.MonitoredSession(hooks=hooks) as session:
                self.looks = Looks(hooks, self.loss)
                self._take(session, hooks[0].session, start, start + most, singly, at_once)
        v1.summary.FileWriterCache.clear()
        return self

    def _build(self) -> None:
        step = train.get_or_create_global_step()
        # The read that TensorFlow's hooks share is made by the first that begins. Without an order
        # it may see the step of before the run or of after it.
        first = train.StopAtStepHook(1)
        first.begin()
        read = first._global_step_tensor
        ticked = [tf.numpy_function(self.tick, [], [])] if self.tick else []
        self.loss = tf.identity(tf.sin(tf.cast(read, tf.float32)), name="loss")
        v1.summary.scalar("loss", self.loss)
        with tf.control_dependencies([read, self.loss, *ticked]):
            self.train_op = v1.assign_add(step, self.moves_by).op
        v1.add_to_collection(v1.GraphKeys.SAVERS, train.Saver(defer_build=False))

    def _take(
        self, session: Any, raw: Any, done: int, most: int, singly: bool, at_once: int
    ) -> None:
        step, global_step = raw.make_callable(self.train_op), train.get_global_step()
        while not session.should_stop() and done < most:
            at = int(raw.run(global_step))
            look = at + 1 if singly else self.looks.next(at)
            free = min(most - done, math.inf if look is None else look - 1 - at)
            if free > 0:
                for _ in range(min(free, at_once)):
                    step()
                self.looks.skipped(min(free, at_once))
                done += min(free, at_once)
                if free > at_once or done == most:
                    continue
            session.run([self.train_op, self.loss])
            done += 1
            self.looked.append(done)

    @property
    def saw(self) -> dict[str, Any]:
        """All that can be seen of what the hooks did."""
        events = []
        for path in sorted(Path(self.folder).glob("*tfevents*")):
            for event in train.summary_iterator(str(path)):
                kind = event.WhichOneof("what")
                values = [
                    (one.tag, None if "/sec" in one.tag else one.simple_value)
                    for one in event.summary.value
                ]
                run = event.tagged_run_metadata.tag
                events.append((kind, event.step, event.session_log.status, values, run))
        files = sorted(path.name for path in Path(self.folder).glob("timeline*"))
        return {"notes": self.notes, "events": events, "files": files}


class _Start(v1.train.SessionRunHook):
    """Has the session go on from a step, and keeps the session itself."""

    def __init__(self, step: int) -> None:
        self._step = step

    def begin(self) -> None:
        self._set = v1.assign(train.get_global_step(), self._step)

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.session = session
        session.run(self._set)


class Notes(v1.train.SessionRunHook, v1.train.CheckpointSaverListener):
    """Notes every `every`-th step, looks no oftener than that, and notes saves; may stop at one."""

    def __init__(self, training: Training, every: int = 1000, stop_at_save: int = -1) -> None:
        self._notes, self._every, self._stop_at = training.notes, every, stop_at_save

    def begin(self) -> None:
        self._step = train.get_global_step()

    def next_look(self, global_step: int) -> int:
        return global_step - global_step % self._every + self._every

    def after_run(self, run_context: Any, run_values: Any) -> None:
        step = int(run_context.session.run(self._step))
        if step % self._every == 0:
            self._notes.append(f"step {step}")

    def after_save(self, session: Any, step: int) -> bool:
        self._notes.append(f"saved {step}")
        return step >= self._stop_at >= 0

    def end(self, session: Any, step: int | None = None) -> None:
        self._notes.append(f"end at {session.run(self._step)}")


class Counts(v1.train.SessionRunHook):
    """Notes every `every`-th run, as it is told of those that it missed."""

    def __init__(self, training: Training, every: int) -> None:
        self._notes, self._every, self._runs = training.notes, every, 0

    def next_look(self, global_step: int) -> int:
        return global_step + self._every - self._runs % self._every

    def after_skipped_steps(self, steps: int) -> None:
        self._runs += steps

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._runs += 1
        if self._runs % self._every == 0:
            self._notes.append(f"run {self._runs}")


MAKE: dict[str, Callable[[Training, int], Any]] = {
    "stop after": lambda _, n: train.StopAtStepHook(num_steps=n),
    "stop at": lambda _, n: train.StopAtStepHook(last_step=n),
    "log": lambda t, n: train.LoggingTensorHook({"loss": t.loss}, every_n_iter=n),
    "log and at end": lambda _, n: train.LoggingTensorHook(["loss"], every_n_iter=n, at_end=True),
    "log at end": lambda _, n: train.LoggingTensorHook(["loss"], at_end=True),
    "count": lambda t, n: train.StepCounterHook(n, output_dir=t.folder),
    "summarize": lambda t, n: train.SummarySaverHook(
        n, output_dir=t.folder, summary_op=v1.summary.merge_all()
    ),
    "save": lambda t, n: train.CheckpointSaverHook(t.folder, save_steps=n, listeners=[Notes(t)]),
    "save and stop": lambda t, n: train.CheckpointSaverHook(
        t.folder, save_steps=n, listeners=[Notes(t, stop_at_save=2 * n)]
    ),
    "profile": lambda t, n: train.ProfilerHook(n, output_dir=t.folder),
    "nan": lambda t, n: train.NanTensorHook(t.loss),
    "final": lambda t, n: train.FinalOpsHook(t.loss),
    "wait": lambda t, n: train.GlobalStepWaiterHook(0),
    "own": Notes,
    "own, counts": Counts,
}


@pytest.fixture
def logged() -> Iterator[Callable[[], list[str]]]:
    """Takes away what was logged so far from the level INFO on, without times and folders."""
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = re.sub(
                r"\([\d.]+ sec\)|(?<=/sec: ).*|(?<= at )0x\w+|'?/\S+/", "...", record.getMessage()
            )
            if "is deprecated" not in text:  # which is told once
                messages.append(text)

    logger, handler = tf.get_logger(), Keep()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    def take() -> list[str]:
        taken = list(messages)
        messages.clear()
        return taken

    yield take
    logger.removeHandler(handler)
    logger.setLevel(level)


class TestSameAsSingly:
    @hypothesis.settings(
        max_examples=25,
        suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    )
    @hypothesis.given(
        given=st.lists(
            st.tuples(st.sampled_from(sorted(MAKE)), st.integers(1, 15)),
            max_size=6,
            unique_by=lambda one: one[0],  # two profilers of one step are an error
        ),
        most=st.integers(1, 40),
        start=st.sampled_from([0, 3, 1000]),
        at_once=st.sampled_from([1, 4, 1000]),
    )
    def test_any_hooks_together(
        self,
        given: list[tuple[str, int]],
        most: int,
        start: int,
        at_once: int,
        tmp_path_factory: pytest.TempPathFactory,
        logged: Callable[[], list[str]],
    ) -> None:
        logged()
        seen = []
        for singly in (True, False):
            training = Training(tmp_path_factory.mktemp("run")).run(
                lambda t: [MAKE[kind](t, n) for kind, n in given],
                most,
                start=start,
                singly=singly,
                at_once=at_once,
            )
            seen.append((training.saw, logged()))
        assert seen[0] == seen[1]

    @pytest.mark.parametrize("secs", [1, 2, 5, 7.5])
    @pytest.mark.parametrize("kind", ["log", "summarize", "profile"])
    def test_hooks_that_go_by_the_clock_before_a_step(
        self,
        kind: str,
        secs: float,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        logged: Callable[[], list[str]],
    ) -> None:
        make = {
            "log": lambda t: train.LoggingTensorHook({"loss": t.loss}, every_n_secs=secs),
            "summarize": lambda t: train.SummarySaverHook(
                save_secs=secs, output_dir=t.folder, summary_op=v1.summary.merge_all()
            ),
            "profile": lambda t: train.ProfilerHook(save_secs=secs, output_dir=t.folder),
        }[kind]
        seen = []
        for singly in (True, False):
            tick = Tick(monkeypatch)
            training = Training(tmp_path / str(singly), tick=tick).run(
                lambda t: [make(t)], 30, singly=singly, at_once=1
            )
            seen.append((training.saw, logged()))
        assert seen[0] == seen[1]
        assert len(training.looked) <= 1 + 30 // secs

    @pytest.mark.parametrize("kind", ["save", "count"])
    def test_hooks_that_go_by_the_clock_after_a_step_are_at_most_one_step_late(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make = {
            "save": lambda t: train.CheckpointSaverHook(
                t.folder, save_secs=7, listeners=[Notes(t)]
            ),
            "count": lambda t: train.StepCounterHook(None, every_n_secs=7, output_dir=t.folder),
        }[kind]
        training = Training(tmp_path, tick=Tick(monkeypatch)).run(
            lambda t: [make(t)], 40, at_once=1
        )
        if kind == "save":
            at = [int(note.split()[1]) for note in training.notes if "saved" in note][:-1]
        else:
            at = [step for _, step, _, values, _ in training.saw["events"] if values]
        assert len(at) >= 4
        assert set(np.diff(at)) <= {7, 8}
        assert len(training.looked) <= 6


class Tick:
    """A clock that goes one second on in each step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = time.time()
        monkeypatch.setattr(time, "time", lambda: self._now)

    def __call__(self) -> None:
        self._now += 1.0


class Every(v1.train.SessionRunHook):
    """A user's hook that says nothing."""

    def after_run(self, run_context: Any, run_values: Any) -> None:
        pass


class TestWhere:
    @pytest.mark.parametrize(
        ("kind", "n", "looked"),
        [
            ("stop after", 7, [1, 7]),
            ("stop at", 12, [1, 12]),
            ("stop at", 0, [1]),
            ("log", 8, [1, 9, 17]),
            ("log and at end", 8, [1, 9, 17]),
            ("log at end", 8, [1]),
            ("count", 8, [1, 9, 17]),
            ("summarize", 8, [1, 9, 17]),
            ("save", 8, [1, 8, 16]),
            ("profile", 8, [1, 8, 16]),
            ("nan", 0, [1]),
            ("final", 0, [1]),
            ("wait", 0, [1]),
            ("own", 8, [1, 8, 16]),
            ("own, counts", 8, [1, 8, 16]),
            ("log", 1, list(range(1, 21))),
            ("log", 10**12, [1]),
        ],
    )
    def test_a_hook_is_run_no_oftener_than_it_must(
        self, kind: str, n: int, looked: list[int], tmp_path: Path
    ) -> None:
        training = Training(tmp_path).run(lambda t: [MAKE[kind](t, n)], 20)
        assert training.looked == looked
        assert training.looks.at_every_step == []

    def test_the_nearest_of_all(self, tmp_path: Path) -> None:
        training = Training(tmp_path).run(
            lambda t: [MAKE["save"](t, 8), MAKE["log"](t, 5), MAKE["own"](t, 7)], 20
        )
        assert training.looked == [1, 6, 7, 8, 11, 14, 16]

    def test_no_hook_never_looks(self) -> None:
        asked = Looks([v1.train.SessionRunHook()], object())
        assert [asked.next(step) for step in (4, 5)] == [5, None]

    @pytest.mark.parametrize(
        "make",
        [
            lambda _: Every(),
            lambda _: train.FeedFnHook(dict),
            lambda t: train.NanTensorHook(t.loss, fail_on_nan_loss=False),
            lambda t: train.NanTensorHook(t.loss + 1.0),
            lambda t: train.SummarySaverHook(5, summary_op=v1.summary.merge_all()),  # writes none
        ],
    )
    def test_hooks_that_look_at_every_step(
        self, make: Callable[[Training], Any], tmp_path: Path
    ) -> None:
        training = Training(tmp_path).run(lambda t: [MAKE["save"](t, 8), make(t)], 6)
        assert training.looked == [1, 2, 3, 4, 5, 6]

    def test_they_are_named(self, tmp_path: Path) -> None:
        training = Training(tmp_path).run(lambda t: [MAKE["save"](t, 8), Every()], 3)
        assert training.looks.at_every_step == training.hooks[1:]
        assert training.looks.takes_single_steps


class TestSubclasses:
    @pytest.mark.parametrize("overridden", ["before_run", "after_run"])
    def test_one_that_is_run_otherwise_looks_at_every_step(
        self, overridden: str, tmp_path: Path
    ) -> None:
        def override(hook: Any, *given: Any) -> Any:
            return getattr(train.StopAtStepHook, overridden)(hook, *given)

        kind = type("Own", (train.StopAtStepHook,), {overridden: override})
        training = Training(tmp_path).run(lambda _: [kind(last_step=5)], 9)
        assert training.looked == [1, 2, 3, 4, 5]

    def test_one_that_changes_other_methods_is_as_its_base(self, tmp_path: Path) -> None:
        class Own(v1.train.StopAtStepHook):
            def begin(self) -> None:
                super().begin()

            def end(self, session: Any) -> None:
                pass

        assert Training(tmp_path).run(lambda _: [Own(last_step=5)], 9).looked == [1, 5]

    def test_a_method_of_the_object_itself_counts(self, tmp_path: Path) -> None:
        def make(training: Training) -> list[Any]:
            hook = train.StopAtStepHook(last_step=5)
            hook.after_run = lambda run_context, run_values: None
            return [hook]

        assert Training(tmp_path).run(make, 4).looked == [1, 2, 3, 4]

    def test_what_one_says_itself_goes_first_and_its_base_still_counts(
        self, tmp_path: Path, logged: Callable[[], list[str]]
    ) -> None:
        class Own(v1.train.LoggingTensorHook):
            def after_run(self, run_context: Any, run_values: Any) -> None:
                super().after_run(run_context, run_values)

            def next_look(self, global_step: int) -> int:
                return global_step - global_step % 3 + 3

        training = Training(tmp_path).run(lambda _: [Own(["loss"], every_n_iter=5)], 13)
        assert training.looked == [1, 3, 6, 9, 12]
        losses = [float(text.split()[2]) for text in logged() if text.startswith("loss")]
        # Runs 0 and 5 of its own; that of number 10 it does not look at.
        np.testing.assert_allclose(losses, np.sin([0, 5, 11]), rtol=1e-5)


class TestOwnAnswers:
    @pytest.mark.parametrize(
        ("answer", "error", "message"),
        [
            (
                7,
                ValueError,
                r"Own.next_look must return the number of a step after 7.*; received 7",
            ),
            (-1, ValueError, "received -1"),
            (8.0, TypeError, r"or None for none it knows of; received 8.0 \(float\)"),
            (True, TypeError, "received True"),
            ("8", TypeError, "received '8'"),
        ],
    )
    def test_a_wrong_one_is_refused(self, answer: Any, error: type, message: str) -> None:
        class Own(Every):
            def next_look(self, global_step: int) -> Any:
                return answer

        asked = Looks([Own()], object())
        asked.next(6)
        with pytest.raises(error, match=message):
            asked.next(7)

    @pytest.mark.parametrize("answer", [None, 8, 99, np.int64(12)])
    def test_a_right_one_is_passed_on(self, answer: Any) -> None:
        class Own(Every):
            def next_look(self, global_step: int) -> Any:
                return answer

        asked = Looks([Own()], object())
        assert [asked.next(6), asked.next(7)] == [7, answer]

    def test_what_is_no_method_is_none(self) -> None:
        class Own(Every):
            next_look = None

        hook = Own()
        assert Looks([hook], object()).at_every_step == [hook]


class TestGlobalStep:
    @pytest.mark.parametrize("moves_by", [0, 2, 5])
    def test_one_that_does_not_go_by_one_gets_single_steps(
        self, moves_by: int, tmp_path: Path
    ) -> None:
        training = Training(tmp_path, moves_by).run(
            lambda t: [MAKE["log"](t, 8), MAKE["stop at"](t, 90)], 6
        )
        assert training.looked == [1, 2, 3, 4, 5, 6]
        assert training.looks.takes_single_steps

    def test_one_that_moves_otherwise_later_gets_single_steps(self) -> None:
        asked = Looks([train.StopAtStepHook(last_step=50)], object())
        assert [asked.next(0), asked.next(1)] == [1, 50]
        asked.skipped(48)
        assert asked.next(40) == 41
        assert asked.takes_single_steps

    def test_steps_that_were_cut_short_are_asked_for_again(self) -> None:
        asked = Looks([train.StopAtStepHook(last_step=50)], object())
        assert [asked.next(0), asked.next(1)] == [1, 50]
        for done in (20, 30, 49):
            asked.skipped(done - asked._asked)
            assert asked.next(done) == 50
        assert asked.next(50) == 51

    def test_a_session_that_was_lost_starts_with_a_look(self) -> None:
        asked = Looks([train.StopAtStepHook(last_step=50)], object())
        assert [asked.next(10), asked.next(11)] == [11, 50]
        asked.skipped(5)
        assert [asked.next(3), asked.next(4)] == [4, 50]
        assert not asked.takes_single_steps


class TestOtherMake:
    @pytest.mark.parametrize(
        ("kind", "kept"),
        [
            ("stop at", "_last_step"),
            ("log", "_timer"),
            ("log", "_iter_count"),
            ("count", "_timer"),
            ("save", "_timer"),
            ("summarize", "_timer"),
            ("summarize", "_next_step"),
            ("profile", "_next_step"),
            ("wait", "_worker_is_started"),
            ("nan", "_loss_tensor"),
            ("nan", "_fail_on_nan_loss"),
        ],
    )
    def test_a_hook_that_keeps_its_state_elsewhere_looks_at_every_step(
        self, kind: str, kept: str, tmp_path: Path
    ) -> None:
        training = Training(tmp_path).run(lambda t: [MAKE[kind](t, 5)], 2)
        (hook,) = training.hooks
        assert looks.look_of(hook, training.loss) is not looks.every_step
        delattr(hook, kept)
        assert looks.look_of(hook, training.loss) is looks.every_step

    @pytest.mark.parametrize("kind", ["log", "save", "summarize"])
    def test_a_timer_of_another_kind_is_asked_at_every_step(
        self, kind: str, tmp_path: Path
    ) -> None:
        class Tens(v1.train.SecondOrStepTimer):
            def should_trigger_for_step(self, step: int) -> bool:
                return step % 10 == 0

        training = Training(tmp_path).run(lambda t: [MAKE[kind](t, 5)], 2)
        (hook,) = training.hooks
        hook._timer = Tens(every_steps=1)
        assert looks.look_of(hook, training.loss) is looks.every_step


@hypothesis.given(
    every=st.integers(1, 200), last=st.none() | st.integers(0, 100), start=st.integers(0, 150)
)
def test_the_first_trigger_of_a_timer(every: int, last: int | None, start: int) -> None:
    timer = train.SecondOrStepTimer(every_steps=every)
    if last is not None:
        timer.update_last_triggered_step(last)
    expected = next(n for n in range(start, 1000) if timer.should_trigger_for_step(n))
    assert looks._first_trigger(timer, start) == expected
