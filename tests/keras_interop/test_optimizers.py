"""minimize and apply_gradients: numbers of eager Keras, stable names, exact resume."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.keras import optimizers

v1 = tf.compat.v1

keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")

KERAS_3 = keras.optimizers
KERAS_2 = tf_keras.optimizers
LEGACY = tf_keras.optimizers.legacy

ROWS, WIDTH = 6, 3  # of the embedding
STEPS = 7


def batch(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids, of which some occur twice and one never, and targets."""
    random = np.random.RandomState(n)
    return random.randint(0, ROWS - 1, [8]).astype(np.int32), random.randn(8, 2).astype(np.float32)


def layers(package: Any) -> list[Any]:
    """An embedding, whose gradient is by rows, and a dense layer."""
    random = np.random.RandomState(0)
    table, kernel = random.randn(ROWS, WIDTH), random.randn(WIDTH, 2)

    def starting(value: np.ndarray) -> Callable[..., tf.Tensor]:
        return lambda shape, dtype=None, **_: tf.constant(value, tf.float32)

    embedding = package.layers.Embedding(ROWS, WIDTH, starting(table), name="table")
    dense = package.layers.Dense(2, kernel_initializer=starting(kernel), name="dense")
    embedding.build([None])
    dense.build([None, WIDTH])
    return [embedding, dense]


def tensor_variable(variable: Any) -> tf.Variable:
    return variable if isinstance(variable, tf.Variable) else variable.value


def loss_of(model: list[Any], ids: Any, targets: Any) -> tf.Tensor:
    embedding, dense = model
    return tf.reduce_mean((dense(tf.tanh(embedding(ids))) - targets) ** 2)


def variables_of(model: list[Any]) -> list[Any]:
    return [*model[0].weights, *model[1].weights]


def package_of(optimizer: Any) -> Any:
    return keras if isinstance(optimizer, KERAS_3.Optimizer) else tf_keras


def eagerly(optimizer: Any, steps: int = STEPS) -> list[list[np.ndarray]]:
    """The weights after each step of Keras's own training."""
    model = layers(package_of(optimizer))
    variables = variables_of(model)
    if hasattr(optimizer, "build"):
        optimizer.build(variables)

    @tf.function(autograph=False)
    def step(ids: tf.Tensor, targets: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = loss_of(model, ids, targets)
            for name in ("scale_loss", "get_scaled_loss"):
                loss = getattr(optimizer, name, lambda loss: loss)(loss)
        found = tape.gradient(loss, variables)
        if getattr(optimizer, "loss_scale_factor", None):  # Keras cannot divide those by rows.
            found = [tf.convert_to_tensor(one) for one in found]
        if hasattr(optimizer, "get_unscaled_gradients"):
            found = optimizer.get_unscaled_gradients(found)
        optimizer.apply_gradients(list(zip(found, variables, strict=True)))

    seen = []
    for n in range(steps):
        step(*map(tf.constant, batch(n)))
        seen.append([tensor_variable(one).numpy() for one in variables])
    return seen


def by_minimize(optimizer: Any, loss: tf.Tensor, variables: list[Any]) -> tf.Operation:
    del variables  # those of the graph
    return optimizers.minimize(optimizer, loss)


def by_minimize_of_given(optimizer: Any, loss: tf.Tensor, variables: list[Any]) -> tf.Operation:
    return optimizers.minimize(optimizer, loss, variables)


def by_gradients(optimizer: Any, loss: tf.Tensor, variables: list[Any]) -> tf.Operation:
    found = tf.gradients(loss, [tensor_variable(one) for one in variables])
    return optimizers.apply_gradients(optimizer, zip(found, variables, strict=True))


@dataclasses.dataclass
class Trained:
    """What training in a graph left behind: the weights after each step, and all names."""

    weights: list[list[np.ndarray]]
    names: list[str]
    step: int


def in_graph(
    make: Callable[[], Any],
    way: Callable[..., tf.Operation] = by_minimize,
    steps: int = STEPS,
    folder: Path | None = None,
) -> Trained:
    """Trains in a new graph. With a `folder`, goes on from its checkpoint and saves one."""
    with tf.Graph().as_default(), v1.Session() as session:
        optimizer = make()
        model = layers(package_of(optimizer))
        ids, targets = v1.placeholder(tf.int32, [8]), v1.placeholder(tf.float32, [8, 2])
        loss = loss_of(model, ids, targets)
        train_op = way(optimizer, loss, variables_of(model))
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        saver = v1.train.Saver()
        if folder and tf.train.latest_checkpoint(folder):
            saver.restore(session, tf.train.latest_checkpoint(folder))
        seen = []
        trained = [tensor_variable(one) for one in variables_of(model)]
        global_step = v1.train.get_global_step()
        for _ in range(steps):
            feed = dict(zip([ids, targets], batch(session.run(global_step)), strict=True))
            session.run(train_op, feed)
            seen.append(session.run(trained))
        if folder:
            saver.save(session, str(folder / "model.ckpt"), global_step)
        names = [one.op.name for one in v1.global_variables()]
        return Trained(seen, names, session.run(global_step))


def assert_same(found: list[list[np.ndarray]], expected: list[list[np.ndarray]]) -> None:
    for one, other in zip(found, expected, strict=True):
        for value, right in zip(one, other, strict=True):
            np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-6)


