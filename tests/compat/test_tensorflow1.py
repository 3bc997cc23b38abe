"""What a program for TensorFlow 1 sees as `tensorflow`."""

import builtins
import contextlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tensorflow as tf

from tf_estimator.compat import install, program_imports, tensorflow1
from tf_estimator.compat.program_imports import ProgramFiles, ProgramImports
from tf_estimator.compat.removed_names import RemovedNames

v1 = tf.compat.v1
ROOT = program_imports.TENSORFLOW_1

# These are from some 1.x, and nearly all programs use one of them.
NAMES = """
AUTO_REUSE COMPILER_VERSION ConfigProto Dimension GPUOptions GraphKeys InteractiveSession Print
Session TensorShape VERSION add_to_collection app.flags app.run assign cond confusion_matrix
count_nonzero data.Iterator.from_structure data.TFRecordDataset data.experimental.map_and_batch
decode_csv distributions.Normal div enable_eager_execution feature_column.input_layer
flags.DEFINE_string floordiv gfile.GFile get_default_graph get_local_variable get_variable_scope
gradients graph_util.convert_variables_to_constants image.resize_images initializers.variables
is_nan layers lin_space log logging.set_verbosity losses.get_total_loss
losses.softmax_cross_entropy matrix_inverse metrics.auc name_scope nn.bidirectional_dynamic_rnn
nn.ctc_loss nn.dynamic_rnn nn.raw_rnn nn.rnn_cell nn.softmax_cross_entropy_with_logits_v2
nn.static_rnn parse_single_example placeholder profiler py_func python_io.TFRecordWriter
random_normal_initializer read_file reset_default_graph resource_loader saved_model.loader.load
saved_model.simple_save saved_model.tag_constants.SERVING scatter_update set_random_seed
sparse_placeholder sparse_to_dense spectral string_split string_to_hash_bucket_fast
summary.FileWriter summary.merge_all tables_initializer test.TestCase to_float to_int32 tpu
train.ClusterSpec train.MonitoredTrainingSession train.Saver train.Supervisor train.batch
train.exponential_decay train.match_filenames_once train.replica_device_setter train.shuffle_batch
truncated_normal_initializer uniform_unit_scaling_initializer user_ops variable_scope
variables_initializer verify_tensor_all_finite where
"""


@pytest.fixture
def tensorflow() -> Iterator[tensorflow1.Layered]:
    """The module, which can be imported; TensorFlow behaves as version 2."""
    module = tensorflow1.make()
    with contextlib.ExitStack() as undo:
        tensorflow1.make_importable(undo, module)
        yield module


