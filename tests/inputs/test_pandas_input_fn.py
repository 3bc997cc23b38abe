"""Batches out of a DataFrame."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.inputs import pandas_input_fn

pandas = pytest.importorskip("pandas")
v1 = tf.compat.v1

INDEX = [5, 6, 7]
FRAME = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}, index=INDEX)
SERIES = pandas.Series([0.5, 1.5, 2.5], index=INDEX)


def batches(*args, **kwargs):
    with tf.Graph().as_default(), v1.Session() as session:
        batch = pandas_input_fn(*args, **kwargs)()
        found = []
        try:
            while True:
                found.append(tf.nest.map_structure(np.ndarray.tolist, session.run(batch)))
        except tf.errors.OutOfRangeError:
            return found


def test_columns_are_features_and_the_series_is_the_label():
    assert batches(FRAME, SERIES, batch_size=2, num_epochs=2, shuffle=False) == [
        ({"a": [1, 2], "b": [b"x", b"y"]}, [0.5, 1.5]),
        ({"a": [3, 1], "b": [b"z", b"x"]}, [2.5, 0.5]),
        ({"a": [2, 3], "b": [b"y", b"z"]}, [1.5, 2.5]),
    ]


def test_without_labels_there_are_features_only():
    assert batches(FRAME, shuffle=False) == [{"a": [1, 2, 3], "b": [b"x", b"y", b"z"]}]


def test_a_frame_of_labels_is_a_dict():
    labels = pandas.DataFrame({"t": [1, 2, 3], "u": [True, False, True]}, index=INDEX)
    ((_, found),) = batches(FRAME, labels, shuffle=False)
    assert found == {"t": [1, 2, 3], "u": [True, False, True]}


def test_shuffled_rows_stay_together():
    frame = pandas.DataFrame({"a": np.arange(40)})
    ((features, labels),) = batches(frame, 2 * frame["a"], shuffle=True)
    assert labels == [2 * a for a in features["a"]]
    assert sorted(features["a"]) == list(range(40)) != features["a"]


def test_categories_are_strings():
    frame = pandas.DataFrame({"c": pandas.Categorical(["x", "y", "x"])})
    assert batches(frame, shuffle=False) == [{"c": [b"x", b"y", b"x"]}]


@pytest.mark.parametrize(
    ("x", "y", "changes", "error", "message"),
    [
        (FRAME, None, {"shuffle": None}, ValueError, "shuffle must be True or False"),
        (FRAME, None, {"batch_size": 0}, ValueError, "batch_size must be positive"),
        ({"a": [1]}, None, {}, TypeError, "x must be a pandas DataFrame.*numpy_input_fn"),
        (FRAME, np.arange(3), {}, TypeError, "y must be a pandas Series or DataFrame"),
        (FRAME, pandas.Series([1, 2, 3]), {}, ValueError, "index of y must equal that of x"),
        (FRAME, SERIES, {"target_column": "a"}, ValueError, "target_column must not be.*'a'"),
    ],
)
def test_what_is_wrong_is_refused_at_once(x, y, changes, error, message):
    with pytest.raises(error, match=message):
        pandas_input_fn(x, y, **{"shuffle": False, **changes})


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (FRAME[:0], ValueError, "x must have at least one row"),
        (FRAME[[]], ValueError, "x must not be empty"),
        (FRAME[["a", "b", "a"]], ValueError, r"different names; received \['a'\]"),
        (FRAME.assign(b=["x", None, "z"]), TypeError, r"x\['b'\].*received (None|nan)"),
    ],
)
def test_wrong_data_is_refused_when_the_input_fn_is_called(frame, error, message):
    input_fn = pandas_input_fn(frame, shuffle=False)
    with tf.Graph().as_default(), pytest.raises(error, match=message):
        input_fn()


def test_who_has_not_imported_pandas_has_no_frame(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(TypeError, match="x must be a pandas DataFrame"):
        pandas_input_fn({"a": [1]}, shuffle=False)
