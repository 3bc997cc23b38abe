"""k-means: where it starts, how centers move, when it ends, what it answers."""

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import RunConfig, export
from tf_estimator.canned.kmeans import KMeansClustering

v1 = tf.compat.v1

# Twelve points, four around each of three corners; the start is bad on purpose.
_AROUND = np.array([[0.5, 0.0], [0.0, 0.5], [-0.5, 0.25], [0.0, -0.75]])
CORNERS = np.array([[1.0, 2.0], [7.0, 6.0], [0.5, 9.0]])
POINTS = (CORNERS[:, None] + _AROUND).transpose(1, 0, 2).reshape(12, 2).astype(np.float32)
START = POINTS[[0, 3, 1]]


def inputs(batch_size=12, epochs=1, points=POINTS):
    return lambda: tf.data.Dataset.from_tensor_slices(points).batch(batch_size).repeat(epochs)


def trained(steps=20, batch_size=12, points=POINTS, **arguments):
    arguments = {"num_clusters": 3, "initial_clusters": START, "use_mini_batch": False, **arguments}
    kmeans = KMeansClustering(**arguments)
    return kmeans.train(inputs(batch_size, None, points), steps=steps)


def corners_found(kmeans):
    found = kmeans.cluster_centers()
    order = np.argmin(((CORNERS[:, None] - found) ** 2).sum(axis=2), axis=1)
    return sorted(order) == [0, 1, 2] and np.allclose(found[order], CORNERS, atol=1e-5)


def unit(points):
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def nearest(points, centers):
    return ((points[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)


def lloyd(points, centers, steps, cosine=False):
    """k-means in numpy, on whole batches."""
    if cosine:
        points, centers = unit(points), unit(centers)
    for _ in range(steps):
        index = nearest(points, centers)
        sums = [points[index == one].sum(axis=0) for one in range(len(centers))]
        counts = np.bincount(index, minlength=len(centers))[:, None]
        centers = np.array(sums) / np.maximum(counts, 1)
        if cosine:
            centers = centers / np.maximum(np.linalg.norm(centers, axis=1, keepdims=True), 1e-12)
    return centers


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_on_whole_batches_centers_become_means(steps, cosine):
    metric = "cosine" if cosine else "squared_euclidean"
    kmeans = trained(steps, distance_metric=metric)
    expected = lloyd(POINTS.astype(np.float64), START.astype(np.float64), steps, cosine)
    np.testing.assert_allclose(kmeans.cluster_centers(), expected, atol=1e-5)


def test_a_center_without_points_becomes_zero_as_in_the_original():
    start = [[1.0, 2.0], [7.0, 6.0], [99.0, 99.0]]
    assert trained(1, initial_clusters=start).cluster_centers()[2].tolist() == [0.0, 0.0]


def mini_batch(steps, per_iteration, cosine):
    """What a step of mini batches is, in numpy."""
    points = POINTS.astype(np.float64)
    moved = START.astype(np.float64)
    if cosine:
        points, moved = unit(points), unit(moved)
    centers, seen, left = moved.copy(), np.full(3, float(per_iteration == 1)), per_iteration
    for step in range(steps):
        if per_iteration > 1 and not left:
            centers, seen, left = moved.copy(), np.zeros(3), per_iteration
        left -= 1
        batch = points[step % 3 * 4 :][:4]
        index = nearest(batch, unit(centers) if cosine else centers)
        for one in range(3):
            of_one = batch[index == one]
            seen[one] += len(of_one)
            if len(of_one):
                change = (of_one - moved[one]).sum(axis=0)
                moved[one] = moved[one] + change / (seen[one] + len(of_one))
        if per_iteration == 1:
            centers = moved.copy()
    return centers, moved, seen, left


@pytest.mark.parametrize("cosine", [False, True])
def test_on_small_batches_centers_move_less_and_less(cosine):
    metric = "cosine" if cosine else "squared_euclidean"
    kmeans = trained(7, 4, use_mini_batch=True, distance_metric=metric)
    centers, _, seen, _ = mini_batch(7, 1, cosine)
    np.testing.assert_allclose(kmeans.cluster_centers(), centers, atol=1e-5)
    assert kmeans.get_variable_value("Variable").tolist() == seen.tolist()


@pytest.mark.parametrize("steps", [3, 4, 5, 9])
def test_in_an_iteration_points_are_assigned_to_the_centers_it_began_with(steps):
    kmeans = trained(steps, 4, use_mini_batch=True, mini_batch_steps_per_iteration=4)
    centers, moved, seen, left = mini_batch(steps, 4, cosine=False)
    np.testing.assert_allclose(kmeans.cluster_centers(), centers, atol=1e-5)
    np.testing.assert_allclose(kmeans.get_variable_value("clusters_updated"), moved, atol=1e-5)
    assert kmeans.get_variable_value("Variable").tolist() == seen.tolist()
    assert kmeans.get_variable_value("update_in_steps") == left


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"use_mini_batch": False}, []),
        ({"use_mini_batch": True}, ["Variable"]),
        (
            {"use_mini_batch": True, "mini_batch_steps_per_iteration": 2},
            ["Variable", "clusters_updated", "update_in_steps"],
        ),
    ],
)
def test_variables_have_the_names_of_the_original(arguments, names):
    found = trained(1, **arguments).get_variable_names()
    assert sorted(found) == sorted([*names, "clusters", "global_step", "initialized"])