def decay(k: Any) -> Any:
    return k.schedules.ExponentialDecay(0.1, 3, 0.5)


def loss_scale(k: Any, inner: Any) -> Any:
    kind = k.LossScaleOptimizer if k is KERAS_3 else tf_keras.mixed_precision.LossScaleOptimizer
    return kind(inner, initial_scale=8.0, dynamic_growth_steps=3)


AVERAGES = {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3}

# By option, of what both Kerases have.
OPTIONS: dict[str, Callable[[Any], Any]] = {
    "momentum": lambda k: k.SGD(0.1, momentum=0.9, nesterov=True),
    "schedule": lambda k: k.Adam(decay(k)),
    "warm up": lambda k: k.Adam(k.schedules.CosineDecay(0.0, 5, warmup_target=0.1, warmup_steps=2)),
    "clipnorm": lambda k: k.Adagrad(0.1, clipnorm=0.1),
    "clipvalue": lambda k: k.RMSprop(0.1, clipvalue=0.01),
    "global_clipnorm": lambda k: k.Nadam(0.1, global_clipnorm=0.1),
    "weight decay": lambda k: k.SGD(0.1, weight_decay=0.1),
    "averages": lambda k: k.Adam(0.1, **AVERAGES),
    "averages that stay aside": lambda k: k.SGD(0.1, use_ema=True),
    "many": lambda k: k.AdamW(decay(k), weight_decay=0.1, clipnorm=0.5, **AVERAGES),
    "loss scale": lambda k: loss_scale(k, k.AdamW(decay(k), clipnorm=0.1, **AVERAGES)),
}
OPTIONS_OF_3: dict[str, Callable[[], Any]] = {
    "a callable": lambda: KERAS_3.Adam(lambda: 0.1),
    "accumulation": lambda: KERAS_3.Adam(0.1, gradient_accumulation_steps=3),
    "accumulation of many": lambda: KERAS_3.AdamW(
        decay(KERAS_3), clipnorm=0.5, gradient_accumulation_steps=2, **AVERAGES
    ),
    "accumulation, scaled": lambda: loss_scale(
        KERAS_3, KERAS_3.Lion(0.01, gradient_accumulation_steps=2)
    ),
    "loss_scale_factor": lambda: KERAS_3.Adam(0.1, loss_scale_factor=8.0),
}
OPTIONS_OF_LEGACY: dict[str, Callable[[], Any]] = {
    "schedule": lambda: LEGACY.Adam(decay(KERAS_2)),
    "decay": lambda: LEGACY.SGD(0.1, decay=0.1, momentum=0.5),
    "clipnorm": lambda: LEGACY.Adam(0.1, clipnorm=0.1),
    "clipvalue": lambda: LEGACY.RMSprop(0.1, clipvalue=0.01),
    "global_clipnorm": lambda: LEGACY.Nadam(0.1, global_clipnorm=0.1),
}


def _kinds(package: Any, without: set[str]) -> list[str]:
    """The names of a package's optimizers, so that a new one is tested as well."""
    kinds = {name: getattr(package, name) for name in dir(package)}
    return [
        name
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, package.Optimizer) and name not in without
    ]


NOT_ALONE = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerV2"}
EACH = [
    pytest.param(
        lambda k=k, name=name: getattr(k, name)(0.05),
        id=f"{title} {name}",
        marks=[] if k is KERAS_3 else pytest.mark.slow,  # all of them together are
    )
    for title, k in (("Keras 3", KERAS_3), ("tf_keras", KERAS_2), ("legacy", LEGACY))
    for name in _kinds(k, NOT_ALONE)
]
WITH_OPTIONS = [
    *(
        pytest.param(lambda make=make, k=k: make(k), id=f"{title} {option}")
        for title, k in (("Keras 3", KERAS_3), ("tf_keras", KERAS_2))
        for option, make in OPTIONS.items()
    ),
    *(pytest.param(make, id=f"Keras 3 {option}") for option, make in OPTIONS_OF_3.items()),
    *(pytest.param(make, id=f"legacy {option}") for option, make in OPTIONS_OF_LEGACY.items()),
]
# One of each kind.
FEW = [
    pytest.param(lambda k=k: k.Adam(0.1), id=title)
    for title, k in (("Keras 3", KERAS_3), ("tf_keras", KERAS_2), ("legacy", LEGACY))
]