class TestNames:
    def test_those_of_version_1_come_first(self, tensorflow: Any) -> None:
        assert tensorflow.placeholder is v1.placeholder
        assert tensorflow.train.AdamOptimizer is v1.train.AdamOptimizer
        assert tensorflow.random_uniform is v1.random_uniform
        assert tensorflow.data.Dataset is v1.data.Dataset
        assert tensorflow.metrics is v1.metrics

    def test_then_those_of_version_2(self, tensorflow: Any) -> None:
        assert not hasattr(v1, "optimizers")
        assert tensorflow.optimizers is tf.optimizers

    @pytest.mark.parametrize("name", NAMES.split())
    def test_programs_of_version_1_find(self, name: str, tensorflow: Any) -> None:
        found = tensorflow
        for part in name.split("."):
            found = getattr(found, part)
        assert found is not None

    def test_what_it_is_itself(self, tensorflow: Any) -> None:
        assert tensorflow.__name__ == "tensorflow"
        assert tensorflow.__version__ == tf.__version__
        assert tensorflow.compat.v1 is tensorflow
        assert tensorflow.compat.v2 is tf.compat.v2
        assert tensorflow.compat.as_bytes("a") == b"a"
        assert tensorflow.estimator is importlib.import_module("tf_estimator.compat.v1")
        assert tensorflow.python.__name__ == "tensorflow.python"

    def test_dir_and_all(self, tensorflow: Any) -> None:
        assert {"placeholder", "contrib", "estimator", "keras", "optimizers"} <= set(
            dir(tensorflow)
        )
        assert "_own" not in dir(tensorflow)
        assert "contrib" in tensorflow.__all__

    @pytest.mark.parametrize("name", ["nonsense", "_nonsense", "__nonsense__"])
    def test_what_is_not_there(self, name: str, tensorflow: Any) -> None:
        with pytest.raises(
            AttributeError, match=f"'tensorflow' has no attribute '{name}'"
        ) as caught:
            getattr(tensorflow, name)
        assert (caught.value.name, caught.value.obj) == (name, tensorflow)
        assert not hasattr(tensorflow.compat, name)

    def test_what_a_program_puts_there_is_its_own(self, tensorflow: Any) -> None:
        tensorflow.mul = tensorflow.multiply
        assert importlib.import_module(ROOT).mul is tf.multiply
        assert not hasattr(v1, "mul")

    def test_without_tf_keras_keras_is_what_it_is(
        self, tensorflow: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert tensorflow.keras is vars(tf)["keras"]

    def test_nothing_is_changed_in_modules_that_it_has(self, tensorflow: Any) -> None:
        importlib.import_module(f"{ROOT}.nn")
        importlib.import_module(f"{ROOT}.python.framework.ops")
        ops = sys.modules["tensorflow.python.framework.ops"]
        assert sys.modules[f"{ROOT}.python.framework.ops"] is ops
        assert ops.__spec__.name == ops.__name__ == "tensorflow.python.framework.ops"
        assert sys.modules[f"{ROOT}.nn"] is v1.nn

    def test_it_is_forgotten(self) -> None:
        finders = list(sys.meta_path)
        with contextlib.ExitStack() as undo:
            tensorflow1.make_importable(undo, tensorflow1.make())
            importlib.import_module(f"{ROOT}.contrib.layers")
        assert sys.meta_path == finders
        assert not [name for name in sys.modules if name.startswith(ROOT)]


class TestLayersOnDemand:
    @pytest.mark.slow  # it imports TensorFlow
    def test_keras_comes_in_when_a_name_is_asked_for(self) -> None:
        program = """
import sys
import tensorflow as tf
from tf_estimator.compat.tensorflow1 import LayersOnDemand
v1 = tf.compat.v1
before = v1.layers, v1.nn.rnn_cell
on_demand = LayersOnDemand()
on_demand.cover()
layers, cells = v1.layers, v1.nn.rnn_cell
hasattr(layers, "__file__"), hasattr(layers, "__path__"), repr(cells)
assert "tf_keras" not in sys.modules
on_demand.uncover()
assert (v1.layers, v1.nn.rnn_cell) == before
on_demand.cover()
assert "tf_keras" in layers.dense.__module__ and "tf_keras" in cells.GRUCell.__module__
assert layers.dense is v1.layers.dense
on_demand.uncover()
print(hasattr(layers, "nonsense"), v1.layers.__name__)
"""
        pytest.importorskip("tf_keras")
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert done.stdout.startswith("False tf_keras."), done.stderr

    def test_without_tf_keras_the_error_names_the_extra(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> None:
            raise ImportError('pip install "tf-estimator[keras]"')

        monkeypatch.setattr(tensorflow1, "enable_v1_layers", fail)
        layers = tensorflow1._OnDemand("tensorflow.layers")
        with pytest.raises(ImportError, match=r"tf-estimator\[keras\]"):
            layers.dense  # noqa: B018


class TestEstimators:
    def test_they_are_installed_for_the_time(self) -> None:
        with contextlib.ExitStack() as undo:
            tensorflow1.install_estimators(undo)
            assert tf.estimator
        assert not hasattr(tf, "estimator")

    def test_they_stay_if_they_were_there(self) -> None:
        install.install()
        try:
            with contextlib.ExitStack() as undo:
                tensorflow1.install_estimators(undo)
            assert tf.estimator
        finally:
            install.uninstall()

    def test_a_leftover_of_the_original_is_said(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(tf.get_logger(), "propagate", True)
        monkeypatch.setitem(sys.modules, "tensorflow_estimator", ModuleType("tensorflow_estimator"))
        with contextlib.ExitStack() as undo:
            tensorflow1.install_estimators(undo)
            assert tf.estimator
        assert "The package tensorflow-estimator is installed" in caplog.text
        assert "tf-estimator run stands in its place" in caplog.text
        assert not hasattr(tf, "estimator")


class TestProgramFiles:
    @pytest.mark.parametrize(
        ("name", "file", "is_own"),
        [
            ("model", "/home/me/program/model.py", True),
            ("model", "model.py", True),
            ("__main__", "/env/lib/python3.11/site-packages/x/train.py", True),
            ("__mp_main__", None, True),
            ("x.y", "/env/lib/python3.11/site-packages/x/y.py", False),
            ("x.y", "/usr/lib/python3/dist-packages/x/y.py", False),
            ("also.y", "/env/lib/python3.11/site-packages/also/y.py", True),
            ("also_not", "/env/lib/python3.11/site-packages/also_not.py", False),
            ("ast", importlib.import_module("ast").__file__, False),
            ("tensorflow.x", "/home/me/tensorflow/x.py", False),
            ("keras.x", "/home/me/keras/x.py", False),
            ("tf_estimator.x", "/home/me/src/tf_estimator/x.py", False),
            ("made", None, False),
        ],
    )
    def test_whose_code_is(self, name: str, file: str | None, is_own: bool) -> None:
        module = {"__name__": name} | ({"__file__": file} if file else {})
        files = ProgramFiles(["also"])
        assert files.own(module, None) is is_own
        assert files.own(module, None) is is_own

    def test_code_of_no_file_is_of_who_runs_it(self) -> None:
        frame = importlib.import_module("inspect").currentframe()
        assert ProgramFiles().own({}, frame)  # tests are no installed package
        assert not ProgramFiles().own({}, None)


class TestProgramImports:
    @pytest.fixture
    def made(self) -> Iterator[list[str]]:
        """What happens while imports are led."""
        made: list[str] = []

        def prepare() -> Any:
            made.append("prepared")
            importlib.import_module("tensorflow")  # as what is prepared does
            return lambda: made.append("compat")

        imports = ProgramImports(ProgramFiles(), prepare, RemovedNames(), of_version_1=False)
        with contextlib.ExitStack() as undo:
            imports.lead(undo)
            yield made

    def test_all_is_prepared_once_when_tensorflow_is_asked_for(self, made: list[str]) -> None:
        __import__("json")
        assert made == []
        __import__("tensorflow")
        __import__("tensorflow.compat")
        importlib.import_module("tensorflow")
        assert made == ["prepared", "compat"]

    def test_a_failure_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = iter([ImportError("not now"), None])

        def prepare() -> Any:
            answer = next(answers)
            if answer:
                raise answer
            return lambda: None

        imports = ProgramImports(ProgramFiles(), prepare, RemovedNames(), of_version_1=False)
        with contextlib.ExitStack() as undo:
            imports.lead(undo)
            with pytest.raises(ImportError, match="not now"):
                __import__("tensorflow")
            assert __import__("tensorflow") is tf

    def test_relative_imports_and_functions_of_python(
        self, made: list[str], tmp_path: Path
    ) -> None:
        package = tmp_path / "led_package"
        package.mkdir()
        (package / "__init__.py").write_text("from . import a\nfrom .a import b\n")
        (package / "a.py").write_text("b = 1\n")
        sys.path.insert(0, str(tmp_path))
        try:
            assert importlib.import_module("led_package").b == 1
            assert importlib.import_module(".a", "led_package").b == 1
            assert __import__("led_package.a").b == 1
        finally:
            sys.path.remove(str(tmp_path))
            for name in ("led_package", "led_package.a"):
                sys.modules.pop(name, None)

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 keeps the frame")
    @pytest.mark.usefixtures("made")
    def test_errors_have_no_frame_of_it(self) -> None:
        for call in (
            lambda: __import__("no_such_module"),
            lambda: importlib.import_module("no_such"),
        ):
            with pytest.raises(ModuleNotFoundError) as caught:
                call()
            files = {entry.path.name for entry in caught.traceback if hasattr(entry.path, "name")}
            assert "program_imports.py" not in files

    def test_it_is_undone(self) -> None:
        before = (builtins.__import__, importlib.import_module)
        with contextlib.ExitStack() as undo:
            ProgramImports(
                ProgramFiles(), lambda: lambda: None, RemovedNames(), of_version_1=True
            ).lead(undo)
            assert builtins.__import__ is not before[0]
        assert (builtins.__import__, importlib.import_module) == before
