"""What `tf.contrib.lookup` was: tables from words to ids and back."""

from typing import Any

import tensorflow as tf

from tf_estimator._checks import wrong_value

__all__ = [
    "FastHashSpec",
    "HashTable",
    "MutableHashTable",
    "index_table_from_file",
    "index_table_from_tensor",
    "index_to_string",
    "index_to_string_table_from_file",
    "index_to_string_table_from_tensor",
    "string_to_index",
]

FastHashSpec = "fasthash"  # The way in which words out of the vocabulary find their bucket.

_WHOLE_LINE, _LINE_NUMBER = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER


class HashTable(tf.compat.v1.lookup.StaticHashTable):
    """A table that is filled once: `tf.compat.v1.lookup.StaticHashTable`, and `init`.

    Args:
        initializer: what fills it, such as a `KeyValueTensorInitializer`.
        default_value: for keys that are not in the table.
        shared_name: has no effect.
        name: of the operations.
    """

    def __init__(
        self,
        initializer: Any,
        default_value: Any,
        shared_name: str | None = None,
        name: str | None = None,
    ) -> None:
        del shared_name
        super().__init__(initializer, default_value, name=name)

    @property
    def init(self) -> Any:
        """The operation that fills the table."""
        return self.initializer


class _VocabularyTable(tf.compat.v1.lookup.StaticVocabularyTable):
    """A table with buckets for words out of the vocabulary, and `init`."""

    @property
    def init(self) -> Any:
        """The operation that fills the table."""
        return self.initializer


