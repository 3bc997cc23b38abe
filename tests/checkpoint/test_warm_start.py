import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator.checkpoint import VocabInfo, WarmStartSettings

v1 = tf.compat.v1

STEP = 7
W = np.array([[1.0, 2.0]], np.float32)
B = np.array([3.0], np.float32)
MOVING = np.array([4.0], np.float32)


def _build(w="w", shape=(1, 2), **more):
    """The model of all tests, with values that no checkpoint has."""
    v1.train.get_or_create_global_step()
    unset = v1.constant_initializer(-1.0)
    v1.get_variable(w, shape, initializer=unset, **more)
    v1.get_variable("b", [1], initializer=unset)
    v1.get_variable("moving", [1], initializer=unset, trainable=False)


@pytest.fixture
def source(tmp_path):
    """A model_dir with a checkpoint at step 7."""
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        for name, value in (("w", W), ("b", B)):
            v1.get_variable(name, initializer=value)
        v1.get_variable("moving", initializer=MOVING, trainable=False)
        session.run(v1.global_variables_initializer())
        session.run(step.assign(STEP))
        folder = tmp_path / "source"
        folder.mkdir()
        v1.train.Saver().save(session, str(folder / "model.ckpt"), global_step=STEP)
    return folder


def _warm_started(settings, build=_build):
    """The values of all variables after a warm start, by name; partitioned ones joined."""
    with tf.Graph().as_default(), v1.Session() as session:
        build()
        before = list(v1.global_variables())
        checkpoint.warm_start(settings)
        assert v1.global_variables() == before
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        parts = {}
        for variable in before:
            name = variable.op.name.partition("/part_")[0]
            parts.setdefault(name, []).append(session.run(variable))
    return {
        name: np.concatenate(values) if np.ndim(values[0]) else values[0]
        for name, values in parts.items()
    }


def _assert_from_source(values, names):
    expected = {"w": W, "b": B, "moving": MOVING}
    for name, value in expected.items():
        wanted = value if name in names else np.full_like(value, -1.0)
        np.testing.assert_array_equal(values[name], wanted, err_msg=name)
    assert values["global_step"] == 0


@pytest.mark.parametrize(
    ("which", "names"),
    [
        (".*", "w b"),
        ("b", "b"),
        ("[bx]", "b"),
        ("nothing", ""),
        (None, ""),
        (["b"], "b"),
        (["w", "mov.*"], "w moving"),
        ([".*"], "w b moving"),
        (["global_step", "b"], "b"),
    ],
)
def test_what_is_taken_is_chosen_by_patterns(source, which, names):
    values = _warm_started(WarmStartSettings(str(source), vars_to_warm_start=which))
    _assert_from_source(values, names.split())


def test_what_is_taken_is_chosen_by_variables(source):
    with tf.Graph().as_default(), v1.Session() as session:
        _build()
        chosen = [each for each in v1.global_variables() if each.op.name in ("b", "moving")]
        checkpoint.warm_start(WarmStartSettings(str(source), vars_to_warm_start=chosen))
        session.run(v1.global_variables_initializer())
        values = {each.op.name: session.run(each) for each in v1.global_variables()}
    _assert_from_source(values, ["b", "moving"])


@pytest.mark.parametrize("kind", [str, pathlib.Path, lambda path: str(path).encode()])
@pytest.mark.parametrize("name", ["", "model.ckpt-7"], ids=["model_dir", "checkpoint"])
@pytest.mark.parametrize("direct", [True, False], ids=["path", "settings"])
def test_a_path_may_be_of_any_kind(source, kind, name, direct):
    path = kind(source / name)
    settings = checkpoint.warm_start_settings(path if direct else WarmStartSettings(path))
    assert checkpoint.warm_start_checkpoint(settings) == str(source / "model.ckpt-7")
    _assert_from_source(_warm_started(settings), ["w", "b"])


@pytest.mark.parametrize("direct", [True, False], ids=["path", "settings"])
def test_a_saved_model_lends_its_weights(source, tmp_path, direct):
    path = str(tmp_path / "saved")
    with tf.Graph().as_default(), v1.Session() as session:
        _build()
        v1.train.Saver().restore(session, str(source / "model.ckpt-7"))
        builder = v1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()
    settings = checkpoint.warm_start_settings(path if direct else WarmStartSettings(path))
    _assert_from_source(_warm_started(settings), ["w", "b"])


def test_settings_stay_as_they_are():
    settings = WarmStartSettings("somewhere")
    assert checkpoint.warm_start_settings(settings) is settings
    assert checkpoint.warm_start_settings(None) is None
    assert settings == ("somewhere", ".*", {}, {})


def test_the_dicts_of_settings_are_copied():
    names = {"new": "old"}
    settings = WarmStartSettings("somewhere", var_name_to_prev_var_name=names)
    names.clear()
    assert settings.var_name_to_prev_var_name == {"new": "old"}


@pytest.mark.parametrize("path", [None, "", b""])
def test_settings_without_a_path_are_refused(path):
    with pytest.raises(ValueError, match="ckpt_to_initialize_from must name a checkpoint"):
        WarmStartSettings(path)


