"""Estimator itself: how it is made, what its members tell, what a subclass may do."""

import inspect
import pathlib
import threading

import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig

v1 = tf.compat.v1


def model_fn(features, labels, mode, params=None):
    w = v1.get_variable("w", [2], initializer=v1.ones_initializer())
    train_op = v1.assign_add(v1.train.get_global_step(), 1)
    return EstimatorSpec(mode, loss=tf.reduce_sum(w), train_op=train_op, predictions=features)


def input_fn():
    return tf.constant([1.0])


@pytest.fixture
def estimator(tmp_path):
    return Estimator(model_fn, tmp_path, params={"rate": 0.1})


class TestModelDir:
    @pytest.mark.parametrize("kind", [str, pathlib.Path, lambda path: str(path).encode()])
    def test_any_path_becomes_a_str(self, tmp_path, kind):
        estimator = Estimator(model_fn, kind(tmp_path))
        assert estimator.model_dir == estimator.config.model_dir == str(tmp_path)

    @pytest.mark.parametrize("argument", [None, ""])
    def test_of_the_config_is_used(self, tmp_path, argument):
        estimator = Estimator(model_fn, argument, RunConfig(model_dir=str(tmp_path)))
        assert estimator.model_dir == str(tmp_path)

    def test_of_argument_and_config_may_agree(self, tmp_path):
        estimator = Estimator(model_fn, str(tmp_path), RunConfig(model_dir=str(tmp_path)))
        assert estimator.model_dir == str(tmp_path)

    def test_of_argument_and_config_must_agree(self):
        with pytest.raises(ValueError, match=r"must be config\.model_dir, '/b', if both are given"):
            Estimator(model_fn, "/a", RunConfig(model_dir="/b"))

    @pytest.mark.parametrize("argument", [None, ""])
    def test_is_temporary_if_nobody_gives_one(self, argument, caplog):
        estimator = Estimator(model_fn, argument)
        assert pathlib.Path(estimator.model_dir).is_dir()
        assert estimator.model_dir in caplog.text
        pathlib.Path(estimator.model_dir).rmdir()

    @pytest.mark.parametrize("value", [3, 1.5, ["a"]])
    def test_that_is_no_path_is_a_type_error(self, value):
        with pytest.raises(TypeError, match="model_dir must be a path or None"):
            Estimator(model_fn, value)

    def test_is_not_made_before_it_is_needed(self, tmp_path):
        estimator = Estimator(model_fn, tmp_path / "later")
        assert estimator.latest_checkpoint() is None
        assert not (tmp_path / "later").exists()


class TestConfig:
    @pytest.mark.parametrize("value", ["config", {}, RunConfig])
    def test_of_another_type_is_refused_before_model_fn_is_looked_at(self, value):
        for kind in (TypeError, ValueError):
            with pytest.raises(kind, match="config must be a RunConfig or None"):
                Estimator(3, config=value)

    def test_is_a_copy_both_ways(self, tmp_path):
        config = RunConfig()
        config.extra = ["mine"]
        estimator = Estimator(model_fn, tmp_path, config)
        config.extra.append("later")
        estimator.config.extra.append("outside")
        assert estimator.config.extra == ["mine"]
        assert config.model_dir is None

    def test_of_a_subclass_with_more_reaches_model_fn_and_input_fn(self, tmp_path):
        class Config(RunConfig):
            def __init__(self, size, **options):
                super().__init__(**options)
                self.size = size

        seen = []

        def with_config(features, labels, mode, config):
            seen.append((type(config), config.size, config.model_dir))
            return model_fn(features, labels, mode)

        def input_with_config(config):
            seen.append((type(config), config.size, config.model_dir))
            return input_fn()

        Estimator(with_config, tmp_path, Config(3)).train(input_with_config, steps=1)
        assert seen == [(Config, 3, str(tmp_path))] * 2


class TestParams:
    def test_are_a_deep_copy_both_ways(self, tmp_path):
        params = {"layers": [8]}
        estimator = Estimator(model_fn, tmp_path, params=params)
        params["layers"].append("later")
        estimator.params["layers"].append("outside")
        assert estimator.params == {"layers": [8]}

    def test_are_an_empty_dict_by_default(self, tmp_path):
        assert Estimator(model_fn, tmp_path).params == {}

    @pytest.mark.parametrize("params", [[1, 2], "text", {"a": {1, 2}}])
    def test_can_be_anything(self, tmp_path, params):
        assert Estimator(model_fn, tmp_path, params=params).params == params

    def test_that_cannot_be_copied_are_an_error(self, tmp_path):
        with pytest.raises(TypeError):
            Estimator(model_fn, tmp_path, params={"lock": threading.Lock()})

    def test_that_input_fn_changes_stay_as_they_were(self, tmp_path):
        def changing(params):
            params["size"] += 1
            return input_fn()

        estimator = Estimator(model_fn, tmp_path, params={"size": 1})
        estimator.train(changing, steps=1).train(changing, steps=1)
        assert estimator.params == {"size": 1}


