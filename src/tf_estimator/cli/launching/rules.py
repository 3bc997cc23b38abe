"""When a task of a cluster starts again, and what its end means. Nothing here waits or starts."""

import enum
import signal
from typing import Final, final

# As of the shell, of sysexits.h, and of argparse and Python for a command line that is wrong.
OF_SIGNAL: Final = 128
PEER_IS_GONE: Final = 75
WRONG_COMMAND_LINE: Final = 2

_LONGEST_DELAY_SECS: Final = 30.0


@final
class Verdict(enum.Enum):
    """What the end of a task means.

    Attributes:
        DONE: It has done its part.
        AGAIN: It starts again, and nothing else does.
        ALL_AGAIN: All training tasks start again.
        FAILED: The job has failed: all end.
        TOO_LATE: It has failed, but the job was done: nothing starts again.
    """

    DONE = enum.auto()
    AGAIN = enum.auto()
    ALL_AGAIN = enum.auto()
    FAILED = enum.auto()
    TOO_LATE = enum.auto()


def verdict(
    status: int, job: str, restarts: int, *, most_restarts: int, is_gang: bool, is_done: bool
) -> Verdict:
    """What the end of a task means.

    Args:
        status: its exit status, as `exit_status` gives it.
        job: its role.
        restarts: how often it, or the gang that it is of, was started again.
        most_restarts: how often that may be.
        is_gang: whether the training tasks only start together.
        is_done: whether the chief has ended well.
    """
    trains = job != "evaluator"
    if status == 0 or (status == PEER_IS_GONE and trains and is_done):
        return Verdict.DONE
    if trains and is_done:
        return Verdict.TOO_LATE
    if status == WRONG_COMMAND_LINE or restarts >= most_restarts:
        return Verdict.FAILED
    return Verdict.ALL_AGAIN if trains and is_gang else Verdict.AGAIN


def why_not_again(status: int, most_restarts: int) -> str:
    """Why a task that failed does not start again, to go on a sentence about its end.

    Args:
        status: its exit status.
        most_restarts: how often it may start again.
    """
    if status == WRONG_COMMAND_LINE:
        return ", as with a wrong command line"
    if most_restarts == 0:
        return ""
    return f" after {most_restarts} restart{'s' if most_restarts > 1 else ''}"


def delay_secs(restart: int) -> float:
    """How long to wait before the restart of this number: not before the first, then ever longer.

    Args:
        restart: 1 for the first.
    """
    return 0.0 if restart <= 1 else min(2.0 ** (restart - 2), _LONGEST_DELAY_SECS)


def exit_status(code: int) -> int:
    """The exit status as a shell has it.

    Args:
        code: that of `subprocess`, below 0 for a signal.
    """
    return code if code >= 0 else OF_SIGNAL - code


def ended(code: int) -> str:
    """How a process has ended, in words.

    Args:
        code: that of `subprocess`, below 0 for a signal.
    """
    if code < 0:
        return f"was ended by {signal_name(-code)}"
    return f"ended with exit code {code}"


def signal_name(number: int) -> str:
    """The name of a signal, as "SIGKILL"."""
    try:
        return signal.Signals(number).name
    except ValueError:  # A real-time signal has none.
        return f"signal {number}"