@pytest.mark.parametrize("make", [*EACH, *WITH_OPTIONS])
def test_the_weights_are_those_of_eager_keras_at_every_step(make: Callable[[], Any]) -> None:
    found = in_graph(make)
    assert_same(found.weights, eagerly(make()))
    assert found.step == STEPS


@pytest.mark.parametrize("way", [by_minimize_of_given, by_gradients])
@pytest.mark.parametrize("make", FEW)
def test_variables_and_gradients_may_be_given(make: Callable[[], Any], way: Callable) -> None:
    expected = in_graph(make, steps=3)
    found = in_graph(make, way, steps=3)
    assert_same(found.weights, expected.weights)
    assert found.names == expected.names
    assert found.step == 3


@pytest.mark.parametrize("way", [by_minimize, by_gradients])
def test_optimizers_of_version_1_are_taken(way: Callable) -> None:
    found = in_graph(lambda: v1.train.GradientDescentOptimizer(0.1), way)
    assert_same(found.weights, eagerly(LEGACY.SGD(0.1)))
    assert found.step == STEPS


# ---- checkpoints


@pytest.mark.parametrize(
    "make",
    [
        *FEW,
        pytest.param(lambda: OPTIONS["loss scale"](KERAS_3), id="Keras 3 loss scale"),
        pytest.param(lambda: OPTIONS["loss scale"](KERAS_2), id="tf_keras loss scale"),
        pytest.param(OPTIONS_OF_3["accumulation of many"], id="Keras 3 accumulation"),
        pytest.param(lambda: KERAS_2.Nadam(0.1), id="tf_keras Nadam"),
        pytest.param(lambda: LEGACY.Nadam(0.1), id="legacy Nadam"),
    ],
)
def test_training_goes_on_exactly(make: Callable[[], Any], tmp_path: Path) -> None:
    expected = in_graph(make)
    first = in_graph(make, steps=4, folder=tmp_path)
    make()  # What is made between has no influence.
    second = in_graph(make, steps=STEPS - 4, folder=tmp_path)
    assert first.names == second.names == expected.names
    for one, other in zip([*first.weights, *second.weights], expected.weights, strict=True):
        for value, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(value, right)


@pytest.mark.parametrize("k", [KERAS_3, KERAS_2, LEGACY])
@pytest.mark.parametrize("before", ["a number", "a schedule"])
def test_the_new_learning_rate_wins(k: Any, before: str, tmp_path: Path) -> None:
    if before == "a schedule" and k is LEGACY:
        pytest.skip("the original's checkpoints have the number, and so have ours")
    rate = decay(KERAS_2 if k is LEGACY else k) if before == "a schedule" else 0.1
    first = in_graph(lambda: k.SGD(rate), steps=2, folder=tmp_path)
    second = in_graph(lambda: k.SGD(0.0), steps=2, folder=tmp_path)
    assert_same(second.weights, [first.weights[-1]] * 2)
    third = in_graph(lambda: k.SGD(0.5), steps=1, folder=tmp_path)
    assert np.abs(third.weights[-1][1] - first.weights[-1][1]).max() > 1e-3


def test_a_legacy_learning_rate_in_the_checkpoint_is_the_one_used(tmp_path: Path) -> None:
    for rate in (0.1, 0.25):
        in_graph(lambda rate=rate: LEGACY.SGD(rate), steps=1, folder=tmp_path)
        reader = tf.train.load_checkpoint(str(tmp_path))
        assert reader.get_tensor("training/SGD/learning_rate") == np.float32(rate)


@pytest.mark.slow
def test_the_names_are_the_same_in_another_process() -> None:
    program = (
        "import keras, tf_keras, tensorflow as tf\n"
        "from tf_estimator.keras import optimizers\n"
        "with tf.Graph().as_default():\n"
        "    w = tf.compat.v1.get_variable('a/w', [2])\n"
        "    for k in (tf_keras.optimizers, keras.optimizers, tf_keras.optimizers.legacy):\n"
        "        optimizers.minimize(k.Adam(0.1), tf.reduce_sum(w))\n"
        "    print([v.op.name for v in tf.compat.v1.global_variables()])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, text=True, capture_output=True
    )
    with tf.Graph().as_default():
        w = v1.get_variable("a/w", [2])
        for k in (KERAS_2, KERAS_3, LEGACY):
            optimizers.minimize(k.Adam(0.1), tf.reduce_sum(w))
        names = [one.op.name for one in v1.global_variables()]
    assert done.stdout.splitlines()[-1] == str(names)


