"""k-means clustering, in whole batches or small ones, as an Estimator."""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1
from tf_estimator.canned import clustering
from tf_estimator.canned.feature_layers import FeatureTensors, checked_columns, dense_input
from tf_estimator.config import RunConfig
from tf_estimator.estimator import Estimator
from tf_estimator.spec import EstimatorSpec, ModeKeys, PredictOutput

_CLUSTERS = "clusters"
_SECONDS_BETWEEN_LOOKS = 1.0


class KMeansClustering(Estimator):
    """Finds `num_clusters` centers such that the points are near to one of them (Lloyd, 1982).

    An input_fn gives features and no labels: a Tensor of shape [batch, dimension], or a dict or
    list of such Tensors, which are put side by side (those of a dict in the order of their names).
    All of the data has to come in each batch if `use_mini_batch` is off.

    Args:
        num_clusters: how many clusters, at least 1.
        model_dir: see `Estimator`.
        initial_clusters: where the centers start. 'random': at points of the first batch.
            'kmeans_plus_plus': at such points, far from each other. An array or list of shape
            [num_clusters, dimension]. Or a function that gives a Tensor of up to n centers: it is
            called with a list of one Tensor, the points of a batch, and n, a scalar Tensor; while
            centers lack it gets the next batch, and n is how many lack.
        distance_metric: 'squared_euclidean' or 'cosine'.
        seed: of the random choices.
        use_mini_batch: whether a step moves the centers towards its points only a little (Sculley,
            2010). Otherwise each becomes the mean of its points.
        mini_batch_steps_per_iteration: with `use_mini_batch`: after how many steps the moved
            centers are used to assign points.
        kmeans_plus_plus_num_retries: how many points are tried for each center of
            'kmeans_plus_plus' beside the first; more give better starts.
        relative_tolerance: training ends at the step whose loss differs from the one before by no
            more than this, times 1 plus that loss. Only of use without `use_mini_batch`.
        config: see `Estimator`.
        feature_columns: dense feature columns that make the points out of a dict of features.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument has a wrong value.

    Example:
        >>> points = np.array([[0.0, 0.0], [0.0, 2.0], [9.0, 9.0], [9.0, 7.0]], np.float32)
        >>> input_fn = lambda: tf.data.Dataset.from_tensors(points)
        >>> kmeans = KMeansClustering(2, initial_clusters=points[1:3], use_mini_batch=False)
        >>> kmeans.train(input_fn).cluster_centers().tolist()
        [[0.0, 1.0], [9.0, 8.0]]
        >>> [int(index) for index in kmeans.predict_cluster_index(input_fn)]
        [0, 0, 1, 1]
    """

    SQUARED_EUCLIDEAN_DISTANCE = "squared_euclidean"
    COSINE_DISTANCE = "cosine"
    RANDOM_INIT = "random"
    KMEANS_PLUS_PLUS_INIT = "kmeans_plus_plus"
    SCORE = "score"
    CLUSTER_INDEX = "cluster_index"
    ALL_DISTANCES = "all_distances"
    CLUSTER_CENTERS_VAR_NAME = _CLUSTERS

    def __init__(
        self,
        num_clusters: int,
        model_dir: str | os.PathLike[str] | None = None,
        initial_clusters: Any = RANDOM_INIT,
        distance_metric: str = SQUARED_EUCLIDEAN_DISTANCE,
        seed: int | None = None,
        use_mini_batch: bool = True,
        mini_batch_steps_per_iteration: int = 1,
        kmeans_plus_plus_num_retries: int = 2,
        relative_tolerance: float | None = None,
        config: RunConfig | None = None,
        feature_columns: Iterable[Any] | None = None,
    ) -> None:
        _checks.positive("num_clusters", num_clusters)
        _checks.positive("mini_batch_steps_per_iteration", mini_batch_steps_per_iteration)
        if distance_metric not in (self.SQUARED_EUCLIDEAN_DISTANCE, self.COSINE_DISTANCE):
            rule = "must be 'squared_euclidean' or 'cosine'"
            raise _checks.wrong_value("distance_metric", rule, distance_metric)
        if relative_tolerance is not None:
            _checks.not_negative("relative_tolerance", relative_tolerance)
        self._distance_metric = distance_metric
        columns = None
        if feature_columns is not None:
            columns = checked_columns("feature_columns", feature_columns, deep=True, old=False)
        cosine = distance_metric == self.COSINE_DISTANCE
        choose = clustering.chooser(
            initial_clusters, num_clusters, seed, kmeans_plus_plus_num_retries
        )
        steps = mini_batch_steps_per_iteration if use_mini_batch else None

        def model_fn(features: Any, mode: str, config: RunConfig) -> EstimatorSpec:
            points = _points(features, columns)
            clusters = _Clusters(num_clusters, points, cosine, steps, mode)
            if mode != ModeKeys.TRAIN:
                return clusters.spec()
            hooks: list[v1.train.SessionRunHook] = [
                _InitialClusters(clusters, choose, num_clusters, config.is_chief)
            ]
            if relative_tolerance is not None:
                hooks.append(_StopWhenStill(clusters.loss, relative_tolerance))
            return clusters.spec(hooks)

        super().__init__(model_fn, model_dir, config)

    def predict_cluster_index(self, input_fn: Callable[..., Any]) -> Iterator[Any]:
        """The index of the nearest center, for each point.

        Args:
            input_fn: as for `predict`.

        Yields:
            Integers.
        """
        for each in self.predict(input_fn, [self.CLUSTER_INDEX]):
            yield each[self.CLUSTER_INDEX]

    def score(self, input_fn: Callable[..., Any]) -> float:
        """The sum of the distances of the points to their nearest centers.

        Args:
            input_fn: gives all points, as one batch: with several it is the mean of their sums.

        Returns:
            The sum, of squared Euclidean or of cosine distances.
        """
        return self.evaluate(input_fn)[self.SCORE]

    def transform(self, input_fn: Callable[..., Any]) -> Iterator[np.ndarray]:
        """The distances of each point to all centers.

        Args:
            input_fn: as for `predict`.

        Yields:
            Float arrays of shape [num_clusters]: Euclidean (not squared) or cosine distances.
        """
        squared = self._distance_metric == self.SQUARED_EUCLIDEAN_DISTANCE
        for each in self.predict(input_fn, [self.ALL_DISTANCES]):
            distances = each[self.ALL_DISTANCES]
            yield np.sqrt(distances) if squared else distances

    def cluster_centers(self) -> np.ndarray:
        """The centers, a float32 array of shape [num_clusters, dimension].

        Raises:
            ValueError: there is no checkpoint yet.
        """
        return self.get_variable_value(_CLUSTERS)


