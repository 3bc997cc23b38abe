"""ProgressHook: what it writes to a terminal and to a file, and how it leaves them."""

import io
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig, SessionRunHook
from tf_estimator.hooks import ProgressHook

v1 = tf.compat.v1


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Each(SessionRunHook):
    """Calls a function after each step with the number of steps so far."""

    def __init__(self, function: Callable[[int], Any]) -> None:
        self.function = function
        self.steps = 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.steps += 1
        self.function(self.steps)


def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
    """Its loss is the global step before the update; one part of it is a loss of its own."""
    step = v1.train.get_global_step()
    v1.losses.add_loss(tf.constant(7.0, name="part"))
    loss = tf.identity(tf.cast(step, tf.float32), name="total")
    with tf.control_dependencies([loss, features]):
        train_op = v1.assign_add(step, 1)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(([0.0], [0.0])).repeat(500)


@pytest.fixture
def estimator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estimator:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")
    return Estimator(
        model_fn, tmp_path, RunConfig(save_summary_steps=None, log_step_count_steps=None)
    )


def run(
    estimator: Estimator,
    stream: io.StringIO,
    *given: Any,
    secs_per_step: float = 0.125,  # exact in binary
    train_steps: int = 20,
    each: Callable[[int], Any] = lambda step: None,
    **options: Any,
) -> str:
    """Trains with a ProgressHook of these arguments; what it wrote."""
    clock = Clock()

    def tick(step: int) -> None:
        clock.now += secs_per_step
        each(step)

    hook = ProgressHook(*given, stream=stream, clock=clock, **options)
    estimator.train(input_fn, hooks=[Each(tick), hook], steps=train_steps)
    return stream.getvalue()


def on_screen(written: str, columns: int = 100) -> list[str]:
    """The rows that a terminal shows at the end: enough of one to know \\r and \\n."""
    rows, column = [""], 0
    for char in written:
        if char == "\n":
            rows.append("")
            column = 0
        elif char == "\r":
            column = 0
        else:
            assert column < columns, f"a line wraps: {written!r}"
            rows[-1] = rows[-1][:column].ljust(column) + char + rows[-1][column + 1 :]
            column += 1
    return [row.rstrip() for row in rows]


def test_terminal_shows_one_line_and_ends_it(estimator: Estimator) -> None:
    written = run(estimator, Terminal(), max_steps=20)
    bar = "#" * 20
    assert on_screen(written) == [
        f"step 20/20 [{bar}] 100%  8.00 steps/s  loss 19.0  took 00:02",
        "",
    ]


def test_live_line_is_redrawn_a_few_times_a_second(estimator: Estimator) -> None:
    written = run(estimator, Terminal(), max_steps=100, train_steps=40, secs_per_step=1 / 64)
    frames = written.split("\r")[1:]
    assert frames == [
        "step   1/100 [....................]   1%  loss 0.00",
        "step  14/100 [##..................]  14%  64 steps/s  loss 13.0  ETA 00:01",
        "step  27/100 [#####...............]  27%  64 steps/s  loss 26.0  ETA 00:01",
        "step  40/100 [########............]  40%  64 steps/s  loss 39.0  ETA 00:01",
        "step  40/100 [########............]  40%  64 steps/s  loss 39.0  took 00:01\n",
    ]


