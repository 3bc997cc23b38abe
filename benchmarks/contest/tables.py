"""Rows of text as tables; the first row is the head."""

Rows = list[list[str]]


def number(value: float) -> str:
    """Three digits, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def aligned(rows: Rows) -> str:
    """For a terminal; a cell with nothing after it may be as long as it likes."""
    widths = [
        max(len(row[n]) for row in rows if any(row[n + 1 :]) or n + 1 == len(row) or row is rows[0])
        for n in range(len(rows[0]))
    ]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        for cell, width in zip(row[1:], widths[1:], strict=True):
            cells.append(cell.ljust(width) if cell.startswith("not ") else cell.rjust(width))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(rows: Rows) -> str:
    """For a page."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "| --- |" + " ---: |" * (len(rows[0]) - 1), *lines[1:]])
