"""How long a task that was there may be away, and what is said when that is too long."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final

from tf_estimator.cluster.peers import Peer
from tf_estimator.cluster.probe import Answer

EX_TEMPFAIL: Final = 75
"""The exit code of a task that is to be started again: "try later" in sysexits.h of BSD."""

PATIENCE: Final = 6
"""How many times longer than others a peer may stay away that need not be dead."""


@dataclasses.dataclass
class Away:
    """Since when a peer has been away, and since when it was not just frozen.

    Attributes:
        since: when it was first found away, in seconds of some clock.
        gone_since: since when it has been dead, as far as can be seen; None while it may be frozen.
        said: what the log said of it last.
        was_gone: whether it was there before and then dead, as far as can be seen.
    """

    since: float
    gone_since: float | None = None
    said: Answer | None = None
    was_gone: bool = False

    def rest_secs(
        self, answer: Answer, now: float, timeout_secs: float, *, is_to_come: bool = False
    ) -> float:
        """How much longer it may stay away.

        Args:
            answer: what was found now.
            now: the time.
            timeout_secs: how long a peer may be away; PATIENCE times that, if it is frozen.
            is_to_come: it was never there yet, and so may take as long as a frozen one.
        """
        self.was_gone |= answer is not Answer.SILENT and not is_to_come
        if answer is Answer.SILENT or is_to_come:
            self.gone_since = None
            return self.since + PATIENCE * timeout_secs - now
        self.gone_since = now if self.gone_since is None else self.gone_since
        return self.gone_since + timeout_secs - now


def in_words(answers: Mapping[Peer, Answer]) -> str:
    """Says for each peer what was found, as a sentence without its full stop.

    Args:
        answers: what was found.

    Example:
        >>> in_words({Peer("ps", 0, "a:1"): Answer.ANSWERS, Peer("ps", 1, "b:1"): Answer.ANSWERS})
        'ps 0 (a:1) answers; ps 1 (b:1) answers'
    """
    return "; ".join(f"{peer} {answer.value}" for peer, answer in answers.items())


def last_words(lost: Iterable[tuple[Peer, Answer, float]], timeout_secs: float) -> str:
    """What is lost, and what to do.

    Args:
        lost: peers, what was found where they should be, and how long they were away, in seconds.
        timeout_secs: how long they may be away.
    """
    found = "; ".join(
        f"{peer} {answer.value}, and has been away for {secs:.0f} s" for peer, answer, secs in lost
    )
    return (
        f"{found}. This task cannot do without and ends with exit code {EX_TEMPFAIL}: start both "
        "again, and training goes on from the last checkpoint. To wait longer, set "
        f'"timeout_secs" in TF_CONFIG, which is {timeout_secs:g} now.'
    )
