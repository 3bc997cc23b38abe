"""The wait for other tasks of the cluster, before TensorFlow would wait for them without end."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tf_estimator._tf import logger
from tf_estimator.cluster.away import Away, in_words, last_words
from tf_estimator.cluster.peers import Peer
from tf_estimator.cluster.probe import PROBE_SECS, Answer, in_parallel, probe

# When the log first says who is missing, and how often it says so again, in seconds.
_SAY_AFTER_SECS: Final = 2.0
_SAY_EVERY_SECS: Final = 10.0

_LOOK_EVERY_SECS: Final = 0.5

Ask = Callable[[Sequence[Peer]], Mapping[Peer, Answer]]
"""Asks peers whether they are there, all at the same time."""


class UnreachableError(ConnectionError):
    """Tasks that this one cannot do without did not answer in time.

    Its message names each one, its address, what was found there, and what to do. Nothing was lost:
    started again when they are there, the task goes on.
    """


def ask(peers: Sequence[Peer]) -> Mapping[Peer, Answer]:
    """Asks peers whether they are there, all at the same time, in a few seconds at most.

    Args:
        peers: whom to ask.
    """
    return in_parallel(lambda peer: probe(peer.address), peers, 2 * PROBE_SECS)


def wait_for(
    peers: Sequence[Peer],
    timeout_secs: float,
    *,
    were_there: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    ask: Ask = ask,
) -> None:
    """Waits until all peers have answered; the log says who is missing.

    Args:
        peers: whom to wait for.
        timeout_secs: how long.
        were_there: they were there before, and are waited for as the watch over a session does: if
            one is frozen, longer.
        clock: tells the time in seconds, and never goes back.
        sleep: waits a number of seconds.
        ask: asks peers whether they are there.

    Raises:
        UnreachableError: some did not answer in time.
    """
    begin = clock()
    say_at = begin + _SAY_AFTER_SECS
    away = {peer: Away(begin) for peer in peers}
    while missing := {peer: why for peer, why in ask(peers).items() if why is not Answer.ANSWERS}:
        peers = list(missing)
        now = clock()
        if were_there:
            rest = min(away[peer].rest_secs(missing[peer], now, timeout_secs) for peer in peers)
        else:
            rest = begin + timeout_secs - now
        if rest <= 0:
            raise UnreachableError(
                last_words([(*each, now - begin) for each in missing.items()], timeout_secs)
                if were_there
                else _never_came(missing, timeout_secs)
            )
        if now >= say_at:
            logger.info("Still waiting, for %.0f s more: %s.", rest, in_words(missing))
            say_at = now + _SAY_EVERY_SECS
        sleep(min(_LOOK_EVERY_SECS, rest))


def _never_came(missing: Mapping[Peer, Answer], timeout_secs: float) -> str:
    return (
        f"{in_words(missing)}. This task cannot do without, and has waited for {timeout_secs:g} s. "
        "See whether each runs, whether its log shows an error, and whether its address in "
        '"cluster" of TF_CONFIG is right and the same for all tasks. Where tasks start later than '
        'that, set "timeout_secs" in TF_CONFIG, for example "timeout_secs": '
        f"{max(60, 3 * timeout_secs):g}."
    )