@pytest.mark.parametrize("batch_size", [1, 2, 12])
def test_random_starts_are_points(batch_size):
    # A step before any move: the counts are ones, and a rate of 0 leaves what was chosen.
    kmeans = KMeansClustering(3, seed=3)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.create_global_step()
        batch = v1.data.make_one_shot_iterator(inputs(batch_size)()).get_next()
        spec = kmeans.model_fn(batch, None, "train", RunConfig(model_dir=kmeans.model_dir))
        session.run(v1.global_variables_initializer())
        spec.training_hooks[0].after_create_session(session, None)
        (clusters,) = (one for one in v1.global_variables() if one.op.name == "clusters")
        found = {tuple(row) for row in session.run(clusters).tolist()}
    assert len(found) == 3
    assert found <= {tuple(row) for row in POINTS.tolist()}


def test_far_starts_find_the_clusters():
    assert corners_found(trained(initial_clusters="kmeans_plus_plus", seed=1))


def test_far_starts_need_enough_points_at_once():
    with pytest.raises(tf.errors.InvalidArgumentError, match="first batch of at least num_clus"):
        trained(1, 2, initial_clusters="kmeans_plus_plus")


def test_a_function_is_asked_until_there_are_enough_centers():
    def of_batch(points, n):
        assert isinstance(points, list)
        return points[0][: tf.minimum(n, 1)] + 100.0

    kmeans = trained(1, 4, initial_clusters=of_batch)
    assert np.all(kmeans.cluster_centers()[kmeans.cluster_centers() != 0] < 50)  # means by now


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (lambda points, n: points[0][:0], ValueError, "between 1 and 3 centers"),
        (lambda points, n: points[0][:4], ValueError, "between 1 and 3 centers"),
    ],
)
def test_a_function_must_give_as_many_as_lack(start, error, message):
    with pytest.raises(error, match=message):
        trained(1, initial_clusters=start)


def test_an_input_with_too_few_points_to_start_from_is_said():
    kmeans = KMeansClustering(13)
    with pytest.raises(ValueError, match=r"at least num_clusters=13 points.*after 12"):
        kmeans.train(inputs(5))


def test_training_goes_on_from_the_centers_it_had():
    kmeans = trained(1)
    again = KMeansClustering(3, kmeans.model_dir, POINTS[:3] + 50.0, use_mini_batch=False)
    again.train(inputs(epochs=None), steps=1)
    np.testing.assert_allclose(again.cluster_centers(), lloyd(POINTS, START, 2), atol=1e-5)


@pytest.mark.parametrize(("tolerance", "stopped"), [(0.15, 3), (0.3, 2), (0.0, 3)])
def test_training_ends_when_the_loss_is_still(tolerance, stopped):
    # Losses 0.35, 0.08, 0.08: a change of 0.27 / 1.35 = 0.2, then none.
    points = np.array([[0.0], [0.2], [0.4]], np.float32)
    kmeans = KMeansClustering(
        1, initial_clusters=[[0.5]], use_mini_batch=False, relative_tolerance=tolerance
    )
    kmeans.train(inputs(epochs=None, points=points), steps=10)
    assert kmeans.get_variable_value("global_step") == stopped


