"""Writes `data/old_model_dir` and `data/old_model_dir.json` with the original Estimator.

Run once, in an environment with TensorFlow 2.15 and tensorflow-estimator 2.15::

    python tests/goldens/make_old_model_dir.py

The folder is what 10 steps of training and one evaluation leave behind, without the graphs, which
are most of its bytes: graph.pbtxt, the .meta files and the graph events are dropped. Event files
are read in the order of the times in their names, so these are set to one that is surely past. The
JSON file says what the original answered from there, which files it had written, and what it had
after 10 more steps. test_old_model_dir.py builds the same model from here with `tf_estimator`.
"""

import json
import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
DATA = pathlib.Path(__file__).parent / "data"
BATCHES = 10


def input_fn():
    x = np.linspace(-1.0, 1.0, 16, dtype=np.float32).reshape(8, 2)
    features = {"x": x, "job": np.arange(8) % 4}
    labels = x[:, 0] - 2.0 * x[:, 1] + 0.5
    return tf.data.Dataset.from_tensor_slices((features, labels)).repeat().batch(4).take(BATCHES)


def model_fn_with(estimator_spec):
    """The model_fn; `estimator_spec` is the EstimatorSpec of the original, or ours."""

    def model_fn(features, labels, mode):
        weights = v1.get_variable("weights", [2, 1], initializer=v1.zeros_initializer())
        table = v1.get_variable("table", [4, 1], initializer=v1.ones_initializer())
        prediction = tf.matmul(features["x"], weights) + tf.gather(table, features["job"])
        prediction = tf.squeeze(prediction, 1)
        if mode == "infer":
            return estimator_spec(mode, predictions={"y": prediction})
        loss = tf.reduce_mean((prediction - labels) ** 2)
        v1.summary.scalar("largest", tf.reduce_max(prediction))
        optimizer = v1.train.AdamOptimizer(0.1)
        train_op = optimizer.minimize(loss, v1.train.get_global_step())
        metrics = {"error": v1.metrics.mean_absolute_error(labels, prediction)}
        return estimator_spec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)

    return model_fn


def run_config(estimator):
    return estimator.RunConfig(
        tf_random_seed=1, save_checkpoints_steps=5, save_summary_steps=2, log_step_count_steps=5
    )


def layout(folder):
    """The files below a folder, with what differs from run to run left out of their names."""
    paths = (path for path in pathlib.Path(folder).rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in paths)
    return sorted(
        {
            name[: name.index("tfevents")] + "tfevents" if "tfevents" in name else name
            for name in names
        }
    )


def variables(folder):
    reader = tf.train.load_checkpoint(str(folder))
    names = sorted(reader.get_variable_to_shape_map())
    return {name: np.asarray(reader.get_tensor(name)).tolist() for name in names}


def answers(estimator):
    metrics = estimator.evaluate(input_fn)
    return {
        "metrics": {name: float(value) for name, value in metrics.items()},
        "predictions": [float(each["y"]) for each in estimator.predict(input_fn)][:8],
        "variables": variables(estimator.model_dir),
    }


def curve(folder, tag):
    """The steps and values of a scalar in all event files of a folder, by step."""
    found = []
    for path in pathlib.Path(folder).glob("*tfevents*"):
        for event in v1.train.summary_iterator(str(path)):
            values = [value.simple_value for value in event.summary.value if value.tag == tag]
            found.extend([event.step, value] for value in values)
    return sorted(found)


def drop_graphs(folder):
    for path in [*folder.glob("*.meta"), *folder.glob("*.pbtxt")]:
        path.unlink()
    for path in list(folder.rglob("*tfevents*")):
        records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        path.unlink()
        with tf.io.TFRecordWriter(
            str(path.parent / "events.out.tfevents.1500000000.old")
        ) as writer:
            for record in records:
                kind = v1.Event.FromString(record).WhichOneof("what")
                if kind in ("file_version", "summary"):
                    writer.write(record)


def main():
    folder = pathlib.Path(tempfile.mkdtemp()) / "model"
    estimator = tf.estimator.Estimator(
        model_fn_with(tf.estimator.EstimatorSpec), str(folder), run_config(tf.estimator)
    )
    estimator.train(input_fn)
    expected = {"at_10": answers(estimator)}
    expected["layout"] = layout(folder)
    expected["state"] = (folder / "checkpoint").read_text()
    kept = DATA / "old_model_dir"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept)
    drop_graphs(kept)
    estimator.train(input_fn)
    expected["at_20"] = answers(estimator)
    expected["curves"] = {tag: curve(folder, tag) for tag in ("loss", "largest")}
    (DATA / "old_model_dir.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
