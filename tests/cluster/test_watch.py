"""Watch: what it says and when it leaves, by a clock of the test's; and that it hears and leaves.

The faults themselves are in test_faults.py.
"""

import logging
import os
import signal
import threading
import time

import pytest

from tf_estimator.cluster import watch as watch_module
from tf_estimator.cluster.peers import Peer
from tf_estimator.cluster.probe import Answer
from tf_estimator.cluster.watch import Watch, watching

A, B = Peer("ps", 0, "a:1"), Peer("ps", 1, "b:1")
HERE, GONE, FROZEN = Answer.ANSWERS, Answer.REFUSED, Answer.SILENT


class _LeftError(Exception):
    """In place of the end of the process."""


class Scene:
    """A watch over two peers with a timeout of 10 s, that looks once a second."""

    def __init__(self, why_done=lambda: None, here=True):
        self.now = 100.0
        self.answers = {A: HERE, B: HERE}
        self.knocks = []
        self.watch = Watch(
            [A, B],
            10,
            why_done=why_done,
            clock=lambda: self.now,
            ask=lambda peers: {peer: self.answers[peer] for peer in peers},
            leave=self._leave,
            knock=self.knocks.append,
        )
        if here:
            self.watch.look()

    def _leave(self, code, last_words):
        self.code, self.last_words = code, last_words
        raise _LeftError

    def pass_secs(self, secs):
        """So many looks."""
        for _ in range(secs):
            self.now += 1
            self.watch.look()

    def secs_until_it_leaves(self):
        begin = self.now
        with pytest.raises(_LeftError):
            self.pass_secs(1000)
        return self.now - begin

    def step(self, secs):
        """A whole step."""
        self.watch.hook.before_run(None)
        self.now += secs
        self.watch.hook.after_run(None, None)


@pytest.fixture
def said(caplog):
    """What the log says, from INFO on."""
    caplog.set_level(logging.INFO)

    class Said:
        def __call__(self):
            return [record.getMessage() for record in caplog.records]

    return Said()


@pytest.mark.parametrize(
    ("answer", "secs"),
    [
        (Answer.REFUSED, 10),
        (Answer.NO_ANSWER, 10),
        (Answer.UNKNOWN_HOST, 10),
        (Answer.OTHER, 10),
        (Answer.SILENT, 60),
    ],
)
def test_it_leaves_when_a_peer_is_away_for_long(answer, secs):
    scene = Scene()
    scene.answers[B] = answer
    assert scene.secs_until_it_leaves() == 1 + secs  # The first look finds it away.
    assert scene.code == 75
    assert scene.last_words.startswith(f"ps 1 (b:1) {answer.value}, and has been away for {secs} s")
    assert '"timeout_secs" in TF_CONFIG, which is 10 now' in scene.last_words


def test_a_peer_that_comes_back_has_its_time_anew(said):
    scene = Scene()
    for _ in range(3):
        scene.answers[A] = GONE
        scene.pass_secs(10)
        scene.answers[A] = HERE
        scene.pass_secs(1)
    away = (
        "ps 0 (a:1) refuses the connection: nothing listens on that port. Training goes on when "
        "it is back; this task gives up in 7 s."
    )
    assert said() == [away, "ps 0 (a:1) answers again, after 10 s."] * 3


@pytest.mark.parametrize(
    ("answers", "knocks"),
    [
        ([GONE], [A]),
        ([Answer.NO_ANSWER], [A]),
        ([FROZEN, GONE, FROZEN], [A]),
        ([GONE, HERE, HERE, GONE], [A, A]),
        ([FROZEN], []),  # Its connections go on as they were.
        ([HERE], []),
    ],
)
def test_it_knocks_at_a_peer_that_was_dead_and_is_back(answers, knocks):
    scene = Scene()
    for answer in [*answers, HERE, HERE]:
        scene.answers[A] = answer
        scene.pass_secs(1)
    assert scene.knocks == knocks


def test_it_does_not_knock_at_who_has_never_been_there():
    scene = Scene(here=False)
    for answer in (GONE, HERE):
        scene.answers[A] = answer
        scene.pass_secs(1)
    assert not scene.knocks