@pytest.mark.parametrize("cosine", [False, True])
def test_answers_are_distances_to_the_centers(cosine):
    kmeans = trained(distance_metric="cosine" if cosine else "squared_euclidean")
    centers = kmeans.cluster_centers().astype(np.float64)
    if cosine:
        distances = 1 - unit(POINTS) @ unit(centers).T
        transformed = distances
    else:
        distances = ((POINTS[:, None] - centers) ** 2).sum(axis=2)
        transformed = np.sqrt(distances)
    np.testing.assert_allclose(list(kmeans.transform(inputs(5))), transformed, atol=1e-3)
    assert list(kmeans.predict_cluster_index(inputs(5))) == distances.argmin(axis=1).tolist()
    assert kmeans.score(inputs()) == pytest.approx(distances.min(axis=1).sum(), rel=1e-4)
    metrics = kmeans.evaluate(inputs(4))
    assert metrics["score"] == metrics["loss"]
    assert metrics["score"] == pytest.approx(distances.min(axis=1).sum() / 3, rel=1e-4)


def test_without_training_there_is_nothing_to_evaluate():
    kmeans = KMeansClustering(3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no centers yet"):
        kmeans.score(inputs())
    with pytest.raises(ValueError, match="checkpoint"):
        kmeans.cluster_centers()


@pytest.mark.parametrize(
    ("columns", "as_structure"),
    [
        (["b", "a"], lambda a, b: {"a": a, "b": b}),
        (None, lambda a, b: {"b": b[:, None], "a": a}),
        (None, lambda a, b: tf.stack([a, b], axis=1)),
        (None, lambda a, b: tf.cast(tf.stack([a, b], axis=1), tf.float64)),
    ],
    ids=["columns", "dict", "tensor", "float64"],
)
def test_points_come_in_several_ways(columns, as_structure):
    if columns:
        columns = [tf.feature_column.numeric_column(name) for name in columns]
    kmeans = KMeansClustering(
        3, initial_clusters=START, use_mini_batch=False, feature_columns=columns
    )
    kmeans.train(
        lambda: tf.data.Dataset.from_tensors(POINTS).map(lambda p: as_structure(p[:, 0], p[:, 1]))
    )
    np.testing.assert_allclose(kmeans.cluster_centers(), lloyd(POINTS, START, 1), atol=1e-5)


def test_an_export_answers_under_three_signatures():
    kmeans = trained()

    def receiver():
        points = v1.placeholder(tf.float32, [None, 2], "points")
        return export.TensorServingInputReceiver(points, points)

    path = kmeans.export_saved_model(kmeans.model_dir + "/export", receiver)
    signatures = tf.saved_model.load(path.decode()).signatures
    assert set(signatures) == {"serving_default", "all_distances", "cluster_index"}
    (index,) = signatures["serving_default"](tf.constant(POINTS)).values()
    assert index.numpy().tolist() == list(kmeans.predict_cluster_index(inputs()))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_clusters": 0}, ValueError, "num_clusters must be a positive integer"),
        ({"num_clusters": "3"}, TypeError, "num_clusters must be a positive integer"),
        ({"distance_metric": "l1"}, ValueError, "must be 'squared_euclidean' or 'cosine'"),
        ({"initial_clusters": "best"}, ValueError, "must be 'random' or 'kmeans_plus_plus'"),
        ({"initial_clusters": POINTS[:2]}, ValueError, r"shape \[num_clusters=3, dimension\]"),
        ({"initial_clusters": object()}, TypeError, "initial_clusters must be an array"),
        ({"mini_batch_steps_per_iteration": 0}, ValueError, "must be a positive integer"),
        ({"relative_tolerance": -0.1}, ValueError, "relative_tolerance must be at least 0"),
        ({"feature_columns": []}, ValueError, "feature_columns must not be empty"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        KMeansClustering(**{"num_clusters": 3, **arguments})
