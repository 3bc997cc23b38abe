"""InMemoryEvaluatorHook: when it evaluates, with which weights, and what it writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, RunConfig
from tf_estimator.hooks.in_memory_evaluator import InMemoryEvaluatorHook
from tf_estimator.summaries import read_evaluations

v1 = tf.compat.v1


def counting(features: tf.Tensor, mode: str, **fields: Any) -> EstimatorSpec:
    """Its weight counts the steps."""
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean(features * w)
    with tf.control_dependencies([loss]):
        ops = [w.assign_add(1.0), v1.assign_add(v1.train.get_global_step(), 1)]
    return EstimatorSpec(mode, loss=loss, train_op=tf.group(*ops), **fields)


def train_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors([1.0]).repeat(40)


def eval_fn() -> tf.data.Dataset:
    """Three batches, of the mean 2."""
    return tf.data.Dataset.from_tensor_slices([[1.0], [2.0], [3.0]])


@pytest.fixture
def make_estimator(tmp_path: Path) -> Callable[..., Estimator]:
    def make(model_fn: Callable[..., EstimatorSpec] = counting, **options: Any) -> Estimator:
        config = RunConfig(
            save_summary_steps=None, save_checkpoints_steps=1000, log_step_count_steps=None
        )
        return Estimator(model_fn, tmp_path / "model", config, **options)

    return make


def train(estimator: Estimator, to_train: int | None, every: int, **options: Any) -> dict[int, Any]:
    """Trains with the hook; the losses that it wrote, by step."""
    hook = InMemoryEvaluatorHook(estimator, eval_fn, every_n_iter=every, **options)
    estimator.train(train_fn, hooks=[hook], steps=to_train)
    found = read_evaluations(estimator.eval_dir(options.get("name")))
    return {step: metrics["loss"] for step, metrics in found.items()}


def events(folder: str) -> list[tuple[str, int, list[tuple[str, float]]]]:
    """The kind, the step and the scalars of each event."""
    found = []
    for path in sorted(Path(folder).glob("*tfevents*")):
        for event in v1.train.summary_iterator(str(path)):
            scalars = [(value.tag, value.simple_value) for value in event.summary.value]
            found.append((event.WhichOneof("what"), event.step, scalars))
    return found


class TestWhen:
    @pytest.mark.parametrize(
        ("every", "steps", "at"),
        [
            (10, 25, [0, 10, 20, 25]),
            (7, 20, [0, 7, 14, 20]),
            (100, 20, [0, 20]),
            (1, 3, [0, 1, 2, 3]),
            (30, None, [0, 30, 40]),  # to the end of the input
        ],
    )
    def test_before_the_first_step_every_n_and_at_the_end(
        self, make_estimator: Callable[..., Estimator], every: int, steps: int, at: list[int]
    ) -> None:
        assert train(make_estimator(), steps, every) == {step: 2.0 * step for step in at}

    def test_a_second_run_goes_on(self, make_estimator: Callable[..., Estimator]) -> None:
        estimator = make_estimator()
        hook = InMemoryEvaluatorHook(estimator, eval_fn, every_n_iter=10)
        for steps in (15, 12):
            estimator.train(train_fn, hooks=[hook], steps=steps)
        assert list(read_evaluations(estimator.eval_dir())) == [0, 10, 15, 25, 27]

    @pytest.mark.parametrize(("steps", "loss"), [(1, 1.0), (2, 1.5), (3, 2.0), (None, 2.0)])
    def test_steps_is_how_many_batches_at_most(
        self, make_estimator: Callable[..., Estimator], steps: int | None, loss: float
    ) -> None:
        assert train(make_estimator(), 10, 100, steps=steps)[10] == 10 * loss

    def test_hooks_begin_anew_with_each_evaluation(
        self, make_estimator: Callable[..., Estimator]
    ) -> None:
        diary = []

        class Diary(v1.train.SessionRunHook):
            def begin(self) -> None:
                diary.append("begin")

            def after_run(self, run_context: Any, run_values: Any) -> None:
                diary.append("batch")

            def end(self, session: tf.compat.v1.Session) -> None:
                diary.append("end")

        train(make_estimator(), 3, 2, hooks=[Diary()])
        assert diary == ["begin", "batch", "batch", "batch", "end"] * 3

    def test_no_batch_is_an_error(self, make_estimator: Callable[..., Estimator]) -> None:
        estimator = make_estimator()
        hook = InMemoryEvaluatorHook(estimator, lambda: eval_fn().take(0))
        with pytest.raises(ValueError, match="at least one batch to evaluate"):
            estimator.train(train_fn, hooks=[hook], steps=3)


class TestWhatIsWritten:
    def test_the_events_are_those_of_the_original(
        self, make_estimator: Callable[..., Estimator]
    ) -> None:
        estimator = make_estimator()
        assert train(estimator, 20, 10, name="test")
        # The last step is evaluated by its number, and as the end.
        assert events(estimator.eval_dir("test")) == [
            ("file_version", 0, []),
            ("graph_def", 0, []),
            ("meta_graph_def", 0, []),
            ("summary", 0, [("loss", 0.0)]),
            ("summary", 10, [("loss", 20.0)]),
            ("summary", 20, [("loss", 40.0)]),
            ("summary", 20, [("loss", 40.0)]),
        ]

    def test_no_checkpoint_is_made_for_it(self, make_estimator: Callable[..., Estimator]) -> None:
        estimator = make_estimator()
        train(estimator, 20, 2)
        saved = sorted(Path(estimator.model_dir).rglob("*.index"))
        assert [path.name for path in saved] == ["model.ckpt-0.index", "model.ckpt-20.index"]

    def test_evaluate_gives_the_same(self, make_estimator: Callable[..., Estimator]) -> None:
        estimator = make_estimator()
        assert train(estimator, 7, 100)[7] == estimator.evaluate(eval_fn)["loss"]


class TestModels:
    def test_params_config_and_labels_arrive(
        self, make_estimator: Callable[..., Estimator]
    ) -> None:
        def model_fn(features: Any, labels: Any, mode: str, params: Any, config: Any) -> Any:
            assert config.save_checkpoints_steps == 1000
            return counting(features + labels + params["more"], mode)

        def with_labels(params: dict[str, float]) -> tf.data.Dataset:
            return eval_fn().map(lambda x: (x, x * params["more"])).repeat(9)

        estimator = make_estimator(model_fn, params={"more": 10.0})
        hook = InMemoryEvaluatorHook(estimator, with_labels)
        estimator.train(with_labels, hooks=[hook], steps=3)
        assert read_evaluations(estimator.eval_dir())[3]["loss"] == 3 * (2 + 20 + 10)

    @pytest.mark.parametrize("local_init", [False, True])
    def test_tables(self, make_estimator: Callable[..., Estimator], local_init: bool) -> None:
        def model_fn(features: Any, mode: str) -> EstimatorSpec:
            init = tf.lookup.KeyValueTensorInitializer(["a"], [3.0])
            table = tf.lookup.StaticHashTable(init, -1.0)
            found = table.lookup(tf.constant("a"))
            metrics = {"table": v1.metrics.mean(found)} if mode == "eval" else None
            scaffold = None
            if local_init:
                scaffold = v1.train.Scaffold(local_init_op=v1.tables_initializer())
            return counting(features, mode, eval_metric_ops=metrics, scaffold=scaffold)

        estimator = make_estimator(model_fn)
        train(estimator, 4, 2)
        found = read_evaluations(estimator.eval_dir())
        assert found[2] == {"loss": 4.0, "table": 3.0}

    @pytest.mark.parametrize("package", ["keras", "tf_keras"])
    def test_keras_metrics_start_anew_each_time(
        self, make_estimator: Callable[..., Estimator], package: str
    ) -> None:
        keras = pytest.importorskip(package)

        def model_fn(features: Any, mode: str) -> EstimatorSpec:
            metrics = None
            if mode == "eval":
                total = keras.metrics.Sum()
                total.update_state(features)
                metrics = {"sum": total}
            return counting(features, mode, eval_metric_ops=metrics)

        estimator = make_estimator(model_fn)
        train(estimator, 4, 2)
        found = read_evaluations(estimator.eval_dir())
        assert {step: metrics["sum"] for step, metrics in found.items()} == {0: 6.0, 2: 6.0, 4: 6.0}

    def test_variables_of_one_mode_only(self, make_estimator: Callable[..., Estimator]) -> None:
        def model_fn(features: Any, mode: str) -> EstimatorSpec:
            own = v1.get_variable(f"only_{mode}", [], initializer=v1.constant_initializer(5.0))
            return counting(features, mode, eval_metric_ops={"own": v1.metrics.mean(own)})

        estimator = make_estimator(model_fn)
        train(estimator, 4, 2)
        assert read_evaluations(estimator.eval_dir())[4] == {"loss": 8.0, "own": 5.0}

    def test_partitioned_variables(self, make_estimator: Callable[..., Estimator]) -> None:
        def model_fn(features: Any, mode: str) -> EstimatorSpec:
            parts = v1.get_variable(
                "parts", [5], partitioner=v1.fixed_size_partitioner(2), initializer=tf.zeros
            )
            total = tf.reduce_sum(tf.concat(list(parts), 0))
            spec = counting(features, mode, eval_metric_ops={"total": v1.metrics.mean(total)})
            grow = [part.assign_add(tf.ones_like(part)) for part in parts]
            return spec._replace(train_op=tf.group(spec.train_op, *grow))

        estimator = make_estimator(model_fn)
        train(estimator, 4, 2)
        assert read_evaluations(estimator.eval_dir())[2] == {"loss": 4.0, "total": 10.0}

    def test_the_saver_of_the_scaffold_says_what_goes_where(
        self, make_estimator: Callable[..., Estimator]
    ) -> None:
        """As with moving averages: evaluation reads the weight from another variable."""

        def model_fn(features: Any, mode: str) -> EstimatorSpec:
            step = v1.train.get_global_step()
            if mode == "train":
                average = v1.get_variable("average", [], initializer=v1.zeros_initializer())
                spec = counting(features, mode)
                return spec._replace(train_op=tf.group(spec.train_op, average.assign_add(100.0)))
            spec = counting(features, mode)
            names = {"average": v1.global_variables("w")[0], "global_step": step}
            return spec._replace(scaffold=v1.train.Scaffold(saver=v1.train.Saver(names)))

        assert train(make_estimator(model_fn), 4, 2) == {0: 0.0, 2: 400.0, 4: 800.0}

    def test_names_that_only_the_savers_know(
        self, make_estimator: Callable[..., Estimator]
    ) -> None:
        def model_fn(features: Any, mode: str) -> EstimatorSpec:
            spec = counting(features, mode)
            names = {f"old/{v.name[:-2]}": v for v in v1.global_variables()}
            return spec._replace(scaffold=v1.train.Scaffold(saver=v1.train.Saver(names)))

        estimator = make_estimator(model_fn)
        assert train(estimator, 4, 2) == {0: 0.0, 2: 4.0, 4: 8.0}
        assert "old/w" in estimator.get_variable_names()

    def test_a_name_that_training_does_not_save_is_told(
        self, make_estimator: Callable[..., Estimator]
    ) -> None:
        def model_fn(features: Any, mode: str) -> EstimatorSpec:
            spec = counting(features, mode)
            if mode == "train":
                return spec
            saver = v1.train.Saver({"lost": v1.global_variables("w")[0]})
            return spec._replace(scaffold=v1.train.Scaffold(saver=saver))

        with pytest.raises(ValueError, match=r"must be those of training; \['lost'\] are"):
            train(make_estimator(model_fn), 4, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"every_n_iter": 0}, ValueError, "every_n_iter must be a positive integer"),
        ({"every_n_iter": -1}, ValueError, "every_n_iter must be a positive integer"),
        ({"every_n_iter": None}, ValueError, "every_n_iter must be a positive integer"),
        ({"every_n_iter": "3"}, TypeError, "every_n_iter must be a positive integer"),
        ({"steps": 0}, ValueError, "steps must be a positive integer or None; received 0"),
        ({"hooks": [3]}, TypeError, "hooks must be a SessionRunHook instance; received 3"),
        ({"name": 3}, TypeError, "name must be an instance of str; received 3"),
        ({"input_fn": 3}, TypeError, "input_fn must be callable; received 3"),
        ({"estimator": 3}, TypeError, "estimator must be an instance of Estimator; received 3"),
    ],
)
def test_bad_arguments(
    make_estimator: Callable[..., Estimator], arguments: dict[str, Any], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        InMemoryEvaluatorHook(**{"estimator": make_estimator(), "input_fn": eval_fn, **arguments})


@pytest.mark.parametrize(
    ("cluster", "refused"),
    [
        ({"chief": ["localhost:1"], "ps": ["localhost:2"]}, True),
        ({"chief": ["localhost:1"], "worker": ["localhost:2"]}, True),
        ({"chief": ["localhost:1"]}, False),
    ],
)
def test_clusters_are_refused(
    make_estimator: Callable[..., Estimator],
    monkeypatch: pytest.MonkeyPatch,
    cluster: dict[str, list[str]],
    refused: bool,
) -> None:
    task = {"type": "chief", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    estimator = make_estimator()
    if refused:
        with pytest.raises(ValueError, match="must be used on a single machine; the cluster of"):
            InMemoryEvaluatorHook(estimator, eval_fn)
    else:
        InMemoryEvaluatorHook(estimator, eval_fn)


@pytest.mark.parametrize("every", [3, 5, 100])
def test_it_does_the_same_where_it_is_run_only_when_it_looks(
    take_steps: Callable[..., list[int]], tmp_path: Path, every: int
) -> None:
    def build() -> tuple[Any, Any]:
        spec = counting(tf.constant([1.0]), "train")
        # In a session of one's own nobody makes the Saver that gives variables their names.
        v1.add_to_collection(v1.GraphKeys.SAVERS, v1.train.Saver(defer_build=False))
        return spec.train_op, spec.loss

    found, looked = [], []
    for singly in (True, False):
        estimator = Estimator(counting, tmp_path / str(singly))
        hook = InMemoryEvaluatorHook(estimator, eval_fn, every_n_iter=every)
        looked = take_steps(build, [hook], 10, singly=singly)
        found.append(read_evaluations(estimator.eval_dir()))
    assert found[0] == found[1]
    assert looked == sorted({1, *range(every, 11, every)})
