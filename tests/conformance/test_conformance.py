"""Every estimator goes through train, resume, evaluate, predict, export, reload and warm start."""

import math

import numpy as np
import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator.compat import v1


def _class_names(module):
    names = [*module.__all__, *(f"experimental.{name}" for name in module.experimental.__all__)]
    for name in names:
        value = module
        for part in name.split("."):
            value = getattr(value, part)
        if isinstance(value, type) and issubclass(value, tf_estimator.Estimator):
            yield name.rpartition(".")[2]


@pytest.mark.parametrize(("version", "module"), [("v1", v1), ("v2", tf_estimator)])
def test_the_registry_has_every_estimator(version, module, registry):
    listed = {name.split(" ")[1] for name in registry if name.startswith(version)}
    assert listed == set(_class_names(module))


def test_a_whole_life(case, config, input_fn, features, tmp_path):
    estimator = case.make(config=config)
    assert estimator.train(input_fn, steps=2) is estimator
    weights = _weights(estimator)

    resumed = case.make(config=config).train(input_fn, max_steps=4)
    assert resumed.get_variable_value("global_step") == 4
    assert resumed.get_variable_names() == estimator.get_variable_names()
    if case.label is not None:
        assert any((weights[name] != value).any() for name, value in _weights(resumed).items())

    metrics = resumed.evaluate(input_fn)
    assert metrics["global_step"] == 4
    assert all(math.isfinite(value) for value in metrics.values())
    assert resumed.evaluate(input_fn) == metrics

    predictions = list(resumed.predict(input_fn))
    assert len(predictions) == len(next(iter(features.values())))
    expected = np.stack([one[case.compare] for one in predictions])

    folder = resumed.export_saved_model(str(tmp_path / "exports"), _receiver_fn(case, features))
    served = tf.saved_model.load(folder.decode()).signatures
    answers = served["predict" if "predict" in served else "serving_default"](
        tf.constant(_examples(features))
    )
    answer = answers[case.compare if case.compare in answers else "output"]
    np.testing.assert_allclose(np.reshape(answer, expected.shape), expected, rtol=1e-5, atol=1e-6)

    if case.warm_starts:
        config = config.replace(model_dir=str(tmp_path / "fresh"))
        fresh = case.make(config=config, warm_start_from=resumed.model_dir)
        # Without a checkpoint of its own it answers with what it would start from.
        from_others = np.stack([one[case.compare] for one in fresh.predict(input_fn)])
        np.testing.assert_array_equal(from_others, expected)
        assert fresh.train(input_fn, steps=1).get_variable_value("global_step") == 1


def _weights(estimator):
    names = [name for name in estimator.get_variable_names() if name != "global_step"]
    return {name: estimator.get_variable_value(name) for name in names}


def _examples(features):
    rows = len(next(iter(features.values())))
    examples = []
    for row in range(rows):
        found = {}
        for name, values in features.items():
            if values.dtype.kind == "f":
                kind = tf.train.Feature(float_list=tf.train.FloatList(value=values[row]))
            else:
                kind = tf.train.Feature(bytes_list=tf.train.BytesList(value=values[row]))
            found[name] = kind
        features_proto = tf.train.Features(feature=found)
        examples.append(tf.train.Example(features=features_proto).SerializeToString())
    return examples


def _receiver_fn(case, features):
    parsed = {}
    for name, values in features.items():
        if case.sequence:
            parsed[name] = tf.io.VarLenFeature(tf.string)
        else:
            kind = tf.float32 if values.dtype.kind == "f" else tf.string
            parsed[name] = tf.io.FixedLenFeature([1], kind)
    return tf_estimator.export.build_parsing_serving_input_receiver_fn(parsed)
