"""Requests: what describes features, what they may be filled with, and what errors say."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.engine.serve.feeds import Feeds
from tf_estimator.engine.serve.placeholders import placeholders

v1 = tf.compat.v1
Pair = collections.namedtuple("Pair", ["left", "right"])


def feeds(look):
    with tf.Graph().as_default():
        return Feeds("features", placeholders("features", look))


def spec(dtype=tf.float32, shape=(None, 2)):
    return tf.TensorSpec(shape, dtype)


SPARSE = v1.SparseTensorValue(np.array([[0, 1]]), np.array([5.0], np.float32), np.array([1, 3]))
TENSOR = tf.zeros([4, 2])
BFLOAT16 = np.array([[1.5, 2.5]], tf.bfloat16.as_numpy_dtype)
RAGGED = v1.ragged.constant_value([[1.0, 2.0], [], [3.0]], dtype=np.float32)


class TestPlaceholders:
    @pytest.mark.parametrize(
        ("look", "dtype", "shape"),
        [
            (spec(tf.int8, [3, 2]), tf.int8, [3, 2]),
            (np.zeros([5, 2], np.float64), tf.float64, [None, 2]),
            (np.zeros([0, 2], np.int16), tf.int16, [None, 2]),
            ([[1.0, 2.0]], tf.float32, [None, 2]),
            ([1, 2], tf.int32, [None]),
            ([True], tf.bool, [None]),
            (["a", "b"], tf.string, [None]),
            (np.array(["a"]), tf.string, [None]),
            (np.array([[b"a", b"b"]], object), tf.string, [None, 2]),
            (np.array([b"a"]), tf.string, [None]),
        ],
    )
    def test_a_spec_is_taken_as_it_is_and_an_example_for_batches_of_any_size(
        self, look, dtype, shape
    ):
        with tf.Graph().as_default():
            made = placeholders("features", look)
        assert (made.dtype, made.shape.as_list()) == (dtype, shape)

    def test_a_spec_of_any_rank(self):
        with tf.Graph().as_default():
            made = placeholders("features", spec(shape=None))
        assert made.shape.rank is None

    def test_an_eager_tensor_is_an_example(self):
        with tf.Graph().as_default():
            made = placeholders("features", TENSOR)
        assert made.shape.as_list() == [None, 2]

    def test_structures_stay(self):
        look = {"a": {"b": spec()}, 3: [spec(), spec()], "pair": Pair(spec(), spec())}
        with tf.Graph().as_default():
            made = placeholders("features", look)
        assert list(made) == ["a", 3, "pair"]
        assert list(made["a"]) == ["b"]
        assert isinstance(made[3], list)
        assert isinstance(made["pair"], Pair)

    def test_names_of_variables_are_left_free(self):
        with tf.Graph().as_default():
            placeholders("features", {"w": spec()})
            assert v1.get_variable("w", [1]).op.name == "w"

    @pytest.mark.parametrize(
        ("look", "kind", "message"),
        [
            ({"x": 1.0}, ValueError, r"features\['x'\] must have a batch dimension.*\[value\]"),
            ({"x": None}, TypeError, r"features\['x'\] must be a TensorSpec, an array"),
            ({"x": object()}, TypeError, r"features\['x'\] must be a TensorSpec, an array"),
            ({"x": [[1], [1, 2]]}, TypeError, r"features\['x'\] must be a TensorSpec, an array"),
            (
                {"x": tf.data.DatasetSpec(spec())},
                NotImplementedError,
                r"features\['x'\] must be described by a TensorSpec",
            ),
        ],
    )
    def test_what_describes_no_tensor_is_named(self, look, kind, message):
        with tf.Graph().as_default(), pytest.raises(kind, match=message):
            placeholders("features", look)

    def test_what_cannot_be_fed_is_named(self):
        with pytest.raises(NotImplementedError, match=r"features\['x'\] must be of numbers"):
            feeds({"x": spec(tf.variant)})


class TestDense:
    def test_an_array_of_the_right_type_is_fed_as_it_is(self):
        array = np.ones([3, 2], np.float32)
        assert feeds(spec()).arrays(array)[0] is array

    @pytest.mark.parametrize(
        ("dtype", "value", "expected"),
        [
            (tf.float32, [[1, 2]], np.float32([[1, 2]])),
            (tf.float32, np.array([[1.5, 2.5]]), np.float32([[1.5, 2.5]])),
            (tf.float32, np.array([[1.5, 2.5]], ">f4"), np.float32([[1.5, 2.5]])),
            (tf.float32, [[True, False]], np.float32([[1, 0]])),
            (tf.float16, [[1.5, 2.5]], np.float16([[1.5, 2.5]])),
            (tf.bfloat16, [[1.5, 2.5]], BFLOAT16),
            (tf.float32, BFLOAT16, np.float32([[1.5, 2.5]])),
            (tf.int32, np.array([[1, 2]]), np.int32([[1, 2]])),
            (tf.uint8, [[1, 255]], np.uint8([[1, 255]])),
            (tf.int64, np.uint8([[1, 2]]), np.int64([[1, 2]])),
            (tf.complex64, [[1.0, 2.0]], np.complex64([[1, 2]])),
            (tf.bool, [[True, False]], np.array([[True, False]])),
            (tf.float32, tf.constant([[1.0, 2.0]]), np.float32([[1, 2]])),
            (tf.string, [["a", b"b"]], np.array([["a", b"b"]], object)),
            (tf.string, np.array([["a", "b"]]), np.array([["a", "b"]], object)),
            (tf.string, tf.constant([["a", "b"]]), np.array([[b"a", b"b"]], object)),
        ],
    )
    def test_what_the_dtype_holds_is_converted(self, dtype, value, expected):
        (array,) = feeds(spec(dtype)).arrays(value)
        assert array.dtype == expected.dtype
        assert (array == expected).all()

    @pytest.mark.parametrize("dtype", [tf.float32, tf.int64, tf.bool, tf.string])
    def test_an_empty_list_is_an_empty_batch(self, dtype):
        (array,) = feeds(spec(dtype, [None])).arrays([])
        assert (array.shape, array.dtype) == ((0,), np.dtype(dtype.as_numpy_dtype))

    def test_zero_bytes_at_the_end_of_a_string_stay(self):
        (array,) = feeds(spec(tf.string, [None])).arrays([b"a\0\0"])
        assert array[0] == b"a\0\0"

    @pytest.mark.parametrize(
        ("dtype", "value"),
        [
            (tf.int32, [[1.0, 2.0]]),
            (tf.float32, [[1j, 2]]),
            (tf.float32, [["a", "b"]]),
            (tf.bool, [[0, 1]]),
            (tf.string, [[1, 2]]),
            (tf.float32, [[None, 1.0]]),
            (tf.float32, [[1.0], [1.0, 2.0]]),
            (tf.string, [["a"], ["a", "b"]]),
            (tf.float32, np.array([["2020-01-01"] * 2], "M8[D]")),
            (tf.float32, {"y": [[1.0, 2.0]]}),
            (tf.float32, SPARSE),
        ],
    )
    def test_another_dtype_is_named(self, dtype, value):
        message = rf"features\['x'\] must be.* of {dtype.name}, of shape \[None, 2\]; received"
        with pytest.raises(TypeError, match=message):
            feeds({"x": spec(dtype)}).arrays({"x": value})

    @pytest.mark.parametrize(
        ("dtype", "value"),
        [(tf.uint8, [[1, 256]]), (tf.uint8, [[-1, 1]]), (tf.int32, [[1 << 40, 1]])],
    )
    def test_a_number_that_does_not_fit_is_named(self, dtype, value):
        with pytest.raises(
            ValueError, match=rf"features\['x'\] must hold what fits into {dtype.name}"
        ):
            feeds({"x": spec(dtype)}).arrays({"x": value})

    def test_a_tensor_of_a_graph_is_no_value(self):
        with tf.Graph().as_default():
            symbolic = tf.zeros([1, 2])
        with pytest.raises(TypeError, match=r"features\['x'\] must be an array of float32"):
            feeds({"x": spec()}).arrays({"x": symbolic})

    @pytest.mark.parametrize("shape", [(2,), (1, 3), (1, 1, 2), ()])
    def test_another_shape_is_named(self, shape):
        message = rf"features\['x'\] must have the shape \[None, 2\], not \{[*shape]}"
        with pytest.raises(ValueError, match=message):
            feeds({"x": spec()}).arrays({"x": np.zeros(shape, np.float32)})

    def test_one_example_alone_is_told_of_the_batch_dimension(self):
        with pytest.raises(ValueError, match=r"first dimension is the batch.*array\[None\]"):
            feeds({"x": spec()}).arrays({"x": [1.0, 2.0]})

    def test_any_rank_takes_any_shape(self):
        assert feeds(spec(shape=None)).arrays(np.zeros([1, 2, 3], np.float32))[0].ndim == 3

    def test_a_feature_without_a_batch_dimension(self):
        assert feeds(spec(shape=[])).arrays(2.5)[0].shape == ()


class TestStructures:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({"x": [[1, 2]]}, r"exactly the keys 'x', 'y'; received \['x'\].*Missing: 'y'\."),
            (
                {"x": [[1, 2]], "z": 1, 4: 1},
                r"features must have exactly.*Missing: 'y'. Unknown: 'z', 4|4, 'z'",
            ),
            ({"x": 1, "y": 1, "z": 1}, r"Unknown: 'z'\."),
        ],
    )
    def test_missing_and_unknown_features_are_named(self, value, message):
        with pytest.raises(ValueError, match=message):
            feeds({"x": spec(), "y": spec()}).arrays(value)

    def test_a_bare_value_is_no_dict(self):
        with pytest.raises(TypeError, match=r"features must be a dict with the keys 'x'; received"):
            feeds({"x": spec()}).arrays(np.zeros([1, 2]))

    def test_values_come_in_the_order_of_the_tensors(self):
        found = feeds({"a": {"b": spec()}, "c": [spec(), spec()]})
        values = {"c": ([[3, 3]], [[4, 4]]), "a": {"b": [[2, 2]]}}
        assert [array[0, 0] for array in found.arrays(values)] == [2, 3, 4]
        assert len(found.tensors) == 3

    @pytest.mark.parametrize(("value", "kind"), [(([[1, 2]],), ValueError), (3, TypeError)])
    def test_a_list_of_another_length_is_named(self, value, kind):
        with pytest.raises(kind, match=r"features\['c'\] must be a list or tuple of length 2"):
            feeds({"c": [spec(), spec()]}).arrays({"c": value})

    def test_a_wrong_part_is_named_by_its_path(self):
        with pytest.raises(TypeError, match=r"features\['a'\]\['b'\]\[1\] must be of float32"):
            feeds({"a": {"b": [spec(), spec()]}}).arrays({"a": {"b": [[[1, 2]], "?"]}})


class TestComposites:
    @pytest.mark.parametrize("look", [SPARSE, tf.SparseTensorSpec([None, 3], tf.float32)])
    def test_sparse_values_are_three_arrays(self, look):
        indices, values, shape = feeds({"x": look}).arrays({"x": SPARSE})
        assert (indices.tolist(), values.tolist(), shape.tolist()) == ([[0, 1]], [5.0], [1, 3])

    def test_an_eager_sparse_tensor_is_a_value(self):
        look = {"x": tf.SparseTensorSpec(None, tf.float32)}
        value = tf.sparse.from_dense(TENSOR + 1.0)
        assert feeds(look).arrays({"x": value})[2].tolist() == [4, 2]

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (v1.SparseTensorValue([[0, 1]], [1.0], [1, 4]), r"\.dense_shape must be \(None, 3\)"),
            (v1.SparseTensorValue([[0]], [1.0], [1]), r"\.indices must have the shape \[None, 2\]"),
            (v1.SparseTensorValue([[0, 1]], [1], [1]), r"\.dense_shape must have the shape \[2\]"),
        ],
    )
    def test_another_shape_of_a_sparse_value_is_named(self, value, message):
        with pytest.raises(ValueError, match=r"features\['x'\]" + message):
            feeds({"x": tf.SparseTensorSpec([None, 3], tf.float32)}).arrays({"x": value})

    def test_another_type_of_sparse_values_is_named(self):
        with pytest.raises(TypeError, match=r"features\['x'\].values must be of float32"):
            feeds({"x": SPARSE}).arrays({"x": SPARSE._replace(values=["a"])})

    @pytest.mark.parametrize("look", [RAGGED, tf.RaggedTensorSpec([None, None], tf.float32)])
    def test_ragged_values_are_values_and_splits(self, look):
        values, splits = feeds({"x": look}).arrays({"x": RAGGED})
        assert (values.tolist(), splits.tolist()) == ([1.0, 2.0, 3.0], [0, 2, 2, 3])

    def test_splits_may_be_of_32_bits_and_values_eager(self):
        look = tf.RaggedTensorSpec([None, None, None], tf.int64, row_splits_dtype=tf.int32)
        value = tf.ragged.constant([[[1], [2, 3]], []], dtype=tf.int64)
        arrays = feeds({"x": look}).arrays({"x": value})
        assert [array.tolist() for array in arrays] == [[1, 2, 3], [0, 2, 2], [0, 1, 3]]
        assert [array.dtype.name for array in arrays] == ["int64", "int32", "int32"]

    @pytest.mark.parametrize(
        ("value", "kind", "message"),
        [
            ([[1.0]], TypeError, "must be a tf.compat.v1.ragged.RaggedTensorValue.*constant_value"),
            (v1.ragged.constant_value([[[1.0]]]), ValueError, "must have 1 ragged dimensions"),
        ],
    )
    def test_what_is_not_ragged_is_named(self, value, kind, message):
        with pytest.raises(kind, match=rf"features\['x'\] {message}"):
            feeds({"x": RAGGED}).arrays({"x": value})

    def test_what_is_not_sparse_is_named(self):
        with pytest.raises(TypeError, match=r"features\['x'\] must be a tf.compat.v1.SparseTensor"):
            feeds({"x": SPARSE}).arrays({"x": [[1.0]]})
