"""Feature columns to tensors: names, order, every kind of feature, and what errors say."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.canned.feature_layers import (
    FeatureTensors,
    checked_columns,
    dense_input,
    linear_sum,
    shared_weights,
)

v1 = tf.compat.v1
fc = tf.feature_column

WORDS = [["red", "green", ""], ["blue", "", ""], ["", "", ""], ["red", "red", "pink"]]


@pytest.fixture
def graph():
    with tf.Graph().as_default() as made:
        yield made


@pytest.fixture
def words():
    return fc.categorical_column_with_vocabulary_list("word", ["red", "green", "blue"])


def run(tensor, **values):
    with v1.Session() as session:
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        for variable in v1.global_variables():
            if variable.op.name in values:
                session.run(variable.assign(values[variable.op.name]))
        return session.run(tensor)


def names():
    return [each.op.name for each in v1.global_variables()]


def test_columns_are_concatenated_by_name(graph):
    columns = [fc.numeric_column("b", shape=(2,)), fc.numeric_column("a")]
    features = {"a": [[1.0]], "b": [[2.0, 3.0]]}
    found = dense_input(FeatureTensors(features), columns)
    assert found.shape == [1, 3]
    assert run(found).tolist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize("given", [[1.0, 2.0], [[1.0], [2.0]]], ids=["rank 1", "rank 2"])
def test_numbers_of_rank_1_are_a_column(graph, given):
    column = fc.numeric_column("x", normalizer_fn=lambda x: x * 10)
    assert run(dense_input(FeatureTensors({"x": given}), [column])).tolist() == [[10.0], [20.0]]


def test_a_rank_that_only_running_tells(graph):
    x = v1.placeholder_with_default([1.0, 2.0], shape=None)
    found = dense_input(FeatureTensors({"x": x}), [fc.numeric_column("x")])
    assert run(found).tolist() == [[1.0], [2.0]]


def as_sparse(values):
    return tf.sparse.from_dense(tf.constant(values))


def as_ragged(values):
    return tf.ragged.constant([[word for word in row if word] for row in values])


@pytest.mark.parametrize("kind", [tf.constant, as_sparse, as_ragged])
def test_words_come_dense_sparse_or_ragged(graph, words, kind):
    features = FeatureTensors({"word": kind(WORDS)})
    found = run(dense_input(features, [fc.indicator_column(words)]))
    assert found.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0], [2, 0, 0]]


@pytest.mark.parametrize(
    ("combiner", "row"), [("mean", 1.5), ("sum", 3.0), ("sqrtn", 3.0 / np.sqrt(2))]
)
def test_embeddings(graph, words, combiner, row):
    column = fc.embedding_column(words, 1, combiner=combiner)
    found = dense_input(FeatureTensors({"word": WORDS}), [column])
    assert names() == ["input_layer/word_embedding/embedding_weights"]
    values = {names()[0]: [[1.0], [2.0], [4.0]]}
    assert run(found, **values)[:3].ravel() == pytest.approx([row, 4.0, 0.0])


def test_an_embedding_that_is_not_trained(graph, words):
    dense_input(FeatureTensors({"word": WORDS}), [fc.embedding_column(words, 2, trainable=False)])
    assert names()
    assert not v1.trainable_variables()


def test_an_embedding_from_a_checkpoint(graph, words, tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("old", initializer=tf.constant([[1.0], [2.0], [4.0]]))
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "ckpt"))
    column = fc.embedding_column(words, 1, ckpt_to_load_from=path, tensor_name_in_ckpt="old")
    found = dense_input(FeatureTensors({"word": [["green"]]}), [column])
    assert run(found).tolist() == [[2.0]]


@pytest.mark.parametrize("partitions", [1, 2])
def test_a_partitioner_cuts_embeddings_and_weights(graph, words, partitions):
    cut = v1.fixed_size_partitioner(partitions)
    features = FeatureTensors({"word": [["blue"]]})
    with v1.variable_scope("m", partitioner=cut):
        deep = dense_input(features, [fc.embedding_column(words, 2)])
        wide, bias, weights = linear_sum(features, [words], 1, "sum")
    assert len(weights) == partitions
    assert bias.shape == [1]
    assert f"m/linear_model/word/weights/part_{partitions - 1}" in names()
    assert run(deep).shape == (1, 2)
    assert run(wide).tolist() == [[0.0]]


def test_shared_embeddings_have_one_variable_for_a_graph(words):
    other = fc.categorical_column_with_vocabulary_list("other", ["red", "green", "blue"])
    with tf.Graph().as_default():
        columns = fc.shared_embeddings([words, other], 1)
    for _ in range(2):
        with tf.Graph().as_default():
            assert len(shared_weights(columns)) == 1
            features = FeatureTensors({"word": [["red"]], "other": [["blue"]]})
            found = dense_input(features, columns)
            assert names() == ["other_word_shared_embedding"]
            values = {names()[0]: [[1.0], [2.0], [4.0]]}
            assert run(found, **values).tolist() == [[4.0, 1.0]]


def test_shared_embedding_columns_of_version_1(graph, words):
    other = fc.categorical_column_with_vocabulary_list("other", ["red", "green", "blue"])
    columns = v1.feature_column.shared_embedding_columns([words, other], 1)
    features = FeatureTensors({"word": [["red"]], "other": [["blue"]]})
    with v1.variable_scope("dnn"):
        found = dense_input(features, columns)
    assert names() == ["dnn/input_layer/other_word_shared_embedding/embedding_weights"]
    values = {names()[0]: [[1.0], [2.0], [4.0]]}
    assert run(found, **values).tolist() == [[4.0, 1.0]]


def test_the_same_name_in_every_graph_and_odd_ones_made_fit(graph):
    column = fc.categorical_column_with_hash_bucket("age (years)/x", 3)
    linear_sum(FeatureTensors({"age (years)/x": [["a"]]}), [column], 2, "sum")
    assert names() == ["linear_model/age__years__x/weights", "linear_model/bias_weights"]


@pytest.mark.parametrize(
    ("combiner", "expected"), [("sum", 3.0), ("mean", 1.5), ("sqrtn", 3.0 / np.sqrt(2))]
)
def test_a_linear_sum_of_words(graph, words, combiner, expected):
    found, bias, weights = linear_sum(FeatureTensors({"word": WORDS}), [words], 1, combiner)
    assert [each.op.name for each in weights] == ["linear_model/word/weights"]
    values = {weights[0].op.name: [[1.0], [2.0], [4.0]], bias.op.name: [10.0]}
    assert run(found, **values)[:2].ravel() == pytest.approx([10 + expected, 14.0])


def test_a_linear_sum_of_every_kind(graph, words):
    number = fc.numeric_column("x")
    columns = [
        number,
        fc.bucketized_column(number, [1.5]),
        fc.weighted_categorical_column(words, "w"),
        fc.embedding_column(words, 2),
        fc.crossed_column(["word", fc.bucketized_column(number, [1.5])], 5),
    ]
    features = {"x": [1.0, 2.0], "word": as_sparse([["red"], ["blue"]])}
    features["w"] = tf.sparse.from_dense([[0.5], [2.0]])
    found, _, weights = linear_sum(FeatureTensors(features), columns, 1, "sum")
    assert found.shape.as_list() == [2, 1]
    values = {each.op.name: np.ones(each.shape) for each in weights}
    # The number, one bucket, the weight, two dimensions of an embedding, one cross.
    assert run(found, **values).ravel().tolist() == [1 + 1 + 0.5 + 2 + 1, 2 + 1 + 2 + 2 + 1]


def test_tensors_are_made_once(graph, words):
    features = FeatureTensors({"word": WORDS})
    dense_input(features, [fc.indicator_column(words)])
    tables = [op for op in graph.get_operations() if op.type == "HashTableV2"]
    linear_sum(features, [words], 1, "sum")
    assert [op for op in graph.get_operations() if op.type == "HashTableV2"] == tables


def test_a_missing_feature(graph, words):
    column = fc.bucketized_column(fc.numeric_column("age"), [30.0])
    features = FeatureTensors({"word": WORDS, "years": [1.0]})
    with pytest.raises(ValueError, match=r"'age_bucketized' needs the feature 'age'.*'word', 'ye"):
        dense_input(features, [column])
    with pytest.raises(ValueError, match=r"'w' needs the feature 'w', which the batch does not"):
        linear_sum(features, [fc.numeric_column("w")], 1, "sum")


def test_a_feature_without_a_batch(graph):
    with pytest.raises(ValueError, match="Feature 'x' must have a batch dimension"):
        dense_input(FeatureTensors({"x": 1.0}), [fc.numeric_column("x")])


def test_batches_of_different_sizes(graph):
    columns = [fc.numeric_column("x"), fc.numeric_column("y")]
    features = FeatureTensors({"x": [1.0, 2.0], "y": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match=r"same first dimension.*'x': 2, 'y': 3"):
        dense_input(features, columns)


def test_features_have_names(graph):
    with pytest.raises(ValueError, match="features must be a dict"):
        FeatureTensors(tf.ones([2, 1]))


@pytest.mark.parametrize("wrap", [list, tuple, iter, lambda x: dict(enumerate(x)).values()])
def test_columns_come_in_any_iterable(wrap):
    columns = [fc.numeric_column("x"), fc.numeric_column("y")]
    assert checked_columns("columns", wrap(columns), deep=True, old=False) == tuple(columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (None, "columns must not be empty; received None"),
        ([], "columns must not be empty"),
        (iter([]), "columns must not be empty"),
        ("x", "columns must be an iterable of feature columns; received 'x'"),
        ({"x": 1}, "columns must be an iterable of feature columns"),
        (3, "columns must be an iterable of feature columns"),
        (["x"], "Every element of columns must be a feature column; received 'x'"),
        (fc.numeric_column("x"), r"columns must be an iterable .* Put it into a list\."),
        ([fc.numeric_column("x"), fc.numeric_column("x")], "two that are called 'x'"),
        (
            [fc.categorical_column_with_hash_bucket("x", 3)],
            r"Column 'x' in columns must be a dense column.*embedding_column or indicator_column",
        ),
    ],
)
def test_wrong_columns(columns, message):
    with pytest.raises(ValueError, match=message):
        checked_columns("columns", columns, deep=True, old=True)


def test_columns_of_version_1_in_version_2(words):
    with tf.Graph().as_default():
        columns = v1.feature_column.shared_embedding_columns([words], 1)
    with pytest.raises(ValueError, match=r"Use tf\.feature_column\.shared_embeddings"):
        checked_columns("columns", columns, deep=True, old=False)
    assert checked_columns("columns", columns, deep=True, old=True) == tuple(columns)
