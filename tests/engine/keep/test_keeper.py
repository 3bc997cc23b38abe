"""Attempts to get another answer from an Estimator that keeps its graphs than from one that builds.

Each play is a program of calls. It is given twice, with `keep_graphs` off and on, in folders of
their own, and all that it gets to see has to be equal.
"""

import importlib
import itertools
import os
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig, engine

v1 = tf.compat.v1
Data = tf.data.Dataset
TRAIN, EVAL, PREDICT = ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT
FACTOR = 1.0


def batches(*x, batch=1):
    """An input_fn: x, batch by batch."""
    return lambda: Data.from_tensor_slices({"x": np.array(x, np.float32)}).batch(batch)


ONE_TWO = batches(1.0, 2.0)


def spec_of(mode, x, predictions=None, **fields):
    """y = w * x, loss = mean(y); a step adds 1 to w."""
    w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    y = x * w
    fields.setdefault("loss", tf.reduce_mean(y))
    if mode == TRAIN:
        with tf.control_dependencies([fields["loss"]]):
            step = v1.train.get_global_step()
            fields["train_op"] = tf.group(step.assign_add(1), w.assign_add(1.0))
    return EstimatorSpec(mode, {"y": y, "x": x, **(predictions or {})}, **fields)


def plain(features, labels, mode):
    return spec_of(mode, features["x"])


@pytest.fixture
def same(tmp_path, monkeypatch):
    """Gives a play twice, and compares; `kept` says whether model_fn is to be called less often."""
    calls = []
    call = engine.Model.call
    # What model_fn itself wrote it would read.
    monkeypatch.setattr(engine.Model, "call", lambda *a, **k: (calls.append(1), call(*a, **k))[1])

    def check(play, model_fn=plain, *, params=None, kept=True, make=Estimator, **options):
        seen = []
        for keep in (False, True):
            calls.clear()
            options = {
                "tf_random_seed": 1,
                "steps_per_loop": 1,
                "save_summary_steps": None,
                **options,
            }
            config = RunConfig(str(tmp_path / str(keep)), keep_graphs=keep, **options)
            estimator = make(model_fn, config=config, params=params() if params else None)
            seen.append((play(estimator), len(calls)))
            estimator.close()
        (expected, most), (answer, built) = seen
        np.testing.assert_equal(answer, expected)
        assert (built < most) == kept, f"model_fn was called {built} times instead of {most}"

    return check


def trained(estimator, steps=2):
    return estimator.train(lambda: batches(1.0)().repeat(), steps=steps)


def answers(estimator, input_fn=ONE_TWO, **options):
    return [estimator.evaluate(input_fn, **options), list(estimator.predict(input_fn, **options))]


def graphs_of(estimator, mode):
    kept = estimator._keeper._kept
    return [one.built.graph for one in kept if one.built.mode == mode]


def twice(estimator, input_fn=ONE_TWO):
    return [predictions(estimator, input_fn), predictions(estimator, input_fn)]


def predictions(estimator, input_fn=ONE_TWO):
    return list(estimator.predict(input_fn))


# What model_fn reads.


class Shared:
    """A copy of it is itself."""

    factor = 1.0

    def __deepcopy__(self, memo):
        return self


class Model:
    factor, of_class = 1.0, 1.0

    def __call__(self, features, labels, mode):
        return spec_of(mode, features["x"] * self.factor * self.of_class)

    def model_fn(self, features, labels, mode):
        return self(features, labels, mode)


def by_global(features, labels, mode):
    return spec_of(mode, features["x"] * FACTOR)


def by_environment(features, labels, mode):
    return spec_of(mode, features["x"] * float(os.environ.get("A_FACTOR", "1")))


def by_params(features, labels, mode, params):
    return spec_of(mode, features["x"] * params["shared"].factor)


def by_default(features, labels, mode):
    return spec_of(mode, _with_default(features["x"]))


def _with_default(x, factor=[1.0]):  # noqa: B006
    return x * factor[0]


