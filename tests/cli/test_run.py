"""The command `tf-estimator run`: programs run as they are, and nothing of it stays."""

import builtins
import importlib
import os
import re
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.cli import main, tracebacks
from tf_estimator.cli import run as run_command

v1 = tf.compat.v1
PROGRAMS = Path(__file__).parent / "programs"

# What these programs call was deprecated when they were written.
pytestmark = pytest.mark.filterwarnings("ignore:`tf\\.(layers|nn\\.rnn_cell):UserWarning")


@pytest.fixture(scope="module", autouse=True)
def _keras_2() -> None:
    """Imported here, tf-keras does not take over how TensorFlow behaves inside of a program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("tf_keras")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where programs are. What they leave in the process goes: modules, flags, log levels."""
    flags = importlib.import_module("absl.flags").FLAGS
    before = set(sys.modules)
    known = set(flags)
    level = v1.logging.get_verbosity()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    v1.logging.set_verbosity(level)
    for name in set(flags) - known:
        delattr(flags, name)
    flags.unparse_flags()
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if isinstance(file, str) and file.startswith((str(tmp_path), str(PROGRAMS))):
            del sys.modules[name]


Run = Callable[..., str]


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a program, given as its text, and gives what it prints."""

    def run(text: str, *arguments: str, options: Sequence[str] = ()) -> str:
        script = folder / "script.py"
        script.write_text(text)
        capsys.readouterr()
        assert main(["run", *options, str(script), *arguments]) == 0
        return capsys.readouterr().out

    return run


class TestAsPythonRunsIt:
    def test_name_arguments_folder_and_file(self, run: Run, folder: Path) -> None:
        text = "import sys\nprint(__name__, sys.argv[1:], sys.path[0], __file__, __spec__)"
        shown = run(text, "--v2", "-m", "x", "--", "--also")
        assert shown.split(" ", 1)[0] == "__main__"
        arguments = ["--v2", "-m", "x", "--", "--also"]
        assert shown == f"__main__ {arguments} {folder} {folder / 'script.py'} None\n"

    def test_it_is_the_main_module(self, run: Run) -> None:
        text = "import sys, pickle\nclass A: pass\n"
        text += "print(sys.modules['__main__'].A is A, type(pickle.loads(pickle.dumps(A()))) is A)"
        assert run(text) == "True True\n"

    def test_modules_beside_it(self, run: Run, folder: Path) -> None:
        (folder / "beside_it.py").write_text("import tensorflow\nT = tensorflow\n")
        text = "import beside_it, tensorflow\nprint(beside_it.T is tensorflow)"
        assert run(text) == "True\n"

    def test_a_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "here").mkdir()
        (folder / "here" / "__main__.py").write_text("import sys\nprint(sys.path[0])")
        assert main(["run", "here"]) == 0
        assert capsys.readouterr().out == f"{folder / 'here'}\n"

    @pytest.mark.parametrize(
        ("name", "shown"), [("parts.one", "parts.one parts"), ("parts", "parts.__main__ parts")]
    )
    def test_a_module(
        self, name: str, shown: str, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        parts = folder / "parts"
        parts.mkdir()
        (parts / "__init__.py").write_text("import tensorflow as tf\n")
        (parts / "two.py").write_text("import tensorflow as tf\nassert tf.placeholder\n")
        text = "import sys\nfrom . import tf, two\nassert two.tf is tf\n"
        text += "print(__name__, __spec__.name, __package__, sys.argv, sys.path[0])"
        for module in ("one", "__main__"):
            (parts / f"{module}.py").write_text(text)
        assert main(["run", "-m", name, "--x", "-m"]) == 0
        file = parts / ("one.py" if name == "parts.one" else "__main__.py")
        expected = f"__main__ {shown} ['{file}', '--x', '-m'] {folder}\n"
        assert capsys.readouterr().out == expected

    @pytest.mark.parametrize("code", [3, "with words", None])
    def test_exit_status(self, code: Any, run: Run) -> None:
        with pytest.raises(SystemExit) as caught:
            run(f"import sys\nsys.exit({code!r})")
        assert caught.value.code == code

    def test_app_run_calls_main_with_flags(self, run: Run) -> None:
        text = (
            "import tensorflow as tf\n"
            "flags = tf.app.flags\n"
            "flags.DEFINE_integer('size', 1, 'How large.')\n"
            "flags.DEFINE_bool('is_new', False, 'Whether.')\n"
            "def main(argv):\n"
            "    print(flags.FLAGS.size, tf.flags.FLAGS.is_new, argv[1:])\n"
            "    return 5\n"
            "if __name__ == '__main__':\n"
            "    tf.app.run()\n"
        )
        with pytest.raises(SystemExit) as caught:
            run(text, "--size=7", "--is_new", "more")
        assert caught.value.code == 5

    def test_an_exception_comes_out(self, run: Run) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            run("1 / 0")
        assert caught.value.__context__ is None

    def test_the_source_may_have_an_encoding(self, folder: Path) -> None:
        (folder / "old.py").write_bytes(b"# coding: latin-1\nassert '\xe9' == chr(233)\n")
        assert main(["run", "old.py"]) == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Give the SCRIPT to run, or -m and a MODULE."),
            (["-m"], "Give the SCRIPT to run, or -m and a MODULE."),
            (["nothing.py"], "SCRIPT must be a file that can be read, or have a __main__.py; "),
            (["."], "SCRIPT must be a file that can be read, or have a __main__.py; received .."),
            (["-m", "no_module_of_this_name"], "MODULE must be a module of Python code; "),
            (["-m", "no_module_of_this_name.x"], "MODULE must be a module of Python code; "),
            (["-m", "a..b"], "MODULE must be a module of Python code; received a..b."),
            (["-m", "sys"], "MODULE must be a module of Python code; received sys."),
            (["-m", "logging"], "MODULE must have a __main__, as it is a package; "),
        ],
    )
    def test_nothing_to_run(
        self,
        arguments: list[str],
        message: str,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["run", *arguments])
        assert caught.value.code == 2
        assert f"tf-estimator run: error: {message}" in capsys.readouterr().err

    def test_a_package_that_misses_something_is_not_missing(self, folder: Path) -> None:
        (folder / "broken_package").mkdir()
        (folder / "broken_package" / "__init__.py").write_text("import no_such_module")
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            main(["run", "-m", "broken_package.train"])

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["run", "--help"])
        shown = capsys.readouterr().out
        assert shown.startswith("usage: tf-estimator run [-h] [--v2] [--also PACKAGE] (SCRIPT | -m")
        assert "tf-estimator run -m my_program.train" in shown
        assert max(map(len, shown.splitlines())) <= 88


# Each is a form of import, and what has to hold after it.
IMPORTS = {
    "import tensorflow as tf": "tf.placeholder and tf.__name__ == 'tensorflow'",
    "import tensorflow": "tensorflow.placeholder",
    "import tensorflow.compat.v1 as tf": "tf.contrib and tf.placeholder",
    "from tensorflow.compat import v1 as tf": "tf.contrib and tf.compat.v1 is tf",
    "import tensorflow.compat.v2 as tf": "not hasattr(tf, 'placeholder') and tf.estimator",
    "from tensorflow import contrib, layers, flags, logging": "layers.dense and flags.FLAGS",
    "from tensorflow import *": "placeholder and contrib and float32",
    "import tensorflow.contrib as c": "c.training.HParams",
    "import tensorflow.contrib.layers": "tensorflow.contrib.layers.l2_regularizer",
    "from tensorflow.contrib import rnn, layers as L": "rnn.BasicLSTMCell and L.flatten",
    "from tensorflow.contrib.layers import flatten": "flatten",
    "from tensorflow.contrib.layers.python.layers import batch_norm": "batch_norm",
    "from tensorflow.contrib.layers.python.layers import layers": "layers.batch_norm",
    "from tensorflow.contrib.framework.python.ops import arg_scope": "arg_scope",
    "from tensorflow.contrib.framework.python.ops.arg_scope import arg_scope": "arg_scope",
    "from tensorflow.contrib.tpu.python.tpu import tpu_estimator": "tpu_estimator.TPUEstimator",
    "from tensorflow.layers import dense": "dense",
    "from tensorflow.layers import *": "conv2d",
    "import tensorflow.layers as layers": "layers.conv2d",
    "from tensorflow.nn.rnn_cell import LSTMCell": "LSTMCell",
    "from tensorflow.python.ops.rnn_cell import GRUCell": "GRUCell",
    "from tensorflow import estimator": "estimator.inputs",
    "import tensorflow.estimator as e": "e.Estimator.export_savedmodel",
    "from tensorflow.estimator import RunConfig, export": "export.ServingInputReceiver",
    "from tensorflow.estimator.export import ServingInputReceiver as S": "S",
    "import tensorflow.keras": "tensorflow.keras.__version__[0] == '2'",
    "from tensorflow.keras.layers import Dense": "'tf_keras' in Dense.__module__",
    "import tensorflow.keras.backend as K": "K.get_session",
    "from tensorflow.python.framework import ops": "ops.Graph",
    "from tensorflow.python.training.tracking import util": "util.Checkpoint",
    "from tensorflow.python.training.tracking.tracking import AutoTrackable": "AutoTrackable",
    "from tensorflow.python.estimator.canned import head": "head",
    "from tensorflow.core.framework import summary_pb2": "summary_pb2.Summary",
    "from tensorflow_estimator.python.estimator import model_fn": "model_fn.EstimatorSpec",
    "from tensorflow_core.python.ops import math_ops": "math_ops.add",
    "from tensorflow._api.v1 import nn": "nn.dynamic_rnn",
    "import importlib; tf = importlib.import_module('tensorflow')": "tf.placeholder",
    "import importlib; tf = importlib.import_module('tensorflow.compat.v1')": "tf.contrib",
    "tf = __import__('tensorflow')": "tf.placeholder",
    "exec('import tensorflow as tf', globals())": "tf.placeholder",
    "names = {}; exec('import tensorflow as tf', names)": "names['tf'].placeholder",
}


@pytest.mark.parametrize("statement", IMPORTS)
def test_forms_of_import(statement: str, run: Run) -> None:
    text = f"{statement}\nimport sys\nassert {IMPORTS[statement]}\nsys.stdout.write('fine')"
    assert run(text) == "fine"


MISSING = {
    "from tensorflow.contrib.layers import nonsense": (
        "ImportError: tf.contrib.layers.nonsense is not there: .* import tf_slim. `tf-estimator "
        "check` finds"
    ),
    "import tensorflow.contrib.cudnn_rnn": "ImportError: tf.contrib.cudnn_rnn is not there: .*",
    "import tensorflow as tf; tf.contrib.gan": (
        "AttributeError: tf.contrib.gan is not there: .*The package tensorflow-gan has it."
    ),
    "import tensorflow as tf; tf.contrib.layers.one_hot_column": (
        "AttributeError: tf.contrib.layers.one_hot_column is not there: .*indicator_column"
    ),
    "from tensorflow.contrib.layers.python.layers import nonsense": (
        "ImportError: tf.contrib.layers.python.layers.nonsense is not there"
    ),
    "from tensorflow.examples.tutorials.mnist import input_data": (
        "ModuleNotFoundError: No module named 'tensorflow.examples': .*tf.keras.datasets.mnist"
    ),
    "import tensorflow.nonsense.more": "ModuleNotFoundError: No module named 'tensorflow.nonsense'",
    "from tensorflow import nonsense": "ImportError: cannot import name 'nonsense' from 'tensorf",
    "import tensorflow as tf; tf.nonsense": (
        "AttributeError: module 'tensorflow' has no attribute 'nonsense': .*`tf-estimator check`"
    ),
    "import tensorflow as tf; tf.layers.nonsense": "AttributeError: .*has no attribute 'nonsense'",
    "from tensorflow.layers import nonsense": "ImportError: cannot import name 'nonsense'",
}


@pytest.mark.parametrize("statement", MISSING)
def test_what_is_not_there_says_so_by_name(statement: str, run: Run) -> None:
    text = f"try:\n    {statement}\nexcept Exception as error:\n    "
    text += "is_alone = error.__suppress_context__ or error.__context__ is None\n    "
    shown = run(f"{text}print(type(error).__name__, is_alone, error, sep=': ')")
    kind, is_alone, message = shown.split(": ", 2)
    assert re.match(MISSING[statement], f"{kind}: {message}"), shown
    assert is_alone == "True"
    assert message.count("tf-estimator check") <= 1


class TestTensorFlow1:
    def test_it_behaves_as_version_1(self, run: Run) -> None:
        text = """
