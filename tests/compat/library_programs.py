"""Programs around libraries that were written for the original. Run by test_libraries.py.

Each trains, evaluates, predicts and exports on tiny data, after install(), with the library as it
is on PyPI. The command prints JSON: what it gave, or why the library cannot be imported.
"""

import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator.compat.install import install

Results = dict[str, float]


def _plain(results: dict[str, Any]) -> Results:
    return {name: float(value) for name, value in results.items() if isinstance(value, np.number)}


def _exported(estimator: Any, receiver_fn: Callable[[], Any]) -> float:
    """Exports, and returns how many signatures can be loaded."""
    path = estimator.export_saved_model(tempfile.mkdtemp(), receiver_fn)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], path)
        return float(len(meta.signature_def))


def _config() -> Any:
    return tf.estimator.RunConfig(tf_random_seed=1, model_dir=tempfile.mkdtemp())


def _raw_receiver(width: int) -> Any:
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, width])
    return tf.estimator.export.build_raw_serving_input_receiver_fn({"x": x})


def adanet(library: Any) -> dict[str, Results]:
    """An ensemble of subnetworks of one's own, and one of canned estimators."""
    x = np.random.RandomState(0).randn(64, 3).astype(np.float32)
    y = (x.sum(1, keepdims=True) > 0).astype(np.float32)

    def input_fn() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(({"x": x}, y)).batch(16)

    class Builder(library.subnetwork.Builder):
        def __init__(self, layers: int) -> None:
            self._layers = layers

        @property
        def name(self) -> str:
            return f"{self._layers}_layers"

        def build_subnetwork(
            self,
            features: Any,
            logits_dimension: int,
            training: bool,
            iteration_step: Any,
            summary: Any,
            previous_ensemble: Any = None,
        ) -> Any:
            net, start = features["x"], tf.compat.v1.glorot_uniform_initializer(seed=1)
            for layer in range(self._layers):
                kernel = tf.compat.v1.get_variable(
                    f"kernel_{layer}", [net.shape[1], 4], initializer=start
                )
                net = tf.nn.relu(net @ kernel)
            kernel = tf.compat.v1.get_variable(
                "logits", [net.shape[1], logits_dimension], initializer=start
            )
            return library.Subnetwork(
                last_layer=net,
                logits=net @ kernel,
                complexity=float(self._layers),
                persisted_tensors={},
                shared=self._layers,
            )

        def build_subnetwork_train_op(
            self,
            subnetwork: Any,
            loss: Any,
            var_list: Any,
            labels: Any,
            iteration_step: Any,
            summary: Any,
            previous_ensemble: Any,
        ) -> Any:
            optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
            return optimizer.minimize(loss, var_list=var_list)

        def build_mixture_weights_train_op(self, *_: Any, **__: Any) -> Any:
            return tf.no_op()

    class Generator(library.subnetwork.Generator):
        def generate_candidates(
            self,
            previous_ensemble: Any,
            iteration_number: int,
            previous_ensemble_reports: Any,
            all_reports: Any,
        ) -> list[Any]:
            return [Builder(iteration_number), Builder(1 + iteration_number)]

    own = library.Estimator(
        head=tf.estimator.BinaryClassHead(),
        subnetwork_generator=Generator(),
        max_iteration_steps=5,
        max_iterations=2,
        config=_config(),
    )
    own.train(lambda: input_fn().repeat(), max_steps=20)

    def pool(config: Any) -> dict[str, Any]:
        columns = [tf.feature_column.numeric_column("x", [3])]
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
        common = {"feature_columns": columns, "optimizer": optimizer, "config": config}
        return {
            "deep": tf.compat.v1.estimator.DNNClassifier([4], **common),
            "linear": tf.compat.v1.estimator.LinearClassifier(**common),
        }

    canned = library.AutoEnsembleEstimator(
        head=tf.estimator.BinaryClassHead(),
        candidate_pool=pool,
        max_iteration_steps=6,
        max_iterations=1,
        config=_config(),
    )
    canned.train(lambda: input_fn().repeat(), max_steps=12)
    found = {}
    for name, estimator in (("own", own), ("canned", canned)):
        found[name] = _plain(estimator.evaluate(input_fn))
    found["own"]["probability"] = float(next(own.predict(input_fn))["logistic"][0])
    found["own"]["signatures"] = _exported(own, _raw_receiver(3))
    return found