@pytest.mark.parametrize("columns", [20, 55, 65, 80])
def test_line_fits_a_narrow_terminal(
    estimator: Estimator, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown, end = on_screen(run(estimator, Terminal(), max_steps=100), columns)
    assert shown.startswith("step  20/100")
    assert shown.endswith("took 00:02") is (columns >= 55)
    assert ("[#" in shown) is (columns >= 65)
    assert not end


def test_file_gets_a_line_every_ten_seconds_and_one_at_the_end(estimator: Estimator) -> None:
    written = run(estimator, io.StringIO(), max_steps=40, train_steps=30, secs_per_step=1)
    assert written.splitlines() == [
        "step 11/40  27%  1.00 steps/s  loss 10.0  ETA 00:29",
        "step 21/40  52%  1.00 steps/s  loss 20.0  ETA 00:19",
        "step 30/40  75%  1.00 steps/s  loss 29.0  took 00:30",
    ]


def test_resumed_run_counts_on_from_the_global_step(estimator: Estimator) -> None:
    estimator.train(input_fn, steps=300)
    written = run(estimator, io.StringIO(), max_steps=400, secs_per_step=0.625)
    assert written.splitlines() == [
        "step 317/400  79%  1.60 steps/s  loss 316  ETA 00:52",
        "step 320/400  80%  1.60 steps/s  loss 319  took 00:12",
    ]


def test_steps_are_counted_from_where_training_goes_on(estimator: Estimator) -> None:
    estimator.train(input_fn, steps=30)
    assert run(estimator, io.StringIO(), steps=20).startswith("step 50/50 100%  ")


def test_one_hook_serves_several_calls(estimator: Estimator) -> None:
    stream = io.StringIO()
    hook = ProgressHook(steps=5, stream=stream, clock=lambda: 1.0)
    for _ in range(2):
        estimator.train(input_fn, hooks=[hook], steps=5)
    heads = [line.split("  ")[0] for line in stream.getvalue().splitlines()]
    assert heads == ["step 5/5 100%", "step 10/10 100%"]


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_unknown_total_shows_no_bar_and_no_time_left(
    estimator: Estimator, stream: type[io.StringIO]
) -> None:
    written = run(estimator, stream(), train_steps=200)
    assert written.endswith("  took 00:25\n")
    assert "step 200  " in written
    assert not any(part in written for part in ("%", "[", "ETA", "/2"))


def test_long_times_show_hours(estimator: Estimator) -> None:
    written = run(estimator, io.StringIO(), max_steps=4000, secs_per_step=60)
    assert "0.02 steps/s  loss 1.00  ETA 2 days, 18:38:00" in written.splitlines()[0]
    assert written.endswith("took 20:00\n")


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (None, "loss 4.00"),  # what Estimator minimizes, not a part of it
        ("part:0", "loss 7.00"),
        ("total:0", "loss 4.00"),
    ],
)
def test_loss_is_the_whole_one_or_the_one_that_is_named(
    estimator: Estimator, loss: str | None, shown: str
) -> None:
    assert shown in run(estimator, io.StringIO(), train_steps=5, loss=loss)


def test_loss_may_be_a_tensor_and_may_be_absent() -> None:
    written = {}
    for named in (True, False):
        with tf.Graph().as_default():
            train_op = v1.assign_add(v1.train.get_or_create_global_step(), 1)
            loss = tf.constant(0.25) if named else None
            stream = io.StringIO()
            hooks = [ProgressHook(2, loss=loss, stream=stream), v1.train.StopAtStepHook(2)]
            with v1.train.MonitoredSession(hooks=hooks) as session:
                while not session.should_stop():
                    session.run(train_op)
        written[named] = stream.getvalue()
    assert "loss 0.250" in written[True]
    assert "loss" not in written[False]


def test_a_graph_without_a_global_step_is_refused() -> None:
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match="There must be a global step"):
        v1.train.MonitoredSession(hooks=[ProgressHook()])


@pytest.mark.parametrize("ending", ["steps", "end of the input", "a hook"])
def test_every_ordinary_end_writes_the_last_line(estimator: Estimator, ending: str) -> None:
    stream = Terminal()

    class Stop(SessionRunHook):
        def after_run(self, run_context: Any, run_values: Any) -> None:
            run_context.request_stop()

    hooks = [ProgressHook(stream=stream), *([Stop()] if ending == "a hook" else [])]
    estimator.train(input_fn, hooks=hooks, steps=7 if ending == "steps" else None)
    step = {"steps": 7, "end of the input": 500, "a hook": 1}[ending]
    shown, end = on_screen(stream.getvalue())
    assert shown.startswith(f"step {step}  ")
    assert "took" in shown
    assert not end


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError, tf.errors.InternalError])
def test_an_exception_starts_below_the_line(estimator: Estimator, kind: type) -> None:
    def fail(step: int) -> None:
        if step == 6:
            raise (kind(None, None, "broken") if issubclass(kind, tf.errors.OpError) else kind)

    stream = Terminal()
    with pytest.raises(kind):
        run(estimator, stream, max_steps=20, each=fail)
    shown, end = on_screen(stream.getvalue())
    assert shown.startswith("step  5/20 [#####....")
    assert not end


def test_a_failing_first_step_writes_nothing(estimator: Estimator) -> None:
    def fail(step: int) -> None:
        raise RuntimeError

    stream = Terminal()
    with pytest.raises(RuntimeError):
        run(estimator, stream, max_steps=20, each=fail)
    assert not stream.getvalue()


