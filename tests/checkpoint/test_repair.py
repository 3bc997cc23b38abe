"""What training finds in a model_dir before it starts: state files, leftovers of killed saves."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest
import tensorflow as tf

from tf_estimator import checkpoint

v1 = tf.compat.v1

HOUR = 3600.0
START = 1_000_000.0


def save(folder, *steps, prefix="model.ckpt", keep=5):
    """Checkpoints of these steps, the last `keep` of which are listed."""
    folder.mkdir(exist_ok=True)
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        saver = v1.train.Saver(max_to_keep=1000, save_relative_paths=True)
        for number in steps:
            session.run(step.assign(number))
            saver.save(session, str(folder / prefix), global_step=number)
    listed(folder, *steps[-keep:], prefix=prefix)


def listed(folder, *steps, prefix="model.ckpt"):
    """Writes a state file."""
    lines = [f'all_model_checkpoint_paths: "{prefix}-{step}"' for step in steps]
    lines.insert(0, f'model_checkpoint_path: "{prefix}-{steps[-1]}"')
    (folder / "checkpoint").write_text("\n".join(lines) + "\n")


def state(folder):
    """The steps of the state file, oldest first, and that of the one it names."""
    found = tf.train.get_checkpoint_state(str(folder))
    named = [found.model_checkpoint_path, *found.all_model_checkpoint_paths]
    newest, *steps = [int(path.rpartition("-")[2]) for path in named]
    return steps, newest


def steps_of(folder, suffix="index"):
    """The steps of the checkpoints in a folder."""
    return sorted(int(path.stem.rpartition("-")[2]) for path in folder.glob(f"*-*.{suffix}"))


def cut(folder, step):
    """Damages a checkpoint."""
    os.truncate(folder / f"model.ckpt-{step}.data-00000-of-00001", 3)


@pytest.fixture
def folder(tmp_path):
    """A model_dir with checkpoints of steps 1 to 4, all listed."""
    save(tmp_path / "model", 1, 2, 3, 4)
    return tmp_path / "model"


class TestState:
    def test_a_healthy_one_is_not_written(self, folder):
        before = (folder / "checkpoint").stat()
        checkpoint.repair_state(str(folder), 5)
        assert (folder / "checkpoint").stat() == before

    @pytest.mark.parametrize("where", ["absolute", "relative", "here"])
    def test_a_rebuilt_one_has_names_only(self, folder, monkeypatch, where):
        (folder / "checkpoint").unlink()
        monkeypatch.chdir(folder.parent if where == "relative" else folder)
        name = {"absolute": str(folder), "relative": "model", "here": "."}[where]
        checkpoint.repair_state(name, 5)
        lines = (folder / "checkpoint").read_text().splitlines()
        assert lines[0] == 'model_checkpoint_path: "model.ckpt-4"'
        assert lines[1:] == [f'all_model_checkpoint_paths: "model.ckpt-{n}"' for n in (1, 2, 3, 4)]
        assert state(folder) == ([1, 2, 3, 4], 4)

    def test_it_lists_no_more_than_are_kept(self, folder):
        for keep, steps in ((2, [3, 4]), (0, [4]), (None, [4])):
            (folder / "checkpoint").unlink()
            checkpoint.repair_state(str(folder), keep)
            assert state(folder) == (steps, 4)
        assert steps_of(folder) == [1, 2, 3, 4]

    def test_steps_are_numbers(self, tmp_path):
        save(tmp_path / "model", 9, 100, 20)
        (tmp_path / "model" / "checkpoint").unlink()
        checkpoint.repair_state(str(tmp_path / "model"), 5)
        assert state(tmp_path / "model") == ([9, 20, 100], 100)

    def test_damaged_ones_are_the_first_to_go(self, folder):
        cut(folder, 4)
        cut(folder, 3)
        checkpoint.repair_state(str(folder), 5)
        assert state(folder) == ([3, 4, 1, 2], 2)
        assert steps_of(folder) == [1, 2, 3, 4]

    def test_a_damaged_one_below_the_newest_is_none_of_its_business(self, folder):
        cut(folder, 2)
        checkpoint.repair_state(str(folder), 5)
        assert state(folder) == ([1, 2, 3, 4], 4)

    def test_a_folder_that_was_copied_with_absolute_paths(self, folder):
        text = (folder / "checkpoint").read_text()
        (folder / "checkpoint").write_text(text.replace("model.ckpt", "/gone/model.ckpt"))
        checkpoint.repair_state(str(folder), 5)
        assert state(folder) == ([1, 2, 3, 4], 4)

    def test_absolute_paths_are_not_taken_for_others(self, folder):
        text = (folder / "checkpoint").read_text()
        (folder / "checkpoint").write_text(text.replace("model.ckpt", f"{folder}/model.ckpt"))
        before = (folder / "checkpoint").read_text()
        checkpoint.repair_state(str(folder), 2)
        checkpoint.remove_leftovers(str(folder), 2, None)
        assert (folder / "checkpoint").read_text() == before
        assert steps_of(folder) == [1, 2, 3, 4]

    def test_positions_of_the_input_are_no_models(self, folder):
        save(folder, 7, 8, prefix="input.ckpt")
        save(folder, 9, prefix="input_worker_1.ckpt")
        for path in folder.glob("model.ckpt*"):
            path.unlink()
        (folder / "checkpoint").unlink()
        assert checkpoint.latest_whole(str(folder)) is None

    def test_the_prefix_is_that_of_the_state_file(self, folder):
        save(folder, 7, 8, prefix="mine")
        cut_mine = folder / "mine-8.data-00000-of-00001"
        os.truncate(cut_mine, 3)
        assert checkpoint.latest_whole(str(folder)) == str(folder / "mine-7")

    def test_a_folder_that_is_not_there_is_not_made(self, tmp_path):
        checkpoint.repair_state(str(tmp_path / "none"), 5)
        assert not list(tmp_path.iterdir())

    def test_the_first_save_was_killed_before_its_index(self, folder):
        for path in [
            *folder.glob("*-[234].*"),
            folder / "checkpoint",
            folder / "model.ckpt-1.index",
        ]:
            path.unlink()
        checkpoint.repair_state(str(folder), 5)
        assert checkpoint.latest_whole(str(folder)) is None


class TestUnfinishedFiles:
    LEFT = (
        "model.ckpt-5_temp/part-00000-of-00001.data-00000-of-00001.tempstate123",
        "model.ckpt-6_temp/part-00000-of-00001.index",
        "model.ckpt-5.data-00000-of-00001.tempstate15022509966285019879",
        "model.ckpt-5.index.tempstate1",
        "input.ckpt-5.index.tempstate1",
        f"checkpoint.tmp{'0a' * 16}",
        f"model.ckpt-4.meta.tmp{'0a' * 16}",
        f"graph.pbtxt.tmp{'0a' * 16}",
    )
    OTHERS = (
        "model.ckpt-5_temp2/part-00000-of-00001.index",
        "other-5_temp/part-00000-of-00001.index",
        "model.ckpt-x_temp/part-00000-of-00001.index",
        "other-5.index.tempstate1",
        "input_worker_1.ckpt-5.index.tempstate1",
        "model.ckpt-5.bak",
        "checkpoint.tmp",
        "checkpoint_input",
        "events.out.tfevents.1.tmp",
        "export/best/1/saved_model.pb",
    )

    @pytest.fixture
    def crowded(self, folder):
        for name in (*self.LEFT, *self.OTHERS):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"12")
        (folder / "model.ckpt-8_temp").mkdir()
        return folder

    @pytest.mark.parametrize("with_state", [True, False])
    def test_they_are_removed_and_nothing_else_is(self, crowded, with_state):
        before = {path.name for path in crowded.iterdir()}
        if not with_state:
            (crowded / "checkpoint").unlink()
        checkpoint.repair_state(str(crowded), 5)
        left = {name.partition("/")[0] for name in self.LEFT} | {"model.ckpt-8_temp"}
        assert {path.name for path in crowded.iterdir()} == before - left
        assert all((crowded / name).exists() for name in self.OTHERS)

    def test_they_are_removed_after_a_first_save_that_was_killed(self, tmp_path):
        (tmp_path / "model.ckpt-0_temp").mkdir()
        checkpoint.repair_state(str(tmp_path), 5)
        assert not list(tmp_path.iterdir())

    @pytest.mark.slow
    def test_what_a_kill_leaves_is_known(self, tmp_path):
        """A new TensorFlow may leave other names."""
        program = f"""
            import os, signal, tensorflow as tf
            v1 = tf.compat.v1
            v1.disable_eager_execution()
            v1.get_variable("w", [5_000_000], initializer=v1.zeros_initializer())
            saver = v1.train.Saver(sharded=True, save_relative_paths=True)
            with v1.Session() as session:
                session.run(v1.global_variables_initializer())
                saver.save(session, {str(tmp_path / "model.ckpt")!r}, 1)
                print("saving", flush=True)
                while True:
                    saver.save(session, {str(tmp_path / "model.ckpt")!r}, 2)
                    os.remove({str(tmp_path / "model.ckpt-2.index")!r})
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.stdout.readline()
            while not any("tempstate" in str(path) for path in tmp_path.glob("**/*")):
                assert process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
        listed(tmp_path, 1)
        checkpoint.repair_state(str(tmp_path), 5)
        checkpoint.remove_leftovers(str(tmp_path), 1, None)
        names = {path.name for path in tmp_path.iterdir()}
        assert {name for name in names if "-1." not in name} == {"checkpoint"}


