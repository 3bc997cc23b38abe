"""tf.contrib.lookup: ids of words, words of ids."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import lookup

v1 = tf.compat.v1
pytestmark = pytest.mark.usefixtures("graph")
WORDS = ["emerson", "lake", "palmer"]


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS) + "\n")
    return str(path)


def found(fetches, feeds=None):
    with v1.Session() as session:
        session.run(v1.tables_initializer())
        return session.run(fetches, feeds)


def hashed(word, n):
    return 3 + found(tf.strings.to_hash_bucket_fast([word], n))[0]


@pytest.mark.parametrize("of_file", [True, False])
def test_ids_of_words(of_file, vocabulary):
    def table(*args, **kwargs):
        if of_file:
            return lookup.index_table_from_file(vocabulary, *args, **kwargs)
        return lookup.index_table_from_tensor(WORDS, *args, **kwargs)

    words = tf.constant(["palmer", "greg", "emerson"])
    plain = table().lookup(words)
    other = table(default_value=7).lookup(words)
    bucket = table(num_oov_buckets=5)
    ids = found([plain, other, bucket.lookup(words), bucket.size()])
    np.testing.assert_array_equal(ids[0], [2, -1, 0])
    np.testing.assert_array_equal(ids[1], [2, 7, 0])
    np.testing.assert_array_equal(ids[2], [2, hashed("greg", 5), 0])
    assert ids[3] == 8
    assert plain.dtype == tf.int64


def test_a_file_as_an_asset_and_in_part(vocabulary):
    asset = v1.placeholder_with_default(vocabulary, [])
    table = lookup.index_table_from_file(asset, vocab_size=2, num_oov_buckets=1)
    assert list(found(table.lookup(tf.constant([*WORDS, "x"])))) == [0, 1, 2, 2]
    lookup.index_table_from_file(vocabulary)
    assert v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)


def test_columns_of_a_file(tmp_path):
    path = tmp_path / "columns.tsv"
    path.write_text("a 10\nb 20\n")
    columns = {"key_column_index": 0, "value_column_index": 1, "delimiter": " "}
    table = lookup.index_table_from_file(str(path), **columns)
    back = lookup.index_to_string_table_from_file(
        str(path), key_column_index=1, value_column_index=0, delimiter=" "
    )
    ids, words = found(
        [table.lookup(tf.constant(["b"])), back.lookup(tf.constant([10, 11], tf.int64))]
    )
    assert list(ids) == [20]
    assert list(words) == [b"a", b"UNK"]


def test_integers_as_words(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text("30\n10\n")
    keys = tf.constant([10, 30, 50], tf.int32)
    tables = [
        lookup.index_table_from_file(str(path), num_oov_buckets=1, key_dtype=tf.int32),
        lookup.index_table_from_tensor([30, 10], num_oov_buckets=1, dtype=tf.int32),
    ]
    for ids in found([one.lookup(keys) for one in tables]):
        assert list(ids) == [1, 0, 2]


def test_words_of_ids(vocabulary):
    ids = tf.constant([2, 0, 9], tf.int64)
    of_file = lookup.index_to_string_table_from_file(vocabulary, default_value="?").lookup(ids)
    of_list = lookup.index_to_string_table_from_tensor(WORDS).lookup(ids)
    at_once = lookup.index_to_string(ids, WORDS, "no")
    words = found([of_file, of_list, at_once])
    for one, missing in zip(words, (b"?", b"UNK", b"no"), strict=True):
        assert list(one) == [b"palmer", b"emerson", missing]
    assert list(found(lookup.string_to_index(tf.constant(["lake", "x"]), WORDS))) == [1, -1]


def test_sparse_words(vocabulary):
    words = tf.SparseTensor([[0, 1]], ["lake"], [1, 2])
    ids = lookup.index_table_from_file(vocabulary, num_oov_buckets=1).lookup(words)
    assert list(found(ids).values) == [1]


def test_a_table_is_filled_by_init():
    initializer = tf.lookup.KeyValueTensorInitializer(["a"], [3.0])
    table = lookup.HashTable(initializer, -1.0, shared_name="t", name="t")
    other = lookup.index_table_from_tensor(["a"], num_oov_buckets=1)
    with v1.Session() as session:
        table.init.run()
        other.init.run()
        assert session.run(table.lookup(tf.constant("a"))) == 3
        assert session.run(other.lookup(tf.constant("a"))) == 0


def test_a_table_that_changes():
    table = lookup.MutableHashTable(tf.string, tf.int64, -1, "shared", checkpoint=False)
    inserted = table.insert(tf.constant(["a"]), tf.constant([3], tf.int64))
    with v1.Session() as session:
        session.run(inserted)
        assert list(session.run(table.lookup(tf.constant(["a", "b"])))) == [3, -1]


@pytest.mark.parametrize(
    "call",
    [
        lookup.index_table_from_file,
        lambda: lookup.index_table_from_file(""),
        lambda: lookup.index_table_from_file("f", vocab_size=0),
        lambda: lookup.index_table_from_file("f", num_oov_buckets=-1),
        lambda: lookup.index_table_from_tensor(None),
        lambda: lookup.index_table_from_tensor([1, 2]),
        lambda: lookup.index_table_from_tensor(["a"], hasher_spec="strong"),
        lambda: lookup.index_to_string_table_from_file(""),
        lambda: lookup.index_to_string_table_from_file("f", vocab_size=0),
        lambda: lookup.index_to_string_table_from_tensor(None),
    ],
)
def test_wrong_arguments(call):
    with pytest.raises(ValueError, match="must be"):
        call()
