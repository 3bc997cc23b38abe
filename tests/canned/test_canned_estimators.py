"""What all canned estimators do: train, evaluate, predict, export, with each kind of argument."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import RunConfig, WarmStartSettings, canned, export
from tf_estimator.compat.v1 import Estimator as EstimatorV1
from tf_estimator.compat.v1 import canned as canned_v1
from tf_estimator.heads import BinaryClassHead, MultiHead, RegressionHead

v1 = tf.compat.v1
fc = tf.feature_column

SURFACES = {"v1": canned_v1, "v2": canned}
KINDS = ["Baseline", "Linear", "DNN", "DNNLinearCombined"]
SMALL = [fc.numeric_column("x")]
WORDS = fc.categorical_column_with_vocabulary_list("word", ["red", "green"])


def arguments(kind, wide=SMALL, deep=SMALL):
    """The smallest arguments that a class of this kind takes."""
    return {
        "Baseline": {},
        "Linear": {"feature_columns": wide},
        "DNN": {"feature_columns": deep, "hidden_units": [2]},
        "DNNLinearCombined": {
            "linear_feature_columns": wide,
            "dnn_feature_columns": deep,
            "dnn_hidden_units": [2],
        },
    }[kind]


def small_input():
    features = {"x": [1.0, 2.0, 3.0, 4.0], "word": ["red", "green", "red", "red"]}
    return tf.data.Dataset.from_tensors((features, [0, 0, 1, 1])).repeat(3)


def small_batch():
    features = {"x": tf.constant([1.0, 2.0]), "word": tf.constant([["red"], ["green"]])}
    return features, tf.constant([[0], [1]])


@pytest.fixture(params=SURFACES)
def surface(request):
    return request.param


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def make(surface, name, **given):
    return getattr(SURFACES[surface], name)(**given)


@pytest.mark.exhaustive
@pytest.mark.parametrize("which", ["Classifier", "Regressor", "Estimator"])
def test_train_evaluate_predict(surface, kind, which, config):
    given = arguments(kind)
    if which == "Estimator":
        given["head"] = RegressionHead()
    estimator = make(surface, kind + which, config=config, **given)
    estimator.train(small_input, steps=2).train(small_input, steps=1)
    metrics = estimator.evaluate(small_input, steps=1)
    assert metrics["global_step"] == 3
    assert {"loss", "average_loss", "label/mean"} <= metrics.keys()
    predictions = list(estimator.predict(small_input))
    assert len(predictions) == 12
    key = "predictions" if which != "Classifier" else "logits"
    assert predictions[0][key].shape == (1,)


def test_the_surface_of_version_1(kind):
    for which in ("Classifier", "Regressor", "Estimator"):
        assert issubclass(getattr(canned_v1, kind + which), EstimatorV1)
        assert hasattr(getattr(canned_v1, kind + which), "export_savedmodel")


def test_losses_are_summed_in_version_1_only(kind, build):
    weighted = {"loss": {}}
    for surface in SURFACES:
        estimator = make(surface, f"{kind}Regressor", **arguments(kind))
        built = build(estimator, small_batch)
        weighted[surface] = built.spec.loss.op.name
        assert ("average_loss" in built.tags()) == (surface == "v1")
    assert weighted["v1"] != weighted["v2"]


@pytest.mark.exhaustive
def test_more_classes_have_more_logits(surface, kind, build):
    estimator = make(surface, f"{kind}Classifier", n_classes=3, **arguments(kind))
    built = build(estimator, small_batch, "infer")
    assert built.spec.predictions["logits"].shape[1] == 3
    assert built.spec.predictions["class_ids"].shape[1] == 1


@pytest.mark.exhaustive
def test_labels_of_a_vocabulary_and_weights(surface, kind, config):
    def input_fn():
        features = {"x": [1.0, 2.0], "w": [1.0, 0.0]}
        return tf.data.Dataset.from_tensors((features, ["no", "yes"])).repeat(40)

    estimator = make(
        surface,
        f"{kind}Classifier",
        label_vocabulary=["yes", "no"],
        weight_column="w",
        config=config,
        **arguments(kind),
    )
    estimator.train(input_fn)
    metrics = estimator.evaluate(input_fn, steps=1)
    assert metrics["label/mean"] == 1.0  # The other example has no weight.
    assert {each["classes"][0] for each in estimator.predict(input_fn)} <= {b"yes", b"no"}


@pytest.mark.exhaustive
def test_label_dimension(surface, kind, build):
    estimator = make(surface, f"{kind}Regressor", label_dimension=2, **arguments(kind))
    built = build(estimator, lambda: (small_batch()[0], tf.ones([2, 2])))
    assert built.spec.predictions["predictions"].shape[1] == 2


@pytest.mark.exhaustive
def test_a_head_of_heads(surface, kind, config):
    def input_fn():
        labels = {"a": [0, 1], "b": [[1.0, 2.0], [3.0, 4.0]]}
        return tf.data.Dataset.from_tensors(({"x": [1.0, 2.0]}, labels)).repeat(2)

    head = MultiHead([BinaryClassHead(name="a"), RegressionHead(2, name="b")])
    estimator = make(surface, f"{kind}Estimator", head=head, config=config, **arguments(kind))
    metrics = estimator.train(input_fn).evaluate(input_fn)
    assert {"loss/a", "loss/b", "accuracy/a"} <= metrics.keys()


OPTIMIZERS = {
    "a callable": lambda: v1.train.GradientDescentOptimizer(
        v1.train.exponential_decay(0.1, v1.train.get_global_step(), 1, 0.5)
    ),
    "an instance": v1.train.AdamOptimizer(0.1),
    "a name": "RMSProp",
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["Baseline", "DNNLinearCombined"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers(surface, kind, optimizer, config):
    given = arguments(kind)
    both = kind == "DNNLinearCombined"
    for name in ("linear_optimizer", "dnn_optimizer") if both else ("optimizer",):
        given[name] = optimizer
    estimator = make(surface, f"{kind}Classifier", config=config, **given)
    estimator.train(small_input, steps=2)
    assert estimator.get_variable_value("global_step") == 2


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"n_classes": 1}, ValueError, "n_classes must be at least 2; received 1"),
        ({"n_classes": "2"}, TypeError, "n_classes must be an integer; received '2'"),
        ({"label_vocabulary": "yes"}, (TypeError, ValueError), "label_vocabulary"),
        ({"loss_reduction": "some"}, ValueError, "loss_reduction must be one of"),
        ({"weight_column": 3}, TypeError, "weight_column must be a string or a numeric column"),
    ],
)
def test_wrong_arguments_of_a_classifier(surface, kind, wrong, error, message):
    with pytest.raises(error, match=message):
        make(surface, f"{kind}Classifier", **arguments(kind), **wrong)


@pytest.mark.exhaustive
@pytest.mark.parametrize("optimizer", ["Foo", 3, v1.train.AdamOptimizer])
def test_wrong_optimizers(surface, kind, optimizer):
    name = "linear_optimizer" if kind == "DNNLinearCombined" else "optimizer"
    with pytest.raises(ValueError, match="optimizer must be"):
        make(surface, f"{kind}Classifier", **arguments(kind), **{name: optimizer})


def test_a_head_must_be_one(surface, kind):
    with pytest.raises(TypeError, match=r"head must be an instance of tf_estimator\.Head"):
        make(surface, f"{kind}Estimator", head="binary", **arguments(kind))


def test_features_must_have_names(surface, kind, build):
    estimator = make(surface, f"{kind}Classifier", **arguments(kind))
    with pytest.raises(ValueError, match="features must be a dict"):
        build(estimator, lambda: (tf.ones([2, 1]), tf.constant([[0], [1]])))


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_missing_feature(surface, kind, build):
    missing = [fc.numeric_column("missing")]
    estimator = make(surface, f"{kind}Classifier", **arguments(kind, missing, missing))
    with pytest.raises(ValueError, match=r"'missing' needs the feature 'missing'.*\['word', 'x'\]"):
        build(estimator, small_batch)


@pytest.mark.exhaustive
def test_an_export_is_served(surface, kind, config, tmp_path):
    estimator = make(surface, f"{kind}Classifier", config=config, **arguments(kind))
    estimator.train(small_input, steps=1)
    with tf.Graph().as_default():
        features = {"x": v1.placeholder(tf.float32, [None], name="x")}
    receiver = export.build_raw_serving_input_receiver_fn(features)
    folder = estimator.export_saved_model(str(tmp_path / "export"), receiver)
    served = tf.saved_model.load(folder.decode()).signatures["predict"](x=tf.constant([1.0, 4.0]))
    expected = list(estimator.predict(small_input))
    assert served["logits"].numpy()[0] == pytest.approx(expected[0]["logits"], rel=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_warm_start(surface, kind, config, tmp_path):
    def estimator(folder, **given):
        return make(
            surface,
            f"{kind}Classifier",
            config=RunConfig(str(folder), save_checkpoints_steps=1000),
            **arguments(kind),
            **given,
        )

    old = estimator(tmp_path / "old").train(small_input, steps=2)
    new = estimator(tmp_path / "new", warm_start_from=old.model_dir)
    assert new.evaluate(small_input)["loss"] == pytest.approx(old.evaluate(small_input)["loss"])


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["Linear", "DNN"])
def test_a_warm_start_with_a_longer_vocabulary(surface, kind, tmp_path):
    def estimator(name, words, **given):
        (tmp_path / name).write_text("\n".join(words))
        column = fc.categorical_column_with_vocabulary_file("word", str(tmp_path / name))
        deep = [fc.embedding_column(column, 2)]
        return make(
            surface,
            f"{kind}Classifier",
            config=RunConfig(str(tmp_path / f"model_{name}"), save_checkpoints_steps=1000),
            **arguments(kind, [column], deep),
            **given,
        )

    variable = {
        "Linear": "linear/linear_model/word/weights",
        "DNN": "dnn/input_from_feature_columns/input_layer/word_embedding/embedding_weights",
    }[kind]
    old = estimator("old", ["red", "green"]).train(small_input, steps=2)
    new = estimator(
        "new",
        ["blue", "green", "red"],
        warm_start_from=WarmStartSettings(
            old.model_dir,
            var_name_to_vocab_info={
                variable: v1.train.VocabInfo(
                    new_vocab=str(tmp_path / "new"),
                    new_vocab_size=3,
                    num_oov_buckets=0,
                    old_vocab=str(tmp_path / "old"),
                    backup_initializer=v1.ones_initializer(),
                )
            },
        ),
    )
    before = old.get_variable_value(variable)
    new.train(small_input, max_steps=1, hooks=[_StopAtOnce()])
    after = tf.train.load_variable(str(tmp_path / "model_new" / "model.ckpt-0"), variable)
    np.testing.assert_allclose(after, [[1.0] * before.shape[1], before[1], before[0]])


class _StopAtOnce(v1.train.SessionRunHook):
    def before_run(self, run_context):
        run_context.request_stop()


def test_what_the_log_says_of_deprecation(surface, config, caplog):
    estimator = make(
        surface,
        "DNNLinearCombinedClassifier",
        linear_feature_columns=[WORDS],
        dnn_feature_columns=[fc.embedding_column(WORDS, 2), *SMALL],
        dnn_hidden_units=[2],
        batch_norm=True,
        config=config,
    )
    caplog.clear()
    estimator.train(small_input, steps=1).evaluate(small_input, steps=1)
    list(estimator.predict(small_input))
    assert "deprecated" not in caplog.text
