"""The exit code of a program that ends because it cannot reach another task."""

import sys
from types import TracebackType

from tf_estimator.cluster.away import EX_TEMPFAIL
from tf_estimator.cluster.waiting import UnreachableError


def if_uncaught(error: UnreachableError) -> None:
    """Has the program end with exit code 75 if nobody catches this error.

    So whoever starts the tasks of a cluster can tell one that is to be started again from one whose
    program is wrong, and a program can still catch the error.

    Args:
        error: is about to be raised.
    """
    before = sys.excepthook

    def excepthook(
        kind: type[BaseException], uncaught: BaseException, traceback: TracebackType | None
    ) -> None:
        before(kind, uncaught, traceback)
        if uncaught is error:
            raise SystemExit(EX_TEMPFAIL)

    sys.excepthook = excepthook
