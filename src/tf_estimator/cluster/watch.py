"""Watch: a thread that sees to it that a task of a cluster never hangs.

TensorFlow waits without end for a task that died or froze, in a step as well as in Session.close,
and meanwhile Python hears no signal. So another thread looks, about once a second, at the peers
that the task cannot do without, and at the time that the current step takes::

    a peer is away for timeout_secs; for 6 times that, if it froze
    or has never been there yet:                                     exit with EX_TEMPFAIL, 75
    ... and the job is done:                                         exit with 0
    a signal was heard, and 5 s later the same step runs, or none,
    and a peer is away or the step takes unusually long:             exit with 128 + its number
    a step takes longer than timeout_secs and 10 times the usual:    say so

The main thread is inside TensorFlow then and cannot be interrupted, so the exit is at once:
nothing is lost but the work since the last checkpoint, as if the process had been killed.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from tf_estimator._tf import logger, v1
from tf_estimator.cluster.away import EX_TEMPFAIL, Away, in_words, last_words
from tf_estimator.cluster.peers import Peer
from tf_estimator.cluster.probe import Answer
from tf_estimator.cluster.waiting import Ask, ask

_LOOK_EVERY_SECS: Final = 1.0

# How many times longer than usual a step takes when it is worth a line.
_UNUSUAL: Final = 10

# How long the main thread may take to follow a signal, in seconds.
_TO_FOLLOW_A_SIGNAL_SECS: Final = 5.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

# How long the last words may take, in seconds: what they are written to may be stuck as well.
_LAST_WORDS_SECS: Final = 3.0


def leave(code: int, last_words: str) -> None:
    """Ends the process at once, whatever its other threads do; flushes what it can.

    Args:
        code: the exit code.
        last_words: for the log.
    """

    def flush() -> None:
        logger.log(logging.ERROR if code else logging.INFO, last_words)
        sys.stdout.flush()
        sys.stderr.flush()
        v1.summary.FileWriterCache.clear()

    thread = threading.Thread(target=flush, daemon=True)
    thread.start()
    thread.join(_LAST_WORDS_SECS)
    os._exit(code)


class StepTimes(v1.train.SessionRunHook):
    """Notes when a step begins and how long steps take, if it is one of the first hooks.

    Args:
        clock: tells the time in seconds.

    Attributes:
        began: when the step began that runs now; None between steps.
        last_began: when the last step that has ended had begun; None before there was one.
        usual: how long a step takes, in seconds, on the average of the last ones; at first 0.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.began: float | None = None
        self.last_began: float | None = None
        self.usual = 0.0

    def before_run(self, run_context: Any) -> None:
        """A step begins."""
        self.begins()

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """It ends; what follows are the looks of other hooks, as long as they may take."""
        self.ends()

    def begins(self) -> None:
        """A step begins, whether or not hooks look at it."""
        self.began = self._clock()

    def ends(self) -> None:
        """The step ends."""
        if self.began is not None:
            took = self._clock() - self.began
            self.usual = 0.9 * self.usual + 0.1 * took if self.usual else took
            self.last_began = self.began
        self.began = None

    @contextlib.contextmanager
    def waits(self) -> Iterator[None]:
        """A context for something else that may wait for other tasks, as a step does."""
        before = self.began
        self.began = self._clock() if before is None else before
        try:
            yield
        finally:
            self.began = before

    def end(self, session: Any) -> None:
        """There is none left."""
        self.began = None

    def next_look(self, global_step: int) -> int | None:
        """Who takes steps without the hooks tells it of them."""


