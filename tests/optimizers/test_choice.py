"""What users give as `optimizer`."""

import pytest
import tensorflow as tf

from tf_estimator import optimizers

v1 = tf.compat.v1

NAMES = ("Adagrad", "Adam", "Ftrl", "RMSProp", "SGD")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stands_for_an_optimizer_of_tensorflow_1_on_the_v1_surface(name: str) -> None:
    kind = {"SGD": "GradientDescent"}.get(name, name)
    made = optimizers.get(name, 0.25, surface="v1")
    assert type(made) is getattr(v1.train, f"{kind}Optimizer")
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=1.0)
        train_op = optimizers.minimize(optimizers.get("SGD", 0.25, "v1"), w, None, None)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        assert session.run(w) == 0.75


@pytest.mark.parametrize(
    ("name", "default"),
    [("Adagrad", 0.001), ("Adam", 0.001), ("Ftrl", 0.001), ("RMSProp", 0.001), ("SGD", 0.01)],
)
def test_a_name_stands_for_our_own_on_the_v2_surface(name: str, default: float) -> None:
    made = optimizers.get(name)
    assert type(made) is getattr(optimizers, name)
    assert made.learning_rate == default
    assert optimizers.get(name, learning_rate=0.5).learning_rate == 0.5


@pytest.mark.parametrize("surface", ["v1", "v2"])
def test_an_unknown_name_is_answered_with_the_five(surface: str) -> None:
    with pytest.raises(ValueError, match=".*".join(NAMES) + ".*'adam'"):
        optimizers.get("adam", 0.1, surface)


def test_an_optimizer_of_tensorflow_1_has_no_learning_rate_of_its_own() -> None:
    with pytest.raises(ValueError, match=r"learning_rate must be given.*'Adagrad'"):
        optimizers.get("Adagrad", surface="v1")


def test_there_are_two_surfaces() -> None:
    with pytest.raises(ValueError, match="surface must be 'v1' or 'v2'; received 'v3'"):
        optimizers.get("Adam", 0.1, "v3")


@pytest.mark.parametrize("surface", ["v1", "v2"])
def test_an_optimizer_is_itself(surface: str) -> None:
    for one in (optimizers.Adam(), v1.train.AdamOptimizer()):
        assert optimizers.get(one, surface=surface) is one


def test_a_callable_is_called_in_the_graph() -> None:
    with tf.Graph().as_default() as graph:
        step = v1.train.get_or_create_global_step()
        made = optimizers.get(
            lambda: v1.train.GradientDescentOptimizer(v1.train.exponential_decay(0.5, step, 1, 0.5))
        )
        assert isinstance(made, v1.train.Optimizer)
        assert graph.get_operations()


@pytest.mark.parametrize("wrong", [None, 3, ["Adam"], v1.train.AdamOptimizer, optimizers.Adam])
def test_anything_else_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"optimizer must be a name .Adagrad.*received"):
        optimizers.get(wrong)
    with pytest.raises(ValueError, match="optimizer must be a name"):  # as in the original
        optimizers.get(wrong)


def test_a_class_is_told_to_be_one() -> None:
    with pytest.raises(TypeError, match="It is a class: give an instance"):
        optimizers.get(optimizers.Adam)


@pytest.mark.parametrize("result", [None, 0.1, v1.train.AdamOptimizer])
def test_a_callable_has_to_return_an_optimizer(result: object) -> None:
    with pytest.raises(TypeError, match="callable given as optimizer must return an optimizer"):
        optimizers.get(lambda: result)


@pytest.mark.parametrize("wrong", ["0.1", None, True])
def test_a_hyperparameter_is_a_number(wrong: object) -> None:
    with pytest.raises(TypeError, match="learning_rate must be a number"):
        optimizers.Adam(learning_rate=wrong)
