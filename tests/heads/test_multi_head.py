"""MultiHead: several heads as one."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.heads import BinaryClassHead, MultiClassHead, MultiHead, RegressionHead
from tf_estimator.spec import ModeKeys

v1 = tf.compat.v1

LOGITS = {
    "sick": np.array([[1.0], [-2.0]], np.float32),
    "age": np.array([[0.5, 1.0], [2.0, 0.0]], np.float32),
}
LABELS = {"sick": np.array([[1], [1]]), "age": np.array([[1.0, 1.0], [0.0, 2.0]], np.float32)}
SICK = float(np.log1p(np.exp([-1.0, 2.0])).mean())
AGE = float(((LOGITS["age"] - LABELS["age"]) ** 2).mean())
SIDE_BY_SIDE = np.hstack([LOGITS["sick"], LOGITS["age"]])


def heads(**arguments):
    return [BinaryClassHead(name="sick", **arguments), RegressionHead(2, name="age", **arguments)]


def tensors(values):
    return tf.nest.map_structure(tf.constant, values)


@pytest.mark.parametrize("logits", [LOGITS, SIDE_BY_SIDE])
@pytest.mark.parametrize(
    ("weights", "expected"), [(None, SICK + AGE), ([2.0, 0.5], 2 * SICK + AGE / 2), ([0, 1], AGE)]
)
def test_loss(logits, weights, expected):
    loss = MultiHead(heads(), weights).loss(tensors(LABELS), tensors(logits))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_regularization_counts_once():
    loss = MultiHead(heads()).loss(
        tensors(LABELS), tensors(LOGITS), regularization_losses=[tf.constant(1.0), tf.constant(2.0)]
    )
    np.testing.assert_allclose(loss, SICK + AGE + 3, rtol=1e-6)


@pytest.mark.parametrize("logits", [LOGITS, SIDE_BY_SIDE])
def test_evaluation(run, logits):
    head = MultiHead(heads(), head_weights=[1.0, 0.5])
    regularization = [tf.constant(1.0)]
    eager = head.metrics(regularization)
    for _ in range(2):
        eager = head.update_metrics(eager, {}, tensors(logits), tensors(LABELS), regularization)

    def part(n):
        return (
            {},
            {k: v[n : n + 1] for k, v in LABELS.items()},
            (
                {k: v[n : n + 1] for k, v in LOGITS.items()}
                if logits is LOGITS
                else logits[n : n + 1]
            ),
        )

    found = run(head, ModeKeys.EVAL, part(0), part(1))
    assert np.mean(found.losses) == pytest.approx(SICK + AGE / 2, rel=1e-5)
    assert found.metrics["loss/sick"] == pytest.approx(SICK, rel=1e-5)
    assert found.metrics["loss/age"] == pytest.approx(AGE, rel=1e-5)
    assert found.metrics["average_loss/age"] == pytest.approx(AGE, rel=1e-5)
    assert found.metrics["label/mean/sick"] == 1.0
    assert {key: float(one.result()) for key, one in eager.items()} == pytest.approx(
        {**found.metrics, "regularization_loss/sick_age": 1.0}, rel=1e-5
    )


@pytest.mark.parametrize("logits", [LOGITS, SIDE_BY_SIDE])
def test_predictions(logits):
    head = MultiHead(heads())
    found = head.predictions(tensors(logits))
    binary = [key for name, key in found if name == "sick"]
    assert binary == list(BinaryClassHead().predictions(tf.constant(LOGITS["sick"])))
    np.testing.assert_array_equal(found["age", "predictions"], LOGITS["age"])
    assert list(head.predictions(tensors(logits), keys=[("sick", "logits")])) == [
        ("sick", "logits")
    ]
    assert list(head.predictions(tensors(logits), keys=["predictions"])) == [("age", "predictions")]
    with pytest.raises(ValueError, match=r"must be among \[\('sick', 'logits'\)"):
        head.predictions(tensors(logits), keys=["odds"])


def test_export_outputs(run):
    spec = run(MultiHead(heads()), ModeKeys.PREDICT, ({}, LABELS, LOGITS)).spec
    outputs = spec.export_outputs
    assert set(outputs) == {
        "serving_default",
        "sick",
        "sick/classification",
        "sick/regression",
        "sick/predict",
        "age",
        "age/regression",
        "age/predict",
        "predict",
    }
    assert outputs["serving_default"] is outputs["sick"]
    assert outputs["age"] is outputs["age/regression"]
    assert list(outputs["age/predict"].outputs) == ["predictions"]
    assert set(outputs["predict"].outputs) == {"/".join(key) for key in spec.predictions}


def test_training_summaries(run):
    found = run(MultiHead(heads(), [1.0, 2.0]), ModeKeys.TRAIN, ({}, LABELS, LOGITS))
    assert found.summaries == pytest.approx(
        {"loss": SICK + 2 * AGE, "loss/sick": SICK, "loss/age": AGE}, rel=1e-5
    )
    assert found.step == 1
    assert found.shift != 0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_names_of_an_optimizers_variables_are_those_of_old_checkpoints(run, n):
    found = run(
        MultiHead([RegressionHead(name=f"h{i}") for i in range(n)]),
        ModeKeys.TRAIN,
        ({}, {f"h{i}": [[1.0]] for i in range(n)}, np.zeros([1, n], np.float32)),
        optimizer=v1.train.AdamOptimizer(),
    )
    names = [one.op.name for one in found.graph.get_collection("variables")]
    assert f"training_{n}/beta1_power" in names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": {"sick": [[1], [1]]}}, r"a value for each head; there is none for \['age'\]"),
        ({"labels": [[1], [1]]}, "labels must be a dict by the names of the heads"),
        ({"labels": None}, "labels must be a dict by the names of the heads; received None"),
        ({"logits": {"age": [[1.0, 2.0]]}}, r"logits must have a value for each head"),
        ({"logits": [[1.0, 2.0]]}, r"logits must have the shape \[D0, D1, ... DN, 3\]"),
    ],
)
def test_wrong_batches(change, message):
    arguments = {"labels": tensors(LABELS), "logits": tensors(LOGITS), **change}
    with pytest.raises(ValueError, match=message):
        MultiHead(heads()).loss(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), ValueError, "heads must be a list with at least one head"),
        ((None,), ValueError, "heads must be a list with at least one head; received None"),
        (([BinaryClassHead()],), ValueError, "Every head of a MultiHead must have a name"),
        (([3],), TypeError, "must be an instance of Head"),
        ((heads(), [1.0]), ValueError, "head_weights must have as many items as heads, 2"),
        (([*heads(), RegressionHead(name="age")],), ValueError, "must differ; received 'age'"),
        (
            ([*heads(), RegressionHead(name="x", loss_reduction="sum")],),
            ValueError,
            "loss_reduction must be the same for all heads",
        ),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        MultiHead(*arguments)


def test_properties():
    head = MultiHead(
        [*heads(loss_reduction="sum"), MultiClassHead(4, "w", name="x", loss_reduction="sum")]
    )
    assert (head.name, head.logits_dimension, head.loss_reduction) == ("sick_age_x", 7, "sum")