def test_a_frozen_peer_that_dies_has_the_time_of_a_dead_one(said):
    scene = Scene()
    scene.answers[A] = FROZEN
    scene.pass_secs(30)
    scene.answers[A] = GONE
    assert scene.secs_until_it_leaves() == 11
    assert [line.partition(". ")[2] for line in said()] == [
        "Training goes on when it is back; this task gives up in 57 s.",
        "Training goes on when it is back; this task gives up in 10 s.",
    ]


def test_a_dead_peer_that_is_started_and_freezes_has_the_time_of_a_frozen_one():
    scene = Scene()
    for answer in (GONE, FROZEN, GONE, FROZEN):
        scene.answers[A] = answer
        scene.pass_secs(10)


def test_a_peer_that_is_now_dead_now_frozen_is_not_waited_for_for_ever():
    scene = Scene()

    def answer(peers):
        is_frozen = int(scene.now) % 10 < 5
        return dict.fromkeys(peers, FROZEN if is_frozen else GONE)

    scene.watch._ask = answer
    assert scene.secs_until_it_leaves() <= 60 + 10


def test_a_short_silence_is_not_worth_a_line(said):
    scene = Scene()
    for answer in (FROZEN, GONE):
        scene.answers[A] = answer
        scene.pass_secs(3)
        scene.answers[A] = HERE
        scene.pass_secs(1)
    assert said() == []


def test_who_has_never_been_there_has_time_to_come(said):
    scene = Scene(here=False)
    scene.answers = {A: GONE, B: GONE}
    scene.pass_secs(59)  # wait_for tells of it meanwhile.
    scene.answers = {A: HERE, B: HERE}
    scene.pass_secs(1)
    assert said() == []
    scene = Scene(here=False)
    scene.answers[B] = GONE
    assert scene.secs_until_it_leaves() == 61


def test_it_leaves_with_0_if_the_job_is_done():
    scene = Scene(why_done=lambda: "max_steps, 9, is reached")
    scene.answers[A] = GONE
    assert scene.secs_until_it_leaves() == 11
    assert scene.code == 0
    assert scene.last_words == "The job is done: max_steps, 9, is reached. ps 0 (a:1) has ended."


def test_a_long_step_is_told_of_ever_more_rarely(said):
    scene = Scene()
    scene.step(0.5)
    scene.watch.hook.before_run(None)
    scene.answers[B] = FROZEN
    scene.pass_secs(50)
    long = [line for line in said() if line.startswith("No step")]
    assert long == [
        f"No step has ended for {secs} s; usually one takes 0.5 s. ps 0 (a:1) answers; ps 1 (b:1) "
        f"{FROZEN.value}. Training goes on when TensorFlow does."
        for secs in (11, 22, 44)
    ]


@pytest.mark.parametrize(("usual", "long_after"), [(None, 10), (0.1, 10), (3, 30)])
def test_a_step_is_long_by_what_is_usual(said, usual, long_after):
    scene = Scene()
    if usual is not None:
        for _ in range(20):
            scene.step(usual)
    scene.watch.hook.before_run(None)
    scene.pass_secs(long_after)
    assert said() == []
    scene.pass_secs(1)
    assert len(said()) == 1


def test_what_is_usual_follows_the_steps():
    scene = Scene()
    scene.step(60)  # The first one.
    for _ in range(50):
        scene.step(1)
    assert scene.watch.hook.usual == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("ends", ["after_run", "end"])
def test_between_and_after_steps_there_is_no_long_step(said, ends):
    scene = Scene()
    scene.watch.hook.before_run(None)
    scene.watch.hook.after_run(None, None) if ends == "after_run" else scene.watch.hook.end(None)
    scene.pass_secs(100)  # Saves, evaluations.
    assert said() == []


def test_unwatched_steps_stay_unwatched():
    assert Scene().watch.hook.next_look(7) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_after_a_signal_it_leaves_without_waiting_for_a_peer(number):
    scene = Scene()
    scene.answers[A] = FROZEN
    scene.pass_secs(8)
    scene.watch.hear(number)
    assert scene.secs_until_it_leaves() == 5
    assert scene.code == 128 + number
    assert scene.last_words == (f"{number.name}: this task ends at once, for ps 0 (a:1) is away.")


