"""tf.contrib.data: what tf.data.experimental has not, on datasets of both versions."""

import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import data

v1 = tf.compat.v1


@pytest.fixture(params=[tf.data.Dataset, v1.data.Dataset], ids=["2", "1"])
def dataset(request):
    """The numbers from 0 to 4."""
    return request.param.range(5)


def elements(dataset):
    return [one.tolist() for one in dataset.as_numpy_iterator()]


def test_batches_of_one_size(dataset):
    batches = dataset.apply(data.batch_and_drop_remainder(2))
    assert type(batches).__name__ != "function"
    assert elements(batches) == [[0, 1], [2, 3]]
    assert batches.element_spec.shape == [2]


@pytest.mark.parametrize(("value", "last"), [(None, 0), (9, 9)])
def test_padded_batches_of_one_size(dataset, value, last):
    rows = dataset.map(lambda n: tf.fill([n], n))
    value = None if value is None else tf.constant(value, tf.int64)
    batches = rows.apply(data.padded_batch_and_drop_remainder(2, [None], value))
    assert elements(batches) == [[[last], [1]], [[2, 2, last], [3, 3, 3]]]


def test_interleaved_in_any_order(dataset):
    every = dataset.apply(data.sloppy_interleave(tf.data.Dataset.range, cycle_length=2))
    assert sorted(elements(every)) == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
