"""_tf.py and _keras.py are the only doors to the private parts of TensorFlow and Keras.

Private are `tensorflow.python`, `keras.src` and every name in TensorFlow or Keras that starts with
an underscore, dunder names such as `tf.__version__` excepted (but not `tf.__internal__`).
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "tf_estimator"
ROOTS = ("tensorflow", "keras", "tf_keras")
PRIVATE_PACKAGES = {("tensorflow", "python"), ("keras", "src")}
PUBLIC_DUNDERS = {"__version__", "__git_version__", "__name__", "__doc__", "__file__"}


def _is_private(part: str) -> bool:
    return part.startswith("_") and part not in PUBLIC_DUNDERS


def _dotted(node: ast.AST) -> list[str]:
    """The names of `a.b.c`, [] for what does not start with a name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return [*before, node.attr] if before else []
    return []


def _imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Line, the name it has here, and the dotted name of everything imported in the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                bound = one.asname or one.name.split(".")[0]
                yield node.lineno, bound, one.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                yield node.lineno, one.asname or one.name, f"{node.module}.{one.name}"


def private_accesses(source: str) -> list[str]:
    """`line: name` of each private access to TensorFlow or Keras in a Python source."""
    tree = ast.parse(source)
    found = []
    aliases: dict[str, list[str]] = {}
    for line, bound, name in _imports(tree):
        parts = name.split(".")
        if parts[0] not in ROOTS:
            continue
        # `import tensorflow.compat` binds the root, the other forms what they name.
        aliases[bound] = [parts[0]] if bound == parts[0] else parts
        if tuple(parts[:2]) in PRIVATE_PACKAGES or any(map(_is_private, parts)):
            found.append((line, name))
    # `v1 = tf.compat.v1` is one more alias; ast.walk goes outside in, so the module's come first.
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=alias)], value=value):
                parts = _dotted(value)
                if parts and parts[0] in aliases:
                    aliases[alias] = [*aliases[parts[0]], *parts[1:]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, *rest = _dotted(node) or [""]
            full = (*aliases.get(first, ()), *rest)
            if first in aliases and rest and (_is_private(rest[-1]) or full in PRIVATE_PACKAGES):
                found.append((node.lineno, ".".join([first, *rest])))
    return [f"{line}: {name}" for line, name in sorted(found)]


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PACKAGE.rglob("*.py") if path.name not in {"_tf.py", "_keras.py"}),
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_only_the_public_api_is_used(path: Path) -> None:
    assert private_accesses(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import tensorflow as tf\ntf.compat.v1.Session()\ntf.__version__", []),
        ("import tensorflow.python.framework.ops", ["1: tensorflow.python.framework.ops"]),
        ("from tensorflow.python import ops", ["1: tensorflow.python.ops"]),
        ("from tensorflow import python", ["1: tensorflow.python"]),
        ("def f():\n    from tensorflow.python.ops import x", ["2: tensorflow.python.ops.x"]),
        ("from tensorflow import _api", ["1: tensorflow._api"]),
        ("import tensorflow as tf\ntf.python.ops", ["2: tf.python"]),
        ("import tensorflow as tf\ntf.__internal__.eager_context", ["2: tf.__internal__"]),
        ("import tensorflow as tf\nv1 = tf.compat.v1\nv1._x", ["3: v1._x"]),
        ("from tensorflow.compat import v1\nv1.train._x()", ["2: v1.train._x"]),
        ("import keras\nkeras.src.backend", ["2: keras.src"]),
        ("import numpy as np\nnp._private\nfrom . import _tf", []),
    ],
)
def test_private_accesses_are_found(source: str, expected: list[str]) -> None:
    assert private_accesses(source) == expected