class TestModelFn:
    def test_takes_exactly_four_arguments(self, estimator):
        assert list(inspect.signature(estimator.model_fn).parameters) == [
            "features",
            "labels",
            "mode",
            "config",
        ]

    def test_calls_the_users_with_params(self, tmp_path):
        seen = []

        def with_params(features, params):
            seen.append((features, params))
            return EstimatorSpec("infer", predictions={})

        estimator = Estimator(with_params, tmp_path, params={"p": 1})
        spec = estimator.model_fn("x", None, "infer", estimator.config)
        assert isinstance(spec, EstimatorSpec)
        assert seen == [("x", {"p": 1})]

    @pytest.mark.parametrize(
        ("wrong", "kind"),
        [(3, TypeError), (lambda labels: 0, ValueError), (lambda features, rate: 0, ValueError)],
    )
    def test_is_checked_when_the_estimator_is_made(self, tmp_path, wrong, kind):
        with pytest.raises(kind, match="model_fn must"):
            Estimator(wrong, tmp_path)


class TestSubclass:
    @pytest.mark.parametrize(
        "name",
        [
            "config",
            "eval_dir",
            "evaluate",
            "experimental_export_all_saved_models",
            "export_saved_model",
            "get_variable_names",
            "get_variable_value",
            "model_dir",
            "params",
            "predict",
            "train",
        ],
    )
    def test_must_not_override_a_member(self, tmp_path, name):
        kind = type("Mine", (Estimator,), {name: lambda self: None})
        with pytest.raises(ValueError, match=rf"must not override.*Mine overrides \['{name}'\]"):
            kind(model_fn, tmp_path)

    @pytest.mark.parametrize("name", ["latest_checkpoint", "model_fn"])
    def test_may_override_what_only_tells_something(self, tmp_path, name):
        kind = type("Mine", (Estimator,), {name: lambda self: "mine"})
        assert getattr(kind(model_fn, tmp_path), name)() == "mine"

    def test_must_not_override_by_a_mixin_either(self, tmp_path):
        class Mixin:
            def train(self):
                raise NotImplementedError

        class Mine(Mixin, Estimator):
            pass

        with pytest.raises(ValueError, match=r"Mine overrides \['train'\]"):
            Mine(model_fn, tmp_path)

    def test_may_have_new_members_and_override_those(self, tmp_path):
        class Mine(Estimator):
            def __init__(self, size):
                super().__init__(model_fn, tmp_path)
                self.size = size

            def area(self):
                return self.size**2

        class Yours(Mine):
            def area(self):
                return -super().area()

        assert Yours(3).area() == -9
        assert Yours(3).train(input_fn, steps=1).get_variable_value("global_step") == 1


class TestVariables:
    def test_are_told_by_name(self, estimator):
        estimator.train(input_fn, steps=1)
        assert estimator.get_variable_names() == ["global_step", "w"]
        assert estimator.get_variable_value("w").tolist() == [1.0, 1.0]
        assert estimator.latest_checkpoint().endswith("model.ckpt-1")

    def test_that_are_not_there_are_an_error(self, estimator):
        estimator.train(input_fn, steps=1)
        with pytest.raises(tf.errors.NotFoundError):
            estimator.get_variable_value("v")

    @pytest.mark.parametrize(
        "ask", [lambda e: e.get_variable_names(), lambda e: e.get_variable_value("w")]
    )
    def test_of_an_untrained_model_are_an_error(self, estimator, ask):
        with pytest.raises(ValueError, match="must be a checkpoint to read variables from"):
            ask(estimator)


@pytest.mark.parametrize(
    ("name", "folder"), [(None, "eval"), ("", "eval"), ("test", "eval_test"), ("a/b", "eval_a/b")]
)
def test_eval_dir_is_below_model_dir(estimator, name, folder):
    assert estimator.eval_dir(name) == f"{estimator.model_dir}/{folder}"


@pytest.mark.parametrize("value", [3, {"a": 1}])
def test_warm_start_from_something_else_is_refused(tmp_path, value):
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="warm_start_from must be a path or WarmStartSettings"):
            Estimator(model_fn, tmp_path, warm_start_from=value)


def test_an_evaluator_does_not_train(tmp_path, monkeypatch):
    cluster = (
        '{"cluster": {"chief": ["h:1"], "ps": ["h:2"]}, "task": {"type": "evaluator", "index": 0}}'
    )
    monkeypatch.setenv("TF_CONFIG", cluster)
    with pytest.raises(ValueError, match="task of type evaluator"):
        Estimator(model_fn, tmp_path).train(input_fn, steps=1)


def test_two_estimators_on_one_folder_see_each_others_checkpoints(estimator):
    other = Estimator(model_fn, estimator.model_dir)
    estimator.train(input_fn, steps=1)
    other.train(input_fn, steps=1)
    assert estimator.get_variable_value("global_step") == 2
    assert estimator.evaluate(input_fn, steps=1)["global_step"] == 2


def test_an_estimator_can_be_used_inside_another_ones_model_fn(estimator, tmp_path):
    estimator.train(input_fn, steps=1)

    def teaching(features, mode):
        taught = next(estimator.predict(input_fn))
        return EstimatorSpec(mode, loss=tf.constant(taught), train_op=tf.no_op())

    student = Estimator(teaching, tmp_path / "student")
    assert student.evaluate(input_fn, steps=1)["loss"] == 1.0
