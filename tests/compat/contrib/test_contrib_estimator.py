"""tf.contrib.estimator: heads by their old arguments, forward_features, clipped gradients."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator as tfe
from tf_estimator.compat.contrib import estimator as contrib
from tf_estimator.compat.contrib import layers

v1 = tf.compat.v1

HEADS = {
    "binary_classification_head": (
        {},
        tfe.BinaryClassHead,
        "weight_column thresholds label_vocabulary loss_reduction loss_fn name",
    ),
    "multi_class_head": (
        {"n_classes": 3},
        tfe.MultiClassHead,
        "n_classes weight_column label_vocabulary loss_reduction loss_fn name",
    ),
    "multi_label_head": (
        {"n_classes": 3},
        tfe.MultiLabelHead,
        (
            "n_classes weight_column thresholds label_vocabulary loss_reduction loss_fn "
            "classes_for_class_based_metrics name"
        ),
    ),
    "regression_head": (
        {},
        tfe.RegressionHead,
        "weight_column label_dimension loss_reduction loss_fn inverse_link_fn name",
    ),
    "poisson_regression_head": (
        {},
        tfe.PoissonRegressionHead,
        "weight_column label_dimension loss_reduction compute_full_loss name",
    ),
    "logistic_regression_head": (
        {},
        tfe.LogisticRegressionHead,
        "weight_column loss_reduction name",
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_have_their_old_arguments(name):
    arguments, kind, names = HEADS[name]
    make = getattr(contrib, name)
    assert list(inspect.signature(make).parameters) == names.split()
    head = make(**arguments, name="mine")
    assert isinstance(head, kind)
    assert head.name == "mine"
    assert head.loss_reduction == v1.losses.Reduction.SUM_OVER_BATCH_SIZE


def test_several_heads():
    first, second = contrib.regression_head(name="a"), contrib.regression_head(None, 2, name="b")
    both = contrib.multi_head([first, second], [1.0, 0.5])
    assert isinstance(both, tfe.MultiHead)
    assert both.logits_dimension == 3


def test_a_head_runs_updates_with_each_step():
    head = contrib.regression_head()
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.create_global_step()
        logits = layers.linear(layers.batch_norm(tf.constant([[1.0], [3.0]]), decay=0.0), 1)
        spec = head.create_estimator_spec(
            {},
            tfe.ModeKeys.TRAIN,
            logits,
            labels=tf.constant([[1.0], [2.0]]),
            optimizer=v1.train.AdamOptimizer(),
        )
        session.run(v1.global_variables_initializer())
        session.run(spec.train_op)
        (mean,) = [one for one in v1.global_variables() if "moving_mean" in one.op.name]
        assert session.run(mean) == [2.0]
        assert session.run(v1.train.get_global_step()) == 1


def model_fn(features, labels, mode):
    w = v1.get_variable("w", initializer=2.0)
    step = v1.train.get_global_step()
    return tfe.EstimatorSpec(
        mode, {"y": features["x"] * w}, tf.constant(0.0), tf.group(step.assign_add(1))
    )


def input_fn():
    ids = tf.SparseTensor([[0, 0], [1, 0]], ["a", "b"], [3, 1])
    features = {"x": np.array([1.0, 2.0, 3.0], "f4"), "key": np.array([7, 8, 9]), "id": ids}
    return tf.data.Dataset.from_tensor_slices(features).batch(3)


@pytest.fixture
def trained(tmp_path):
    return tfe.Estimator(model_fn, str(tmp_path)).train(input_fn, steps=1)


@pytest.mark.parametrize(("keys", "names"), [("key", ["key"]), (["key", "x"], ["key", "x"])])
def test_features_beside_predictions(trained, keys, names):
    forwarding = contrib.forward_features(trained, keys)
    assert forwarding.model_dir == trained.model_dir
    found = list(forwarding.predict(input_fn))
    assert sorted(found[0]) == sorted(["y", *names])
    assert [one["key"] for one in found] == [7, 8, 9]
    assert [one["y"] for one in found] == [2, 4, 6]
    assert sorted(next(trained.predict(input_fn))) == ["y"]


def test_all_features_with_a_sparse_one(trained):
    forwarding = contrib.forward_features(trained, sparse_default_values={"id": "none"})
    found = list(forwarding.predict(input_fn))
    assert [one["id"].tolist() for one in found] == [[b"a"], [b"b"], [b"none"]]
    assert set(found[0]) == {"x", "key", "id", "y"}


def test_exports_have_the_features(trained, tmp_path):
    def receive():
        fed = {
            "x": v1.placeholder(tf.float32, [None], "x"),
            "key": v1.placeholder(tf.int64, [None], "key"),
        }
        return tfe.export.ServingInputReceiver(fed, fed)

    forwarding = contrib.forward_features(trained, "key")
    path = forwarding.export_saved_model(str(tmp_path / "export"), receive)
    with tfe.predictor.from_saved_model(path) as predict:
        found = predict({"x": [1.0], "key": [5]})
    assert (found["key"], found["y"]) == ([5], [2.0])


def test_training_and_evaluation_are_those_of_the_estimator(trained):
    forwarding = contrib.forward_features(trained, "y of nobody")
    assert forwarding.evaluate(input_fn, steps=1)["global_step"] == 1


@pytest.mark.parametrize(
    ("keys", "model", "error"),
    [
        ("z", model_fn, "must be a feature"),
        ("id", model_fn, "must be a Tensor"),
        ("y", None, "must not be that of a prediction"),
        ("key", "tensor", "must be a dict"),
    ],
)
def test_what_cannot_be_forwarded(keys, model, error, tmp_path):
    def of_one_tensor(features, labels, mode):
        return model_fn(features, labels, mode)._replace(predictions=features["x"])

    def with_y(features, labels, mode):
        return model_fn(features, labels, mode)

    def input_with_y():
        return input_fn().map(lambda one: {**one, "y": one["x"]})

    chosen = {"tensor": of_one_tensor, None: with_y}.get(model, model)
    estimator = tfe.Estimator(chosen, str(tmp_path)).train(input_fn, steps=1)
    with pytest.raises(ValueError, match=error):
        next(contrib.forward_features(estimator, keys).predict(input_with_y))


def test_wrong_arguments():
    with pytest.raises(TypeError, match="estimator must be"):
        contrib.forward_features(model_fn)
    with pytest.raises(TypeError, match="Every one of keys must be"):
        contrib.forward_features(tfe.Estimator(model_fn), [1])
    with pytest.raises(TypeError, match="optimizer must be"):
        contrib.clip_gradients_by_norm("SGD", 1.0)


def test_clipped_gradients():
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=tf.constant([3.0, 4.0]))
        step = v1.train.create_global_step()
        inner = v1.train.MomentumOptimizer(1.0, 0.9)
        optimizer = contrib.clip_gradients_by_norm(inner, 1.0)
        train_op = optimizer.minimize(tf.nn.l2_loss(w), step)
        assert optimizer.get_slot_names() == ["momentum"]
        assert optimizer.get_slot(w, "momentum") is inner.get_slot(w, "momentum")
        assert [one.op.name for one in optimizer.variables()] == ["w/Momentum"]
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        np.testing.assert_allclose(session.run(w), [2.4, 3.2], rtol=1e-6)
        assert session.run(step) == 1


def test_canned_estimators_take_both(tmp_path):
    columns = [tf.feature_column.numeric_column("x")]
    estimator = tfe.compat.v1.DNNEstimator(
        contrib.regression_head(),
        [2],
        columns,
        str(tmp_path),
        contrib.clip_gradients_by_norm(v1.train.AdagradOptimizer(0.1), 1.0),
    )

    def with_labels():
        return tf.data.Dataset.from_tensors(({"x": [[1.0], [2.0]]}, [[1.0], [2.0]])).repeat()

    estimator.train(with_labels, steps=2)
    assert estimator.evaluate(with_labels, steps=1)["global_step"] == 2
    assert "dnn/logits/kernel/t_0/Adagrad" in estimator.get_variable_names()
