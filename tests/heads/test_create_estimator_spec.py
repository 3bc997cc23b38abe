"""Head.create_estimator_spec: what each mode has, and how it trains."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import optimizers
from tf_estimator.heads import BinaryClassHead, Head, RegressionHead
from tf_estimator.spec import ModeKeys, PredictOutput

v1 = tf.compat.v1

LOGITS = np.array([[1.0], [3.0]], np.float32)
LABELS = np.array([[0.0], [1.0]], np.float32)
BATCH = ({"w": np.array([[1.0], [0.5]], np.float32)}, LABELS, LOGITS)
LOSS = (1 + 4) / 2
SHIFT = -0.1 * (1 + 2)  # after a step at a learning rate of 0.1

SGD = v1.train.GradientDescentOptimizer


def shift():
    return [one for one in v1.trainable_variables() if one.op.name == "shift"]


@pytest.mark.parametrize(
    ("mode", "fields"),
    [
        (ModeKeys.TRAIN, {"loss", "train_op", "predictions"}),
        (ModeKeys.EVAL, {"loss", "eval_metric_ops", "predictions"}),
        (ModeKeys.PREDICT, {"predictions", "export_outputs"}),
    ],
)
def test_what_each_mode_has(run, mode, fields):
    spec = run(RegressionHead(), mode, BATCH).spec
    assert spec.mode == mode
    names = ("loss", "train_op", "predictions", "eval_metric_ops", "export_outputs")
    assert {name for name in names if getattr(spec, name) not in (None, {})} == fields


@pytest.mark.parametrize("optimizer", [SGD(0.1), optimizers.SGD(0.1)])
def test_an_optimizer_takes_a_step(run, optimizer):
    class Trained(RegressionHead):
        def create_estimator_spec(self, *args, **kwargs):
            kwargs["trainable_variables"] = shift()
            return super().create_estimator_spec(*args, **kwargs)

    found = run(Trained(), ModeKeys.TRAIN, BATCH, optimizer=optimizer)
    assert found.losses == pytest.approx([LOSS])
    assert (found.shift, found.step) == (pytest.approx(SHIFT), 1)


def test_a_v1_optimizer_finds_the_variables_itself(run):
    found = run(RegressionHead(), ModeKeys.TRAIN, BATCH, optimizer=SGD(0.1))
    assert (found.shift, found.step) == (pytest.approx(SHIFT), 1)


def test_a_train_op_fn_is_called_with_the_loss(run):
    seen = []

    def train_op_fn(loss):
        seen.append(loss)
        return v1.train.get_global_step().assign_add(5)

    found = run(RegressionHead(), ModeKeys.TRAIN, BATCH, train_op_fn=train_op_fn)
    assert seen == [found.spec.loss]
    assert (found.shift, found.step) == (0, 5)


def test_update_ops_run_with_each_step(run):
    ran = []

    def noting(name):
        return tf.numpy_function(lambda: np.float32(ran.append(name) or 0), [], tf.float32)

    class Noting(RegressionHead):
        def create_estimator_spec(self, *args, **kwargs):
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, noting("of the collection"))
            return super().create_estimator_spec(*args, update_ops=[noting("given")], **kwargs)

    found = run(Noting(), ModeKeys.TRAIN, BATCH, BATCH, optimizer=SGD(0.1))
    assert ran == ["given", "given"]
    assert found.step == 2


def test_regularization_is_part_of_the_loss(run):
    def regularized(mode):
        class Regularized(RegressionHead):
            def create_estimator_spec(self, *args, **kwargs):
                terms = [tf.constant(0.5), tf.constant(1.5)]
                return super().create_estimator_spec(*args, regularization_losses=terms, **kwargs)

        return run(Regularized(name="r"), mode, BATCH)

    trained, evaluated = regularized(ModeKeys.TRAIN), regularized(ModeKeys.EVAL)
    assert trained.losses == evaluated.losses == pytest.approx([LOSS + 2])
    assert trained.summaries == pytest.approx({"loss/r": LOSS + 2, "regularization_loss/r": 2})
    assert evaluated.metrics["regularization_loss/r"] == 2
    assert evaluated.metrics["average_loss/r"] == pytest.approx(LOSS)


def test_the_v1_reduction_reports_the_mean_loss_as_well(run):
    head = RegressionHead(weight_column="w", loss_reduction=v1.losses.Reduction.SUM)
    found = run(head, ModeKeys.TRAIN, BATCH)
    assert found.summaries == pytest.approx({"loss": 3.0, "average_loss": 2.0})


@pytest.mark.parametrize(
    ("reduction", "scope"),
    [("sum_over_batch_size", "training"), ("sum", "training"), ("weighted_sum", "outer/head")],
)
def test_the_names_of_an_optimizers_variables_are_those_of_old_checkpoints(reduction, scope):
    with tf.Graph().as_default():
        v1.train.create_global_step()
        with tf.name_scope("outer"):
            x = v1.get_variable("x", [1, 1])
            RegressionHead(loss_reduction=reduction).create_estimator_spec(
                {}, ModeKeys.TRAIN, x * 1.0, tf.constant([[1.0]]), v1.train.AdamOptimizer()
            )
        names = {one.op.name for one in v1.global_variables()}
    assert {f"{scope}/beta1_power", f"{scope}/beta2_power"} <= names


def test_summaries_have_no_scope(run):
    with tf.Graph().as_default():
        v1.train.create_global_step()
        with tf.name_scope("outer"):
            x = v1.get_variable("x", [1, 1])
            RegressionHead(name="r").create_estimator_spec(
                {}, ModeKeys.TRAIN, x * 1.0, tf.constant([[1.0]]), SGD(0.1)
            )
        assert [one.op.name for one in v1.get_collection(v1.GraphKeys.SUMMARIES)] == ["loss/r"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"update_ops": []}, ValueError, "exactly one of optimizer and train_op_fn.*none of them"),
        (
            {"optimizer": SGD(0.1), "train_op_fn": lambda _: tf.no_op()},
            ValueError,
            "exactly one of optimizer and train_op_fn; received both",
        ),
        ({"optimizer": optimizers.SGD(0.1)}, ValueError, "trainable_variables must be a list"),
        (
            {"optimizer": SGD(0.1), "trainable_variables": 3},
            TypeError,
            "trainable_variables must be a list of variables; received 3",
        ),
        ({"train_op_fn": lambda _: None}, ValueError, "Missing train_op"),
        ({"optimizer": 0.1, "trainable_variables": []}, TypeError, "optimizer must be"),
    ],
)
def test_wrong_training(run, arguments, error, message):
    with pytest.raises(error, match=message):
        run(RegressionHead(), ModeKeys.TRAIN, BATCH, **arguments)


def test_another_mode(run):
    with pytest.raises(ValueError, match="mode must be one of ModeKeys; received 'test'"):
        run(RegressionHead(), "test", BATCH)


@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL])
def test_labels_that_are_missing(mode):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="labels must be a Tensor"):
        BinaryClassHead().create_estimator_spec(
            {}, mode, tf.constant(LOGITS), train_op_fn=lambda _: tf.no_op()
        )


def test_a_head_of_ones_own(run):
    class Distance(Head):
        """Absolute error, with all that is abstract in Head and nothing else."""

        name = None
        logits_dimension = 1
        loss_reduction = "sum"

        def loss(self, labels, logits, features=None, mode=None, regularization_losses=None):
            return tf.reduce_sum(tf.abs(labels - logits))

        def predictions(self, logits, keys=None):
            return {"distance": logits}

        def metrics(self, regularization_losses=None):
            return {"mean": keras.metrics.Mean()}

        def update_metrics(
            self, eval_metrics, features, logits, labels, mode=None, regularization_losses=None
        ):
            eval_metrics["mean"].update_state(labels)
            return eval_metrics

    spec = run(Distance(), ModeKeys.PREDICT, BATCH).spec
    assert isinstance(spec.export_outputs["serving_default"], PredictOutput)
    found = run(Distance(), ModeKeys.EVAL, BATCH)
    assert found.losses == [3.0]
    assert found.metrics == {"mean": 0.5}
    assert run(Distance(), ModeKeys.TRAIN, BATCH).summaries == {"loss": 3.0}
    with pytest.raises(TypeError, match="abstract"):
        Head()