def read(how, monkeypatch):  # noqa: PLR0911 - one for each way to read
    """A model_fn, and what gives it another factor."""
    factor, model, params = [1.0], Model(), {"shared": Shared()}

    def by_closure(features, labels, mode):
        return spec_of(mode, features["x"] * factor[0])

    if how == "global":
        return by_global, lambda v: monkeypatch.setitem(globals(), "FACTOR", v), None
    if how == "environment":
        return by_environment, lambda v: monkeypatch.setenv("A_FACTOR", str(v)), None
    if how == "closure":
        return by_closure, lambda v: factor.__setitem__(0, v), None
    if how == "attribute":
        return model.model_fn, lambda v: setattr(model, "factor", v), None
    if how == "attribute of a callable":
        return Model.__call__.__get__(model), lambda v: setattr(model, "factor", v), None
    if how == "class":
        return model.model_fn, lambda v: monkeypatch.setattr(Model, "of_class", v), None
    if how == "default":
        return by_default, lambda v: _with_default.__defaults__[0].__setitem__(0, v), None
    assert how == "params"
    return by_params, lambda v: setattr(params["shared"], "factor", v), lambda: params


READS = ["global", "environment", "closure", "attribute", "attribute of a callable", "class"]


@pytest.mark.parametrize("how", [*READS, "default", "params"])
def test_what_model_fn_reads(same, monkeypatch, how):
    model_fn, change, params = read(how, monkeypatch)

    def play(estimator):
        change(1.0)
        found = [twice(trained(estimator))]
        for value in (3.0, 1.0):
            change(value)
            found.append(predictions(estimator))
        return found

    same(play, model_fn, params=params)