class _Clusters:
    """The centers and the state of one graph, under the names that the original has.

    Args:
        count: how many.
        points: of the batch, a float32 Tensor of shape [batch, dimension].
        cosine: whether distances are cosine distances.
        mini_batch_steps: how many steps make an iteration; None for whole batches.
        mode: one of ModeKeys.
    """

    def __init__(
        self, count: int, points: tf.Tensor, cosine: bool, mini_batch_steps: int | None, mode: str
    ) -> None:
        self.points = tf.math.l2_normalize(points, axis=1) if cosine else points
        self.is_cosine = cosine
        self._mode = mode
        self._whole_batch = mini_batch_steps is None
        zeros = tf.zeros([count, points.shape[1]])
        self.centers = v1.Variable(zeros, name=_CLUSTERS, use_resource=True)
        self.initialized = v1.Variable(False, name="initialized", use_resource=True)
        self.moved = self.centers
        begun = tf.no_op()
        if mini_batch_steps is not None:
            begun = self._mini_batch_variables(mini_batch_steps)
        with tf.control_dependencies([begun, self._check_initialized()]):
            centers = self.centers.read_value()
        self.distances = clustering.distances(self.points, centers, cosine)
        self.index = tf.argmin(self.distances, axis=1)
        self.loss = tf.reduce_sum(tf.reduce_min(self.distances, axis=1))

    def start(self, centers: np.ndarray, session: tf.compat.v1.Session) -> None:
        """Sets the centers in a session."""
        for variable in {id(one): one for one in (self.centers, self.moved)}.values():
            variable.load(centers, session)
        self.initialized.load(True, session)

    def _check_initialized(self) -> tf.Operation:
        message = "The clusters have no centers yet: train first, or give the trained model_dir."
        return tf.debugging.Assert(self.initialized, [message])

    def _mini_batch_variables(self, steps: int) -> tf.Operation:
        """Makes the variables of mini batches; the operation begins an iteration if it is time."""
        count = self.centers.shape[0]
        # The start counts as one point of each cluster, except where iterations begin from zero.
        seen = tf.ones([count], tf.int64) if steps == 1 else tf.zeros([count], tf.int64)
        left: Any = None
        if steps > 1:
            zeros = tf.zeros_like(self.centers)
            self.moved = v1.Variable(zeros, name="clusters_updated", use_resource=True)
            start = tf.constant(steps, tf.int64)
            left = v1.Variable(start, name="update_in_steps", use_resource=True)
        self._seen = v1.Variable(seen, name="Variable", use_resource=True)
        if steps == 1 or self._mode != ModeKeys.TRAIN:
            return tf.no_op()
        still_left = left.read_value()
        is_over = tf.equal(still_left, 0)
        of_new = {
            self.centers.ref(): tf.where(is_over, self.moved, self.centers),
            self._seen.ref(): tf.where(is_over, seen, self._seen),
            left.ref(): tf.where(is_over, tf.constant(steps, tf.int64), still_left) - 1,
        }
        with tf.control_dependencies(list(of_new.values())):
            return tf.group(*(v1.assign(ref.deref(), new).op for ref, new in of_new.items()))

    def spec(self, hooks: Sequence[tf.compat.v1.train.SessionRunHook] = ()) -> EstimatorSpec:
        """The EstimatorSpec of the mode."""
        mode = self._mode
        predictions = {
            KMeansClustering.ALL_DISTANCES: self.distances,
            KMeansClustering.CLUSTER_INDEX: self.index,
        }
        if mode == ModeKeys.PREDICT:
            outputs = {name: PredictOutput(value) for name, value in predictions.items()}
            outputs["serving_default"] = PredictOutput(self.index)
            return EstimatorSpec(mode, predictions, export_outputs=outputs)
        v1.summary.scalar("loss/raw", self.loss)
        if mode == ModeKeys.EVAL:
            metrics = {KMeansClustering.SCORE: v1.metrics.mean(self.loss)}
            return EstimatorSpec(mode, predictions, self.loss, eval_metric_ops=metrics)
        return EstimatorSpec(
            mode, predictions, self.loss, self._train_op(), training_hooks=list(hooks)
        )

    def _train_op(self) -> tf.Operation:
        # The loss is of the centers as they were.
        with tf.control_dependencies([self.loss]):
            if self._whole_batch:
                moved = clustering.means(self.points, self.index, self.moved, self.is_cosine)
            else:
                moved = clustering.towards(self.points, self.index, self.moved, self._seen)
        with tf.control_dependencies([moved]):
            return v1.assign_add(v1.train.get_global_step(), 1).op


