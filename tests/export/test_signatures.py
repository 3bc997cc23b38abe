"""Signatures: their names, which are dropped and why, and that the others load and run."""

import logging
import os
from pathlib import Path

import pytest
import tensorflow as tf

from tf_estimator.export.receivers import (
    ServingInputReceiver,
    SupervisedInputReceiver,
)
from tf_estimator.export.signatures import (
    TAGS,
    export_outputs,
    signature_defs,
    temporary_export_dir,
    timestamped_export_dir,
)
from tf_estimator.spec import (
    ClassificationOutput,
    EstimatorSpec,
    EvalOutput,
    ModeKeys,
    PredictOutput,
    RegressionOutput,
    TrainOutput,
)

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def _placeholder(name, dtype=tf.float32, shape=(None,)):
    return v1.placeholder(dtype, shape, name=name)


def _all_kinds(number):
    text = tf.as_string(number)
    return {
        "serving_default": PredictOutput({"p": number, "text": text}),
        "classes": ClassificationOutput(classes=text[:, None]),
        "scores": ClassificationOutput(scores=number[:, None]),
        "regress": RegressionOutput(number),
    }


def _ask(signatures, name, tmp_path, **inputs):
    """What a signature answers once loaded, which fails for what cannot be cut out."""
    folder = str(tmp_path / "saved")
    if not tf.io.gfile.exists(folder):
        builder = v1.saved_model.Builder(folder)
        with v1.Session() as session:
            builder.add_meta_graph_and_variables(session, TAGS[ModeKeys.PREDICT], signatures)
        builder.save()
    with tf.Graph().as_default(), v1.Session() as session:
        signature = tf.saved_model.load(folder).signatures[name]
        answer = session.run(signature(**{key: tf.constant(x) for key, x in inputs.items()}))
    return {key: value.tolist() for key, value in answer.items()}


def test_every_kind_is_served_from_one_string_tensor(tmp_path):
    text = _placeholder("text", tf.string)
    receiver = ServingInputReceiver({"x": tf.strings.to_number(text)}, {"examples": text})
    made = signature_defs(receiver, _all_kinds(receiver.features["x"]))
    assert {name: signature.method_name for name, signature in made.items()} == {
        "serving_default": "tensorflow/serving/predict",
        "classes": "tensorflow/serving/classify",
        "scores": "tensorflow/serving/classify",
        "regress": "tensorflow/serving/regress",
    }
    assert made["serving_default"].inputs["examples"].name == "text:0"
    assert made["regress"].inputs["inputs"].name == "text:0"
    assert _ask(made, "regress", tmp_path, inputs=["2", "3"]) == {"outputs": [2.0, 3.0]}


@pytest.mark.parametrize("several", [False, True])
def test_classify_and_regress_are_dropped_where_a_request_is_no_string(several, caplog):
    number = _placeholder("number")
    received = {"x": number, "text": _placeholder("text", tf.string)} if several else number
    receiver = ServingInputReceiver({"x": number}, received)
    with caplog.at_level(logging.WARNING):
        made = signature_defs(receiver, _all_kinds(number))
    assert list(made) == ["serving_default"]
    (record,) = caplog.records
    for name in ("classes", "scores", "regress"):
        assert f"'{name}': " in record.getMessage()
    assert "tf.string" in record.getMessage()


def test_an_export_without_signatures_is_warned_of(caplog):
    number = _placeholder("number")
    receiver = ServingInputReceiver({"x": number}, {})
    with caplog.at_level(logging.WARNING):
        assert signature_defs(receiver, {"a": PredictOutput(number)}) == {}
        assert signature_defs(receiver, {}) == {}
    assert "'a': " in caplog.text
    assert caplog.text.count("no signatures") == 2


def test_alternatives_give_more_signatures(tmp_path, caplog):
    text = _placeholder("text", tf.string)
    trimmed = tf.strings.strip(text)
    number = tf.strings.to_number(trimmed)
    receiver = ServingInputReceiver(
        {"x": number}, text, {"trimmed": {"t": trimmed}, "number": number}
    )
    doubled = number * 2
    outputs = {"serving_default": PredictOutput(doubled), "regress": RegressionOutput(doubled)}
    with caplog.at_level(logging.WARNING):
        made = signature_defs(receiver, outputs)
    assert list(made) == [
        "serving_default",
        "regress",
        "trimmed:serving_default",
        "trimmed:regress",
        "number:serving_default",
    ]
    assert "'number:regress': " in caplog.text
    for name, inputs in (
        ("serving_default", {"input": [" 2 "]}),
        ("trimmed:serving_default", {"t": ["2"]}),
        ("number:serving_default", {"input": [2.0]}),
    ):
        assert _ask(made, name, tmp_path, **inputs) == {"output": [4.0]}