class MutableHashTable(tf.lookup.experimental.MutableHashTable):
    """A table that changes.

    Args:
        key_dtype: of the keys.
        value_dtype: of the values.
        default_value: for keys that are not in the table.
        shared_name: has no effect.
        name: of the operations, and of the table in checkpoints.
        checkpoint: whether it is saved.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        shared_name: str | None = None,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
    ) -> None:
        del shared_name
        super().__init__(key_dtype, value_dtype, default_value, name=name, checkpoint=checkpoint)


def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: Any = FastHashSpec,
    key_dtype: Any = tf.string,
    name: str | None = None,
    key_column_index: int = _WHOLE_LINE,
    value_column_index: int = _LINE_NUMBER,
    delimiter: str = "\t",
) -> Any:
    """A table from the lines of a file to their numbers.

    Args:
        vocabulary_file: its path, or a string Tensor of it, for an asset.
        num_oov_buckets: how many ids beyond those of the file there are for other words, which get
            one by their hash.
        vocab_size: how many lines to read; None for all.
        default_value: the id of other words if there are no such buckets.
        hasher_spec: must be FastHashSpec.
        key_dtype: string or an integer type.
        name: of the operations.
        key_column_index: the column with the word; by default it is the line.
        value_column_index: the column with the id; by default it is the number of the line.
        delimiter: between columns.

    Returns:
        A table with `lookup`; `tf.tables_initializer()` fills it.

    Raises:
        ValueError: an argument has a wrong value.
    """
    if vocabulary_file is None or (isinstance(vocabulary_file, str) and not vocabulary_file):
        raise wrong_value("vocabulary_file", "must be the path of a file", vocabulary_file)
    if vocab_size is not None and vocab_size < 1:
        raise wrong_value("vocab_size", "must be at least 1 or None", vocab_size)
    initializer = tf.lookup.TextFileInitializer(
        vocabulary_file,
        tf.int64 if tf.as_dtype(key_dtype).is_integer else key_dtype,
        key_column_index,
        tf.int64,
        value_column_index,
        vocab_size=vocab_size,
        delimiter=delimiter,
    )
    return _ids(initializer, num_oov_buckets, default_value, hasher_spec, key_dtype, name)


def index_table_from_tensor(
    mapping: Any,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: Any = FastHashSpec,
    dtype: Any = tf.string,
    name: str | None = None,
) -> Any:
    """A table from the elements of a Tensor, or of a list, to their numbers.

    Args:
        mapping: a Tensor of shape [n], without elements that are equal.
        num_oov_buckets: see `index_table_from_file`.
        default_value: see `index_table_from_file`.
        hasher_spec: must be FastHashSpec.
        dtype: of the keys: string or an integer type.
        name: of the operations.

    Raises:
        ValueError: an argument has a wrong value.
    """
    if mapping is None:
        raise wrong_value("mapping", "must be a Tensor or a list", mapping)
    keys = tf.convert_to_tensor(mapping)
    if keys.dtype.is_integer != tf.as_dtype(dtype).is_integer:
        raise wrong_value("mapping", f"must be of dtype {tf.as_dtype(dtype).name}", keys.dtype)
    keys = tf.cast(keys, tf.int64) if keys.dtype.is_integer else keys
    values = tf.range(tf.size(keys, tf.int64), dtype=tf.int64)
    initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
    return _ids(initializer, num_oov_buckets, default_value, hasher_spec, dtype, name)


def _ids(
    initializer: Any, n_buckets: int, default: int, hasher_spec: Any, dtype: Any, name: str | None
) -> Any:
    if n_buckets < 0:
        raise wrong_value("num_oov_buckets", "must be at least 0", n_buckets)
    if hasher_spec != FastHashSpec:
        hint = "Write a lookup with tf.strings.to_hash_bucket_strong."
        raise wrong_value("hasher_spec", "must be FastHashSpec", hasher_spec, hint)
    if not n_buckets:
        return HashTable(initializer, default, name=name or "string_to_index/hash_table")
    return _VocabularyTable(initializer, n_buckets, dtype, name=name or "string_to_index_Lookup")


def index_to_string_table_from_file(
    vocabulary_file: Any,
    vocab_size: int | None = None,
    default_value: str = "UNK",
    name: str | None = None,
    key_column_index: int = _LINE_NUMBER,
    value_column_index: int = _WHOLE_LINE,
    delimiter: str = "\t",
) -> HashTable:
    """A table from the numbers of lines of a file, int64, to the lines.

    Args:
        vocabulary_file: its path, or a string Tensor of it.
        vocab_size: how many lines to read; None for all.
        default_value: for other numbers.
        name: of the operations.
        key_column_index: the column with the number; by default it is that of the line.
        value_column_index: the column with the word; by default it is the line.
        delimiter: between columns.

    Raises:
        ValueError: an argument has a wrong value.
    """
    if vocabulary_file is None or (isinstance(vocabulary_file, str) and not vocabulary_file):
        raise wrong_value("vocabulary_file", "must be the path of a file", vocabulary_file)
    if vocab_size is not None and vocab_size < 1:
        raise wrong_value("vocab_size", "must be at least 1 or None", vocab_size)
    initializer = tf.lookup.TextFileInitializer(
        vocabulary_file,
        tf.int64,
        key_column_index,
        tf.string,
        value_column_index,
        vocab_size=vocab_size,
        delimiter=delimiter,
    )
    return HashTable(initializer, default_value, name=name or "index_to_string")


def index_to_string_table_from_tensor(
    mapping: Any, default_value: str = "UNK", name: str | None = None
) -> HashTable:
    """A table from numbers, int64, to the elements of a Tensor, or of a list, of strings."""
    if mapping is None:
        raise wrong_value("mapping", "must be a Tensor or a list", mapping)
    values = tf.convert_to_tensor(mapping, tf.string)
    keys = tf.range(tf.size(values, tf.int64), dtype=tf.int64)
    initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
    return HashTable(initializer, default_value, name=name or "index_to_string")


def string_to_index(
    tensor: Any, mapping: Any, default_value: int = -1, name: str | None = None
) -> tf.Tensor:
    """The numbers that strings have in a mapping: `index_table_from_tensor`, and its lookup."""
    return index_table_from_tensor(mapping, default_value=default_value, name=name).lookup(tensor)


def index_to_string(
    tensor: Any, mapping: Any, default_value: str = "UNK", name: str | None = None
) -> tf.Tensor:
    """The strings that have these numbers in a mapping."""
    return index_to_string_table_from_tensor(mapping, default_value, name).lookup(tensor)
