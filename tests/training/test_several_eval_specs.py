"""train_and_evaluate with several EvalSpecs: each in its own time, folder and order."""

import os

import pytest

from tf_estimator.spec.eval_spec import EvalSpec
from tf_estimator.training import train_and_evaluate


@pytest.fixture
def specs(diary):
    """Makes EvalSpecs, each with an exporter that has its name."""

    def make(**throttles):
        return [
            EvalSpec(
                diary.input_fn(f"evaluate {name}", 2),
                name=name,
                exporters=diary.exporter(f"{name}'s"),
                start_delay_secs=0,
                throttle_secs=throttle,
            )
            for name, throttle in throttles.items()
        ]

    return make


def steps_of(spec):
    return [call["eval_result"]["global_step"] for call in spec.exporters[0].calls]


def finals_of(spec):
    return [call["is_the_final_export"] for call in spec.exporters[0].calls]


def test_all_are_evaluated_at_each_save_in_their_order(diary, estimator, specs):
    train_spec = diary.train_spec(12, saving_listeners=[diary.listener("listener")])
    results = diary.run(estimator, train_spec, specs(b=0, a=0))
    assert diary == [
        "train",
        "listener saw 0",
        "listener saw 10",
        "evaluate b",
        "export b's 10",
        "evaluate a",
        "export a's 10",
        "listener saw 12",
        "evaluate b",
        "final export b's 12",
        "evaluate a",
        "final export a's 12",
        "listener ends at 12",
    ]
    metrics = {"loss": 12.0, "global_step": 12}
    assert results == [(metrics, ["b's12"]), (metrics, ["a's12"])]
    assert os.listdir(estimator.eval_dir("a"))
    assert os.listdir(estimator.eval_dir("b"))
    assert not os.path.exists(estimator.eval_dir())


def test_each_has_its_own_throttle(diary, estimator, specs):
    # A step takes 10 s, so there is a save every 100 s.
    eval_specs = specs(always=0, seldom=300, once=1e9)
    train_spec = diary.train_spec(45, hooks=[diary.hook("hook", secs_per_step=10)])
    results = diary.run(estimator, train_spec, eval_specs)
    assert [steps_of(spec) for spec in eval_specs] == [
        [10, 20, 30, 40, 45],
        [10, 40, 45],
        [10, 45],
    ]
    assert [finals_of(spec).count(True) for spec in eval_specs] == [1, 1, 1]
    assert [metrics["global_step"] for metrics, _ in results] == [45, 45, 45]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_one_gives_a_list_of_one(diary, estimator, specs, kind):
    [(metrics, exports)] = diary.run(estimator, diary.train_spec(5), kind(specs(a=0)))
    assert (metrics["global_step"], exports) == (5, ["a's5"])


def test_when_nothing_is_left_to_train_each_has_no_result(diary, estimator, specs):
    diary.run(estimator)
    diary.clear()
    assert diary.run(estimator, None, specs(a=0, b=0)) == [(None, None), (None, None)]
    assert diary == []


def test_one_of_them_may_have_no_name(diary, estimator):
    diary.run(estimator, diary.train_spec(5), [diary.eval_spec(), diary.eval_spec(name="b")])
    assert os.listdir(estimator.eval_dir())
    assert os.listdir(estimator.eval_dir("b"))


def test_the_public_function_takes_a_list(diary, estimator, specs):
    results = train_and_evaluate(estimator, diary.train_spec(5), specs(a=0, b=0))
    assert [exports for _, exports in results] == [["a's5"], ["b's5"]]


@pytest.mark.parametrize("names", [("a", "a"), (None, None), ("", None), ("b", "a", "b")])
def test_the_names_differ(diary, estimator, names):
    with pytest.raises(ValueError, match="names of EvalSpecs must differ from each other; rec"):
        diary.run(estimator, None, [diary.eval_spec(name=name) for name in names])
    assert diary == []


