"""What holds for every EstimatorSpec, tried on generated ones."""

import math

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_estimator.spec import EstimatorSpec, PredictOutput

v1 = tf.compat.v1

MODES = st.sampled_from(["train", "eval", "infer", "other"])
SIZES = st.sampled_from([None, 0, 1, 1, 1, 2])
SHAPES = st.none() | st.lists(SIZES, max_size=3)
KEYS = st.text(max_size=3) | st.tuples(st.text(max_size=2), st.text(max_size=2))
NAMES = st.lists(KEYS, unique_by=lambda key: "/".join(key) if isinstance(key, tuple) else key)
TENSORS = {
    "constant": lambda: tf.constant([1.0]),
    "unknown": lambda: v1.placeholder(tf.int64),
    "string": lambda: tf.constant("a"),
}
NO_TENSORS = {
    "number": lambda: 1.0,
    "list": lambda: [tf.constant(1.0)],
    "sparse": lambda: tf.sparse.from_dense([1.0]),
    "operation": tf.no_op,
}


class Hook(v1.train.SessionRunHook):
    pass


@settings(max_examples=60)
@given(mode=MODES, shape=SHAPES)
def test_a_loss_is_a_scalar_or_of_unknown_rank_or_refused(mode, shape):
    with tf.Graph().as_default():
        loss = v1.placeholder(tf.float32, shape)
        fields = {"loss": loss, "train_op": tf.no_op(), "predictions": loss}
        right = shape is None or math.prod(1 if n is None else n for n in shape) == 1
        if not right:
            with pytest.raises(ValueError, match="Loss must be scalar"):
                EstimatorSpec(mode, **fields)
            return
        assert EstimatorSpec(mode, **fields).loss.shape.rank == (None if shape is None else 0)


@settings(max_examples=60)
@given(
    mode=MODES,
    given_fields=st.sets(st.sampled_from(["loss", "train_op", "predictions"])),
)
def test_what_a_mode_needs(mode, given_fields):
    needs = {"train": ["train_op", "loss"], "eval": ["loss"], "infer": ["predictions"]}
    missing = [name for name in needs.get(mode, []) if name not in given_fields]
    with tf.Graph().as_default():
        fields = {name: tf.constant(1.0) for name in given_fields}
        if missing:
            with pytest.raises(ValueError, match=f"Missing {missing[0]}"):
                EstimatorSpec(mode, **fields)
        else:
            assert EstimatorSpec(mode, **fields).mode == mode


@settings(max_examples=60)
@given(
    keys=NAMES,
    good=st.sampled_from(sorted(TENSORS)),
    bad=st.none() | st.sampled_from(sorted(NO_TENSORS)),
)
def test_predictions_are_tensors_and_the_default_output(keys, good, bad):
    with tf.Graph().as_default():
        predictions = {key: TENSORS[good]() for key in keys}
        if bad is not None:
            predictions["bad"] = NO_TENSORS[bad]()
            with pytest.raises(TypeError, match=r"predictions\[bad\]"):
                EstimatorSpec("infer", predictions)
            return
        spec = EstimatorSpec("infer", predictions)
        assert spec.predictions == predictions
        assert spec.export_outputs == {"serving_default": PredictOutput(predictions)}


@settings(max_examples=60)
@given(names=st.lists(st.sampled_from(["a", "b", "serving_default"]), unique=True))
def test_there_is_a_default_signature_or_an_error(names):
    with tf.Graph().as_default():
        tensor = tf.constant(1.0)
        outputs = {name: PredictOutput(tensor) for name in names}
        if len(names) > 1 and "serving_default" not in names:
            with pytest.raises(ValueError, match="serving_default"):
                EstimatorSpec("infer", tensor, export_outputs=outputs)
            return
        found = EstimatorSpec("infer", tensor, export_outputs=outputs).export_outputs
        assert set(found) == set(names) | ({"serving_default"} if names else set())


@settings(max_examples=40)
@given(
    mode=MODES,
    metrics=st.lists(st.text(max_size=3), unique=True, max_size=3),
    hooks=st.lists(st.builds(Hook), max_size=2),
)
def test_a_valid_spec_is_a_fixed_point(mode, metrics, hooks):
    with tf.Graph().as_default():
        spec = EstimatorSpec(
            mode,
            predictions=tf.constant([1.0]),
            loss=v1.placeholder(tf.float32, [None]),
            train_op=tf.Variable(1),
            eval_metric_ops={name: v1.metrics.mean([1.0]) for name in metrics},
            training_hooks=iter(hooks),
        )
        assert spec._replace() == spec
        assert EstimatorSpec(*spec) == spec
