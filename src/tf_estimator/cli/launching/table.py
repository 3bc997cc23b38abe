"""What became of each task, in a table."""

import signal
from collections.abc import Iterator, Sequence

from tf_estimator.cli.launching import rules
from tf_estimator.cli.launching.supervisor import Run

_HEAD = ("task", "exit", "restarts", "seconds")


def table(runs: Sequence[Run]) -> Iterator[str]:
    """The lines of the table: names to the left, numbers to the right."""
    rows = [_HEAD, *map(_row, runs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, end, *numbers in rows:
        texts = [name.ljust(widths[0]), end.ljust(widths[1])]
        texts += [text.rjust(width) for text, width in zip(numbers, widths[2:], strict=True)]
        yield "  ".join(texts)


def _row(run: Run) -> tuple[str, str, str, str]:
    if run.code is None:
        end = "not started"
    else:
        end = str(rules.exit_status(run.code))
        if run.was_stopped:
            end += " (killed)" if run.code == -signal.SIGKILL else " (stopped)"
        elif run.code < 0:
            end += f" ({rules.signal_name(-run.code)})"
    return run.task.name, end, str(run.restarts), f"{run.seconds:.1f}"