@pytest.mark.parametrize(
    "make",
    [*FEW, *(pytest.param(lambda k=k: loss_scale(k, k.Adam(0.1))) for k in (KERAS_3, KERAS_2))],
)
def test_an_optimizer_made_in_the_graph_leaves_nothing(make: Callable[[], Any]) -> None:
    made_before = make()
    assert in_graph(make, steps=0).names == in_graph(lambda: made_before, steps=0).names


# ---- a gradient that is not finite


@pytest.mark.parametrize("k", [KERAS_3, KERAS_2])
def test_a_loss_scale_leaves_out_what_is_not_finite(k: Any) -> None:
    factors = [1.0, np.inf, 2.0, np.nan, 1.0, 1.0, 1.0, 3.0, 1.0]
    options = {} if k is KERAS_2 else {"gradient_accumulation_steps": 2}

    def make() -> Any:
        return loss_scale(k, k.AdamW(decay(k), weight_decay=0.1, **AVERAGES, **options))

    package = package_of(make())
    expected = []
    optimizer = make()
    w = package.Variable([1.0, 2.0]) if k is KERAS_3 else tf.Variable([1.0, 2.0])
    optimizer.build([w])
    for factor in factors:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tensor_variable(w) ** 2 * factor)
            scaled = optimizer.scale_loss if k is KERAS_3 else optimizer.get_scaled_loss
            loss = scaled(loss)
        found = tape.gradient(loss, [tensor_variable(w)])
        if k is KERAS_2:
            found = optimizer.get_unscaled_gradients(found)
        optimizer.apply_gradients(list(zip(found, [w], strict=True)))
        scale = optimizer.dynamic_scale if k is KERAS_3 else optimizer.loss_scale
        expected.append([*tensor_variable(w).numpy(), float(scale)])
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[1.0, 2.0])
        factor = v1.placeholder(tf.float32, [])
        train_op = optimizers.minimize(make(), tf.reduce_sum(w**2 * factor))
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        [scale] = [one for one in v1.global_variables() if one.op.name.endswith("_scale")]
        found = []
        for one in factors:
            session.run(train_op, {factor: one})
            found.append([*session.run(w), session.run(scale)])
        assert session.run(v1.train.get_global_step()) == len(factors)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# ---- what layers say of their variables


def test_constraints_and_frozen_layers_of_keras_3_are_known() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        held = keras.layers.Dense(1, kernel_initializer="ones", kernel_constraint="non_neg")
        frozen = keras.layers.Dense(1, kernel_initializer="ones")
        loss = tf.reduce_sum(frozen(held(tf.ones([1, 2]))))
        frozen.trainable = False
        train_op = optimizers.minimize(KERAS_3.SGD(5.0), loss)
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        session.run(train_op)
        kernels = [tensor_variable(one.kernel) for one in (held, frozen)]
        np.testing.assert_array_equal(session.run(kernels[0]), [[0.0], [0.0]])
        np.testing.assert_array_equal(session.run(kernels[1]), [[1.0]])


@pytest.mark.parametrize("package", [keras, tf_keras])
def test_what_is_excluded_from_weight_decay_stays_so(package: Any) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        one, other = package.layers.Dense(1, use_bias=False), package.layers.Dense(1)
        loss = tf.reduce_sum(0.0 * other(one(tf.ones([1, 1]))))
        optimizer = package.optimizers.SGD(0.5, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_list=[one.kernel])
        train_op = optimizers.minimize(optimizer, loss)
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        kernels = [tensor_variable(layer.kernel) for layer in (one, other)]
        before = session.run(kernels)
        session.run(train_op)
        after = session.run(kernels)
        np.testing.assert_array_equal(after[0], before[0])
        np.testing.assert_allclose(after[1], 0.75 * before[1], rtol=1e-6)


