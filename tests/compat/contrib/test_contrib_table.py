"""The table of what `run` has of tf.contrib, and docs/contrib.md, are true."""

import importlib
from pathlib import Path

import pytest

from tf_estimator.compat import supplied

PAGE = Path(__file__).parents[3] / "docs/contrib.md"
OWN_CODE = "code of its own"
BEGIN, END = "<!-- made of supplied.CONTRIB -->", "<!-- end -->"
OWN = [name for name, today in supplied.CONTRIB.items() if not today]
PARTS = sorted({name.partition(".")[0] for name in OWN})


@pytest.mark.parametrize("part", PARTS)
def test_a_module_has_what_the_table_says(part):
    module = importlib.import_module(f"tf_estimator.compat.contrib.{part}")
    listed = {name.partition(".")[2] for name in OWN if name.startswith(f"{part}.")}
    assert set(module.__all__) == listed
    cells = {"LSTMBlockCell", "LSTMBlockFusedCell", "LayerNormBasicLSTMCell"}
    for name in module.__all__:
        if part == "rnn" and name in cells:
            pytest.importorskip("tf_keras")
        assert getattr(module, name) is not None


def test_every_name_comes_with_advice():
    for name in OWN:
        assert {name, name.partition(".")[0]} & set(supplied.TODAY)


def table():
    """The table of docs/contrib.md."""
    rows = ["| `tf.contrib.` | what `run` has |", "| --- | --- |"]
    by_place: dict[tuple[str, str], list[str]] = {}
    for name, today in supplied.CONTRIB.items():
        part, _, last = name.partition(".")
        place = today.rpartition(".")[0].replace("tensorflow", "tf", 1) if today else OWN_CODE
        shown = (
            last
            if not today or today.endswith(f".{last}")
            else f"{last} (`{today.rpartition('.')[2]}`)"
        )
        by_place.setdefault((part, place), []).append(shown)
    for (part, place), names in sorted(by_place.items()):
        listed = ", ".join(
            f"`{one}`" if "`" not in one else f"`{one}".replace(" (", "` (", 1)
            for one in sorted(names)
        )
        shown = place if place == OWN_CODE else f"`{place}`"
        rows.append(f"| `{part}` | {shown}: {listed} |")
    return "\n".join(rows)


def test_the_page_has_the_table():
    text = PAGE.read_text(encoding="utf-8")
    found = text.partition(BEGIN)[2].partition(END)[0].strip()
    assert found == table(), f"stale; write between the marks:\n{table()}"