import tensorflow as tf
x = tf.placeholder(tf.float32, [None, 3])
v = tf.get_variable("v", [3])
grown = tf.assign(tf.Variable([0.0], validate_shape=False), [1.0, 2.0], validate_shape=False)
data = tf.data.Dataset.range(3)
print(tf.executing_eagerly(), x.shape[1].value, v.op.type, x == x, tf.control_flow_v2_enabled())
print(data.output_types, data.output_shapes, data.make_one_shot_iterator().get_next())
with tf.Session() as session:
    print(session.run(grown))
"""
        assert run(text).splitlines() == [
            "False 3 VariableV2 True False",
            "<dtype: 'int64'> () Tensor(\"IteratorGetNext:0\", shape=(), dtype=int64)",
            "[1. 2.]",
        ]

    def test_with_v2_it_is_as_it_is_and_has_estimators(self, run: Run) -> None:
        text = """
import tensorflow as tf, numpy as np, tensorflow.compat.v1 as tf1
print(tf.executing_eagerly(), hasattr(tf, "placeholder"), hasattr(tf, "contrib"))
print(tf.estimator.Estimator.__module__, tf1.estimator.Estimator.__module__)
print(np.float_.__name__, tf1.layers.dense.__module__, tf.keras.__version__[0])
"""
        shown = run(text, options=["--v2"]).splitlines()
        assert shown[0] == "True False False"
        assert shown[1] == "tf_estimator.estimator tf_estimator.compat.v1.estimator"
        assert re.fullmatch(r"float64 tf_keras\..* 3", shown[2])

    @pytest.mark.parametrize("is_also", [False, True])
    def test_installed_packages_have_the_real_one(
        self, is_also: bool, run: Run, folder: Path
    ) -> None:
        package = folder / "site-packages" / "old_package"
        package.mkdir(parents=True)
        text = "import tensorflow as tf\nfrom tensorflow import estimator\n"
        (package / "__init__.py").write_text(f"{text}has = hasattr(tf, 'placeholder')")
        text = "import sys; sys.path.append('site-packages'); import old_package\n"
        text += "print(old_package.has, old_package.estimator.__name__)"
        options = ["--also", "old_package"] if is_also else []
        expected = "True tf_estimator.compat.v1" if is_also else "False tf_estimator"
        assert run(text, options=options) == f"{expected}\n"

    def test_the_package_of_a_module_is_the_program_s_wherever_it_is(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = folder / "site-packages" / "old_program"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "nets.py").write_text("import tensorflow as tf; name = tf.placeholder.__name__")
        (package / "train.py").write_text("from old_program import nets; print(nets.name)")
        monkeypatch.syspath_prepend("site-packages")
        assert main(["run", "-m", "old_program.train"]) == 0
        assert capsys.readouterr().out == "placeholder\n"

    def test_names_that_python_and_numpy_removed(self, run: Run) -> None:
        text = """
