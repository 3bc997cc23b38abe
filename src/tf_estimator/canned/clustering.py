"""The arithmetic of k-means: distances, starts, and how centers move.

In all of it, points are a float32 Tensor of shape [batch, dimension] and centers one of shape
[clusters, dimension].
"""

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import v1

Chooser = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From points and n to up to n centers."""


def distances(points: tf.Tensor, centers: tf.Tensor, cosine: bool) -> tf.Tensor:
    """The distance of each point to each center.

    Args:
        points: of length 1 if cosine.
        centers: of any length.
        cosine: 1 minus the cosine of their angle; otherwise the squared Euclidean distance.

    Returns:
        A Tensor of shape [batch, clusters].
    """
    if cosine:
        return 1.0 - tf.matmul(points, tf.math.l2_normalize(centers, axis=1), transpose_b=True)
    products = tf.matmul(points, centers, transpose_b=True)
    of_points = tf.reduce_sum(tf.square(points), axis=1, keepdims=True)
    of_centers = tf.reduce_sum(tf.square(centers), axis=1)
    # Rounding may leave less than nothing.
    return tf.maximum(of_points - 2.0 * products + of_centers, 0.0)


def means(points: tf.Tensor, index: tf.Tensor, centers: tf.Variable, cosine: bool) -> tf.Operation:
    """Moves each center to the mean of its points (Lloyd, 1982); zero where it has none.

    Args:
        points: of the batch.
        index: the center of each point.
        centers: to move.
        cosine: whether the means are made of length 1.
    """
    sums, counts = _sums(points, index, centers)
    new = tf.math.divide_no_nan(sums, counts[:, None])
    return v1.assign(centers, tf.math.l2_normalize(new, axis=1) if cosine else new).op


def towards(
    points: tf.Tensor, index: tf.Tensor, centers: tf.Variable, seen: tf.Variable
) -> tf.Operation:
    """Moves each center towards its points, less and less: center += Σ(point - center) / weight.

    The weight is the number of points seen so far, with those of the batch counted twice. In
    Sculley, "Web-Scale K-Means Clustering" (2010), they count once; this is the original's.

    Args:
        points: of the batch.
        index: the center of each point.
        centers: to move.
        seen: the number of points of each center so far, int64; those of the batch are added.
    """
    sums, counts = _sums(points, index, centers)
    now = seen.read_value() + tf.cast(counts, seen.dtype.base_dtype)
    weights = tf.cast(now, counts.dtype) + counts
    change = tf.math.divide_no_nan(sums - counts[:, None] * centers, weights[:, None])
    return tf.group(v1.assign(seen, now).op, v1.assign_add(centers, change).op)


def _sums(points: tf.Tensor, index: tf.Tensor, centers: tf.Variable) -> tuple[tf.Tensor, tf.Tensor]:
    count = centers.shape[0]
    sums = tf.math.unsorted_segment_sum(points, index, count)
    return sums, tf.math.unsorted_segment_sum(tf.ones_like(points[:, 0]), index, count)


def chooser(initial_clusters: Any, num_clusters: int, seed: int | None, retries: int) -> Chooser:
    """What `initial_clusters` of KMeansClustering means.

    Raises:
        TypeError: it is of no such type.
        ValueError: it is another name, or an array of another shape.
    """
    if isinstance(initial_clusters, str):
        if initial_clusters == "random":
            return lambda points, n: tf.random.shuffle(points, seed)[:n]
        if initial_clusters == "kmeans_plus_plus":
            return lambda points, n: _plus_plus(points, n, seed, retries)
        rule = "must be 'random' or 'kmeans_plus_plus' where it is a name"
        raise _checks.wrong_value("initial_clusters", rule, initial_clusters)
    if callable(initial_clusters):
        return lambda points, n: initial_clusters([points], n)
    if not tf.is_tensor(initial_clusters):
        initial_clusters = _centers(initial_clusters, num_clusters)
    return lambda points, n: tf.convert_to_tensor(initial_clusters)


def _centers(given: Any, num_clusters: int) -> np.ndarray:
    rule = f"must be an array of shape [num_clusters={num_clusters}, dimension], a name or callable"
    try:
        array = np.asarray(given, np.float32)
    except (TypeError, ValueError):
        raise _checks.wrong_type("initial_clusters", rule, given, was=ValueError) from None
    if array.ndim != 2 or len(array) != num_clusters:
        raise _checks.wrong_value("initial_clusters", rule, given)
    return array


def _plus_plus(points: tf.Tensor, n: tf.Tensor, seed: int | None, retries: int) -> tf.Tensor:
    """Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", 2007."""
    enough = tf.debugging.assert_greater_equal(
        tf.shape(points)[0],
        n,
        "initial_clusters='kmeans_plus_plus' needs a first batch of at least num_clusters points.",
    )
    with tf.control_dependencies([enough]):
        points = tf.identity(points)
    of_graph, of_op = v1.get_seed(seed)
    return tf.raw_ops.KmeansPlusPlusInitialization(
        points=points,
        num_to_sample=tf.cast(n, tf.int64),
        seed=secrets.randbits(31) if of_graph is None else (of_graph ^ of_op),
        num_retries_per_sample=retries,
    )
