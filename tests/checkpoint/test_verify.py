import os

import pytest
import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator.checkpoint import verify

v1 = tf.compat.v1

FIRST, PRESENT = v1.train.SaverDef.V1, v1.train.SaverDef.V2


def _saved(folder, *, make=None, **saver):
    """A checkpoint of w (40 bytes) and of what `make` adds."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", [10], initializer=v1.ones_initializer())
        if make is not None:
            make()
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        return v1.train.Saver(**saver).save(session, str(folder / "model.ckpt"), global_step=1)


def _many_kinds():
    for number, dtype in enumerate([tf.bfloat16, tf.half, tf.bool, tf.complex64, tf.uint8]):
        v1.get_variable(f"v{number}", initializer=tf.cast([1, 0], dtype))
    v1.get_variable("text", initializer=tf.constant(["a", "bc"]))
    v1.get_variable("none", [0, 3])
    tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)


def _partitioned():
    v1.get_variable("p", [100, 3], partitioner=v1.fixed_size_partitioner(4))


@pytest.mark.parametrize("make", [None, _many_kinds, _partitioned])
@pytest.mark.parametrize("sharded", [False, True])
def test_what_tensorflow_saved_is_whole(tmp_path, make, sharded):
    assert checkpoint.problem_of(_saved(tmp_path, make=make, sharded=sharded)) is None


@pytest.mark.parametrize("sharded", [False, True])
def test_the_first_format_is_read_too(tmp_path, sharded):
    path = _saved(tmp_path, write_version=FIRST, sharded=sharded)
    assert checkpoint.problem_of(path) is None
    (data,) = [file for file in verify.files_of(path) if not file.endswith(".meta")]
    os.truncate(data, 30)
    assert "index cannot be read" in checkpoint.problem_of(path)


@pytest.mark.parametrize("folder", ["c*", "d?", "e{f,g}", "h i", "a[x]"])
def test_the_names_of_folders_are_no_patterns(tmp_path, folder):
    (tmp_path / folder).mkdir()
    path = _saved(tmp_path / folder)
    assert len(verify.files_of(path)) == 3
    assert len(verify.files_of(str(tmp_path / folder / "model.ckpt"))) == 0


def test_the_files_of_another_checkpoint_are_not_of_this_one(tmp_path):
    path = _saved(tmp_path)
    for other in ("model.ckpt-10.index", "model.ckpt-1.index.tempstate3", "model.ckpt-1.bak"):
        (tmp_path / other).touch()
    (tmp_path / "model.ckpt-1_temp").mkdir()
    assert len(verify.files_of(path)) == 3


def test_a_path_relative_to_here(tmp_path, monkeypatch):
    _saved(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert checkpoint.problem_of("model.ckpt-1") is None
    assert checkpoint.problem_of("model.ckpt-2") == "it does not exist"


@pytest.mark.parametrize("path", ["", "/no/such/folder/model.ckpt-1"])
def test_what_does_not_exist(path):
    assert checkpoint.problem_of(path) == "it does not exist"


def _flipped(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 16
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("make", [_many_kinds, _partitioned])
def test_no_flipped_bit_of_the_data_stays_unseen(tmp_path, make):
    path = _saved(tmp_path, make=make)
    data = tmp_path / "model.ckpt-1.data-00000-of-00001"
    size = data.stat().st_size
    for at in range(0, size, max(1, size // 40)):
        _flipped(data, at)
        assert checkpoint.problem_of(path) is not None, at
        _flipped(data, at)
    assert checkpoint.problem_of(path) is None


def test_each_shard_is_read(tmp_path):
    path = str(tmp_path / "model.ckpt-1")
    parts = [f"{path}_0", f"{path}_1"]
    with tf.Graph().as_default(), v1.Session() as session:
        for number, part in enumerate(parts):
            names, tensors = [f"w{number}"], [tf.ones([10])]
            session.run(
                tf.raw_ops.SaveV2(
                    prefix=part, tensor_names=names, shape_and_slices=[""], tensors=tensors
                )
            )
        session.run(
            tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=path)
        )
    assert checkpoint.problem_of(path) is None
    second = tmp_path / "model.ckpt-1.data-00001-of-00002"
    _flipped(second, 3)
    assert "'w1' is not what was saved" in checkpoint.problem_of(path)
    second.unlink()
    assert "a data file is missing" in checkpoint.problem_of(path)
    assert "data-00001-of-00002" in checkpoint.problem_of(path)


def test_what_cannot_become_an_array_is_no_damage(tmp_path):
    path = str(tmp_path / "input.ckpt-1")
    with tf.Graph().as_default(), v1.Session() as session:
        variant = tf.raw_ops.TensorListReserve(
            element_shape=[1], num_elements=2, element_dtype=tf.float32
        )
        save = tf.raw_ops.SaveV2(
            prefix=path,
            tensor_names=["state", "w"],
            shape_and_slices=["", ""],
            tensors=[variant, tf.ones([3])],
        )
        session.run(save)
    assert checkpoint.problem_of(path) is None
    assert tf.train.load_checkpoint(path).get_variable_to_dtype_map()["state"] == tf.variant


def test_what_has_not_changed_is_read_once(tmp_path):
    path = _saved(tmp_path)
    verify._problem.cache_clear()
    for _ in range(5):
        assert checkpoint.problem_of(path) is None
    assert verify._problem.cache_info().misses == 1
    data = tmp_path / "model.ckpt-1.data-00000-of-00001"
    times = data.stat().st_atime_ns, data.stat().st_mtime_ns
    _flipped(data, 3)
    os.utime(data, ns=times)  # A copy can have the times of what it is a copy of.
    assert "is not what was saved" in checkpoint.problem_of(path)


def test_a_graph_that_is_gone_is_no_damage(tmp_path):
    path = _saved(tmp_path)
    (tmp_path / "model.ckpt-1.meta").unlink()
    assert checkpoint.problem_of(path) is None


class TestIdentity:
    def test_is_equal_as_long_as_nothing_changes(self, tmp_path):
        path = _saved(tmp_path)
        first = checkpoint.identity(path)
        assert first is not None
        assert checkpoint.identity(path) == first
        hash(first)

    @pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
    @pytest.mark.parametrize("change", ["saved again", "another byte", "copied", "touched"])
    def test_is_another_after_a_change(self, tmp_path, part, change):
        path = _saved(tmp_path)
        first = checkpoint.identity(path)
        file = tmp_path / f"model.ckpt-1.{part}"
        before = file.stat()
        if change == "saved again":
            _saved(tmp_path)
        elif change == "another byte":
            with open(file, "r+b") as opened:
                opened.write(b"\x7f")
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif change == "copied":
            (tmp_path / "copy").write_bytes(file.read_bytes())
            os.utime(tmp_path / "copy", ns=(before.st_atime_ns, before.st_mtime_ns))
            os.replace(tmp_path / "copy", file)
        else:
            os.utime(file)
        assert checkpoint.identity(path) not in (first, None)

    @pytest.mark.parametrize("change", [lambda file: file.unlink(), lambda file: file.touch()])
    def test_does_not_mind_the_graph(self, tmp_path, change):
        path = _saved(tmp_path)
        first = checkpoint.identity(path)
        change(tmp_path / "model.ckpt-1.meta")
        assert checkpoint.identity(path) == first

    def test_of_no_checkpoint_is_none(self, tmp_path):
        path = _saved(tmp_path)
        assert checkpoint.identity(str(tmp_path / "model.ckpt")) is None
        assert checkpoint.identity(f"{path}0") is None
        assert checkpoint.identity(str(tmp_path / "none" / "model.ckpt-1")) is None
        (tmp_path / "model.ckpt-1.index").unlink()
        assert checkpoint.identity(path) is None

    def test_of_the_first_format(self, tmp_path):
        path = _saved(tmp_path, write_version=FIRST)
        first = checkpoint.identity(path)
        assert first is not None
        os.truncate(path, 30)
        assert checkpoint.identity(path) != first


def test_a_stamp_is_of_a_file_that_is_there(tmp_path):
    path = tmp_path / "a"
    assert checkpoint.stamp(str(path)) is None
    path.write_bytes(b"abc")
    first = checkpoint.stamp(str(path))
    found = path.stat()
    assert first == (3, found.st_ctime_ns, found.st_mtime_ns, found.st_ino)