@pytest.mark.parametrize("fails", [True, False])
def test_nothing_is_left_behind(estimator: Estimator, fails: bool) -> None:
    def fail(step: int) -> None:
        if fails and step == 3:
            raise RuntimeError

    handlers = [*tf.get_logger().handlers, *logging.getLogger().handlers]
    before = [list(handler.filters) for handler in handlers]
    try:
        run(estimator, Terminal(), max_steps=20, each=fail)
    except RuntimeError:
        assert fails
    assert [handler.filters for handler in handlers] == before
    assert not [t for t in threading.enumerate() if "progress" in t.name]


def test_log_records_stand_above_the_line(estimator: Estimator) -> None:
    stream = Terminal()
    handler = logging.StreamHandler(stream)
    tf.get_logger().addHandler(handler)

    def log(step: int) -> None:
        if step == 10:
            tf.get_logger().warning("a warning")
            tf.get_logger().getChild("estimator").warning("one of ours")

    try:
        run(estimator, stream, max_steps=20, each=log)
    finally:
        tf.get_logger().removeHandler(handler)
    rows = on_screen(stream.getvalue())
    assert rows[:2] == ["a warning", "one of ours"]
    assert [row.split(" [")[0] for row in rows[2:]] == ["step 20/20", ""]


def test_a_step_costs_no_run_of_the_session(
    estimator: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for hooks in ([], [ProgressHook(max_steps=1000, stream=Terminal(), clock=lambda: 0.0)]):
        runs: list[Any] = []
        real_run = v1.Session.run
        with monkeypatch.context() as patch:
            patch.setattr(v1.Session, "run", lambda *a, **k: runs.append(0) or real_run(*a, **k))  # noqa: B023
            estimator.train(input_fn, hooks=hooks, steps=50)
        counts.append(len(runs))
    without, with_hook = counts
    assert with_hook <= without + 5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_steps": 0}, ValueError, "max_steps must be a positive integer or None; received 0"),
        ({"steps": -1}, ValueError, "steps must be a positive integer or None; received -1"),
        ({"steps": "9"}, TypeError, "steps must be a positive integer or None; received '9'"),
        ({"max_steps": 9, "steps": 8}, ValueError, "steps must be None if max_steps is given"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        ProgressHook(**arguments)


def test_default_stream_is_stderr_of_the_moment(
    estimator: Estimator, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = ProgressHook(max_steps=3)
    estimator.train(input_fn, hooks=[hook], max_steps=3)
    captured = capsys.readouterr()
    assert captured.err.startswith("step 3/3 100%  ")
    assert not captured.out


class TestLooks:
    """Steps of a second each; the hook is asked before each step."""

    now = 0.0

    def build(self) -> tuple[Any, Any]:
        def tick() -> np.float32:
            self.now += 1.0
            return np.float32(self.now)

        loss = tf.numpy_function(tick, [], tf.float32)
        loss.set_shape([])
        v1.losses.add_loss(loss)
        with tf.control_dependencies([loss]):
            return v1.assign_add(v1.train.get_global_step(), 1), loss

    def test_lines_come_as_often(self, take_steps: Callable[..., list[int]]) -> None:
        stream = io.StringIO()
        hook = ProgressHook(40, stream=stream, clock=lambda: self.now)
        looked = take_steps(self.build, [hook, v1.train.StopAtStepHook(30)], 40, at_once=1)
        assert looked == [1, 12, 23, 30]
        assert stream.getvalue().splitlines() == [
            "step 12/40  30%  1.00 steps/s  loss 12.0  ETA 00:28",
            "step 23/40  57%  1.00 steps/s  loss 23.0  ETA 00:17",
            "step 30/40  75%  1.00 steps/s  loss 30.0  took 00:30",
        ]

    def test_a_loss_of_an_earlier_step_is_said_to_be_one(
        self, take_steps: Callable[..., list[int]]
    ) -> None:
        stream = io.StringIO()
        take_steps(self.build, [ProgressHook(stream=stream, clock=lambda: self.now)], 9, at_once=1)
        # It ends as an input does, after steps without the hook.
        assert stream.getvalue() == "step 9  1.00 steps/s  loss 1.00 at step 1  took 00:09\n"
