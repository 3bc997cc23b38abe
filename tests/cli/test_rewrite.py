"""What --fix writes: the new names, and not a character more."""

import ast
import io
import textwrap
import tokenize

import pytest

from tf_estimator.cli.migration import rewrite
from tf_estimator.cli.migration.rewrite import BrokenRewriteError, Rewrite
from tf_estimator.cli.migration.scan import Scan
from tf_estimator.cli.migration.text import Edit, Text

SAME = "the same"

# Programs and what they become; they are also parsed, rewritten again and searched for comments.
PAIRS = {
    "use": (
        """\
        import tensorflow as tf
        tf.estimator.Estimator( tf.estimator.RunConfig( ) )
        """,
        """\
        import tensorflow as tf
        import tf_estimator
        tf_estimator.Estimator( tf_estimator.RunConfig( ) )
        """,
    ),
    "comments, docstring, future": (
        '''\
        #!/usr/bin/env python
        # -*- coding: utf-8 -*-
        """tf.estimator in words."""  # tf.estimator
        from __future__ import annotations

        import numpy as np
        import tensorflow as tf  # tf.estimator


        def f(x: tf.estimator.Head):  # tf.estimator
            """tf.estimator."""
            return tf.estimator.Head(x,   # é
                                     tf.estimator)
        ''',
        '''\
        #!/usr/bin/env python
        # -*- coding: utf-8 -*-
        """tf.estimator in words."""  # tf.estimator
        from __future__ import annotations

        import numpy as np
        import tensorflow as tf  # tf.estimator
        import tf_estimator


        def f(x: tf_estimator.Head):  # tf.estimator
            """tf.estimator."""
            return tf_estimator.Head(x,   # é
                                     tf_estimator)
        ''',
    ),
    "version 1 by its name": (
        """\
        import tensorflow as tf
        tf1 = tf.compat.v1
        tf1.estimator.Head, tf.compat.v1.estimator.Head, tf.compat.v2.estimator.Head
        """,
        """\
        import tensorflow as tf
        import tf_estimator
        tf1 = tf.compat.v1
        tf_estimator.compat.v1.Head, tf_estimator.compat.v1.Head, tf_estimator.Head
        """,
    ),
    "version 1 by what else it has": (
        "import tensorflow as tf\ntf.estimator.DNNClassifier(tf.placeholder)\n",
        (
            "import tensorflow as tf\nimport tf_estimator\n"
            "tf_estimator.compat.v1.DNNClassifier(tf.placeholder)\n"
        ),
    ),
    "alias of the module": (
        "import tensorflow as tf\nest = tf.estimator\nest.Estimator\n",
        "import tensorflow as tf\nimport tf_estimator\nest = tf_estimator\nest.Estimator\n",
    ),
    "keras": (
        """\
        import tensorflow as tf
        from tensorflow.keras.estimator import model_to_estimator
        from tensorflow.keras import estimator, layers
        tf.keras.estimator.model_to_estimator(model)
        """,
        """\
        import tensorflow as tf
        import tf_estimator
        from tf_estimator.keras import model_to_estimator
        from tensorflow.keras import layers
        from tf_estimator import keras as estimator
        tf_estimator.keras.model_to_estimator(model)
        """,
    ),
    "from tensorflow import estimator": (
        """\
        from tensorflow import estimator  # why
        from tensorflow import estimator as tfe
        from tensorflow import keras, estimator as e, nn  # two left
        from tensorflow.compat.v1 import estimator as v1_estimator
        """,
        """\
        import tf_estimator as estimator  # why
        import tf_estimator as tfe
        from tensorflow import keras, nn  # two left
        import tf_estimator as e
        from tf_estimator.compat import v1 as v1_estimator
        """,
    ),
    "the first and the last of several": (
        "from tensorflow import (estimator,\n    nn)\nfrom tensorflow import nn, estimator\n",
        (
            "from tensorflow import (nn)\nimport tf_estimator as estimator\n"
            "from tensorflow import nn\nimport tf_estimator as estimator\n"
        ),
    ),
    "several on a line of an if": (
        "if x: from tensorflow import nn, estimator\n",
        "if x: from tensorflow import nn; import tf_estimator as estimator\n",
    ),
    "version 1 where there is one": (
        """\
        if x:
            import tensorflow.compat.v1 as tf
        else:
            import tensorflow as tf
        tf.estimator.Head
        """,
        """\
        import tf_estimator
        if x:
            import tensorflow.compat.v1 as tf
        else:
            import tensorflow as tf
        tf_estimator.compat.v1.Head
        """,
    ),
    "one name twice": ("from tensorflow import nn, estimator, estimator as e\n", SAME),
    "a comment between two": ("from tensorflow import (nn,  # why\n    estimator)\n", SAME),
    "names by from": (
        """\
        from tensorflow.estimator import (Estimator,  # one
                                          RunConfig as Config)
        from tensorflow.estimator.export import ServingInputReceiver
        from tensorflow . estimator import Head
        from tensorflow.compat.v1.estimator import ModeKeys, experimental
        from tensorflow.compat.v1.estimator.inputs import numpy_input_fn
        from tensorflow.compat.v1.estimator.export import *
        """,
        """\
        from tf_estimator import (Estimator,  # one
                                          RunConfig as Config)
        from tf_estimator.export import ServingInputReceiver
        from tensorflow . estimator import Head
        from tf_estimator.compat.v1 import ModeKeys, experimental
        from tf_estimator.inputs import numpy_input_fn
        from tf_estimator.export import *
        """,
    ),
    "import of modules": (
        """\
        import tensorflow.estimator as tfe, os
        import tensorflow.compat.v1.estimator as tf_estimator_v1
        import tensorflow.estimator
        tensorflow.estimator.Head
        """,
        """\
        import tf_estimator as tfe, os
        import tf_estimator.compat.v1 as tf_estimator_v1
        import tensorflow
        import tf_estimator
        tf_estimator.Head
        """,
    ),
    "the original package": (
        """\
        import tensorflow_estimator as tfe
        from tensorflow_estimator import estimator
        tfe.estimator.Head
        """,
        """\
        import tf_estimator
        from tf_estimator.compat import v1 as estimator
        tf_estimator.compat.v1.Head
        """,
    ),
    "the original package, used otherwise": (
        "import tensorflow_estimator as tfe\ntfe.estimator.Head, tfe.other\n",
        (
            "import tensorflow_estimator as tfe\nimport tf_estimator\n"
            "tf_estimator.compat.v1.Head, tfe.other\n"
        ),
    ),
    "import in a try": (
        """\
        import os

        try:
            import tensorflow.compat.v1 as tf
            tf.disable_v2_behavior()
        except ImportError:
            import tensorflow as tf
        tf.estimator.Head
        """,
        """\
        import os
        import tf_estimator

        try:
            import tensorflow.compat.v1 as tf
            tf.disable_v2_behavior()
        except ImportError:
            import tensorflow as tf
        tf_estimator.compat.v1.Head
        """,
    ),
    "import in a function": (
        """\
        def f():
            import tensorflow as tf
            return tf.estimator.Head
        def g():
            if x:
                import tensorflow as tf
                return tf.estimator.Head
        """,
        """\
        def f():
            import tensorflow as tf
            import tf_estimator
            return tf_estimator.Head
        def g():
            import tf_estimator
            if x:
                import tensorflow as tf
                return tf_estimator.Head
        """,
    ),
    "a global of a decorated function": (
        """\
        tf = None
        @ (decorator)
        def load():
            global tf
            import tensorflow as tf
        def f():
            return tf.estimator.Head
        """,
        """\
        tf = None
        import tf_estimator
        @ (decorator)
        def load():
            global tf
            import tensorflow as tf
        def f():
            return tf_estimator.Head
        """,
    ),
    "lines that statements share": (
        (
            "import os; import tensorflow as tf; tf.estimator.Head\n"
            "def f(): import tensorflow as tf; return tf.estimator.Head\n"
        ),
        (
            "import os; import tensorflow as tf; import tf_estimator; tf_estimator.Head\n"
            "def f(): import tensorflow as tf; import tf_estimator; return tf_estimator.Head\n"
        ),
    ),
    "it is imported already": (
        "import tf_estimator as tfe\nimport tensorflow as tf\ntf.estimator.Head\n",
        "import tf_estimator as tfe\nimport tensorflow as tf\ntfe.Head\n",
    ),
    "it is imported too late": (
        "import tensorflow as tf\ntf.estimator.Head\nimport tf_estimator\n",
        "import tensorflow as tf\nimport tf_estimator\ntf_estimator.Head\nimport tf_estimator\n",
    ),
    "its name is taken": (
        "import tensorflow as tf\ntf_estimator = tf.estimator.Estimator(f)\n",
        "import tensorflow as tf\nimport tf_estimator as tfe\ntf_estimator = tfe.Estimator(f)\n",
    ),
    "in strings": (
        """\
        import tensorflow as tf
        f"{tf.estimator.Head!r:>{tf.estimator.x}} {1 + tf.estimator.ModeKeys.TRAIN}"
        def f(x: "Optional[tf.estimator.Head]") -> "tf.estimator.Head": ...
        """,
        """\
        import tensorflow as tf
        import tf_estimator
        f"{tf_estimator.Head!r:>{tf.estimator.x}} {1 + tf_estimator.ModeKeys.TRAIN}"
        def f(x: "Optional[tf_estimator.Head]") -> "tf_estimator.Head": ...
        """,
    ),
    "no line end, form feed, tabs": (
        "import tensorflow as tf\n\x0c\nif x:\n\ty = tf.estimator.Head",
        "import tensorflow as tf\nimport tf_estimator\n\x0c\nif x:\n\ty = tf_estimator.Head",
    ),
    "no statement below": (
        "import os\nfrom tensorflow import nn, estimator",
        "import os\nfrom tensorflow import nn\nimport tf_estimator as estimator",
    ),
    "nothing to do": ("import tensorflow as tf\ntf.nn.relu, estimator.tf\n", SAME),
    "a comment would be lost": (
        (
            "from tensorflow import (  # why\n    estimator)\nimport tensorflow as tf\n"
            "(tf  # why\n  .estimator.Head)\n"
        ),
        SAME,
    ),
    "a name that is not there": (
        "from tensorflow.estimator import Estimator, Nothing\n",
        SAME,
    ),
}


