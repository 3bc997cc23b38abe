"""What is found in a module, and where."""

import textwrap

import pytest

from tf_estimator.cli.migration.rewrite import Rewrite
from tf_estimator.cli.migration.scan import Scan


def found(source: str) -> list[str]:
    """The findings as `line:column kind name`, a star after what --fix rewrites."""
    findings = Rewrite(Scan(textwrap.dedent(source))).findings
    return [
        f"{each.line}:{each.column} {each.kind} {each.name}{'*' if each.can_fix else ''}"
        for each in findings
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            """\
            import tensorflow as tf
            tf.estimator.Estimator(tf.estimator.RunConfig())
            """,
            ["2:1 works tf.estimator.Estimator*", "2:24 works tf.estimator.RunConfig*"],
        ),
        (
            """\
            import tensorflow as tf
            "é𝔛", tf.estimator.Head, "é", tf.estimator.Nothing
            """,
            ["2:7 works tf.estimator.Head*", "2:31 edit tf.estimator.Nothing"],
        ),
        (
            """\
            import tensorflow as tf
            est = tf.estimator
            est.Estimator, est.Nothing
            """,
            ["2:7 works tf.estimator*", "3:16 edit est.Nothing"],
        ),
        (
            """\
            from tensorflow.contrib import layers, slim
            layers.layer_norm, layers.group_norm, slim.conv2d
            """,
            [
                "1:32 run tensorflow.contrib.layers",
                "1:40 run tensorflow.contrib.slim",
                "2:1 run layers.layer_norm",
                "2:20 edit layers.group_norm",
                "2:39 run slim.conv2d",
            ],
        ),
        (
            """\
            from tensorflow.contrib.layers import layer_norm
            layer_norm.x, layer_norm
            """,
            ["1:39 run tensorflow.contrib.layers.layer_norm"],
        ),
        (
            """\
            try:
                from tensorflow.contrib import slim
            except ImportError:
                import tf_slim as slim
            slim.conv2d
            """,
            [],
        ),
        (
            """\
            import tensorflow as tf
            if tf.__version__ > "2":
                tf = tf.compat.v1
            tf.placeholder, tf.estimator.Head
            """,
            ["4:17 works tf.estimator.Head*"],
        ),
        (
            """\
            import tensorflow as tf
            tf.estimator = other
            tf.estimator.Estimator = mine
            """,
            ["3:1 works tf.estimator*"],
        ),
        (
            """\
            import tensorflow as tf
            class A:
                import tensorflow as inner
                x = inner.estimator.Head
            """,
            ["4:9 works inner.estimator.Head"],
        ),
        (
            """\
            import tensorflow as tf
            tf.\\
                estimator.Head
            (tf  # why
              .estimator.Head)
            """,
            ["2:1 works tf.estimator.Head*", "4:2 works tf.estimator.Head"],
        ),
        (
            """\
            import tensorflow as tf
            f"tf.estimator {tf.estimator.Head}"
            f"{tf.estimator.Head} {1 + tf.estimator.ModeKeys}"
            def f(x: "tf.estimator.Head"): ...
            """,
            [
                "2:1 works tf.estimator.Head",
                "3:4 works tf.estimator.Head*",
                "3:28 works tf.estimator.ModeKeys*",
                "4:11 works tf.estimator.Head*",
            ],
        ),
        (
            """\
            import tensorflow.compat.v1 as tf
            import tf_estimator
            tf_estimator.keras.enable_v1_layers()
            tf.layers.dense
            """,
            [],
        ),
        (
            """\
            import tensorflow as tf
            try:
                tf.placeholder, tf.estimator.Head
            except AttributeError:
                tf.Session
            """,
            ["3:21 works tf.estimator.Head*", "5:5 run tf.Session"],
        ),
        ("from .contrib import tensorflow\ntensorflow.estimator", []),
        ('"""tf.estimator, tf.contrib."""\n# tf.estimator\n', []),
    ],
)
def test_found(source: str, expected: list[str]) -> None:
    assert found(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import tensorflow as tf\ntf.estimator.Head", False),
        ("import tensorflow as tf\ntf.estimator.Head, tf.placeholder", True),
        ("import tensorflow as tf\ntf.estimator.inputs.numpy_input_fn", True),
        ("from tensorflow.contrib import slim", True),
        ("import tensorflow as tf\nestimator.export_savedmodel(x)", True),
        ("import tensorflow as tf\nif tf.__version__ < x: tf.Session", False),
        ("import tensorflow as tf\nif hasattr(tf, 'Session'): tf.Session", False),
        ("import tensorflow as tf\nif x: tf.Session", True),
        ("import tensorflow as tf\ntry: tf.Session\nexcept AttributeError: y", False),
        ("import tensorflow as tf\ntry: tf.Session\nexcept Exception: y", True),
        ("import tensorflow.compat.v1 as tf\ntf.placeholder", False),
        ("try:\n  import tensorflow.contrib as c\nexcept ImportError: c = None", False),
    ],
)
def test_a_file_tells_which_version_it_is_for(source: str, expected: bool) -> None:
    assert Scan(source).of_version_1 is expected
    assert Scan(source, of_version_1=True).of_version_1


@pytest.mark.filterwarnings("error")
def test_a_module_that_python_warns_of_is_read_in_silence() -> None:
    assert found('x = "\\d"; 1 is 1\nimport tensorflow as tf; tf.estimator') == [
        "2:26 works tf.estimator*"
    ]
