"""The exit code of a program whose cluster is out of reach."""

import sys

import pytest

from tf_estimator.cluster import exit_code
from tf_estimator.cluster.waiting import UnreachableError


def test_only_an_uncaught_error_decides_the_exit_code(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, traceback: shown.append(error))
    mine, other = UnreachableError("ps 0 is gone"), UnreachableError("ps 1 is gone")
    exit_code.if_uncaught(mine)
    sys.excepthook(type(other), other, None)
    with pytest.raises(SystemExit) as exiting:
        sys.excepthook(type(mine), mine, None)
    assert exiting.value.code == 75
    assert shown == [other, mine], "each is shown, as by any program"
