"""A bare loop over `Session.run` with a parameter server: what a step of TensorFlow costs there."""

import json
import os
import time
from typing import Any

import tensorflow as tf

from contest.models import Model
from contest.tensorflow_graph import dataset, estimator, v1
from contest.turns import Turns


def loop(api: Any, size: str, model: Model, folder: str, turns: Turns, seconds: float) -> None:
    """Trains the graph that an Estimator would, each step with `run([train_op, loss])`."""
    tf_config = json.loads(os.environ["TF_CONFIG"])
    cluster, task = tf.train.ClusterSpec(tf_config["cluster"]), tf_config["task"]
    source = estimator(api, size, model, folder)
    server = tf.distribute.Server(
        cluster, task["type"], task["index"], config=source.config.session_config
    )
    if task["type"] == "ps":
        server.join()
    setter = v1.train.replica_device_setter(
        worker_device="/job:chief/task:0", merge_devices=True, cluster=cluster
    )
    with tf.Graph().as_default(), v1.device(setter):
        step = v1.train.get_or_create_global_step()
        iterator = v1.data.make_initializable_iterator(dataset(model))
        features, labels = iterator.get_next()
        spec = source.model_fn(features, labels, "train", source.config)
        starts = [iterator.initializer, v1.global_variables_initializer()]
        with v1.Session(server.target, config=source.config.session_config) as session:
            session.run(starts)
            while turns.begin():
                first, end = int(session.run(step)), time.perf_counter() + seconds
                while time.perf_counter() < end:
                    session.run([spec.train_op, spec.loss])
                turns.count = int(session.run(step)) - first
                turns.end()