def test_an_alternative_that_takes_a_used_name_is_dropped(caplog):
    number = _placeholder("number")
    receiver = ServingInputReceiver({"x": number}, number, {"alt": {"x": number}})
    outputs = {"q": PredictOutput(number * 2), "alt:q": PredictOutput(number * 3)}
    with caplog.at_level(logging.WARNING):
        made = signature_defs(receiver, outputs)
    assert list(made) == ["q", "alt:q", "alt:alt:q"]
    assert list(made["alt:q"].inputs) == ["input"]
    assert "'alt:q': The name is taken" in caplog.text


def _sum(a, b):
    return a + b


def _after(a, b):
    with tf.control_dependencies([b]):
        return a * 1


def _loop(a, b):
    return tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x + b), (0, a))[1]


def _branch(a, b):
    return tf.cond(a[0] > 0, lambda: a, lambda: b)


def _function(a, b):
    return tf.function(lambda x: x + b)(a)


@pytest.mark.parametrize("uses", [_sum, _after, _loop, _branch, _function])
def test_an_output_that_needs_more_than_a_request_has_is_dropped(uses, caplog):
    a, b = _placeholder("a"), _placeholder("b")
    receiver = ServingInputReceiver({"a": a, "b": b}, {"a": a})
    outputs = {"good": PredictOutput(a + 1), "bad": PredictOutput(uses(a, b))}
    with caplog.at_level(logging.WARNING):
        assert list(signature_defs(receiver, outputs)) == ["good"]
    assert "Its outputs need 'b' (" in caplog.text
    assert " <- b), which its inputs ['a:0'] do not cover" in caplog.text
    # The same graph is served whole once the request brings both.
    complete = ServingInputReceiver({"a": a, "b": b}, {"a": a, "b": b})
    assert list(signature_defs(complete, outputs)) == ["good", "bad"]


def test_another_output_of_an_op_that_is_fed_is_dropped():
    first, second = tf.unstack(tf.constant([1.0, 2.0]))
    receiver = ServingInputReceiver({"a": first}, {"a": first})
    outputs = {"good": PredictOutput(first * 2), "bad": PredictOutput(first + second)}
    assert list(signature_defs(receiver, outputs)) == ["good"]
    both = ServingInputReceiver({"a": first}, {"a": first, "b": second})
    assert list(signature_defs(both, outputs)) == ["good", "bad"]


def test_what_needs_no_feed_is_no_reason_to_drop(tmp_path):
    a, hidden = _placeholder("a"), _placeholder("hidden")
    default = v1.placeholder_with_default(1.0, [], name="default")
    given = v1.placeholder_with_default(hidden, [None], name="given")
    with tf.control_dependencies([a]):
        after = tf.constant(1.0) * 1
    loop = v1.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x + a), (0, a))[1]
    receiver = ServingInputReceiver({"a": a}, {"a": a, "given": given})
    outputs = {
        "serving_default": PredictOutput(
            {"sum": a + default + given, "after": after, "loop": loop}
        ),
        "same": PredictOutput(a),
        "constant": PredictOutput(tf.constant(3.0)),
    }
    made = signature_defs(receiver, outputs)
    assert list(made) == list(outputs)
    answer = _ask(made, "serving_default", tmp_path, a=[1.0], given=[10.0])
    assert answer == {"sum": [12.0], "after": 1.0, "loop": [4.0]}


def test_sparse_and_ragged_inputs_are_covered_whole_or_not_at_all():
    sparse = v1.sparse_placeholder(tf.float32, name="sparse")
    ragged = v1.ragged.placeholder(tf.float32, 1, name="ragged")
    outputs = {
        "s": PredictOutput(tf.sparse.to_dense(sparse)),
        "r": PredictOutput(ragged.to_tensor()),
    }
    features = {"s": sparse, "r": ragged}
    made = signature_defs(ServingInputReceiver(features, features), outputs)
    assert list(made) == ["s", "r"]
    assert made["s"].inputs["s"].WhichOneof("encoding") == "coo_sparse"
    assert made["s"].inputs["r"].WhichOneof("encoding") == "composite_tensor"
    parts = {"s": sparse.values, "r": ragged.flat_values}
    assert signature_defs(ServingInputReceiver(features, parts), outputs) == {}


