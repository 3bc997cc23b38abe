"""wait_for: who is missing is said, and how long is waited is bounded; by a clock of the test's."""

import logging

import pytest
import tensorflow as tf

from tf_estimator.cluster.peers import Peer
from tf_estimator.cluster.probe import Answer
from tf_estimator.cluster.waiting import UnreachableError, ask, wait_for
from tf_estimator.cluster.watch import Watch

PS = [Peer("ps", 0, "a:1"), Peer("ps", 1, "b:1")]


class Time:
    """A clock that sleeping moves, and peers that come at some time of it."""

    def __init__(self, comes_at, otherwise=Answer.REFUSED):
        self.now, self.asked = 100.0, []
        self._comes_at, self._otherwise = comes_at, otherwise

    def sleep(self, secs):
        assert secs > 0
        self.now += secs

    def ask(self, peers):
        self.asked.append([peer.index for peer in peers])
        came = [self.now - 100 >= self._comes_at[peer.index] for peer in peers]
        return {
            peer: Answer.ANSWERS if is_there else self._otherwise
            for peer, is_there in zip(peers, came, strict=True)
        }

    def wait(self, timeout_secs, **how):
        clock = lambda: self.now  # noqa: E731
        wait_for(PS, timeout_secs, clock=clock, sleep=self.sleep, ask=self.ask, **how)
        return self.now - 100


def test_it_takes_no_time_if_all_are_there():
    assert Time([0, 0]).wait(10) == 0


def test_nobody_is_asked_for_if_nobody_is_needed():
    wait_for([], 10, ask=lambda peers: dict.fromkeys(peers, Answer.ANSWERS))


def test_it_waits_for_the_last_and_asks_no_other_again():
    time = Time([0, 3])
    assert time.wait(10) == 3
    assert time.asked == [[0, 1], *[[1]] * 6]


@pytest.mark.parametrize("timeout_secs", [0.2, 10, 61])
def test_it_gives_up_in_time(timeout_secs):
    time = Time([0, float("inf")])
    with pytest.raises(UnreachableError):
        time.wait(timeout_secs)
    assert time.now - 100 == pytest.approx(timeout_secs)


def test_the_error_names_each_peer_its_address_why_and_what_to_do():
    with pytest.raises(UnreachableError) as raised:
        Time([float("inf")] * 2, Answer.SILENT).wait(10)
    assert str(raised.value) == (
        "ps 0 (a:1) accepts the connection but says nothing: the process is frozen; ps 1 (b:1) "
        "accepts the connection but says nothing: the process is frozen. This task cannot do "
        "without, and has waited for 10 s. See whether each runs, whether its log shows an error, "
        'and whether its address in "cluster" of TF_CONFIG is right and the same for all tasks. '
        'Where tasks start later than that, set "timeout_secs" in TF_CONFIG, for example '
        '"timeout_secs": 60.'
    )


@pytest.mark.parametrize(("answer", "secs"), [(Answer.REFUSED, 10), (Answer.SILENT, 60)])
def test_who_was_there_is_waited_for_and_told_of_as_the_watch_does(answer, secs):
    left = []
    time = Time([0, float("inf")], answer)
    with pytest.raises(UnreachableError) as raised:
        time.wait(10, were_there=True)
    assert time.now - 100 == pytest.approx(secs)
    found = {}
    watch = Watch(
        PS[1:],
        10,
        clock=lambda: time.now,
        ask=lambda peers: found,
        leave=lambda code, last_words: left.append(last_words),
    )
    for time.now, found[PS[1]] in ((0, Answer.ANSWERS), (100, answer), (100 + secs, answer)):
        watch.look()
    assert left == [str(raised.value)]


def test_who_was_there_and_froze_and_died_has_the_time_of_the_dead():
    time = Time([0, float("inf")], Answer.SILENT)
    ask = time.ask

    def asks(peers):
        time._otherwise = Answer.SILENT if time.now < 130 else Answer.REFUSED
        return ask(peers)

    time.ask = asks
    with pytest.raises(UnreachableError):
        time.wait(10, were_there=True)
    assert time.now == 140


def test_monitored_session_does_not_recover_from_the_error():
    assert issubclass(UnreachableError, ConnectionError)
    assert not issubclass(UnreachableError, tf.errors.OpError)


def test_the_log_says_who_is_missing_after_two_seconds_and_then_every_ten(caplog):
    caplog.set_level(logging.INFO)
    Time([0, 25]).wait(60)
    assert [record.getMessage() for record in caplog.records] == [
        f"Still waiting, for {rest} s more: ps 1 (b:1) refuses the connection: nothing listens on "
        "that port."
        for rest in (58, 48, 38)
    ]


def test_a_peer_is_asked_by_its_address():
    assert ask([Peer("ps", 0, "host.invalid:1")]) == {
        Peer("ps", 0, "host.invalid:1"): Answer.UNKNOWN_HOST
    }
