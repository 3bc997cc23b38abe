"""What is particular to deep, linear and combined models: names, rates, parts, summaries."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import RunConfig, canned
from tf_estimator.compat.v1 import canned as canned_v1

v1 = tf.compat.v1
fc = tf.feature_column

X = fc.numeric_column("x")
WORD = fc.categorical_column_with_hash_bucket("word", 10)


def batch():
    features = {"x": tf.ones([4, 1]), "word": tf.constant([["a"], ["b"], ["c"], ["d"]])}
    features["other"] = features["word"]
    return features, tf.constant([[0], [1], [0], [1]])


def rates(graph):
    """The constants that are called a learning rate, in the order they were made."""
    found = []
    for op in graph.get_operations():
        constant = op.type == "Const" and op.outputs[0].dtype == tf.float32
        if constant and op.outputs[0].shape.rank == 0 and "learning_rate" in op.name:
            found.append(float(tf.get_static_value(op.outputs[0])))
    return found


def test_the_learning_rates_of_names_in_version_1(build):
    dnn = build(canned_v1.DNNClassifier([2], [X], optimizer="SGD"), batch)
    assert rates(dnn.graph) == [pytest.approx(0.05)]
    linear = build(canned_v1.LinearClassifier([X], optimizer="SGD"), batch)
    assert rates(linear.graph) == [pytest.approx(0.2)]
    baseline = build(canned_v1.BaselineClassifier(optimizer="SGD"), batch)
    assert rates(baseline.graph) == [pytest.approx(0.3)]
    both = canned_v1.DNNLinearCombinedClassifier(
        linear_feature_columns=[X],
        linear_optimizer="SGD",
        dnn_feature_columns=[X],
        dnn_optimizer="SGD",
        dnn_hidden_units=[2],
    )
    assert rates(build(both, batch).graph) == pytest.approx([0.001, 0.005])


def test_without_an_optimizer_the_rate_goes_by_the_columns(build):
    columns = [fc.numeric_column(f"x{n}") for n in range(36)]

    def wide():
        return {column.name: tf.ones([2, 1]) for column in columns}, tf.constant([[0], [1]])

    built = build(canned_v1.LinearClassifier(columns, optimizer=None), wide)
    assert rates(built.graph)[0] == pytest.approx(1 / 6)


def test_dropout_is_for_training_only(build):
    estimator = canned.DNNClassifier([4], [X], dropout=0.5)
    random = {
        mode: sum(
            op.name.startswith("dnn/hid") and "dropout" in op.name
            for op in build(estimator, batch, mode).graph.get_operations()
        )
        for mode in ("train", "eval", "infer")
    }
    assert random["train"]
    assert random["eval"] == random["infer"] == 0


def test_an_activation_by_name_and_no_hidden_layer(build):
    built = build(canned.DNNRegressor([4], [X], activation_fn="tanh"), batch, "infer")
    assert "Tanh" in {op.type for op in built.graph.get_operations()}
    assert build(canned.DNNRegressor([], [X]), batch, "infer").names() == {
        "global_step",
        "dnn/logits/kernel",
        "dnn/logits/bias",
    }


@pytest.mark.parametrize(
    ("module", "dnn", "linear"), [(canned_v1, "dnn/dnn", "linear/"), (canned, "dnn", "")]
)
def test_summaries(module, dnn, linear, build):
    estimator = module.DNNLinearCombinedClassifier(
        linear_feature_columns=[X], dnn_feature_columns=[X], dnn_hidden_units=[2]
    )
    layers = [f"{dnn}/hiddenlayer_0", f"{dnn}/logits", f"{linear}linear"]
    expected = {f"{each}/{what}" for each in layers for what in ("activation", FRACTION)}
    expected |= {f"{linear}bias", f"{linear}fraction_of_zero_weights"}
    assert expected <= build(estimator, batch).tags()


FRACTION = "fraction_of_zero_values"


def test_the_summaries_of_a_linear_model(build):
    estimator = canned.LinearClassifier([X, WORD], n_classes=3)
    built = build(estimator, batch)
    kinds = {op.name: op.type for op in built.graph.get_operations()}
    assert kinds["bias"] == "HistogramSummary"
    with built.graph.as_default(), v1.Session() as session:
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        for variable in v1.trainable_variables():
            if variable.op.name == "linear/linear_model/x/weights":
                session.run(variable.assign(np.ones([1, 3])))
        text = session.run("fraction_of_zero_weights:0")
    (value,) = v1.Summary.FromString(text).value
    assert value.simple_value == pytest.approx(10 / 11)


@pytest.mark.parametrize(
    ("parts", "scopes"),
    [
        ({"linear_feature_columns": [X]}, {"linear"}),
        ({"dnn_feature_columns": [X], "dnn_hidden_units": [2]}, {"dnn"}),
    ],
)
@pytest.mark.parametrize("module", [canned, canned_v1])
def test_one_part_alone(module, parts, scopes, build):
    built = build(module.DNNLinearCombinedClassifier(**parts), batch)
    found = {name.partition("/")[0] for name in built.names(v1.GraphKeys.TRAINABLE_VARIABLES)}
    assert found == scopes


@pytest.mark.parametrize("module", [canned, canned_v1])
def test_parts_that_are_missing(module):
    with pytest.raises(ValueError, match="There must be linear_feature_columns or dnn_feature"):
        module.DNNLinearCombinedRegressor()
    with pytest.raises(ValueError, match="dnn_hidden_units must be given with dnn_feature_columns"):
        module.DNNLinearCombinedRegressor(dnn_feature_columns=[X])
    with pytest.raises(ValueError, match="'word' in dnn_feature_columns must be a dense column"):
        module.DNNLinearCombinedRegressor(dnn_feature_columns=[WORD], dnn_hidden_units=[1])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"hidden_units": None}, TypeError, "hidden_units must be a list of positive integers"),
        ({"hidden_units": [2.5]}, TypeError, "hidden_units must be a list of positive integers"),
        ({"hidden_units": [0]}, ValueError, "hidden_units must be a list of positive integers"),
        ({"dropout": 1.0}, ValueError, "dropout must be at least 0 and below 1, or None"),
        ({"activation_fn": 3}, TypeError, "activation_fn must be callable"),
        ({"feature_columns": []}, ValueError, "feature_columns must not be empty"),
        ({"feature_columns": [WORD]}, ValueError, "'word' in feature_columns must be a dense"),
    ],
)
def test_wrong_arguments_of_a_network(given, error, message):
    with pytest.raises(error, match=message):
        canned.DNNClassifier(**{"hidden_units": [2], "feature_columns": [X], **given})


def test_a_wrong_combiner():
    with pytest.raises(ValueError, match="sparse_combiner must be one of 'sum', 'mean', 'sqrtn'"):
        canned.LinearClassifier([X], sparse_combiner="max")


def shared(trainable=True):
    other = fc.categorical_column_with_hash_bucket("other", 10)
    with tf.Graph().as_default():
        return fc.shared_embeddings([WORD, other], 2, trainable=trainable)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (canned, "other_word_shared_embedding"),
        (canned_v1, "dnn/input_from_feature_columns/other_word_shared_embedding"),
    ],
)
def test_where_shared_embeddings_are(module, name, build):
    estimator = module.DNNClassifier([2], shared())
    for mode in ("train", "infer"):
        names = {each.removesuffix("/part_0") for each in build(estimator, batch, mode).names()}
        assert name in names
    assert name not in build(module.DNNClassifier([2], shared(trainable=False)), batch).names(
        v1.GraphKeys.TRAINABLE_VARIABLES
    )


def input_fn():
    return tf.data.Dataset.from_tensors(0).map(lambda _: batch()).repeat()


def test_shared_embeddings_are_trained(config):
    estimator = canned.DNNClassifier([2], shared(), config=config, optimizer="Adam")
    name = "other_word_shared_embedding"
    before = estimator.train(input_fn, steps=1).get_variable_value(name)
    assert (estimator.train(input_fn, steps=3).get_variable_value(name) != before).any()


@pytest.mark.parametrize("both", [False, True], ids=["deep", "wide and deep"])
def test_an_old_checkpoint_that_never_trained_them_goes_on_so(both, config, caplog):
    columns = shared()

    def estimator(columns):
        if not both:
            return canned.DNNClassifier([2], columns, config=config)
        return canned.DNNLinearCombinedClassifier(
            linear_feature_columns=[WORD],
            dnn_feature_columns=columns,
            dnn_hidden_units=[2],
            config=config,
        )

    # What is not trainable has no optimizer variables: like what the original left behind.
    estimator(shared(trainable=False)).train(input_fn, steps=1)
    name = "other_word_shared_embedding"
    goes_on = estimator(columns)
    before = goes_on.get_variable_value(name)
    goes_on.train(input_fn, steps=2)
    assert (goes_on.get_variable_value(name) == before).all()
    assert goes_on.get_variable_value("global_step") == 3
    assert "without training shared embeddings" in caplog.text


def test_large_variables_are_cut_for_parameter_servers_in_version_1(build, monkeypatch, tmp_path):
    cluster = {"chief": ["a:1"], "ps": ["b:1", "c:1"], "worker": ["d:1"]}
    task = {"type": "chief", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    config = RunConfig(str(tmp_path))  # a cluster meets there
    names = build(canned_v1.DNNClassifier([70_000], [X], config=config), batch, "infer").names()
    assert {"dnn/hiddenlayer_0/bias/part_1", "dnn/logits/bias/part_0"} <= names
    assert "dnn/logits/bias/part_1" not in names
    names = build(canned.DNNClassifier([70_000], [X], config=config), batch, "infer").names()
    assert not any("/part_" in name for name in names)


def test_a_partitioner_of_the_users(build):
    cut = v1.fixed_size_partitioner(2)
    linear = canned_v1.LinearClassifier([WORD], partitioner=cut)
    assert "linear/linear_model/word/weights/part_1" in build(linear, batch).names()
    deep = canned_v1.DNNClassifier([2], [fc.embedding_column(WORD, 2)], input_layer_partitioner=cut)
    names = build(deep, batch).names()
    prefix = "dnn/input_from_feature_columns/input_layer/word_embedding/embedding_weights"
    assert f"{prefix}/part_1" in names
    assert "dnn/hiddenlayer_0/kernel/part_1" not in names


def test_the_names_of_adams_own_variables_in_version_1(build):
    built = build(canned_v1.DNNClassifier([2], [X], optimizer="Adam"), batch)
    assert "dnn/head/beta1_power" in built.names()
    built = build(canned_v1.BaselineClassifier(optimizer="Adam"), batch)
    assert "head/beta1_power" in built.names()


@pytest.mark.parametrize("scope", [None, "mine"])
def test_logit_fns(scope):
    deep = [X, fc.embedding_column(WORD, 2)]
    dnn = canned.dnn_logit_fn_builder(3, [4], deep, tf.nn.relu, 0.1, None, True)
    linear = canned.linear_logit_fn_builder(3, [X, WORD], sparse_combiner="mean")
    prefix = f"{scope}/" if scope else ""
    with tf.Graph().as_default():
        with v1.variable_scope(scope or v1.get_variable_scope()):
            features, _ = batch()
            assert dnn(features, "train").shape.as_list() == [4, 3]
            assert linear(features).shape.as_list() == [4, 3]
        names = {each.op.name for each in v1.global_variables()}
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    assert {f"{prefix}hiddenlayer_0/kernel", f"{prefix}linear_model/bias_weights"} <= names
    assert (
        f"{prefix}input_from_feature_columns/input_layer/word_embedding/embedding_weights" in names
    )
    assert len(updates) == 2


@pytest.mark.parametrize("units", [None, "3", 1.5])
def test_a_logit_fn_needs_an_integer(units):
    with pytest.raises(ValueError, match="units must be an integer"):
        canned.dnn_logit_fn_builder(units, [4], [X], None, None, None, False)


@pytest.mark.parametrize("kind", [tf.constant, tf.sparse.from_dense, tf.RaggedTensor.from_tensor])
def test_a_baseline_predicts_one_for_each_row_and_ends(kind, config):
    def rows():
        data = tf.data.Dataset.from_tensors(tf.ones([2, 3])).repeat(2)
        return data.map(lambda x: ({"x": kind(x) if kind is not tf.constant else x}, [1.0, 3.0]))

    estimator = canned.BaselineRegressor(config=config).train(rows)
    assert len(list(estimator.predict(rows))) == 4