def test_a_module_that_is_loaded_again(same, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "a_module_of_the_users.py"

    def load(factor):
        file.write_text(f"def times(x):\n    return x * {factor}\n")
        importlib.invalidate_caches()
        if "a_module_of_the_users" in sys.modules:
            return importlib.reload(sys.modules["a_module_of_the_users"])
        return importlib.import_module("a_module_of_the_users")

    module = load(1.0)

    def model_fn(features, labels, mode):
        return spec_of(mode, module.times(features["x"]))

    def play(estimator):
        load(1.0)
        found = [twice(trained(estimator))]
        load(23.0)
        return [*found, predictions(estimator)]

    same(play, model_fn)
    sys.modules.pop("a_module_of_the_users")


class Config(RunConfig):
    factor = 1.0


def test_the_config(same, tmp_path):
    def model_fn(features, labels, mode, config):
        return spec_of(mode, features["x"] * config.factor)

    def make(model_fn, config, params):
        return Estimator(model_fn, config=Config(config.model_dir, keep_graphs=config.keep_graphs))

    def play(estimator):
        found = [twice(trained(estimator))]
        estimator._config.factor = 2.0
        found.append(predictions(estimator))
        estimator._config = other = Config(estimator.model_dir)
        other.factor = 3.0
        return [*found, predictions(estimator)]

    same(play, model_fn, make=make)


# The input.


def test_the_kind_of_input(same):
    x = np.array([1.0, 2.0], np.float32)
    pairs = {"x": x, "z": x + 1}
    inputs = [
        lambda: Data.from_tensor_slices({"x": x}).batch(2),
        lambda: Data.from_tensor_slices({"x": x}).batch(2, drop_remainder=True),
        lambda: Data.from_tensor_slices({"x": x.astype(np.float64)}).batch(2),
        lambda: Data.from_tensor_slices(pairs).batch(2),
        lambda: Data.from_tensor_slices(dict(reversed(pairs.items()))).batch(2),
        lambda: Data.from_tensor_slices(({"x": x}, x)).batch(2),
        lambda: Data.from_tensor_slices({"x": x.reshape(2, 1)}).batch(2),
        lambda: {"x": tf.constant([7.0, 8.0])},
        lambda: {"x": tf.constant([9.0, 8.0])},
        lambda: ({"x": tf.constant([9.0, 8.0])}, None),
    ]

    def model_fn(features, labels, mode):
        said = f"{list(features)} {features['x'].dtype} {features['x'].shape} {labels}"
        constant = tf.get_static_value(features["x"])
        said += str(constant) + str(None if labels is None else labels.shape)
        total = tf.cast(sum(features.values()), tf.float32)
        rows = tf.fill([tf.shape(total)[0]], said)
        return spec_of(mode, total, {"said": rows})

    def play(estimator):
        trained(estimator)
        order = [0, 0, 1, 2, 1, 3, 4, 3, 5, 0, 6, 7, 7, 8, 9, 7, 5, 5]
        return [list(itertools.islice(estimator.predict(inputs[n]), 2)) for n in order]

    same(play, model_fn)


class TestValues:
    def test_an_array_that_changes_in_place(self, same):
        x = np.ones(3, np.float32)

        def play(estimator):
            x[:] = 1
            found = [twice(trained(estimator), batches(*x))]

            def input_fn():
                return Data.from_tensor_slices({"x": x}).batch(2)

            for n in range(3):
                x[n] += 7
                found.append(answers(estimator, input_fn))
            return found

        same(play)

    def test_files_under_the_same_name(self, same, tmp_path):
        def input_fn():
            files = Data.list_files(str(tmp_path / "*.txt"), shuffle=False)
            lines = files.interleave(tf.data.TextLineDataset)
            return lines.map(lambda line: {"x": tf.strings.to_number(line)}).batch(2)

        def play(estimator):
            for file in tmp_path.glob("*.txt"):
                file.unlink()
            trained(estimator)
            found = []
            for name, text in [("a", "1\n2"), ("a", "3\n4"), ("b", "5\n6\n7"), ("a", "")]:
                (tmp_path / f"{name}.txt").write_text(text)
                found.append(answers(estimator, input_fn))
            return found

        same(play)

    def test_records(self, same, tmp_path):
        file = str(tmp_path / "rows")

        def input_fn():
            rows = tf.data.TFRecordDataset(file)
            return rows.map(lambda row: {"x": tf.io.decode_raw(row, tf.float32)}).batch(2)

        def play(estimator):
            trained(estimator)
            found = []
            for n in range(3):
                with tf.io.TFRecordWriter(file) as writer:
                    for x in range(n, 3):
                        writer.write(np.float32(x + n).tobytes())
                found.append(answers(estimator, input_fn))
            return found

        same(play)

    def test_generators_and_functions_with_a_state(self, same):
        def play(estimator):
            count = itertools.count()

            def rows():
                for _ in range(2):
                    yield {"x": np.float32(next(count))}

            def of_generator():
                return Data.from_generator(rows, output_signature={"x": tf.TensorSpec([])}).batch(1)

            def of_function():
                calls = itertools.count(1)

                def times(x):
                    return x * np.float32(next(calls) + next(count))

                data = Data.from_tensor_slices([1.0, 2.0]).batch(1)
                return data.map(
                    lambda x: {
                        "x": tf.ensure_shape(tf.numpy_function(times, [x], tf.float32), [None])
                    }
                )

            def of_tensors():
                x = tf.numpy_function(lambda: np.float32([next(count)]), [], tf.float32)
                return {"x": tf.ensure_shape(x, [1])}

            trained(estimator)
            found = [answers(estimator, each) for each in 2 * [of_generator, of_function]]
            found += [estimator.evaluate(of_tensors, steps=2) for _ in range(3)]
            return found

        same(play)

    @pytest.mark.parametrize("seeds", [(1, None), (1, 5), (None, 5)])
    def test_shuffles(self, same, seeds):
        of_graph, of_op = seeds

        def input_fn():
            data = Data.range(20).shuffle(9, seed=of_op).repeat(2)
            return data.map(lambda n: {"x": tf.cast(n, tf.float32)}).batch(4)

        same(lambda e: twice(trained(e), input_fn), tf_random_seed=of_graph)

    def test_no_two_shuffles_without_seeds_are_the_same(self, tmp_path):
        def input_fn():
            return Data.range(50).shuffle(50).map(lambda n: {"x": tf.cast(n, tf.float32)}).batch(50)

        config = RunConfig(str(tmp_path), tf_random_seed=None)
        estimator = trained(Estimator(plain, config=config))
        orders = {tuple(row["x"] for row in estimator.predict(input_fn)) for _ in range(3)}
        assert len(orders) == 3

    def test_tables_of_the_input_whose_file_changes(self, same, tmp_path):
        file = tmp_path / "words"

        def input_fn():
            table = table_of(file)
            words = Data.from_tensor_slices(["a", "b", "c"]).batch(2)
            return words.map(lambda word: {"x": tf.cast(table.lookup(word), tf.float32)})

        def play(estimator):
            trained(estimator)
            found = []
            for words in ["a b c", "c a b", "a", "x y z a b c"]:
                file.write_text(words.replace(" ", "\n"))
                found.append(answers(estimator, input_fn))
            file.unlink()
            return [*found, twice(estimator)]

        same(play)

    @pytest.mark.parametrize("kind", ["one shot", "initializable"])
    def test_iterators_of_version_1(self, same, tmp_path, kind):
        def play(estimator):
            found = []
            trained(estimator)
            for n in range(3):
                file = tmp_path / f"{n}.txt"
                file.write_text(f"{n}\n{n + 5}")

                def input_fn(n=n, file=file):
                    data = tf.data.TextLineDataset(Data.list_files(str(file), shuffle=False))
                    data = data.map(lambda line: {"x": tf.strings.to_number(line)}).batch(1)
                    if kind == "one shot":
                        return v1.data.make_one_shot_iterator(data).get_next()
                    iterator = v1.data.make_initializable_iterator(data)
                    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
                    return iterator.get_next()

                found.append(twice(estimator, input_fn))
                file.unlink()
            return found

        same(play)


def table_of(file):
    index = tf.lookup.TextFileIndex
    words = tf.lookup.TextFileInitializer(
        str(file), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
    )
    return tf.lookup.StaticHashTable(words, -1)


# What is in the session.


class Load(v1.train.SessionRunHook):
    """Gives w another value, before or after."""

    def __init__(self, where, value):
        self._where, self._value = where, value

    def _load(self, session):
        (w,) = (v for v in session.graph.get_collection("variables") if v.op.name == "w")
        w.load(self._value, session)

    def after_create_session(self, session, coord):
        if self._where == "created":
            self._load(session)

    def after_run(self, run_context, run_values):
        if self._where == "run":
            self._load(run_context.session)

    def end(self, session):
        if self._where == "end":
            self._load(session)


class Count(v1.train.SessionRunHook):
    """Adds a variable to the graph, which counts the runs."""

    def __init__(self, collection=v1.GraphKeys.LOCAL_VARIABLES):
        self._collection, self.counted = collection, None

    def begin(self):
        count = v1.get_variable(
            "hooks", [], initializer=v1.zeros_initializer(), collections=[self._collection]
        )
        self._add = count.assign_add(1.0)

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(self._add)

    def after_run(self, run_context, run_values):
        self.counted = run_values.results


class Begins(v1.train.SessionRunHook):
    """Begins, and adds nothing."""

    def begin(self):
        self.begun = True


class TestHooks:
    @pytest.mark.parametrize("where", ["created", "run", "end"])
    def test_that_write_variables(self, same, where):
        def play(estimator):
            found = twice(trained(estimator))
            found.append(answers(estimator, hooks=[Load(where, 9.0)]))
            found.append(answers(estimator))
            estimator.train(ONE_TWO, hooks=[Load(where, 5.0)])
            found.append(answers(estimator))
            return [*found, answers(trained(estimator))]

        same(play)

    @pytest.mark.parametrize("first", [False, True])
    def test_that_add_a_variable(self, same, first):
        def play(estimator):
            found = [] if first else twice(trained(estimator))
            for _ in range(2):
                hook = Count(v1.GraphKeys.GLOBAL_VARIABLES if first else "local_variables")
                estimator.train(ONE_TWO, hooks=[hook])
                found += [hook.counted, estimator.get_variable_names()]
            if first:
                return found
            for _ in range(2):
                hook = Count()
                found.append([estimator.evaluate(ONE_TWO, hooks=[hook]), hook.counted])
                found.append(twice(estimator))
            return found

        same(play, kept=not first)

    def test_that_add_nothing_when_they_begin_use_a_kept_graph_from_the_second_time_on(
        self, tmp_path
    ):
        estimator = trained(Estimator(plain, str(tmp_path)))
        estimator.evaluate(ONE_TWO, hooks=[Begins()])
        (kept,) = graphs_of(estimator, EVAL)
        estimator.evaluate(ONE_TWO, hooks=[Begins()])
        assert graphs_of(estimator, EVAL) == [kept]

    def test_of_model_fn_are_made_for_each_call(self, same):
        def model_fn(features, labels, mode):
            hook = Load("run", 3.0)
            return spec_of(mode, features["x"], evaluation_hooks=[hook], prediction_hooks=[hook])

        same(lambda e: [answers(trained(e)), answers(e)], model_fn, kept=False)

    def test_that_raise(self, same):
        class Fails(v1.train.SessionRunHook):
            def __init__(self, where, error):
                self._where, self._error = where, error

            def __getattribute__(self, name):
                if name == object.__getattribute__(self, "_where"):
                    raise object.__getattribute__(self, "_error")
                return object.__getattribute__(self, name)

        places = ["after_create_session", "before_run", "after_run", "end"]

        def play(estimator):
            found = twice(trained(estimator))
            for where, error in zip(places, 2 * [ValueError, KeyboardInterrupt], strict=True):
                with pytest.raises(error):
                    estimator.evaluate(ONE_TWO, hooks=[Fails(where, error)])
                found.append(estimator.evaluate(ONE_TWO))
            return found

        same(play)


def _once(variable):
    """Initializes a variable that no session initializes."""
    is_there = v1.is_variable_initialized(variable)
    return tf.cond(is_there, lambda: 0.0, lambda: tf.identity(variable.assign(0.0)))


def in_no_collection(x):
    count = v1.get_variable(
        "n", [], initializer=v1.zeros_initializer(), collections=["mine"], use_resource=True
    )
    with tf.control_dependencies([_once(count)]):
        return x + count.assign_add(1.0)


def local(x):
    count = v1.get_variable(
        "n", [], initializer=v1.zeros_initializer(), collections=["local_variables"]
    )
    return x + count.assign_add(1.0)


def python_state(x):
    count = itertools.count(1)
    y = tf.numpy_function(lambda x: x + np.float32(next(count)), [x], tf.float32)
    return tf.ensure_shape(y, [None])


def python_state_in_a_function(x):
    return tf.map_fn(lambda row: tf.reshape(python_state(tf.reshape(row, [1])), []), x)


def mutable_table(x):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, 0.0)
    seen = table.lookup(tf.constant("seen"))
    with tf.control_dependencies([table.insert(tf.constant("seen"), seen + 1.0)]):
        return x + seen