def _pair(name: str) -> tuple[str, str]:
    before, after = map(textwrap.dedent, PAIRS[name])
    return before, before if after == SAME else after


def fixed(text: str) -> str:
    return Rewrite(Scan(text)).text()


@pytest.mark.parametrize("name", PAIRS)
def test_rewritten(name: str) -> None:
    before, after = _pair(name)
    assert fixed(before) == after


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_stay(name: str, newline: str) -> None:
    before, after = (text.replace("\n", newline) for text in _pair(name))
    assert fixed(before) == after


@pytest.mark.parametrize("name", PAIRS)
def test_a_second_time_changes_nothing(name: str) -> None:
    once = fixed(_pair(name)[0])
    assert fixed(once) == once
    assert not any(finding.can_fix for finding in Rewrite(Scan(once)).findings)


def _comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


@pytest.mark.parametrize("name", PAIRS)
def test_it_parses_and_has_all_comments(name: str) -> None:
    before = _pair(name)[0]
    after = fixed(before)
    ast.parse(after)
    assert _comments(after) == _comments(before)


def test_what_would_not_parse_is_refused() -> None:
    rewriting = Rewrite(Scan("from __future__ import annotations\n"))
    rewriting.edits.append(Edit(0, 0, "import os\n"))  # Parses, but does not compile.
    with pytest.raises(BrokenRewriteError, match="__future__"):
        rewriting.text()


def test_what_never_compiled_has_to_parse_only() -> None:
    source = "import tensorflow as tf\nreturn tf.estimator\n"
    assert "return tf_estimator\n" in fixed(source)


def test_edits_must_not_overlap() -> None:
    with pytest.raises(AssertionError, match="overlap"):
        Text("abc").edited([Edit(0, 2, "x"), Edit(1, 3, "y")])


def test_all_names_of_ours_taken() -> None:
    names = "".join(f"{name} = 1\n" for name in rewrite.OUR_NAMES[:-1])
    assert f"as {rewrite.OUR_NAMES[-1]}\n" in fixed(
        f"import tensorflow as tf\n{names}tf.estimator\n"
    )