import base64, collections, fractions, inspect, time, unittest, numpy as np
import xml.etree.cElementTree as ElementTree
names, _, _, defaults = inspect.getargspec(lambda a, b=2: None)
print(names, defaults, np.bool, np.float_(2), np.asscalar(np.float32(3)), fractions.gcd(4, 6))
print(time.clock() > 0, isinstance({}, collections.Mapping), ElementTree.fromstring("<a/>").tag)
"""
        kind = vars(np).get("bool", bool)
        assert run(text).splitlines() == [f"['a', 'b'] (2,) {kind} 2.0 3.0 2", "True True a"]


def state() -> dict[str, Any]:
    """All that a run puts in place and has to take away."""
    names = [name for name in sys.modules if re.fullmatch(r"tensorflow.*\.compat\.v1", name)]
    modules = [sys.modules[name] for name in names if hasattr(sys.modules[name], "layers")]
    return {
        "modules": {
            name for name in sys.modules if name.startswith(("_tensorflow1", "xml.etree."))
        },
        "main": sys.modules["__main__"],
        "finders": list(sys.meta_path),
        "imports": (builtins.__import__, importlib.import_module),
        "program": (sys.argv, list(sys.argv), list(sys.path), sys.excepthook),
        "names": [set(vars(sys.modules[name])) for name in ("numpy", "collections", "inspect")],
        "spawn": importlib.import_module("multiprocessing.spawn").get_preparation_data,
        "estimators": [hasattr(module, "estimator") for module in (tf, *modules)],
        "layers": [type(module.layers).__name__ for module in (v1, *modules)],
        "behavior": (
            tf.executing_eagerly(),
            v1.resource_variables_enabled(),
            v1.control_flow_v2_enabled(),
            tf.__internal__.tf2.enabled(),
            tf.TensorShape([2])[0],
            tf.constant([1]) is not None and bool(tf.reduce_all(tf.constant([1]) == 1)),
        ),
    }


@pytest.mark.parametrize("end", ["", "raise KeyError", "import sys; sys.exit(3)"])
@pytest.mark.parametrize("options", [[], ["--v2"]])
def test_nothing_of_it_stays(options: list[str], end: str, run: Run) -> None:
    text = "import sys, numpy as np, tensorflow as tf, xml.etree.cElementTree\n"
    text += "assert np.float_ and tf.estimator\nsys.argv.append('x')\nsys.path.append('x')\n"
    text += "(tf.placeholder, tf.contrib) if hasattr(tf, 'contrib') else None\n"
    before = state()
    try:
        run(text + end, options=options)
    except (KeyError, SystemExit):
        assert end
    assert state() == before


def outcome(run: Callable[[], object]) -> Any:
    """The exit status of a program."""
    try:
        run()
    except SystemExit as exit_:
        return exit_.code
    return 0


# The numbers are those that the original gave, of TensorFlow 2.15 with disable_v2_behavior().
# Of tf.contrib it had nothing more; those programs tell of what they learned.
ORIGINAL = {
    "mnist": "mnist.txt",
    "census": "census.txt",
    "queues queue": "queues_queue.txt",
    "queues iterator": "queues_iterator.txt",
    "hparams": "hparams.txt",
    "tagger": "tagger.txt",
}


@pytest.mark.parametrize("program", ORIGINAL)
def test_programs_of_tensorflow_1_give_what_they_gave(
    program: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = program.split()
    takes_flag = name in ("census", "hparams")
    arguments.append("--model_dir=model" if takes_flag else "model")
    script = str(PROGRAMS / f"{name}.py")
    assert outcome(lambda: main(["run", script, *arguments])) in (0, None)
    shown = capsys.readouterr().out.split()
    expected = (PROGRAMS / ORIGINAL[program]).read_text().split()
    assert len(shown) == len(expected), " ".join(shown)
    for ours, theirs in zip(shown, expected, strict=True):
        try:
            assert float(ours) == pytest.approx(float(theirs), abs=2e-3)
        except ValueError:
            assert ours == theirs


@pytest.mark.parametrize(
    "statement",
    [
        "import tensorflow as tf; tf.contrib.nonsense",
        "import tensorflow as tf; tf.nonsense",
        "import tensorflow.contrib.nonsense",
        "from tensorflow.contrib.layers import nonsense",
        "import tensorflow.nonsense",
        "__import__('tensorflow.nonsense')",
        "import beside_it",
        "import beside_it.more",
        "from beside_it import more",
    ],
)
@pytest.mark.parametrize("handled", ["", "raise ValueError from error", "raise ValueError"])
def test_a_traceback_has_frames_of_the_program_alone(
    statement: str, handled: str, run: Run, folder: Path
) -> None:
    (folder / "beside_it.py").write_text("import tensorflow as tf\ntf.nonsense\n")
    text = statement
    if handled:
        text = f"try:\n    {statement}\nexcept Exception as error:\n    {handled}"
    with pytest.raises((AttributeError, ImportError, ValueError)) as caught:
        run(text)
    tracebacks.trim(caught.value, run_command.__file__)
    raised = [caught.value, *filter(None, [caught.value.__context__ if handled else None])]
    for error in raised:
        files = [Path(entry.filename).name for entry in traceback.extract_tb(error.__traceback__)]
        beside = ["beside_it.py"] * ("beside_it" in statement and error is raised[-1])
        assert files == ["script.py", *beside]


def test_exceptions_of_a_group_are_of_the_program_too() -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 has no groups")
    errors = []
    for name in ("no_such_one", "no_such_other"):
        try:
            exec(f"import {name}", {"__name__": "__main__"})
        except ImportError as error:
            errors.append(error)
    group = ExceptionGroup("two", errors)  # noqa: F821 - of Python 3.11
    tracebacks.trim(group, __file__)
    assert [len(traceback.extract_tb(error.__traceback__)) for error in errors] == [1, 1]


def process(*arguments: str, **given: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-m", "tf_estimator", "run", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        **given,
    )


class TestProcess:
    def test_the_traceback_is_that_of_python(self, folder: Path) -> None:
        (folder / "broken.py").write_text("def f():\n    raise ValueError('no')\nf()\n")
        text = "import importlib\ntry:\n    import broken\nexcept ValueError:\n"
        (folder / "script.py").write_text(f"{text}    importlib.import_module('broken')\n")
        ours = process("script.py")
        python = subprocess.run(
            [sys.executable, "script.py"], capture_output=True, text=True, check=False
        )
        assert ours.returncode == python.returncode == 1
        assert ours.stderr == python.stderr

    def test_that_of_a_package_begins_with_it(self, folder: Path) -> None:
        (folder / "parts").mkdir()
        (folder / "parts" / "__init__.py").write_text("1 / 0\n")
        lines = process("-m", "parts.train").stderr.splitlines()
        expected = f'  File "{folder / "parts" / "__init__.py"}", line 1, in <module>'
        assert lines[:2] == ["Traceback (most recent call last):", expected]

    @pytest.mark.parametrize("text", ["def f(:\n", "print 'two'\n", "import no_such\n", "1 / 0\n"])
    def test_so_are_others(self, text: str, folder: Path) -> None:
        (folder / "script.py").write_text(text)
        ours = process("script.py")
        python = subprocess.run(
            [sys.executable, "script.py"], capture_output=True, text=True, check=False
        )
        assert (ours.returncode, ours.stderr) == (python.returncode, python.stderr)

    def test_tensorflow_is_imported_when_the_program_does(self, folder: Path) -> None:
        text = "import sys\nassert not {'tensorflow', 'numpy', 'pandas'} & set(sys.modules)"
        (folder / "script.py").write_text(text)
        done = process("script.py")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_ctrl_c_ends_it_as_it_ends_python(self, folder: Path) -> None:
        (folder / "parts.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
        done = process("-m", "parts")
        assert done.returncode == -signal.SIGINT
        assert done.stderr.splitlines()[0].startswith("Traceback")
        assert done.stderr.splitlines()[1] == f'  File "{folder / "parts.py"}", line 2, in <module>'
        assert done.stderr.endswith("KeyboardInterrupt\n")

    @pytest.mark.slow  # two processes import TensorFlow
    def test_processes_that_it_spawns_have_it_and_what_is_at_the_end(self, folder: Path) -> None:
        text = """
import atexit
import multiprocessing
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf

def work(queue):
    import numpy as np
    queue.put((tf.placeholder.__name__, np.float_.__name__, tf.executing_eagerly()))

def at_end():
    import tensorflow as again
    print(again is tf, tf.executing_eagerly(), flush=True)

if __name__ == "__main__":
    atexit.register(at_end)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=work, args=(queue,))
    child.start()
    print(queue.get())
    child.join()
    tf.contrib.nonsense
"""
        (folder / "script.py").write_text(text)
        done = process("script.py")
        assert done.stdout.splitlines() == [str(("placeholder", "float64", False)), "True False"]
        assert done.returncode == 1
        lines = done.stderr[done.stderr.index("Traceback") :].splitlines()
        assert [line for line in lines if line.startswith("  File")] == [
            f'  File "{folder / "script.py"}", line 24, in <module>'
        ]
        assert lines[-1].startswith("AttributeError: tf.contrib.nonsense is not there: ")
        assert "The above exception" not in done.stderr
