import pytest
import tensorflow as tf

from tf_estimator import checkpoint

v1 = tf.compat.v1


def test_a_folder_is_made_with_its_parents_and_kept(tmp_path):
    folder = tmp_path / "a" / "b"
    checkpoint.prepare_folder(str(folder))
    (folder / "kept").write_text("x")
    checkpoint.prepare_folder(str(folder))
    assert (folder / "kept").read_text() == "x"


def test_a_file_of_that_name_is_refused_and_kept(tmp_path):
    path = tmp_path / "model"
    path.write_text("x")
    with pytest.raises(ValueError, match="model_dir must be a folder, and this is a file"):
        checkpoint.prepare_folder(str(path))
    assert path.read_text() == "x"


def test_a_name_from_which_nothing_could_be_restored_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must not contain"):
        checkpoint.prepare_folder(str(tmp_path / "lr=[0.1]"))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def variables():
    """Variables of 2 and 1 MB, which nobody initializes."""
    return [
        v1.get_variable("w", [1000, 500], use_resource=False),
        v1.get_variable("counts", [125_000], tf.int64, initializer=v1.zeros_initializer()),
    ]


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def test_a_disk_with_just_enough_room_is_enough(tmp_path, variables):
    checkpoint.check_room(str(tmp_path), variables, lambda _: 3_000_000)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        checkpoint.check_room(str(tmp_path), variables, lambda _: 2_999_999)


def test_a_full_disk_is_named_with_what_is_needed(tmp_path, variables):
    with pytest.raises(tf.errors.ResourceExhaustedError, match=r"1\.5 MB free.*needs 3\.0 MB"):
        checkpoint.check_room(str(tmp_path), variables, lambda _: 1_500_000)


def test_a_variable_of_unknown_shape_takes_no_room(tmp_path):
    unknown = v1.get_variable(
        "u", initializer=v1.placeholder(tf.float32, None), validate_shape=False
    )
    checkpoint.check_room(str(tmp_path), [unknown], lambda _: 0)


@pytest.mark.parametrize("folder", ["gs://bucket/model", "/no/such/folder"])
def test_where_nobody_can_tell_it_is_taken_to_fit(folder, variables):
    checkpoint.check_room(folder, variables, lambda _: 0)


def test_the_free_bytes_of_the_disk_are_asked(tmp_path):
    shape = [1 << 15, 1 << 15, 1 << 15]  # 128 TB: no test machine has these
    too_big = v1.get_variable("big", shape, initializer=v1.zeros_initializer())
    with pytest.raises(tf.errors.ResourceExhaustedError, match="Free some space"):
        checkpoint.check_room(str(tmp_path), [too_big])


class TestWholeFile:
    @pytest.mark.parametrize("old", [None, b"old and longer"])
    def test_takes_its_name_when_it_is_whole(self, tmp_path, old):
        path = tmp_path / "model.ckpt-3.meta"
        if old is not None:
            path.write_bytes(old)
        with checkpoint.whole_file(str(path)) as file:
            file.write(b"new")
            file.flush()
            assert (path.read_bytes() if path.exists() else None) == old
        assert path.read_bytes() == b"new"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_leaves_what_was_there_after_an_error(self, tmp_path, error):
        path = tmp_path / "graph.pbtxt"
        path.write_bytes(b"old")

        def write_and_fail():
            with checkpoint.whole_file(str(path)) as file:
                file.write(b"new")
                raise error

        with pytest.raises(error):
            write_and_fail()
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("name", ["graph.pbtxt", "model.ckpt-3.meta"])
    def test_what_a_kill_leaves_is_known_to_be_unfinished(self, tmp_path, name):
        with checkpoint.whole_file(str(tmp_path / name)) as file:
            file.write(b"new")
            (left,) = tmp_path.iterdir()
            (tmp_path / "model").mkdir()
            (tmp_path / "model" / left.name).write_bytes(b"ne")
        checkpoint.repair_state(str(tmp_path / "model"), 5)
        assert not list((tmp_path / "model").iterdir())
