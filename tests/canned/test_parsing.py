import pytest
import tensorflow as tf

from tf_estimator.canned import classifier_parse_example_spec, regressor_parse_example_spec

fc = tf.feature_column
Fixed = tf.io.FixedLenFeature


@pytest.fixture
def columns():
    city = fc.categorical_column_with_hash_bucket("city", 3)
    return [fc.numeric_column("age"), fc.embedding_column(city, 2)]


OF_COLUMNS = {"age": Fixed((1,), tf.float32), "city": tf.io.VarLenFeature(tf.string)}


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({}, Fixed((1,), tf.int64)),
        ({"label_dtype": tf.string, "label_default": "x"}, Fixed((1,), tf.string, "x")),
        ({"label_default": 3}, Fixed((1,), tf.int64, 3)),
    ],
)
def test_a_classifiers(columns, given, label):
    assert classifier_parse_example_spec(columns, "y", **given) == {**OF_COLUMNS, "y": label}


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({}, Fixed((1,), tf.float32)),
        ({"label_dimension": 2, "label_default": [1.0, 2.0]}, Fixed((2,), tf.float32, [1.0, 2.0])),
        ({"label_dtype": tf.int64}, Fixed((1,), tf.int64)),
    ],
)
def test_a_regressors(columns, given, label):
    assert regressor_parse_example_spec(columns, "y", **given) == {**OF_COLUMNS, "y": label}


@pytest.mark.parametrize("make", [classifier_parse_example_spec, regressor_parse_example_spec])
@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        ("w", Fixed((1,), tf.float32)),
        (fc.numeric_column("w", dtype=tf.int64, default_value=2), Fixed((1,), tf.int64, (2,))),
    ],
    ids=["name", "column"],
)
def test_a_weight(columns, make, weight, expected):
    assert make(columns, "y", weight_column=weight)["w"] == expected


def test_it_parses(columns):
    example = tf.train.Example()
    example.features.feature["age"].float_list.value[:] = [3.0]
    example.features.feature["y"].int64_list.value[:] = [1]
    spec = classifier_parse_example_spec(columns, "y")
    parsed = tf.io.parse_example([example.SerializeToString()], spec)
    assert parsed["age"].numpy().tolist() == [[3.0]]
    assert parsed["y"].numpy().tolist() == [[1]]


def test_columns_of_version_1():
    city = fc.categorical_column_with_hash_bucket("city", 3)
    with tf.Graph().as_default():
        columns = tf.compat.v1.feature_column.shared_embedding_columns([city], 2)
    assert set(classifier_parse_example_spec(columns, "y")) == {"city", "y"}


@pytest.mark.parametrize("make", [classifier_parse_example_spec, regressor_parse_example_spec])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_key": "age"}, r"label_key must not be a feature as well.*\['age', 'city'\]"),
        ({"weight_column": "y"}, "weight_column must be neither the label 'y' nor one of the feat"),
        ({"weight_column": "age"}, "weight_column must be neither .* received 'age'"),
        ({"weight_column": 3}, "weight_column must be a feature name or a"),
        ({"feature_columns": ["age"]}, "Every element of feature_columns must be a feature column"),
        ({"feature_columns": None}, "feature_columns must be an iterable of feature columns"),
    ],
)
def test_what_cannot_be(columns, make, arguments, message):
    given = {"feature_columns": columns, "label_key": "y", **arguments}
    with pytest.raises(ValueError, match=message):
        make(**given)


def test_wrong_columns_are_a_type_error(columns):
    with pytest.raises(TypeError):
        classifier_parse_example_spec(None, "y")
    with pytest.raises(TypeError):
        classifier_parse_example_spec(columns, "y", weight_column=columns[1])