def test_the_names_of_exporters_differ_over_all(diary, estimator):
    eval_specs = [
        diary.eval_spec(name=name, exporters=[diary.exporter(f"{name}'s"), diary.exporter("best")])
        for name in "ab"
    ]
    with pytest.raises(ValueError, match=r"names of exporters must differ .* received 'best'"):
        diary.run(estimator, None, eval_specs)
    assert diary == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda spec: [spec, None], "Every element of eval_spec must be an EvalSpec .* None"),
        (lambda spec: [EvalSpec], "Every element of eval_spec must be an EvalSpec instance"),
        (lambda spec: [[spec]], "Every element of eval_spec must be an EvalSpec instance"),
        (tuple, "Every element of eval_spec .* received <function"),
        (lambda spec: (), "^eval_spec must be an instance of EvalSpec, or a list of at least one"),
        (lambda spec: {"a": spec}, "^eval_spec must be an instance .*dict"),
        (lambda spec: {spec}, "^eval_spec must be an instance .*set"),
        (lambda spec: (each for each in [spec]), "^eval_spec must be an instance .*generator"),
        (lambda spec: EvalSpec, "^eval_spec must be an instance"),
    ],
)
def test_what_is_no_list_of_eval_specs_is_refused(diary, estimator, make, message):
    with pytest.raises(TypeError, match=message):
        diary.run(estimator, None, make(diary.eval_spec()))
    assert diary == []


def test_a_train_spec_in_place_of_an_eval_spec_is_named_as_a_whole(diary, estimator):
    train_spec = diary.train_spec()
    with pytest.raises(TypeError, match=r"^eval_spec must be an instance .*TrainSpec\(input_fn"):
        diary.run(estimator, train_spec, train_spec)


def test_a_master_evaluates_by_each(be, diary, make_estimator, specs):
    be("master", master=1)
    eval_specs = specs(a=0, b=1e9)
    assert diary.run(make_estimator(), None, eval_specs) is None
    assert [steps_of(spec) for spec in eval_specs] == [[10, 20, 22], [10, 22]]


class TestEvaluator:
    @pytest.fixture
    def other(self, estimator):
        """An Estimator that trains in the same model_dir."""
        return estimator

    @pytest.fixture
    def evaluating(self, be, other, make_estimator):
        be("evaluator", chief=1)
        return make_estimator()

    def test_each_has_its_own_delay_and_throttle(self, diary, other, evaluating):
        other.train(diary.input_fn("train"), steps=11)
        diary.clear()
        sleep = diary.sleep

        def sleep_while_another_trains(secs, is_over):
            sleep(secs, is_over)
            if diary.now >= 200 and not diary.count("train"):
                other.train(diary.input_fn("train"), steps=11)

        diary.sleep = sleep_while_another_trains
        fast = EvalSpec(diary.input_fn("evaluate fast", 1), 1, "fast", start_delay_secs=10)
        slow = EvalSpec(diary.input_fn("evaluate slow", 1), 1, "slow", start_delay_secs=70)
        eval_specs = [slow._replace(throttle_secs=150), fast._replace(throttle_secs=60)]
        assert diary.run(evaluating, None, eval_specs) is None
        assert diary == [
            "sleep 10",  # from 50
            "evaluate fast",  # at 60, and next at 120
            "sleep 60",
            "evaluate slow",  # at 120 also fast looks, for nothing
            "sleep 60",  # fast at 180
            "sleep 60",  # fast at 240
            "train",
            "evaluate fast",  # 22 is the end
            "sleep 30",  # slow at 270
            "evaluate slow",
        ]

    def test_of_two_at_the_same_time_the_one_that_waited_longer_comes_first(
        self, diary, other, evaluating
    ):
        other.train(diary.input_fn("train"), steps=11)
        diary.clear()

        class Training(type(diary.exporter("b"))):
            def export(self, **given):
                super().export(**given)
                if not given["is_the_final_export"]:
                    other.train(diary.input_fn("train"), steps=11)

        eval_specs = [
            diary.eval_spec(100, name="a", start_delay_secs=0, exporters=diary.exporter("a")),
            diary.eval_spec(100, name="b", start_delay_secs=0, exporters=Training(diary, "b")),
        ]
        diary.run(evaluating, None, eval_specs)
        exports = [entry for entry in diary if "export" in entry]
        assert exports == ["export a 11", "export b 11", "final export a 22", "final export b 22"]

    def test_it_goes_on_until_the_last_is_done(self, diary, other, evaluating):
        other.train(diary.input_fn("train"), steps=22)
        diary.clear()
        late = diary.eval_spec(name="late", start_delay_secs=900, exporters=diary.exporter("b"))
        early = diary.eval_spec(name="early", start_delay_secs=0, exporters=diary.exporter("a"))
        diary.run(evaluating, None, [late, early])
        assert diary == [
            "evaluate",
            "final export a 22",
            "sleep 900",
            "evaluate",
            "final export b 22",
        ]
