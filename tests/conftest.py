"""What every test starts from: a quiet TensorFlow, no cluster around it, an empty default graph."""

import collections
import contextlib
import gc
import os
import signal
import time
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read once, when TensorFlow is first imported

import hypothesis
import pytest


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """TensorFlow greets there whatever the level, and a test process passes it on at its end."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


with _without_stderr():
    import tensorflow as tf

# These run what a reader sees, which is written for the newest TensorFlow.
_NEWEST_ONLY = ("test_documentation.py", "test_digits.py")

# Folders whose files take long as a whole.
_SLOW = ("cluster", "replicas", "sameness")

# Of a test with many cases, so many are core.
_CORE_CASES = 1

# A shell's background jobs ignore Ctrl-C, and so would the programs that tests start there.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Grappler goes over each new graph of a session, which takes a third of the time of a test of tiny
# graphs, and changes nothing that a test asks for. It does so as for users in the folders and files
# below: those about steps in the graph, numbers and whole programs; with --exhaustive, in all.
_WITH_GRAPPLER = {
    *("cluster", "conformance", "examples", "gang", "goldens", "replicas", "sameness", "steps"),
    *("test_documentation.py", "test_estimator.py", "test_input_state.py"),
}

# A test that takes less, in seconds, has hardly used a session. After others garbage is collected,
# so that graphs and sessions, which are in cycles, do not pile up.
_MAY_HAVE_SESSIONS = 0.1

# A graph takes long to build the first time, so no deadline; the same examples at every run.
hypothesis.settings.register_profile("graphs", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("graphs")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive", action="store_true", help="all cases of the tests marked exhaustive"
    )


def _values(case: pytest.Function) -> set[tuple[str, object]]:
    """Which value each parameter has: equal names are one value, else equal objects need not be."""
    given = case.callspec.params.items()
    return {(name, value if isinstance(value, str) else id(value)) for name, value in given}


def _with_each_value_once(cases: list[pytest.Function]) -> list[pytest.Function]:
    """So few of a test's cases that each value of each of its parameters comes at least once."""
    missing = {value for case in cases for value in _values(case)}
    kept = []
    while missing:
        most = max(cases, key=lambda case: len(missing & _values(case)))
        missing -= _values(most)
        kept.append(most)
    return kept


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes most cases of exhaustive tests from `items`, unless asked for, or a test is named."""
    if config.getoption("--exhaustive") or any("::" in one for one in config.args):
        return
    tables: dict[str, list[pytest.Function]] = collections.defaultdict(list)
    for item in items:
        if item.get_closest_marker("exhaustive") and isinstance(item, pytest.Function):
            tables[item.nodeid.partition("[")[0]].append(item)
    left_out = {item for cases in tables.values() for item in cases} - {
        item for cases in tables.values() for item in _with_each_value_once(cases)
    }
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def _order(items: list[pytest.Item]) -> None:
    """Sorts the files: in the end no process shall wait for another that has a long one.

    First come those with slow tests, and after each one without: many of the slow ones start other
    processes and wait for them, and meanwhile there is something to do.
    """
    sizes = collections.Counter(item.path for item in items)
    slow = {
        item.path
        for item in items
        if item.get_closest_marker("slow") or item.path.parent.name in _SLOW
    }
    quick = sorted(sizes.keys() - slow, key=lambda path: (-sizes[path], path))
    place = {path: 2 * n for n, path in enumerate(sorted(slow))}
    place |= {path: 2 * n + 1 for n, path in enumerate(quick)}
    items.sort(key=lambda item: place[item.path])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks as core each test, with a few of its cases, unless slow or about the newest only."""
    _leave_out(config, items)
    _order(items)
    cases: collections.Counter[str] = collections.Counter()
    for item in items:
        if item.path.name in _NEWEST_ONLY or item.get_closest_marker("slow"):
            continue
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        if cases[test] <= _CORE_CASES:
            item.add_marker(pytest.mark.core)


def pytest_collection_finish() -> None:
    """Garbage is collected between tests, and need not be looked for in what is there for good."""
    gc.collect()
    gc.freeze()
    gc.disable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what faults cost that tests of clusters caused."""
    costs = [
        cost
        for report in terminalreporter.getreports("passed")
        for name, cost in report.user_properties
        if name == "fault"
    ]
    if costs:
        terminalreporter.section("faults of clusters: time until training went on, and the loss")
        terminalreporter.write("".join(f"{cost}\n" for cost in costs))


@pytest.fixture(autouse=True, scope="module")
def _grappler(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps Grappler from the sessions and functions of most tests."""
    if request.config.getoption("--exhaustive") or _WITH_GRAPPLER & {
        request.path.name,
        request.path.parent.name,
    }:
        yield
        return
    start = tf.compat.v1.Session.__init__

    def without(
        self: tf.compat.v1.Session,
        target: str = "",
        graph: tf.Graph | None = None,
        config: tf.compat.v1.ConfigProto | None = None,
    ) -> None:
        if config is not None:  # else it has the options that are set below
            given, config = config, tf.compat.v1.ConfigProto()
            config.CopyFrom(given)
            config.graph_options.rewrite_options.disable_meta_optimizer = True
        start(self, target, graph, config)

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.compat.v1.Session, "__init__", without)
        yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No TF_CONFIG from outside, no ops in the default graph, no open event files, the same logger.

    Each event file has a thread, until it is closed.
    """
    monkeypatch.delenv("TF_CONFIG", raising=False)
    begun = time.monotonic()
    level = tf.get_logger().level
    yield
    tf.get_logger().setLevel(level)
    tf.compat.v1.reset_default_graph()
    tf.compat.v1.summary.FileWriterCache.clear()
    if time.monotonic() - begun > _MAY_HAVE_SESSIONS:
        gc.collect()