def deepctr(library: Any) -> dict[str, Results]:
    """Two of its models; the second needs Keras 2."""
    random = np.random.RandomState(0)
    data = {
        "c1": random.randint(0, 5, 64),
        "c2": random.randint(0, 4, 64),
        "d1": random.rand(64).astype(np.float32),
    }
    labels = random.randint(0, 2, 64).astype(np.float32)

    def input_fn() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices((data, labels)).batch(16)

    dense = tf.feature_column.numeric_column("d1")
    categorical = [
        tf.feature_column.categorical_column_with_identity(name, size)
        for name, size in (("c1", 5), ("c2", 4))
    ]
    embedded = [tf.feature_column.embedding_column(column, 4) for column in categorical]
    spec = {
        "c1": tf.io.FixedLenFeature([1], tf.int64),
        "c2": tf.io.FixedLenFeature([1], tf.int64),
        "d1": tf.io.FixedLenFeature([1], tf.float32),
    }
    found = {}
    for name in ("DeepFMEstimator", "xDeepFMEstimator"):
        model = getattr(importlib.import_module("deepctr.estimator"), name)
        config = tf.estimator.RunConfig(tf_random_seed=2, model_dir=tempfile.mkdtemp())
        estimator = model([*categorical, dense], [*embedded, dense], config=config)
        found[name] = _plain(estimator.train(input_fn).evaluate(input_fn))
        found[name]["prediction"] = float(next(estimator.predict(input_fn))["pred"][0])
        receiver_fn = tf.estimator.export.build_parsing_serving_input_receiver_fn(spec)
        found[name]["signatures"] = _exported(estimator, receiver_fn)
    return found


def tensorflow_ranking(library: Any) -> dict[str, Results]:
    """A scoring function of one's own, and a deep model of the library."""
    random = np.random.RandomState(0)
    x = random.rand(32, 5, 2).astype(np.float32)
    y = random.randint(0, 3, (32, 5)).astype(np.float32)

    def input_fn() -> tf.data.Dataset:
        features = {"f1": x[:, :, :1], "f2": x[:, :, 1:]}
        return tf.data.Dataset.from_tensor_slices((features, y)).batch(8)

    columns = {name: tf.feature_column.numeric_column(name, shape=(1,)) for name in ("f1", "f2")}

    def transform_fn(features: Any, mode: str) -> Any:
        return library.feature.encode_listwise_features(
            features=features,
            context_feature_columns={},
            example_feature_columns=columns,
            mode=mode,
            scope="transform_layer",
        )

    def score_fn(context: Any, group: Any, mode: str, params: Any, config: Any) -> Any:
        inputs = tf.concat([tf.reshape(group[name], [-1, 1]) for name in sorted(group)], 1)
        kernel = tf.compat.v1.get_variable("w", [2, 1], initializer=tf.zeros_initializer())
        return inputs @ kernel

    optimizer = tf.compat.v1.train.AdagradOptimizer(0.1)
    head = library.head.create_ranking_head(
        loss_fn=library.losses.make_loss_fn("softmax_loss"),
        eval_metric_fns={
            "ndcg": library.metrics.make_ranking_metric_fn("ndcg", topn=3),
            "mrr": library.metrics.make_ranking_metric_fn("mrr"),
        },
        train_op_fn=lambda loss: optimizer.minimize(
            loss, global_step=tf.compat.v1.train.get_global_step()
        ),
    )
    model_fn = library.model.make_groupwise_ranking_fn(
        group_score_fn=score_fn, transform_fn=transform_fn, group_size=1, ranking_head=head
    )
    receiver_fn = library.data.build_ranking_serving_input_receiver_fn(
        data_format=library.data.ELWC,
        context_feature_spec={},
        example_feature_spec=tf.feature_column.make_parse_example_spec(columns.values()),
    )
    estimators = {
        "own": tf.estimator.Estimator(model_fn, config=_config()),
        "dnn": library.estimator.make_dnn_ranking_estimator(
            columns, hidden_units=[4], model_dir=tempfile.mkdtemp(), optimizer=optimizer
        ),
    }
    found = {}
    for name, estimator in estimators.items():
        found[name] = _plain(estimator.train(input_fn).evaluate(input_fn))
        found[name]["signatures"] = _exported(estimator, receiver_fn)
    found["own"]["scores"] = float(np.size(next(estimators["own"].predict(input_fn))))
    return found