@pytest.mark.parametrize("value", [5, ["a"], {}, object(), lambda: "x"])
def test_what_is_neither_path_nor_settings_is_refused(value):
    with pytest.raises(ValueError, match="warm_start_from must be a path") as raised:
        checkpoint.warm_start_settings(value)
    assert isinstance(raised.value, TypeError)


@pytest.mark.parametrize("name", ["", "none", "none/model.ckpt-7", "x[1]/model.ckpt-7"])
def test_a_path_without_checkpoint_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="warm_start_from must"):
        checkpoint.warm_start_checkpoint(WarmStartSettings(str(tmp_path / name)))


def test_a_part_of_a_checkpoint_is_refused(source):
    settings = WarmStartSettings(str(source / "model.ckpt-7.index"))
    with pytest.raises(ValueError, match="warm_start_from must point to a checkpoint"):
        checkpoint.warm_start_checkpoint(settings)


def test_a_variable_may_have_had_another_name(source):
    settings = WarmStartSettings(str(source), var_name_to_prev_var_name={"weights": "w"})
    values = _warm_started(settings, lambda: _build(w="weights"))
    np.testing.assert_array_equal(values["weights"], W)
    np.testing.assert_array_equal(values["b"], B)


@pytest.mark.parametrize(
    ("build", "more", "message"),
    [
        (lambda: _build(w="weights"), {}, "weights is not found"),
        (lambda: _build(shape=(2, 2)), {}, "Shape of variable w"),
        (_build, {"var_name_to_prev_var_name": {"w": "weights"}}, "weights is not found"),
        (_build, {"var_name_to_prev_var_name": {"weights": "w"}}, "not used: {'weights'}"),
    ],
    ids=["missing", "shape", "old name", "new name"],
)
def test_what_does_not_fit_is_an_error_that_leaves_the_graph_whole(source, build, more, message):
    with tf.Graph().as_default():
        build()
        before = list(v1.global_variables())
        with pytest.raises(ValueError, match=message):
            checkpoint.warm_start(WarmStartSettings(str(source), **more))
        assert v1.global_variables() == before


ROWS = {"a": [0.0, 1.0], "b": [2.0, 3.0], "c": [4.0, 5.0]}
BACKUP = [9.0, 9.0]


def _backup(shape, dtype=tf.float32, partition_info=None):
    """The rows of new words. The shape is a tensor, so a constant initializer would fail."""
    del partition_info
    return tf.cast(tf.fill(shape, BACKUP[0]), dtype)


@pytest.fixture
def vocabulary(tmp_path):
    def vocabulary(name, words):
        path = tmp_path / name
        path.write_text("".join(f"{word}\n" for word in words))
        return str(path)

    return vocabulary


@pytest.fixture
def embeddings(tmp_path, vocabulary):
    """A checkpoint of `table`, whose rows are those of a, b and c, and the vocabulary's file."""

    def embeddings(partitioner=None):
        with tf.Graph().as_default(), v1.Session() as session:
            rows = np.array(list(ROWS.values()), np.float32)
            if partitioner is None:
                v1.get_variable("table", initializer=rows)
            else:
                table = v1.get_variable("table", rows.shape, partitioner=partitioner)
            session.run(v1.global_variables_initializer())
            if partitioner is not None:
                ends = np.cumsum([0] + [int(part.shape[0]) for part in table])
                for part, start, end in zip(table, ends[:-1], ends[1:], strict=True):
                    session.run(v1.assign(part, rows[start:end]))
            path = v1.train.Saver().save(session, str(tmp_path / "table.ckpt"))
        return path, vocabulary("old.txt", ROWS)

    return embeddings


def _table(rows, **more):
    def build():
        v1.train.get_or_create_global_step()
        initializer = v1.constant_initializer(-1.0)
        v1.get_variable("table", [rows, 2], initializer=initializer, **more)

    return build


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("old_parts", [1, 2])
@pytest.mark.parametrize(
    ("words", "oov", "old_size"),
    [("cxab", 0, 3), ("ab", 0, 3), ("cba", 2, 3), ("abcd", 1, 2), ("cab", 0, -1)],
    ids=["grown and reordered", "shrunk", "with oov", "part of the old", "whole old"],
)
def test_rows_follow_the_words_of_a_vocabulary(
    embeddings, vocabulary, words, oov, old_size, parts, old_parts
):
    split = [None, v1.fixed_size_partitioner(2)]
    path, old = embeddings(split[old_parts - 1])
    info = VocabInfo(
        vocabulary("new.txt", words),
        len(words),
        oov,
        old,
        old_size,
        _backup,
    )
    settings = WarmStartSettings(path, None, {"table": info})
    values = _warm_started(settings, _table(len(words) + oov, partitioner=split[parts - 1]))
    known = list(ROWS)[: old_size if old_size > 0 else None]
    expected = [ROWS[word] if word in known else BACKUP for word in words] + [BACKUP] * oov
    np.testing.assert_array_equal(values["table"], expected)


def test_a_table_may_follow_its_words_under_another_name(embeddings, vocabulary):
    path, old = embeddings()
    info = VocabInfo(vocabulary("new.txt", "ca"), 2, 0, old)
    values = _warm_started(
        WarmStartSettings(path, ".*", {"table": info}, {"table": "table"}), _table(2)
    )
    np.testing.assert_array_equal(values["table"], [ROWS["c"], ROWS["a"]])