@pytest.mark.parametrize("package", [keras, tf_keras])
def test_mixed_precision(package: Any) -> None:
    def loss_of(layer: Any) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(layer(tf.ones([1, 2])), tf.float32) ** 2)

    def layer() -> Any:
        return package.layers.Dense(1, kernel_initializer="ones", dtype="mixed_bfloat16")

    k = package.optimizers
    eager = layer()
    eager.build([None, 2])
    optimizer = k.Adam(0.1)
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = loss_of(eager)
        found = tape.gradient(loss, eager.trainable_variables)
        optimizer.apply_gradients(list(zip(found, eager.trainable_variables, strict=True)))
    expected = eager.kernel.numpy()
    for way in (by_minimize, by_minimize_of_given, by_gradients):
        with tf.Graph().as_default(), v1.Session() as session:
            made = layer()
            loss = loss_of(made)
            train_op = way(k.Adam(0.1), loss, made.trainable_variables)
            session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
            for _ in range(3):
                session.run(train_op)
            kernel = next(one for one in v1.global_variables() if one.op.name.endswith("kernel"))
            np.testing.assert_allclose(session.run(kernel), expected, rtol=1e-6)


# ---- the step and what runs before it


def test_the_update_ops_of_the_graph_run_before() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=3.0)
        copy = v1.get_variable("copy", initializer=0.0, trainable=False)
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, copy.assign(w))
        with_them = optimizers.minimize(KERAS_3.SGD(1.0), w + 0.0)
        without = optimizers.minimize(KERAS_3.SGD(1.0), w + 0.0, update_ops=())
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        session.run(without)
        assert session.run([w, copy]) == [2.0, 0.0]
        session.run(with_them)
        assert session.run([w, copy]) == [1.0, 2.0]


@pytest.mark.parametrize("make", FEW)
def test_the_step_may_be_another_or_none(make: Callable[[], Any]) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=3.0)
        mine = v1.get_variable("mine", initializer=np.int64(0), trainable=False)
        pairs = [(tf.constant(1.0), w)]
        counting = [
            optimizers.minimize(make(), w + 0.0, global_step=mine),
            optimizers.apply_gradients(make(), pairs, mine),
        ]
        silent = [
            optimizers.minimize(make(), w + 0.0, global_step=None),
            optimizers.apply_gradients(make(), pairs, global_step=None),
        ]
        assert v1.train.get_global_step() is None
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        for train_op in [*counting, *silent]:
            session.run(train_op)
        assert session.run(mine) == 2


def test_a_variable_without_gradient_stays() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w, idle = (v1.get_variable(name, initializer=3.0) for name in ("w", "idle"))
        pairs = [(tf.constant(1.0), w), (None, idle)]
        train_op = optimizers.apply_gradients(KERAS_3.SGD(1.0), pairs)
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        session.run(train_op)
        assert session.run([w, idle]) == [2.0, 3.0]


# ---- what cannot work says so


@pytest.mark.parametrize("k", [KERAS_3, KERAS_2])
def test_gradients_of_a_loss_scale_are_refused(k: Any) -> None:
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=3.0)
        with pytest.raises(NotImplementedError, match=r"LossScaleOptimizer.*Use minimize"):
            optimizers.apply_gradients(loss_scale(k, k.SGD(0.1)), [(tf.constant(1.0), w)])


@pytest.mark.parametrize("wrong", [[3], "ab", [(1.0, 2.0, 3.0)], [(1.0, "w")]])
def test_pairs_are_needed(wrong: Any) -> None:
    with tf.Graph().as_default(), pytest.raises(TypeError, match="must be"):
        optimizers.apply_gradients(KERAS_3.SGD(0.1), wrong)


@pytest.mark.parametrize("pairs", [[], [None]])
def test_one_gradient_is_needed(pairs: list[None]) -> None:
    with tf.Graph().as_default():
        w = v1.get_variable("w", initializer=3.0)
        with pytest.raises(ValueError, match=r"a gradient for one variable at least"):
            optimizers.apply_gradients(KERAS_3.SGD(0.1), [(one, w) for one in pairs])


def test_a_loss_is_a_tensor_of_the_graph() -> None:
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with tf.Graph().as_default():
        with pytest.raises(TypeError, match=r"loss must be a Tensor.*takes as a function"):
            optimizers.minimize(KERAS_3.SGD(0.1), lambda: 1.0)
        with pytest.raises(ValueError, match="loss must be from the default graph"):
            optimizers.minimize(KERAS_3.SGD(0.1), other)


def test_an_optimizer_is_needed() -> None:
    with tf.Graph().as_default(), pytest.raises(TypeError, match="optimizer must be an optimizer"):
        optimizers.minimize("Adam", tf.constant(1.0))


def test_a_graph_is_needed() -> None:
    with pytest.raises(RuntimeError, match="inside a model_fn"):
        optimizers.minimize(KERAS_3.SGD(0.1), tf.constant(1.0))
    with pytest.raises(RuntimeError, match="inside a model_fn"):
        optimizers.apply_gradients(KERAS_3.SGD(0.1), [])