def tensorflow_gan(library: Any) -> dict[str, Results]:
    """A GAN that learns to add, as an Estimator and as a TPUEstimator on the CPU."""
    noise = np.random.RandomState(0).randn(64, 2).astype(np.float32)

    def generator_fn(inputs: Any, mode: str) -> Any:
        start = tf.zeros_initializer()
        kernel = tf.compat.v1.get_variable("w", [2, 2], initializer=start)
        return inputs @ kernel + tf.compat.v1.get_variable("b", [2], initializer=start)

    def discriminator_fn(inputs: Any, condition: Any, mode: str) -> Any:
        start = tf.ones_initializer()
        return inputs @ tf.compat.v1.get_variable("w", [2, 1], initializer=start)

    def input_fn(params: Any) -> tf.data.Dataset:
        data = tf.data.Dataset.from_tensor_slices((noise, noise + 3))
        return data.batch(16, drop_remainder=True).repeat(4)

    def predict_input_fn(params: Any) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(noise).batch(16, drop_remainder=True)

    common = {
        "generator_fn": generator_fn,
        "discriminator_fn": discriminator_fn,
        "generator_loss_fn": library.losses.wasserstein_generator_loss,
        "discriminator_loss_fn": library.losses.wasserstein_discriminator_loss,
        "generator_optimizer": tf.compat.v1.train.AdamOptimizer(0.1, 0.5),
        "discriminator_optimizer": tf.compat.v1.train.AdamOptimizer(0.1, 0.5),
        "params": {},
    }
    tpu = tf.compat.v1.estimator.tpu
    estimators = {
        "gan": library.estimator.GANEstimator(**common, add_summaries=None, config=_config()),
        "tpu": library.estimator.TPUGANEstimator(
            **common,
            joint_train=True,
            use_tpu=False,
            train_batch_size=16,
            eval_batch_size=16,
            predict_batch_size=16,
            config=tpu.RunConfig(model_dir=tempfile.mkdtemp(), tf_random_seed=1),
        ),
    }

    def receiver_fn() -> Any:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2])
        return tf.estimator.export.TensorServingInputReceiver(x, x)

    found = {}
    for name, estimator in estimators.items():
        estimator.train(input_fn, max_steps=10)
        found[name] = _plain(estimator.evaluate(input_fn, steps=2))
        made = next(estimator.predict(predict_input_fn))
        made = made["generated_data"] if isinstance(made, dict) else made
        found[name]["generated"] = float(made[0])
    found["gan"]["signatures"] = _exported(estimators["gan"], receiver_fn)
    return found


PROGRAMS = {each.__name__: each for each in (adanet, deepctr, tensorflow_ranking, tensorflow_gan)}


def main() -> None:
    """Runs the program of the library that the argument names."""
    install()
    name = sys.argv[1]
    try:
        library = importlib.import_module(name)
    except ImportError as error:
        results: Any = {"absent": str(error)}
    else:
        results = PROGRAMS[name](library)
    print(json.dumps(results))  # noqa: T201 - the output


if __name__ == "__main__":
    main()