def test_predict_exports_the_outputs_of_the_spec():
    number = _placeholder("number")
    spec = EstimatorSpec(ModeKeys.PREDICT, predictions={"p": number})
    outputs = export_outputs(spec, ModeKeys.PREDICT)
    assert outputs is spec.export_outputs
    assert list(signature_defs(ServingInputReceiver(number, number), outputs)) == [
        "serving_default"
    ]


@pytest.mark.parametrize(
    ("mode", "kind", "method"),
    [
        (ModeKeys.TRAIN, TrainOutput, "tensorflow/supervised/training"),
        (ModeKeys.EVAL, EvalOutput, "tensorflow/supervised/eval"),
    ],
)
def test_training_and_evaluation_export_loss_predictions_and_metrics(mode, kind, method):
    x, y = _placeholder("x"), _placeholder("y")
    spec = EstimatorSpec(
        mode,
        predictions={"p": x},
        loss=tf.reduce_sum(x - y),
        train_op=tf.no_op(),
        eval_metric_ops={"mean": v1.metrics.mean(y), "op": (tf.constant(1.0), tf.no_op())},
        export_outputs={"ignored": PredictOutput(x)},
    )
    outputs = export_outputs(spec, mode)
    assert {name: type(output) for name, output in outputs.items()} == {mode: kind}
    made = signature_defs(SupervisedInputReceiver({"x": x}, y, {"x": x, "label": y}), outputs)
    assert list(made) == [mode]
    assert made[mode].method_name == method
    assert sorted(made[mode].inputs) == ["label", "x"]
    assert sorted(made[mode].outputs) == [
        "loss",
        "metrics/mean/update_op",
        "metrics/mean/value",
        "metrics/op/update_op",
        "metrics/op/value",
        "predictions/p",
    ]


def test_an_unknown_mode_and_missing_outputs_are_refused():
    number = _placeholder("number")
    spec = EstimatorSpec(ModeKeys.EVAL, predictions=number, loss=tf.constant(1.0))
    with pytest.raises(ValueError, match="mode must be one of"):
        export_outputs(spec, "test")
    with pytest.raises(ValueError, match="export_outputs must be given"):
        export_outputs(spec, ModeKeys.PREDICT)


def test_tags_of_the_modes():
    assert TAGS == {"infer": ("serve",), "train": ("train",), "eval": ("eval",)}
    assert TAGS[ModeKeys.PREDICT] == (tf.saved_model.SERVING,)


@pytest.mark.parametrize("kind", [str, os.fsencode, Path], ids=["str", "bytes", "path"])
def test_export_folders_are_named_by_the_second_and_never_twice(tmp_path, kind):
    base = kind(tmp_path)
    expected = os.fsencode(tmp_path)
    names = []
    for make in (lambda f: f, temporary_export_dir, lambda f: f):
        folder = timestamped_export_dir(base, clock=lambda: 1500.9)
        names.append(folder)
        tf.io.gfile.makedirs(make(folder))
    assert names == [expected + b"/1500", expected + b"/1501", expected + b"/1502"]
    assert timestamped_export_dir(base, clock=lambda: 2000.0) == expected + b"/2000"


@pytest.mark.parametrize(("clock", "name"), [(1700000000, b"1700000003"), (1800000000, None)])
def test_an_export_is_named_later_than_all_that_are_there(tmp_path, clock, name):
    for there in ("1700000002", "1600000000", "temp-1900000000", "1900000000-old"):
        (tmp_path / there).mkdir()
    folder = timestamped_export_dir(tmp_path, clock=lambda: clock)
    assert os.path.basename(folder) == (name or str(clock).encode())


@pytest.mark.parametrize("folder", ["/a/123", b"/a/123", "/a/123/"])
def test_the_temporary_folder_is_beside_the_final_one(folder):
    assert temporary_export_dir(folder) == b"/a/temp-123"