class TestLeftovers:
    def leftovers(self, folder, keep=5, hours=10_000.0):
        checkpoint.remove_leftovers(str(folder), keep, hours)
        return state(folder)[0], steps_of(folder)

    def test_where_nothing_is_left_nothing_is_written(self, folder):
        before = (folder / "checkpoint").stat()
        assert self.leftovers(folder) == ([1, 2, 3, 4], [1, 2, 3, 4])
        assert (folder / "checkpoint").stat() == before

    def test_one_that_no_list_has_is_the_next_to_go(self, folder):
        listed(folder, 2, 3, 4)
        assert self.leftovers(folder) == ([1, 2, 3, 4], [1, 2, 3, 4])

    def test_one_beyond_what_is_kept_goes_at_once_with_its_graph(self, folder):
        listed(folder, 2, 3, 4)
        assert self.leftovers(folder, keep=3) == ([2, 3, 4], [2, 3, 4])
        assert steps_of(folder, "meta") == [2, 3, 4]
        assert not list(folder.glob("model.ckpt-1*"))

    def test_the_newer_one_of_a_save_that_no_list_got_to_know(self, folder):
        listed(folder, 2, 3)
        assert self.leftovers(folder, keep=3) == ([4, 2, 3], [2, 3, 4])
        assert state(folder)[1] == 3

    def test_more_than_a_kill_leaves_were_kept_on_purpose(self, folder):
        """As with keep_checkpoint_max=None, of which the list has only the newest."""
        listed(folder, 4)
        assert self.leftovers(folder, keep=1) == ([4], [1, 2, 3, 4])

    @pytest.mark.parametrize("keep", [0, None])
    def test_where_all_are_kept_none_goes(self, folder, keep):
        listed(folder, 3, 4)
        assert self.leftovers(folder, keep) == ([3, 4], [1, 2, 3, 4])

    def test_listed_ones_stay_when_fewer_are_to_be_kept(self, folder):
        assert self.leftovers(folder, keep=2) == ([1, 2, 3, 4], [1, 2, 3, 4])

    def test_those_of_every_n_hours_stay(self, folder):
        """Saved after 1, 2, 3 and 4 hours; one is kept for each two."""
        for path in folder.iterdir():
            os.utime(path, (START, START))
        for step in (1, 2, 3, 4):
            for path in folder.glob(f"model.ckpt-{step}.*"):
                os.utime(path, (START + step * HOUR,) * 2)
        listed(folder, 4)
        os.utime(folder / "checkpoint", (START, START))
        assert self.leftovers(folder, keep=1, hours=2.0) == ([4], [2, 4])

    def test_data_without_an_index_goes(self, folder):
        listed(folder, 2, 3, 4)
        (folder / "model.ckpt-1.index").unlink()
        assert self.leftovers(folder) == ([2, 3, 4], [2, 3, 4])
        assert not list(folder.glob("model.ckpt-1*"))

    def test_data_of_a_listed_one_stays(self, folder):
        (folder / "model.ckpt-2.index").unlink()
        self.leftovers(folder)
        assert (folder / "model.ckpt-2.data-00000-of-00001").exists()

    def test_without_a_state_file_nothing_goes(self, folder):
        (folder / "checkpoint").unlink()
        before = sorted(folder.iterdir())
        checkpoint.remove_leftovers(str(folder), 1, None)
        assert sorted(folder.iterdir()) == before

    def test_checkpoints_of_another_name_stay(self, folder):
        listed(folder, 2, 3, 4)
        others = ["best-1.index", "best-1.data-00000-of-00001", "model.ckpt.index", "notes-1.txt"]
        for name in others:
            (folder / name).touch()
        self.leftovers(folder, keep=1)
        assert all((folder / name).exists() for name in others)

    def test_a_saver_goes_on_with_the_list(self, folder):
        listed(folder, 2, 3, 4)
        self.leftovers(folder, keep=4)
        with tf.Graph().as_default(), v1.Session() as session:
            step = v1.train.get_or_create_global_step()
            saver = v1.train.Saver(max_to_keep=4, save_relative_paths=True)
            found = tf.train.get_checkpoint_state(str(folder))
            saver.restore(session, found.model_checkpoint_path)
            saver.recover_last_checkpoints(found.all_model_checkpoint_paths)
            assert session.run(step) == 4
            saver.save(session, str(folder / "model.ckpt"), global_step=5)
        assert state(folder) == ([2, 3, 4, 5], 5)
        assert steps_of(folder) == [2, 3, 4, 5]


def test_relative_folders_have_the_same_leftovers(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    listed(folder, 2, 3, 4)
    checkpoint.remove_leftovers("model", 4, None)
    assert state(folder) == ([1, 2, 3, 4], 4)
    assert pathlib.Path("model/checkpoint").read_text().count("/") == 0
