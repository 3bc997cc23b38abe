"""What names stand for: by imports and assignments, in scopes, branches and tries."""

import ast
import textwrap

import pytest

from tf_estimator.cli.migration.names import Names


def meaning(source: str) -> list[str]:
    """What the last name `used`, with its attributes, can stand for."""
    names = Names(ast.parse(textwrap.dedent(source)), lambda dotted: "contrib" not in dotted)
    uses = [use for use in names.reading.uses if ast.unparse(use.node).endswith(".used")]
    return [each.dotted.removesuffix(".used") for each in names.meanings(uses[-1])]


TENSORFLOW, V1 = ["tensorflow"], ["tensorflow.compat.v1"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import tensorflow as tf; tf.used", TENSORFLOW),
        ("import tensorflow.compat.v1 as tf; tf.used", V1),
        ("import tensorflow.compat.v1; tensorflow.used", TENSORFLOW),
        ("from tensorflow.compat import v1 as tf; tf.used", V1),
        ("from tensorflow import compat; compat.v1.used", V1),
        ("from .tensorflow import compat; compat.v1.used", []),
        ("import tensorflow as tf; tf = tf.compat.v1; tf.used", V1),
        ("import tensorflow as tf; a, b = tf, tf.compat.v1; b.used", V1),
        ("import tensorflow as tf; a, b = c; b.used", []),
        ("import tensorflow as tf; a: object = tf; a.used", TENSORFLOW),
        ("import tensorflow as tf; (a := tf.compat.v1); a.used", V1),
        ("import tensorflow as tf; [a := tf for _ in b]; a.used", TENSORFLOW),
        ("import tensorflow as tf; tf = tf.compat.v1 if x else tf.compat.v1; tf.used", V1 * 2),
        ("import tensorflow as tf; tf = tf.compat.v1 if x else y; tf.used", []),
        ("import tensorflow as tf; tf = load(); tf.used", []),
        ("import tensorflow as tf; del tf; tf.used", []),
        ("tf.used; import tensorflow as tf", TENSORFLOW),
        ("a = a; a.used", []),
        ("tf = None\ndef f():\n  global tf\n  import tensorflow as tf\ntf.used", TENSORFLOW),
        ("import tensorflow as tf\ndef f(tf): tf.used", []),
        ("import tensorflow as tf\ndef f(x=tf.used, *, tf=1): ...", TENSORFLOW),
        ("import tensorflow as tf\n@tf.used\nclass tf: ...", TENSORFLOW),
        ("def f(): tf.used\nimport tensorflow as tf", TENSORFLOW),
        ("import tensorflow as tf\ndef f(): tf.used\ntf = tf.compat.v1", V1),
        ("import tensorflow as tf\nclass A:\n  tf = tf.compat.v1\n  tf.used", V1),
        ("import tensorflow as tf\nclass A:\n  tf = 1\n  def f(self): tf.used", TENSORFLOW),
        ("import tensorflow as tf\n[tf.used for tf in x]", []),
        ("import tensorflow as tf\n[x for x in tf.used]", TENSORFLOW),
        ("import tensorflow as tf\n{x: tf.used for x in y if x}", TENSORFLOW),
        ("import tensorflow as tf\nlambda tf: tf.used", []),
        ("import tensorflow as tf\nfor tf in x: tf.used", []),
        ("import tensorflow as tf\nwith open() as tf: tf.used", []),
        ("import tensorflow as tf\ntry: ...\nexcept E as tf: tf.used", []),
        ("import tensorflow as tf\nmatch x:\n  case [*tf]: tf.used", []),
        ("import tensorflow as tf\nmatch x:\n  case {**tf}: tf.used", []),
        ("import tensorflow as tf\nasync def f():\n  async for x in y: tf.used", TENSORFLOW),
        (
            "def f():\n  import tensorflow as tf\n  def g():\n    nonlocal tf\n    tf.used",
            TENSORFLOW,
        ),
        ("import tensorflow as tf\nf'{tf.used}'", TENSORFLOW),
        ("import tensorflow as tf\ndef f(x: 'tf.used'): ...", TENSORFLOW),
        ("import tensorflow as tf\ntf.a\ndef f(x: Optional['tf.used']): ...", TENSORFLOW),
    ],
)
def test_meaning(source: str, expected: list[str]) -> None:
    assert meaning(source) == expected


def test_a_literal_is_no_annotation() -> None:
    source = "import tensorflow as tf\ndef f(x: Literal['tf.used']): ..."
    with pytest.raises(IndexError):
        meaning(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("if x: import tensorflow as tf\nelse: import tensorflow.compat.v1 as tf\n{}", 2),
        ("import tensorflow as tf\nif x: tf = tf.compat.v1\n{}", 2),
        ("if x: import tensorflow as tf\nelse: tf = load()\n{}", 0),
        ("import tensorflow as tf\nwhile x: tf = tf.compat.v1\n{}", 2),
        ("import tensorflow as tf\nif x:\n  tf = tf.compat.v1\n  {}", 1),
        ("if x:\n  import tensorflow as tf\nelse:\n  import other as tf\n  {}", 1),
    ],
)
@pytest.mark.parametrize("use", ["tf.used", "(lambda: tf.used)"])
def test_branches_that_may_have_been_taken(source: str, expected: int, use: str) -> None:
    if use.startswith("(") and expected == 1:
        expected = 2  # It may be called later.
    assert len(meaning(source.format(use))) == expected


@pytest.mark.parametrize("error", ["ImportError", "(ModuleNotFoundError, E)", "Exception", ""])
def test_an_import_that_fails_gives_way_to_the_handler(error: str) -> None:
    tried = f"try: import {{}} as tf\nexcept {error}: import {{}} as tf\ntf.used"
    assert meaning(tried.format("tensorflow.compat.v1", "tensorflow")) == V1
    assert meaning(tried.format("tensorflow.contrib.slim", "tf_slim")) == ["tf_slim"]
    assert meaning("try: import tensorflow as tf\nexcept ImportError: tf = None\ntf.used")


def test_a_handler_of_something_else_may_run() -> None:
    tried = "try: import tensorflow as tf\nexcept KeyError: import other as tf\ntf.used"
    assert meaning(tried) == ["other", "tensorflow"]
