import pytest
import tensorflow as tf

from tf_estimator.checkpoint import RestoreReport, check_restorable
from tf_estimator.checkpoint.compare import difference

v1 = tf.compat.v1


def _variable(name, shape=(2, 3), dtype=tf.float32, **more):
    return v1.get_variable(name, shape, dtype, initializer=v1.zeros_initializer(), **more)


def _parts(name, shape=(6, 2), parts=3, **more):
    return _variable(name, shape, partitioner=v1.fixed_size_partitioner(parts), **more)


@pytest.fixture
def save(tmp_path):
    def save(build, **saver):
        with tf.Graph().as_default(), v1.Session() as session:
            build()
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            return v1.train.Saver(**saver).save(session, str(tmp_path / "model.ckpt"))

    return save


def _check(build, path):
    """Checks, and shows that TensorFlow restores, or lacks something, as the check said.

    For another shape it may not: it restores one into a resource variable without a word.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        build()
        try:
            check_restorable(v1.global_variables(), path)
        except tf.errors.NotFoundError:
            with pytest.raises(tf.errors.NotFoundError):
                v1.train.Saver().restore(session, path)
            raise
        v1.train.Saver().restore(session, path)


FITTING = {
    "the same": (lambda: _variable("w"), lambda: _variable("w")),
    "more in the checkpoint": (
        lambda: (_variable("w"), _variable("slot")),
        lambda: _variable("w"),
    ),
    "reference variable": (
        lambda: _variable("w"),
        lambda: _variable("w", use_resource=False),
    ),
    "from reference variable": (
        lambda: _variable("w", use_resource=False),
        lambda: _variable("w", use_resource=True),
    ),
    "parts": (lambda: _parts("w"), lambda: _parts("w")),
    "other parts": (lambda: _parts("w"), lambda: _parts("w", parts=2)),
    "parts to whole": (lambda: _parts("w"), lambda: _variable("w", (6, 2))),
    "whole to parts": (lambda: _variable("w", (6, 2)), lambda: _parts("w", use_resource=False)),
    "scope": (
        lambda: _variable("a/b/w"),
        lambda: v1.get_variable("a/b/w", [2, 3]),
    ),
    "unknown shape": (
        lambda: _variable("w"),
        lambda: tf.Variable(tf.zeros([2, 3]), shape=tf.TensorShape(None), name="w"),
    ),
    "partly known shape": (
        lambda: _variable("w"),
        lambda: tf.Variable(tf.zeros([2, 3]), shape=[None, 3], name="w"),
    ),
}


@pytest.mark.parametrize("name", FITTING)
def test_a_checkpoint_that_fits_passes(save, name):
    saved, built = FITTING[name]
    _check(built, save(saved))


def test_a_graph_without_variables_fits(save):
    with tf.Graph().as_default():
        check_restorable([], save(lambda: _variable("w")))


DIFFERING = {
    "missing": (
        lambda: _variable("w"),
        lambda: (_variable("w"), _variable("b")),
        tf.errors.NotFoundError,
        r"Variables that are not in the checkpoint: b\. Use",
    ),
    "renamed": (
        lambda: _variable("w"),
        lambda: _variable("weights"),
        tf.errors.NotFoundError,
        r"not in the checkpoint: weights\. Variables that are only in the checkpoint: w\.",
    ),
    "shape": (
        lambda: _variable("w"),
        lambda: _variable("w", (2, 4)),
        tf.errors.InvalidArgumentError,
        r"differ: w: \(2, 4\) float32 in the graph, \[2, 3\] float32 in the checkpoint",
    ),
    "rank": (
        lambda: _variable("w"),
        lambda: _variable("w", (6,)),
        tf.errors.InvalidArgumentError,
        r"differ: w: \(6,\) float32 in the graph",
    ),
    "type": (
        lambda: _variable("w"),
        lambda: _variable("w", dtype=tf.float64),
        tf.errors.InvalidArgumentError,
        r"differ: w: \(2, 3\) float64 in the graph, \[2, 3\] float32 in the checkpoint",
    ),
    "partly known shape": (
        lambda: _variable("w"),
        lambda: tf.Variable(tf.zeros([4, 4]), shape=[None, 4], name="w"),
        tf.errors.InvalidArgumentError,
        r"differ: w: \(None, 4\)",
    ),
    "parts": (
        lambda: _parts("w"),
        lambda: _parts("w", (8, 2)),
        tf.errors.InvalidArgumentError,
        r"differ: w: \(8, 2\) float32 in the graph, \[6, 2\] float32",
    ),
    "missing parts": (
        lambda: _parts("w"),
        lambda: _parts("v"),
        tf.errors.NotFoundError,
        r"not in the checkpoint: v\. Variables that are only in the checkpoint: w\.",
    ),
    "everything": (
        lambda: (_variable("w"), _variable("old")),
        lambda: (_variable("w", (1,)), _variable("new")),
        tf.errors.InvalidArgumentError,
        "differ: w: .* not in the checkpoint: new. .* only in the checkpoint: old",
    ),
}


@pytest.mark.parametrize("name", DIFFERING)
def test_a_difference_is_named(save, name):
    saved, built, error, message = DIFFERING[name]
    path = save(saved)
    with pytest.raises(error, match=message) as raised:
        _check(built, path)
    assert path in str(raised.value)
    assert "warm_start_from" in str(raised.value)


def test_many_differences_are_counted(save):
    path = save(lambda: _variable("w"))
    with pytest.raises(tf.errors.NotFoundError, match=r"v00, .*v09 and 5 more\."):
        _check(lambda: [_variable(f"v{n:02}") for n in range(15)], path)


def test_a_variable_that_is_listed_twice_is_compared_once(save):
    path = save(lambda: _variable("w"))
    with tf.Graph().as_default():
        variable = _variable("w")
        assert difference([variable, variable], tf.train.load_checkpoint(path)).missing == ()


def test_what_fits_is_reported(save):
    path = save(lambda: (_parts("w"), _variable("old")))
    with tf.Graph().as_default():
        _parts("w", parts=2)
        found = check_restorable(v1.global_variables(), path)
    assert found == RestoreReport(path, restored=("w",), new=(), left_over=("old",))


@pytest.mark.parametrize("how", [{"ignore_missing": True}, {"may_lack": {"b", "c"}}])
def test_what_may_be_missing_is_new(save, how):
    path = save(lambda: _variable("w"))
    with tf.Graph().as_default():
        variables = [_variable("w"), _variable("b")]
        assert check_restorable(variables, path, **how).new == ("b",)
        with pytest.raises(tf.errors.InvalidArgumentError, match="differ: w") as raised:
            check_restorable([_variable("x/w"), _changed("w")], path, **how)
        assert "ignore_missing" not in str(raised.value)


def _changed(name):
    with tf.Graph().as_default():
        return _variable(name, (9, 9))


def test_ignoring_what_is_missing_is_a_way_out(save):
    with (
        tf.Graph().as_default(),
        pytest.raises(tf.errors.NotFoundError, match=r"RunConfig\(ignore_missing=True\) goes on"),
    ):
        check_restorable([_variable("b")], save(lambda: _variable("w")), may_lack=["c"])


def test_a_table_of_which_a_part_is_missing_is_new(save):
    def keys_only():
        _variable("ids-keys", (3,), tf.int64)

    with tf.Graph().as_default():
        _tables()
        found = difference(
            [],
            tf.train.load_checkpoint(save(keys_only)),
            v1.get_collection(v1.GraphKeys.SAVEABLE_OBJECTS),
        )
    assert found.missing == ("ids-keys", "ids-values", "words-keys", "words-values")
    assert (found.shared, found.unused) == ((), ())


def test_an_object_based_checkpoint_is_left_to_the_saver(tmp_path):
    path = tf.train.Checkpoint(w=tf.Variable(tf.ones([2, 3]))).save(str(tmp_path / "model.ckpt"))
    with tf.Graph().as_default():
        assert check_restorable([_variable("w"), _variable("more")], path) is None


def _tables():
    _variable("w")
    words = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="words")
    ids = tf.lookup.experimental.DenseHashTable(
        tf.int64, tf.int64, -1, empty_key=-2, deleted_key=-3, name="ids"
    )
    return words, ids


def test_tables_that_were_saved_are_no_difference(save):
    path = save(_tables)
    _check(_tables, path)
    with pytest.raises(tf.errors.NotFoundError, match=r"not in the checkpoint: more\. Use"):
        _check(lambda: (_tables(), _variable("more")), path)


def test_tables_that_were_not_saved_are_named(save):
    with pytest.raises(
        tf.errors.NotFoundError, match="not in the checkpoint: ids-keys, ids-values, words-keys"
    ):
        _check(_tables, save(lambda: _variable("w")))


def test_tables_that_are_only_in_the_checkpoint_do_not_matter(save):
    _check(lambda: _variable("w"), save(_tables))


def test_the_first_format_is_compared_as_well(save):
    path = save(lambda: _variable("w"), write_version=v1.train.SaverDef.V1)
    _check(lambda: _variable("w"), path)
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ: w"):
        _check(lambda: _variable("w", (3, 2)), path)
