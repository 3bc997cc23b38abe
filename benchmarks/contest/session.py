"""A bare loop over `Session.run`: what TensorFlow's own step costs, with nothing around it."""

import tensorflow as tf

import tf_estimator

from .tensorflow_graph import dataset, estimator
from .turns import Job

v1 = tf.compat.v1


def loop(job: Job) -> None:
    """Trains the graph that an Estimator would, each step with `run([train_op, loss])`."""
    with tf.Graph().as_default():
        v1.set_random_seed(1)
        v1.train.create_global_step()
        data = dataset(job.model, ready=job.task == "train_ready")
        iterator = v1.data.make_initializable_iterator(data)
        features, labels = iterator.get_next()
        source = estimator(tf_estimator, job.model_name, job.model, job.folder)
        spec = source.model_fn(features, labels, "train", source.config)
        starts = [
            iterator.initializer,
            v1.global_variables_initializer(),
            v1.local_variables_initializer(),
            v1.tables_initializer(),
        ]
        with v1.Session() as session:
            session.run(starts)
            fetches = [spec.train_op, spec.loss]
            for _ in job.turns:
                for _ in range(job.turns.count):
                    session.run(fetches)