def noise(x):
    return x + tf.random.normal(tf.shape(x))


def noise_of_a_generator(x):
    return x + tf.random.Generator.from_seed(3).normal(tf.shape(x))


STATES = {
    in_no_collection: False,
    local: True,
    python_state: False,
    python_state_in_a_function: False,
    mutable_table: False,
    noise: False,
}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_state_in_the_graph(same, state):
    def model_fn(features, labels, mode):
        return spec_of(mode, state(features["x"]))

    def play(estimator):
        found = [answers(trained(estimator)), answers(estimator)]
        return [*found, answers(estimator)]

    same(play, model_fn, kept=STATES[state])


@pytest.mark.parametrize("words", ["a file", "a column", "the content of a file"])
def test_tables_of_the_model_whose_file_changes(same, tmp_path, words):
    file = tmp_path / "words"

    def table():
        if words == "a file":
            return table_of(file)
        keys = tf.strings.split([tf.io.read_file(str(file))], "\n").values
        values = tf.range(tf.size(keys, tf.int64))
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1)

    def model_fn(features, labels, mode):
        word = tf.gather(["a", "b", "c"], tf.cast(features["x"], tf.int32))
        if words != "a column":
            return spec_of(mode, tf.cast(table().lookup(word), tf.float32))
        column = tf.feature_column.categorical_column_with_vocabulary_file("word", str(file))
        rows = v1.feature_column.input_layer(
            {"word": word}, [tf.feature_column.indicator_column(column)]
        )
        return spec_of(mode, tf.reduce_sum(rows * tf.range(1.0, rows.shape[1] + 1), 1))

    def play(estimator):
        file.write_text("a\nb\nc")
        found = [twice(trained(estimator), batches(0, 1, 2))]
        for text in ["c\na\nb", "x\ny\nc\na\nb"]:
            file.write_text(text)
            found.append(predictions(estimator, batches(0, 1, 2)))
        return found

    same(play, model_fn, kept=words != "the content of a file")


