"""Real processes for tests of clusters: one zygote for all tests, and each test's own tasks."""

import importlib.util
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def _processes():
    # Files of tests are in no package, so one does not import another.
    spec = importlib.util.spec_from_file_location("processes", _HERE / "processes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def zygote():
    """The process that forks tasks; started when a test first asks for it."""
    zygote = _processes().Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def processes(zygote, tmp_path):
    """Starts tasks, whose output goes to tmp_path; none outlives the test."""
    processes = _processes().Processes(zygote, tmp_path, _HERE / "programs")
    yield processes
    processes.close()