class Watch:
    """What a task knows of its peers and its steps, and what it does about it. It has no thread.

    Args:
        needed: the peers that this task cannot do without.
        timeout_secs: how long one of them may be away.
        why_done: says why the job is done, as a sentence without its full stop; None until then.
        clock: tells the time in seconds, and never goes back.
        ask: asks peers whether they are there.
        leave: ends the process with an exit code and last words.
        knock: told of a peer that was dead and answers again: see the module `knock`.

    Attributes:
        hook: to be one of the first hooks of the session, if there is one.
    """

    def __init__(
        self,
        needed: Sequence[Peer],
        timeout_secs: float,
        *,
        why_done: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        ask: Ask = ask,
        leave: Callable[[int, str], None] = leave,
        knock: Callable[[Peer], None] = lambda peer: None,
    ) -> None:
        self._needed, self._timeout_secs, self._why_done = needed, timeout_secs, why_done
        self._clock, self._ask, self._leave, self._knock = clock, ask, leave, knock
        self._seen: set[Peer] = set()
        self._away: dict[Peer, Away] = {}
        self._signal: tuple[int, float] | None = None
        self._say_at = 0.0
        self.hook = StepTimes(clock)

    def hear(self, number: int) -> None:
        """Takes note of a signal that the program has a handler for.

        Args:
            number: of the signal.
        """
        if number in _SIGNALS and self._signal is None:
            self._signal = (number, self._clock())

    def look(self) -> None:
        """Asks the peers, looks at the step, and does what is due."""
        answers = self._ask(self._needed)
        now = self._clock()
        for peer, answer in answers.items():
            self._note(peer, answer, now)
        self._follow_signal(now)
        self._tell_of_long_step(answers, now)

    def _note(self, peer: Peer, answer: Answer, now: float) -> None:
        if answer is Answer.ANSWERS:
            self._seen.add(peer)
            away = self._away.pop(peer, None)
            if away and away.said:
                logger.info("%s answers again, after %.0f s.", peer, now - away.since)
            if away and away.was_gone:
                self._knock(peer)
            return
        away = self._away.setdefault(peer, Away(now))
        is_to_come = peer not in self._seen
        rest = away.rest_secs(answer, now, self._timeout_secs, is_to_come=is_to_come)
        if rest <= 0:
            self._give_up(peer, answer, now - away.since)
        elif (
            not is_to_come  # wait_for tells of those.
            and away.said is not answer
            and now - away.since >= self._timeout_secs / 4
        ):
            away.said = answer
            logger.warning(
                "%s %s. Training goes on when it is back; this task gives up in %.0f s.",
                peer,
                answer.value,
                rest,
            )

    def _give_up(self, peer: Peer, answer: Answer, secs: float) -> None:
        if why := self._why_done():
            self._leave(0, f"The job is done: {why}. {peer} has ended.")
            return
        self._leave(EX_TEMPFAIL, last_words([(peer, answer, secs)], self._timeout_secs))

    def _follow_signal(self, now: float) -> None:
        if self._signal is None:
            return
        number, heard = self._signal
        began, last_began = self.hook.began, self.hook.last_began
        if began is not None and last_began is not None and last_began > heard:
            # The program could have stopped at the end of a step, and has gone on.
            self._signal = None
            return
        if now - heard < _TO_FOLLOW_A_SIGNAL_SECS:
            return
        name = signal.Signals(number).name
        for peer, away in self._away.items():
            if now - away.since >= _TO_FOLLOW_A_SIGNAL_SECS:
                self._leave(128 + number, f"{name}: this task ends at once, for {peer} is away.")
        if began is not None and self._is_long(now - began):
            self._leave(
                128 + number,
                f"{name}: this task ends in the middle of a step, that goes on for "
                f"{now - began:.0f} s already.",
            )

    def _tell_of_long_step(self, answers: Any, now: float) -> None:
        began = self.hook.began
        if began is None or not self._is_long(now - began):
            self._say_at = 0.0
            return
        if now >= self._say_at:
            logger.warning(
                "No step has ended for %.0f s; usually one takes %.3g s. %s. Training goes on when "
                "TensorFlow does.",
                now - began,
                self.hook.usual,
                in_words(answers),
            )
            self._say_at = now + (now - began)  # Each time twice as late.

    def _is_long(self, secs: float) -> bool:
        return secs > max(self._timeout_secs, _UNUSUAL * self.hook.usual)


class _Ears:
    """Hears signals when Python does not, because the main thread is inside TensorFlow."""

    def __init__(self) -> None:
        self._mouth, self._ear = socket.socketpair()
        self._mouth.setblocking(False)
        self._hears = threading.current_thread() is threading.main_thread()
        if self._hears:
            before = signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
            if before != -1:  # Somebody else hears them, asyncio for example.
                signal.set_wakeup_fd(before)
                self._hears = False

    def listen(self, secs: float) -> bytes:
        """Waits so long for signals that the program has handlers for; returns their numbers."""
        self._ear.settimeout(secs)
        try:
            return self._ear.recv(64)
        except TimeoutError:
            return b""

    def close(self) -> None:
        """Wakes who listens: there is nothing more to hear."""
        if self._hears:
            signal.set_wakeup_fd(-1)
        self._mouth.close()

    def __enter__(self) -> "_Ears":
        return self

    def __exit__(self, *raised: object) -> None:
        self._ear.close()


@contextlib.contextmanager
def watching(
    needed: Sequence[Peer],
    timeout_secs: float,
    why_done: Callable[[], str | None] = lambda: None,
    knock: Callable[[Peer], None] = lambda peer: None,
) -> Iterator[Watch]:
    """Watches over the peers of a task in a thread, in a `with` around its session.

    Args:
        needed: the peers that this task cannot do without.
        timeout_secs: how long one of them may be away.
        why_done: says why the job is done, as a sentence without its full stop; None until then.
        knock: told of a peer that was dead and answers again.
    """
    watch = Watch(needed, timeout_secs, why_done=why_done, knock=knock)
    ears, over = _Ears(), threading.Event()

    def keep_looking() -> None:
        with ears:
            while not over.is_set():
                watch.look()
                for number in ears.listen(_LOOK_EVERY_SECS):
                    watch.hear(number)

    thread = threading.Thread(target=keep_looking, name="watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        ears.close()
        thread.join()