class TestCheckpoints:
    def test_old_and_new_ones(self, same):
        def play(estimator):
            found = []
            for _ in range(2):
                trained(estimator, 1)
                found.append(answers(estimator))
                found.extend(
                    answers(estimator, checkpoint_path=name) for name in ("model.ckpt-1", None)
                )
            found.append(list(estimator.evaluate_checkpoints(ONE_TWO).values()))
            return [*found, twice(estimator)]

        same(play)

    def test_one_that_is_written_again(self, same):
        def play(estimator):
            found = [twice(trained(estimator))]
            for value in (7.0, 8.0):
                with tf.Graph().as_default(), v1.Session() as session:
                    w = v1.get_variable("w", initializer=value)
                    step = v1.get_variable("global_step", initializer=np.int64(2))
                    session.run(v1.global_variables_initializer())
                    v1.train.Saver([w, step]).save(
                        session, estimator.latest_checkpoint(), write_state=False
                    )
                found.append(answers(estimator))
            return [*found, answers(trained(estimator))]

        same(play)

    def test_those_of_another_estimator_in_the_same_folder(self, same):
        def play(estimator):
            other = Estimator(plain, config=estimator.config)
            found = [twice(trained(estimator))]
            for one in (other, estimator, other):
                trained(one, 1)
                found.append(answers(estimator))
            return found

        same(play)

    def test_none_left(self, same):
        def play(estimator):
            found = [twice(trained(estimator))]
            for file in pathlib.Path(estimator.model_dir).glob("*"):
                if file.is_file():
                    file.unlink()
            found.append(estimator.evaluate(ONE_TWO))
            with pytest.raises(ValueError, match="There must be a checkpoint"):
                list(estimator.predict(ONE_TWO))
            return [*found, answers(trained(estimator, 1))]

        same(play)

    def test_a_saver_of_model_fn(self, same):
        """It restores w from its moving average, as programs do that evaluate with one."""

        def model_fn(features, labels, mode):
            w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
            average = v1.get_variable("average", initializer=100.0, trainable=False)
            with v1.variable_scope("", reuse=True):
                spec = spec_of(mode, features["x"])
            step = v1.train.get_global_step()
            if mode == TRAIN:
                add = average.assign_add(10.0)
                return spec._replace(train_op=tf.group(spec.train_op, add.op))
            saver = v1.train.Saver({"average": w, "w": average, "global_step": step})
            return spec._replace(scaffold=v1.train.Scaffold(saver=saver))

        same(lambda e: [answers(trained(e)), answers(trained(e))], model_fn)


def test_a_training_that_other_processes_take_part_in_is_not_kept(tmp_path, monkeypatch):
    cluster = '{"chief": ["a:1"], "ps": ["b:1"]}, "task": {"type": "chief", "index": 0}'
    monkeypatch.setenv("TF_CONFIG", f'{{"cluster": {cluster}}}')
    estimator = Estimator(plain, tmp_path)
    for mode in (TRAIN, EVAL):
        with estimator._graph(mode, ONE_TWO, (), is_initial=mode == TRAIN) as built:
            assert (built.live is None) == (mode == TRAIN)
            assert built.variables[-1].device == ("/job:ps/task:0" if mode == TRAIN else "")