def _points(features: Any, columns: Sequence[Any] | None) -> tf.Tensor:
    """The points of a batch, a float32 Tensor of shape [batch, dimension]."""
    if columns is not None:
        return dense_input(FeatureTensors(features), columns)
    if isinstance(features, Mapping):
        parts = [features[name] for name in sorted(features)]
    else:
        parts = list(features) if isinstance(features, list | tuple) else [features]
    if not parts:
        raise _checks.wrong_value("features", "must have at least one Tensor", features)
    found = []
    for part in parts:
        tensor = tf.cast(part, tf.float32)
        if tensor.shape.rank == 1:
            tensor = tensor[:, None]
        if tensor.shape.rank != 2 or tensor.shape.as_list()[1] is None:
            rule = "must be Tensors of shape [batch, dimension], with a known dimension"
            raise _checks.wrong_value("features", rule, part)
        found.append(tensor)
    return tf.concat(found, axis=1)


class _InitialClusters(v1.train.SessionRunHook):
    """Chooses the first centers in a session that has none, from as many batches as it takes."""

    def __init__(
        self, clusters: _Clusters, choose: clustering.Chooser, count: int, is_chief: bool
    ) -> None:
        self._clusters = clusters
        self._count = count
        self._is_chief = is_chief
        self._lacking = v1.placeholder(tf.int32, [])
        chosen = tf.cast(choose(clusters.points, self._lacking), tf.float32)
        self._chosen = tf.math.l2_normalize(chosen, axis=1) if clusters.is_cosine else chosen

    def after_create_session(
        self, session: tf.compat.v1.Session, coord: tf.train.Coordinator
    ) -> None:
        del coord
        initialized = self._clusters.initialized
        while not self._is_chief and not session.run(initialized):
            time.sleep(_SECONDS_BETWEEN_LOOKS)  # The chief chooses.
        if not session.run(initialized):
            self._clusters.start(self._choose(session), session)

    def _choose(self, session: tf.compat.v1.Session) -> np.ndarray:
        found: list[np.ndarray] = []
        while len(found) < self._count:
            lacking = self._count - len(found)
            try:
                more = session.run(self._chosen, {self._lacking: lacking})
            except tf.errors.OutOfRangeError:
                raise ValueError(
                    f"input_fn must give at least num_clusters={self._count} points to start from; "
                    f"it ended after {len(found)}."
                ) from None
            if not 0 < len(more) <= lacking:
                rule = f"must give between 1 and {lacking} centers, as many as lack"
                raise _checks.wrong_value("initial_clusters", rule, more)
            found.extend(more)
        return np.stack(found)


class _StopWhenStill(v1.train.SessionRunHook):
    """Ends training when the loss hardly changes from one step to the next."""

    def __init__(self, loss: tf.Tensor, tolerance: float) -> None:
        self._loss = loss
        self._tolerance = tolerance
        self._before = math.inf

    def before_run(self, run_context: Any) -> tf.compat.v1.train.SessionRunArgs:
        del run_context
        return v1.train.SessionRunArgs(self._loss)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        loss, before = float(run_values.results), self._before
        self._before = loss
        if math.isfinite(before) and abs(loss - before) <= self._tolerance * (1.0 + abs(before)):
            run_context.request_stop()
