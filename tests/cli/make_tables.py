"""Writes the tables that say what exists. Run it: `python tests/cli/make_tables.py`.

- `cli/migration/symbols.py`: each name of `tf.estimator`, and where it is in this package.
- `cli/migration/tensorflow1.py`: each name that TensorFlow 2 has in `tf.compat.v1` only.
- The table of docs/migration.md, from symbols.py.

tests/cli/test_tables.py fails when one of them is stale.
"""

import importlib
import textwrap
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/tf_estimator/cli/migration"
PAGE = ROOT / "docs/migration.md"
# The surfaces of this package and of the original.
SURFACES = {"V1": "tf_estimator.compat.v1", "V2": "tf_estimator"}
ORIGINALS = {"V1": "tensorflow.compat.v1.estimator", "V2": "tensorflow.estimator"}
BEGIN, END = "<!-- made by tests/cli/make_tables.py -->", "<!-- end -->"
# What TensorFlow hands over to Keras, and what is no part of it.
NOT_WALKED = {"compat", "core", "estimator", "keras", "python"}


def original_names(surface: str) -> list[str]:
    """The names of classes, functions and modules in tests/data, without members of classes."""
    text = (ROOT / f"tests/data/api_{surface.lower()}.txt").read_text(encoding="utf-8")
    names = set()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            parts = line.removeprefix("? ").split()[0].split(".")
            while not parts[-1][0].isupper() and len(parts) > 1 and parts[-2][0].isupper():
                parts.pop()  # A member of a class, as in Estimator.train.
            depth = next((i for i, part in enumerate(parts) if part[0].isupper()), len(parts) - 1)
            names |= {".".join(parts[: i + 1]) for i in range(depth + 1)}
    return sorted(names)


def _find(surface: str, name: str) -> Any:
    found: Any = importlib.import_module(SURFACES[surface])
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _strings(name: str, comment: str, values: list[str]) -> str:
    """Python that binds `name` to the set of `values`."""
    listed = textwrap.fill(" ".join(values), 100, break_long_words=False, break_on_hyphens=False)
    text = f'"""\n{listed}\n"""' if values else '""'
    return f"\n# {comment}\n_{name} = {text}\n{name} = frozenset(_{name}.split())\n"


def symbols() -> str:
    """The text of symbols.py."""
    text = '"""Where each name of tf.estimator is now. Made by tests/cli/make_tables.py."""\n'
    homes = "\n# Modules of the original, and the module that each is now.\nMODULES = {\n"
    for surface, original in ORIGINALS.items():
        found = {name: _find(surface, name) for name in original_names(surface)}
        here = [name for name, value in found.items() if value is not None]
        missing = [name for name, value in found.items() if value is None]
        text += _strings(surface, f"{original}.NAME is {SURFACES[surface]}.NAME.", here)
        text += _strings(f"{surface}_MISSING", f"{original}.NAME is not here (yet).", missing)
        homes += f'    "{original}": "{SURFACES[surface]}",\n'
        homes += "".join(
            f'    "{original}.{name}": "{value.__name__}",\n'
            for name, value in found.items()
            if isinstance(value, types.ModuleType)
        )
    different = [
        name
        for name in original_names("V2")
        if _find("V1", name) not in (None, _find("V2", name))
        and not isinstance(_find("V2", name), types.ModuleType)
    ]
    text += _strings("DIFFERENT", "Classes that are others in version 1.", different)
    return f"{text}{homes}}}\n"


def names_of_version_1_only() -> list[str]:
    """The dotted names that tf.compat.v1 has and tf has not; of a module that is not, its name."""
    tf = importlib.import_module("tensorflow")
    found, seen = [], set()

    def walk(v1: Any, v2: Any, prefix: str) -> None:
        for name in sorted({*dir(v1), *getattr(v1, "__all__", ())}):
            if name.startswith("_") or (not prefix and name in NOT_WALKED):
                continue
            dotted, missing = prefix + name, object()
            if getattr(v2, name, missing) is missing:
                found.append(dotted)
                continue
            inner = getattr(v1, name)
            if isinstance(inner, types.ModuleType) and id(inner) not in seen:
                seen.add(id(inner))
                if inner.__name__.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
                    walk(inner, getattr(v2, name), f"{dotted}.")

    walk(tf.compat.v1, tf, "")
    return found


def tensorflow1() -> str:
    """The text of tensorflow1.py."""
    text = '"""What TensorFlow 2 has in tf.compat.v1 only. Made by tests/cli/make_tables.py."""\n'
    comment = "tensorflow.compat.v1.NAME is there, tensorflow.NAME is not."
    return text + _strings("NAMES", comment, names_of_version_1_only())


def table() -> str:
    """The table of docs/migration.md."""
    tables = importlib.import_module("tf_estimator.cli.migration.symbols")
    here = {"V1": tables.V1, "V2": tables.V2}
    missing = {"V1": tables.V1_MISSING, "V2": tables.V2_MISSING}

    def cell(surface: str, name: str) -> str:
        if name in here[surface]:
            return f"`{SURFACES[surface]}.{name}`"
        return "not here yet" if name in missing[surface] else ""

    rows = [
        "| `tf.estimator.` | TensorFlow 2 | TensorFlow 1, `tf.compat.v1` |",
        "| --- | --- | --- |",
    ]
    names = sorted(set().union(*here.values(), *missing.values()))
    rows += [f"| `{name}` | {cell('V2', name)} | {cell('V1', name)} |" for name in names]
    return "\n".join(rows)


def page(text: str) -> str:
    """The text of docs/migration.md with the table of today."""
    head, rest = text.split(BEGIN, 1)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END, 1)[1]}"


def main() -> None:
    """Writes all three."""
    SOURCE.joinpath("symbols.py").write_text(symbols(), encoding="utf-8")
    SOURCE.joinpath("tensorflow1.py").write_text(tensorflow1(), encoding="utf-8")
    if PAGE.exists():
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
