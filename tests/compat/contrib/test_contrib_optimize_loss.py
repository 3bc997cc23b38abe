"""tf.contrib.layers.optimize_loss: the step it takes, its names, its summaries."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib.layers import optimize_loss

v1 = tf.compat.v1
pytestmark = pytest.mark.usefixtures("graph")


def model():
    """A variable of [3, 4] whose gradient it is, and the loss."""
    w = v1.get_variable("w", initializer=tf.constant([3.0, 4.0]))
    return w, tf.nn.l2_loss(w)


def after_a_step(train_op, fetches):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        loss = session.run(train_op)
        return loss, session.run(fetches)


def step():
    return v1.train.get_or_create_global_step()


@pytest.mark.parametrize(
    "optimizer",
    [
        "SGD",
        v1.train.GradientDescentOptimizer,
        v1.train.GradientDescentOptimizer(0.1),
        lambda rate: v1.train.MomentumOptimizer(rate, 0.0),
    ],
    ids=["name", "class", "instance", "function"],
)
def test_a_step(optimizer):
    w, loss = model()
    train_op = optimize_loss(loss, step(), 0.1, optimizer)
    loss, (found, steps) = after_a_step(train_op, [w, step()])
    assert loss in {12.5, 10.125}  # It may be computed before or after.
    np.testing.assert_allclose(found, [2.7, 3.6], rtol=1e-6)
    assert steps == 1


def test_all_variables_are_in_its_scope():
    w, loss = model()
    optimize_loss(loss, step(), 0.1, "Adam")
    assert [one.op.name for one in v1.global_variables()] == [
        "w",
        "global_step",
        "OptimizeLoss/learning_rate",
        "OptimizeLoss/beta1_power",
        "OptimizeLoss/beta2_power",
        "OptimizeLoss/w/Adam",
        "OptimizeLoss/w/Adam_1",
    ]
    assert v1.trainable_variables() == [w]


@pytest.mark.parametrize("name", ["Adagrad", "Adam", "Ftrl", "Momentum", "RMSProp", "SGD"])
def test_names_of_optimizers(name):
    w, loss = model()
    _, found = after_a_step(optimize_loss(loss, step(), 0.1, name), w)
    assert np.all(found < [3, 4])


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"clip_gradients": 1.0}, [3 - 0.6, 4 - 0.8]),
        ({"clip_gradients": lambda pairs: [(g * 0, w) for g, w in pairs]}, [3, 4]),
        ({"gradient_multipliers": {"w:0": 0.5}}, [1.5, 2]),
        ({"learning_rate_decay_fn": lambda rate, step: rate / 2}, [1.5, 2]),
        ({"increment_global_step": False}, [0, 0]),
    ],
    ids=["clip", "clip by function", "multiply", "decay", "no step"],
)
def test_what_is_done_to_gradients(arguments, wanted):
    w, loss = model()
    train_op = optimize_loss(loss, step(), 1.0, "SGD", **arguments)
    _, (found, steps) = after_a_step(train_op, [w, step()])
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert steps == ("increment_global_step" not in arguments)


def test_sparse_gradients():
    w = v1.get_variable("w", initializer=tf.ones([3, 2]))
    loss = tf.reduce_sum(tf.gather(w, [1]))
    train_op = optimize_loss(
        loss, step(), 1.0, "SGD", gradient_multipliers={w: 0.5}, summaries=["gradients"]
    )
    _, found = after_a_step(train_op, w)
    np.testing.assert_allclose(found, [[1, 1], [0.5, 0.5], [1, 1]])


def test_noise():
    w, loss = model()
    _, found = after_a_step(optimize_loss(loss, step(), 1.0, "SGD", gradient_noise_scale=0.1), w)
    assert 0 < np.abs(found).max() <= 0.2


def test_updates_run_before():
    _, loss = model()
    seen = v1.get_variable("seen", initializer=0.0)
    v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, seen.assign_add(1.0))
    _, found = after_a_step(optimize_loss(loss, step(), 1.0, "SGD"), seen)
    assert found == 1
    _, found = after_a_step(optimize_loss(loss, step(), 1.0, "SGD", update_ops=[], name="b"), seen)
    assert found == 0


def test_summaries():
    _, loss = model()
    every = ("learning_rate", "loss", "gradients", "gradient_norm", "global_gradient_norm")
    by_half = {"clip_gradients": 1.0, "learning_rate_decay_fn": lambda rate, step: rate / 2}
    optimize_loss(loss, step(), 0.1, "SGD", **by_half, summaries=every)
    found = [one.op.name for one in v1.get_collection(v1.GraphKeys.SUMMARIES)]
    assert found == [
        f"OptimizeLoss/{one}"
        for one in (
            "learning_rate_1",  # the variable has the name
            "global_norm/gradient_norm",
            "loss",
            "gradients/w_0",
            "gradient_norm/w_0",
            "global_norm/clipped_gradient_norm",
        )
    ]


def test_summaries_by_default():
    _, loss = model()
    optimize_loss(loss, step(), 0.1, "SGD")
    found = [one.op.name for one in v1.get_collection(v1.GraphKeys.SUMMARIES)]
    assert found == ["OptimizeLoss/global_norm/gradient_norm", "OptimizeLoss/loss"]


@pytest.mark.parametrize(
    ("rate", "optimizer", "arguments"),
    [
        (-0.1, "SGD", {}),
        ("0.1", "SGD", {}),
        (None, "SGD", {}),
        (0.1, "Sgd", {}),
        (0.1, 3, {}),
        (0.1, lambda rate: rate, {}),
        (0.1, "SGD", {"summaries": ["gradient"]}),
        (0.1, "SGD", {"clip_gradients": "1"}),
    ],
)
def test_wrong_arguments(rate, optimizer, arguments):
    _, loss = model()
    with pytest.raises(ValueError, match="must be"):
        optimize_loss(loss, step(), rate, optimizer, **arguments)