def test_a_peer_that_goes_away_after_a_signal_is_not_waited_for_either():
    scene = Scene()
    scene.watch.hear(signal.SIGTERM)
    scene.pass_secs(2)
    scene.answers[A] = GONE
    assert scene.secs_until_it_leaves() == 6
    assert scene.code == 143


def test_a_program_that_wants_to_stop_after_a_step_may_never_see_its_end():
    scene = Scene()
    scene.step(1)
    scene.watch.hear(signal.SIGTERM)
    scene.now += 1
    scene.watch.hook.before_run(None)
    scene.answers[A] = FROZEN
    assert scene.secs_until_it_leaves() == 6
    assert scene.code == 143


def test_a_signal_in_the_middle_of_a_long_step_ends_it():
    scene = Scene()
    scene.watch.hook.before_run(None)
    scene.pass_secs(3)
    scene.watch.hear(signal.SIGTERM)
    assert scene.secs_until_it_leaves() == 8  # It is a long one then.
    assert scene.code == 143
    assert "in the middle of a step" in scene.last_words


def test_a_signal_that_is_followed_changes_nothing(said):
    scene = Scene()
    scene.step(1)
    scene.watch.hear(signal.SIGTERM)
    scene.pass_secs(100)  # Say, it saves and evaluates.
    scene.now += 1
    scene.step(1)
    scene.watch.hook.before_run(None)  # The program has decided to go on.
    scene.pass_secs(1)
    scene.watch.hook.after_run(None, None)
    scene.answers[A] = GONE
    assert scene.secs_until_it_leaves() == 11
    assert scene.code == 75


def test_other_signals_are_not_its_business():
    scene = Scene()
    scene.watch.hear(signal.SIGUSR1)
    scene.answers[A] = FROZEN
    assert scene.secs_until_it_leaves() == 61


@pytest.fixture
def heard(monkeypatch):
    """The numbers of the signals that a watch hears, and an event when it hears SIGTERM."""
    numbers, event = [], threading.Event()

    def hear(self, number):
        numbers.append(number)
        if number == signal.SIGTERM:
            event.set()

    monkeypatch.setattr(Watch, "hear", hear)
    return numbers, event


@pytest.fixture
def handled():
    """A handler of SIGTERM, as programs have; the numbers that it was called with."""
    calls = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_it_hears_a_signal_and_the_program_does_as_well(heard, handled):
    numbers, event = heard
    with watching([], 10):
        os.kill(os.getpid(), signal.SIGTERM)
        assert event.wait(30)
    assert numbers == handled == [signal.SIGTERM]


def test_it_leaves_nothing_behind():
    threads = threading.active_count()
    with watching([], 10):
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1


def test_who_hears_signals_already_goes_on_to_hear_them(heard):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    try:
        with watching([], 10):
            pass
    finally:
        assert signal.set_wakeup_fd(-1) == writing
        os.close(reading)
        os.close(writing)


def test_in_another_thread_it_watches_and_does_not_hear():
    looked = []

    def watch():
        with watching([], 10) as watch:
            looked.append(watch)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert looked
    assert signal.set_wakeup_fd(-1) == -1


def test_it_looks_once_a_second(monkeypatch):
    monkeypatch.setattr(watch_module, "_LOOK_EVERY_SECS", 0.01)
    looks = threading.Semaphore(0)
    monkeypatch.setattr(Watch, "look", lambda self: looks.release())
    with watching([], 10):
        for _ in range(3):
            assert looks.acquire(timeout=30)


def test_it_leaves_also_if_its_last_words_are_stuck(monkeypatch):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(watch_module, "_LAST_WORDS_SECS", 0.1)
    free = threading.Event()
    monkeypatch.setattr(watch_module.logger, "log", lambda *args: free.wait())
    begin = time.monotonic()
    watch_module.leave(75, "words")
    assert codes == [75]
    assert time.monotonic() - begin < 30
    free.set()


def test_what_else_waits_for_others_is_watched_as_a_step_is():
    scene = Scene()
    scene.watch.hear(signal.SIGTERM)
    with pytest.raises(_LeftError), scene.watch.hook.waits():
        scene.pass_secs(30)
    assert scene.code == 143
    assert scene.watch.hook.began is None
