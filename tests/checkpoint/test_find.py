import shutil

import pytest
import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator.checkpoint import find

v1 = tf.compat.v1

FIRST = v1.train.SaverDef.V1
PRESENT = v1.train.SaverDef.V2


def _saved(path, *, version=PRESENT, sharded=False, step=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", [2], initializer=v1.zeros_initializer())
        if step is not None:
            session.run(v1.assign(v1.train.get_or_create_global_step(), step))
        session.run(v1.get_collection("variables", "w")[0].initializer)
        saver = v1.train.Saver(write_version=version, sharded=sharded)
        return saver.save(session, str(path), write_meta_graph=False)


@pytest.mark.parametrize("version", [FIRST, PRESENT], ids=["first", "present"])
@pytest.mark.parametrize("sharded", [False, True], ids=["whole", "sharded"])
def test_a_checkpoint_of_either_format_exists(tmp_path, version, sharded):
    path = _saved(tmp_path / "model.ckpt", version=version, sharded=sharded)
    assert checkpoint.exists(path)


@pytest.mark.parametrize("folder", ["a[x]", "b[", "c*", "d?", "e{f,g}", "h i", "é"])
def test_a_checkpoint_in_a_folder_of_an_odd_name_exists(tmp_path, folder):
    path = _saved(tmp_path / folder / "model.ckpt")
    assert checkpoint.exists(path)
    assert not checkpoint.exists(path + "-1")


def test_a_pattern_that_matches_another_checkpoint_names_none(tmp_path):
    _saved(tmp_path / "model.ckpt-10")
    assert not checkpoint.exists(str(tmp_path / "model.ckpt-1?"))
    assert not checkpoint.exists(str(tmp_path / "*"))


@pytest.mark.parametrize(
    "name",
    ["", "model", "model.ckpt.index", "model.ckpt.data-00000-of-00001", "checkpoint", "no/such"],
)
def test_what_is_no_checkpoint_does_not_exist(tmp_path, name):
    _saved(tmp_path / "model.ckpt")
    assert not checkpoint.exists(str(tmp_path / name))


def test_no_path_is_no_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not checkpoint.exists("")


@pytest.mark.parametrize("path", ["a[x]/model", "/tmp/[", "a\\b"])
def test_a_path_that_tensorflow_would_not_find_again_is_refused(path):
    with pytest.raises(ValueError, match=r"model_dir must not contain '\['.*Rename"):
        checkpoint.check_path("model_dir", path)


@pytest.mark.parametrize("folder", ["a[x]", "b\\c"])
def test_tensorflow_still_cannot_restore_from_there(tmp_path, folder):
    """When this fails, a TensorFlow can, and check_path asks for less."""
    path = _saved(tmp_path / folder / "model.ckpt")
    assert tf.train.latest_checkpoint(str(tmp_path / folder)) is None
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", [2])
        with pytest.raises(ValueError, match="not a valid checkpoint"):
            v1.train.Saver().restore(session, path)


@pytest.mark.parametrize("folder", ["a]", "c*", "d?", "e{f,g}", "h i"])
def test_other_odd_names_are_fine(tmp_path, folder):
    path = _saved(tmp_path / folder / "model.ckpt", step=3)
    checkpoint.check_path("model_dir", path)
    assert checkpoint.step_of_latest(str(tmp_path / folder)) == 3


def test_the_step_is_read_from_inside_the_newest_checkpoint(tmp_path):
    _saved(tmp_path / "model.ckpt-9", step=9)
    _saved(tmp_path / "model.ckpt-5", step=12)
    assert checkpoint.step_of_latest(str(tmp_path)) == 12


def test_the_step_is_zero_without_a_checkpoint_or_a_step(tmp_path):
    assert checkpoint.step_of_latest(str(tmp_path)) == 0
    assert checkpoint.step_of_latest(str(tmp_path / "none")) == 0
    _saved(tmp_path / "model.ckpt")
    assert checkpoint.step_of_latest(str(tmp_path)) == 0


def test_a_folder_that_was_renamed_still_has_its_newest_checkpoint(tmp_path):
    estimator_writes = v1.train.Saver  # with relative paths
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        session.run(step.assign(4))
        (tmp_path / "old").mkdir()
        saver = estimator_writes(save_relative_paths=True)
        saver.save(session, str(tmp_path / "old" / "model.ckpt"))
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert checkpoint.step_of_latest(str(tmp_path / "new")) == 4


class TestWhatWasReadIsRemembered:
    def test_the_state_follows_every_change_however_fast(self, tmp_path):
        folder = str(tmp_path)
        for number in range(200):
            newest = f"{folder}/model.ckpt-{number % 10}"
            checkpoint.write_state(folder, [newest])
            assert find.state_of(folder) == (newest, (newest,))
            assert find.state_of(folder).newest == newest

    @pytest.mark.parametrize("content", [None, b"", b"\xff no text"])
    def test_the_state_that_is_lost_is_not_remembered(self, tmp_path, content, monkeypatch):
        monkeypatch.setattr(find, "_SETTLED_NS", -(10**12))
        path = _saved(tmp_path / "model.ckpt-3")
        assert find.state_of(str(tmp_path)).newest == path
        (tmp_path / "checkpoint").unlink()
        if content is not None:
            (tmp_path / "checkpoint").write_bytes(content)
        assert find.state_of(str(tmp_path)) is None

    def test_a_state_that_has_settled_is_read_once(self, tmp_path, monkeypatch):
        _saved(tmp_path / "model.ckpt-3")
        find.state_of(str(tmp_path))
        assert find._said.cache_parameters()["maxsize"]
        reads = find._said.cache_info().misses
        assert find.state_of(str(tmp_path)) is not None
        assert find._said.cache_info().misses == reads, "it is too young to be remembered"
        monkeypatch.setattr(find, "_SETTLED_NS", -(10**12))
        for _ in range(3):
            assert find.state_of(str(tmp_path)) is not None
        assert find._said.cache_info().misses == reads + 1

    def test_the_same_state_is_spelled_for_each_name_of_the_folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(find, "_SETTLED_NS", -(10**12))
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        _saved(tmp_path / "real" / "model.ckpt-3")
        for folder in ("real", "link", "real"):
            path = str(tmp_path / folder)
            assert find.state_of(path).newest == f"{path}/model.ckpt-3"

    def test_the_step_follows_a_checkpoint_that_is_saved_again(self, tmp_path):
        for step in (3, 4, 5):
            _saved(tmp_path / "model.ckpt", step=step)
            for _ in range(2):
                assert checkpoint.step_of_latest(str(tmp_path)) == step
